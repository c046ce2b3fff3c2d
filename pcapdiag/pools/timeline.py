"""How many intervals cover a moment, and the most that ever do."""

from __future__ import annotations

import numpy as np

from pcapdiag.model.tables import Column


def level(at: Column, start: Column, end: Column) -> Column:
    """For each moment of ``at``: intervals with ``start <= at < end``."""
    return level_sorted(at, np.sort(start), np.sort(end))


def level_sorted(at: Column, start: Column, end: Column) -> Column:
    """:func:`level` for starts and ends that are each in order already, for those who ask often."""
    begun = np.searchsorted(start, at, side="right")
    over = np.searchsorted(end, at, side="right")
    return np.asarray(begun - over)


def steps(start: Column, end: Column) -> tuple[Column, Column]:
    """The level as a step function: moments in order, and the level from each moment on.

    Where intervals end and begin at the same moment, ends count first.
    """
    # Two sorts of bare numbers, then a stable sort that has but to merge two runs: an argsort of all takes three times as
    # long, and so do two searches.
    moments = np.concatenate([np.sort(end), np.sort(start)])
    order = np.argsort(moments, kind="stable")
    changes = np.ones(len(moments), dtype=np.int64)
    changes[: len(end)] = -1
    return moments.take(order), changes.take(order).cumsum()


def peak(start: Column, end: Column) -> int:
    """The most intervals that are open at once."""
    start, end = np.sort(start), np.sort(end)
    # More than k are open once when interval i begins before the one k ahead of it, in order of the ends, is over.
    low, high = 0, len(start)
    while low < high:
        k = (low + high) // 2
        if (start[k:] < end[: len(end) - k]).any():
            low = k + 1
        else:
            high = k
    return low
