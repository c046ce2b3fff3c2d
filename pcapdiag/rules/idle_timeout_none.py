"""Idle connections are kept much longer than they are needed, and nobody closes them.

What it looks at
    Connections that stayed idle to the capture's end while the pool went on working with a few others.

Claims
    The longest silence seen without a close: no idle timer of either side is shorter.

Never claims
    That there is no timer: "longer than the longest idle seen".

Why it matters
    Each burst raises the number of connections for good: file descriptors and memory at both ends, and connections that
    a firewall may have forgotten when they are used again.

What to change
    Give the client an idle timeout a little longer than its usual gaps, and shorter than the server's.

False alarms
    A pool that is kept for the next burst: the rule needs fifteen seconds of steady traffic that never touched three
    quarters of the pool.

References
    https://pkg.go.dev/net/http#Transport (IdleConnTimeout; zero means no limit)
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.abandoned import abandoned
from pcapdiag.pools.pool import SECOND, Fate, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, finding, life_frames, many, seconds, speaks_http

# Fewer spare connections are what any healthy pool keeps.
MIN_SPARE = 8
SPARE_SHARE = 0.75
# Longer than the default idle timers at the short end (2 to 10 s), so that those would have shown.
MIN_IDLE = 15 * SECOND
# The traffic in that time must be steady: a pool that waits for its next burst is doing its job.
MIN_REQUESTS = 4

# Of timers that are longer than most captures.
EXAMPLES = " (90 s for Go's default, 75 s for nginx's)"


class IdleTimeoutNone(Rule):
    code = "PD501"
    name = "idle-timeout-none"
    title = "Idle connections are kept without end while few are in use"
    severity = Severity.LOW

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        if int(pool.usable.sum()) <= MIN_SPARE or abandoned(pool) is not None:
            return None
        idle = pool.idle
        waiting = (idle.fate == Fate.CAPTURE_END) & (idle.end - idle.start >= MIN_IDLE)
        spare = int(waiting.sum())
        if spare < MIN_SPARE or spare < SPARE_SHARE * int(pool.usable.sum()):
            return None
        since = int(np.sort(idle.start[waiting])[-1])
        later = pool.busy_from[pool.busy_from > since]
        # Steady: no pause longer than a third of the time.
        edges = np.concatenate([[since], np.sort(later), [pool.end]])
        if len(later) < MIN_REQUESTS or int(np.diff(edges).max()) > (pool.end - since) / 3:
            return None
        longest = int((idle.end - idle.start)[waiting].max())
        rows = idle.connection[waiting]
        cause = Cause.IDLE_TIMEOUT_NONE
        return finding(
            self,
            pool,
            severity=Severity.LOW,
            confidence=Confidence.MEDIUM if longest >= 60 * SECOND else Confidence.LOW,
            basis=Basis.INFERRED,
            title=f"{spare:,} of {pool.size:,} connections sat idle for up to {seconds(longest)} and nobody closed them",
            claim=(
                f"After a burst of {many(pool.peak_busy, 'request')} at once, {many(len(later), 'request')} in the "
                f"last {seconds(pool.end - since)} needed {many(pool.size - spare, 'connection')}; the other {spare:,} "
                f"carried nothing. Any idle timeout, the client's or the server's, is longer than {seconds(longest)}."
            ),
            measured={
                "connections": pool.size,
                "idle_at_end": spare,
                "longest_idle_s": longest / SECOND,
                "requests_since": len(later),
                "peak_busy": pool.peak_busy,
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.MEDIUM,
                    f"capture for longer than the longest timer in question{EXAMPLES if speaks_http(pool) else ''}: a "
                    "close then shows it",
                    desk.advice(
                        pool,
                        Knob.IDLE_TIMEOUT,
                        cause,
                        inferred=f"longer than {seconds(longest)}",
                        values={"value": "90"},
                    ),
                )
            ],
            evidence=[
                desk.evidence(pool, row, life_frames(pool, row), "idle from its last response to the capture's end")
                for row in rows[:3].tolist()
            ],
            would_refute=f"A close of any of them after a silence of more than {seconds(longest)}.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )
