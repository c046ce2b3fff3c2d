"""The server answers and ends the connection before the request's body is through: many clients see a broken pipe.

What it looks at
    Responses that began while the request was still being sent, on connections that ended with them: closed or reset
    by the server with bytes of the body unread, or closed by a client that had read the error.

Claims
    The server refused the request by its head or its size (413, 401, 417 ...) and did not read the rest.  How much got
    through, and for 413 the largest body that was accepted.

Never claims
    The limit itself: the body's full length need not be in the capture.

Why it matters
    Many clients report "broken pipe" or "connection reset" and never show the response that says why; the connection is
    lost, and the bytes were sent for nothing.

What to change
    Raise the server's (or proxy's) body limit, or send less; authenticate ahead of the body; let clients use Expect:
    100-continue for large bodies; let the server read on for a while before it closes.

False alarms
    server-abort gives no answer.  client-request-timeout: the client closes unanswered.  A server that answers early
    and still reads the body to its end harms nobody.

References
    RFC 9110 10.1.1 and 15.5.14; RFC 9112 9.6
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import BOUND, METHODS, REQUEST_COMPLETE, REQUEST_SEEN, RESPONSE_CLOSE, RESPONSE_SEEN, UPGRADED
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.lost import last_of
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, many

SEVERAL = 3
# Of all requests, from which on most users notice; below a hundredth it is a rare one.
GRAVE = 0.1
RARE = 0.01
TOO_LARGE = 413
UPLOADS = np.array([METHODS.index(name) for name in ("POST", "PUT", "PATCH")])


class ServerRejectsUpload(Rule):
    code = "PD316"
    name = "server-rejects-upload"
    title = "The server answers and closes before the request's body is through"
    severity = Severity.HIGH
    action = (
        "Raise the server's limit if such bodies are meant, or let the client check the size first or "
        "ask with Expect: 100-continue."
    )
    needs = (Need.CLOSES, Need.HEADERS)
    explains = (
        Cause.SERVER_ABORT,
        Cause.SERVER_CONNECTION_CLOSE,
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.IDLE_POOL_TOO_SMALL,
        Cause.PATH_LOSS,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        rows = rejected(pool)
        count = len(rows)
        if not count:
            return None
        c, x = pool.connections, pool.exchanges
        last = pool.last_exchange[rows]
        statuses, numbers = np.unique(x.status[last], return_counts=True)
        status = int(statuses[numbers.argmax()])
        sent = got_through(pool, rows)
        accepted = x.request_bytes[
            ((x.flags & REQUEST_COMPLETE) != 0)
            & ((x.flags & BOUND) == 0)
            & (x.status < 400)
            & (x.status >= 200)
            & np.isin(x.method, UPLOADS)
        ]
        refused = x.request_bytes[
            (x.status == TOO_LARGE) & ((x.flags & REQUEST_COMPLETE) != 0) & ((x.flags & BOUND) == 0)
        ]
        largest = int(accepted.max()) if len(accepted) else None
        smallest = int(refused.min()) if len(refused) else None
        resets = int((c.server_rst_at[rows] > 0).sum())
        share = count / max(pool.requests, 1)
        severity = Severity.LOW
        if count >= SEVERAL and share >= RARE:
            severity = Severity.HIGH if share >= GRAVE and count >= 5 else Severity.MEDIUM
        cause = Cause.SERVER_REJECTS_UPLOAD
        said = ", ".join(
            f"{number:,} x {code}" for code, number in zip(statuses.tolist(), numbers.tolist(), strict=True)
        )
        claim = (
            f"{many(count, 'response')} ({said}) came while the request was still being sent, and the connection ended"
            + (f" ({resets:,} times with RST)" if resets else "")
            + f" with it. About {int(np.median(sent)):,} bytes of each request had got through. "
        )
        if status == TOO_LARGE:
            claim += (
                "413 is a limit on the body's size"
                + (f": requests of up to {largest:,} bytes were accepted" if largest is not None else "")
                + (f"; the smallest refused whole had {smallest:,} bytes" if smallest is not None else "")
                + ". "
            )
        elif largest is not None:
            claim += f"Requests of up to {largest:,} bytes were accepted. "
        size = Knob.BODY_LIMIT
        settings = desk.advice(pool, size, cause, role="server")
        if status != TOO_LARGE:
            settings += desk.advice(pool, Knob.EXPECT_CONTINUE, cause)
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(count, 10),
            basis=Basis.OBSERVED,
            title=f"The server answers {status} before the request is through and ends it: {many(count, 'time')}",
            claim=claim.strip(),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "rejected": count,
                "status": status,
                "request_bytes_received_median": int(np.median(sent)),
                "largest_accepted_bytes": largest,
                "smallest_refused_bytes": smallest,
                "reset_by_server": resets,
            },
            causes=[CauseClaim(cause, Confidence.HIGH, "", settings)],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [
                        int(c.first_frame[row]),
                        int(x.request_first_frame[exchange]),
                        int(x.response_first_frame[exchange]),
                        int(c.server_fin_frame[row]),
                        int(c.server_rst_frame[row]),
                    ],
                    f"{int(x.status[exchange])} after {int(sent[place]):,} bytes of the request, then the end",
                )
                for place, (row, exchange) in enumerate(zip(rows[:3].tolist(), last[:3].tolist(), strict=True))
            ],
            would_refute="An acknowledgment of the whole body by the server ahead of its close.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def rejected(pool: Pool) -> Column:
    """Rows whose last request got a final response before its end, and went no further.

    Either the server closed with bytes unread: they met RST, were never acknowledged, or came after its FIN.  Or it
    answered with an error and announced the close, or the end came at once, while more than a segment's worth of the
    body was still being sent: a body that had left before the response could be known says nothing.
    """
    c = pool.connections
    flags = last_of(pool, "flags")
    status = last_of(pool, "status")
    began = last_of(pool, "response_first_at")
    early = ((flags & (REQUEST_SEEN | RESPONSE_SEEN)) == (REQUEST_SEEN | RESPONSE_SEEN)) & ((flags & UPGRADED) == 0)
    early &= ((flags & REQUEST_COMPLETE) == 0) | ((flags & BOUND) != 0)
    early &= (began > 0) & (c.client_last_data_at > began) & (status >= 300)
    server = (c.server_fin_at > 0) | (c.server_rst_at > 0)
    unread = (c.server_rst_at > 0) | (c.crossed_bytes > 0) | (c.heedless_bytes > 0) | (c.client_unacked_bytes > 0)
    broken = server & unread & ((pool.closer == Side.SERVER) | (c.server_rst_at >= began))
    later = sent_by(pool, np.arange(pool.size)) - last_of(pool, "request_bytes")
    told = ((flags & RESPONSE_CLOSE) != 0) | (pool.linger <= pool.immediate_limit)
    polite = (status >= 400) & ((flags & (BOUND | REQUEST_COMPLETE)) == 0) & told & (later > c.client_largest)
    return np.flatnonzero(pool.closed & early & (broken | polite) & pool.usable)


def sent_by(pool: Pool, rows: Column) -> Column:
    """Bytes that each row's client sent since its last request began: all of the connection's but earlier requests'."""
    c, x = pool.connections, pool.exchanges
    if not len(x):
        return np.zeros(len(rows), dtype=np.int64)
    total = np.concatenate([[0], np.cumsum(x.request_bytes)])
    earlier = np.where(
        pool.last_exchange[rows] >= 0, total[pool.last_exchange[rows]] - total[pool.first_exchange[rows]], 0
    )
    return np.asarray(np.maximum(c.client_bytes[rows] - earlier, 0))


def got_through(pool: Pool, rows: Column) -> Column:
    """Bytes of each row's last request that the server acknowledged."""
    return np.asarray(np.maximum(sent_by(pool, rows) - pool.connections.client_unacked_bytes[rows], 0))
