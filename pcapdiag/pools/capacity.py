"""How many idle connections the client keeps, from the level that its pool rests at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.pool import MILLISECOND, SECOND, Fate, Pool, once_per_pool

# Rest begins when no request has been open for this long, or four round trips: closes that overflow caused are over.
SETTLE = 50 * MILLISECOND
HOLDS = 0.5
# Fewer rests, or fewer closes of either kind, may agree by chance.
AGREE = 3
# Part of the rests, or of the closes, that must agree where a size follows from them alone: an instant's blur is allowed.
NEARLY = 0.9
# Under load without a rest: so many closes, so few of them below the pool's size (a close and a return in one instant).
MANY = 20
BELOW = 0.01


@dataclass(frozen=True)
class Capacity:
    """The resting level of pooled connections.

    Attributes:
        value: the level, where it holds for half of the rest time or more; else None.
        low, high: the levels that hold for a tenth of it or more.
        rest_ns: how long the pool was seen at rest.
        overflow: connections that the client closed at once, and unused ones of the same burst.
        rows: those connections.
        rests: how many rests agree, where the size follows from them alone; else 0.
    """

    value: int | None
    low: int
    high: int
    rest_ns: int
    overflow: int
    rows: Column
    rests: int = 0


@once_per_pool
def overflow_rows(pool: Pool) -> Column:
    """Connections that the client closed at once and unasked after a response, or without having used them at all."""
    kinds = pool.close_class
    mine = pool.closer == Side.CLIENT
    at_once = (kinds == CloseClass.IMMEDIATE) & mine
    unused = (kinds == CloseClass.UNUSED) & mine & (pool.linger <= pool.immediate_limit) & pool.usable
    return np.flatnonzero(at_once | unused)


@once_per_pool
def pooled_at_overflow(pool: Pool) -> Column:
    """How many other connections sat in the pool when each of the overflowing ones was thrown away."""
    rows = overflow_rows(pool)
    start, end = _pooled(pool)
    return timeline.level(pool.connections.close_at[rows], start, end)


@once_per_pool
def most_kept(pool: Pool) -> int:
    """The most connections that sat in the pool together, and for longer than one takes to be taken, or thrown away."""
    start, end = _pooled(pool)
    end = end - pool.guard
    long_enough = end > start
    return timeline.peak(start[long_enough], end[long_enough])


def _pooled(pool: Pool) -> tuple[Column, Column]:
    """Idle intervals of connections that were in the pool: all but the last ones of those on their way out."""
    idle = pool.idle
    leaving = np.zeros(pool.size, dtype=bool)
    leaving[overflow_rows(pool)] = True
    pooled = (idle.fate != Fate.CLOSED) | ~leaving[idle.connection]
    return idle.start[pooled], idle.end[pooled]


@once_per_pool
def replaced_by_age(pool: Pool) -> bool:
    """Whether connections closed at once after a response were all of one age: a lifetime limit, applied on return."""
    rows = overflow_rows(pool)
    ages = np.sort(pool.age[rows[pool.connections.requests[rows] > 1]])
    if len(ages) < 3 or len(ages) < HOLDS * len(rows):
        return False
    middle = int(ages[len(ages) // 2])
    near = int((np.abs(ages - middle) <= max(SETTLE, middle // 20)).sum())
    return middle >= SECOND and near >= 0.8 * len(ages)


@once_per_pool
def idle_capacity(pool: Pool) -> Capacity | None:
    """The idle pool's size, None without rest, without overflow, or where the closes met a pool that was not full.

    A pool overflows only when it is full: at half of the closes or more the resting level must have been reached.  A
    program that ends, or a lifetime limit, closes connections of a pool with room.

    Measured on 172 real captures (Go, Node.js, Java, urllib3, httpx): 14 sizes given, all 14 exact.
    """
    level = resting_level(pool)
    if level is None or level.high == 0 or replaced_by_age(pool):
        return None
    full = pooled_at_overflow(pool) >= (level.low if level.value is None else level.value)
    return level if float(full.mean()) >= HOLDS else None


@once_per_pool
def capacity_with_busy(pool: Pool) -> Capacity | None:
    """The idle pool's size of a client that counts its busy connections too (httpcore does), None where it is not clear.

    Such a pool closes whatever comes back while more connections are open than it may keep, full or not: at nine of ten
    closes that many others must have been open, and the level at rest must be one value.
    """
    level = resting_level(pool)
    if level is None or not level.value or replaced_by_age(pool):
        return None
    c = pool.connections
    others = timeline.level(c.close_at[overflow_rows(pool)], c.first_at[pool.usable], pool.gone_at[pool.usable])
    return level if float((others >= level.value).mean()) >= NEARLY else None


@once_per_pool
def evicting_capacity(pool: Pool) -> Capacity | None:
    """The idle pool's size of a client that makes room by closing the one idle longest, None where it is not clear.

    Such a pool (Mojo::UserAgent, libcurl, nginx's upstream keepalive) keeps the connections that came back last, so what
    sits idle when it closes one is soon to leave too, and is no pooled one for :func:`pooled_at_overflow`.  What tells it:

    - at three rests or more, each after a burst that overflowed and before another request, the same number is open;
    - the ones that stay change: some rested and are closed at once after their next use, some are closed before they
      ever rested.  Callers with connections of their own beside others that use one per request (a mixed pool) keep
      the same ones; sessions that end after some requests all rest first, and leave a gap;
    - at nine of ten of the closes as many others were open: the pool had no room.  What is closed after the last request
      does not count, since a program's end closes everything.
    """
    level = resting_level(pool)
    if level is None or not level.value or replaced_by_age(pool):
        return None
    rested = _open_at_rests(pool)
    if len(rested) < AGREE:
        return None
    c = pool.connections
    at, heights, overflowed = rested.T
    same = heights[overflowed > 0] == level.value
    if int(same.sum()) < AGREE or float(same.mean()) < NEARLY:
        return None
    rows = overflow_rows(pool)
    rows = rows[c.close_at[rows] < at[-1]]
    through = np.searchsorted(at, c.close_at[rows]) - np.searchsorted(at, c.first_at[rows])
    if int((through > 0).sum()) < AGREE or int((through == 0).sum()) < AGREE:
        return None
    others = timeline.level(c.close_at[rows], c.first_at[pool.usable], pool.gone_at[pool.usable])
    return replace(level, rests=int(same.sum())) if float((others >= level.value).mean()) >= NEARLY else None


def _open_at_rests(pool: Pool) -> Column:
    """Per rest that a request ended: its moment, the open connections, the overflow since the last one; shape (n, 3)."""
    busy_at, busy = pool.busy_steps
    settle = max(SETTLE, 4 * pool.rtt)
    quiet = np.flatnonzero(busy[:-1] == 0)
    begin = busy_at[quiet] + settle
    begin = begin[begin < busy_at[quiet + 1]]
    c = pool.connections
    heights = timeline.level(begin, c.first_at[pool.usable], pool.gone_at[pool.usable])
    closed = np.searchsorted(np.sort(c.close_at[overflow_rows(pool)]), begin)
    return np.stack([begin, heights, np.diff(closed, prepend=0)], axis=1)


@once_per_pool
def capacity_under_load(pool: Pool) -> Capacity | None:
    """The idle pool's size where it was never seen at rest, None where it is not clear.

    A connection is thrown away only when the pool is full.  On the wire sit idle, then, the ones in the pool and those
    that are on their way in or out: answered, but not given back yet by a program that is short of CPU time, or taken,
    but the request is not sent yet.  So the fewest that ever sat idle at a close are the pool, and with the load of a
    hundred callers on two cores a third of the closes found no others.  What tells it from closes for other reasons:

    - hardly a close met fewer, and no other number was met as often;
    - what was thrown away had been used again, some of it: a client per request beside a pool throws away new ones only;
    - those that sat idle were taken within a second: connections that rest beside others are nobody's overflow.
    """
    if resting_level(pool) is not None or replaced_by_age(pool):
        return None
    rows = overflow_rows(pool)
    if len(rows) < MANY or int((pool.connections.requests[rows] > 1).sum()) < AGREE:
        return None
    counts = np.bincount(pooled_at_overflow(pool))
    floor = int(np.searchsorted(np.cumsum(counts), BELOW * len(rows), side="right"))
    if floor < 1 or int(counts.argmax()) != floor:
        return None
    idle = pool.idle
    taken = (idle.fate == Fate.REUSED) & (idle.end - idle.start < SECOND)
    near = timeline.level(pool.connections.close_at[rows], np.sort(idle.start[taken]), np.sort(idle.end[taken]))
    if float((near > 0).mean()) < NEARLY:
        return None
    return Capacity(floor, floor, floor, 0, len(rows), rows)


@once_per_pool
def resting_level(pool: Pool) -> Capacity | None:
    """The level that the pool rests at, None without rest or without overflow.

    Pooled connections are idle ones that were used again, that were closed later by a timer, or that the capture's end
    found open, and those dialled but never used: counting every idle connection would count the ones on their way out.
    A stretch of rest ends at its first close that is no overflow, since timers empty pools.
    """
    overflow = overflow_rows(pool)
    if not len(overflow):
        return None
    start, end = (np.sort(edge) for edge in _pooled(pool))
    busy_at, busy = pool.busy_steps
    if not len(busy_at):
        return None
    settle = max(SETTLE, 4 * pool.rtt)
    quiet = np.flatnonzero(busy == 0)
    closes = np.sort(pool.connections.close_at[pool.closed & (pool.close_class == CloseClass.SILENT)])
    rested: dict[int, int] = {}
    edges = np.sort(np.concatenate([start, end]))
    begins = busy_at[quiet] + settle
    stops = np.append(busy_at[1:], pool.end)[quiet]
    closing = np.searchsorted(closes, begins) < len(closes)
    stops[closing] = np.minimum(stops[closing], closes[np.searchsorted(closes, begins[closing])])
    at_rest = stops > begins
    for begin, stop in zip(begins[at_rest].tolist(), stops[at_rest].tolist(), strict=True):
        inside = edges[np.searchsorted(edges, begin, side="right") : np.searchsorted(edges, stop)]
        cuts = np.concatenate([[begin], inside, [stop]])
        levels = timeline.level_sorted(cuts[:-1], start, end)
        for lasted, height in zip(np.diff(cuts).tolist(), levels.tolist(), strict=True):
            rested[height] = rested.get(height, 0) + lasted
    total = sum(rested.values())
    if not total:
        return None
    best = max(rested, key=lambda height: (rested[height], height))
    common = [best, *(height for height, lasted in rested.items() if lasted >= 0.1 * total)]
    value = best if rested[best] >= HOLDS * total else None
    return Capacity(value, min(common), max(common), total, len(overflow), overflow)
