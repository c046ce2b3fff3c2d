"""The tables at the end of the text report: what each pool did, read by eye or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.report import CaptureInfo, Inferred, PoolRow, Program, Quality, Report
from pcapdiag.reports.escape import shorten
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import counted, duration_ns, number, plural, quantity, share

POOLS_SHOWN = 10
FILES_SHOWN = 10
REASONS_SHOWN = 3  # pools of which the reasons for who is at their ends are printed
NAME_SHOWN = 60  # characters of a User-Agent or Host

# As netstat orders them by life; CLOSED and UNKNOWN are in no netstat.
NETSTAT = (
    "SYN_SENT",
    "SYN_RECEIVED",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "CLOSING",
    "TIME_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
)


def tables(page: Page, report: Report, *, verbose: bool = False) -> None:
    pools = _chosen(report, verbose)
    if pools:
        left = len(report.pools) - len(pools)
        _pools(page, pools, left, verbose)
        _inferred(page, pools)
        _closes(page, pools)
        _states(page, pools)
    _capture(page, report.capture)


def _chosen(report: Report, verbose: bool) -> list[PoolRow]:
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
        page.para(_who(pool, brief), label=f"{pool.id}  ", indent=2)
        if brief:
            continue
        for role, program in (("client", pool.client_program), ("server", pool.server_program)):
            if program is not None:
                page.para(_program(program), label=f"{role}: ", indent=6, hang=8, style="dim")
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
        [
            [
                pool.id,
                counted(pool.requests, pool.requests_basis),
                pool.connections,
                None if pool.mean_requests is None else round(pool.mean_requests, 2),
                pool.max_requests,
                pool.peak_connections,
                pool.peak_busy,
                f"{pool.missed_reuse:,} ({share(pool.missed_reuse, pool.opens)})" if pool.opens else None,
            ]
            for pool in pools
        ],
    )
    if any(pool.requests_basis != "exact" for pool in pools):
        page.para(">= at least so many, ~ estimated from turns of unread bytes", indent=2, style="dim")


def _program(program: Program) -> str:
    """Who it is, how sure that is and why."""
    name = shorten(f"{program.name} {program.version}".strip(), NAME_SHOWN)
    system = f" on {program.system}" if program.system else ""
    if program.product is None and not program.candidates:
        return f"{name}{system}: {program.reason}"
    guess = "perhaps " if program.product is None else ""
    return f"{guess}{name}{system}, {program.confidence} confidence: {program.reason}"


def _brief(role: str, program: Program, said: str | None) -> str:
    """Who it is in a line that holds more, or what it calls itself where that names nobody."""
    if program.product is None and not program.candidates and program.name.startswith("unknown"):
        return f"{role} {shorten(said, NAME_SHOWN)}" if said else f"{role} unknown"
    guess = "perhaps " if program.product is None and program.candidates else ""
    return f"{role} {guess}{shorten(f'{program.name} {program.version}'.strip(), NAME_SHOWN)}"


def _who(pool: PoolRow, brief: bool) -> str:
    service = f"{pool.client_ip} -> {pool.server}"
    if pool.host and pool.host != str(pool.server):
        service += f" ({shorten(pool.host, NAME_SHOWN)})"
    ends = [pool.protocol]
    if brief and pool.client_program is not None:
        ends.append(_brief("client", pool.client_program, pool.user_agent))
    if brief and pool.server_program is not None:
        ends.append(_brief("server", pool.server_program, pool.server_software))
    if pool.handshake_rtt_ns is not None:
        ends.append(f"RTT {duration_ns(pool.handshake_rtt_ns)}")
    return f"{service}, {', '.join(ends)}"


def _inferred(page: Page, pools: Sequence[PoolRow]) -> None:
    found = [(pool.id, item) for pool in pools for item in pool.inferred]
    if not found:
        return
    page.heading("Settings read from the packets")
    page.table(
        ["pool", "whose", "what", "value", "between", "seen on"],
        [
            [id_, item.owner, _knob(item), _value(item), _bracket(item), plural(item.count, "connection")]
            for id_, item in found
        ],
    )
    bases: dict[str, list[str]] = {}
    for id_, item in found:
        note = f" {item.note[:1].upper()}{item.note[1:].rstrip('.')}." if item.note else ""
        bases.setdefault(f"{_knob(item)}: {item.basis.rstrip('.')}.{note}", []).append(id_)
    for text, ids in bases.items():
        page.item(f"{', '.join(ids)} {text}", indent=2)


def _knob(item: Inferred) -> str:
    return item.knob.replace("_", " ")


def _value(item: Inferred) -> str:
    return "a range" if item.value is None else quantity(item.value, item.unit)


def _bracket(item: Inferred) -> str:
    if item.unit == "s":  # both ends with the digits that tell them apart
        low, high = (None if end is None else f"{end:,.4f}".rstrip("0").rstrip(".") for end in (item.low, item.high))
    else:
        low, high = (None if end is None else number(end) for end in (item.low, item.high))
    unit = " s" if item.unit == "s" else ""
    if low is not None and high is not None:
        return f"{low}{unit}" if low == high else f"{low} and {high}{unit}"
    if high is not None:
        return f"at most {high}{unit}"
    if low is not None:
        return f"over {low}{unit}"
    return "not tested"


def _closes(page: Page, pools: Sequence[PoolRow]) -> None:
    page.heading("Who closed first, and why")
    page.table(
        [
            "pool",
            "client",
            "server",
            "not\nclosed",
            "signalled",
            "request\nopen",
            "at once",
            "after\nsilence",
            "never\nused",
        ],
        [
            [
                pool.id,
                pool.closers.get("client", 0),
                pool.closers.get("server", 0),
                pool.closers.get("none", 0),
                pool.close_classes.get("signalled", 0),
                pool.close_classes.get("open_request", 0),
                pool.close_classes.get("immediate", 0),
                pool.close_classes.get("silent", 0),
                pool.close_classes.get("unused", 0),
            ]
            for pool in pools
        ],
    )
    crossed = sum(pool.initiators.get("undecidable", 0) for pool in pools)
    if crossed:
        page.para(
            f"On {plural(crossed, 'connection')} both ends closed at the same time: "
            "client and server above are as this capture point saw them.",
            indent=2,
        )


def _states(page: Page, pools: Sequence[PoolRow]) -> None:
    rows: list[tuple[str, str, dict[str, int]]] = []
    for pool in pools:
        for side, states in (("client", pool.client_states), ("server", pool.server_states)):
            counts = {state: states.get(state, 0) for state in NETSTAT}
            counts["TIME_WAIT"] = pool.time_wait.get(side, counts["TIME_WAIT"])
            rows.append((pool.id, side, counts))
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


def _capture(page: Page, capture: CaptureInfo) -> None:
    page.heading("Capture")
    quality = capture.quality
    files = ", ".join(capture.files[:FILES_SHOWN]) + _more(len(capture.files) - FILES_SHOWN)
    page.para(
        f"{files}: {plural(capture.packets, 'packet')}, "
        f"{plural(capture.tcp_segments, 'TCP segment')}"
        + (f", link type {', '.join(capture.linktypes)}" if capture.linktypes else ""),
        indent=2,
    )
    worth = [
        *quality.damage,
        *(f"{plural(count, noun)} {what}" for count, noun, what in _counted(quality) if count),
        *(f"{plural(count, 'packet')} not decoded: {reason}" for reason, count in quality.undecoded.items() if count),
        *quality.notes,
    ]
    if not capture.compiled:
        worth.append("read by the uncompiled packet path: the same results, slower")
    for line in worth or ["nothing wrong with it"]:
        page.item(line, indent=2)


def _more(left: int) -> str:
    return f" and {left:,} more" if left > 0 else ""


def _counted(quality: Quality) -> tuple[tuple[int, str, str], ...]:
    return (
        (quality.truncated_packets, "packet", "cut short by the snaplen"),
        (quality.duplicate_packets, "packet", "captured twice and left out"),
        (quality.gap_bytes, "byte", "acknowledged but never captured"),
        (quality.midstream_connections, "connection", "already open when the capture began"),
        (quality.one_sided_connections, "connection", "captured in one direction only"),
        (quality.aliased_connections, "connection", "seen again under other addresses, left out"),
        (quality.time_steps_back, "time", "the capture's clock stepped back"),
    )
