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
    at = np.concatenate([end, start])
    change = np.concatenate([np.full(len(end), -1, dtype=np.int64), np.ones(len(start), dtype=np.int64)])
    order = np.argsort(at, kind="stable")
    return at[order], np.cumsum(change[order])


def peak(start: Column, end: Column) -> int:
    """The most intervals that are open at once."""
    if len(start) == 0:
        return 0
    _, levels = steps(start, end)
    return int(levels.max())
