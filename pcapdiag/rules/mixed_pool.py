"""Two kinds of use between the same two ends: one keeps its connections, the other never uses one again.

What it looks at
    Dials that passed over idle connections which somebody goes on using, and the connections that these dials made: one
    request each, and never another.

Claims
    How many connections are of either kind.  Each kind is a pool of its own in this report, and is judged by itself.

Never claims
    That these are two programs: one program of which a single path makes its own client, or never closes its responses,
    looks the same.

Why it matters
    The mean hides it: connections that serve a hundred requests each make a pool look healthy while the other kind pays a
    handshake for each request.

What to change
    Find who owns the connections of one request (ss -tnp on the client while it runs), and see the finding on that pool.

False alarms
    An idle pool that is too small dials when nothing is idle, and so does one whose timers are short: neither is parted.
    Programs that name themselves differently, or that call different hosts, have pools of their own from the start.

References
    ss(8), -p
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Severity
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many


class MixedPool(Rule):
    code = "PD208"
    name = "mixed-pool"
    title = "Some connections are shared, others between the same ends are never used again"
    severity = Severity.INFO
    needs = (Need.STARTS,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        shared = pool.beside
        if shared is None:
            return None
        still = int((~pool.closed).sum())
        cause = Cause.NEVER_REUSE_NEW_TRANSPORT if 2 * still > pool.size else Cause.NEVER_REUSE_KEEPALIVE_DISABLED
        address = pool.connections.address(int(pool.connections.client_ip[0]))
        kept = int(shared.used.sum())
        rows = np.linspace(0, pool.size - 1, 3).astype(int).tolist()
        return finding(
            self,
            pool,
            severity=Severity.INFO,
            confidence=by_count(pool.size),
            basis=Basis.INFERRED,
            title=(
                f"Two kinds of use from {address}: one keeps its connections ({kept:,} for "
                f"{many(shared.requests, 'request')}), one never does ({pool.size:,} for {pool.requests:,})"
            ),
            claim=(
                f"{many(pool.size, 'connection')} carried one request each and were never used again, while those of "
                f"{shared.name} sat idle and were: two programs, or two paths of one. Each kind is judged by itself, "
                f"{shared.name} and {pool.name}."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "shared_connections": kept,
                "shared_requests": shared.requests,
                "open_at_end": still,
            },
            causes=[
                CauseClaim(cause, Confidence.MEDIUM, "ss -tnp on the client names the program of each connection", ())
            ],
            evidence=[
                desk.evidence(pool, row, life_frames(pool, row), "dialled past idle connections, used once")
                for row in dict.fromkeys(rows)
            ],
            would_refute="A second request on any of these connections.",
        )
