"""A proof: a program with a mistake is captured, the snippet that the report prints is pasted, and it is captured again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.capture import Point, Tcpdump
from lab.case import LAST_REST_S, LOAD_S, mark
from lab.errors import LabError
from lab.network import INTERFACE, Host, Network, reserved
from lab.process import Process, listening
from lab.servers import PORT, Server
from lab.toolchains import Toolchain

from fixes.server_tools import Postgres, Redis
from fixes.splice import splice
from fixes.tools import PROGRAMS, Kit, Tool

ROOT = Path(__file__).resolve().parents[2]
FRONT_PORT = 8080  # of a service that calls the server
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Load:
    """Callers that call together, ``calls`` times each, a period apart."""

    callers: int
    calls: int
    period_ms: int
    post: int = 0  # bytes of body; 0 is GET

    @property
    def words(self) -> list[str]:
        return [f"{self.callers}", f"{self.calls}", f"{self.period_ms}"]

    @property
    def flags(self) -> list[str]:
        """The same in the words of go/client; what is refused is no reason to stop."""
        post = ["-post", f"{self.post}", "-tolerate"] if self.post else []
        return ["-together", "-load", f"{self.callers}x{self.calls}@{self.period_ms}ms", *post]


@dataclass(frozen=True)
class Proof:
    name: str
    product: str  # as a report names it
    cause: str  # what must lead the first report
    setting: str  # the product's, first there: its snippet is what is pasted
    mistake: str  # in words
    program: str  # the file of programs/ with the mistake
    tool: Tool
    load: Load
    server: Server | None = None  # for a client's mistake
    proxy: int = 0  # the program listens on this port and calls the server
    local: bool = False  # all runs on one host and is captured on its loopback, as a snippet's own addresses want it
    rest_s: float = 2.5
    port: int = PORT  # of the service
    said: tuple[str, ...] = ()  # to diagnose, where the packets do not name the program
    nth: int = 1  # of the product's settings there: where several mistakes look the same, the program tells which

    @property
    def needs(self) -> str:
        """What the machine lacks for it, "" when nothing."""
        own: str = self.tool.needs()
        return own or (self.server.needs() if isinstance(self.server, Redis | Postgres) else "")


@dataclass(frozen=True)
class Side:
    """What one capture shows."""

    capture: Path
    report: dict[str, Any]

    @property
    def leading(self) -> dict[str, Any] | None:
        """The finding that leads, None when there is none above info."""
        return next((finding for finding in self.report["findings"] if finding["severity"] != "info"), None)

    def per_connection(self, port: int) -> float:
        """Requests on each connection to the service of that port."""
        pools = [pool for pool in self.report["pools"] if pool["server"]["port"] == port]
        return float(sum(pool["requests"] for pool in pools) / sum(pool["connections"] for pool in pools))


@dataclass(frozen=True)
class Proven:
    """A proof that was run: what is told of it in the table."""

    proof: Proof
    version: str
    now: str  # of the setting, as the packets show it
    set_to: str
    before: Side
    after: Side
    verdict: str  # of compare
    problem: str  # "" when the finding is gone

    @property
    def per_connection(self) -> str:
        """Requests on each connection, before and after."""
        port = self.proof.port
        return f"{self.before.per_connection(port):.1f} -> {self.after.per_connection(port):.1f}"


@dataclass(frozen=True)
class Lab:
    work: Path
    kit: Kit
    go: dict[str, Toolchain]  # the lab's own programs


def prove(proof: Proof, lab: Lab, wanted: int) -> Proven:
    """Run the proof.

    Raises:
        LabError: a program failed, or the first capture does not show the mistake with the setting's snippet.
    """
    folder = lab.work / proof.name
    shutil.rmtree(folder, ignore_errors=True)
    source = (PROGRAMS / proof.program).read_text()
    with reserved(wanted) as number:
        before = capture(proof, source, folder / "before", lab, number)
        advice = setting_of(proof, before)
        (folder / "snippet").write_text(advice["snippet"] + "\n")
        after = capture(proof, splice(source, advice["snippet"]), folder / "after", lab, number)
    verdict, problem = judged(before, after)
    return Proven(
        proof,
        proof.tool.version(lab.kit),
        advice["inferred"] or "not visible",
        advice["recommended"],
        before,
        after,
        verdict,
        problem,
    )


def setting_of(proof: Proof, side: Side) -> dict[str, Any]:
    """The product's setting in the leading finding, as the report for people prints it."""
    leading = side.leading
    if leading is None or leading["causes"][0]["cause"] != proof.cause:
        raise LabError(f"{proof.cause} does not lead but {leading and leading['title']!r}: {side.capture}")
    advices = [advice for cause in leading["causes"] for advice in cause["settings"]]
    own = [advice for advice in advices if advice["product"] == proof.product]
    if len(own) < proof.nth or own[proof.nth - 1]["name"] != proof.setting:
        named = ", ".join(f"{advice['product']} {advice['name']}" for advice in own or advices) or "none"
        raise LabError(f"setting {proof.nth} of {proof.product} is not {proof.setting}; settings: {named}")
    advice: dict[str, Any] = own[proof.nth - 1]
    printed = [line.strip() for line in pcapdiag("diagnose", "-v", *proof.said, str(side.capture)).splitlines()]
    lines = [line.strip() for line in advice["snippet"].expandtabs(4).splitlines()]
    if not lines or not any(printed[at : at + len(lines)] == lines for at in range(len(printed))):
        raise LabError(f"diagnose does not print the snippet of {proof.setting}: {side.capture}")
    return advice


