"""Open captures and pump their bytes through the right reader.

A capture is one file, standard input (``-``), or several files taken as one in the order of their first packets.
gzip is recognised by its magic.  Formats that pcapdiag does not read are named, with the command that converts them.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from pcapdiag.errors import CaptureError
from pcapdiag.packets.pcap import MAGICS, PcapReader
from pcapdiag.packets.pcapng import MAGIC as PCAPNG_MAGIC
from pcapdiag.packets.pcapng import PcapngReader
from pcapdiag.packets.reader import RecordReader
from pcapdiag.packets.sink import PacketSink

# Small enough to stay in the second-level cache between reading and decoding, beside what connections need there.
PIECE = 64 * 1024
# Every format is told by this many bytes or fewer.
FRONT = 24
# A gzip bomb expands more than a thousand times; captures, which hold text and zeros, below a hundred.
MAX_EXPANSION = 1_000
LEAST_STORED = 256 * 1024  # bytes; a smaller file may expand to as much as one of this size

GZIP_MAGIC = b"\x1f\x8b"

# What else users hand over: magic, what it is, how to make a pcap of it.
OTHER_FORMATS = (
    (b"\xfd7zXZ\x00", "an xz-compressed file", "xz -dc FILE | pcapdiag diagnose -"),
    (b"\x28\xb5\x2f\xfd", "a zstd-compressed file", "zstd -dc FILE | pcapdiag diagnose -"),
    (b"BZh", "a bzip2-compressed file", "bzip2 -dc FILE | pcapdiag diagnose -"),
    (b"\x04\x22\x4d\x18", "an lz4-compressed file", "lz4 -dc FILE | pcapdiag diagnose -"),
    (b"PK\x03\x04", "a zip archive", "unzip it first"),
    (b"snoop\x00\x00\x00", "a snoop capture", "editcap -F pcap FILE out.pcap"),
    (b"RTSS", "a Network Monitor 1 capture", "editcap -F pcap FILE out.pcap"),
    (b"GMBU", "a Network Monitor 2 capture", "editcap -F pcap FILE out.pcap"),
    (b"\x7fELF", "a program", ""),
)


@dataclass
class Counters:
    """What reading the files told, summed over them."""

    packets: int = 0
    first_at: int | None = None
    last_at: int | None = None
    steps_back: int = 0
    cut_packets: int = 0
    dropped: int = 0  # by the kernel, where a file or the capture process says so
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    linktypes: dict[int, int] = field(default_factory=dict)
    file_starts: list[tuple[int, str]] = field(default_factory=list)  # (frames before the file, path)
    # Of a live capture, from before what its tables still hold: days without a drop do not make up for this hour's.
    forgotten_packets: int = 0
    forgotten_dropped: int = 0

    @property
    def dropped_share(self) -> float:
        """Of the packets that there were, as far as they are not forgotten."""
        dropped = max(self.dropped - self.forgotten_dropped, 0)
        return dropped / max(self.packets - self.forgotten_packets + dropped, 1)

    def add(self, reader: RecordReader) -> None:
        """What one file, or a live capture, came to."""
        self.packets = reader.frames
        self.steps_back += reader.steps_back
        self.cut_packets += reader.cut_packets
        self.dropped += reader.dropped
        self.damage.extend(reader.damage)
        for linktype, packets in reader.linktypes.items():
            self.linktypes[linktype] = self.linktypes.get(linktype, 0) + packets
        if reader.first_at:
            self.first_at = reader.first_at if self.first_at is None else min(self.first_at, reader.first_at)
            self.last_at = reader.last_at if self.last_at is None else max(self.last_at, reader.last_at)


Progress = Callable[[int, int | None], None]


def read_captures(paths: Sequence[str], sink: PacketSink, progress: Progress | None = None) -> Counters:
    """Read all files into ``sink``, in the order of their first packets, frames numbered through.

    Raises:
        CaptureError: a file cannot be opened or is no capture.  Damage behind a file header is counted instead.
    """
    counters = Counters()
    total: int | None = 0
    for path in paths:
        size = file_size(path)
        total = None if size is None or total is None else total + size
    done = 0
    for path in in_time_order(paths):
        with open_source(path) as raw:
            reader: RecordReader | None = None
            expected_last = counters.last_at
            base = done
            for piece, position in pieces(raw, path, counters):
                if reader is None:
                    reader = reader_for(path, piece, sink, counters.packets + 1)
                reader.feed(piece)
                done = base + position
                if progress is not None:
                    progress(done, total)
            if reader is None:
                raise CaptureError(
                    path,
                    "the file is empty",
                    offset=0,
                    expected="a pcap or pcapng file header",
                    try_this="check that tcpdump could write: tcpdump -w FILE, then stop it with Ctrl-C",
                )
            reader.finish()
        if reader.first_at and expected_last is not None and reader.first_at < expected_last:
            counters.notes.append(
                f"{path} overlaps the file ahead of it in time; they were read one after the other: "
                "for one timeline merge them first (mergecap -w all.pcapng FILES)"
            )
        counters.file_starts.append((counters.packets, path))
        counters.add(reader)
    return counters


def file_size(path: str) -> int | None:
    """Bytes of a regular file, else None."""
    if path == "-":
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def open_source(path: str) -> Iterator[BinaryIO]:
    """The file's bytes; open errors become one line."""
    if path == "-":
        if sys.stdin.isatty():
            raise CaptureError(
                "-", "standard input is a terminal", expected="a capture", try_this="tcpdump -w - | pcapdiag diagnose -"
            )
        yield sys.stdin.buffer
        return
    try:
        raw = open(path, "rb", buffering=0)  # noqa: SIM115  closed below; the with would hide the errors' cause
    except FileNotFoundError:
        raise CaptureError(path, "no such file", try_this="check the path") from None
    except IsADirectoryError:
        raise CaptureError(
            path,
            "is a directory",
            expected="a capture file",
            try_this=f"name the files in it: {path.rstrip('/')}/*.pcap",
        ) from None
    except PermissionError:
        raise CaptureError(
            path, "no permission to read it", try_this="sudo chmod a+r on it, or run as its owner"
        ) from None
    except OSError as error:
        raise CaptureError(path, error.strerror or str(error)) from None
    with raw:
        if stat.S_ISDIR(os.fstat(raw.fileno()).st_mode):
            raise CaptureError(path, "is a directory", expected="a capture file")
        yield raw


