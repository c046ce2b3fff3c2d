"""Find the product that a person means: by id, by name, or by what it is called at the other end."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from pcapdiag.errors import UsageError
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Product

SUGGESTED = 5
# How alike two names must be to be suggested, of 1: a slip or two in ten letters.
ALIKE = 0.5


def find(text: str, role: str) -> Product:
    """The client's or server's product of that id or name, in any case; nginx as a client is nginx-upstream.

    Raises:
        UsageError: there is none; the message names those that are nearest.
    """
    wanted = text.strip().lower()
    for product in _products(role):
        if wanted in (product.id, product.name.lower(), product.id.removesuffix("-upstream")):
            return product
    near = _nearest(wanted, role)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(
        f"{text!r} is no address, network (10.0.0.0/8), address and port (10.0.0.7:8081), or {role} product{hint} "
        "(pcapdiag settings lists them)"
    )


def _products(role: str) -> Iterator[Product]:
    return (product for product in catalog.load().products.values() if product.role == role)


def _nearest(wanted: str, role: str) -> list[str]:
    """Ids of products whose id or name holds the text, then of those that are spelled alike."""
    spelled = {text: product.id for product in _products(role) for text in (product.id, product.name.lower())}
    holding = [product for text, product in spelled.items() if len(wanted) >= 3 and (wanted in text or text in wanted)]
    alike = [spelled[text] for text in get_close_matches(wanted, spelled, SUGGESTED, ALIKE)]
    return list(dict.fromkeys([*holding, *alike]))[:SUGGESTED]
