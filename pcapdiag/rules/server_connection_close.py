"""The server ends every connection after one response, though the client would have kept it.

What it looks at
    Responses that say Connection: close, or are HTTP/1.0 without keep-alive, to requests that did not ask for it.
    Without such a word: a server's FIN at once after each connection's first response, and requests that the client
    went on to send on those connections.

Claims
    Keep-alive is off at the server, or its software speaks HTTP/1.0, or a handler sets the header.  A server or proxy
    that closes and does not say so lets its clients count on the connection, and their next request is lost.

Never claims
    Anything from error responses: servers close after many of them on purpose (400, 408, 413, 5xx).  Nor that the client
    would have kept a connection that was closed without a word where it never tried to use one again: it may have meant
    to close, too, and both are said.

Why it matters
    Every request pays a handshake and no client setting can change that.

What to change
    Switch keep-alive on at the server, or remove the header.

False alarms
    A client that asks for the close, or speaks HTTP/1.0, gets the same answer: never-reuse-keepalive-disabled.  A cap
    on requests closes after a constant number greater than one: server-max-requests.  client-ignores-fin: the server
    closes after a silence, not at once.

References
    RFC 9112 9.3, 9.6; https://httpd.apache.org/docs/2.4/mod/core.html#keepalive
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import (
    BOUND,
    REQUEST_CLOSE,
    RESPONSE_CLOSE,
    RESPONSE_COMPLETE,
    RESPONSE_HTTP10,
    UNTIL_CLOSE,
    UPGRADED,
)
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.pool import SECOND, Mask, Pool, once_per_pool
from pcapdiag.pools.timers import moments
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
)

MIN_CONNECTIONS = 4
AGREE = 0.9
# Requests sent on what the server had closed: three are no accident, the client counts on the connection.
MIN_LATE = 3
WORDLESS = "a close without a word"


class ServerConnectionClose(Rule):
    code = "PD304"
    name = "server-connection-close"
    title = "The server ends each connection after one response"
    severity = Severity.HIGH
    needs = (Need.HEADERS,)
    # The word of client-ignores-fin: the requests that it counts could not have done well on any of these connections.
    explains = (Cause.TLS_NO_REUSE, Cause.CLOSE_WAIT_LEAK)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c = pool.connections
        fine = (pool.last_status > 0) & (pool.last_status < 400) & ((pool.last_flags & UPGRADED) == 0)
        whole = pool.whole & fine
        used = int(whole.sum())
        if used < MIN_CONNECTIONS:
            return self.unannounced(pool, desk)
        said = whole & pool.server_said & (c.requests == 1)
        rows = np.flatnonzero(said)
        if len(rows) < AGREE * used:
            return self.unannounced(pool, desk)
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

    def unannounced(self, pool: Pool, desk: Desk) -> Finding | None:
        """A FIN at once after each first response, to clients that go on using the connection."""
        closed, lost = closed_after_one(pool)
        rows, late = np.flatnonzero(closed), int(lost.sum())
        c, x = pool.connections, pool.exchanges
        used = int((pool.whole & (c.responses > 0)).sum())
        if len(rows) < MIN_CONNECTIONS or len(rows) < AGREE * used:
            return None
        if moments(c.server_fin_at[rows]) < MIN_LATE:
            return None  # a stop of the server, just after a burst
        if late < MIN_LATE:
            return self.unnoticed(pool, desk, rows, used)
        cause = Cause.SERVER_CONNECTION_CLOSE
        rate = pool.opens_per_second
        settings = desk.advice(pool, Knob.KEEPALIVE_SWITCH, cause, role="server", inferred=WORDLESS)
        retry = desk.advice(pool, Knob.VALIDATION, cause) + desk.advice(pool, Knob.RETRY, cause)
        return finding(
            self,
            pool,
            # Requests are lost, whatever the rate.
            severity=churn_severity(rate, floor=Severity.HIGH if 10 * late >= pool.requests else Severity.MEDIUM),
            confidence=by_count(len(rows)),
            basis=Basis.OBSERVED,
            title=f"The server ends each connection after one response and does not say so: {many(late, 'request')} lost",
            claim=(
                f"On {share(len(rows), used)} connections the server's FIN came at once after the first response, which "
                "names its own length and does not say Connection: close, nor did the request. The client took them for "
                f"kept connections: {many(late, 'request')} went out on them next and got no answer. A server or "
                "proxy that closes after each response has to say Connection: close (RFC 9112 9.6)."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "closed_after_one": len(rows),
                "lost_requests": late,
                "opens_per_second": round(rate or 0.0, 2),
            },
            causes=[CauseClaim(cause, Confidence.HIGH, "", settings + retry)],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [
                        int(c.first_frame[row]),
                        int(x.response_last_frame[pool.first_exchange[row]]),
                        int(c.server_fin_frame[row]),
                        int(x.request_first_frame[pool.last_exchange[row]]),
                        int(c.server_rst_frame[row]),
                    ],
                    "one response and the server's FIN at once, then another request of the client",
                )
                for row in np.flatnonzero(lost)[:3].tolist()
            ],
            would_refute="A second response on one of these connections, or one that announces the close.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )

    def unnoticed(self, pool: Pool, desk: Desk, rows: Column, used: int) -> Finding:
        """The same to clients that never tried a connection again: they saw the FIN in time, or wanted it, too."""
        c, x = pool.connections, pool.exchanges
        cause, rate = Cause.SERVER_CONNECTION_CLOSE, pool.opens_per_second
        silence = int(np.median(c.server_fin_at[rows] - x.response_last_at[pool.first_exchange[rows]]))
        settings = desk.advice(pool, Knob.KEEPALIVE_SWITCH, cause, role="server", inferred=WORDLESS)
        other = Cause.NEVER_REUSE_KEEPALIVE_DISABLED
        return finding(
            self,
            pool,
            severity=churn_severity(rate),
            confidence=min(by_count(len(rows)), Confidence.MEDIUM, key=lambda one: one.rank),
            basis=Basis.INFERRED,
            title="The server ends each connection after one response and does not say so",
            claim=(
                f"On {share(len(rows), used)} connections the server sent its FIN {seconds(silence)} (median) after the "
                "first response, which names its own length and does not say Connection: close, nor did the request. A "
                "server that does not keep connections has to say so in each response (RFC 9112 9.6): a client that "
                "counts on the connection loses its next request. Here none tried: it saw the FIN in time, or it meant "
                "to use each connection once, too."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "closed_after_one": len(rows),
                "lost_requests": 0,
                "linger_median_s": silence / SECOND,
                "opens_per_second": round(rate or 0.0, 2),
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.MEDIUM,
                    "let the client send two requests over one connection (curl URL URL): where the server keeps it, the "
                    "second one goes out on it, and the client alone is at fault",
                    settings,
                ),
                CauseClaim(other, Confidence.LOW, "", desk.advice(pool, Knob.INSTANCE_PER_REQUEST, other)),
            ],
            evidence=[
                desk.evidence(pool, row, life_frames(pool, row), "one response, and the server's FIN at once")
                for row in rows[:3].tolist()
            ],
            would_refute="A second response on one of these connections, or one that announces the close.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


@once_per_pool
def closed_after_one(pool: Pool) -> tuple[Mask, Mask]:
    """Connections that the server closed at once after their one whole response, which had not announced it.

    Returns:
        those, and of them the ones on which the client sent another request, which was on its way or came after the
        FIN and got no answer.  What was sent ahead of the response (pipelined) shows nothing of the kind.
    """
    c, x = pool.connections, pool.exchanges
    mask = pool.whole & (c.responses == 1) & (c.server_fin_at > 0) & (pool.closer == Side.SERVER)
    rows = np.flatnonzero(mask & (pool.last_exchange >= 0))
    first, last = pool.first_exchange[rows], pool.last_exchange[rows]
    flags, status = x.flags[first], x.status[first]
    silence = c.server_fin_at[rows] - x.response_last_at[first]
    fine = (status > 0) & (status < 400) & ((flags & RESPONSE_COMPLETE) != 0)
    fine &= (flags & (REQUEST_CLOSE | RESPONSE_CLOSE | UPGRADED | UNTIL_CLOSE | BOUND)) == 0
    fine &= (silence >= 0) & (silence <= pool.immediate_limit)
    more = (last > first) & (x.response_first_at[last] == 0) & (x.request_first_at[last] > x.response_last_at[first])
    more &= c.crossed_bytes[rows] + c.heedless_bytes[rows] > 0
    fine &= (last == first) | more
    found, lost = np.zeros(pool.size, dtype=bool), np.zeros(pool.size, dtype=bool)
    found[rows[fine]] = True
    lost[rows[fine & more]] = True
    return found, lost
