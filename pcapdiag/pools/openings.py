"""How a pool's dials went: answered, refused, never answered, or answered only when the SYN was repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

import numpy as np

from pcapdiag.model.tables import Column
from pcapdiag.model.words import Opening
from pcapdiag.pools.pool import MILLISECOND, SECOND, Mask, Pool, once_per_pool

# The first retransmission timeout of a SYN is a second (RFC 6298 2.1): before it nobody can tell a lost SYN from one whose
# answer is on its way, on paths of up to a second.
PATIENCE = SECOND
# A dial that comes within half a second behind a failed one is what the failed one led to: happy eyeballs wait 250 ms
# (RFC 8305 5), a client that tries the next address of a name does so at once.
FALLBACK = SECOND // 2
# Every host must take segments of this size (RFC 9293 3.7.1).
SMALL = 536
# Linux's least retransmission timeout is 200 ms, and the second wait is twice the first.
TWO_TIMEOUTS = 600 * MILLISECOND


@dataclass(frozen=True)
class Openings:
    """The dials of a pool; rows of it, each in order of time.

    Attributes:
        dials: connections whose opening was captured.
        answered: those whose handshake was.
        refused: SYN, RST.
        unanswered: SYNs repeated without any answer, or one that waited a second where others' answers were captured.
        pending: one SYN without an answer that decides nothing: the capture ended too early, or shows no answers at all.
        late: answered, but to a repeated SYN only.
    """

    dials: Column
    answered: Column
    refused: Column
    unanswered: Column
    pending: Column
    late: Column

    @property
    def none_answered(self) -> bool:
        return len(self.answered) == 0


@once_per_pool
def openings(pool: Pool) -> Openings:
    """Sort the pool's dials by what became of them."""
    c = pool.connections
    order = np.argsort(c.first_at, kind="stable")

    def rows(mask: Mask) -> Column:
        return np.asarray(order[mask[order]], dtype=np.int64)

    answered = c.opening == Opening.HANDSHAKE
    refused = c.opening == Opening.REFUSED
    silent = c.opening == Opening.UNANSWERED
    repeated = c.syn_count >= 2
    waited = pool.end - c.first_at >= PATIENCE
    # One direction only, or a filter on bare SYNs: every dial looks unanswered and none is repeated.
    heard = bool((answered & (c.server_packets > 0)).any() or refused.any())
    lost = silent & waited & (repeated | heard)
    return Openings(
        rows(c.opening != Opening.MIDSTREAM),
        rows(answered),
        rows(refused),
        rows(lost),
        rows(silent & ~lost),
        rows(answered & repeated),
    )


@once_per_pool
def unheard(pool: Pool) -> Mask:
    """Dialled connections whose first request was sent again and again, and met no sign of the server for all that time.

    The same small segment at least twice more (a path that loses one in ten does that to one in a hundred), and no answer
    within two retransmission timeouts of 200 ms or more.  A server that is merely slow acknowledges the request at once,
    and a segment of up to 536 bytes fits every path.
    """
    c = pool.connections
    again = (c.client_resent_run >= 2) & (c.client_resent_low > 0) & (c.client_resent_low <= SMALL)
    mask = pool.whole & again & (c.server_retransmitted <= np.maximum(c.synack_count - 1, 0))
    rows = np.flatnonzero(mask)
    x = pool.exchanges
    first = pool.first_exchange[rows]
    came = x.response_first_at[first]
    waited = np.where(came > 0, came, np.maximum(c.last_at[rows], x.request_last_at[first])) - x.request_first_at[first]
    out = np.zeros(pool.size, dtype=bool)
    out[rows] = waited >= TWO_TIMEOUTS
    return out


