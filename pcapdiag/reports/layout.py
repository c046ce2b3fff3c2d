"""The page of the text report: paragraphs, lists, snippets, tables, wrapped to a width and escaped.

Every text passes through :mod:`pcapdiag.reports.escape` here and only here, so no section can forget it.
Color repeats what a word already says; a page without it reads the same.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from tabulate import tabulate

from pcapdiag.model.report import FrameRef
from pcapdiag.reports.escape import code, visible
from pcapdiag.reports.units import number, plural

MIN_WIDTH = 60
MAX_WIDTH = 100  # longer lines are hard to read
MIN_WRAPPED = 24  # columns of a wrapped table cell

Cell: TypeAlias = "str | int | float | None"

_STYLES = {
    "good": "1;32",
    "bad": "1;31",
    "unsure": "1;33",
    "head": "1",
    "strong": "1",
    "code": "36",
    "dim": "2",
}


class Page:
    """Lines of text in the making.

    Args:
        width: columns to fill; at least 60.
        color: whether to write SGR escape sequences.
    """

    def __init__(self, width: int = 80, *, color: bool = False) -> None:
        self.width = max(width, MIN_WIDTH)
        self.color = color
        self._lines: list[str] = []

    def text(self) -> str:
        return "\n".join(self._lines).strip("\n") + "\n"

    def blank(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def heading(self, text: str) -> None:
        self.blank()
        self._put(visible(text.upper()), "head")

    def rule(self, length: int | None = None, style: str = "") -> None:
        self._put("=" * min(length or self.width, self.width), style)

    def para(self, text: str, *, label: str = "", indent: int = 0, hang: int | None = None, style: str = "") -> None:
        """A paragraph; ``label`` opens it, the other lines hang below the text (or at ``hang``)."""
        shown, label = visible(re.sub(r"[ \n]+", " ", text).strip()), visible(label)
        hanging = " " * (indent + len(label) if hang is None else hang)
        lines = textwrap.wrap(
            shown,
            width=self.width,
            initial_indent=" " * indent + label,
            subsequent_indent=hanging,
            break_on_hyphens=False,
        )
        for line in lines or [(" " * indent + label).rstrip()]:
            self._put(line, style)

    def item(self, text: str, *, mark: str = "-", indent: int = 0, style: str = "") -> None:
        self.para(text, label=f"{mark} ", indent=indent, style=style)

    def snippet(self, text: str, *, indent: int = 6) -> None:
        """Code to copy: never wrapped."""
        for line in textwrap.dedent(code(text)).strip("\n").split("\n"):
            self._put(" " * indent + line if line.strip() else "", "code")

    def pairs(self, rows: Iterable[tuple[str, str]], *, indent: int = 0) -> None:
        """Labels with their values, the values aligned."""
        rows = list(rows)
        widest = max((len(visible(label)) for label, _ in rows), default=0)
        for label, value in rows:
            self.para(value, label=label + " " * (widest - len(visible(label)) + 2), indent=indent)

    def table(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        *,
        indent: int = 2,
        wrap: bool = False,
    ) -> None:
        """A table; where it is wider than the page, each row becomes a list of its fields.

        Args:
            headers: one per column; may have several lines.
            rows: numbers are set right, text left, None is a dash.
            indent: columns left of it.
            wrap: the last column takes what room is left and continues on further lines.
        """
        shown = [[_cell(cell) for cell in row] for row in rows]
        heads = [header.split("\n") for header in headers]
        height = max(len(head) for head in heads)
        widths = [
            max(len(text) for text in (*head, *(row[column] for row in shown))) for column, head in enumerate(heads)
        ]
        others = sum(widths[:-1]) + 2 * (len(widths) - 1) + indent
        room = max(self.width - others, MIN_WRAPPED) if wrap else widths[-1]
        if others + min(widths[-1], room) > self.width:
            self._fields([" ".join(head) for head in heads], shown, indent)
            return
        if wrap:
            shown = [[*row[:-1], "\n".join(textwrap.wrap(row[-1], room)) or "-"] for row in shown]
            widths[-1] = min(widths[-1], room)
        right = [
            all(not isinstance(row[column], str) or numeric(_cell(row[column])) for row in rows)
            for column in range(len(heads))
        ]
        top = [[""] * (height - len(head)) + head for head in heads]
        # The header is given as rows: tabulate would pad each header by two columns.
        table = tabulate(
            [
                *([head[line] for head in top] for line in range(height)),
                ["-" * width for width in widths],
                *shown,
            ],
            tablefmt="plain",
            disable_numparse=True,
            colalign=["right" if side else "left" for side in right],
        )
        for at, line in enumerate(table.split("\n")):
            self._put(" " * indent + line, "dim" if at <= height else "")

    def _fields(self, names: Sequence[str], rows: Sequence[Sequence[str]], indent: int) -> None:
        """Rows too wide for a table, of cells that are already visible text."""
        widest = max(len(name) for name in names)
        for row in rows:
            self._put(f"{' ' * indent}{names[0]} {row[0]}")
            for name, cell in zip(names[1:], row[1:], strict=True):
                label = f"{' ' * indent}  {name:{widest}}  "
                for line in textwrap.wrap(cell, self.width, initial_indent=label, subsequent_indent=" " * len(label)):
                    self._put(line)

    def frames(self, frames: Sequence[FrameRef], *, indent: int = 0) -> None:
        """Wireshark display filters that show these frames, one per file, each on one line to copy."""
        by_file: dict[str | None, set[int]] = {}
        for frame in frames:
            by_file.setdefault(frame.file, set()).add(frame.number)
        for file, numbers in by_file.items():
            if file is not None:
                self.para(f"in {file}:", indent=indent)
            filter_, left = display_filter(sorted(numbers), self.width - indent - 20)
            self._put(" " * indent + filter_, "code")
            if left:
                self._put(f"{' ' * indent}(and {plural(left, 'more frame')})")

    def drawn(self, start: str, letters: str = "", styles: Mapping[str, str] | None = None) -> None:
        """A line of a picture in ASCII, never wrapped: ``letters`` each in its style behind ``start``."""
        if not self.color or not styles:
            self._put(start + letters)
            return
        parts = []
        for letter, run in groupby(letters):
            text = "".join(run)
            parts.append(f"\x1b[{_STYLES[styles[letter]]}m{text}\x1b[0m" if letter in styles else text)
        self._lines.append(start + "".join(parts))

    def line(self, text: str, style: str = "") -> None:
        """A line of text that is visible already, never wrapped."""
        self._put(text, style)

    def _put(self, line: str, style: str = "") -> None:
        line = line.rstrip()
        if self.color and style and line:
            bare = line.lstrip(" ")
            line = f"{line[: len(line) - len(bare)]}\x1b[{_STYLES[style]}m{bare}\x1b[0m"
        self._lines.append(line)


def display_filter(numbers: Sequence[int], room: int) -> tuple[str, int]:
    """``frame.number in {12, 15..18}`` within ``room`` columns, and how many of the numbers did not fit."""
    runs: list[list[int]] = []
    for value in numbers:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts: list[tuple[str, int]] = []
    for run in runs:
        if len(run) > 2:
            parts.append((f"{run[0]}..{run[-1]}", len(run)))
        else:
            parts.extend((str(value), 1) for value in run)
    if len(parts) == 1 and parts[0][1] == 1:
        return f"frame.number == {parts[0][0]}", 0
    fitting, used = 0, 0
    for text, _ in parts:
        used += len(text) + 2
        if fitting and used > room:
            break
        fitting += 1
    inner = ", ".join(text for text, _ in parts[:fitting])
    return f"frame.number in {{{inner}}}", sum(count for _, count in parts[fitting:])


def _cell(cell: Cell) -> str:
    if cell is None:
        return "-"
    return visible(cell) if isinstance(cell, str) else number(cell)


def numeric(text: str) -> bool:
    """A number as the tables write them: with thousands separators, a unit, a share in parentheses."""
    return text in ("-", "") or re.fullmatch(r"[<>~]?=? ?-?[\d.,]+( ?%| ms| s)?( \([<>\d.%]+\))?", text) is not None
