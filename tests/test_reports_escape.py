"""Text from packets never acts: not on a terminal, not in a spreadsheet, not in a JSON parser."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.reports.escape import code, csv_cell, json_dumps, json_text, shorten, visible

any_text = st.text(st.characters(codec=None, categories=None))  # surrogates too


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Go-http-client/1.1", "Go-http-client/1.1"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
        ("\x7f", "\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("line\u2028line", "line\\u2028line"),
        ("\udc9b", "\\x9b"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("\\x1b", "\\\\x1b"),
        ("caf\u00e9 \u4e2d", "caf\u00e9 \u4e2d"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_and_what_does_not_is_kept(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(any_text)
def test_no_visible_text_holds_a_character_that_acts(text: str) -> None:
    acting = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not [char for char in visible(text) if unicodedata.category(char) in acting]


@given(any_text, any_text)
def test_two_texts_look_the_same_only_where_one_is_the_other_with_undecoded_bytes(one: str, two: str) -> None:
    def bytes_decoded(text: str) -> str:
        return "".join(chr(ord(char) - 0xDC00) if "\udc80" <= char <= "\udcff" else char for char in text)

    assert (visible(one) == visible(two)) == (bytes_decoded(one) == bytes_decoded(two))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "  =", "\uff1d"])
def test_a_cell_that_would_be_a_formula_starts_with_a_quote(start: str) -> None:
    assert csv_cell(f"{start}cmd|' /C calc'!A1").startswith("'")


def test_a_plain_cell_is_left_alone() -> None:
    assert csv_cell("nginx/1.24.0 = fine") == "nginx/1.24.0 = fine"


@given(any_text)
def test_json_is_printable_ascii_and_reads_back(text: str) -> None:
    dumped = json_dumps({"user_agent": json_text(text)})
    assert dumped.isascii()
    assert dumped.isprintable()
    read = json.loads(dumped)["user_agent"]
    read.encode("utf-8")  # no lone surrogate
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert read == text


def test_json_refuses_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        json_dumps(float("nan"))


def test_a_snippet_keeps_its_lines_and_backslashes_but_nothing_acts() -> None:
    assert code("location ~ \\.php$ {\n\treturn;\x1b[0m\n}") == "location ~ \\.php$ {\n    return;\\x1b[0m\n}"


def test_a_long_name_is_cut_with_dots() -> None:
    assert shorten("x" * 50, 10) == "xxxxxxx..."
    assert shorten("short", 10) == "short"
