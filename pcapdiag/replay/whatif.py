"""A pool under other settings: the ones asked for, or those that its churn calls for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pcapdiag.model.report import Endpoint
from pcapdiag.model.whatif import BackTest, PoolWhatIf, SettingValue, Sweep, Trial
from pcapdiag.model.words import Knob, Side, TcpState
from pcapdiag.pools.ceiling import ceiling
from pcapdiag.pools.pool import Pool
from pcapdiag.replay.changing import BEHIND, changed, enough, longest_idle, smallest, steps, value_in
from pcapdiag.replay.demand import ASKED
from pcapdiag.replay.engine import Outcome, Why, replay
from pcapdiag.replay.outcome import opens_per_second, time_wait
from pcapdiag.replay.policy import Policy
from pcapdiag.replay.present import Present, at_most, bound, present, refusal
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Recognised, Setting
from pcapdiag.settings.naming import SWITCHES, TIMES, Assignment, Named, first_of_knob, negative, value_of

# Requests of one pool that are replayed for a table: a dozen replays of so many take about three seconds.
MOST = 100_000
# A limit is worth a table where it costs this part of the dials.
WORTH = 0.1

NEUTRAL = {
    (Knob.IDLE_POOL_LIMIT, "client"): "idle connections kept",
    (Knob.TOTAL_POOL_LIMIT, "client"): "connections at most",
    (Knob.IDLE_TIMEOUT, "client"): "client's idle timeout",
    (Knob.MAX_LIFETIME, "client"): "client's connection lifetime",
    (Knob.MAX_REQUESTS, "client"): "client's requests per connection",
    (Knob.KEEPALIVE_SWITCH, "client"): "client's keep-alive",
    (Knob.INSTANCE_PER_REQUEST, "client"): "one shared client",
    (Knob.BODY_CONSUMPTION, "client"): "bodies read and closed",
    (Knob.IDLE_TIMEOUT, "server"): "server's idle timeout",
    (Knob.MAX_LIFETIME, "server"): "server's connection lifetime",
    (Knob.MAX_REQUESTS, "server"): "server's requests per connection",
    (Knob.KEEPALIVE_SWITCH, "server"): "server's keep-alive",
}

NOT_REUSED = (
    "Nothing is used a second time here, and that setting does not change it: share one client, read and close bodies, or "
    "switch keep-alive on first (--set instance_per_request=shared beside it)."
)
HIDDEN = (
    "requests wait inside this client for one of {limit:,} connections, or it has as many callers: when they would have "
    "come is not on the wire"
)


@dataclass(frozen=True)
class Parties:
    """Which programs are at the ends of a pool."""

    client: Recognised
    server: Recognised

    def id_of(self, role: str) -> str | None:
        return self.client.product_id if role == "client" else self.server.product_id


def pool_whatif(pool: Pool, parties: Parties, asked: Sequence[tuple[Assignment, Named]]) -> PoolWhatIf | None:
    """The pool under the settings asked for, or under those that its churn calls for; None where there is no churn.

    Args:
        asked: assignments that fit this pool, each with what its name means here.
    """
    why_not = refusal(pool)
    if why_not:
        return None if not asked and (quiet(pool) or not pool.requests) else row(pool, parties, None, why_not, ())
    seen = present(pool, parties.client.product_id, MOST)
    if not seen.trusted:
        if not asked and quiet(pool):
            return None
        return row(pool, parties, seen, seen.why_not, ())
    if asked:
        return row(pool, parties, seen, "", (asked_for(pool, parties, seen, asked),))
    sweeps = called_for(pool, parties, seen)
    return row(pool, parties, seen, "", sweeps) if sweeps else None


def quiet(pool: Pool) -> bool:
    """No more connections than requests ran at once, but for one in a hundred: there is nothing to save."""
    return int(pool.dialled.sum()) <= bound(pool) + max(1, pool.requests // 100)


def row(pool: Pool, parties: Parties, seen: Present | None, refused: str, sweeps: tuple[Sweep, ...]) -> PoolWhatIf:
    c = pool.connections
    notes = []
    if seen is not None and len(seen.demand) < seen.demand.whole:
        notes.append(
            f"Replayed are the first {len(seen.demand):,} of {seen.demand.whole:,} requests; counts are of those."
        )
    server = parties.server
    return PoolWhatIf(
        id=pool.name,
        client_ip=c.address(int(c.client_ip[0])),
        server=Endpoint(c.address(int(c.server_ip[0])), int(c.server_port[0])),
        client_library=parties.client.name if parties.client.product_id else None,
        server_software=server.name if server.product_id else None,
        requests=pool.requests,
        replayed=0 if seen is None else len(seen.demand),
        connections=pool.size,
        opens_per_second=pool.opens_per_second or 0.0,
        time_wait=waiting_now(pool),
        at_least=bound(pool),
        present=() if seen is None else present_settings(pool, seen.policy, parties),
        back_test=None
        if seen is None
        else BackTest(seen.demand.dials, seen.outcome.dials, seen.off, seen.trusted, seen.tested, seen.why_not),
        refused=refused,
        sweeps=sweeps,
        notes=tuple(notes),
    )


def waiting_now(pool: Pool) -> dict[str, int]:
    c = pool.connections
    return {
        "client": int((c.client_state == TcpState.TIME_WAIT).sum()),
        "server": int((c.server_state == TcpState.TIME_WAIT).sum()),
    }


# -- what it is called, and what it is now


def setting_of(knob: Knob, role: str, parties: Parties) -> Setting | None:
    """The setting of the pool's own program for a knob, the one to change first."""
    product = parties.id_of(role)
    if product is None:
        return None
    return next((one for one in catalog.settings_for(knob, product) if one.role == role), None)


