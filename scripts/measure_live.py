#!/usr/bin/env python3
"""Measure ``pcapdiag live``: what it takes, what it loses, and whether its memory stays bounded.

    sudo scripts/measure_live.py load                           20,000 and 100,000 packets/s on loopback, a minute each
    sudo scripts/measure_live.py load --rates 50000 --program dumpcap
    sudo scripts/measure_live.py load --save                    with -w, to a file in a temporary folder
    sudo scripts/measure_live.py soak --minutes 60              real clients and servers that never stop

``load`` records real HTTP once (wrk with keep-alive and ab without, against nginx) and plays it at an exact rate on the
loopback of a network namespace where nobody answers, so that each packet is there once.  Lost packets are those that the
kernel's counter of the capturing socket tells; CPU time is of pcapdiag and all processes that it starts, by the kernel's
account.  Exit code 1 when a bar is missed: no drops at 100,000 packets/s, under half a core at 20,000.

``soak`` watches the memory of pcapdiag (its own and that of its children, by proportional set size) while connections come
and go, some stay open for all of the time, and what ended more than five minutes ago is forgotten.  It prints a table
and fails when the second half of the time needs more than the first by a tenth.

Needs Linux, root, iproute2, tcpdump, nginx, and for ``load`` wrk, ab and tcpreplay.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from lab.errors import LabError
from lab.network import run

NAMESPACE = "pcapdiag-live"
SERVER = "10.72.0.1"  # on the loopback of the namespace; recorded packets are played where it is nobody's
PORT = 8081
BARS = {20_000: 0.5, 100_000: None}  # packets/s: cores at the most
NGINX = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; keepalive_timeout {timeout};
  server {{ listen {address}:{port} backlog=4096; location / {{ return 200 "{body}"; }} }} }}
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", help="CPU time and drops at given rates")
    load.add_argument("--rates", type=int, nargs="+", default=list(BARS), help="packets/s (default: 20000 100000)")
    load.add_argument("--seconds", type=int, default=60, help="of each (default 60)")
    load.add_argument("--program", choices=["tcpdump", "dumpcap", "scapy"], help="what captures")
    load.add_argument("--save", action="store_true", help="keep the packets, too")
    load.add_argument("--work", type=Path, help="where the recording is kept between runs")
    soak = commands.add_parser("soak", help="memory over time")
    soak.add_argument("--minutes", type=float, default=60)
    soak.add_argument("--history", default="5m", help="for pcapdiag live (default 5m)")
    soak.add_argument("--csv", type=Path, help="write the samples there")
    return parser.parse_args()


@contextlib.contextmanager
def namespace(*addresses: str) -> Iterator[list[str]]:
    """A network namespace with these addresses on its loopback; the command line that runs in it."""
    subprocess.run(["ip", "netns", "del", NAMESPACE], capture_output=True, check=False)
    run("ip", "netns", "add", NAMESPACE)
    inside = ["ip", "netns", "exec", NAMESPACE]
    try:
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_max_tw_buckets=2000000")
        for address in addresses:
            run(*inside, "ip", "address", "add", f"{address}/32", "dev", "lo")
        yield inside
    finally:
        run("ip", "netns", "del", NAMESPACE)


@contextlib.contextmanager
def process(*command: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the ``with`` block ends."""
    popen = subprocess.Popen(command, start_new_session=True, **options)  # type: ignore[call-overload]
    try:
        yield popen
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGTERM)
        popen.wait(10)


@contextlib.contextmanager
def nginx(inside: list[str], work: Path, timeout: str, body: str = "x" * 180) -> Iterator[None]:
    configuration = work / "nginx.conf"
    configuration.write_text(NGINX.format(work=work, timeout=timeout, address=SERVER, port=PORT, body=body))
    with process(*inside, "nginx", "-c", str(configuration)):
        time.sleep(1)
        yield


def record(path: Path, packets: int, work: Path) -> None:
    """Real HTTP on one loopback: connections that are kept, and connections for one request."""
    url = f"http://{SERVER}:{PORT}/"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with namespace(SERVER) as inside, nginx(inside, work, "75s"):
        dump = ["tcpdump", "-i", "lo", "-n", "-U", "-B", "262144", "-c", str(packets), "-w", str(path), "tcp"]
        with (
            process(*inside, *dump, **quiet) as recording,
            process(*inside, "wrk", "-t1", "-c20", "-d600", url, **quiet),
            process(*inside, "sh", "-c", f"while ab -q -c 4 -n 5000 {url}; do :; done", **quiet),
        ):
            recording.wait(600)


