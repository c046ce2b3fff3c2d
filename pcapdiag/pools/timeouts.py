"""Requests that the client gave up after one constant wait, at many moments: its timeout, read from what it hit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from pcapdiag.model.flags import BOUND, RESPONSE_COMPLETE, TURN
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side
from pcapdiag.pools.lost import answered_late, last_of, path_stalled, unanswered
from pcapdiag.pools.pool import MILLISECOND, SECOND, Mask, Pool, once_per_pool
from pcapdiag.pools.timers import EARLY, EPISODE, LATE, LATE_SHARE, TIGHT_NS, moments

# A timeout counts from a call, a thread's wake-up, a connect or a name's lookup ahead of the request, and some libraries
# round it up (aiohttp: to whole seconds above five): a tenth covers them.
AGREE_SHARE = 0.1
# Ends of responses in full flow agree by chance more often, since whoever reads a stream leaves it at some time.
AGREE_IN_FLOW = 0.02
HALF_SECOND = SECOND // 2


class Since(Enum):
    """What a client's wait is counted from; the value completes "given up ... after"."""

    SILENCE = "the last byte"
    REQUEST = "the request"
    DIAL = "the dial"


@dataclass(frozen=True)
class GivenUp:
    """Requests that the client gave up after one wait.

    Attributes:
        since: what the wait counts from.
        rows: the connections it closed; ``waits`` in nanoseconds, parallel.
        median, spread: of the waits, nanoseconds.
        low, high: bounds of the timeout as it is set, nanoseconds.
        survived: the longest wait of an answered request below the shortest of the given up, 0 for none.
        contradicted: answered requests that waited clearly longer.
        others: requests given up after other waits.
        moments: at how many different moments.
        midbody: of the rows, how many had a part of their response.
    """

    since: Since
    rows: Column
    waits: Column
    median: int
    spread: int
    low: int
    high: int
    survived: int
    contradicted: int
    others: int
    moments: int
    midbody: int


@once_per_pool
def closed_as_begun(pool: Pool) -> Mask:
    """Connections whose last response had just begun when the client closed: a decision, not a wait that ended."""
    began = last_of(pool, "response_first_at")
    at = pool.connections.close_at
    return np.asarray((began > 0) & (began <= at) & (at - began <= pool.immediate_limit))


@once_per_pool
def abandoned_requests(pool: Pool) -> Column:
    """Rows that the client closed while it waited, for longer than a decision on a response takes.

    Left out: requests of which not a byte was acknowledged and responses that stall in the network (the path's fault,
    whatever timer then fires), and responses closed as soon as they began (nobody read them).
    """
    c = pool.connections
    began = last_of(pool, "response_first_at")
    began = np.where((began > 0) & (began <= c.close_at), began, 0)
    mine = unanswered(pool) & (pool.closer == Side.CLIENT)
    waited = c.close_at - np.maximum(last_of(pool, "request_last_at"), began)
    mine &= waited > pool.immediate_limit
    return np.flatnonzero(mine & ~path_stalled(pool))


def window(values: Column, share: float = AGREE_SHARE) -> tuple[int, int, int]:
    """The densest cluster of waits, as wide as 120 ms or that share of them: how many, from, to."""
    ordered = np.sort(values)
    reach = ordered + np.maximum(2 * TIGHT_NS, (share * ordered).astype(np.int64))
    upto = np.searchsorted(ordered, reach, side="right")
    counts = upto - np.arange(len(ordered))
    at = int(counts.argmax())
    return int(counts[at]), int(ordered[at]), int(ordered[int(upto[at]) - 1])


