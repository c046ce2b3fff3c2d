"""Outcomes as rows: what a replay came to, beside what the capture has."""

from __future__ import annotations

from dataclasses import replace

from pcapdiag.model.whatif import SettingValue, Trial
from pcapdiag.model.words import TcpState
from pcapdiag.pools.pool import Pool
from pcapdiag.replay.engine import Outcome, replay
from pcapdiag.replay.outcome import opens_per_second, time_wait
from pcapdiag.replay.policy import Policy
from pcapdiag.replay.present import Present


def trial(pool: Pool, seen: Present, policy: Policy, settings: tuple[SettingValue, ...]) -> Trial:
    outcome = replay(seen.demand, policy)
    return told(pool, seen, outcome, settings)


def told(pool: Pool, seen: Present, outcome: Outcome, settings: tuple[SettingValue, ...]) -> Trial:
    """An outcome beside the present: handshakes against the capture's own, waiting against the replay of the present.

    What goes as the replay of the present went changes nothing: then the capture's own numbers stand.
    """
    demand = seen.demand
    before = seen.outcome
    if (outcome.dials, outcome.unused, outcome.waited) == (before.dials, before.unused, before.waited):
        return replace(now(pool, seen), settings=settings)
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


def waiting_now(pool: Pool) -> dict[str, int]:
    c = pool.connections
    return {
        "client": int((c.client_state == TcpState.TIME_WAIT).sum()),
        "server": int((c.server_state == TcpState.TIME_WAIT).sum()),
    }
