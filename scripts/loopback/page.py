"""What is told of the proofs: lines on the terminal, a table in docs/LIVE.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loopback.checks import Judged

BEGIN = "<!-- table: written by scripts/prove_live.py --write -->"
END = "<!-- end of table -->"
HEADER = (
    "| the program | what formed | after | of | packets | connections | requests on each | clocks apart |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)


def told(judged: Judged) -> str:
    """The outcome of a case in some lines."""
    formed = "nothing above info" if judged.formed_s is None else f"{judged.finding} after {judged.formed_s:.1f} s"
    problems = "".join(f"\n    FAILED: {problem}" for problem in judged.problems[:12])
    return (
        f"{judged.case.name}: {formed}, of {judged.watched.load_s:.1f} s; {judged.packets:,} packets, "
        f"{judged.connections:,} connections, {judged.per_connection:.1f} requests on each; "
        f"times up to {judged.apart_ns / 1000:.0f} us apart, {judged.moved:,} packets in another order{problems}"
    )


def write_page(page: Path, judged: Sequence[Judged]) -> None:
    """Replace what is between the page's two markers."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [HEADER, *map(row, judged)]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


def row(judged: Judged) -> str:
    cells = (
        judged.case.description,
        f"`{judged.finding}`" if judged.finding else "nothing",
        "" if judged.formed_s is None else f"{judged.formed_s:.1f} s",
        f"{judged.watched.load_s:.1f} s",
        f"{judged.packets:,}",
        f"{judged.connections:,}",
        f"{judged.per_connection:.1f}",
        f"{judged.apart_ns / 1000:.0f} \u00b5s",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
