"""Two hosts joined by a cable: network namespaces and a veth pair, offloads off, all gone at the end.

Not the loopback: there ``tcp_tw_reuse`` hides TIME_WAIT, both ends are one capture point, segments are large.
A delayed cable is a pair of TUN devices with ``delay.py`` between them: a kernel without netem has no other.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

from lab.errors import LabError

INTERFACE = "eth0"
DELAY = Path(__file__).with_name("delay.py")
OFFLOADS = ("tso", "gso", "gro", "tx", "rx", "sg")


def run(*command: str) -> str:
    """Run a command that must succeed; its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


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


class Network:
    """``client`` and ``server`` on 10.71.N.0/24; a context manager."""

    def __init__(self, number: int, delay_ms: float = 0.0) -> None:
        self.delay_ms = delay_ms  # one way
        self.delayer: subprocess.Popen[str] | None = None
        self.client = Host(f"lab{number}-client", f"10.71.{number}.1")
        self.server = Host(f"lab{number}-server", f"10.71.{number}.2")

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
        hosts = (self.client, self.server)
        for host in hosts:
            run("ip", "netns", "add", host.namespace)
        for host in hosts:
            host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        if self.delay_ms:
            self._delayed_cable()
        else:
            self._veth()
        for host in hosts:
            for device in ("lo", INTERFACE):
                run("ip", "-n", host.namespace, "link", "set", device, "up")

    def _veth(self) -> None:
        run("ip", "-n", self.client.namespace, "link", "add", INTERFACE, "type", "veth",
            "peer", "name", INTERFACE, "netns", self.server.namespace)  # fmt: skip
        for host in (self.client, self.server):
            for offload in OFFLOADS:
                host.run("ethtool", "-K", INTERFACE, offload, "off")
            run("ip", "-n", host.namespace, "address", "add", f"{host.address}/24", "dev", INTERFACE)

    def _delayed_cable(self) -> None:
        command = [sys.executable, str(DELAY), INTERFACE, f"{self.delay_ms}"]
        for host in (self.client, self.server):
            command += [host.namespace, f"{host.address}/24"]
        self.delayer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.delayer.stdout is not None
        if self.delayer.stdout.readline() != "ready\n":
            raise LabError("no delayed cable: see delay.py's own words above")

    def _remove(self) -> None:
        if self.delayer:
            self.delayer.terminate()
            self.delayer.communicate()
            self.delayer = None
        for host in (self.client, self.server):
            subprocess.run(["ip", "netns", "delete", host.namespace], capture_output=True, check=False)
