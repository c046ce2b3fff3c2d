"""The comparison as text, Markdown and JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import Any

import jsonschema
import mock_reports as mock
import pytest
from analyses import report_of

from pcapdiag.comparing import compare
from pcapdiag.model import words
from pcapdiag.model.comparison import Comparison
from pcapdiag.model.report import Endpoint
from pcapdiag.reports import json_comparison, markdown_comparison, measures, text_comparison
from pcapdiag.reports.schema import compare_1

SCHEMA = json.loads(compare_1())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PAIRS = [
    ("go-ab-new-client", "go-ab-per-host-1000"),
    ("go-ab-per-host-1000", "go-ab-new-client"),
    ("go-ab-new-client", "go-ab-per-host-10"),
    ("go-ab-new-client", "go-6-workers-paced"),
    ("raw-200-services", "requests-four-services"),
    ("requests-four-services", "raw-200-services"),
    ("go-nginx-tls-pool-2", "go-nginx-tls-healthy"),
    ("backlog-overflow", "requests-server-45ms"),
    ("go-nginx-healthy", "go-nginx-healthy"),
    ("httpx-nagle-two-writes-at-server", "requests-nagle-two-writes"),
]


@cache
def compared(before: str, after: str) -> Comparison:
    return compare(report_of(before), report_of(after))


def hostile() -> Comparison:
    """Every text that comes from packets or files acts up."""
    pool = mock.pool(
        host=mock.HOSTILE,
        user_agent=mock.HOSTILE,
        client_library=None,
        server_software=mock.HOSTILE,
    )
    other = replace(pool, server=Endpoint("10.9.0.3", 1), id="p2", server_software=mock.HOSTILE + "2")
    capture = replace(mock.report().capture, files=(mock.HOSTILE,))
    finding = mock.finding(title=mock.HOSTILE)
    before = mock.report(capture=capture, pools=(pool, other), findings=(finding,))
    after = mock.report(capture=capture, pools=(replace(pool, server_software=mock.HOSTILE + "3"),), findings=())
    return compare(before, after)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_every_comparison_is_valid_json(before: str, after: str) -> None:
    VALIDATOR.validate(json.loads(json_comparison.comparison(compared(before, after))))


def test_the_schema_has_the_words() -> None:
    finding = SCHEMA["$defs"]["finding"]["properties"]
    assert set(SCHEMA["properties"]["outcome"]["enum"]) == set(words.Outcome)
    assert set(finding["fate"]["enum"]) == set(words.FindingFate)
    assert set(finding["change"]["enum"]) == {*words.Change, None}


def test_the_keys_of_the_contract_are_there() -> None:
    whole: Any = json.loads(json_comparison.comparison(compared("go-ab-new-client", "go-ab-per-host-1000")))
    assert (whole["schema"], whole["outcome"]) == ("pcapdiag-compare/1", "fixed")
    (finding,) = whole["findings"]
    assert (finding["code"], finding["fate"], finding["tested"], finding["after"]) == ("PD205", "gone", True, None)
    assert finding["symptom"]["name"] == "avoidable_handshakes_per_1000_requests"
    (service,) = whole["services"]
    use = {metric["name"]: metric for metric in service["use"]}
    assert use["first_byte_median_s"]["before"] == pytest.approx(0.0061, abs=1e-4)
    assert use["requests_per_connection"]["change"] == "better"
    assert {metric["change"] for metric in service["load"]} == {None}


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_no_line_is_wider_than_the_page(before: str, after: str, width: int) -> None:
    page = text_comparison.comparison(compared(before, after), width=width, verbose=True)
    assert [line for line in page.splitlines() if len(line) > width] == []


def test_the_answer_is_the_first_line() -> None:
    for pair, word in (
        (PAIRS[0], "FIXED: "),
        (PAIRS[1], "WORSE: "),
        (PAIRS[2], "IMPROVED, NOT FIXED: "),
        (PAIRS[3], "NOT PUT TO THE TEST: "),
        (PAIRS[7], "NOT COMPARABLE: "),
        (PAIRS[8], "NO FINDINGS: "),
    ):
        assert text_comparison.comparison(compared(*pair)).startswith(word)
        assert markdown_comparison.comparison(compared(*pair)).startswith(f"**{word.rstrip(': ')}**: ")


def test_every_word_has_a_heading() -> None:
    assert set(text_comparison.WORDS) == set(words.Outcome)
    assert set(text_comparison.FATES) == set(words.FindingFate)
    assert set(text_comparison.CHANGES) == set(words.Change)


def test_color_adds_nothing_but_color() -> None:
    plain = text_comparison.comparison(compared(*PAIRS[0]))
    colored = text_comparison.comparison(compared(*PAIRS[0]), color=True)
    assert "\x1b[1;32mFIXED" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain


def test_many_services_are_cut_short_and_shown_when_asked_for() -> None:
    result = compared("raw-200-services", "raw-200-services")
    short = text_comparison.comparison(result)
    assert short.count("\nSERVICE ") == text_comparison.SERVICES_SHOWN
    assert "more services (-v shows all)" in short
    assert text_comparison.comparison(result, verbose=True).count("\nSERVICE ") == len(result.services)


def test_what_one_capture_has_alone_is_listed() -> None:
    page = text_comparison.comparison(compared("raw-200-services", "requests-four-services"))
    assert "\nONLY IN BEFORE\n" in page
    assert "and 191 more" in page


def test_a_caveat_that_a_finding_gives_as_its_reason_is_not_said_twice() -> None:
    page = text_comparison.comparison(compared("go-ab-new-client", "go-6-workers-paced"))
    assert page.count("2 requests in flight") == 2  # the summary and the finding; not the service


def test_hostile_text_acts_nowhere() -> None:
    result = hostile()
    for page in (text_comparison.comparison(result, verbose=True), markdown_comparison.comparison(result)):
        assert not set(page) & set("\x1b\x9b\u202e\x7f\r\udc9b")
    text = json_comparison.comparison(result)
    assert text.isascii()
    VALIDATOR.validate(json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=y>",
        "[x](http://evil)",
        "a|b",
        "@team",
        "#12",
        "`x`",
        "**b**",
        "www.evil.com",
        "https://evil",
    ],
)
def test_markdown_makes_nothing_of_a_name(text: str) -> None:
    here, there = (mock.pool(host=f"{text}.example", server=Endpoint(ip, 1)) for ip in ("10.9.0.3", "10.9.0.4"))
    page = markdown_comparison.comparison(
        compare(mock.report(findings=(), pools=(here,)), mock.report(findings=(), pools=(there,)))
    )
    (name,) = re.findall(r"matched by the host (.*)\) \| before", page)
    assert re.sub(r"\\(.)", r"\1", name.replace("<!-- -->", "")) == f"{text}.example"
    assert not re.search(r"(?<!\\)[<\[|`*](?!!-- -->)|[@#](?!<!-- -->)", name)
    assert "://" not in name
    assert "www." not in name


def test_a_table_of_markdown_has_cells_in_every_row() -> None:
    for pair in PAIRS:
        page = markdown_comparison.comparison(compared(*pair))
        width = 0
        for line in page.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line))
            if not cells:
                width = 0
                continue
            assert width in (0, cells), line
            width = cells


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1.796, "1.80"),
        (9.375, "9.38"),
        (66.67, "66.7"),
        (20.0, "20"),
        (603.3, "603"),
        (1204.4, "1,204"),
        (0.004, "0.004"),
        (99.97, "100"),
        (9.996, "10.0"),
    ],
)
def test_three_digits_are_enough(amount: float, text: str) -> None:
    assert measures.rounded(amount) == text
