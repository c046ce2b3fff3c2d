"""A limit on requests per connection, from the closes that a response announced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Count, Side
from pcapdiag.pools.pool import Mask, Pool, once_per_pool
from pcapdiag.pools.timers import moments

MIN_CLOSES = 3
AGREE = 0.9


@dataclass(frozen=True)
class Cap:
    """``value`` requests, then the server's close; on ``count`` connections, the pool's ``rows``."""

    value: int
    count: int
    announced: bool  # Connection: close on the last response; else the server closed at once after it
    rows: Column


@once_per_pool
def too_late(pool: Pool) -> Mask:
    """For each exchange: whether its request came after the server's FIN and got no answer.

    Only on connections whose client had acknowledged that FIN before it sent.  The connection served nothing of it.
    """
    c, x = pool.connections, pool.exchanges
    fin_at = c.server_fin_at[x.connection]
    after = (fin_at > 0) & (x.request_first_at > fin_at) & (x.response_first_at == 0)
    return np.asarray(after & (c.heedless_bytes[x.connection] > 0))


@once_per_pool
def served(pool: Pool) -> Column:
    """Requests of each connection that it could serve: those sent after the server's FIN left out."""
    late = np.bincount(pool.exchanges.connection[too_late(pool)], minlength=pool.size)
    return np.asarray(np.maximum(pool.connections.requests - late, 0))


@once_per_pool
def request_cap(pool: Pool) -> Cap | None:
    """The server's request cap.

    From connections seen whole whose last response announced the close, or that the server closed at once after a
    response.  Where headers cannot be read (TLS, a small snaplen) an announcement may be on each of those closes, after
    which the client's FIN can be first: then the client's count too if the server's are half or more.  At least 90% of
    them served the same number, more than one, and no connection of the pool served more: Apache serves one more than
    its MaxKeepAliveRequests says.

    Measured on 172 real captures: 8 caps given, all 8 exact.
    """
    counts = served(pool)
    # Turns of bytes that the snaplen cut are no count: a handshake, a login or an answer in parts is among them.
    turns = pool.connections.basis == Count.TURNS
    hidden = pool.heads_hidden & ~(turns & (pool.connections.truncated_bytes > 0))
    exact = pool.whole & ((pool.connections.basis == Count.EXACT) | hidden)
    announced = exact & pool.server_said & pool.closed
    rows = np.flatnonzero(announced)
    by_header = len(rows) >= MIN_CLOSES
    if not by_header:
        at_once = exact & (pool.close_class == CloseClass.IMMEDIATE)
        by_server = at_once & (pool.closer == Side.SERVER)
        rows = np.flatnonzero(by_server | (at_once & hidden))
        if len(rows) < MIN_CLOSES or int(by_server.sum()) < len(rows) / 2:
            return None
        if moments(pool.connections.close_at[rows]) < 2:
            return None  # all at one moment: the server stopped, and a burst had given all the same count
    done = counts[rows]
    value = int(np.bincount(done).argmax())
    if value < 2 or float((done == value).mean()) < AGREE or int(counts[exact].max()) > value:
        return None
    return Cap(value, int((done == value).sum()), by_header, rows[done == value])
