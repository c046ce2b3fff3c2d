"""The client closes responses before it has read them, and the connection is thrown away each time.

What it looks at
    Connections that the client closed at once after a response had begun, and whether it met the rest of the response
    with RST, before or instead of a FIN.  In 140 real cases it did so every time, in 2,380 other closes by clients never.

Claims
    The body was closed with bytes unread: the library cannot reuse a connection with a response still on it.

Never claims
    A timeout's work: the close must come within 50 ms (or four round trips) of the response's first byte or of its last.

Why it matters
    Each such request costs a connection, and the server has sent what nobody read.

What to change
    Read the body to its end before closing it, or ask for less: HEAD, a Range, a smaller page.

False alarms
    A small body that had arrived whole before the close looks like never-reuse-keepalive-disabled.  Behind a whole
    response a RST still means bytes unread, unless the client closes so on purpose, as Apache HttpClient 5 does: there
    that rule speaks and names both, and for an unknown client this one names both.  Go 1.27 and later
    read up to 256 KiB on Close by themselves, so there only larger bodies show this.  Over TLS a healthy close ends in
    RST too, at the server's close_notify: only responses of more than one record count.

References
    https://pkg.go.dev/net/http#Response (Body); RFC 9293 3.10.4 (closing with data unread sends RST)
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import RESPONSE_COMPLETE, RESPONSE_SEEN
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Protocol, Severity, Side
from pcapdiag.pools.pool import Mask, Pool
from pcapdiag.rules.rule import (
    Desk,
    Need,
    NotJudged,
    Rule,
    by_count,
    churn_severity,
    finding,
    life_frames,
    many,
    share,
)

MIN_CONNECTIONS = 3
# Part of the pool's closed connections that must show it: a user who cancels now and then is no pattern.
SHARE = 0.5
# What one TLS record holds (RFC 8446 5.1): a smaller response can have come whole, with nothing left to reset.
TLS_RECORD = 16_384
# Clients that set SO_LINGER to 0 before they give a connection up: their ordinary close is a RST.
ABORTS = frozenset({"apache-httpclient5", "jedis"})

ON_PURPOSE = (
    "a client that closes by RST on purpose (SO_LINGER 0) looks the same: does it read each response to its end?"
)


class BodyNotDrained(Rule):
    code = "PD204"
    name = "body-not-drained"
    title = "Responses are closed before they are read: the client resets the rest"
    severity = Severity.HIGH
    needs = (Need.CLOSES,)
    explains = (Cause.NEVER_REUSE_KEEPALIVE_DISABLED, Cause.IDLE_POOL_TOO_SMALL, Cause.TLS_NO_REUSE, Cause.ZERO_WINDOW)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c = pool.connections
        if pool.protocol == Protocol.HTTP2:
            # Control frames (PING, WINDOW_UPDATE, GOAWAY) cross the close of a connection that was read to its end.
            return NotJudged(
                "HTTP/2 frames are not told apart: bytes that meet the client's close may be control frames"
            )
        there = pool.last_exchange >= 0
        last = pool.last_exchange[there]
        answered = np.zeros(pool.size, dtype=bool)
        answered[there] = (pool.exchanges.flags[last] & RESPONSE_SEEN) != 0
        began = np.zeros(pool.size, dtype=np.int64)
        began[there] = pool.exchanges.response_first_at[last]
        whole = np.zeros(pool.size, dtype=bool)
        whole[there] = (pool.exchanges.flags[last] & RESPONSE_COMPLETE) != 0
        answered &= (began > 0) & (began <= c.close_at)
        quick = (c.close_at - began <= pool.immediate_limit) | (whole & (pool.linger <= pool.immediate_limit))
        by_client = pool.closed & (pool.closer == Side.CLIENT) & answered & ~pool.client_asked
        reset = by_client & quick & (c.client_rst_at > 0) & (c.client_rst_at - c.close_at <= pool.immediate_limit)
        size = np.zeros(pool.size, dtype=np.int64)
        size[there] = pool.exchanges.response_bytes[last]
        if pool.encrypted:
            # A server answers the client's close_notify with its own, which a closed socket meets with RST.
            reset &= size >= TLS_RECORD
        # Where the snaplen cut off the heads, a response of one segment may be whole and the close asked for; proxies that
        # keep nothing close by RST.
        reset &= ~((c.protocol == Protocol.OPAQUE) & (c.truncated_bytes > 0) & (size <= c.server_largest))
        whole_reset = reset_when_whole(pool)
        if desk.client_id(pool) in ABORTS:
            reset &= ~whole_reset
        cut = by_client & quick & (c.open_request != 0)
        rows = np.flatnonzero(reset | cut)
        ended = int((pool.closed & pool.used).sum())
        if len(rows) < MIN_CONNECTIONS or len(rows) < SHARE * ended or not reset.any():
            return None
        resets = int(reset.sum())
        cause = Cause.BODY_NOT_DRAINED
        sent = int(np.median(pool.exchanges.response_bytes[pool.last_exchange[rows]]))
        behind = int((reset & whole_reset).sum())
        either = desk.client_id(pool) is None and 2 * behind > len(rows)
        met = f"met the rest with RST on {resets - behind:,} of them" if behind < resets else ""
        if behind:
            met += f"{', and ' if met else ''}reset {behind:,} with the whole response there"
        off = CauseClaim(
            Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
            Confidence.LOW,
            "",
            desk.advice(pool, Knob.INSTANCE_PER_REQUEST, Cause.NEVER_REUSE_KEEPALIVE_DISABLED),
        )
        return finding(
            self,
            pool,
            severity=churn_severity(pool.opens_per_second, Severity.LOW),
            confidence=by_count(len(rows)),
            basis=Basis.OBSERVED,
            title=(
                f"Responses are closed unread: the client ended {share(len(rows), ended)} connections while or right "
                "after the response came"
            ),
            claim=(
                f"The client closed {many(len(rows), 'connection')} within "
                f"{pool.immediate_limit / 1e6:.0f} ms of the response, "
                f"and {met}; about {sent:,} bytes of each response had passed. "
                f"A kernel sends RST when a program closes a socket with bytes unread. {many(pool.requests, 'request')} "
                f"took {many(pool.size, 'connection')}."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "closed_in_response": len(rows),
                "reset_by_client": resets,
                "response_bytes_median": sent,
                "opens_per_second": round(pool.opens_per_second or 0.0, 2),
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.HIGH if resets >= len(rows) / 2 and not either else Confidence.MEDIUM,
                    ON_PURPOSE if either else "",
                    desk.advice(pool, Knob.BODY_CONSUMPTION, cause),
                ),
                *([off] if either else []),
            ],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [*life_frames(pool, row), int(c.client_rst_frame[row])],
                    "response begun, closed by the client"
                    + (
                        " in the middle of it"
                        if not reset[row]
                        else " with RST, the whole response there"
                        if whole_reset[row]
                        else ", the rest answered with RST"
                    ),
                )
                for row in rows[:3].tolist()
            ],
            would_refute="A FIN of the client behind a whole response of this size.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def reset_when_whole(pool: Pool) -> Mask:
    """Closed by the client with a RST and no FIN, its last response whole by then, as readable heads tell.

    Nothing was left to meet the RST: either the program had not read what its kernel held, or it closes so on purpose.
    """
    c = pool.connections
    there = pool.last_exchange >= 0
    last = pool.last_exchange[there]
    arrived = np.zeros(pool.size, dtype=bool)
    arrived[there] = ((pool.exchanges.flags[last] & RESPONSE_COMPLETE) != 0) & (
        pool.exchanges.response_last_at[last] <= c.close_at[there]
    )
    abort = (pool.closer == Side.CLIENT) & (c.client_rst_at > 0) & (c.client_fin_at == 0)
    return np.asarray(abort & arrived & ~pool.heads_hidden & (c.protocol == Protocol.HTTP1))
