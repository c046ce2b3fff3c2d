"""The server ends every connection after one response, though the client would have kept it.

What it looks at
    Responses that say Connection: close, or are HTTP/1.0 without keep-alive, to requests that did not ask for it.

Claims
    Keep-alive is off at the server, or its software speaks HTTP/1.0, or a handler sets the header.

Never claims
    Anything from error responses: servers close after many of them on purpose (400, 408, 413, 5xx).

Why it matters
    Every request pays a handshake and no client setting can change that.

What to change
    Switch keep-alive on at the server, or remove the header.

False alarms
    A client that asks for the close, or speaks HTTP/1.0, gets the same answer: never-reuse-keepalive-disabled.  A cap
    on requests closes after a constant number greater than one: server-max-requests.

References
    RFC 9112 9.3, 9.6; https://httpd.apache.org/docs/2.4/mod/core.html#keepalive
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import RESPONSE_HTTP10, UPGRADED
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
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
    share,
)

MIN_CONNECTIONS = 4
AGREE = 0.9


class ServerConnectionClose(Rule):
    code = "PD304"
    name = "server-connection-close"
    title = "The server ends each connection after one response"
    severity = Severity.HIGH
    needs = (Need.HEADERS,)
    explains = (Cause.TLS_NO_REUSE,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c = pool.connections
        fine = (pool.last_status > 0) & (pool.last_status < 400) & ((pool.last_flags & UPGRADED) == 0)
        whole = pool.whole & fine
        used = int(whole.sum())
        if used < MIN_CONNECTIONS:
            return None
        said = whole & pool.server_said & (c.requests == 1)
        rows = np.flatnonzero(said)
        if len(rows) < AGREE * used:
            return None
        http10 = int(((pool.last_flags[rows] & RESPONSE_HTTP10) != 0).sum()) > len(rows) / 2
        how = "its responses are HTTP/1.0" if http10 else "its responses say Connection: close"
        cause = Cause.SERVER_CONNECTION_CLOSE
        rate = pool.opens_per_second
        settings = desk.advice(
            pool,
            Knob.KEEPALIVE_SWITCH,
            cause,
            role="server",
            inferred="HTTP/1.0" if http10 else "Connection: close",
        )
        return finding(
            self,
            pool,
            severity=churn_severity(rate),
            confidence=by_count(len(rows)),
            basis=Basis.OBSERVED,
            title=f"The server ends each connection after one response: {how}",
            claim=(
                f"{share(len(rows), used).capitalize()} connections ended after one response because {how}, while "
                f"the requests would have kept the connection. That is {many(int(pool.dialled.sum()), 'handshake')} for "
                f"{many(pool.requests, 'request')}" + (f", {rate:.1f} a second." if rate is not None else ".")
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "announced_by_response": len(rows),
                "opens_per_second": round(rate or 0.0, 2),
            },
            causes=[CauseClaim(cause, Confidence.HIGH, "", settings)],
            evidence=[
                desk.evidence(pool, row, life_frames(pool, row), "one request, and a response that announces the close")
                for row in rows[:3].tolist()
            ],
            would_refute="A second request on one of these connections, or a request that asked for the close.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )
