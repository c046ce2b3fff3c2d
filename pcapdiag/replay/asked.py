"""The settings that somebody asks for, all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pcapdiag.model.whatif import Sweep
from pcapdiag.model.words import Knob
from pcapdiag.pools.ceiling import ceiling
from pcapdiag.pools.pool import Pool
from pcapdiag.replay.changing import BEHIND, changed, enough, value_in
from pcapdiag.replay.engine import replay
from pcapdiag.replay.policy import Policy
from pcapdiag.replay.present import Present
from pcapdiag.replay.spelling import Parties, as_read, setting_of, setting_value
from pcapdiag.replay.sweeps import the_smallest
from pcapdiag.replay.trials import now, trial
from pcapdiag.settings.naming import SWITCHES, Assignment, Named, first_of_knob, value_of

NOT_REUSED = (
    "Nothing is used a second time here, and that setting does not change it: share one client, read and close bodies, or "
    "switch keep-alive on first (--set instance_per_request=shared beside it)."
)
HIDDEN = (
    "requests wait inside this client for one of {limit:,} connections, or it has as many callers: when they would have "
    "come is not on the wire"
)


def asked_for(pool: Pool, parties: Parties, seen: Present, asked: Sequence[tuple[Assignment, Named]]) -> Sweep:
    """All that was asked for, together, and the smallest value where it is one number."""
    # Limits before what makes them matter, and second limits last: then nobody's default stands in for what was asked.
    asked = sorted(asked, key=lambda one: (first_of_knob(one[1]) is not None, one[1].knob in SWITCHES))
    policy, notes, settings, simulated = seen.policy, [], [], 0
    for wanted, named in asked:
        value = value_of(named, wanted.value)
        if named.product is not None and parties.id_of(named.role) is None:
            notes.append(
                f"The {named.role}'s software is not named in the packets; it is taken to be {named.product.name}."
            )
        settings.append(setting_value(named.knob, named.role, value, parties, named))
        if (named.knob, named.role) == (Knob.TOTAL_POOL_LIMIT, "client"):
            hidden = waits_inside(pool, value)
            if hidden:
                notes.append(f"No prediction for {named.name}: {hidden}.")
                continue
        simulated += 1
        value = beside_the_other(pool, policy, named, value, notes)
        policy = with_change(policy, seen.policy, named.knob, named.role, value, parties, notes)
    if not policy.reuse and any(named.knob not in SWITCHES for _, named in asked):
        notes.append(NOT_REUSED)
    first = asked[0][1]
    trials = [now(pool, seen)]
    if policy == seen.policy:
        trials += [replace(trials[0], settings=tuple(settings))] if simulated else []
    else:
        trials.append(trial(pool, seen, policy, tuple(settings)))
    best, free = None, replay(seen.demand, policy).dials
    alone = len(asked) == 1 and first_of_knob(first) is None
    if alone and (first.knob, first.role) in BEHIND.values() and seen.policy.reuse:
        after, (unlimited, allowed) = free, enough(seen.demand, seen.policy, first.knob, first.role)
        free = unlimited.dials
        if max(seen.outcome.dials, after) > allowed:  # else the limit costs nothing, before or after
            best = the_smallest(pool, parties, seen, seen.policy, first.knob, first.role, first)
        if best is not None and best.value != settings[0].value:
            own = changed(seen.policy, best.knob, best.role, best.value)
            trials.append(trial(pool, seen, own, (best,)))
    if first.knob in SWITCHES:
        shown = "connections are used again" if seen.policy.reuse else "nothing is used again"
    elif first_of_knob(first) is not None:
        shown = "not visible in these packets"
    else:
        value = value_in(seen.policy, first.knob, first.role)
        shown = as_read(pool, first.knob, first.role, value, "no limit seen")
    return Sweep(
        settings[0].name,
        first.knob,
        first.role,
        shown,
        tuple(trials),
        best,
        free + seen.demand.warm,
        tuple(dict.fromkeys(notes)),
    )


def beside_the_other(
    pool: Pool, policy: Policy, named: Named, value: float | bool | None, notes: list[str]
) -> float | bool | None:
    """Of two limits on idle connections, as Go has one for each host and one for all, the smaller decides."""
    if named.knob != Knob.IDLE_POOL_LIMIT or named.product is None or isinstance(value, bool):
        return value
    first = first_of_knob(named)
    if first is not None:
        if policy.idle_limit is None or (value is not None and value <= policy.idle_limit):
            return value
        notes.append(f"{first.name} stays at {policy.idle_limit:,}: the smaller limit decides.")
        return float(policy.idle_limit)
    for other in named.product.settings_for(named.knob)[1:]:
        if other.default_value is not None and (value is None or value > other.default_value):
            notes.append(f"{other.name} must not be smaller; its default is {other.default}.")
    return value


def waits_inside(pool: Pool, value: float | bool | None) -> str:
    """Why a limit on connections cannot be raised in a replay: the requests that it holds back are not on the wire."""
    seen = ceiling(pool)
    if seen is None or isinstance(value, bool) or (value is not None and value <= seen.limit):
        return ""
    return HIDDEN.format(limit=seen.limit)


def with_change(
    policy: Policy,
    before: Policy,
    knob: Knob,
    role: str,
    value: float | bool | None,
    parties: Parties,
    notes: list[str],
) -> Policy:
    """The change; where it makes connections reusable that never were, the pool has its product's default size."""
    after = changed(policy, knob, role, value)
    if after.reuse and not before.reuse and after.idle_limit is None:
        setting = setting_of(Knob.IDLE_POOL_LIMIT, "client", parties)
        if setting is not None and setting.default_value is not None:
            after = changed(after, Knob.IDLE_POOL_LIMIT, "client", setting.default_value)
            notes.append(f"With {setting.name} at its default, {setting.default_value:g}.")
    return after
