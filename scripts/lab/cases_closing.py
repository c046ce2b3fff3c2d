"""Connections that end badly, or well but so that it looks bad: timeouts, races, aborts, restarts, leaks, middleboxes."""

from __future__ import annotations

from signal import SIGHUP, SIGKILL, SIGQUIT, SIGTERM

from lab.capture import Point
from lab.case import Case, Check, Client, Kill, Program, Router, Start
from lab.checks import (
    ALL_OPEN,
    CLIENT_CLOSES,
    NO_RESET,
    SERVER_CLOSES,
    connections,
    expect,
    forward,
    node_client,
    opened,
    python_client,
    raw_client,
    seen,
    unanswered,
)
from lab.servers import GoServer, Nginx, Scripted
from lab.truth import Truth
from lab.wire import Segment, Wire, WireConnection

JAVA = ("sh", "-c", "java -version 2>&1 | head -1 | tr -d '\"' | cut -d' ' -f3")
CURL = ("sh", "-c", "curl --version | cut -d' ' -f2 | head -1")


ALERT = 40  # bytes: close_notify is smaller, a request larger


def first(segments: list[Segment]) -> Segment | None:
    return segments[0] if segments else None


def request_times(connection: WireConnection) -> list[float]:
    return [s.at for s in connection.segments if s.method]


def given_up_after(seconds: float, slack: float = 0.1) -> object:
    """The client closes so long after its last request, which has no whole response."""

    def holds(connection: WireConnection) -> bool:
        if connection.first_closer != "client" or connection.closed_at is None or not connection.requests:
            return False
        waited = connection.closed_at - request_times(connection)[-1]
        return unanswered(connection) and abs(waited - seconds) < slack

    return holds


def raced(connection: WireConnection) -> bool:
    """A request crosses the server's FIN: neither acknowledges the other, and no response comes."""
    fin = first(connection.of("server", fin=True))
    requests = [s for s in connection.segments if s.method]
    if fin is None or not requests:
        return False
    last = requests[-1]
    return unanswered(connection) and fin.ack <= last.seq and last.ack <= fin.seq + fin.length


def crossed(connection: WireConnection) -> bool:
    """Client data that is more than an alert crosses the server's FIN, whatever the bytes are."""
    fin = first(connection.of("server", fin=True))
    return fin is not None and any(
        s.length > ALERT and s.seq >= fin.ack and s.ack <= fin.seq for s in connection.of("client", data=True)
    )


def client_gave_up_after(seconds: float, slack: float = 0.1) -> object:
    """The client closes so long after its last data, the server silent since."""

    def holds(connection: WireConnection) -> bool:
        return connection.first_closer == "client" and abs((connection.linger or 0) - seconds) < slack

    return holds


def sent_after_fin(connection: WireConnection) -> bool:
    """A request goes out though the client has acknowledged the server's FIN."""
    fin = first(connection.of("server", fin=True))
    return fin is not None and any(s.method and s.ack > fin.seq + fin.length for s in connection.segments)


def fin_answered_within(seconds: float) -> object:
    def holds(connection: WireConnection) -> bool:
        theirs, own = first(connection.of("server", fin=True)), first(connection.of("client", fin=True))
        return theirs is not None and own is not None and 0 <= own.at - theirs.at <= seconds

    return holds


def fin_never_answered(connection: WireConnection) -> bool:
    return bool(connection.of("server", fin=True)) and not (
        connection.of("client", fin=True) or connection.of("client", rst=True)
    )


def at_once(count: int, side: str, within: float = 0.05) -> Check:
    """So many connections are closed by a side in one moment."""

    def holds(_: Truth, wire: Wire) -> bool:
        times = sorted(c.closed_at for c in wire.connections if c.first_closer == side and c.closed_at)
        return any(b - a <= within for a, b in zip(times, times[count - 1 :], strict=False))

    return Check(f"{count} closed by the {side} within {within} s", holds)


