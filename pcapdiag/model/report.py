"""The Report: the one thing that renderers see.

Times are ``int`` nanoseconds since the epoch (``_at``) or durations in nanoseconds (``_ns``) here; the JSON renderer
turns them into RFC 3339 strings and seconds.  Everything that came from packets is a ``str`` that is *not yet escaped*:
each renderer escapes for its own output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity

if TYPE_CHECKING:
    from pcapdiag.model.figures import Figures

Measure: TypeAlias = "str | int | float | bool | list[int] | list[float] | list[str] | Mapping[str, Measure] | None"


@dataclass(frozen=True, slots=True)
class Endpoint:
    ip: str
    port: int | None = None

    def __str__(self) -> str:
        if self.port is None:
            return self.ip
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True)
class FrameRef:
    """A packet as Wireshark numbers it: 1-based within its file."""

    number: int
    file: str | None = None  # set only when more than one file was read


@dataclass(frozen=True)
class Quality:
    """What was wrong with the capture itself, counted."""

    undecoded: Mapping[str, int] = field(default_factory=dict)  # reason -> packets
    truncated_packets: int = 0  # cut by the snaplen
    duplicate_packets: int = 0  # the same packet captured again; left out
    dropped_packets: int = 0  # by the kernel, for want of room, where the capture says so
    gap_bytes: int = 0  # acknowledged by the peer but never captured
    midstream_connections: int = 0
    one_sided_connections: int = 0
    aliased_connections: int = 0  # the same connection seen under other addresses
    time_steps_back: int = 0
    damage: tuple[str, ...] = ()  # one line each: where the file is cut or corrupt, and what that costs
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptureInfo:
    files: tuple[str, ...]
    packets: int
    tcp_segments: int
    first_at: int | None
    last_at: int | None
    linktypes: tuple[str, ...]
    quality: Quality
    compiled: bool = True  # the packet path ran compiled


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One incarnation of a 4-tuple, as reports show it."""

    number: int
    client: Endpoint
    server: Endpoint
    pool: str | None
    opening: str
    opened_at: int
    last_at: int
    handshake_rtt_ns: int | None
    requests: int
    responses: int
    requests_basis: str  # exact, lower_bound, turns
    closer: str
    initiator: str
    close_kind: str
    close_class: str
    linger_ns: int | None
    open_request_at_close: bool
    client_state: str
    server_state: str
    protocol: str
    alpn: str | None
    sni: str | None
    host: str | None
    user_agent: str | None
    server_software: str | None
    conn_state: str
    history: str
    completeness: int
    roles_inferred: bool
    client_packets: int
    server_packets: int
    client_bytes: int
    server_bytes: int
    client_retransmitted: int
    server_retransmitted: int
    client_out_of_order: int
    server_out_of_order: int
    client_zero_window: int
    server_zero_window: int
    client_keepalive_probes: int
    server_keepalive_probes: int
    client_gap_bytes: int
    server_gap_bytes: int
    truncated_bytes: int
    duplicates: int
    alias_of: int | None
    first_frame: FrameRef
    last_frame: FrameRef
    closing_frame: FrameRef | None
    closed_at: int | None = None  # time of the first FIN or RST


@dataclass(frozen=True)
class Inferred:
    """A setting's value read from the wire."""

    knob: Knob
    owner: str  # "client", "server" or "middlebox"
    value: float | None  # point estimate, None when only a bracket is known
    low: float | None  # the largest value that survived (exclusive lower end); None when not tested
    high: float | None  # the smallest value that was closed (inclusive upper end)
    unit: str  # "s", "connections", "requests"
    count: int  # connections it rests on
    spread: float | None  # seconds, where it is a timer
    basis: str  # one sentence: from which closes, how
    note: str = ""  # e.g. "matches nginx's default keepalive_timeout 75 s"


@dataclass(frozen=True, slots=True)
class FirstByte:
    """How long clients waited for the first byte of a response, the dial included where a request had to dial."""

    count: int  # requests it rests on
    median_ns: int
    p95_ns: int


@dataclass(frozen=True)
class Program:
    """Who is at one end, as far as the packets or the user tell."""

    product: str | None  # its id in the catalogue of settings
    name: str  # "Go net/http", "unknown client", ...
    version: str  # as the program writes it, "" where nothing tells
    confidence: Confidence
    reason: str  # all that speaks for it, and against
    candidates: tuple[str, ...] = ()  # ids of the few that it may be, where there is no product
    system: str | None = None  # the operating system, where its SYN tells


