"""The packets of a running capture through the packet path, as :mod:`pcapdiag.pipeline` takes those of a file."""

from __future__ import annotations

from pcapdiag.connections.tracker import Tracker
from pcapdiag.live.history import History, Limits
from pcapdiag.packets.reader import RecordReader
from pcapdiag.packets.source import Counters, reader_for
from pcapdiag.pipeline import Tables, tables_of
from pcapdiag.segments.decoder import Decoder

MAGIC = 4  # bytes, by which the format is told


class Stream:
    """Bytes of a capture in pieces of any size.

    Args:
        name: what to call it in messages and reports.
        limits: how much of the past to keep.

    Attributes:
        history: what was forgotten.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.history = History(limits)
        self.tracker = Tracker()
        self.decoder = Decoder(self.tracker)
        self.reader: RecordReader | None = None
        self.front = b""

    @property
    def packets(self) -> int:
        """Read so far."""
        return 0 if self.reader is None else self.reader.frames + self.history.wraps_frames

    @property
    def last_at(self) -> int:
        """The time of the last packet, nanoseconds since the epoch; 0 while there is none."""
        return 0 if self.reader is None else self.reader.last_at

    def take(self, data: bytes) -> bytes:
        """Take the next bytes; return those that are complete now: the file header and whole records, for a file."""
        if self.reader is None:
            self.front += data
            if len(self.front) < MAGIC:
                return b""
            data, self.front = self.front, b""
            self.reader = reader_for(self.name, data, self.decoder, 1)
        reader = self.reader
        carried = reader.carry
        reader.feed(data)
        reader.frames = self.history.rewind(reader.frames)
        whole = carried + data if carried else data
        left = len(reader.carry)
        return whole[: len(whole) - left] if left else whole

    def keep(self) -> None:
        """Forget what is beyond the limits.

        All of it, where the clock was set back to before what was forgotten already: else nothing would be of later than
        that until the clock is there again, which may take years.
        """
        if self.reader is not None and self.last_at < self.history.horizon:
            before = self.tracker
            self.history.begin_again(before.count, self.last_at)
            self.tracker = self.decoder.sink = Tracker()
            self.tracker.duplicates = before.duplicates
        self.history.keep(self.tracker)

    def finish(self, files: list[tuple[int, str]], dropped: int | None) -> Tables:
        """The tables of all that was read; nothing can be taken after it.

        Args:
            files: where the packets were kept: the frames ahead of each file, and its path.
            dropped: packets that the kernel had no room for.
        """
        counters = Counters(file_starts=files or [(0, self.name)])
        if self.reader is not None:
            self.reader.finish()
            counters.add(self.reader)
            counters.packets = self.packets
        # Counted up to now by the process, and by the blocks of a pcapng as far as it was read: the same drops.
        counters.dropped = max(counters.dropped, dropped or 0)
        self.tracker.finish()
        return self.history.told(tables_of(self.tracker, self.decoder, counters))
