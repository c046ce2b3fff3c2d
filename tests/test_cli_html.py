"""``--format html`` from the command line, on real captures."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from analyses import path_of

from pcapdiag.cli import main

BEFORE, AFTER = str(path_of("go-ab-new-client")), str(path_of("go-ab-per-host-1000"))


def charts(page: str) -> dict[str, object]:
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert held is not None
    found: dict[str, object] = json.loads(held[1])["charts"]
    return found


def test_a_page_goes_to_a_file_or_into_a_pipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert main(["diagnose", "--format", "html", "-o", str(out), BEFORE]) == 0
    assert capsys.readouterr().out == ""
    assert main(["diagnose", "--format", "html", BEFORE]) == 0
    piped = capsys.readouterr().out
    for page in (out.read_text(encoding="utf-8"), piped):
        assert page.startswith("<!doctype html>")
        assert page.rstrip().endswith("</html>")


@pytest.mark.parametrize("command", [["diagnose"], ["compare", BEFORE]])
def test_a_page_does_not_go_to_a_terminal(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main([*command, "--format", "html", AFTER]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "give a file, as -o report.html" in line


def test_a_page_has_all_charts_and_the_packets_of_its_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--format", "html", BEFORE]) == 0
    page = capsys.readouterr().out
    assert set(charts(page)) == {
        "timeline", "states", "levels-p1", "requests-p1", "closes-p1", "silences-p1", "first-byte-p1",
    }  # fmt: skip
    cited = set(re.findall(r'data-connection="(\d+)"', page))
    assert cited
    assert cited == set(re.findall(r'<details class="ladder" id="ladder-(\d+)"', page))
    assert "client idle capacity 2" in page


def test_the_authors_words_and_the_command_are_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--title", "Checkout <b>", "--note", "Since noon.", "--port", "8081"]
    assert main(["diagnose", "--format", "html", *words, BEFORE]) == 0
    page = capsys.readouterr().out
    assert "<h1>Checkout &lt;b&gt;</h1>" in page
    assert '<p class="authors">Since noon.</p>' in page
    assert f"pcapdiag diagnose --port 8081 {BEFORE}" in page


def test_a_redacted_page_names_no_address_of_the_capture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--redact", "--format", "html", BEFORE]) == 0
    page = capsys.readouterr().out
    assert "192.0.2.1" in page
    assert "10.71.13." not in page
    assert "new-client" not in page


def test_a_comparison_is_a_page_in_the_same_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--format", "html", "--title", "Tuesday", BEFORE, AFTER]) == 0
    page = capsys.readouterr().out
    assert "<h1>Tuesday</h1>" in page
    assert "PD205 idle-pool-too-small" in page
    assert re.search(r"handshakes, per 1,000 requests</th><td class=\"n\">603</td>", page)
    assert "✓</span> better" in page
    assert "Content-Security-Policy" in page


def test_a_title_has_no_place_in_a_comparison_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--title", "x", BEFORE, AFTER]) == 2
    assert "--format text has no place for them" in capsys.readouterr().err
