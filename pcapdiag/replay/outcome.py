"""What an outcome means to those who run the programs: opens per second, and sockets in TIME_WAIT."""

from __future__ import annotations

import numpy as np

from pcapdiag.model.words import CloseClass, CloseKind, Side
from pcapdiag.pools.pool import SECOND, Pool, once_per_pool
from pcapdiag.replay.demand import Demand
from pcapdiag.replay.engine import Outcome, Why

# TIME_WAIT on Linux, TCP_TIMEWAIT_LEN.
TIME_WAIT = 60 * SECOND


def opens_per_second(demand: Demand, dials: int) -> float:
    """Dials per second over the time of demand, at least a second: a burst is no rate.  0 below two dials."""
    if dials < 2 or not len(demand):
        return 0.0
    wanted = demand.arrivals[-1] - demand.arrivals[0]
    return (dials - 1) * SECOND / max(wanted, SECOND)


def time_wait(pool: Pool, demand: Demand, outcome: Outcome) -> dict[str, int]:
    """By end, the replay's connections that wait in TIME_WAIT at the end.

    The end that closes first waits; where both may after an announced close, they share as in the capture.  A side that
    closes by RST in the capture leaves nothing waiting.
    """
    client_share, fins = habits(pool)
    waiting = {Side.CLIENT: 0.0, Side.SERVER: 0.0}
    since = demand.end - TIME_WAIT
    for at, side, why in outcome.closes:
        if at <= since:
            continue
        if why in (Why.SAID, Why.COUNT):
            waiting[Side.CLIENT] += client_share[side]
            waiting[Side.SERVER] += 1 - client_share[side]
        else:
            waiting[side] += 1
    return {side.word: round(count * fins[side]) for side, count in waiting.items()}


@once_per_pool
def habits(pool: Pool) -> tuple[dict[Side, float], dict[Side, float]]:
    """By who wanted the close: how often the client's FIN is the first; and by who closes: how often it is a FIN."""
    c = pool.connections
    announced = pool.close_class == CloseClass.SIGNALLED
    first = c.closer[announced]
    known = first[(first == Side.CLIENT) | (first == Side.SERVER)]
    share = float((known == Side.CLIENT).mean()) if len(known) else None
    client_share = {
        side: share if share is not None else float(side == Side.CLIENT) for side in (Side.CLIENT, Side.SERVER)
    }
    fins = {}
    for side in (Side.CLIENT, Side.SERVER):
        mine = (pool.closer == side) & pool.closed
        fins[side] = float((c.close_kind[mine] == CloseKind.FIN).mean()) if np.any(mine) else 1.0
    return client_share, fins