def ages(low: float, high: float, share: float = 0.8) -> Check:
    """Of the connections that the client closed, most had such an age."""

    def holds(_: Truth, wire: Wire) -> bool:
        found = [c.closed_at - c.opened_at for c in wire.connections if c.first_closer == "client" and c.closed_at]
        return len(found) >= 5 and sum(low <= age <= high for age in found) >= share * len(found)

    return Check(f"closed by the client at an age of {low} to {high} s", holds)


TIMEOUTS = (
    Case(
        "requests-timeout-1s",
        "requests with a timeout of 1 s; each third answer takes 2.5 s.",
        python_client("requests", "--load", "3x8@1200ms", "--timeout", "1", sent=True),
        Scripted("server.py", ("--delay", "0.02", "--slow", "3,2.5")),
        expect(
            "client-request-timeout",
            not_causes=("keepalive-race", "client-abort", "body-not-drained"),
            request_timeout_s=1.0,
            owner="client",
        ),
        (seen("given up after 1 s", 5, given_up_after(1.0)),),
    ),
    Case(
        "aiohttp-timeout-in-body",
        "aiohttp with a total timeout of 1 s; the body comes in ten pieces over 2.3 s.",
        python_client("aiohttp", "--load", "2x6@1100ms", "--timeout", "1"),
        Scripted("server.py", ("--drip", "10,0.25", "--size", "8000")),
        expect(
            "client-request-timeout",
            not_causes=("body-not-drained", "never-reuse-keepalive-disabled", "client-abort"),
            request_timeout_s=1.0,
            owner="client",
        ),
        (
            CLIENT_CLOSES,
            seen(
                "closed after 1 s with some of the body",
                10,
                lambda c: (
                    c.closed_at
                    and abs(c.closed_at - request_times(c)[0] - 1) < 0.1
                    and len(c.of("server", data=True)) in range(2, 9)
                ),
            ),
        ),
        point=Point(side="server"),
    ),
    Case(
        "java-request-timeout",
        "java.net.http with a timeout of 1 s, 10 ms away from a server that takes 3 s for each fourth answer.",
        Program(
            ("java", "-XX:TieredStopAtLevel=1", "{programs}/Calls.java", "{url}", "16", "600", "1000"),
            "java.net.http",
            JAVA,
        ),
        Scripted("server.py", ("--slow", "4,3")),
        expect(
            "client-request-timeout",
            not_causes=("keepalive-race", "client-abort"),
            request_timeout_s=1.0,
            owner="client",
        ),
        (seen("given up after 1 s", 3, given_up_after(1.0)),),
        point=Point(side="server"),
        delay_ms=10.0,
    ),
    Case(
        "node-waits-for-slow-server",
        "The same server as for requests, but Node waits, and gets its answers.",
        node_client("--load", "3x8@1200ms"),
        Scripted("server.py", ("--delay", "0.02", "--slow", "3,2.5")),
        expect("slow-server", not_causes=("client-request-timeout", "middlebox-idle-drop")),
        (ALL_OPEN, Check("every request is answered", lambda _, w: not any(map(unanswered, w.connections)))),
    ),
    Case(
        "httpx-user-cancels",
        "httpx; a user gives up half of the calls, each after another time.",
        python_client("httpx", "--load", "4x10@900ms", "--cancel", "0.6", "--pool", "20"),
        Scripted("server.py", ("--delay", "0.8")),
        expect(
            "slow-server", also=("healthy", "client-abort"), not_causes=("client-request-timeout", "keepalive-race")
        ),
        (
            Check(
                "given up after many times",
                lambda _, w: (
                    spread(
                        [
                            c.closed_at - request_times(c)[-1]
                            for c in w.connections
                            if c.closed_at and c.requests and c.first_closer == "client"
                        ]
                    )
                    > 0.5
                ),
            ),
        ),
    ),
)


def spread(values: list[float]) -> float:
    return max(values, default=0.0) - min(values, default=0.0)


NGINX_1S = Nginx(("keepalive_timeout 1s", "error_page 405 =200 $uri"))

