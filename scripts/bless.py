"""Rewrite the golden reports after a change that was meant: read the diff before committing it.

python scripts/bless.py            # write tests/golden/*.txt
python scripts/bless.py --check    # print what would change; exit code 1 when something would
"""

from __future__ import annotations

import argparse
import difflib
import sys
from dataclasses import replace
from pathlib import Path

from pcapdiag.pipeline import analyze
from pcapdiag.reports import text

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
WIDTH = 100
# One for each way a report can go: a value inferred, two explanations, a timer, a cap, nothing to fix.
NAMES = (
    "go-ab-shared-default",
    "go-new-transport",
    "go-idle-timeout-short",
    "apache-max-requests-5",
    "go-global-transport",
)


def report(name: str) -> str:
    """The text report of one capture, the same on every machine: no folder, no version, no word on how it was built."""
    made = analyze([str(ROOT / "captures" / f"{name}.pcap")])
    capture = replace(made.capture, files=(f"captures/{name}.pcap",), compiled=True)
    page = text.diagnosis(replace(made, capture=capture, version="VERSION"), width=WIDTH)
    return "".join(line + "\n" for line in page.splitlines())


def difference(name: str) -> str:
    """A unified diff from the golden report to the one made now; empty when they are the same."""
    path = GOLDEN / f"{name}.txt"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), report(name).splitlines(keepends=True), f"golden/{name}", "now"
    )
    return "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="print what would change")
    options = parser.parse_args()
    changed = 0
    GOLDEN.mkdir(exist_ok=True)
    for name in NAMES:
        diff = difference(name)
        sys.stdout.write(diff)
        changed += bool(diff)
        if diff and not options.check:
            (GOLDEN / f"{name}.txt").write_text(report(name), encoding="utf-8")
    return int(options.check and changed > 0)


if __name__ == "__main__":
    sys.exit(main())
