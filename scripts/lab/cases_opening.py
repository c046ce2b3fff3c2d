"""Connections that are refused, never answered, wait in a full backlog, or are opened for nothing."""

from __future__ import annotations

from signal import SIGTERM

from lab.capture import Point
from lab.case import Case, Check, Client, Kill, Router, Rules
from lab.checks import (
    ALL_OPEN,
    NO_RESET,
    REUSED,
    connections,
    expect,
    forward,
    node_client,
    opened,
    python_client,
    raw_client,
    seen,
)
from lab.servers import Nginx, NoServer, Scripted
from lab.truth import Truth
from lab.wire import Wire, WireConnection

SYN_ONLY = "tcp flags & (syn | ack) == syn"


def syns(connection: WireConnection) -> int:
    return len(connection.of("client", syn=True))


def syn_acks(connection: WireConnection) -> int:
    return len(connection.of("server", syn=True))


def forgotten(connection: WireConnection) -> bool:
    """The handshake is done for the client, and its request goes out three times before anything comes back."""
    first_ack = next((s.at for s in connection.of("server") if s.ack > 1), float("inf"))
    return sum(s.at < first_ack for s in connection.of("client", data=True)) >= 3


def reset_at_once(connection: WireConnection) -> bool:
    """The handshake is done, and nothing comes from the server but an RST."""
    return (
        connection.handshake
        and not connection.of("server", data=True)
        and bool(connection.of("server", syn=True) and connection.of("server", rst=True))
    )


def strange_ttl(_: Truth, wire: Wire) -> bool:
    """The RSTs of refused connections come with another TTL than the server's own segments."""
    own = {s.ttl for c in wire.connections if c.requests for s in c.of("server")}
    rst = {s.ttl for c in wire.connections if not c.requests for s in c.of("server", rst=True)}
    return bool(own) and bool(rst) and not own & rst


REFUSED = (
    Case(
        "requests-connect-refused",
        "requests calls a port on which nothing listens, each 400 ms.",
        python_client("requests", "--load", "1x12@400ms"),
        NoServer(),
        expect("connect-refused", not_causes=("server-abort", "server-restart", "connect-timeout")),
        (opened("refused", 12), connections(12, 12)),
        rest_s=1.0,
    ),
    Case(
        "node-server-stopped",
        "Node's keep-alive agent, healthy for 3 s; then the server is stopped cleanly, and every call is refused.",
        node_client("--load", "4x40@150ms"),
        Scripted("server.py"),
        expect("connect-refused", also=("server-restart",), not_causes=("server-idle-timeout", "server-abort")),
        (opened("refused", 40, 120), opened("handshake", 1, 8)),
        rest_s=1.0,
        at=((3.0, Kill("server", SIGTERM)),),
    ),
    Case(
        "aiohttp-firewall-refuses-new",
        "A firewall begins to answer SYNs with RST for the server, which goes on serving the connection it has.",
        python_client(
            "aiohttp", "--together", "--load", "1x15@100ms,rest@500ms,5x6@400ms", "--again", "1", "--pause", "0.05"
        ),
        Scripted("server.py", ("--delay", "0.05")),
        expect("connect-refused", not_causes=("server-abort", "server-restart")),
        (
            opened("refused", 15, 60),
            opened("handshake", 1, 2),
            Check("the RST has another TTL than the server", strange_ttl),
        ),
        rest_s=1.0,
        router=Router(),
        at=((1.7, Rules(forward(f"{SYN_ONLY} reject with tcp reset"))),),
    ),
)

UNANSWERED = (
    Case(
        "requests-connect-timeout",
        "A router drops every SYN; requests gives up after 2.5 s and tries again.",
        python_client("requests", "--load", "2x3@100ms", "--connect-timeout", "2.5"),
        NoServer(),
        expect("connect-timeout", not_causes=("connect-refused", "backlog-overflow", "slow-server")),
        (opened("unanswered", 6), seen("SYN sent three times", 6, lambda c: syns(c) == 3)),
        rest_s=1.0,
        router=Router(forward(f"{SYN_ONLY} drop")),
    ),
    Case(
        "aiohttp-new-connections-unanswered",
        "After 1.7 s a router drops new connections; those that are open go on. 8 ms of path each way.",
        python_client(
            "aiohttp", "--together", "--load", "2x15@100ms,rest@500ms,6x4@2500ms", "--connect-timeout", "1.5"
        ),
        Scripted("server.py", ("--delay", "0.05")),
        expect("connect-timeout", not_causes=("connect-refused", "backlog-overflow", "slow-server", "path-loss")),
        (opened("unanswered", 10, 20), opened("handshake", 2, 3)),
        rest_s=1.0,
        delay_ms=8.0,
        router=Router(),
        at=((1.7, Rules(forward(f"{SYN_ONLY} drop"))),),
    ),
    Case(
        "node-one-syn-lost",
        "The first SYN of six is lost and its retransmission a second later is answered; all is well then.",
        node_client("--load", "6x25@200ms"),
        Nginx(),
        expect("healthy", also=("path-loss",), not_causes=("connect-timeout", "backlog-overflow", "slow-server")),
        (
            ALL_OPEN,
            REUSED,
            NO_RESET,
            seen("SYN sent twice", 1, lambda c: syns(c) == 2, 1),
        ),
        router=Router(forward(f"{SYN_ONLY} quota 100 bytes drop")),
    ),
)