RACES = (
    Case(
        "go-keepalive-race-get",
        "nginx closes after 1 s, the client calls each 1.02 s, 20 ms away: some requests cross the FIN; Go retries GETs.",
        Client(("-mode", "shared-default", "-load", "1x16@1020ms"), logs=True),
        NGINX_1S,
        expect("keepalive-race", "keepalive_timeout", not_causes=("server-abort", "path-loss")),
        (seen("request and FIN cross", 4, raced),),
        rest_s=2.0,
        delay_ms=20.0,
        notes="A request that crosses the FIN is on the wire and never in the server's log.",
    ),
    Case(
        "requests-keepalive-race-post",
        "The same with POSTs of requests, whose callers get an error; seen at the server.",
        python_client("requests", "--gaps", ",".join(["0.97,0.98,0.99,0.5"] * 4), "--post", "60", sent=True),
        NGINX_1S,
        expect("keepalive-race", "keepalive_timeout", not_causes=("server-abort", "path-loss", "client-abort")),
        (seen("request and FIN cross", 3, raced),),
        rest_s=2.0,
        point=Point(side="server"),
        delay_ms=20.0,
    ),
    Case(
        "client-ignores-fin",
        "The server closes after 1 s; the client acknowledges the FIN and sends on 0.6 s later: RST.",
        raw_client("ignores_fin"),
        Scripted("server.py", ("--idle", "1")),
        expect(
            "server-idle-timeout",
            also=("close-wait-leak",),
            not_causes=("keepalive-race", "server-abort", "client-request-timeout"),
        ),
        (seen("a request after the FIN was acknowledged", 6, sent_after_fin), SERVER_CLOSES),
        rest_s=1.0,
        notes="No word of the vocabulary fits better: the timer is in order, the client does not look at its socket.",
    ),
    Case(
        "node-answers-fin",
        "nginx closes after 1 s, Node answers the FIN at once and calls again 0.5 s later, 20 ms away.",
        node_client("--load", ",".join(["1x3@300ms,rest@1500ms"] * 5)),
        NGINX_1S,
        expect(
            "server-idle-timeout",
            "keepalive_timeout",
            idle_timeout_s=1.0,
            owner="server",
            not_causes=("keepalive-race", "close-wait-leak"),
        ),
        (SERVER_CLOSES, seen("FIN answered within 60 ms", 4, fin_answered_within(0.06)), NO_RESET),
        rest_s=1.5,
        delay_ms=20.0,
    ),
)

