"""Cases of time lost: in the kernel's timers, in the path, in a full receiver, in the server; and what looks like these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.capture import Point
from lab.case import Case, Check, Program, Router
from lab.checks import ALL_OPEN, NO_RESET, REUSED, connections, expect
from lab.network import INTERFACE, Host
from lab.servers import Scripted, Started
from lab.toolchains import Toolchain

REQUESTS = ("{python}", "-c", "import requests; print(requests.__version__)")
URLLIB3 = ("{python}", "-c", "import urllib3; print(urllib3.__version__)")
HTTPX = ("{python}", "-c", "import httpx; print(httpx.__version__)")
AIOHTTP = ("{python}", "-c", "import aiohttp; print(aiohttp.__version__)")
HTTP_CLIENT = ("{python}", "--version")
CURL = ("curl", "--version")
NODE = ("node", "--version")


SENT = "{folder}/sent.log"


def calls(library: str, *options: str, url: str = "{url}", logs: bool = False) -> Program:
    """A Python client of programs/delay_calls.py; ``logs``: it logs what it sends, because the server does not."""
    if logs:
        options = (*options, "--sent", SENT)
    name, version = {
        "requests": ("Python requests", REQUESTS),
        "urllib3": ("Python urllib3", URLLIB3),
        "httpx": ("Python httpx", HTTPX),
        "aiohttp": ("Python aiohttp", AIOHTTP),
        "http.client": ("Python http.client", HTTP_CLIENT),
    }[library]
    return Program(("{python}", "{programs}/delay_calls.py", library, url, *options), name, version, logs)


def node(options: str) -> Program:
    """Node's http.Agent, by programs/delay_calls.js."""
    return Program(("node", "{programs}/delay_calls.js", "{url}", options), "Node.js http.Agent", NODE)


def raw(name: str, *options: str) -> Program:
    """A client that writes its own bytes, of programs/delay_raw.py."""
    command = ("{python}", "{programs}/delay_raw.py", name, "{host}", "{port}", *options)
    return Program(command, "raw socket, Python", HTTP_CLIENT)


def repeated(times: int, period: float, *options: str, logs: bool = False) -> Program:
    """curl again and again; ``logs``: the ports it called from are logged, because the server logs nothing."""
    command = ("curl", "-s", "-o", "/dev/null", *options)
    log = ()
    if logs:
        log, command = ("--sent", SENT), (*command, "-w", "%{local_port}")
    words = ("{python}", "{programs}/delay_repeat.py", *log, f"{times}", f"{period}", *command)
    return Program(words, "curl", CURL, logs)


def serving(*options: str) -> Scripted:
    return Scripted("delay_server.py", options)


@dataclass(frozen=True)
class Slow(Scripted):
    """A server whose own end of the cable sends no faster than ``rate``: it queues what does not fit and drops nothing."""

    rate: str = "1mbit"

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        host.run(
            "tc", "qdisc", "add", "dev", INTERFACE, "root", "tbf", "rate", self.rate, "burst", "5000", "latency", "5s"
        )
        return super().prepare(host, folder, go)


def packets(sentence: str, what: str, low: int, high: int | None = None, port: int = 0) -> Check:
    """A display filter of tshark's takes ``low`` to ``high`` packets."""

    def holds(_: object, wire: object) -> bool:
        count = wire.count(what, port)  # type: ignore[attr-defined]
        return low <= count and (high is None or count <= high)

    return Check(f"{sentence}: {low} or more" if high is None else f"{sentence}: {low} to {high}", holds)


def waits(low: float, high: float, part: float = 0.7) -> Check:
    """From the last byte of a request to the first of its response, for most of the exchanges."""

    def holds(_: object, wire: object) -> bool:
        taken = []
        for connection in wire.connections:  # type: ignore[attr-defined]
            asked = None
            for segment in connection.segments:
                if segment.length and segment.side == "client":
                    asked = segment.at
                elif segment.length and asked is not None:
                    taken.append(segment.at - asked)
                    asked = None
        return bool(taken) and sum(low <= one <= high for one in taken) >= part * len(taken)

    return Check(f"most answers begin {low:g} to {high:g} s after their request", holds)


