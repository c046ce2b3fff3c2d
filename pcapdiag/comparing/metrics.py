"""The numbers of both captures, made comparable: rates per request, and changes beyond chance only."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from pcapdiag.comparing.use import Use, weakest
from pcapdiag.model.comparison import Metric
from pcapdiag.model.words import Change

PER = 1000  # requests that rates are given for
# Counts differ by chance by more than three standard errors in 1 of 400 cases; a page compares some dozen of them.
ERRORS = 3
# Below a tenth nobody changes a setting.
NOTABLE = 0.1
# Waits move by a fifth from run to run of the same load.
WAIT_SHARE = 0.2
# What is less than a scheduler's doing is unclear: it may hold a request for a time slice, some 4 ms, and a median by a
# quarter of that.
WAIT_NS = {"median_ns": 1_000_000, "p95_ns": 4_000_000}
# Peaks of the same load differ from run to run by a fifth.
ABOUT = 0.8
# Beyond a factor of two loads are unlike: rates per request stay comparable, waits and peaks do not.
FACTOR = 2.0
# A percentile needs some samples beyond it: ten above a median, three above the 95th percentile (the rule of three).
SAMPLES = {"median_ns": 20, "p95_ns": 60}


def load(before: Use, after: Use) -> tuple[Metric, ...]:
    """What was asked of the service."""
    worth = weakest([before.worth, after.worth])
    return (
        Metric("duration_ns", before.most("duration_ns"), after.most("duration_ns")),
        Metric("clients", len(before.names("client_ip")), len(after.names("client_ip"))),
        Metric("requests", before.requests, after.requests, worth=worth),
        Metric("requests_per_second", before.requests_per_second, after.requests_per_second, worth=worth),
        Metric("peak_busy", before.peak_busy, after.peak_busy),
        Metric("peak_connections", before.most("peak_connections"), after.most("peak_connections")),
        Metric("peak_kept", before.most("peak_kept"), after.most("peak_kept")),
    )


def use(before: Use, after: Use) -> tuple[Metric, ...]:
    """What the service did with it; what is zero in both captures is left out where it is a fault."""
    reuse = churn(before, after)
    rows = [
        Metric(
            "requests_per_connection", ratio(before.requests, before.used), ratio(after.requests, after.used), reuse
        ),
        # The first fill of a pool is more per request the shorter the capture is: what is avoidable decides.
        rate("handshakes", before.opens, after.opens, before, after, reuse),
        rate("avoidable_handshakes", before.avoidable, after.avoidable, before, after, reuse),
        rate("missed_reuse", before.total("missed_reuse"), after.total("missed_reuse"), before, after),
        *(left_behind(side, before, after) for side in ("client", "server")),
        rate("lost_requests", before.lost_requests, after.lost_requests, before, after),
        rate("failed_dials", before.failed_dials, after.failed_dials, before, after),
        share("retransmitted", "data_segments", before, after),
        *(wait(which, before, after) for which in SAMPLES),
    ]
    kept = ("requests_per_connection", "handshakes_per_1000_requests")
    shown = [row for row in rows if row.name in kept or row.before or row.after]
    return tuple(weighed(row, before, after) for row in shown)


def weighed(metric: Metric, before: Use, after: Use) -> Metric:
    """What is counted per request with what the count of requests is worth; unlike ones cannot be compared."""
    if "request" not in metric.name:
        return metric
    change = metric.change
    if before.worth != after.worth and change is not None:
        change = Change.UNCLEAR
    return replace(metric, change=change, worth=weakest([before.worth, after.worth]))


def rate(name: str, first: int, second: int, before: Use, after: Use, change: Change | None = None) -> Metric:
    """Events per thousand requests; fewer are better."""
    return Metric(
        f"{name}_per_{PER}_requests",
        ratio(PER * first, before.requests),
        ratio(PER * second, after.requests),
        change or moved(first, before.requests, second, after.requests),
    )


def left_behind(side: str, before: Use, after: Use) -> Metric:
    """Closes that leave TIME_WAIT.

    Those of a pool that ends, with its program or its server, are no churn.  What a capture left open closes later:
    a change that this could undo is unclear.
    """
    first, second = before.time_wait(side), after.time_wait(side)
    none_open = waits_moved(first, second, before, after)
    change = none_open
    if none_open == Change.BETTER and waits_moved(first, second + after.left_open, before, after) != Change.BETTER:
        change = Change.UNCLEAR
    if none_open == Change.WORSE and waits_moved(first + before.left_open, second, before, after) != Change.WORSE:
        change = Change.UNCLEAR
    return rate(f"time_wait_{side}", first, second, before, after, change)


def waits_moved(first: int, second: int, before: Use, after: Use) -> Change:
    return moved(
        max(0, first - before.peak_busy),
        before.requests,
        max(0, second - after.peak_busy),
        after.requests,
        before.burst,
        after.burst,
    )


def share(part: str, whole: str, before: Use, after: Use) -> Metric:
    first, second = before.total(part), after.total(part)
    of_first, of_second = before.total(whole), after.total(whole)
    return Metric(
        f"{part}_share",
        ratio(first, of_first),
        ratio(second, of_second),
        moved(first, of_first, second, of_second),
    )


def wait(which: str, before: Use, after: Use) -> Metric:
    """The wait for the first byte; that it is shorter under less load, or longer under more, says nothing."""
    first, many = before.first_byte(which)
    second, more = after.first_byte(which)
    if first is None or second is None or min(many, more) < SAMPLES[which]:
        change = Change.UNCLEAR
    elif abs(second - first) < WAIT_SHARE * max(first, second):
        change = Change.SAME
    elif abs(second - first) < WAIT_NS[which]:
        change = Change.UNCLEAR
    else:
        change = Change.BETTER if second < first else Change.WORSE
    heavier = load_moved(before, after)
    if heavier is not None and change == (Change.WORSE if heavier else Change.BETTER):
        change = Change.UNCLEAR
    return Metric(f"first_byte_{which}", first, second, change)


def unlike(old: float, new: float) -> bool:
    return not old <= FACTOR * new <= FACTOR**2 * old


def load_moved(before: Use, after: Use) -> bool | None:
    """Whether ``after`` was under the heavier load; None where both were about the same."""
    old, new = before.requests_per_second, after.requests_per_second
    if old and new and unlike(old, new):
        return new > old
    if after.peak_busy < ABOUT * before.peak_busy:
        return False
    return True if before.peak_busy < ABOUT * after.peak_busy else None


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def churn(before: Use, after: Use) -> Change:
    """How the avoidable handshakes moved.  They come in bursts, and so do the closes ahead of them."""
    return moved(before.avoidable, before.requests, after.avoidable, after.requests, before.burst, after.burst)


def moved(first: int, of_first: int, second: int, of_second: int, burst: float = 1, other_burst: float = 1) -> Change:
    """Whether the rate of unwanted events fell or rose by more than chance explains and anybody cares about.

    Args:
        first, second: events among ``of_first`` and ``of_second`` requests, dials, ...
        burst, other_burst: how many events come together; only the bursts are independent of each other.
    """
    if not of_first or not of_second:
        return Change.UNCLEAR
    old, new = first / of_first, second / of_second
    chance = ERRORS * sqrt(variance(first, of_first, burst) + variance(second, of_second, other_burst))
    if abs(new - old) <= max(chance, NOTABLE * max(old, new)):
        return Change.SAME
    return Change.BETTER if new < old else Change.WORSE


def variance(events: int, among: int, burst: float) -> float:
    """Of a rate, binomial; at least that of one event, since none seen is not none ever."""
    share_ = min(events / among, 1.0)
    return max(events * (1 - share_), 1) * max(burst, 1) / among**2
