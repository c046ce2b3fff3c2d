"""Ladders of scripted packets and of this repository's captures, for tests to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from notation import Variant, capture, packets_of

from pcapdiag.evidence.citing import citations
from pcapdiag.evidence.ladders import ladders_of
from pcapdiag.model.figures import Ladder
from pcapdiag.pipeline import Options, judged, read_tables
from pcapdiag.proving import end_of
from pcapdiag.rules.rule import Desk


def ladders(paths: Sequence[str], numbers: Sequence[int], judge: bool = False) -> tuple[Ladder, ...]:
    """Ladders of these connections; with what findings cite where ``judge``."""
    tables = read_tables(paths)
    findings = judged(paths, tables, Options()).findings if judge else ()
    frame_of = Desk(tables.counters.file_starts).frame
    return ladders_of(paths, tables.connections, numbers, citations(findings), frame_of, ends_at=end_of(tables))


def scripted(folder: Path, text: str, variant: Variant | None = None, number: int = 1, **payloads: bytes) -> Ladder:
    """The ladder of a script in the tests' notation."""
    path = folder / "script.pcap"
    path.write_bytes(capture(packets_of(text, variant, **payloads), variant))
    (ladder,) = ladders([str(path)], [number])
    return ladder


def lines(ladder: Ladder) -> list[str]:
    """A line per rung: ``> GET /a HTTP/1.1 | note | note``."""
    arrows = {"client": ">", "server": "<"}
    return [" | ".join((f"{arrows[rung.side]} {rung.text}", *rung.notes)) for rung in ladder.rungs]
