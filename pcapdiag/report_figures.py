"""Pools to what charts are drawn from: bars, levels, silences, states; of each no more than a screen can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pcapdiag.model.figures import Bar, Figures, Level, PoolFigure, Silence, StatesFigure
from pcapdiag.model.report import Finding, FrameRef
from pcapdiag.model.tables import Column, ConnectionTable
from pcapdiag.model.words import CloseClass, Opening, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.exposure import first_bytes, waited_on
from pcapdiag.pools.pool import Fate, Mask, Pool
from pcapdiag.pools.state_timeline import steps_of
from pcapdiag.rules.rule import Desk

# A wide screen has some four thousand columns, and what lies within one of them is drawn as one.
COLUMNS = 4_000
MOST_BARS = 100_000
MOST_INTERVALS = 200_000  # busy ones, of all bars together: a few megabytes of a report
MOST_POOLS = 50
MOST_STEPS = 2_000  # of a level
MOST_VALUES = 2_000  # of a distribution
MOST_MOMENTS = 1_000  # at which TCP states are counted


def figures(
    pools: Sequence[Pool],
    connections: ConnectionTable,
    findings: Sequence[Finding],
    desk: Desk,
    start: int,
    end: int,
) -> Figures:
    """All charts of a report.

    Args:
        pools: all of them, largest first.
        connections: those of the pools, as one table.
        findings: whose pools have charts of their own, and whose evidence has bars, however many there are.
        desk: who knows frames by their files.
        start, end: of the capture, nanoseconds since the epoch.
    """
    cited = np.unique([proof.connection for finding in findings for proof in finding.evidence]).astype(np.int64)
    found = {name for finding in findings for name in finding.pools}
    bars, resolution, left_out = bars_of(pools, cited, desk, start, end)
    charted = [pool for at, pool in enumerate(pools) if at < MOST_POOLS or pool.name in found]
    return Figures(
        bars=bars,
        resolution_ns=resolution,
        pools=tuple(pool_figure(pool) for pool in charted),
        states=states_figures(connections, start, end),
        bars_left_out=left_out,
    )


# -- connections over time


def bars_of(pools: Sequence[Pool], cited: Column, desk: Desk, start: int, end: int) -> tuple[tuple[Bar, ...], int, int]:
    """The bars in order of opening, the time below which busy intervals run together, how many bars were left out."""
    places = np.concatenate([np.full(pool.size, at) for at, pool in enumerate(pools)])
    opened = np.concatenate([pool.connections.first_at for pool in pools])
    number = np.concatenate([pool.connections.number for pool in pools])
    order = np.lexsort((number, opened))
    chosen = order[sampled(np.isin(number[order], cited), MOST_BARS)]
    wanted = np.zeros(len(order), dtype=bool)
    wanted[chosen] = True
    first = np.concatenate([[0], np.cumsum([pool.size for pool in pools])])  # the row of each pool's first connection
    resolution = max((end - start) // COLUMNS, 1)
    owner, begin, until, resolution = busy_intervals(pools, first, wanted, resolution)

    columns: list[list[object]] = [[pools[at].name for at in places[chosen].tolist()]]
    for column in (
        number,
        opened,
        np.concatenate([np.maximum(pool.ready_at, pool.connections.first_at) for pool in pools]),
        np.concatenate([ended_at(pool) for pool in pools]),
        np.concatenate([pool.connections.closer for pool in pools]),
        np.concatenate([pool.close_class for pool in pools]),
        np.concatenate([pool.connections.requests for pool in pools]),
        np.concatenate([pool.connections.opening for pool in pools]),
        np.concatenate([pool.connections.first_frame for pool in pools]),
        np.concatenate([pool.connections.last_frame for pool in pools]),
        np.concatenate([pool.connections.client_port for pool in pools]),
        np.searchsorted(owner, np.arange(len(order))) * 2,
        np.searchsorted(owner, np.arange(len(order)), side="right") * 2,
    ):
        columns.append(column[chosen].tolist())
    busy = np.column_stack([begin, until]).ravel().tolist()
    closers, classes, openings = ([one.word for one in kind] for kind in (Side, CloseClass, Opening))
    frame = FrameRef if len(desk.file_starts) < 2 else desk.frame
    bars = tuple(
        Bar(
            n, pool, opened_, ready, ended, closers[closer], classes[kind], requests, openings[opening],
            tuple(busy[low:high]), frame(first_frame), frame(last_frame), port,
        )
        for pool, n, opened_, ready, ended, closer, kind, requests, opening, first_frame, last_frame, port, low, high
        in zip(*columns, strict=True)
    )  # fmt: skip
    return bars, resolution, len(order) - len(bars)


def ended_at(pool: Pool) -> Column:
    """When each connection closed; the capture's end where it stayed open, the last packet where it was never one."""
    c = pool.connections
    still_there = np.where(c.opening == Opening.UNANSWERED, c.last_at, pool.end)
    return np.maximum(np.where(pool.closed, c.close_at, still_there), c.first_at)