ABORTS = (
    Case(
        "server-resets-exchanges",
        "The server resets one exchange in seven (SO_LINGER 0), after 30 ms, without an answer; httpx tries again.",
        python_client("httpx", "--load", "3x25@150ms", "--again", "2"),
        Scripted("server.py", ("--delay", "0.03", "--reset-share", "0.15")),
        expect("server-abort", not_causes=("client-request-timeout", "server-max-requests", "keepalive-race")),
        (seen("RST by the server, request unanswered", 6, lambda c: unanswered(c) and c.of("server", rst=True)),),
    ),
    Case(
        "server-killed",
        "kill -9 of the server with six requests open; refused for 1.2 s, then it is back.",
        Client(("-mode", "transport", "-per-host", "20", "-tolerate", "-load", "6x24@300ms")),
        Scripted("server.py", ("--delay", "0.25")),
        expect(
            "server-abort",
            also=("server-restart",),
            not_causes=("client-request-timeout", "server-idle-timeout", "server-max-requests"),
        ),
        (at_once(5, "server"), seen("unanswered", 4, unanswered), opened("refused", 5, 60)),
        at=((3.0, Kill("server", SIGKILL)), (4.2, Start())),
    ),
    Case(
        "server-restart-graceful",
        "SIGTERM: the server closes its eight idle connections at once, is refused for 1 s, and is back.",
        python_client("aiohttp", "--pool", "20", "--together", "--load", "8x18@400ms"),
        Scripted("server.py", ("--delay", "0.05")),
        expect("server-restart", not_causes=("server-idle-timeout", "server-abort", "server-max-requests")),
        (
            at_once(8, "server"),
            opened("refused", 8, 60),
            opened("handshake", 16, 24),
            seen("unanswered", 0, unanswered, 0),
        ),
        at=((3.0, Kill("server", SIGTERM)), (4.3, Start())),
    ),
    Case(
        "nginx-restart",
        "nginx is told to quit and started again; Go's callers see a second of refusals. At the server, 5 ms away.",
        Client(("-mode", "transport", "-per-host", "20", "-tolerate", "-together", "-load", "5x20@350ms")),
        Nginx(),
        expect("server-restart", not_causes=("server-idle-timeout", "server-abort", "server-max-requests")),
        (at_once(5, "server"), opened("refused", 5, 40), opened("handshake", 8, 24)),
        point=Point(side="server"),
        delay_ms=5.0,
        at=((3.0, Kill("server", SIGQUIT)), (4.1, Start())),
    ),
    Case(
        "nginx-reload",
        "nginx is told to read its configuration again: the old workers close their idle connections, new ones serve on.",
        Client(("-mode", "transport", "-per-host", "20", "-together", "-load", "6x20@350ms")),
        Nginx(),
        expect(
            "healthy",
            also=("server-restart",),
            not_causes=("server-idle-timeout", "server-abort", "server-max-requests"),
        ),
        (at_once(6, "server"), opened("refused", 0), opened("handshake", 12, 14), seen("unanswered", 0, unanswered, 0)),
        at=((3.3, Kill("server", SIGHUP)),),
    ),
    Case(
        "server-sweeps-idle",
        "A server that looks each second for connections idle for 1.5 s: eight of a burst are closed in one moment.",
        python_client("aiohttp", "--pool", "20", "--together", "--load", ",".join(["8x4@150ms,rest@3s"] * 4)),
        Scripted("server.py", ("--delay", "0.05", "--idle", "1.5", "--sweep", "1")),
        expect("server-idle-timeout", not_causes=("server-restart", "server-abort", "client-abort")),
        (at_once(8, "server"), SERVER_CLOSES),
        rest_s=0.5,
    ),
    Case(
        "client-killed",
        "kill -9 of the client with six requests open, which meet RST when answered; 1.5 s later it is started again.",
        Client(("-mode", "transport", "-per-host", "20", "-load", "6x5@700ms")),
        GoServer(("-delay", "600ms")),
        expect("client-abort", not_causes=("client-request-timeout", "server-idle-timeout")),
        (
            at_once(6, "client"),
            seen("unanswered", 4, unanswered),
            seen("RST by the client", 4, lambda c: c.resets["client"]),
        ),
        rest_s=1.0,
        at=((2.33, Kill("client", SIGKILL)), (3.9, Start("client"))),
    ),
    Case(
        "client-killed-for-good",
        "The same with Node, which does not come back: a program may well end so. Seen at the server.",
        node_client("--load", "6x40@300ms"),
        Scripted("server.py", ("--delay", "0.2")),
        expect("client-abort", not_causes=("client-request-timeout", "server-idle-timeout")),
        (at_once(6, "client"), seen("unanswered", 3, unanswered)),
        rest_s=2.0,
        point=Point(side="server"),
        at=((3.33, Kill("client", SIGKILL)),),
    ),
    Case(
        "client-restarts-idle",
        "A client is stopped while it has nothing to do, and started again a second later: no request is lost.",
        Client(("-mode", "transport", "-per-host", "20", "-together", "-load", "6x10@200ms,rest@1500ms")),
        GoServer(("-delay", "40ms")),
        expect("healthy", not_causes=("client-abort", "idle-pool-too-small", "idle-timeout-too-short")),
        (at_once(6, "client"), seen("unanswered", 0, unanswered, 0), connections(12, 13)),
        rest_s=1.0,
        at=((2.6, Kill("client", SIGTERM)), (3.8, Start("client"))),
    ),
    Case(
        "client-exits-idle",
        "A client that has its answers and ends: six connections are closed in one moment, none with a request open.",
        python_client("requests", "--ends", "--together", "--load", "6x12@250ms,rest@500ms"),
        Scripted("server.py", ("--delay", "0.04")),
        expect("healthy", not_causes=("client-abort", "idle-pool-too-small", "idle-timeout-too-short")),
        (CLIENT_CLOSES, seen("unanswered", 0, unanswered, 0), connections(6, 7), at_once(6, "client", 0.1)),
        rest_s=2.0,
    ),
)

