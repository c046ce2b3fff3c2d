"""The same questions asked of the packets, by tshark: to be sure that a capture shows what its truth says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.network import run
from lab.truth import Truth

FIELDS = ("tcp.stream", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len", "http.request.method",
          "frame.time_epoch", "tcp.payload", "ip.src", "tcp.seq", "tcp.ack", "ip.ttl", "tcp.window_size",
          "http.response.code", "tcp.analysis.retransmission", "icmp.type")  # fmt: skip
FIN, SYN, RST, ACK = 1, 2, 4, 16
GET = b"GET ".hex()


@dataclass(frozen=True)
class Segment:
    """One packet of a connection, in tshark's words; ``seq`` and ``ack`` are relative."""

    at: float
    side: str
    flags: int
    length: int
    seq: int
    ack: int
    ttl: int
    window: int
    method: str  # of a request whose head ends here
    status: int  # of a response whose head ends here; else 0
    retransmission: bool

    @property
    def syn(self) -> bool:
        return bool(self.flags & SYN)

    @property
    def fin(self) -> bool:
        return bool(self.flags & FIN)

    @property
    def rst(self) -> bool:
        return bool(self.flags & RST)


@dataclass
class WireConnection:
    port: int
    opened_at: float
    handshake: bool
    requests: int = 0
    requests_begun: int = 0  # segments that start with "GET ", for captures that cut packets off
    first_closer: str = "none"
    closed_at: float | None = None
    data_at: float = 0.0  # last payload either way before the close
    resets: Counter[str] = field(default_factory=Counter)
    fins: Counter[str] = field(default_factory=Counter)
    responses: int = 0
    segments: list[Segment] = field(default_factory=list)

    def of(
        self, side: str, *, rst: bool = False, fin: bool = False, data: bool = False, syn: bool = False
    ) -> list[Segment]:
        """A side's segments that are all of what is asked for."""
        return [
            s for s in self.segments
            if s.side == side and s.rst >= rst and s.fin >= fin and s.syn >= syn and (not data or s.length)
        ]  # fmt: skip

    @property
    def last(self) -> Segment:
        return self.segments[-1]

    @property
    def linger(self) -> float | None:
        return None if self.closed_at is None else self.closed_at - self.data_at


@dataclass
class Wire:
    connections: list[WireConnection]
    packets: int
    first_at: float
    last_at: float
    last_tcp_at: float
    capture: Path = Path()

    def count(self, what: str, port: int = 0, protocol: str = "tls") -> int:
        """The packets that a display filter of tshark's takes; ``port`` is read as ``protocol`` where it is given."""
        decoded = ["-d", f"tcp.port=={port},{protocol}"] if port else []
        return len(run("tshark", "-r", str(self.capture), "-n", *decoded, "-Y", what).splitlines())

    @property
    def closers(self) -> Counter[str]:
        return Counter(connection.first_closer for connection in self.connections)

    def lingers(self, side: str) -> list[float]:
        """Silences before the closes that a side began, in seconds."""
        return sorted(c.linger for c in self.connections if c.first_closer == side and c.linger is not None)

    def resets(self, side: str) -> int:
        """Connections on which the side sent RST."""
        return sum(1 for connection in self.connections if connection.resets[side])


def read(capture: Path, port: int) -> Wire:
    options = [item for name in FIELDS for item in ("-e", name)]
    # A message counts where its head ends, however much of its body ever comes.
    lines = run("tshark", "-r", str(capture), "-n", "-o", "http.desegment_body:FALSE",
                "-d", f"tcp.port=={port},http", "-T", "fields",
                "-E", "separator=|", "-E", "occurrence=f", *options).splitlines()  # fmt: skip
    streams: dict[str, WireConnection] = {}
    times: list[float] = []
    last_tcp_at = 0.0
    for line in lines:
        (stream, source, destination, flags_text, length, method, at_text, payload, _, seq, ack, ttl, window,
         status, retransmission, icmp) = line.split("|")  # fmt: skip
        at = float(at_text)
        times.append(at)
        # An ICMP error quotes the head of a segment: that is no segment.
        if not stream or icmp or str(port) not in (source, destination):
            continue
        last_tcp_at = at
        flags = int(flags_text, 16)
        side = "client" if destination == str(port) else "server"
        connection = streams.get(stream)
        if connection is None:
            client_port = int(source if side == "client" else destination)
            connection = streams[stream] = WireConnection(client_port, at, flags & (SYN | ACK) == SYN)
        connection.segments.append(
            Segment(at, side, flags, int(length), int(seq), int(ack or 0), int(ttl), int(window),
                    method, int(status or 0), bool(retransmission))
        )  # fmt: skip
        connection.requests += bool(method)
        connection.responses += int(status or 0) >= 200
        connection.requests_begun += payload.startswith(GET)
        connection.resets[side] += bool(flags & RST)
        connection.fins[side] += bool(flags & FIN)
        if int(length) and connection.closed_at is None:
            connection.data_at = at
        if flags & (FIN | RST) and connection.closed_at is None:
            connection.first_closer, connection.closed_at = side, at
    return Wire(list(streams.values()), len(lines), times[0], times[-1], last_tcp_at, capture)


def compare(truth: Truth, wire: Wire, *, count_requests: bool, cut: bool) -> list[str]:
    """Where the packets say something else than the truth; a word on each."""
    problems = []
    if len(truth.connections) != len(wire.connections):
        return [f"{len(truth.connections)} connections by the kernel, {len(wire.connections)} on the wire"]
    wire_by_port: dict[int, list[WireConnection]] = {}
    for seen in wire.connections:
        wire_by_port.setdefault(seen.port, []).append(seen)
    true_by_port: dict[int, list] = {}  # type: ignore[type-arg]
    for connection in truth.connections:
        true_by_port.setdefault(connection.port, []).append(connection)
    for port, connections in true_by_port.items():
        for true, seen in zip(connections, wire_by_port.get(port, ()), strict=True):
            if true.opening != "handshake":
                continue
            requests = seen.requests_begun if cut else seen.requests
            if count_requests and requests != true.requests:
                problems.append(f"port {port}: {true.requests} requests in the log, {requests} on the wire")
            # A FIN waits behind bytes that nobody acknowledges, and may never leave.
            held = port in truth.unheard and seen.first_closer == "none"
            if true.initiator != seen.first_closer and not true.both_closed and not held:
                problems.append(f"port {port}: {true.initiator} first by the kernel, {seen.first_closer} by the wire")
            if not seen.handshake:
                problems.append(f"port {port}: no handshake")
    return problems


def demand(problems: list[str], name: str) -> None:
    if problems:
        raise LabError(
            f"{name}: " + "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if problems[5:] else "")
        )
