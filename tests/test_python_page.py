"""docs/PYTHON.md: its blocks run, in order, and print what stands below them; the functions take what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from analyses import path_of, report_of

import pcapdiag

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import update_python_page

PAGE = update_python_page.PAGE.read_text(encoding="utf-8")
NAMES = [name for name in pcapdiag.__all__ if name != "__version__"]


def test_the_blocks_print_what_stands_below_them() -> None:
    pytest.importorskip("pyarrow")
    found = update_python_page.difference()
    assert found == [], "scripts/update_python_page.py writes it again\n" + "".join(found)


def test_every_block_is_one_that_is_run_and_prints_something() -> None:
    blocks = list(update_python_page.BLOCK.finditer(PAGE))
    assert PAGE.count("```python\n") == PAGE.count("```text\n") == len(blocks)
    assert all(block["printed"] for block in blocks)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_on_the_page_and_documented(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)
    assert getattr(pcapdiag, name).__doc__


def test_the_public_names_are_those_that_are_looked_up() -> None:
    assert sorted(pcapdiag._MODULES) == sorted(NAMES)
    assert set(pcapdiag.__all__) <= set(dir(pcapdiag))


@pytest.mark.parametrize("name", ["CaptureError", "Report"])
def test_what_needs_no_numpy_does_not_import_it(name: str) -> None:
    code = f"import sys, pcapdiag; pcapdiag.{name}; assert 'numpy' not in sys.modules and 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_reading_and_analyzing_take_a_path_a_string_or_several() -> None:
    path = update_python_page.ROOT / "captures" / "go-keepalive-race-get.pcap"
    for paths in (path, str(path), [path], (str(path),)):
        assert len(pcapdiag.read(paths).connections) == 8
        assert pcapdiag.analyze(paths).connection_count == 8


@pytest.mark.parametrize("ask", [pcapdiag.analyze, pcapdiag.read, pcapdiag.states, pcapdiag.whatif])
def test_a_capture_is_named_by_a_string_a_path_or_a_list_of_them(ask: Callable[[Any], Any]) -> None:
    path = path_of("go-ab-new-client")
    made = [ask(given) for given in (str(path), path, [path])]
    if ask is pcapdiag.read:
        made = [(capture.info, len(capture.exchanges)) for capture in made]
    assert made[0] == made[1] == made[2]


def test_a_comparison_is_of_reports_strings_or_paths() -> None:
    path = path_of("go-ab-new-client")
    assert pcapdiag.compare(path, str(path)) == pcapdiag.compare(report_of("go-ab-new-client"), path)
