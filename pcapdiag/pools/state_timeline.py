"""Which TCP state each end of each connection was in, from when to when, as its packets imply.

``connections/states.py`` says what an end's state is behind the last packet; here is the way that led there.  Each end
of a connection goes through at most five stays:

====================  ======================  =======================  ======================  =========
1                     2                       3                        4                       5
====================  ======================  =======================  ======================  =========
SYN_SENT (client),    ESTABLISHED             closes first:            FIN_WAIT_2, or CLOSING  TIME_WAIT
SYN_RECEIVED                                  FIN_WAIT_1               where FINs cross
(server)                                      closes second:           LAST_ACK
                                              CLOSE_WAIT
====================  ======================  =======================  ======================  =========

An end sent its packets some time before the capture saw them, and received those of the other end some time after: half
of the part of the handshake's round trip that lies between the capture point and this end.  At the capture point itself
that is microseconds.  Four states end by themselves, on Linux's defaults; a RST, or a new connection on the same addresses
and ports, ends any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pcapdiag.model.tables import Column, ConnectionTable
from pcapdiag.model.words import CloseKind, Opening, Side, TcpState
from pcapdiag.pools import timeline

SECOND = 1_000_000_000
# A server's wait for the handshake's last ACK: net.ipv4.tcp_synack_retries is 5, after 1, 2, 4, 8, 16 s, and 32 s more.
SYNACK_TIMEOUT = 63 * SECOND
FOREVER = np.iinfo(np.int64).max

# These go on without a packet: their time is over, or what would have been sent again was not.
SELF_ENDING = (
    TcpState.SYN_SENT,
    TcpState.SYN_RECEIVED,
    TcpState.FIN_WAIT_1,
    TcpState.FIN_WAIT_2,
    TcpState.CLOSING,
    TcpState.LAST_ACK,
    TcpState.TIME_WAIT,
)
NO_SOCKET = (TcpState.UNKNOWN, TcpState.CLOSED)  # what ``ss`` does not show


@dataclass(frozen=True)
class Kernel:
    """How long the hosts keep what ends by itself, in nanoseconds; the defaults are Linux's."""

    # TCP_TIMEWAIT_LEN, from the last segment that comes in: a repeated FIN starts it anew.  macOS has 30 s.
    time_wait: int = 60 * SECOND
    # net.ipv4.tcp_fin_timeout: FIN_WAIT_2 of a socket that its program has closed.
    fin_timeout: int = 60 * SECOND


LINUX = Kernel()

Mask: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class Stays:
    """All stays of one end's sockets in states that ``ss`` shows; arrays of one length, in no order.

    Attributes:
        rows: of the connection table.
        states: numbers of ``TcpState``.
        begin, end: nanoseconds since the epoch; a stay lasts until just before ``end``, FOREVER where nothing ends it.
    """

    rows: Column
    states: Column
    begin: Column
    end: Column

    def of(self, kept: Mask | Rows) -> Stays:
        """Some of them, by a mask or by their places."""
        return Stays(self.rows[kept], self.states[kept], self.begin[kept], self.end[kept])

    def by_state(self) -> Iterator[tuple[TcpState, Stays]]:
        """The stays in each state that occurs, in the order of the states."""
        for state in np.flatnonzero(np.bincount(self.states)).tolist():
            yield TcpState(state), self.of(self.states == state)

    def count(self, moments: Column) -> Column:
        """How many stays cover each of the moments."""
        return timeline.level(moments, self.begin, self.end)

    def peak(self) -> tuple[int, int]:
        """The most at once and since when; there must be a stay."""
        at, levels = timeline.steps(self.begin, self.end)
        highest = int(np.argmax(levels))
        return int(levels[highest]), int(at[highest])


