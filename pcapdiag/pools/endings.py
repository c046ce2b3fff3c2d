"""Moments at which one side ended all of its connections together, whatever each of them was doing: a program's end.

A timeout gives requests up after one constant wait, at many moments.  A server's idle timer closes connections after one
constant silence.  A process that ends takes everything at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import Opening, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.lost import crossed, on_purpose, path_stalled, unanswered
from pcapdiag.pools.pool import MILLISECOND, SECOND, Pool, once_per_pool
from pcapdiag.pools.timeouts import AGREE_SHARE, closed_as_begun, given_up
from pcapdiag.pools.timers import EPISODE, SHORTEST, SWEEP_RATIO

# Two that agree are chance.
MIN_AGREEING = 3
# What listens again within this long of the last refusal was restarted, not stopped.
SOON = SECOND
# A kernel closes what an ended process leaves within milliseconds, some 100 us for each socket on a busy machine.
END_WIDTH = 20 * MILLISECOND
END_WIDTH_EACH = MILLISECOND // 10


@dataclass(frozen=True)
class Ending:
    """One moment, at most 100 ms long, at which one side ended all the connections that were there.

    Attributes:
        at, until: first and last close of the moment.
        rows: the connections it ended.
        lost: those of them with a request unanswered.
        idle: those of them without.
        refused: dials refused from then on, until one succeeded.
        resumed_at: the next dial that succeeded, 0 for none.
    """

    at: int
    until: int
    rows: Column
    lost: Column
    idle: Column
    refused: int
    resumed_at: int


@once_per_pool
def endings(pool: Pool, side: Side) -> tuple[Ending, ...]:
    """The moments at which ``side`` ended every connection of the pool, two or more of them or the only one.

    Nothing that was there before is there after: a pool that overflows, a timer, a timeout leave others alone.
    """
    c = pool.connections
    # A snaplen may leave no request to count, yet both sides spoke.
    spoken = (c.requests > 0) | ((c.client_bytes > 0) & (c.server_bytes > 0))
    mine = np.flatnonzero(pool.closed & (pool.closer == side) & pool.usable & spoken)
    if not len(mine):
        return ()
    mine = mine[np.argsort(c.close_at[mine], kind="stable")]
    times = c.close_at[mine]
    open_now = np.flatnonzero(pool.usable)
    begins, ends = np.sort(c.first_at[open_now]), np.sort(pool.gone_at[open_now])
    lost_mask = unanswered(pool) & ~on_purpose(pool) & ~path_stalled(pool)
    lost_mask[crossed(pool).rows] = False
    out = []
    at = 0
    while at < len(mine):
        first = int(times[at])
        after = int(times.searchsorted(first + EPISODE, side="right"))
        group = mine[at:after]
        last = int(times[after - 1])
        at = after
        if last - first > END_WIDTH + END_WIDTH_EACH * len(group) or (c.first_at[group] >= first).any():
            continue
        if int(timeline.level_sorted(np.array([first - 1]), begins, ends)[0]) == len(group):
            refused, resumed = dials_after(pool, first)
            lost = group[lost_mask[group]]
            out.append(Ending(first, last, group, lost, group[~lost_mask[group]], refused, resumed))
    return tuple(out)


@once_per_pool
def _dials(pool: Pool) -> tuple[Column, Column]:
    """When dials succeeded and when they were refused, each in order."""
    c = pool.connections
    good, bad = c.opening == Opening.HANDSHAKE, c.opening == Opening.REFUSED
    return np.sort(c.first_at[good]), np.sort(c.first_at[bad])


def dials_after(pool: Pool, at: int) -> tuple[int, int]:
    """Dials refused since ``at`` until one succeeded, and when that was (0: none did)."""
    good, bad = _dials(pool)
    next_good = int(np.searchsorted(good, at, side="right"))
    begin = int(np.searchsorted(bad, at, side="right"))
    if next_good == len(good):
        return len(bad) - begin, 0
    resumed = int(good[next_good])
    return int(np.searchsorted(bad, resumed)) - begin, resumed


@once_per_pool
def stops(pool: Pool) -> tuple[Ending, ...]:
    """The moments at which the server's program ended: all of its connections at once, with nothing else to explain it.

    Either requests were open; or dials were refused right after; or three connections or more closed together whose
    silences differ: an idle timer closes after one silence, a sweeping one after at least the shortest such timer and
    at most two and a half times the smallest, a request cap at once after the response, a lifetime limit at one age.
    """
    found = [one for one in endings(pool, Side.SERVER) if _stopped(pool, one)]
    if len(found) < 2:
        return tuple(found)
    # The same age twice is a lifetime, however many connections share it.
    ages = [int(np.median(pool.age[one.rows])) for one in found if not len(one.lost) and not one.refused]
    if len(ages) > 1 and max(ages) - min(ages) <= max(EPISODE, AGREE_SHARE * min(ages)):
        return tuple(one for one in found if len(one.lost) or one.refused)
    return tuple(found)


def _stopped(pool: Pool, one: Ending) -> bool:
    c = pool.connections
    first_refused = c.first_at[(c.opening == Opening.REFUSED) & (c.first_at >= one.at)]
    right_after = bool(one.refused) and int(first_refused.min()) <= one.until + SOON
    if right_after:
        return True
    if len(one.lost) >= 2 and len(one.rows) >= 2:
        return True
    if len(one.rows) < MIN_AGREEING or len(one.lost):
        return len(one.lost) > 0 and len(one.rows) >= MIN_AGREEING
    cap = request_cap(pool)
    if cap is not None and len(np.intersect1d(cap.rows, one.rows)):
        return False
    silences = pool.linger[one.rows]
    shortest, longest = int(silences.min()), int(silences.max())
    if int(np.median(pool.age[one.rows])) < SECOND:
        return False
    if longest - shortest <= max(2 * (one.until - one.at), 5 * MILLISECOND):
        return False
    return shortest < SHORTEST or longest > SWEEP_RATIO * shortest


@once_per_pool
def client_ends(pool: Pool) -> tuple[Ending, ...]:
    """The moments at which the client's program ended with requests open: all of its connections at once.

    Requests that were all given up after one wait, at several moments or in agreement with a wait that nothing
    answered exceeded, are a timeout's (:func:`given_up`).  Callers that call together and close every response unread
    end together, too: there nobody waited any more.
    """
    timed = given_up(pool)
    unread = closed_as_begun(pool)
    out = []
    for one in endings(pool, Side.CLIENT):
        if len(one.rows) < 2 or not len(one.lost) or unread[one.lost].all():
            continue
        if timed is not None and len(np.intersect1d(timed.rows, one.lost)) > len(one.lost) / 2:
            continue
        out.append(one)
    return tuple(out)
