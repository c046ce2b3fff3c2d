"""A sheet as Arrow and Parquet, by way of pyarrow: the one module that knows it.

Arrays go over as they are, a column at a time; no Python object is made of a cell.  The schema carries each column's
meaning and unit as field metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pcapdiag._version import __version__
from pcapdiag.errors import UsageError
from pcapdiag.interchange.columns import Column, Kind, Layout
from pcapdiag.interchange.sheet import NS, Cells, Sheet, as_list

if TYPE_CHECKING:
    import pyarrow

ROWS = 1 << 16  # of a row group: enough to compress well, and some 20 MB


def require() -> Any:
    """The pyarrow package.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise UsageError("Arrow and Parquet need pyarrow; try: pip install 'pcapdiag[arrow]'") from None
    return pyarrow


def schema(layout: Layout) -> pyarrow.Schema:
    """The layout as an Arrow schema; ``description`` and ``unit`` are field metadata."""
    pa = require()
    fields = []
    for column in layout.columns:
        metadata = {"description": column.meaning, "null": column.null, "unit": column.unit}
        metadata = {key: text for key, text in metadata.items() if text}
        fields.append(pa.field(column.name, _type(column), nullable=column.nullable, metadata=metadata))
    return pa.schema(fields, metadata={"pcapdiag.table": layout.name, "pcapdiag.version": __version__})


def table(sheet: Sheet) -> pyarrow.Table:
    """The whole sheet."""
    pa = require()
    return pa.Table.from_batches(batches(sheet), schema=schema(sheet.layout))


def batches(sheet: Sheet) -> Iterator[pyarrow.RecordBatch]:
    """The sheet, :data:`ROWS` rows at a time; all share the dictionaries."""
    pa = require()
    declared = schema(sheet.layout)
    dictionaries = {
        column.name: pa.array(sheet.cells[column.name].values, pa.string())
        for column in sheet.layout.columns
        if column.kind in (Kind.WORD, Kind.TEXT)
    }
    for start in range(0, len(sheet), ROWS):
        end = min(start + ROWS, len(sheet))
        arrays = [
            _array(column, sheet.cells[column.name].part(start, end), dictionaries.get(column.name))
            for column in sheet.layout.columns
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=declared)


def write_parquet(sheet: Sheet, sink: BinaryIO) -> None:
    """A Parquet file, zstd-compressed, a row group at a time."""
    require()
    from pyarrow import parquet

    # 2.6 has nanoseconds; older readers know no such time.
    with parquet.ParquetWriter(sink, schema(sheet.layout), version="2.6", compression="zstd") as writer:
        for batch in batches(sheet):
            writer.write_batch(batch)


def write_arrow(sheet: Sheet, sink: BinaryIO) -> None:
    """An Arrow IPC file (Feather, version 2)."""
    pa = require()
    with pa.ipc.new_file(sink, schema(sheet.layout)) as writer:
        for batch in batches(sheet):
            writer.write_batch(batch)


def _type(column: Column) -> Any:
    pa = require()
    types = {
        Kind.NUMBER: pa.int64(),
        Kind.SECONDS: pa.float64(),
        Kind.TIME: pa.timestamp("ns", "UTC"),
        Kind.FLAG: pa.bool_(),
        Kind.WORD: pa.dictionary(pa.int32(), pa.string()),
        Kind.TEXT: pa.dictionary(pa.int32(), pa.string()),
        Kind.OBJECT: pa.string(),
        Kind.NUMBERS: pa.list_(pa.int64()),
        Kind.TEXTS: pa.list_(pa.string()),
    }
    return types[column.kind]


def _array(column: Column, cells: Cells, dictionary: pyarrow.Array | None) -> pyarrow.Array:
    pa = require()
    missing = None if cells.missing is None else np.ascontiguousarray(cells.missing)
    if dictionary is not None:
        indices = pa.array(np.ascontiguousarray(cells.numbers, dtype=np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(indices, dictionary)
    if column.kind is Kind.NUMBER:
        return pa.array(np.ascontiguousarray(cells.numbers, dtype=np.int64), mask=missing)
    if column.kind is Kind.FLAG:
        return pa.array(np.ascontiguousarray(cells.numbers, dtype=bool), mask=missing)
    if column.kind is Kind.SECONDS:
        return pa.array(cells.numbers / NS, mask=missing)
    if column.kind is Kind.TIME:
        times = np.ascontiguousarray(cells.numbers, dtype=np.int64)
        return pa.array(times, mask=missing).view(_type(column))
    return pa.array(as_list(column, cells), _type(column))