@dataclass(frozen=True)
class Steps:
    """The way of each connection at one end: ``states[k]`` from ``bounds[k]`` on; both of shape (7, connections)."""

    bounds: Column
    states: Column

    def stays(self) -> Stays:
        ends = np.vstack([self.bounds[1:], np.full((1, self.bounds.shape[1]), FOREVER)])
        step, rows = np.nonzero((ends > self.bounds) & ~np.isin(self.states, NO_SOCKET))
        return Stays(rows, self.states[step, rows], self.bounds[step, rows], ends[step, rows])

    def at(self, moment: int) -> Column:
        """The state of each connection at a moment; CLOSED before it began."""
        step = (self.bounds <= moment).sum(axis=0) - 1
        state = self.states[np.maximum(step, 0), np.arange(self.states.shape[1])]
        return np.where(step < 0, TcpState.CLOSED, state)


def steps_of(c: ConnectionTable, side: Side, start: int, kernel: Kernel = LINUX) -> Steps:
    """The way of every connection at one end.

    ``start`` is when the capture began.  Connections that were open by then are ESTABLISHED from there on.
    """
    own, other = ("client", "server") if side is Side.CLIENT else ("server", "client")
    way = way_to(c, side)
    used, again = neighbors(c)
    begin, opening, up = opening_of(c, side, start, way, used)
    fin, acked = happened(c.columns[f"{own}_fin_at"], -way), happened(c.columns[f"{own}_fin_acked_at"], way)
    theirs, answered = happened(c.columns[f"{other}_fin_at"], way), happened(c.columns[f"{other}_fin_acked_at"], -way)
    closes, told = fin < FOREVER, theirs < FOREVER
    acked = np.where(closes & (acked == FOREVER), repetition_due(c, own), acked)
    second = (c.columns[f"{own}_fin_answers"] != 0) | (~closes & told)
    first = closes & ~second
    heard = np.where(told, np.maximum(theirs, fin), FOREVER)  # a FIN that crossed came in after the own one had left

    # CLOSING shows only by the ACK of the other end's FIN; before that it may be still on its way.
    closing = first & (heard < acked) & (answered < FOREVER)
    aged = np.where(closing, FOREVER, fin_wait_2_until(c, other, acked, heard, answered, kernel))
    reset = np.minimum(happened(c.columns[f"{own}_rst_at"], -way), happened(c.columns[f"{other}_rst_at"], way))
    again = np.where(again < FOREVER, again - way if side is Side.CLIENT else again + way, FOREVER)
    gone = np.minimum(np.minimum(reset, again), both_closed(c))
    n = len(c)
    bounds = np.full((6, n), FOREVER, dtype=np.int64)
    states = np.full((6, n), TcpState.CLOSED, dtype=np.int64)
    bounds[0], states[0] = begin, opening
    bounds[1] = np.where(up < FOREVER, up, expiry_of_opening(c, side))
    states[1] = np.where(up < FOREVER, TcpState.ESTABLISHED, TcpState.CLOSED)
    bounds[2] = np.where(second, theirs, fin)
    states[2] = np.where(second, TcpState.CLOSE_WAIT, TcpState.FIN_WAIT_1)
    bounds[3] = np.where(second, fin, np.where(closing, heard, acked))
    states[3] = np.where(second, TcpState.LAST_ACK, np.where(closing, TcpState.CLOSING, TcpState.FIN_WAIT_2))
    waits = first & (heard < FOREVER) & (acked < FOREVER) & (heard < aged)
    both = np.maximum(heard, acked)
    bounds[4] = np.where(second, acked, np.where(waits, both, aged))
    states[4] = np.where(waits, TcpState.TIME_WAIT, TcpState.CLOSED)
    # What comes when it is over finds no socket that it could prolong.
    anew = np.where(c.last_at - kernel.time_wait <= both, np.maximum(both, c.last_at), both)
    bounds[5] = np.where(waits, anew + kernel.time_wait, FOREVER)
    bounds = np.maximum.accumulate(bounds, axis=0)  # packets captured out of order
    over = np.maximum(gone, begin)
    closed = np.full((1, n), TcpState.CLOSED, dtype=np.int64)
    return Steps(np.vstack([np.minimum(bounds, over), over]), np.vstack([states, closed]))


