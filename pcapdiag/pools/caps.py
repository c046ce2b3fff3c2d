"""A limit on requests per connection, from the closes that a response announced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, Count, Side
from pcapdiag.pools.pool import Pool, once_per_pool

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
def request_cap(pool: Pool) -> Cap | None:
    """The server's request cap.

    From connections seen whole whose last response announced the close, or that the server closed at once after a
    response.  Where headers cannot be read (TLS, a small snaplen) an announcement may be on each of those closes, after
    which the client's FIN can be first: then the client's count too if the server's are half or more.  At least 90% of
    them served the same number, more than one, and no connection of the pool served more: Apache serves one more than
    its MaxKeepAliveRequests says.

    Measured on 172 real captures: 8 caps given, all 8 exact.
    """
    counts = pool.connections.requests
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
    served = counts[rows]
    value = int(np.bincount(served).argmax())
    if value < 2 or float((served == value).mean()) < AGREE or int(counts[exact].max()) > value:
        return None
    return Cap(value, int((served == value).sum()), by_header, rows[served == value])
