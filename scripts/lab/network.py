"""Two hosts joined by a cable: network namespaces and a veth pair, offloads off, all gone at the end.

Not the loopback: there ``tcp_tw_reuse`` hides TIME_WAIT, both ends are one capture point, segments are large.
A delayed cable is a pair of TUN devices with ``delay.py`` between them: a kernel without netem has no other.
With a router the hosts are on networks of their own, and what passes between them is forwarded, filtered and
forgotten by a third namespace; the delayed cable is then the client's.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from lab.errors import LabError

INTERFACE = "eth0"
DELAY = Path(__file__).with_name("delay.py")
TO_SERVER = "eth1"  # the router's other interface
OFFLOADS = ("tso", "gso", "gro", "tx", "rx", "sg")
NUMBERS = 249  # networks; 250 is the benchmark's


def run(*command: str, text: str | None = None) -> str:
    """Run a command that must succeed, ``text`` its standard input; its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=text)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextmanager
def reserved(wanted: int) -> Iterator[int]:
    """A network's number that no other process uses now: ``wanted``, or the next one that is free."""
    folder = Path(tempfile.gettempdir())
    for number in ((wanted + step - 1) % NUMBERS + 1 for step in range(NUMBERS)):
        with (folder / f"pcapdiag-lab-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise LabError("all networks of the lab are in use")


class Host:
    """One namespace with an address on its end of the cable."""

    def __init__(self, namespace: str, address: str) -> None:
        self.namespace = namespace
        self.address = address

    def command(self, *command: str) -> list[str]:
        """The command line that runs ``command`` inside this host."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def run(self, *command: str) -> str:
        return run(*self.command(*command))

    def rules(self, text: str) -> None:
        """Add these nft commands to what the host filters."""
        run(*self.command("nft", "-f", "-"), text=text)


class Network:
    """``client`` and ``server`` on 10.71.N.0/24, or with a ``router`` on a half of it each; a context manager.

    ``sysctls`` are "name=value" lines by host: client, server, router.
    """

    def __init__(
        self,
        number: int,
        delay_ms: float = 0.0,
        *,
        late: tuple[float, float] = (0.0, 0.0),
        routed: bool = False,
        sysctls: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.delay_ms = delay_ms  # one way
        self.late = late  # a share of the packets, and their further milliseconds
        self.delayer: subprocess.Popen[str] | None = None
        self.sysctls = sysctls or {}
        self.bits = 25 if routed else 24
        self.client = Host(f"lab{number}-client", f"10.71.{number}.1")
        self.server = Host(f"lab{number}-server", f"10.71.{number}.{130 if routed else 2}")
        # The router's addresses: towards the client, towards the server.
        self.router = Host(f"lab{number}-router", f"10.71.{number}.126") if routed else None
        self.gateway = f"10.71.{number}.254"

    @property
    def hosts(self) -> dict[str, Host]:
        """By name: client, server and, where there is one, router."""
        named = {"client": self.client, "server": self.server}
        return {**named, "router": self.router} if self.router else named

    def __enter__(self) -> Network:
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._remove()

    def _make(self) -> None:
        self._remove()  # what an interrupted run may have left under these names
        for host in self.hosts.values():
            run("ip", "netns", "add", host.namespace)
        for host in self.hosts.values():
            host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        ends = (self.client, self.router or self.server)
        if self.delay_ms:
            self._delayed_cable(ends)
        else:
            self._veth(ends, (INTERFACE, INTERFACE))
        if self.router:
            self._veth((self.server, Host(self.router.namespace, self.gateway)), (INTERFACE, TO_SERVER))
        for host in self.hosts.values():
            for device in ("lo", INTERFACE, TO_SERVER) if host is self.router else ("lo", INTERFACE):
                run("ip", "-n", host.namespace, "link", "set", device, "up")
        if self.router:
            self._routes(self.router)
        for name, lines in self.sysctls.items():
            for line in lines:
                self.hosts[name].run("sysctl", "-qw", line)

    def _veth(self, ends: tuple[Host, Host], devices: tuple[str, str]) -> None:
        run("ip", "-n", ends[0].namespace, "link", "add", devices[0], "type", "veth",
            "peer", "name", devices[1], "netns", ends[1].namespace)  # fmt: skip
        for host, device in zip(ends, devices, strict=True):
            for offload in OFFLOADS:
                host.run("ethtool", "-K", device, offload, "off")
            run("ip", "-n", host.namespace, "address", "add", f"{host.address}/{self.bits}", "dev", device)

    def _routes(self, router: Host) -> None:
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for host, gateway in ((self.client, router.address), (self.server, self.gateway)):
            run("ip", "-n", host.namespace, "route", "add", "default", "via", gateway)

    def _delayed_cable(self, ends: tuple[Host, Host]) -> None:
        command = [sys.executable, str(DELAY), INTERFACE, f"{self.delay_ms}"]
        for host in ends:
            command += [host.namespace, f"{host.address}/{self.bits}"]
        if self.late[0]:
            command += [f"{self.late[0]}", f"{self.late[1]}"]
        self.delayer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.delayer.stdout is not None
        if self.delayer.stdout.readline() != "ready\n":
            raise LabError("no delayed cable: see delay.py's own words above")

    def _remove(self) -> None:
        if self.delayer:
            self.delayer.terminate()
            self.delayer.communicate()
            self.delayer = None
        for host in self.hosts.values():
            subprocess.run(["ip", "netns", "delete", host.namespace], capture_output=True, check=False)
