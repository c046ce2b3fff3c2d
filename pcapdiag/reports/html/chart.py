"""A chart of a page, and what charts have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pcapdiag.model.report import PoolRow
from pcapdiag.reports.html.distributions import Bin
from pcapdiag.reports.html.tables import Table

CLOSERS = ("client", "server", "none")
CLOSES = {"client": "client closed first", "server": "server closed first", "none": "not closed"}
CLASSES = {
    "signalled": "announced (Connection: close)",
    "open_request": "with a request open",
    "immediate": "at once after a response",
    "silent": "after a silence",
    "unused": "never used",
    "open": "not closed",
}

DIALS = {"refused": "refused", "unanswered": "unanswered"}  # openings that became no connection


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        id: of its element, which the script draws into.
        kind: which drawing.
        says: what is to be seen, for everybody, and for a reader without the picture.
        data: for the script.
        wide: takes the whole width of the page.
    """

    id: str
    kind: str
    title: str
    says: str
    table: Table
    data: Mapping[str, object]
    wide: bool = False


def bins(of: Sequence[Bin]) -> list[list[float | int | str]]:
    return [[float(f"{one.low:.6g}"), float(f"{one.high:.6g}"), one.count, one.label] for one in of]


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def pool_name(row: PoolRow) -> str:
    service = f"{row.id}: {row.client_ip} to {row.server}"
    return service + (f" ({row.host})" if row.host and row.host != str(row.server) else "")
