"""The client's program ends in the middle of its work: all its connections close at one moment, requests unanswered.

What it looks at
    Moments at which the client closed every connection of the pool while requests were open, and whether it came back.

Claims
    The program ended (a crash, a kill, an exit that did not wait) and its requests with it.  Where the client dials
    again later, something started it anew.

Never claims
    Why it ended.  Where nobody dials again, a program that simply stops after its time (a load generator, a script)
    looks the same, so it weighs less.

Why it matters
    The server worked for nobody, and what the client held in memory is gone.

What to change
    Look at the client at that time: its log, its exit status, the out-of-memory killer, the supervisor's restarts.  Let
    it finish its requests when it is asked to stop.

False alarms
    client-request-timeout gives requests up after one wait, at many moments, and leaves idle connections alone.
    idle-timeout-too-short closes idle ones.  A program's normal end has no request open.  A reader that leaves a page
    closes what was loading and goes on at once.

References
    RFC 9293 3.6 and 3.9.1
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, CloseKind, Confidence, Knob, Severity
from pcapdiag.pools.endings import Ending, client_ends
from pcapdiag.pools.pool import MILLISECOND, SECOND, Pool
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, finding, many, seconds

SEVERAL = 3
# No program is started, loaded and at work again within a tenth of a second of its death: who dials sooner never ended.
REBORN = 100 * MILLISECOND


class ClientAbort(Rule):
    code = "PD310"
    name = "client-abort"
    title = "The client's program ended with requests open"
    severity = Severity.MEDIUM
    action = (
        "Look at the client's log and supervisor for that moment: a crash, a kill, a deployment that "
        "does not wait for requests in hand."
    )
    needs = (Need.CLOSES,)
    explains = (
        Cause.CLIENT_REQUEST_TIMEOUT,
        Cause.BODY_NOT_DRAINED,
        Cause.IDLE_POOL_TOO_SMALL,
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.MAX_CONNS_CAP,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        ends = client_ends(pool)
        if not ends:
            return None
        c, x = pool.connections, pool.exchanges
        lost = sum(len(one.lost) for one in ends)
        came_back = [one for one in ends if one.resumed_at and one.resumed_at > one.until + REBORN]
        went_on = [one for one in ends if one.resumed_at and one.resumed_at <= one.until + REBORN]
        worst = max(came_back or ends, key=lambda one: len(one.lost))
        severity = Severity.INFO
        if came_back:
            severity = Severity.MEDIUM if len(worst.lost) >= SEVERAL else Severity.LOW
        elif worst not in went_on and len(worst.lost) >= SEVERAL:
            severity = Severity.LOW
        cause = Cause.CLIENT_ABORT
        claim = (
            f"{many(len(worst.rows), 'connection')}, all there were, "
            f"were closed by the client within {seconds(max(worst.until - worst.at, 10_000))}, "
            f"{seconds(worst.at - pool.start)} into the capture, {len(worst.lost):,} of them with a request unanswered. "
        )
        if worst in went_on:
            claim += (
                f"It dialled again after {seconds(worst.resumed_at - worst.until)}: it cancelled them and went on. "
            )
        elif worst.resumed_at:
            claim += f"New connections came {seconds(worst.resumed_at - worst.until)} later: it was started again. "
        else:
            claim += "Nothing came from it after that. "
        if len(ends) > 1:
            claim += f"It happened at {len(ends):,} moments, {len(came_back):,} times with a return. "
        return finding(
            self,
            pool,
            severity=severity,
            confidence=Confidence.HIGH if len(worst.lost) >= 5 else Confidence.MEDIUM,
            basis=Basis.INFERRED,
            title=f"The client {'cancelled' if worst in went_on else 'ended with'} {many(len(worst.lost), 'request')} "
            f"{'at once' if worst in went_on else 'open'}: all {len(worst.rows):,} connections closed at one moment",
            claim=claim.strip(),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "lost_requests": lost,
                "ended_together": sum(len(one.rows) for one in ends),
                "moments": len(ends),
                "returned_after_s": away(worst),
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.HIGH if len(worst.lost) >= SEVERAL else Confidence.MEDIUM,
                    "",
                    desk.advice(pool, Knob.DRAIN, cause) or desk.advice(pool, Knob.CLOSE_MODE, cause),
                )
            ],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [
                        int(c.first_frame[row]),
                        int(x.request_first_frame[pool.last_exchange[row]]),
                        int(c.close_frame[row]),
                    ],
                    f"request open, {'RST' if c.close_kind[row] == CloseKind.RST else 'FIN'} from the client with all the "
                    "others",
                )
                for row in worst.lost[:3].tolist()
            ],
            would_refute="A connection of this program that was there before and went on after that moment.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def away(one: Ending) -> float | None:
    return (one.resumed_at - one.until) / SECOND if one.resumed_at else None
