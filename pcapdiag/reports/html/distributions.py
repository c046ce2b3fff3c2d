"""Histograms: few bins with round edges, of counts or of times that span decades."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pcapdiag.reports.units import NS, duration, number

NARROW = 40  # whole numbers that still get a bar each
PER_DECADE = (10, 20, 50, 100)  # bins; the first that gives
ENOUGH = 12  # bins in all; of few times fewer
FEWEST = 4
FLOOR_NS = 1_000  # shorter times are all "at once": captures are no more exact


@dataclass(frozen=True)
class Bin:
    """From ``low`` up to and without ``high``; ``count`` in it."""

    low: float
    high: float
    count: int
    label: str


def whole_numbers(counts: Mapping[int, int]) -> list[Bin]:
    """Bins of ``value -> how many``: one for each number, or wider by powers of two where the range is wide."""
    if not counts:
        return []
    first, last = min(counts), max(counts)
    if last - first < NARROW:
        return [Bin(at - 0.5, at + 0.5, counts.get(at, 0), number(at)) for at in range(first, last + 1)]
    step = _round((last - first + 1) / NARROW)
    bins: Counter[int] = Counter()
    for value, count in counts.items():
        bins[value // step] += count
    return [
        Bin(at * step - 0.5, (at + 1) * step - 0.5, bins[at], f"{at * step:,} to {(at + 1) * step - 1:,}")
        for at in range(first // step, last // step + 1)
    ]


def decades(times_ns: Iterable[int], edges: Sequence[float] | None = None) -> list[Bin]:
    """Bins of durations in seconds, equal on a logarithmic axis; ``edges``: those of a larger set that these are in."""
    times = [max(ns, FLOOR_NS) / NS for ns in times_ns]
    edges = edges if edges is not None else edges_of(times)
    if not edges:
        return []
    counts = [0] * (len(edges) - 1)
    for value in times:
        at = bisect_right(edges, value * (1 + 1e-9)) - 1
        counts[min(max(at, 0), len(counts) - 1)] += 1
    return [
        Bin(low, high, count, f"{duration(low)} to {duration(high)}")
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]


def edges_of(times_s: Sequence[float]) -> list[float]:
    """The edges that :func:`decades` puts around these times, in seconds."""
    if not times_s:
        return []
    first, last = (math.log10(max(end, FLOOR_NS / NS)) for end in (min(times_s), max(times_s)))
    enough = min(ENOUGH, max(FEWEST, len(times_s) // 3))
    per = next((per for per in PER_DECADE if (last - first) * per >= enough), PER_DECADE[0])
    low, high = math.floor(first * per + 1e-9), math.floor(last * per + 1e-9) + 1
    return [10 ** (at / per) for at in range(low, high + 1)]


def _round(step: float) -> int:
    """The next of 1, 2, 5, 10, 20, ... that is no smaller."""
    power = 10 ** math.floor(math.log10(step))
    return next(int(power * factor) for factor in (1, 2, 5, 10) if power * factor >= step)
