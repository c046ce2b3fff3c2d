"""Reports made by hand for the founding cases, as the pipeline would make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from pcapdiag.model.report import (
    CaptureInfo,
    CauseClaim,
    ConnectionRow,
    Endpoint,
    Evidence,
    Finding,
    FrameRef,
    Inferred,
    NotEvaluated,
    PoolRow,
    Program,
    Quality,
    Report,
    SettingAdvice,
    Verdict,
)
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity

FIRST_AT = 1_795_181_310_123_456_789  # 2026-11-20T13:28:30.123456789Z
S = 1_000_000_000
HOSTILE = "\x1b[2J\x9b31m\u202e\x7f\udc9b\r\n=1+1\\"

IDLE_PER_HOST = SettingAdvice(
    name="http.Transport.MaxIdleConnsPerHost",
    product="Go net/http",
    knob=Knob.IDLE_POOL_LIMIT,
    default="2",
    inferred="2",
    recommended="100 or more",
    why="Up to 100 requests ran at once; only 2 connections were kept when they ended.",
    snippet=(
        "tr := http.DefaultTransport.(*http.Transport).Clone()\n"
        "tr.MaxIdleConns = 1000\n"
        "tr.MaxIdleConnsPerHost = 100\n"
        "client := &http.Client{Transport: tr} // one, made at start, shared by all\n"
    ),
    language="go",
    reference="https://pkg.go.dev/net/http#Transport",
)

ONE_TRANSPORT = SettingAdvice(
    name="http.Transport (one, shared)",
    product="Go net/http",
    knob=Knob.INSTANCE_PER_REQUEST,
    default="",
    inferred=None,
    recommended="one per process, made at start",
    why="Each Transport has its own pool, so a new one never finds a connection to reuse.",
    snippet="var client = &http.Client{Timeout: 10 * time.Second} // package level, not per request\n",
    language="go",
    reference="https://pkg.go.dev/net/http#Transport",
)

BODY_CLOSE = SettingAdvice(
    name="Response.Body.Close",
    product="Go net/http",
    knob=Knob.BODY_CONSUMPTION,
    default="",
    inferred=None,
    recommended="read to the end and closed, on every path",
    why="A connection goes back to the pool only when its body was read and closed.",
    snippet="defer func() {\n\tio.Copy(io.Discard, resp.Body)\n\tresp.Body.Close()\n}()\n",
    language="go",
    reference="https://pkg.go.dev/net/http#Client.Do",
)


def pool(**changes: object) -> PoolRow:
    """Pool p1 of the founding case: 100 at a time over an idle pool of 2."""
    whole = PoolRow(
        id="p1",
        client_ip="10.9.0.1",
        server=Endpoint("10.9.0.2", 8081),
        host="backend.internal:8081",
        protocol="http1",
        user_agent="Go-http-client/1.1",
        client_library="Go net/http",
        server_software="nginx/1.24.0",
        connections=8400,
        requests=10_000,
        requests_basis="exact",
        requests_per_connection={0: 12, 1: 7_512, 2: 610, 3: 200, 40: 1},
        mean_requests=1.1904,
        max_requests=41,
        closers={"client": 8398, "server": 0, "none": 2},
        initiators={"client": 8398, "none": 2},
        close_classes={"open": 2, "immediate": 8386, "unused": 12},
        client_states={"TIME_WAIT": 8398, "ESTABLISHED": 2},
        server_states={"CLOSED": 8398, "ESTABLISHED": 2},
        peak_connections=103,
        peak_busy=100,
        peak_idle=2,
        missed_reuse=12,
        opens=8400,
        missed_reuse_rate=12 / 8400,
        opens_per_second=2613.2,
        requests_per_second=3111.4,
        handshake_rtt_ns=412_000,
        duration_ns=3_214_000_000,
        time_wait={"client": 8398, "server": 0},
        inferred=(
            Inferred(
                knob=Knob.IDLE_POOL_LIMIT,
                owner="client",
                value=2.0,
                low=2.0,
                high=2.0,
                unit="connections",
                count=8386,
                spread=None,
                basis="the number of idle connections after each immediate close, and for 3.0 s at rest",
                note="matches Go's default MaxIdleConnsPerHost 2",
            ),
        ),
        client_program=Program(
            "go-net-http", "Go net/http", "", Confidence.HIGH, "User-Agent Go-http-client, Go's default", system="Linux"
        ),
        server_program=Program("nginx", "nginx", "1.24.0", Confidence.HIGH, "Server header nginx"),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def finding(**changes: object) -> Finding:
    whole = Finding(
        code="PD203",
        name="idle-pool-too-small",
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        basis=Basis.INFERRED,
        pools=("p1",),
        title="The client keeps only 2 idle connections, but up to 100 requests run at once.",
        claim=(
            "8,386 of 8,400 connections were closed by the client at once after a response (median 0.31 ms), "
            "though neither side had asked for it, while new ones were being opened. At rest exactly 2 "
            "connections stayed. The client's idle pool holds 2; each connection that comes back to a "
            "full pool is thrown away."
        ),
        measured={
            "connections": 8400,
            "requests": 10_000,
            "idle_capacity": 2,
            "peak_busy": 100,
            "immediate_closes": 8386,
            "linger_median_s": 0.00031,
            "reopened_rate": 0.998,
        },
        causes=(CauseClaim(Cause.IDLE_POOL_TOO_SMALL, Confidence.HIGH, "", (IDLE_PER_HOST,)),),
        evidence=(
            Evidence(3, frames(31, 58, 61), "closed by the client 0.31 ms after its only response"),
            Evidence(7, frames(44, 45, 46, 47, 90), "the same, with 2 idle connections in the pool"),
            Evidence(1, frames(9, 60211), "one of the 2 that stayed: 41 requests"),
            Evidence(8400, frames(60200, 60204), "a new connection 1.2 ms after such a close"),
        ),
        would_refute=(
            "More than 2 connections idle at the same time in this pool, or a Connection: close on these responses."
        ),
        not_the_fix=(
            "MaxIdleConns alone: the limit per host stays 2.",
            "TCP keepalive (Dialer.KeepAlive, tcp_keepalive_time): it probes dead peers, it keeps nothing for reuse.",
        ),
        predicted={"connections": 103, "time_wait": 0},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def frames(*numbers: int, file: str | None = None) -> tuple[FrameRef, ...]:
    return tuple(FrameRef(number, file) for number in numbers)


def connection(**changes: object) -> ConnectionRow:
    whole = ConnectionRow(
        number=1,
        client=Endpoint("10.9.0.1", 40112),
        server=Endpoint("10.9.0.2", 8081),
        pool="p1",
        opening="handshake",
        opened_at=FIRST_AT,
        last_at=FIRST_AT + 2 * S,
        handshake_rtt_ns=412_000,
        requests=1,
        responses=1,
        requests_basis="exact",
        closer="client",
        initiator="client",
        close_kind="fin",
        close_class="immediate",
        linger_ns=310_000,
        open_request_at_close=False,
        client_state="TIME_WAIT",
        server_state="CLOSED",
        protocol="http1",
        alpn=None,
        sni=None,
        host="backend.internal:8081",
        user_agent="Go-http-client/1.1",
        server_software="nginx/1.24.0",
        conn_state="SF",
        history="ShADadFfa",
        completeness=31,
        roles_inferred=False,
        client_packets=6,
        server_packets=4,
        client_bytes=112,
        server_bytes=854,
        client_retransmitted=0,
        server_retransmitted=0,
        client_out_of_order=0,
        server_out_of_order=0,
        client_zero_window=0,
        server_zero_window=0,
        client_keepalive_probes=0,
        server_keepalive_probes=0,
        client_gap_bytes=0,
        server_gap_bytes=0,
        truncated_bytes=0,
        duplicates=0,
        alias_of=None,
        first_frame=FrameRef(1),
        last_frame=FrameRef(10),
        closing_frame=FrameRef(8),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def report(**changes: object) -> Report:
    """``ab -n 10000 -c 100`` on a service that makes a new http.Client{} per request."""
    whole = Report(
        capture=CaptureInfo(
            files=("buy.pcapng",),
            packets=60_214,
            tcp_segments=60_200,
            first_at=FIRST_AT,
            last_at=FIRST_AT + 6_214_000_000,
            linktypes=("ETHERNET",),
            quality=Quality(undecoded={"ARP": 14}),
        ),
        verdict=Verdict(False, "The client keeps only 2 idle connections, but up to 100 requests run at once."),
        findings=(finding(),),
        pools=(pool(),),
        connections=(),
        connection_count=8400,
        not_evaluated=(
            NotEvaluated("PD302", "server-idle-timeout", "no connection was closed by the server"),
            NotEvaluated("PD303", "server-max-requests", "no connection was closed by the server"),
        ),
        version="0.1.0",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def new_transport_or_body() -> Report:
    """A new Transport per request, or a body never closed: the same on the wire until the server closes."""
    rival = finding(
        code="PD201",
        name="never-reuse",
        confidence=Confidence.MEDIUM,
        title="No connection is ever reused, though idle ones are at hand.",
        claim=(
            "Every request opened a connection of its own while others to the same service sat idle "
            "(1,199 of 1,200 opens), and none was closed: they pile up in ESTABLISHED, "
            "about 40 more each minute."
        ),
        measured={
            "connections": 1200,
            "requests": 1200,
            "missed_reuse_rate": 0.999,
            "longest_idle_s": 1799.2,
        },
        causes=(
            CauseClaim(
                Cause.NEVER_REUSE_NEW_TRANSPORT,
                Confidence.MEDIUM,
                "capture until the server closes an idle connection. A client that answers that FIN within "
                "50 ms makes a new Transport each time; one that never answers "
                "(CLOSE_WAIT) left the body unread.",
                (ONE_TRANSPORT,),
            ),
            CauseClaim(Cause.BODY_NOT_CLOSED, Confidence.LOW, "", (BODY_CLOSE,)),
        ),
        evidence=(Evidence(17, frames(101, 120, 131), "opened while connections 1 to 16 were idle"),),
        would_refute="A second request on any of these connections.",
        not_the_fix=("IdleConnTimeout of 2 s: the pile goes away, the handshake for every request stays.",),
        predicted={},
    )
    row = pool(
        connections=1200,
        requests=1200,
        requests_per_connection={1: 1200},
        mean_requests=1.0,
        max_requests=1,
        closers={"none": 1200},
        initiators={"none": 1200},
        close_classes={"open": 1200},
        client_states={"ESTABLISHED": 1200},
        server_states={"ESTABLISHED": 1200},
        peak_connections=1200,
        peak_busy=1,
        peak_idle=1199,
        missed_reuse=1199,
        opens=1200,
        missed_reuse_rate=0.999,
        time_wait={},
        inferred=(),
    )
    return report(
        verdict=Verdict(False, "No connection is ever reused: 1,200 connections for 1,200 requests, none closed."),
        findings=(rival,),
        pools=(row,),
        connection_count=1200,
    )


def healthy() -> Report:
    info = finding(
        code="PD302",
        name="server-idle-timeout",
        severity=Severity.INFO,
        basis=Basis.OBSERVED,
        title="The server closes connections after 75.0 s of silence.",
        causes=(CauseClaim(Cause.SERVER_IDLE_TIMEOUT, Confidence.HIGH, "", ()),),
        evidence=(Evidence(4, frames(900, 901), "closed by the server after 75.002 s"),),
        not_the_fix=(),
        predicted={},
    )
    row = pool(
        connections=100,
        requests=10_000,
        requests_per_connection={100: 100},
        mean_requests=100.0,
        max_requests=100,
        closers={"none": 100},
        initiators={"none": 100},
        close_classes={"open": 100},
        client_states={"ESTABLISHED": 100},
        server_states={"ESTABLISHED": 100},
        peak_connections=100,
        peak_idle=100,
        missed_reuse=0,
        opens=100,
        missed_reuse_rate=0.0,
        time_wait={},
        inferred=(),
    )
    return report(
        verdict=Verdict(True, "Requests share connections: 10,000 requests on 100 connections, none closed."),
        findings=(info,),
        pools=(row,),
        connection_count=100,
    )


def undecided() -> Report:
    return report(
        verdict=Verdict(None, "Only 3 requests were captured; reuse cannot be judged from so few."),
        findings=(),
        pools=(pool(connections=3, requests=3, mean_requests=1.0),),
        connection_count=3,
    )


def several() -> Report:
    """Three findings, twelve pools, two files, a damaged capture."""
    timeout = finding(
        code="PD206",
        name="idle-timeout-too-short",
        severity=Severity.MEDIUM,
        pools=("p2",),
        title="The client drops idle connections after 2.000 s, but a request comes every 5 s.",
        evidence=(Evidence(9, (*frames(5, 9, file="a.pcap"), *frames(3, file="b.pcap")), "idle 2.000 s, then closed"),),
        not_the_fix=(),
        predicted={},
    )
    rows = tuple(pool(id=f"p{at}", client_ip=f"10.9.0.{at}", connections=900 - at) for at in range(1, 15))
    whole = report()
    return replace(
        whole,
        capture=replace(
            whole.capture,
            files=("a.pcap", "b.pcap"),
            quality=Quality(
                undecoded={"ARP": 14, "IPv4 fragment": 1},
                duplicate_packets=1,
                midstream_connections=12,
                damage=("b.pcap is cut at byte 123,456: the last packet is missing",),
            ),
        ),
        findings=(finding(), timeout, *healthy().findings),
        pools=rows,
    )


def poisoned(value: Any) -> Any:
    """The same object with a hostile end on every text in it."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, tuple):
        return tuple(poisoned(item) for item in value)
    if isinstance(value, Mapping):
        return {poisoned(key) if key in ("ARP", "connections") else key: poisoned(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: poisoned(getattr(value, field.name)) for field in fields(value)})
    return value
