"""Exchanges for a terminal: grouped by client host and service, a line per request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pcapdiag.model.report import CaptureInfo, Endpoint
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import duration_ns, plural

LINES_PER_TABLE = 2000  # a table aligns its columns over so many rows at most

# How an exchange ended, beside its method and status; complete goes without saying.
ENDS = {
    "complete": "",
    "request_cut": "cut",
    "unanswered": "no answer",
    "response_cut": "cut",
    "open": "open",
    "unknown": "?",
}


@dataclass(frozen=True, slots=True)
class ExchangeLine:
    """What a line shows of an exchange; nanoseconds, None where it did not happen or was not captured."""

    connection: int
    request_number: int
    client_ip: str
    server_ip: str
    server_port: int
    basis: str
    method: str | None
    status: int | None
    outcome: str
    request_at: int | None
    response_at: int | None
    idle_gap_s: int | None
    first_byte_s: int | None
    duration_s: int | None


def exchanges(
    rows: Sequence[ExchangeLine], info: CaptureInfo, listed: int, *, width: int = 80, color: bool = False
) -> Iterator[str]:
    """The listing in pieces, a group of exchanges at a time.

    Args:
        rows: by connection, then in their order.
        info: of the capture.
        listed: connections that they were looked for on.
        width: columns to fill.
        color: whether to color.
    """
    if not rows:
        yield f"No request was seen on {plural(listed, 'connection')}; pcapdiag connections lists what was.\n"
        return
    for group in _groups(rows):
        page = Page(width, color=color)
        _group(page, group, info.first_at or 0)
        yield page.text() + "\n"
    connections = len({row.connection for row in rows})
    yield f"{plural(len(rows), 'exchange')} on {plural(connections, 'connection')}.\n"


def _service(row: ExchangeLine) -> tuple[str, str]:
    return row.client_ip, str(Endpoint(row.server_ip, row.server_port))


def _groups(rows: Sequence[ExchangeLine]) -> Iterator[list[ExchangeLine]]:
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        first.setdefault(_service(row), row.connection)
    ordered = sorted(rows, key=lambda row: (first[_service(row)], _service(row), row.connection, row.request_number))
    for _, group in groupby(ordered, key=_service):
        whole = list(group)
        for at in range(0, len(whole), LINES_PER_TABLE):
            yield whole[at : at + LINES_PER_TABLE]


def _group(page: Page, rows: Sequence[ExchangeLine], start: int) -> None:
    client, server = _service(rows[0])
    page.para(f"{client} -> {server}", style="strong")
    page.table(
        ["conn.", "no.", "start", "request", "idle gap", "first byte", "took"],
        [
            [
                str(row.connection),
                str(row.request_number),
                _start(row, start),
                _request(row),
                _duration(row.idle_gap_s),
                _duration(row.first_byte_s),
                _duration(row.duration_s),
            ]
            for row in rows
        ],
        indent=0,
    )


def _start(row: ExchangeLine, start: int) -> str:
    """Since the capture's start; of a request that was not captured, when it had been sent at the latest."""
    if row.request_at is not None:
        return duration_ns(row.request_at - start)
    return "-" if row.response_at is None else f"< {duration_ns(row.response_at - start)}"


def _request(row: ExchangeLine) -> str:
    """``GET 200``, ``POST no answer``, ``turn``."""
    what = "turn" if row.basis == "turns" else row.method or "other"
    words = [what, "" if row.status is None else str(row.status), ENDS[row.outcome]]
    return " ".join(word for word in words if word)


def _duration(ns: int | None) -> str | None:
    return None if ns is None else duration_ns(ns)