@dataclass(frozen=True)
class PoolRow:
    """All connections of one client host to one service."""

    id: str  # "p1", "p2", ... largest first
    client_ip: str
    server: Endpoint
    host: str | None
    protocol: str
    user_agent: str | None
    client_library: str | None
    server_software: str | None
    connections: int
    requests: int
    requests_basis: str
    requests_per_connection: Mapping[int, int]  # requests -> connections
    mean_requests: float | None
    max_requests: int
    closers: Mapping[str, int]  # client, server, none -> connections (wire order)
    initiators: Mapping[str, int]
    close_classes: Mapping[str, int]
    client_states: Mapping[str, int]
    server_states: Mapping[str, int]
    peak_connections: int
    peak_busy: int
    peak_idle: int
    missed_reuse: int  # opens while another connection of the pool sat idle
    opens: int
    missed_reuse_rate: float | None
    opens_per_second: float | None
    requests_per_second: float | None
    handshake_rtt_ns: int | None  # median
    duration_ns: int
    time_wait: Mapping[str, int]  # "client"/"server" -> implied TIME_WAIT at the capture's end
    inferred: tuple[Inferred, ...] = ()
    # What comparisons of two captures need.
    openings: Mapping[str, int] = field(default_factory=dict)  # handshake, refused, unanswered, midstream
    time_wait_closes: Mapping[str, int] = field(default_factory=dict)  # side -> closes that left it in TIME_WAIT
    retransmitted: int = 0  # segments, both directions
    data_segments: int = 0
    first_byte: FirstByte | None = None
    peak_kept: int = 0  # most connections idle at one time that were used again or stayed open
    idle_survived_ns: int = 0  # the longest silence after which a connection answered another request
    idle_open_ns: int = 0  # the longest silence of a connection that was open at the end
    oldest_ns: int = 0  # the longest life of a connection, as far as the capture shows it
    client_program: Program | None = None
    server_program: Program | None = None


@dataclass(frozen=True)
class SettingAdvice:
    """A product's spelling of the knob, what the wire says it is now, what to set."""

    name: str  # "http.Transport.MaxIdleConnsPerHost"
    product: str  # "Go net/http"
    knob: Knob
    default: str  # "2"
    inferred: str | None  # "2" or "2.0 s (1.9986 to 2.0021 s)"
    recommended: str  # "100 or more"
    why: str
    snippet: str
    language: str  # "go", "nginx", ...
    reference: str  # URL or document
    role: str = "client"  # whose setting: "client", "server", "kernel" or "middlebox"
    recognised: bool = True  # the packets name the product; else it is one of the commonest


@dataclass(frozen=True)
class NoSetting:
    """A knob that the program at one end does not have, and why."""

    product: str  # "Go net/http"
    knob: Knob
    role: str  # whose: "client" or "server"
    why: str  # a clause
    reference: str  # where that is written


@dataclass(frozen=True)
class CauseClaim:
    """One explanation of a finding; the likeliest comes first."""

    cause: Cause
    confidence: Confidence
    tell_apart: str  # how to decide between this and the next one; "" when there is no rival
    settings: tuple[SettingAdvice, ...] = ()
    no_setting: tuple[NoSetting, ...] = ()  # of ends whose program is known and has no setting for it


@dataclass(frozen=True)
class Evidence:
    connection: int
    frames: tuple[FrameRef, ...]
    shows: str


@dataclass(frozen=True)
class Finding:
    code: str  # "PD201"
    name: str  # the rule's name: the pattern
    severity: Severity
    confidence: Confidence
    basis: Basis
    pools: tuple[str, ...]
    title: str  # one line
    claim: str  # a short paragraph
    measured: Mapping[str, Measure]
    causes: tuple[CauseClaim, ...]
    evidence: tuple[Evidence, ...]
    would_refute: str  # what would show that the claim is wrong
    not_the_fix: tuple[str, ...] = ()  # popular fixes that would not help here
    predicted: Mapping[str, Measure] = field(default_factory=dict)
    action: str = ""  # what to do where a setting is not the whole of it; a sentence or two
    follows_from: str = ""  # code of the finding on the same pool that brings this one about


@dataclass(frozen=True)
class NotEvaluated:
    code: str
    name: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    healthy: bool | None  # None: not enough evidence
    summary: str


@dataclass(frozen=True)
class Report:
    capture: CaptureInfo
    verdict: Verdict
    findings: tuple[Finding, ...]  # worst first
    pools: tuple[PoolRow, ...]  # largest first
    connections: tuple[ConnectionRow, ...]  # only filled when asked for
    connection_count: int
    not_evaluated: tuple[NotEvaluated, ...]
    version: str
    figures: Figures | None = None  # only made when asked for
