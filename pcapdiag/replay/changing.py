"""From one policy to another: a setting changed, the steps worth a look, the smallest value that is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pcapdiag.model.words import Knob
from pcapdiag.pools.pool import SECOND, Fate, Pool
from pcapdiag.replay.demand import Demand
from pcapdiag.replay.engine import Outcome, Why, replay
from pcapdiag.replay.policy import Policy

# The field of the policy that a knob is.
FIELDS = {
    (Knob.IDLE_POOL_LIMIT, "client"): "idle_limit",
    (Knob.TOTAL_POOL_LIMIT, "client"): "max_connections",
    (Knob.IDLE_TIMEOUT, "client"): "idle_timeout",
    (Knob.MAX_LIFETIME, "client"): "lifetime",
    (Knob.MAX_REQUESTS, "client"): "requests",
    (Knob.IDLE_TIMEOUT, "server"): "server_idle_timeout",
    (Knob.MAX_LIFETIME, "server"): "server_lifetime",
    (Knob.MAX_REQUESTS, "server"): "server_requests",
}
TIMES = frozenset({"idle_timeout", "lifetime", "server_idle_timeout", "server_lifetime"})
# The knob behind each of a replay's reasons to close, by side where both have one.
BEHIND = {
    (Why.OVERFLOW, "client"): (Knob.IDLE_POOL_LIMIT, "client"),
    (Why.IDLE, "client"): (Knob.IDLE_TIMEOUT, "client"),
    (Why.IDLE, "server"): (Knob.IDLE_TIMEOUT, "server"),
    (Why.AGE, "client"): (Knob.MAX_LIFETIME, "client"),
    (Why.AGE, "server"): (Knob.MAX_LIFETIME, "server"),
    (Why.COUNT, "client"): (Knob.MAX_REQUESTS, "client"),
    (Why.COUNT, "server"): (Knob.MAX_REQUESTS, "server"),
}
# Values that people set.
COUNTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1_000, 2_000, 5_000, 10_000)
CAPS = (10, 100, 1_000, 10_000, 100_000)
SECONDS = (1, 2, 3, 5, 10, 15, 20, 30, 60, 75, 90, 120, 180, 300, 600, 900, 1_800, 3_600)
# Churn is removed where no more dials remain beyond the unavoidable ones than one for so many requests.
REMAINS = 1_000


def changed(policy: Policy, knob: Knob, role: str, value: float | bool | None) -> Policy:
    """The policy with one knob at a value: seconds, a count, True for connections that are used again, None for no limit."""
    if knob in (Knob.KEEPALIVE_SWITCH, Knob.INSTANCE_PER_REQUEST, Knob.BODY_CONSUMPTION):
        on = bool(value)
        if role == "server":
            return replace(policy, heeds_responses=not on, server_requests=policy.server_requests if on else 1)
        return replace(policy, reuse=on, heeds_requests=not on)
    name = FIELDS[knob, role]
    if isinstance(value, bool):  # a pool that blocks where it would otherwise dial beyond its size
        return replace(policy, max_connections=policy.idle_limit if value else None)
    limit: Any = None  # mypy does not know that FIELDS names fields of this type
    if value is not None:
        limit = round(value * SECOND) if name in TIMES else int(value)
    return replace(policy, **{name: limit})


def value_in(policy: Policy, knob: Knob, role: str) -> float | None:
    """The knob's value in seconds or as a count; None for no limit."""
    name = FIELDS[knob, role]
    value: int | None = getattr(policy, name)
    return value if value is None or name not in TIMES else value / SECOND


def enough(demand: Demand, policy: Policy, knob: Knob, role: str) -> tuple[Outcome, int]:
    """What the replay comes to without the limit, and how many dials count as no churn."""
    free = replay(demand, changed(policy, knob, role, None))
    return free, free.dials + len(demand) // REMAINS


def smallest(
    demand: Demand, policy: Policy, knob: Knob, role: str, ceiling: int, at: Callable[[int], float] = float
) -> float | None:
    """The smallest value of the knob that is enough, None where only the absence of a limit is.

    Args:
        ceiling: as many steps as there may be; ``at`` gives a step's value.  More of the knob is never worse for pools
            whose newest connections go first; for the others what is found is enough, if not always the smallest.
    """
    _, allowed = enough(demand, policy, knob, role)

    def suffices(step: int) -> bool:
        return replay(demand, changed(policy, knob, role, at(step))).dials <= allowed

    low, high = 0, ceiling
    if not suffices(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if suffices(middle):
            high = middle
        else:
            low = middle
    return at(high)


def steps(knob: Knob, now: float | None, last: float | None) -> list[float]:
    """Round values beyond the present one, up to the last that is of interest; five at most."""
    known: Sequence[int] = COUNTS
    if knob in (Knob.IDLE_TIMEOUT, Knob.MAX_LIFETIME):
        known = SECONDS
    elif knob == Knob.MAX_REQUESTS:
        known = CAPS
    found = [float(value) for value in known if value > (now or 0) and (last is None or value < last)]
    if len(found) <= 5:
        return found
    return [found[round(place * (len(found) - 1) / 4)] for place in range(5)]


def longest_idle(pool: Pool) -> float:
    """The longest silence ahead of the pool's last request or dial that any connection had, in seconds, rounded up."""
    idle = pool.idle
    used = idle.fate == Fate.REUSED
    longest = int((idle.end - idle.start)[used].max(initial=0))
    return max(longest, pool.demand_ns) / SECOND


__all__ = ["BEHIND", "changed", "enough", "longest_idle", "smallest", "steps", "value_in"]
