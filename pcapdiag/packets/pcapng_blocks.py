"""pcapng blocks to be written: sections, interfaces, packets with comments, what the kernel dropped.

https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/
"""

from __future__ import annotations

import struct
import sys

from pcapdiag._version import __version__

ORDER = "<"  # of the bytes of what is written
SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
PACKETS = (2, 3, PACKET)  # kinds of block with a packet in them
MICROSECONDS, NANOSECONDS = b"\x06", b"\x09"  # if_tsresol: ten to the minus sixth, to the minus ninth
COMMENT = 1  # an option of any block

_BLOCK = struct.Struct("<II")
_RECORD = {order: struct.Struct(order + "IIII") for order in "<>"}
_FRONT = struct.Struct("<IIIIIII")
_LENGTH = struct.Struct("<I")
_PADS = (b"", b"\0\0\0", b"\0\0", b"\0")


def header(linktype: int, snaplen: int, nanoseconds: bool, name: str, expression: str) -> bytes:
    """What a file begins with that is captured here, from the interface of this name."""
    resolution = NANOSECONDS if nanoseconds else MICROSECONDS
    described = interface(linktype, snaplen, resolution, name=name.encode(), expression=expression.encode())
    return section(system=sys.platform.encode()) + described


def section(*, comment: bytes = b"", system: bytes = b"") -> bytes:
    """A Section Header Block, with which each file begins; ``system`` is the one that captured."""
    version = 0x1A2B3C4D, 1, 0, -1
    made_by = f"pcapdiag {__version__}".encode()
    return _block(SECTION, struct.pack("<IHHq", *version) + _options((COMMENT, comment), (3, system), (4, made_by)))


def interface(
    linktype: int,
    snaplen: int,
    resolution: bytes,
    *,
    name: bytes = b"",
    description: bytes = b"",
    expression: bytes = b"",
) -> bytes:
    """An Interface Description Block; the first one is interface 0.

    Args:
        linktype, snaplen: as in a pcap file's header; a snaplen of 0 is none.
        resolution: ``MICROSECONDS`` or ``NANOSECONDS``.
        expression: the filter, as tcpdump takes it.
    """
    said = (2, name), (3, description), (9, resolution), (11, b"\0" + expression if expression else b"")
    return _block(INTERFACE, struct.pack("<HHI", linktype, 0, snaplen) + _options(*said))


def packet(number: int, ticks: int, data: bytes, original: int, comment: bytes = b"") -> bytes:
    """An Enhanced Packet Block.

    Args:
        number: of the interface.
        ticks: since the epoch, in the interface's resolution.
        original: bytes on the wire, of which ``data`` was captured.
    """
    front = struct.pack("<IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), original)
    return _block(PACKET, front + data + _PADS[len(data) & 3] + _options((COMMENT, comment)))


def statistics(at: int, nanoseconds: bool, received: int | None, dropped: int | None) -> bytes:
    """An Interface Statistics Block of interface 0: what the kernel received and dropped since the file began.

    ``at`` is in nanoseconds; ``nanoseconds`` says whether the interface's times are.
    Drops are isb_ifdrop, where dumpcap writes them and Wireshark shows them.
    """
    ticks = at if nanoseconds else at // 1000
    counts = [(code, struct.pack("<Q", n)) for code, n in ((4, received), (5, dropped)) if n is not None]
    return _block(STATISTICS, struct.pack("<III", 0, ticks >> 32, ticks & 0xFFFFFFFF) + _options(*counts))


def packets(records: bytes, order: str, nanoseconds: bool) -> bytes:
    """Whole pcap records as Enhanced Packet Blocks of interface 0; ``order`` is that of the records, "<" or ">".

    It is what a live capture does with each packet, so nothing is called for one.
    """
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


def _options(*options: tuple[int, bytes]) -> bytes:
    """Those that say something, and the end of them."""
    said = [struct.pack("<HH", code, len(value)) + value + _PADS[len(value) & 3] for code, value in options if value]
    return b"".join([*said, bytes(4)]) if said else b""


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return _BLOCK.pack(kind, length) + body + _LENGTH.pack(length)
