"""Cases of capacity: caps on connections, ports that run out, several pools in one capture; and what looks like these."""

from __future__ import annotations

from lab.capture import Point
from lab.case import Case, Check, Client, Front, Program
from lab.cases_delay import calls, lost, node, packets, raw, serving
from lab.checks import ALL_OPEN, CLIENT_CLOSES, ONE_EACH, REST, REUSED, connections, expect
from lab.servers import GoServer, Nginx, Scripted

MAX_CONNS = "http.Transport.MaxConnsPerHost"
CAP_OR_WORKERS = (
    "The packets of this leg cannot tell a cap from as many workers that call without a pause: whoever speaks of the "
    "one must name the other."
)


def either(*settings: str, **values: object) -> dict[str, object]:
    """A cap, or as many workers: nobody who sees these packets can say more."""
    return {**expect("max-conns-cap", *settings, also=("healthy",), **values), "healthy": False}


def per_connection(low: int) -> Check:
    return Check(f"{low} requests or more on each connection", lambda t, _: min(t.per_connection) >= low)


CAPS = (
    Case(
        "go-max-conns-4",
        "30 callers and MaxConnsPerHost 4: four connections, never an idle one while a burst lasts.",
        Client(("-mode", "transport", "-max-conns", "4", "-per-host", "4", "-together", "-load", "30x4@500ms")),
        GoServer(("-delay", "20ms", "-size", "32")),
        either(owner="client"),
        (connections(4, 4), ALL_OPEN, per_connection(20)),
        rest_s=2.0,
        notes=CAP_OR_WORKERS,
    ),
    Case(
        "node-max-sockets-2",
        "Node's agent with maxSockets 2 under 20 callers, captured at the server.",
        node('{"agent": {"keepAlive": true, "maxSockets": 2}, "workers": 20, "requests": 5}'),
        serving("--think", "0.03", "--size", "32"),
        either(owner="client"),
        (connections(2, 2), ALL_OPEN, per_connection(40)),
        point=Point(side="server"),
        rest_s=2.0,
        notes=CAP_OR_WORKERS,
    ),
    Case(
        "urllib3-block-2",
        "urllib3 with maxsize=2 and block=True under 12 threads, over 2 ms each way.",
        calls("urllib3", "--workers", "12", "--requests", "8", "--pool", "2", "--block"),
        serving("--think", "0.03", "--size", "32"),
        either(owner="client"),
        (connections(2, 2), ALL_OPEN, per_connection(40)),
        point=Point(side="server"),
        delay_ms=2.0,
        rest_s=2.0,
        notes=CAP_OR_WORKERS,
    ),
    Case(
        "go-both-legs-max-conns-4",
        "A service with MaxConnsPerHost 4 under 20 callers, both legs in one file: more requests wait than it can send on.",
        Front(("-mode", "transport", "-max-conns", "4", "-per-host", "4"), requests=100, concurrency=20),
        GoServer(("-delay", "20ms", "-size", "32")),
        expect("max-conns-cap", MAX_CONNS, owner="client"),
        (connections(4, 4), ALL_OPEN, per_connection(20)),
        rest_s=2.0,
    ),
    Case(
        "requests-4-workers",
        "Four threads that call one after the other without a pause, and no cap at all.",
        calls("requests", "--workers", "4", "--requests", "30"),
        serving("--think", "0.02", "--size", "32"),
        either(),
        (connections(4, 4), ALL_OPEN, per_connection(20)),
        rest_s=2.0,
        notes=CAP_OR_WORKERS,
    ),
    Case(
        "go-6-workers-paced",
        "Six callers with a pause after each answer: never more than six connections, and never all of them busy for long.",
        Client(("-mode", "transport", "-per-host", "20", "-load", "6x25@80ms")),
        GoServer(("-delay", "10ms", "-size", "32")),
        expect("healthy", not_causes=("max-conns-cap",)),
        (connections(1, 6), ALL_OPEN, REUSED),
        rest_s=2.0,
    ),
)

# The server's end of these never waits in TIME_WAIT: the client closes first.
SHORT = ("--new-session", "--workers", "1")
NARROW = {"client": ("net.ipv4.ip_local_port_range=40000 40059", "net.ipv4.tcp_tw_reuse=0")}
NARROW_REUSE = {"client": ("net.ipv4.ip_local_port_range=40000 40059", "net.ipv4.tcp_tw_reuse=1")}
KEEP_ALIVE_OFF = ("never-reuse-keepalive-disabled",)


def ports(high: int) -> Check:
    return Check(f"no more than {high} ports", lambda t, _: len({c.port for c in t.connections}) <= high)


