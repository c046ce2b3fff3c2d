"""The tables of the report in Markdown: what each pool did, what was read from it, what the capture is worth."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.report import CaptureInfo, NotEvaluated, PoolRow, Report
from pcapdiag.reports.markdown_page import Document, md
from pcapdiag.reports.text import RULES_NAMED
from pcapdiag.reports.text_tables import CLOSES, FILES_SHOWN, chosen, closes, states_left
from pcapdiag.reports.units import plural
from pcapdiag.reports.wording import NETSTAT, bounds, bracket, identity, knob, reuse, value_read, who, worth


def tables(out: Document, report: Report, *, verbose: bool = False) -> None:
    """Those of the pools."""
    pools = chosen(report, verbose)
    if not pools:
        return
    _pools(out, pools, len(report.pools) - len(pools))
    _inferred(out, pools)
    out.heading(2, "Who closed first, and why")
    out.table([head.replace("\n", " ") for head in CLOSES], [closes(pool) for pool in pools])
    _states(out, pools)


def _pools(out: Document, pools: Sequence[PoolRow], left: int) -> None:
    out.heading(2, "Pools")
    out.para("A pool is all connections from one client host to one service.")
    for pool in pools:
        programs = [
            f"{role}: {identity(program)}"
            for role, program in (("client", pool.client_program), ("server", pool.server_program))
            if program is not None
        ]
        out.item(md("**{}** {}", pool.id, who(pool, brief=False)), *programs)
    if left:
        out.item(f"and {plural(left, 'more pool')} (-v shows all)")
    out.table(
        ["pool", "requests", "connections", "requests per connection", "most on one", "open at peak", "busy at peak",
         "missed reuse"],
        [list(reuse(pool)) for pool in pools],
    )  # fmt: skip
    if said := bounds(pools):
        out.para(said)


def _inferred(out: Document, pools: Sequence[PoolRow]) -> None:
    found = [(pool.id, item) for pool in pools for item in pool.inferred]
    if not found:
        return
    out.heading(2, "Settings read from the packets")
    rows = []
    for id_, item in found:
        note = f"; {item.note.rstrip('.')}" if item.note else ""
        seen = plural(item.count, "connection")
        rows.append([id_, item.owner, knob(item), value_read(item), bracket(item), seen, f"{item.basis}{note}"])
    out.table(["pool", "whose", "what", "value", "between", "seen on", "how"], rows)


def _states(out: Document, pools: Sequence[PoolRow]) -> None:
    out.heading(2, "At the end, as netstat would show it")
    rows = states_left(pools)
    shown = [state for state in NETSTAT if any(counts[state] for _, _, counts in rows)]
    if not shown:
        out.para("No connection is left on either end.")
        return
    out.table(["pool", "on the", *shown], [[id_, side, *(counts[one] for one in shown)] for id_, side, counts in rows])
    out.para("Implied by the packets, not read from a kernel.")


def not_evaluated(out: Document, skipped: Sequence[NotEvaluated]) -> None:
    """Rules that these packets say nothing about, by reason."""
    if not skipped:
        return
    by_reason: dict[str, list[NotEvaluated]] = {}
    for entry in skipped:
        by_reason.setdefault(entry.reason, []).append(entry)
    out.heading(2, "Not evaluated")
    for reason, entries in by_reason.items():
        few = len(entries) <= RULES_NAMED
        rules = ", ".join(f"{entry.code} {entry.name}" if few else entry.code for entry in entries)
        out.item(f"{rules}: {reason}")


def capture(out: Document, info: CaptureInfo) -> None:
    """What was read, and what it is worth."""
    out.heading(2, "Capture")
    left = len(info.files) - FILES_SHOWN
    files = ", ".join(info.files[:FILES_SHOWN]) + (f" and {left:,} more" if left > 0 else "")
    links = f", link type {', '.join(info.linktypes)}" if info.linktypes else ""
    out.para(f"{files}: {plural(info.packets, 'packet')}, {plural(info.tcp_segments, 'TCP segment')}{links}")
    for line in worth(info):
        out.item(line)
