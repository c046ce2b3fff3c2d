"""Turn tables and pools into the rows of a Report: numbers into words, indices into text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pcapdiag.model.report import ConnectionRow, Endpoint, Inferred, PoolRow, Program
from pcapdiag.model.tables import Column, ConnectionTable
from pcapdiag.model.words import (
    CloseClass,
    CloseKind,
    ConnState,
    Count,
    Knob,
    Opening,
    Protocol,
    Side,
    TcpState,
    Word,
)
from pcapdiag.pools.capacity import capacity_under_load, evicting_capacity, idle_capacity
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.ceiling import ceiling
from pcapdiag.pools.exposure import first_byte, idle_open, idle_survived, oldest, peak_kept, time_wait_closes
from pcapdiag.pools.losses import idle_drop
from pcapdiag.pools.openings import dials_given_up
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.replacing import Replacement, both_agree, replacement, told_by_count
from pcapdiag.pools.timeouts import given_up
from pcapdiag.pools.timers import Timer, idle_timer
from pcapdiag.rules.rule import Desk, spoken
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Recognised

# Waits that end alike: two agree by chance.
AGREEING = 3


def counted(kind: type[Word | TcpState], values: Column) -> dict[str, int]:
    """Word to rows, in the order of the words."""
    numbers = np.bincount(values, minlength=1) if len(values) else np.zeros(1, dtype=np.int64)
    return {kind(value).word: int(count) for value, count in enumerate(numbers) if count}


def basis_of(bases: Column) -> Count:
    """The weakest basis among connections that carry something."""
    if not len(bases):
        return Count.EXACT
    if (bases == Count.TURNS).any():
        return Count.TURNS
    return Count.LOWER_BOUND if (bases == Count.LOWER_BOUND).any() else Count.EXACT


def pool_row(pool: Pool, desk: Desk) -> PoolRow:
    """Everything about a pool that a report may show."""
    c = pool.connections
    client = desk.client_of(pool)
    server = desk.server_of(pool)
    per, times = np.unique(c.requests[pool.usable], return_counts=True)
    dials = int(pool.dialled.sum())
    return PoolRow(
        id=pool.name,
        client_ip=c.address(int(c.client_ip[0])),
        server=Endpoint(c.address(int(c.server_ip[0])), int(c.server_port[0])),
        host=pool.text("host") or pool.text("sni"),
        protocol=pool.protocol.word,
        user_agent=pool.text("user_agent"),
        client_library=client.name if client.known and not client.candidates else None,
        server_software=pool.text("server_software"),
        connections=pool.size,
        requests=pool.requests,
        requests_basis=basis_of(c.basis[pool.usable]).word,
        requests_per_connection={int(value): int(count) for value, count in zip(per, times, strict=True)},
        mean_requests=None if pool.mean_requests is None else round(pool.mean_requests, 3),
        max_requests=int(c.requests.max()),
        closers=counted(Side, c.closer),
        initiators=counted(Side, c.initiator),
        close_classes=counted(CloseClass, pool.close_class),
        client_states=counted(TcpState, c.client_state),
        server_states=counted(TcpState, c.server_state),
        peak_connections=pool.peak_open,
        peak_busy=pool.peak_busy,
        peak_idle=pool.peak_idle,
        missed_reuse=int(pool.missed.sum()),
        opens=dials,
        missed_reuse_rate=None if pool.missed_rate is None else round(pool.missed_rate, 4),
        opens_per_second=pool.opens_per_second,
        requests_per_second=pool.requests_per_second,
        handshake_rtt_ns=pool.rtt if (c.rtt_ns >= 0).any() else None,
        duration_ns=pool.active_ns,
        time_wait={
            "client": int((c.client_state == TcpState.TIME_WAIT).sum()),
            "server": int((c.server_state == TcpState.TIME_WAIT).sum()),
        },
        inferred=inferred_of(pool, server, client),
        client_program=program(client, desk.system_of(pool, "client")),
        server_program=program(server, desk.system_of(pool, "server")),
        openings=counted(Opening, c.opening),
        time_wait_closes=time_wait_closes(pool),
        retransmitted=int(c.client_retransmitted.sum() + c.server_retransmitted.sum()),
        data_segments=int(c.client_data_packets.sum() + c.server_data_packets.sum()),
        first_byte=first_byte(pool),
        peak_kept=peak_kept(pool),
        idle_survived_ns=idle_survived(pool),
        idle_open_ns=idle_open(pool),
        oldest_ns=oldest(pool),
    )


def program(found: Recognised, system: str | None) -> Program:
    """Who is at one end, as reports show it."""
    return Program(
        found.product_id, found.name, found.version, found.confidence, found.reason, found.candidates, system
    )


def inferred_of(pool: Pool, server: Recognised, client: Recognised) -> tuple[Inferred, ...]:
    """Settings read from the wire: idle capacity, request cap, timers."""
    out: list[Inferred] = []
    if pool.tiny:
        return ()
    capacity = idle_capacity(pool) or evicting_capacity(pool) or capacity_under_load(pool)
    if capacity is not None and capacity.overflow >= 3 and pool.peak_busy > capacity.low:
        out.append(
            Inferred(
                Knob.IDLE_POOL_LIMIT,
                "client",
                capacity.value,
                capacity.low,
                capacity.high,
                "connections",
                capacity.overflow,
                None,
                f"the level of pooled connections in {capacity.rest_ns / SECOND:.1f} s at rest"
                if capacity.rest_ns
                else "the fewest that sat idle when others were thrown away",
            )
        )
    cap = request_cap(pool)
    if cap is not None:
        out.append(
            Inferred(
                Knob.MAX_REQUESTS,
                "server",
                cap.value,
                cap.value,
                cap.value,
                "requests",
                cap.count,
                None,
                "connections that ended with Connection: close, none carried more"
                if cap.announced
                else "connections that the server closed at once after the same number of requests",
                fits(Knob.MAX_REQUESTS, "server", cap.value, cap.value, server),
            )
        )
    for side, role, who in ((Side.CLIENT, "client", client), (Side.SERVER, "server", server)):
        replaced = replacement(pool, side)
        if replaced is not None:
            out.append(replacement_row(replaced, role))
        timer = idle_timer(pool, side)
        if timer is not None and not (timer.lifetime and replaced is not None):
            out.append(timer_row(timer, role, who, spoken(pool)))
    out += waiting_rows(pool)
    return tuple(out)


def replacement_row(seen: Replacement, role: str) -> Inferred:
    """A limit on the requests or on the age of connections in use."""
    by_count = told_by_count(seen)
    value = seen.requests if by_count else seen.age_low / SECOND
    return Inferred(
        Knob.MAX_REQUESTS if by_count else Knob.MAX_LIFETIME,
        role,
        value,
        value if by_count else (seen.survived or seen.age_low) / SECOND,
        value if by_count else seen.age_low / SECOND,
        "requests" if by_count else "s",
        len(seen.rows),
        None if by_count else (seen.age_high - seen.age_low) / SECOND,
        f"connections that the {role} gave up in use, none carried more or grew older",
        "at this rate of requests age and number go together" if both_agree(seen) else "",
    )


def waiting_rows(pool: Pool) -> Iterator[Inferred]:
    """What requests and dials wait for, and how long."""
    full = ceiling(pool)
    if full is not None:
        yield Inferred(
            Knob.TOTAL_POOL_LIMIT,
            "client",
            full.limit,
            full.limit,
            full.limit,
            "connections",
            pool.size,
            None,
            f"{full.at_once:,} requests that left as a response ended, all connections busy",
            "" if full.front is not None else "as many callers in a loop look the same",
        )
    request = given_up(pool)
    if request is not None and len(request.rows) >= AGREEING:
        yield Inferred(
            Knob.REQUEST_TIMEOUT,
            "client",
            request.median / SECOND,
            request.low / SECOND,
            request.high / SECOND,
            "s",
            len(request.rows),
            request.spread / SECOND,
            f"requests given up at {request.moments} moments, counted from {request.since.value}",
        )
    dial = dials_given_up(pool)
    if dial is not None and dial.count >= AGREEING and dial.high is not None:
        yield Inferred(
            Knob.CONNECT_TIMEOUT,
            "client",
            None,
            dial.low / SECOND,
            dial.high / SECOND,
            "s",
            dial.count,
            None,
            "dials that were never answered, from the last SYN to the one that did not come",
        )
    dropped = idle_drop(pool)
    if dropped is not None and len(dropped.rows) >= AGREEING:
        low = None if dropped.low is None else dropped.low / SECOND
        yield Inferred(
            Knob.IDLE_TIMEOUT,
            "middlebox",
            None,
            low,
            dropped.high / SECOND,
            "s",
            len(dropped.rows),
            None,
            "silences after which a request met nothing, and shorter ones that did no harm",
            fits(Knob.IDLE_TIMEOUT, "middlebox", low, dropped.high / SECOND, None),
        )


def timer_row(timer: Timer, role: str, who: Recognised, protocol: str) -> Inferred:
    low = None if timer.low is None else timer.low / SECOND
    high = timer.high / SECOND
    note = "" if timer.lifetime or timer.lazy else fits(Knob.IDLE_TIMEOUT, role, low, high, who, protocol)
    if timer.lazy:
        own = catalog.default_below(Knob.IDLE_TIMEOUT, role, high, who)
        note = "closes on the way to the next dial: an upper bound" + (f"; {own}" if own else "")
    elif timer.whole_seconds:
        note = "Redis counts whole seconds and looks at each client once a second: it closes up to 2 s late"
    elif timer.sweeping:
        note = (note + "; " if note else "") + "closes come some time after the timeout"
    return Inferred(
        Knob.MAX_LIFETIME if timer.lifetime else Knob.IDLE_TIMEOUT,
        role,
        None if timer.value is None else timer.value / SECOND,
        low,
        high,
        "s",
        timer.count,
        timer.spread / SECOND,
        f"silent closes by the {role} at {timer.episodes} moments",
        note,
    )


def fits(
    knob: Knob, role: str, low: float | None, high: float | None, who: Recognised | None, protocol: str = "http"
) -> str:
    """Which defaults lie in a bracket; only the program's own where it is recognised."""
    matches = catalog.match_default(knob, role, low, high, protocol=protocol, who=who)
    texts = list(dict.fromkeys(match.text.removeprefix("is ") for match in matches))
    return "; ".join(texts[:2]) + (f"; and {len(texts) - 2} more" if len(texts) > 2 else "")


