"""Connections for a spreadsheet."""

from __future__ import annotations

import csv
import io

import mock_reports as mock

from pcapdiag.model.report import FrameRef
from pcapdiag.reports import csv as report_csv


def read(*rows: dict[str, object]) -> list[dict[str, str]]:
    report = mock.report(connections=tuple(mock.connection(**changes) for changes in rows))
    return list(csv.DictReader(io.StringIO("".join(report_csv.connections(report)), newline="")))


def test_the_columns_are_the_documented_ones_and_each_row_fills_them() -> None:
    (row,) = read({})
    assert list(row) == list(report_csv.COLUMNS)
    assert None not in row.values()
    assert row["client_ip"] == "10.9.0.1"
    assert row["opened_at"] == "2026-11-20T13:28:30.123456789Z"
    assert row["linger_s"] == "0.000310000"
    assert row["open_request_at_close"] == "false"
    assert row["sni"] == ""
    assert row["closing_frame"] == "8"


def test_every_column_holds_its_own_field() -> None:
    plain = mock.connection()
    numbers = [name for name in report_csv.COLUMNS if type(getattr(plain, name, None)) is int]
    words = [name for name in report_csv.COLUMNS if isinstance(getattr(plain, name, ""), str | None)]
    words = [name for name in words if hasattr(plain, name)]
    times = ("opened_at", "last_at")
    changes = {name: 1000 + at for at, name in enumerate(numbers) if name not in times}
    changes |= {name: f"the {name}" for name in words}
    (row,) = read(changes)
    assert len(changes) == 38
    assert {name: row[name] for name in changes} == {name: str(value) for name, value in changes.items()}


def test_formulas_and_controls_from_packets_are_only_text() -> None:
    (row,) = read({"user_agent": '=HYPERLINK("http://x","y")', "host": "-1\x1b[2J", "sni": "@a,b\n"})
    assert row["user_agent"] == '\'=HYPERLINK("http://x","y")'
    assert row["host"] == "'-1\\x1b[2J"
    assert row["sni"] == "'@a,b\\x0a"


def test_frames_of_several_files_name_their_file() -> None:
    (row,) = read({"first_frame": FrameRef(5, "a.pcap")})
    assert row["first_frame"] == "a.pcap:5"


def test_no_connections_leave_the_header() -> None:
    assert read() == []
    assert "".join(report_csv.connections(mock.report())).startswith("number,client_ip,")
