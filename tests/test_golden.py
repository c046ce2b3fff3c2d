"""Whole reports of real captures, as a person reads them.  ``python scripts/bless.py`` rewrites them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import bless


@pytest.mark.parametrize("name", bless.NAMES)
def test_the_report_reads_as_it_was_blessed(name: str) -> None:
    diff = bless.difference(name)
    assert not diff, f"\n{diff}\nif this is meant: python scripts/bless.py"


def test_every_golden_report_has_its_capture() -> None:
    assert {path.stem for path in bless.GOLDEN.glob("*.txt")} == set(bless.NAMES)
