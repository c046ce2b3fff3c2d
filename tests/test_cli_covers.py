"""``--title`` and ``--note``, and the command that makes a report again."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from analyses import path_of

from pcapdiag.cli import main

CAPTURE = str(path_of("go-ab-per-host-50"))


def page(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["diagnose", "--format", "markdown", *words, CAPTURE]) == 0
    return capsys.readouterr().out


def test_the_authors_words_open_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    text = page(capsys, "--title", "Checkout, Friday", "--note", "All *day*.")
    assert text.startswith("# Checkout, Friday\n\n**Problem:** ")
    assert text.index("All *day*.") < text.index("## What to change")


def test_a_note_may_be_in_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    note.write_text("\ufeff1. it broke\n2. café\n", encoding="utf-8")
    assert "\n\n1. it broke\n2. café\n\n" in page(capsys, "--note", f"@{note}")


@pytest.mark.parametrize(
    ("held", "complaint"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe\x00", "byte 0 is no UTF-8; expected a text"),
        (b"x" * 1_000_001, "longer than 1,000,000 bytes"),
    ],
)
def test_a_note_that_cannot_be_read_is_one_line(
    held: bytes | None, complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    note = tmp_path / "note.md"
    if held is not None:
        note.write_bytes(held)
    assert main(["diagnose", "--format", "markdown", "--note", f"@{note}", CAPTURE]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize("option", ["--title", "--note"])
def test_other_formats_have_no_place_for_them(format_: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--format", format_, option, "x", CAPTURE]) == 2
    assert f"--format {format_} has no place for them" in capsys.readouterr().err


def test_the_command_makes_the_same_report_again(capsys: pytest.CaptureFixture[str]) -> None:
    filters = [
        "--server",
        "10.71.18.2:8081",
        "--client",
        "go-net-http",
        "--since",
        "+0.01",
        "--until",
        "2026-11-20T15:00:00Z",
    ]
    text = page(capsys, *filters)
    (line,) = [line for line in text.splitlines() if line.startswith("pcapdiag diagnose")]
    words = shlex.split(line)[1:]
    assert main([*words, "--format", "json"]) == 0
    again = capsys.readouterr().out
    assert main(["diagnose", "--format", "json", *filters, CAPTURE]) == 0
    assert capsys.readouterr().out == again


def test_a_file_that_looks_like_an_option_is_still_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x y.pcap").write_bytes(Path(CAPTURE).read_bytes())
    assert main(["diagnose", "--format", "markdown", "--", "-x y.pcap"]) == 0
    assert "pcapdiag diagnose -- '-x y.pcap'" in capsys.readouterr().out


def test_the_document_goes_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    assert page(capsys, "-o", str(target)) == ""
    assert target.read_text(encoding="utf-8").startswith("# What these TCP connections show\n")


@pytest.mark.parametrize("options", [[], ["--redact"]])
def test_standard_input_is_called_that_though_it_is_kept_in_a_file(options: list[str]) -> None:
    cut = Path(CAPTURE).read_bytes()[:-7]
    run = subprocess.run(
        [sys.executable, "-m", "pcapdiag", "diagnose", "--format", "markdown", *options, "-"],
        input=cut,
        capture_output=True,
        check=True,
    )
    text = run.stdout.decode()
    assert "**The capture is damaged:** standard input ends inside a record" in text
    assert tempfile.gettempdir() not in text
    assert "\npcapdiag diagnose -\n" in text
