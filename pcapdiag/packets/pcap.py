"""The classic pcap format: microsecond and nanosecond, both byte orders, and Kuznetzov's modified records.

https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/
"""

from __future__ import annotations

import struct

from pcapdiag.errors import CaptureError
from pcapdiag.packets.reader import MAX_RECORD, RecordReader
from pcapdiag.packets.sink import PacketSink

FILE_HEADER = 24

# magic as it stands in the file -> (struct byte order, nanoseconds per tick, record header length)
MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
    b"\xa1\xb2\xcd\x34": (">", 1000, 24),
}

SECOND = 1_000_000_000
DAY = 86_400


def _u32(a: int, b: int, c: int, d: int) -> int:
    """Four bytes, most significant first.  Not shared between modules, so that the C compiler inlines it."""
    return a << 24 | b << 16 | c << 8 | d


class PcapReader(RecordReader):
    """Read pcap records from pieces of any size."""

    def __init__(self, sink: PacketSink, path: str, first_frame: int = 1) -> None:
        super().__init__(sink, path, first_frame)
        self.little = True
        self.tick = 0  # nanoseconds; 0 while the file header is still to come
        self.header = 16
        self.linktype = 0
        self.limit = MAX_RECORD
        self.lost_from = -1  # offset of the damage that is being skipped
        self.lost_why = ""

    def walk(self, data: bytes, start: int) -> int:
        at: int
        pos = start
        size = len(data)
        if self.tick == 0:
            if size < FILE_HEADER:
                return 0
            self.read_file_header(data)
            pos = FILE_HEADER
        view = data
        sink = self.sink
        header = self.header
        little = self.little
        tick = self.tick
        limit = self.limit
        linktype = self.linktype
        packets = 0
        while True:
            if self.lost_from >= 0:
                pos = self.resynchronize(data, pos)
                if self.lost_from >= 0:
                    break
            if size - pos < header:
                break
            if little:
                seconds = _u32(view[pos + 3], view[pos + 2], view[pos + 1], view[pos])
                fraction = _u32(view[pos + 7], view[pos + 6], view[pos + 5], view[pos + 4])
                captured = _u32(view[pos + 11], view[pos + 10], view[pos + 9], view[pos + 8])
                original = _u32(view[pos + 15], view[pos + 14], view[pos + 13], view[pos + 12])
            else:
                seconds = _u32(view[pos], view[pos + 1], view[pos + 2], view[pos + 3])
                fraction = _u32(view[pos + 4], view[pos + 5], view[pos + 6], view[pos + 7])
                captured = _u32(view[pos + 8], view[pos + 9], view[pos + 10], view[pos + 11])
                original = _u32(view[pos + 12], view[pos + 13], view[pos + 14], view[pos + 15])
            if captured > limit:
                self.lose(self.offset + pos, f"claims {captured} captured bytes, more than the file can hold")
                continue
            if seconds == 0 and captured == 0 and original == 0:
                # A full disk or a crashed machine leaves zeros: no packets at the beginning of time.
                self.lose(self.offset + pos, "is all zeros")
                continue
            if size - pos - header < captured:
                break
            at = seconds * SECOND + fraction * tick
            if self.frames > 0 and at < self.last_at:
                self.steps_back += 1
            if self.first_at == 0:
                self.first_at = at
            self.last_at = at
            self.frames += 1
            packets += 1
            if captured < original:
                self.cut_packets += 1
            sink.packet(data, pos + header, captured, original, at, self.frames, linktype, 0)
            pos += header + captured
        if packets:
            self.linktypes[linktype] = self.linktypes.get(linktype, 0) + packets
        return pos

    def read_file_header(self, data: bytes) -> None:
        """Set byte order, tick and linktype from the 24-byte file header."""
        order, self.tick, self.header = MAGICS[data[:4]]
        self.little = order == "<"
        major, minor, _, _, snaplen, network = struct.unpack(order + "HHiIII", data[4:FILE_HEADER])
        if (major, minor) not in ((2, 4), (2, 3)):
            raise CaptureError(
                self.path, f"pcap version {major}.{minor}", offset=4, expected="version 2.4", try_this="editcap -F pcap"
            )
        self.linktype = network & 0xFFFF  # upper bits: FCS length
        # A writer may exceed its own snaplen a little; a record far above it is damage.
        self.limit = min(MAX_RECORD, max(snaplen, 262_144) + 65_536) if snaplen else MAX_RECORD

    def lose(self, offset: int, why: str) -> None:
        self.lost_from = offset
        self.lost_why = why

    def resynchronize(self, data: bytes, pos: int) -> int:
        """After damage, find the next place where two plausible record headers follow each other."""
        order = "<" if self.little else ">"
        fraction_limit = SECOND // self.tick
        header = struct.Struct(order + "IIII")

        def plausible(where: int) -> int:
            """The record's captured length, or -1."""
            seconds, fraction, captured, original = header.unpack_from(data, where)
            if fraction >= fraction_limit or not 14 <= captured <= min(self.limit, 262_144) or original < captured:
                return -1
            if self.last_at and abs(seconds - self.last_at // SECOND) > DAY:
                return -1
            return int(captured)

        scan = pos + 1 if self.offset + pos == self.lost_from else pos
        last = len(data) - self.header
        while scan <= last:
            scan = self.skip(data, scan)
            if scan > last:
                break
            captured = plausible(scan)
            if captured >= 0:
                following = scan + self.header + captured
                if following <= last and plausible(following) >= 0:
                    skipped = self.offset + scan - self.lost_from
                    self.note_damage(
                        f"{self.path} at byte {self.lost_from}: the record {self.lost_why}; "
                        f"{skipped} bytes skipped to the next readable record"
                    )
                    self.lost_from = -1
                    return scan
                if following > last and len(data) - scan < MAX_RECORD:
                    return scan  # decided when more bytes are here, or at the end of the file
            scan += 1
        return max(scan, pos)

    def skip(self, data: bytes, scan: int) -> int:
        """The next place where a record's time could begin: its high byte is that of the last record, or near."""
        if not self.last_at:
            return scan
        seconds = self.last_at // SECOND
        first, second = (seconds - DAY >> 24) & 0xFF, (seconds + DAY >> 24) & 0xFF
        ahead = 3 if self.little else 0
        found = data.find(bytes([first]), scan + ahead)
        if second != first:
            other = data.find(bytes([second]), scan + ahead)
            found = other if found < 0 or 0 <= other < found else found
        # At the very end a header may be there in part.
        return len(data) - self.header + 1 if found < 0 else found - ahead

    def finish(self) -> None:
        if self.tick == 0:
            size = self.offset + len(self.carry)
            raise CaptureError(
                self.path,
                f"the file ends after {size} bytes, inside the pcap file header",
                offset=size,
                expected="24 bytes",
                try_this="copy or record the file again",
            )
        if self.lost_from >= 0:
            end = self.offset + len(self.carry)
            self.note_damage(
                f"{self.path} at byte {self.lost_from}: the record {self.lost_why}; "
                f"no readable record in the remaining {end - self.lost_from} bytes"
            )
            self.carry = b""
        super().finish()
