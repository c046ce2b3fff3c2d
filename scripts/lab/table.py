"""The tables of docs/CAPTURES.md, written from the truth files so that they cannot say something else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lab import cases
from lab.case import Case

BEGIN = "<!-- tables: written by scripts/make_captures.py --table -->"
END = "<!-- end of tables -->"
HEADER = "| capture | what was done | conn. | requests | began the close | leads |\n|---|---|--:|--:|---|---|"


def write_table(captures: Path, page: Path) -> None:
    """Replace what is between the page's two markers."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = [(title, [row(captures, case) for case in group if made(captures, case)]) for title, group in cases.GROUPS]
    tables = "\n\n".join(f"### {title}\n\n{HEADER}\n" + "\n".join(lines) for title, lines in rows if lines)
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


def made(captures: Path, case: Case) -> bool:
    """Whether the case has its capture; one that does not is named and left out."""
    there = (captures / f"{case.name}.json").exists()
    if not there:
        print(f"no capture yet: {case.name}", file=sys.stderr)
    return there


def row(captures: Path, case: Case) -> str:
    document = json.loads((captures / f"{case.name}.json").read_text())
    truth = document["truth"]
    closers = ", ".join(f"{side} {count}" for side, count in truth["initiator"].items() if count)
    expect = document["expect"]
    leads = " or ".join([expect["cause"], *expect["also"]])
    return (
        f"| `{case.name}` | {document['description']} | {truth['connections']} | {truth['requests']} "
        f"| {closers} | {leads} |"
    )