def busy_intervals(
    pools: Sequence[Pool], first: Column, wanted: Mask, resolution: int
) -> tuple[Column, Column, Column, int]:
    """When each wanted connection was busy: its row among all, begin, end, in order; and the resolution that was needed.

    Intervals nearer to each other than the resolution become one, and it grows until there are few enough.
    """
    owner = np.concatenate([pool.exchanges.connection + at for pool, at in zip(pools, first, strict=False)])
    begin = np.concatenate([pool.busy_from for pool in pools])
    until = np.concatenate([np.minimum(pool.busy_until, pool.end) for pool in pools])
    kept = np.flatnonzero(wanted[owner] & (begin > 0))
    owner, begin, until = owner[kept], begin[kept], np.maximum(until[kept], begin[kept])
    if ((owner[1:] == owner[:-1]) & ((begin[1:] < begin[:-1]) | (until[1:] < until[:-1]))).any():
        order = np.lexsort((until, begin, owner))
        owner, begin, until = owner[order], begin[order], until[order]
        # The latest end so far within each connection; ranks, since owner and time together overflow 64 bits.
        rank = np.empty(len(until), dtype=np.int64)
        by_end = np.argsort(until, kind="stable")
        rank[by_end] = np.arange(len(until))
        until = until[by_end[np.maximum.accumulate(owner * len(until) + rank) % len(until)]]
    same = owner[1:] == owner[:-1]
    gaps = (begin[1:] - until[:-1])[same]
    room = max(MOST_INTERVALS - (len(owner) - len(gaps)), 0)  # each connection has one at least
    if int((gaps >= resolution).sum()) > room:
        resolution = int(np.partition(gaps, len(gaps) - room - 1)[len(gaps) - room - 1]) + 1
    apart = np.append(True, ~same | (begin[1:] - until[:-1] >= resolution))[: len(owner)]
    starts = np.flatnonzero(apart)
    ends = np.append(starts[1:], len(owner))[: len(starts)] - 1
    return owner[starts], begin[starts], until[ends], resolution


# -- a pool


def pool_figure(pool: Pool) -> PoolFigure:
    """The charts of one pool."""
    c = pool.connections
    waited, on = first_bytes(pool), waited_on(pool)
    silences = silences_of(pool)
    which = np.sort(spread(len(waited), np.argsort(waited, kind="stable")))
    tell = pool.usable & (pool.gone_at > c.first_at)
    return PoolFigure(
        pool=pool.name,
        open=level(c.first_at[tell], pool.gone_at[tell], pool.end),
        busy=level(pool.busy_from, pool.busy_until, pool.end),
        idle=level(pool.idle.start, pool.idle.end, pool.end),
        silences=silences[0],
        first_byte_ns=tuple(waited[which].tolist()),
        first_byte_connections=tuple(on[which].tolist()),
        silence_count=silences[1],
        first_byte_count=len(waited),
    )


