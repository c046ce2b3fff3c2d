"""What programs are told by (``data/recognition.toml``), read and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from pcapdiag.model.words import Confidence

if TYPE_CHECKING:
    from pcapdiag.settings.reading import Table


# Characters of header names that are looked at: browsers send some 400.  Patterns take time with the square of it.
LONGEST = 1_000


@dataclass(frozen=True)
class Traits:
    """What the packets show of one end.

    Attributes:
        name: the User-Agent or Server header; "" for none.
        order: names of the first head's headers, as they were written; () for none.
        values: of the headers that tell programs apart, with their names in lower case; None where no head was read.
        http10: requests say HTTP/1.0.
        whole: no head was cut short.
        ja4, alpn: of the ClientHello, the names joined by commas; "" for none.
        probe_s: seconds of silence ahead of a keepalive probe; None without probes.
        resets: it ends connections with RST though nothing is open on them.
        block: a Host header of one label and no port, on a connection to a port other than 80; "" for others.
    """

    name: str = ""
    order: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] | None = None
    http10: bool = False
    whole: bool = True
    ja4: str = ""
    alpn: str = ""
    probe_s: float | None = None
    resets: bool = False
    block: str = ""

    @property
    def name_cut(self) -> bool:
        """Whether the snaplen cut the head just where the name stands."""
        return not self.whole and self.order[-1:] in (("User-Agent",), ("user-agent",), ("Server",), ("server",))


class Pattern:
    """A regular expression, compiled when first tried: of hundreds a capture tries a few."""

    def __init__(self, text: str, flags: int = 0) -> None:
        self.text = text
        self.flags = flags

    @cached_property
    def search(self) -> Callable[[str], re.Match[str] | None]:
        return re.compile(self.text, self.flags).search


@dataclass(frozen=True)
class Name:
    """A program by what it calls itself."""

    product_id: str | None
    name: str
    confidence: Confidence
    reason: str
    pattern: Pattern
    begins: str  # how the name begins, for one that the snaplen cut
    order: Pattern | None  # of its own heads: others with its name were passed on
    title: bool  # it writes Host with a capital
    http10: bool  # it speaks HTTP/1.0 only


@dataclass(frozen=True)
class Form:
    """Programs by how their heads look: names of headers, their order and case, and a few values."""

    products: tuple[str, ...]
    also: tuple[str, ...]  # wrappers that write it too, and say their own name
    name: str
    confidence: Confidence | None  # None: evidence for a program known otherwise, never enough alone
    reason: str
    order: Pattern
    values: Mapping[str, Pattern]
    nameless: bool  # only heads without a User-Agent or Server
    http10: bool
    proxy: bool  # it passes requests on: the User-Agent is another program's

    def fits(self, traits: Traits) -> bool:
        if (
            not traits.order
            or not traits.whole
            or (self.nameless and traits.name)
            or (self.http10 and not traits.http10)
        ):
            return False
        names = ",".join(traits.order)
        match = self.order.search(names) if len(names) <= LONGEST else None
        if match is None:
            return False
        between = match.groupdict().get("sorted")
        middle = between.strip(",").split(",") if between else []
        if middle != sorted(middle):
            return False
        if traits.values is None:
            return not self.values
        seen = dict(traits.values)
        return all(pattern.search(seen.get(name, "")) for name, pattern in self.values.items())


@dataclass(frozen=True)
class Hello:
    """Programs by their ClientHello."""

    products: tuple[str, ...]
    name: str
    confidence: Confidence
    reason: str
    ja4: Pattern
    alpn: Pattern
    version: str


@dataclass(frozen=True)
class Probes:
    """Programs by the silence that they let pass ahead of a keepalive probe."""

    products: tuple[str, ...]
    seconds: float
    reason: str

    def fits(self, seen_s: float | None) -> bool:
        """Linux's timer wheel lets long timers run up to an eighth over; the answer's round trip and a timer's start add."""
        return seen_s is not None and self.seconds - 0.05 <= seen_s <= self.seconds * 1.125 + 0.3


@dataclass(frozen=True)
class Signs:
    """All signs of one role."""

    names: tuple[Name, ...]
    forms: tuple[Form, ...]
    hellos: tuple[Hello, ...]
    probes: tuple[Probes, ...]

    def products(self) -> set[str]:
        found = {sign.product_id for sign in self.names if sign.product_id}
        found.update(*((*form.products, *form.also) for form in self.forms))
        found.update(*(hello.products for hello in self.hellos))
        found.update(*(probes.products for probes in self.probes))
        return found


@cache
def signs(role: str) -> Signs:
    """The signs of clients or servers."""
    return _all()[role]


@cache
def _all() -> Mapping[str, Signs]:
    from pcapdiag.settings.reading import read_file

    file = read_file("recognition.toml")
    found = {
        role: Signs(
            tuple(_name(table) for table in file.tables(role)),
            tuple(_form(table) for table in file.tables(f"{role}_form")),
            tuple(_hello(table) for table in file.tables(f"{role}_hello")),
            tuple(_probes(table) for table in file.tables(f"{role}_probes")),
        )
        for role in ("client", "server")
    }
    file.done()
    return found


def _name(table: Table) -> Name:
    sign = Name(
        table.text("product", "") or None,
        table.text("name"),
        Confidence(table.text("confidence", "high")),
        table.text("reason"),
        Pattern(table.text("pattern"), re.IGNORECASE),
        table.text("begins", ""),
        Pattern(order) if (order := table.text("order", "")) else None,
        table.flag("title", False),
        table.flag("http10", False),
    )
    table.done()
    return sign


def _form(table: Table) -> Form:
    confidence = table.text("confidence", "medium")
    sign = Form(
        _products(table),
        table.texts("also"),
        table.text("name"),
        None if confidence == "none" else Confidence(confidence),
        table.text("reason"),
        Pattern(table.text("order")),
        {key: Pattern(pattern) for key, pattern in (pair.split(": ", 1) for pair in table.texts("values"))},
        table.flag("nameless", False),
        table.flag("http10", False),
        table.flag("proxy", False),
    )
    table.done()
    return sign


def _hello(table: Table) -> Hello:
    sign = Hello(
        _products(table),
        table.text("name"),
        Confidence(table.text("confidence", "medium")),
        table.text("reason"),
        Pattern(table.text("ja4")),
        Pattern(table.text("alpn", "")),
        table.text("version", ""),
    )
    table.done()
    return sign


def _probes(table: Table) -> Probes:
    seconds = table.number("seconds")
    if seconds is None:
        from pcapdiag.settings.reading import CatalogError

        raise CatalogError(f"{table.where}: seconds are missing")
    sign = Probes(_products(table), seconds, table.text("reason"))
    table.done()
    return sign


def _products(table: Table) -> tuple[str, ...]:
    """Ids, none for a program that has no entry in the catalogue."""
    return table.texts("products")