AGES = (
    Case(
        "requests-session-per-6",
        "A new requests.Session after each six calls, at three rates.",
        python_client("requests", "--renew", "6", "--jitter", "0.5", "--load", "3x18@100ms,3x12@250ms,3x24@40ms"),
        Scripted("server.py", ("--delay", "0.01")),
        expect(
            "client-max-requests",
            not_causes=("server-max-requests", "connection-lifetime", "idle-pool-too-small"),
            requests_per_session=6,
            owner="client",
        ),
        (Check("six each", lambda t, _: t.per_connection[6] >= 20 and max(t.per_connection) == 6),),
    ),
    Case(
        "http-client-per-4-at-server",
        "http.client, a new connection after each four calls, 5 ms away, seen at the server.",
        python_client("http.client", "--renew", "4", "--jitter", "0.5", "--load", "2x20@150ms,2x20@60ms"),
        Nginx(),
        expect(
            "client-max-requests",
            not_causes=("server-max-requests", "connection-lifetime", "idle-pool-too-small"),
            requests_per_session=4,
            owner="client",
        ),
        (Check("four each", lambda t, _: t.per_connection[4] >= 16 and max(t.per_connection) == 4),),
        point=Point(side="server"),
        delay_ms=5.0,
    ),
    Case(
        "httpx-lifetime-3s",
        "Clients of httpx that are replaced at the first call after an age of 3 s, at three rates of calls.",
        python_client("httpx", "--lifetime", "3", "--jitter", "0.3", "--load", "3x24@125ms,3x15@200ms,3x30@100ms"),
        Scripted("server.py", ("--size", "40")),
        expect(
            "connection-lifetime",
            not_causes=("idle-timeout-too-short", "client-max-requests", "server-idle-timeout"),
            lifetime_s=3.0,
            owner="client",
        ),
        (ages(2.98, 3.3), Check("never the same number", lambda t, _: len(t.per_connection) >= 5)),
    ),
)

LEAKS = (
    Case(
        "close-wait-leak",
        "A pool of ten is used in turns and forgotten; the server's FINs after 1 s are never answered, the client goes on.",
        raw_client("leaks"),
        Scripted("server.py", ("--idle", "1")),
        expect("close-wait-leak", also=("body-not-closed",), not_causes=("server-idle-timeout", "path-loss")),
        (
            SERVER_CLOSES,
            seen("FIN never answered", 12, fin_never_answered),
            Check("in CLOSE_WAIT", lambda t, _: t.states("client").get("CLOSE-WAIT", 0) >= 12),
        ),
        rest_s=2.0,
    ),
    Case(
        "requests-lazy-pool",
        "requests looks at a connection when it wants it again: CLOSE_WAIT for most of a second, then its own FIN.",
        python_client("requests", "--together", "--load", ",".join(["5x4@150ms,rest@1700ms"] * 4)),
        Scripted("server.py", ("--delay", "0.03", "--idle", "1")),
        expect(
            "server-idle-timeout",
            not_causes=("close-wait-leak", "body-not-closed", "keepalive-race"),
        ),
        (
            SERVER_CLOSES,
            seen("the FIN answered at the next use", 12, lambda c: c.of("client", fin=True)),
            seen("the last ones still in CLOSE_WAIT", 4, fin_never_answered, 6),
        ),
        rest_s=0.5,
    ),
)

