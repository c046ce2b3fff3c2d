"""The kernel's own account of each connection: the socket state events, and what ``ss`` shows at a moment.

The events are those of ``sock/inet_sock_set_state``.  They come from the whole machine and from both ends, so
they are filtered by the lab's addresses.  An end that leaves ESTABLISHED for FIN_WAIT1 closed of its own
will, one that leaves it for CLOSE_WAIT was told to.  One that leaves it for CLOSE did so itself unless a
``tcp/tcp_receive_reset`` came just before; such a change is called RESET here.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lab.errors import LabError
from lab.network import Host, run

EVENT = "events/sock/inet_sock_set_state"
RESET_EVENT = "events/tcp/tcp_receive_reset"
BUFFER_KIB = 32768  # for each CPU; 20,000 connections leave about 10 MB of events
LINE = re.compile(
    r"\s(?P<at>\d+\.\d+): (?P<event>\w+): .*sport=(?P<sport>\d+) dport=(?P<dport>\d+) "
    r"saddr=(?P<saddr>[\d.]+) daddr=(?P<daddr>[\d.]+) (.* oldstate=(?P<old>\w+) newstate=(?P<new>\w+))?"
)


@dataclass(frozen=True)
class Change:
    """One socket's change of state."""

    at: float  # seconds since the epoch
    address: str
    port: int
    peer_address: str
    peer_port: int
    old: str
    new: str


class SocketEvents:
    """State changes of sockets between two addresses while the ``with`` block lasts."""

    def __init__(self, name: str, addresses: tuple[str, str], work: Path) -> None:
        self.addresses = set(addresses)
        self.root = mounted_tracefs(work)
        self.instance = self.root / "instances" / name
        self.changes: list[Change] = []

    def __enter__(self) -> SocketEvents:
        self._remove()
        self.instance.mkdir()
        (self.instance / "trace_clock").write_text("mono")
        (self.instance / "buffer_size_kb").write_text(str(BUFFER_KIB))
        self.epoch = time.time() - time.monotonic()
        for event in (EVENT, RESET_EVENT):
            (self.instance / event / "enable").write_text("1")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for event in (EVENT, RESET_EVENT):
                (self.instance / event / "enable").write_text("0")
            if kind is None:
                self._read()
        finally:
            self._remove()

    def _read(self) -> None:
        for cpu in (self.instance / "per_cpu").iterdir():
            if not re.search(r"^overrun: 0$", (cpu / "stats").read_text(), re.MULTILINE):
                raise LabError("the kernel's trace buffer ran over")
        told: set[tuple[str, str]] = set()  # ends that have just received an RST
        for line in (self.instance / "trace").read_text().splitlines():
            match = LINE.search(line)
            if not match or not {match["saddr"], match["daddr"]} <= self.addresses:
                continue
            end = (match["sport"], match["dport"])
            if match["event"] == "tcp_receive_reset":
                told.add(end)
                continue
            new = match["new"].removeprefix("TCP_")
            if new == "ESTABLISHED":
                told.discard(end)
            elif new == "CLOSE" and end in told:
                new = "RESET"
            self.changes.append(
                Change(
                    float(match["at"]) + self.epoch,
                    match["saddr"],
                    int(match["sport"]),
                    match["daddr"],
                    int(match["dport"]),
                    match["old"].removeprefix("TCP_"),
                    new,
                )
            )

    def _remove(self) -> None:
        if self.instance.exists():
            self.instance.rmdir()


def mounted_tracefs(work: Path) -> Path:
    """Where tracefs is mounted; on a system without it, a mount of our own below ``work``."""
    for place in (Path("/sys/kernel/tracing"), work / "tracing"):
        if (place / EVENT).exists():
            return place
    place = work / "tracing"
    place.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tracefs", "tracefs", str(place))
    if not (place / EVENT).exists():
        raise LabError("this kernel has no inet_sock_set_state events: the truth of who closed first cannot be had")
    return place


def unmount_tracefs(work: Path) -> None:
    """Undo what ``mounted_tracefs`` did."""
    if (work / "tracing").is_mount():
        run("umount", str(work / "tracing"))


def socket_states(host: Host, port: int) -> dict[str, int]:
    """What ``ss -tan`` counts in a host for a service's port, listeners left out."""
    lines = host.run("ss", "-Htan", f"( sport = :{port} or dport = :{port} )").splitlines()
    states = Counter(line.split()[0] for line in lines)
    del states["LISTEN"]
    return dict(sorted(states.items()))


def ports_in(state: str, host: Host, port: int) -> tuple[int, ...]:
    """The host's own ports of its connections to a service's port that are in a state, in ss's words."""
    lines = host.run("ss", "-Htn", "state", state, f"( dport = :{port} )").splitlines()
    return tuple(int(line.split()[2].rpartition(":")[2]) for line in lines)
