"""Capture files in, connections in each TCP state over time out: what ``pcapdiag states`` shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcapdiag import state_rows
from pcapdiag._version import __version__
from pcapdiag.errors import UsageError
from pcapdiag.model.states import StateReport
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side
from pcapdiag.packets.source import Progress
from pcapdiag.pipeline import Options, Paths, capture_info, named, names_of, read_tables, redacted, select
from pcapdiag.pools.partition import partition
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.state_timeline import LINUX, Kernel, arrived
from pcapdiag.reports.units import duration_ns, rfc3339
from pcapdiag.rules import all_rules
from pcapdiag.rules.judging import judge
from pcapdiag.rules.rule import Desk

MOST_MOMENTS = 100_000


@dataclass(frozen=True)
class Sampling:
    """When to count connections by state, which ends, and what to count together.

    Times as in :class:`Options`, whose ``since`` and ``until`` bound the time here; ``until`` may lie beyond the capture's
    end.  ``at`` is a single moment; else there is one each ``every`` nanoseconds.
    """

    at: int | None = None
    at_relative: int | None = None
    every: int | None = None
    rows: int | None = None  # moments at the most, where ``every`` is left out; about two dozen
    by: str = "total"  # or "service", "client", "pool"
    ends: tuple[str, ...] = ("client", "server")
    with_findings: bool = False
    kernel: Kernel = LINUX


def states(
    paths: Paths,
    options: Options | None = None,
    sampling: Sampling | None = None,
    progress: Progress | None = None,
) -> StateReport:
    """Count the connections of captures in each TCP state over time, as ``ss`` would have at each end.

    Args:
        paths: a path, or several; ``-`` is standard input.
        options: which connections; its times are those to look at.
        sampling: when to count, and what together.
        progress: called with the bytes read and the bytes in all (None where unknown).

    Raises:
        CaptureError: a file cannot be read, or holds nothing that can be analysed.
        UsageError: an option makes no sense.
    """
    options, sampling = options or Options(), sampling or Sampling()
    names = named(paths)
    tables = read_tables(names, progress)
    anytime = replace(options, since=None, until=None, since_relative=None, until_relative=None)
    selection = select(names, tables, anytime)
    if options.redact:
        tables = redacted(tables, names_of(tables))
    start, end, keep = selection.start, selection.end, selection.keep
    rows = np.flatnonzero(keep)
    connections = tables.connections.take(rows)
    if int(connections.first_at.min()) < start:  # the clock stepped back: the first packet's time is not the earliest
        start, end = int(connections.first_at.min()), int(connections.last_at.max())
    moments, step = state_moments(options, sampling, start, max(end, arrived(connections)))
    window = (int(moments[0]), int(moments[-1]))
    sides = [Side[name.upper()] for name in sampling.ends]
    counting = state_rows.Counting(connections, start, sides, window, sampling.kernel)
    grouping = None
    pools: list[Pool] = []
    if sampling.by == "pool" or sampling.with_findings:
        pools = partition(tables.connections, tables.exchanges, keep, start, end)
    if sampling.by == "pool":
        grouping = state_rows.by_pool(connections, rows, pools)
    elif sampling.by != "total":
        grouping = state_rows.by_client(connections) if sampling.by == "client" else counting.services
    desk = Desk(
        tables.counters.file_starts, options.client_product, options.server_product, tables.counters.dropped_share
    )
    over = counting.waits_over() if window[1] >= end else 0
    return StateReport(
        capture=capture_info(tables, selection.alias),
        first_at=start,
        last_at=end,
        moments=tuple(moments.tolist()),
        step_ns=step,
        by=sampling.by,
        total=counting.total(moments),
        groups=() if grouping is None else counting.groups(grouping, moments),
        open_before=counting.open_before,
        waits_over_at=over if over > window[1] else None,
        time_wait_ns=sampling.kernel.time_wait,
        fin_timeout_ns=sampling.kernel.fin_timeout,
        found=state_rows.found(pools, judge(pools, all_rules(), desk).findings) if sampling.with_findings else (),
        version=__version__,
    )


def state_moments(options: Options, sampling: Sampling, start: int, end: int) -> tuple[Column, int | None]:
    """The moments to count at, in order, and the step between them; the last one is the end of the time asked for."""

    def asked(at: int | None, relative: int | None, default: int) -> int:
        return start + relative if relative is not None else default if at is None else at

    at = asked(sampling.at, sampling.at_relative, -1)
    first = asked(options.since, options.since_relative, start) if at < 0 else at
    last = asked(options.until, options.until_relative, end) if at < 0 else at
    if first < start:
        raise UsageError(f"{rfc3339(first)} is before the capture, which goes from {rfc3339(start)} to {rfc3339(end)}")
    if last < first:
        raise UsageError(f"the time to look at ends at {rfc3339(last)}, before it begins at {rfc3339(first)}")
    if at >= 0:
        return np.array([at], dtype=np.int64), None
    step = sampling.every or state_rows.step_for(last - first, sampling.rows or state_rows.ROWS)
    if (last - first) // step >= MOST_MOMENTS:
        raise UsageError(f"one count each {duration_ns(step)} makes {(last - first) // step + 1:,}; take a longer step")
    moments = np.arange(first, last + 1, step, dtype=np.int64)
    return moments if moments[-1] == last else np.append(moments, last), step
