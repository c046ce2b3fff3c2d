"""Connections for a terminal: grouped by client host and service, a line per connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pcapdiag.model.report import ConnectionRow, Report
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import counted, duration_ns, plural

LINES_PER_TABLE = 2000  # a table aligns its columns over so many rows at most


def connections(report: Report, *, width: int = 80, color: bool = False) -> Iterator[str]:
    """The listing in pieces, a group of connections at a time."""
    start = report.capture.first_at
    for group in _groups(report.connections):
        page = Page(width, color=color)
        _group(page, group, start)
        yield page.text() + "\n"
    yield f"{plural(report.connection_count, 'connection')}.\n"


def listing(page: Page, rows: Sequence[ConnectionRow]) -> None:
    """The same as the last section of a diagnosis."""
    start = min(row.opened_at for row in rows)
    page.heading("Connections")
    for group in _groups(rows):
        _group(page, group, start)


def _key(row: ConnectionRow) -> tuple[str, str]:
    return row.client.ip, str(row.server)


def _groups(rows: Sequence[ConnectionRow]) -> Iterator[list[ConnectionRow]]:
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        first.setdefault(_key(row), row.number)
    ordered = sorted(rows, key=lambda row: (first[_key(row)], _key(row), row.number))
    for _, group in groupby(ordered, key=_key):
        whole = list(group)
        for at in range(0, len(whole), LINES_PER_TABLE):
            yield whole[at : at + LINES_PER_TABLE]


def _group(page: Page, rows: Sequence[ConnectionRow], start: int | None) -> None:
    pool = f" (pool {rows[0].pool})" if rows[0].pool else ""
    page.blank()
    page.para(f"{rows[0].client.ip} -> {rows[0].server}{pool}", style="strong")
    page.table(
        ["no.", "port", "start", "reqs", "closed", "after", "client is", "server is"],
        [
            [
                str(row.number),
                "-" if row.client.port is None else str(row.client.port),
                duration_ns(row.opened_at - (start if start is not None else row.opened_at)),
                counted(row.requests, row.requests_basis),
                _closed(row),
                None if row.linger_ns is None else duration_ns(row.linger_ns),
                row.client_state,
                row.server_state,
            ]
            for row in rows
        ],
        indent=0,
    )


def _closed(row: ConnectionRow) -> str:
    """By whom and how, as the capture point saw it."""
    if row.close_kind == "none":
        return {"refused": "refused", "unanswered": "no answer"}.get(row.opening, "-")
    return f"{row.closer} {row.close_kind.upper()}"
