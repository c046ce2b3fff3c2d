#!/usr/bin/env python3
"""Measure pcapdiag against the tools that people would use instead, on one capture, in one run.

    scripts/bench.py --capture FILE        a capture of at least a million packets (pcap, not compressed)
    sudo scripts/bench.py                  makes one first: real HTTP, 1.7 million packets, 100,000 connections
    scripts/bench.py --stages ...          also say where our own time goes

Each tool is a process of its own, run in turn, ``--rounds`` times; its best round counts.  Ratios are of CPU
time (user + system), which other programs on the machine disturb least; wall time is printed beside it.  Peak memory
is the process's own, at its highest (a floor of some 10 MB is this script's).  Exit code 1 when a bar is missed.

capinfos reads records and decodes nothing: the floor.  tcptrace -n has a line per connection and counts no requests.
tshark is asked the same question as we are: stream, request number, who closes, completeness.  dpkt decodes Ethernet,
IP and TCP of each packet and does nothing with them; it runs over the first ``--dpkt-packets`` and is scaled up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIAGNOSE = "pcapdiag diagnose"
CONNECTIONS = "pcapdiag connections"
CAPINFOS = "capinfos -c"
TCPTRACE = "tcptrace -n"
TSHARK = "tshark -2 -T fields"
DPKT = "dpkt decode"
TSHARK_FIELDS = ("tcp.stream", "http.request_number", "tcp.connection.fin_active", "tcp.completeness")
LEAST_PACKETS = 1_000_000

# Bars, full diagnose against the other on the same file: (other, at least so many times its speed).
SPEED_BARS = ((TSHARK, 25.0), (DPKT, 10.0), (TCPTRACE, 0.9))
MEMORY_BAR_MB = 250.0
CAPINFOS_GOAL = 2.0  # times its CPU time: what we work toward


@dataclass
class Run:
    """One run of one tool: seconds, and bytes at its highest."""

    wall_s: float
    cpu_s: float
    peak_bytes: int

    def scaled(self, factor: float) -> Run:
        return Run(self.wall_s * factor, self.cpu_s * factor, self.peak_bytes)


def measure(command: list[str], folder: str) -> Run:
    """Run a command with its output thrown away; what it took by the kernel's account."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}: {said.decode(errors='replace')[-500:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def dpkt_loop(path: str, packets: int) -> None:
    """dpkt's bare decode loop: the first ``packets`` of a capture, nothing kept."""
    import dpkt

    with open(path, "rb") as file:
        for number, (_, data) in enumerate(dpkt.pcap.UniversalReader(file)):
            if number >= packets:
                break
            ip = dpkt.ethernet.Ethernet(data).data
            if isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6) and isinstance(ip.data, dpkt.tcp.TCP):
                _ = ip.data.seq, ip.data.flags, len(ip.data.data)


def stages(path: str) -> None:
    """CPU seconds of our own stages, each run with the ones ahead of it and the difference taken."""
    from pcapdiag import pipeline
    from pcapdiag._build import compiled
    from pcapdiag.packets.sink import PacketSink
    from pcapdiag.packets.source import read_captures
    from pcapdiag.reports import json as as_json
    from pcapdiag.segments.decoder import Decoder
    from pcapdiag.segments.segment import Segment, SegmentSink

    class NoPackets(PacketSink):
        def packet(self, *args: object) -> int:
            return 0

    class NoSegments(SegmentSink):
        def segment(self, segment: Segment) -> int:
            return 0

    def cpu(run: object, *args: object) -> float:
        began = time.process_time()
        run(*args)  # type: ignore[operator]
        return time.process_time() - began

    with open(path, "rb") as file:
        bare = cpu(lambda: [None for _ in iter(lambda: file.read(1 << 18), b"")])
    walked = cpu(read_captures, [path], NoPackets())
    decoded = cpu(read_captures, [path], Decoder(NoSegments()))
    tracked = cpu(pipeline.read_tables, [path])
    began = time.process_time()
    report = pipeline.analyze([path])
    judged = time.process_time() - began
    rendered = cpu(as_json.diagnosis, report)
    rows = (
        ("reading the file", bare),
        ("and walking its records, each to a sink in Python", walked),
        ("and decoding them, each to a sink in Python", decoded),
        ("and connections and exchanges, with no Python between: the tables", tracked),
        ("and pools and rules: the Report", judged),
        ("and JSON", judged + rendered),
    )
    print(f"\nwhere our time goes: CPU seconds up to each stage, {'compiled' if compiled() else 'interpreted'}")
    for name, seconds in rows:
        print(f"  {seconds:7.2f}  {name}")


def make_capture(folder: str) -> str:
    """The benchmark's capture, from real programs; needs root and what scripts/make_captures.py needs."""
    path = Path(folder, "bench.pcap")
    print("making a capture (scripts/make_captures.py --bench) ...", file=sys.stderr)
    subprocess.run([sys.executable, str(ROOT / "scripts" / "make_captures.py"), "--bench", str(path)], check=True)
    return str(path)


