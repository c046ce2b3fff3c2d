"""Pools that work at a fixed number of connections: all of them busy, each next request out as a response ends.

A limit on open connections and as many callers in a loop look the same here.  What does tell them apart:

* The other leg, where the client's own callers are in the same capture: more requests in hand than connections means
  that some wait for one; never more than connections means that nobody waits.
* A connection that stays idle while others go on without a pause: somebody who waits would have taken it, so nobody
  does, and the lack of pauses is the callers' own haste.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.pools import timeline
from pcapdiag.pools.pool import MILLISECOND, Mask, Pool, once_per_pool

# A request that waits goes out when the program has read the response and woken its caller: measured 0.1 to 0.4 ms (Go),
# 0.3 to 0.8 ms (Node.js), 0.3 to 1.2 ms (Python threads) behind the response for nine of ten.  A pause on purpose is
# rarely below 10 ms.
AT_ONCE = 3 * MILLISECOND
# Fewer hand-overs can be a burst of a program that has more to do than connections for a moment.
MIN_HANDOVERS = 20
ROUNDS = 5
AGREE = 0.9
# Of the requests behind another one on their connection: the pool works at its limit for most of them.
MOST = 0.5
# Pauses beyond this part of the time are the client's own work: then it is busy, not waiting for a connection.
OVERHEAD = 0.1
# Back-to-back requests beside an idle connection: some happen where two responses end together.
HASTE = 0.3
# A service answers its caller this soon after the answer that it waited for itself.
FOLLOWS = 5 * MILLISECOND


@dataclass(frozen=True)
class Front:
    """The client's own callers: what they asked of it while it asked this service."""

    address: int  # string index of the host
    port: int
    peak: int  # most requests in hand at once
    beyond: float  # part of the hand-overs at which more were in hand than connections
    took: int  # median time of their requests in nanoseconds


@dataclass(frozen=True)
class Ceiling:
    """``limit`` connections, all busy.

    Attributes:
        handovers: requests that followed a response while no connection was idle.
        at_once: how many of them came without a pause; ``rows`` are exchanges among those.
        pause, service: median, in nanoseconds; of the service what the client sees.
        transfer: median part of the service that is the response's own transfer.
        front: the other leg, None where it is not in the capture.
    """

    limit: int
    handovers: int
    at_once: int
    pause: int
    service: int
    transfer: float
    rows: Column
    front: Front | None


@once_per_pool
def ceiling(pool: Pool) -> Ceiling | None:
    """The pool's limit, None where it does not work at one or where callers in a loop explain it."""
    x = pool.exchanges
    if len(x) < MIN_HANDOVERS or pool.peak_open < 2:
        return None
    leg = client_round_trip(pool)
    follows = x.connection[1:] == x.connection[:-1]
    first = np.flatnonzero(follows)
    if len(first) < MIN_HANDOVERS or len(first) < MOST * len(x):
        return None
    ended, begun = pool.busy_until[first], x.request_first_at[first + 1]
    pauses = begun - ended - leg
    if float((begun < ended).mean()) > 1 - AGREE:
        return None  # pipelining: no request waits for a response
    until = pool.busy_until + leg
    until[first] = np.minimum(until[first], begun)
    limit = timeline.peak(pool.busy_from, until)
    if limit < 2 or pool.peak_open > limit:
        return None
    idle = _idle_beside(pool, ended, AT_ONCE + leg)
    c = pool.connections
    there = timeline.level(ended, c.first_at[pool.usable], pool.gone_at[pool.usable])
    full = (there >= limit) & (idle == 0)
    handovers = int(full.sum())
    if handovers < max(MIN_HANDOVERS, ROUNDS * limit) or handovers < MOST * len(first):
        return None
    prompt: Mask = pauses <= max(AT_ONCE, leg // 2)
    if float(prompt[full].mean()) < AGREE:
        return None
    beside = idle > 0
    if int(beside.sum()) >= MIN_HANDOVERS // 4 and float(prompt[beside].mean()) > HASTE:
        return None
    taken = full & prompt
    served = until[first][taken] - pool.busy_from[first][taken]
    waited = np.maximum(pauses[taken], 0)
    if float(waited.sum()) > OVERHEAD * float(served.sum() + waited.sum()):
        return None
    rows = first[taken]
    transfer = (x.response_last_at - x.response_first_at)[rows] / np.maximum(served, 1)
    front = front_of(pool, ended[full], limit)
    if front is not None and front.beyond < 1 - AGREE:
        return None
    return Ceiling(
        limit,
        handovers,
        len(rows),
        int(np.median(waited)),
        int(np.median(served)),
        float(np.median(transfer)),
        rows,
        front,
    )


def client_round_trip(pool: Pool) -> int:
    """From the capture point to the client and back in nanoseconds; 0 where no handshake tells."""
    c = pool.connections
    known = (c.rtt_ns >= 0) & (c.server_rtt_ns >= 0)
    return max(0, int(np.median((c.rtt_ns - c.server_rtt_ns)[known]))) if known.any() else 0


def _idle_beside(pool: Pool, at: Column, margin: int) -> Column:
    """How many connections had been idle for a margin at each of these moments, and stayed so for another."""
    start, end = pool.idle.start + margin, pool.idle.end - margin
    long_enough = end > start
    return timeline.level(at, start[long_enough], end[long_enough])


def front_of(pool: Pool, at: Column, limit: int) -> Front | None:
    """The service on the client's own host whose requests these connections serve, None where none fits.

    It fits when nearly all requests of this pool run within one of its own, and either there are about as many of them
    or its responses come right behind responses of this pool more often than chance would have it.
    """
    host = int(pool.connections.client_ip[0])
    by_port: dict[int, list[Pool]] = {}
    for other in pool.neighbours:
        if other is not pool and len(other.exchanges) and int(other.connections.server_ip[0]) == host:
            by_port.setdefault(int(other.connections.server_port[0]), []).append(other)
    own_port = int(pool.connections.server_port[0])
    best: Front | None = None
    for port, pools in by_port.items():
        if port == own_port:
            continue
        begun = np.concatenate([one.busy_from for one in pools])
        ended = np.concatenate([one.busy_until for one in pools])
        if not _serves(pool, begun, ended):
            continue
        beyond = float((timeline.level(at, begun, ended) > limit).mean())
        found = Front(host, port, timeline.peak(begun, ended), beyond, int(np.median(ended - begun)))
        if best is None or found.beyond > best.beyond:
            best = found
    return best


def _serves(pool: Pool, begun: Column, ended: Column) -> bool:
    within = timeline.level(pool.busy_from, begun, ended + 1) > 0
    if float(within.mean()) < 0.95:
        return False
    own = len(pool.busy_from)
    if 0.8 * own <= len(begun) <= 1.25 * own:
        return True
    answers = np.sort(pool.busy_until)
    near = np.searchsorted(answers, ended, side="right") - np.searchsorted(answers, ended - FOLLOWS)
    rate = own / max(int(answers[-1] - answers[0]), 1)
    by_chance = 1 - np.exp(-rate * FOLLOWS)
    return float((near > 0).mean()) >= 0.8 and by_chance < 0.5
