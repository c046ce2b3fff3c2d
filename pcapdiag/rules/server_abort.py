"""The server ends connections in the middle of exchanges: a crash, a kill, or a reset without an answer.

What it looks at
    Connections that the server's side closed or reset while it owed a response; whether all connections ended at one
    moment; whether dials were refused from then on; the hop count of the resets.

Claims
    Requests that the server had received were lost.  All at one moment is a program's end: a killed process sends FINs,
    not resets, and its requests stay unanswered.  One by one it is a decision or a crash for single requests.

Never claims
    Why the program ended, or that the request did nothing: the server had read it.

Why it matters
    The caller sees an empty reply or "connection reset by peer" for a request that may have been carried out; only
    idempotent ones may be repeated blindly.

What to change
    The server: its log at that time, the kernel's out-of-memory killer, worker timeouts and memory limits, a stop that
    drains.  The client: repeat idempotent requests on a new connection.

False alarms
    keepalive-race: the server had not read the request when it closed an idle connection.  server-restart: nothing was
    lost.  server-rejects-upload answers before it resets.  A reset that follows the client's own close, or comes on an
    idle connection, is no abort.  A firewall's reset shows another hop count than the server's packets.

References
    RFC 9293 3.5.2 and 3.10.7 (resets); RFC 9112 9.5
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pcapdiag.model.report import CauseClaim, Evidence, Finding, SettingAdvice
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, CloseKind, Confidence, Knob, Severity
from pcapdiag.pools.endings import Ending, stops
from pcapdiag.pools.lost import last_of, quiet_before_last
from pcapdiag.pools.pool import MILLISECOND, SECOND, Fate, Pool
from pcapdiag.pools.races import dropped
from pcapdiag.pools.timeouts import window
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, many, seconds

SEVERAL = 3
# Of all requests, from which on most users notice; below a hundredth it is a rare one.
GRAVE = 0.1
RARE = 0.01
# No worker's or gateway's timeout is set below half a second.
SHORTEST_TIMEOUT = 500 * MILLISECOND


class ServerAbort(Rule):
    code = "PD308"
    name = "server-abort"
    title = "The server ends connections while it owes a response"
    severity = Severity.HIGH
    action = (
        "Look at the server's log for the moment of these frames: a crash, a kill for memory, a "
        "deadline, a handler that aborts."
    )
    needs = (Need.CLOSES,)
    explains = (
        Cause.CONNECT_REFUSED,
        Cause.SERVER_IDLE_TIMEOUT,
        Cause.SERVER_MAX_REQUESTS,
        Cause.SERVER_RESTART,
        Cause.MAX_CONNS_CAP,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        rows = dropped(pool)
        if not len(rows):
            return None
        ends = [one for one in stops(pool) if len(one.lost)]
        # A server that resets now and then resets, once in a while, all that there are.
        if 2 * sum(len(one.lost) for one in ends) > len(rows):
            return self.crash(pool, desk, ends, rows)
        return self.single(pool, desk, rows)

    def crash(self, pool: Pool, desk: Desk, ends: Sequence[Ending], rows: Column) -> Finding:
        """All connections at one moment, with requests unanswered."""
        c = pool.connections
        worst = max(ends, key=lambda one: len(one.lost))
        lost = int(sum(len(one.lost) for one in ends))
        ended = int(sum(len(one.rows) for one in ends))
        refused = sum(one.refused for one in ends)
        cause = Cause.SERVER_ABORT
        resets = int((c.close_kind[worst.rows] == CloseKind.RST).sum())
        how = "by RST" if resets == len(worst.rows) else "by FIN" if not resets else "by FIN and RST"
        when = seconds(worst.at - pool.start)
        claim = (
            f"{many(len(worst.rows), 'connection')}, all there were, ended {how} within "
            f"{seconds(max(worst.until - worst.at, 10_000))}, {when} into the capture, "
            f"{len(worst.lost):,} of them with a request that the server had received and not answered. That is a "
            "program's end (a crash or a kill; a drained stop would have answered). "
        )
        if len(ends) > 1:
            claim += f"It happened at {len(ends):,} moments. "
        claim += after(worst)
        return finding(
            self,
            pool,
            severity=Severity.HIGH if lost >= SEVERAL or refused else Severity.MEDIUM,
            confidence=Confidence.HIGH if lost >= SEVERAL or (refused and lost > 1) else Confidence.MEDIUM,
            basis=Basis.INFERRED,
            title=f"The server's program ended with {many(lost, 'request')} unanswered: "
            f"all {ended:,} connections closed at {'one moment' if len(ends) == 1 else f'{len(ends)} moments'}",
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "lost_requests": lost,
                "ended_together": ended,
                "moments": len(ends),
                "refused_after": refused,
                "other_requests_dropped": len(np.setdiff1d(rows, np.concatenate([one.rows for one in ends]))),
            },
            causes=[
                CauseClaim(
                    cause,
                    Confidence.HIGH if lost >= SEVERAL else Confidence.MEDIUM,
                    "the server's log: a stop on request says so, a crash or a kill does not",
                    advice(pool, desk, Knob.DRAIN),
                ),
                CauseClaim(
                    Cause.SERVER_RESTART,
                    Confidence.LOW,
                    "",
                    desk.advice(pool, Knob.DRAIN, Cause.SERVER_RESTART, role="server"),
                ),
            ],
            evidence=evidence(pool, desk, worst.lost.tolist()),
            would_refute="A connection of this server that was there before and went on after that moment.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )

    def single(self, pool: Pool, desk: Desk, rows: Column) -> Finding | None:
        """Connections ended one by one in mid-exchange."""
        c = pool.connections
        count = len(rows)
        share = count / max(pool.requests, 1)
        severity = Severity.INFO
        if count >= SEVERAL:
            severity = Severity.HIGH if share >= GRAVE else Severity.MEDIUM if share >= RARE else Severity.LOW
        resets = rows[c.close_kind[rows] == CloseKind.RST]
        waits = c.close_at[rows] - last_of(pool, "request_last_at")[rows]
        begun = int((last_of(pool, "response_first_at")[rows] > 0).sum())
        foreign = elsewhere(pool, resets)
        cause = Cause.SERVER_ABORT
        how = "reset" if len(resets) == count else "closed" if not len(resets) else "closed or reset"
        claim = (
            f"The server's side {how} {many(count, 'connection')} while a request on it was unanswered"
            + (f" ({begun:,} in the middle of the response)" if begun else "")
            + f", {seconds(int(np.median(waits)))} after the request (median). "
        )
        counts = c.requests[rows]
        if count >= SEVERAL and int(counts.min()) == int(counts.max()) and int(counts[0]) > 1:
            claim += f"Each time it was request {int(counts[0]):,} of the connection. "
        near, low, high = window(waits)
        timed = near >= SEVERAL and 2 * near > count and low >= SHORTEST_TIMEOUT
        if timed:
            claim += (
                f"{near:,} ended {seconds(low)} to {seconds(high)} after the request: a timeout of the server, its "
                "worker or a gateway. "
            )
        slept = after_idle(pool, rows)
        claims = [
            CauseClaim(
                cause,
                Confidence.HIGH if count >= SEVERAL and not foreign and not slept else Confidence.LOW,
                "",
                advice(pool, desk, Knob.CLOSE_MODE),
            )
        ]
        if foreign:
            claim += (
                f"{foreign:,} of the resets came over another number of hops than the server's own packets: something "
                "between the two sent them (a firewall, a load balancer). "
            )
        if slept:
            claim += (
                f"Each was the first request after {seconds(slept)} of silence or more, and no shorter silence did "
                "harm: what stands between may have forgotten the connection. "
            )
        if foreign or slept:
            claims[0] = CauseClaim(
                cause,
                claims[0].confidence,
                "capture at the server: a reset that it never sent was made on the way",
                claims[0].settings,
            )
            claims.append(
                CauseClaim(
                    Cause.MIDDLEBOX_IDLE_DROP,
                    Confidence.MEDIUM if slept else Confidence.LOW,
                    "",
                    desk.advice(pool, Knob.IDLE_TIMEOUT, Cause.MIDDLEBOX_IDLE_DROP),
                )
            )
        elif not int(c.responses.sum()) and int(c.requests.max()) == 1:
            claim += "No request to this service was answered at all: it may expect another protocol (TLS, HTTP/2). "
            claims[0] = CauseClaim(
                cause,
                Confidence.MEDIUM,
                "ask the port with curl -v over http and https: one of them is answered if the protocol is wrong",
                claims[0].settings,
            )
            claims.append(
                CauseClaim(
                    Cause.PROTOCOL_MISMATCH,
                    Confidence.LOW,
                    "",
                    desk.advice(pool, Knob.SCHEME, Cause.PROTOCOL_MISMATCH),
                )
            )
        who = "Something on the way" if foreign and 2 * foreign > len(resets) else "The server"
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(count) if not (foreign or slept) else Confidence.LOW,
            basis=Basis.OBSERVED,
            title=f"{who} {'resets' if len(resets) == count else 'closes'} connections in mid-exchange: "
            f"{many(count, 'request')} of {pool.requests:,} lost",
            claim=claim.strip(),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "lost_requests": count,
                "reset": len(resets),
                "in_mid_response": begun,
                "resets_from_elsewhere": foreign,
                "wait_median_s": float(np.median(waits)) / SECOND,
                "timeout_s": (low + high) / 2 / SECOND if timed else None,
            },
            causes=claims,
            evidence=evidence(pool, desk, rows.tolist()),
            would_refute="Responses to these requests, or a close by the client ahead of the server's.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def advice(pool: Pool, desk: Desk, knob: Knob) -> tuple[SettingAdvice, ...]:
    """What the server can change, and the client's retries."""
    server = desk.advice(pool, knob, Cause.SERVER_ABORT, role="server")
    return server + desk.advice(pool, Knob.RETRY, Cause.SERVER_ABORT)


