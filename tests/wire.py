"""Bytes for tests: TCP/IP packets, link layers, and capture files of every flavor that pcapdiag reads.

Plain struct code rather than a packet library: it is a hundred times faster, and shares nothing with the
decoders under test but the RFCs.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND

ETHERNET, NULL, LOOP, RAW, SLL, SLL2 = 1, 0, 108, 101, 113, 276


@dataclass
class Packet:
    """One captured packet.  ``data`` is what was captured of ``original`` bytes; times are nanoseconds."""

    data: bytes
    at: int = START
    original: int = -1
    interface: int = 0

    def __post_init__(self) -> None:
        if self.original < 0:
            self.original = len(self.data)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): one's complement sums are sums modulo 65,535."""
    if len(data) & 1:
        data += b"\0"
    return 0xFFFF - (int.from_bytes(data) % 0xFFFF or 0xFFFF)


def tcp(
    source: str,
    target: str,
    ports: tuple[int, int],
    sequence: int,
    acknowledgment: int,
    flags: int,
    payload: bytes = b"",
    window: int = 502,
    options: bytes = b"",
) -> bytes:
    """A TCP segment with its checksum right."""
    offset = (20 + len(options)) // 4
    head = struct.pack(
        ">HHIIBBHHH",
        *ports,
        sequence & 0xFFFFFFFF,
        acknowledgment & 0xFFFFFFFF,
        offset << 4,
        flags,
        window,
        0,
        0,
    )
    segment = head + options + payload
    pseudo = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    pseudo += struct.pack(">II", len(segment), 6)
    return segment[:16] + struct.pack(">H", checksum(pseudo + segment)) + segment[18:]


def ipv4(
    source: str, target: str, body: bytes, protocol: int = 6, ip_id: int = 1, ttl: int = 64, **fields: int
) -> bytes:
    """An IPv4 packet; ``fields``: total (length), fragment (flags and offset), options (bytes of zeros)."""
    options = bytes(fields.get("options", 0))
    total = fields.get("total", 20 + len(options) + len(body))
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x45 + len(options) // 4,
        0,
        total,
        ip_id,
        fields.get("fragment", 0x4000),
        ttl,
        protocol,
        0,
        ipaddress.ip_address(source).packed,
        ipaddress.ip_address(target).packed,
    )
    return head + options + body


def ipv6(source: str, target: str, body: bytes, kind: int = 6, ttl: int = 64, length: int = -1) -> bytes:
    head = struct.pack(">IHBB", 0x60000000, len(body) if length < 0 else length, kind, ttl)
    return head + ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed + body


def link(
    packet: bytes, linktype: int = ETHERNET, vlans: Iterable[int] = (), order: str = "<", ifindex: int = 2
) -> bytes:
    """An IP packet behind its link-layer header.

    ``vlans`` are tag protocol ids, outermost first; ``order`` is the byte order of a NULL header's family.
    """
    version = packet[0] >> 4
    kind = 0x0800 if version == 4 else 0x86DD
    tags = b"".join(struct.pack(">HH", tpid, 100 + place) for place, tpid in enumerate(vlans))
    if linktype == ETHERNET:
        return bytes.fromhex("020000000002020000000001") + tags + struct.pack(">H", kind) + packet
    first = next(iter(vlans), kind)
    inner = tags[2:] + struct.pack(">H", kind) if tags else b""
    if linktype == SLL:
        return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", first) + inner + packet
    if linktype == SLL2:
        return struct.pack(">HHIHBB8s", first, 0, ifindex, 1, 0, 6, b"\2\0\0\0\0\1") + inner + packet
    if linktype in (NULL, LOOP):
        return struct.pack((">" if linktype == LOOP else order) + "I", 2 if version == 4 else 30) + packet
    return packet


# -- files


def pcap_header(order: str = "<", magic: int = 0xA1B23C4D, linktype: int = ETHERNET, snaplen: int = 262_144) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype)


def pcap_record(packet: Packet, order: str = "<", tick: int = 1, modified: bool = False) -> bytes:
    seconds, rest = divmod(packet.at, SECOND)
    head = struct.pack(order + "IIII", seconds, rest // tick, len(packet.data), packet.original)
    return head + (struct.pack(order + "IHBB", 2, 0x0800, 0, 0) if modified else b"") + packet.data


def pcap(
    packets: Iterable[Packet],
    linktype: int = ETHERNET,
    order: str = "<",
    nanoseconds: bool = True,
    modified: bool = False,
) -> bytes:
    """A pcap file; ``modified`` writes Kuznetzov's longer record headers."""
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    tick = 1 if nanoseconds and not modified else 1000
    return pcap_header(order, magic, linktype) + b"".join(pcap_record(p, order, tick, modified) for p in packets)


@dataclass
class Interface:
    """An interface of a pcapng section; ``resolution`` is the if_tsresol byte, None leaves the option out."""

    linktype: int = ETHERNET
    resolution: int | None = 9
    offset: int | None = None
    snaplen: int = 0

    def ticks(self, at: int) -> int:
        at -= (self.offset or 0) * SECOND
        code = 6 if self.resolution is None else self.resolution
        base = 2 ** (code & 0x7F) if code & 0x80 else 10**code
        return at * base // SECOND


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section_block(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + option(4, b"test", order), order)


def interface_block(interface: Interface, order: str = "<") -> bytes:
    options = option(2, b"eth0", order)
    if interface.resolution is not None:
        options += option(9, bytes([interface.resolution]), order)
    if interface.offset is not None:
        options += option(14, struct.pack(order + "q", interface.offset), order)
    options += option(0, b"", order)
    return block(1, struct.pack(order + "HHI", interface.linktype, 0, interface.snaplen) + options, order)


def enhanced_block(packet: Packet, interface: Interface, order: str = "<") -> bytes:
    ticks = interface.ticks(packet.at)
    head = struct.pack(
        order + "IIIII", packet.interface, ticks >> 32, ticks & 0xFFFFFFFF, len(packet.data), packet.original
    )
    return block(6, head + packet.data + bytes(-len(packet.data) % 4) + option(0, b"", order), order)


def old_block(packet: Packet, interface: Interface, order: str = "<") -> bytes:
    """The obsolete Packet Block."""
    ticks = interface.ticks(packet.at)
    head = struct.pack(
        order + "HHIIII",
        packet.interface,
        7,
        ticks >> 32,
        ticks & 0xFFFFFFFF,
        len(packet.data),
        packet.original,
    )
    return block(2, head + packet.data, order)


def simple_block(packet: Packet, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", packet.original) + packet.data, order)


@dataclass
class Section:
    """Packets of one pcapng section with the interfaces they name."""

    packets: list[Packet]
    interfaces: list[Interface] = field(default_factory=lambda: [Interface()])
    order: str = "<"


def pcapng(*sections: Section) -> bytes:
    """A pcapng file of Enhanced Packet Blocks."""
    out = b""
    for s in sections:
        out += section_block(s.order)
        out += b"".join(interface_block(interface, s.order) for interface in s.interfaces)
        out += b"".join(enhanced_block(p, s.interfaces[p.interface], s.order) for p in s.packets)
    return out


def statistics_block(interface: int, options: Iterable[tuple[int, int]], order: str = "<", at: int = START) -> bytes:
    """An Interface Statistics Block: option code and 64-bit count."""
    ticks = at // 1000
    body = struct.pack(order + "III", interface, ticks >> 32, ticks & 0xFFFFFFFF)
    for code, value in options:
        body += struct.pack(order + "HHQ", code, 8, value)
    return block(5, body + struct.pack(order + "HH", 0, 0), order)
