#!/usr/bin/env python3
"""Keep the README true: its example is what the program prints, its commands are what CI runs.  Pages of docs/ too.

    scripts/update_readme.py                  write the examples again, from the program's own output
    scripts/update_readme.py --check          fail when it differs
    scripts/update_readme.py --print test     the command of a block marked <!-- command: test -->

An example stands between <!-- example: COMMAND --> and <!-- end -->; with "| until LINE" it stops ahead of that line.
Needs the packages of pcapdiag for the first two; nothing for --print.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = (README, ROOT / "docs" / "COMPARE.md", ROOT / "docs" / "STATES.md", ROOT / "docs" / "REPORTS.md")
WIDTH = "80"
# -m pcapdiag would take the source tree, from the working directory; this takes what is installed.
RUN = "import sys; from pcapdiag.cli import main; sys.exit(main())"

EXAMPLE = re.compile(
    r"(?P<head><!-- example: (?P<command>.+?)(?: \| until (?P<until>.+?))? -->\n```text\n)"
    r"(?P<text>.*?)"
    r"(?P<tail>```\n<!-- end -->)",
    re.DOTALL,
)
COMMAND = re.compile(r"<!-- command: (?P<name>\S+) -->\n```sh\n(?P<command>.*?)```", re.DOTALL)


def command(name: str) -> str:
    """The shell command of the block with this name: what stands there, to the letter."""
    for block in COMMAND.finditer(README.read_text(encoding="utf-8")):
        if block["name"] == name:
            return block["command"].strip()
    raise SystemExit(f"{README}: no <!-- command: {name} -->")


def output(arguments: str, until: str | None) -> str:
    """What a command line, as the README shows it, prints 80 columns wide; blank lines at its end cut."""
    program, *rest = arguments.split()
    if program != "pcapdiag":
        raise SystemExit(f"{README}: an example runs pcapdiag, not {program}")
    run = subprocess.run(
        [sys.executable, "-P", "-c", RUN, *rest, "--width", WIDTH, "--color", "never"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"{arguments}: {run.stderr}")
    lines = run.stdout.splitlines()
    if until is not None:
        lines = lines[: lines.index(until)]
    return "\n".join(lines).rstrip() + "\n"


def updated(text: str) -> str:
    """The README with its examples filled from the program."""
    return EXAMPLE.sub(lambda found: found["head"] + output(found["command"], found["until"]) + found["tail"], text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a difference")
    parser.add_argument("--print", metavar="NAME", dest="name", help="print a command and nothing else")
    options = parser.parse_args()
    if options.name:
        print(command(options.name))
        return 0
    differing = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = updated(text)
        if options.check:
            lines = difflib.unified_diff(text.splitlines(True), new.splitlines(True), page.name, "the program")
            sys.stdout.writelines(lines)
            differing += new != text
        else:
            page.write_text(new, encoding="utf-8")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
