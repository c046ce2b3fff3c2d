"""The report as a document: complete, readable as text, and nothing in it that packets could write."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import mock_reports as mock
import pytest
from analyses import NAMES, report_of
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pcapdiag.model.cover import Cover
from pcapdiag.model.figures import Figures, Ladder, Rung
from pcapdiag.model.report import Endpoint, FrameRef, Report
from pcapdiag.model.words import Severity
from pcapdiag.reports import markdown
from pcapdiag.reports.escape import markdown as safe
from pcapdiag.reports.escape import markdown_code, visible
from pcapdiag.reports.markdown_page import Document

any_text = st.text(st.characters(codec=None, categories=None))
HTML_OF_OURS = {"<!-- -->", "<details>", "</details>"}
KINDS_OF_TEXT = ("text", "text_special", "html_inline")
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details><b>",
    "[x](http://evil)",
    "[x]: http://evil",
    "![x](http://evil/y.png)",
    "<http://evil>",
    "http://evil.example/x",
    "www.evil.example",
    "a|b",
    "`x`",
    "```",
    "~~~",
    "**b** __c__ ~~d~~ *e* _f_",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "---",
    "===",
    "&lt;b&gt; &#60;",
    "\\",
    "a\\|b",
    "    code",
    "x\n\n# y",
    "$x$",
]


def parser() -> MarkdownIt:
    """What GitHub adds to CommonMark, as far as the library has it."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def flat(tokens: list[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *flat(token.children or []))]


def shown(page: str) -> str:
    """What a reader sees."""
    tokens = flat(parser().parse(page))
    return "\n".join(
        unescape(one.content) for one in tokens if one.type in ("text", "code_inline", "fence", "text_special")
    )


def report_with_ladders() -> Report:
    whole = mock.several()
    number = whole.findings[0].evidence[0].connection
    rungs = tuple(
        Rung(mock.FIRST_AT + at * 1_000_000, side, (FrameRef(at + 1),), flags, 0, 0, length, text, notes, cited)
        for at, (side, flags, length, text, notes, cited) in enumerate(
            [
                ("client", "S", 0, "SYN", (), False),
                ("server", "S.", 0, "SYN, ACK", (), False),
                ("client", "P.", 120, "GET /```</details> HTTP/1.1", (), True),
                ("server", "F.", 0, "FIN", ("closes first",), True),
            ]
        )
    )
    one = Ladder(number, Endpoint("10.9.0.1", 40000), Endpoint("10.9.0.2", 8081), "p1", rungs, 7, ())
    return replace(whole, figures=Figures((), 1, (), (), (one,)))


def test_the_document_answers_in_the_order_of_the_readers_questions() -> None:
    page = markdown.diagnosis(mock.several(), Cover(command="pcapdiag diagnose a.pcap b.pcap", made_at=mock.FIRST_AT))
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings == [
        "What to change",
        "The proof",
        "Pools",
        "Settings read from the packets",
        "Who closed first, and why",
        "At the end, as netstat would show it",
        "Also seen, no fault",
        "Not evaluated",
        "Capture",
        "How to reproduce",
    ]
    assert page.startswith("# What these TCP connections show\n\n**Problem:** ")
    assert "```sh\npcapdiag diagnose a.pcap b.pcap\n```" in page
    assert "2026-11-20 13:28:30.123 UTC. What a rule claims" in page


@pytest.mark.parametrize("name", NAMES)
def test_it_says_all_that_the_report_found(name: str) -> None:
    report = report_of(name)
    text = shown(markdown.diagnosis(report)).replace("\n", "")
    for finding in report.findings:
        assert visible(finding.title).replace("\\\\", "\\") in text
        if finding.severity is Severity.INFO:
            continue
        assert re.sub(r"\s+", " ", finding.claim).strip() in text
        for claim in finding.causes:
            assert all(one.name in text for one in claim.settings if one.recognised)
            assert all(one.why in text for one in claim.no_setting)
        assert all(proof.shows in text for proof in finding.evidence[: markdown.EVIDENCE_SHOWN])
        assert all(wrong in text for wrong in finding.not_the_fix)
    assert all(entry.code in text for entry in report.not_evaluated)
    assert all(line in text for line in report.capture.quality.damage)


@pytest.mark.parametrize("name", NAMES)
def test_every_table_has_a_cell_in_every_column(name: str) -> None:
    page = markdown.diagnosis(report_of(name))
    rows = [line for line in page.splitlines() if line.startswith("|")]
    tokens = parser().parse(page)
    cells = sum(token.type in ("th_open", "td_open") for token in tokens)
    rules = [line for line in rows if re.fullmatch(r"\|[-:|]+", line)]
    assert cells == sum(len(re.findall(r"(?<!\\)\|", line)) - 1 for line in rows if line not in rules)
    assert sum(token.type == "table_open" for token in tokens) == len(rules)


