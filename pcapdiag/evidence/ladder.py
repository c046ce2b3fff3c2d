"""One connection packet by packet, as its segments come by in the second walk."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import replace

from pcapdiag.evidence.choosing import Wanted
from pcapdiag.evidence.dissecting import Speech
from pcapdiag.evidence.folding import DATA, Folded
from pcapdiag.evidence.remarks import ACK, FIN, RST, SYN, Watch
from pcapdiag.model.figures import Ladder, Rung
from pcapdiag.model.report import Endpoint, FrameRef
from pcapdiag.model.words import CloseKind, Opening
from pcapdiag.reports.units import duration_ns, plural
from pcapdiag.segments.segment import Segment, key_of

# As tcpdump writes them, in its order.
LETTERS = ((FIN, "F"), (SYN, "S"), (RST, "R"), (0x08, "P"), (0x20, "U"), (0x40, "E"), (0x80, "W"), (ACK, "."))
# A payload that a run may swallow: more of the same.
PLAIN = re.compile(r"(?:\d+ x )?(?:data|TLS data|DATA|DataRow|CopyData|result)")
# Said by an end that leaves: what went ahead of it is what the close came after.
GOODBYE = re.compile(r"TLS alert|TLS data, an alert|GOAWAY|Terminate|Quit|Redis QUIT")
_M = 0xFFFFFFFF


class Drawing:
    """A ladder in the making.

    Args:
        one: the connection.
        client, server: its ends.
        cited: frames that findings name.
        frame_of: a frame of the whole capture as its file counts it.
    """

    def __init__(
        self,
        one: Wanted,
        client: Endpoint,
        server: Endpoint,
        cited: Container[FrameRef],
        frame_of: Callable[[int], FrameRef],
    ) -> None:
        self.one = one
        self.client = client
        self.server = server
        self.cited = cited
        self.frame_of = frame_of
        self.watch = Watch(one)
        self.speech = {by_client: Speech(one.protocol, by_client, one.sni) for by_client in (True, False)}
        self.folded = Folded()
        self.last_at = 0
        self.waiting: tuple[Rung, bool] | None = None  # the last packet, which a copy may still be said of

    def take(self, s: Segment) -> None:
        """Take the connection's next segment."""
        by_client = key_of(s) == self.one.client_key
        moved = self.watch.see(s, by_client)
        frame = self.frame_of(s.frame)
        if moved is None:
            self._copy(frame)
            return
        self._flush()
        self.last_at = s.at
        again = moved.retransmitted > 0 or moved.out_of_order > 0
        text = self._text(s, by_client, again)
        more = s.length > 0 and PLAIN.fullmatch(text) is not None
        notes = self.watch.remarks(s, by_client, moved, goodbye=GOODBYE.match(text) is not None, goes_on=more)
        rung = Rung(
            at=s.at,
            side="client" if by_client else "server",
            frames=(frame,),
            flags="".join(letter for bit, letter in LETTERS if s.flags & bit) or "none",
            sequence=self._relative(s.sequence, by_client),
            acknowledgment=self._relative(s.acknowledgment, not by_client) if s.flags & ACK else None,
            length=s.length,
            text=text,
            notes=tuple(notes),
            cited=frame in self.cited,
        )
        plain = not s.flags & (SYN | FIN | RST) and (s.length == 0 or more)
        self.waiting = (rung, plain)

    def finish(self, shows: Sequence[str], pool: str | None, ends_at: int) -> Ladder:
        """The ladder; ``ends_at`` is when the capture ended."""
        self._end(ends_at)
        self._flush()
        rungs, left_out = self.folded.finish()
        return Ladder(self.one.number, self.client, self.server, pool, rungs, left_out, tuple(shows))

    def _text(self, s: Segment, by_client: bool, again: bool) -> str:
        if s.flags & SYN and s.length == 0:
            return "SYN-ACK" if s.flags & ACK else "SYN"
        said = ""
        if s.length:
            speech = self.speech[by_client]
            payload = s.data[s.start : s.start + s.captured]
            said = (speech.again if again else speech.text)(payload, s.sequence, s.length) or DATA
        if s.flags & RST:
            return "RST"
        if s.flags & FIN:
            return f"FIN, {said}" if said else "FIN"
        return said or ("ACK" if s.flags & ACK else "no flags")

    def _relative(self, number: int, by_client: bool) -> int | None:
        half = self.watch.half(by_client)
        return None if half is None or half.isn < 0 else (number - half.isn) & _M

    def _copy(self, frame: FrameRef) -> None:
        """Say that a packet was captured again: of the first one only, since mostly all were."""
        if self.waiting is None:
            return
        rung, plain = self.waiting
        if self.watch.copies == 1 or frame in self.cited:
            note = f"captured again as frame {frame.number:,}: this and other copies are left out"
            self.waiting = (replace(rung, notes=(*rung.notes, note)), plain)

    def _end(self, ends_at: int) -> None:
        """Say of a connection that was left open how long nothing came any more."""
        if self.waiting is None:
            return
        rung, plain = self.waiting
        rest = ends_at - self.last_at
        notes = []
        if self.watch.copies > 1:
            notes.append(f"{plural(self.watch.copies, 'packet')} of this connection captured twice")
        if self.one.close_kind is CloseKind.NONE and rest >= self.watch.quiet:
            state = "unanswered" if self.one.opening is Opening.UNANSWERED else "open"
            notes.append(f"the last packet: {state} for another {duration_ns(rest)}, until the capture ends")
        self.waiting = (replace(rung, notes=(*rung.notes, *notes)), plain)

    def _flush(self) -> None:
        if self.waiting is not None:
            self.folded.add(*self.waiting)
            self.waiting = None
