"""The client keeps fewer idle connections than it uses at once: the rest are closed on return, and dialled again.

What it looks at
    Connections that the client closed at once and unasked after a response (or without having used them: speculative
    dials), while others stayed; how many stay when no request is open; how many are needed at once.  Where the pool
    makes room by closing the one idle longest, so that none stays for good: whether as many are open before each burst.

Claims
    The idle pool holds K connections, the level at which it rests, and demand is higher, so connections that come back
    to a full pool are thrown away.  Under load without a rest K is the fewest that ever sat idle when one was.

Never claims
    A value for K when the pool was never seen at rest, and the fewest that sat idle at a close do not tell it; then a
    range.  Nor which of two limits (per host or in all) it
    is when a product has both.

Why it matters
    Under load most requests pay a handshake although keep-alive is on, and closes by the client fill its TIME_WAIT.

What to change
    Let the pool keep as many idle connections as requests run at once.

False alarms
    A server's request cap also gives small counts, but constant ones, announced by Connection: close.  A lifetime limit
    closes at a constant age.  A program's exit closes everything at one moment, with no dials after it.  Callers with
    connections of their own beside others that use one per request (mixed-pool) leave as many open before each burst
    too, but always the same ones.

References
    https://pkg.go.dev/net/http#Transport (MaxIdleConnsPerHost; DefaultMaxIdleConnsPerHost is 2)
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools import timeline
from pcapdiag.pools.capacity import (
    Capacity,
    capacity_under_load,
    capacity_with_busy,
    evicting_capacity,
    idle_capacity,
    most_kept,
    overflow_rows,
    pooled_at_overflow,
    replaced_by_age,
    resting_level,
)
from pcapdiag.pools.pool import Pool
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
    seconds,
    share,
    speaks_http,
)

MIN_OVERFLOW = 3
# Clients whose limit on idle connections is compared with all that are open (httpcore 1, the transport of httpx).
COUNTS_BUSY = frozenset({"python-httpx"})
# Part of the closes after which the client dialled again: otherwise it was simply done.
REOPENED = 0.5
# Part of the closed connections that overflow must explain.
SHARE = 0.5


class IdlePoolTooSmall(Rule):
    code = "PD205"
    name = "idle-pool-too-small"
    title = "The idle pool is smaller than the concurrency: connections are closed on return and dialled again"
    severity = Severity.HIGH
    needs = (Need.CLOSES,)
    explains = (
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.IDLE_TIMEOUT_TOO_SHORT,
        Cause.SERVER_IDLE_TIMEOUT,
        Cause.TLS_NO_REUSE,
        Cause.UNUSED_CONNECTIONS,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c = pool.connections
        rows = overflow_rows(pool)
        closed = int((pool.closed & pool.usable).sum())
        if len(rows) < MIN_OVERFLOW or len(rows) < SHARE * closed:
            return None
        times = c.close_at[rows]
        dials = np.sort(c.first_at[pool.dialled])
        followed = int((len(dials) - np.searchsorted(dials, times, side="right") > 0).sum())
        if followed < REOPENED * len(rows):
            return None
        capacity = idle_capacity(pool)
        counts_busy = desk.client_id(pool) in COUNTS_BUSY
        if capacity is None and counts_busy:
            capacity = capacity_with_busy(pool)
        if capacity is None:
            capacity = evicting_capacity(pool)
        rests = capacity.rests if capacity is not None else 0
        busy_always = None if capacity is not None else capacity_under_load(pool)
        capacity = capacity or busy_always
        if replaced_by_age(pool) or (capacity is None and resting_level(pool) is not None):
            return None
        pooled_then = pooled_at_overflow(pool)
        if capacity is None and not counts_busy and float((pooled_then >= most_kept(pool)).mean()) < SHARE:
            return None  # it holds more at other times: what it threw away met a pool with room
        limit = known_limit(capacity, pooled_then)
        reused = int((c.requests[pool.used] > 1).sum())
        kept = limit if limit is not None else int(pooled_then.max())
        # Without one connection that is used again there is no pool to speak of.
        if kept < 1 or reused == 0:
            return None
        # A pool overflows only when more connections exist than it keeps.
        others = np.median(timeline.level(times, c.first_at[pool.usable], pool.gone_at[pool.usable]))
        # Requests that overlap on one connection, since their answers were not captured, are no demand for a second one.
        if min(pool.peak_busy, int(pool.used.sum())) <= kept or others < kept:
            return None
        # Counted only in the rush of closes, the size may be off by the ones on their way.
        rested = limit is not None and capacity is not None and capacity.value is not None and busy_always is None
        unused = int((c.requests[rows] == 0).sum())
        peak = pool.peak_busy
        # The demand of a moment hides in the dials: nothing can overflow a pool that holds all that were ever open.
        roomy = max(peak, pool.peak_open)
        if limit is None:
            low, high = int(pooled_then.min()), int(pooled_then.max())
            shown = f"{low} to {high}"
        else:
            shown = str(limit)
        cause = Cause.IDLE_POOL_TOO_SMALL
        settings = desk.advice(
            pool,
            Knob.IDLE_POOL_LIMIT,
            cause,
            inferred=shown,
            recommended=f"{roomy} or more" + (", as many as were open at once" if roomy > peak else ""),
            values={"value": str(roomy), "peak": str(peak)},
        )
        linger = int(np.median(pool.linger[rows[c.requests[rows] > 0]])) if (c.requests[rows] > 0).any() else 0
        mean = pool.mean_requests or 0.0
        exactly = int((pooled_then == limit).sum()) if busy_always is not None else 0
        rest = (
            f"Fewer than {shown} others hardly ever sat idle then, and exactly {shown} at {share(exactly, len(rows))} closes"
            if busy_always is not None
            else f"At rest, {seconds(capacity.rest_ns)} in all, {shown} stayed"
            + (f" (so before {rests:,} bursts)" if rests else "")
            if capacity is not None and limit == capacity.value and limit is not None
            else f"When connections were thrown away, {shown} others sat idle"
        )
        stayed = np.flatnonzero(~pool.closed & pool.usable)
        evidence = [
            desk.evidence(
                pool,
                row,
                life_frames(pool, row),
                "dialled and closed by the client without a request"
                if c.requests[row] == 0
                else f"{many(int(c.requests[row]), 'request')}, then closed by the client after "
                f"{seconds(int(pool.linger[row]))}",
            )
            for row in rows[:3].tolist()
        ] + [
            desk.evidence(
                pool,
                row,
                [int(c.first_frame[row]), int(c.last_frame[row])],
                f"one that stayed: {many(int(c.requests[row]), 'request')}, open at the end",
            )
            for row in stayed[:2].tolist()
        ]
        return finding(
            self,
            pool,
            severity=churn_severity(pool.opens_per_second, Severity.LOW),
            confidence=min(
                by_count(len(rows)),
                by_count(rests, 10) if rests else Confidence.HIGH,
                Confidence.HIGH if rested else Confidence.MEDIUM,
                key=lambda confidence: confidence.rank,
            ),
            basis=Basis.INFERRED,
            title=f"The client keeps only {shown} idle connection{'' if shown == '1' else 's'}, "
            f"but up to {peak:,} requests run at once",
            claim=(
                f"The client closed {many(len(rows), 'connection')} of {pool.size:,} at once after a response "
                f"(median {seconds(linger)}), unasked, and dialled again. {rest}: that is what its idle pool holds; "
                "a connection that comes back to a full pool is thrown away"
                + (", or the one idle longest in its place" if rests else "")
                + f". So {many(pool.requests, 'request')} took {many(pool.size, 'connection')}, {mean:.1f} requests each."
                + (
                    f" {many(unused, 'connection')} carried no request: dialled in advance, then not needed."
                    if unused
                    else ""
                )
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "requests_per_connection": round(mean, 2),
                "idle_capacity": limit,
                **({} if limit is not None else {"idle_capacity_range": shown}),
                "rest_s": round(capacity.rest_ns / 1e9, 3) if capacity is not None else 0.0,
                "peak_busy": peak,
                "peak_open": pool.peak_open,
                "closed_at_once": len(rows),
                "unused": unused,
                "opens_per_second": round(pool.opens_per_second or 0.0, 2),
            },
            causes=[CauseClaim(cause, Confidence.HIGH if rested else Confidence.MEDIUM, "", settings)],
            evidence=evidence,
            would_refute=f"More than {many(kept, 'idle connection')} kept in this pool at the same time"
            + (", or a Connection: close on these responses." if speaks_http(pool) else "."),
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def known_limit(capacity: Capacity | None, pooled_then: Column) -> int | None:
    """The pool's size where the level at rest tells it, or where it was the same at nearly every overflow."""
    if capacity is not None and capacity.value is not None:
        return capacity.value
    if not len(pooled_then):
        return None
    counts = np.bincount(pooled_then)
    usual = int(counts.argmax())
    # Connections that another request takes, or brings back, in the same instant blur a few of the counts.
    return usual if counts[usual] >= 0.75 * counts.sum() else None
