"""The client sends requests ahead of the answers to the ones before (pipelining).

What it looks at
    Requests that began while an earlier one on the same connection had no answer yet; connections that ended with
    several of them open.

Claims
    That requests are pipelined.  Answers come in the order of the requests, so a slow one holds up all behind it.

Never claims
    A fault. Where connections were lost with several requests open, the client cannot know which of them were done.

Why it matters
    No browser pipelines any more, and many proxies and servers do not expect it.

What to change
    Nothing while it works.  Where it hurts: more connections, or HTTP/2, whose streams do not wait for one another.

False alarms
    An answer that comes ahead of the whole request (server-rejects-upload) is not pipelining.  A capture that put packets
    in another order can look like it, for a request or two.

References
    RFC 9112 9.3.2
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import PIPELINED
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many

MIN_PIPELINED = 3


class Pipelining(Rule):
    code = "PD407"
    name = "pipelining"
    title = "Requests are sent ahead of the answers before them"
    severity = Severity.INFO  # what is lost with a connection, the rules on its end tell

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c, x = pool.connections, pool.exchanges
        piped = (x.flags & PIPELINED) != 0
        count = int(piped.sum())
        if count < MIN_PIPELINED or not (piped & (x.response_first_at > 0)).any():
            return None  # without the server's side nobody can tell what was answered when
        open_there = np.bincount(x.connection[x.response_first_at == 0], minlength=pool.size)
        lost = np.flatnonzero(pool.closed & (open_there >= 2) & (pool.closer != Side.CLIENT))
        rows = lost if len(lost) else np.unique(x.connection[piped])
        answered = x.response_first_at > 0
        waited = int(((x.request_first_at > 0) & answered & piped).sum())
        claim = (
            f"{count:,} of {many(pool.requests, 'request')} were sent while an earlier one on the connection had no answer "
            f"yet, on {many(len(np.unique(x.connection[piped])), 'connection')}; {waited:,} of them were answered."
        )
        if len(lost):
            claim += (
                f" {many(len(lost), 'connection')} ended with two or more requests open: the client cannot tell which of "
                "them the server has carried out."
            )
        else:
            claim += " Answers come in order: a slow one holds up those behind it."
        shown = []
        for row in rows[:3].tolist():
            first = np.flatnonzero(piped & (x.connection == row))[:2]
            frames = [int(c.first_frame[row])]
            frames += [int(frame) for frame in x.request_first_frame[first]]
            shown.append(
                desk.evidence(
                    pool,
                    row,
                    frames,
                    f"{many(int((piped & (x.connection == row)).sum()), 'request')} sent ahead of an answer"
                    + (f", {int(open_there[row])} without one at the end" if row in lost else ""),
                )
            )
        return finding(
            self,
            pool,
            severity=Severity.INFO,
            confidence=by_count(count),
            basis=Basis.OBSERVED,
            title=f"{many(count, 'request')} sent ahead of the answers before them (pipelining)",
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "pipelined": count,
                "lost_with_several_open": len(lost),
            },
            causes=[
                CauseClaim(
                    Cause.PIPELINING,
                    Confidence.HIGH,
                    "",
                    desk.advice(pool, Knob.RETRY, Cause.PIPELINING, role="client") if len(lost) else (),
                )
            ],
            evidence=shown,
            would_refute="Each of these requests acknowledging the response to the one ahead of it.",
        )
