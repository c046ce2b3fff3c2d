#!/usr/bin/env python3
"""Hold ``pcapdiag whatif`` against real reruns: record a default, predict other values, set them for real, compare.

    sudo scripts/prove_whatif.py                     all experiments, about a quarter of an hour
    sudo scripts/prove_whatif.py go-idle-pool ...    some
    scripts/prove_whatif.py --list

Options are those of make_captures.py; ``--runs`` says how often each value is run, the default too, in turns.
Connections are counted by the kernel's events, never from the packets.  A prediction, the mean of those from each capture
of the default, is good when it lies within 25% of the mean of the reruns, or within their own spread where that is
larger.  Of the refusals nothing may be predicted.  It prints the rows of the tables in docs/WHATIF.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dpkt
from lab.capture import Point
from lab.case import Case, Client, Front, Lab, Program, make
from lab.errors import LabError
from lab.kernel import mounted_tracefs, unmount_tracefs
from lab.servers import Apache, GoServer, Nginx, Scripted, Server
from lab.toolchains import python_with_libraries, toolchain

import pcapdiag
from pcapdiag.model.whatif import PoolWhatIf

NUMBER = 240  # of the first network
WITHIN = 0.25
ATTEMPTS = 3  # a busy machine may spoil a run


@dataclass(frozen=True)
class Experiment:
    """A client and a server with a setting at a value; the default is captured, the others are predicted and then run."""

    name: str
    ecosystem: str
    setting: str  # as given to --set
    default: str
    values: tuple[str, ...]
    client: Callable[[str], Client | Front | Program]
    server: Callable[[str], Server]
    full: bool = False
    side: str = "client"  # where it is captured
    delay_ms: float = 0.0  # one way


@dataclass(frozen=True)
class Refusal:
    """A capture that must not be predicted from."""

    name: str
    why: str
    client: Client | Program
    server: Server
    spoil: Callable[[Path], None] | None = None  # what is done to the file


def founding(value: str) -> Front:
    """The write-ups' service: a new http.Client for each call as it comes, one Transport with that limit once it is set."""
    if value == "2":
        return Front(("-mode", "new-client"))
    return Front(("-mode", "transport", "-per-host", value, "-max-idle", value))


def python(library: str, *options: str) -> Program:
    return Program(("{python}", "{programs}/whatif_calls.py", library, "{url}", *options), f"Python {library}")


def node(agent: str, **load: int) -> Program:
    words = f'"agent": {{"keepAlive": true, {agent}}}, ' + ", ".join(f'"{key}": {value}' for key, value in load.items())
    return Program(("node", "{programs}/whatif_calls.js", "{url}", f"{{{words}}}"), "Node.js http.Agent")


def java(flag: str, workers: int, calls: int, think: int) -> Program:
    command = ("java", flag, "{programs}/WhatifCalls.java", "{url}", f"{workers}", f"{calls}", f"{think}")
    return Program(command, "Java HttpURLConnection")


# Bursts with silences of 0.7 to 3.6 s between them.
BURSTS = ",".join(f"8x3@40ms,rest@{rest}ms" for rest in (700, 1600, 900, 2600, 700, 3600, 1600, 700, 2600, 900, 1600))
SLOW = GoServer(("-delay", "20ms", "-size", "32"))