PORTS = (
    Case(
        "requests-port-exhaustion",
        "A session for each call and 60 local ports: after 60 calls every port waits in TIME_WAIT and connect fails.",
        calls("requests", *SHORT, "--requests", "140", "--period", "0.04"),
        serving("--size", "32"),
        expect("port-exhaustion", also=KEEP_ALIVE_OFF),
        (ONE_EACH, CLIENT_CLOSES, connections(60, 60), ports(60)),
        point=Point(snaplen=200),
        sysctls=NARROW,
        notes="A connect that finds no port sends no packet: the wire shows the 60 calls, and then nothing.",
    ),
    Case(
        "http-client-port-exhaustion-reuse",
        "The same with tcp_tw_reuse=1: SYNs come from ports that are still in TIME_WAIT, a second after their close.",
        calls("http.client", *SHORT, "--requests", "200", "--period", "0.012"),
        serving("--size", "32"),
        expect("port-exhaustion", also=KEEP_ALIVE_OFF),
        (ONE_EACH, CLIENT_CLOSES, connections(100, 190), ports(60)),
        point=Point(snaplen=128),
        sysctls=NARROW_REUSE,
        notes="Ports are used again a second or more after their last packet, which tcp_tw_reuse allows.",
    ),
    Case(
        "http-client-many-ports",
        "The same rate with the kernel's own range of ports: none is used twice.",
        calls("http.client", *SHORT, "--requests", "150", "--period", "0.012"),
        serving("--size", "32"),
        expect("never-reuse-keepalive-disabled", not_causes=("port-exhaustion",)),
        (
            ONE_EACH,
            CLIENT_CLOSES,
            connections(150, 150),
            Check("no port twice", lambda t, _: len({c.port for c in t.connections}) == len(t.connections)),
        ),
        point=Point(snaplen=128),
    ),
)


def together(name: str, *commands: tuple[str, ...]) -> Program:
    """Several programs at once on the client."""
    words: tuple[str, ...] = ()
    for command in commands:
        words += ("+", *command) if words else command
    return Program(("{python}", "{programs}/delay_repeat.py", "together", *words), name)


def python(library: str, *options: str, url: str = "{url}") -> tuple[str, ...]:
    return ("{python}", "{programs}/delay_calls.py", library, url, *options)


def go(*flags: str) -> tuple[str, ...]:
    return ("{go}/client", "-url", "{url}", *flags)


SERVICES = (
    "keepalive_timeout 0",
    "server { listen 8082; access_log off; keepalive_timeout 1s; location / { return 200 'second'; } } "
    "server { listen 8083; access_log off; keepalive_timeout 60s; keepalive_requests 4; "
    "location / { return 200 'third'; } } "
    "server { listen 8084; access_log off; keepalive_timeout 60s; location / { return 200 'fourth'; } } "
    "sendfile on",
)
PACED = ("--workers", "2", "--requests", "20", "--period", "0.25")

MIXED = (
    Case(
        "requests-good-and-bad-process",
        "Two processes of one library at one address: one with a session, one that makes a session for each call.",
        together(
            "Python requests, two processes",
            python("requests", "--workers", "3", "--requests", "25", "--period", "0.15"),
            python("requests", "--workers", "2", "--requests", "30", "--period", "0.12", "--new-session"),
        ),
        serving("--think", "0.08"),
        expect("never-reuse-keepalive-disabled", not_causes=("idle-pool-too-small",), owner="client"),
        (
            connections(61, 63),
            Check("some are kept", lambda t, _: t.initiators["none"] in (1, 2, 3)),
            Check("sixty have one request", lambda t, _: t.per_connection[1] == 60),
        ),
        point=Point(snaplen=600),
    ),
    Case(
        "go-good-and-new-transport",
        "Two Go processes at one address: one with a shared Transport, one with a new Transport for each call.",
        together(
            "Go net/http, two processes",
            go("-mode", "transport", "-per-host", "10", "-load", "3x30@120ms"),
            go("-mode", "new-transport", "-load", "2x25@150ms"),
        ),
        GoServer(),
        expect("never-reuse-new-transport", also=("body-not-closed",), not_causes=("idle-timeout-none",)),
        (ALL_OPEN, connections(51, 53), REST),
    ),
    Case(
        "requests-four-services",
        "Four services of one host: no keep-alive, an idle timeout of 1 s, a cap of four requests, and a healthy one.",
        together(
            "Python requests, four processes",
            python("requests", *PACED),
            python("requests", "--requests", "5", "--period", "1.5", url="http://{host}:8082/"),
            python("requests", *PACED, url="http://{host}:8083/"),
            python("requests", *PACED, url="http://{host}:8084/"),
        ),
        Nginx(SERVICES),
        {
            **expect("server-connection-close", also=("server-max-requests", "server-idle-timeout"), owner="server"),
            "ports": {
                "8081": "server-connection-close",
                "8082": "server-idle-timeout",
                "8083": "server-max-requests",
                "8084": "healthy",
            },
        },
        (ONE_EACH, connections(40, 40)),
        point=Point(snaplen=400),
        notes="The truth is that of the first service; expect.ports has the cause for each port.",
    ),
    Case(
        "go-pool-2-and-cap-6",
        "Two causes at once: bursts of 8 over the default pool of 2, and nginx closes after six requests.",
        Client(("-mode", "shared-default", "-together", "-load", "8x20@120ms")),
        Nginx(("keepalive_requests 6",), size=80),
        expect("idle-pool-too-small", "http.Transport.MaxIdleConnsPerHost", also=("server-max-requests",)),
        (
            Check("the client closes many", lambda t, _: t.initiators["client"] > 40),
            Check("some reach six", lambda t, _: t.per_connection[6] >= 3 and max(t.per_connection) == 6),
        ),
        point=Point(snaplen=300),
    ),
    Case(
        "requests-no-session-and-loss",
        "Two causes at once: a session for each call, over a path that loses 3%.",
        calls("requests", "--new-session", "--workers", "3", "--requests", "25", "--period", "0.15"),
        serving("--size", "600"),
        expect("never-reuse-keepalive-disabled", also=("path-loss",)),
        (
            ONE_EACH,
            connections(75, 75),
            packets("retransmissions", "tcp.analysis.retransmission", 4),
        ),
        router=lost(3),
        point=Point(snaplen=400),
    ),
    Case(
        "raw-200-services",
        "200 services on one host, a pool each: two calls on one connection, but at ten ports a connection per call.",
        raw("many", "200"),
        Scripted("delay_server.py", ("--ports", "200", "--size", "2")),
        {**expect("never-reuse-keepalive-disabled"), "pools": 200},
        (ONE_EACH, connections(8, 8)),
        point=Point(snaplen=200),
        rest_s=1.0,
        notes="The truth is that of the first service.",
    ),
)


