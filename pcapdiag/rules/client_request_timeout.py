"""The client gives requests up after a constant wait and closes their connections.

What it looks at
    Connections that the client closed or reset while a request had no answer, or only a part of one; how alike the
    waits are, counted from the last byte, from the request, or from the dial.

Claims
    A timeout of the client and its value, as a bracket: the longest answer that was still waited for, and the shortest
    wait that was given up.  Whether it is a read timeout (a silence) or a total one (it ends responses in full flow).

Never claims
    That the timeout is wrong: the server was slower than it, and which of the two should change is not in the packets.
    Nor what a single request given up means: somebody may have cancelled it.

Why it matters
    The caller gets an error, the server works for nobody, and the connection is gone: the next request pays a
    handshake.

What to change
    Make the server answer in time, or set the timeout above the slowest answer that is still wanted.  Closes and new
    connections around it need no setting of their own.

False alarms
    client-abort ends all connections at one moment, whatever each was doing.  body-not-drained closes right after the
    response began.  middlebox-idle-drop and pmtu-blackhole lose the request or the response on the way, and only then
    does a timeout fire.  server-rejects-upload: the server breaks off a request that is still being sent.  A stream
    that its reader leaves after a fixed time looks the same as a total timeout.

References
    RFC 9110 9.2.2 (what may be sent again); https://pkg.go.dev/net/http#Client.Timeout
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Evidence, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.endings import MIN_AGREEING, client_ends
from pcapdiag.pools.lost import last_of
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.timeouts import GivenUp, Since, abandoned_requests, given_up, round_number
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, many, seconds

# Of all requests, from which on most users notice; below a hundredth it is a rare one.
GRAVE = 0.1
RARE = 0.01


class ClientRequestTimeout(Rule):
    code = "PD305"
    name = "client-request-timeout"
    title = "The client's timeout ends requests that the server had not answered yet"
    severity = Severity.HIGH
    action = "Find out why these answers take so long; then set the timeout above the slowest answer you still want."
    needs = (Need.CLOSES,)
    # With TLS, a request given up may look like a connection that was idle: a session ticket came behind it.
    explains = (
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.IDLE_POOL_TOO_SMALL,
        Cause.IDLE_TIMEOUT_TOO_SHORT,
        Cause.BODY_NOT_DRAINED,
        Cause.SLOW_SERVER,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = given_up(pool)
        if seen is None:
            return self.scattered(pool, desk)
        c = pool.connections
        count = len(seen.rows)
        share = count / max(pool.requests, 1)
        # Two agree by chance and one agrees with itself: only a wait that somebody would set speaks for a timeout.
        if count < MIN_AGREEING and not round_number(seen.median):
            return None
        pattern = count >= MIN_AGREEING or (count == pool.requests and count > 1)
        doubted = seen.contradicted > max(1, count // 10)
        severity = Severity.INFO
        if pattern and not (doubted and share < GRAVE):
            severity = Severity.HIGH if share >= GRAVE and count >= 5 else Severity.MEDIUM
            if share < RARE or count < MIN_AGREEING:
                severity = Severity.LOW
        confidence = by_count(count)
        if seen.moments == 1 or doubted or seen.spread > seen.median // 10:
            confidence = Confidence.LOW
        low = seen.survived
        after = seconds(seen.median)
        cause = Cause.CLIENT_REQUEST_TIMEOUT
        counted = {
            Since.SILENCE: f"after {after} of silence",
            Since.REQUEST: f"{after} after the request",
            Since.DIAL: f"{after} after the dial",
        }
        claim = (
            f"The client closed {many(count, 'connection')} with a request open, each {counted[seen.since]} "
            f"(spread {seconds(seen.spread)}), at {many(seen.moments, 'moment')}: {kind_of(seen)}. "
        )
        if seen.midbody:
            claim += f"On {seen.midbody:,} of them a part of the response had come. "
        if doubted:
            claim += (
                f"{many(seen.contradicted, 'request')} waited longer and got an answer: the timeout is not the same for "
                "all requests. "
            )
        elif low:
            claim += f"Answers after up to {seconds(low)} were waited for. "
        else:
            claim += "No answer came near it, so how much it was exceeded is not known. "
        own = desk.default_there(pool, Knob.REQUEST_TIMEOUT, "client", seen.low, seen.high)
        if own:
            claim = f"{claim.strip()}{own} "
        if seen.others:
            claim += f"{many(seen.others, 'other request')} ended after other waits. "
        late = int((c.server_last_data_at[seen.rows] > c.close_at[seen.rows]).sum())
        if late:
            claim += f"The server answered {late:,} of them later, to nobody."
        claims = [
            CauseClaim(
                cause,
                confidence if confidence is not Confidence.LOW else Confidence.MEDIUM,
                "the server's log says how long these requests took: longer than that, and the server is slow; shorter, or "
                "no such request, and something between the two is",
                desk.advice(
                    pool,
                    Knob.REQUEST_TIMEOUT,
                    cause,
                    inferred=after,
                    recommended="above the slowest response you still want",
                ),
            ),
            CauseClaim(Cause.SLOW_SERVER, Confidence.MEDIUM if not low or not doubted else Confidence.LOW, "", ()),
        ]
        if seen.moments == 1 and count > 1:
            claims.insert(
                1,
                CauseClaim(
                    Cause.CLIENT_ABORT,
                    Confidence.LOW,
                    "all began and ended together: the client's own log tells a timeout from its end",
                    (),
                ),
            )
        return finding(
            self,
            pool,
            severity=severity,
            confidence=confidence,
            basis=Basis.INFERRED,
            title=f"The client gives requests up after {after}: {count:,} of {pool.requests:,} ended so",
            claim=claim.strip(),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "given_up": count,
                "timeout_low_s": seen.low / SECOND,
                "timeout_high_s": seen.high / SECOND,
                "longest_answer_s": low / SECOND if low else None,
                "wait_median_s": seen.median / SECOND,
                "spread_s": seen.spread / SECOND,
                "moments": seen.moments,
                "in_mid_response": seen.midbody,
                "other_waits": seen.others,
            },
            causes=claims,
            evidence=evidence(pool, desk, seen.rows.tolist()),
            would_refute=f"A request of this client that waited for clearly more than {after} and was answered.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )

    def scattered(self, pool: Pool, desk: Desk) -> Finding | None:
        """Requests given up after all kinds of waits: somebody cancels.  Information, no setting."""
        rows = abandoned_requests(pool)
        if len(rows) < MIN_AGREEING or client_ends(pool):
            return None
        waits = pool.connections.close_at[rows] - last_of(pool, "request_first_at")[rows]
        cause = Cause.CLIENT_REQUEST_TIMEOUT
        return finding(
            self,
            pool,
            severity=Severity.INFO,
            confidence=Confidence.LOW,
            basis=Basis.OBSERVED,
            title=f"The client left {many(len(rows), 'request')} unanswered, after different waits",
            claim=(
                f"It closed their connections {seconds(int(waits.min()))} to {seconds(int(waits.max()))} after the "
                "request. No one timeout fits: they were cancelled, or have timeouts of their own."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "given_up": len(rows),
                "wait_low_s": int(waits.min()) / SECOND,
                "wait_high_s": int(waits.max()) / SECOND,
            },
            causes=[CauseClaim(cause, Confidence.LOW, "", desk.advice(pool, Knob.REQUEST_TIMEOUT, cause))],
            evidence=evidence(pool, desk, rows.tolist()),
            would_refute="Waits that agree, counted from where the caller began.",
        )


def kind_of(seen: GivenUp) -> str:
    if seen.since is Since.SILENCE:
        return "a read timeout, or a total one: nothing had come" if not seen.midbody else "a read timeout"
    return "a total timeout, the response in flow or not" if seen.midbody else "a total timeout"


def evidence(pool: Pool, desk: Desk, rows: list[int]) -> list[Evidence]:
    c, x = pool.connections, pool.exchanges
    out = []
    for row in rows[:3]:
        last = int(pool.last_exchange[row])
        waited = int(c.close_at[row]) - int(x.request_first_at[last])
        frames = [int(c.first_frame[row]), int(x.request_first_frame[last]), int(c.close_frame[row])]
        out.append(
            desk.evidence(
                pool, row, frames, f"request, then the client's close {seconds(waited)} later, still unanswered"
            )
        )
    return out
