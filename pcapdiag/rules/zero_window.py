"""A reader does not keep up: it advertises a window of zero, and the sender has to stop.

What it looks at
    For how long a side's window was zero, against the time that the messages on these connections took.

Claims
    That this side's program reads more slowly than the other sends, and for how much of the time the sender was stopped.

Never claims
    A fault where somebody reads slowly on purpose (a paused video, a rate limit): then it is flow control at work.  Nor
    that a larger buffer would help: it only fills later.

Why it matters
    Transfers take as long as the reader does, and hold the connection, and memory at the sender, all the while.

What to change
    Read faster on the side with the zero window: not a few bytes at a time between other work.

False alarms
    A response that nobody ever reads (body-not-closed) ends in a zero window that never opens: then that leads.  A full
    window for an instant is normal at the end of a burst; below 200 ms on a connection it is not counted.  Loss
    (path-loss) and a slow path leave the window open.

References
    RFC 9293 3.8.6; https://www.wireshark.org/docs/wsug_html_chunked/ChAdvTCPAnalysis.html (TCP ZeroWindow)
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.delays import shut
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, finding, life_frames, many, seconds

# Below a tenth of the transfer the reader is not what the sender waits for; above half it is all that counts.
PART = 0.1
MOST = 0.5


class ZeroWindow(Rule):
    code = "PD406"
    name = "zero-window"
    title = "The receiver stops reading: its window is zero"
    severity = Severity.MEDIUM
    action = "Find what keeps the receiver from reading: a slow disk or consumer, a lock, too little CPU."
    explains = (Cause.SLOW_SERVER, Cause.NAGLE_DELAYED_ACK)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = shut(pool)
        if seen is None or seen.ns < PART * seen.transfer_ns:
            return None
        part = seen.ns / seen.transfer_ns
        c = pool.connections
        name = seen.reader.word
        column = c.columns[f"{name}_shut_ns"]
        never = len(seen.forever)
        if 2 * never > len(seen.rows):
            severity = Severity.INFO
        else:
            severity = Severity.MEDIUM if part >= MOST and len(seen.rows) >= 3 else Severity.LOW
        other = "server" if seen.reader == Side.CLIENT else "client"
        what = "responses" if seen.reader == Side.CLIENT else "requests"
        shown = seen.rows[np.argsort(-column[seen.rows])][:3]
        return finding(
            self,
            pool,
            severity=severity,
            confidence=Confidence.HIGH
            if int(c.columns[f"{name}_zero_window"][seen.rows].sum()) >= 10
            else Confidence.MEDIUM,
            basis=Basis.OBSERVED,
            title=f"The {name} reads {what} too slowly: its window was zero for {part:.0%} of the transfer",
            claim=(
                f"On {many(len(seen.rows), 'connection')} the {name} advertised a window of zero for {seconds(seen.ns)} of "
                f"the {seconds(seen.transfer_ns)} that the {what} took: its buffer was full and the {other} had to stop. "
                f"The {name}'s program does not read as fast as the {other} sends; the path and the {other} are not what "
                "it waits for."
                + (
                    f" On {many(never, 'connection')} nothing more got through once the window was shut: nobody reads on."
                    if never
                    else ""
                )
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "shut_s": seen.ns / SECOND,
                "transfer_s": seen.transfer_ns / SECOND,
                "shut_share": round(part, 3),
                "connections_shut": len(seen.rows),
                "never_opened_again": never,
            },
            causes=[
                CauseClaim(
                    Cause.ZERO_WINDOW,
                    Confidence.HIGH,
                    "",
                    desk.advice(
                        pool,
                        Knob.BODY_CONSUMPTION if seen.reader == Side.CLIENT else Knob.RECEIVE_BUFFER,
                        Cause.ZERO_WINDOW,
                        role=name,
                        recommended="read each message to its end, in large pieces, as fast as it comes",
                    ),
                )
            ],
            evidence=[
                desk.evidence(
                    pool,
                    int(row),
                    life_frames(pool, int(row)),
                    f"the {name}'s window was zero for {seconds(int(column[row]))} in all (Wireshark: "
                    "tcp.analysis.zero_window)",
                )
                for row in shown.tolist()
            ],
            would_refute=f"The {name}'s program waiting in read() all the while: then something below it holds the bytes.",
            not_the_fix=desk.not_the_fix(pool, Cause.ZERO_WINDOW),
        )
