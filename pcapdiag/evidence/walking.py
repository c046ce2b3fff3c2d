"""The second walk: each packet of the wanted connections, in the order of the capture.

The readers and the decoder are those of the first walk, so a packet has the same number and time, and is a connection's
by the same bytes.  What is outside of all wanted frames is not decoded, and the walk ends behind the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from pcapdiag.evidence.choosing import NEVER, ByKey, Wanted
from pcapdiag.packets.sink import PacketSink
from pcapdiag.packets.source import Progress, read_captures
from pcapdiag.segments.decoder import Decoder
from pcapdiag.segments.segment import Segment, SegmentSink, key_of

COPIES_NS = 50_000_000  # a copy of a connection's last packet, from another interface, is this close behind it


class AllSeenError(Exception):
    """All wanted packets have gone by."""


class Raw:
    """A packet as it was captured.  One object is reused for all packets: copy what must last.

    Attributes:
        data, start, captured: the packet is ``data[start:start + captured]``, of ``original`` bytes on the wire.
        at: nanoseconds since the epoch.  frame: 1-based in the whole capture.
        interface: of the file that it is from.
    """

    def __init__(self) -> None:
        self.data = b""
        self.start = 0
        self.captured = 0
        self.original = 0
        self.at = 0
        self.frame = 0
        self.linktype = 0
        self.interface = 0


Take: TypeAlias = Callable[[Wanted, Segment, Raw], None]


class Picker(PacketSink):
    """Decode what may be wanted, and remember the packet that the decoder is at."""

    def __init__(self, chosen: Sequence[Wanted], take: Take, goes_on: bool) -> None:
        self.raw = Raw()
        self.decoder = Decoder(Finder(chosen, take, self.raw))
        self.first = min(one.first for one in chosen)
        self.last = NEVER if goes_on else max(one.last for one in chosen)
        self.ends_at = max(one.last_at for one in chosen) + COPIES_NS

    def packet(
        self, data: bytes, start: int, captured: int, original: int, at: int, frame: int, linktype: int, interface: int
    ) -> int:
        if frame < self.first:
            return 0
        if frame > self.last and at > self.ends_at:
            raise AllSeenError
        raw = self.raw
        raw.data = data
        raw.start = start
        raw.captured = captured
        raw.original = original
        raw.at = at
        raw.frame = frame
        raw.linktype = linktype
        raw.interface = interface
        return self.decoder.packet(data, start, captured, original, at, frame, linktype, interface)


class Finder(SegmentSink):
    """Hand on the segments of wanted connections."""

    def __init__(self, chosen: Sequence[Wanted], take: Take, raw: Raw) -> None:
        self.found = ByKey(chosen)
        self.lives = self.found.lives
        self.take = take
        self.raw = raw

    def segment(self, segment: Segment) -> int:
        key = key_of(segment)
        if key in self.lives:
            one = self.found.find(key, segment.frame)
            if one is not None:
                self.take(one, segment, self.raw)
        return 0


def walk(
    paths: Sequence[str], chosen: Sequence[Wanted], take: Take, progress: Progress | None = None, *, whole: bool = False
) -> Raw:
    """Call ``take`` with each packet of the chosen connections.

    Args:
        paths: those of the first walk, which can be read again (not standard input).
        chosen: at least one.
        take: called with the connection, its segment and the packet around it; the latter two last only for the call.
        whole: go on to the capture's end.

    Returns:
        the packet that the walk ended at, its bytes gone: the capture's last one where ``whole``.

    Raises:
        CaptureError: a file cannot be read any more.
    """
    picker = Picker(chosen, take, whole)
    with suppress(AllSeenError):
        read_captures(paths, picker, progress)
    picker.raw.data = b""
    return picker.raw
