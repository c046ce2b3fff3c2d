"""What a connection's packets imply: the RFC 9293 state of each end, who began the close, Zeek's ``conn_state``.

An observer never sees a kernel's state.  It sees what each side sent and what the other acknowledged:

==========================  ==========================  =====================================
this side's FIN             the other side's FIN        implied state of this side
==========================  ==========================  =====================================
none                        none                        ESTABLISHED, or SYN_SENT, SYN_RECEIVED
none                        acknowledged or sent        CLOSE_WAIT
sent                        none                        FIN_WAIT_1; acknowledged: FIN_WAIT_2
sent, answers the other's   sent                        LAST_ACK; acknowledged: CLOSED
sent, acknowledged by the   sent                        FIN_WAIT_1; acknowledged: TIME_WAIT
other's FIN or earlier
sent, crossing              sent, crossing              CLOSING; acknowledged: TIME_WAIT
==========================  ==========================  =====================================

A RST closes both ends.  TIME_WAIT, and FIN_WAIT_2 of a socket that its program has closed, end by themselves; the
pipeline ends them when it knows how long the capture went on (``pipeline.age``).
"""

from __future__ import annotations

from pcapdiag.connections.connection import Connection, Half

# Sequence numbers are 32 bits.  Typed constants: with such a literal Cython would compute in Python's integers.
_M = 0xFFFFFFFF
_HALF_SPACE = 0x80000000

_UNKNOWN = 0
_CLOSED = 1
_SYN_SENT = 2
_SYN_RECEIVED = 3
_ESTABLISHED = 4
_FIN_WAIT_1 = 5
_FIN_WAIT_2 = 6
_CLOSE_WAIT = 7
_CLOSING = 8
_LAST_ACK = 9
_TIME_WAIT = 10

_NONE = 0
_CLIENT = 1
_SERVER = 2
_UNDECIDABLE = 3

_HANDSHAKE = 0
_REFUSED = 1
_UNANSWERED = 2
_MIDSTREAM = 3


def covers(acknowledgment: int, fin: Half) -> bool:
    """Whether an acknowledgment number takes in a half's FIN."""
    return acknowledgment >= 0 and fin.fin_at != 0 and ((acknowledgment - fin.fin_sequence) & _M) < _HALF_SPACE


def implied_state(half: Half, other: Half) -> int:
    """The state of the end that sent ``half`` (``model.words.TcpState``), right after the connection's last packet."""
    c = half.connection
    if half.rst_at or other.rst_at:
        return _CLOSED
    if c.syn_count and not c.synack_count and not half.packets:
        return _UNKNOWN  # a SYN that nobody answered says nothing of the other end
    if half.packets == 0 and other.packets and c.synack_count == 0 and not c.roles_inferred:
        return _UNKNOWN
    if (half.fin_unseen and other.fin_at) or (other.fin_unseen and half.fin_at):
        return _CLOSED  # both have sent their FIN, though one was not captured
    if half.fin_at == 0:
        if other.fin_at:
            return _CLOSE_WAIT
        if c.syn_count and not c.synack_count and opening(c) != _HANDSHAKE:
            return _SYN_SENT if half is c.client else _UNKNOWN
        if half is c.client or c.synack_count == 0:
            return _ESTABLISHED
        # Behind the client's ACK a server that took it sends no SYN-ACK again; one with a full accept queue does.
        mute = half.packets == c.synack_count
        return _SYN_RECEIVED if mute and (c.established_at == 0 or c.synacks_late) else _ESTABLISHED
    if other.fin_at == 0:
        return _FIN_WAIT_2 if half.fin_acked else _FIN_WAIT_1
    if covers(half.fin_acknowledgment, other):  # passive closer
        return _CLOSED if half.fin_acked else _LAST_ACK
    if half.fin_acked:
        return _TIME_WAIT  # where the last ACK was not captured it is on its way
    return _CLOSING if other.fin_acked else _FIN_WAIT_1


def initiator(c: Connection) -> int:
    """Who left ESTABLISHED first (``model.words.Side``), from what each side's FIN or RST acknowledged.

    A FIN that acknowledges the other's FIN answers it.  Two that do not crossed on the way: then only a goodbye in
    the data tells, otherwise it cannot be decided from the packets.
    """
    client = c.client
    server = c.server
    if c.closer == _NONE:
        return _NONE
    first = client if c.closer == _CLIENT else server
    second = first.other
    other = _SERVER if c.closer == _CLIENT else _CLIENT
    if second.fin_at == 0 and second.rst_at == 0:
        # A FIN that was not captured takes a number all the same: who acknowledges it with a FIN only answers.
        if second.fin_unseen and first.fin_acknowledgment == second.next_sequence:
            return other
        return c.closer
    if c.close_kind == 2:
        # A FIN behind a RST was sent before the RST arrived.
        if second.fin_at and (c.rtt < 0 or second.fin_at - c.close_at <= 3 * c.rtt):
            return by_goodbye(c)
        return c.closer
    if second.fin_at:
        if covers(second.fin_acknowledgment, first):
            return c.closer
        if covers(first.fin_acknowledgment, second):
            return other  # captured out of order
        return by_goodbye(c)
    # Answered by a RST: aimed at data or at the FIN?
    if covers(second.rst_acknowledgment, first) or c.rtt < 0 or second.rst_at - c.close_at > 3 * c.rtt:
        return c.closer
    return by_goodbye(c)


def by_goodbye(c: Connection) -> int:
    """Who began a close in which both ends' segments crossed: who said goodbye, if the other one had heard it."""
    framer = c.framer
    if framer is None or framer.goodbye == 0:
        return _UNDECIDABLE
    other = c.server if framer.goodbye == _CLIENT else c.client
    heard = other.fin_acknowledgment if other.fin_at else other.rst_acknowledgment
    if heard < 0 or ((heard - framer.goodbye_end) & _M) >= _HALF_SPACE:
        return _UNDECIDABLE
    return framer.goodbye


def opening(c: Connection) -> int:
    """How the start was seen (``model.words.Opening``)."""
    if c.synack_count:
        return _HANDSHAKE
    if c.syn_count == 0:
        return _MIDSTREAM
    server = c.server
    if server.rst_at and server.data_packets == 0:
        return _REFUSED
    # One-way captures and filters that keep SYN, FIN and RST only: answered, though the answer is not here.
    if c.client.data_packets or server.packets or c.client.acknowledgment >= 0:
        return _HANDSHAKE
    return _UNANSWERED


def conn_state(c: Connection) -> int:
    """Zeek's conn_state (``model.words.ConnState``), scripts/base/protocols/conn/main.zeek."""
    client = c.client
    server = c.server
    if c.syn_count == 0 and c.synack_count == 0:
        return 0  # OTH
    if c.syn_count == 0:
        if server.rst_at:
            return 10  # RSTRH
        if server.fin_at and client.packets == 0:
            return 12  # SHR
    if server.rst_at and c.synack_count == 0:
        return 4  # REJ
    if c.synack_count == 0:
        if client.rst_at:
            return 9  # RSTOS0
        if client.fin_at:
            return 11  # SH
        return 1 if server.packets == 0 else 0
    if client.rst_at and (server.rst_at == 0 or client.rst_at <= server.rst_at):
        return 7  # RSTO
    if server.rst_at:
        return 8  # RSTR
    if client.fin_at and server.fin_at:
        return 3  # SF
    if client.fin_at:
        return 5  # S2
    if server.fin_at:
        return 6  # S3
    return 2  # S1