# tshark, told to count a message where its head ends, does not find the next head after a body that came alone.
BODY_ALONE = "The body comes in a segment of its own: the requests are those of the server's log."
LATE_ACK = "tcp.len == 0 && tcp.analysis.ack_rtt > 0.03 && tcp.flags.syn == 0 && tcp.flags.fin == 0"
HEALTHY_REUSE = (REUSED, ALL_OPEN, NO_RESET)
PATHS = ("--path", "/item", "--path", "/list", "--path", "/report")

KERNEL = (
    Case(
        "requests-nagle-two-writes",
        "A server that writes head and body in two small writes with Nagle on; the client delays its ACK: 40 ms a call.",
        calls("requests", "--requests", "40"),
        serving("--two-writes"),
        expect("nagle-delayed-ack", owner="server"),
        (*HEALTHY_REUSE, packets("bare ACKs after 30 ms", LATE_ACK, 25)),
        rest_s=1.0,
    ),
    Case(
        "httpx-nagle-two-writes-at-server",
        "The same with httpx in two threads, captured at the server.",
        calls("httpx", "--workers", "2", "--requests", "25"),
        serving("--two-writes"),
        expect("nagle-delayed-ack", owner="server"),
        (*HEALTHY_REUSE, packets("bare ACKs after 30 ms", LATE_ACK, 30)),
        point=Point(side="server"),
        delay_ms=1.0,
        rest_s=1.0,
    ),
    Case(
        "urllib3-nagle-distant",
        "The same with urllib3 over 20 ms each way: the delay of the ACK comes on top of the path's.",
        calls("urllib3", "--requests", "30"),
        serving("--two-writes"),
        expect("nagle-delayed-ack", owner="server"),
        (*HEALTHY_REUSE, packets("bare ACKs after 30 ms", LATE_ACK, 20)),
        delay_ms=20.0,
        rest_s=1.0,
    ),
    Case(
        "raw-nagle-split-post",
        "A client that writes the head and the body of each POST separately with Nagle on; the server delays its ACK.",
        raw("split"),
        serving(),
        expect("nagle-delayed-ack", owner="client"),
        (*HEALTHY_REUSE, packets("bare ACKs after 30 ms", LATE_ACK, 20)),
        rest_s=1.0,
        count_requests=False,
        notes=BODY_ALONE,
    ),
    Case(
        "node-nagle-split-post",
        "Node with noDelay: false, flushHeaders and then the body: the same from a library, captured at the server.",
        node(
            '{"agent": {"keepAlive": true, "noDelay": false}, "requests": 30, "period": 60, "post": 120, "split": true}'
        ),
        serving(),
        expect("nagle-delayed-ack", owner="client"),
        (*HEALTHY_REUSE, packets("bare ACKs after 30 ms", LATE_ACK, 20)),
        point=Point(side="server"),
        rest_s=1.0,
        count_requests=False,
        notes=BODY_ALONE,
    ),
    Case(
        "requests-server-45ms",
        "A server that really takes 45 ms: its kernel's bare ACK after 40 ms proves no Nagle.",
        calls("requests", "--requests", "40"),
        serving("--think", "0.045"),
        expect("healthy", not_causes=("nagle-delayed-ack", "slow-server")),
        (*HEALTHY_REUSE, waits(0.044, 0.06)),
        rest_s=1.0,
    ),
    Case(
        "aiohttp-stream-45ms",
        "A server that streams small chunks, one each 45 ms, with Nagle off.",
        calls("aiohttp", "--workers", "2", "--requests", "12"),
        serving("--stream", "8@0.045"),
        expect("healthy", not_causes=("nagle-delayed-ack", "slow-server")),
        (REUSED, ALL_OPEN, NO_RESET, packets("chunks", "tcp.len == 17 || tcp.len == 18 || tcp.len == 19", 150)),
        rest_s=1.0,
    ),
)

