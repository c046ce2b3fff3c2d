"""What is kept of a connection while it lives: two halves and the facts both share."""

from __future__ import annotations

from pcapdiag.exchanges.framer import Framer


class Pending:
    """A segment that arrived ahead of a hole; its captured bytes are copied, at most the tracker's budget."""

    def __init__(self, sequence: int, length: int, data: bytes, at: int, frame: int, acknowledgment: int) -> None:
        self.sequence = sequence
        self.length = length
        self.data = data
        self.at = at
        self.frame = frame
        self.acknowledgment = acknowledgment


class Half:
    """What one side sent.

    Sequence numbers are 32 bits as on the wire.  ``next_sequence`` is one past the highest ever sent; ``expected`` is
    the next byte to hand to the framer; they differ while there is a hole.  ``captured_to`` is one past the highest
    that was captured: ``next_sequence`` is ahead of it by what is known only from the other side's ACKs.
    """

    def __init__(self, connection: Connection, key: bytes) -> None:
        self.begin(connection, key)

    def begin(self, connection: Connection, key: bytes) -> int:
        """Be a new one; the tracker uses what it retires again."""
        self.connection = connection
        self.other = self
        self.key = key
        self.addresses = 0  # as Segment.addresses and ports, for IPv4
        self.ports = -1
        self.serial = 0
        self.started = False
        self.isn = -1
        self.next_sequence = 0
        self.expected = 0
        self.captured_to = 0
        self.acknowledgment = -1  # the highest this side has acknowledged; -1 before its first ACK
        self.window = -1  # the last one, unscaled
        self.window_high = 0  # the largest, unscaled
        self.window_scale = -1  # the option of its SYN; -1 when there is none
        self.options = 0  # the kinds of its SYN's options in order, four bits each, the first highest
        self.packets = 0
        self.data_packets = 0
        self.bytes = 0
        self.retransmitted = 0
        self.out_of_order = 0
        self.zero_window = 0
        self.shut_at = 0  # since when it advertises a window of zero
        self.shut_ns = 0  # for how long it did, in all
        self.keepalive_probes = 0
        self.probe_at = 0
        self.probe_gaps: list[int] | None = None  # ns of silence ahead of its first probes
        self.gap_bytes = 0
        self.missing_bytes = 0  # of holes that the other side never acknowledged: as far as it knows, they were lost
        self.truncated_bytes = 0
        self.last_data_at = 0
        self.largest = 0  # bytes of the largest payload
        self.resent_low = 0  # bytes of the smallest payload that was sent again
        self.resent = 0  # payloads sent again
        self.needless = 0  # of them those that the receiver had already, as its duplicate SACKs say (RFC 2883)
        self.resent_sequence = -1
        self.resent_count = 0
        self.resent_run = 0  # the most times that one sequence number was sent again
        self.held_at = 0  # when everything was acknowledged, late, by an ACK without data
        self.held_ns = 0
        self.stalls = 0  # segments that went out on such an ACK: Nagle's algorithm waiting for a delayed ACK
        self.stall_ns = 0
        self.stall_frame = 0
        self.heedless_bytes = 0  # sent after acknowledging the other side's FIN
        self.heedless_frame = 0
        self.last_id = 0  # IP identification of the segment that went furthest
        self.id_steps = 0  # how many in a row took the next one, or nearly
        self.hops = 0  # TTL or hop limit of its first packet
        self.rst_hops = 0
        self.fin_at = 0
        self.fin_frame = 0
        self.fin_sequence = 0  # one past the FIN
        self.fin_acknowledgment = -1
        self.fin_acked = False
        self.fin_acked_at = 0
        self.fin_fed = False
        self.fin_unseen = False  # never captured, but the other side acknowledged one byte behind the last one
        self.rst_at = 0
        self.rst_frame = 0
        self.rst_acknowledgment = -1
        self.pending: list[Pending] | None = None
        self.pending_bytes = 0
        self.hole_at = 0  # when the oldest hole was first seen
        self.hole_acked_at = 0  # when the other side acknowledged bytes beyond it
        self.seen = 0  # history letters already written for this side, as bits
        return 0


class Connection:
    """One incarnation of a 4-tuple.

    The client is the half that sent the SYN, or received the SYN-ACK; otherwise it is inferred (``roles_inferred``).
    """

    def __init__(self, number: int) -> None:
        self.begin(number)

    def begin(self, number: int) -> int:
        """Be a new one, as :meth:`Half.begin`."""
        self.number = number
        self.client: Half = None  # type: ignore[assignment]  # set as soon as the roles are known
        self.server: Half = None  # type: ignore[assignment]
        self.roles_inferred = False
        self.framer: Framer | None = None
        self.first_at = 0
        self.last_at = 0
        self.first_frame = 0
        self.last_frame = 0
        self.syn_at = 0  # the last SYN ahead of the SYN-ACK
        self.synack_first = 0
        self.synack_at = 0  # the last one
        self.established_at = 0
        self.rtt = -1
        self.syn_count = 0
        self.synack_count = 0
        self.synacks_late = 0  # SYN-ACKs after the client's ACK: the server did not take it
        self.close_at = 0
        self.close_frame = 0
        self.closer = 0
        self.close_kind = 0
        self.open_request = False
        self.last_exchange_at = 0
        self.duplicates = 0
        self.history = 0  # letters of Zeek's history, seven bits each, the first highest; the tenth on in history_rest
        self.history_rest = 0
        self.completeness = 0
        # First bytes that do not tell yet what they begin, and who sent them.
        self.held: list[Pending] | None = None
        self.held_half: Half = None  # type: ignore[assignment]
        self.closed_at = 0  # by RST, or FIN both ways and acknowledged; 0 while it is not
        return 0


def letters(history: int) -> bytes:
    """The text of up to nine letters of seven bits, the first highest."""
    text = b""
    while history:
        text = bytes([history & 127]) + text
        history >>= 7
    return text


def swapped(history: int) -> int:
    """The same letters, upper case for lower and lower for upper."""
    shift = 0
    while history >> shift:
        history ^= 32 << shift
        shift += 7
    return history
