"""What requests waited for: the server's first byte, a delayed ACK, a 100 Continue, a reader with a full buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import PIPELINED, REQUEST_SEEN, TURN, UPGRADED
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side
from pcapdiag.pools.pool import MILLISECOND, SECOND, Mask, Pool, once_per_pool

# A person notices a second, and loses the thread after ten (Nielsen, Response Times); programs that call each other
# mostly give up between one second and thirty.
SLOW = SECOND
# A program that asks again at once after each answer does nothing in between: a worker's loop, or a long poll.
AT_ONCE = 50 * MILLISECOND
CONNECT = 6  # the method's number in model.flags.METHODS


@dataclass(frozen=True)
class Waits:
    """How long the server took to begin its responses; parallel arrays over the exchanges that tell.

    Attributes:
        rows: of the pool's exchanges.  wait: nanoseconds from the last byte of the request to the first of the
            response, without the way between capture point and server.
        slow: a second or more.
        polled: on a connection whose requests are all slow, each sent as soon as the one ahead was answered.
        resent: on a connection that lost segments: the wait may be a retransmission's.
    """

    rows: Column
    wait: Column
    slow: Mask
    polled: Mask
    resent: Mask


@once_per_pool
def waits(pool: Pool) -> Waits:
    """The times to first byte of answered HTTP requests and of turns under TLS.

    Left out: what was pipelined behind another request, tunnels, and answers that came after the client had gone.
    """
    c, x = pool.connections, pool.exchanges
    owner = x.connection
    client_gone = earlier(c.client_fin_at, c.client_rst_at)[owner]
    counted = (x.response_first_at > 0) & (x.request_last_at > 0) & (x.response_first_at >= x.request_last_at)
    counted &= ((x.flags & (REQUEST_SEEN | TURN)) != 0) & ((x.flags & (PIPELINED | UPGRADED)) == 0)
    counted &= x.method != CONNECT
    counted &= (client_gone == 0) | (x.response_first_at < client_gone)
    rows = np.flatnonzero(counted)
    way = int(np.median(c.server_rtt_ns[c.server_rtt_ns >= 0])) if (c.server_rtt_ns >= 0).any() else 0
    wait = np.maximum(x.response_first_at[rows] - x.request_last_at[rows] - way, 0)
    slow = wait >= SLOW
    troubled = (c.client_resent + c.server_resent > 0) | (c.synacks_late > 0)
    return Waits(rows, wait, slow, polling(pool, rows, slow)[owner[rows]], troubled[owner[rows]])


def earlier(one: Column, other: Column) -> Column:
    """The earlier of two times each, 0 where neither happened."""
    return np.where((one > 0) & (other > 0), np.minimum(one, other), np.maximum(one, other))


def polling(pool: Pool, rows: Column, slow: Mask) -> Mask:
    """Connections of which every exchange is slow and every request follows the answer ahead of it at once."""
    x = pool.exchanges
    owner = x.connection
    quick = np.zeros(pool.size, dtype=bool)
    quick[owner[rows[~slow]]] = True
    if quick[owner[rows[slow]]].all():
        return np.zeros(pool.size, dtype=bool)
    follows = np.flatnonzero((owner[1:] == owner[:-1]) & (x.response_last_at[:-1] > 0)) + 1
    pause = x.request_first_at[follows] - x.response_last_at[follows - 1]
    late = np.zeros(pool.size, dtype=bool)
    late[owner[follows[pause > AT_ONCE + 2 * pool.rtt]]] = True
    asked = np.zeros(pool.size, dtype=bool)
    asked[owner[follows]] = True
    return np.asarray(asked & ~late & ~quick)


@dataclass(frozen=True)
class Stalls:
    """Segments of one side that waited for a delayed ACK.

    ``share`` is of the pool's exchanges, ``each`` the median wait of a connection's stalls in nanoseconds.
    """

    sender: Side
    count: int
    share: float
    each: int
    rows: Column


@once_per_pool
def stalls(pool: Pool) -> Stalls | None:
    """The side that waits more, with the connections that show it; None where nobody does.

    Left out are connections with more than two stalls for each request, a stream of small pieces in which nothing is
    late; those that lost as much as they stalled: there the ACK, not the delay, was missing; and those with gaps: what
    was not captured may have been sent in between.
    """
    c = pool.connections
    best = None
    for side, name in ((Side.CLIENT, "client"), (Side.SERVER, "server")):
        count = c.columns[f"{name}_stalls"]
        lost = c.columns[f"{name}_resent"] - c.columns[f"{name}_needless"]
        whole = c.columns[f"{name}_gap_bytes"] == 0
        rows = np.flatnonzero((count > 0) & (count <= 2 * np.maximum(c.requests, 1)) & (lost < count) & whole)
        if not len(rows):
            continue
        total = int(count[rows].sum())
        each = int(np.median(c.columns[f"{name}_stall_ns"][rows] / count[rows]))
        share = min(1.0, total / max(1, pool.requests))
        if best is None or total > best.count:
            best = Stalls(side, total, share, each, rows)
    return best


@dataclass(frozen=True)
class Shut:
    """Time that one side's window was zero while the other had something to send.

    Attributes:
        reader: whose window.
        rows: connections that were shut for 200 ms or more in all.
        ns: for how long, all together.  transfer_ns: how long the messages took on these connections.
        forever: rows among them where nothing more came through once it was shut: nobody reads on.
    """

    reader: Side
    rows: Column
    ns: int
    transfer_ns: int
    forever: Column


# A window that is shut for less is a reader who was busy for a moment; 200 ms is also the sender's first probe.
NOTABLE = 200 * MILLISECOND


@once_per_pool
def shut(pool: Pool) -> Shut | None:
    """The side that keeps its window shut for longer, None where neither does for 200 ms on any connection."""
    c, x = pool.connections, pool.exchanges
    found = None
    for side, name in ((Side.CLIENT, "client"), (Side.SERVER, "server")):
        closed = c.columns[f"{name}_shut_ns"]
        rows = np.flatnonzero(closed >= NOTABLE)
        if not len(rows):
            continue
        if side == Side.CLIENT:
            begin, end = x.response_first_at, x.response_last_at
        else:
            begin, end = x.request_first_at, x.request_last_at
        there = (begin > 0) & (end > begin) & np.isin(x.connection, rows)
        taken = int((end[there] - begin[there]).sum())
        ns = int(closed[rows].sum())
        other = "server" if side == Side.CLIENT else "client"
        quiet = c.last_at[rows] - c.columns[f"{other}_last_data_at"][rows]
        forever = rows[10 * quiet >= 9 * closed[rows]]
        if found is None or ns > found.ns:
            found = Shut(side, rows, ns, max(taken, ns), forever)
    return found


@dataclass(frozen=True)
class Expected:
    """Bodies that waited for a 100 Continue which did not come: ``count`` on ``rows``, ``each`` ns long (median)."""

    count: int
    each: int
    rows: Column


# Clients that wait do so for 350 ms (.NET) to some seconds; a body that follows sooner only went in a second write.
PATIENCE = 200 * MILLISECOND


@once_per_pool
def expected(pool: Pool) -> Expected | None:
    """Waits for a 100 Continue of 200 ms or more."""
    c = pool.connections
    mean = c.expect_wait_ns // np.maximum(c.expect_waits, 1)
    rows = np.flatnonzero((c.expect_waits > 0) & (mean >= PATIENCE))
    if not len(rows):
        return None
    return Expected(int(c.expect_waits[rows].sum()), int(np.median(mean[rows])), rows)
