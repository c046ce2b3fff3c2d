"""A pool's demand: when each request was wanted, how long it kept its connection, what a dial took.

When a request was wanted is not when it left.  A request that found no idle connection was wanted at the SYN that it
caused, and left when it had a connection.  Which request that was depends on the client: with most, the one that
dialled takes what it dialled.  Go hands whatever comes free first, dialled or back from another request, to the request
that waits longest, so there the SYNs stand in line and each request that leaves while one stands there is that one's.

A connection is free again not at the response's last byte but when the program has read it and put the connection back:
at the client's own close where the pool was full then, at the latest at its next request, and otherwise as late as the
nearest of those closes.  At a capture point near the server these include the way to the client and back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import REQUEST_CLOSE, RESPONSE_CLOSE, RESPONSE_COMPLETE, TURN
from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Opening
from pcapdiag.pools.capacity import overflow_rows
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.ceiling import client_round_trip
from pcapdiag.pools.pool import MILLISECOND, SECOND, Mask, Pool
from pcapdiag.pools.ranks import quantile
from pcapdiag.pools.slots import FAILED

# A program reads a response that has arrived and puts its connection back within a fraction of a millisecond (Go 0.1 to
# 0.6, Python 0.3 to 1.2 on an idle machine): for clients that never show it.
PUT_BACK = MILLISECOND // 2
# A connection whose first request comes this many dials' time after its SYN, and a second at least, was dialled ahead.
AHEAD = 10
# Fewer closes do not tell what is usual.
USUAL_OF = 5
# A dial for anybody who waits is used at once, unless nobody waits any more: then it tells nothing of what dials take.
AT_ONCE = 3

# What ends a connection together with a request, whichever connection that is.
ASKED = 1  # the request asked for the close
ANNOUNCED = 2  # its response announced it
BROKEN = 3  # no answer came, or not all of it, or one that refuses the request and closes


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests in the order in which they were wanted; times in nanoseconds, lists of one length.

    Attributes:
        arrivals: when each was wanted.
        service: how long each kept its connection, until it was free again.
        dialling: what a dial takes from SYN to the request: its own where this one dialled, else what is usual.
        ends: what ended the connection with this request, one of the numbers below; 0 for nothing.
        start, end: of the pool's time in the capture.
        warm: connections that were open before the capture began.
        dials: what the capture has of them in that time.
        whole: how many requests the pool has in all.
    """

    arrivals: list[int]
    service: list[int]
    dialling: list[int]
    ends: list[int]
    start: int
    end: int
    warm: int
    dials: int
    whole: int

    def __len__(self) -> int:
        return len(self.arrivals)


def demand_of(pool: Pool, *, shares_dials: bool, most: int) -> Demand:
    """The demand of a pool's first ``most`` requests."""
    c, x = pool.connections, pool.exchanges
    whole = len(x)
    end = pool.end
    order = np.arange(whole)
    dialled = np.flatnonzero(pool.dialled)
    if whole > most:
        end = int(np.partition(x.request_first_at, most)[most])
        order = np.flatnonzero(x.request_first_at < end)
        dialled = dialled[c.first_at[dialled] < end]
    order = order[np.argsort(x.request_first_at[order], kind="stable")]
    dialled = dialled[np.argsort(c.first_at[dialled], kind="stable")]
    put_back = _put_back(pool, order)
    until = np.minimum(pool.busy_until[order], pool.end)
    service = np.maximum(until - x.request_first_at[order], 0) + put_back
    took = _took(pool)
    usual = _usual_dial(pool, took)
    if shares_dials:
        arrivals, dialling = _in_line(x.request_first_at[order], c.first_at[dialled], took[dialled], usual)
    else:
        arrivals, dialling = _own_dial(pool, order, took, usual)
    by_arrival = np.argsort(arrivals, kind="stable")
    begun = [int(times[0]) for times in (arrivals[by_arrival], c.first_at[dialled]) if len(times)]
    midstream = c.opening == Opening.MIDSTREAM
    return Demand(
        arrivals[by_arrival].tolist(),
        service[by_arrival].tolist(),
        dialling[by_arrival].tolist(),
        _ends(pool, order[by_arrival]).tolist(),
        min(begun, default=pool.start),
        end,
        int((midstream & pool.used & (c.first_at <= end)).sum()),
        len(dialled),
        whole,
    )


