"""Cases of what is spoken on a connection: TLS, handshakes that fail, the wrong protocol, pipelining, tunnels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.capture import Point
from lab.case import Case, Check, Client
from lab.cases_delay import calls, node, packets, raw, repeated
from lab.checks import ALL_OPEN, CLIENT_CLOSES, NO_RESET, ONE_EACH, REUSED, SERVER_CLOSES, connections, expect
from lab.network import Host, run
from lab.servers import PORT, PROGRAMS, GoServer, Nginx, Request, Scripted, Server, Started, certificate
from lab.toolchains import Toolchain

KEEP_ALIVE_OFF = "never-reuse-keepalive-disabled"
HELLOS = "tls.handshake.type == 1"
FULL = "tls.handshake.type == 11"  # a certificate in the clear: TLS 1.2, not resumed
RESUMED = "tls.handshake.type == 1 && tls.handshake.extension.type == 41"  # with a pre-shared key
GOODBYE = (
    "Over TLS the goodbye, close_notify, may come from one end and the first FIN from the other; the kernel knows "
    "FINs alone."
)


@dataclass(frozen=True)
class GoTls(GoServer):
    """``http.Server`` over TLS, HTTP/1.1 alone."""

    scheme = "https"

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        started = super().prepare(host, folder, go)
        made, key = certificate(folder)
        words = ["-certificate", str(made), "-key", str(key)]
        return Started([*started.command, *words], started.version + " with TLS")


@dataclass(frozen=True)
class JavaTls(Server):
    """The JDK's TLS server, which answers what is no TLS with an alert; it keeps no log."""

    scheme = "https"

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        made, key = certificate(folder)
        store = folder / "keys.p12"
        run("openssl", "pkcs12", "-export", "-in", str(made), "-inkey", str(key), "-out", str(store),
            "-passout", "pass:changeit")  # fmt: skip
        version = run("sh", "-c", "java -version 2>&1").split('"')[1]
        return Started(
            ["java", str(PROGRAMS / "delay_TlsServer.java"), f"{PORT}", str(store), "changeit"], f"JDK {version}"
        )

    def requests(self, folder: Path) -> list[Request]:
        return []


CLOSED = Check("all are closed", lambda t, _: t.initiators["none"] == 0)


def hellos(low: int, high: int | None = None) -> Check:
    return packets("TLS handshakes begun", HELLOS, low, high, PORT)


def alerts(low: int, side: str) -> Check:
    port = "tcp.dstport" if side == "client" else "tcp.srcport"
    return packets(f"alerts of the {side}", f"tls.alert_message && {port} == {PORT}", low, None, PORT)


TLS_13 = Nginx(("ssl_protocols TLSv1.3",), tls=True)
TLS_12 = Nginx(("ssl_protocols TLSv1.2",), tls=True)
PLAIN = "http://{host}:{port}/"
SECURE = "https://{host}:{port}/"

TLS = (
    Case(
        "curl-tls-per-process",
        "A curl for each call over TLS 1.3: a full handshake for each request, captured at the client.",
        repeated(14, 0.15, "-k", "{url}"),
        TLS_13,
        expect("tls-no-reuse", also=(KEEP_ALIVE_OFF,), owner="client"),
        (ONE_EACH, connections(14, 14), hellos(14, 14)),
        notes=GOODBYE,
    ),
    Case(
        "node-tls-resumed",
        "Node's https agent with keepAlive false: TLS 1.3 sessions are resumed, and yet a handshake for each request.",
        node('{"agent": {"keepAlive": false}, "workers": 2, "requests": 14, "period": 150}'),
        TLS_13,
        expect("tls-no-reuse", also=(KEEP_ALIVE_OFF,), owner="client"),
        (
            ONE_EACH,
            connections(28, 28),
            hellos(28, 28),
            packets("resumed", RESUMED, 20, None, PORT),
        ),
        notes=GOODBYE,
    ),
    Case(
        "node-tls12-resumed",
        "The same over TLS 1.2, where a resumed handshake has no certificate in it; captured at the server.",
        node('{"agent": {"keepAlive": false}, "workers": 2, "requests": 14, "period": 150}'),
        TLS_12,
        expect("tls-no-reuse", also=(KEEP_ALIVE_OFF,), owner="client"),
        (ONE_EACH, connections(28, 28), hellos(28, 28), packets("full handshakes", FULL, 1, 4, PORT)),
        point=Point(side="server"),
        notes=GOODBYE,
    ),
    Case(
        "requests-tls12-no-session",
        "A session of requests for each call over TLS 1.2 and 5 ms each way, captured at the server.",
        calls("requests", "--new-session", "--requests", "16", "--period", "0.12"),
        TLS_12,
        expect("tls-no-reuse", also=(KEEP_ALIVE_OFF,), owner="client"),
        (ONE_EACH, connections(16, 16), packets("full handshakes", FULL, 16, 16, PORT)),
        point=Point(side="server"),
        delay_ms=5.0,
        notes=GOODBYE,
    ),
    Case(
        "go-tls-new-transport",
        "A new http.Transport for each call over TLS: a handshake for each request, and the connections stay open.",
        Client(("-mode", "new-transport", "-load", "2x12@150ms")),
        GoTls(),
        expect("tls-no-reuse", also=("never-reuse-new-transport", "body-not-closed"), owner="client"),
        (ONE_EACH, ALL_OPEN, connections(24, 24), hellos(24, 24)),
    ),
    Case(
        "requests-tls-session",
        "One session over TLS 1.2, two threads: two handshakes for forty requests.",
        calls("requests", "--workers", "2", "--requests", "20", "--period", "0.1"),
        TLS_12,
        expect("healthy", not_causes=("tls-no-reuse",)),
        (REUSED, ALL_OPEN, hellos(1, 2)),
    ),
    Case(
        "node-tls-keepalive",
        "Node's https agent with keepAlive true over 5 ms each way: a handshake for each connection, ten requests on it.",
        node('{"agent": {"keepAlive": true}, "workers": 3, "requests": 15, "period": 120}'),
        Nginx(tls=True),
        expect("healthy", not_causes=("tls-no-reuse",)),
        (REUSED, ALL_OPEN, hellos(1, 3)),
        delay_ms=5.0,
    ),
)