FORGETS = Router(
    forward("ct state invalid drop"),
    ("net.netfilter.nf_conntrack_tcp_timeout_established=2", "net.netfilter.nf_conntrack_tcp_loose=0"),
)
FORGETS_LOUDLY = Router(forward("ct state invalid meta l4proto tcp reject with tcp reset"), FORGETS.sysctls)
GAPS = ",".join(["0.3,1.0,1.6,3.0"] * 3)

MIDDLEBOXES = (
    Case(
        "requests-middlebox-drops",
        "A firewall forgets connections after 2 s: after shorter gaps requests are answered, after longer ones never.",
        python_client("requests", "--gaps", GAPS, "--timeout", "1.5", "--again", "1", "--pause", "0.05", sent=True),
        Nginx(),
        expect(
            "middlebox-idle-drop",
            also=("client-request-timeout",),
            not_causes=("path-loss", "slow-server", "server-idle-timeout", "keepalive-race"),
        ),
        (seen("unanswered", 3, unanswered), connections(4, 6)),
        rest_s=1.0,
        router=FORGETS,
        notes="The client gives up after 1.5 s each time: that is the consequence, not the cause.",
    ),
    Case(
        "go-middlebox-resets",
        "A firewall that forgets after 2 s and answers what it does not know with RST; Go retries. 10 ms away.",
        Client(
            ("-mode", "shared-default", "-load", ",".join(["1x3@1500ms,rest@2700ms"] * 4)),
            logs=True,
        ),
        GoServer(),
        expect("middlebox-idle-drop", not_causes=("server-abort", "keepalive-race", "server-idle-timeout")),
        (
            seen(
                "RST for the request, none from the server itself",
                3,
                lambda c: unanswered(c) and c.of("server", rst=True),
            ),
        ),
        rest_s=1.0,
        delay_ms=10.0,
        router=FORGETS_LOUDLY,
        notes="The RSTs are the firewall's: the server knows nothing of them, and its connections stay ESTABLISHED.",
    ),
    Case(
        "httpx-slow-after-idle",
        "No firewall, but a server that needs 2.5 s for its first answer after 2 s of rest; the client waits.",
        python_client("httpx", "--gaps", GAPS),
        Scripted("server.py", ("--slow-after", "2,2.5")),
        expect("slow-server", not_causes=("middlebox-idle-drop", "client-request-timeout")),
        (ALL_OPEN, connections(1, 1), Check("all answered", lambda _, w: not any(map(unanswered, w.connections)))),
        rest_s=1.0,
    ),
    Case(
        "urllib3-loss-after-idle",
        "The gaps of the firewall's cases on a path that loses an eighth of all packets: what is lost is sent again.",
        python_client("urllib3", "--gaps", ",".join(["0.05,0.05,0.3,1.0,1.6,3.0"] * 3)),
        Nginx(),
        expect("path-loss", also=("healthy",), not_causes=("middlebox-idle-drop", "client-request-timeout")),
        (
            ALL_OPEN,
            seen("a request is sent again", 1, lambda c: any(s.retransmission and s.length for s in c.of("client"))),
        ),
        rest_s=1.0,
        router=Router(forward("numgen random mod 100 < 12 drop")),
    ),
)

