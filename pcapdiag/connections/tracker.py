"""The connection tracker: every TCP segment, in capture order, to the connection it belongs to.

Theory of operation
-------------------
An observer sees segments, not sockets.  It cannot know what a kernel received, only what the other side acknowledged;
it may see a segment twice (two interfaces, a mirror port), late, or never.  So:

* One dictionary maps the addressing bytes of a packet to the :class:`Half` that sends such packets.  A connection is
  two halves; a new incarnation of a 4-tuple replaces both entries.
* A SYN with an initial sequence number that its half has not used starts a new connection.  One that it has used is a
  retransmission.  Anything else on a known 4-tuple belongs to the connection there, closed or not: late ACKs,
  retransmitted FINs and RSTs are part of the old life, never a new one.
* The same packet captured again is dropped ahead of everything else: same sequence numbers, flags, length, TCP checksum
  and IP identification within 50 ms.  A real retransmission has another IP identification.  Where there is none (IPv6,
  or 0) the copy must show another interface or hop count, or carry data within 1 ms: no retransmission timer is that
  short.
* Bytes go to the framer in order.  Segments ahead of a hole wait, copied, within a budget.  A hole that the other side
  has acknowledged, and that nothing fills within 20 ms, is a gap: the bytes were sent and received but not captured.

Definitions of keepalive probes, zero windows and retransmissions are Wireshark's (TCP Analysis); a segment that fills a
hole counts as out of order when it comes within a round trip (3 ms where that is unknown), else as a retransmission.

What is not here: IP fragments, checksums, TCP options other than the window scale.
"""

from __future__ import annotations

from array import array
from collections import deque

from pcapdiag.connections.connection import Connection, Half, Pending, swapped
from pcapdiag.connections.rows import ConnectionRows
from pcapdiag.connections.states import covers
from pcapdiag.exchanges.choose import choose, speaker, undecided
from pcapdiag.exchanges.framer import Framer
from pcapdiag.exchanges.heads import Heads
from pcapdiag.exchanges.rows import ExchangeRows
from pcapdiag.segments.segment import Segment, SegmentSink, key_of

_FIN = 0x01
_SYN = 0x02
_RST = 0x04
_ACK = 0x10

_M = 0xFFFFFFFF
_HALF_SPACE = 0x80000000
# The largest window that scaling allows (RFC 7323 2.3) is 1 GiB: a number further ahead is not of this connection.
_MAX_WINDOW = 0x40000000

_COPY_WINDOW = 50_000_000  # ns; a mirrored or routed copy of a packet is this close to it
_COPY_NO_ID = 1_000_000  # ns; without an IP id: below every retransmission timer
_PATIENCE = 20_000_000  # ns a packet captured late may take (several capture queues, offload)
_REORDER = 3_000_000  # ns; Wireshark's threshold where the round trip is unknown
_KEPT = 1_000_000_000  # ns a closed connection stays whole for what crosses its close; then its row is written
# A delayed ACK: Linux waits 40 ms, others up to 200 ms, nobody may wait 500 ms (RFC 9293 3.8.6.3).  Below 30 ms an ACK is
# merely slow.  What Nagle's algorithm held back leaves in the kernel, on the ACK's arrival, in far less than a
# millisecond; half of one is for jitter.
_ID_STEP = 32  # packets of a connection between two with data; a machine-wide or random IP identification jumps further
_ID_STEPS = 3
_ID_NEAR = 64
_DELAYED_ACK = 30_000_000  # ns
_DELAYED_ACK_MOST = 500_000_000  # ns
_RELEASED = 500_000  # ns
_LATE = 60_000_000_000  # ns a 4-tuple is remembered behind that for late packets: TIME_WAIT on Linux

# No protocol that is told apart here needs more first bytes than this.
_MIN_OPENING = 24

_MOST_SPARE = 1_024  # retired connections kept to be used again

_MAX_PENDING = 512
_MAX_PENDING_BYTES = 262_144
# Keepalive probes of a side whose silences are kept: their median tells the timer.
_MAX_GAPS = 15

# A power of two; 64 KiB of slots stay in the second-level cache, and copies of a packet follow it closely.
_SLOTS = 2_048
_SLOT_MASK = 2_047
_LATELY_MASK = 8_191
_PRIME = 1_000_003
_MASK = 0xFFFFFFFFFFFFFFFF

# Bits of Half.seen: Zeek history letters written once per side.
_SEEN_S = 1
_SEEN_H = 2
_SEEN_A = 4
_SEEN_D = 8
_SEEN_F = 16
_SEEN_R = 32
_SEEN_G = 64
_SEEN_T = 128
_SEEN_W = 256

_NINE_LETTERS = 1 << 56  # of Connection.history: from here on nine are in it

_NONE = 0
_CLIENT = 1
_SERVER = 2
_NOT_YET = 0  # a framer's protocol when its first bytes were not what they promised
_OPAQUE = 1