UPLOAD = ("-X", "POST", "-H", "Expect: 100-continue", "-d", "x" * 200)
EXPECT = (
    Case(
        "curl-expect-100-ignored",
        "curl asks for 100 Continue, the server never sends it: curl waits a second before each body.",
        repeated(1, 0, *UPLOAD, "{url}order/[1-12]"),
        serving("--expect", "ignore"),
        expect("expect-100-continue"),
        (
            connections(1, 1),
            packets("uploads", "http.request.method == POST", 12),
            Check("a second each", lambda _, w: 11.8 < w.last_tcp_at - w.first_at < 15),
        ),
        rest_s=1.0,
        count_requests=False,
        notes=BODY_ALONE,
    ),
    Case(
        "curl-expect-100-ignored-per-process",
        "The same from a new curl for each upload, captured at the server.",
        repeated(5, 1.3, *UPLOAD, "{url}"),
        serving("--expect", "ignore"),
        expect("expect-100-continue", also=("never-reuse-keepalive-disabled",)),
        (connections(5, 5), packets("uploads", "http.request.method == POST", 5)),
        point=Point(side="server"),
        rest_s=1.0,
        count_requests=False,
        notes=BODY_ALONE,
    ),
    Case(
        "curl-expect-100-sent",
        "The same against a server that sends 100 Continue at once.",
        repeated(1, 0, *UPLOAD, "{url}order/[1-20]"),
        serving(),
        expect("healthy", not_causes=("expect-100-continue",)),
        (
            connections(1, 1),
            packets("100 Continue", "http.response.code == 100", 20),
            Check("no wait", lambda _, w: w.last_tcp_at - w.first_at < 2),
        ),
        rest_s=1.0,
        count_requests=False,
        notes=BODY_ALONE,
    ),
)

ZERO_WINDOW = packets("zero windows", "tcp.analysis.zero_window", 3)
RECEIVER = (
    Case(
        "requests-zero-window-slow-reader",
        "A client that reads each body at 100 kB/s into a small receive buffer: it stops the server again and again.",
        calls("requests", "--requests", "2", "--read-rate", "100000", "--receive-buffer", "16384"),
        serving("--size", "250000"),
        expect("zero-window", owner="client"),
        (ALL_OPEN, NO_RESET, ZERO_WINDOW),
        point=Point(snaplen=160),
        rest_s=1.0,
    ),
    Case(
        "urllib3-zero-window-slow-reader-at-server",
        "The same with urllib3 and two threads, captured at the server.",
        calls("urllib3", "--workers", "2", "--requests", "2", "--read-rate", "60000", "--receive-buffer", "16384"),
        serving("--size", "120000"),
        expect("zero-window", owner="client"),
        (ALL_OPEN, NO_RESET, ZERO_WINDOW),
        point=Point(side="server", snaplen=160),
        delay_ms=2.0,
        rest_s=1.0,
    ),
    Case(
        "requests-zero-window-slow-upload",
        "A server that reads uploads at 100 kB/s: it stops the client.",
        calls("requests", "--requests", "2", "--post", "250000"),
        serving("--read-rate", "100000", "--receive-buffer", "16384"),
        expect("zero-window", owner="server"),
        (ALL_OPEN, NO_RESET, ZERO_WINDOW),
        point=Point(snaplen=160),
        rest_s=1.0,
        count_requests=False,
        notes="tshark needs the whole body to count a POST; the packets are cut.",
    ),
    Case(
        "requests-slow-link",
        "A path of 1 Mbit/s with bodies of 20 kB: the link is full, the receiver never is.",
        calls("requests", "--workers", "2", "--requests", "10", "--period", "0.5"),
        Slow("delay_server.py", ("--size", "20000"), rate="1mbit"),
        expect("healthy", not_causes=("zero-window", "slow-server", "path-loss", "nagle-delayed-ack")),
        (*HEALTHY_REUSE, packets("zero windows", "tcp.analysis.zero_window", 0, 0)),
        point=Point(snaplen=200),
        rest_s=1.0,
    ),
)

