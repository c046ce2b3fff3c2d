"""Pools and sockets by state on the live screen, as tables that give up columns before they give up width."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pcapdiag.model.live import LivePool, LiveView, Owner
from pcapdiag.model.report import PoolRow
from pcapdiag.model.words import Severity
from pcapdiag.reports.live_header import rate
from pcapdiag.reports.live_lines import cell, cut, words
from pcapdiag.reports.wording import NETSTAT

if TYPE_CHECKING:
    from rich.text import Text

WHO = 28  # cells that the two ends of a pool need before a column of less weight may be shown
OWNER_WIDTH = 22
LEAST_CLIENT = 4  # cells; with fewer, the end of the line is cut and not the client
ALWAYS_SHOWN = ("ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT")
# States in which sockets pile up when something is wrong, from how many on that is worth a color.
PILES = {"CLOSE_WAIT": 1, "TIME_WAIT": 1_000, "SYN_SENT": 10, "SYN_RECEIVED": 10, "FIN_WAIT_2": 100, "LAST_ACK": 10}

Both: TypeAlias = "tuple[PoolRow | None, LivePool | None]"


@dataclass(frozen=True)
class _Column:
    rank: int  # the highest goes first where there is no room
    heading: str
    width: int
    show: Callable[[PoolRow | None, LivePool | None], str]


def _of_row(show: Callable[[PoolRow], str]) -> Callable[[PoolRow | None, LivePool | None], str]:
    return lambda row, live: "-" if row is None else show(row)


def _of_live(show: Callable[[LivePool], str]) -> Callable[[PoolRow | None, LivePool | None], str]:
    return lambda row, live: "-" if live is None else show(live)


def _reuse(row: PoolRow) -> str:
    mean = row.mean_requests
    return "-" if mean is None else f"{mean:.1f}" if mean < 99.95 else f"{mean:,.0f}"


def closes_first(row: PoolRow) -> str:
    """``client 98%``: who sent the first FIN or RST, of the connections that were closed."""
    client, server = row.closers.get("client", 0), row.closers.get("server", 0)
    both = client + server + row.closers.get("both", 0)
    if not both:
        return "nobody"
    who, count = ("client", client) if client >= server else ("server", server)
    percent = 100 * count // both
    return f"{who} {percent}%"


COLUMNS = (
    _Column(0, "req/conn", 8, _of_row(_reuse)),
    _Column(2, "open", 5, _of_live(lambda live: f"{live.open:,}")),
    _Column(3, "busy", 4, _of_live(lambda live: f"{live.busy:,}")),
    _Column(7, "idle", 4, _of_live(lambda live: f"{live.idle:,}")),
    _Column(1, "open/s", 6, _of_live(lambda live: rate(live.opens_per_second))),
    _Column(6, "close/s", 7, _of_live(lambda live: rate(live.closes_per_second))),
    _Column(4, "req/s", 5, _of_live(lambda live: rate(live.requests_per_second))),
    _Column(5, "closes first", 12, _of_row(closes_first)),
)


def sorted_pools(view: LiveView) -> list[Both]:
    """The interesting ones first: those with findings, in their order, then those with the most going on."""
    rows = {} if view.report is None else {row.id: row for row in view.report.pools}
    live = {pool.pool: pool for pool in view.pools}
    worst: dict[str, int] = {}
    if view.report is not None:
        for at, finding in enumerate(view.report.findings):
            if finding.severity is not Severity.INFO:
                for name in finding.pools:
                    worst.setdefault(name, at)
    largest = {name: at for at, name in enumerate(dict.fromkeys([*rows, *live]))}

    def interest(name: str) -> tuple[int, float, int]:
        pool = live.get(name)
        going_on = 0.0 if pool is None else pool.requests_per_second + pool.opens_per_second + pool.closes_per_second
        return worst.get(name, len(worst)), -going_on, largest[name]

    return [(rows.get(name), live.get(name)) for name in sorted(largest, key=interest)]


@dataclass(frozen=True)
class PoolTable:
    """How the table is laid out at a width: columns, and the cells of the two ends and of their processes."""

    columns: tuple[_Column, ...]
    who: int
    owners: int  # 0: the client's process stands in place of its address

    @staticmethod
    def at(width: int, pools: Sequence[Both]) -> PoolTable:
        columns = sorted(COLUMNS, key=lambda column: column.rank)
        while columns and _used(columns) + 4 + min(WHO, width // 2) > width:
            columns.pop()
        room = width - _used(columns) - 4
        owned = any(live is not None and (live.client_owners or live.server_owners) for _, live in pools)
        owners = 2 * OWNER_WIDTH + 4 if owned and room >= WHO + 2 * OWNER_WIDTH + 6 else 0
        longest = max((words(_who(both, named=not owners)).cell_len for both in pools), default=0)
        who = min(room - (owners + 2 if owners else 0), max(longest, 18))
        return PoolTable(tuple(column for column in COLUMNS if column in columns), who, owners)

    def heading(self) -> Text:
        line = cell("", 4) + cell("client -> server", self.who)
        if self.owners:
            line += words("  ") + cell("processes", self.owners)
        for column in self.columns:
            line += words(" ") + cell(column.heading, column.width, right=True)
        line.stylize("dim")
        return line

    def row(self, both: Both, marked: frozenset[str]) -> Text:
        row, live = both
        name = row.id if row is not None else live.pool if live is not None else ""
        line = cell(name, 4, "bad" if name in marked else "strong")
        line += cell(_who(both, named=not self.owners, width=self.who), self.who)
        if self.owners:
            line += words("  ") + cell(_owners(live), self.owners, "dim")
        for column in self.columns:
            line += words(" ") + cell(column.show(row, live), column.width, right=True)
        return line


def _used(columns: Sequence[_Column]) -> int:
    return sum(column.width + 1 for column in columns)


def _who(both: Both, *, named: bool, width: int = 0) -> str:
    """The two ends; ``named`` puts the client's process in the place of its address, which is this host's then.

    Where there is no room for all, in ``width`` cells, the host goes first and then the client's end is cut: of the
    server not even the port may be missing.
    """
    row, live = both
    if row is None:
        return "-"
    client, server = row.client_ip, str(row.server)
    if named and live is not None and live.client_owners:
        client = _owner(live.client_owners)
    host = f" ({row.host})" if row.host and row.host != server else ""
    whole = f"{client} -> {server}{host}"
    if width <= 0 or words(whole).cell_len <= width:
        return whole
    room = width - len(f" -> {server}")
    if room < LEAST_CLIENT:
        return whole
    return f"{client if words(client).cell_len <= room else cut(words(client), room).plain} -> {server}"


def _owners(live: LivePool | None) -> str:
    if live is None or not (live.client_owners or live.server_owners):
        return ""
    return processes(live.client_owners, live.server_owners)


def processes(clients: tuple[Owner, ...], servers: tuple[Owner, ...]) -> str:
    """Who is at both ends; not yet escaped."""
    return f"{_owner(clients)} -> {_owner(servers)}"


def _owner(owners: tuple[Owner, ...]) -> str:
    if not owners:
        return "?"
    first = owners[0]
    place = f" in {first.container}" if first.container else ""
    more = f" +{len(owners) - 1}" if len(owners) > 1 else ""
    return f"{first.name}[{first.pid}]{place}{more}"


def states(counts: Mapping[str, Mapping[str, int]], width: int) -> list[Text]:
    """Sockets by state: a heading and a row per end; states that are seldom give way first."""
    total = {state: sum(end.get(state, 0) for end in counts.values()) for state in NETSTAT}
    shown = [state for state in NETSTAT if total[state] or state in ALWAYS_SHOWN]
    while shown and 10 + sum(_state_width(state, total[state]) + 2 for state in shown) > width:
        shown.remove(min(shown, key=lambda state: (state in ALWAYS_SHOWN, total[state])))
    head = cell("SOCKETS", 10, "head")
    for state in shown:
        head += words("  ") + cell(state, _state_width(state, total[state]), "dim", right=True)
    lines = [cut(head, width)]
    for end in ("client", "server"):
        line = cell(f"at {end}s", 10)
        for state in shown:
            count = counts.get(end, {}).get(state, 0)
            style = "unsure" if count >= PILES.get(state, count + 1) else "" if count else "dim"
            line += words("  ") + cell(f"{count:,}", _state_width(state, total[state]), style, right=True)
        lines.append(cut(line, width))
    return lines


def _state_width(state: str, total: int) -> int:
    return max(len(state), len(f"{total:,}"))
