"""Connections in each implied state over time: what ``pcapdiag states`` shows, and what its renderers see.

Times are nanoseconds since the epoch.  Names come from packets where they hold a host; each renderer escapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pcapdiag.model.report import CaptureInfo, Endpoint


@dataclass(frozen=True)
class Share:
    """The service that holds most of a peak."""

    client_ip: str | None  # where one client holds them all
    server: Endpoint
    count: int


@dataclass(frozen=True)
class Peak:
    """The most connections in a state at once, at whatever moment, sampled or not."""

    count: int
    at: int  # since when
    largest: Share


@dataclass(frozen=True)
class EndStates:
    """The sockets at one end of a group of connections."""

    end: str  # "client" or "server"
    addresses: tuple[str, ...]  # of this end; ss, on a host, shows those of its own
    counts: Mapping[str, tuple[int, ...]]  # state -> sockets at each moment; states that never occur are left out
    peaks: Mapping[str, Peak]


@dataclass(frozen=True)
class StateGroup:
    """The connections that are counted together; all three keys None in the total."""

    client_ip: str | None
    server: Endpoint | None
    pool: str | None  # its id, as ``pcapdiag diagnose`` names it
    connections: int
    ends: tuple[EndStates, ...]


@dataclass(frozen=True)
class Found:
    """What ``pcapdiag diagnose`` finds on a service, worst first; information left out."""

    server: Endpoint
    code: str
    name: str
    severity: str
    title: str


@dataclass(frozen=True)
class StateReport:
    """What ``ss`` would have counted, and when."""

    capture: CaptureInfo
    first_at: int  # of the capture
    last_at: int
    moments: tuple[int, ...]
    step_ns: int | None  # None for a single moment
    by: str  # "service", "client", "pool" or "total"
    total: StateGroup
    groups: tuple[StateGroup, ...]  # largest first; empty for "total"
    open_before: int  # connections that were open when the capture began: ESTABLISHED from there on
    waits_over_at: int | None  # when the last TIME_WAIT ends if nothing else happens; None when that is in the capture
    time_wait_ns: int  # how long sockets are taken to stay in TIME_WAIT, and in FIN_WAIT_2 when closed
    fin_timeout_ns: int
    found: tuple[Found, ...]
    version: str
