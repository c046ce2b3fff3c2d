"""The tables of a page: pools, settings read from the packets, closes, states, the capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from pcapdiag.model.report import PoolRow, Report
from pcapdiag.reports import wording
from pcapdiag.reports.layout import numeric
from pcapdiag.reports.text_tables import chosen, states_left
from pcapdiag.reports.units import counted, duration_ns, plural, share

POOLS_SHOWN = 200  # in all: a page scrolls, but not forever

Cell: TypeAlias = "str | int | float | None"


@dataclass(frozen=True)
class Table:
    """Headers and rows; a number is set right, None is a dash."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    caption: str = ""

    @cached_property  # asked for by each row
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold nothing but numbers, with or without a unit."""
        return tuple(
            bool(self.rows) and all(not isinstance(row[at], str) or numeric(str(row[at])) for row in self.rows)
            for at in range(len(self.headers))
        )


@dataclass(frozen=True)
class Who:
    """A pool and the programs at its ends."""

    id: str
    service: str
    lines: tuple[tuple[str, str], ...]  # role, who


def who(pools: Sequence[PoolRow]) -> list[Who]:
    """Who is at the ends of these pools."""
    return [
        Who(
            pool.id,
            wording.who(pool, brief=False),
            tuple(
                (role, wording.identity(program))
                for role, program in (("client", pool.client_program), ("server", pool.server_program))
                if program is not None
            ),
        )
        for pool in pools
    ]


def shown(report: Report) -> tuple[list[PoolRow], list[PoolRow]]:
    """The pools of the page, those with findings above info and the largest, and more of them behind a click."""
    first = chosen(report, verbose=False)
    ids = {pool.id for pool in first}
    return first, [pool for pool in report.pools if pool.id not in ids][: POOLS_SHOWN - len(first)]


def tables(pools: Sequence[PoolRow]) -> list[Table]:
    """The tables of these pools."""
    if not pools:
        return []
    return [table for table in (_pools(pools), _inferred(pools), _closes(pools), _states(pools)) if table is not None]


def _pools(pools: Sequence[PoolRow]) -> Table:
    estimated = any(pool.requests_basis != "exact" for pool in pools)
    return Table(
        (
            "pool",
            "requests",
            "connections",
            "requests per connection",
            "most on one",
            "open at peak",
            "busy at peak",
            "missed reuse",
            "first byte, median",
            "first byte, 95%",
            "handshake RTT",
        ),
        tuple(
            (
                pool.id,
                counted(pool.requests, pool.requests_basis),
                pool.connections,
                None if pool.mean_requests is None else round(pool.mean_requests, 2),
                pool.max_requests,
                pool.peak_connections,
                pool.peak_busy,
                f"{pool.missed_reuse:,} ({share(pool.missed_reuse, pool.opens)})" if pool.opens else None,
                duration_ns(pool.first_byte.median_ns) if pool.first_byte else None,
                duration_ns(pool.first_byte.p95_ns) if pool.first_byte else None,
                None if pool.handshake_rtt_ns is None else duration_ns(pool.handshake_rtt_ns),
            )
            for pool in pools
        ),
        caption="What each pool did",
        note=">= at least so many, ~ estimated from turns of unread bytes" if estimated else "",
    )


def _inferred(pools: Sequence[PoolRow]) -> Table | None:
    found = [(pool.id, item) for pool in pools for item in pool.inferred]
    if not found:
        return None
    return Table(
        ("pool", "whose", "what", "value", "between", "seen on", "how"),
        tuple(
            (
                id_,
                item.owner,
                wording.knob(item),
                wording.value_read(item),
                wording.bracket(item),
                plural(item.count, "connection"),
                f"{item.basis.rstrip('.')}."
                + (f" {item.note[:1].upper()}{item.note[1:].rstrip('.')}." if item.note else ""),
            )
            for id_, item in found
        ),
        caption="Settings read from the packets",
    )


def _closes(pools: Sequence[PoolRow]) -> Table:
    return Table(
        (
            "pool",
            "client first",
            "server first",
            "not closed",
            "signalled",
            "request open",
            "at once",
            "after silence",
            "never used",
        ),
        tuple(
            (
                pool.id,
                *(pool.closers.get(one, 0) for one in ("client", "server", "none")),
                *(
                    pool.close_classes.get(one, 0)
                    for one in ("signalled", "open_request", "immediate", "silent", "unused")
                ),
            )
            for pool in pools
        ),
        caption="Who closed first, and why",
    )


def _states(pools: Sequence[PoolRow]) -> Table | None:
    rows = states_left(pools)
    shown = [state for state in wording.NETSTAT if any(counts[state] for _, _, counts in rows)]
    if not shown:
        return None
    return Table(
        ("pool", "on the", *shown),
        tuple((id_, side, *(counts[state] for state in shown)) for id_, side, counts in rows),
        caption="At the end, as netstat would show it",
        note="Implied by the packets, not read from a kernel.",
    )
