"""pcap records as pcapng blocks, with what pcap has no place for: interface, filter, and what the kernel dropped.

https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/
"""

from __future__ import annotations

import struct
import sys

from pcapdiag._version import __version__

_ORDER = "<" if sys.byteorder == "little" else ">"
SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
PACKETS = (2, 3, PACKET)  # kinds of block with a packet in them
_BLOCK = struct.Struct(_ORDER + "II")
_RECORD = {order: struct.Struct(order + "IIII") for order in "<>"}
_FRONT = struct.Struct(_ORDER + "IIIIIII")
_LENGTH = struct.Struct(_ORDER + "I")
_PADS = (b"", b"\0\0\0", b"\0\0", b"\0")


def option(code: int, value: bytes) -> bytes:
    return struct.pack(_ORDER + "HH", code, len(value)) + value + _PADS[len(value) & 3]


def block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return _BLOCK.pack(kind, length) + body + _LENGTH.pack(length)


def header(linktype: int, snaplen: int, nanoseconds: bool, interface: str, expression: str) -> bytes:
    """Section header and interface description, with which each file begins."""
    section = struct.pack(_ORDER + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    section += option(3, f"{sys.platform}".encode()) + option(4, f"pcapdiag {__version__}".encode()) + option(0, b"")
    described = struct.pack(_ORDER + "HHI", linktype, 0, snaplen)
    described += option(2, interface.encode())
    described += option(9, b"\x09" if nanoseconds else b"\x06")
    if expression:
        described += option(11, b"\0" + expression.encode())
    return block(SECTION, section) + block(INTERFACE, described + option(0, b""))


def statistics(at: int, nanoseconds: bool, received: int | None, dropped: int | None) -> bytes:
    """An Interface Statistics Block: what the kernel received and dropped since the file began; ``at`` in nanoseconds.

    Drops are isb_ifdrop, where dumpcap writes them and Wireshark shows them.
    """
    ticks = at if nanoseconds else at // 1000
    body = struct.pack(_ORDER + "III", 0, ticks >> 32, ticks & 0xFFFFFFFF)
    for code, count in ((4, received), (5, dropped)):
        if count is not None:
            body += option(code, struct.pack(_ORDER + "Q", count))
    return block(STATISTICS, body + option(0, b""))


def packets(records: bytes, order: str, nanoseconds: bool) -> bytes:
    """Whole pcap records as Enhanced Packet Blocks; ``order`` is that of the records, "<" or ">"."""
    out: list[bytes] = []
    unpack, front, back = _RECORD[order].unpack_from, _FRONT.pack, _LENGTH.pack
    per_second = 1_000_000_000 if nanoseconds else 1_000_000
    pos, end = 0, len(records)
    while pos + 16 <= end:
        seconds, fraction, captured, original = unpack(records, pos)
        ticks = seconds * per_second + fraction
        length = 32 + captured + (-captured & 3)
        pos += 16
        out += (
            front(PACKET, length, 0, ticks >> 32, ticks & 0xFFFFFFFF, captured, original),
            records[pos : pos + captured],
            _PADS[captured & 3],
            back(length),
        )
        pos += captured
    return b"".join(out)
