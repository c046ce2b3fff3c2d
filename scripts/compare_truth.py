#!/usr/bin/env python3
"""Compare our connections with what really happened: server logs, kernel socket events, programs.

    scripts/compare_truth.py                     captures/, against the truth in each .json beside its capture
    scripts/compare_truth.py --practice DIR      captures with DIR/labels.jsonl as well

For connections, requests per connection, the first closer on the wire and who began the close, a capture is "equal",
or says itself that it is not: "bound" (a lower bound, or undecidable), "estimate" (turns of opaque bytes).  Anything
else is a violation, listed; exit code 1 when there is one.  --all lists every capture.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from compare.truth import QUESTIONS, Verdict, of_captures, of_practice  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--practice", type=Path, metavar="DIR")
    parser.add_argument("--captures", type=Path, metavar="DIR", default=ROOT / "captures")
    parser.add_argument("--all", action="store_true", help="a line for every capture")
    options = parser.parse_args()
    failed = report("captures", list(of_captures(options.captures)), options.all)
    if options.practice:
        failed |= report("practice", list(of_practice(options.practice)), options.all)
    return int(failed)


def report(title: str, verdicts: list[Verdict], everything: bool) -> bool:
    print(f"{title}: {len(verdicts)}")
    for question in QUESTIONS:
        counts = Counter(v.outcome[question] for v in verdicts if question in v.outcome)
        if counts:
            print(f"  {question:14}" + ", ".join(f"{word} {n}" for word, n in sorted(counts.items())))
    if everything:
        for verdict in verdicts:
            print(f"  {verdict.name:45}" + " ".join(f"{verdict.outcome.get(q, '-'):10}" for q in QUESTIONS))
    violations = [text for verdict in verdicts for text in verdict.violations]
    for text in violations:
        print(f"  {text}")
    return bool(violations)


if __name__ == "__main__":
    sys.exit(main())
