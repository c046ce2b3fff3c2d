"""What is told of the proofs: a paragraph each on the terminal, a table in docs/FIXES.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fixes.proof import Proof, Proven

BEGIN = "<!-- table: written by scripts/prove_fixes.py --write -->"
END = "<!-- end of table -->"
HEADER = (
    "| program | the mistake | what leads | setting | now -> set to | requests per connection | of the second capture |\n"
    "|---|---|---|---|---|--:|---|"
)
PLACES = ("", "second", "third")


def told(proof: Proof, outcome: Proven | str) -> str:
    """The outcome of one proof in some lines."""
    if isinstance(outcome, str):
        return f"{proof.name}: FAILED: {outcome}"
    verdict = f"{'FAILED: ' if outcome.problem else ''}{outcome.verdict}"
    return (
        f"{proof.name}: {verdict}{': ' if outcome.problem else ''}{outcome.problem}\n"
        f"    {outcome.version}, {proof.mistake}: {proof.cause}\n"
        f"    {proof.setting}: {outcome.now} -> {outcome.set_to}\n"
        f"    requests per connection {outcome.per_connection}"
    )


def write_page(page: Path, proven: Sequence[Proven], lacking: Mapping[str, str]) -> None:
    """Replace what is between the page's two markers."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [HEADER, *map(row, proven)]
    if lacking:
        lines += ["", *(f"Not run: `{name}`, {needs}." for name, needs in lacking.items())]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


def row(outcome: Proven) -> str:
    proof = outcome.proof
    place = f" ({PLACES[proof.nth - 1]})" if proof.nth > 1 else ""
    cells = (
        f"{proof.product} ({outcome.version})",
        proof.mistake,
        f"`{proof.cause}`",
        f"`{proof.setting}`{place}",
        f"{outcome.now} -> {outcome.set_to}",
        outcome.per_connection,
        outcome.verdict,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
