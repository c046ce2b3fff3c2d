"""Finished connections as two growing integer matrices, and the strings that their columns point at."""

from __future__ import annotations

from array import array

from pcapdiag.connections.connection import Connection, Half, letters
from pcapdiag.connections.states import (
    conn_state,
    covers,
    implied_state,
    initiator,
    opening,
)
from pcapdiag.exchanges.framer import Framer

# 64-bit columns; times in nanoseconds since the epoch, 0 when it did not happen.
WIDE = (
    "first_at",
    "last_at",
    "established_at",
    "rtt_ns",  # -1 unknown
    "client_isn",  # -1 unknown
    "server_isn",
    "client_bytes",
    "server_bytes",
    "client_gap_bytes",
    "server_gap_bytes",
    "truncated_bytes",
    "client_fin_at",
    "server_fin_at",
    "client_rst_at",
    "server_rst_at",
    "close_at",
    "last_exchange_at",
    "client_last_data_at",
    "server_last_data_at",
    "syn_at",  # the last SYN ahead of the SYN-ACK
    "server_rtt_ns",  # from the last SYN to the first SYN-ACK: near 0 when captured at the server; -1 unknown
    "client_shut_ns",  # with a window of zero
    "server_shut_ns",
    "client_stall_ns",  # waiting for delayed ACKs
    "server_stall_ns",
    "expect_wait_ns",  # between Expect: 100-continue and a body that no 100 had asked for
    "goodbye_at",  # of a close_notify, which a FIN may follow much later; 0 where ``goodbye`` is none
    "client_fin_acked_at",  # of the other side's first segment that acknowledges it
    "server_fin_acked_at",
    "synack_at",  # the last SYN-ACK
    "client_probe_ns",  # of silence ahead of a keepalive probe, the median of the first 15; 0 for none
    "server_probe_ns",
    "client_options",  # the kinds of the SYN's options in order, four bits each, the first highest; 0 without a SYN
    "server_options",
)

# 32-bit columns; words are the numbers of model.words, strings are indices into Strings.
NARROW = (
    "number",
    "client_ip",
    "server_ip",
    "client_port",
    "server_port",
    "opening",
    "roles_inferred",
    "syn_count",
    "synack_count",
    "first_frame",
    "last_frame",
    "close_frame",
    "client_fin_frame",
    "server_fin_frame",
    "client_rst_frame",
    "server_rst_frame",
    "client_packets",
    "server_packets",
    "client_data_packets",
    "server_data_packets",
    "client_retransmitted",
    "server_retransmitted",
    "client_out_of_order",
    "server_out_of_order",
    "client_zero_window",
    "server_zero_window",
    "client_keepalive_probes",
    "server_keepalive_probes",
    "closer",
    "initiator",
    "close_kind",
    "requests",
    "responses",
    "basis",
    "open_request",
    "protocol",
    "goodbye",
    "client_state",
    "server_state",
    "conn_state",
    "completeness",
    "duplicates",
    "client_window",  # bytes, the last one advertised; -1 while the scale is unknown
    "client_window_high",  # bytes, the largest advertised
    "host",
    "user_agent",
    "header_order",
    "server_software",
    "sni",
    "alpn",
    "history",
    "synacks_late",  # SYN-ACKs after the client's ACK
    "client_largest",  # bytes of the largest payload
    "server_largest",
    "client_resent_low",  # bytes of the smallest payload sent again, 0 for none
    "server_resent_low",
    "client_resent_run",  # the most times that one sequence number was sent again
    "server_resent_run",
    "client_missing_bytes",  # of holes that were never acknowledged
    "server_missing_bytes",
    "client_unacked_bytes",  # at the end
    "server_unacked_bytes",
    "crossed_bytes",  # of the client, on their way when the server closed: its FIN does not acknowledge them
    "heedless_bytes",  # of the client, sent after it had acknowledged the server's FIN
    "heedless_frame",
    "client_stalls",  # segments that waited for a delayed ACK
    "server_stalls",
    "client_stall_frame",  # the last of them
    "server_stall_frame",
    "client_hops",  # TTL or hop limit of the first packet
    "server_hops",
    "client_rst_hops",
    "server_rst_hops",
    "expect_waits",
    "mismatch",  # see model.words.Mismatch
    "tls",  # bits, see model.flags
    "tls_alert",  # description of the first unencrypted alert and 1
    "tls_bytes",  # ahead of the first application data, both ways
    "client_resent",  # payloads sent again
    "server_resent",
    "client_needless",  # of them those that the receiver said it had already (duplicate SACK, RFC 2883)
    "server_needless",
    "client_fin_unseen",  # never captured, but the other side acknowledged it
    "server_fin_unseen",
    "client_fin_answers",  # its FIN acknowledges the server's: it closed second
    "server_fin_answers",
    "request_values",  # of headers that tell programs apart: lines "name: value"
    "response_order",
    "response_values",
    "ja4",
)

