"""The client gives up each connection after the same number of requests, though it goes on and dials again.

What it looks at
    Connections seen from their start that the client closed while they were in use, without being told to: how many
    requests each had carried, whether any carried more, how their ages compare, and whether the next request dialled.
    Where heads cannot be read: whether the server's FIN was first on others, and how long the last response is.

Claims
    The number of requests after which the client takes a new connection.  Where the ages agree as well, that a limit on
    age does it remains the second explanation.  Where signs of an announcement are there that cannot be read, that the
    server counts comes first and that the client does second.

Never claims
    A limit where fewer than five connections reached it or counts scatter; nor where the work ended with the connection:
    a program that has six things to ask and then leaves has no limit.

Why it matters
    Every Nth request pays a handshake, and each close leaves a TIME_WAIT on the client's side.

What to change
    Raise the client's own limit, or keep the client, session or agent for longer than one round of work.

False alarms
    After Connection: close in the response it is the server that counts: server-max-requests.  Under TLS, or a small
    snaplen, that cannot be read, and both are said; a last response that is longer by 19 bytes or shorter by 5 than the
    one ahead of it holds those words all but surely, and a server that finishes first after the same number has a count
    of its own.  A limit on age gives constant ages and scattered counts: connection-lifetime.  A full idle
    pool gives scattered counts: idle-pool-too-small.

References
    RFC 9112 9.3; https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive_requests
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, CloseClass, Confidence, Knob, Severity, Side
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.replacing import AGREE, Replacement, replacement, told_by_count
from pcapdiag.rules.rule import (
    HEAVY,
    NEGLIGIBLE,
    Desk,
    Need,
    NotJudged,
    Rule,
    by_count,
    finding,
    life_frames,
    seconds,
    share,
)

# From here on one request in a hundred or fewer pays a handshake: a fact, no fault.
HARMLESS = 100
# Up to here at least one in twenty does.
DEAR = 20
# A response grows by "Connection: close" and its line end, or says close where the others say keep-alive (RFC 9112 9.3).
ANNOUNCED = (19, -5)
# Closes by the server, at once after the client's very count, that are no accident.
MIN_FIRST = 3
CHANGE_RATE = (
    "change the rate of requests: after {count} requests whatever the time it is a count, after {age} whatever the "
    "number it is a limit on age"
)
UNREAD = (
    "read the last response's headers (SSLKEYLOGFILE, or capture before TLS): Connection: close there is the server's"
)
UNCAPTURED = "read the last response's headers (tcpdump -s 0 keeps them whole): Connection: close there is the server's"


class ClientMaxRequests(Rule):
    code = "PD311"
    name = "client-max-requests"
    title = "The client gives up each connection after a constant number of requests"
    severity = Severity.HIGH
    needs = (Need.STARTS, Need.CLOSES)
    explains = (Cause.TLS_NO_REUSE,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = replacement(pool, Side.CLIENT)
        if seen is None or seen.requests is None or not told_by_count(seen):
            return None
        if 2 * seen.renewed < len(seen.rows):
            return None
        count = seen.requests
        cause = Cause.CLIENT_MAX_REQUESTS
        per_second = pool.opens_per_second or 0.0
        of_age = seen.age is not None
        sure = seen.age is None and not seen.hidden
        shown = signs(pool, seen) if seen.hidden else ""
        unread = UNREAD if pool.encrypted else UNCAPTURED
        first = CauseClaim(
            cause,
            Confidence.HIGH if sure else Confidence.LOW if shown else Confidence.MEDIUM,
            CHANGE_RATE.format(count=f"{count:,}", age=seconds(seen.age)) if seen.age is not None
            else unread if seen.hidden and not shown
            else "",
            desk.advice(pool, Knob.MAX_REQUESTS, cause, inferred=str(count))
            + desk.advice(pool, Knob.INSTANCE_PER_REQUEST, cause),
        )  # fmt: skip
        causes = [first]
        if seen.age is not None:
            causes.append(
                CauseClaim(
                    Cause.CONNECTION_LIFETIME,
                    Confidence.LOW,
                    unread if seen.hidden else "",
                    desk.advice(pool, Knob.MAX_LIFETIME, Cause.CONNECTION_LIFETIME, inferred=seconds(seen.age)),
                )
            )
        if seen.hidden:
            causes.insert(
                0 if shown else len(causes),
                CauseClaim(
                    Cause.SERVER_MAX_REQUESTS,
                    Confidence.MEDIUM if shown else Confidence.LOW,
                    unread if shown else "",
                    desk.advice(pool, Knob.MAX_REQUESTS, Cause.SERVER_MAX_REQUESTS, role="server", inferred=str(count)),
                ),
            )
        served = pool.connections.requests[seen.rows]
        same = int((served == count).sum())
        claim = (
            f"{share(same, len(served)).capitalize()} connections that the client closed in use had carried exactly "
            f"{count:,} requests, and none carried more. No response "
            + ("could be read" if seen.hidden else "asked for the close")
            + ", and the silence ahead of it was "
            f"one like those between requests. {seen.renewed:,} times the next request dialled again. {shown}"
        )
        if of_age:
            claim += (
                f"Their ages agree as well ({seconds(seen.age_low)} to {seconds(seen.age_high)}, within "
                f"{seen.age_spread:.1%}), less closely than the counts: at this steady rate a limit on age would look alike."
            )
        return finding(
            self,
            pool,
            severity=cost(count, per_second),
            confidence=min(
                by_count(len(seen.rows), 10), Confidence.HIGH if sure else Confidence.MEDIUM, key=lambda one: one.rank
            ),
            basis=Basis.INFERRED,
            title=f"Each connection ends after {count:,} requests, by the server's count as it seems"
            if shown
            else f"The client gives up each connection after {count:,} requests",
            claim=claim.rstrip(),
            measured=measures(pool, seen) | {"max_requests": count, "closed_at_cap": same},
            causes=causes,
            evidence=[
                desk.evidence(
                    pool, row, life_frames(pool, row), f"{count:,} requests, then closed by the client unasked"
                )
                for row in seen.rows[served == count][:3].tolist()
            ],
            would_refute=f"A connection of this pool that carries more than {count:,} requests.",
            not_the_fix=desk.not_the_fix(pool, causes[0].cause),
        )


def signs(pool: Pool, seen: Replacement) -> str:
    """What shows, though heads cannot be read, that the server announced these closes; empty for nothing.

    Where the last request differs in the same way it was the client that announced, and the response only agrees.
    """
    x, c = pool.exchanges, pool.connections
    last = pool.last_exchange[seen.rows]
    # A server whose answers vary anyway shows nothing: those ahead of the last must be alike.
    last = last[c.requests[seen.rows] == seen.requests]
    asked = x.request_bytes[last] - x.request_bytes[last - 1]
    if 2 * np.isin(asked, ANNOUNCED).sum() > len(last):
        return ""
    told = []
    grown = x.response_bytes[last] - x.response_bytes[last - 1]
    before = x.response_bytes[last - 1] - x.response_bytes[last - 2]
    if seen.requests is not None and seen.requests > 2:
        for size in ANNOUNCED:
            if (grown == size).mean() >= AGREE and (before == 0).mean() >= AGREE:
                longer = "longer" if size > 0 else "shorter"
                told.append(
                    f"The last response is {abs(size)} bytes {longer} than the one ahead of it, as with Connection: close"
                )
    first = pool.whole & pool.closed & (pool.closer == Side.SERVER) & (pool.close_class == CloseClass.IMMEDIATE)
    early = int((first & (c.requests == seen.requests)).sum())
    if early >= MIN_FIRST and early >= AGREE * int(first.sum()):
        told.append(f"On {early:,} further connections the server's FIN came first, after as many requests")
    return ". ".join(told) + ". " if told else ""


def cost(count: int, per_second: float) -> Severity:
    """What a handshake for each ``count`` requests costs at this rate of dials."""
    if count >= HARMLESS:
        return Severity.INFO
    if per_second >= HEAVY:
        return Severity.HIGH
    return Severity.MEDIUM if count <= DEAR and per_second >= NEGLIGIBLE else Severity.LOW


def measures(pool: Pool, seen: Replacement) -> dict[str, int | float | None]:
    """Numbers that the two rules on replaced connections share."""
    return {
        "connections": pool.size,
        "requests": pool.requests,
        "closes": len(seen.rows),
        "request_spread": round(seen.request_spread, 4),
        "age_spread": round(seen.age_spread, 4),
        "age_low_s": seen.age_low / SECOND,
        "age_high_s": seen.age_high / SECOND,
        "renewed": seen.renewed,
        "opens_per_second": round(pool.opens_per_second or 0.0, 2),
    }
