"""Closes that the other side acknowledges and never answers: its end of the connection stays in CLOSE_WAIT.

A process that ends closes what it has, so an unanswered FIN on a host that still acknowledges shows a process that runs
and does not close.  Clients that look at a connection only when they need it leave a FIN unanswered until then; what
they do not do is dial past it: each dial answers one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side, TcpState
from pcapdiag.pools import timeline
from pcapdiag.pools.answers import WATCH
from pcapdiag.pools.pool import Pool, once_per_pool


@dataclass(frozen=True)
class Unanswered:
    """Connections left in CLOSE_WAIT by one side; rows of the pool.

    Attributes:
        leaver: whose answer is missing.
        rows: in CLOSE_WAIT at the capture's end; ``watched`` are those seen so for a second or more.
        answered: other connections on which this side did answer.
        passed: dials, beyond those that answered a FIN, while connections were in CLOSE_WAIT; the client's only.
        longest: the longest wait seen, nanoseconds.
    """

    leaver: Side
    rows: Column
    watched: Column
    answered: int
    passed: int
    longest: int


@once_per_pool
def unanswered(pool: Pool, leaver: Side) -> Unanswered | None:
    """What one side left in CLOSE_WAIT; None where nothing was watched for a second.

    Only connections that carried requests and owe no response, whose FIN was acknowledged, and on which the side said
    nothing more: who still sends has closed one direction on purpose.  Of a side of which no packet was captured nobody
    knows what it did not send.
    """
    c = pool.connections
    client = leaver == Side.CLIENT
    fin_at = c.server_fin_at if client else c.client_fin_at
    own_fin = c.client_fin_at if client else c.server_fin_at
    state, other_state = (c.client_state, c.server_state) if client else (c.server_state, c.client_state)
    last_data = c.client_last_data_at if client else c.server_last_data_at
    reset = (c.client_rst_at > 0) | (c.server_rst_at > 0)
    closed = pool.used & (fin_at > 0) & (c.open_request == 0)
    acknowledged = (other_state == TcpState.FIN_WAIT_2) | (other_state == TcpState.CLOSED)
    captured = (c.client_packets if client else c.server_packets) > 0
    left = closed & captured & (state == TcpState.CLOSE_WAIT) & acknowledged & ~reset & (last_data <= fin_at)
    watched = left & (pool.end - fin_at >= WATCH)
    rows = np.flatnonzero(watched)
    if not len(rows):
        return None
    answers = closed & (own_fin > fin_at) & (pool.closer == (Side.SERVER if client else Side.CLIENT))
    passed = 0
    if client:
        dials = c.first_at[pool.dialled]
        waiting = timeline.level(dials, fin_at[left] + pool.guard, np.full(int(left.sum()), pool.end + 1))
        since = int(fin_at[left].min())
        closes = answers & (own_fin > since)
        passed = max(0, int((waiting > 0).sum()) - int(closes.sum()))
    return Unanswered(
        leaver,
        np.flatnonzero(left),
        rows,
        int(answers.sum()),
        passed,
        int((pool.end - fin_at[rows]).max()),
    )
