"""Requests share connections, and every close is explained: reuse works.

What it looks at
    Requests per connection, dials that passed over an idle connection, and the classes of closes.

Claims
    That connections are reused, and by how much.  It is printed so that a quiet report can be told from a blind one.

Never claims
    That the application is fast or correct; that settings will hold under another load.

Why it matters
    A diagnosis that never says "healthy" is not believed when it says "sick".

What to change
    Nothing.

False alarms
    Turns of unread bytes are counted for requests; a session of a database is several, and where each piece of work dials
    its own nothing is said.  A steady load hides an idle pool that is too small: it overflows only when demand drops and
    rises again.

References
    RFC 9112 9.3
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Count, Severity
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, life_frames, many

MIN_REQUESTS = 10
# Below this most requests still pay a handshake.
REUSED = 3.0
# A database's session is several turns long before its first query: where most dials leave idle connections behind, turns
# on one connection prove no reuse.
PASSED_OVER = 0.5


class Healthy(Rule):
    code = "PD200"
    name = "healthy"
    title = "Connections are reused"
    severity = Severity.INFO

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        mean = pool.mean_requests
        if pool.requests < MIN_REQUESTS or mean is None:
            return NotJudged(f"fewer than {MIN_REQUESTS} requests")
        if mean < REUSED or sessions_apart(pool):
            return None
        best = int(np.argmax(pool.connections.requests))
        bound = "" if (pool.connections.basis[pool.used] == 0).all() else "at least "
        return finding(
            self,
            pool,
            severity=Severity.INFO,
            confidence=by_count(pool.requests, 50),
            basis=Basis.OBSERVED,
            title=f"Connections are reused: {bound}{mean:.1f} requests each",
            claim=(
                f"{bound.capitalize()}{many(pool.requests, 'request')} shared {many(int(pool.used.sum()), 'connection')}; "
                f"at most {pool.peak_busy:,} ran at once on {pool.peak_open:,} open connections, and "
                f"{many(int(pool.missed.sum()), 'dial')} passed over an idle one."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "requests_per_connection": round(mean, 2),
                "missed_reuse": int(pool.missed.sum()),
                "peak_busy": pool.peak_busy,
                "peak_open": pool.peak_open,
            },
            causes=[CauseClaim(Cause.HEALTHY, Confidence.HIGH if not bound else Confidence.MEDIUM, "", ())],
            evidence=[
                desk.evidence(
                    pool,
                    best,
                    life_frames(pool, best),
                    f"{many(int(pool.connections.requests[best]), 'request')} on one connection",
                )
            ],
            would_refute="Connections that are closed while requests still need them.",
        )


def sessions_apart(pool: Pool) -> bool:
    """Whether each piece of work may have dialled for itself, its turns being those of one session."""
    rate = pool.missed_rate
    turns = bool((pool.connections.basis[pool.used] == Count.TURNS).all())
    return turns and rate is not None and rate >= PASSED_OVER
