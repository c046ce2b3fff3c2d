"""Idle timers and lifetimes from the closes that followed a silence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Protocol, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.pool import MILLISECOND, SECOND, Fate, Pool, once_per_pool
from pcapdiag.pools.ranks import quantile
from pcapdiag.pools.whole_seconds import timeout_bracket, whole

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
# A lazy client closes the old connection on its way to dial the new one; between the two calls lie microseconds, and a
# name's resolution at most.  Where it is to be told from other programs behind the address, the window is the narrow one.
LAZY_BEFORE = 5 * MILLISECOND
LAZY_AFTER = 50 * MILLISECOND
# Part of such pairs that may be there by chance: dials of one program beside closes of another.
BY_CHANCE = 0.1
# No common library's idle timeout is shorter by default or by habit; closes sooner than that are a busy program's.
SHORTEST = 250 * MILLISECOND
# Nor has one that looks only ahead of a dial a default below a second: sooner, the program replaces its client.
SHORTEST_LAZY = 1_000 * MILLISECOND
# Closes this close together are one event: a sweep, or a process's end.
EPISODE = 100 * MILLISECOND
# Sweepers close anywhere in [T, T + period] with a period of at most T (HttpURLConnection 5 to 10 s for 5), or a little
# below T: the largest linger is at most two and a half times the smallest.
SWEEP_RATIO = 2.5
# With a period of at most T the longest silence is at most two timeouts.
SWEPT_BY = 2


@dataclass(frozen=True)
class Timer:
    """A timer read from the wire, in nanoseconds.

    Attributes:
        owner: whose timer.  lifetime: counts from the connection's start instead of its last use.
        value: the point estimate, None where only a bracket is known.
        low: the largest silence that a connection survived; None when none came near ("not tested").  For sweepers half
            the longest silence, below every close: they pass over silences longer than their setting.
        high: the smallest silence that closed one; for sweepers the largest, since some close below their setting.
        count: closes it rests on.  spread: of their silences.  episodes: moments of closing.
        lazy: the client closes when it next looks, so ``high`` is only an upper bound.
        rows: the pool's rows it rests on.
        whole_seconds: Redis's, which closes late by design: ``low`` and ``high`` are then what its setting may be, not
            silences, and ``value`` the only whole second between them.
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
    whole_seconds: bool = False


@once_per_pool
def idle_timer(pool: Pool, owner: Side) -> Timer | None:
    """The idle timer of one side, or its lifetime limit where the ages agree better than the silences.

    Only silent closes count; those with a signal, an open request or at once after a response have other reasons.
    None when there are fewer than three, when they agree on nothing, when they all fell on one moment (a process that
    exits closes everything at once), or when connections survived longer silences.

    Measured on 172 real captures (``scripts/score.py --figures``): 30 timers given, 30
    with the truth in their bracket, none where there was no timer; brackets of eager timers are 1.6 to 3.4% wide.
    """
    timer = _idle_timer(pool, owner)
    if timer is None or timer.lifetime or owner != Side.SERVER or pool.protocol is not Protocol.REDIS:
        return timer
    silences = pool.linger[timer.rows]
    bracket = timeout_bracket(int(silences.min()), int(silences.max()))
    if bracket is None:
        return timer
    may_be = whole(*bracket)
    value = may_be[0] * SECOND if len(may_be) == 1 else None
    return replace(timer, value=value, low=bracket[0], high=bracket[1], sweeping=True, whole_seconds=True)