EXPERIMENTS = (
    Experiment(
        "go-idle-pool", "Go", "MaxIdleConnsPerHost", "2", ("10", "50", "1000"), founding,
        lambda _: GoServer(("-delay", "5ms", "-size", "32")), full=True,
    ),
    Experiment(
        "go-idle-timeout", "Go", "IdleConnTimeout", "500ms", ("1s", "2s", "3s"),
        lambda value: Client(("-mode", "transport", "-per-host", "20", "-idle-timeout", value, "-together",
                              "-load", BURSTS)),
        lambda _: SLOW,
    ),
    Experiment(
        "requests-pool", "Python", "pool_maxsize", "3", ("6", "12"),
        lambda value: python("requests", "--workers", "24", "--requests", "30", "--think", "0.04", "--pool", value),
        lambda _: SLOW,
    ),
    Experiment(
        "requests-pool-at-server",
        "Python",
        "pool_maxsize",
        "3",
        ("6", "12"),
        lambda value: python("requests", "--workers", "24", "--requests", "30", "--think", "0.04", "--pool", value),
        lambda _: SLOW,
        side="server",
        delay_ms=5.0,
    ),
    Experiment(
        "requests-tls-pool",
        "Python, TLS",
        "idle_pool_limit",
        "1",
        ("2", "6"),
        lambda value: python("requests", "--workers", "8", "--requests", "40", "--think", "0.12", "--pool", value),
        lambda _: Scripted("delay_server.py", ("--think", "0.06", "--size", "32"), tls=True),
    ),
    Experiment(
        "httpx-expiry", "Python", "keepalive_expiry", "1", ("2", "4"),
        lambda value: python("httpx", "--workers", "2", "--requests", "30", "--think", "1.6", "--expiry", value),
        lambda _: SLOW,
    ),
    Experiment(
        "node-free-sockets", "Node.js", "maxFreeSockets", "2", ("8", "16"),
        lambda value: node(f'"maxFreeSockets": {value}', workers=30, requests=30, think=40),
        lambda _: SLOW,
    ),
    Experiment(
        "java-max-connections", "Java", "http.maxConnections", "2", ("5", "12"),
        lambda value: java(f"-Dhttp.maxConnections={value}", 20, 40, 40),
        lambda _: SLOW,
    ),
    Experiment(
        "nginx-requests", "nginx", "keepalive_requests", "6", ("25", "100"),
        lambda _: python("requests", "--workers", "8", "--requests", "60", "--think", "0.03", "--pool", "20"),
        lambda value: Nginx((f"keepalive_requests {value}",)),
    ),
    Experiment(
        "nginx-timeout", "nginx", "keepalive_timeout", "1s", ("2s", "4s"),
        lambda _: python("requests", "--workers", "2", "--requests", "30", "--think", "1.6"),
        lambda value: Nginx((f"keepalive_timeout {value}",)),
    ),
    Experiment(
        "apache-requests", "Apache", "MaxKeepAliveRequests", "5", ("20",),
        lambda _: node('"maxFreeSockets": 50', workers=8, requests=60, think=30),
        lambda value: Apache(("KeepAliveTimeout 60", f"MaxKeepAliveRequests {value}")),
    ),
)  # fmt: skip


def two(first: tuple[str, ...], second: tuple[str, ...]) -> Program:
    return Program(("{python}", "{programs}/delay_repeat.py", "together", *first, "+", *second), "two processes")


def process(*options: str) -> tuple[str, ...]:
    return ("{python}", "{programs}/whatif_calls.py", "requests", "{url}", *options)


def lose(capture: Path) -> None:
    """Every seventh packet was never captured."""
    whole = capture.with_suffix(".whole")
    capture.replace(whole)
    with whole.open("rb") as packets, capture.open("wb") as left:
        writer = dpkt.pcap.Writer(left, snaplen=262144, nano=False)
        for number, (at, packet) in enumerate(dpkt.pcap.Reader(packets)):
            if number % 7:
                writer.writepkt(packet, at)


REFUSALS = (
    Refusal(
        "two-processes", "two processes with a session each behind one address",
        two(process("--workers", "1", "--requests", "40", "--think", "0.2"),
            process("--workers", "1", "--requests", "40", "--think", "0.2", "--pool", "9")),
        GoServer(("-delay", "5ms", "-size", "32", "-idle-timeout", "300ms")),
    ),
    Refusal(
        "two-pools-of-3",
        "two processes behind one address, each with a pool of 3 under 12 callers",
        two(
            process("--workers", "12", "--requests", "30", "--think", "0.04", "--pool", "3"),
            process("--workers", "12", "--requests", "30", "--think", "0.04", "--pool", "3"),
        ),
        SLOW,
    ),
    Refusal(
        "closed-at-random", "a session that its program closes now and then",
        python("requests", "--workers", "6", "--requests", "30", "--think", "0.1", "--drop", "0.1"), SLOW,
    ),
    Refusal(
        "lost-packets", "one packet in seven missing in the file",
        python("requests", "--workers", "24", "--requests", "20", "--think", "0.04", "--pool", "3"), SLOW, lose,
    ),
)  # fmt: skip


def captured(
    name: str,
    client: Client | Front | Program,
    server: Server,
    lab: Lab,
    reuse: bool,
    side: str = "client",
    delay_ms: float = 0.0,
) -> tuple[Path, int]:
    """A run, or one that was made before: its capture, and the connections that the kernel counted."""
    case = Case(name, name, client, server, {}, (), rest_s=3.2, point=Point(side=side), delay_ms=delay_ms)
    there = reuse and (lab.out / f"{name}.json").exists()
    for attempt in range(0 if there else ATTEMPTS):
        try:
            make(case, lab, NUMBER)
            break
        except LabError as error:
            print(f"{name}: attempt {attempt + 1}: {str(error)[:300]}", file=sys.stderr, flush=True)
    else:
        if not there:
            raise LabError(f"{name}: never made")
    truth = json.loads((lab.out / f"{name}.json").read_text())["truth"]
    return lab.out / f"{name}.pcap", int(truth["connections"])


def served(capture: Path, settings: dict[str, str], port: int) -> PoolWhatIf:
    """The pool of the service under test."""
    return next(pool for pool in pcapdiag.whatif([str(capture)], settings).pools if pool.server.port == port)


