"""A report that was kept as JSON is as good as its capture; what is no report is said in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mock_reports as mock
import pytest
from analyses import NAMES, path_of, report_of

from pcapdiag.comparing import compare, saved
from pcapdiag.errors import CaptureError
from pcapdiag.model.report import Report
from pcapdiag.reports import json as report_json
from pcapdiag.reports import json_comparison


def kept(report: Report, folder: Path) -> str:
    path = folder / "kept.json"
    path.write_text(report_json.diagnosis(report), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_pools_and_findings_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    report = report_of(name)
    back = saved.read(kept(report, tmp_path))
    assert json.loads(report_json.diagnosis(back))["pools"] == json.loads(report_json.diagnosis(report))["pools"]
    assert back.capture == replace(report.capture, compiled=True)
    assert back.verdict == report.verdict
    assert back.connection_count == report.connection_count
    assert back.not_evaluated == report.not_evaluated
    assert [(one.code, one.severity, one.pools, one.causes[0].cause) for one in back.findings] == [
        (one.code, one.severity, one.pools, one.causes[0].cause) for one in report.findings
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("go-ab-new-client", "go-ab-per-host-1000"),
        ("nginx-idle-timeout-2s", "go-nginx-healthy"),
        ("requests-four-services", "raw-200-services"),
        ("go-both-legs", "go-both-legs-healthy"),
    ],
)
def test_a_comparison_is_the_same_from_reports_as_from_captures(before: str, after: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old, new = kept(report_of(before), tmp_path / "a"), kept(report_of(after), tmp_path / "b")
    made = json_comparison.comparison(compare(report_of(before), report_of(after)))
    assert json_comparison.comparison(compare(old, new)) == made
    assert json_comparison.comparison(compare(old, str(path_of(after)))) == made.replace(
        str(report_of(after).capture.files[0]), str(path_of(after))
    )


def test_a_report_is_known_by_its_first_byte(tmp_path: Path) -> None:
    assert saved.is_report(kept(mock.report(), tmp_path))
    assert not saved.is_report(str(path_of("go-new-transport")))
    assert not saved.is_report(str(tmp_path / "nothing there"))
    empty = tmp_path / "empty"
    empty.touch()
    assert not saved.is_report(str(empty))


def test_a_pipe_is_left_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not saved.is_report(str(pipe))  # and does not wait for somebody to write


def without(*keys: str | int) -> Callable[[Any], None]:
    def change(whole: Any) -> None:
        for key in keys[:-1]:
            whole = whole[key]
        del whole[keys[-1]]

    return change


def with_value(value: Any, *keys: str | int) -> Callable[[Any], None]:
    def change(whole: Any) -> None:
        for key in keys[:-1]:
            whole = whole[key]
        whole[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("schema"), "JSON without a schema"),
        (with_value("pcapdiag/2", "schema"), "the schema 'pcapdiag/2'"),
        (with_value("pcapdiag-compare/1", "schema"), "the schema 'pcapdiag-compare/1'"),
        (without("pools"), "nothing at pools"),
        (with_value({}, "pools"), "dict at pools; expected a list"),
        (without("pools", 0, "time_wait_closes"), r"nothing at pools\[0\].time_wait_closes"),
        (with_value(-1, "pools", 0, "opens"), r"int at pools\[0\].opens; expected a number from 0 on"),
        (with_value(True, "pools", 0, "opens"), r"bool at pools\[0\].opens"),
        (with_value("some", "pools", 0, "requests_basis"), "expected exact, lower_bound or turns"),
        (with_value({"x": 1}, "pools", 0, "reuse", "requests_per_connection"), "numbers of requests as keys"),
        (with_value("dire", "findings", 0, "severity"), r"findings\[0\].severity; expected one of info, low"),
        (with_value("yesterday", "capture", "first_at"), "str at capture.first_at; expected a time as"),
        (with_value("x" * 5, "pools", 0, "duration_s"), "expected a number"),
        (with_value(None, "verdict"), "nothing at verdict"),
    ],
)
def test_what_is_no_report_is_said_with_its_place(change: Callable[[Any], None], said: str, tmp_path: Path) -> None:
    whole = json.loads(report_json.diagnosis(mock.report()))
    change(whole)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(CaptureError, match=said) as caught:
        saved.read(str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", '{"schema": ', "{}}", '{"a": NaN}x', "{" * 100_000, '{"a":' * 50_000])
def test_damaged_json_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CaptureError) as caught:
        saved.read(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e400, 10**400])
def test_a_number_that_is_none_is_refused(value: float, tmp_path: Path) -> None:
    whole = json.loads(report_json.diagnosis(mock.report()))
    whole["pools"][0]["duration_s"] = value
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(CaptureError):
        saved.read(str(path))


def test_every_part_may_be_missing_or_of_another_kind(tmp_path: Path) -> None:
    """Whatever is wrong with a file, the answer is a report or a CaptureError."""
    whole = json.loads(report_json.diagnosis(report_of("go-ab-new-client")))
    path = tmp_path / "bad.json"

    def places(value: Any, *at: str | int) -> list[tuple[str | int, ...]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
        return [at, *(place for key, item in inner for place in places(item, *at, key))]

    refused = 0
    for place in places(whole)[1:]:
        for value in (None, "x", -3, [], {}, [{}], {"x": {}}):
            text = json.dumps(whole)
            broken = json.loads(text)
            with_value(value, *place)(broken)
            path.write_text(json.dumps(broken), encoding="utf-8")
            try:
                compare(saved.read(str(path)), report_of("go-ab-per-host-10"))
            except CaptureError:
                refused += 1
    assert refused > 500