def level(start: Column, end: Column, last: int) -> Level:
    """How many intervals cover each moment up to ``last``."""
    at, values = timeline.steps(start, end)
    after = np.append(at[1:] > at[:-1], True)[: len(at)]  # of the steps of one moment the last one counts
    kept = after & (at <= last)
    at, values = at[kept], values[kept]
    if len(at) > MOST_STEPS:
        rows = extremes(at, values, MOST_STEPS // 3)
        at, values = at[rows], values[rows]
    return Level(tuple(at.tolist()), tuple(values.tolist()))


def extremes(at: Column, values: Column, stretches: int) -> Column:
    """Rows of the highest, the lowest and the last value of each stretch of time, in order.

    The last one makes what follows right where a stretch without a step comes next.
    """
    stretch = ((at - at[0]) / (at[-1] - at[0] + 1) * stretches).astype(np.int64)
    starts = np.flatnonzero(np.append(True, stretch[1:] > stretch[:-1]))
    sizes = np.diff(np.append(starts, len(at)))
    rows = [starts + sizes - 1]
    for extreme in (np.maximum, np.minimum):
        reached = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), sizes))
        rows.append(reached[np.searchsorted(reached, starts)])
    return np.unique(np.concatenate(rows))


def silences_of(pool: Pool) -> tuple[tuple[Silence, ...], int]:
    """Silences behind which a connection was used again, was closed, or was still open; and how many there are.

    A request without its answer is no silence, and neither is the time between the handshake and the first request.
    """
    idle = pool.idle
    survived = (idle.fate == Fate.REUSED) & ~idle.fresh
    still = idle.fate == Fate.CAPTURE_END
    asleep = np.flatnonzero(survived | still)
    ended = np.flatnonzero(pool.usable & pool.closed & (pool.close_class != CloseClass.OPEN_REQUEST))
    closer = np.where(pool.closer == Side.UNDECIDABLE, pool.connections.closer, pool.closer)[ended]
    words = ("request", "open", Side.CLIENT.word, Side.SERVER.word)
    ends = np.concatenate([np.where(still[asleep], 1, 0), np.where(closer == Side.CLIENT, 2, 3)])
    lengths = np.concatenate([(idle.end - idle.start)[asleep], pool.linger[ended]])
    # An interval up to the capture's end lasts until just behind it.
    lengths = np.where(ends == 1, np.maximum(lengths - 1, 0), lengths)
    numbers = pool.connections.number[np.concatenate([idle.connection[asleep], ended])]
    order = np.lexsort((lengths, ends))
    longest = np.searchsorted(ends[order], np.arange(len(words)), side="right") - 1
    chosen = np.union1d(spread(len(order), order), order[longest[longest >= 0]])
    chosen = chosen[np.lexsort((lengths[chosen], ends[chosen]))]
    out = zip(numbers[chosen].tolist(), lengths[chosen].tolist(), ends[chosen].tolist(), strict=True)
    return tuple(Silence(number, ns, words[end]) for number, ns, end in out), len(order)


# -- samples


def spread(count: int, order: Column) -> Column:
    """Rows of an even sample, in the order given, the last one among them; all where they are few enough."""
    if count <= MOST_VALUES:
        return order
    return order[np.linspace(0, count - 1, MOST_VALUES).round().astype(np.int64)]


def sampled(certain: Mask, most: int) -> Column:
    """Rows of an even sample with all the certain ones in it, in order."""
    if len(certain) <= most:
        return np.arange(len(certain))
    others = np.flatnonzero(~certain)
    room = max(most - int(certain.sum()), 0)
    taken = others[np.linspace(0, len(others) - 1, room).round().astype(np.int64)]
    return np.union1d(np.flatnonzero(certain), taken)


# -- TCP states


def states_figures(connections: ConnectionTable, start: int, end: int) -> tuple[StatesFigure, ...]:
    """Sockets at each end by state: whenever one changes, or at even steps through the capture where many do."""
    ends = [(side, steps_of(connections, side, start).stays()) for side in (Side.CLIENT, Side.SERVER)]
    ends = [(side, stays.of(stays.begin <= end)) for side, stays in ends]
    changes = np.unique(np.concatenate([[start, end], *(times for _, of in ends for times in (of.begin, of.end))]))
    moments = changes[(changes >= start) & (changes <= end)]
    if len(moments) > MOST_MOMENTS:
        moments = np.unique(start + np.linspace(0, end - start, MOST_MOMENTS).round().astype(np.int64))
    return tuple(
        StatesFigure(
            end=side.word,
            moments=tuple(moments.tolist()),
            counts={state.word: tuple(those.count(moments).tolist()) for state, those in stays.by_state()},
            peaks={state.word: those.peak()[0] for state, those in stays.by_state()},
        )
        for side, stays in ends
    )