def prove(experiment: Experiment, lab: Lab, runs: int, reuse: bool) -> list[tuple[str, ...]]:
    """A row for each value: predicted, real, spread, and whether it is good."""
    lab = Lab(lab.work, lab.out, lab.go, experiment.full, lab.python)

    def once(value: str, number: int) -> tuple[Path, int]:
        client, server = experiment.client(value), experiment.server(value)
        name = f"{experiment.name}-{value}-{number}"
        return captured(name, client, server, lab, reuse, experiment.side, experiment.delay_ms)

    real: dict[str, list[int]] = {value: [] for value in (experiment.default, *experiment.values)}
    captures = []
    for number in range(1, runs + 1):  # in turns: the machine's other work comes and goes
        for value, counts in real.items():
            capture, have = once(value, number)
            counts.append(have)
            captures += [capture] if value == experiment.default else []
    rows = []
    for value in experiment.values:
        port = experiment.server(value).port
        pools = [served(capture, {experiment.setting: value}, port) for capture in captures]
        tests = [pool.back_test for pool in pools if pool.back_test is not None]
        replayed = (
            f"{min(test.off for test in tests):+.0%} to {max(test.off for test in tests):+.0%}" if tests else "none"
        )
        found = [pool.sweeps[0].trials[1].connections for pool in pools if not pool.refused]
        mean = sum(real[value]) / runs
        head = (experiment.ecosystem, experiment.setting, f"{experiment.default}: {span(real[experiment.default])}",
                replayed, value)  # fmt: skip
        if not found:
            rows.append((*head, f"none: {pools[0].refused}", span(real[value]), "refused"))
            continue
        predicted = sum(found) / len(found)
        good = abs(predicted - mean) <= max(WITHIN * mean, max(real[value]) - min(real[value]))
        rows.append((*head, span(found), span(real[value]), f"{predicted / mean - 1:+.0%}{'' if good else ' MISSED'}"))
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    return rows


def span(counts: list[int]) -> str:
    """The mean, and from what to what."""
    mean = f"{sum(counts) / len(counts):,.0f}"
    return mean if min(counts) == max(counts) else f"{mean} ({min(counts):,} to {max(counts):,})"


def refuse(refusal: Refusal, lab: Lab, reuse: bool) -> tuple[str, ...]:
    capture, have = captured(refusal.name, refusal.client, refusal.server, lab, reuse)
    if refusal.spoil is not None:
        refusal.spoil(capture)
    pool = served(capture, {"idle_pool_limit": "100"}, refusal.server.port)
    test = pool.back_test
    replayed = f"{test.replayed:,} of {test.captured:,}" if test is not None else "-"
    verdict = pool.refused or f"PREDICTED {pool.sweeps[0].trials[-1].connections:,}"
    row = (refusal.why, f"{have:,}", replayed, verdict, f"{pool.at_least:,} or more")
    print(f"| {' | '.join(row)} |", flush=True)
    return row


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="experiments and refusals (default: all)")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--runs", type=int, default=3, help="of each value (default 3)")
    parser.add_argument("--out", type=Path, help="where captures are kept (default: nowhere)")
    parser.add_argument("--reuse", action="store_true", help="predict anew from what --out has of an earlier run")
    parser.add_argument("--work", type=Path, help="where work is done and toolchains are kept (default: a new folder)")
    parser.add_argument("--go-new", type=Path, help="a go program, 1.27 or later")
    parser.add_argument("--python", type=Path, help="a python with requests, urllib3, httpx and aiohttp")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    known = [*EXPERIMENTS, *REFUSALS]
    if options.list:
        for one in known:
            print(one.name)
        return 0
    if os.geteuid():
        raise LabError("network namespaces and tcpdump need root")
    unknown = set(options.names) - {one.name for one in known}
    if unknown:
        raise LabError(f"no such experiment: {', '.join(sorted(unknown))}; --list prints them")
    chosen = [one for one in known if not options.names or one.name in options.names]
    work = (options.work or Path(tempfile.mkdtemp(prefix="pcapdiag-whatif-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)  # Apache's workers read their file from here
    out = options.out or work / "captures"
    out.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, ...]] = []
    try:
        mounted_tracefs(work)
        go = {"new": toolchain("new", work, options.go_new)}
        lab = Lab(work, out, go, False, options.python or python_with_libraries(work))
        for one in chosen:
            if isinstance(one, Experiment):
                rows += prove(one, lab, options.runs, options.reuse)
            else:
                rows.append(refuse(one, lab, options.reuse))
    finally:
        unmount_tracefs(work)
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    missed = [row for row in rows if any("MISSED" in cell or "PREDICTED" in cell for cell in row)]
    print(f"{len(rows) - len(missed)} of {len(rows)} as they should be")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"prove_whatif: {error}")
