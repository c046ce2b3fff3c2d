"""What was lost between the two ends: at random, only what is large, or everything after a silence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import Side
from pcapdiag.pools.pool import MILLISECOND, SECOND, Mask, Pool, once_per_pool
from pcapdiag.pools.races import reset_by_timer
from pcapdiag.pools.timers import moments

# IPv6's least MTU is 1280: 1208 bytes of payload behind its header, TCP's and the timestamps'.  Paths that lose what is
# smaller do not exist today; tunnels leave 1280 to 1480.
FULL_SIZED = 1208
# Sent again this often, 200, 400 and 800 ms apart and more: at 10% of loss that happens to one segment in a thousand.
AGAIN_AND_AGAIN = 3
# Initial hop limits of common systems; one less for each router passed.
INITIAL_HOPS = (32, 64, 128, 255)
SIDES = ((Side.CLIENT, "client"), (Side.SERVER, "server"))


@dataclass(frozen=True)
class Loss:
    """Segments with payload from one side that were lost, going by what it had to send again.

    Attributes:
        sender: who sent them.
        sent, lost: payload-carrying segments, retransmissions among them; those sent again and missed by the receiver.
        rows: connections with at least one.
        burst: the most lost on one connection.
    """

    sender: Side
    sent: int
    lost: int
    rows: Column
    burst: int

    @property
    def share(self) -> float:
        return self.lost / self.sent if self.sent else 0.0

    def exceeds(self, share: float) -> bool:
        """Whether the loss is above a share by more than twice its own scatter (Poisson)."""
        return self.lost - 2 * math.sqrt(self.lost) > share * self.sent


@once_per_pool
def losses(pool: Pool) -> tuple[Loss, Loss]:
    """Loss from the client and from the server.

    What the receiver says it had already (duplicate SACK) was not lost.  Left out: connections on which one end never
    answered again, whatever the reason; those that the server had not accepted yet, as SYNs repeated again and again,
    late SYN-ACKs or one piece sent again and again show; and window probes, which look like retransmissions.
    """
    c = pool.connections
    left = pool.usable & ~silenced(pool) & (c.synacks_late == 0) & (c.syn_count <= AGAIN_AND_AGAIN)
    found = []
    for side, name in SIDES:
        other = "server" if side == Side.CLIENT else "client"
        counted = left & (c.columns[f"{other}_zero_window"] == 0)
        lost = np.maximum(c.columns[f"{name}_resent"] - c.columns[f"{name}_needless"], 0)
        run = c.columns[f"{name}_resent_run"]
        counted &= (run < AGAIN_AND_AGAIN) | (2 * run < lost)
        lost = np.where(counted, lost, 0)
        sent = int(c.columns[f"{name}_data_packets"][counted].sum())
        found.append(Loss(side, sent, int(lost.sum()), np.flatnonzero(lost > 0), int(lost.max()) if len(lost) else 0))
    return found[0], found[1]


@once_per_pool
def silenced(pool: Pool) -> Mask:
    """Connections on which one side sent the same bytes twice again or more and never had them acknowledged."""
    c = pool.connections
    mask = np.zeros(pool.size, dtype=bool)
    for _, name in SIDES:
        mask |= (c.columns[f"{name}_unacked_bytes"] > 0) & (c.columns[f"{name}_resent_run"] >= 2)
    return mask


@dataclass(frozen=True)
class BlackHole:
    """Only what is large is lost, from one side.

    Attributes:
        sender: whose segments vanish.
        size: payload bytes of the smallest segment that did.
        rows: connections that stuck.  seen_missing: of them those where the capture point, too, missed the bytes: it
            stands behind the narrow link.
        passed: connections that got through with small ones only, or before they stuck.
    """

    sender: Side
    size: int
    rows: Column
    seen_missing: int
    passed: int


@once_per_pool
def black_hole(pool: Pool) -> BlackHole | None:
    """Connections stuck on a full-sized segment on a path that small ones pass.

    From the sender's side: the same full-sized segment goes out three times again or more and is never acknowledged.
    From the receiver's: a hole of a full-sized segment or more that never fills, with bytes behind it; a capture that
    lost packets looks like that, too.  None with fewer than two stuck connections, three seen only from the receiver's
    side, or when as many connections got as large segments through.
    """
    c = pool.connections
    found = None
    for side, name in SIDES:
        largest = c.columns[f"{name}_largest"]
        resent = c.columns[f"{name}_resent_low"]
        missing = c.columns[f"{name}_missing_bytes"]
        unacknowledged = c.columns[f"{name}_unacked_bytes"]
        stuck = pool.usable & (resent >= FULL_SIZED) & (unacknowledged >= resent)
        stuck &= c.columns[f"{name}_resent_run"] >= AGAIN_AND_AGAIN
        hole = pool.usable & (missing >= FULL_SIZED) & ((largest < FULL_SIZED) | stuck)
        rows = np.flatnonzero(stuck | hole)
        if int(stuck.sum()) < 2 and len(rows) < AGAIN_AND_AGAIN:
            continue
        size = int(resent[stuck].min()) if stuck.any() else FULL_SIZED
        through = pool.usable & ~stuck & ~hole & (unacknowledged == 0) & (missing == 0)
        if int((through & (largest >= size)).sum()) >= len(rows):
            continue
        bytes_sent = c.columns[f"{name}_bytes"]
        passed = through & (bytes_sent > 0)
        passed |= (stuck | hole) & (bytes_sent > unacknowledged)
        if found is None or len(rows) > len(found.rows):
            found = BlackHole(side, size, rows, int(hole[rows].sum()), int(passed.sum()))
    return found


@dataclass(frozen=True)
class IdleDrop:
    """Requests that went unanswered after a silence, though the service was there.

    Attributes:
        low: the longest silence after which a request was answered, nanoseconds; None when none was tried.
        high: the shortest after which none was.
        failed: rows of the exchanges.  reset: of them those answered by a RST.
        rows: their connections, in the same order.
        foreign: RSTs that came with another hop limit than the server's packets.
        episodes: moments of failing.
    """

    low: int | None
    high: int
    failed: Column
    rows: Column
    reset: int
    foreign: int
    episodes: int


# Nothing that forgets connections does so within a second: home routers take minutes, RFC 5382 asks for two hours.
SHORTEST_MEMORY = SECOND
# A RST that answers a request comes within a round trip; this is a machine's delay on top.
PROMPTLY = 200 * MILLISECOND


@once_per_pool
def idle_drop(pool: Pool) -> IdleDrop | None:
    """Requests after long silences that met nothing, or a RST, while shorter silences did no harm.

    The request must have been sent twice again or more without even an ACK, or have been reset by an end that sent no
    FIN; the service must have answered somebody afterwards; and no silence as long may have done well, but for a tenth.
    A RST after the silence after which the server itself closes other connections is its own timer's.
    """
    c, x = pool.connections, pool.exchanges
    owner = x.connection
    ends = pool.last_exchange[pool.last_exchange >= 0]
    if int((x.response_first_at[ends] <= 0).sum()) < 2:
        return None
    first = np.ones(len(owner), dtype=bool)
    first[1:] = owner[1:] != owner[:-1]
    previous = np.where(first, pool.ready_at[owner], 0)
    previous[1:] = np.where(first[1:], previous[1:], np.maximum(x.response_last_at[:-1], x.request_last_at[:-1]))
    gap = x.request_first_at - previous
    last = np.zeros(len(owner), dtype=bool)
    last[:-1] = owner[1:] != owner[:-1]
    last[-1] = True
    answered = x.response_first_at > 0
    unheard = (c.client_unacked_bytes > 0) & (c.client_resent_run >= 2) & (c.synacks_late == 0)
    gone = unheard[owner] & (c.server_last_data_at[owner] < x.request_first_at)
    reset_at = c.server_rst_at[owner]
    closed = (c.server_fin_at > 0) | (c.server_fin_unseen != 0)
    reset = (reset_at > 0) & ~closed[owner] & (reset_at >= x.request_first_at)
    reset &= reset_at - x.request_last_at <= PROMPTLY + 2 * pool.rtt
    reset &= ~np.isin(owner, reset_by_timer(pool))
    failed = np.flatnonzero(~answered & last & (gone | reset) & (gap >= SHORTEST_MEMORY))
    if len(failed) < 2:
        return None
    survived = gap[answered & (gap > 0)]
    high = int(gap[failed].min())
    if int((survived >= high).sum()) * 10 > len(failed):
        return None
    below = survived[survived < high]
    worked = np.sort(x.request_first_at[answered])
    later = len(worked) - np.searchsorted(worked, x.request_first_at[failed], side="right")
    if int((later > 0).sum()) < max(1, len(failed) // 2):
        return None
    rows = owner[failed]
    foreign = reset[failed] & (c.server_rst_hops[rows] != c.server_hops[rows]) & (c.server_rst_hops[rows] > 0)
    return IdleDrop(
        int(below.max()) if len(below) else None,
        high,
        failed,
        rows,
        int((reset[failed] & ~gone[failed]).sum()),
        int(foreign.sum()),
        moments(x.request_first_at[failed]),
    )


@dataclass(frozen=True)
class Forgotten:
    """Connections that fell silent for good, seen from the server, while their client opened others.

    ``low`` is the longest silence between two requests of one connection, None where there was none; ``high`` the
    shortest silence after which the client came back on a new connection.
    """

    low: int | None
    high: int
    rows: Column


# A client that made a new pool for each request would do so at its calls' rate; more seldom than this, and behind a
# router, the packets at the server are the same for a connection that was forgotten on the way.
SELDOM = 5 * SECOND


@once_per_pool
def forgotten(pool: Pool) -> Forgotten | None:
    """Connections that a client behind a router left without a word, one after another, at the server's end.

    At least three; none closed, none overlapping another in use, every new one dialled five seconds or more after the
    last use of the one ahead of it, no keepalive probe and no FIN from the old one since.
    """
    c = pool.connections
    if pool.size < 3 or not pool.dialled.all() or pool.closed.any() or (c.requests == 0).any():
        return None
    at_server = (c.server_rtt_ns >= 0) & (c.server_rtt_ns <= 2 * MILLISECOND) & np.isin(c.server_hops, INITIAL_HOPS)
    routed = (c.client_hops > 0) & ~np.isin(c.client_hops, INITIAL_HOPS)
    if not (at_server & routed).all() or c.client_keepalive_probes.any() or (c.open_request != 0).any():
        return None
    order = np.argsort(c.first_at)
    silence = c.first_at[order[1:]] - c.last_exchange_at[order[:-1]]
    if int(silence.min()) < SELDOM:
        return None
    spent = pool.idle.end - pool.idle.start
    between = spent[(pool.idle.fate == 0) & ~pool.idle.fresh]
    high = int(silence.min())
    if len(between) and int(between.max()) >= high:
        return None
    return Forgotten(int(between.max()) if len(between) else None, high, order[:-1])
