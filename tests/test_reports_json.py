"""The JSON contract: what programs read stays as the schema says, whatever the model does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import mock_reports as mock
import numpy as np
import pytest

from pcapdiag.model import words
from pcapdiag.model.report import Evidence, FrameRef, Report
from pcapdiag.reports import json as report_json
from pcapdiag.reports.schema import pcapdiag_1

SCHEMA = json.loads(pcapdiag_1())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
REPORTS = [mock.report, mock.new_transport_or_body, mock.healthy, mock.undecided, mock.several]


def with_rows(report: Report) -> Report:
    midstream = mock.connection(
        number=2,
        opening="midstream",
        handshake_rtt_ns=None,
        requests_basis="lower_bound",
        linger_ns=None,
        closing_frame=None,
        closer="none",
        close_kind="none",
        close_class="open",
        initiator="none",
    )
    return dataclasses.replace(report, connections=(mock.connection(), midstream))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("make", REPORTS)
def test_every_report_is_valid(make: Callable[[], Report]) -> None:
    report = with_rows(make())
    VALIDATOR.validate(json.loads(report_json.diagnosis(report)))
    VALIDATOR.validate(json.loads(report_json.diagnosis(report, with_connections=True)))


def test_the_keys_of_the_contract_are_there() -> None:
    whole = json.loads(report_json.diagnosis(with_rows(mock.report()), with_connections=True))
    assert whole["schema"] == "pcapdiag/1"
    assert set(whole) == {
        "schema",
        "version",
        "capture",
        "verdict",
        "findings",
        "pools",
        "connections",
        "not_evaluated",
    }
    assert set(whole["capture"]) == {
        "files",
        "packets",
        "tcp_segments",
        "first_at",
        "last_at",
        "linktypes",
        "quality",
    }
    pool = whole["pools"][0]
    assert pool["peak"] == {"connections": 103, "busy": 100, "idle": 2}
    assert pool["closers"] == {"client": 8398, "server": 0, "both": 0, "none": 2}
    assert pool["reuse"]["requests_per_connection"]["1"] == 7512
    assert pool["inferred"][0]["knob"] == "idle_pool_limit"
    finding = whole["findings"][0]
    assert finding["causes"][0]["cause"] == "idle-pool-too-small"
    assert finding["causes"][0]["settings"][0]["inferred"] == "2"
    assert finding["evidence"][0] == {
        "connection": 3,
        "frames": [31, 58, 61],
        "shows": "closed by the client 0.31 ms after its only response",
    }
    row = whole["connections"][0]
    assert row["opened_at"] == "2026-11-20T13:28:30.123456789Z"
    assert row["linger_s"] == 0.00031
    assert row["frames"] == {"first": 1, "last": 10, "closing": 8}
    assert row["requests_exact"] is True
    assert whole["connections"][1]["requests_exact"] is False


def test_connections_are_there_when_asked_for_and_only_then() -> None:
    assert "connections" not in json.loads(report_json.diagnosis(with_rows(mock.report())))
    assert json.loads(report_json.diagnosis(mock.report(), with_connections=True))["connections"] == []


def test_frames_of_several_files_name_their_file() -> None:
    evidence = Evidence(1, (FrameRef(5, "a.pcap"),), "x")
    report = mock.report(
        findings=(mock.finding(evidence=(evidence,)),),
        connections=(mock.connection(first_frame=FrameRef(5, "a.pcap")),),
    )
    whole = json.loads(report_json.diagnosis(report, with_connections=True))
    VALIDATOR.validate(whole)
    assert whole["findings"][0]["evidence"][0]["frames"] == [{"file": "a.pcap", "number": 5}]
    assert whole["connections"][0]["frames"]["first"] == {"file": "a.pcap", "number": 5}


def test_measured_values_are_plain_json_whatever_the_rule_computed_with() -> None:
    measured: dict[str, Any] = {
        "count": np.int64(3),
        "rate": np.float64(0.5),
        "flag": np.bool_(True),
        "linger_ns": np.int64(310_000),
        "nan": float("nan"),
        "list": [np.int32(1), 2],
        "nested": {"1": 7, "age_ns": 2_000_000_000},
        "none": None,
        "text": "a",
    }
    whole = json.loads(report_json.diagnosis(mock.report(findings=(mock.finding(measured=measured),))))
    VALIDATOR.validate(whole)
    assert whole["findings"][0]["measured"] == {
        "count": 3,
        "rate": 0.5,
        "flag": True,
        "linger_s": 0.00031,
        "nan": None,
        "list": [1, 2],
        "nested": {"1": 7, "age_s": 2.0},
        "none": None,
        "text": "a",
    }


def test_hostile_text_is_carried_whole_and_nothing_raw_is_printed() -> None:
    report = mock.report(connections=(mock.poisoned(mock.connection()),))
    printed = report_json.diagnosis(report, with_connections=True)
    assert printed.isascii()
    assert printed.replace("\n", "").isprintable()
    agent = json.loads(printed)["connections"][0]["user_agent"]
    assert agent == "Go-http-client/1.1\x1b[2J\x9b31m\u202e\x7f\\x9b\r\n=1+1\\"


def objects(schema: Any) -> list[dict[str, Any]]:
    found = []
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            found.append(schema)
        for value in schema.values():
            found += objects(value)
    elif isinstance(schema, list):
        for value in schema:
            found += objects(value)
    return found


def test_no_object_of_the_schema_is_open() -> None:
    for entry in objects(SCHEMA):
        if "properties" in entry:
            assert entry["additionalProperties"] is False
            assert set(entry["required"]) - {"connections"} == set(entry["properties"]) - {"connections"}
        else:
            assert isinstance(entry["additionalProperties"], dict)  # a map: its values have a type


@pytest.mark.parametrize(
    ("name", "vocabulary"),
    [
        ("knob", [str(knob) for knob in words.Knob]),
        ("tcp_state", [state.word for state in words.TcpState]),
        ("protocol", [protocol.word for protocol in words.Protocol]),
        ("requests_basis", [count.word for count in words.Count]),
    ],
)
def test_the_schema_knows_the_words_of_the_model(name: str, vocabulary: list[str]) -> None:
    assert SCHEMA["$defs"][name]["enum"] == vocabulary


def test_the_schema_knows_every_cause_and_close() -> None:
    assert SCHEMA["$defs"]["cause"]["properties"]["cause"]["enum"] == [str(cause) for cause in words.Cause]
    row = SCHEMA["$defs"]["connection"]["properties"]
    assert row["close_class"]["enum"] == [kind.word for kind in words.CloseClass]
    assert row["conn_state"]["enum"] == [state.word for state in words.ConnState]
    assert row["opening"]["enum"] == [opening.word for opening in words.Opening]
