"""From link layer to TCP header.

Every read is checked against the packet's captured end, never only against the buffer's: the bytes behind a packet
are the next record's header.  What is no TCP segment, or cannot be decoded, is counted by reason.
"""

from __future__ import annotations

from pcapdiag.packets.sink import PacketSink
from pcapdiag.segments.rare import RARE, network_packet
from pcapdiag.segments.segment import Segment, SegmentSink

# Linktypes, https://www.tcpdump.org/linktypes.html
LINKTYPE_NAMES = {
    0: "NULL",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    50: "PPP in HDLC framing",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "IEEE 802.11",
    108: "LOOP",
    113: "Linux SLL",
    127: "IEEE 802.11 with radiotap",
    228: "IPv4",
    229: "IPv6",
    276: "Linux SLL2",
}

_NULL = 0
_ETHERNET = 1
_LOOP = 108
_SLL = 113
_SLL2 = 276
_IPV4_ONLY = 228
_IPV6_ONLY = 229

_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_IPV6 = 0x86DD

# Why a packet gave no segment; the index counts in Decoder.undecoded.
REASONS = (
    "linktype not supported",
    "cut before the IP header",
    "not IP",
    "cut inside the IP header",
    "IP header malformed",
    "IP fragment",
    "UDP",
    "ICMP",
    "other IP protocol",
    "cut inside the TCP header",
    "TCP header malformed",
)
_BAD_LINKTYPE = 0
_CUT_LINK = 1
_NOT_IP = 2
_CUT_IP = 3
_BAD_IP = 4
_FRAGMENT = 5
_UDP = 6
_ICMP = 7
_OTHER = 8
_CUT_TCP = 9
_BAD_TCP = 10


def _u16(a: int, b: int) -> int:
    return a << 8 | b


def _u32(a: int, b: int, c: int, d: int) -> int:
    return a << 24 | b << 16 | c << 8 | d


