"""The lines of a screen of fixed size: each with a rank, so that what matters least gives way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcapdiag.reports.escape import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Color repeats what a word on the same line says.
STYLES = {
    "high": "bold red",
    "medium": "bold yellow",
    "low": "bold cyan",
    "info": "dim",
    "bad": "bold red",
    "loud": "bold reverse red",
    "unsure": "bold yellow",
    "good": "bold green",
    "strong": "bold",
    "head": "bold blue",
    "dim": "dim",
    "": "",
}

ALWAYS = 0  # rank of what no screen is too small for


@dataclass(frozen=True)
class Line:
    """A line and how dear it is: of a screen that is too low the highest ranks go first."""

    rank: int
    text: Text
    whole: Text | None = None  # with what the next lines say; shown, cut, where there is no room for them


def words(*pieces: tuple[str, str] | str) -> Text:
    """A text of pieces, each with the name of its style; all of them made harmless for a terminal."""
    from rich.text import Text

    text = Text(end="")
    for piece in pieces:
        content, style = (piece, "") if isinstance(piece, str) else piece
        text.append(visible(content), STYLES[style])
    return text


def cut(text: Text, width: int) -> Text:
    """No wider than so many cells, with an ellipsis where something is missing."""
    if text.cell_len > width:
        text = text.copy()
        text.truncate(max(width, 0), overflow="ellipsis")
    return text


def cell(content: str, width: int, style: str = "", *, right: bool = False) -> Text:
    """A cell of a table, exactly so many cells of the terminal wide."""
    text = cut(words((content, style)), width)
    room = " " * (width - text.cell_len)
    return words(room) + text if right else text + words(room)


def paragraph(console: Console, first: Text, text: Text, width: int, ranks: Sequence[int]) -> list[Line]:
    """``text`` behind ``first``, wrapped; further lines hang below where it began.

    A rank for each line that there may be.
    """
    lines = list(text.wrap(console, max(width - first.cell_len, 8))) or [text]
    for line in lines:
        line.rstrip()
    out = []
    for at in range(min(len(lines), len(ranks))):
        begin = words(" " * first.cell_len) if at else first
        last = at + 1 == len(lines)
        whole = cut(begin + words(" ").join(lines[at:]), width)
        out.append(Line(ranks[at], whole if at + 1 == len(ranks) else begin + lines[at], None if last else whole))
    return out


def fitting(lines: Sequence[Line], height: int) -> list[int]:
    """The places of the lines that a screen has room for, in their order; of one rank the upper ones stay."""
    kept = sorted(range(len(lines)), key=lambda at: (lines[at].rank, at))[: max(height, 0)]
    return sorted(kept)
