"""The Comparison of two captures: what its renderers see.

Text from packets is not yet escaped here, as in :mod:`pcapdiag.model.report`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcapdiag.model.report import Endpoint, Finding, Inferred
from pcapdiag.model.words import Change, FindingFate, Knob, Outcome, Severity


@dataclass(frozen=True, slots=True)
class Metric:
    """One number in both captures.

    Attributes:
        name: "handshakes_per_1000_requests"; the unit is part of it, as in the JSON report.
        before, after: durations in nanoseconds where the name ends in ``_ns``; None where nothing tells.
        change: None where neither direction is good or bad, such as the load.
        worth: what the numbers are worth: "exact", "lower_bound" or "turns", the weaker of the two.
    """

    name: str
    before: float | None
    after: float | None
    change: Change | None = None
    worth: str = "exact"


@dataclass(frozen=True)
class Reading:
    """A setting as the packets show it in both captures."""

    knob: Knob
    owner: str  # "client", "server" or "middlebox"
    before: Inferred | None
    after: Inferred | None


@dataclass(frozen=True)
class ServiceRow:
    """What is compared with what: all connections to a service, or those of one client where both captures have it."""

    id: str  # "s1", "s2", ... largest first
    before: tuple[Endpoint, ...]
    after: tuple[Endpoint, ...]
    hosts: tuple[str, ...]
    clients_before: tuple[str, ...]
    clients_after: tuple[str, ...]
    user_agent: str | None  # where programs of one client are compared one by one
    pools_before: tuple[str, ...]
    pools_after: tuple[str, ...]
    matched_by: str  # a phrase: "the same address and port"
    load: tuple[Metric, ...]
    use: tuple[Metric, ...]
    readings: tuple[Reading, ...]
    caveats: tuple[str, ...]  # sentences


@dataclass(frozen=True)
class FindingRow:
    """What became of a finding on one service."""

    code: str
    name: str
    fate: FindingFate
    tested: bool | None  # whether the capture without it could have shown it; None where both have it
    severity: Severity  # the worse of the two
    service: str  # id of a ServiceRow; "" where the service is in one capture only
    before: Finding | None
    after: Finding | None
    change: Change | None  # of one that is still there
    symptom: Metric | None  # what it costs, in both
    why: str  # what shows that it is gone, or why that is not shown; a sentence
    to_test: str  # what would put it to the test; "" where it was


@dataclass(frozen=True)
class Unmatched:
    """A service that only one capture has."""

    server: Endpoint
    host: str | None
    clients: tuple[str, ...]
    connections: int
    requests: int


@dataclass(frozen=True)
class Side:
    """One of the two captures."""

    files: tuple[str, ...]
    first_at: int | None
    last_at: int | None
    connections: int
    requests: int
    healthy: bool | None
    summary: str


@dataclass(frozen=True)
class Comparison:
    """What changed from one capture to another."""

    outcome: Outcome
    summary: str
    before: Side
    after: Side
    services: tuple[ServiceRow, ...]
    findings: tuple[FindingRow, ...]  # still there and new first, worst first
    only_before: tuple[Unmatched, ...]
    only_after: tuple[Unmatched, ...]
    caveats: tuple[str, ...]  # of the captures as a whole; sentences
    version: str