@once_per_pool
def data_loss(pool: Pool) -> tuple[int, int]:
    """Segments with data that were sent again and all that were sent, where the opening itself does not account for it.

    Both ways on connections that opened at the first SYN and were heard, the server's on all.  SYNs and SYN-ACKs sent again
    are left out: the retransmission counts hold them too.
    """
    c = pool.connections
    smooth = pool.usable & (c.syn_count <= 1) & (c.synack_count <= 1) & (c.synacks_late == 0) & ~unheard(pool)
    again = int(c.client_retransmitted[smooth].sum())
    again += int(np.maximum(c.server_retransmitted - np.maximum(c.synack_count - 1, 0), 0)[pool.usable].sum())
    sent = int(c.client_data_packets[smooth].sum() + c.server_data_packets[pool.usable].sum())
    return again, sent


@once_per_pool
def syn_loss(pool: Pool) -> tuple[int, int]:
    """SYNs that were sent in vain and all SYNs, of dials that were answered in the end or never."""
    c = pool.connections
    o = openings(pool)
    sent = int(np.maximum(c.syn_count[o.answered], 1).sum() + np.maximum(c.syn_count[o.unanswered], 1).sum())
    vain = int(np.maximum(c.syn_count[o.answered] - 1, 0).sum() + np.maximum(c.syn_count[o.unanswered], 1).sum())
    return vain, sent


def looks_like_loss(pool: Pool) -> bool:
    """Whether the path may have lost these SYNs: it loses data too, and chance makes some of the difference.

    A SYN is in vain when it or its SYN-ACK is lost: twice as often as a segment.  One lost segment more than was seen is
    granted, since few segments prove little.
    """
    vain, syns = syn_loss(pool)
    again, sent = data_loss(pool)
    return by_chance(vain, syns * min(2 * (again + 1) / (sent + 2), 0.5))


def by_chance(count: int, expected: float) -> bool:
    """Whether so many or more come about by chance once in a thousand times or oftener (Chernoff's bound, Poisson)."""
    if count <= expected:
        return True
    return count - expected - count * log(count / expected) > log(0.001)


def signs_of_life(pool: Pool, rows: Column) -> tuple[Column, Column]:
    """While each of these dials waited in vain: dials beside it that were answered at once, and answers to requests.

    An outage leaves SYNs in vain without any answered ones between them, and afterwards all are answered, theirs at the next
    repetition.  So only the time up to a dial's last SYN in vain counts, and from there to the next such SYN of any dial.
    """
    c = pool.connections
    o = openings(pool)
    start, stop = in_vain(pool, rows)
    vain = np.sort(np.concatenate(in_vain(pool, np.concatenate([o.late, o.unanswered]))))
    if not len(vain):
        return np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    following = vain[np.minimum(np.searchsorted(vain, stop, side="right"), len(vain) - 1)]
    until = np.where((following > stop) & (following - stop <= PATIENCE), following, stop)
    before = vain[np.maximum(np.searchsorted(vain, start) - 1, 0)]
    since = np.where((before < start) & (start - before <= PATIENCE), before, start)
    at_once = np.sort(c.first_at[(c.opening == Opening.HANDSHAKE) & (c.syn_count <= 1)])
    opened = np.searchsorted(at_once, until) - np.searchsorted(at_once, since, side="right")
    spoken = pool.exchanges.response_first_at
    spoken = np.sort(spoken[spoken > 0])
    answers = np.searchsorted(spoken, stop) - np.searchsorted(spoken, start, side="right")
    return np.asarray(np.maximum(opened, 0)), np.asarray(np.maximum(answers, 0))