def proxied(proxy: str, workers: int, rounds: int, *options: str) -> Program:
    """A proxy on the client's host, called by ab from the server's."""
    command = ("{python}", "{programs}/delay_front.py", proxy, "{folder}", "{host}", "{port}", "{server_namespace}",
               f"{workers}", f"{rounds}", *options)  # fmt: skip
    versions = {
        "nginx": ("sh", "-c", "nginx -v 2>&1 | sed 's/.*nginx.//'"),
        "haproxy": ("sh", "-c", "haproxy -v | cut -d' ' -f3"),
        "go": (),
    }
    return Program(command, "Go net/http" if proxy == "go" else proxy, versions[proxy])


PROXIES = (
    Case(
        "go-both-legs-healthy",
        "The service without a cap under 8 callers that come together: a connection for each on both legs.",
        proxied("go", 8, 12, "{go}", "-mode", "transport", "-per-host", "100"),
        GoServer(("-delay", "20ms", "-size", "32")),
        expect("healthy", not_causes=("max-conns-cap",)),
        (REUSED, ALL_OPEN, connections(6, 9)),
        rest_s=2.0,
    ),
    Case(
        "nginx-upstream-no-keepalive",
        "nginx as a proxy as it comes: HTTP/1.0 to the upstream, a connection for each request; both legs.",
        proxied("nginx", 6, 12),
        GoServer(("-delay", "3ms", "-size", "100")),
        expect("never-reuse-keepalive-disabled", owner="client"),
        (ONE_EACH, connections(72, 72)),
        notes="Callers on 8080 keep their connections; the proxy's own to 8081 are one for each request.",
    ),
    Case(
        "nginx-upstream-keepalive",
        "The same with keepalive 16 and HTTP/1.1 to the upstream: both legs are healthy.",
        proxied("nginx", 6, 15, "16"),
        GoServer(("-delay", "3ms", "-size", "100")),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(1, 8)),
        rest_s=2.0,
    ),
    Case(
        "haproxy-http-reuse",
        "haproxy with http-reuse always: both legs are healthy.",
        proxied("haproxy", 6, 15, "always"),
        GoServer(("-delay", "3ms", "-size", "100")),
        expect("healthy"),
        (REUSED, ALL_OPEN, connections(1, 8)),
        rest_s=2.0,
    ),
    Case(
        "haproxy-httpclose",
        "haproxy with option httpclose: a connection for each request on both legs.",
        proxied("haproxy", 6, 10, "httpclose"),
        GoServer(("-delay", "3ms", "-size", "100")),
        expect("never-reuse-keepalive-disabled", also=("server-connection-close",), owner="client"),
        (ONE_EACH, connections(60, 60)),
        notes="On the other leg, 8080, it is the server that says Connection: close: haproxy again.",
    ),
)

GROUPS = (
    ("Caps on connections", CAPS),
    ("Ports that run out", PORTS),
    ("Several pools, several causes", MIXED),
    ("Proxies, both legs", PROXIES),
)
