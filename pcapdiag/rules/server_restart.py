"""The server closes all its connections at one moment, answers nothing less for it, and listens again or not.

What it looks at
    Moments at which every connection of the pool was closed by the server, how long each had been idle, and what the
    next dials met.

Claims
    The server's program was stopped or restarted, without losing a request that it had: a reload, a deploy, a stop on
    request.  It is told from a timer by its aim: the moments of closing agree, the silences do not.

Never claims
    That anything is wrong with the connections, or who asked for the restart.

Why it matters
    All clients dial at once; while nothing listens they are refused, and what was on its way is lost.

What to change
    Start the new program ahead of the old one's stop (socket activation, SO_REUSEPORT, a rolling deploy behind a load
    balancer); announce the close on the last responses; let clients repeat idempotent requests.

False alarms
    server-idle-timeout after a burst closes at one moment too: then all had been idle for the same time.  A request cap
    (server-max-requests) closes right after the response, a lifetime limit (connection-lifetime) at one age.
    server-abort: requests were lost.  connect-refused: the server stays away to the end of the capture.

References
    RFC 9112 9.5 and 9.6
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.endings import MIN_AGREEING, stops
from pcapdiag.pools.lost import crossed
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.races import ignored_fin
from pcapdiag.pools.timers import EPISODE
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, finding, life_frames, many, seconds
from pcapdiag.rules.server_abort import after


class ServerRestart(Rule):
    code = "PD309"
    name = "server-restart"
    title = "The server closes all connections at one moment: it is stopped or restarted"
    severity = Severity.MEDIUM
    action = (
        "Let the server finish what it has in hand before it goes, behind a load balancer that was "
        "told, and let clients retry what may be repeated."
    )
    needs = (Need.CLOSES,)
    explains = (Cause.CONNECT_REFUSED, Cause.SERVER_IDLE_TIMEOUT, Cause.SERVER_MAX_REQUESTS, Cause.MAX_CONNS_CAP)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        ends = [one for one in stops(pool) if not len(one.lost)]
        if not ends:
            return None
        c = pool.connections
        others = elsewhere(pool, [one.at for one in ends])
        ended = sum(len(one.rows) for one in ends)
        if ended + others < MIN_AGREEING and not any(one.refused for one in ends):
            return None
        races = crossed(pool).rows
        lost = sum(len(np.intersect1d(races, one.rows)) for one in ends)
        late = sum(len(np.intersect1d(ignored_fin(pool), one.rows)) for one in ends)
        refused = sum(one.refused for one in ends if one.resumed_at)
        worst = max(ends, key=lambda one: (one.refused > 0 and one.resumed_at > 0, len(one.rows)))
        stopped = not worst.resumed_at and worst.refused > 0
        cause = Cause.SERVER_RESTART
        silences = pool.linger[worst.rows]
        together = len(worst.rows) > 1 and int(np.ptp(c.first_at[worst.rows])) <= EPISODE
        severity = Severity.MEDIUM if refused or lost or late else Severity.INFO
        few = len(worst.rows) + others < MIN_AGREEING
        claim = (
            f"{many(len(worst.rows), 'connection')}, all there were, "
            f"{'was' if len(worst.rows) == 1 else 'were'} closed by the server within "
            f"{seconds(max(worst.until - worst.at, 10_000))}, {seconds(worst.at - pool.start)} into the capture, after "
            f"{seconds(int(silences.min()))} to {seconds(int(silences.max()))} of silence: no timer, but a stop. "
            + (
                f"No request that it had was left unanswered; {many(lost, 'request')} on the way to it "
                f"{'was' if lost == 1 else 'were'} lost. "
                if lost
                else ""
                if late
                else "No request was lost. "
            )
        )
        if late:
            claim += (
                f"{many(late, 'request')} {'was' if late == 1 else 'were'} sent on these connections after their FIN had "
                "arrived, and lost: the client does not look for a close before it sends. "
            )
        if others:
            claim += f"{many(others, 'other client')} of this server lost all connections at the same moment. "
        if len(ends) > 1:
            claim += f"It happened at {len(ends):,} moments. "
        claim += after(worst)
        claims = [
            CauseClaim(
                cause,
                Confidence.HIGH if refused and not few else Confidence.MEDIUM,
                "",
                desk.advice(pool, Knob.DRAIN, cause, role="server") + desk.advice(pool, Knob.RETRY, cause),
            )
        ]
        if together and not worst.refused:
            claims[0] = CauseClaim(
                cause,
                Confidence.MEDIUM,
                "all were opened together, so a limit on their age fits too: does the next generation end at that age?",
                claims[0].settings,
            )
            claims.append(CauseClaim(Cause.CONNECTION_LIFETIME, Confidence.LOW, "", ()))
        return finding(
            self,
            pool,
            severity=severity,
            confidence=Confidence.LOW if few else Confidence.HIGH if worst.refused else Confidence.MEDIUM,
            basis=Basis.INFERRED,
            title=(
                f"The server {'stopped' if stopped else 'restarted'}: it closed all {len(worst.rows):,} connections at one "
                "moment"
                + (
                    f", and {many(refused, 'dial')} {'was' if refused == 1 else 'were'} refused until it was back"
                    if refused
                    else ""
                )
            ),
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "ended_together": ended,
                "moments": len(ends),
                "lost_requests": lost,
                "sent_after_fin": late,
                "refused_after": sum(one.refused for one in ends),
                "away_s": (worst.resumed_at - worst.at) / SECOND if worst.resumed_at else None,
                "silence_low_s": int(silences.min()) / SECOND,
                "silence_high_s": int(silences.max()) / SECOND,
                "other_clients": others,
            },
            causes=claims,
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    life_frames(pool, row),
                    f"closed by the server after {seconds(int(pool.linger[row]))} of silence",
                )
                for row in worst.rows[:3].tolist()
            ],
            would_refute="A connection of this server that was there before and went on after that moment.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def elsewhere(pool: Pool, times: list[int]) -> int:
    """How many other clients of the same service lost connections to it at one of these moments, and kept none."""
    c = pool.connections
    service = (int(c.server_ip[0]), int(c.server_port[0]))
    found = 0
    for other in pool.neighbours:
        o = other.connections
        if other is pool or (int(o.server_ip[0]), int(o.server_port[0])) != service:
            continue
        for at in times:
            there = other.usable & (o.first_at < at - EPISODE) & (other.gone_at >= at - EPISODE)
            ended = there & (other.gone_at <= at + EPISODE)
            if ended.any() and not (there & ~ended).any():
                found += 1
                break
    return found