@once_per_pool
def given_up(pool: Pool) -> GivenUp | None:
    """The wait after which the client gives requests up, None where they were not given up after one wait.

    Counted from the last byte (a read timeout), from the request, or from the dial (total timeouts): whichever agrees
    best.  One moment alone is a program's end unless the wait agrees better than the moment does.
    """
    rows = abandoned_requests(pool)
    if not len(rows):
        return None
    c, x = pool.connections, pool.exchanges
    closed_at = c.close_at[rows]
    last = pool.last_exchange[rows]
    asked, sent = x.request_first_at[last], x.request_last_at[last]
    began = (x.response_first_at[last] > 0) & (x.response_first_at[last] <= closed_at) & ~answered_late(pool)[rows]
    heard = np.maximum(np.where(began, c.last_exchange_at[rows], sent), sent)
    first = x.index[last] == 0
    dialled = np.where(first & pool.dialled[rows], c.first_at[rows], asked)
    best: tuple[float, Since, Column, int, int] | None = None
    for since, start in ((Since.SILENCE, heard), (Since.REQUEST, asked), (Since.DIAL, dialled)):
        waits = closed_at - start
        count, low, high = window(waits, AGREE_IN_FLOW if 2 * int(began.sum()) > len(rows) else AGREE_SHARE)
        if int(np.median(waits[(waits >= low) & (waits <= high)])) <= pool.immediate_limit:
            continue  # it closed on what it had just received
        # More rows first, then a wait that somebody would set, then the tighter cluster; a start further back wins only
        # when it is clearly better.  A server that drips evenly leaves the same silence ahead of a total timeout.
        middle = int(np.median(waits[(waits >= low) & (waits <= high)]))
        score = count + 0.05 * (bool(began.any()) and round_number(middle)) - (high - low) / max(high, 1)
        if best is None or score > best[0] + 0.02:
            best = (score, since, waits, low, high)
    if best is None:
        return None
    _, since, waits, low, high = best
    inside = (waits >= low) & (waits <= high)
    if 2 * int(inside.sum()) < len(rows):
        return None
    chosen = rows[inside]
    kept = waits[inside]
    median = int(np.median(kept))
    # Of waits below a second a window of 120 ms holds many by chance: users who lose patience, at any time.
    if int(np.ptp(kept)) > AGREE_SHARE * median and 10 * len(chosen) < 9 * len(rows):
        return None
    done = ((x.flags & (RESPONSE_COMPLETE | TURN)) != 0) & (x.response_first_at > 0) & ((x.flags & BOUND) == 0)
    done[last] = False
    if since is Since.SILENCE:
        answered = x.response_first_at[done] - x.request_last_at[done]
    else:
        answered = x.response_last_at[done] - x.request_first_at[done]
    longer = int((answered > high + max(TIGHT_NS, pool.rtt)).sum())
    below = answered[answered < low]
    times = c.close_at[chosen]
    many_moments = moments(times)
    if many_moments == 1 and not _one_wait(pool, chosen, kept, longer):
        return None
    survived = int(below.max()) if len(below) else 0
    # A timer fires late rather than early, and some count from the call, ahead of the dial and of what it waits for.
    slack = max(LATE, int(LATE_SHARE * median))
    called = int((closed_at - dialled)[inside].max()) if since is not Since.SILENCE or not began[inside].any() else 0
    return GivenUp(
        since,
        chosen,
        kept,
        median,
        int(np.ptp(kept)),
        max(int(kept.min()) - slack, 0 if longer else survived),
        max(int(np.median(kept)), called) + EARLY,
        survived,
        longer,
        len(rows) - len(chosen),
        many_moments,
        int(began[inside].sum()),
    )


def _one_wait(pool: Pool, rows: Column, waits: Column, longer: int) -> bool:
    """Whether requests that ended at one moment can have ended by a timeout: they began together, too.

    Not where others waited longer and were answered, nor where idle connections ended with them.
    """
    times = pool.connections.close_at[rows]
    near = (pool.connections.close_at >= int(times.min()) - EPISODE) & (
        pool.connections.close_at <= int(times.max()) + EPISODE
    )
    idle = near & pool.closed & (pool.closer == Side.CLIENT) & ~unanswered(pool)
    if longer or idle.any():
        return False
    return int(np.ptp(waits)) <= max(int(np.ptp(times)), MILLISECOND)


def round_number(wait: int) -> bool:
    """Whether a wait is what somebody would set: within 15 ms or half a percent of a multiple of half a second."""
    off = abs(wait - round(wait / HALF_SECOND) * HALF_SECOND)
    return wait >= HALF_SECOND // 2 and off <= max(15 * MILLISECOND, wait // 200)
