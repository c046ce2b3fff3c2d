"""Replays for those who ask what would be: the what-if command, and the findings whose setting can be simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pcapdiag._version import __version__
from pcapdiag.errors import UsageError
from pcapdiag.model.report import Finding, Measure
from pcapdiag.model.words import Cause, Knob
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.replay.changing import changed
from pcapdiag.replay.engine import Outcome, replay
from pcapdiag.replay.present import Present, bound, present, refusal
from pcapdiag.replay.spelling import Parties, setting_of
from pcapdiag.replay.trials import now, told
from pcapdiag.rules.rule import Desk

if TYPE_CHECKING:
    from pcapdiag.model.whatif import PoolWhatIf, WhatIf
    from pcapdiag.settings.naming import Assignment, Named

# Requests of a pool that are replayed for a finding: three replays of so many take some 40 ms.
MOST = 5_000
# Pools that are shown, the largest: nobody reads more, and a scan makes thousands.
MOST_POOLS = 100
# The knob that each cause's remedy sets; connections are then used again, or its limit is out of the way.
REMEDIES: Mapping[Cause, tuple[Knob, str]] = {
    Cause.IDLE_POOL_TOO_SMALL: (Knob.IDLE_POOL_LIMIT, "client"),
    Cause.IDLE_TIMEOUT_TOO_SHORT: (Knob.IDLE_TIMEOUT, "client"),
    Cause.CONNECTION_LIFETIME: (Knob.MAX_LIFETIME, "client"),
    Cause.CLIENT_MAX_REQUESTS: (Knob.MAX_REQUESTS, "client"),
    Cause.SERVER_IDLE_TIMEOUT: (Knob.IDLE_TIMEOUT, "server"),
    Cause.SERVER_MAX_REQUESTS: (Knob.MAX_REQUESTS, "server"),
    Cause.SERVER_CONNECTION_CLOSE: (Knob.KEEPALIVE_SWITCH, "server"),
    Cause.NEVER_REUSE_NEW_TRANSPORT: (Knob.INSTANCE_PER_REQUEST, "client"),
    Cause.NEVER_REUSE_KEEPALIVE_DISABLED: (Knob.KEEPALIVE_SWITCH, "client"),
    Cause.BODY_NOT_CLOSED: (Knob.BODY_CONSUMPTION, "client"),
    Cause.BODY_NOT_DRAINED: (Knob.BODY_CONSUMPTION, "client"),
    Cause.TLS_NO_REUSE: (Knob.INSTANCE_PER_REQUEST, "client"),
}
SWITCHED = frozenset({Knob.KEEPALIVE_SWITCH, Knob.INSTANCE_PER_REQUEST, Knob.BODY_CONSUMPTION})


def predicted(one: Finding, pool: Pool, desk: Desk) -> Mapping[str, Measure]:
    """What the finding's pool would come to with its remedy: numbers, or a bound and why there are none.

    Nothing where the remedy cannot be simulated, where the pool cannot be replayed, or where nothing would change.
    """
    remedy = REMEDIES.get(one.causes[0].cause)
    if remedy is None or refusal(pool):
        return {}
    seen = present(pool, desk.client_id(pool), MOST)
    if not seen.trusted:
        return {"connections_at_least": bound(pool), "no_prediction": seen.why_not}
    knob, role = remedy
    policy = changed(seen.policy, knob, role, True if knob in SWITCHED else None)
    outcome = replay(seen.demand, policy)
    if outcome.dials >= min(seen.demand.dials, seen.outcome.dials):
        return {}
    found = numbers(pool, seen, outcome)
    if not seen.policy.reuse:
        setting = setting_of(Knob.IDLE_POOL_LIMIT, "client", Parties(desk.client_of(pool), desk.server_of(pool)))
        if setting is not None and setting.default_value is not None and setting.default_value < outcome.peak_open:
            small = replay(seen.demand, changed(policy, Knob.IDLE_POOL_LIMIT, "client", setting.default_value))
            found["connections_at_default_pool"] = small.dials + seen.demand.warm
            found["default_pool"] = f"{setting.name} left at {setting.default_value:g}"
    return found


def numbers(pool: Pool, seen: Present, outcome: Outcome) -> dict[str, Measure]:
    """An outcome beside the capture, as the measures of a finding's prediction."""
    before, after = now(pool, seen), told(pool, seen, outcome, ())
    return {
        "connections": after.connections,
        "connections_now": before.connections,
        "opens_per_second": round(after.opens_per_second, 2),
        "opens_per_second_now": round(before.opens_per_second, 2),
        "time_wait_client": after.time_wait["client"],
        "time_wait_client_now": before.time_wait["client"],
        "time_wait_server": after.time_wait["server"],
        "time_wait_server_now": before.time_wait["server"],
        "handshakes_saved": after.handshakes_saved,
        "waiting_saved_s": after.waiting_saved_ns / SECOND,
        "requests": pool.requests,
        "replayed_requests": len(seen.demand),
        "replayed_now": seen.outcome.dials + seen.demand.warm,
        "replay_off": round(seen.off, 4),
        "pool_tested": seen.tested,
    }


def whatif_of(pools: Sequence[Pool], asked: Sequence[Assignment], desk: Desk, files: tuple[str, ...]) -> WhatIf:
    """Every pool that the settings fit, under all of them; without settings every pool that has churn.

    Raises:
        UsageError: a setting fits no pool.
    """
    from pcapdiag.model.whatif import WhatIf
    from pcapdiag.replay.whatif import pool_whatif  # a diagnosis does without

    rows: list[PoolWhatIf] = []
    left_out = 0
    unused = set(range(len(asked)))
    ends: dict[str, set[str]] = {"client": set(), "server": set()}
    for pool in pools:
        if pool.tiny or len(rows) == MOST_POOLS:
            left_out += 1
            continue
        parties = Parties(desk.client_of(pool), desk.server_of(pool))
        ends["client"].add(parties.client.name)
        ends["server"].add(parties.server.name)
        fitting = []
        for place, one in enumerate(asked):
            named = fits(one, parties)
            if named is not None:
                fitting.append((one, named))
                unused.discard(place)
        if asked and not fitting:
            continue
        row = pool_whatif(pool, parties, fitting)
        if row is not None:
            rows.append(row)
    if unused and ends["client"]:
        one = asked[min(unused)]
        named = one.meant[0]
        there = ", ".join(sorted(ends[named.role]))
        products = ", ".join(sorted({each.product.name for each in one.meant if each.product is not None})[:3])
        raise UsageError(
            f"--set {one.text}: {one.name} is a setting of {products}, and the {named.role} here is {there}; "
            f"{named.knob}={one.value} sets the same of any program"
        )
    return WhatIf(files, tuple(one.text for one in asked), tuple(rows), left_out, __version__)


def fits(one: Assignment, parties: Parties) -> Named | None:
    """What the name means for this pool: the setting of its own program, or of one that the packets do not name."""
    for named in one.meant:
        if named.product is None or named.product.id == parties.id_of(named.role):
            return named
    for named in one.meant:
        if parties.id_of(named.role) is None:
            return named
    return None
