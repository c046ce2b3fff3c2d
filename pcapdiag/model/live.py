"""What a live capture looks like at one moment: what the screen of ``pcapdiag live`` shows.

Times are nanoseconds since the epoch.  Text of packets, and names of processes, are not yet escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pcapdiag.model.report import Report


@dataclass(frozen=True)
class Owner:
    """The process that a socket belongs to, where /proc tells."""

    pid: int
    name: str
    container: str | None = None  # its short id, or the unit or pod that its control group names


@dataclass(frozen=True)
class LivePool:
    """A pool now; everything since the capture began is in the Report's PoolRow of the same id."""

    pool: str
    open: int  # connections established now
    busy: int  # of them with a request under way
    idle: int
    opens_per_second: float  # over the last ``LiveView.window_ns``, as are the other two
    closes_per_second: float
    requests_per_second: float
    client_owners: tuple[Owner, ...] = ()
    server_owners: tuple[Owner, ...] = ()


@dataclass(frozen=True)
class Saving:
    """What ``-w`` has kept."""

    files: tuple[str, ...]  # in order; the last one is being written
    bytes: int
    removed: int = 0  # files that rotation has deleted
    failed: str = ""  # why nothing more is kept, in one line


@dataclass(frozen=True)
class LiveView:
    """The capture so far."""

    interface: str
    filter: str
    program: str  # "tcpdump", "dumpcap", "scapy"
    started_at: int
    now: int
    packets: int  # read by us
    packets_per_second: float  # over the last ``window_ns``
    received: int | None  # by the kernel's filter; None where the program does not tell before its end
    dropped: int | None  # by the kernel, for want of room; None likewise
    saving: Saving | None
    history_from: int | None  # what ended before is forgotten; None while nothing is
    forgotten: int  # connections
    window_ns: int  # of the rates
    report: Report | None  # None until the first connection
    pools: tuple[LivePool, ...]
    states: Mapping[str, Mapping[str, int]]  # "client", "server" -> state -> sockets now
    looked_at: int = 0  # when the report, the pools and the states were so
    judging: str = ""  # why there is nothing newer, in one line; the capture goes on
    trouble: str = ""  # why no packets come though the capture goes on, in one line: the interface is down
