"""What findings say of which connections, and which frames they name as their proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pcapdiag.model.report import Finding, FrameRef
from pcapdiag.model.words import Severity

MOST_LADDERS = 24


@dataclass(frozen=True)
class Citation:
    """A finding's word on a connection."""

    code: str
    name: str
    shows: str
    frames: tuple[FrameRef, ...]

    def __str__(self) -> str:
        return f"{self.code}: {self.shows}"


def citations(findings: Iterable[Finding]) -> dict[int, list[Citation]]:
    """Connection number to what findings show by it, in their order."""
    found: dict[int, list[Citation]] = {}
    for finding in findings:
        for one in finding.evidence:
            citation = Citation(finding.code, finding.name, one.shows, one.frames)
            found.setdefault(one.connection, []).append(citation)
    return found


def cited_frames(cited: Sequence[Citation]) -> Mapping[FrameRef, list[Citation]]:
    """Frame to the findings that name it."""
    frames: dict[FrameRef, list[Citation]] = {}
    for citation in cited:
        for frame in citation.frames:
            frames.setdefault(frame, []).append(citation)
    return frames


def worth_a_ladder(findings: Iterable[Finding], most: int = MOST_LADDERS) -> tuple[int, ...]:
    """Connections that findings above info cite: the first of each finding, then the second, as many as ``most``."""
    cited = [[one.connection for one in finding.evidence] for finding in findings if finding.severity != Severity.INFO]
    turns = (number for turn in zip_longest(*cited) for number in turn if number is not None)
    return tuple(dict.fromkeys(turns))[:most]
