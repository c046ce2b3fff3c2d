"""Keep what is captured: one file, or many by size or time of which the oldest are removed.

Each file is whole by itself, and is written at the ends of records only: whatever ends the capture, it can be read.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable

from pcapdiag.errors import UsageError
from pcapdiag.live import opening
from pcapdiag.live.names import rotated, stamp
from pcapdiag.live.process import Counts
from pcapdiag.packets import pcapng_blocks as pcapng
from pcapdiag.packets.pcap import MAGICS
from pcapdiag.packets.pcapng import MAGIC

FILE_HEADER = 24  # bytes, of pcap
LEAST = 64 * 1024  # bytes a file may be limited to
REPEAT = 1_000_000_000  # ns; counts that changed are written down no more often


class Saver:
    """Where the packets go.

    Args:
        path: as the user named it; with rotation the files have a number and a time in their names.  One that ends in
            .pcapng becomes pcapng, with what the kernel dropped; any other keeps the format of the bytes.
        rotate_bytes, rotate_ns: how much a file may hold; None for any amount.
        keep: how many files to keep; None for all.
        opener, remover: open a file of this path, empty, and delete one that was opened.
        interface, expression: what is captured, for pcapng files to name.
        counts: the kernel's counts now.

    Attributes:
        files: path and frames ahead of it, in order, of the files that are there.
        bytes: written in all.  removed: files deleted.
        failed: why nothing more is kept, in one line; what was kept stays.

    Raises:
        UsageError: the first file cannot be opened.
    """

    def __init__(
        self,
        path: str,
        rotate_bytes: int | None,
        rotate_ns: int | None,
        keep: int | None,
        opener: Callable[[str], int] = opening.create,
        remover: Callable[[str], None] = opening.remove,
        *,
        interface: str = "",
        expression: str = "",
        counts: Callable[[], Counts] = Counts,
    ) -> None:
        if rotate_bytes is not None and rotate_bytes < LEAST:
            raise UsageError(f"rotation by size: {rotate_bytes} bytes; expected {LEAST} or more")
        if rotate_ns is not None and rotate_ns <= 0:
            raise UsageError("rotation by time: expected a second or more")
        if keep is not None and (keep < 1 or (rotate_bytes is None and rotate_ns is None)):
            raise UsageError("the number of files to keep: expected 1 or more, and a size or a time to rotate by")
        self.path = path
        self.rotate_bytes = rotate_bytes
        self.rotate_ns = rotate_ns
        self.keep = keep
        self.files: list[tuple[str, int]] = []
        self.bytes = 0
        self.removed = 0
        self.failed = ""
        self._opener = opener
        self._remover = remover
        self._interface = interface
        self._expression = expression
        self._counts = counts
        self._header = b""  # with which each file begins
        self._heading = False  # whether there may be more of it
        self._order = ""  # of pcap records that are to become pcapng; "" where they stay as they are
        self._nanoseconds = False
        self._statistics = False  # whether the file has a place for the kernel's counts
        self._number = 0
        self._file = -1
        self._size = 0
        self._frames = 0
        self._began = 0  # ns; by the clock of the packets
        self._until = 0  # ns; of the last packets written
        self._before = Counts(0, 0)  # what the kernel had counted when the file began
        self._written = Counts(0, 0)
        self._written_at = 0
        # A name with a time in it has to wait for nothing else than a clock.
        try:
            self._open(time.time_ns())
        except OSError as error:
            raise UsageError(f"-w {opening.problem(path, error)}") from None

    def write(self, data: bytes, frames: int, at: int) -> None:
        """Keep whole records.

        Args:
            data: from one end of a record to another; the first begins with the file's header.
            frames: packets of the capture up to the end of ``data``.
            at: the time now, nanoseconds since the epoch.
        """
        if self.failed or not data:
            return
        try:
            if not self._header:
                data = self._begin(data)
            elif self._heading:
                data = self._more_header(data)
            if not data:
                return
            if self._began == 0 or at < self._began:  # the clock was set back
                self._began = at
            if self._order:
                data = pcapng.packets(data, self._order, self._nanoseconds)
            if self.rotate_ns is not None and self._holds_packets and at - self._began >= self.rotate_ns:
                self._next(at)
            self._until = at
            while data and self.rotate_bytes is not None and self._size + len(data) > self.rotate_bytes:
                data = self._filled(data, self.rotate_bytes, at)
            self._put(data, records=True)
            self._frames = frames
            if self._statistics and abs(at - self._written_at) >= REPEAT:
                self._written_at = at
                self._note_counts(only_new=True)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """End the file, with the kernel's last counts."""
        try:
            self._finish()
        except OSError as error:
            self._fail(error)

    def _begin(self, data: bytes) -> bytes:
        """Learn the format from the capture's first bytes; returns the records behind its header."""
        wants_pcapng = self.path.endswith((".pcapng", ".ntar"))
        magic = data[:4]
        if magic in MAGICS:
            order, tick, _ = MAGICS[magic]
            self._header = data[:FILE_HEADER]
            if wants_pcapng:
                snaplen, linktype = struct.unpack_from(order + "II", data, 16)
                self._order, self._nanoseconds, self._statistics = order, tick == 1, True
                self._header = pcapng.header(linktype & 0xFFFF, snaplen, tick == 1, self._interface, self._expression)
            data = data[FILE_HEADER:]
        elif magic == MAGIC:
            self._heading = True
            return self._more_header(data)
        else:
            raise OSError(0, f"the capture starts with {magic.hex(' ')}")
        self._put(self._header)
        return data

    def _more_header(self, data: bytes) -> bytes:
        """pcapng says first what interfaces there are; returns the blocks behind that."""
        end = _blocks_ahead(data, self._header or data)
        self._header += data[:end]
        self._put(data[:end])
        self._heading = end == len(data)
        return data[end:]

    @property
    def _holds_packets(self) -> bool:
        return self._size > len(self._header)

    def _filled(self, data: bytes, limit: int, at: int) -> bytes:
        """Put what fits into the file and begin the next one; returns the rest.  A record too large for any has its own."""
        fits, packets = _fitting(data, limit - self._size, self._header)
        if not fits and not self._holds_packets:
            fits, packets = _fitting(data, len(data), self._header, most=1)
            fits = fits or len(data)
        self._put(data[:fits], records=True)
        self._frames += packets
        if fits < len(data):
            self._next(at)
        return data[fits:]

    def _next(self, at: int) -> None:
        """The next file of the rotation."""
        self._finish()
        self._open(at)
        self._put(self._header)
        self._began = at

    def _open(self, at: int) -> None:
        path = self.path
        if self.rotate_bytes is not None or self.rotate_ns is not None:
            self._number += 1
            path = rotated(self.path, self._number, stamp(at))
        self._file = self._opener(path)
        self._size = 0
        self.files.append((path, self._frames))
        while self.keep is not None and len(self.files) > self.keep:
            old, _ = self.files.pop(0)
            self._remover(old)
            self.removed += 1

    def _put(self, data: bytes, *, records: bool = False) -> None:
        """All of it; where that does not fit, of records those that do, of anything else nothing."""
        view = memoryview(data)
        kept = len(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            kept = 0
            if records:
                kept, packets = _fitting(data, len(data) - len(view), self._header)
                self._frames += packets
            os.ftruncate(self._file, self._size + kept)
            raise
        finally:
            self._size += kept
            self.bytes += kept

    def _note_counts(self, only_new: bool) -> None:
        now = self._counts()
        if now == Counts() or (only_new and now.dropped == self._written.dropped):
            return
        self._written = now
        before = self._before
        received = None if now.received is None else now.received - (before.received or 0)
        dropped = None if now.dropped is None else now.dropped - (before.dropped or 0)
        self._put(pcapng.statistics(self._until, self._nanoseconds, received, dropped))

    def _finish(self) -> None:
        if self._file < 0:
            return
        try:
            if self._statistics and not self.failed:
                self._note_counts(only_new=False)
                self._before = self._written
        finally:
            os.close(self._file)
            self._file = -1

    def _fail(self, error: OSError) -> None:
        path = self.files[-1][0] if self.files else self.path
        kept = f"; the first {self._frames:,} packets are kept" if self._frames else ""
        self.failed = f"{opening.problem(path, error)}{kept}"
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _fitting(records: bytes, room: int, header: bytes, most: int | None = None) -> tuple[int, int]:
    """How many of the first bytes are whole records, ``most`` of them at the most, and how many packets those are."""
    is_pcapng = header[:4] == MAGIC
    if is_pcapng:
        order, ahead = ("<" if header[8:12] == b"\x4d\x3c\x2b\x1a" else ">"), 12
    else:
        order, _, ahead = MAGICS[header[:4]]
    pos = packets = count = 0
    while pos + ahead <= room and count != most:
        count += 1
        kind, length = struct.unpack_from(order + "II", records, pos)
        if not is_pcapng:
            length = ahead + struct.unpack_from(order + "I", records, pos + 8)[0]
        if length < ahead or pos + length > room:
            break
        pos += length
        packets += not is_pcapng or kind in pcapng.PACKETS
    return pos, packets


def _blocks_ahead(data: bytes, section: bytes) -> int:
    """Where the section header and interface descriptions end, with which a pcapng stream begins."""
    order = "<" if section[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    pos = 0
    while pos + 12 <= len(data):
        kind, length = struct.unpack_from(order + "II", data, pos)
        if kind not in (pcapng.SECTION, pcapng.INTERFACE) or length < 12:
            break
        pos += length
    return pos
