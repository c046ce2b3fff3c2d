"""The client's ports: how many sit in TIME_WAIT, when they run out, and whether they did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side
from pcapdiag.pools import timeline
from pcapdiag.pools.pool import MILLISECOND, SECOND, Mask, Pool, once_per_pool

# Linux: TCP_TIMEWAIT_LEN, fixed in the kernel.  Windows 120 s before 10, now 60 as well; macOS 30.
TIME_WAIT = 60 * SECOND
# net.ipv4.ip_local_port_range of Linux, 32768 to 60999.  Windows and macOS have 16,384.
LINUX_PORTS = 28_232
# A port taken again this long after its close had to wait for TIME_WAIT to end: timers run late by a tick or, batched, by
# some seconds.
EARLY = 2 * SECOND
LATE = 5 * SECOND
# With tcp_tw_reuse Linux takes a port again one second after its close: by a clock of milliseconds since 6.14, of seconds
# before.
RECYCLED_EARLY = 900 * MILLISECOND
RECYCLED_LATE = 2_100 * MILLISECOND
# Ports of a narrow range are nearly all seen.  By chance twenty neighbours never are: Linux leaves gaps and takes even
# ports first; Windows and macOS take them in order or at random out of 16,384.
DENSE = 0.9
MIN_PORTS = 20
TWICE = 2.0
# A step back by this part of the range means that the search for a free port began anew, which a plain count never does.
STEP_BACK = 0.25


@dataclass(frozen=True)
class Ports:
    """What a pool's client ports show.

    Attributes:
        waits: rows whose client keeps TIME_WAIT, in order of time.
        per_second: such closes a second, over the time of them, a second at least.
        peak: ports in TIME_WAIT or open at once, at most.
        span_ns: from the first dial to the last.
        range: the number of ports where the range shows itself (dense, used again and again), else None.
        low, high: the least and the greatest port used.
        reused: rows dialled from a port that their client still kept in TIME_WAIT.
        recycled: those of ``reused`` that came as soon as tcp_tw_reuse lets them, a second after the close.
        waited: rows dialled from a port as soon as its TIME_WAIT of 60 s was over.
        again: dials from a port whose earlier connection left a TIME_WAIT at the client.
    """

    waits: Column
    per_second: float
    peak: int
    span_ns: int
    range: int | None
    low: int
    high: int
    reused: Column
    recycled: Column
    waited: Column
    again: int


def keeps_time_wait(pool: Pool) -> Mask:
    """Connections that ended by FIN both ways, without RST, the client's first or both at once: its port stays taken."""
    c = pool.connections
    orderly = (c.client_fin_at > 0) & (c.server_fin_at > 0) & (c.client_rst_at == 0) & (c.server_rst_at == 0)
    return np.asarray(orderly & ((c.initiator == Side.CLIENT) | (c.initiator == Side.UNDECIDABLE)))


@once_per_pool
def ports(pool: Pool) -> Ports | None:
    """The client's ports, None where it keeps no TIME_WAIT."""
    c = pool.connections
    keeps = keeps_time_wait(pool)
    if not keeps.any():
        return None
    shut = np.maximum(c.client_fin_at, c.server_fin_at)
    order = np.lexsort((c.first_at, c.client_port))
    port, opened, ended, kept = c.client_port[order], c.first_at[order], shut[order], keeps[order]
    same = port[1:] == port[:-1]
    follows = np.flatnonzero(same & kept[:-1])
    gap = opened[follows + 1] - ended[follows]
    again = order[follows + 1]
    waited = again[(gap >= TIME_WAIT - EARLY) & (gap <= TIME_WAIT + LATE)]
    reused = again[(gap >= 0) & (gap < TIME_WAIT - EARLY)]
    recycled = again[(gap >= RECYCLED_EARLY) & (gap <= RECYCLED_LATE)]
    # A port is taken from its dial to the end of TIME_WAIT, or to its next dial.
    free = np.where(kept, ended + TIME_WAIT, np.where(pool.closed[order], c.close_at[order], pool.end + 1))
    free[:-1][same] = np.minimum(free[:-1][same], opened[1:][same])
    rows = np.flatnonzero(keeps)
    rows = rows[np.argsort(shut[rows], kind="stable")]
    span = int(shut[rows[-1]] - shut[rows[0]])
    dials = c.first_at[pool.dialled]
    return Ports(
        rows,
        max(len(rows) - 1, 0) / (max(span, SECOND) / SECOND),
        timeline.peak(opened, np.maximum(free, opened)),
        int(np.ptp(dials)) if len(dials) else 0,
        visible_range(c.client_port[pool.dialled][np.argsort(dials, kind="stable")]),
        int(c.client_port.min()),
        int(c.client_port.max()),
        np.sort(reused),
        np.sort(recycled),
        np.sort(waited),
        len(again),
    )


def visible_range(used: Column) -> int | None:
    """The size of the port range where the ports, in order of their dials, fill it; Linux takes every second one first.

    Either each came twice on average, or the search went over the range again for those that it had left out.
    """
    if not len(used):
        return None
    distinct = np.flatnonzero(np.bincount(used))
    count = len(distinct)
    if count < MIN_PORTS:
        return None
    step = 2 if (distinct % 2 == distinct[0] % 2).all() else 1
    width = int(distinct[-1] - distinct[0]) // step + 1
    if count < DENSE * width:
        return None
    back = bool((np.diff(used) <= -STEP_BACK * count * step).any())
    return count if len(used) >= TWICE * count or (step == 1 and back) else None