def happened(at: Column, shift: Column | int = 0) -> Column:
    """A column of times, moved by nanoseconds, with FOREVER for what did not happen."""
    return np.where(at > 0, at.astype(np.int64) + shift, FOREVER)


def way_to(c: ConnectionTable, side: Side) -> Column:
    """How long packets take between the capture point and an end; 0 where the handshake does not tell."""
    beyond = np.maximum(c.server_rtt_ns.astype(np.int64), 0)
    known = (c.rtt_ns >= 0) & (c.server_rtt_ns >= 0) & (beyond <= c.rtt_ns)
    return np.asarray(np.where(known, beyond if side is Side.SERVER else c.rtt_ns - beyond, 0) // 2)


def arrived(c: ConnectionTable) -> int:
    """When the last packet of all had reached its end, at the latest."""
    way = np.maximum(way_to(c, Side.CLIENT), way_to(c, Side.SERVER))
    return int((c.last_at + way).max(initial=0))


def opening_of(c: ConnectionTable, side: Side, start: int, way: Column, used: Mask) -> tuple[Column, Column, Column]:
    """When an end's first state began, which it was, and when the end became ESTABLISHED (FOREVER: it did not).

    ``used`` tells which addresses and ports had a connection before in the capture.
    """
    client = side is Side.CLIENT
    own = "client" if client else "server"
    begin = c.first_at - way
    state = np.full(len(c), TcpState.SYN_SENT if client else TcpState.SYN_RECEIVED, dtype=np.int64)
    synack = synack_first(c)
    answered = c.synack_count > 0
    if client:
        up = np.where(answered, synack + way, FOREVER)
    else:
        begin = np.where(answered, synack - way, begin)
        took = taken(c)
        up = np.where(answered & (took < FOREVER), took + way, FOREVER)
    # The SYN-ACK was not captured, but what followed on it was.
    up = np.where(~answered & (c.opening == Opening.HANDSHAKE), begin, up)
    midstream = c.opening == Opening.MIDSTREAM
    # A tuple that was used before was not open since the start; a RST alone does not tell that there was a connection.
    before = midstream & ~used & ~((c.close_kind == CloseKind.RST) & (c.close_at == c.first_at))
    begin = np.where(before, np.minimum(start, begin), begin)
    up = np.where(midstream, begin, up)
    # Of who sent nothing on a connection that was not answered there is nothing to say; who refused it had no socket.
    unseen = (c.columns[f"{own}_packets"] == 0) & ~answered & (c.roles_inferred == 0)
    if not client:
        unseen |= (up == FOREVER) & ~answered
    state = np.where(unseen, TcpState.UNKNOWN, state)
    return begin, state, np.where(unseen, FOREVER, up)


def taken(c: ConnectionTable) -> Column:
    """When the server took the handshake's last ACK, FOREVER where it did not.

    It repeats its SYN-ACK behind an ACK that it did not take (its accept queue is full).  The client answers each, and the
    last one was taken where anything else came of the server.
    """
    spoke = (c.server_data_packets > 0) | (c.server_fin_at > 0)
    spoke |= (c.server_rst_at == 0) & (c.server_packets > c.synack_count)
    acked = c.established_at > 0
    at = np.where(acked & (c.synacks_late == 0), c.established_at, np.maximum(c.established_at, c.synack_at))
    return np.where(spoke | (acked & (c.synacks_late == 0)), at, FOREVER)


def expiry_of_opening(c: ConnectionTable, side: Side) -> Column:
    """When the kernel gives an opening up that nobody answers."""
    if side is Side.SERVER:
        return np.where(c.synack_count > 0, synack_first(c) + SYNACK_TIMEOUT, FOREVER)
    return np.where(c.opening == Opening.UNANSWERED, c.first_at + next_syn_due(c), FOREVER)


def synack_first(c: ConnectionTable) -> Column:
    """When the first SYN-ACK came, where there was one."""
    after_syn = np.where(c.syn_count > 0, c.synack_at, c.first_at)
    return np.where(c.server_rtt_ns >= 0, c.syn_at + c.server_rtt_ns, after_syn)


def next_syn_due(c: ConnectionTable) -> Column:
    """From an unanswered dial's first SYN to the next one that its kernel would have sent: without it the dial is over.

    Linux repeats a SYN after 1, 3, 7, 15, 31, 63 s, since 6.5 after 1, 2, 3, 4, 5, 7, 11, 19, 35, 67 s; when the last wait
    is over too it gives up.  Two SYNs do not tell which, then it is the longer wait.  A program may give up sooner.
    """
    tried = np.maximum(c.syn_at.astype(np.int64) - c.first_at, 0)
    count = np.clip(c.syn_count, 1, 16).astype(np.int64)
    doubling = (2 ** (count - 1) - 1) * SECOND
    linear = (count >= 3) & (tried < doubling // 4 * 3)
    faster = np.where(count <= 5, tried + SECOND, 2 * tried - 3 * SECOND)
    return np.asarray(np.where(linear, np.maximum(faster, tried + SECOND), 2 * tried + SECOND))


def repetition_due(c: ConnectionTable, own: str) -> Column:
    """When a FIN whose ACK was not captured would have been sent again: without that it has been acknowledged.

    Filters keep SYN, FIN and RST only, and captures lose packets.  The first retransmission timeout is a second at the most
    (RFC 6298 2.1), each further one twice as long.
    """
    last = c.last_at.astype(np.int64)
    return np.asarray(last + np.maximum(SECOND, 2 * (last - c.columns[f"{own}_fin_at"])))


def fin_wait_2_until(
    c: ConnectionTable, other: str, acked: Column, heard: Column, answered: Column, kernel: Kernel
) -> Column:
    """When FIN_WAIT_2 ends of itself: a time behind the ACK of the FIN, unless the socket shows to be held open.

    A socket that its program has closed has nobody to read: it answers data with a RST, and when it is over the other end's
    FIN too.  One that took either was shut down for writing only, and stays.
    """
    over = np.where(acked < FOREVER, np.minimum(acked, FOREVER - kernel.fin_timeout) + kernel.fin_timeout, FOREVER)
    read = c.columns[f"{other}_last_data_at"] >= acked
    met = (heard < FOREVER) & ((heard < over) | (answered < FOREVER))
    return np.where(read | met, FOREVER, over)


def both_closed(c: ConnectionTable) -> Column:
    """When both ends had sent their FIN, where one of the two was not captured."""
    unseen = ((c.client_fin_unseen != 0) & (c.server_fin_at > 0)) | ((c.server_fin_unseen != 0) & (c.client_fin_at > 0))
    last = np.maximum.reduce([c.client_fin_at, c.server_fin_at, c.client_fin_acked_at, c.server_fin_acked_at])
    return np.where(unseen, last, FOREVER)


def neighbors(c: ConnectionTable) -> tuple[Mask, Column]:
    """Whether each row's addresses and ports were used before in the capture, and when they were used again."""
    client = c.client_ip.astype(np.int64) << 16 | c.client_port
    server = c.server_ip.astype(np.int64) << 16 | c.server_port
    low, high = np.minimum(client, server), np.maximum(client, server)
    order = np.lexsort((c.first_at, high, low))
    same = (low[order[1:]] == low[order[:-1]]) & (high[order[1:]] == high[order[:-1]])
    before, after = order[:-1][same], order[1:][same]
    used = np.zeros(len(c), dtype=bool)
    used[after] = True
    again = np.full(len(c), FOREVER, dtype=np.int64)
    again[before] = c.first_at[after]
    return used, again