HANDSHAKES = (
    Case(
        "requests-tls-unknown-ca",
        "requests verifies a certificate that it does not know: an alert of the client, and the close.",
        calls("requests", "--verify", "--requests", "12", "--period", "0.2"),
        TLS_12,
        expect("tls-handshake-failure", not_causes=(KEEP_ALIVE_OFF, "tls-no-reuse", "unused-connections")),
        (CLOSED, connections(12, 12), alerts(12, "client")),
    ),
    Case(
        "aiohttp-tls13-unknown-ca",
        "aiohttp with a certificate that it does not know over TLS 1.3 and 5 ms each way, captured at the server.",
        calls("aiohttp", "--verify", "--requests", "12", "--period", "0.2"),
        TLS_13,
        expect("tls-handshake-failure", not_causes=(KEEP_ALIVE_OFF, "tls-no-reuse", "unused-connections")),
        (CLOSED, connections(12, 12), hellos(12, 12)),
        point=Point(side="server"),
        delay_ms=5.0,
    ),
    Case(
        "node-tls-unknown-ca",
        "Node verifies after the handshake: it ends well by the packets, and the client closes without a word.",
        node('{"agent": {"keepAlive": true, "rejectUnauthorized": true}, "requests": 12, "period": 200}'),
        Nginx(tls=True),
        expect("tls-handshake-failure", also=("unused-connections",), not_causes=(KEEP_ALIVE_OFF, "tls-no-reuse")),
        (CLIENT_CLOSES, connections(12, 12)),
        notes="No alert is sent in the clear: only that nothing is ever asked tells it from a call.",
    ),
    Case(
        "curl-tls-version",
        "The server speaks TLS 1.3 alone, the client 1.2 at most: the server's alert protocol_version.",
        repeated(12, 0.2, "-k", "--tls-max", "1.2", "{url}"),
        Nginx(("ssl_protocols TLSv1.3",), tls=True),
        expect("tls-handshake-failure", not_causes=(KEEP_ALIVE_OFF, "tls-no-reuse", "server-abort")),
        (connections(12, 12), alerts(12, "server")),
        point=Point(side="server"),
    ),
    Case(
        "curl-tls-cipher",
        "No cipher in common over 5 ms each way: the server's alert handshake_failure.",
        repeated(10, 0.2, "-k", "--tls-max", "1.2", "--ciphers",
                 "ECDHE-RSA-AES128-GCM-SHA256", "{url}"),
        Nginx(("ssl_protocols TLSv1.2", "ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384"), tls=True),
        expect("tls-handshake-failure", not_causes=(KEEP_ALIVE_OFF, "tls-no-reuse", "server-abort")),
        (connections(10, 10), alerts(10, "server")),
        delay_ms=5.0,
    ),
)  # fmt: skip

