"""A case while it runs: two live captures and tcpdump beside them, and what came of each."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from lab.capture import FLUSH_S
from lab.case import LOAD_S, filled
from lab.errors import LabError
from lab.network import Host, run
from lab.process import Process, listening

from loopback.cases import FRONT_PORT, PORT, Case

PROGRAMS = Path(__file__).resolve().parents[1] / "fixes" / "programs"
ADDRESS = "127.0.0.1"
FILTER = f"tcp port {PORT}"
END_S = 30.0


@dataclass(frozen=True)
class Watched:
    """What a case left behind.

    Attributes:
        events: of the ndjson, each with the seconds since the client's start at which it could be read.
        load_s: seconds until the client's load was through.
        text: the report that the other live capture printed; said: its standard error.
        files: where it has kept the packets.
        parallel: tcpdump's file; dropped: packets that it had no room for.
    """

    events: list[tuple[float, dict[str, Any]]]
    load_s: float
    text: str
    said: str
    files: list[Path]
    parallel: Path
    dropped: int

    @property
    def findings(self) -> list[tuple[float, dict[str, Any]]]:
        return [(at, event) for at, event in self.events if event["event"] == "finding"]


class Live:
    """``pcapdiag live`` in the host, its lines kept with the time at which they came."""

    def __init__(self, host: Host, log: Path, options: Sequence[str]) -> None:
        command = [sys.executable, "-P", "-m", "pcapdiag", "live", "-i", "lo", "-f", FILTER, *options]
        self.log = log
        self.lines: list[tuple[float, str]] = []
        with log.open("wb") as errors:
            self.popen = subprocess.Popen(
                host.command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.reader = Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        self.lines.extend((time.monotonic(), line) for line in self.popen.stdout)

    def __enter__(self) -> Live:
        until = time.monotonic() + END_S
        while "Root was given up" not in self.log.read_text():
            if self.popen.poll() is not None or time.monotonic() > until:
                raise LabError(f"pcapdiag live did not begin: {self.log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.reader.join()

    def end(self) -> None:
        """Ctrl-C, and the report behind it."""
        self.popen.send_signal(signal.SIGINT)
        if self.popen.wait(END_S):
            raise LabError(f"pcapdiag live ended with {self.popen.returncode}: {self.log.read_text()}")
        self.reader.join()


def watch(case: Case, work: Path, go: Path, python: Path) -> Watched:
    """Run the case in a network namespace of its own.

    Raises:
        LabError: a program failed, or a capture ended otherwise than it should.
    """
    folder = work / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, source in case.files.items():
        shutil.copy(PROGRAMS / source, folder / name)
    host = Host(f"pcapdiag-{case.name}", ADDRESS)
    places = {
        "go": str(go),
        "python": str(python),
        "folder": str(folder),
        "url": f"http://{ADDRESS}:{PORT}/",
        "front": f"http://{ADDRESS}:{FRONT_PORT}/",
    }
    subprocess.run(["ip", "netns", "delete", host.namespace], capture_output=True, check=False)
    run("ip", "netns", "add", host.namespace)
    try:
        host.run("ip", "link", "set", "lo", "up")
        return run_case(case, host, folder, places)
    finally:
        run("ip", "netns", "delete", host.namespace)


def run_case(case: Case, host: Host, folder: Path, places: Mapping[str, str]) -> Watched:
    parallel = folder / "parallel.pcap"
    dump = ["tcpdump", "-i", "lo", "-n", "-B", "65536", "-Z", "root", "-w", str(parallel), *FILTER.split()]
    with ExitStack() as stack:
        server = [f"{places['go']}/server", "-addr", f"{ADDRESS}:{PORT}", *case.server]
        begin(stack, host, server, folder / "server.log", PORT)
        if case.front:
            begin(stack, host, filled(case.front, places), folder / "front.log", FRONT_PORT)
        lines = stack.enter_context(Live(host, folder / "ndjson.log", ["--format", "ndjson", *case.options]))
        kept = ["--format", "text", "-w", str(folder / "live.pcapng"), *case.options, *case.saving]
        report = stack.enter_context(Live(host, folder / "text.log", kept))
        beside = stack.enter_context(Process(host, dump, folder / "tcpdump.log"))
        beside.wait_for(lambda: "listening on" in beside.log.read_text(), "capture")
        began = time.monotonic()
        client = stack.enter_context(Process(host, filled(case.client, places), folder / "client.log"))
        loaded(client)
        load_s = time.monotonic() - began
        time.sleep(case.rest_s)
        report.end()
        lines.end()
        time.sleep(FLUSH_S)
        beside.stop(signal.SIGINT)
        # Only now do the programs end, and their connections with them.
    (folder / "live.ndjson").write_text("".join(line for _, line in lines.lines))
    dropped = re.search(r"(\d+) packets? dropped by kernel", beside.log.read_text())
    return Watched(
        [(at - began, json.loads(line)) for at, line in lines.lines],
        load_s,
        "".join(line for _, line in report.lines),
        report.log.read_text(),
        sorted(folder.glob("live*.pcapng")),
        parallel,
        int(dropped[1]) if dropped else -1,
    )


def begin(stack: ExitStack, host: Host, command: list[str], log: Path, port: int) -> None:
    process = stack.enter_context(Process(host, command, log))
    process.wait_for(listening(host, port), "server")


def loaded(client: Process) -> None:
    """Wait until the load is through: the line "done", or the program's end (ab prints much before it)."""
    until = time.monotonic() + LOAD_S
    while (status := client.read_line_or_end("end of the load", LOAD_S)) is None:
        if client.command[0] != "sh":
            return
        if time.monotonic() > until:
            raise LabError(f"{' '.join(client.command)}: no end of the load")
    if status:
        raise LabError(
            f"{' '.join(client.command)} ended with {status}: {client.log.read_text(errors='replace')[-500:]}"
        )