def test_the_first_snippet_is_there_to_copy() -> None:
    page = markdown.diagnosis(mock.report())
    fences = [token for token in parser().parse(page) if token.type == "fence"]
    assert fences[0].info == "go"
    assert fences[0].content == mock.IDLE_PER_HOST.snippet


def test_wireshark_filters_are_code() -> None:
    code = [
        one.content for one in flat(parser().parse(markdown.diagnosis(mock.several()))) if one.type == "code_inline"
    ]
    assert any(re.fullmatch(r"frame\.number (==|in) .*", one) for one in code)


def test_a_ladder_of_the_first_proof_is_folded_away() -> None:
    page = markdown.diagnosis(report_with_ladders())
    fold = page[page.index("<details>") : page.index("</details>\n")]
    assert "<summary>Connection" in fold
    assert "|- GET /```</details> HTTP/1.1 --" in shown(page)
    assert "(7 packets left out in the middle)" in fold
    assert "closes first" in fold


def test_without_ladders_it_says_why() -> None:
    whole = replace(mock.several(), figures=Figures((), 1, (), (), (), ladders_left_out="standard input is read once"))
    assert "packet by packet: standard input is read once." in markdown.diagnosis(whole)


def test_the_authors_title_is_text_and_the_note_is_markdown() -> None:
    page = markdown.diagnosis(mock.report(), Cover(title="Checkout *failed*", note="- at **noon**\n- again\n"))
    tokens = flat(parser().parse(page))
    assert page.startswith("# Checkout \\*failed\\*\n")
    assert "\n\n- at **noon**\n- again\n\n## What to change" in page
    assert any(token.type == "strong_open" for token in tokens)


def test_hostile_text_anywhere_in_the_report_never_acts() -> None:
    for verbose in (False, True):
        page = markdown.diagnosis(mock.poisoned(report_with_ladders()), verbose=verbose)
        assert not set(page) & set("\x1b\x9b\u202e\x7f\r\udc9b")


def structure(text: str) -> list[str]:
    """The elements of a report in which packets wrote this text wherever they can."""
    whole = mock.several()
    name = f"{text} {text}"
    pools = tuple(replace(pool, host=name, user_agent=name, server_software=name) for pool in whole.pools)
    findings = tuple(
        replace(finding, title=f"{text} asks {text}", claim=text, measured={"host": text, text: 1})
        for finding in whole.findings
    )
    capture = replace(whole.capture, files=(text, name), quality=replace(whole.capture.quality, damage=(text,)))
    page = markdown.diagnosis(replace(whole, pools=pools, findings=findings, capture=capture), verbose=True)
    assert "http://" not in re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    assert "www." not in page
    return [token.type for token in flat(parser().parse(page)) if token.type not in KINDS_OF_TEXT]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_packets_is_markup(attack: str) -> None:
    assert structure(attack) == structure("words")


@settings(deadline=None)
@given(any_text)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    tokens = flat(parser().parse(f"x {safe(text)} x"))
    assert {one.content for one in tokens if one.type == "html_inline"} <= HTML_OF_OURS
    kinds = {token.type for token in tokens} - {*KINDS_OF_TEXT, "paragraph_open", "inline", "paragraph_close"}
    assert not kinds
    seen = "".join(one.content for one in tokens if one.type == "text")
    assert re.sub(" +", " ", seen) == re.sub(" +", " ", f"x {visible(text)} x".replace("\\\\", "\\"))


@settings(deadline=None)
@given(any_text)
def test_any_text_is_shown_as_code(text: str) -> None:
    span = markdown_code(text)
    tokens = flat(parser().parse(f"x{span}x"))
    expected = visible(text).replace("\\\\", "\\")
    if not span:
        assert not expected.strip()
        return
    assert [one.content for one in tokens if one.type == "code_inline"] == [expected]


@given(any_text, any_text)
def test_any_texts_are_two_cells_of_a_table(one: str, other: str) -> None:
    out = Document()
    out.table([one, "b"], [[other, 1]])
    tokens = parser().parse(out.text())
    assert [token.type for token in tokens if token.type in ("th_open", "td_open")] == ["th_open"] * 2 + ["td_open"] * 2


@pytest.mark.parametrize("name", NAMES[::20])
def test_the_source_reads_as_plain_text(name: str) -> None:
    page = markdown.diagnosis(report_of(name))
    outside = re.sub(r"```.*?```|`[^`]*`", "", page, flags=re.DOTALL)
    assert len(re.findall(r"\\", outside)) < 12
    assert "&" not in outside.replace(" & ", "")
