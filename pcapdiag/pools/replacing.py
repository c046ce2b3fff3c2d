"""Connections that are given up while they are in use: after so many requests, or at so many seconds of age.

At a steady rate of requests the two go together: what varies less is what is counted.  An idle timer is neither: it
closes after a silence longer than those that connections survived.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Count, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.pool import SECOND, Fate, Mask, Pool, once_per_pool
from pcapdiag.pools.ranks import quantile
from pcapdiag.pools.timers import (
    BY_CHANCE,
    LAZY_BEFORE,
    TIGHT_NS,
    TIGHT_SHARE,
    by_chance,
    dial_beside,
    last_demand,
    moments,
    tightest,
)

# Nothing announces these: fewer than five that agree can be a program that had so much to do.
MIN_COUNTED = 5
# An age is known to the millisecond: three connections of one age, at three moments, do not agree by chance.
MIN_AGED = 3
AGREE = 0.9
# Logging in and asking once takes up to that many turns (PostgreSQL, Redis): a connection for each job, not a count.
LOGIN_TURNS = 10
# A pause that ends in a close is one like the others; half as long again leaves room for a busy machine.
USUAL = 1.5
# Programs end after a second of work, lifetimes are set in seconds.
YOUNGEST = SECOND
# Whoever looks at the age at the next use closes up to one pause late.  Of pauses up to a quarter of the age there are
# four or more in a life, and it is the age that ends it in one of them; of longer ones any number of uses would do.
FEW_USES = 4


@dataclass(frozen=True)
class Replacement:
    """How one side gives up connections that are in use; rows of the pool, times in nanoseconds.

    Attributes:
        requests: the number that nine of ten carried, None where they differ.
        age: the age that eight of ten had, or the lowest where each was closed at its first use past one age; None where
            they differ.  ``age_low`` to ``age_high`` holds them.
        request_spread, age_spread: coefficient of variation.
        pause: a usual one between two requests, the longest but for one in twenty.
        renewed: closes with a dial by the time that the next request was due: the work went on.
        hidden: an announcement of the close could not have been read.
    """

    owner: Side
    rows: Column
    requests: int | None
    age: int | None
    age_low: int
    age_high: int
    request_spread: float
    age_spread: float
    pause: int
    renewed: int
    hidden: bool

    # The greatest age at which a connection was used and left open, below the ages of the closes; 0 for none.
    survived: int


@once_per_pool
def replacement(pool: Pool, owner: Side) -> Replacement | None:
    """What one side's closes of connections in use agree on, None where that is nothing.

    Most closes must be renewed: programs that each have as much to do and then leave look like a limit, and nobody dials.

    The client's closes are those it made without being told by a response; the server's are those it announced, and
    those it made without being asked.
    """
    if request_cap(pool) is not None:
        return None  # the server counts requests
    c = pool.connections
    own = pool.whole & pool.closed & (pool.close_class != CloseClass.OPEN_REQUEST)
    if owner == Side.CLIENT:
        own &= (pool.closer == Side.CLIENT) & ~pool.server_said
    else:
        own &= pool.server_said | ((pool.closer == Side.SERVER) & ~pool.client_asked)
    if int(own.sum()) < MIN_AGED:
        return None
    idle = pool.idle
    survived = (idle.end - idle.start)[(idle.fate == Fate.REUSED) & ~idle.fresh]
    pause = int(quantile(survived, 0.95)) if len(survived) else 0
    in_use = own & (c.requests > 1) & (pool.linger <= max(pool.immediate_limit, int(USUAL * pause)))
    rows = np.flatnonzero(in_use)
    if len(rows) < max(MIN_AGED, AGREE * int(own.sum())) or moments(c.close_at[rows]) < MIN_AGED:
        return None
    requests = _agreed_count(pool, rows) if owner == Side.CLIENT else None
    latest_use = 0
    ages = pool.age[rows]
    low, high = tightest(ages)
    age = _agreed_age(pool, ages, low, high, pause)
    near = ages[np.abs(ages - int(np.median(ages))) <= tolerance(int(np.median(ages)), pause)]
    low, high = (int(near.min()), int(near.max())) if age is not None else (low, high)
    if requests is None and age is None:
        rows, latest_use = _renewed_at_first_use_past_an_age(pool, own)
        if not len(rows):
            return None
        ages = pool.age[rows]
        age = low = int(ages.min())
        high = int(ages.max())
    renewed = _renewed(pool, rows, pause)
    if 2 * renewed < len(rows):
        return None
    request_spread, age_spread = _spread(c.requests[rows]), _spread(ages)
    if owner == Side.CLIENT and requests is None and request_spread <= age_spread:
        return None  # the ages vary more than what was done: a few programs that each have as much to do
    return Replacement(
        owner,
        rows,
        requests,
        age,
        low,
        high,
        request_spread,
        age_spread,
        pause,
        renewed,
        bool(pool.heads_hidden[rows].mean() > 0.5),
        max(latest_use, _age_survived(pool, low, pause)),
    )


def _age_survived(pool: Pool, low: int, pause: int) -> int:
    """Whoever looks at the age when a connection comes back, or is taken, had found this one young enough.

    Turns that follow each other at once are one use: a transaction of a database.
    """
    x = pool.exchanges
    rest = x.request_first_at[1:] - x.response_last_at[:-1]
    used = np.flatnonzero((x.connection[1:] == x.connection[:-1]) & (2 * rest >= pause))
    ages = x.response_last_at[used] - pool.connections.first_at[x.connection[used]]
    ages = ages[ages < low]
    return int(ages.max()) if len(ages) else 0


def _agreed_count(pool: Pool, rows: Column) -> int | None:
    counts = pool.connections.requests
    if len(rows) < MIN_COUNTED:
        return None
    value = int(np.bincount(counts[rows]).argmax())
    same = float((counts[rows] == value).mean()) >= AGREE
    unread = bool((pool.connections.basis[rows] == Count.TURNS).any()) and not pool.encrypted
    least = LOGIN_TURNS if unread else 2
    return value if same and value >= least and int(counts[pool.whole].max()) <= value else None


def _agreed_age(pool: Pool, ages: Column, low: int, high: int, pause: int) -> int | None:
    """The age, where it is one: within a timer's precision and one pause, since most look at the age at the next use."""
    middle = int(np.median(ages))
    width = tolerance(middle, pause)
    if middle < YOUNGEST or high - low > width:
        return None
    # Whoever has a lifetime puts no request on an older connection; one that nobody asks for may stay open.
    used = np.flatnonzero(pool.used & (pool.last_exchange >= 0))
    lived = pool.exchanges.request_first_at[pool.last_exchange[used]] - pool.connections.first_at[used]
    older = int((lived > high + width).sum())
    return middle if older <= len(ages) // 10 else None