def setting_value(
    knob: Knob, role: str, value: float | bool | None, parties: Parties, named: Named | None = None
) -> SettingValue:
    setting = named.setting if named is not None else setting_of(knob, role, parties)
    product = None
    if named is not None and named.product is not None:
        product = named.product.name
    elif setting is not None:
        product = (parties.client if role == "client" else parties.server).name
    name = named.name if named is not None else setting.name if setting is not None else NEUTRAL[knob, role]
    return SettingValue(name, product, knob, role, value, in_words(knob, value, name))


def in_words(knob: Knob, value: float | bool | None, name: str = "") -> str:
    """The value as the setting of that name is written; ``DisableKeepAlives`` is off where connections are used again."""
    if isinstance(value, bool):
        return "on" if value != negative(name) else "off"
    if value is None:
        return "no limit"
    if knob in TIMES:
        return f"{value:.3g} s" if value < 1_000 else f"{value:,.0f} s"
    return f"{value:,.0f}"


def as_read(pool: Pool, knob: Knob, role: str, value: float | None, none: str = "no limit") -> str:
    """A present value in words: "2", "75 s", "at most 6 s"."""
    if value is None:
        return none
    side = Side.CLIENT if role == "client" else Side.SERVER
    bounded = knob == Knob.IDLE_TIMEOUT and at_most(pool, side)
    return ("at most " if bounded else "") + in_words(knob, value)


def present_settings(pool: Pool, policy: Policy, parties: Parties) -> tuple[SettingValue, ...]:
    """The limits that the packets show, as their products call them."""
    found = []
    if not policy.reuse:
        found.append(SettingValue("reuse of connections", None, Knob.KEEPALIVE_SWITCH, "client", False, "none"))
    for knob, role in BEHIND.values():
        value = value_in(policy, knob, role)
        if value is not None:
            found.append(replace(setting_value(knob, role, value, parties), text=as_read(pool, knob, role, value)))
    return tuple(found)


# -- trials


def trial(pool: Pool, seen: Present, policy: Policy, settings: tuple[SettingValue, ...]) -> Trial:
    outcome = replay(seen.demand, policy)
    return told(pool, seen, outcome, settings)


def told(pool: Pool, seen: Present, outcome: Outcome, settings: tuple[SettingValue, ...]) -> Trial:
    """An outcome beside the present: handshakes against the capture's own, waiting against the replay of the present."""
    demand = seen.demand
    return Trial(
        settings,
        outcome.dials + demand.warm,
        opens_per_second(demand, outcome.dials),
        time_wait(pool, demand, outcome),
        demand.dials - outcome.dials,
        seen.outcome.waited - outcome.waited,
        outcome.peak_open,
    )


def now(pool: Pool, seen: Present) -> Trial:
    """The present as the capture has it."""
    demand = seen.demand
    whole = len(demand) == demand.whole
    return Trial(
        (),
        demand.dials + demand.warm,
        opens_per_second(demand, demand.dials),
        waiting_now(pool) if whole else time_wait(pool, demand, seen.outcome),
        0,
        0,
        pool.peak_open,
    )


def asked_for(pool: Pool, parties: Parties, seen: Present, asked: Sequence[tuple[Assignment, Named]]) -> Sweep:
    """All that was asked for, together, and the smallest value where it is one number."""
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
    best, free = None, seen.outcome.dials
    alone = len(asked) == 1 and first_of_knob(first) is None
    if alone and (first.knob, first.role) in BEHIND.values() and seen.policy.reuse:
        free = enough(seen.demand, seen.policy, first.knob, first.role)[0].dials
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


# -- what the churn calls for


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


__all__ = ["Parties", "pool_whatif"]
