"""A case: one real program doing one thing, captured, with the truth written beside it and both checked."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

from lab import wire as wires
from lab.capture import Point, Tcpdump
from lab.errors import LabError
from lab.kernel import SocketEvents, ports_in, socket_states
from lab.network import Host, Network, reserved, run
from lab.process import Process, listening
from lab.servers import PROGRAMS, Server, Started, logged
from lab.toolchains import Toolchain
from lab.truth import Truth, build
from lab.wire import Wire

FRONT_PORT = 8080
LOAD_S = 180.0  # no load takes longer
LAST_REST_S = 0.3  # between the closing mark and the end of the capture
MARK_PORT = 9  # discard; nothing listens
SENT = "sent.log"  # of a client that logs its requests itself


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
    logs: bool = False  # it logs its requests itself, as Program.logs


@dataclass(frozen=True)
class Program:
    """Any program as the client; it is the load, and ends it with its own end or with a line on standard output.

    In its command ``{url} {host} {port}`` name the service, ``{programs}`` is scripts/lab/programs, ``{folder}`` the
    case's own folder, ``{python}`` a Python that has requests, urllib3, httpx and aiohttp, ``{go}`` the folder of the
    Go programs, ``{server_namespace}`` the server's network namespace.
    """

    command: tuple[str, ...]
    name: str
    version: tuple[str, ...] = ()  # a command that prints it
    logs: bool = False  # it writes {folder}/sent.log, "seconds port" for each request sent: the truth of requests
    fails: bool = False  # it ends with an error, as the case means it to


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
class Router:
    """A third host that forwards between the two, with nft commands and sysctls of its own."""

    rules: str = ""
    sysctls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kill:
    """A signal to the client, or to the server and its children."""

    what: str
    signal: Signals


@dataclass(frozen=True)
class Start:
    """The server, or the client, again with the command it had; the case goes on when the server listens."""

    what: str = "server"


@dataclass(frozen=True)
class Rules:
    """nft commands on a host: the router, or client or server."""

    text: str
    host: str = "router"


Action = Kill | Start | Rules


@dataclass(frozen=True)
class Case:
    name: str
    description: str
    client: Client | Front | Program
    server: Server
    expect: Mapping[str, object]  # cause, settings, values: what a diagnosis must say
    checks: tuple[Check, ...]
    rest_s: float = 3.2
    point: Point = field(default_factory=Point)
    delay_ms: float = 0.0  # one way, on the cable
    late: tuple[float, float] = (0.0, 0.0)  # a share of the packets on a delayed cable, and their further milliseconds
    count_requests: bool = True  # whether tshark must count the requests of the log, too
    notes: str = ""  # where the kernel's view and the wire's differ, and why
    router: Router | None = None
    sysctls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by host: client, server
    at: tuple[tuple[float, Action], ...] = ()  # seconds after the client's start, in order


@dataclass(frozen=True)
class Lab:
    """Where the work is done and with what."""

    work: Path
    out: Path
    go: Mapping[str, Toolchain]
    full: bool = False
    python: Path = Path(sys.executable)


class Stage:
    """A case's hosts and running programs, for what happens while the client runs."""

    def __init__(self, network: Network, folder: Path, server: Started, port: int, stack: ExitStack) -> None:
        self.network = network
        self.folder = folder
        self.server = server
        self.port = port
        self.stack = stack
        self.running: dict[str, Process] = {}
        self.killed: set[str] = set()
        self.commands: dict[str, list[str]] = {}
        self.starts: Counter[str] = Counter()
        self.error: Exception | None = None

    def start(self, what: str, command: list[str] | None = None) -> Process:
        """Start client or server, with the command it had before where none is given."""
        command = command or self.commands[what]
        self.commands[what] = command
        self.starts[what] += 1
        number = f"-{self.starts[what]}" if self.starts[what] > 1 else ""
        host = self.network.hosts[what]
        environment = self.server.environment if what == "server" else {}
        process = Process(host, command, self.folder / f"{what}{number}.out", environment)
        self.running[what] = self.stack.enter_context(process)
        if what == "server":
            process.wait_for(listening(host, self.port), "server")
        return process

    def do(self, action: Action) -> None:
        if isinstance(action, Kill):
            self.killed.add(action.what)
            self.running[action.what].send(action.signal)
        elif isinstance(action, Start):
            self.start(action.what)
        else:
            self.network.hosts[action.host].rules(action.text)

    def follow(self, at: tuple[tuple[float, Action], ...]) -> threading.Thread:
        """Do these things at their times from now on, beside what goes on; an error is kept in ``error``."""
        began = time.monotonic()

        def timeline() -> None:
            try:
                for moment, action in at:
                    time.sleep(max(0.0, began + moment - time.monotonic()))
                    self.do(action)
            except Exception as error:  # raised again where the case waits for it
                self.error = error

        thread = threading.Thread(target=timeline)
        thread.start()
        return thread