SLOW_UPLINK = f"tc qdisc add dev {INTERFACE} root tbf rate 1mbit burst 5000 latency 5s"
RECEIVER += (
    Case(
        "requests-slow-uplink",
        "The same path the other way: uploads of 30 kB over 1 Mbit/s, and a server that reads all of them at once.",
        Program(
            ("sh", "-c", SLOW_UPLINK + " && exec {python} {programs}/delay_calls.py requests {url} --workers 2 "
             "--requests 10 --period 0.7 --post 30000"),
            "Python requests",
            REQUESTS,
        ),
        serving(),
        expect("healthy", not_causes=("zero-window", "slow-server", "path-loss", "nagle-delayed-ack")),
        (*HEALTHY_REUSE, packets("zero windows", "tcp.analysis.zero_window", 0, 0)),
        point=Point(side="server", snaplen=200),
        rest_s=1.0,
        count_requests=False,
        notes="tshark needs the whole body to count a POST; the packets are cut.",
    ),
)  # fmt: skip

DROP = "table ip lab {{ chain forward {{ type filter hook forward priority 0; {rule}; }}; }}"


def dropping(rule: str) -> Router:
    return Router(DROP.format(rule=rule))


def lost(percent: int) -> Router:
    return dropping(f"numgen random mod 100 < {percent} drop")


RETRANSMITTED = "tcp.analysis.retransmission || tcp.analysis.fast_retransmission"
PATH = (
    Case(
        "requests-path-loss-3",
        "A path that loses 3% of the packets each way; one session, connections are reused.",
        calls("requests", "--workers", "3", "--requests", "50", "--period", "0.1"),
        serving("--size", "2000"),
        {**expect("path-loss", also=("healthy",)), "healthy": False},
        (REUSED, packets("retransmissions", RETRANSMITTED, 8)),
        point=Point(snaplen=220),
        router=lost(3),
        rest_s=2.0,
        notes="Of some hundred segments a few are lost: a share of 3% is hardly told from one of 1% by so few.",
    ),
    Case(
        "requests-path-loss-5",
        "A path of 5 ms each way that loses 5% of the packets; one session, connections are reused.",
        calls("requests", "--workers", "3", "--requests", "60", "--period", "0.1"),
        serving("--size", "2000"),
        expect("path-loss"),
        (REUSED, packets("retransmissions", RETRANSMITTED, 15)),
        point=Point(snaplen=200),
        delay_ms=5.0,
        router=lost(5),
        rest_s=2.0,
    ),
    Case(
        "httpx-path-loss-8-at-server",
        "A path that loses 8%, captured at the server.",
        calls("httpx", "--workers", "2", "--requests", "40", "--period", "0.1"),
        serving("--size", "3000"),
        expect("path-loss"),
        (REUSED, packets("retransmissions", RETRANSMITTED, 10)),
        point=Point(side="server", snaplen=220),
        router=lost(8),
        rest_s=2.0,
    ),
    Case(
        "requests-path-loss-8-large",
        "A path that loses 8% with bodies of 20 kB: large segments are lost and come later, unlike in a black hole.",
        calls("requests", "--workers", "2", "--requests", "24", "--period", "0.3", "--path", "/small", "--path", "/large"),
        serving("--sized", "/large=20000"),
        expect("path-loss", not_causes=("pmtu-blackhole",)),
        (REUSED, packets("retransmissions", RETRANSMITTED, 10)),
        point=Point(snaplen=200),
        router=lost(8),
        rest_s=2.0,
    ),
    Case(
        "urllib3-path-loss-6-distant",
        "A path of 10 ms each way that loses 6%, with bodies of 12 kB, seen at the client: holes that are filled later.",
        calls("urllib3", "--workers", "3", "--requests", "19", "--period", "0.4"),
        serving("--size", "12000"),
        expect("path-loss", not_causes=("pmtu-blackhole", "slow-server")),
        (REUSED, packets("retransmissions", RETRANSMITTED, 8)),
        point=Point(snaplen=200),
        delay_ms=10.0,
        router=lost(6),
        rest_s=2.0,
    ),
    Case(
        "requests-reordering",
        "A path that delays each seventh packet by 6 ms more: segments overtake each other, none is lost.",
        calls("requests", "--workers", "2", "--requests", "30", "--period", "0.1"),
        serving("--size", "8000"),
        expect("healthy", not_causes=("path-loss",)),
        (*HEALTHY_REUSE, packets("segments out of order", "tcp.analysis.out_of_order || tcp.analysis.duplicate_ack", 15)),
        point=Point(snaplen=200),
        delay_ms=2.0,
        late=(0.15, 6.0),
        rest_s=1.0,
        notes="Where a segment is overtaken by three others, the sender repeats it for nothing.",
    ),
    Case(
        "httpx-pmtu-blackhole",
        "A router drops packets of more than 1400 bytes and tells nobody: of an answer of 12 kB only the tail comes.",
        calls("httpx", "--workers", "4", "--requests", "8", "--period", "0.2", "--timeout", "4",
              *("--path", "/small") * 7, "--path", "/large"),
        serving("--sized", "/large=12000"),
        expect("pmtu-blackhole", also=("path-loss", "client-request-timeout")),
        (
            packets("segments before others that never came", "tcp.analysis.lost_segment", 1),
            packets("small answers", "http.response.code == 200", 8),
        ),
        point=Point(snaplen=300),
        router=dropping("meta length > 1400 drop"),
        rest_s=1.0,
        notes="The client never sees the large segments: it sees silence, the tail, and the end of its patience.",
    ),
    Case(
        "requests-pmtu-blackhole-at-server",
        "The same with requests that wait without a timeout, captured at the server: full-sized segments repeated alone.",
        calls("requests", "--workers", "3", "--requests", "10", "--period", "0.2", "--give-up", "12",
              *("--path", "/small") * 8, "--path", "/large"),
        serving("--sized", "/large=20000"),
        expect("pmtu-blackhole"),
        (ALL_OPEN, packets("retransmissions", RETRANSMITTED, 10)),
        point=Point(side="server", snaplen=300),
        router=dropping("meta length > 1400 drop"),
        rest_s=1.0,
    ),
)  # fmt: skip