def connection_rows(table: ConnectionTable, pools: list[Pool], alias: Column, desk: Desk) -> tuple[ConnectionRow, ...]:
    """All kept connections, in order of number."""
    rows = [row for pool in pools for row in rows_of(pool, desk)]
    repeated = np.flatnonzero(alias > 0)
    if len(repeated):
        nothing = pools[0].exchanges.take(np.zeros(0, dtype=np.intp))
        lone = Pool("", repeated, table.take(repeated), nothing, 0, 0)
        originals = alias[repeated].tolist()
        rows += [replace(row, alias_of=of) for row, of in zip(rows_of(lone, desk), originals, strict=True)]
    rows.sort(key=lambda row: row.number)
    return tuple(rows)


def rows_of(pool: Pool, desk: Desk) -> Iterator[ConnectionRow]:
    """The pool's connections; columns become lists once, since a NumPy scalar at a time is slow."""
    columns = [column.tolist() for column in pool.connections.columns.values()]
    names = list(pool.connections.columns)
    for values, close_class, linger in zip(
        zip(*columns, strict=True), pool.close_class.tolist(), pool.linger.tolist(), strict=True
    ):
        yield connection_row(pool, dict(zip(names, values, strict=True)), close_class, linger, desk)


def connection_row(pool: Pool, n: dict[str, int], close_class: int, linger: int, desk: Desk) -> ConnectionRow:
    """One row from its columns' values ``n``."""
    c = pool.connections
    closed = n["close_at"] > 0
    return ConnectionRow(
        number=n["number"],
        client=Endpoint(c.address(n["client_ip"]), n["client_port"]),
        server=Endpoint(c.address(n["server_ip"]), n["server_port"]),
        pool=pool.name or None,
        opening=Opening(n["opening"]).word,
        opened_at=n["first_at"],
        last_at=n["last_at"],
        handshake_rtt_ns=n["rtt_ns"] if n["rtt_ns"] >= 0 else None,
        requests=n["requests"],
        responses=n["responses"],
        requests_basis=Count(n["basis"]).word,
        closer=Side(n["closer"]).word,
        initiator=Side(n["initiator"]).word,
        close_kind=CloseKind(n["close_kind"]).word,
        close_class=CloseClass(close_class).word,
        linger_ns=linger if closed else None,
        open_request_at_close=bool(n["open_request"]) and closed,
        client_state=TcpState(n["client_state"]).word,
        server_state=TcpState(n["server_state"]).word,
        protocol=Protocol(n["protocol"]).word,
        alpn=c.text(n["alpn"]),
        sni=c.text(n["sni"]),
        host=c.text(n["host"]),
        user_agent=c.text(n["user_agent"]),
        server_software=c.text(n["server_software"]),
        conn_state=ConnState(n["conn_state"]).word,
        history=c.text(n["history"]) or "",
        completeness=n["completeness"],
        roles_inferred=bool(n["roles_inferred"]),
        client_packets=n["client_packets"],
        server_packets=n["server_packets"],
        client_bytes=n["client_bytes"],
        server_bytes=n["server_bytes"],
        client_retransmitted=n["client_retransmitted"],
        server_retransmitted=n["server_retransmitted"],
        client_out_of_order=n["client_out_of_order"],
        server_out_of_order=n["server_out_of_order"],
        client_zero_window=n["client_zero_window"],
        server_zero_window=n["server_zero_window"],
        client_keepalive_probes=n["client_keepalive_probes"],
        server_keepalive_probes=n["server_keepalive_probes"],
        client_gap_bytes=n["client_gap_bytes"],
        server_gap_bytes=n["server_gap_bytes"],
        truncated_bytes=n["truncated_bytes"],
        duplicates=n["duplicates"],
        alias_of=None,
        first_frame=desk.frame(n["first_frame"]),
        last_frame=desk.frame(n["last_frame"]),
        closing_frame=desk.frame(n["close_frame"]) if closed else None,
        closed_at=n["close_at"] if closed else None,
    )