class Tracker(SegmentSink):
    """Take segments, keep the living connections, write rows of the finished ones.

    Attributes:
        rows, exchanges: the two tables.
        duplicates: packets dropped as copies.
        count: connections so far.
    """

    def __init__(self) -> None:
        self.rows = ConnectionRows()
        self.exchanges = ExchangeRows()
        self.heads = Heads()
        self.flows: dict[bytes, Half] = {}
        self.lately: list[Half | None] = [None] * (_LATELY_MASK + 1)
        self.services: set[bytes] = set()
        self.served = b""  # the key of who was added last: mostly it is the same one again
        self.closed: deque[Connection] = deque()
        # Retired ones to be used again: they are at hand in the cache, and no allocator is asked.
        self.spare: list[Connection] = []
        self.spare_halves: list[Half] = []
        # Connections whose rows are written, in two generations: the lesser of their keys to the connection's number,
        # negative where the client is the other end.
        self.late: dict[bytes, int] = {}
        self.late_before: dict[bytes, int] = {}
        self.late_since = 0
        self.count = 0
        self.serials = 0
        self.duplicates = 0
        self.last_at = 0
        # Recent packets, a slot of four numbers: signature, time, interface and hops, one unused.
        self.recent_buffer = array("Q", bytes(8 * 4 * _SLOTS))
        self.recent = self.recent_buffer
        # Where keys are turned round: quicker than to put slices of them together.
        self.turned_buffer = array("B", bytes(12))  # of IPv4
        self.turned_buffer6 = array("B", bytes(36))
        self.turned = self.turned_buffer
        self.turned6 = self.turned_buffer6

    def segment(self, segment: Segment) -> int:
        s = segment
        flags = s.flags
        half = self.near(s)
        if half is None or (flags & _SYN and self.renewed(half, s)):
            key = key_of(s)
            half = self.flows.get(key)
            if half is None:
                reverse = self.reverse_of(key)
                if self.belongs_to_the_past(s, key, reverse):
                    return 0
                half = self.admit(s, key, reverse)
            elif flags & _SYN and self.renewed(half, s):
                reverse = half.other.key
                c = half.connection
                self.retire(c)
                self.rows.replaced(c.number)
                half = self.admit(s, key, reverse)
            self.remember(half, s.addresses, s.ports)
        c = half.connection
        if self.copy_of_recent(half, s):
            c.duplicates += 1
            self.duplicates += 1
            return 0
        other = half.other
        at = s.at
        if at > c.last_at:
            c.last_at = at
        if at > self.last_at:
            self.last_at = at
        c.last_frame = s.frame
        half.packets += 1
        if half.packets == 1:
            half.hops = s.hops
        if flags & _SYN and (half.isn < 0 or not flags & (_FIN | _RST)):
            self.on_syn(c, half, s)
        elif flags & _ACK and c.established_at == 0 and c.synack_count and half is c.client:
            c.established_at = at
            # Not from the first packet that a filter or a loss left over: it must be next in the client's numbers.
            if c.syn_count and not flags & (_FIN | _RST) and s.sequence == half.next_sequence:
                c.rtt = max(0, (c.synack_first - c.syn_at) + (at - c.synack_at))
        if flags & _ACK:
            self.on_ack(half, other, s)
        if s.length or flags & _FIN:
            self.on_bytes(c, half, s)
        elif not flags & (_SYN | _RST):
            self.on_empty(c, half, s)
        if flags & (_FIN | _RST):
            self.on_close(c, half, s)
        return 0

    # -- which connection

    def near(self, s: Segment) -> Half | None:
        """The half that sends such segments, when it is one of those seen lately: most packets need no more."""
        if s.ports < 0:
            return None
        half = self.lately[((s.addresses ^ s.addresses >> 32 ^ s.ports ^ s.ports >> 13) & _LATELY_MASK)]
        if half is not None and half.addresses == s.addresses and half.ports == s.ports and half.connection is not None:
            return half
        return None

    def remember(self, half: Half, addresses: int, ports: int) -> int:
        if ports >= 0:
            half.addresses = addresses
            half.ports = ports
            self.lately[((addresses ^ addresses >> 32 ^ ports ^ ports >> 13) & _LATELY_MASK)] = half
        return 0

    def admit(self, s: Segment, key: bytes, reverse: bytes) -> Half:
        """Start a connection for a segment that belongs to none."""
        self.sweep(s.at)
        self.count += 1
        c = self.new_connection()
        c.first_at = s.at
        c.last_at = s.at
        c.first_frame = s.frame
        half = self.new_half(c, key)
        other = self.new_half(c, reverse)
        half.other = other
        other.other = half
        self.serials += 2
        half.serial = self.serials
        other.serial = self.serials + 1
        if s.flags & _SYN:
            sender = _SERVER if s.flags & _ACK else _CLIENT
        else:
            c.roles_inferred = True
            sender = speaker(s.data, s.start, s.captured) if s.captured else _NONE
            if sender == _NONE:
                source, target = sender_of(key), sender_of(reverse)
                if source in self.services:
                    sender = _SERVER
                elif target in self.services:
                    sender = _CLIENT
                else:  # the lower port serves; between equals, who is spoken to
                    sender = _SERVER if source[len(source) - 2 :] < target[len(target) - 2 :] else _CLIENT
        if sender == _CLIENT:
            c.client = half
            c.server = other
        else:
            c.client = other
            c.server = half
        if not c.roles_inferred:
            server = c.server.key
            if not same_sender(server, self.served):
                self.services.add(sender_of(server))
                self.served = server
        self.flows[key] = half
        self.flows[reverse] = other
        if s.ports >= 0:  # the answer is next, mostly
            self.remember(other, s.addresses >> 32 | (s.addresses & _M) << 32, s.ports >> 16 | (s.ports & 0xFFFF) << 16)
        return half

    def reverse_of(self, key: bytes) -> bytes:
        """The key of the other direction."""
        size = (len(key) - 4) // 2
        out = self.turned if size == 4 else self.turned6
        for at in range(size):
            out[at] = key[size + at]
            out[size + at] = key[at]
        for at in range(2 * size, 2 * size + 2):
            out[at] = key[at + 2]
            out[at + 2] = key[at]
        return self.turned_buffer.tobytes() if size == 4 else self.turned_buffer6.tobytes()

    def new_connection(self) -> Connection:
        if not self.spare:
            return Connection(self.count)
        c = self.spare.pop()
        c.begin(self.count)
        return c

    def new_half(self, c: Connection, key: bytes) -> Half:
        if not self.spare_halves:
            return Half(c, key)
        half = self.spare_halves.pop()
        half.begin(c, key)
        return half

    def sweep(self, at: int) -> int:
        """Write the rows of connections that closed a second ago or more, and forget 4-tuples from minutes ago."""
        while self.closed:
            c = self.closed[0]
            if c.client is not None and at - c.last_at < _KEPT:
                if at - c.closed_at > 2 * _KEPT or c.closed_at - at > 2 * _KEPT:
                    self.closed.rotate(-1)  # its ends still talk, or its clock was wrong: the others need not wait
                break
            self.closed.popleft()
            if c.client is not None:
                key = c.client.key
                reverse = c.server.key
                if reverse < key:
                    self.late[reverse] = -c.number
                else:
                    self.late[key] = c.number
                client, server = c.client, c.server
                self.retire(c)
                if len(self.spare) < _MOST_SPARE:
                    self.spare.append(c)
                    self.spare_halves.append(client)
                    self.spare_halves.append(server)
        if at - self.late_since > _LATE:
            self.late_before = self.late
            self.late = {}
            self.late_since = at
        return 0

    def belongs_to_the_past(self, s: Segment, key: bytes, reverse: bytes) -> bool:
        """Whether a segment is a late one of a connection whose row is written already; then it is added there."""
        lesser = reverse if reverse < key else key
        number = self.past(lesser)
        if number == 0:
            return False
        from_client = (number > 0) == (lesser is key)
        if number < 0:
            number = -number
        if s.flags & _SYN:
            self.late.pop(lesser, None)
            self.late_before.pop(lesser, None)
            self.rows.replaced(number)
            return False
        if s.at > self.last_at:
            self.last_at = s.at
        self.rows.late(number, from_client, s.at, s.frame, s.flags, s.length > 0 or (s.flags & _FIN) != 0)
        return True

    def past(self, key: bytes) -> int:
        """The number of a written connection with that key, the lesser of the two, 0 for none."""
        number = self.late.get(key)
        if number is None:
            number = self.late_before.get(key)
        return 0 if number is None else number

    def renewed(self, half: Half, s: Segment) -> bool:
        """Whether a SYN on a known 4-tuple starts a new connection."""
        c = half.connection
        if half.isn == s.sequence or s.flags & (_FIN | _RST):
            return False
        if s.flags & _ACK:
            # A SYN-ACK answers this connection's SYN, unless it had another one already or there was no SYN.
            if half is c.server and half.isn >= 0:
                # One with another number answers it too when it acknowledges the same: a listener without state
                # (SYN cookies), several servers behind one address.
                other = half.other
                if other.isn >= 0:
                    return ((s.acknowledgment - other.isn) & _M) - 1 > 0xFFFF
                return s.acknowledgment != half.acknowledgment
            return half.isn >= 0 or c.syn_count == 0 or half is c.client
        if half is c.client:
            return True
        # From the server's side: a simultaneous open while nothing else has come of the connection.
        return half.isn >= 0 or c.syn_count == 0 or half.started

    def copy_of_recent(self, half: Half, s: Segment) -> bool:
        """Whether this very packet was captured just before, on another interface or by a mirror port."""
        h = half.serial
        h = (h * _PRIME ^ s.sequence) & _MASK
        h = (h * _PRIME ^ s.acknowledgment) & _MASK
        h = (h * _PRIME ^ (s.ip_id << 16 | s.checksum)) & _MASK
        h = (h * _PRIME ^ (s.length << 24 | s.window << 8 | s.flags)) & _MASK
        tag = s.interface << 8 | s.hops
        at = s.at
        slot = ((h ^ h >> 29) & _SLOT_MASK) * 4
        # Not by way of a local view: compiled, taking and dropping one costs two locked additions a packet.
        if self.recent[slot] == h:
            passed = at - self.recent[slot + 1] if at >= self.recent[slot + 1] else self.recent[slot + 1] - at
            if passed <= _COPY_WINDOW:
                elsewhere = self.recent[slot + 2] != tag
                if s.ip_id or elsewhere:
                    return True
                if passed <= _COPY_NO_ID and (s.length or s.flags & (_SYN | _FIN)):
                    return True
        self.recent[slot] = h
        self.recent[slot + 1] = at
        self.recent[slot + 2] = tag
        return False

    # -- what the segment says

    def on_syn(self, c: Connection, half: Half, s: Segment) -> int:
        fresh = half.isn < 0
        if fresh:
            half.isn = s.sequence
            half.started = True
            half.next_sequence = (s.sequence + 1) & _M
            half.expected = half.next_sequence
            half.captured_to = half.next_sequence
        else:
            half.retransmitted += 1
            if half.isn != s.sequence and half.other.acknowledgment < 0 and half.data_packets == 0:
                # The client has not said yet which SYN-ACK it takes: the last one, as far as anybody knows.
                half.isn = s.sequence
                half.next_sequence = (s.sequence + 1) & _M
                half.expected = half.next_sequence
                half.captured_to = half.next_sequence
        if s.flags & _ACK:
            c.synack_count += 1
            c.completeness |= 2
            if c.established_at:
                c.synacks_late += 1
            if c.synack_count == 1:
                c.synack_first = s.at
            c.synack_at = s.at
            self.note(c, half, _SEEN_H, "h")
        else:
            c.syn_count += 1
            c.completeness |= 1
            if c.synack_count == 0:
                c.syn_at = s.at
            self.note(c, half, _SEEN_S, "s")
        if fresh:
            half.window_scale = window_scale(s.data, s.options, s.options_end)
            half.options = option_kinds(s.data, s.options, s.options_end)
        return 0

    def on_ack(self, half: Half, other: Half, s: Segment) -> int:
        """The acknowledgment number: the other side's FIN, its holes, and bytes of it that were never captured."""
        ack = s.acknowledgment
        if (
            s.length == 0
            and ack == other.next_sequence
            and ack != half.acknowledgment
            and other.last_data_at > half.last_data_at
        ):
            self.on_late_ack(half, other, s)
        if half.acknowledgment < 0 or ((ack - half.acknowledgment) & _M) < _HALF_SPACE:
            if other.packets == 0 and ack != half.acknowledgment:
                # Nothing of the other side is captured.  One number more, behind this side's FIN and with nothing to
                # answer it, is the other's FIN; bytes would be more, or go on.
                other.fin_unseen = half.fin_at != 0 and s.length == 0 and ((ack - half.acknowledgment) & _M) == 1
            half.acknowledgment = ack
        if (
            other.needless < other.resent
            and not s.flags & _SYN
            and duplicate_sack(s.data, s.options, s.options_end, ack)
        ):
            other.needless += 1
        if not other.started or s.flags & _RST:
            return 0
        if other.fin_at and not other.fin_acked and covers(ack, other):
            other.fin_acked = True
            other.fin_acked_at = s.at
            if half.fin_at and half.fin_acked:
                self.now_closed(half.connection)
        ahead = (ack - other.next_sequence) & _M
        if ahead and ahead <= _MAX_WINDOW:
            # Acknowledged but not captured; it may still come, when captures reorder.
            other.next_sequence = ack
            if other.hole_at == 0:
                other.hole_at = s.at
        if other.expected != other.next_sequence:
            beyond = (ack - other.expected) & _M
            if beyond and beyond < _HALF_SPACE:
                if other.hole_acked_at == 0:
                    other.hole_acked_at = s.at
                # Data that acknowledges bytes behind the hole answers them: they must reach the framer ahead of it.
                if s.at - other.hole_acked_at > _PATIENCE or (s.length and self.answers(other, ack)):
                    self.give_up(half.connection, other, False)
        return 0

    def on_late_ack(self, half: Half, other: Half, s: Segment) -> int:
        """An ACK without data of everything the other side has sent: was it delayed, and alone in the sender's way?"""
        c = half.connection
        waited = s.at - other.last_data_at - self.way(c, half)
        if (
            c.rtt >= 0
            and not s.flags & (_SYN | _FIN | _RST)
            and _DELAYED_ACK <= waited <= _DELAYED_ACK_MOST
            and self.had_room(half, other)
        ):
            other.held_at = s.at
            other.held_ns = s.at - other.last_data_at
        return 0

    def way(self, c: Connection, half: Half) -> int:
        """The part of the handshake's round trip between the capture point and a side, there and back."""
        beyond = c.synack_first - c.syn_at
        if beyond < 0 or beyond > c.rtt:
            return c.rtt
        return beyond if half is c.server else c.rtt - beyond

    def had_room(self, half: Half, other: Half) -> bool:
        """Whether the window last advertised left the other side room for its largest segment: else that held it back."""
        if half.window < 0:
            return True
        scaled = half.window_scale > 0 and other.window_scale >= 0
        window = half.window << half.window_scale if scaled else half.window
        return window - ((other.next_sequence - half.acknowledgment) & _M) >= other.largest

    def answers(self, half: Half, ack: int) -> bool:
        """Whether an acknowledgment number takes in bytes of a half that wait behind a hole."""
        pending = half.pending
        if not pending:
            return False
        p = pending[0]
        return 0 < ((ack - p.sequence) & _M) < _HALF_SPACE

    def on_empty(self, c: Connection, half: Half, s: Segment) -> int:
        """A segment without payload, SYN, FIN or RST."""
        half.window = s.window
        if s.window > half.window_high:
            half.window_high = s.window
        if s.window == 0:
            if half.shut_at == 0:
                half.shut_at = s.at
            half.zero_window += 1
            if not half.seen & _SEEN_W:
                self.note(c, half, _SEEN_W, "w")
        elif half.shut_at:
            half.shut_ns += s.at - half.shut_at
            half.shut_at = 0
        if s.flags & _ACK:
            c.completeness |= 4
        if not half.seen & _SEEN_A:
            self.note(c, half, _SEEN_A, "a")
        if not half.started:
            half.started = True
            half.next_sequence = s.sequence
            half.expected = s.sequence
            half.captured_to = s.sequence
            return 0
        ahead = (s.sequence - half.next_sequence) & _M
        if ahead == 0:
            return 0
        if ahead == _M:
            self.on_probe(c, half, s.at)
        elif ahead <= _MAX_WINDOW:
            if half.isn < 0 and half.data_packets == 0 and ahead == 1:
                half.expected = s.sequence  # the capture began with a keepalive probe
            elif half.hole_at == 0:
                half.hole_at = s.at
            half.next_sequence = s.sequence
        return 0

    def on_probe(self, c: Connection, half: Half, at: int) -> int:
        """A keepalive probe: how long there had been silence ahead of it, for the first few of each side."""
        half.keepalive_probes += 1
        since = half.probe_at
        for moment in (half.last_data_at, half.other.last_data_at, c.established_at):
            if moment > since:
                since = moment
        half.probe_at = at
        if since and at > since:
            if half.probe_gaps is None:
                half.probe_gaps = []
            if len(half.probe_gaps) < _MAX_GAPS:
                half.probe_gaps.append(at - since)
        return 0

    def on_bytes(self, c: Connection, half: Half, s: Segment) -> int:
        """Payload or FIN: sequence space, in order, old, or ahead of a hole."""
        flags = s.flags
        length = s.length
        sequence = s.sequence
        if flags & _SYN:
            sequence = (sequence + 1) & _M
        if not half.started:
            half.started = True
            half.next_sequence = sequence
            half.expected = sequence
            half.captured_to = sequence
        half.window = s.window
        if s.window > half.window_high:
            half.window_high = s.window
        if length:
            if (
                length == 1
                and ((half.next_sequence - sequence) & _M) == 1
                and sequence != half.expected  # else it is a byte whose ACK was captured first
                and not flags & (_SYN | _FIN | _RST)
            ):
                self.on_probe(c, half, s.at)
                return 0
            if s.window == 0 and not flags & (_FIN | _RST):
                if half.shut_at == 0:
                    half.shut_at = s.at
                half.zero_window += 1
                if not half.seen & _SEEN_W:
                    self.note(c, half, _SEEN_W, "w")
            elif half.shut_at and s.window:
                half.shut_ns += s.at - half.shut_at
                half.shut_at = 0
            if length > half.largest:
                half.largest = length
            half.data_packets += 1
            half.fin_unseen = False
            half.other.held_at = 0  # what it sends next may answer this
            c.completeness |= 8
            if not half.seen & _SEEN_D:
                self.note(c, half, _SEEN_D, "d")
        end = (sequence + length) & _M
        offset = (sequence - half.expected) & _M
        if half.isn < 0 and half.data_packets == 1 and offset == 1 and half.captured_to == half.expected:
            half.expected = sequence  # the capture began with a keepalive probe
            half.captured_to = sequence
            offset = 0
        beyond = (end - half.captured_to) & _M  # new sequence space, when below half of it
        if 0 < beyond < _HALF_SPACE and length and s.ip_id:
            step = (s.ip_id - half.last_id) & 0xFFFF
            half.id_steps = half.id_steps + 1 if 0 < step <= _ID_STEP else 0
            half.last_id = s.ip_id
        if beyond < _HALF_SPACE and (offset >= _HALF_SPACE or offset <= _MAX_WINDOW):
            half.captured_to = end
            if ((end - half.next_sequence) & _M) < _HALF_SPACE:
                half.next_sequence = end
        if offset == 0:
            if beyond < _HALF_SPACE:
                half.bytes += min(beyond, length)
                if length and beyond == 0:
                    self.filled(c, half, s)
            else:
                self.filled(c, half, s)
            half.expected = end
            if length:
                if half.held_at:
                    self.released(c, half, s)
                if half.other.fin_at and covers(s.acknowledgment, half.other):
                    half.heedless_bytes += length
                    if half.heedless_frame == 0:
                        half.heedless_frame = s.frame
                half.last_data_at = s.at
                self.deliver(c, half, s.data, s.start, s.captured, length, s.at, s.frame, sequence, s.acknowledgment)
            if half.pending is not None:
                self.drain(c, half)
        elif offset >= _HALF_SPACE:
            fresh = (end - half.expected) & _M
            if length:
                half.retransmitted += 1
                self.resent(half, sequence, length)
                self.note(c, half, _SEEN_T, "t")
            if 0 < fresh < _HALF_SPACE:
                skip = length - fresh
                captured = s.captured - skip if s.captured > skip else 0
                if beyond < _HALF_SPACE:
                    half.bytes += min(beyond, fresh)
                half.expected = end
                half.last_data_at = s.at
                self.deliver(
                    c,
                    half,
                    s.data,
                    s.start + skip,
                    captured,
                    fresh,
                    s.at,
                    s.frame,
                    (sequence + skip) & _M,
                    s.acknowledgment,
                )
                if half.pending is not None:
                    self.drain(c, half)
        elif offset <= _MAX_WINDOW:
            if beyond < _HALF_SPACE:
                half.bytes += min(beyond, length)
            else:
                self.filled(c, half, s)
            if half.hole_at == 0:
                half.hole_at = s.at
            if length:
                self.wait(c, half, s, sequence)
        if flags & _FIN and half.fin_at == 0:
            half.fin_at = s.at
            half.fin_unseen = False
            half.fin_frame = s.frame
            half.fin_sequence = (end + 1) & _M
            half.fin_acknowledgment = s.acknowledgment if flags & _ACK else -1
            if covers(half.other.acknowledgment, half):
                half.fin_acked = True  # its ACK was captured first
                half.fin_acked_at = s.at
        elif flags & _FIN and length == 0:
            half.retransmitted += 1
        if half.fin_at and not half.fin_fed and half.expected == ((half.fin_sequence - 1) & _M):
            self.feed_end(c, half)
        if half.expected == half.next_sequence:
            half.hole_at = 0
            half.hole_acked_at = 0
        return 0

    def filled(self, c: Connection, half: Half, s: Segment) -> int:
        """A segment below the highest sequence number, not seen before: late, or sent again."""
        limit = c.rtt if c.rtt > _REORDER else _REORDER
        late = half.hole_at != 0 and s.at - half.hole_at <= limit
        ahead = (s.ip_id - half.last_id) & 0xFFFF
        near = half.id_steps >= _ID_STEPS or ahead <= _ID_NEAR or ahead >= 0x10000 - _ID_NEAR
        # A kernel that numbers its packets one by one says which was made first.  Random numbers so near each other are
        # one in five hundred.
        if near and ahead and s.ip_id and half.last_id:
            late = ahead >= 0x8000
        if late:
            half.out_of_order += 1
        else:
            half.retransmitted += 1
            if s.length:
                self.resent(half, s.sequence, s.length)
            self.note(c, half, _SEEN_T, "t")
        return 0

    def resent(self, half: Half, sequence: int, length: int) -> int:
        """Payload that was sent before: how small it gets, how often one piece goes out again."""
        half.resent += 1
        if half.resent_low == 0 or length < half.resent_low:
            half.resent_low = length
        if sequence != half.resent_sequence:
            half.resent_sequence = sequence
            half.resent_count = 0
        half.resent_count += 1
        if half.resent_count > half.resent_run:
            half.resent_run = half.resent_count
        return 0

    def released(self, c: Connection, half: Half, s: Segment) -> int:
        """New data after a delayed ACK: if that let it go, its sender had it all the while."""
        waited = s.at - half.held_at
        way = self.way(c, half)
        # Sooner the ACK cannot have been there and back; round trips vary by a quarter from one to the next.
        if way - way // 4 - _RELEASED // 2 <= waited <= way + way // 4 + _RELEASED:
            half.stalls += 1
            half.stall_ns += half.held_ns + waited
            half.stall_frame = s.frame
        half.held_at = 0
        return 0

    def on_close(self, c: Connection, half: Half, s: Segment) -> int:
        """A FIN or RST: the first one is the close, as the capture point saw it."""
        other = half.other
        client = half is c.client
        if s.flags & _RST:
            self.note(c, half, _SEEN_R, "r")
            bits = 32
            if half.rst_at == 0:
                half.rst_at = s.at
                half.rst_frame = s.frame
                half.rst_hops = s.hops
                half.rst_acknowledgment = s.acknowledgment if s.flags & _ACK else -1
        else:
            self.note(c, half, _SEEN_F, "f")
            bits = 16
        if s.flags & _ACK and s.length == 0:
            bits |= 4
        c.completeness |= bits
        if c.close_at == 0:
            if half.expected != half.next_sequence and half.started and not half.fin_at:
                self.give_up(c, half, True)
            if other.started and other.expected != other.next_sequence and other.hole_acked_at:
                self.give_up(c, other, True)
            c.close_at = s.at
            c.close_frame = s.frame
            c.closer = _CLIENT if client else _SERVER
            c.close_kind = 2 if s.flags & _RST else 1
            if c.held is not None:
                self.release(c, b"")
            framer = c.framer
            if framer is not None:
                # Where nothing of the server was captured, nobody can say that it did not answer.
                c.open_request = c.server.packets > 0 and framer.open_request()
                c.last_exchange_at = framer.last_at
        if s.flags & _RST or (half.fin_acked and other.fin_acked):
            self.now_closed(c)
        return 0

    def now_closed(self, c: Connection) -> int:
        if c.closed_at == 0:
            c.closed_at = c.last_at
            self.closed.append(c)
        return 0

    def note(self, c: Connection, half: Half, bit: int, letter: str) -> int:
        """Zeek's history: the first of each kind per side, upper case for the client."""
        if not half.seen & bit:
            half.seen |= bit
            code = ord(letter) - 32 if half is c.client else ord(letter)
            if c.history < _NINE_LETTERS:
                c.history = c.history << 7 | code
            else:
                c.history_rest = c.history_rest << 7 | code
        return 0

    # -- bytes in order

    def deliver(
        self,
        c: Connection,
        half: Half,
        data: bytes,
        start: int,
        captured: int,
        length: int,
        at: int,
        frame: int,
        sequence: int,
        acknowledgment: int,
    ) -> int:
        """Hand the next bytes of one direction to the framer."""
        if captured < length:
            half.truncated_bytes += length - captured
        if c.framer is None and (c.held is not None or captured < _MIN_OPENING):
            first = data[start : start + captured] if captured == length else b""
            if c.held is not None and c.held_half is not half:
                self.release(c, b"")
            elif first and undecided(self.held_bytes(c) + first):
                if c.held is None:
                    c.held = []
                    c.held_half = half
                c.held.append(Pending(sequence, length, first, at, frame, acknowledgment))
                return 0
            elif c.held is not None:
                self.release(c, first)
        framer = c.framer
        if framer is None or (framer.protocol == _OPAQUE and captured and self.was_midstream(c)):
            framer = self.choose_framer(c, half, data, start, captured, captured < length)
        framer.feed(half is c.client, data, start, captured, length, at, frame, sequence, acknowledgment)
        if framer.protocol == _NOT_YET:
            c.framer = None
            framer = self.choose_framer(c, half, data, start, captured, captured < length)
            framer.feed(half is c.client, data, start, captured, length, at, frame, sequence, acknowledgment)
        return 0

    def held_bytes(self, c: Connection) -> bytes:
        """The first bytes of a connection, while they are too few to tell what they begin."""
        text = b""
        if c.held is not None:
            for p in c.held:
                text += p.data
        return text

    def release(self, c: Connection, more: bytes) -> int:
        """Choose the framer from the bytes held back and ``more`` that follow them, then feed what was held."""
        held = c.held or []
        half = c.held_half
        text = self.held_bytes(c) + more
        c.held = None
        c.held_half = None  # type: ignore[assignment]
        framer = self.choose_framer(c, half, text, 0, len(text), False)
        client = half is c.client
        for p in held:
            framer.feed(client, p.data, 0, p.length, p.length, p.at, p.frame, p.sequence, p.acknowledgment)
        return 0

    def was_midstream(self, c: Connection) -> bool:
        return c.client.isn < 0 or c.client.gap_bytes > 0 or c.server.gap_bytes > 0

    def choose_framer(self, c: Connection, half: Half, data: bytes, start: int, captured: int, cut: bool) -> Framer:
        """Pick a framer from the first bytes; where the start was missed, again when a head shows up later."""
        framer = c.framer
        said = speaker(data, start, captured) if c.roles_inferred or framer is not None else _NONE
        if framer is not None and (said == _NONE or framer.requests > 1):
            return framer
        client = half is c.client
        if c.roles_inferred and said != _NONE and (said == _CLIENT) != client:
            c.client, c.server = c.server, c.client
            c.history = swapped(c.history)
            c.history_rest = swapped(c.history_rest)
            client = not client
        from_start = not self.was_midstream(c)
        framer = choose(self.exchanges, c.number, self.heads, client, from_start, data, start, captured, cut)
        if framer.basis == 0 and self.was_midstream(c):
            framer.basis = 1
        # What was missing before there was a framer is missing still.
        if c.client.gap_bytes:
            framer.gap(True, c.client.gap_bytes)
        if c.server.gap_bytes:
            framer.gap(False, c.server.gap_bytes)
        if not client and c.client.started:
            framer.client_next = c.client.expected
        c.framer = framer
        return framer

    def feed_end(self, c: Connection, half: Half) -> int:
        half.fin_fed = True
        half.expected = half.fin_sequence
        if ((half.fin_sequence - half.next_sequence) & _M) < _HALF_SPACE:
            half.next_sequence = half.fin_sequence
        if c.held is not None:
            self.release(c, b"")
        if c.framer is not None:
            c.framer.end(half is c.client, half.fin_at, half.fin_frame)
        return 0

    def wait(self, c: Connection, half: Half, s: Segment, sequence: int) -> int:
        """Keep a segment that is ahead of a hole, sorted, unless it is there already."""
        if half.pending is None:
            half.pending = []
        pending = half.pending
        place = len(pending)
        while place > 0:
            p = pending[place - 1]
            behind = (sequence - p.sequence) & _M
            if behind < _HALF_SPACE:
                if ((sequence + s.length - p.sequence) & _M) <= p.length:
                    half.retransmitted += 1
                    self.resent(half, sequence, s.length)
                    return 0
                break
            place -= 1
        pending.insert(
            place,
            Pending(sequence, s.length, s.data[s.start : s.start + s.captured], s.at, s.frame, s.acknowledgment),
        )
        half.pending_bytes += s.captured
        if len(pending) > _MAX_PENDING or half.pending_bytes > _MAX_PENDING_BYTES:
            self.give_up(c, half, True)
        return 0

    def drain(self, c: Connection, half: Half) -> int:
        """Deliver what waited for the hole that is now closed."""
        pending = half.pending
        while pending:
            p = pending[0]
            offset = (p.sequence - half.expected) & _M
            if 0 < offset < _HALF_SPACE:
                break
            del pending[0]
            half.pending_bytes -= len(p.data)
            fresh = (p.sequence + p.length - half.expected) & _M
            if fresh == 0 or fresh >= _HALF_SPACE:
                continue
            skip = p.length - fresh
            captured = len(p.data) - skip if len(p.data) > skip else 0
            half.expected = (p.sequence + p.length) & _M
            # The bytes could only be used when the hole closed, but they crossed the wire at their own time.
            if p.at > half.last_data_at:
                half.last_data_at = p.at
            self.deliver(
                c,
                half,
                p.data,
                skip,
                captured,
                fresh,
                p.at,
                p.frame,
                (p.sequence + skip) & _M,
                p.acknowledgment,
            )
        if not pending:
            half.pending = None
            half.pending_bytes = 0
        return 0

    def give_up(self, c: Connection, half: Half, everything: bool) -> int:
        """Declare the holes of a half gaps and go on behind them: those that were acknowledged, or everything.

        A hole that was not acknowledged is a loss, and will be filled by a retransmission.
        """
        limit = half.other.acknowledgment
        while half.expected != half.next_sequence:
            if not everything and ((limit - half.expected - 1) & _M) >= _HALF_SPACE:
                half.hole_acked_at = 0
                return 0
            if half.pending:
                missing = (half.pending[0].sequence - half.expected) & _M
            else:
                missing = (half.next_sequence - half.expected) & _M
                if half.fin_at and not half.fin_fed and half.next_sequence == half.fin_sequence:
                    missing = (missing - 1) & _M
            if missing and missing < _HALF_SPACE:
                # One byte at the very end is a FIN that was not captured.
                if missing == 1 and not half.pending:
                    half.fin_unseen = half.fin_at == 0 and (half.isn >= 0 or half.data_packets > 0)
                else:
                    half.gap_bytes += missing
                    lost = limit < 0 or ((limit - half.expected - 1) & _M) >= _HALF_SPACE
                    if lost:
                        half.missing_bytes += missing
                    self.note(c, half, _SEEN_G, "g")
                    if c.held is not None:
                        self.release(c, b"")
                    if c.framer is not None:
                        c.framer.gap(half is c.client, missing)
                        if not lost and half is c.server:
                            c.framer.unseen_answer()
                            if c.open_request and c.closer == _SERVER:
                                # The server's FIN came behind bytes that were acknowledged later and never captured.
                                c.open_request = c.framer.open_request()
                half.expected = (half.expected + missing) & _M
            if half.pending:
                self.drain(c, half)
            if half.fin_at and not half.fin_fed and half.expected == ((half.fin_sequence - 1) & _M):
                self.feed_end(c, half)
            if not half.pending:
                half.expected = half.next_sequence
        half.hole_at = 0
        half.hole_acked_at = 0
        return 0

    # -- the end

    def retire(self, c: Connection) -> int:
        """Write a connection's rows and forget it."""
        client = c.client
        server = c.server
        if client.expected != client.next_sequence:
            self.give_up(c, client, True)
        if server.expected != server.next_sequence:
            self.give_up(c, server, True)
        if c.held is not None:
            self.release(c, b"")
        if c.framer is not None:
            # What was taken for a request when the first FIN came may have turned out to be a goodbye since.
            if c.close_at == 0 or (c.framer.retracted and c.framer.last_at < c.last_exchange_at):
                c.open_request = server.packets > 0 and c.framer.open_request()
                c.last_exchange_at = c.framer.last_at
            c.framer.finish()
        self.rows.add(c)
        self.flows.pop(client.key, None)
        self.flows.pop(server.key, None)
        # Break the cycles: the collector is off while packets run.
        client.other = server.other = None  # type: ignore[assignment]
        client.connection = server.connection = None  # type: ignore[assignment]
        c.client = c.server = None  # type: ignore[assignment]
        c.framer = None
        return 0

    def finish(self) -> None:
        """The capture is over: write everything that still lives."""
        self.closed.clear()
        while self.flows:
            _, half = self.flows.popitem()
            if half.connection is not None:
                self.retire(half.connection)


