"""Tables as JSON, a row per line."""

from __future__ import annotations

import json

import jsonschema
import mock_reports as mock
import pytest
import sheets
from analyses import NAMES, report_of
from sheets import capture_of

from pcapdiag.interchange.columns import Layout
from pcapdiag.interchange.findings import findings
from pcapdiag.interchange.layouts import LAYOUTS
from pcapdiag.interchange.ndjson import document, ndjson
from pcapdiag.interchange.sheet import Sheet
from pcapdiag.model.report import FrameRef
from pcapdiag.reports import json as report_json
from pcapdiag.reports.schema import pcapdiag_1

SCHEMA = json.loads(pcapdiag_1())


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


ROW = {"connections": validator("connection"), "exchanges": validator("exchange"), "findings": validator("finding_row")}


def lines(sheet: Sheet) -> list[str]:
    text = "".join(ndjson(sheet))
    assert text == "" or text.endswith("\n")
    return text.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_a_connection_is_the_same_line_as_in_the_json_report(name: str) -> None:
    """Two ways to the same bytes: by columns here, by rows in a diagnosis with --with-connections."""
    rows = [report_json.json_dumps(report_json.connection(row)) for row in report_of(name).connections]
    assert lines(capture_of(name).connections) == rows


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_every_table_keeps_the_schema(name: str) -> None:
    tables = {"exchanges": capture_of(name).exchanges, "findings": findings(report_of(name))}
    for table, sheet in tables.items():
        for line in lines(sheet):
            ROW[table].validate(json.loads(line))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_null_is_null_and_the_schema_allows_it_where_the_column_does(layout: Layout) -> None:
    nothing = {column.name: None for column in layout.columns if column.nullable}
    (line,) = lines(sheets.sheet(layout, nothing))
    ROW[layout.name].validate(json.loads(line))
    if layout.name != "connections":  # nested
        assert {name for name, value in json.loads(line).items() if value is None} == set(nothing)


def test_hostile_text_is_carried_whole_and_nothing_raw_is_printed() -> None:
    agent = "\x1b[2J\x9b31m\u202e\x7f\r\n%s {} \\"
    (line,) = lines(sheets.connections({"user_agent": agent}))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["user_agent"] == agent


def test_frames_of_several_files_name_their_file() -> None:
    first, second = (
        json.loads(line) for line in lines(sheets.connections({"first_frame": FrameRef(5, 'a".pcap')}, {}))
    )
    assert first["frames"] == {"first": {"file": 'a".pcap', "number": 5}, "last": 10, "closing": 8}
    assert second["frames"]["first"] == 1


def test_a_document_has_a_head_and_a_row_per_line() -> None:
    head = report_json.head(mock.report().capture)
    for sheet in (sheets.connections({}, {"number": 2}), sheets.sheet(LAYOUTS["exchanges"], {}, {}, {})):
        text = "".join(document(head, sheet))
        whole = json.loads(text)
        jsonschema.Draft202012Validator(SCHEMA).validate(whole)
        assert text.count("\n") == len(sheet) + 2
        assert whole["schema"] == "pcapdiag/1"
        assert len(whole[sheet.layout.name]) == len(sheet)


def test_a_document_without_rows_is_whole_too() -> None:
    text = "".join(document(report_json.head(mock.report().capture), sheets.connections()))
    assert json.loads(text)["connections"] == []
