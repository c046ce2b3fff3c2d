"""Two kinds of use behind one address: connections that are used again and again, beside ones that never are.

Two programs of one library look like one pool, as do two paths of one program of which one keeps nothing.  What gives
them away is that dials pass over connections which somebody goes on using: a pool that is only too small, or whose
timers are short, dials when nothing is idle.
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Side
from pcapdiag.pools.abandoned import MIN_DIALS, MISSED, abandoned
from pcapdiag.pools.pool import Mask, Pool

# Requests per connection from which on the others are reused, and how many it takes to say so.
REUSED = 3.0
ENOUGH = 10
# Connections to other hosts at the same address have pools of their own: nearly all must name one.
ONE_HOST = 0.8


def never_used_again(pool: Pool) -> Mask | None:
    """The connections of the kind that is never used again; None where the pool is of one kind.

    They were seen whole, carried one request each, and their dials passed over an idle connection at the rate at which
    pools that nobody asks do.  Of those left open the same must hold among themselves: else they are what a burst left.
    The others share ten requests or more, three to a connection.
    """
    c = pool.connections
    if len(pool.rows) <= MIN_DIALS:
        return None
    once = pool.whole & (c.requests == 1) & ~pool.server_said
    if int(once.sum()) < MIN_DIALS:
        return None
    others = pool.used & ~once
    requests = int(c.requests[others].sum())
    if requests < ENOUGH or requests < REUSED * int(others.sum()):
        return None
    kinds = pool.close_class
    left = once & ((kinds == CloseClass.OPEN) | (kinds == CloseClass.SILENT))
    closed = once & ((kinds == CloseClass.IMMEDIATE) | (kinds == CloseClass.SIGNALLED)) & (pool.closer != Side.NONE)
    # Those left open are passed over themselves.  Where all are closed, one idle connection that nobody ever uses would
    # make a miss of every dial: only those of the kind that is reused count.
    for kind in (left, closed):
        if int(kind.sum()) < MIN_DIALS or not _one_host(c.host[kind]):
            continue
        if kind is left:
            passing = pool.passed_over | pool.missed
        else:
            passing = pool.idle_nearby((c.requests >= REUSED)[pool.idle.connection])
        if float(passing[kind].mean()) < MISSED:
            continue
        if kind is left and abandoned(part(pool, np.flatnonzero(kind))) is None:
            continue
        return np.asarray(kind)
    return None


def _one_host(hosts: Column) -> bool:
    return int(np.bincount(hosts).max()) >= ONE_HOST * len(hosts)


def part(pool: Pool, rows: Column) -> Pool:
    """Some connections of a pool as a pool of their own."""
    place = np.full(pool.size, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    mine = np.flatnonzero(place[pool.exchanges.connection] >= 0)
    exchanges = pool.exchanges.take(mine)
    exchanges.columns["connection"] = place[pool.exchanges.connection[mine]]
    return Pool(pool.name, pool.rows[rows], pool.connections.take(rows), exchanges, pool.start, pool.end)


def parted(pool: Pool) -> list[Pool]:
    """The pool, or its two kinds as pools that know of each other."""
    kind = never_used_again(pool)
    if kind is None:
        return [pool]
    unshared, shared = part(pool, np.flatnonzero(kind)), part(pool, np.flatnonzero(~kind))
    unshared.beside = shared
    return [unshared, shared]
