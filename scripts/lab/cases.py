"""Every capture in ``captures/``: the program, the server, what a diagnosis must say, what must be seen.

The cases of reuse are here; the modules ``cases_*.py`` beside this one have further ones, as ``GROUPS`` of their own.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from signal import SIGKILL

from lab.capture import Point
from lab.case import Case, Check, Client, Front, Kill
from lab.checks import (
    ALL_OPEN,
    CLIENT_CLOSES,
    CLOSE_WAIT,
    NO_RESET,
    ONE_EACH,
    PILE_UP,
    REST,
    REUSED,
    SERVER_CLOSES,
    at_rest,
    connections,
    expect,
    lingers,
    python_client,
)
from lab.servers import Apache, GoServer, Nginx, Node, Scripted, Uwsgi

PER_HOST = "http.Transport.MaxIdleConnsPerHost"
CLIENT_IDLE = "http.Transport.IdleConnTimeout"
SHARED = "one shared http.Transport"

GOODBYE = (
    "Where the initiator is the server, the client said close_notify first and nginx closed before the "
    "client's own FIN: the goodbye names the client."
)
EITHER_FIRST = (
    "After Connection: close both ends close; which FIN is first is chance, and where both_closed names "
    "the port each end began its own close before it knew of the other's."
)

POOL_OF_2 = expect("idle-pool-too-small", PER_HOST, idle_capacity=2, owner="client")
POOL_OF_2_CHECKS = (
    Check("opens far more than the callers", lambda t, _: len(t.connections) > 0.25 * t.requests),
    Check("two or fewer pooled at rest", lambda t, _: t.states("client").get("ESTAB", 0) == 2),
    Check("closes are the client's", lambda t, _: t.initiators["server"] == 0 and t.initiators["client"] > 20),
    REST,
)
NEW_TRANSPORT = ("-mode", "new-transport", "-load", "4x15@200ms")
PACED = ("-together", "-load", "6x30@120ms")

FOUNDING = (
    Case(
        "go-new-transport",
        "A new http.Transport for each call, 4 callers: connections pile up in ESTABLISHED, nobody closes.",
        Client(NEW_TRANSPORT),
        GoServer(),
        expect("never-reuse-new-transport", SHARED, also=("body-not-closed",)),
        (ONE_EACH, ALL_OPEN, PILE_UP, connections(60, 60), REST),
    ),
    Case(
        "go-new-transport-server-closes",
        "The same against a server with an idle timeout of 2 s: the client answers each FIN.",
        Client(NEW_TRANSPORT),
        GoServer(("-idle-timeout", "2s")),
        expect("never-reuse-new-transport", SHARED, server_idle_timeout_s=2.0),
        (ONE_EACH, SERVER_CLOSES, connections(60, 60), lingers("server", 2.0)),
    ),
    Case(
        "go-new-transport-idle-2s",
        "The popular fix, IdleConnTimeout 2 s: the pile goes away, a handshake per request stays.",
        Client((*NEW_TRANSPORT, "-idle-timeout", "2s")),
        GoServer(),
        expect("never-reuse-new-transport", SHARED, client_idle_timeout_s=2.0),
        (ONE_EACH, CLIENT_CLOSES, connections(60, 60), lingers("client", 2.0)),
    ),
    Case(
        "go-global-transport",
        "The right fix: one Transport for the program, MaxIdleConns(PerHost) 20, IdleConnTimeout 30 s.",
        Client(("-mode", "transport", "-max-idle", "20", "-per-host", "20", "-idle-timeout", "30s", *PACED)),
        GoServer(("-delay", "5ms")),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(1, 12), REST),
    ),
    Case(
        "go-body-not-closed",
        "A shared client, responses neither read nor closed; the server closes after 2 s: CLOSE_WAIT.",
        Client(("-mode", "shared-default", "-body", "leak", "-load", "4x15@200ms")),
        GoServer(("-idle-timeout", "2s")),
        expect("body-not-closed", "http.Response.Body", server_idle_timeout_s=2.0),
        (ONE_EACH, SERVER_CLOSES, CLOSE_WAIT, connections(60, 60), lingers("server", 2.0)),
    ),
    Case(
        "go-body-not-closed-open",
        "The same and no server timeout: nothing tells it from a new Transport for each call.",
        Client(("-mode", "shared-default", "-body", "leak", "-load", "4x15@200ms")),
        GoServer(),
        expect("never-reuse-new-transport", SHARED, "http.Response.Body", also=("body-not-closed",)),
        (ONE_EACH, ALL_OPEN, PILE_UP, connections(60, 60), REST),
    ),
    Case(
        "go-body-not-closed-killed",
        "Large responses that nobody reads stall; kill -9 of the client resets them all at one moment.",
        Client(("-mode", "shared-default", "-body", "leak", "-load", "2x5@350ms")),
        Nginx(size=8_000_000),
        expect("body-not-closed", "http.Response.Body", not_causes=("client-abort", "client-request-timeout")),
        (ONE_EACH, CLIENT_CLOSES, connections(10, 10), Check("reset", lambda _, w: w.resets("client") >= 10)),
        point=Point(snaplen=256),
        rest_s=1.0,
        at=((4.0, Kill("client", SIGKILL)),),
        count_requests=False,
    ),
    Case(
        "go-new-transport-few-kept",
        "A new http.Transport for each call; the server keeps six idle connections and tells the others to close.",
        Client(NEW_TRANSPORT),
        Scripted("server.py", ("--keep", "6")),
        expect("never-reuse-new-transport", SHARED, not_causes=("server-connection-close",), also=("body-not-closed",)),
        (ONE_EACH, connections(60, 60), Check("six stay", lambda t, _: t.initiators["none"] == 6)),
        notes=EITHER_FIRST,
    ),
    Case(
        "go-disable-keepalives-rare",
        "DisableKeepAlives where it is wanted: a call each 2.2 s.",
        Client(("-mode", "disable-keepalives", "-load", "1x6@2200ms")),
        GoServer(),
        expect("healthy", also=("never-reuse-keepalive-disabled",)),
        (ONE_EACH, connections(6, 6), Check("all are closed", lambda t, _: t.initiators["none"] == 0)),
        rest_s=2.2,
        notes=EITHER_FIRST,
    ),
    Case(
        "go-disable-keepalives-hot",
        "DisableKeepAlives with 4 busy callers.",
        Client(("-mode", "disable-keepalives", "-load", "4x60@20ms")),
        GoServer(),
        expect(
            "never-reuse-keepalive-disabled",
            "http.Transport.DisableKeepAlives",
            "http.Request.Close",
            owner="client",
        ),
        (ONE_EACH, connections(240, 240), Check("all are closed", lambda t, _: t.initiators["none"] == 0)),
        notes=EITHER_FIRST,
    ),
    Case(
        "go-req-close-hot",
        "Request.Close set on each request of the shared client, 4 busy callers.",
        Client(("-mode", "req-close", "-load", "4x60@20ms")),
        GoServer(),
        expect(
            "never-reuse-keepalive-disabled",
            "http.Request.Close",
            "http.Transport.DisableKeepAlives",
            owner="client",
        ),
        (ONE_EACH, connections(240, 240), Check("all are closed", lambda t, _: t.initiators["none"] == 0)),
        notes=EITHER_FIRST,
    ),
    Case(
        "go-body-not-drained",
        "Before Go 1.27, a chunked body of 60 kB closed unread: the client resets the connection.",
        Client(("-mode", "shared-default", "-body", "close", "-load", "2x14@100ms"), go="old"),
        GoServer(("-size", "60000", "-chunked")),
        expect("body-not-drained", "http.Response.Body", owner="client"),
        (ONE_EACH, CLIENT_CLOSES, Check("the client sends RST", lambda _, w: w.resets("client") >= 20)),
        point=Point(snaplen=400),
    ),
    Case(
        "go-body-not-drained-go127-small",
        "From Go 1.27 on, Close reads what is left of a small body: the same mistake costs nothing.",
        Client(("-mode", "shared-default", "-body", "close", "-together", "-load", "2x30@60ms")),
        GoServer(("-size", "8000", "-chunked")),
        expect("healthy"),
        (REUSED, ALL_OPEN, NO_RESET, connections(1, 4), REST),
        point=Point(snaplen=400),
    ),
    Case(
        "go-body-not-drained-go127-large",
        "Go 1.27 with a body of 1 MiB closed unread: more than Close reads.",
        Client(("-mode", "shared-default", "-body", "close", "-load", "1x12@150ms")),
        GoServer(("-size", "1048576")),
        expect("body-not-drained", "http.Response.Body", owner="client"),
        (ONE_EACH, CLIENT_CLOSES, Check("the client sends RST", lambda _, w: w.resets("client") >= 9)),
        point=Point(snaplen=300),
    ),
)

BACKEND = GoServer(("-delay", "5ms", "-size", "32"))

EXPERIMENT = (
    Case(
        "go-ab-new-client",
        "ab calls a service that makes a new http.Client per call: all share DefaultTransport, pool of 2.",
        Front(("-mode", "new-client")),
        BACKEND,
        POOL_OF_2,
        POOL_OF_2_CHECKS,
        point=Point(filter="tcp port 8081 or udp"),
    ),
    Case(
        "go-ab-new-transport",
        "The same service with a new http.Transport for each outgoing call.",
        Front(("-mode", "new-transport")),
        BACKEND,
        expect("never-reuse-new-transport", SHARED, also=("body-not-closed",)),
        (ONE_EACH, ALL_OPEN, PILE_UP, REST),
        point=Point(filter="tcp port 8081 or udp"),
    ),
    Case(
        "go-ab-new-transport-idle-2s",
        "The same with IdleConnTimeout 2 s on each new Transport.",
        Front(("-mode", "new-transport", "-idle-timeout", "2s")),
        BACKEND,
        expect("never-reuse-new-transport", SHARED, client_idle_timeout_s=2.0),
        (ONE_EACH, CLIENT_CLOSES, lingers("client", 2.0)),
        rest_s=4.2,
        point=Point(filter="tcp port 8081 or udp"),
    ),
    Case(
        "go-ab-shared-default",
        "The half fix: one shared default client; MaxIdleConnsPerHost is 2 all the same.",
        Front(("-mode", "shared-default")),
        BACKEND,
        POOL_OF_2,
        POOL_OF_2_CHECKS,
        point=Point(filter="tcp port 8081 or udp"),
    ),
    Case(
        "go-ab-per-host-10",
        "One shared Transport, MaxIdleConns and MaxIdleConnsPerHost 10, under 20 callers.",
        Front(("-mode", "transport", "-per-host", "10", "-max-idle", "10")),
        BACKEND,
        expect("idle-pool-too-small", PER_HOST, idle_capacity=10, owner="client"),
        (at_rest(10), Check("overflow", lambda t, _: t.initiators["client"] > 15), REST),
        point=Point(filter="tcp port 8081 or udp"),
    ),
    Case(
        "go-ab-per-host-50",
        "One shared Transport, MaxIdleConns and MaxIdleConnsPerHost 50, under 90 callers.",
        Front(("-mode", "transport", "-per-host", "50", "-max-idle", "50"), requests=800, concurrency=90),
        GoServer(("-delay", "20ms", "-size", "32")),
        expect("idle-pool-too-small", PER_HOST, idle_capacity=50, owner="client"),
        (at_rest(50), Check("overflow", lambda t, _: t.initiators["client"] > 50), REST),
        point=Point(filter="tcp port 8081 or udp"),
    ),
    Case(
        "go-ab-per-host-1000",
        "The right fix: MaxIdleConns and MaxIdleConnsPerHost 1000.",
        Front(("-mode", "transport", "-per-host", "1000", "-max-idle", "1000")),
        BACKEND,
        expect("healthy"),
        (ALL_OPEN, REUSED, REST),
        point=Point(filter="tcp port 8081 or udp"),
    ),
    Case(
        "go-both-legs",
        "The shared default client with both legs of the service in one file: in on 8080, out to 8081.",
        Front(("-mode", "shared-default"), requests=200),
        BACKEND,
        POOL_OF_2,
        POOL_OF_2_CHECKS,
    ),
)

NGINX_CLIENT = Client(("-mode", "transport", "-per-host", "20", "-idle-timeout", "90s", *PACED))

SERVERS = (
    Case(
        "go-nginx-healthy",
        "One Transport with room for its callers, against nginx.",
        NGINX_CLIENT,
        Nginx(),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(1, 12), REST),
    ),
    Case(
        "go-nginx-healthy-snap96",
        "The same captured with 96 bytes of each packet.",
        NGINX_CLIENT,
        Nginx(),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(1, 12), REST),
        point=Point(snaplen=96),
    ),
    Case(
        "go-nginx-healthy-any",
        "The same captured on the any device (SLL2), at the server.",
        NGINX_CLIENT,
        Nginx(),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(1, 12), REST),
        point=Point(side="server", device="any"),
    ),
    Case(
        "nginx-max-requests-6",
        "nginx with keepalive_requests 6: Connection: close on each sixth response.",
        NGINX_CLIENT,
        Nginx(("keepalive_requests 6",)),
        expect("server-max-requests", "keepalive_requests", max_requests=6, owner="server"),
        (
            connections(30, 36),
            Check("six each", lambda t, _: t.per_connection[6] >= 25 and max(t.per_connection) == 6),
        ),
        notes=EITHER_FIRST,
    ),
    Case(
        "goserv-max-requests-6",
        "A Go server that says Connection: close on each sixth response.",
        NGINX_CLIENT,
        GoServer(("-max-requests", "6")),
        expect("server-max-requests", max_requests=6, owner="server"),
        (
            connections(30, 36),
            Check("six each", lambda t, _: t.per_connection[6] >= 25 and max(t.per_connection) == 6),
        ),
        notes=EITHER_FIRST,
    ),
    Case(
        "apache-max-requests-5",
        "Apache with MaxKeepAliveRequests 5, which serves six.",
        NGINX_CLIENT,
        Apache(("KeepAliveTimeout 60", "MaxKeepAliveRequests 5")),
        expect("server-max-requests", "MaxKeepAliveRequests", max_requests=6, owner="server"),
        (
            connections(30, 36),
            Check("six each", lambda t, _: t.per_connection[6] >= 25 and max(t.per_connection) == 6),
        ),
        notes=EITHER_FIRST,
    ),
    Case(
        "nginx-idle-timeout-2s",
        "nginx with keepalive_timeout 2s and a client that calls each 3 s: each call needs a new connection.",
        Client(("-mode", "shared-default", "-load", "1x6@3s")),
        Nginx(("keepalive_timeout 2s",)),
        expect("server-idle-timeout", "keepalive_timeout", idle_timeout_s=2.0, owner="server"),
        (ONE_EACH, SERVER_CLOSES, connections(6, 6), lingers("server", 2.0)),
    ),
    Case(
        "goserv-idle-timeout-3s",
        "A Go server with IdleTimeout 3 s: pairs of calls with 3.6 s between them.",
        Client(("-mode", "shared-default", "-load", ",".join(["1x2@200ms,rest@3400ms"] * 4))),
        GoServer(("-idle-timeout", "3s")),
        expect("server-idle-timeout", "http.Server.IdleTimeout", idle_timeout_s=3.0, owner="server"),
        (SERVER_CLOSES, connections(4, 4), lingers("server", 3.0)),
        rest_s=1.0,
    ),
    Case(
        "node-idle-timeout",
        "Node's server with its default keepAliveTimeout of 5 s, which closes after 6 s; a call each 6.6 s.",
        Client(("-mode", "shared-default", "-load", "1x4@6600ms")),
        Node(),
        expect("server-idle-timeout", "server.keepAliveTimeout", idle_timeout_s=6.0, owner="server"),
        (ONE_EACH, SERVER_CLOSES, connections(4, 4), lingers("server", 6.0)),
        rest_s=6.6,
    ),
    Case(
        "go-idle-timeout-short",
        "IdleConnTimeout 1 s and a call each 1.5 s.",
        Client(("-mode", "transport", "-idle-timeout", "1s", "-load", "1x8@1500ms")),
        GoServer(),
        expect("idle-timeout-too-short", CLIENT_IDLE, idle_timeout_s=1.0, owner="client"),
        (ONE_EACH, CLIENT_CLOSES, connections(8, 8), lingers("client", 1.0)),
        rest_s=2.0,
    ),
    Case(
        "go-idle-timeout-none",
        "A burst of 18 calls, then single ones for 12 s: with no IdleConnTimeout 17 connections wait.",
        Client(("-mode", "transport", "-per-host", "100", "-load", "18x1,1x24@500ms")),
        GoServer(("-delay", "60ms")),
        expect("idle-timeout-none", CLIENT_IDLE, owner="client"),
        (ALL_OPEN, connections(15, 18), PILE_UP),
    ),
    Case(
        "apache-keepalive-off",
        "Apache with KeepAlive Off: every response says Connection: close.",
        Client(("-mode", "shared-default", "-load", "4x30@40ms")),
        Apache(("KeepAlive Off",)),
        expect("server-connection-close", "KeepAlive", owner="server"),
        (ONE_EACH, connections(120, 120), Check("all are closed", lambda t, _: t.initiators["none"] == 0)),
        notes=EITHER_FIRST,
    ),
    Case(
        "uwsgi-closes-unsaid",
        "uWSGI's http-socket closes after each response and does not say Connection: close.",
        python_client("requests", "--load", "3x20@60ms"),
        Uwsgi(),
        expect(
            "server-connection-close",
            not_causes=("never-reuse-keepalive-disabled", "idle-pool-too-small"),
            owner="server",
        ),
        (ONE_EACH, SERVER_CLOSES, connections(60, 60)),
        rest_s=1.0,
    ),
    Case(
        "go-nginx-tls-healthy",
        "One Transport with room for its callers, over TLS.",
        NGINX_CLIENT,
        Nginx(tls=True),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(1, 12), REST),
    ),
    Case(
        "go-nginx-tls-pool-2",
        "Bursts of 12 callers over TLS with the default pool of 2.",
        Client(("-mode", "shared-default", "-together", "-load", ",".join(["12x3@100ms,rest@200ms"] * 2))),
        Nginx(tls=True, size=1600),
        expect("idle-pool-too-small", PER_HOST, idle_capacity=2, owner="client"),
        (at_rest(2), Check("overflow", lambda t, _: t.initiators["client"] > 15), REST),
        notes=GOODBYE,
    ),
)

DISTANT = (
    Case(
        "go-ab-shared-default-10ms-rtt",
        "The half fix over a path with 5 ms each way (TUN, raw IP).",
        Front(("-mode", "shared-default"), requests=200, concurrency=12),
        BACKEND,
        POOL_OF_2,
        POOL_OF_2_CHECKS,
        point=Point(filter="tcp port 8081 or udp"),
        delay_ms=5.0,
    ),
    Case(
        "go-global-transport-10ms-rtt",
        "The right fix over the same path, captured at the server.",
        Client(("-mode", "transport", "-max-idle", "20", "-per-host", "20", "-idle-timeout", "30s", *PACED)),
        GoServer(("-delay", "5ms")),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(2, 12), REST),
        point=Point(side="server"),
        delay_ms=5.0,
    ),
    Case(
        "go-disable-keepalives-hot-10ms-rtt",
        "DisableKeepAlives over the same path, at the server: some FINs cross.",
        Client(("-mode", "disable-keepalives", "-load", "4x30@60ms")),
        GoServer(),
        expect("never-reuse-keepalive-disabled", "http.Transport.DisableKeepAlives", owner="client"),
        (
            ONE_EACH,
            connections(120, 120),
            Check("FINs cross", lambda t, _: sum(c.both_closed for c in t.connections) >= 5),
        ),
        point=Point(side="server"),
        delay_ms=5.0,
        notes=EITHER_FIRST,
    ),
)


def further() -> tuple[tuple[str, tuple[Case, ...]], ...]:
    """The groups of the modules beside this one: a title for docs/CAPTURES.md, and the cases."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
    return tuple(group for name in names for group in importlib.import_module(f"lab.{name}").GROUPS)


GROUPS = (
    ("The founding cases", FOUNDING),
    ("The experiment of the write-ups", EXPERIMENT),
    ("Servers: caps, timers, TLS, other ways to capture", SERVERS),
    ("A path with 5 ms each way", DISTANT),
    *further(),
)
CASES = tuple(case for _, cases in GROUPS for case in cases)
