"""Tables as Arrow and Parquet: what pyarrow reads back is what NumPy has."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import numpy as np
import pytest
import sheets
from analyses import report_of
from sheets import capture_of

from pcapdiag.errors import UsageError
from pcapdiag.interchange import arrow
from pcapdiag.interchange.columns import Kind, Layout
from pcapdiag.interchange.findings import findings
from pcapdiag.interchange.layouts import LAYOUTS
from pcapdiag.interchange.ndjson import ndjson
from pcapdiag.interchange.sheet import Sheet, as_list

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

# Nulls of every kind, TLS, several pools, a lower bound, an alias, a healthy one.
CAPTURES = (
    "go-ab-shared-default",
    "go-keepalive-race-get",
    "go-nginx-healthy-any",
    "go-nginx-healthy-snap96",
    "go-nginx-tls-pool-2",
    "raw-200-services",
    "raw-pipelining",
    "requests-connect-refused",
)


def tables_of(name: str) -> dict[str, Sheet]:
    capture = capture_of(name)
    return {
        "connections": capture.connections,
        "exchanges": capture.exchanges,
        "findings": findings(report_of(name)),
    }


def through_parquet(sheet: Sheet) -> Any:
    sink = io.BytesIO()
    arrow.write_parquet(sheet, sink)
    return parquet.read_table(io.BytesIO(sink.getvalue()))


def through_arrow(sheet: Sheet) -> Any:
    sink = io.BytesIO()
    arrow.write_arrow(sheet, sink)
    return pa.ipc.open_file(io.BytesIO(sink.getvalue())).read_all()


def plain(column: Any, kind: Kind) -> list[Any]:
    """What pyarrow has, as Sheet.rows gives it."""
    if kind is Kind.TIME:
        return list(column.cast(pa.int64()).to_pylist())
    return list(column.to_pylist())


@pytest.mark.parametrize("way", [through_parquet, through_arrow, arrow.table], ids=["parquet", "arrow", "table"])
@pytest.mark.parametrize("name", CAPTURES)
def test_every_cell_comes_back(name: str, way: Any) -> None:
    for sheet in tables_of(name).values():
        back = way(sheet)
        assert back.num_rows == len(sheet)
        assert back.column_names == sheet.columns
        for column in sheet.layout.columns:
            ours = as_list(column, sheet.cells[column.name])
            if column.kind is Kind.SECONDS:
                ours = [None if value is None else value / 1e9 for value in ours]
            assert plain(back[column.name], column.kind) == ours, column.name


@pytest.mark.parametrize("name", CAPTURES)
def test_numpy_and_arrow_agree(name: str) -> None:
    for sheet in tables_of(name).values():
        table = sheet.to_arrow()
        for column in sheet.layout.columns:
            values = sheet[column.name]
            nulls = np.array(table[column.name].is_null())
            if column.kind in (Kind.NUMBER, Kind.FLAG):
                assert np.array_equal(np.ma.getmaskarray(values), nulls), column.name
                assert np.ma.compressed(values).tolist() == table[column.name].drop_null().to_pylist()
            elif column.kind is Kind.SECONDS:
                assert np.array_equal(np.isnan(values), nulls)
                assert np.array_equal(values, table[column.name].to_numpy(), equal_nan=True)
            elif column.kind is Kind.TIME:
                assert np.array_equal(np.isnat(values), nulls)
                assert values[~nulls].astype(np.int64).tolist() == plain(table[column.name].drop_null(), Kind.TIME)
            else:
                assert values.tolist() == table[column.name].to_pylist(), column.name


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_schema_is_the_declaration(layout: Layout) -> None:
    schema = arrow.schema(layout)
    assert schema.names == layout.names
    names = {
        "timestamp[ns, tz=UTC]": "timestamp[ns, UTC]",
        "dictionary<values=string, indices=int32, ordered=0>": "dictionary<string>",
        "double": "float64",
        "list<item: int64>": "list<int64>",
        "list<item: string>": "list<string>",
    }
    for column in layout.columns:
        field = schema.field(column.name)
        assert names.get(str(field.type), str(field.type)) == column.kind.arrow
        assert field.nullable == column.nullable
        assert field.metadata[b"description"].decode() == column.meaning
        assert (b"unit" in field.metadata) == bool(column.unit)


@pytest.mark.parametrize("way", [through_parquet, through_arrow], ids=["parquet", "arrow"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_schema_does_not_depend_on_the_rows(layout: Layout, way: Any) -> None:
    nothing = {column.name: None for column in layout.columns if column.nullable}
    for rows in ([], [{}], [nothing], [{}, nothing]):
        back = way(sheets.sheet(layout, *rows))
        assert back.schema.equals(arrow.schema(layout)), back.schema
        assert back.num_rows == len(rows)


def test_rows_beyond_a_row_group_are_written_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "ROWS", 100)
    sheet = capture_of("go-ab-shared-default").exchanges
    sink = io.BytesIO()
    arrow.write_parquet(sheet, sink)
    file = parquet.ParquetFile(io.BytesIO(sink.getvalue()))
    assert file.num_row_groups == 3
    assert file.read()["request_frame"].to_pylist() == sheet["request_frame"].tolist()
    assert through_arrow(sheet)["method"].to_pylist() == sheet["method"].tolist()


@pytest.mark.parametrize("name", CAPTURES)
def test_parquet_and_ndjson_say_the_same_of_exchanges(name: str) -> None:
    sheet = capture_of(name).exchanges
    rows = [json.loads(line) for line in "".join(ndjson(sheet)).splitlines()]
    back = through_parquet(sheet)
    for column in sheet.layout.columns:
        if column.kind is not Kind.TIME:
            assert back[column.name].to_pylist() == [row[column.name] for row in rows], column.name


def test_a_dictionary_holds_each_text_once() -> None:
    table = capture_of("go-ab-shared-default").connections.to_arrow()
    assert table["host"].chunk(0).dictionary.to_pylist() == ["10.71.16.2:8081"]
    names = table["history"].chunk(0).dictionary.to_pylist()
    assert len(names) == len(set(names)) > 1


def test_other_libraries_can_take_a_sheet_as_it_is() -> None:
    sheet = capture_of("go-ab-shared-default").connections
    reader = pa.RecordBatchReader.from_stream(sheet)
    assert reader.read_all().equals(sheet.to_arrow())


def test_without_pyarrow_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'pcapdiag\[arrow\]'"):
        sheets.sheet(LAYOUTS["exchanges"]).to_arrow()
