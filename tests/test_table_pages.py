"""docs/TABLES.md and the JSON Schema say what the declarations of the tables say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pcapdiag.interchange.columns import Layout
from pcapdiag.interchange.layouts import LAYOUTS

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import make_table_pages


def test_the_pages_are_what_the_declarations_say() -> None:
    assert make_table_pages.stale() == [], "scripts/make_table_pages.py writes them again"


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_column_has_a_line_that_a_table_of_markdown_keeps_whole(layout: Layout) -> None:
    lines = make_table_pages.section(layout).splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == layout.names
    assert {row.replace("\\|", "").count("|") for row in rows} == {4}
