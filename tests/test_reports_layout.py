"""The page: wrapped, escaped, and copyable where it is meant to be copied."""

from __future__ import annotations

import pytest

from pcapdiag.model.report import FrameRef
from pcapdiag.reports.layout import Page, display_filter


@pytest.mark.parametrize(
    ("numbers", "filter_"),
    [
        ([12], "frame.number == 12"),
        ([12, 15, 40], "frame.number in {12, 15, 40}"),
        ([1, 2, 3, 9], "frame.number in {1..3, 9}"),
        ([1, 2], "frame.number in {1, 2}"),
        ([4, 5, 6], "frame.number in {4..6}"),
    ],
)
def test_frames_become_a_display_filter(numbers: list[int], filter_: str) -> None:
    assert display_filter(numbers, 80) == (filter_, 0)


def test_frames_that_do_not_fit_are_counted_and_never_cut_a_number() -> None:
    filter_, left = display_filter(range(1000, 1200, 2), 30)
    assert filter_ == "frame.number in {1000, 1002, 1004, 1006, 1008}"
    assert left == 95


def test_a_filter_stays_on_one_line_and_frames_of_several_files_are_told_apart() -> None:
    page = Page(60)
    page.frames([FrameRef(3, "b.pcap"), FrameRef(5, "a.pcap"), *(FrameRef(at, "a.pcap") for at in range(9, 99, 2))])
    lines = page.text().splitlines()
    assert lines[0] == "in b.pcap:"
    assert lines[1] == "frame.number == 3"
    assert lines[2] == "in a.pcap:"
    assert lines[3].startswith("frame.number in {5, 9, 11")
    assert lines[3].endswith("}")
    assert lines[4].startswith("(and ")
    assert max(map(len, lines)) <= 60


def test_a_table_too_wide_for_the_page_becomes_lists() -> None:
    page = Page(60)
    page.table(["pool", "a header", "long"], [["p1", 1, "x" * 60]])
    assert page.text().splitlines() == [
        "  pool p1",
        "    a header  1",
        "    long      " + "x" * 46,
        " " * 14 + "x" * 14,
    ]


def test_numbers_are_set_right_and_text_left() -> None:
    page = Page(80)
    page.table(["pool", "most\nat once", "who"], [["p1", 1200, "client"], ["p10", 3, None]], indent=0)
    assert page.text().splitlines() == [
        "         most",
        "pool  at once  who",
        "----  -------  ------",
        "p1      1,200  client",
        "p10         3  -",
    ]


def test_a_cell_cannot_break_its_row() -> None:
    page = Page(80)
    page.table(["who"], [["a\nb\x1b[2J"]], indent=0)
    assert page.text().splitlines() == ["who", "-" * 13, "a\\x0ab\\x1b[2J"]


def test_color_wraps_the_words_and_changes_none() -> None:
    def write(page: Page) -> str:
        page.heading("The proof")
        page.para("hello", style="bad", indent=4)
        return page.text()

    assert write(Page(80)) == "THE PROOF\n    hello\n"
    assert write(Page(80, color=True)) == "\x1b[1mTHE PROOF\x1b[0m\n    \x1b[1;31mhello\x1b[0m\n"
