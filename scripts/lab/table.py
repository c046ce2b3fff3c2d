"""The tables of docs/CAPTURES.md, written from the truth files so that they cannot say something else."""

from __future__ import annotations

import json
from pathlib import Path

from lab import cases
from lab.case import Case

GROUPS = (
    ("The founding cases", cases.FOUNDING),
    ("The experiment of the write-ups", cases.EXPERIMENT),
    ("Servers: caps, timers, TLS, other ways to capture", cases.SERVERS),
    ("A path with 5 ms each way", cases.DISTANT),
)
BEGIN = "<!-- tables: written by scripts/make_captures.py --table -->"
END = "<!-- end of tables -->"
HEADER = "| capture | what was done | conn. | requests | began the close | leads |\n|---|---|--:|--:|---|---|"


def write_table(captures: Path, page: Path) -> None:
    """Replace what is between the page's two markers."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n\n".join(
        f"### {title}\n\n{HEADER}\n" + "\n".join(row(captures, case) for case in group)
        for title, group in GROUPS
    )
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


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
