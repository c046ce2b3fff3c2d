"""What an analyst would write beside a packet, from what both ends sent ahead of it.

Whether a segment is a retransmission, a keepalive probe, a copy and so on is the tracker's judgement: its counters are
read ahead of each segment and behind it, so that a ladder never contradicts the connection's row.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pcapdiag.connections.connection import Connection, Half
from pcapdiag.connections.tracker import Tracker
from pcapdiag.evidence.choosing import Wanted
from pcapdiag.model.words import Opening
from pcapdiag.reports.units import duration_ns, plural
from pcapdiag.segments.segment import Segment

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

# Linux and Windows delay an ACK by 40 ms and more; a shorter pause is a program at work or a scheduler's tick.
SILENCE_NS = 30_000_000
# A pause of a round trip is the path's, not a silence; half of one more for its jitter.
SILENCE_RTT = 1.5
# In the middle of a transfer, where slow receivers and links make shorter ones all the time: Linux's least
# retransmission timeout.
TRANSFER_NS = 200_000_000
# Segments of which the time is remembered, for how long a retransmission took.
REMEMBERED = 256


@dataclass
class End:
    """What one end has sent so far."""

    name: str  # "client" or "server"
    sent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))  # sequence number, time
    shut_at: int = 0  # since when its window is zero
    fin_at: int = 0
    reset: bool = False
    probed: bool = False  # its last packet was a probe that waits for an answer


@dataclass(frozen=True)
class Counts:
    """The tracker's counters that one segment may move."""

    duplicates: int
    retransmitted: int
    out_of_order: int
    probes: int
    zero_window: int
    gap_bytes: int
    heedless: int
    stalls: int
    stall_ns: int
    needless: int

    @classmethod
    def of(cls, c: Connection, half: Half, other: Half) -> Counts:
        return cls(
            c.duplicates,
            half.retransmitted,
            half.out_of_order,
            half.keepalive_probes,
            half.zero_window,
            c.client.gap_bytes + c.server.gap_bytes,
            half.heedless_bytes,
            half.stalls,
            half.stall_ns,
            other.needless,
        )

    def since(self, before: Counts) -> Counts:
        return Counts(*(getattr(self, name) - getattr(before, name) for name in self.__dataclass_fields__))


def passed(ns: int) -> str:
    """A time between two packets; a clock may have stepped back between them."""
    return duration_ns(max(ns, 0))


