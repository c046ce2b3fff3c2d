"""A table's cells as NumPy arrays."""

from __future__ import annotations

from datetime import UTC, datetime

import mock_reports as mock
import numpy as np
import pytest
import sheets

from pcapdiag.interchange.columns import Kind, Layout
from pcapdiag.interchange.layouts import LAYOUTS
from pcapdiag.interchange.sheet import Cells, constant
from pcapdiag.model import words

EXCHANGES = LAYOUTS["exchanges"]
TYPES = {
    Kind.NUMBER: np.int64,
    Kind.SECONDS: np.float64,
    Kind.TIME: np.dtype("datetime64[ns]"),
    Kind.FLAG: np.bool_,
    Kind.WORD: object,
    Kind.TEXT: object,
    Kind.OBJECT: object,
    Kind.NUMBERS: object,
    Kind.TEXTS: object,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_column_has_the_type_of_its_kind_whatever_it_holds(layout: Layout, count: int) -> None:
    nothing = {column.name: None for column in layout.columns if column.nullable}
    for rows in ([{}] * count, [nothing] * count):
        sheet = sheets.sheet(layout, *rows)
        assert len(sheet) == count
        for column in layout.columns:
            values = sheet[column.name]
            assert values.shape == (count,)
            assert values.dtype == TYPES[column.kind], column.name
            masked = column.nullable and column.kind in (Kind.NUMBER, Kind.FLAG)
            assert isinstance(values, np.ma.MaskedArray) is masked


def test_values_come_back_as_they_are() -> None:
    sheet = sheets.sheet(EXCHANGES, {"first_byte_s": -2_500_000_000, "status": 404, "reused": True, "method": "GET"})
    assert sheet["first_byte_s"].tolist() == [-2.5]
    assert sheet["status"].tolist() == [404]
    assert sheet["reused"].tolist() == [True]
    assert sheet["method"].tolist() == ["GET"]
    when = sheet["request_at"][0]
    assert when.astype(np.int64) == mock.FIRST_AT
    assert when.astype("datetime64[s]").item().replace(tzinfo=UTC) == datetime(2026, 11, 20, 13, 28, 30, tzinfo=UTC)


def test_null_is_masked_nan_nat_or_none() -> None:
    sheet = sheets.sheet(EXCHANGES, {column.name: None for column in EXCHANGES.columns if column.nullable}, {})
    assert sheet["status"].mask.tolist() == [True, False]
    assert sheet["reused"].mask.tolist() == [True, False]
    assert np.isnan(sheet["first_byte_s"]).tolist() == [True, False]
    assert np.isnat(sheet["request_at"]).tolist() == [True, False]
    assert [value is None for value in sheet["method"]] == [True, False]
    assert sheet["status"].sum() == 7  # a null is nothing, not 0


def test_arrays_are_the_callers_own() -> None:
    sheet = sheets.sheet(EXCHANGES, {"status": 200}, {"status": None})
    for name in ("connection", "status", "request_at", "first_byte_s", "pipelined", "host"):
        before = sheet[name].copy()
        sheet[name][:] = before[::-1]
        again = sheet[name]
        assert [str(value) for value in again] == [str(value) for value in before], name


def test_lists_of_one_length_are_lists_not_a_matrix() -> None:
    sheet = sheets.sheet(LAYOUTS["findings"], {"evidence_frames": [1, 2]}, {"evidence_frames": [3, 4]})
    assert sheet["evidence_frames"].tolist() == [[1, 2], [3, 4]]
    assert sheet["evidence_frames"].shape == (2,)


def test_rows_can_be_taken_in_any_order() -> None:
    sheet = sheets.sheet(EXCHANGES, *({"connection": at, "status": None if at == 2 else at} for at in range(4)))
    taken = sheet.take(np.array([3, 2]))
    assert taken["connection"].tolist() == [3, 2]
    assert taken["status"].tolist() == [3, None]
    assert list(taken.rows("connection", "status")) == [(3, 3), (2, None)]


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(KeyError, match=r"exchanges has no column 'stauts'; .*status"):
        _ = sheets.sheet(EXCHANGES)["stauts"]


def test_a_constant_column_takes_no_room() -> None:
    cells = constant("a", 1_000_000)
    assert cells.numbers.strides == (0,)
    assert Cells(np.zeros(3), np.zeros(3, dtype=bool)).present().missing is None


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_declarations_keep_their_conventions(layout: Layout) -> None:
    assert len(set(layout.names)) == len(layout.names)
    for column in layout.columns:
        assert column.name.isidentifier()
        assert column.name == column.name.lower()
        assert (column.kind is Kind.TIME) == column.name.endswith("_at")
        assert (column.kind is Kind.SECONDS) <= (column.name.endswith("_s") and column.unit == "s")
        assert (column.kind is Kind.WORD) == bool(column.words)
        assert column.meaning
        assert not column.meaning.endswith(".")


@pytest.mark.parametrize(
    "kind",
    [
        words.CloseClass,
        words.CloseKind,
        words.ConnState,
        words.Count,
        words.Opening,
        words.ExchangeOutcome,
        words.Protocol,
        words.Side,
        words.TcpState,
    ],
)
def test_the_number_of_a_word_is_its_place_in_the_vocabulary(kind: type[words.Word]) -> None:
    assert [word.value for word in kind] == list(range(len(kind)))
