"""The push reader that both file formats share.

Bytes go in with :meth:`RecordReader.feed` in pieces of any size, whole records come out to the sink, the incomplete
rest waits for the next piece.  So a file read whole, a pipe and a live stream give the same packets.
"""

from __future__ import annotations

from pcapdiag.packets.sink import PacketSink

# tcpdump's largest snaplen is 262,144; usbmon and D-Bus captures go higher.  Above this a length is damage.
MAX_RECORD = 16 * 1024 * 1024
# Bytes of a piece that are looked at together with what was left of the one ahead of it: more than nearly any packet has.
BRIDGE = 4_096
# Damaged places that are described; the rest are counted.  Nobody reads more, and a hostile file has millions.
MAX_DAMAGE = 100


class RecordReader:
    """Common state of the pcap and pcapng readers.

    Attributes:
        frames: packets read so far, over all files of the capture.
        first_at, last_at: nanoseconds since the epoch of the first and last packet; 0 while there is none.
        steps_back: packets whose time is before the packet ahead of them.
        cut_packets: packets with fewer bytes captured than were on the wire (snaplen).
        damage: one line for each damaged place, a hundred at most.  damaged_places: all of them.
        linktypes: linktype number to packets.
        dropped: packets that the kernel had no room for, where the file says so.
    """

    def __init__(self, sink: PacketSink, path: str, first_frame: int = 1) -> None:
        self.sink = sink
        self.path = path
        self.frames = first_frame - 1
        self.offset = 0
        self.carry = b""
        self.first_at = 0
        self.last_at = 0
        self.steps_back = 0
        self.cut_packets = 0
        self.damage: list[str] = []
        self.damaged_places = 0
        self.linktypes: dict[int, int] = {}
        self.dropped = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file; pass on every packet that is now complete."""
        start = 0
        behind = len(self.carry)
        if 0 < behind < BRIDGE:
            # The record that the last piece broke off is put together with the beginning of this one: all of it need not
            # be copied for that.
            front = self.carry + data[:BRIDGE]
            used = self.walk(front, 0)
            self.offset += used
            if used >= behind:
                start = used - behind
                self.offset -= start
            else:
                data = front[used:] + data[BRIDGE:]
        elif behind:
            data = self.carry + data
        used = self.walk(data, start)
        self.carry = data[used:]
        self.offset += used

    def walk(self, data: bytes, start: int) -> int:
        """Pass on the whole records of ``data`` from ``start`` on; return where they end.  ``offset`` is that of data[0]."""
        raise NotImplementedError

    def finish(self) -> None:
        """Say what an incomplete last record costs, and how much damage was not described."""
        if self.carry:
            self.note_damage(
                f"{self.path} ends inside a record: {len(self.carry)} bytes from byte {self.offset} on are left out"
            )
            self.carry = b""
        if self.damaged_places > len(self.damage):
            self.damage.append(f"{self.path}: {self.damaged_places - len(self.damage):,} more damaged places")

    def note_damage(self, line: str) -> None:
        """A damaged place, and what it costs."""
        self.damaged_places += 1
        if len(self.damage) < MAX_DAMAGE:
            self.damage.append(line)