def _idle_timer(pool: Pool, owner: Side) -> Timer | None:
    rows = np.flatnonzero((pool.close_class == CloseClass.SILENT) & (pool.closer == owner))
    if len(rows) < MIN_CLOSES:
        return None
    lingers = pool.linger[rows]
    episodes = moments(pool.connections.close_at[rows])
    if episodes < 2:
        return None
    cluster = tightest(lingers)
    asked = on_the_way_to_a_dial(pool, rows) if owner == Side.CLIENT else None
    survived = pool.idle.end - pool.idle.start
    survived = survived[(pool.idle.fate == Fate.REUSED) & ~pool.idle.fresh]
    near, far = client_leg(pool) if owner == Side.CLIENT else (0, 0)
    if asked is not None:
        rows, lingers, episodes = asked, pool.linger[asked], moments(pool.connections.close_at[asked])
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
        # It passes over silences longer than its setting, so that those survived tell nothing of the lower end.
        low = max(0, min(largest // SWEPT_BY, smallest - LATE) - far)
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
    far = min(pool.rtt, int(quantile(pauses, 0.1))) if len(pauses) else pool.rtt
    near = max(0, pool.rtt - int(quantile(thinking, 0.1))) if len(thinking) else 0
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


def on_the_way_to_a_dial(pool: Pool, rows: Column) -> Column | None:
    """Those of the closes that show a lazy client, None where there is none.

    Nearly every close comes with a dial of the same pool, more often than chance would have it.  Connections that nobody
    asks for again stay until the program ends, and are left out: then the dial must be nearer.
    """
    dials = np.sort(pool.connections.first_at[pool.dialled])
    at = pool.connections.close_at[rows]
    near = np.searchsorted(dials, at + LAZY_AFTER, side="right") - np.searchsorted(dials, at - LAZY_BEFORE)
    if float((near > 0).mean()) >= AGREE and by_chance(pool, LAZY_AFTER + LAZY_BEFORE) < 0.5:
        return rows
    wanted = rows[at <= last_demand(pool) + LAZY_BEFORE]
    renewed = wanted[dial_beside(pool, pool.connections.close_at[wanted]) > 0]
    if len(renewed) < max(MIN_CLOSES, AGREE * len(wanted)) or by_chance(pool, 2 * LAZY_BEFORE) > BY_CHANCE:
        return None
    return renewed if moments(pool.connections.close_at[renewed]) >= MIN_CLOSES else None


def dial_beside(pool: Pool, at: Column) -> Column:
    """For each moment the time of the pool's nearest dial, 0 where there is none within 5 ms before or after."""
    dials = np.sort(pool.connections.first_at[pool.dialled])
    if not len(dials):
        return np.zeros(len(at), dtype=np.int64)
    after = np.minimum(np.searchsorted(dials, at), len(dials) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(dials[before] - at) < np.abs(dials[after] - at), dials[before], dials[after])
    return np.where(np.abs(nearest - at) <= LAZY_BEFORE, nearest, 0)


def by_chance(pool: Pool, window: int) -> float:
    """The part of all moments that have a dial of the pool within a window of so many nanoseconds around them."""
    return float(1 - np.exp(-(pool.opens_per_second or 0.0) / 1e9 * window))


def last_demand(pool: Pool) -> int:
    """When the last request or dial began; what closes later was not asked for again."""
    return int(max(pool.busy_from.max(initial=0), pool.connections.first_at[pool.dialled].max(initial=0)))


def asked_again(pool: Pool, rows: Column) -> Column:
    """For each connection the dial that replaced it, told by its own packets; 0 where they do not tell.

    A client that does not read in the background sees the server's FIN only when it wants the connection again: its own
    FIN comes late, and a SYN within milliseconds.  A lazy client closes and dials in one step.  Both hold whatever other
    programs behind the same address have idle.
    """
    c = pool.connections
    if by_chance(pool, 2 * LAZY_BEFORE) > BY_CHANCE:
        return np.zeros(len(rows), dtype=np.int64)
    fin, rst = c.client_fin_at[rows], c.client_rst_at[rows]
    answer = np.where((fin > 0) & ((rst == 0) | (fin < rst)), fin, rst)
    late = (pool.closer[rows] == Side.CLIENT) | (answer > c.close_at[rows] + pool.immediate_limit)
    return np.where(late & (answer > 0), dial_beside(pool, answer), 0)


def reopened(pool: Pool, timer: Timer) -> int:
    """Dials that the timer's closes cost, by whichever sign shows more."""
    cost = reopened_after(pool, timer.rows)
    if timer.owner == Side.CLIENT and not timer.lazy:
        return cost  # a timer that fires by itself has no step in common with a dial
    again = asked_again(pool, timer.rows)
    return max(cost, len(np.unique(again[again > 0])))


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