def after(one: Ending) -> str:
    """What the dials after a moment met."""
    if one.refused and one.resumed_at:
        return (
            f"{many(one.refused, 'dial')} were refused until it listened again {seconds(one.resumed_at - one.at)} later."
            if one.refused > 1
            else f"One dial was refused until it listened again {seconds(one.resumed_at - one.at)} later."
        )
    if one.refused:
        return f"{many(one.refused, 'dial')} after it {'was' if one.refused == 1 else 'were'} refused."
    if one.resumed_at:
        return f"The next dial, {seconds(one.resumed_at - one.at)} later, succeeded."
    return "Nobody dialled after it."


def elsewhere(pool: Pool, resets: Column) -> int:
    """Resets whose hop count is not that of the server's other packets."""
    c = pool.connections
    known = resets[(c.server_hops[resets] > 0) & (c.server_rst_hops[resets] > 0)]
    return int((c.server_hops[known] != c.server_rst_hops[known]).sum())


def after_idle(pool: Pool, rows: Column) -> int:
    """The shortest silence ahead of these requests where each had a long one, and no longer one was survived; else 0."""
    c = pool.connections
    reused = rows[c.requests[rows] > 1]
    if len(reused) < len(rows) or len(rows) < SEVERAL:
        return 0
    gaps = last_of(pool, "request_first_at")[rows] - quiet_before_last(pool)[rows]
    idle = pool.idle
    survived = (idle.end - idle.start)[(idle.fate == Fate.REUSED) & ~idle.fresh]
    shortest = int(gaps.min())
    fine = survived[survived < shortest]
    # The lost ones are among the reused intervals themselves.
    if shortest < SECOND or not len(fine) or int((survived >= shortest).sum()) > len(rows):
        return 0
    return shortest


def evidence(pool: Pool, desk: Desk, rows: list[int]) -> list[Evidence]:
    c, x = pool.connections, pool.exchanges
    out = []
    for row in rows[:3]:
        last = int(pool.last_exchange[row])
        frames = [
            int(c.first_frame[row]),
            int(x.request_first_frame[last]),
            int(x.response_first_frame[last]),
            int(c.close_frame[row]),
        ]
        kind = "RST" if c.close_kind[row] == CloseKind.RST else "FIN"
        said = "in the middle of the response" if x.response_first_at[last] else "no byte of a response"
        waited = int(c.close_at[row]) - int(x.request_last_at[last])
        frames = [frame for frame in frames if frame <= int(c.last_frame[row])]
        out.append(desk.evidence(pool, row, frames, f"request; {seconds(waited)} later {kind} from the server, {said}"))
    return out
