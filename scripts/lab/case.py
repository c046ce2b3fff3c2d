"""A case: one real program doing one thing, captured, with the truth written beside it and both checked."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from lab import wire as wires
from lab.capture import Point, Tcpdump
from lab.errors import LabError
from lab.kernel import SocketEvents, socket_states
from lab.network import Host, Network
from lab.process import Process, listening
from lab.servers import Server
from lab.toolchains import Toolchain
from lab.truth import Truth, build
from lab.wire import Wire

FRONT_PORT = 8080
LOAD_S = 180.0  # no load takes longer
LAST_REST_S = 0.3  # between the closing mark and the end of the capture
MARK_PORT = 9  # discard; nothing listens


@dataclass(frozen=True)
class Check:
    """A sentence about a capture that must hold."""

    sentence: str
    holds: Callable[[Truth, Wire], bool]


@dataclass(frozen=True)
class Client:
    """go/client with these flags."""

    flags: tuple[str, ...]
    go: str = "new"
    name: str = "Go net/http"


@dataclass(frozen=True)
class Front:
    """The experiment of the write-ups: ab calls go/frontsvc, which calls the server once for each request."""

    flags: tuple[str, ...]
    requests: int = 300
    concurrency: int = 20
    full_requests: int = 10_000
    full_concurrency: int = 100
    go: str = "new"
    name: str = "Go net/http"


@dataclass(frozen=True)
class Case:
    name: str
    description: str
    client: Client | Front
    server: Server
    expect: Mapping[str, object]  # cause, settings, values: what a diagnosis must say
    checks: tuple[Check, ...]
    rest_s: float = 3.2
    point: Point = field(default_factory=Point)
    delay_ms: float = 0.0  # one way, on the cable
    notes: str = ""  # where the kernel's view and the wire's differ, and why


@dataclass(frozen=True)
class Lab:
    """Where the work is done and with what."""

    work: Path
    out: Path
    go: Mapping[str, Toolchain]
    full: bool = False


def make(case: Case, lab: Lab, number: int) -> str:
    """Run the case, write its capture and truth; a line about what it shows."""
    folder = lab.work / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    capture = folder / f"{case.name}.pcap"
    with ExitStack() as stack:
        network = stack.enter_context(Network(number, case.delay_ms))
        server = case.server.prepare(network.server, folder, dict(lab.go))
        process = stack.enter_context(
            Process(network.server, server.command, folder / "server.out", server.environment)
        )
        process.wait_for(listening(network.server, case.server.port), "server")
        url = f"{case.server.scheme}://{network.server.address}:{case.server.port}/"
        addresses = (network.client.address, network.server.address)
        events = SocketEvents(f"lab{number}", addresses, lab.work)
        host = network.client if case.point.side == "client" else network.server
        with events, Tcpdump(host, case.point, capture, folder / "tcpdump.out"):
            started_at = time.time()
            if isinstance(case.client, Client):
                drive_client(stack, case.client, network, folder, lab, url)
            else:
                drive_front(stack, case.client, network, folder, lab, url)
            time.sleep(case.rest_s)
            ss = {
                "client": socket_states(network.client, case.server.port),
                "server": socket_states(network.server, case.server.port),
                "at": round(time.time() - started_at, 3),
            }
            mark(network.client, network.server.address)
            time.sleep(LAST_REST_S)
        # Capture and events have ended; only now do the programs end, and their connections with them.
        requests = case.server.requests(folder)
        truth = Truth(build(events.changes, requests, network.client.address, case.server.port), ss)
        if isinstance(case.client, Front) and not case.point.filter:
            # ab makes one request on each connection; the service keeps no log of them.
            front = Truth(build(events.changes, [], network.server.address, FRONT_PORT))
            truth.front = {
                "port": FRONT_PORT,
                "connections": len(front.connections),
                "initiator": dict(front.initiators),
            }
    write(case, lab, capture, truth, server.version)
    wire = check(case, capture, truth)
    capture.replace(lab.out / capture.name)
    (folder / f"{case.name}.json").replace(lab.out / f"{case.name}.json")
    return (
        f"{len(truth.connections)} connections, {truth.requests} requests, "
        f"initiator {dict(truth.initiators)}, {wire.packets} packets, ss {truth.ss}"
    )


def drive_client(
    stack: ExitStack, client: Client, network: Network, folder: Path, lab: Lab, url: str
) -> None:
    program = str(lab.go[client.go].programs / "client")
    command = [program, "-url", url, *client.flags]
    process = stack.enter_context(Process(network.client, command, folder / "client.out"))
    process.read_line("end of the load", LOAD_S)


def drive_front(stack: ExitStack, front: Front, network: Network, folder: Path, lab: Lab, url: str) -> None:
    program = str(lab.go[front.go].programs / "frontsvc")
    command = [program, "-addr", f":{FRONT_PORT}", "-backend", url, *front.flags]
    process = stack.enter_context(Process(network.client, command, folder / "client.out"))
    process.wait_for(listening(network.client, FRONT_PORT), "service")
    requests, concurrency = (
        (front.full_requests, front.full_concurrency) if lab.full else (front.requests, front.concurrency)
    )
    report = network.server.run("ab", "-q", "-n", f"{requests}", "-c", f"{concurrency}",
                                f"http://{network.client.address}:{FRONT_PORT}/")  # fmt: skip
    (folder / "ab.out").write_text(report)
    if "Non-2xx" in report or "Failed requests:        0" not in report:
        raise LabError(f"ab: {report}")


def mark(host: Host, address: str) -> None:
    """One UDP datagram: a capture ends with its last packet, and the rest before it would not show."""
    send = f"sendto(b'end of the rest', ('{address}', {MARK_PORT}))"
    script = f"import socket; socket.socket(type=socket.SOCK_DGRAM).{send}"
    host.run("python3", "-c", script)


def check(case: Case, capture: Path, truth: Truth) -> Wire:
    """The packets agree with the truth, and show what the case is named for."""
    wire = wires.read(capture, case.server.port)
    cut = case.point.snaplen < 200
    problems = wires.compare(truth, wire, count_requests=case.server.scheme == "http", cut=cut)
    problems += [f"not so: {item.sentence}" for item in case.checks if not item.holds(truth, wire)]
    wires.demand(problems, case.name)
    return wire


def write(case: Case, lab: Lab, capture: Path, truth: Truth, server: str) -> None:
    client = case.client
    full = " --full" if lab.full else ""
    document = {
        "file": capture.name,
        "description": case.description,
        "made_by": f"scripts/make_captures.py{full} {case.name}",
        "client": f"{client.name} {lab.go[client.go].version}",
        "client_program": ("client " if isinstance(client, Client) else "frontsvc ") + " ".join(client.flags),
        "server": server,
        "captured": {"side": case.point.side, "device": case.point.device, "snaplen": case.point.snaplen},
        "delay_ms_each_way": case.delay_ms,
        "service_port": case.server.port,
        "expect": dict(case.expect),
        "rest_s": case.rest_s,
        "truth": truth.as_json(),
        **({"front": truth.front} if truth.front else {}),
        "notes": case.notes,
    }
    text = json.dumps(document, indent=1)
    capture.with_suffix(".json").write_text(text + "\n")