MISMATCH_NOT = (KEEP_ALIVE_OFF, "server-connection-close", "server-abort", "tls-no-reuse")
MISMATCHES = (
    Case(
        "curl-http-to-nginx-tls",
        "Plain HTTP to nginx's TLS port: its 400 page says so, and it closes.",
        repeated(12, 0.2, PLAIN),
        Nginx(tls=True),
        expect("protocol-mismatch", not_causes=MISMATCH_NOT),
        (CLOSED, connections(12, 12), packets("400", "http.response.code == 400", 12)),
        notes="The page says Connection: close: either end's FIN may be first.",
    ),
    Case(
        "requests-http-to-go-tls",
        "Plain HTTP to a Go server's TLS port: 400 in HTTP/1.0, captured at the server.",
        calls("requests", "--requests", "12", "--period", "0.2", url=PLAIN, logs=True),
        GoTls(),
        expect("protocol-mismatch", not_causes=MISMATCH_NOT),
        (SERVER_CLOSES, connections(12, 12)),
        point=Point(side="server"),
        count_requests=False,
    ),
    Case(
        "curl-http-to-java-tls",
        "Plain HTTP to a TLS port of the JDK: seven bytes come back, an alert.",
        repeated(12, 0.2, "--http0.9", PLAIN, logs=True),
        JavaTls(),
        expect("protocol-mismatch", not_causes=MISMATCH_NOT),
        (connections(12, 12), packets("answers of seven bytes", f"tcp.srcport == {PORT} && tcp.len == 7", 12)),
        count_requests=False,
    ),
    Case(
        "requests-http-to-python-tls",
        "Plain HTTP to a TLS port of Python's: the server resets the connection without a word.",
        calls("requests", "--requests", "12", "--period", "0.2", url=PLAIN, logs=True),
        Scripted("delay_server.py", tls=True),
        expect("protocol-mismatch", also=("server-abort",), not_causes=(KEEP_ALIVE_OFF, "server-connection-close")),
        (SERVER_CLOSES, connections(12, 12)),
        count_requests=False,
        notes="A request, an RST and no byte back: that the port wants TLS is known only from others that speak it there.",
    ),
    Case(
        "httpx-tls-to-nginx-http",
        "A TLS hello to nginx's plain port: it answers 400 in HTTP.",
        calls("httpx", "--requests", "12", "--period", "0.2", url=SECURE),
        Nginx(logs=False),
        expect("protocol-mismatch", not_causes=(*MISMATCH_NOT, "tls-handshake-failure")),
        (connections(12, 12), packets("hellos", HELLOS, 12, 12, PORT)),
        count_requests=False,
    ),
    Case(
        "node-tls-to-go-http",
        "A TLS hello to a Go server's plain port, captured at the server.",
        node('{"agent": {"keepAlive": true}, "requests": 12, "period": 200, "secure": true}'),
        GoServer(),
        expect("protocol-mismatch", not_causes=(*MISMATCH_NOT, "tls-handshake-failure")),
        (connections(12, 12), packets("hellos", HELLOS, 12, 12, PORT)),
        point=Point(side="server"),
        count_requests=False,
    ),
    Case(
        "raw-bad-requests",
        "Some good requests and then one without a Host on each connection: 400, Connection: close; the protocol is right.",
        raw("garbage"),
        Nginx(),
        expect("healthy", not_causes=("protocol-mismatch", KEEP_ALIVE_OFF, "server-max-requests")),
        (SERVER_CLOSES, connections(12, 12), packets("400", "http.response.code == 400", 12)),
    ),
)

AHEAD = (
    Case(
        "raw-pipelining",
        "Five requests in one segment, twelve times on one connection.",
        raw("pipeline"),
        GoServer(),
        expect("pipelining", also=("healthy",)),
        (ALL_OPEN, NO_RESET, connections(1, 1), Check("sixty requests", lambda t, _: t.requests == 60)),
        count_requests=False,
        notes="tshark's fields name one request for each packet; the server's log has all.",
    ),
)


@dataclass(frozen=True)
class Proxy(Scripted):
    """The service itself speaks plain HTTP; what the tunnel ends at speaks TLS."""

    scheme = "http"


PROXY = Proxy("delay_tunnel.py", tls=True)
THROUGH = ("--proxy", "http://{host}:{port}")
NO_LEAK = ("never-reuse-new-transport", "body-not-closed", "idle-timeout-none", "tls-no-reuse", KEEP_ALIVE_OFF)
TUNNELS = (
    Case(
        "requests-connect-tunnel",
        "One session through a CONNECT proxy, TLS inside: a few tunnels with eighty requests, kept.",
        calls(
            "requests", "--workers", "6", "--requests", "14", "--period", "0.15", *THROUGH, url="https://origin.test"
        ),
        PROXY,
        expect("connect-tunnel", also=("healthy",), not_causes=NO_LEAK),
        (ALL_OPEN, NO_RESET, connections(3, 6), packets("CONNECT", "http.request.method == CONNECT", 3, 6)),
        rest_s=4.0,
    ),
    Case(
        "raw-websocket",
        "Six WebSockets with a message each 200 ms for four seconds, then silence.",
        raw("websocket"),
        PROXY,
        expect("connect-tunnel", also=("healthy",), not_causes=NO_LEAK),
        (ALL_OPEN, NO_RESET, connections(6, 6), packets("101", "http.response.code == 101", 6)),
        rest_s=5.0,
    ),
    Case(
        "requests-connect-leak",
        "A session for each call through the same proxy, never closed: a tunnel for each request, and they pile up.",
        calls(
            "requests",
            "--leak",
            "--workers",
            "2",
            "--requests",
            "8",
            "--period",
            "0.3",
            *THROUGH,
            url="https://origin.test",
        ),
        PROXY,
        expect("never-reuse-new-transport", also=("body-not-closed", "tls-no-reuse", "connect-tunnel")),
        (ALL_OPEN, connections(16, 16), packets("CONNECT", "http.request.method == CONNECT", 16, 16)),
        rest_s=3.0,
    ),
)

GROUPS = (
    ("TLS handshakes for every request", TLS),
    ("TLS handshakes that fail", HANDSHAKES),
    ("The wrong protocol", MISMATCHES),
    ("Requests sent ahead", AHEAD),
    ("Tunnels", TUNNELS),
)