def pieces(raw: BinaryIO, path: str, counters: Counters | None = None) -> Iterator[tuple[bytes, int]]:
    """Pieces of the uncompressed bytes, each with the position reached in the file as it is stored.

    The first is long enough to tell the format by, however few bytes a pipe gives at a time.
    """
    front = b""
    position = 0
    rest = uncompressed(raw, path, counters)
    for piece, position in rest:  # noqa: B007  the last position goes with the front
        front += piece
        if len(front) >= FRONT:
            break
    if front:
        yield front, position
    yield from rest


def uncompressed(raw: BinaryIO, path: str, counters: Counters | None) -> Iterator[tuple[bytes, int]]:
    first = read_piece(raw, path)
    while len(first) == 1 and (more := read_piece(raw, path)):
        first += more
    if not first:
        return
    if first[:2] != GZIP_MAGIC:
        position = len(first)
        yield first, position
        while piece := read_piece(raw, path):
            position += len(piece)
            yield piece, position
        return
    rest = _Prefixed(first, raw)
    produced = 0
    with gzip.GzipFile(fileobj=rest) as unpacked:
        while True:
            try:
                piece = unpacked.read1(PIECE)  # not read(): it drops what it has when the damage comes
            except (OSError, EOFError, zlib.error) as error:
                if produced == 0:
                    raise CaptureError(
                        path,
                        f"the gzip stream is damaged ({error})",
                        expected="a whole gzip file",
                        try_this="copy or compress the file again",
                    ) from None
                if counters is not None:
                    counters.damage.append(
                        f"{path}: the gzip stream is damaged after {produced} uncompressed bytes ({error}); "
                        "what came before it is analysed"
                    )
                return
            if not piece:
                return
            produced += len(piece)
            if produced > MAX_EXPANSION * max(rest.position, LEAST_STORED):
                raise CaptureError(
                    path,
                    f"expands more than {MAX_EXPANSION} times",
                    expected="a capture",
                    try_this="gunzip it and look",
                )
            yield piece, rest.position


def read_piece(raw: BinaryIO, path: str) -> bytes:
    try:
        return raw.read(PIECE)
    except OSError as error:
        raise CaptureError(path, error.strerror or str(error)) from None


class _Prefixed(io.RawIOBase):
    """A stream with its first bytes put back, that knows how far it has been read."""

    def __init__(self, first: bytes, raw: BinaryIO) -> None:
        self.first = first
        self.raw = raw
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self.first:
            data = self.first[: len(buffer)]
            self.first = self.first[len(data) :]
        else:
            data = self.raw.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def reader_for(path: str, first: bytes, sink: PacketSink, first_frame: int) -> RecordReader:
    """The reader that the first bytes call for."""
    magic = first[:4]
    if magic in MAGICS:
        return PcapReader(sink, path, first_frame)
    if magic == PCAPNG_MAGIC:
        return PcapngReader(sink, path, first_frame)
    for prefix, what, remedy in OTHER_FORMATS:
        if first.startswith(prefix):
            raise CaptureError(
                path,
                f"this is {what}",
                offset=0,
                expected="pcap or pcapng, plain or gzip",
                try_this=remedy,
            )
    if len(first) < 4:
        raise CaptureError(
            path,
            f"the file ends after {len(first)} bytes",
            offset=len(first),
            expected="a pcap (24 bytes) or pcapng (28 bytes) file header",
            try_this="copy or record the file again",
        )
    shown = first[:4].hex(" ")
    raise CaptureError(
        path,
        f"not a capture: it starts with {shown}",
        offset=0,
        expected="pcap (d4 c3 b2 a1 and its variants) or pcapng (0a 0d 0d 0a)",
        try_this="tcpdump -w FILE writes one; editcap converts other capture formats",
    )


class _FirstTime(PacketSink):
    """Remember the time of the first packet."""

    def __init__(self) -> None:
        self.at = -1

    def packet(
        self, data: bytes, start: int, captured: int, original: int, at: int, frame: int, linktype: int, interface: int
    ) -> int:
        if self.at < 0:
            self.at = at
        return 0


def in_time_order(paths: Sequence[str]) -> list[str]:
    """The files in the order of their first packets; a file without any goes last."""
    if len(paths) < 2:
        return list(paths)
    if "-" in paths:
        raise CaptureError(
            "-", "standard input cannot be combined with files", try_this="mergecap -w all.pcapng FILES -"
        )
    keyed: list[tuple[bool, int, int, str]] = []
    for order, path in enumerate(paths):
        sink = _FirstTime()
        with open_source(path) as raw:
            reader: RecordReader | None = None
            for piece, _ in pieces(raw, path):
                if reader is None:
                    reader = reader_for(path, piece, sink, 1)
                reader.feed(piece)
                if sink.at >= 0:
                    break
        keyed.append((sink.at < 0, sink.at, order, path))
    return [path for *_, path in sorted(keyed)]
