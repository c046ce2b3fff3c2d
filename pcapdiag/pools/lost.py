"""Requests that got no whole answer before their connection closed, and whose fault that cannot be.

What the network kept back, what crossed the other side's close, and what a client gave up on purpose are told apart here;
who gave up the others, and why, is for those who ask: a timeout, a program's end, a server that drops them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import RESPONSE_COMPLETE
from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, CloseKind, Protocol, Side
from pcapdiag.pools.pool import Mask, Pool, once_per_pool
from pcapdiag.pools.timers import TIGHT_NS


@once_per_pool
def answers_expected(pool: Pool) -> bool:
    """Whether every request of this protocol gets an answer: else an unanswered turn says nothing.

    Opaque bytes may be messages that nobody answers (logs, metrics); where most turns were answered, they are not.
    """
    if pool.protocol in (Protocol.HTTP1, Protocol.TLS, Protocol.REDIS, Protocol.POSTGRES, Protocol.MYSQL):
        return True
    c = pool.connections
    return pool.protocol == Protocol.OPAQUE and 2 * int(c.responses.sum()) > int(c.requests.sum()) > 0


@once_per_pool
def unanswered(pool: Pool) -> Mask:
    """Connections that closed while their last request had no answer, or only a part of one."""
    if not answers_expected(pool):
        return np.zeros(pool.size, dtype=bool)
    open_request = (pool.close_class == CloseClass.OPEN_REQUEST) | answered_late(pool)
    return np.asarray(open_request & (pool.last_exchange >= 0) & pool.usable)


@once_per_pool
def answered_late(pool: Pool) -> Mask:
    """Encrypted connections whose server went on sending after the client's close, and met RST.

    A session ticket that comes behind the first request looks like its response; the response then comes too late.  A
    close_notify alone, of 24 to 31 bytes (53 with older ciphers), is no answer.
    """
    c = pool.connections
    late = (c.server_last_data_at > c.close_at) & (c.client_rst_at > c.close_at) & (c.server_unacked_bytes > 64)
    return np.asarray(late & pool.closed & (c.closer == Side.CLIENT) & (pool.protocol == Protocol.TLS))


def last_of(pool: Pool, name: str) -> Column:
    """A column of each connection's last exchange, 0 where there is none."""
    values = np.zeros(pool.size, dtype=np.int64)
    there = pool.last_exchange >= 0
    values[there] = pool.exchanges.columns[name][pool.last_exchange[there]]
    return values


def quiet_before_last(pool: Pool) -> Column:
    """When each connection fell silent ahead of its last request: the response before it, or the handshake."""
    since = pool.ready_at.copy()
    last = pool.last_exchange
    earlier = (last >= 0) & (last > pool.first_exchange)
    since[earlier] = np.maximum(since[earlier], pool.exchanges.response_last_at[last[earlier] - 1])
    return np.asarray(since)


@once_per_pool
def on_purpose(pool: Pool) -> Mask:
    """Connections whose client only said that it had finished sending (FIN), then took the whole response."""
    c = pool.connections
    done = (last_of(pool, "flags") & RESPONSE_COMPLETE) != 0
    mine = (pool.closer == Side.CLIENT) & (c.close_kind == CloseKind.FIN) & done
    return np.asarray(mine & (c.client_rst_at == 0) & (c.server_unacked_bytes == 0))


@once_per_pool
def path_stalled(pool: Pool) -> Mask:
    """Connections on which the network kept the request or the response back, whatever ended them then."""
    c = pool.connections
    began = last_of(pool, "response_first_at")
    unheard = ((began == 0) | (began > c.close_at)) & (
        c.client_unacked_bytes >= np.maximum(last_of(pool, "request_bytes"), 1)
    )
    return np.asarray(unheard | (c.server_missing_bytes > 0) | (c.server_resent_run >= 2))


@dataclass(frozen=True)
class Crossed:
    """Requests that were on their way when the server closed; parallel arrays.

    Attributes:
        rows: of the pool.
        silence: from the end of the exchange before, or the handshake, to the server's FIN, nanoseconds.
        exchange: the request's row in the exchange table.
    """

    rows: Column
    silence: Column
    exchange: Column


@once_per_pool
def crossed(pool: Pool) -> Crossed:
    """Requests of which the server's FIN acknowledges not a byte, sent before that FIN was heard of, never answered.

    A close_notify or a Terminate that crosses a FIN is no request, and a body that the server stopped reading was
    acknowledged in part: neither is here.
    """
    c, x = pool.connections, pool.exchanges
    rows = np.flatnonzero((c.crossed_bytes > 0) & (c.server_fin_at > 0) & (pool.last_exchange >= 0) & pool.usable)
    last = pool.last_exchange[rows]
    whole = c.crossed_bytes[rows] + c.heedless_bytes[rows] >= x.request_bytes[last]
    quiet = quiet_before_last(pool)[rows]
    silence = c.server_fin_at[rows] - quiet
    # Where framing was lost a later answer may have been taken for an earlier request's.
    kept = (x.response_first_at[last] == 0) & whole & (silence >= 0)
    kept &= x.request_first_at[last] <= c.server_fin_at[rows] + 2 * max(pool.rtt, TIGHT_NS)
    if not answers_expected(pool):
        kept[:] = False
    return Crossed(rows[kept], silence[kept], last[kept])
