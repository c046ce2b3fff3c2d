"""Connections that never carry a request: opened, kept or closed, and nothing sent.

What it looks at
    Connections whose handshake was seen, TLS's too where there is one, and on which neither side sent application data;
    who closed them and how soon; whether they come at a constant interval; what the pool's other connections did.

Claims
    These handshakes served nothing.  Which of four habits it is, where the packets show it: a check that connects and
    closes, dials made in advance by a pool that overflows, a warm-up that nobody used, connections held open empty.

Never claims
    Unused where the capture lacks the bytes: sequence numbers that show data, a filter on flags, one direction only.

Why it matters
    Each costs a handshake, and at the server a place: a worker or a file descriptor, until a timer ends it.

What to change
    Open fewer connections ahead of need; let a check send a request; let the server close silent ones sooner.

False alarms
    A load balancer's or an orchestrator's TCP check connects and closes, at a constant interval: information.  Speculative
    dials belong to idle-pool-too-small, which explains them.  Failed TLS handshakes are tls-handshake-failure.  A server
    that resets connections as they come is server-abort.

References
    https://pkg.go.dev/net/http#Transport (dials race with connections that become idle)
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import TLS_CLIENT_ALERT, TLS_FINISHED, TLS_SERVER_ALERT
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, CloseClass, Confidence, Knob, Protocol, Severity, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.pool import SECOND, Mask, Pool
from pcapdiag.rules.connect_refused import sample
from pcapdiag.rules.never_reuse_keepalive_disabled import regular
from pcapdiag.rules.rule import NEGLIGIBLE, Desk, Need, NotJudged, Rule, by_count, finding, many, seconds, share

MIN_UNUSED = 3
# Above information only where there are many of them and they are most of what the client opens.
MANY = 20
MOST = 0.5
# Held for this long, they take a place at the server: an nginx worker has 512 to 1,024 of them, a thread pool 200.
HELD = 10 * SECOND
HELD_MANY = 50


class UnusedConnections(Rule):
    code = "PD207"
    name = "unused-connections"
    title = "Connections that never carry a request"
    severity = Severity.MEDIUM
    action = "Find who opens them and for what: a warm-up, a health check, a pool that dials ahead."
    needs = (Need.STARTS,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c = pool.connections
        empty = unused(pool)
        rows = np.flatnonzero(empty)
        count = len(rows)
        if count < MIN_UNUSED:
            bare = pool.dialled & (c.client_data_packets + c.server_data_packets == 0)
            if int(bare.sum()) >= MIN_UNUSED and bare.sum() > MOST * pool.size and not (c.established_at > 0).any():
                return NotJudged(
                    "the capture holds no ACKs, so no data either (a filter on flags): capture all packets"
                )
            return None
        dials = int(pool.dialled.sum())
        part = count / dials
        opened = np.sort(c.first_at[rows])
        rate = (count - 1) / (max(int(opened[-1] - opened[0]), SECOND) / SECOND)
        by_client = empty & pool.closed & (pool.closer == Side.CLIENT)
        at_once = by_client & (pool.linger <= pool.immediate_limit)
        by_server = empty & pool.closed & (pool.closer == Side.SERVER)
        gone = pool.gone_at[rows]
        held = (gone - c.first_at[rows]) >= HELD
        peak = timeline.peak(c.first_at[rows][held], gone[held])
        check = regular(pool) or (part > 0.9 and paced(opened) and at_once.sum() > 0.8 * count)
        beside = int(pool.used.sum())
        raced = beside > 0 and float((dialled_amid(pool, rows)).mean()) >= MOST
        severity = Severity.INFO
        if not check and not raced and count >= MANY and part >= MOST:
            if rate >= NEGLIGIBLE:
                severity = Severity.MEDIUM
            elif peak >= HELD_MANY:
                severity = Severity.LOW
        if check:
            habit = "They come at a constant interval, and the client closes each at once, as TCP checks do."
        elif raced:
            habit = (
                f"They were dialled while requests were under way on the pool's {many(beside, 'other connection')}: in "
                "advance, and not needed, because another connection became free first. They belong to whatever makes the "
                "pool dial."
            )
        elif by_server.sum() >= MOST * count:
            middle = int(np.median(pool.age[by_server]))
            habit = f"The server closed {share(int(by_server.sum()), count)} after about {seconds(middle)} of silence."
        elif peak >= MIN_UNUSED:
            habit = f"Up to {peak:,} were held open at once, for ten seconds or more each: a warm-up that nobody used."
        elif at_once.sum() >= MOST * count:
            habit = f"The client closed {share(int(at_once.sum()), count)} at once."
        else:
            habit = "Who opens them and why the packets do not show."
        encrypted = int((empty & (c.protocol == Protocol.TLS)).sum())
        cause = Cause.UNUSED_CONNECTIONS
        client = desk.advice(pool, Knob.MIN_IDLE, cause)
        server = desk.advice(pool, Knob.HEADER_TIMEOUT, cause, role="server")
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(count),
            basis=Basis.OBSERVED,
            title=f"{share(count, dials).capitalize()} connections never carried a request"
            + (": a health check, by their constant interval" if check else ""),
            claim=f"{share(count, dials).capitalize()} connections were opened, {rate:.1f} a second, and carried no request"
            + (f"; {encrypted:,} of them went through a TLS handshake as well" if encrypted else "")
            + f". {habit}",
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "unused": count,
                "unused_share": round(part, 3),
                "unused_per_second": round(rate, 2),
                "closed_at_once": int(at_once.sum()),
                "closed_by_server": int(by_server.sum()),
                "still_open": int((empty & ~pool.closed).sum()),
                "held_at_peak": peak,
                "with_tls_handshake": encrypted,
            },
            causes=[CauseClaim(cause, Confidence.MEDIUM, "", client + server)],
            evidence=[
                desk.evidence(pool, row, [int(c.first_frame[row]), int(c.close_frame[row])], describe(pool, row))
                for row in sample(rows)
            ],
            would_refute="Payload on one of these connections, in a capture that holds whole packets of both directions.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def unused(pool: Pool) -> Mask:
    """Connections that were opened and carried nothing, as far as their sequence numbers and packets prove it."""
    c = pool.connections
    # The client's ACK proves that the filter kept more than SYN, FIN and RST.
    opened = pool.dialled & (c.established_at > 0) & (c.requests == 0)
    empty = (c.client_bytes == 0) & (c.server_bytes == 0)
    hello = (c.protocol == Protocol.TLS) & ((c.tls & TLS_FINISHED) != 0)
    hello &= ((c.tls & (TLS_CLIENT_ALERT | TLS_SERVER_ALERT)) == 0) & (c.truncated_bytes == 0)
    whole = c.client_gap_bytes + c.server_gap_bytes == 0
    # Reset as it came: the server's doing, or a full queue's.
    turned_away = (c.server_rst_at > 0) & (c.client_fin_at == 0)
    # The capture's end says nothing of a connection that is a second old.
    young = ~pool.closed & (pool.end - c.first_at < SECOND)
    mask = opened & (empty | hello) & whole & ~turned_away & ~young
    return np.asarray(mask & ((pool.close_class == CloseClass.UNUSED) | ~pool.closed))


def dialled_amid(pool: Pool, rows: Column) -> Mask:
    """Which of these were dialled while a request of the pool was open, or within a guard of one."""
    at = pool.connections.first_at[rows]
    return np.asarray(timeline.level(at, pool.busy_from - pool.guard, pool.busy_until + pool.guard) > 0)


def paced(opened: Column) -> bool:
    """Whether dials come at a constant interval of half a second or more, checks of several targets or workers included."""
    gaps = np.diff(opened)
    if len(gaps) < MIN_UNUSED:
        return False
    middle = float(np.median(gaps))
    return middle >= 0.5 * SECOND and float((np.abs(gaps - middle) <= 0.1 * middle).mean()) >= 0.8


def describe(pool: Pool, row: int) -> str:
    if not pool.closed[row]:
        return f"no request in {seconds(pool.end - int(pool.connections.first_at[row]))}, still open at the end"
    who = Side(int(pool.closer[row])).word
    return f"no request, closed by the {who} after {seconds(int(pool.age[row]))}"
