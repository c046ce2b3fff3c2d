"""The tables that a pool's churn calls for: a setting from its present value up to the smallest that is enough."""

from __future__ import annotations

from collections import Counter

from pcapdiag.model.whatif import SettingValue, Sweep
from pcapdiag.model.words import Knob, Side
from pcapdiag.pools.pool import Pool
from pcapdiag.replay.changing import BEHIND, changed, enough, longest_idle, smallest, steps, value_in
from pcapdiag.replay.demand import ASKED
from pcapdiag.replay.engine import Outcome, Why, replay
from pcapdiag.replay.policy import Policy
from pcapdiag.replay.present import Present, bound
from pcapdiag.replay.spelling import NEUTRAL, Parties, as_read, setting_of, setting_value
from pcapdiag.replay.trials import now, told, trial
from pcapdiag.settings.naming import TIMES, Named

# A limit is worth a table where it costs this part of the dials.
WORTH = 0.1


def called_for(pool: Pool, parties: Parties, seen: Present) -> tuple[Sweep, ...]:
    """A table for each limit that costs a tenth of the dials or more, the costliest first."""
    demand, policy = seen.demand, seen.policy
    if not policy.reuse:
        return (shared(pool, parties, seen),) if not quiet(pool) else ()
    found = []
    reasons = Counter((why, side.word) for _, side, why in seen.outcome.closes)
    for (why, side), _ in reasons.most_common():
        if why is Why.SAID:
            found += said(pool, parties, seen, side)
            continue
        knob, role = BEHIND[why, side]
        free, allowed = enough(demand, policy, knob, role)
        if demand.dials <= allowed or seen.outcome.dials - free.dials < WORTH * seen.outcome.dials:
            continue
        found.append(sweep(pool, parties, seen, knob, role, free))
    return tuple(found)


def quiet(pool: Pool) -> bool:
    """No more connections than requests ran at once, but for one in a hundred: there is nothing to save."""
    return int(pool.dialled.sum()) <= bound(pool) + max(1, pool.requests // 100)


def sweep(pool: Pool, parties: Parties, seen: Present, knob: Knob, role: str, free: Outcome) -> Sweep:
    """The present, some steps up, and the smallest value that is enough."""
    policy = seen.policy
    value = value_in(policy, knob, role)
    best = the_smallest(pool, parties, seen, policy, knob, role)
    last = best.value if best is not None else None
    tried: list[float | None] = [*steps(knob, value, None if last is None else float(last))]
    tried.append(None if last is None else float(last))
    trials = [now(pool, seen)]
    for one in tried:
        outcome = replay(seen.demand, changed(policy, knob, role, one))
        trials.append(told(pool, seen, outcome, (setting_value(knob, role, one, parties),)))
        if outcome.dials <= free.dials:
            break  # more of it changes nothing
    name = setting_value(knob, role, value, parties).name
    return Sweep(name, knob, role, as_read(pool, knob, role, value), tuple(trials), best, free.dials + seen.demand.warm)


def the_smallest(
    pool: Pool,
    parties: Parties,
    seen: Present,
    policy: Policy,
    knob: Knob,
    role: str,
    named: Named | None = None,
) -> SettingValue | None:
    """The smallest value that is enough: connections to one, seconds to a tenth.

    A limit on requests or on age is reached sooner or later, whatever it is: there any value that is enough would tell
    how long the capture is.
    """
    if knob in (Knob.MAX_REQUESTS, Knob.MAX_LIFETIME):
        return None
    if knob in TIMES:
        ceiling_ = int(longest_idle(pool) * 10) + 2
        value = smallest(seen.demand, policy, knob, role, ceiling_, lambda step: step / 10)
    else:
        value = smallest(seen.demand, policy, knob, role, max(bound(pool), pool.peak_open) + 1)
    return None if value is None else setting_value(knob, role, value, parties, named)


def shared(pool: Pool, parties: Parties, seen: Present) -> Sweep:
    """Connections that are used again at last, in a pool of the default size, of some more, and of one that is enough."""
    demand = seen.demand
    open_ = changed(seen.policy, Knob.INSTANCE_PER_REQUEST, "client", True)
    free = replay(demand, open_)
    on = SettingValue(
        NEUTRAL[Knob.INSTANCE_PER_REQUEST, "client"], None, Knob.INSTANCE_PER_REQUEST, "client", True, "on"
    )
    setting = setting_of(Knob.IDLE_POOL_LIMIT, "client", parties)
    default = setting.default_value if setting is not None else None
    best = the_smallest(pool, parties, seen, open_, Knob.IDLE_POOL_LIMIT, "client")
    trials = [now(pool, seen)]
    tried = [default] if default is not None else []
    if best is not None and isinstance(best.value, float) and (default is None or best.value > default):
        tried.append(best.value)
    for one in tried:
        settings = (on, setting_value(Knob.IDLE_POOL_LIMIT, "client", one, parties))
        trials.append(trial(pool, seen, changed(open_, Knob.IDLE_POOL_LIMIT, "client", one), settings))
    if not tried:
        trials.append(told(pool, seen, free, (on,)))
    return Sweep(
        f"{on.name}, {setting_value(Knob.IDLE_POOL_LIMIT, 'client', default, parties).name}",
        Knob.INSTANCE_PER_REQUEST,
        "client",
        "nothing is used again",
        tuple(trials),
        best,
        free.dials + demand.warm,
    )


def said(pool: Pool, parties: Parties, seen: Present, side: str) -> list[Sweep]:
    """Closes that requests asked for, or that responses announced: one trial without these."""
    policy = changed(seen.policy, Knob.KEEPALIVE_SWITCH, side, True)
    outcome = replay(seen.demand, policy)
    asked = side == Side.SERVER.word or ASKED in seen.demand.ends
    if not asked or seen.outcome.dials - outcome.dials < WORTH * seen.outcome.dials:
        return []
    # Which of a product's switches does it is not in the packets.
    name = NEUTRAL[Knob.KEEPALIVE_SWITCH, side]
    setting = SettingValue(name, None, Knob.KEEPALIVE_SWITCH, side, True, "on")
    trials = (now(pool, seen), told(pool, seen, outcome, (setting,)))
    return [
        Sweep(
            name,
            Knob.KEEPALIVE_SWITCH,
            side,
            "off",
            trials,
            None,
            outcome.dials + seen.demand.warm,
        )
    ]