def commands(path: str, dpkt_packets: int, skip: list[str]) -> dict[str, list[str]]:
    """What to run, the tools that are not here left out and named."""
    ours = [sys.executable, "-P", "-m", "pcapdiag"]
    fields = [part for field in TSHARK_FIELDS for part in ("-e", field)]
    wanted = {
        DIAGNOSE: [*ours, "diagnose", "--format", "json", "-o", os.devnull, path],
        CONNECTIONS: [*ours, "connections", "--format", "csv", "-o", os.devnull, path],
        CAPINFOS: ["capinfos", "-c", path],
        TCPTRACE: ["tcptrace", "-n", path],
        DPKT: [sys.executable, __file__, "--capture", path, "--dpkt-loop", str(dpkt_packets)],
        TSHARK: ["tshark", "-n", "-2", "-r", path, "-T", "fields", *fields],
    }
    here = {}
    for name, command in wanted.items():
        if name.split()[0] in skip:
            continue
        if shutil.which(command[0]) is None:
            print(f"{name}: {command[0]} is not installed, left out")
        elif name == DPKT and subprocess.run([sys.executable, "-c", "import dpkt"], capture_output=True).returncode:
            print(f"{name}: dpkt is not installed, left out")
        else:
            here[name] = command
    return here


def table(best: dict[str, Run], packets: int) -> None:
    ours = best[DIAGNOSE]
    print(f"\n{'':22}{'packets/s':>12}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}   diagnose is")
    for name, run in best.items():
        ratio = run.cpu_s / ours.cpu_s
        says = "" if name == DIAGNOSE else f"{ratio:.1f}x its speed"
        took = f"{packets / run.cpu_s:12,.0f}{run.wall_s:9.2f}{run.cpu_s:9.2f}"
        print(f"{name:22}{took}{run.peak_bytes / 1e6:9.0f}   {says}")


def verdict(best: dict[str, Run]) -> bool:
    """Print each bar and whether it is met; False when one is missed."""
    ours, good = best[DIAGNOSE], True
    print()
    for name, bar in SPEED_BARS:
        if name not in best:
            print(f"not measured  at least {bar:g}x {name}")
            continue
        ratio = best[name].cpu_s / ours.cpu_s
        good &= ratio >= bar
        print(f"{'met   ' if ratio >= bar else 'MISSED'}  at least {bar:g}x {name}: {ratio:.1f}x")
    peak = ours.peak_bytes / 1e6
    good &= peak < MEMORY_BAR_MB
    print(f"{'met   ' if peak < MEMORY_BAR_MB else 'MISSED'}  under {MEMORY_BAR_MB:g} MB: {peak:.0f} MB")
    if CAPINFOS in best:
        times = ours.cpu_s / best[CAPINFOS].cpu_s
        print(f"goal    {CAPINFOS_GOAL:g} times the CPU time of {CAPINFOS}: {times:.1f} times now")
    return good


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", metavar="FILE", help="the capture to read (default: make one; root)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each tool, the best counts (default 3)")
    parser.add_argument("--dpkt-packets", type=int, default=300_000, metavar="N", help="default 300000")
    parser.add_argument(
        "--skip", action="append", default=[], metavar="TOOL", help="leave out tshark, dpkt, tcptrace, ..."
    )
    parser.add_argument("--stages", action="store_true", help="say where our own time goes")
    parser.add_argument("--dpkt-loop", type=int, metavar="N", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.dpkt_loop:
        dpkt_loop(options.capture, options.dpkt_loop)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.abspath(options.capture) if options.capture else make_capture(folder)
        command = [sys.executable, "-P", "-m", "pcapdiag", "diagnose", "--format", "json", path]  # warms the file cache too
        said = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=folder).stdout)
        packets = said["capture"]["packets"]
        connections = sum(pool["connections"] for pool in said["pools"])
        requests = sum(pool["requests"] for pool in said["pools"])
        print(
            f"{path}: {os.path.getsize(path) / 1e6:,.0f} MB, {packets:,} packets, "
            f"{connections:,} connections, {requests:,} requests; best of {options.rounds}"
        )
        if packets < LEAST_PACKETS:
            print(f"fewer than {LEAST_PACKETS:,} packets: starting up counts for too much")
        dpkt_packets = min(options.dpkt_packets, packets)
        best: dict[str, Run] = {}
        tools = commands(path, dpkt_packets, options.skip)
        for turn in range(options.rounds):
            for name, command in tools.items():
                run = measure(command, folder)
                if name == DPKT:
                    run = run.scaled(packets / dpkt_packets)
                print(f"  round {turn + 1}  {name:20} {run.wall_s:7.2f} s, CPU {run.cpu_s:7.2f} s", flush=True)
                if name not in best or run.cpu_s < best[name].cpu_s:
                    best[name] = run
        table(best, packets)
        if DPKT in best and dpkt_packets < packets:
            print(f"{DPKT}: measured on the first {dpkt_packets:,} packets, scaled up to all")
        good = verdict(best)
        if options.stages:
            stages(path)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
