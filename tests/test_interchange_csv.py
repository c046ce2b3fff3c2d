"""Tables for a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
import sheets

from pcapdiag.interchange import rendering
from pcapdiag.interchange.columns import Kind, Layout
from pcapdiag.interchange.connections import CONNECTIONS
from pcapdiag.interchange.csv import csv as write
from pcapdiag.interchange.layouts import LAYOUTS
from pcapdiag.interchange.sheet import Sheet
from pcapdiag.model.report import FrameRef


def read(sheet: Sheet) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(write(sheet)), newline="")))


def connections(*rows: dict[str, object]) -> list[dict[str, str]]:
    return read(sheets.connections(*rows))


def test_the_columns_are_the_declared_ones_and_each_row_fills_them() -> None:
    (row,) = connections({})
    assert list(row) == CONNECTIONS.names
    assert None not in row.values()
    assert row["client_ip"] == "10.9.0.1"
    assert row["opened_at"] == "2026-11-20T13:28:30.123456789Z"
    assert row["linger_s"] == "0.000310000"
    assert row["open_request_at_close"] == "false"
    assert row["sni"] == ""
    assert row["closing_frame"] == "8"


def test_the_columns_of_the_first_release_come_first_in_their_order() -> None:
    old = (
        "number client_ip client_port server_ip server_port pool opening opened_at last_at handshake_rtt_s requests "
        "responses requests_basis closer initiator close_kind close_class linger_s open_request_at_close client_state "
        "server_state protocol alpn sni host user_agent server_software conn_state history completeness "
        "roles_inferred client_packets server_packets client_bytes server_bytes client_retransmitted "
        "server_retransmitted client_out_of_order server_out_of_order client_zero_window server_zero_window "
        "client_keepalive_probes server_keepalive_probes client_gap_bytes server_gap_bytes truncated_bytes duplicates "
        "alias_of first_frame last_frame closing_frame"
    )
    assert CONNECTIONS.names[:51] == old.split()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_column_holds_its_own_field(layout: Layout) -> None:
    numbers = {column.name: 1000 + at for at, column in enumerate(layout.columns) if column.kind is Kind.NUMBER}
    words = {column.name: f"the {column.name}" for column in layout.columns if column.kind in (Kind.WORD, Kind.TEXT)}
    unjoined = dict.fromkeys(layout.joined.values())
    (row,) = read(sheets.sheet(layout, numbers | words | unjoined))
    changes = {name: value for name, value in (numbers | words).items() if name not in unjoined}
    assert len(changes) > 20
    assert {name: row[name] for name in changes} == {name: str(value) for name, value in changes.items()}


def test_formulas_and_controls_from_packets_are_only_text() -> None:
    (row,) = connections({"user_agent": '=HYPERLINK("http://x","y")', "host": "-1\x1b[2J", "sni": "@a,b\n"})
    assert row["user_agent"] == '\'=HYPERLINK("http://x","y")'
    assert row["host"] == "'-1\\x1b[2J"
    assert row["sni"] == "'@a,b\\x0a"


def test_frames_of_several_files_name_their_file() -> None:
    first, second = connections({"first_frame": FrameRef(5, "=a,1.pcap")}, {"first_frame": FrameRef(6, "b.pcap")})
    assert (first["first_frame"], second["first_frame"]) == ("'=a,1.pcap:5", "b.pcap:6")
    assert (first["first_file"], second["first_file"]) == ("'=a,1.pcap", "b.pcap")
    assert first["last_frame"] == "10"


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_no_rows_leave_the_header(layout: Layout) -> None:
    assert "".join(write(sheets.sheet(layout))) == ",".join(layout.names) + "\r\n"


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_null_is_an_empty_cell_in_every_column_that_may_be_null(layout: Layout) -> None:
    nothing = {column.name: None for column in layout.columns if column.nullable}
    # In one column of nulls, and in one of nulls and values, which take different ways.
    (lonely,) = read(sheets.sheet(layout, nothing))
    _, beside = read(sheets.sheet(layout, {}, nothing))
    for row in (lonely, beside):
        assert {name for name, cell in row.items() if not cell} == set(nothing)


def test_a_list_is_one_cell() -> None:
    (row,) = read(
        sheets.sheet(
            LAYOUTS["findings"],
            {"evidence_frames": [12, 7], "not_the_fix": ["=1", "b, c"], "measured": '{"a": "b\\u00e9"}'},
        )
    )
    assert row["evidence_frames"] == "12 | 7"
    assert row["not_the_fix"] == "'=1 | b, c"
    assert row["measured"] == '{"a": "b\\u00e9"}'


def test_negative_durations_and_old_times_keep_their_digits() -> None:
    (row,) = read(sheets.sheet(LAYOUTS["exchanges"], {"first_byte_s": -1_500_000_001, "request_at": 1, "status": None}))
    assert row["first_byte_s"] == "-1.500000001"
    assert row["request_at"] == "1970-01-01T00:00:00.000000001Z"


def test_rows_beyond_a_part_are_written_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"number": at, "host": f"h{at % 3}", "sni": None if at % 2 else "s"} for at in range(1, 12)]
    whole = connections(*rows)
    monkeypatch.setattr(rendering, "ROWS", 4)
    assert connections(*rows) == whole
    assert [row["number"] for row in whole] == [str(at) for at in range(1, 12)]
    assert [row["host"] for row in whole] == [f"h{at % 3}" for at in range(1, 12)]
    assert [row["sni"] for row in whole] == ["" if at % 2 else "s" for at in range(1, 12)]
