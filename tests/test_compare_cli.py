"""``pcapdiag compare``: what it takes, prints and exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from analyses import path_of

from pcapdiag.cli import main

BEFORE, AFTER = str(path_of("go-ab-new-client")), str(path_of("go-ab-per-host-1000"))


def test_it_prints_text_and_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BEFORE, BEFORE]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("NOT FIXED: idle-pool-too-small is still there")
    assert printed.err == ""


@pytest.mark.parametrize(
    ("files", "options", "code", "reason"),
    [
        ((BEFORE, AFTER), ["--fail-on", "untested"], 0, ""),
        ((BEFORE, BEFORE), ["--fail-on", "still"], 1, "PD205 idle-pool-too-small is still there"),
        ((BEFORE, BEFORE), ["--fail-on", "worse"], 0, ""),
        ((AFTER, BEFORE), ["--fail-on", "new"], 1, "PD205 idle-pool-too-small is new"),
        ((BEFORE, AFTER), ["--expect-gone", "pd205"], 0, ""),
        ((BEFORE, AFTER), ["--expect-gone", "idle-pool-too-small"], 0, ""),
        ((BEFORE, BEFORE), ["--expect-gone", "PD205"], 1, "PD205 is still there"),
        (
            (BEFORE, AFTER),
            ["--expect-gone", "PD205", "--expect-gone", "PD201"],
            1,
            "PD201 was not found in BEFORE, so it cannot be gone",
        ),
    ],
)
def test_the_exit_code_is_what_was_asked_for(
    files: tuple[str, str], options: list[str], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *files, *options]) == code
    assert capsys.readouterr().err == (f"pcapdiag: fails: {reason}\n" if reason else "")


def test_it_prints_json_and_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--format", "json", BEFORE, AFTER]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "fixed"
    assert main(["compare", "--format", "markdown", BEFORE, AFTER]) == 0
    assert capsys.readouterr().out.startswith("**FIXED**: idle-pool-too-small is gone")


def test_a_report_takes_the_place_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = str(tmp_path / "yesterday.json")
    assert main(["diagnose", "--format", "json", "-o", kept, BEFORE]) == 0
    assert main(["compare", kept, AFTER]) == 0
    assert capsys.readouterr().out.startswith("FIXED: ")
    assert main(["compare", kept, AFTER, "--port", "8081"]) == 2
    assert "cannot be filtered any more; give --port to diagnose" in capsys.readouterr().err


def test_filters_are_for_both_captures(capsys: pytest.CaptureFixture[str]) -> None:
    both = [str(path_of("go-both-legs")), str(path_of("go-both-legs-healthy"))]
    assert main(["compare", *both, "--port", "8081", "--format", "json"]) == 0
    (service,) = json.loads(capsys.readouterr().out)["services"]
    assert service["before"][0]["port"] == 8081


def test_services_are_matched_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    both = [str(path_of("go-both-legs")), AFTER]
    assert main(["compare", *both, "--match", "10.71.20.1:8080=10.71.19.2:8081", "--format", "json"]) == 0
    (service,) = json.loads(capsys.readouterr().out)["services"]
    assert service["matched_by"] == "--match"
    assert service["before"] == [{"ip": "10.71.20.1", "port": 8080}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([BEFORE], "Missing argument 'AFTER'"),
        ([BEFORE, "nothing-there.pcap"], "nothing-there.pcap"),
        ([BEFORE, AFTER, "--match", "10.0.0.1"], "expected OLD=NEW, as 10.0.0.7:8081=10.0.9.3:8081"),
        (
            [BEFORE, AFTER, "--match", "10.0.0.1:1=10.71.19.2:8081"],
            "BEFORE has no such service; it has 10.71.13.2:8081",
        ),
        ([BEFORE, AFTER, "--expect-gone", "PD999"], "no rule 'PD999'; did you mean"),
        (["-", "-"], "standard input can be read only once"),
        ([BEFORE, AFTER, "-o", AFTER], "would overwrite the capture"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_json_that_is_no_report_is_one_line_and_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"schema": "other/1"}', encoding="utf-8")
    assert main(["compare", str(path), AFTER]) == 2
    assert "JSON of the schema 'other/1'; expected pcapdiag/1" in capsys.readouterr().err