def _put_back(pool: Pool, order: Column) -> Column:
    """For each of these exchanges the time from its response's last byte until its connection was free again."""
    x = pool.exchanges
    connection = x.connection[order]
    following = np.minimum(order + 1, len(x) - 1)
    last = (following == order) | (x.connection[following] != connection)
    pause = np.maximum(x.request_first_at[following] - pool.busy_until[order], 0)
    thrown = np.zeros(pool.size, dtype=bool)
    thrown[overflow_rows(pool)] = True
    linger = pool.linger[connection]
    shown = last & thrown[connection] & (linger >= 0)
    if int(shown.sum()) >= USUAL_OF:
        usual = _nearest(pool.busy_until[order], shown, linger)
    else:
        pauses = pause[~last]
        leg = client_round_trip(pool)
        short = min(int(quantile(pauses, 0.1)) if len(pauses) else PUT_BACK, PUT_BACK) + leg
        usual = np.full(len(order), short, dtype=np.int64)
    return np.where(shown, linger, np.where(last, usual, np.minimum(pause, usual)))


def _nearest(moments: Column, shown: Mask, values: Column) -> Column:
    """For each moment the value at the next one that shows its own: a busy machine's delays come in stretches."""
    rows = np.flatnonzero(shown)
    rows = rows[np.argsort(moments[rows], kind="stable")]
    following = np.searchsorted(moments[rows], moments)
    return np.asarray(values[rows[np.minimum(following, len(rows) - 1)]])


def _took(pool: Pool) -> Column:
    """For each connection the time from its SYN to its first request, -1 where it has none."""
    c, x = pool.connections, pool.exchanges
    took = np.full(pool.size, -1, dtype=np.int64)
    has = np.flatnonzero(pool.dialled & (pool.last_exchange >= 0))
    took[has] = np.maximum(x.request_first_at[pool.first_exchange[has]] - c.first_at[has], 0)
    return took


def _usual_dial(pool: Pool, took: Column) -> int:
    known = np.sort(took[took >= 0])
    return int(known[(len(known) - 1) // 2]) if len(known) else pool.rtt


def _ahead(took: Column, usual: int) -> Mask:
    return np.asarray(took > max(AHEAD * usual, SECOND))


def _own_dial(pool: Pool, order: Column, took: Column, usual: int) -> tuple[Column, Column]:
    """The request that dialled takes what it dialled."""
    c, x = pool.connections, pool.exchanges
    first = np.zeros(len(x), dtype=bool)
    rows = np.flatnonzero(pool.dialled & (pool.last_exchange >= 0) & ~_ahead(took, usual))
    first[pool.first_exchange[rows]] = True
    own = first[order]
    connection = x.connection[order]
    arrivals = np.where(own, c.first_at[connection], x.request_first_at[order])
    return arrivals, np.where(own, took[connection], usual)


def _in_line(left: Column, syns: Column, took: Column, usual: int) -> tuple[Column, Column]:
    """Each SYN is a request in line; whoever leaves while there is one is the first in that line."""
    line: deque[int] = deque()
    arrivals, dialling = left.tolist(), [usual] * len(left)
    at, dials = 0, syns.tolist()
    own = np.where((took >= 0) & (took <= AT_ONCE * usual), took, usual).tolist()
    for place, moment in enumerate(arrivals):
        while at < len(dials) and dials[at] <= moment:
            line.append(at)
            at += 1
        if line:
            dial = line.popleft()
            arrivals[place], dialling[place] = dials[dial], own[dial]
    return np.array(arrivals, dtype=np.int64), np.array(dialling, dtype=np.int64)


def _ends(pool: Pool, order: Column) -> Column:
    """For each of these exchanges what of it ended its connection; a server that counts requests is a limit, and none's."""
    x = pool.exchanges
    flags = x.flags[order]
    ends = np.zeros(len(order), dtype=np.int64)
    if request_cap(pool) is None:
        said = (flags & RESPONSE_CLOSE) != 0
        ends[said] = np.where(x.status[order][said] < FAILED, ANNOUNCED, BROKEN)
    ends[(flags & REQUEST_CLOSE) != 0] = ASKED
    connection = x.connection[order]
    unanswered = (flags & (RESPONSE_COMPLETE | TURN)) == 0
    given_up = (pool.close_class[connection] == CloseClass.OPEN_REQUEST) & (pool.last_exchange[connection] == order)
    ends[(unanswered & pool.closed[connection]) | given_up] = BROKEN
    return ends
