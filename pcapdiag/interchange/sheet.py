"""The cells of a table for other programs, as NumPy arrays, and the ways to take them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pcapdiag.interchange.columns import Column, Kind, Layout

if TYPE_CHECKING:
    import pyarrow

NS = 1_000_000_000
NUMERIC = (Kind.NUMBER, Kind.SECONDS, Kind.TIME, Kind.FLAG)  # cells hold the value itself, not its place in a list
NOT_A_TIME = np.iinfo(np.int64).min  # how datetime64 says null


@dataclass(frozen=True)
class Cells:
    """One column's cells.

    Attributes:
        numbers: (rows,) integers or booleans: the value, nanoseconds, or the index into ``values``.
        missing: (rows,) booleans, true where there is no value; None where all have one.
        values: what the indices of words, texts, objects and lists stand for.
    """

    numbers: NDArray[Any]
    missing: NDArray[np.bool_] | None = None
    values: Sequence[Any] = ()

    def part(self, start: int, end: int) -> Cells:
        """The cells of some rows, not copied."""
        missing = None if self.missing is None else self.missing[start:end]
        return Cells(self.numbers[start:end], missing, self.values)

    def take(self, rows: NDArray[np.intp]) -> Cells:
        """The cells of chosen rows."""
        missing = None if self.missing is None else self.missing[rows]
        return Cells(self.numbers[rows], missing, self.values).present()

    def present(self) -> Cells:
        """The same; without a mask where nothing is missing."""
        return self if self.missing is None or self.missing.any() else Cells(self.numbers, None, self.values)


def constant(value: Any, count: int) -> Cells:
    """A column of one value, or of nulls, that takes no room."""
    missing = np.broadcast_to(np.bool_(True), count) if value is None else None
    return Cells(np.broadcast_to(np.int32(0), count), missing, () if value is None else (value,))


def listed(column: Column, values: Sequence[Any]) -> Cells:
    """A column from Python values: times and durations in nanoseconds; None is null."""
    missing = np.array([value is None for value in values], dtype=bool)
    if column.kind in NUMERIC:
        numbers = np.array([0 if value is None else value for value in values], dtype=np.int64)
        return Cells(numbers, missing).present()
    if column.kind in (Kind.WORD, Kind.TEXT):
        places = {value: place for place, value in enumerate(dict.fromkeys(one for one in values if one is not None))}
        numbers = np.array([places.get(value, 0) for value in values], dtype=np.int32)
        return Cells(numbers, missing, tuple(places)).present()
    return Cells(np.arange(len(values), dtype=np.int32), missing, values).present()


class Sheet:
    """A table: columns of one length, by name.

    ``sheet["requests"]`` is a NumPy array of ``len(sheet)`` values:

    ==============  =====================================================================================
    numbers         ``int64``; where the column may be null a masked array (``numpy.ma``)
    seconds         ``float64``, NaN for null
    times           ``datetime64[ns]`` in UTC, NaT for null
    flags           ``bool``; where the column may be null a masked array
    words, text     ``object``: ``str``, None for null
    lists           ``object``: ``list``, None for null
    objects         ``object``: JSON text, None for null
    ==============  =====================================================================================

    Arrays are made when they are asked for, and are the caller's own.

    Attributes:
        layout: the declaration: name, type, unit and meaning of every column.
    """

    def __init__(self, layout: Layout, cells: Mapping[str, Cells]) -> None:
        assert list(cells) == layout.names, "the columns are the declared ones, in their order"
        self.layout = layout
        self.cells = cells

    def __len__(self) -> int:
        return len(next(iter(self.cells.values())).numbers)

    def __repr__(self) -> str:
        return f"<{self.layout.name}: {len(self):,} rows, {len(self.cells)} columns>"

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return self.layout.names

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column as a NumPy array.

        Raises:
            KeyError: there is no column of that name; the message lists those there are.
        """
        return as_numpy(self.layout.column(name), self.cells[name])

    def take(self, rows: NDArray[np.intp]) -> Sheet:
        """The sheet of some rows, given by their places from 0, in that order."""
        return Sheet(self.layout, {name: cells.take(rows) for name, cells in self.cells.items()})

    def to_numpy(self) -> dict[str, NDArray[Any]]:
        """Every column by name, as NumPy arrays; what ``pandas.DataFrame`` takes."""
        return {name: self[name] for name in self.layout.names}

    def to_arrow(self) -> pyarrow.Table:
        """The table as Arrow, with the meanings of the columns in the schema.

        Raises:
            UsageError: pyarrow is not installed.
        """
        from pcapdiag.interchange import arrow

        return arrow.table(self)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Arrow's protocol between libraries: polars and DuckDB take a sheet as it is; needs pyarrow."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def rows(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Rows of some columns as Python values: times and durations as int nanoseconds, None for null."""
        columns = [as_list(self.layout.column(name), self.cells[name]) for name in names]
        return zip(*columns, strict=True)


def as_numpy(column: Column, cells: Cells) -> NDArray[Any]:
    """A column's public form: see :class:`Sheet`."""
    missing = cells.missing
    if column.kind in (Kind.NUMBER, Kind.FLAG):
        numbers = np.array(cells.numbers, dtype=bool if column.kind is Kind.FLAG else np.int64)
        if not column.nullable:
            return numbers
        return np.ma.masked_array(numbers, np.zeros(len(numbers), dtype=bool) if missing is None else missing.copy())
    if column.kind is Kind.SECONDS:
        seconds = cells.numbers / NS
        return seconds if missing is None else np.where(missing, np.nan, seconds)
    if column.kind is Kind.TIME:
        times = np.array(cells.numbers, dtype=np.int64)
        if missing is not None:
            times[missing] = NOT_A_TIME
        return times.view("datetime64[ns]")
    out = np.empty(len(cells.numbers), dtype=object)
    for row, value in enumerate(as_list(column, cells)):  # assigned at once, lists of one length would be a matrix
        out[row] = value
    return out


def as_list(column: Column, cells: Cells) -> list[Any]:
    """A column as Python values: nanoseconds as they are, None for null."""
    if column.kind in NUMERIC:
        numbers = cells.numbers if column.kind is not Kind.FLAG else cells.numbers.astype(bool)
        values: list[Any] = numbers.tolist()
    elif cells.missing is not None and cells.missing.all():
        return [None] * len(cells.numbers)
    else:
        values = [cells.values[index] for index in cells.numbers.tolist()]
    if cells.missing is not None:
        for row in np.flatnonzero(cells.missing).tolist():
            values[row] = None
    return values
