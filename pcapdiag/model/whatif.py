"""What a replay under other settings came to: rows that renderers show.

Counts are of the requests that were replayed; durations are nanoseconds.  Text from packets is not yet escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pcapdiag.model.report import Endpoint
from pcapdiag.model.words import Knob


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A knob at a value, as its product spells it, or in the knob's own word where the product is not known."""

    name: str  # "http.Transport.MaxIdleConnsPerHost", "idle_pool_limit"
    product: str | None
    knob: Knob
    role: str  # "client" or "server"
    value: float | bool | None  # seconds or a count; None is no limit; True: connections are used again
    text: str  # "50", "75 s", "no limit", "on"


@dataclass(frozen=True)
class BackTest:
    """The replay under the present settings, held against the capture."""

    captured: int  # dials in the capture
    replayed: int  # dials in the replay
    off: float  # relative difference, 0.1 is 10% too many
    trusted: bool
    tested: bool  # False: connections are not used twice, so there was no pool that the replay could have got wrong
    reason: str  # a clause, where it is not trusted


@dataclass(frozen=True)
class Trial:
    """One set of settings, and what it comes to.

    Attributes:
        settings: what differs from the present; () for the present itself, whose numbers are the capture's own.
        connections: opened in the time replayed, those that were open before it included.
        opens_per_second: over the time of demand, at least a second.
        time_wait: by end, the connections that wait there when the capture ends.
        handshakes_saved, waiting_saved_ns: against the present; what requests waited for dials and connections, in all.
        peak_open: most connections at once, dialling ones included.
    """

    settings: tuple[SettingValue, ...]
    connections: int
    opens_per_second: float
    time_wait: Mapping[str, int]
    handshakes_saved: int
    waiting_saved_ns: int
    peak_open: int


@dataclass(frozen=True)
class Sweep:
    """Trials of one knob.

    Attributes:
        now: its present value as text.
        smallest: the smallest value that removes the churn; None where no value does, or none was looked for.
        unavoidable: connections without that limit.
    """

    name: str
    knob: Knob
    role: str
    now: str
    trials: tuple[Trial, ...]
    smallest: SettingValue | None
    unavoidable: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoolWhatIf:
    """One pool: what was captured, whether its replay can be trusted, and what it says."""

    id: str
    client_ip: str
    server: Endpoint
    client_library: str | None
    server_software: str | None
    requests: int
    replayed: int  # requests, the first so many
    connections: int
    opens_per_second: float
    time_wait: Mapping[str, int]
    at_least: int  # the most requests at once: so many connections it takes
    present: tuple[SettingValue, ...]
    back_test: BackTest | None  # None where no replay was possible
    refused: str  # why, as a clause; "" where there are predictions, or nothing to predict
    sweeps: tuple[Sweep, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class WhatIf:
    """A capture under other settings."""

    files: tuple[str, ...]
    asked: tuple[str, ...]  # the settings as they were typed; () for what the pools call for
    pools: tuple[PoolWhatIf, ...]  # the largest first
    left_out: int  # pools too small for any pattern, or beyond the first hundred
    version: str
