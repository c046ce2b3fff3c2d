"""A table to standard output or a file, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pcapdiag.cli import running
from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pcapdiag.interchange.sheet import Sheet
    from pcapdiag.model.report import CaptureInfo

Command = TypeVar("Command", bound=Callable[..., Any])

HELP = "ndjson: one JSON object per line. parquet and arrow need pip install 'pcapdiag[arrow]'."
BINARY = ("parquet", "arrow")


def check(format_: str, output: str | None) -> None:
    """Before the capture is read: that the format can be written, and there.

    Raises:
        UsageError: pyarrow is not installed, or a binary format would go to a terminal.
    """
    if format_ not in BINARY:
        return
    if output in (None, "-") and sys.stdout.isatty():
        raise UsageError(f"--format {format_} is binary and standard output is a terminal; try: -o FILE.{format_}")
    from pcapdiag.interchange import arrow

    arrow.require()


def write(sheet: Sheet, format_: str, output: str | None, *, info: CaptureInfo | None = None) -> None:
    """Write a table: csv, ndjson, json (which needs ``info``), parquet or arrow."""
    if format_ == "csv":
        from pcapdiag.interchange.csv import csv

        running.write(csv(sheet), output)
    elif format_ in BINARY:
        from pcapdiag.interchange import arrow

        write_to = arrow.write_parquet if format_ == "parquet" else arrow.write_arrow
        running.write_bytes(lambda sink: write_to(sheet, sink), output)
    else:
        from pcapdiag.interchange import ndjson
        from pcapdiag.reports.json import head

        pieces = ndjson.ndjson(sheet) if info is None or format_ == "ndjson" else ndjson.document(head(info), sheet)
        running.write(pieces, output)