TLS = (
    Case(
        "requests-tls-timeout-1s",
        "requests with a timeout of 1 s over TLS; each third answer takes 2.5 s.",
        python_client("requests", "--load", "3x8@1200ms", "--timeout", "1"),
        Scripted("server.py", ("--delay", "0.02", "--slow", "3,2.5"), tls=True),
        expect(
            "client-request-timeout",
            not_causes=("keepalive-race", "client-abort", "tls-handshake-failure", "tls-no-reuse"),
            request_timeout_s=1.0,
            owner="client",
        ),
        (seen("closed 1 s after its last data", 5, client_gave_up_after(1.0)),),
    ),
    Case(
        "go-tls-keepalive-race",
        "nginx closes TLS connections after 1 s, the client calls each 1.02 s, 20 ms away: requests cross the goodbye.",
        Client(("-mode", "shared-default", "-load", "1x16@1020ms"), logs=True),
        Nginx(("keepalive_timeout 1s",), tls=True),
        expect("keepalive-race", not_causes=("server-abort", "path-loss", "tls-no-reuse")),
        (seen("request and FIN cross", 4, crossed),),
        rest_s=2.0,
        delay_ms=20.0,
        notes="A request that crosses the FIN is on the wire and never in the server's log.",
    ),
    Case(
        "aiohttp-tls-server-restart",
        "A graceful restart over TLS: eight connections closed at once, a second of refusals. 5 ms away.",
        python_client("aiohttp", "--pool", "20", "--together", "--load", "8x18@400ms"),
        Scripted("server.py", ("--delay", "0.05"), tls=True),
        expect("server-restart", not_causes=("server-idle-timeout", "server-abort", "tls-handshake-failure")),
        (at_once(8, "server"), opened("refused", 8, 60), opened("handshake", 16, 24)),
        delay_ms=5.0,
        at=((3.0, Kill("server", SIGTERM)), (4.3, Start())),
    ),
    Case(
        "requests-tls-middlebox-drops",
        "A firewall forgets TLS connections after 2 s: after shorter gaps requests are answered, after longer ones never.",
        python_client("requests", "--gaps", GAPS, "--timeout", "1.5", "--again", "1", "--pause", "0.05", sent=True),
        Nginx(tls=True),
        expect(
            "middlebox-idle-drop",
            also=("client-request-timeout",),
            not_causes=("path-loss", "slow-server", "server-idle-timeout", "tls-no-reuse"),
        ),
        (connections(4, 6), Check("unheard FINs", lambda t, _: len(t.unheard) >= 3)),
        rest_s=1.0,
        router=FORGETS,
        notes="The client gives up after 1.5 s each time: that is the consequence, not the cause.",
    ),
)

HALVES = (
    Case(
        "half-closed-client",
        "With its last request on a connection the client says that it has no more to ask; the answer comes after its FIN.",
        raw_client("half_close"),
        Scripted("server.py", ("--delay", "0.1")),
        expect(
            "healthy", also=("half-closed",), not_causes=("client-request-timeout", "client-abort", "close-wait-leak")
        ),
        (CLIENT_CLOSES, NO_RESET, seen("unanswered", 0, unanswered, 0), connections(8, 8)),
    ),
    Case(
        "server-rejects-upload",
        "Uploads of 600 kB that the server answers with 413 on their first packets, and closes.",
        raw_client("uploads"),
        Scripted("server.py", ("--refuse-body", "1000")),
        expect("server-rejects-upload", not_causes=("client-request-timeout", "server-abort", "body-not-drained")),
        (seen("413 while the body is sent", 4, lambda c: any(s.status == 413 for s in c.segments)),),
        point=Point(snaplen=400),
        rest_s=1.0,
    ),
    Case(
        "nginx-rejects-upload",
        "nginx with client_max_body_size 1k under uploads of 120 kB by curl, 10 ms away.",
        Program(
            (
                "sh",
                "-c",
                "head -c 120000 /dev/zero | tr '\\0' b > {folder}/upload; for i in 1 2 3 4; do "
                "curl -s -o /dev/null -H 'Expect:' --data-binary @{folder}/upload {url}; sleep 0.7; done",
            ),
            "curl",
            CURL,
            fails=True,
        ),
        Nginx(("client_max_body_size 1k",)),
        expect("server-rejects-upload", not_causes=("client-request-timeout", "server-abort", "body-not-drained")),
        (seen("413 while the body is sent", 3, lambda c: any(s.status == 413 for s in c.segments)),),
        point=Point(snaplen=400),
        rest_s=1.0,
        delay_ms=10.0,
    ),
)

GROUPS = (
    ("Closing: timeouts, races, aborts and restarts", TIMEOUTS + RACES + ABORTS),
    ("Closing: ages, leaks, middleboxes, half-closed, rejected uploads", AGES + LEAKS + MIDDLEBOXES + HALVES),
    ("Closing over TLS", TLS),
)