BACKLOG = (
    Case(
        "backlog-overflow",
        "listen(1) and an accept each 0.3 s; a burst of fourteen callers, 10 ms away: handshakes that the server forgets.",
        python_client("aiohttp", "--pool", "20", "--together", "--load", "1x3@400ms,2x3@400ms,3x3@400ms,14x4@700ms"),
        Scripted("server.py", ("--backlog", "1", "--accept-every", "0.3")),
        expect("backlog-overflow", not_causes=("path-loss", "middlebox-idle-drop", "connect-timeout", "slow-server")),
        (seen("request sent three times or more before the server has it", 4, forgotten), connections(14, 14)),
        rest_s=1.0,
        delay_ms=10.0,
        notes="This kernel (6.18) does not repeat the SYN-ACK of a handshake whose ACK it dropped: only the data tells.",
    ),
    Case(
        "backlog-overflow-at-server",
        "The same with Node on a short path, seen at the server: SYNs that it has and does not answer.",
        node_client("--load", "1x3@400ms,2x3@400ms,3x3@400ms,14x4@60ms"),
        Scripted("server.py", ("--backlog", "1", "--accept-every", "0.3", "--delay", "0.05")),
        expect("backlog-overflow", not_causes=("path-loss", "middlebox-idle-drop")),
        (seen("SYN repeated", 4, lambda c: syns(c) >= 2), connections(10, 14)),
        rest_s=1.0,
        point=Point(side="server"),
    ),
    Case(
        "go-reset-on-accept",
        "A server that resets every connection as it accepts it, as a proxy without a backend does.",
        Client(("-mode", "shared-default", "-tolerate", "-load", "3x8@300ms"), logs=True),
        Scripted("server.py", ("--reset-accepted",)),
        expect("server-abort", not_causes=("connect-refused", "backlog-overflow", "unused-connections")),
        (seen("RST behind the handshake", 20, reset_at_once),),
        rest_s=1.0,
    ),
    Case(
        "urllib3-loss-at-opening",
        "A path that loses a tenth of all packets: SYNs, SYN-ACKs and requests are sent again.",
        python_client("urllib3", "--pool", "16", "--together", "--load", "16x14@250ms"),
        Scripted("server.py", ("--delay", "0.1")),
        expect("path-loss", not_causes=("backlog-overflow", "connect-timeout", "middlebox-idle-drop")),
        (
            seen("SYN or SYN-ACK repeated", 2, lambda c: syns(c) + syn_acks(c) > 2),
            seen("a data segment is sent again", 5, lambda c: any(s.retransmission and s.length for s in c.segments)),
        ),
        router=Router(forward("numgen random mod 100 < 10 drop")),
    ),
)

UNUSED = (
    Case(
        "spare-connections",
        "A pool that keeps four spare connections and replaces them each 1.5 s; one connection carries all calls.",
        raw_client("spares"),
        Nginx(),
        expect("unused-connections", not_causes=("idle-pool-too-small", "never-reuse-new-transport")),
        (
            connections(33, 33),
            Check("one carries all requests", lambda t, _: t.per_connection[0] == 32),
        ),
    ),
    Case(
        "balancer-health-checks",
        "Two busy connections, and a TCP health check each second: connect, close.",
        raw_client("health_checks"),
        Nginx(),
        expect(
            "healthy", also=("unused-connections",), not_causes=("idle-pool-too-small", "never-reuse-new-transport")
        ),
        (
            Check("ten or more carry no request", lambda t, _: t.per_connection[0] >= 10),
            Check("two carry the requests", lambda t, _: sum(n > 0 for n in t.per_connection.elements()) == 2),
        ),
        rest_s=1.0,
    ),
)

GROUPS = (("Opening: refused, unanswered, a full backlog, unused", REFUSED + UNANSWERED + BACKLOG + UNUSED),)