def _renewed_at_first_use_past_an_age(pool: Pool, own: Mask) -> tuple[Column, int]:
    """Closes on the way to a dial that one limit on age explains, and the greatest age at a use, in nanoseconds.

    No rows where the limit does not explain nearly all.

    Programs that ask at different rates close at ages further apart than a tolerance, each up to its own pause late.  But
    no connection is used past the limit, and none is closed ahead of it: the latest use lies below the earliest close.
    """
    none = np.zeros(0, dtype=np.int64), 0
    c = pool.connections
    own = own & (pool.closer == Side.CLIENT)
    wanted = np.flatnonzero(own & (c.close_at <= last_demand(pool) + LAZY_BEFORE))
    rows = wanted[(dial_beside(pool, c.close_at[wanted]) > 0) & (c.requests[wanted] > 1)]
    if len(rows) < max(MIN_COUNTED, AGREE * len(wanted)) or by_chance(pool, 2 * LAZY_BEFORE) > BY_CHANCE:
        return none
    ages = pool.age[rows]
    earliest = int(ages.min())
    if moments(c.close_at[rows]) < MIN_AGED or earliest < YOUNGEST or (FEW_USES * pool.linger[rows] > ages).any():
        return none
    used = np.flatnonzero(pool.used & pool.dialled & (pool.last_exchange >= 0))
    latest = int((pool.exchanges.request_first_at[pool.last_exchange[used]] - c.first_at[used]).max())
    return (rows, latest) if latest < earliest else none


def tolerance(age: int, pause: int) -> int:
    """How far ages may lie apart and be one: a timer's granularity, and a pause of up to a tenth of the age."""
    return max(TIGHT_NS, int(TIGHT_SHARE * age), min(pause, age // 10))


def _spread(values: Column) -> float:
    return float(np.std(values) / max(float(np.mean(values)), 1.0))


def _renewed(pool: Pool, rows: Column, pause: int) -> int:
    """Closes with a dial of the same pool around the time of the next request."""
    dials = np.sort(pool.connections.first_at[pool.dialled])
    at = pool.connections.close_at[rows]
    within = max(pool.immediate_limit, int(USUAL * pause))
    return int((timeline.level(at, dials - within, dials + LAZY_BEFORE) > 0).sum())


def told_by_count(seen: Replacement) -> bool:
    """Whether the number of requests is what is counted, rather than the age."""
    return seen.requests is not None and (seen.age is None or seen.request_spread <= seen.age_spread)


def both_agree(seen: Replacement) -> bool:
    """Whether age and number are both constant, as they are at a steady rate of requests."""
    return seen.requests is not None and seen.age is not None