def in_vain(pool: Pool, rows: Column) -> tuple[Column, Column]:
    """The first and the last SYN in vain of each dial, the last one's time at least.

    The last SYN of an unanswered dial is in vain too.  Of an answered one it is the one before; kernels wait at most twice
    as long each time (1, 3, 7 s), so that it came after a third of the whole time or more, or was the first.
    """
    c = pool.connections
    start = c.first_at[rows]
    whole = np.maximum(c.syn_at[rows] - start, 0)
    answered = c.opening[rows] == Opening.HANDSHAKE
    spent = np.where(answered, np.where(c.syn_count[rows] >= 3, whole // 3, 0), whole)
    return start, start + spent


def server_alive_elsewhere(pool: Pool, pools: Iterable[Pool], start: int, end: int) -> bool:
    """Whether the server's address sent anything on connections of other pools in that time."""
    address = int(pool.connections.server_ip[0])
    for other in pools:
        if other is pool or int(other.connections.server_ip[0]) != address:
            continue
        c = other.connections
        spoke = (c.server_packets > 0) & (c.first_at < end) & (c.last_at > start)
        heard = np.maximum(np.maximum(c.server_last_data_at, c.established_at), c.server_rst_at)
        if (spoke & (heard > start) & (heard < end)).any():
            return True
    return False


def fallback(pool: Pool, pools: Iterable[Pool], rows: Column) -> Pool | None:
    """The pool in which these dials went on: nearly each was followed within half a second by a handshake there.

    An address of the other family or another server at the same port, dialled hardly more often than this one: two busy
    services would meet that by chance.
    """
    c = pool.connections
    at = c.first_at[rows]
    family = len(c.strings[int(c.server_ip[0])])
    for other in pools:
        o = other.connections
        if other is pool or int(o.server_port[0]) != int(c.server_port[0]):
            continue
        same_family = len(o.strings[int(o.server_ip[0])]) == family
        if same_family and (int(o.client_ip[0]) != int(c.client_ip[0]) or int(o.server_ip[0]) == int(c.server_ip[0])):
            continue
        ready = np.sort(o.first_at[other.dialled])
        if not len(ready) or len(ready) > 3 * len(rows):
            continue
        near = np.searchsorted(ready, at + FALLBACK, side="right") - np.searchsorted(ready, at)
        if float((near > 0).mean()) >= 0.8:
            return other
    return None


@dataclass(frozen=True)
class DialsGivenUp:
    """How long clients waited for a handshake that never came, in nanoseconds.

    Attributes:
        low: the longest time from a first SYN to a repetition: the client still wanted it.
        high: the time to the next repetition that did not come, or to the client's next dial; None when the capture
            ended before either.
        syns: the most SYNs of one dial.
        count: dials it rests on.
    """

    low: int
    high: int | None
    syns: int
    count: int


@once_per_pool
def dials_given_up(pool: Pool) -> DialsGivenUp | None:
    """The connect timeout's bracket, from dials that were never answered; None where there are none."""
    o = openings(pool)
    c = pool.connections
    rows = o.unanswered
    if not len(rows):
        return None
    tried = np.maximum(c.syn_at[rows] - c.first_at[rows], 0)
    syns = np.maximum(c.syn_count[rows], 1)
    # Kernels wait for the next answer at least as long as for the last one, at most twice as long; the first wait is a
    # second, Windows' three.  Linux repeats at 1, 2, 3, 4, 5, 7, 11 s (since 6.5) or at 1, 3, 7, 15 s.
    linear = (syns >= 3) & (syns <= 5) & (tried <= (syns - 1) * (SECOND + SECOND // 8))
    due = np.where(linear, tried + SECOND + SECOND // 8, np.where(syns >= 2, 2 * tried + SECOND, 3 * SECOND))
    over = c.first_at[rows] + due <= pool.end
    if not over.any():
        return DialsGivenUp(int(tried.max()), None, int(syns.max()), len(rows))
    high = int(np.median(due[over]))
    # A client that dials again when it gave up shows its patience better: the next dial behind the last SYN.
    following = np.sort(c.first_at[o.dials])
    index = np.searchsorted(following, c.first_at[rows] + tried, side="right")
    there = index < len(following)
    waits = following[index[there]] - c.first_at[rows[there]]
    if len(waits) >= 2 and float(np.ptp(waits)) <= 0.25 * float(np.median(waits)):
        high = min(high, int(waits.min()))
    low = int(np.median(tried[over]))
    return DialsGivenUp(min(low, high), high, int(syns[over].max()), int(over.sum()))
