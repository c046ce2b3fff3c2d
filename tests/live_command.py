"""``pcapdiag live`` as a command in a network namespace of its own, with traffic to watch; for tests that run as root."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PORT = 8081
WAIT_S = 10.0
# A server, and a client that uses each connection once: number of connections, bytes of each answer, pause, address.
TRAFFIC = """
import socket, sys, threading, time
count, size, pause, address = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
def serve(server):
    while True:
        connection, _ = server.accept()
        connection.recv(9999)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % size + b"x" * size)
        connection.recv(1)
        connection.close()
def call(server):
    with socket.create_connection((address, PORT)) as client:
        client.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nUser-Agent: Go-http-client/1.1\\r\\n\\r\\n")
        left = size + len(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
        while left:
            left -= len(client.recv(65536))
if "client" not in sys.argv:
    server = socket.create_server((address, PORT), backlog=99)
    print("listening", flush=True)
    if "server" in sys.argv:
        serve(server)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
for _ in range(count):
    call(address)
    time.sleep(pause)
""".replace("PORT", str(PORT))


def missing() -> str:
    """Why such tests cannot run here, "" where they can."""
    if not sys.platform.startswith("linux") or os.geteuid():
        return "needs Linux and root"
    if shutil.which("tcpdump") is None or shutil.which("ip") is None:
        return "needs tcpdump and iproute2"
    made = subprocess.run(["ip", "netns", "add", f"pcapdiag-try-{os.getpid()}"], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "delete", f"pcapdiag-try-{os.getpid()}"], capture_output=True, check=False)
    return "needs network namespaces" if made.returncode else ""


def until(holds: Callable[[], object], seconds: float = WAIT_S) -> bool:
    """Wait for something; whether it came to be."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Namespace:
    """A network namespace with a loopback."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0

    def __enter__(self) -> Namespace:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["ip", "netns", "delete", self.name], check=False)

    def command(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str) -> str:
        return subprocess.run(self.command(*command), check=True, capture_output=True, text=True).stdout

    def pids(self) -> list[int]:
        """The processes in it."""
        return [int(pid) for pid in subprocess.check_output(["ip", "netns", "pids", self.name], text=True).split()]

    def traffic(self, count: int = 30, size: int = 100, pause: float = 0.0) -> None:
        """So many connections for one request each, done when this returns."""
        self.run(sys.executable, "-c", TRAFFIC, str(count), str(size), str(pause), "127.0.0.1")


@dataclass
class Ended:
    code: int
    out: str
    err: str


class Live:
    """The command while it runs; the process has the namespace to itself, but for the traffic."""

    def __init__(
        self,
        namespace: Namespace,
        folder: Path,
        *options: str,
        interface: str = "lo",
        environment: dict[str, str] | None = None,
    ) -> None:
        namespace.number += 1
        self.namespace = namespace
        self.out = folder / f"out-{namespace.number}"
        self.err = folder / f"err-{namespace.number}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SUDO_", "SSH_"))}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.popen = subprocess.Popen(
                namespace.command(sys.executable, "-m", "pcapdiag", "live", "-i", interface, *options),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={**inherited, **(environment or {})},
            )

    def ready(self) -> Live:
        """Wait until it captures and root is given up."""
        assert until(lambda: "Root was given up" in self.err.read_text() or self.popen.poll() is not None)
        assert self.popen.poll() is None, self.err.read_text()
        return self

    def end(self, number: int | None = signal.SIGINT) -> Ended:
        """Send it the signal, None for none, and wait until it has ended."""
        if number is not None:
            self.popen.send_signal(number)
        try:
            code = self.popen.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise
        return Ended(code, self.out.read_text(), self.err.read_text())

    def children(self) -> dict[str, int]:
        """Processes beside it, by name; what is no other's is the warden, or a look."""
        names = {}
        for pid in self.namespace.pids():
            if pid != self.popen.pid:
                with contextlib.suppress(OSError):
                    names[Path(f"/proc/{pid}/comm").read_text().strip()] = pid
        return names


def users(pid: int) -> list[int]:
    """Real, effective, saved and file system user of a process."""
    found = re.search(r"^Uid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return [int(user) for user in found[1].split()]


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Namespace, Namespace]]:
    """Namespaces joined by a veth pair, ``wire`` in both: 10.98.0.1, and 10.98.0.2 where a server listens."""
    with Namespace(f"pcapdiag-near-{os.getpid()}") as near, Namespace(f"pcapdiag-far-{os.getpid()}") as far:
        make = ["ip", "-n", near.name, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far.name]
        subprocess.run(make, check=True)
        for namespace, address in ((near, "10.98.0.1"), (far, "10.98.0.2")):
            namespace.run("ip", "address", "add", f"{address}/24", "dev", "wire")
            namespace.run("ip", "link", "set", "wire", "up")
        command = far.command(sys.executable, "-c", TRAFFIC, "0", "100", "0", "10.98.0.2", "server")
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            try:
                yield near, far
            finally:
                server.kill()


def across(near: Namespace, count: int = 30) -> None:
    """Connections through the cable."""
    near.run(sys.executable, "-c", TRAFFIC, str(count), "100", "0", "10.98.0.2", "client")


def skipping() -> pytest.MarkDecorator:
    reason = missing()
    return pytest.mark.skipif(bool(reason), reason=reason)