def live(inside: list[str], *options: str) -> list[str]:
    # -P: the installed package, which is compiled, and not the sources that lie in the current directory.
    return [*inside, sys.executable, "-P", "-m", "pcapdiag", "live", "-i", "lo", "--format", "ndjson", *options]


def measured(rate: int, options: argparse.Namespace, work: Path) -> tuple[dict[str, object], float, float]:
    """The last event of a run at that rate, its CPU seconds, and the seconds for which packets came."""
    recording = work / f"recording-{rate * options.seconds}.pcap"
    if not recording.exists():
        print(f"recording {rate * options.seconds:,} packets", file=sys.stderr)
        record(recording, rate * options.seconds, work)
    command = ["-f", "tcp", *(["--program", options.program] if options.program else [])]
    if options.save:
        command += ["-w", str(work / "saved.pcapng")]
    with namespace() as inside:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        watching = subprocess.Popen(live(inside, *command), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert watching.stdout is not None
        assert watching.stderr is not None
        watching.stderr.readline()  # it captures now
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        play = ["tcpreplay", "-q", "-i", "lo", "--preload-pcap", f"--pps={rate}", str(recording)]
        began = time.monotonic()
        played = subprocess.run([*inside, *play], capture_output=True, text=True, check=False)
        took = time.monotonic() - began
        if played.returncode:
            raise LabError(f"tcpreplay: {played.stderr}")
        players = resource.getrusage(resource.RUSAGE_CHILDREN)
        time.sleep(1)
        watching.send_signal(signal.SIGINT)
        out, _ = watching.communicate(timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    replaying = players.ru_utime + players.ru_stime - own.ru_utime - own.ru_stime
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - replaying
    seconds = next((float(one) for one in re.findall(r"in ([\d.]+) seconds", played.stdout)), took)
    return json.loads(out.splitlines()[-1]), used, seconds


def load(options: argparse.Namespace) -> int:
    missed = False
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pcapdiag-live-")))
        work.mkdir(parents=True, exist_ok=True)
        print(f"{'packets/s':>10}{'sent':>12}{'read':>12}{'dropped':>9}{'cores':>7}  connections")
        for rate in options.rates:
            end, used, seconds = measured(rate, options, work)
            sent = rate * options.seconds
            cores = used / seconds
            print(
                f"{sent / seconds:>10,.0f}{sent:>12,}{end['packets']:>12,}{end['dropped']!s:>9}{cores:>7.2f}"
                f"  {end['connections']:,}"
            )
            most = BARS.get(rate)
            if end["dropped"] or end["packets"] != sent or (most is not None and cores > most):
                missed = True
    print(
        "a bar is missed"
        if missed
        else "no packet lost" + (", under half a core at 20,000/s" if 20_000 in options.rates else "")
    )
    return int(missed)


def callers(stop: Event, number: int) -> None:
    """Real sockets: short connections, some used ten times, some left open for minutes; about a hundred a second."""
    request = f"GET /{number} HTTP/1.1\r\nHost: soak-{number % 7}\r\nUser-Agent: soak/{number % 3}\r\n\r\n".encode()
    kept: list[tuple[float, socket.socket]] = []
    turn = 0
    while not stop.is_set():
        turn += 1
        try:
            connection = socket.create_connection((SERVER, PORT), timeout=5)
            for _ in range(10 if turn % 5 == 0 else 1):
                connection.sendall(request)
                connection.recv(4096)
            if turn % 25 == 0:
                kept.append((time.monotonic() + 60 + turn % 240, connection))
            else:
                connection.close()
        except OSError:
            time.sleep(0.1)
        while kept and kept[0][0] < time.monotonic():
            kept.pop(0)[1].close()
        stop.wait(0.03)


def in_namespace(stop: Event) -> None:
    """This process's own threads join the namespace, one by one."""
    handle = os.open(f"/run/netns/{NAMESPACE}", os.O_RDONLY)

    def caller(number: int) -> None:
        os.setns(handle, os.CLONE_NEWNET) if hasattr(os, "setns") else setns(handle)
        callers(stop, number)

    for number in range(4):
        Thread(target=caller, args=(number,), daemon=True).start()


def setns(handle: int) -> None:
    """Python has it from 3.12 on."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(handle, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


def memory(pid: int) -> tuple[float, float]:
    """MB of a process, and of it with all its descendants, shared pages in proportion."""
    import psutil

    def pss(process: psutil.Process) -> float:
        with contextlib.suppress(psutil.Error):
            return process.memory_full_info().pss / 1e6
        return 0.0

    own = psutil.Process(pid)
    return pss(own), pss(own) + sum(pss(child) for child in own.children(recursive=True))


def soak(options: argparse.Namespace) -> int:
    rows: list[tuple[float, float, float, dict[str, object]]] = []
    stop = Event()
    with tempfile.TemporaryDirectory(prefix="pcapdiag-soak-") as folder, namespace(SERVER) as inside:
        work = Path(folder)
        work.chmod(0o755)
        command = live(inside, "--history", options.history, "--status-every", "10s", "-w", str(work / "kept.pcapng"))
        command += ["--rotate-size", "20M", "--keep-files", "4"]
        with nginx(inside, work, "3600s"):
            watching = subprocess.Popen(command, stdout=subprocess.PIPE)
            assert watching.stdout is not None
            in_namespace(stop)
            until = time.monotonic() + options.minutes * 60
            began = time.monotonic()
            print(
                f"{'minute':>7}{'MB':>8}{'with looks':>12}{'packets':>12}{'connections':>13}{'forgotten':>11}{'dropped':>9}"
            )
            for line in watching.stdout:
                event = json.loads(line)
                if event["event"] != "status":
                    continue
                own, whole = memory(watching.pid)
                minute = (time.monotonic() - began) / 60
                rows.append((minute, own, whole, event))
                if len(rows) % 12 == 1:
                    print(
                        f"{minute:>7.1f}{own:>8.1f}{whole:>12.1f}{event['packets']:>12,}{event['connections']:>13,}"
                        f"{event['forgotten']:>11,}{event['dropped']:>9,}",
                        flush=True,
                    )
                if time.monotonic() > until:
                    break
            else:
                raise LabError("pcapdiag live ended before its time")
            stop.set()
            used = cpu(watching.pid)
            watching.send_signal(signal.SIGINT)
            out, _ = watching.communicate(timeout=120)
            files = work.glob("kept*")
            kept = sum(file.stat().st_size for file in files) / 1e6
    end = json.loads(out.splitlines()[-1])
    if options.csv:
        options.csv.write_text(
            "minute,own_mb,with_looks_mb,packets,connections,forgotten\n"
            + "".join(
                f"{minute:.2f},{own:.1f},{whole:.1f},{event['packets']},{event['connections']},{event['forgotten']}\n"
                for minute, own, whole, event in rows
            )
        )
    print(f"end: {end['packets']:,} packets, {end['dropped']} dropped; {kept:.0f} MB kept; {used:.1%} of a core")
    half = [row for row in rows if row[0] > 6]  # the history is full
    first, second = half[: len(half) // 2], half[len(half) // 2 :]
    if not first:
        print("too short to tell whether memory is bounded")
        return 0
    most, later = max(row[1] for row in first), max(row[1] for row in second)
    print(f"highest once the history was full: {most:.1f} MB, in the second half {later:.1f} MB")
    return int(later > 1.1 * most or end["dropped"] > 0)


def cpu(pid: int) -> float:
    """Cores used since its start, by a process and its children."""
    import psutil

    own = psutil.Process(pid)
    times = own.cpu_times()
    used = times.user + times.system + times.children_user + times.children_system
    used += sum(sum(child.cpu_times()[:4]) for child in own.children(recursive=True))
    return used / (time.time() - own.create_time())


def main() -> int:
    options = arguments()
    built = [sys.executable, "-P", "-c", "from pcapdiag._build import compiled; print(compiled())"]
    if run(*built).strip() != "True":
        print("pcapdiag runs interpreted here: what is measured is some twenty times slower", file=sys.stderr)
    if os.geteuid():
        raise LabError("network namespaces and capturing need root")
    return load(options) if options.command == "load" else soak(options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"measure_live: {error}")
