"""What reports say of a Report's parts in words, the same on a terminal, in Markdown and in HTML; not yet escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcapdiag.model.report import (
    CaptureInfo,
    Finding,
    Inferred,
    Measure,
    PoolRow,
    Program,
    Quality,
    Report,
    SettingAdvice,
)
from pcapdiag.model.words import Cause
from pcapdiag.reports.escape import shorten
from pcapdiag.reports.units import clock, counted, duration, duration_ns, number, plural, quantity, share

LIST_SHOWN = 8  # items of a measured list
NAME_SHOWN = 60  # characters of a User-Agent or Host

# What a cause is, to someone who does not know our word for it.
CAUSES = {
    Cause.NEVER_REUSE_NEW_TRANSPORT: "a new client with a pool of its own is made for each request",
    Cause.NEVER_REUSE_KEEPALIVE_DISABLED: "the client has keep-alive switched off",
    Cause.BODY_NOT_CLOSED: "response bodies are not closed",
    Cause.BODY_NOT_DRAINED: "responses are closed before they are read to the end",
    Cause.IDLE_POOL_TOO_SMALL: "the client keeps too few idle connections",
    Cause.IDLE_TIMEOUT_TOO_SHORT: "the client drops idle connections too soon",
    Cause.IDLE_TIMEOUT_NONE: "the client never drops idle connections",
    Cause.SERVER_IDLE_TIMEOUT: "the server drops idle connections too soon",
    Cause.SERVER_MAX_REQUESTS: "the server closes connections after a fixed number of requests",
    Cause.SERVER_CONNECTION_CLOSE: "the server closes the connection after every response",
    Cause.MAX_CONNS_CAP: "the client may open only so many connections, and requests wait for one",
    Cause.CLIENT_REQUEST_TIMEOUT: "the client gives up on requests before the answer comes",
    Cause.KEEPALIVE_RACE: "requests meet the server's close on the way and are lost",
    Cause.SERVER_ABORT: "the server breaks connections off with requests unanswered",
    Cause.SERVER_RESTART: "the server was stopped, and started again",
    Cause.CLIENT_ABORT: "the client's program ended with requests unanswered",
    Cause.CLIENT_MAX_REQUESTS: "the client closes connections after a fixed number of requests",
    Cause.CONNECT_REFUSED: "nothing listens at the service's address",
    Cause.CONNECT_TIMEOUT: "connection attempts get no answer",
    Cause.BACKLOG_OVERFLOW: "the server accepts connections too slowly and its queue is full",
    Cause.MIDDLEBOX_IDLE_DROP: "something on the path forgets idle connections",
    Cause.TLS_NO_REUSE: "every request pays for a TLS handshake",
    Cause.TLS_HANDSHAKE_FAILURE: "TLS handshakes fail",
    Cause.PROTOCOL_MISMATCH: "client and server do not speak the same protocol",
    Cause.NAGLE_DELAYED_ACK: "Nagle's algorithm waits for a delayed ACK",
    Cause.EXPECT_100_CONTINUE: "the client waits for a 100 Continue that does not come",
    Cause.ZERO_WINDOW: "the receiver does not read what it is sent",
    Cause.CONNECTION_LIFETIME: "the client replaces connections at a fixed age",
    Cause.CLOSE_WAIT_LEAK: "the client never closes what the server has closed",
    Cause.PORT_EXHAUSTION: "the client's ports run out",
    Cause.PATH_LOSS: "the network loses packets",
    Cause.PMTU_BLACKHOLE: "the network loses large packets only",
    Cause.SLOW_SERVER: "the server takes long to answer",
    Cause.SERVER_REJECTS_UPLOAD: "the server refuses request bodies before it has read them",
    Cause.UNUSED_CONNECTIONS: "connections are opened and never used",
    Cause.HALF_CLOSED: "one direction is closed and the other goes on",
    Cause.PIPELINING: "requests are sent ahead of the answers to earlier ones",
    Cause.CONNECT_TUNNEL: "connections are tunnels, long-lived on purpose",
}

# The same where the protocol is not HTTP, for those that speak of it.
CAUSES_OTHERWISE = {
    Cause.NEVER_REUSE_KEEPALIVE_DISABLED: "the client closes each connection after its work",
    Cause.BODY_NOT_CLOSED: "results are not read to their end and closed",
    Cause.BODY_NOT_DRAINED: "results are closed before they are read to the end",
}
OTHER_PROTOCOLS = ("redis", "mysql", "postgres", "opaque")

# As netstat orders them by life; CLOSED and UNKNOWN are in no netstat.
NETSTAT = (
    "SYN_SENT",
    "SYN_RECEIVED",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "CLOSING",
    "TIME_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
)


def what_was_read(report: Report) -> str:
    """``buy.pcap: 10,000 requests on 8,400 connections in 3.214 s from 2026-11-20 13:28:30.123 UTC.``"""
    capture = report.capture
    files = capture.files[0] if len(capture.files) == 1 else plural(len(capture.files), "file")
    connections = plural(report.connection_count, "connection")
    requests = sum(pool.requests for pool in report.pools)
    if report.pools and (not requests or all(pool.requests_basis == "exact" for pool in report.pools)):
        carried = f"{plural(requests, 'request')} on {connections}"
    elif report.pools:
        bases = {pool.requests_basis for pool in report.pools}
        about = "an estimated" if "turns" in bases else "at least"
        carried = f"{about} {plural(requests, 'request')} on {connections}"
    else:
        carried = connections
    when = ""
    if capture.first_at is not None and capture.last_at is not None:
        when = f" in {duration_ns(capture.last_at - capture.first_at)} from {clock(capture.first_at)}"
    return f"{files}: {carried}{when}."


def pools_named(ids: Sequence[str]) -> str:
    """``pools p1, p2``."""
    if not ids:
        return "whole capture"
    shown = ", ".join(ids[:LIST_SHOWN])
    more = f" and {len(ids) - LIST_SHOWN} more" if len(ids) > LIST_SHOWN else ""
    return f"{'pool' if len(ids) == 1 else 'pools'} {shown}{more}"


def also(finding: Finding) -> str:
    """A finding that is no fault by itself, in a line."""
    source = f", from {finding.follows_from}" if finding.follows_from else ""
    return f"{finding.title} ({finding.code} {finding.name}{source}, {pools_named(finding.pools)})"


def in_words(cause: Cause, protocol: str = "") -> str:
    """A cause to someone who does not know our word for it; a clause that suits the protocol."""
    if protocol in OTHER_PROTOCOLS and cause in CAUSES_OTHERWISE:
        return CAUSES_OTHERWISE[cause]
    return CAUSES.get(cause, str(cause))


def letter(place: int) -> str:
    """By which a rival cause is named: a, b, ..."""
    return chr(ord("a") + place) if place < 26 else str(place)


def setting_now(advice: SettingAdvice) -> str:
    """Its value as the wire shows it, and the default."""
    if advice.inferred is None:
        return f"not visible in these packets; the default is {advice.default}" if advice.default else "not visible"
    if advice.inferred == advice.default:
        return f"{advice.inferred}, read from the packets; the default"
    default = f"; the default is {advice.default}" if advice.default else ""
    return f"{advice.inferred}, read from the packets{default}"


def knob(item: Inferred) -> str:
    """What is set: ``idle pool limit``."""
    return item.knob.replace("_", " ")


def value_read(item: Inferred) -> str:
    """Its value: ``2 connections``."""
    return "a range" if item.value is None else quantity(item.value, item.unit)


def bracket(item: Inferred) -> str:
    """Between which values it lies: ``1.9986 and 2.0021 s``."""
    if item.unit == "s":  # both ends with the digits that tell them apart
        low, high = (None if end is None else f"{end:,.4f}".rstrip("0").rstrip(".") for end in (item.low, item.high))
    else:
        low, high = (None if end is None else number(end) for end in (item.low, item.high))
    unit = " s" if item.unit == "s" else ""
    if low is not None and high is not None:
        return f"{low}{unit}" if low == high else f"{low} and {high}{unit}"
    if high is not None:
        return f"at most {high}{unit}"
    if low is not None:
        return f"over {low}{unit}"
    return "not tested"


def worth(capture: CaptureInfo) -> list[str]:
    """What was wrong with a capture, or what it is worth, a line each."""
    quality = capture.quality
    lines = [
        *quality.damage,
        *(f"{plural(count, noun)} {what}" for count, noun, what in _counted(quality) if count),
        *(f"{plural(count, 'packet')} not decoded: {reason}" for reason, count in quality.undecoded.items() if count),
        *quality.notes,
    ]
    if not capture.compiled:
        lines.append("read by the uncompiled packet path: the same results, slower")
    return lines or ["nothing wrong with it"]


def _counted(quality: Quality) -> tuple[tuple[int, str, str], ...]:
    return (
        (quality.truncated_packets, "packet", "cut short by the snaplen"),
        (quality.duplicate_packets, "packet", "captured twice and left out"),
        (quality.dropped_packets, "packet", "dropped by the kernel, for want of room"),
        (quality.gap_bytes, "byte", "acknowledged but never captured"),
        (quality.midstream_connections, "connection", "already open when the capture began"),
        (quality.one_sided_connections, "connection", "captured in one direction only"),
        (quality.aliased_connections, "connection", "seen again under other addresses, left out"),
        (quality.time_steps_back, "time", "the capture's clock stepped back"),
    )


def identity(program: Program) -> str:
    """Who it is, how sure that is and why."""
    name = shorten(f"{program.name} {program.version}".strip(), NAME_SHOWN)
    system = f" on {program.system}" if program.system else ""
    if program.product is None and not program.candidates:
        return f"{name}{system}: {program.reason}"
    guess = "perhaps " if program.product is None else ""
    return f"{guess}{name}{system}, {program.confidence} confidence: {program.reason}"


def _brief(role: str, program: Program, said: str | None) -> str:
    """Who it is in a line that holds more, or what it calls itself where that names nobody."""
    if program.product is None and not program.candidates and program.name.startswith("unknown"):
        return f"{role} {shorten(said, NAME_SHOWN)}" if said else f"{role} unknown"
    guess = "perhaps " if program.product is None and program.candidates else ""
    return f"{role} {guess}{shorten(f'{program.name} {program.version}'.strip(), NAME_SHOWN)}"


def who(pool: PoolRow, brief: bool) -> str:
    """A pool in a line: its ends, what they speak; ``brief``: their programs too."""
    service = f"{pool.client_ip} -> {pool.server}"
    if pool.host and pool.host != str(pool.server):
        service += f" ({shorten(pool.host, NAME_SHOWN)})"
    ends = [pool.protocol]
    if brief and pool.client_program is not None:
        ends.append(_brief("client", pool.client_program, pool.user_agent))
    if brief and pool.server_program is not None:
        ends.append(_brief("server", pool.server_program, pool.server_software))
    if pool.handshake_rtt_ns is not None:
        ends.append(f"RTT {duration_ns(pool.handshake_rtt_ns)}")
    return f"{service}, {', '.join(ends)}"


def reuse(pool: PoolRow) -> tuple[str | int | float | None, ...]:
    """What a pool did with its connections, as cells: its id, requests, connections, requests per connection, most on
    one, connections and requests at the peak, missed reuse.
    """
    return (
        pool.id,
        pool.requests if pool.requests_basis == "exact" else counted(pool.requests, pool.requests_basis),
        pool.connections,
        None if pool.mean_requests is None else round(pool.mean_requests, 2),
        pool.max_requests,
        pool.peak_connections,
        pool.peak_busy,
        f"{pool.missed_reuse:,} ({share(pool.missed_reuse, pool.opens)})" if pool.opens else None,
    )


def bounds(pools: Sequence[PoolRow]) -> str:
    """What the signs before their numbers of requests mean; "" where they have none."""
    inexact = any(pool.requests_basis != "exact" for pool in pools)
    return ">= at least so many, ~ estimated from turns of unread bytes" if inexact else ""


def measure_name(key: str) -> str:
    """``immediate_closes`` and ``linger_s`` as words; the unit is in the value."""
    for suffix in ("_s", "_ns"):
        key = key.removesuffix(suffix)
    return key.upper() if key.upper() in NETSTAT else key.replace("_", " ")


def measures(values: Mapping[str, Measure]) -> str:
    """Several on a line."""
    return ", ".join(f"{measure_name(key)} {measure(key, value)}" for key, value in values.items())


def measure(key: str, value: Measure) -> str:
    """A measured value with the unit that its key tells."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return measures(value) or "none"
    if isinstance(value, list):
        shown = ", ".join(measure(key, item) for item in value[:LIST_SHOWN])
        more = f" and {len(value) - LIST_SHOWN} more" if len(value) > LIST_SHOWN else ""
        return shown + more if shown else "none"
    if key.endswith("_ns"):
        return duration(value / 1e9)
    if key.endswith("_s"):
        return duration(value)
    if key.endswith(("_rate", "_share")) and 0 <= value <= 1:
        return share(round(value * 1_000_000), 1_000_000)
    return number(value)
