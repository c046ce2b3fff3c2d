"""The client sends a request on a connection whose FIN from the server it had long received.

What it looks at
    Requests sent after the client's side had acknowledged the server's FIN, more than 50 ms and a round trip before,
    that got no answer.

Claims
    This was no race: the server's close had arrived, and the client used the connection all the same.  For how long it
    had lain there, and how many requests were lost.

Never claims
    That the server should have kept it open, or that a client which closes at once would have reused another one.

Why it matters
    The first request after every pause fails, or is sent twice.  Until then the connection stands in CLOSE_WAIT.

What to change
    Check a pooled connection before its use (most libraries can), or close idle ones ahead of the server; let the
    library repeat what failed on a used connection.

False alarms
    keepalive-race: the FIN and the request crossed.  half-closed: a server that has finished sending may go on reading
    a stream, acknowledges it and does not reset; a new HTTP request is lost with or without RST, since no response can
    follow a FIN.  server-restart: all connections were closed at one moment.  A close_notify that answers the server's
    is no request.  Where a client repeats each one at once and the server's timer is known, server-idle-timeout leads.

References
    RFC 9112 9.5; RFC 9293 3.6
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.abandoned import abandoned
from pcapdiag.pools.endings import stops
from pcapdiag.pools.lost import last_of
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.races import IDEMPOTENT, during, ignored_fin, method_counts, sent_again
from pcapdiag.pools.timers import idle_timer, reopened_after
from pcapdiag.rules.keepalive_race import below
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many, seconds

# One request after a FIN may be a program's last word; three are how it works.
MIN_LOST = 3


class ClientIgnoresFin(Rule):
    code = "PD307"
    name = "client-ignores-fin"
    title = "The client sends requests on connections that the server had closed before"
    severity = Severity.HIGH
    action = (
        "Let the client look for a close before it sends: read in the background, or check the "
        "connection when it is taken from the pool."
    )
    needs = (Need.CLOSES,)
    explains = (Cause.SERVER_IDLE_TIMEOUT, Cause.HALF_CLOSED)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        rows = ignored_fin(pool)
        c = pool.connections
        # What a stop of the server took along is lost once, and no habit: server-restart tells of it.
        rows = rows[~during(rows, c.server_fin_at[rows], stops(pool))]
        if not len(rows):
            return None
        count = len(rows)
        waited = last_of(pool, "request_first_at")[rows] - c.server_fin_at[rows]
        typical = int(np.median(waited))
        timer = idle_timer(pool, Side.SERVER)
        limit = timer.value if timer is not None and not timer.lifetime else None
        values = {"value": below(limit, pool.rtt), "server_timeout": f"{limit / SECOND:.3g} s"} if limit else {}
        cause = Cause.CLOSE_WAIT_LEAK
        severity = Severity.LOW
        if count >= MIN_LOST:
            severity = Severity.HIGH if 10 * count >= pool.requests else Severity.MEDIUM
        again = sent_again(pool, pool.last_exchange[rows], last_of(pool, "request_last_at")[rows])
        methods = method_counts(pool, pool.last_exchange[rows])
        mended = again.certain and again.found == count and all(method in IDEMPOTENT for method in methods)
        if mended:
            # Each went out again at once: the caller sees a delay, no error.  Where the server's timer is known and
            # costs dials, that is the same delay, told there.
            costly = timer is not None and not timer.lifetime and reopened_after(pool, timer.rows) >= MIN_LOST
            costly = costly and abandoned(pool) is None
            severity = Severity.INFO if costly else Severity.LOW
        advice = desk.advice(pool, Knob.VALIDATION, cause) + desk.advice(pool, Knob.RETRY, cause)
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(count, 10),
            basis=Basis.OBSERVED,
            title=f"{many(count, 'request')} sent on connections that the server had closed {seconds(typical)} before",
            claim=(
                f"{many(count, 'request')} went out on connections whose FIN the client's side had acknowledged "
                f"{spread(waited.tolist())} before. This is no race: the FIN had arrived, and the client did not look. "
                f"The server met {'it' if count == 1 else 'them'} with RST or silence. "
                + ("Each went out again on another connection. " if mended else "")
                + (f"The server closes after {seconds(limit)} of silence. " if limit else "")
                + "Until its next use such a connection stands in CLOSE_WAIT on the client's host."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "lost_requests": count,
                "repeated": again.found if again.certain else 0 if again.absent else None,
                "after_fin_low_s": int(waited.min()) / SECOND,
                "after_fin_median_s": typical / SECOND,
                "after_fin_high_s": int(waited.max()) / SECOND,
                "server_idle_timeout_s": limit / SECOND if limit else None,
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.HIGH,
                    "the request follows the acknowledgment of the FIN: in a race it would not",
                    advice,
                ),
                CauseClaim(
                    Cause.KEEPALIVE_RACE,
                    Confidence.LOW,
                    "",
                    desk.advice(
                        pool,
                        Knob.IDLE_TIMEOUT,
                        Cause.KEEPALIVE_RACE,
                        recommended=f"shorter than {seconds(limit)}" if limit else None,
                        values=values,
                    ),
                ),
            ],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [
                        *life_frames(pool, row),
                        int(c.server_fin_frame[row]),
                        int(c.heedless_frame[row]),
                        int(c.server_rst_frame[row]),
                    ],
                    f"FIN from the server, acknowledged; {seconds(int(waited[place]))} later the client sends "
                    f"{int(c.heedless_bytes[row]):,} bytes on it",
                )
                for place, row in enumerate(rows[:3].tolist())
            ],
            would_refute="A response to one of these requests: then the server had only finished sending.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def spread(values: list[int]) -> str:
    low, high = min(values), max(values)
    return seconds(low) if high - low < SECOND // 100 else f"{seconds(low)} to {seconds(high)}"
