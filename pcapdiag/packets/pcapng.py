"""pcapng: several sections and interfaces, each with its own byte order, time resolution and linktype.

https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/
"""

from __future__ import annotations

import struct

from pcapdiag.errors import CaptureError
from pcapdiag.packets.reader import MAX_RECORD, RecordReader
from pcapdiag.packets.sink import PacketSink

SECTION_HEADER = 0x0A0D0D0A
INTERFACE = 1
OLD_PACKET = 2
SIMPLE_PACKET = 3
STATISTICS = 5
ENHANCED_PACKET = 6

MAGIC = b"\x0a\x0d\x0d\x0a"
SECOND = 1_000_000_000
MOST_DROPPED = 2**48  # no interface has lost more: a count above it is damage


def _u32(a: int, b: int, c: int, d: int) -> int:
    """Four bytes, most significant first.  Not shared between modules, so that the C compiler inlines it."""
    return a << 24 | b << 16 | c << 8 | d


class Interface:
    """What an Interface Description Block says."""

    def __init__(self, number: int, linktype: int, snaplen: int) -> None:
        self.number = number  # over all sections, so that two sections' first interfaces differ
        self.linktype = linktype
        self.snaplen = snaplen
        self.numerator = 1000  # nanoseconds per tick = numerator / denominator
        self.denominator = 1
        self.offset_ns = 0
        self.packets = 0
        self.dropped = 0