NOTHING = Counts(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Watch:
    """Follow one connection through a tracker of its own.

    Attributes:
        client, server: what each end has sent.
        copies: packets that were captured again.
    """

    def __init__(self, one: Wanted) -> None:
        self.one = one
        self.tracker = Tracker()
        self.client, self.server = End("client"), End("server")
        self.quiet = max(SILENCE_NS, int(one.rtt_ns * SILENCE_RTT))
        self.active_at = 0  # the last packet that was no ACK alone
        self.data_at = 0  # the last payload that was no goodbye
        self.data_by: End | None = None
        self.cut = False
        self.copies = 0

    def half(self, by_client: bool) -> Half | None:
        return self.tracker.flows.get(self.one.client_key if by_client else self.one.server_key)

    def see(self, s: Segment, by_client: bool) -> Counts | None:
        """Take a segment; what it moved, or None for a copy of one captured already."""
        half = self.half(by_client)
        before = NOTHING if half is None else Counts.of(half.connection, half, half.other)
        self.tracker.segment(s)
        half = self.half(by_client)
        if half is None:
            return NOTHING
        moved = Counts.of(half.connection, half, half.other).since(before)
        if moved.duplicates:
            self.copies += 1
            return None
        return moved

    def remarks(self, s: Segment, by_client: bool, moved: Counts, *, goodbye: bool, goes_on: bool) -> list[str]:
        """Notes on a segment that :meth:`see` has taken.

        Args:
            goodbye: its payload only says that the end leaves.
            goes_on: its payload is more of what came ahead of it.
        """
        me, other = (self.client, self.server) if by_client else (self.server, self.client)
        bare = s.length == 0 and not s.flags & (SYN | FIN | RST)
        alone = bare and not moved.probes
        notes = []
        pause = s.at - self.active_at if self.active_at else 0
        if not alone and not moved.retransmitted and pause >= self._patience(me, goes_on):
            notes += self._silence(s, me, pause)
        if not self.active_at and self.one.opening is Opening.MIDSTREAM:
            notes.append("open already when the capture began")
        if moved.gap_bytes > 0:
            notes.append(f"{moved.gap_bytes:,} B ahead of this were never captured")
        notes += self._repeated(s, me, moved)
        notes += self._window(s, me, other, moved)
        if moved.stalls:
            notes.append(f"had waited {duration_ns(moved.stall_ns)} for the delayed ACK")
        if moved.needless:
            notes.append("says that it had this data already: the retransmission was needless")
        if 0 <= s.captured < s.length and not self.cut:
            self.cut = True
            notes.append(f"cut by the snaplen: {s.captured:,} of its {plural(s.length, 'byte')} captured")
        if s.flags & (FIN | RST):
            notes += self._closing(s, me, other)
        if moved.heedless:
            notes.append(f"sent though it had acknowledged the {other.name}'s close")
        self._remember(s, me, other, alone, goodbye, moved)
        return notes

    def _patience(self, me: End, goes_on: bool) -> int:
        """The shortest pause that is worth a note."""
        in_transfer = goes_on and self.data_by is me and self.data_at == self.active_at
        return max(TRANSFER_NS, self.quiet) if in_transfer else self.quiet

    def _silence(self, s: Segment, me: End, pause: int) -> list[str]:
        if s.frame == self.one.close_frame and self.data_at == self.active_at:
            return []  # the note on the close says it
        if s.length and me is self.server and self.data_by is self.client:
            return [f"answers after {passed(s.at - self.data_at)}"]
        return [f"after {duration_ns(pause)} of silence"]

    def _repeated(self, s: Segment, me: End, moved: Counts) -> list[str]:
        if moved.out_of_order:
            return ["out of order: captured late"]
        if not moved.retransmitted:
            return []
        first = next((at for sequence, at in me.sent if sequence == s.sequence), 0)
        if not first:
            return ["retransmission of what was not captured"]
        return [f"retransmission, {passed(s.at - first)} after it was sent first"]

    def _window(self, s: Segment, me: End, other: End, moved: Counts) -> list[str]:
        if moved.probes:
            me.probed = True
            return [f"asks whether the {other.name}'s window is open" if other.shut_at else "keep-alive probe"]
        if other.probed and s.flags & ACK and s.length == 0:
            other.probed = False
            if not moved.zero_window:
                return ["answers the probe"]
        if moved.zero_window:
            again = me.shut_at > 0
            me.shut_at = me.shut_at or s.at
            return ["window still zero" if again else f"window of zero: the {other.name} may send no more"]
        if me.shut_at and s.window and not s.flags & RST:
            shut, me.shut_at = s.at - me.shut_at, 0
            return [f"window open again after {passed(shut)}"]
        return []

    def _closing(self, s: Segment, me: End, other: End) -> list[str]:
        reset = bool(s.flags & RST)
        if self.one.opening is Opening.REFUSED and reset:
            return ["refuses the connection"]
        if s.frame == self.one.close_frame:
            return [self._first_close(s, me)]
        if reset:
            if me.reset:
                return []
            if me.fin_at:
                return [f"what the {other.name} sent after this end's close is thrown away"]
            return [f"answers the {other.name}'s close by a reset"] if other.fin_at else []
        if me.fin_at or not (other.fin_at or other.reset):
            return []
        return [f"closes second, {passed(s.at - other.fin_at)} after the {other.name}"] if other.fin_at else []

    def _first_close(self, s: Segment, me: End) -> str:
        said = "closes first"
        if self.data_by is None:
            return f"{said}, never used"
        after = passed(s.at - self.data_at)
        answered = self.data_by is self.server
        said += f", {after} after the "
        if not self.one.open_request:  # a body that came behind its response is no request that waits
            return said + ("response" if answered else "last data")
        said += "response" if answered else "request"
        if me is self.client:
            return (
                f"{said}: the rest of it is thrown away" if answered else f"{said}: it waits for the answer no longer"
            )
        return f"{said}, which was not whole" if answered else f"{said}, without an answer"

    def _remember(self, s: Segment, me: End, other: End, alone: bool, goodbye: bool, moved: Counts) -> None:
        if s.length or s.flags & (SYN | FIN):
            me.sent.append((s.sequence, s.at))
        if not alone:
            self.active_at = s.at
        if s.length and not moved.probes:
            other.probed = False
            if not goodbye:
                self.data_at, self.data_by = s.at, me
        if s.flags & FIN and not me.fin_at:
            me.fin_at = s.at
        if s.flags & RST:
            me.reset = True
