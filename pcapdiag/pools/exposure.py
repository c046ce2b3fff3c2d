"""What a pool went through: waits, silences, ages, what its closes leave behind.  Comparisons of two captures need it."""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import FirstByte
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side, TcpState
from pcapdiag.pools import timeline
from pcapdiag.pools.delays import waits
from pcapdiag.pools.pool import Fate, Pool


def first_byte(pool: Pool) -> FirstByte | None:
    """The middle and the 95th percentile of :func:`first_bytes`; None where no exchange tells."""
    wait = first_bytes(pool)
    if not len(wait):
        return None
    wait.sort()  # the nearest rank: np.percentile takes as long as all the rest
    count = len(wait)
    return FirstByte(count, int(wait[(count - 1) // 2]), int(wait[(95 * count - 1) // 100]))


def first_bytes(pool: Pool) -> Column:
    """From the moment a client wanted an answer to the answer's first byte, at the capture point, in nanoseconds.

    That moment is the end of the request; where the request is its connection's first and followed the handshake at
    once, somebody waited for the dial too, and it counts from the SYN, less the time in which the request was sent.
    A number for each exchange that tells, in their order.
    """
    c, x = pool.connections, pool.exchanges
    if not pool.requests:  # of a scan's thousands most carried nothing
        return np.zeros(0, dtype=np.int64)
    rows = waits(pool).rows
    dialled = np.flatnonzero(pool.dialled & (pool.last_exchange >= 0))
    first = pool.first_exchange[dialled]
    # Dialled ahead of need, a connection waits for its first request; that silence is nobody's wait.
    at_once = x.request_first_at[first] - pool.ready_at[dialled] <= pool.immediate_limit
    dialled, first = dialled[at_once], first[at_once]
    wait = x.response_first_at - x.request_last_at
    wait[first] += x.request_first_at[first] - c.first_at[dialled]
    return np.asarray(wait[rows])


def waited_on(pool: Pool) -> Column:
    """The number of the connection of each of :func:`first_bytes`."""
    if not pool.requests:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(pool.connections.number[pool.exchanges.connection[waits(pool).rows]])


def time_wait_closes(pool: Pool) -> dict[str, int]:
    """Closes that left a side in TIME_WAIT, those whose minute is over included."""
    c = pool.connections
    # Both FINs and no RST: the side whose FIN was first passed through TIME_WAIT, however long ago.
    orderly = (c.client_fin_at > 0) & (c.server_fin_at > 0) & (c.client_rst_at == 0) & (c.server_rst_at == 0)
    out = {}
    for side, state in ((Side.CLIENT, c.client_state), (Side.SERVER, c.server_state)):
        over = (state == TcpState.CLOSED) & orderly & (c.closer == side)
        out[side.word] = int(((state == TcpState.TIME_WAIT) | over).sum())
    return out


def idle_survived(pool: Pool) -> int:
    """The longest silence between two exchanges of a connection of which the second was answered, nanoseconds."""
    x = pool.exchanges
    if len(x) < 2:
        return 0
    again = (x.connection[1:] == x.connection[:-1]) & (x.response_first_at[1:] > 0)
    silence = x.request_first_at[1:] - pool.busy_until[:-1]
    return max(0, int(silence[again].max())) if again.any() else 0


def idle_open(pool: Pool) -> int:
    """The longest silence of a connection that was still open at the end, nanoseconds."""
    which = pool.idle.fate == Fate.CAPTURE_END
    return int((pool.idle.end[which] - pool.idle.start[which]).max()) if which.any() else 0


def peak_kept(pool: Pool) -> int:
    """Most connections that sat idle at one time after use and stayed: used again, or open at the end.

    What is taken again sooner than a pool would throw it away (``immediate_limit``) shows no pool that keeps it.
    """
    idle = pool.idle
    which = (idle.fate != Fate.CLOSED) & ~idle.fresh & (idle.end - idle.start > pool.immediate_limit)
    return timeline.peak(idle.start[which], idle.end[which])


def oldest(pool: Pool) -> int:
    """The longest that a connection lived, from its first packet seen to its close or the capture's end."""
    if not pool.usable.any():
        return 0
    ended = np.minimum(pool.gone_at, pool.end)
    return max(0, int((ended - pool.connections.first_at)[pool.usable].max()))
