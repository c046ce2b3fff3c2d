"""One direction of a connection is finished and the other goes on for a while: half-closed, on purpose.

What it looks at
    Connections that ended by a FIN each way without RST: whether one side went on sending a round trip after the
    other's FIN, or closed a second or more after a FIN that came right behind a response.

Claims
    Which side finished first, how long the other direction stayed open, and whether data flowed on it.

Never claims
    A fault: TCP closes its two directions one by one, and programs use that (SHUT_WR) to mark the end of what they send.

Why it matters
    The side that finished first waits in FIN_WAIT_2, the other one in CLOSE_WAIT: netstat shows both, and neither is a
    leak while it ends by itself.

What to change
    Nothing, unless the waiting side has nothing more to say: then it should close when it reads the end of the stream.

False alarms
    A client that looks at its connections late answers the FIN of a server's idle timer late: that FIN comes after a
    silence, and is left to server-idle-timeout.  One that never answers is close-wait-leak.  A client that sends a new
    request after the FIN gets no response to it, with or without a RST: client-ignores-fin.

References
    RFC 9293 3.6; RFC 9112 9.6
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, CloseClass, Confidence, Severity, Side
from pcapdiag.pools.pool import SECOND, Mask, Pool
from pcapdiag.pools.races import ignored_fin
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many, seconds

# One connection may be an accident of its program's end.
MIN_ROWS = 2
# A program that reads closes within a turn of its loop; a second is a decision.
APART = SECOND


class HalfClosed(Rule):
    code = "PD315"
    name = "half-closed"
    title = "One direction is finished, the other stays open for a while"
    severity = Severity.INFO
    needs = (Need.CLOSES,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        by_server, by_client = half_closed(pool, Side.SERVER), half_closed(pool, Side.CLIENT)
        first = Side.SERVER if by_server.sum() >= by_client.sum() else Side.CLIENT
        rows = np.flatnonzero(by_server if first == Side.SERVER else by_client)
        if len(rows) < MIN_ROWS:
            return None
        c = pool.connections
        lasted = np.abs(c.client_fin_at - c.server_fin_at)[rows]
        sent = int(went_on(pool, first)[rows].sum())
        who, other = first.word, "client" if first == Side.SERVER else "server"
        return finding(
            self,
            pool,
            severity=Severity.INFO,
            confidence=by_count(len(rows)),
            basis=Basis.OBSERVED,
            title=f"The {who} finishes its direction first, the {other} its own {seconds(np.median(lasted))} later",
            claim=(
                f"On {many(len(rows), 'connection')} the {who}'s FIN came while the {other} was not done: it closed "
                f"{seconds(int(lasted.min()))} to {seconds(int(lasted.max()))} later, in order"
                + (f", and on {sent:,} of them sent more data in between. " if sent else ", and sent nothing more. ")
                + f"Meanwhile the {who} waits in FIN_WAIT_2 and the {other} in CLOSE_WAIT. It ends by itself: no leak."
            ),
            measured={
                "connections": pool.size,
                "half_closed": len(rows),
                "median_s": float(np.median(lasted)) / SECOND,
                "longest_s": int(lasted.max()) / SECOND,
                "with_data_after": sent,
            },
            causes=[CauseClaim(Cause.HALF_CLOSED, Confidence.HIGH, "", ())],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [*life_frames(pool, row), int(c.client_fin_frame[row]), int(c.server_fin_frame[row])],
                    f"FIN of the {who}, FIN of the {other} "
                    f"{seconds(abs(int(c.client_fin_at[row]) - int(c.server_fin_at[row])))} later",
                )
                for row in rows[:3].tolist()
            ],
            would_refute="A RST on these connections, or an end of the program at the moment of the second FIN.",
        )


def half_closed(pool: Pool, first: Side) -> Mask:
    """Connections whose ``first`` side finished ahead of a peer that was not done, and that ended in order."""
    c = pool.connections
    fin, other = (c.server_fin_at, c.client_fin_at) if first == Side.SERVER else (c.client_fin_at, c.server_fin_at)
    orderly = pool.used & (fin > 0) & (other > fin) & (c.client_rst_at == 0) & (c.server_rst_at == 0)
    orderly[ignored_fin(pool)] = False
    behind_data = (pool.close_class == CloseClass.IMMEDIATE) & (pool.closer == first) & (other - fin >= APART)
    return np.asarray(orderly & (behind_data | went_on(pool, first)))


def went_on(pool: Pool, first: Side) -> Mask:
    """Whether the other side sent data more than a round trip after the FIN: not what had been on its way."""
    c = pool.connections
    fin = c.server_fin_at if first == Side.SERVER else c.client_fin_at
    data = c.client_last_data_at if first == Side.SERVER else c.server_last_data_at
    return np.asarray((fin > 0) & (data > fin + max(2 * pool.rtt, pool.guard)))
