#!/usr/bin/env python3
"""Compare our connections with tshark's streams: connections, first FIN and RST side, requests.

    scripts/compare_tshark.py                     the captures in captures/, tshark run on each
    scripts/compare_tshark.py FILE ...            these
    scripts/compare_tshark.py --corpus DIR        DIR/files against what tshark said once, in
                                                  DIR/truth/NAME.streams.jsonl.gz; DIR/odd must not crash us

Prints how often both agree, how often a reason of docs/DIFFERENCES.md explains why not, and every disagreement that
none explains.  Exit code 1 when there is one.  --show REASON lists what a reason explained.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from compare import ours, streams  # noqa: E402
from compare.agreement import INFORMATION, QUESTIONS, Agreement, compare  # noqa: E402

from pcapdiag.errors import CaptureError  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--corpus", type=Path, metavar="DIR")
    parser.add_argument(
        "--show", default="", metavar="REASON", help="list what this reason explained; 'information'"
    )
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def judge(path: Path, truth: Path | None) -> Agreement:
    """One capture.  An exception other than CaptureError is a disagreement of its own kind."""
    result = Agreement()
    begun = time.monotonic()
    try:
        rows, tables = ours.read(path)
        theirs = streams.from_truth(truth) if truth else streams.from_tshark(path)
        result = compare(path.name, theirs, rows, tables.undecoded)
    except CaptureError as error:
        result.tell("readable", False, "unreadable", str(error))
    except Exception:
        result.tell("readable", False, "", f"{path.name}: {traceback.format_exc()}")
    if time.monotonic() - begun > 20:
        result.tell("speed", False, "", f"{path.name} took {time.monotonic() - begun:.0f} s")
    return result


def only_read(path: Path) -> Agreement:
    """A damaged or foreign file: anything but CaptureError is a fault."""
    result = Agreement()
    try:
        ours.read(path)
        result.tell("odd files", True, "", "")
    except CaptureError:
        result.tell("odd files", True, "", "")
    except Exception:
        result.tell("odd files", False, "", f"{path.name}: {traceback.format_exc()}")
    return result


def main() -> int:
    options = arguments()
    total = Agreement()
    with ProcessPoolExecutor(options.jobs) as pool:
        if options.corpus:
            files = sorted((options.corpus / "files").iterdir())
            truths = [options.corpus / "truth" / f"{path.name}.streams.jsonl.gz" for path in files]
            for result in pool.map(judge, files, truths, chunksize=8):
                total.add(result)
            for result in pool.map(only_read, sorted((options.corpus / "odd").iterdir()), chunksize=8):
                total.add(result)
        else:
            files = options.files or sorted((ROOT / "captures").glob("*.pcap*"))
            for result in pool.map(partial(judge, truth=None), files):
                total.add(result)
    return report(total, len(files), options.show)


def report(total: Agreement, files: int, show: str) -> int:
    print(f"{files} captures")
    print(f"{'':18}{'asked':>8}{'agreed':>8}{'':>9}{'explained':>11}{'unexplained':>13}")
    explained = Counter(question for question, reason, _ in total.differences if reason)
    for question in [*QUESTIONS, *(each for each in total.asked if each not in QUESTIONS)]:
        asked, agreed = total.asked[question], total.agreed[question]
        if not asked:
            continue
        rest = asked - agreed - explained[question]
        note = "  (information)" if question in INFORMATION else ""
        print(f"{question:18}{asked:8}{agreed:8}{agreed / asked:9.2%}{explained[question]:11}{rest:13}{note}")
    reasons = Counter((reason, question) for question, reason, _ in total.differences if reason)
    for (reason, question), number in sorted(reasons.items()):
        print(f"explained by {reason}: {number} ({question})")
    unexplained = 0
    for question, reason, text in total.differences:
        informative = question in INFORMATION
        if reason == "" and not informative:
            unexplained += 1
            print(f"{question}: {text}")
        elif show and show in (reason, "information" if informative else reason):
            print(f"[{reason}] {question}: {text}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
