#!/usr/bin/env python3
"""Compare ``pcapdiag states`` with what ``ss`` counted at both ends while the capture ran.

    sudo scripts/compare_states.py [--seconds 110] [--keep DIR]

Two hosts of the lab, 5 ms apart each way; scripts/lab/programs/states_traffic.py makes connections that end in every way.
Each host runs tcpdump, and ``ss -tan`` five times a second, its beginning and end timed.  An end's sockets by service and
state must be what ss said at some instant while it ran: from the capture of its own host, and from that of the other one,
where the cable's jitter is allowed for.

Linux's timers of a minute fire up to an eighth late (its timer wheel rounds them up, lib of kernel/time/timer.c), so of
states that end by themselves ss may show some longer; how much longer is measured and printed.  A program may give a dial
up before its next SYN is due, which no packet shows.  Exit code 1 when anything else differs at the host that captured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import numpy as np  # noqa: E402
from lab.capture import Point, Tcpdump  # noqa: E402
from lab.network import Host, Network, reserved  # noqa: E402
from lab.process import Process  # noqa: E402
from lab.programs import states_traffic  # noqa: E402
from lab.socket_states import OF_SS  # noqa: E402

from pcapdiag import pipeline  # noqa: E402
from pcapdiag.model.words import Opening, Side, TcpState  # noqa: E402
from pcapdiag.pools.state_timeline import Stays, steps_of  # noqa: E402

DELAY_MS = 5.0
EVERY_S = 0.2
CLIENT = ("net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=30000 30999")
KERNEL_NS = 2_000_000  # from a packet in tcpdump to the state in ss, and back; a scheduler's tick
JITTER_NS = 20_000_000  # of the lab's cable, a Python program that shares the processor with what it connects
WHEEL = 1 / 8  # of its time a timer may be late
TIMED = (TcpState.SYN_SENT, TcpState.SYN_RECEIVED, TcpState.FIN_WAIT_2, TcpState.TIME_WAIT)


@dataclass(frozen=True)
class Sample:
    """What ss counted, by service port and state, between two moments (ns since the epoch)."""

    before: int
    after: int
    counts: dict[tuple[int, str], int]


def sample() -> None:
    """Run in a host: a line of JSON for each ss, until this process is ended."""
    while True:
        before = time.time_ns()
        text = subprocess.run(["ss", "-Htan"], capture_output=True, text=True, check=True).stdout
        print(json.dumps([before, time.time_ns(), text]), flush=True)
        time.sleep(EVERY_S)


def samples(path: Path) -> list[Sample]:
    out = []
    for line in path.read_text().splitlines():
        if not line.endswith("]"):
            continue  # cut when it was ended
        before, after, text = json.loads(line)
        counts: Counter[tuple[int, str]] = Counter()
        for shown in text.splitlines():
            state, _, _, local, peer = shown.split()[:5]
            ports = {int(end.rpartition(":")[2]) for end in (local, peer) if not end.endswith("*")}
            if state in OF_SS:
                counts[min(ports & set(states_traffic.PORTS)), OF_SS[state]] += 1
        out.append(Sample(before, after, dict(counts)))
    return out


def record(seconds: float, folder: Path) -> None:
    """Captures and samples of both hosts."""
    program = str(ROOT / "scripts" / "lab" / "programs" / "states_traffic.py")
    with reserved(71) as number, Network(number, DELAY_MS, sysctls={"client": CLIENT}) as net:
        net.server.rules(
            "add table ip t\nadd chain ip t in { type filter hook input priority 0; }\n"
            f"add rule ip t in tcp dport {states_traffic.DROPPED} drop\n"
            f"add rule ip t in tcp dport {states_traffic.UNFINISHED} tcp flags & (syn | ack) == ack drop\n"
        )
        point = Point()
        ends = {"client": net.client, "server": net.server}
        captures = [
            Tcpdump(host, point, folder / f"{name}.pcap", folder / f"{name}.log") for name, host in ends.items()
        ]
        samplers = [
            subprocess.Popen(sampler(host), stdout=(folder / f"{name}.ss").open("w")) for name, host in ends.items()
        ]
        try:
            with captures[0], captures[1]:
                server = Process(net.server, [sys.executable, program, "server"], folder / "served.log")
                caller = [sys.executable, program, "client", net.server.address]
                with server:
                    server.read_line("server", 10)
                    with Process(net.client, caller, folder / "called.log"):
                        time.sleep(seconds)
                        for process in samplers:
                            process.terminate()
        finally:
            for process in samplers:
                process.kill()
                process.wait()


def sampler(host: Host) -> list[str]:
    return host.command(sys.executable, str(Path(__file__).resolve()), "--sample")


@dataclass
class Tally:
    counts: int = 0  # states of services at samples, of those that ever are
    some: int = 0  # of them not 0
    equal: int = 0
    late: int = 0  # equal but for timers that the kernel fires late
    early: int = 0  # equal but for dials that their program gave up before the next SYN was due
    latest_s: float = 0.0
    jitter: int = 0  # of the other host's end, equal within the cable's jitter
    differing: int = 0


def compare(capture: Path, shown: list[Sample], end: Side, jitter: int) -> Tally:
    """Hold one end's samples against one host's capture."""
    tables = pipeline.read_tables([str(capture)])
    c = tables.connections
    stays = steps_of(c, end, tables.counters.first_at or 0).stays()
    first, last = tables.counters.first_at or 0, tables.counters.last_at or 0
    tally = Tally()
    for port in states_traffic.PORTS:
        of_port = stays.of(c.server_port[stays.rows] == port)
        for state in (TcpState[name] for name in OF_SS.values()):
            ours = of_port.of(of_port.states == state)
            for one in shown:
                if not first <= one.before <= one.after <= last:
                    continue
                theirs = one.counts.get((port, state.name), 0)
                if not theirs and not len(ours.rows):
                    continue
                if state is TcpState.SYN_SENT:
                    last_syn = c.syn_at[ours.rows]
                    unanswered = c.opening[ours.rows] == Opening.UNANSWERED
                    maybe = ours.of(unanswered & (last_syn < one.before)).count(np.array([one.before]))[0]
                else:
                    maybe = 0
                judge(tally, f"{end} {port} {state.name}", ours, theirs, one, jitter, state in TIMED, int(maybe))
    return tally


def judge(
    tally: Tally, what: str, ours: Stays, theirs: int, one: Sample, jitter: int, self_ending: bool, maybe_over: int
) -> None:
    tally.counts += 1
    tally.some += theirs > 0
    low, high = one.before - KERNEL_NS, one.after + KERNEL_NS
    levels = levels_between(ours, low, high)
    if theirs in levels:
        tally.equal += 1
        return
    if max(levels) - maybe_over <= theirs < min(levels):
        tally.early += 1
        return
    if self_ending and theirs > max(levels):
        # Those that ended last may still be there: the one that ss shows longest, how late is it?
        ended = np.sort(ours.end[ours.end <= high])[::-1]
        more = theirs - max(levels)
        if more <= len(ended):
            late = (one.before - int(ended[more - 1])) / 1e9
            if late <= WHEEL * 63:
                tally.late += 1
                tally.latest_s = max(tally.latest_s, late)
                return
    if jitter and theirs in levels_between(ours, low - jitter, high + jitter):
        tally.jitter += 1
        return
    tally.differing += 1
    if tally.differing <= 20:
        print(f"  {what} at {one.before / 1e9:.3f}: ss {theirs}, pcapdiag {sorted(levels)}")


def levels_between(stays: Stays, low: int, high: int) -> set[int]:
    """How many stays there are at each instant of a time."""
    at = np.concatenate([stays.begin, stays.end])
    return set(stays.count(np.concatenate([[low], at[(at > low) & (at <= high)]])).tolist())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=110.0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where captures and samples stay, or are")
    parser.add_argument("--sample", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sample:
        sample()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "client.pcap").exists():
            record(options.seconds, folder)
        failed = False
        for host in ("client", "server"):
            for end in (Side.CLIENT, Side.SERVER):
                far = 0 if end.word == host else JITTER_NS
                shown = samples(folder / f"{end.word}.ss")
                took = sorted((one.after - one.before) / 1e6 for one in shown)
                tally = compare(folder / f"{host}.pcap", shown, end, far)
                print(f"{end.word} end, from the {host}'s capture")
                print(f"  {len(shown)} samples of {took[len(took) // 2]:.0f} ms, the longest {took[-1]:.0f} ms")
                print(f"  {tally.counts:,} counts, {tally.some:,} of them not 0")
                print(f"  {tally.equal:,} equal")
                print(f"  {tally.late:,} equal but for timers up to {tally.latest_s:.1f} s late")
                print(f"  {tally.early:,} equal but for dials given up before the next SYN was due")
                if far:
                    print(f"  {tally.jitter:,} equal within {JITTER_NS // 1_000_000} ms, the cable's jitter")
                print(f"  {tally.differing:,} different{' beyond that' if far else ''}")
                failed |= tally.differing > 0 and not far
        return int(failed)


if __name__ == "__main__":
    sys.exit(main())
