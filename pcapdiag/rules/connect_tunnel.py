"""Connections that became tunnels: CONNECT through a proxy, or an upgrade such as WebSocket.

What it looks at
    Exchanges that the server answered with 101, or CONNECT requests answered with 2xx; how long those connections lived.

Claims
    How many connections carry something else since, and for how long.  They are busy until they close, whatever flows;
    only tunnels by CONNECT that all lead to one host are idle once they are silent.

Never claims
    That they should be reused or closed: each one belongs to what runs inside it, and lives as long as that.

Why it matters
    In netstat they look like a leak: many ESTABLISHED connections, one request each, silent for minutes.

What to change
    Nothing here.  Whether the inside is reused shows in a capture behind the proxy, or in the client's own counters.

False alarms
    None known: the answer to the request says it.

References
    RFC 9110 7.8 (Upgrade) and 9.3.6 (CONNECT); RFC 6455
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import METHODS, UPGRADED
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Severity
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, finding, many, seconds


class ConnectTunnel(Rule):
    code = "PD504"
    name = "connect-tunnel"
    title = "Connections that became tunnels live as long as what runs inside"
    severity = Severity.INFO

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        x, c = pool.exchanges, pool.connections
        tunnels = np.flatnonzero((x.flags & UPGRADED) != 0)
        if not len(tunnels):
            return None
        rows = x.connection[tunnels]
        asked = int((x.method[tunnels] == METHODS.index("CONNECT")).sum())
        kind = "CONNECT" if 2 * asked > len(tunnels) else "an upgrade (101)"
        last = np.where(pool.closed[rows], c.close_at[rows], pool.end)
        lived = np.maximum(last - x.response_last_at[tunnels], 0)
        still = int((~pool.closed[rows]).sum())
        return finding(
            self,
            pool,
            severity=Severity.INFO,
            confidence=Confidence.HIGH,
            basis=Basis.OBSERVED,
            title=f"{many(len(tunnels), 'connection')} became {'a tunnel' if len(tunnels) == 1 else 'tunnels'} by {kind}",
            claim=(
                f"{many(len(tunnels), 'connection')} of {pool.size:,} carried something else from {kind} on, for "
                f"{seconds(np.median(lived))} (median; {seconds(int(lived.max()))} at most); {still:,} were still open at "
                "the end. A tunnel lives as long as what runs inside, which is not counted as requests."
            ),
            measured={
                "connections": pool.size,
                "tunnels": len(tunnels),
                "connect": asked,
                "median_s": float(np.median(lived)) / SECOND,
                "longest_s": int(lived.max()) / SECOND,
                "open_at_end": still,
            },
            causes=[CauseClaim(Cause.CONNECT_TUNNEL, Confidence.HIGH, "", ())],
            evidence=[
                desk.evidence(
                    pool,
                    int(x.connection[tunnel]),
                    [int(x.request_first_frame[tunnel]), int(x.response_last_frame[tunnel])],
                    f"answered with {int(x.status[tunnel])}: a tunnel from here on",
                )
                for tunnel in tunnels[:3].tolist()
            ],
            would_refute="Another HTTP request on one of these connections behind that answer.",
        )
