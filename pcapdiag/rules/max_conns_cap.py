"""The client never has more than a fixed number of requests out: as one response ends, the next request leaves.

What it looks at
    Requests that follow another one on their connection: whether any connection of the pool was idle at that moment,
    and how long the pause was; whether more connections than that number were ever open.  Where the client's own
    callers are in the capture, how many requests they had in hand meanwhile.

Claims
    How many connections there are at most, and that nearly every request left without a pause while all of them were
    busy.  With the other leg: how many requests were in hand for them, so that some had to wait.

Never claims
    Without the other leg, that requests wait: as many callers in a loop, each with its next request ready, look the same
    on this side.

Why it matters
    The client gets no more than that many answers in the time of one, whatever the server could do.  What comes on top
    waits inside the client, where neither the server's log nor its graphs show it.

What to change
    Raise the client's limit on connections to this host, if the server is meant to take more; or lower the number of
    callers, if the limit is there to protect it.

False alarms
    A load generator, a thread for each connection, a browser, a download in several parts: their number is their own
    choice, and so it is with libraries that have no such limit (java.net.http, PHP, Ruby).  Long polls (answers after a
    second or more) and transfers that fill the path are information only: more connections would not make those faster.
    So it is where the snaplen cut off the client's name and the other leg does not show that requests wait.

References
    https://pkg.go.dev/net/http#Transport (MaxConnsPerHost); https://nodejs.org/api/http.html#agentmaxsockets;
    https://urllib3.readthedocs.io/en/stable/advanced-usage.html (block)
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Evidence, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.ceiling import Ceiling, ceiling
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many, seconds

# An answer that takes longer is held back on purpose (a long poll), or the server is what is slow.
HELD_BACK = SECOND
# Where the response's own transfer takes most of the time the path is what is full.
TRANSFER = 0.5
# Programs whose number of connections is what they were asked for, by how their User-Agent begins.
LOAD = ("ApacheBench", "hey/", "k6/", "Grafana k6/", "autocannon", "wrk", "oha/", "vegeta", "siege", "Gatling")
BROWSER = "Mozilla/"

OTHER_LEG = (
    "capture the requests that the client itself gets, in the same file, or count its callers: a limit holds back more "
    "of them than there are connections; as many threads or workers, each in a loop, look the same on this leg"
)


class MaxConnsCap(Rule):
    code = "PD502"
    name = "max-conns-cap"
    title = "Requests wait inside the client for one of a fixed number of connections"
    severity = Severity.MEDIUM
    action = (
        "Allow more connections where the server can take them, or make each request shorter; more "
        "callers only wait longer."
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = ceiling(pool)
        if seen is None:
            return None
        front = seen.front
        agent = pool.text("user_agent") or ""
        by_design = agent.startswith((*LOAD, BROWSER))
        proven = front is not None and front.beyond >= 0.5
        cause = Cause.MAX_CONNS_CAP
        wanted = front.peak if front is not None and proven else None
        settings = desk.advice(
            pool,
            Knob.TOTAL_POOL_LIMIT,
            cause,
            inferred=str(seen.limit),
            recommended=None if wanted is None else f"{wanted} or more, if the server is meant to take them",
            values={} if wanted is None else {"value": str(wanted)},
        )
        capless = desk.client_id(pool) is not None and not settings  # then its callers are the limit
        # The snaplen cut off who asks: a load generator's connections look the same, and so does a library without a limit.
        nameless = not agent and bool((pool.connections.truncated_bytes > 0).mean() > 0.5)
        if by_design or capless or (nameless and not proven) or seen.service >= HELD_BACK or seen.transfer > TRANSFER:
            severity = Severity.INFO
        else:
            severity = Severity.MEDIUM if proven else Severity.LOW
        return finding(
            self,
            pool,
            severity=severity,
            confidence=confidence(seen, proven),
            basis=Basis.INFERRED,
            title=(
                f"Requests wait for one of {seen.limit:,} connections: up to {front.peak:,} were in hand at once"
                if front is not None and proven
                else f"Never more than {seen.limit:,} requests at once: each leaves as a response ends"
            ),
            claim=told(pool, seen, proven),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "limit": seen.limit,
                "handovers": seen.handovers,
                "at_once": seen.at_once,
                "pause_s": seen.pause / SECOND,
                "answered_after_s": seen.service / SECOND,
                "callers": None if front is None else front.peak,
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.HIGH if proven else Confidence.MEDIUM,
                    "" if proven else OTHER_LEG,
                    settings,
                )
            ],
            evidence=[handover(pool, desk, row) for row in chosen(seen)],
            would_refute=(
                f"More than {seen.limit:,} connections of this pool with a request open, or one that stays idle while "
                "others go on without a pause."
            ),
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def confidence(seen: Ceiling, proven: bool) -> Confidence:
    """High only where the other leg shows who waits."""
    known = by_count(seen.handovers, 100)
    return known if proven else min(known, Confidence.MEDIUM, key=lambda one: one.rank)


def told(pool: Pool, seen: Ceiling, proven: bool) -> str:
    """The claim."""
    front = seen.front
    text = (
        f"{seen.at_once:,} of {many(seen.handovers, 'request')} that followed a response while all "
        f"{many(seen.limit, 'connection')} were busy left at once (median {seconds(seen.pause)}); answers took "
        f"{seconds(seen.service)}. More connections were never open, so {seen.limit:,} requests per "
        f"{seconds(seen.service)} is the most that this client asks. "
    )
    if front is not None and proven:
        host = pool.connections.address(front.address)
        return (
            text
            + f"At {front.beyond:.0%} of these moments {host}:{front.port} had more requests in hand than connections: "
            f"up to {front.peak:,}. They took {seconds(front.took)}, of which {seconds(seen.service)} were this server's."
        )
    return text + (
        f"Either a) the client limits its connections to {seen.limit:,} and requests wait for them, or b) it has "
        f"{seen.limit:,} callers, each with its next request ready."
    )


def chosen(seen: Ceiling) -> list[int]:
    """Three hand-overs: from the beginning, the middle and the end."""
    at = np.linspace(0, len(seen.rows) - 1, 3).astype(int)
    return [int(seen.rows[place]) for place in dict.fromkeys(at.tolist())]


def handover(pool: Pool, desk: Desk, row: int) -> Evidence:
    """A response, and the request behind it on the same connection."""
    x = pool.exchanges
    pause = int(x.request_first_at[row + 1] - pool.busy_until[row])
    return desk.evidence(
        pool,
        int(x.connection[row]),
        [int(x.response_last_frame[row]), int(x.request_first_frame[row + 1])],
        f"the next request {seconds(pause)} behind the response, all connections busy",
    )