def sender_of(key: bytes) -> bytes:
    """Address and port of who sends such packets."""
    size = (len(key) - 4) // 2
    return key[:size] + key[2 * size : 2 * size + 2]


def same_sender(key: bytes, other: bytes) -> bool:
    """Whether two keys have one sender."""
    if len(key) != len(other):
        return False
    size = (len(key) - 4) // 2
    for at in range(size):
        if key[at] != other[at]:
            return False
    return key[2 * size] == other[2 * size] and key[2 * size + 1] == other[2 * size + 1]


def option(data: bytes, start: int, end: int, wanted: int) -> int:
    """The position of a TCP option of one kind (RFC 9293 3.1), -1 when there is none."""
    at = start
    while at < end:
        kind = data[at]
        if kind == wanted:
            return at
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if at + 1 >= end or data[at + 1] < 2:
            break
        at += data[at + 1]
    return -1


def option_kinds(data: bytes, start: int, end: int) -> int:
    """The kinds of a SYN's options in order, four bits each, the first highest; 15 for 15 and above, at most 15 of them."""
    at = start
    kinds = 0
    count = 0
    while at < end and count < 15:
        kind = data[at]
        kinds = kinds << 4 | (kind if kind < 15 else 15)
        count += 1
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if at + 1 >= end or data[at + 1] < 2:
            break
        at += data[at + 1]
    return kinds


def window_scale(data: bytes, start: int, end: int) -> int:
    """The shift of a window scale option (RFC 7323 2.2), -1 when there is none."""
    at = option(data, start, end, 3)
    if at < 0 or at + 2 >= end or data[at + 1] < 2:
        return -1
    return min(data[at + 2], 14)


def duplicate_sack(data: bytes, start: int, end: int, ack: int) -> bool:
    """Whether the first block of a SACK option lies below the acknowledgment: the receiver has got it twice (RFC 2883)."""
    at = option(data, start, end, 5)
    if at < 0 or at + 10 > end or data[at + 1] < 2:
        return False
    right = data[at + 6] << 24 | data[at + 7] << 16 | data[at + 8] << 8 | data[at + 9]
    return ((ack - right) & _M) < _HALF_SPACE
