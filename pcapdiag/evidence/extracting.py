"""Whole connections to a pcapng file of their own, with comments that say why they are in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pcapdiag.evidence.choosing import Wanted
from pcapdiag.evidence.citing import Citation, cited_frames
from pcapdiag.evidence.walking import Raw, walk
from pcapdiag.evidence.writing import CaptureWriter
from pcapdiag.model.report import FrameRef
from pcapdiag.packets.source import Progress
from pcapdiag.reports.escape import shorten, visible
from pcapdiag.segments.segment import Segment

MOST_SHOWN = 300  # characters of what a finding shows


@dataclass(frozen=True)
class Extraction:
    """What to write.

    Attributes:
        paths: the files, which can be read again.
        shown: what to call them in comments, a name for each path.
        chosen: the connections.
        cited: what findings say of them, by number.
        frame_of: a frame of the whole capture as its file counts it.
        ends_at: where silences up to the capture's end are evidence, when that was; else None.
        made_by: the command that a reader can run again.
        of: connections in the capture.
    """

    paths: Sequence[str]
    shown: Mapping[str, str]
    chosen: Sequence[Wanted]
    cited: Mapping[int, Sequence[Citation]]
    frame_of: Callable[[int], FrameRef]
    ends_at: int | None
    made_by: str
    of: int

    def write(self, file: BinaryIO, progress: Progress | None = None) -> int:
        """Write the file; returns how many packets are in it."""
        frames = {one.number: cited_frames(self.cited.get(one.number, ())) for one in self.chosen}
        writer = CaptureWriter(file, self._header(), self._file_of())
        begun: set[int] = set()

        def take(one: Wanted, segment: Segment, raw: Raw) -> None:
            named = frames[one.number]
            first = one.number not in begun
            if not first and not named:
                writer.write(raw)
                return
            said = []
            frame = self.frame_of(raw.frame)
            if first:
                begun.add(one.number)
                said.append(f"pcapdiag: connection {one.number} begins, {self._place(frame)}")
            for citation in named.get(frame, ()):
                place = "" if said else f" ({self._place(frame)})"  # said already, by the line above
                shows = shorten(visible(citation.shows), MOST_SHOWN)
                said.append(f"pcapdiag {citation.code} {citation.name}: connection {one.number}: {shows}{place}")
            writer.write(raw, "\n".join(said))

        last = walk(self.paths, self.chosen, take, progress, whole=self.ends_at is not None)
        if self.ends_at is not None and self.ends_at > max(one.last_at for one in self.chosen):
            # None of its bytes: what other connections say is nobody's business, and half a connection would be judged.
            last.captured, last.at = 0, self.ends_at
            writer.write(
                last,
                f"pcapdiag: the capture ended here, {self._place(self.frame_of(last.frame))}; kept for its time alone, "
                "since silences up to it are evidence",
            )
        return writer.packets

    def _place(self, frame: FrameRef) -> str:
        return f"frame {frame.number} of {self._name(frame)}"

    def _name(self, frame: FrameRef) -> str:
        return visible(self.shown.get(frame.file or self.paths[0], frame.file or ""))

    def _file_of(self) -> Callable[[Raw], str]:
        """The name of a packet's file: looked up for each packet only where there are several."""
        if len(self.paths) > 1:
            return lambda raw: self._name(self.frame_of(raw.frame))
        only = self._name(FrameRef(1))
        return lambda raw: only

    def _header(self) -> str:
        names = ", ".join(visible(name) for name in self.shown.values())
        return (
            f"Made from {names} by: {visible(self.made_by)}\n"
            f"{len(self.chosen):,} of its {self.of:,} connections, whole. The comment of a connection's first packet says "
            "which frame that was, the comments of packets that findings cite likewise; connections are numbered as in "
            "pcapdiag connections of the original."
        )
