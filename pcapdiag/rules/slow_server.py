"""The server is slow to begin its responses: requests wait for its first byte, and get it.

What it looks at
    The time from the last byte of a request to the first byte of its response, less the way between capture point and
    server; how many requests wait for a second or more; whether method or response size sets them apart.

Claims
    That the server, or what stands behind it, needs this long.  A second is what a person waits for without losing the
    thread.  At least three requests and a tenth of all must be slow.

Never claims
    Why the server is slow, or which URL: URLs are not kept.  A response that begins at once and goes on for long, a
    stream or a slow link, is not meant.

Why it matters
    Everybody who calls waits along, and connections stay busy: pools grow, limits are reached, timeouts fire.

What to change
    Nothing on the connection: look into the server for what these requests have in common.  Until then the client's
    timeout must be longer than the honest answers, and bound the rest.

False alarms
    Long polling waits on purpose: where all requests of a connection are slow, and each follows the answer ahead of it
    at once, on no more connections than a browser opens, this is information.  Waits for a delayed ACK (40 to 200 ms,
    nagle-delayed-ack) and for 100 Continue (expect-100-continue) lie within a message, not ahead of the response.  Lost
    requests (path-loss) leave retransmissions on the connection: those requests are left out.  Where the client gives
    up, client-request-timeout leads.

References
    Jakob Nielsen, Usability Engineering, chapter 5 (1 s, 10 s); RFC 9110 15.2
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import METHODS, TURN
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Protocol, Severity
from pcapdiag.pools.delays import waits
from pcapdiag.pools.pool import SECOND, Mask, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many, seconds, share

MIN_REQUESTS = 10
# Three can be no accident of one moment; a tenth is a tail that every tenth caller meets.
MIN_SLOW = 3
PART = 0.1
# Browsers open at most six connections to a host, and pollers mostly one: more that ask in a loop are at work.
POLLERS = 6
# From here on most callers wait, or each for longer than a page is given.
MOST = 0.3
LONG = 5 * SECOND
# Servers of these protocols answer when asked; elsewhere a silence may be the protocol's own (a chat, a subscription).
ASKED = frozenset({Protocol.HTTP1, Protocol.TLS, Protocol.POSTGRES, Protocol.MYSQL})


class SlowServer(Rule):
    code = "PD401"
    name = "slow-server"
    title = "The server takes long to begin its responses"
    severity = Severity.MEDIUM
    action = (
        "Make these requests faster on the server. No setting of the client does; its timeout only has "
        "to be longer meanwhile."
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        if pool.protocol not in ASKED:
            return None
        seen = waits(pool)
        if len(seen.rows) < MIN_REQUESTS:
            return NotJudged(f"fewer than {MIN_REQUESTS} requests with an answer")
        slow = seen.slow & ~seen.resent
        count, whole = int(slow.sum()), int((~seen.resent).sum())
        if count < MIN_SLOW or count < PART * whole:
            return None
        x = pool.exchanges
        waited = seen.wait[slow]
        typical = int(np.median(waited))
        others = seen.wait[~slow & ~seen.resent]
        # With answers of every length there is no tail of slow ones, only a server whose times are spread.
        if len(others) and 3 * int(np.median(others)) > typical and count < MOST * whole:
            return None
        polling = seen.polled & slow
        pollers = len(np.unique(x.connection[seen.rows[polling]]))
        on_purpose = pollers <= POLLERS and count - int(polling.sum()) < max(MIN_SLOW, PART * whole)
        turns = bool((x.flags[seen.rows] & TURN).any())
        if on_purpose:
            severity = Severity.INFO
        elif turns or (count < MOST * whole and typical < LONG):
            severity = Severity.LOW
        else:
            severity = Severity.MEDIUM
        apart = set_apart(pool, seen.rows[slow], seen.rows[~slow & ~seen.resent])
        title = f"The server takes {seconds(typical)} to begin {share(count, whole)} responses"
        if on_purpose:
            title += ", as in long polling"
        claim = (
            f"{share(count, whole).capitalize()} requests waited for a second or more for the first byte of the "
            f"response, {seconds(typical)} in the median and {seconds(int(waited.max()))} at most"
            + (f"; the others {seconds(int(np.median(others)))}" if len(others) else "")
            + ". The client waited and was answered: nothing on the connection delayed it. "
            + apart
        ).strip()
        if on_purpose:
            claim += (
                f" Each of these requests followed the answer ahead of it at once, on {many(pollers, 'connection')}: "
                "long polling looks like this, and is no fault."
            )
        if turns:
            claim += " The bytes are encrypted: requests and answers are told apart by their direction."
        rows = seen.rows[slow]
        shown = rows[np.argsort(-waited)][:3]
        return finding(
            self,
            pool,
            severity=severity,
            confidence=Confidence.LOW if turns or on_purpose else by_count(count),
            basis=Basis.OBSERVED,
            title=title,
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "slow": count,
                "slow_share": round(count / whole, 3),
                "time_to_first_byte_s": typical / SECOND,
                "time_to_first_byte_max_s": int(waited.max()) / SECOND,
                "time_to_first_byte_others_s": int(np.median(others)) / SECOND if len(others) else None,
            },
            causes=[
                CauseClaim(
                    Cause.SLOW_SERVER,
                    Confidence.MEDIUM if not turns and not on_purpose else Confidence.LOW,
                    "",
                    desk.advice(
                        pool,
                        Knob.REQUEST_TIMEOUT,
                        Cause.SLOW_SERVER,
                        recommended=f"longer than {seconds(int(waited.max()))}, until the server is faster",
                        values={"value": str(int(np.ceil(1.5 * int(waited.max()) / SECOND)))},
                    ),
                )
            ],
            evidence=[
                desk.evidence(
                    pool,
                    int(x.connection[row]),
                    [int(x.request_last_frame[row]), int(x.response_first_frame[row])],
                    f"{seconds(int(x.response_first_at[row] - x.request_last_at[row]))} from the request to the first "
                    "byte of its response",
                )
                for row in shown.tolist()
            ],
            would_refute="The server's own log giving these requests a few milliseconds: then something between the "
            "capture point and the server holds them.",
            not_the_fix=desk.not_the_fix(pool, Cause.SLOW_SERVER),
        )


def set_apart(pool: Pool, slow: Column, fast: Column) -> str:
    """What the slow requests have in common and the others have not: a method, a range of response sizes."""
    x = pool.exchanges
    if not len(fast):
        return ""
    said = []
    methods = np.unique(x.method[slow])
    if len(methods) == 1 and 0 < methods[0] < len(METHODS) and not np.isin(methods, x.method[fast]).any():
        said.append(f"they are all {METHODS[int(methods[0])]}")
    sizes = x.response_bytes[slow]
    low, high = int(sizes.min()), int(sizes.max())
    within: Mask = (x.response_bytes[fast] >= low) & (x.response_bytes[fast] <= high)
    if not within.any():
        said.append(
            f"their responses are {low:,} to {high:,} bytes, the others' are not"
            if high > low
            else f"their responses are {low:,} bytes, the others' are not"
        )
    if not said:
        return "Neither method nor response size sets them apart."
    return f"What sets them apart: {' and '.join(said)}; it may be one endpoint."
