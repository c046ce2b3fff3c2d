"""A sheet as JSON: an object per row, a line each, in printable ASCII.

Times are RFC 3339 in UTC, durations seconds, text is as it was on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pcapdiag.interchange.columns import FrameOf, Kind, Renamed, Shape
from pcapdiag.interchange.rendering import Rendered, Style, columns_of, lines, parts
from pcapdiag.interchange.sheet import Cells, Sheet, as_list
from pcapdiag.reports.escape import json_dumps

Part = Callable[[int, int], list[str]]


def ndjson(sheet: Sheet) -> Iterator[str]:
    """A line per row, in pieces of some thousand lines."""
    for objects in _objects(sheet):
        yield "\n".join([*objects, ""])


def document(head: str, sheet: Sheet) -> Iterator[str]:
    """One document: the head's keys, then the rows under the table's name, a line each.

    Args:
        head: a JSON object that is not empty.
        sheet: the rows.
    """
    yield f'{head[:-1]}, "{sheet.layout.name}": ['
    before = "\n"
    for objects in _objects(sheet):
        yield before + ",\n".join(objects)
        before = ",\n"
    yield "\n]}\n"


def _objects(sheet: Sheet) -> Iterator[list[str]]:
    columns = columns_of(sheet, STYLE)
    shape = sheet.layout.shape or {name: name for name in columns}
    template, sources = _template(shape, columns, sheet)
    for start, end in parts(sheet):
        yield lines([source(start, end) for source in sources], template.__mod__)


def _template(shape: Shape, columns: dict[str, Rendered], sheet: Sheet) -> tuple[str, list[Part]]:
    """A row with ``%s`` for each value, and where the values come from."""
    members: list[str] = []
    sources: list[Part] = []
    for key, value in shape.items():
        inner = "%s"
        if isinstance(value, str):
            sources.append(columns[value].part)
        elif isinstance(value, FrameOf):
            sources.append(_frames(value, columns, sheet))
        elif isinstance(value, Renamed):
            cells = sheet.cells[value.column]
            literals = Cells(cells.numbers, cells.missing, [value.literals[word] for word in cells.values])
            sources.append(Rendered(sheet.layout.column(value.column), literals, LITERAL).part)
        else:
            inner, own = _template(value, columns, sheet)
            sources += own
        members.append(f'"{key}": {inner}')
    return "{" + ", ".join(members) + "}", sources


def _frames(frame: FrameOf, columns: dict[str, Rendered], sheet: Sheet) -> Part:
    """Frame numbers, each an object with its file once there are several."""
    numbers, files = columns[frame.number], columns[frame.file]
    absent = sheet.cells[frame.file].missing
    if absent is not None and absent.all():
        return numbers.part

    def part(start: int, end: int) -> list[str]:
        known = as_list(files.column, files.cells.part(start, end))
        return [
            number if file is None else f'{{"file": {name}, "number": {number}}}'
            for number, name, file in zip(numbers.part(start, end), files.part(start, end), known, strict=True)
        ]

    return part


def _value(kind: Kind, value: Any) -> str:
    return value if kind is Kind.OBJECT else json_dumps(value)


STYLE = Style(null="null", value=_value, time='"{}"', seconds=repr)
LITERAL = Style(null="null", value=lambda _, value: str(value), time="{}", seconds=str)