def make(case: Case, lab: Lab, wanted: int) -> str:
    """Run the case, write its capture and truth; a line about what it shows.

    ``wanted`` is its network's number, unless another process uses that one.
    """
    folder = lab.work / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    capture = folder / f"{case.name}.pcap"
    with ExitStack() as stack:
        number = stack.enter_context(reserved(wanted))
        sysctls = {**case.sysctls, **({"router": case.router.sysctls} if case.router else {})}
        network = stack.enter_context(
            Network(number, case.delay_ms, late=case.late, routed=case.router is not None, sysctls=sysctls)
        )
        if case.router and case.router.rules:
            network.hosts["router"].rules(case.router.rules)
        server = case.server.prepare(network.server, folder, dict(lab.go))
        stage = Stage(network, folder, server, case.server.port, stack)
        if server.command:
            stage.start("server", server.command)
        url = f"{case.server.scheme}://{network.server.address}:{case.server.port}/"
        addresses = (network.client.address, network.server.address)
        events = SocketEvents(f"lab{number}", addresses, lab.work)
        host = network.client if case.point.side == "client" else network.server
        with events, Tcpdump(host, case.point, capture, folder / "tcpdump.out"):
            started_at = time.time()
            timeline = stage.follow(case.at)
            try:
                if isinstance(case.client, Client):
                    drive_client(stage, case.client, lab, url)
                elif isinstance(case.client, Program):
                    drive_program(stage, case.client, lab, url)
                else:
                    drive_front(stack, case.client, network, folder, lab, url)
            finally:
                timeline.join()
            if stage.error:
                raise stage.error
            if stage.starts["client"] > 1:
                stage.running["client"].read_line_or_end("end of the load", LOAD_S)
            time.sleep(case.rest_s)
            ss = {
                "client": socket_states(network.client, case.server.port),
                "server": socket_states(network.server, case.server.port),
                "at": round(time.time() - started_at, 3),
            }
            waiting = ports_in("syn-sent", network.client, case.server.port)
            unheard = ports_in("fin-wait-1", network.client, case.server.port)
            mark(network.client, network.server.address)
            time.sleep(LAST_REST_S)
        # Capture and events have ended; only now do the programs end, and their connections with them.
        if not isinstance(case.client, Front) and case.client.logs:
            requests = logged(folder / SENT)
        else:
            requests = case.server.requests(folder)
        truth = Truth(
            build(events.changes, requests, network.client.address, case.server.port, waiting), ss, unheard=unheard
        )
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


def drive_program(stage: Stage, client: Program, lab: Lab, url: str) -> None:
    network = stage.network
    places = {
        "url": url,
        "host": network.server.address,
        "port": f"{stage.port}",
        "folder": str(stage.folder),
        "programs": str(PROGRAMS),
        "python": str(lab.python),
        "go": str(lab.go["new"].programs),
        "server_namespace": network.server.namespace,
    }
    drive(stage, filled(client.command, places), fails=client.fails)


def filled(command: tuple[str, ...], places: Mapping[str, str]) -> list[str]:
    """The command with its places filled in; other braces stay as they are."""
    words = []
    for word in command:
        for name, value in places.items():
            word = word.replace(f"{{{name}}}", value)
        words.append(word)
    return words


def drive_client(stage: Stage, client: Client, lab: Lab, url: str) -> None:
    command = [str(lab.go[client.go].programs / "client"), "-url", url, *client.flags]
    command += ["-sent", str(stage.folder / SENT)] if client.logs else []
    drive(stage, command, fails=False)


def drive(stage: Stage, command: list[str], *, fails: bool) -> None:
    """Run the client until it says that the load is through, or ends."""
    process = stage.start("client", command)
    status = process.read_line_or_end("end of the load", LOAD_S)
    if status and not fails and "client" not in stage.killed:
        words = process.log.read_text(errors="replace")[-500:]
        raise LabError(f"{' '.join(command)} ended with {status}: {words}")


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
    readable = case.count_requests and case.server.scheme == "http"
    problems = wires.compare(truth, wire, count_requests=readable, cut=cut)
    problems += [f"not so: {item.sentence}" for item in case.checks if not item.holds(truth, wire)]
    wires.demand(problems, case.name)
    return wire


def write(case: Case, lab: Lab, capture: Path, truth: Truth, server: str) -> None:
    full = " --full" if lab.full else ""
    name, program = client_words(case.client, lab)
    document = {
        "file": capture.name,
        "description": case.description,
        "made_by": f"scripts/make_captures.py{full} {case.name}",
        "client": name,
        "client_program": program,
        "server": server,
        "captured": {"side": case.point.side, "device": case.point.device, "snaplen": case.point.snaplen},
        "delay_ms_each_way": case.delay_ms,
        **({"late": {"share": case.late[0], "ms": case.late[1]}} if case.late[0] else {}),
        **({"router": case.router.rules} if case.router else {}),
        **({"at": [[moment, told(action)] for moment, action in case.at]} if case.at else {}),
        "service_port": case.server.port,
        "expect": dict(case.expect),
        "rest_s": case.rest_s,
        "truth": truth.as_json(),
        **({"front": truth.front} if truth.front else {}),
        "notes": case.notes,
    }
    text = json.dumps(document, indent=1)
    capture.with_suffix(".json").write_text(text + "\n")


def client_words(client: Client | Front | Program, lab: Lab) -> tuple[str, str]:
    """The client with its version, and its command without the places of this machine."""
    if isinstance(client, Program):
        version = ""
        if client.version:
            version = " " + run(*filled(client.version, {"python": str(lab.python)})).split("\n")[0].strip()
        words = [word for word in client.command if word != "{python}"]
        said = " ".join(words)
        for place in ("{programs}/", "{folder}/", "{go}/"):
            said = said.replace(place, "")
        return f"{client.name}{version}", said
    kind = "client " if isinstance(client, Client) else "frontsvc "
    return f"{client.name} {lab.go[client.go].version}", kind + " ".join(client.flags)


def told(action: Action) -> str:
    """An action of the timeline in words."""
    if isinstance(action, Kill):
        return f"{action.signal.name} to the {action.what}"
    if isinstance(action, Start):
        return f"{action.what} started again"
    return f"{action.host}: {action.text}"
