"""``--title`` and ``--note``: the author's words in a report that is sent around, and how to make it again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from pcapdiag.cli.ends import is_address
from pcapdiag.cli.options import NS, Command, Filters, When
from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pcapdiag.model.cover import Cover
    from pcapdiag.model.report import Report

WRITTEN = ("html", "markdown")  # formats that a person reads as a document
LONGEST_NOTE = 1_000_000  # bytes


def covers(command: Command) -> Command:
    """--title and --note."""
    note = click.option(
        "--note",
        metavar="TEXT|@FILE",
        default="",
        callback=read_note,
        help="The author's words below it: Markdown, in html plain paragraphs. @FILE reads them from a file.",
    )
    title = click.option("--title", metavar="TEXT", default="", help="Heading of the document.")
    return title(note(command))


def read_note(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """The text, or what the file behind @ holds.

    Raises:
        UsageError: it cannot be read, is no UTF-8, or is too long.
    """
    if not value.startswith("@"):
        return value
    path = value[1:]
    try:
        with open(path, "rb") as file:
            held = file.read(LONGEST_NOTE + 1)
        text = held.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"--note {value}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"--note {value}: byte {error.start:,} is no UTF-8; expected a text") from None
    if len(held) > LONGEST_NOTE:
        raise UsageError(f"--note {value}: longer than {LONGEST_NOTE:,} bytes; expected some paragraphs")
    return text


def cover_of(title: str, note: str, command: str) -> Cover:
    """What the options say, with the command that repeats the analysis, and the time of now."""
    from pcapdiag.model.cover import Cover

    return Cover(title.strip(), note, time.time_ns(), command)


def again(command: str, files: tuple[str, ...], filters: Filters, redacted: Report | None = None) -> str:
    """The command line that reads the same packets the same way, in the names of a redacted report."""
    import shlex

    from pcapdiag.reports.units import rfc3339

    def written(when: When) -> str:
        if when.after_start is None:
            return rfc3339(when.at or 0).rstrip("0Z").rstrip(".") + "Z"
        return f"+{when.after_start // NS}.{when.after_start % NS:09d}".rstrip("0").rstrip(".")

    words = ["pcapdiag", command]
    for name, values in (("--client", filters.client), ("--server", filters.server)):
        for value in (values,) if isinstance(values, str) else values or ():
            words += [name, "ADDRESS" if redacted and is_address(value) else value]
    if filters.port is not None:
        words += ["--port", str(filters.port)]
    for name, moment in (("--since", filters.since), ("--until", filters.until)):
        if moment is not None:
            words += [name, written(moment)]
    if redacted and "-" not in files:
        files = redacted.capture.files
    if any(file.startswith("-") and file != "-" for file in files):
        words.append("--")
    return shlex.join([*words, *files])
