"""A document of Markdown in the making: headings, paragraphs, lists, tables, fences, everything escaped.

What is a plain ``str`` is text and is escaped here; what is an :class:`Md` is markup already, made by :func:`md` and
:func:`code`, which escape what goes into it.  So no section can forget to.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from pcapdiag.reports import escape
from pcapdiag.reports.units import number

PADDED = 110  # columns that a table may fill with its cells aligned; a wider one wraps on a screen anyhow


class Md(str):
    """A piece of Markdown on one line."""

    __slots__ = ()


def md(form: str, *parts: str) -> Md:
    """Markdown with texts put into its ``{}``, those that are no markup escaped."""
    return Md(form.format(*(safe(part) for part in parts)))


def safe(text: str) -> Md:
    """The text, on one line and without meaning to Markdown."""
    return text if isinstance(text, Md) else Md(escape.markdown(" ".join(text.split(" ")).strip()))


def code(text: str) -> Md:
    """A span of code."""
    return Md(escape.markdown_code(text))


def link(text: str, address: str) -> Md:
    """A link, where the address is a plain one of the web; else both as text."""
    if re.fullmatch(r"https://[A-Za-z0-9./_~%#?&=+:,;-]+", address):
        return Md(f"[{safe(text)}]({address})")
    return md("{} ({})", text, address)


class Document:
    """Blocks with an empty line between them; items of a list follow each other."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._listed = False  # the last block is a list

    def text(self) -> str:
        return "\n\n".join(self._blocks) + "\n"

    def heading(self, level: int, text: str) -> None:
        self._add(f"{'#' * level} {safe(text)}")

    def para(self, text: str) -> None:
        self._add(safe(text))

    def item(self, text: str, *more: str, mark: str = "-") -> None:
        """A line of a list, ``more`` lines below it."""
        indent = " " * (len(mark) + 1)
        lines = [f"{mark} {safe(text)}", *(f"{indent}{safe(line)}" for line in more)]
        item = "  \n".join(lines)
        if self._listed:
            self._blocks[-1] += f"\n{item}"
        else:
            self._add(item)
        self._listed = True

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> None:
        """A table; numbers are set right, None is a dash."""
        cells = [list(map(safe, headers)), *([_cell(cell) for cell in row] for row in rows)]
        columns = range(len(headers))
        right = [all(isinstance(row[at], int | float) or row[at] in (None, "") for row in rows) for at in columns]
        widths = [max(3, *(len(row[at]) for row in cells)) for at in columns]
        if sum(widths) > PADDED:
            widths = [1] * len(widths)
        lines = [
            f"| {' | '.join(row[at].rjust(widths[at]) if right[at] else row[at].ljust(widths[at]) for at in columns)} |"
            for row in cells
        ]
        rules = ("-" * (widths[at] + 1) + (":" if right[at] else "-") for at in columns)
        lines.insert(1, f"|{'|'.join(rules)}|")
        self._add("\n".join(lines))

    def fence(self, text: str, language: str = "") -> None:
        """A block of code, as it is."""
        shown = textwrap.dedent(escape.code(text)).strip("\n")
        mark = "`" * max(3, escape.longest_run(shown, "`") + 1)
        name = language if re.fullmatch(r"[A-Za-z0-9+#-]*", language) else ""
        self._add(f"{mark}{name}\n{shown}\n{mark}")

    def folded(self, summary: str, text: str) -> None:
        """A block of code that opens on a click; where HTML is not rendered it is there to read."""
        self._add(f"<details>\n<summary>{safe(summary)}</summary>")
        self.fence(text)
        self._add("</details>")

    def verbatim(self, markdown: str) -> None:
        """Its author's own Markdown."""
        self._add(markdown.strip("\r\n"))

    def _add(self, block: str) -> None:
        self._blocks.append(block)
        self._listed = False


def _cell(cell: str | float | None) -> Md:
    if cell is None or cell == "":
        return Md("-")
    if isinstance(cell, Md):
        # A span of code that the table would cut in two.
        return Md(re.sub(r"(?<!\\)\|", r"\\|", cell))
    return safe(cell) if isinstance(cell, str) else Md(number(cell))
