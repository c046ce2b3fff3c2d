"""The tables at the end of the text report: what each pool did, read by eye or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.report import CaptureInfo, PoolRow, Report
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import plural
from pcapdiag.reports.wording import NETSTAT, bounds, bracket, identity, knob, reuse, value_read, who, worth

POOLS_SHOWN = 10
FILES_SHOWN = 10
CLOSES = (
    "pool",
    "client",
    "server",
    "not\nclosed",
    "signalled",
    "request\nopen",
    "at once",
    "after\nsilence",
    "never\nused",
)
REASONS_SHOWN = 3  # pools of which the reasons for who is at their ends are printed


def tables(page: Page, report: Report, *, verbose: bool = False) -> None:
    pools = chosen(report, verbose)
    if pools:
        left = len(report.pools) - len(pools)
        _pools(page, pools, left, verbose)
        _inferred(page, pools)
        _closes(page, pools)
        _states(page, pools)
    _capture(page, report.capture)


def chosen(report: Report, verbose: bool) -> list[PoolRow]:
    """The pools with findings above info first of all, then the largest; shown in the report's order."""
    if verbose or len(report.pools) <= POOLS_SHOWN:
        return list(report.pools)
    ids = [id_ for finding in report.findings if finding.severity.rank > 0 for id_ in finding.pools]
    ids += [pool.id for pool in report.pools]
    wanted = set(list(dict.fromkeys(ids))[:POOLS_SHOWN])
    return [pool for pool in report.pools if pool.id in wanted]


def _pools(page: Page, pools: Sequence[PoolRow], left: int, verbose: bool) -> None:
    page.heading("Pools")
    page.para("A pool is all connections from one client host to one service.", indent=2, style="dim")
    brief = len(pools) > REASONS_SHOWN and not verbose
    for pool in pools:
        page.para(who(pool, brief), label=f"{pool.id}  ", indent=2)
        if brief:
            continue
        for role, program in (("client", pool.client_program), ("server", pool.server_program)):
            if program is not None:
                page.para(identity(program), label=f"{role}: ", indent=6, hang=8, style="dim")
    if left:
        page.para(f"and {plural(left, 'more pool')} (-v shows all)", indent=2)
    page.blank()
    page.table(
        [
            "pool",
            "requests",
            "conns",
            "requests\nper conn",
            "most on\none conn",
            "conns\nat peak",
            "busy\nat peak",
            "missed\nreuse",
        ],
        [list(reuse(pool)) for pool in pools],
    )
    if said := bounds(pools):
        page.para(said, indent=2, style="dim")


def _inferred(page: Page, pools: Sequence[PoolRow]) -> None:
    found = [(pool.id, item) for pool in pools for item in pool.inferred]
    if not found:
        return
    page.heading("Settings read from the packets")
    page.table(
        ["pool", "whose", "what", "value", "between", "seen on"],
        [
            [id_, item.owner, knob(item), value_read(item), bracket(item), plural(item.count, "connection")]
            for id_, item in found
        ],
    )
    bases: dict[str, list[str]] = {}
    for id_, item in found:
        note = f" {item.note[:1].upper()}{item.note[1:].rstrip('.')}." if item.note else ""
        bases.setdefault(f"{knob(item)}: {item.basis.rstrip('.')}.{note}", []).append(id_)
    for text, ids in bases.items():
        page.item(f"{', '.join(ids)} {text}", indent=2)


def closes(pool: PoolRow) -> list[int | str]:
    """A pool's row under ``CLOSES``."""
    sides = [pool.closers.get(side, 0) for side in ("client", "server", "none")]
    kinds = ("signalled", "open_request", "immediate", "silent", "unused")
    return [pool.id, *sides, *(pool.close_classes.get(kind, 0) for kind in kinds)]


def _closes(page: Page, pools: Sequence[PoolRow]) -> None:
    page.heading("Who closed first, and why")
    page.table(CLOSES, [closes(pool) for pool in pools])
    crossed = sum(pool.initiators.get("undecidable", 0) for pool in pools)
    if crossed:
        page.para(
            f"On {plural(crossed, 'connection')} both ends closed at the same time: "
            "client and server above are as this capture point saw them.",
            indent=2,
        )


def _states(page: Page, pools: Sequence[PoolRow]) -> None:
    rows = states_left(pools)
    shown = [state for state in NETSTAT if any(counts[state] for _, _, counts in rows)]
    page.heading("At the end, as netstat would show it")
    if not shown:
        page.para("No connection is left on either end.", indent=2)
        return
    page.table(
        ["pool", "on the", *(state.replace("_", "_\n", 1) if len(shown) > 4 else state for state in shown)],
        [[id_, side, *(counts[state] for state in shown)] for id_, side, counts in rows],
    )
    page.para("Implied by the packets, not read from a kernel.", indent=2, style="dim")


def states_left(pools: Sequence[PoolRow]) -> list[tuple[str, str, dict[str, int]]]:
    """Pool, end and sockets by state, for each end of each pool."""
    rows: list[tuple[str, str, dict[str, int]]] = []
    for pool in pools:
        for side, states in (("client", pool.client_states), ("server", pool.server_states)):
            counts = {state: states.get(state, 0) for state in NETSTAT}
            counts["TIME_WAIT"] = pool.time_wait.get(side, counts["TIME_WAIT"])
            rows.append((pool.id, side, counts))
    return rows


def _capture(page: Page, capture: CaptureInfo) -> None:
    page.heading("Capture")
    files = ", ".join(capture.files[:FILES_SHOWN]) + _more(len(capture.files) - FILES_SHOWN)
    page.para(
        f"{files}: {plural(capture.packets, 'packet')}, "
        f"{plural(capture.tcp_segments, 'TCP segment')}"
        + (f", link type {', '.join(capture.linktypes)}" if capture.linktypes else ""),
        indent=2,
    )
    for line in worth(capture):
        page.item(line, indent=2)


def _more(left: int) -> str:
    return f" and {left:,} more" if left > 0 else ""
