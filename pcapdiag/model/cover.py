"""What a written report says beside the Report: its author's words, when it was made, and how to make it again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cover:
    """The first page of a report in Markdown or HTML."""

    title: str = ""  # a line; "" for the report's own
    note: str = ""  # the author's Markdown; paragraphs of plain text in HTML
    made_at: int | None = None  # nanoseconds since the epoch
    command: str = ""  # that gives this report, for a shell
