"""Knob by product: what each spells it, or why it has none, and whether anything is left open.

``data/kinds.toml`` says which knobs a product of each kind must answer for; a knob that is neither a setting nor an
absence of such a product is a hole in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pcapdiag.model.words import Knob
from pcapdiag.settings.catalog import load
from pcapdiag.settings.entries import Absence, Product, Setting


@dataclass(frozen=True)
class Kind:
    """What a product is, as far as it decides which knobs it can have."""

    id: str
    title: str  # a heading: many of them
    what: str
    knobs: tuple[Knob, ...]


@dataclass(frozen=True)
class Cell:
    """One product's answer for one knob; a hole has neither settings nor an absence."""

    product: Product
    knob: Knob
    settings: tuple[Setting, ...]
    absence: Absence | None


@cache
def kinds() -> Mapping[str, Kind]:
    """The kinds by id."""
    from pcapdiag.settings.reading import knobs_of, read_file

    file = read_file("kinds.toml")
    found: dict[str, Kind] = {}
    for table in file.tables("kind"):
        kind = Kind(table.text("id"), table.text("title"), table.text("what"), tuple(knobs_of(table, "knobs")))
        table.done()
        found[kind.id] = kind
    file.done()
    return found


def row(knob: Knob) -> list[Cell]:
    """Every product that has the knob, lacks it, or ought to say which, in the order of the catalogue."""
    return [
        cell
        for product in load().products.values()
        if (cell := _cell(product, knob)).settings or cell.absence or knob in kinds()[product.kind].knobs
    ]


def holes() -> list[Cell]:
    """Knobs that a product of its kind must answer for, and does not."""
    return [
        cell
        for product in load().products.values()
        for knob in kinds()[product.kind].knobs
        if not (cell := _cell(product, knob)).settings and cell.absence is None
    ]


def _cell(product: Product, knob: Knob) -> Cell:
    return Cell(product, knob, product.settings_for(knob), product.absence_of(knob))