# Sequence numbers are 32 bits.  Typed constants: with such a literal Cython would compute in Python's integers.
_M = 0xFFFFFFFF
_HALF_SPACE = 0x80000000
_MAX_WINDOW = 0x40000000  # RFC 7323 2.3
_MOST = 0x7FFFFFFF

_WIDE = 34
_NARROW = 90
# Rows to grow by, at most: what the arrays are extended with stays in the cache, and the heap is not torn by large blocks.
_STEP = 1_024
_RECENT_MASK = 255


class Strings:
    """Byte strings by number; 0 is the absent one."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self.values: list[bytes] = [b""]

    def add(self, value: bytes | None) -> int:
        if value is None:
            return 0
        number = self.numbers.get(value)
        if number is None:
            number = len(self.values)
            self.numbers[value] = number
            self.values.append(value)
        return number


class ConnectionRows:
    """The connection table while it grows: 632 bytes a connection."""

    def __init__(self) -> None:
        self.count = 0
        self.room = 0
        self.strings = Strings()
        self.histories: dict[int, int] = {}
        self.wide_buffer = array("q")
        self.narrow_buffer = array("i")
        self.wide = self.wide_buffer
        self.narrow = self.narrow_buffer
        self.recent_buffer = array("Q", bytes(2 * 8 * (_RECENT_MASK + 1)))  # IPv4 addresses, each with its number
        self.recent = self.recent_buffer
        self.grow(256)

    def grow(self, room: int) -> None:
        """Make room for more rows; the arrays grow in place, which takes letting go of the views on them."""
        more = room - self.room
        self.wide = self.narrow = None  # type: ignore[assignment]
        self.wide_buffer.extend(array("q", [0]) * (_WIDE * more))
        self.narrow_buffer.extend(array("i", [0]) * (_NARROW * more))
        self.room = room
        self.wide = self.wide_buffer
        self.narrow = self.narrow_buffer

    def add(self, c: Connection) -> int:
        """Write the row of a connection as it stands; row ``number - 1`` is its place."""
        if c.number > self.count:
            self.count = c.number
            if self.count > self.room:
                self.grow(max(self.count, self.room + min(self.room // 4, _STEP)))
        client = c.client
        server = c.server
        strings = self.strings
        framer = c.framer
        w = self.wide
        i = (c.number - 1) * _WIDE
        w[i] = c.first_at
        w[i + 1] = c.last_at
        w[i + 2] = c.established_at
        w[i + 3] = c.rtt
        w[i + 4] = client.isn
        w[i + 5] = server.isn
        w[i + 6] = client.bytes
        w[i + 7] = server.bytes
        w[i + 8] = client.gap_bytes
        w[i + 9] = server.gap_bytes
        w[i + 10] = client.truncated_bytes + server.truncated_bytes
        w[i + 11] = client.fin_at
        w[i + 12] = server.fin_at
        w[i + 13] = client.rst_at
        w[i + 14] = server.rst_at
        w[i + 15] = c.close_at
        w[i + 16] = c.last_exchange_at
        w[i + 17] = client.last_data_at
        w[i + 18] = server.last_data_at
        w[i + 19] = c.syn_at
        w[i + 20] = c.synack_first - c.syn_at if c.syn_count and c.synack_count and c.synack_first >= c.syn_at else -1
        w[i + 21] = client.shut_ns + (
            c.last_at - client.shut_at if client.shut_at and c.last_at > client.shut_at else 0
        )
        w[i + 22] = server.shut_ns + (
            c.last_at - server.shut_at if server.shut_at and c.last_at > server.shut_at else 0
        )
        w[i + 23] = client.stall_ns
        w[i + 24] = server.stall_ns
        w[i + 27] = client.fin_acked_at
        w[i + 28] = server.fin_acked_at
        w[i + 29] = c.synack_at
        w[i + 30] = median(client.probe_gaps)
        w[i + 31] = median(server.probe_gaps)
        w[i + 32] = client.options
        w[i + 33] = server.options
        n = self.narrow
        i = (c.number - 1) * _NARROW
        size = (len(client.key) - 4) // 2
        n[i] = c.number
        n[i + 1] = self.address(client)
        n[i + 2] = self.address(server)
        n[i + 3] = client.key[2 * size] << 8 | client.key[2 * size + 1]
        n[i + 4] = server.key[2 * size] << 8 | server.key[2 * size + 1]
        n[i + 5] = opening(c)
        n[i + 6] = c.roles_inferred
        n[i + 7] = c.syn_count
        n[i + 8] = c.synack_count
        n[i + 9] = c.first_frame
        n[i + 10] = c.last_frame
        n[i + 11] = c.close_frame
        n[i + 12] = client.fin_frame
        n[i + 13] = server.fin_frame
        n[i + 14] = client.rst_frame
        n[i + 15] = server.rst_frame
        n[i + 16] = small(client.packets)
        n[i + 17] = small(server.packets)
        n[i + 18] = small(client.data_packets)
        n[i + 19] = small(server.data_packets)
        n[i + 20] = client.retransmitted
        n[i + 21] = server.retransmitted
        n[i + 22] = client.out_of_order
        n[i + 23] = server.out_of_order
        n[i + 24] = client.zero_window
        n[i + 25] = server.zero_window
        n[i + 26] = client.keepalive_probes
        n[i + 27] = server.keepalive_probes
        n[i + 28] = c.closer
        n[i + 29] = initiator(c)
        n[i + 30] = c.close_kind
        n[i + 34] = c.open_request
        n[i + 37] = implied_state(client, server)
        n[i + 38] = implied_state(server, client)
        n[i + 39] = conn_state(c)
        # Wireshark begins to count with a SYN, or with the second packet.
        n[i + 40] = 0 if client.packets + server.packets == 1 and not c.completeness & 1 else c.completeness
        n[i + 41] = small(c.duplicates)
        if client.window_scale >= 0 and server.window_scale >= 0:
            n[i + 42] = client.window << client.window_scale if client.window >= 0 else -1
            n[i + 43] = client.window_high << client.window_scale
        else:
            n[i + 42] = -1
            n[i + 43] = -1
        n[i + 50] = self.history(c)
        n[i + 51] = c.synacks_late
        n[i + 52] = client.largest
        n[i + 53] = server.largest
        n[i + 54] = client.resent_low
        n[i + 55] = server.resent_low
        n[i + 56] = client.resent_run
        n[i + 57] = server.resent_run
        n[i + 58] = small(client.missing_bytes)
        n[i + 59] = small(server.missing_bytes)
        n[i + 60] = unacknowledged(client)
        n[i + 61] = unacknowledged(server)
        n[i + 62] = crossed(c)
        n[i + 63] = small(client.heedless_bytes)
        n[i + 64] = client.heedless_frame
        n[i + 65] = client.stalls
        n[i + 66] = server.stalls
        n[i + 67] = client.stall_frame
        n[i + 68] = server.stall_frame
        n[i + 69] = client.hops
        n[i + 70] = server.hops
        n[i + 71] = client.rst_hops
        n[i + 72] = server.rst_hops
        n[i + 78] = client.resent
        n[i + 79] = server.resent
        n[i + 80] = client.needless
        n[i + 81] = server.needless
        n[i + 82] = client.fin_unseen
        n[i + 83] = server.fin_unseen
        n[i + 84] = client.fin_at != 0 and covers(client.fin_acknowledgment, server)
        n[i + 85] = server.fin_at != 0 and covers(server.fin_acknowledgment, client)
        if framer is None:
            n[i + 31] = n[i + 32] = n[i + 35] = n[i + 36] = 0
            # Data that no framer saw (only acknowledged, never captured) leaves the count a bound.
            n[i + 33] = 1 if uncounted(c) else 0
            n[i + 44] = n[i + 45] = n[i + 46] = n[i + 47] = n[i + 48] = n[i + 49] = 0
            n[i + 73] = n[i + 74] = n[i + 75] = n[i + 76] = n[i + 77] = 0
            n[i + 86] = n[i + 87] = n[i + 88] = n[i + 89] = 0
            waited = said = 0
        else:
            n[i + 31] = small(framer.requests)
            n[i + 32] = small(framer.responses)
            n[i + 33] = 1 if framer.basis == 0 and uncounted(c) else framer.basis
            n[i + 35] = framer.protocol
            n[i + 36] = goodbye(c, framer)
            n[i + 44] = strings.add(framer.host)
            n[i + 45] = strings.add(framer.user_agent)
            n[i + 46] = strings.add(framer.header_order)
            n[i + 47] = strings.add(framer.server_software)
            n[i + 48] = strings.add(framer.sni)
            n[i + 49] = strings.add(framer.alpn)
            n[i + 73] = framer.expect_waits
            n[i + 74] = framer.mismatch
            n[i + 75] = framer.tls
            n[i + 76] = framer.tls_alert
            n[i + 77] = framer.tls_bytes
            n[i + 86] = strings.add(framer.request_values)
            n[i + 87] = strings.add(framer.response_order)
            n[i + 88] = strings.add(framer.response_values)
            n[i + 89] = strings.add(framer.ja4)
            waited = framer.expect_wait_ns
            said = framer.goodbye_at if n[i + 36] else 0
        w[(c.number - 1) * _WIDE + 25] = waited
        w[(c.number - 1) * _WIDE + 26] = said
        return 0

    def address(self, half: Half) -> int:
        """The number of a side's address; a capture's busiest ones repeat."""
        size = (len(half.key) - 4) // 2
        if half.ports < 0:
            return self.strings.add(half.key[:size])
        own = half.addresses >> 32
        at = (own & _RECENT_MASK) * 2
        if self.recent[at] != own or self.recent[at + 1] == 0:
            self.recent[at] = own
            self.recent[at + 1] = self.strings.add(half.key[:size])
        return self.recent[at + 1]

    def history(self, c: Connection) -> int:
        """The number of a connection's history; a capture has few of them."""
        if c.history_rest:
            return self.strings.add(letters(c.history) + letters(c.history_rest))
        number = self.histories.get(c.history)
        if number is None:
            number = self.strings.add(letters(c.history))
            self.histories[c.history] = number
        return number

    def late(self, number: int, from_client: bool, at: int, frame: int, flags: int, again: bool) -> int:
        """Account a packet that came after the row was written: a repeated FIN, a last ACK, a RST."""
        w = self.wide
        n = self.narrow
        i = (number - 1) * _WIDE
        k = (number - 1) * _NARROW
        if at > w[i + 1]:
            w[i + 1] = at
        n[k + 10] = frame
        n[k + (16 if from_client else 17)] += 1
        if again:
            n[k + (20 if from_client else 21)] += 1
        if flags & 4:
            if w[i + (13 if from_client else 14)] == 0:
                w[i + (13 if from_client else 14)] = at
                n[k + (14 if from_client else 15)] = frame
            n[k + 37] = n[k + 38] = 1  # CLOSED
            n[k + 40] |= 32
        return 0

    def replaced(self, number: int) -> int:
        """A new incarnation took the 4-tuple: nothing of the old one is left at either end."""
        k = (number - 1) * _NARROW
        self.narrow[k + 37] = 1  # CLOSED
        self.narrow[k + 38] = 1
        return 0