def capture(proof: Proof, source: str, folder: Path, lab: Lab, number: int) -> Side:
    """Build the program from the source, run and capture it, and diagnose the capture."""
    programs = folder / "program"
    programs.mkdir(parents=True)
    path = folder / f"{proof.name}-{folder.name}.pcap"
    with ExitStack() as stack:
        network = stack.enter_context(Network(number))
        command = proof.tool.prepare(programs, source.replace("SERVER_ADDRESS", network.server.address), lab.kit)
        for host, server, port in servers(proof, command, programs, network, lab):
            process = stack.enter_context(Process(host, server, folder / f"{port}.out"))
            process.wait_for(listening(host, port), "server")
        host, client = load(proof, command, network, lab)
        ports = [port for port in (proof.proxy, proof.port) if port]
        point = Point(
            device="lo" if proof.local else INTERFACE,
            filter=" or ".join(("udp", *(f"tcp port {port}" for port in ports))),  # udp is the closing mark
        )
        with Tcpdump(network.client, point, path, folder / "tcpdump.out"):
            # Ended by the outer block: no program's own end is in the capture.
            process = stack.enter_context(Process(host, client, folder / "load.out"))
            status = process.read_line_or_end("end of the load", LOAD_S)
            if status is not None:
                raise LabError(f"{' '.join(client)} ended with {status}: {process.log.read_text()[-500:]}")
            time.sleep(proof.rest_s)
            mark(network.client, LOOPBACK if proof.local else network.server.address)
            time.sleep(LAST_REST_S)
    return Side(path, json.loads(pcapdiag("diagnose", "--format", "json", *proof.said, str(path))))


def servers(
    proof: Proof, command: list[str], folder: Path, network: Network, lab: Lab
) -> Iterator[tuple[Host, list[str], int]]:
    """What listens: a host, a command and a port each."""
    host = network.client if proof.local else network.server
    if proof.server:
        yield host, proof.server.prepare(host, folder, lab.go).command, proof.port
    else:
        yield host, command, proof.port
    if proof.proxy:
        yield network.client, command, proof.proxy


def load(proof: Proof, command: list[str], network: Network, lab: Lab) -> tuple[Host, list[str]]:
    """What calls: the program itself, or where that is a server or proxy, a client that keeps its connections."""
    server = LOOPBACK if proof.local else network.server.address
    if proof.server and not proof.proxy:
        return network.client, [*command, f"http://{server}:{proof.port}/", *proof.load.words]
    host, address, port = network.client, server, proof.port
    if proof.proxy:
        host, address, port = network.server, network.client.address, proof.proxy
    client = [str(lab.go["new"].programs / "client"), "-url", f"http://{address}:{port}/", "-mode", "transport"]
    return host, [*client, "-per-host", "100", "-idle-timeout", "90s", *proof.load.flags]


def judged(before: Side, after: Side) -> tuple[str, str]:
    """What ``compare`` says of the two, and what is wrong with that; "" where nothing is.

    The finding must be gone, which compare says only where the second capture could have shown it, and none be new.
    """
    said = json.loads(pcapdiag("compare", "--format", "json", str(before.capture), str(after.capture)))
    leading = before.leading
    assert leading is not None
    own = next((finding for finding in said["findings"] if finding["code"] == leading["code"]), None)
    if own is None:
        return said["outcome"], f"compare says nothing of {leading['name']}"
    new = [
        finding["name"]
        for finding in said["findings"]
        if finding["fate"] in ("new", "worse") and finding["after"] and finding["after"]["severity"] != "info"
    ]
    told = f"{own['fate']}: {own['why']}" if own["why"] else own["fate"]
    if own["fate"] != "gone":
        return told, f"{own['name']} is not gone"
    if new or said["outcome"] != "fixed":
        return told, f"{said['outcome']}: {', '.join(new) or said['summary']}"
    return told, ""


def pcapdiag(*words: str) -> str:
    """The command's standard output, from this tree's package."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "pcapdiag", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    if done.returncode > 1:
        raise LabError(f"pcapdiag {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
