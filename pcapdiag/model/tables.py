"""The two tables that the judging path sees, as NumPy columns.

Both hold plain integers: times in nanoseconds since the epoch with 0 for "did not happen", words as the numbers of
:mod:`pcapdiag.model.words`, strings as indices into ``strings``.  Rows of several processes or files can be
concatenated: nothing in a row points at another row but ``ExchangeTable.connection``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.int64]

TILE = 32_768  # numbers of a matrix that are turned at a time


class Taken(MutableMapping[str, Column]):
    """Columns of chosen rows, each copied when it is first asked for: of seventy most never are."""

    def __init__(self, source: Mapping[str, Column], rows: NDArray[np.intp]) -> None:
        self.source = source
        self.rows = rows
        self.known: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        if name not in self.known:
            self.known[name] = rows_of(self.source[name], self.rows)
        return self.known[name]

    def __setitem__(self, name: str, column: Column) -> None:
        self.known[name] = column

    def __delitem__(self, name: str) -> None:
        raise TypeError("a table's columns are fixed")

    def __iter__(self) -> Iterator[str]:
        return iter(self.source)

    def __len__(self) -> int:
        return len(self.source)


class Grouped:
    """Columns of a table put in order by groups of rows, each when it is first asked for; the old ones are let go of.

    So a table is there once, in one order or the other, and not twice.  Of rows that were taken from another table, the
    columns that nobody has asked for yet are taken from there at once.
    """

    def __init__(self, columns: Mapping[str, Column], groups: Sequence[NDArray[np.intp]]) -> None:
        self.rows = np.concatenate(groups) if groups else np.zeros(0, dtype=np.intp)
        self.names = tuple(columns)
        self.known: dict[str, Column] = {}
        self.source: dict[str, Column] = {}
        self.beneath: dict[str, Column] = {}
        self.rows_beneath = self.rows
        if isinstance(columns, Taken):
            self.source.update(columns.known)
            self.beneath.update(columns.source)
            self.rows_beneath = columns.rows.take(self.rows)
        else:
            self.source.update(columns)

    def column(self, name: str) -> Column:
        if name not in self.known:
            beneath = self.beneath.pop(name, None)
            own = self.source.pop(name, None)
            if own is not None:
                self.known[name] = rows_of(own, self.rows)
            else:
                assert beneath is not None  # else there is no such column, or it is known
                self.known[name] = rows_of(beneath, self.rows_beneath)
        return self.known[name]


class Group(MutableMapping[str, Column]):
    """The columns of one group, views of the whole's."""

    def __init__(self, whole: Grouped, start: int, stop: int) -> None:
        self.whole = whole
        self.place = slice(start, stop)
        self.known: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        if name not in self.known:
            self.known[name] = self.whole.column(name)[self.place]
        return self.known[name]

    def __setitem__(self, name: str, column: Column) -> None:
        self.known[name] = column

    def __delitem__(self, name: str) -> None:
        raise TypeError("a table's columns are fixed")

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole.names)

    def __len__(self) -> int:
        return len(self.whole.names)


class Table:
    """Columns by attribute and by name, all of one length."""

    def __init__(self, columns: MutableMapping[str, Column]) -> None:
        self.columns = columns

    def __getattr__(self, name: str) -> Column:
        try:
            column: Column = self.__dict__["columns"][name]
        except KeyError:
            raise AttributeError(name) from None
        return column

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


class ConnectionTable(Table):
    """A row per connection, in order of first packet; row ``i`` holds connection number ``i + 1``."""

    def __init__(self, columns: MutableMapping[str, Column], strings: Sequence[bytes]) -> None:
        super().__init__(columns)
        self.strings = strings
        self.texts: dict[int, str] = {}
        self.addresses: dict[int, str] = {}

    def take(self, rows: NDArray[np.intp]) -> ConnectionTable:
        """The chosen rows, in that order."""
        return ConnectionTable(Taken(self.columns, rows), self.strings)

    def text(self, index: int) -> str | None:
        """The string behind a column's number, decoded as Latin-1 so that no byte is lost; None for the absent one."""
        if index == 0:
            return None
        if index not in self.texts:
            self.texts[index] = self.strings[index].decode("latin-1")
        return self.texts[index]

    def address(self, index: int) -> str:
        """An IP address as text."""
        if index not in self.addresses:
            self.addresses[index] = str(ipaddress.ip_address(self.strings[index]))
        return self.addresses[index]


class ExchangeTable(Table):
    """A row per exchange, sorted by connection, then by its index in the connection.

    ``connection`` is the row of the connection table (from 0), not the connection's number.
    """

    def take(self, rows: NDArray[np.intp]) -> ExchangeTable:
        """The chosen rows, in that order."""
        return ExchangeTable(Taken(self.columns, rows))

    def grouped(self, groups: Sequence[NDArray[np.intp]]) -> list[ExchangeTable]:
        """A table for each of several choices of rows; whoever does not need this one any more should let go of it."""
        whole = Grouped(self.columns, groups)
        ends = np.cumsum([len(rows) for rows in groups]).tolist()
        return [ExchangeTable(Group(whole, end - len(rows), end)) for rows, end in zip(groups, ends, strict=True)]


def rows_of(column: Column, rows: NDArray[np.intp]) -> Column:
    """A copy of chosen rows; of a column of zeros that takes no room, another one."""
    return np.broadcast_to(column[:1], len(rows)) if column.strides == (0,) else column.take(rows)


def from_matrix(buffer: object, names: Sequence[str], count: int) -> dict[str, Column]:
    """Columns from a row-major integer buffer of the packet path (64 or 32 bits).

    A column of zeros takes no room: of most symptoms a capture shows none.
    """
    width = len(names)
    matrix = np.asarray(buffer)[: count * width].reshape(count, width)
    blank: Column = np.broadcast_to(matrix.dtype.type(0), count)
    columns = dict.fromkeys(names, blank if count else np.zeros(0, dtype=matrix.dtype))
    # Some rows at a time, which stay in the cache while they are turned: column by column all would be read as often.
    step = max(1, TILE // width)
    for at in range(0, count, step):
        rows = matrix[at : at + step]
        for index in np.flatnonzero(np.bitwise_or.reduce(rows, axis=0)).tolist():
            name = names[index]
            if columns[name] is blank:
                columns[name] = np.zeros(count, dtype=matrix.dtype)  # pages that are never written to take no room
            columns[name][at : at + step] = rows[:, index]
    return columns
