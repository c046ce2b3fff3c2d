"""A sheet for a spreadsheet: RFC 4180, a header line, lines end in CRLF.

Null is an empty cell, flags are ``true`` and ``false``, times RFC 3339 in UTC, durations seconds with nine decimals.
Text from packets is escaped so that nothing in it acts: not on a terminal, not as a formula.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pcapdiag.interchange.columns import Kind
from pcapdiag.interchange.rendering import Rendered, Style, columns_of, lines, parts
from pcapdiag.interchange.sheet import Sheet
from pcapdiag.reports.escape import csv_cell

END = "\r\n"
BETWEEN = " | "  # the items of a list; numbers with spaces between pass for a date with some readers


def csv(sheet: Sheet) -> Iterator[str]:
    """The text in pieces of some thousand lines."""
    columns = columns_of(sheet, STYLE)
    files = {
        name: Rendered(sheet.layout.column(name), sheet.cells[name], PLAIN) for name in sheet.layout.joined.values()
    }
    yield ",".join(columns) + END
    for start, end in parts(sheet):
        cells = {name: column.part(start, end) for name, column in columns.items()}
        for frame, file in sheet.layout.joined.items():
            cells[frame] = [
                _quoted(csv_cell(f"{name}:{number}")) if name else number
                for name, number in zip(files[file].part(start, end), cells[frame], strict=True)
            ]
        yield END.join([*lines(list(cells.values()), ",".join), ""])


def _value(kind: Kind, value: Any) -> str:
    if kind is Kind.OBJECT:  # printable ASCII that starts with a brace
        return _quoted(value)
    if kind is Kind.NUMBERS:
        return BETWEEN.join(map(str, value))
    return _quoted(csv_cell(BETWEEN.join(value) if kind is Kind.TEXTS else value))


def _quoted(cell: str) -> str:
    if "," in cell or '"' in cell:  # line ends are escaped by now
        return '"' + cell.replace('"', '""') + '"'
    return cell


STYLE = Style(null="", value=_value, time="{}", seconds="{:.9f}".format)
PLAIN = Style(null="", value=lambda _, value: str(value), time="{}", seconds=str)