class PcapngReader(RecordReader):
    """Read pcapng blocks from pieces of any size; block types other than packets and interfaces are skipped."""

    def __init__(self, sink: PacketSink, path: str, first_frame: int = 1) -> None:
        super().__init__(sink, path, first_frame)
        self.little = True
        self.in_section = False
        self.interfaces: list[Interface] = []
        self.interfaces_seen = 0
        self.unknown_interface = 0
        self.dead = False  # damage from which this format cannot resynchronize

    def walk(self, data: bytes, start: int) -> int:
        pos = start
        size = len(data)
        view = data
        while not self.dead and size - pos >= 12:
            little = self.little
            if little:
                kind = _u32(view[pos + 3], view[pos + 2], view[pos + 1], view[pos])
                length = _u32(view[pos + 7], view[pos + 6], view[pos + 5], view[pos + 4])
            else:
                kind = _u32(view[pos], view[pos + 1], view[pos + 2], view[pos + 3])
                length = _u32(view[pos + 4], view[pos + 5], view[pos + 6], view[pos + 7])
            if kind == SECTION_HEADER:  # a palindrome: the same in both byte orders
                length = self.section(data, pos)
            if length < 12 or length > MAX_RECORD or length & 3:
                self.lose(pos, length)
                break
            if size - pos < length:
                break
            if kind == SECTION_HEADER:
                self.in_section = True
            if kind == ENHANCED_PACKET and length >= 32:
                if little:
                    number = _u32(view[pos + 11], view[pos + 10], view[pos + 9], view[pos + 8])
                    high = _u32(view[pos + 15], view[pos + 14], view[pos + 13], view[pos + 12])
                    low = _u32(view[pos + 19], view[pos + 18], view[pos + 17], view[pos + 16])
                    captured = _u32(view[pos + 23], view[pos + 22], view[pos + 21], view[pos + 20])
                    original = _u32(view[pos + 27], view[pos + 26], view[pos + 25], view[pos + 24])
                else:
                    number = _u32(view[pos + 8], view[pos + 9], view[pos + 10], view[pos + 11])
                    high = _u32(view[pos + 12], view[pos + 13], view[pos + 14], view[pos + 15])
                    low = _u32(view[pos + 16], view[pos + 17], view[pos + 18], view[pos + 19])
                    captured = _u32(view[pos + 20], view[pos + 21], view[pos + 22], view[pos + 23])
                    original = _u32(view[pos + 24], view[pos + 25], view[pos + 26], view[pos + 27])
                if captured > length - 32:
                    self.bad_block(pos, f"a packet of {captured} bytes in a block of {length}")
                else:
                    self.emit(data, pos + 28, captured, original, number, high, low)
            elif kind == INTERFACE:
                self.describe(data, pos, length)
            elif kind == STATISTICS and length >= 24:
                self.statistics(data, pos, length)
            elif kind == SIMPLE_PACKET and length >= 16:
                self.simple(data, pos, length)
            elif kind == OLD_PACKET and length >= 32:
                order = "<" if little else ">"
                number, _, high, low, captured, original = struct.unpack_from(order + "HHIIII", data, pos + 8)
                if captured > length - 32:
                    self.bad_block(pos, f"a packet of {captured} bytes in a block of {length}")
                else:
                    self.emit(data, pos + 28, captured, original, number, high, low)
            pos += length
        if self.dead:
            return size
        return pos

    def emit(self, data: bytes, start: int, captured: int, original: int, number: int, high: int, low: int) -> int:
        """Hand one packet on with its time in nanoseconds."""
        at: int
        interfaces = self.interfaces
        self.frames += 1
        if number >= len(interfaces):
            self.unknown_interface += 1
            return 0
        interface = interfaces[number]
        # 2**52 microseconds are 142 years: what a real clock says fits; what may not, goes the careful way.
        if interface.denominator == 1 and interface.numerator <= 1000 and high < 0x10_0000 and interface.offset_ns == 0:
            at = ((high << 32) | low) * interface.numerator
        else:
            at = self.slow_time(interface, high, low)
        if self.first_at == 0:
            self.first_at = at
        elif at < self.last_at:
            self.steps_back += 1
        self.last_at = at
        interface.packets += 1
        if captured < original:
            self.cut_packets += 1
        self.sink.packet(data, start, captured, original, at, self.frames, interface.linktype, interface.number)
        return 0

    def slow_time(self, interface: Interface, high: int, low: int) -> int:
        """Resolutions that are no whole number of nanoseconds: exact integer arithmetic, from 1970 to 2116."""
        ticks = int(high) * 2**32 + int(low)
        at = ticks * int(interface.numerator) // int(interface.denominator) + int(interface.offset_ns)
        return min(max(at, 0), 2**62)

    def section(self, data: bytes, pos: int) -> int:
        """A new section: its byte order, and a fresh interface table.  Returns the block's length."""
        magic = data[pos + 8 : pos + 12]
        if magic == b"\x4d\x3c\x2b\x1a":
            self.little = True
        elif magic == b"\x1a\x2b\x3c\x4d":
            self.little = False
        else:
            if not self.in_section:
                raise CaptureError(
                    self.path,
                    "pcapng byte-order magic is " + magic.hex(),
                    offset=self.offset + pos + 8,
                    expected="1a2b3c4d in either order",
                )
            return 0
        self.count_linktypes()
        self.interfaces = []
        length: int = struct.unpack_from("<I" if self.little else ">I", data, pos + 4)[0]
        return length

    def describe(self, data: bytes, pos: int, length: int) -> None:
        """An Interface Description Block: linktype, snaplen, if_tsresol (9), if_tsoffset (14)."""
        order = "<" if self.little else ">"
        if length < 20:
            self.bad_block(pos, f"an interface description of {length} bytes")
            return
        linktype, _, snaplen = struct.unpack_from(order + "HHI", data, pos + 8)
        interface = Interface(self.interfaces_seen, linktype, snaplen)
        at, end = pos + 16, pos + length - 4
        while at + 4 <= end:
            code, size = struct.unpack_from(order + "HH", data, at)
            if code == 0 or at + 4 + size > end:
                break
            if code == 9 and size == 1:
                exponent = data[at + 4] & 0x7F
                base = 2 if data[at + 4] & 0x80 else 10
                numerator, denominator = SECOND, base ** min(exponent, 62 if base == 2 else 18)
                if numerator % denominator == 0:
                    numerator, denominator = numerator // denominator, 1
                interface.numerator, interface.denominator = numerator, denominator
            elif code == 14 and size == 8:
                seconds = struct.unpack_from(order + "q", data, at + 4)[0]
                interface.offset_ns = max(min(seconds, 2**32), -(2**32)) * SECOND
            at += 4 + (size + 3 & ~3)
        self.interfaces.append(interface)
        self.interfaces_seen += 1

    def statistics(self, data: bytes, pos: int, length: int) -> None:
        """An Interface Statistics Block: isb_ifdrop (5), isb_osdrop (7), since the capture began; the last one counts.

        dumpcap writes what the kernel dropped as the interface's drops; others tell the two apart, and both are lost.
        """
        order = "<" if self.little else ">"
        number: int = struct.unpack_from(order + "I", data, pos + 8)[0]
        if number >= len(self.interfaces):
            return
        dropped = 0
        at, end = pos + 20, pos + length - 4
        while at + 4 <= end:
            code, size = struct.unpack_from(order + "HH", data, at)
            if code == 0 or at + 4 + size > end:
                break
            if code in (5, 7) and size == 8:
                count: int = struct.unpack_from(order + "Q", data, at + 4)[0]
                if count < MOST_DROPPED:
                    dropped += count
            at += 4 + (size + 3 & ~3)
        interface = self.interfaces[number]
        self.dropped += dropped - interface.dropped
        interface.dropped = dropped

    def simple(self, data: bytes, pos: int, length: int) -> None:
        """A Simple Packet Block: interface 0, no time of its own; it gets the last packet's time."""
        original: int = struct.unpack_from("<I" if self.little else ">I", data, pos + 8)[0]
        self.frames += 1
        if not self.interfaces:
            self.unknown_interface += 1
            return
        interface = self.interfaces[0]
        captured = min(original, length - 16, interface.snaplen or original)
        interface.packets += 1
        if captured < original:
            self.cut_packets += 1
        self.sink.packet(
            data, pos + 12, captured, original, self.last_at, self.frames, interface.linktype, interface.number
        )

    def bad_block(self, pos: int, what: str) -> None:
        self.note_damage(f"{self.path} at byte {self.offset + pos}: {what}; block left out")

    def lose(self, pos: int, length: int) -> None:
        """A block length that cannot be: without it the next block cannot be found."""
        where = self.offset + pos
        if not self.in_section:
            raise CaptureError(
                self.path, f"pcapng section header of {length} bytes", offset=where, expected="28 bytes or more"
            )
        self.note_damage(
            f"{self.path} at byte {where}: block length {length} "
            "(expected a multiple of 4 from 12 up); the rest of the file is left out"
        )
        self.dead = True

    def count_linktypes(self) -> None:
        for interface in self.interfaces:
            if interface.packets:
                self.linktypes[interface.linktype] = self.linktypes.get(interface.linktype, 0) + interface.packets
            interface.packets = 0

    def finish(self) -> None:
        if not self.in_section:
            size = self.offset + len(self.carry)
            raise CaptureError(
                self.path,
                f"the file ends after {size} bytes, inside the pcapng section header",
                offset=size,
                expected="28 bytes or more",
                try_this="copy or record the file again",
            )
        self.count_linktypes()
        if self.unknown_interface:
            self.note_damage(f"{self.path}: {self.unknown_interface} packets name an interface never described")
        super().finish()
