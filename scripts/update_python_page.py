#!/usr/bin/env python3
"""Keep docs/PYTHON.md true: run its blocks, in order, and write what each prints below it.

    scripts/update_python_page.py            write the page again
    scripts/update_python_page.py --check    change nothing; fail when a block prints something else

A block that needs a library which is not installed (<!-- needs: duckdb -->) is left as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib.util
import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "PYTHON.md"
BLOCK = re.compile(
    r"(?P<head>(?:<!-- needs: (?P<needs>\w+) -->\n)?```python\n(?P<code>.*?)```\n\n```text\n)(?P<printed>.*?)```",
    re.DOTALL,
)


def updated(text: str) -> str:
    """The page with what its blocks print, run from the root of the repository."""
    names: dict[str, Any] = {}

    def run(block: re.Match[str]) -> str:
        if block["needs"] and importlib.util.find_spec(block["needs"]) is None:
            return block[0]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(block["code"], "docs/PYTHON.md", "exec"), names)
        return f"{block['head']}{out.getvalue()}```"

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return BLOCK.sub(run, text)
    finally:
        os.chdir(before)


def difference() -> list[str]:
    """A unified diff from the page to what its blocks print now."""
    text = PAGE.read_text(encoding="utf-8")
    return list(difflib.unified_diff(text.splitlines(True), updated(text).splitlines(True), "PYTHON.md", "printed"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a difference")
    options = parser.parse_args(arguments)
    if options.check:
        found = difference()
        sys.stdout.writelines(found)
        return int(bool(found))
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