SERVER = (
    Case(
        "urllib3-slow-endpoint",
        "One of three endpoints takes 1.5 s; the client waits and reuses its connections.",
        calls("urllib3", "--workers", "3", "--requests", "9", "--period", "0.9", *PATHS),
        serving("--slow", "/report=1.5"),
        expect("slow-server", owner="server"),
        (ALL_OPEN, NO_RESET, connections(3, 3)),
        rest_s=1.5,
    ),
    Case(
        "aiohttp-slow-endpoint-at-server",
        "The same with aiohttp over 5 ms each way, captured at the server.",
        calls("aiohttp", "--workers", "3", "--requests", "9", "--period", "0.9", *PATHS),
        serving("--slow", "/report=1.5"),
        expect("slow-server", owner="server"),
        (ALL_OPEN, NO_RESET, connections(3, 3)),
        point=Point(side="server"),
        delay_ms=5.0,
        rest_s=1.5,
    ),
    Case(
        "urllib3-slow-path-300ms",
        "A path of 150 ms each way: answers take 300 ms and the handshake does, too; the server is quick.",
        calls("urllib3", "--workers", "3", "--requests", "10", "--period", "0.6", *PATHS),
        serving(),
        expect("healthy", not_causes=("slow-server", "path-loss", "nagle-delayed-ack")),
        (*HEALTHY_REUSE, waits(0.29, 0.35)),
        delay_ms=150.0,
        rest_s=1.5,
    ),
)

GROUPS = (
    ("Time lost to the kernel's timers: Nagle and the delayed ACK", KERNEL),
    ("Time lost to Expect: 100-continue", EXPECT),
    ("Receivers that stop reading", RECEIVER),
    ("Paths that lose, reorder, or drop what is large", PATH),
    ("Slow servers", SERVER),
)