def uncounted(c: Connection) -> bool:
    """Whether requests may be missing: the start was not captured, or client bytes were acknowledged but never seen."""
    client = c.client
    server = c.server
    if client.isn < 0 or (c.framer is None and client.gap_bytes):
        return True
    if server.acknowledgment < 0:
        return False
    unseen = (server.acknowledgment - client.next_sequence) & _M
    return 0 < unseen < _HALF_SPACE and unseen > (1 if client.fin_at == 0 else 0)


def goodbye(c: Connection, framer: Framer) -> int:
    """Who said goodbye of their own accord: a close_notify sent after acknowledging the other side's FIN answers it."""
    if framer.goodbye == 0:
        return 0
    half = c.client if framer.goodbye == 1 else c.server
    if half.heedless_bytes:
        known = half.next_sequence - half.heedless_bytes
        if half.fin_at and half.next_sequence == half.fin_sequence:
            known -= 1
        if 0 < ((framer.goodbye_end - known) & _M) < _HALF_SPACE:
            return 0
    return framer.goodbye


def median(gaps: list[int] | None) -> int:
    """The middle of some durations, the lower of two; 0 for none."""
    return sorted(gaps)[(len(gaps) - 1) // 2] if gaps else 0


def small(count: int) -> int:
    """A count for a 32-bit column; nobody needs it exact beyond two thousand million."""
    return count if count < _MOST else _MOST


def unacknowledged(half: Half) -> int:
    """Payload bytes of a side that the other had not acknowledged at the end; 0 when it acknowledged nothing at all."""
    acknowledged = half.other.acknowledgment
    if acknowledged < 0 or half.bytes == 0:
        return 0
    left = (half.next_sequence - acknowledged) & _M
    if left >= _MAX_WINDOW:
        return 0
    if left and half.fin_at and half.next_sequence == half.fin_sequence:
        left -= 1
    return left


def crossed(c: Connection) -> int:
    """Payload bytes of the client that the server's FIN does not acknowledge, sent by who did not know of that FIN."""
    client = c.client
    server = c.server
    if server.fin_at == 0 or server.fin_acknowledgment < 0:
        return 0
    left = (client.next_sequence - server.fin_acknowledgment) & _M
    if left >= _MAX_WINDOW:
        return 0
    if left and (client.fin_unseen or (client.fin_at and client.next_sequence == client.fin_sequence)):
        left -= 1
    left -= client.heedless_bytes
    return left if left > 0 else 0
