"""Requests that met a close by the server: lost in a race with its idle timer, sent after its FIN, or dropped by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import BOUND, METHODS, REQUEST_COMPLETE, REQUEST_SEEN, RESPONSE_SEEN, TURN
from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, CloseKind, Protocol, Side
from pcapdiag.pools.endings import MIN_AGREEING, Ending, stops
from pcapdiag.pools.lost import Crossed, answers_expected, crossed, last_of, quiet_before_last, unanswered
from pcapdiag.pools.pool import IMMEDIATE, SECOND, Mask, Pool, once_per_pool
from pcapdiag.pools.timers import LATE_SHARE, TIGHT_NS

# Methods that may be repeated without asking (RFC 9110 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})


@once_per_pool
def raced(pool: Pool) -> Crossed:
    """Those that lost a race with an idle timer: the server closed after a silence, and not everything at one moment."""
    every = crossed(pool)
    idle = every.silence > pool.immediate_limit
    at = pool.connections.server_fin_at[every.rows]
    for stop in stops(pool):
        idle &= (at < stop.at) | (at > stop.until)
    return Crossed(every.rows[idle], every.silence[idle], every.exchange[idle])


@once_per_pool
def heedless(pool: Pool) -> Column:
    """Rows whose client sent its last request well after it had acknowledged the server's FIN, and got no answer.

    A program may need a wake-up to notice a FIN: within 50 ms and a round trip it could not know.
    """
    c = pool.connections
    after = last_of(pool, "request_first_at") - c.server_fin_at
    found = (c.heedless_bytes > 0) & (c.server_fin_at > 0) & (pool.last_exchange >= 0) & pool.usable
    found &= (after > TIGHT_NS + pool.rtt) & (last_of(pool, "response_first_at") == 0)
    if not answers_expected(pool):
        found[:] = False
    return np.flatnonzero(found)


@once_per_pool
def ignored_fin(pool: Pool) -> Column:
    """Those of :func:`heedless` whose request was lost for certain: met by RST, never acknowledged, or HTTP.

    A server whose FIN was sent cannot send a response any more, so a new HTTP request is lost even where its kernel
    acknowledges it and no RST comes.  Bytes that nobody can read may be the rest of a stream that it goes on reading.
    """
    c = pool.connections
    rows = heedless(pool)
    refused = (c.server_rst_at[rows] > 0) | (c.client_unacked_bytes[rows] > 0)
    http = (c.protocol[rows] == Protocol.HTTP1) & ((last_of(pool, "flags")[rows] & REQUEST_SEEN) != 0)
    return np.asarray(rows[refused | http])


def during(rows: Column, at: Column, moments_of: tuple[Ending, ...]) -> Mask:
    """Which of these rows were closed (``at``, parallel) at one of the moments."""
    found = np.zeros(len(rows), dtype=bool)
    for one in moments_of:
        found |= (at >= one.at) & (at <= one.until)
    return found


@once_per_pool
def reset_by_timer(pool: Pool) -> Column:
    """Rows that the server reset without a FIN after the silence after which it sends FINs to others.

    A request that arrives between the timer's end and the close is in the receive buffer, and a kernel that closes a
    socket with unread data sends RST in place of the FIN (RFC 9293 3.6.1, RFC 2525 2.17).  Both silences are counted
    to the server's packet, so it does not matter where the capture was taken.  Three FINs or more, and no fewer than
    these resets, show the timer.
    """
    c = pool.connections
    none = np.empty(0, dtype=np.int64)
    if not answers_expected(pool):
        return none
    idle = np.flatnonzero(
        (pool.close_class == CloseClass.SILENT) & (pool.closer == Side.SERVER) & (c.server_fin_at > 0)
    )
    races = raced(pool)
    fins = np.concatenate([pool.linger[idle[~np.isin(idle, races.rows)]], races.silence])
    silence = c.server_rst_at - quiet_before_last(pool)
    met = pool.usable & (c.server_rst_at > 0) & (c.server_fin_at == 0) & (c.server_fin_unseen == 0)
    met &= (pool.last_exchange > pool.first_exchange) & (last_of(pool, "response_first_at") == 0)
    met &= c.server_rst_at - last_of(pool, "request_last_at") <= pool.immediate_limit
    if len(fins) < MIN_AGREEING or not met.any():
        return none
    shortest, longest = int(fins.min()), int(fins.max())
    slack = max(TIGHT_NS, int(LATE_SHARE * longest)) + pool.rtt
    rows = np.flatnonzero(met & (silence >= shortest - slack) & (silence <= longest + slack))
    return rows if len(rows) <= len(fins) else none


@dataclass(frozen=True)
class Repeats:
    """Lost requests that seem to be sent again.

    Attributes:
        exchange: for each lost request the row of the exchange that repeats it, -1 for none.
        by_chance: how many would be found anyway, by how often such requests come.
    """

    exchange: Column
    by_chance: float

    @property
    def found(self) -> int:
        return int((self.exchange >= 0).sum())

    @property
    def certain(self) -> bool:
        """More than twice what chance gives."""
        return self.found > 2 * self.by_chance

    @property
    def absent(self) -> bool:
        return self.found == 0 or self.found <= self.by_chance


def sent_again(pool: Pool, exchanges: Column, noticed: Column) -> Repeats:
    """Which lost requests the client sent again: same method and size, on another connection, each repeat counted once.

    Args:
        noticed: when each loss was to be seen at the capture point.

    A library that retries does so at once, or after a pause of up to a second; a pause is looked for only where such
    requests are too rare to come by chance.
    """
    x = pool.exchanges
    out = np.full(len(exchanges), -1, dtype=np.int64)
    order = np.argsort(x.request_first_at, kind="stable")
    times = x.request_first_at[order]
    # The FIN's way to the client, a handshake and the request's way: two round trips, two more with TLS.
    at_once = IMMEDIATE + (4 if pool.encrypted else 2) * pool.rtt
    alike = np.isin(x.method, x.method[exchanges])
    rate = (int(alike.sum()) - len(exchanges)) / max(pool.demand_ns, SECOND)
    with_pause = max(4 * pool.rtt, SECOND)
    patience = with_pause if rate * with_pause < 0.1 else at_once
    taken: set[int] = set(exchanges.tolist())
    for place in np.argsort(noticed, kind="stable").tolist():
        lost = int(exchanges[place])
        begin = int(np.searchsorted(times, int(x.request_first_at[lost]), side="right"))
        end = int(np.searchsorted(times, int(noticed[place]) + patience, side="right"))
        for candidate in order[begin:end].tolist():
            if (
                candidate not in taken
                and x.connection[candidate] != x.connection[lost]
                and x.method[candidate] == x.method[lost]
                and x.request_bytes[candidate] == x.request_bytes[lost]
            ):
                taken.add(candidate)
                out[place] = candidate
                break
    window = float(np.mean(noticed - x.request_first_at[exchanges])) + patience
    return Repeats(out, len(exchanges) * float(1 - np.exp(-rate * window)))


def method_counts(pool: Pool, exchanges: Column) -> dict[str, int]:
    """How many of these exchanges had which method, "" for those whose method cannot be read."""
    numbers, counts = np.unique(pool.exchanges.method[exchanges], return_counts=True)
    return {METHODS[number]: count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


@once_per_pool
def dropped(pool: Pool) -> Column:
    """Rows that the server closed or reset while a request that it had was unanswered or answered in part.

    Left out: requests that crossed its FIN or met its idle timer's RST (it never read them), or came behind one that
    was not captured, and ones whose sender had stopped in mid-request (the server's own timer ends those).  Of opaque
    protocols only resets count: some say goodbye in a turn of their own.
    """
    c = pool.connections
    mine = unanswered(pool) & (pool.closer == Side.SERVER)
    mine[crossed(pool).rows] = False
    mine[reset_by_timer(pool)] = False
    flags = last_of(pool, "flags")
    complete = (flags & (REQUEST_COMPLETE | TURN | BOUND | RESPONSE_SEEN)) != 0
    since = c.close_at - last_of(pool, "request_last_at")
    mine &= (complete | (since <= pool.immediate_limit)) & (since >= 0)
    mine &= (c.crossed_bytes == 0) | (last_of(pool, "response_first_at") > 0)
    mine &= c.server_fin_unseen == 0  # it had closed before, and resets what comes then
    if pool.protocol == Protocol.OPAQUE:
        mine &= c.close_kind == CloseKind.RST
    return np.flatnonzero(mine)
