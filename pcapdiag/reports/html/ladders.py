"""Connections packet by packet, as rows of a page: times, arrows, silences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from pcapdiag.model.figures import Ladder, Rung
from pcapdiag.model.report import FrameRef
from pcapdiag.reports.html.frames import Filter, by_addresses, by_frames
from pcapdiag.reports.units import duration_ns, number, plural

SILENT_NS = 20_000_000  # a wait so long gets a line of its own where it stands out
STANDS_OUT = 20  # times the median wait of the ladder


@dataclass(frozen=True)
class Step:
    """A packet, or a run of packets alike; the silence before it where that tells something."""

    silence: str  # "2.000 s of silence", or ""
    time: str  # since the first packet
    side: str
    label: str
    bytes: str
    tcp: str  # flags and numbers, as tcpdump writes them
    notes: tuple[str, ...]
    frames: str  # "12" or "12 to 40"
    cited: bool


@dataclass(frozen=True)
class LadderView:
    number: int
    client: str
    server: str
    pool: str | None
    shows: tuple[str, ...]
    steps: tuple[Step, ...]
    left_out: int
    filters: tuple[Filter, ...]
    cited: int
    lasts: str


def view(ladder: Ladder) -> LadderView:
    rungs = ladder.rungs
    waits = [after.at - before.at for before, after in pairwise(rungs)]
    least = max(SILENT_NS, STANDS_OUT * sorted(waits)[len(waits) // 2]) if waits else SILENT_NS
    start = rungs[0].at if rungs else 0
    silences = [0, *waits]
    steps = tuple(_step(rung, start, wait if wait >= least else 0) for rung, wait in zip(rungs, silences, strict=False))
    frames = [frame for rung in rungs for frame in rung.frames]
    return LadderView(
        number=ladder.connection,
        client=str(ladder.client),
        server=str(ladder.server),
        pool=ladder.pool,
        shows=ladder.shows,
        steps=steps,
        left_out=ladder.left_out,
        filters=(by_addresses(ladder.client, ladder.server), *by_frames(frames)),
        cited=sum(rung.cited for rung in rungs),
        lasts=duration_ns(rungs[-1].at - start) if rungs else "",
    )


def _step(rung: Rung, start: int, silence: int) -> Step:
    numbers = f"{rung.flags}"
    if rung.sequence is not None:
        numbers += f" seq {rung.sequence}" + (f":{rung.sequence + rung.length}" if rung.length else "")
    if rung.acknowledgment is not None:
        numbers += f" ack {rung.acknowledgment}"
    told = [note for note in rung.notes if note.endswith("of silence")]  # told by the gap that is drawn for it
    return Step(
        silence=(told or [f"{duration_ns(silence)} of silence"])[0] if silence else "",
        time=f"{(rung.at - start) / 1e9:.6f}",
        side=rung.side,
        label=rung.text,
        bytes=f"{number(rung.length)} B" if rung.length else "",
        tcp=numbers,
        notes=tuple(note for note in rung.notes if note not in told or not silence),
        frames=_frames(rung.frames),
        cited=rung.cited,
    )


def _frames(frames: tuple[FrameRef, ...]) -> str:
    if not frames:
        return ""
    first, last = frames[0].number, frames[-1].number
    if len(frames) == 1:
        return str(first)
    return f"{first} to {last} ({plural(len(frames), 'packet')})"
