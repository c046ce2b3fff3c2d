"""A pool under other settings: the ones asked for, or those that its churn calls for."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.report import Endpoint
from pcapdiag.model.whatif import BackTest, PoolWhatIf, Sweep
from pcapdiag.pools.pool import Pool
from pcapdiag.replay.asked import asked_for
from pcapdiag.replay.present import Present, bound, present, refusal
from pcapdiag.replay.spelling import Parties, present_settings
from pcapdiag.replay.sweeps import called_for, quiet
from pcapdiag.replay.trials import waiting_now
from pcapdiag.settings.naming import Assignment, Named

# Requests of one pool that are replayed for a table: a dozen replays of so many take about three seconds.
MOST = 100_000


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
