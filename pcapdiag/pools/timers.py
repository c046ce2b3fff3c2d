"""Idle timers and lifetimes from the closes that followed a silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.pool import MILLISECOND, Fate, Pool, once_per_pool

# Three closes are the fewest of which one can be an accident and the rest still agree.
MIN_CLOSES = 3
# Part of the closes that must agree: the rest may be a process's exit or an operator.
AGREE = 0.8
# Width of "the same time": a timer wheel's or event loop's granularity is up to 50 ms, or a few percent of the timer.
TIGHT_NS = 60 * MILLISECOND
TIGHT_SHARE = 0.05
# A timer starts when the program, not the capture point, saw the last byte, and fires when its thread next runs: early
# by a cached clock's tick at most, late by a scheduler's delay.
EARLY = 5 * MILLISECOND
LATE = 20 * MILLISECOND
LATE_SHARE = 0.015
# A lazy client closes the old connection on its way to dial the new one.
LAZY_BEFORE = 5 * MILLISECOND
LAZY_AFTER = 50 * MILLISECOND
# No common library's idle timeout is shorter by default or by habit; closes sooner than that are a busy program's.
SHORTEST = 250 * MILLISECOND
# Nor has one that looks only ahead of a dial a default below a second: sooner, the program replaces its client.
SHORTEST_LAZY = 1_000 * MILLISECOND
# Closes this close together are one event: a sweep, or a process's end.
EPISODE = 100 * MILLISECOND
# Sweepers close anywhere in [T, T + period] with a period of at most T (HttpURLConnection 5 to 10 s for 5), or a little
# below T: the largest linger is at most two and a half times the smallest.
SWEEP_RATIO = 2.5


@dataclass(frozen=True)
class Timer:
    """A timer read from the wire, in nanoseconds.

    Attributes:
        owner: whose timer.  lifetime: counts from the connection's start instead of its last use.
        value: the point estimate, None where only a bracket is known.
        low: the largest silence that a connection survived; None when none came near ("not tested").
        high: the smallest silence that closed one; for sweepers the largest, since some close below their setting.
        count: closes it rests on.  spread: of their silences.  episodes: moments of closing.
        lazy: the client closes when it next looks, so ``high`` is only an upper bound.
        rows: the pool's rows it rests on.
    """

    owner: Side
    lifetime: bool
    value: int | None
    low: int | None
    high: int
    count: int
    spread: int
    episodes: int
    lazy: bool
    sweeping: bool
    rows: Column


@once_per_pool
def idle_timer(pool: Pool, owner: Side) -> Timer | None:
    """The idle timer of one side, or its lifetime limit where the ages agree better than the silences.

    Only silent closes count; those with a signal, an open request or at once after a response have other reasons.
    None when there are fewer than three, when they agree on nothing, when they all fell on one moment (a process that
    exits closes everything at once), or when connections survived longer silences.

    Measured on 172 real captures (``scripts/score.py --figures``): 30 timers given, 30
    with the truth in their bracket, none where there was no timer; brackets of eager timers are 1.6 to 3.4% wide.
    """
    rows = np.flatnonzero((pool.close_class == CloseClass.SILENT) & (pool.closer == owner))
    if len(rows) < MIN_CLOSES:
        return None
    lingers = pool.linger[rows]
    episodes = moments(pool.connections.close_at[rows])
    if episodes < 2:
        return None
    cluster = tightest(lingers)
    lazy = owner == Side.CLIENT and closes_on_the_way_to_a_dial(pool, rows)
    survived = pool.idle.end - pool.idle.start
    survived = survived[(pool.idle.fate == Fate.REUSED) & ~pool.idle.fresh]
    near, far = client_leg(pool) if owner == Side.CLIENT else (0, 0)
    if lazy:
        if int(lingers.min()) < SHORTEST_LAZY:
            return None
        high = int(lingers.min())
        if int((survived > high).sum()) > max(1, len(rows) // 10):
            return None  # silences as long were survived: it is something else that the client looks at
        below = survived[survived < high]
        low = int(below.max()) - far if len(below) else None
        return Timer(owner, False, None, low, high, len(rows), int(np.ptp(lingers)), episodes, True, False, rows)
    low_edge, high_edge = cluster
    middle = int(np.median(lingers))
    width = high_edge - low_edge
    if middle < SHORTEST:
        return None
    if width <= max(TIGHT_NS, int(TIGHT_SHARE * middle)):
        inside = rows[(lingers >= low_edge) & (lingers <= high_edge)]
        ages = pool.age[inside]
        age_width = int(np.ptp(ages))
        margin = float(np.median(ages)) - middle
        if age_width < width / 2 and margin > 0.02 * middle and width > TIGHT_NS / 3:
            return Timer(
                owner,
                True,
                int(np.median(ages)),
                None,
                int(ages.max()),
                len(inside),
                age_width,
                episodes,
                False,
                False,
                inside,
            )
        early = max(EARLY, min(2 * pool.rtt, int(LATE_SHARE * middle))) if owner == Side.SERVER else EARLY
        high = low_edge + early - near
        contradicted = int((survived > high_edge + max(LATE, 2 * pool.rtt)).sum())
        if contradicted > max(1, len(rows) // 10):
            return None
        low = low_edge - max(LATE, int(LATE_SHARE * middle)) - far
        return Timer(
            owner,
            False,
            min(int(np.median(pool.linger[inside])) - near, high),
            low,
            high,
            len(inside),
            width,
            episodes,
            False,
            False,
            inside,
        )
    smallest, largest = int(lingers.min()), int(lingers.max())
    if largest <= SWEEP_RATIO * smallest and episodes >= MIN_CLOSES:
        if int((survived > largest).sum()) > max(1, len(rows) // 10):
            return None
        below = survived[survived < largest]
        low = int(below.max()) - far if len(below) else None
        return Timer(owner, False, None, low, largest, len(rows), largest - smallest, episodes, False, True, rows)
    return None


def client_leg(pool: Pool) -> tuple[int, int]:
    """Bounds of the round trip between the capture point and the client, in nanoseconds.

    The client's timer starts when it receives the last byte and its FIN travels back, so a capture at the server sees
    its silences longer by that much.  The other leg is no longer than the server's quickest answers, this one no longer
    than the client's quickest next requests; together they are the handshake's round trip.  The quickest tenth is left
    out on each side: early answers and pipelined requests.
    """
    x = pool.exchanges
    if not pool.rtt or not len(x):
        return 0, pool.rtt
    answered = (x.response_first_at > 0) & (x.request_last_at > 0)
    thinking = (x.response_first_at - x.request_last_at)[answered]
    thinking = thinking[thinking >= 0]
    follows = (x.connection[1:] == x.connection[:-1]) & (x.response_last_at[:-1] > 0)
    pauses = (x.request_first_at[1:] - x.response_last_at[:-1])[follows]
    pauses = pauses[pauses >= 0]
    far = min(pool.rtt, int(np.quantile(pauses, 0.1))) if len(pauses) else pool.rtt
    near = max(0, pool.rtt - int(np.quantile(thinking, 0.1))) if len(thinking) else 0
    return min(near, far), far


def moments(times: Column) -> int:
    """At how many different moments, each at most 100 ms long, these times lie; counted up to a hundred."""
    ordered = np.sort(times)
    at = count = 0
    while at < len(ordered) and count < 100:
        count += 1
        at = int(np.searchsorted(ordered, ordered[at] + EPISODE, side="right"))
    return count


def tightest(values: Column) -> tuple[int, int]:
    """The shortest interval that holds the agreeing part of the values."""
    ordered = np.sort(values)
    need = max(2, int(np.ceil(AGREE * len(ordered))))
    widths = ordered[need - 1 :] - ordered[: len(ordered) - need + 1]
    at = int(widths.argmin())
    return int(ordered[at]), int(ordered[at + need - 1])


def closes_on_the_way_to_a_dial(pool: Pool, rows: Column) -> bool:
    """Whether nearly every close comes with a dial of the same pool, more often than chance would have it."""
    dials = np.sort(pool.connections.first_at[pool.dialled])
    at = pool.connections.close_at[rows]
    near = np.searchsorted(dials, at + LAZY_AFTER, side="right") - np.searchsorted(dials, at - LAZY_BEFORE)
    share = float((near > 0).mean())
    rate = (pool.opens_per_second or 0.0) / 1e9
    by_chance = 1 - np.exp(-rate * (LAZY_AFTER + LAZY_BEFORE))
    return share >= AGREE and by_chance < 0.5


def reopened_after(pool: Pool, rows: Column) -> int:
    """Dials that one of these closes cost: nothing was idle, and a closed one had not been replaced yet."""
    closes = np.sort(pool.connections.close_at[rows])
    dials = np.sort(pool.connections.first_at[pool.dialled])
    idle = timeline.level(dials, pool.idle.start, pool.idle.end)
    cost = 0
    used = 0
    for dial, free in zip(dials.tolist(), idle.tolist(), strict=True):
        available = int(np.searchsorted(closes, dial)) - used
        if available > 0 and free == 0:
            cost += 1
            used += 1
    return cost
