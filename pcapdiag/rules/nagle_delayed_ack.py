"""A message goes out in two small writes with Nagle's algorithm on, the other side delays its ACK: each waits for the other.

What it looks at
    Segments that left at the moment when a delayed ACK (30 to 500 ms after the data, without data of its own)
    acknowledged everything before them, within one message, with room in the window.

Claims
    The side that holds the rest of its message back (Nagle's algorithm, RFC 1122 4.2.3.4), the side that delays its ACK
    (RFC 9293 3.8.6.3), and the time that each message loses: 40 ms with Linux, up to 200 ms with others.

Never claims
    That the server is slow: it had the bytes all the while.

Why it matters
    40 ms per message is the whole budget of a call inside a data center, on a path of less than a millisecond.

What to change
    On the side that sends: write the whole message at once, or set TCP_NODELAY.  Nearly every HTTP library does; servers
    made for teaching do not.

False alarms
    A server that computes for 40 ms, or streams a piece each 40 to 50 ms, does not wait for ACKs: its segments come
    when they come, not within half a millisecond of one.  More than two such waits for each request are a stream.  The
    answer to the next request is not meant, nor a sender without room in the window (zero-window), nor one that lost
    something (path-loss).  A slow first byte is slow-server; a second ahead of a request's body is expect-100-continue.

References
    RFC 896; RFC 9293 3.7.4, 3.8.6.3; John Nagle, https://news.ycombinator.com/item?id=9050645
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.delays import stalls
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many, seconds, share

MIN_STALLS = 3
# A fifth of the messages: fewer are an odd moment of a sender that mostly does right.
PART = 0.2
# Five waits of 40 ms are 200 ms in all: the first that anybody could feel.
ENOUGH = 5
MOST = 0.5


class NagleDelayedAck(Rule):
    code = "PD404"
    name = "nagle-delayed-ack"
    title = "Messages sent in two writes wait for a delayed ACK"
    severity = Severity.MEDIUM
    action = "Write the message in one piece, or set TCP_NODELAY on the side that sends it."
    explains = (Cause.SLOW_SERVER,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        if not (pool.connections.rtt_ns >= 0).any():
            return NotJudged(
                "no handshake was seen: without its round trip a delayed ACK cannot be told from a distant one; start "
                "the capture ahead of the connections"
            )
        seen = stalls(pool)
        if seen is None or seen.count < MIN_STALLS or seen.share < PART:
            return None
        c = pool.connections
        name = seen.sender.word
        other = "client" if seen.sender == Side.SERVER else "server"
        what = "response" if seen.sender == Side.SERVER else "request"
        frames = c.columns[f"{name}_stall_frame"]
        if seen.count < ENOUGH:
            severity = Severity.INFO
        else:
            severity = Severity.MEDIUM if seen.share >= MOST and seen.count >= 4 * ENOUGH else Severity.LOW
        lost = int(c.columns[f"{name}_stall_ns"][seen.rows].sum())
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(seen.count),
            basis=Basis.INFERRED,
            title=f"The {name} sends in two writes with Nagle's algorithm on: {seconds(seen.each)} lost per {what}",
            claim=(
                f"{many(seen.count, 'segment')} of the {name} on {many(len(seen.rows), 'connection')}, for "
                f"{share(min(seen.count, pool.requests), pool.requests)} requests, went out at the very moment when a "
                f"delayed ACK of the {other} came for the small segment ahead of it, {seconds(seen.each)} after that "
                f"one: the rest of the {what} was there, and was held back. {seconds(lost)} in all."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "stalls": seen.count,
                "stall_share": round(seen.share, 3),
                "stall_s": seen.each / SECOND,
                "stalled_s": lost / SECOND,
            },
            causes=[
                CauseClaim(
                    Cause.NAGLE_DELAYED_ACK,
                    Confidence.HIGH if seen.count >= 4 * ENOUGH else Confidence.MEDIUM,
                    "",
                    desk.advice(
                        pool,
                        Knob.NAGLE,
                        Cause.NAGLE_DELAYED_ACK,
                        role=name,
                        recommended=f"TCP_NODELAY, or one write for each {what}",
                    )
                    + desk.advice(pool, Knob.NAGLE, Cause.NAGLE_DELAYED_ACK, role="kernel"),
                )
            ],
            evidence=[
                desk.evidence(
                    pool,
                    int(row),
                    [int(frames[row])],
                    f"the last of {many(int(c.columns[f'{name}_stalls'][row]), 'segment')} that left with the ACK for "
                    "the one ahead of it",
                )
                for row in seen.rows[:3].tolist()
            ],
            would_refute=f"TCP_NODELAY on the {name}'s sockets (ss -ti, strace), or segments that leave ahead of the ACK.",
            not_the_fix=desk.not_the_fix(pool, Cause.NAGLE_DELAYED_ACK),
        )
