"""The client asks with Expect: 100-continue, nobody says 100 Continue, and the body waits until its patience ends.

What it looks at
    Requests with Expect: 100-continue whose body followed 200 ms or more after the head, with no 100 in between.

Claims
    How long the client waits, and that the server (or a proxy ahead of it) does not answer the expectation.

Never claims
    That the server is slow: it waits for the body, too.

Why it matters
    A second for each upload (curl and Go; 350 ms with .NET), however small the body and however fast the server.

What to change
    On the server: answer 100 Continue as soon as the body is wanted, or the final status (417, 401, 413) when it is not.
    On the client: leave the header out, or wait for less.

False alarms
    A server that thinks before it says 100 delays bodies as well, but says it.  Clients that send the header and do not
    wait are not meant.  Pauses of 40 to 200 ms between head and body, ended by an ACK, are nagle-delayed-ack; a wait
    behind the body is slow-server.

References
    RFC 9110 10.1.1 (a client MUST NOT wait for an indefinite period; a server SHOULD answer at once);
    https://curl.se/libcurl/c/CURLOPT_EXPECT_100_TIMEOUT_MS.html
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import EXPECT
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Protocol, Severity
from pcapdiag.pools.delays import expected
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many, seconds

MIN_WAITS = 3
# A fifth of the requests: then uploads are what this client does.
PART = 0.2


class Expect100Continue(Rule):
    code = "PD405"
    name = "expect-100-continue"
    title = "Request bodies wait for a 100 Continue that does not come"
    severity = Severity.MEDIUM
    action = "Let the server answer Expect: 100-continue at once, or let the client send the body without asking."
    explains = (Cause.SLOW_SERVER, Cause.NAGLE_DELAYED_ACK)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        if pool.protocol == Protocol.TLS:
            return NotJudged("all traffic is TLS: headers cannot be seen")
        seen = expected(pool)
        if seen is None or seen.count < MIN_WAITS:
            return None
        x = pool.exchanges
        asked = int(((x.flags & EXPECT) != 0).sum())
        shown = np.flatnonzero(((x.flags & EXPECT) != 0) & np.isin(x.connection, seen.rows))[:3]
        often = seen.count >= PART * pool.requests
        return finding(
            self,
            pool,
            severity=Severity.MEDIUM if often else Severity.LOW,
            confidence=by_count(seen.count),
            basis=Basis.OBSERVED,
            title=f"Request bodies wait {seconds(seen.each)} for a 100 Continue that does not come",
            claim=(
                f"{seen.count:,} of {many(asked, 'request')} with Expect: 100-continue sent the body {seconds(seen.each)} "
                "after the head, without a 100 Continue in between: the client gave up waiting for it. "
                f"{seconds(seen.count * seen.each)} in all."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "expecting": asked,
                "waits": seen.count,
                "wait_s": seen.each / SECOND,
            },
            causes=[
                CauseClaim(
                    Cause.EXPECT_100_CONTINUE,
                    Confidence.HIGH,
                    "",
                    desk.advice(pool, Knob.EXPECT_CONTINUE, Cause.EXPECT_100_CONTINUE, role="client")
                    + desk.advice(pool, Knob.EXPECT_CONTINUE, Cause.EXPECT_100_CONTINUE, role="server"),
                )
            ],
            evidence=[
                desk.evidence(
                    pool,
                    int(x.connection[row]),
                    [
                        int(x.request_first_frame[row]),
                        int(x.request_last_frame[row]),
                        int(x.response_first_frame[row]),
                    ],
                    f"{seconds(int(x.request_last_at[row] - x.request_first_at[row]))} from the head to the end of the "
                    "body, no 100 Continue",
                )
                for row in shown.tolist()
            ],
            would_refute="A 100 Continue from the server ahead of these bodies, for example at the server's own interface: "
            "then a proxy in between swallows it.",
            not_the_fix=desk.not_the_fix(pool, Cause.EXPECT_100_CONTINUE),
        )
