"""Which driver opens connections to a database, by how it introduces itself (``data/drivers.toml``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pcapdiag.model.words import Confidence
from pcapdiag.settings.entries import Recognised
from pcapdiag.settings.signs import Pattern


@dataclass(frozen=True)
class Driver:
    """What one driver sends."""

    protocol: str
    products: tuple[str, ...]
    name: str
    confidence: Confidence
    reason: str
    names: Pattern
    values: Mapping[str, Pattern]
    version: str  # the value that is the version; "" for none

    def fits(self, protocol: str, names: str, values: Mapping[str, str]) -> bool:
        return (
            protocol == self.protocol
            and self.names.search(names) is not None
            and all(pattern.search(values.get(name, "")) for name, pattern in self.values.items())
        )


def recognise_driver(
    protocol: str, names: Sequence[str], values: Mapping[str, str], *, whole: bool = True
) -> Recognised | None:
    """The driver; None where what it says is no known one's, or was not captured whole.

    Args:
        protocol: ``postgres``, ``redis`` or ``mysql``.
        names: of what it sets, in its order.
        values: of those that tell drivers apart, by name in lower case.
    """
    if not names or not whole:
        return None
    joined = ",".join(names)
    found = next((driver for driver in drivers() if driver.fits(protocol, joined, values)), None)
    if found is None:
        return None
    version = values.get(found.version, "")
    if len(found.products) == 1 and found.confidence is not Confidence.LOW:
        return Recognised(found.products[0], found.name, found.confidence, found.reason, version)
    return Recognised(None, found.name, found.confidence, found.reason, version, candidates=found.products)


@cache
def drivers() -> tuple[Driver, ...]:
    """All of them, in the order in which they are tried."""
    from pcapdiag.settings.reading import read_file

    file = read_file("drivers.toml")
    found = []
    for table in file.tables("driver"):
        found.append(
            Driver(
                table.text("protocol"),
                table.texts("products"),
                table.text("name"),
                Confidence(table.text("confidence")),
                table.text("reason"),
                Pattern(table.text("names", "")),
                {key: Pattern(pattern) for key, pattern in (pair.split(": ", 1) for pair in table.texts("values"))},
                table.text("version", ""),
            )
        )
        table.done()
    file.done()
    return tuple(found)
