"""Servers that keep only so many idle connections, and announce the close on the responses to all others.

Cheroot (``keep_alive_conn_limit``, 10), Gunicorn's threads and the like count the connections that wait for a next
request, and say ``Connection: close`` where one more would be too many.  Then it depends on the client which responses
announce a close: one that leaves fewer connections idle is told less often, or never.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import REQUEST_CLOSE, RESPONSE_CLOSE, RESPONSE_COMPLETE
from pcapdiag.pools import timeline
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.pool import Pool, once_per_pool

# Responses of either kind: with three of each, counts that part them by chance are one in twenty, (3 + 3 over 3).
MIN_EACH = 3
# Part of the responses that the limit has to account for; others crossed a connection that came or went in that moment.
AGREE = 0.95
# Statuses from which on a server closes for what is wrong with the request or itself, not as it is configured.
FAILED = 400


@dataclass(frozen=True)
class Slots:
    """``limit`` idle connections are kept; ``told`` responses announced the close beside so many, ``kept`` did not."""

    limit: int
    told: int
    kept: int


@once_per_pool
def kept_slots(pool: Pool) -> Slots | None:
    """The number of idle connections beside which the server announces closes; None where it does not go by that."""
    x = pool.exchanges
    asked = (x.flags & REQUEST_CLOSE) != 0
    announced = (x.flags & RESPONSE_CLOSE) != 0
    told = announced & ~asked & (x.status < FAILED)
    kept = ~announced & ~asked & ((x.flags & RESPONSE_COMPLETE) != 0)
    if int(told.sum()) < MIN_EACH or int(kept.sum()) < MIN_EACH or request_cap(pool) is not None:
        return None
    beside = timeline.level(x.request_first_at, pool.idle.start, pool.idle.end)
    limit = int(np.quantile(beside[told], 1 - AGREE, method="lower"))
    agree = int((beside[told] >= limit).sum()) + int((beside[kept] < limit).sum())
    if limit < 1 or agree < AGREE * int(told.sum() + kept.sum()):
        return None
    return Slots(limit, int(told.sum()), int(kept.sum()))


__all__ = ["Slots", "kept_slots"]