class Decoder(PacketSink):
    """Turn packets into segments for a :class:`SegmentSink`.

    Attributes:
        undecoded: packets per entry of :data:`REASONS`.
        segments: TCP segments handed on.
    """

    def __init__(self, sink: SegmentSink) -> None:
        self.sink = sink
        self.out = Segment()
        self.data = b""
        self.undecoded = [0] * len(REASONS)
        self.segments = 0

    def packet(
        self,
        data: bytes,
        start: int,
        captured: int,
        original: int,
        at: int,
        frame: int,
        linktype: int,
        interface: int,
    ) -> int:
        self.data = view = data
        end = start + captured
        pos = start
        if linktype == _ETHERNET:
            if captured < 14:
                return self.fail(_CUT_LINK)
            kind = _u16(view[start + 12], view[start + 13])
            pos = start + 14
            # An 802.3 length instead of a type: LLC, of which SNAP with a zero organization carries IP (RFC 1042).
            if kind <= 1500 and captured >= 22 and _u16(view[start + 14], view[start + 15]) == 0xAAAA:
                kind = _u16(view[start + 20], view[start + 21])
                pos = start + 22
        elif linktype == _SLL:
            if captured < 16:
                return self.fail(_CUT_LINK)
            kind = _u16(view[start + 14], view[start + 15])
            pos = start + 16
        elif linktype == _SLL2:
            if captured < 20:
                return self.fail(_CUT_LINK)
            kind = _u16(view[start], view[start + 1])
            interface = interface << 16 | _u16(view[start + 6], view[start + 7])
            pos = start + 20
        elif linktype == _NULL or linktype == _LOOP:
            if captured < 4:
                return self.fail(_CUT_LINK)
            # The address family in the capturing host's byte order: a small number at one end or the other.
            kind = view[start] | view[start + 3]
            if kind == 2:
                kind = _ETHERTYPE_IPV4
            elif kind == 24 or kind == 28 or kind == 30 or kind == 10:  # AF_INET6 of the BSDs, macOS, Linux
                kind = _ETHERTYPE_IPV6
            pos = start + 4
        elif linktype == 101 or linktype == 12 or linktype == 14 or linktype == _IPV4_ONLY or linktype == _IPV6_ONLY:
            if captured < 1:
                return self.fail(_CUT_LINK)
            kind = _ETHERTYPE_IPV4 if view[start] >> 4 == 4 else _ETHERTYPE_IPV6
        else:
            return self.rare(linktype, data[start:end], original - captured, at, frame, interface)
        # VLAN tags, any number: 802.1Q, 802.1ad and the pre-standard QinQ value.
        while kind == 0x8100 or kind == 0x88A8 or kind == 0x9100:
            if end - pos < 4:
                return self.fail(_CUT_LINK)
            kind = _u16(view[pos + 2], view[pos + 3])
            pos += 4
        if kind == _ETHERTYPE_IPV4:
            return self.ipv4(pos, end, original - (pos - start), at, frame, interface)
        if kind == _ETHERTYPE_IPV6:
            return self.ipv6(pos, end, original - (pos - start), at, frame, interface)
        return self.fail(_NOT_IP)

    def rare(self, linktype: int, packet: bytes, cut: int, at: int, frame: int, interface: int) -> int:
        """A link layer that dpkt knows; ``cut`` bytes of the packet were not captured."""
        if linktype not in RARE:
            return self.fail(_BAD_LINKTYPE)
        inner = network_packet(linktype, packet)
        if not inner:
            return self.fail(_NOT_IP)
        self.data = inner
        if inner[0] >> 4 == 4:
            return self.ipv4(0, len(inner), len(inner) + cut, at, frame, interface)
        return self.ipv6(0, len(inner), len(inner) + cut, at, frame, interface)

    def ipv4(self, pos: int, end: int, wire: int, at: int, frame: int, interface: int) -> int:
        """Decode from the IPv4 header at ``pos``; ``wire`` bytes were there on the wire."""
        view = self.data
        if end - pos < 20:
            return self.fail(_CUT_IP)
        first = view[pos]
        header = (first & 15) * 4
        if first >> 4 != 4 or header < 20:
            return self.fail(_BAD_IP)
        total = _u16(view[pos + 2], view[pos + 3])
        if total == 0:
            total = wire  # segmentation offload: the stack leaves the length to the card
        if total < header:
            return self.fail(_BAD_IP)
        if _u16(view[pos + 6], view[pos + 7]) & 0x3FFF:
            return self.fail(_FRAGMENT)
        protocol = view[pos + 9]
        if protocol != 6:
            return self.fail(_UDP if protocol == 17 else _ICMP if protocol == 1 else _OTHER)
        out = self.out
        tcp = pos + header
        if end - tcp < 14:  # up to the flags; a short snaplen may leave no more
            return self.fail(_CUT_TCP)
        out.addresses_at = pos + 12
        out.address_size = 4
        out.ports_at = tcp
        source = _u32(view[pos + 12], view[pos + 13], view[pos + 14], view[pos + 15])
        target = _u32(view[pos + 16], view[pos + 17], view[pos + 18], view[pos + 19])
        out.addresses = source << 32 | target
        out.ports = _u32(view[tcp], view[tcp + 1], view[tcp + 2], view[tcp + 3])
        out.ip_id = _u16(view[pos + 4], view[pos + 5])
        out.hops = view[pos + 8]
        return self.tcp(tcp, end, pos + total, at, frame, interface)

    def ipv6(self, pos: int, end: int, wire: int, at: int, frame: int, interface: int) -> int:
        """Decode from the IPv6 header at ``pos``, through extension headers."""
        view = self.data
        if end - pos < 40:
            return self.fail(_CUT_IP)
        if view[pos] >> 4 != 6:
            return self.fail(_BAD_IP)
        length = _u16(view[pos + 4], view[pos + 5])
        if length == 0:
            length = wire - 40  # offload or jumbogram
        kind = view[pos + 6]
        tcp = pos + 40
        # Hop-by-hop, routing, destination options, mobility, HIP, shim6 share one shape; AH counts in other units.
        while (
            kind == 0
            or kind == 43
            or kind == 60
            or kind == 135
            or kind == 139
            or kind == 140
            or kind == 51
            or kind == 44
        ):
            if end - tcp < 8:
                return self.fail(_CUT_IP)
            if kind == 44:
                if _u16(view[tcp + 2], view[tcp + 3]) & 0xFFF9:
                    return self.fail(_FRAGMENT)
                step = 8
            elif kind == 51:
                step = (view[tcp + 1] + 2) * 4
            else:
                step = (view[tcp + 1] + 1) * 8
            kind = view[tcp]
            tcp += step
        if kind != 6:
            return self.fail(_UDP if kind == 17 else _ICMP if kind == 58 else _OTHER)
        if end - tcp < 14:  # up to the flags; a short snaplen may leave no more
            return self.fail(_CUT_TCP)
        out = self.out
        out.addresses_at = pos + 8
        out.address_size = 16
        out.ports_at = tcp
        out.ports = -1
        out.ip_id = 0
        out.hops = view[pos + 7]
        return self.tcp(tcp, end, pos + 40 + length, at, frame, interface)

    def tcp(self, pos: int, end: int, wire_end: int, at: int, frame: int, interface: int) -> int:
        """The TCP header at ``pos``; the payload ends where the IP length says, link-layer padding is left out."""
        view = self.data
        out = self.out
        header = (view[pos + 12] >> 4) * 4
        if header < 20 or pos + header > wire_end:
            return self.fail(_BAD_TCP)
        out.data = self.data
        out.sequence = _u32(view[pos + 4], view[pos + 5], view[pos + 6], view[pos + 7])
        out.acknowledgment = _u32(view[pos + 8], view[pos + 9], view[pos + 10], view[pos + 11])
        out.flags = view[pos + 13]
        out.window = _u16(view[pos + 14], view[pos + 15]) if end - pos >= 16 else 0xFFFF
        out.checksum = _u16(view[pos + 16], view[pos + 17]) if end - pos >= 18 else 0
        out.options = pos + 20
        out.start = pos + header
        out.options_end = out.start if out.start < end else end
        out.length = wire_end - out.start
        captured = (end if end < wire_end else wire_end) - out.start
        out.captured = captured if captured > 0 else 0
        out.at = at
        out.frame = frame
        out.interface = interface
        self.segments += 1
        return self.sink.segment(out)

    def fail(self, reason: int) -> int:
        self.undecoded[reason] += 1
        return 0
