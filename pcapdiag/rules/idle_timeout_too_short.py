"""The client closes idle connections after a constant silence that is shorter than the time between its requests.

What it looks at
    Closes by the client after a silence, with no signal and no request open; how alike the silences are; whether the
    client dialled again afterwards with nothing idle at hand, or within 5 ms of its own close.

Claims
    An idle timer of the client, as a bracket: the largest silence a connection survived, the smallest that closed one.
    Clients that look only when the next request comes (httpx, PHP, Ruby, libcurl) show an upper bound only, and it is
    called so.

Never claims
    "Confirmed" where no connection survived a silence near the value: then the lower end is not tested.

Why it matters
    Requests that come after the timer pay a handshake each, though the client does reuse within it.

What to change
    Make the timer longer than the usual gap between requests, and shorter than the server's.

False alarms
    A program that ends closes all at one moment: at least two moments are needed.  While reuse is missed within the
    timer, the timer is not the cause: never-reuse-new-transport leads.

References
    https://pkg.go.dev/net/http#Transport (IdleConnTimeout)
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.abandoned import abandoned
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.timers import LAZY_BEFORE, Timer, asked_again, idle_timer, reopened
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many, seconds

MIN_REOPENED = 3


class IdleTimeoutTooShort(Rule):
    code = "PD301"
    name = "idle-timeout-too-short"
    title = "The client's idle timer is shorter than the time between its requests"
    severity = Severity.MEDIUM
    needs = (Need.CLOSES,)
    explains = (Cause.TLS_NO_REUSE,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        timer = idle_timer(pool, Side.CLIENT)
        if timer is None or timer.lifetime:
            return None
        if abandoned(pool) is not None:
            return None
        cost = reopened(pool, timer)
        if cost < MIN_REOPENED:
            return None
        gap = gap_between_uses(pool, timer)
        recommended = f"longer than {seconds(gap)}"
        cause = Cause.IDLE_TIMEOUT_TOO_SHORT
        shown = bracket(timer)
        value = str(round(max(2 * gap / SECOND, 30)))
        settings = desk.advice(
            pool,
            Knob.IDLE_TIMEOUT,
            cause,
            inferred=shown,
            recommended=recommended,
            values={"value": value, "period": seconds(gap)},
        )
        about = "at most " if timer.lazy else "about " if timer.value is None else ""
        best = timer.value if timer.value is not None else timer.high
        return finding(
            self,
            pool,
            severity=Severity.MEDIUM if cost >= 5 else Severity.LOW,
            confidence=min(
                by_count(timer.count),
                Confidence.MEDIUM if timer.lazy or timer.sweeping else Confidence.HIGH,
                key=lambda confidence: confidence.rank,
            ),
            basis=Basis.INFERRED,
            title=(
                f"The client gives up idle connections after {about}{seconds(best)}, before it needs them again "
                f"({seconds(gap)} later)"
            ),
            claim=(
                f"The client closed {many(timer.count, 'idle connection')} after a silence of {shown}, and "
                + (
                    f"{many(cost, 'time')} dialled a new one within milliseconds. "
                    if timer.lazy
                    else f"{many(cost, 'time')} dialled a new one when nothing was left to reuse. "
                )
                + (
                    "It closes only when the next request comes, so this is an upper bound of its idle timeout."
                    if timer.lazy
                    else "It sweeps its pool now and then, so closes come some time after the timeout."
                    if timer.sweeping
                    else f"The silences agree within {seconds(timer.spread)}: a timer."
                )
                + ("" if timer.lazy else desk.default_there(pool, Knob.IDLE_TIMEOUT, "client", timer.low, timer.high))
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "idle_timeout_low_s": None if timer.low is None else timer.low / SECOND,
                "idle_timeout_high_s": timer.high / SECOND,
                "closes": timer.count,
                "spread_s": timer.spread / SECOND,
                "reopened": cost,
                "gap_between_uses_s": gap / SECOND,
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.MEDIUM if timer.lazy else Confidence.HIGH,
                    "",
                    settings,
                )
            ],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    life_frames(pool, row),
                    f"closed by the client after {seconds(int(pool.linger[row]))} of silence",
                )
                for row in timer.rows[:3].tolist()
            ],
            would_refute=f"A connection of this pool that was used again after more than {seconds(timer.high)} of silence.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def gap_between_uses(pool: Pool, timer: Timer) -> int:
    """From the last byte on a connection that the timer closed to the next dial, the median.

    Where the connections' own packets tell which dial replaced them, that one: the next may be another program's.
    """
    dials = np.sort(pool.connections.first_at[pool.dialled])
    quiet_from = pool.connections.close_at[timer.rows] - pool.linger[timer.rows]
    again = asked_again(pool, timer.rows) if timer.owner == Side.SERVER or timer.lazy else np.zeros(0, dtype=np.int64)
    if int((again > 0).sum()) >= MIN_REOPENED:
        return int(np.median((again - quiet_from)[again > 0]))
    at = np.searchsorted(dials, pool.connections.close_at[timer.rows] - LAZY_BEFORE)
    there = at < len(dials)
    return int(np.median(dials[at[there]] - quiet_from[there])) if there.any() else timer.high


def bracket(timer: Timer) -> str:
    """The timer for a sentence: "2.001 s (1.981 to 2.006 s)"."""
    high = timer.high / SECOND
    if timer.value is not None and timer.low is not None:
        return f"{timer.value / SECOND:.3f} s (between {timer.low / SECOND:.3f} and {high:.3f} s)"
    if timer.low is not None:
        return f"{timer.low / SECOND:.3f} to {high:.3f} s"
    return f"at most {high:.3f} s (shorter silences were not tested)"
