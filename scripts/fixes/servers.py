"""The proofs of servers: the mistake is in what a client that keeps its connections calls."""

from __future__ import annotations

from typing import Any

from lab.servers import PORT, GoServer

from fixes.proof import Load, Proof
from fixes.server_tools import Apache, Gunicorn, Haproxy, Nginx, NodeServer, Puma, Uvicorn
from fixes.tools import Go, Tool

OFF = "never-reuse-keepalive-disabled"
IDLE, CAP, CLOSE = "server-idle-timeout", "server-max-requests", "server-connection-close"
CALM = Load(3, 6, 1600)  # calls further apart than the timers below
BUSY = Load(4, 16, 60)
BACKEND = GoServer(("-addr", ":8080", "-delay", "5ms"), logs=False)
SAMPLE_PORT = 8080  # in the snippets of programs that listen by themselves


def server(
    name: str, product: str, cause: str, setting: str, mistake: str, load: Load, program: str, tool: Tool, **more: Any
) -> Proof:
    return Proof(name, product, cause, setting, mistake, program, tool, load, **more)


NODE, GO = "Node.js http.Server", "Go net/http server"

PROOFS = (
    server("nginx-keepalive-timeout", "nginx", IDLE, "keepalive_timeout", "keepalive_timeout 1s, calls each 1.6 s", CALM,
           "nginx/keepalive_timeout.conf", Nginx()),
    server("nginx-keepalive-requests", "nginx", CAP, "keepalive_requests", "keepalive_requests 6", BUSY,
           "nginx/keepalive_requests.conf", Nginx()),
    server("nginx-keepalive-off", "nginx", CLOSE, "keepalive_timeout 0", "keepalive_timeout 0", BUSY,
           "nginx/keepalive_off.conf", Nginx()),
    server("nginx-body-limit", "nginx", "server-rejects-upload", "client_max_body_size",
           "client_max_body_size 100k, uploads of 2 MB", Load(2, 6, 300, post=2_000_000),
           "nginx/client_max_body_size.conf", Nginx()),
    server("apache-keep-alive-off", "Apache httpd", CLOSE, "KeepAlive", "KeepAlive Off", BUSY,
           "apache/keep_alive_off.conf", Apache()),
    server("apache-max-requests", "Apache httpd", CAP, "MaxKeepAliveRequests", "MaxKeepAliveRequests 5", BUSY,
           "apache/max_keep_alive_requests.conf", Apache()),
    server("apache-keep-alive-timeout", "Apache httpd", IDLE, "KeepAliveTimeout", "KeepAliveTimeout 1, calls each 1.6 s",
           CALM, "apache/keep_alive_timeout.conf", Apache()),
    server("node-server-timeout", NODE, IDLE, "server.keepAliveTimeout", "keepAliveTimeout 0.5 s, calls each 1.6 s",
           CALM, "node/server_timeout.js", NodeServer(), port=SAMPLE_PORT),
    server("node-server-max-requests", NODE, CAP, "server.maxRequestsPerSocket", "maxRequestsPerSocket 6", BUSY,
           "node/server_max_requests.js", NodeServer(), port=SAMPLE_PORT),
    server("node-server-close", NODE, CLOSE, "Connection: close response header", "Connection: close on each response",
           BUSY, "node/server_close.js", NodeServer(), port=SAMPLE_PORT,
           said=("--server", "node-http-server")),
    server("go-server-idle-timeout", GO, IDLE, "http.Server.IdleTimeout", "IdleTimeout 0.5 s, calls each 1.6 s", CALM,
           "go/server_idle_timeout.go", Go(main="server.go"), port=SAMPLE_PORT),
    server("go-server-read-timeout", GO, IDLE, "http.Server.IdleTimeout",
           "ReadTimeout 0.5 s and no IdleTimeout, calls each 1.6 s", CALM,
           "go/server_read_timeout.go", Go(main="server.go"), port=SAMPLE_PORT),
    server("go-server-off", GO, CLOSE, "http.Server.SetKeepAlivesEnabled", "SetKeepAlivesEnabled(false)", BUSY,
           "go/server_off.go", Go(main="server.go"), port=SAMPLE_PORT),
    server("gunicorn-keepalive", "Gunicorn", IDLE, "keepalive", "keepalive 1 s, calls each 1.6 s", CALM,
           "python/gunicorn_keepalive.conf.py", Gunicorn()),
    server("gunicorn-sync", "Gunicorn", CLOSE, "worker_class", "sync workers", BUSY, "python/gunicorn_sync.conf.py",
           Gunicorn()),
    server("uvicorn-keep-alive", "Uvicorn", IDLE, "--timeout-keep-alive", "timeout_keep_alive 1 s, calls each 1.6 s", CALM,
           "python/uvicorn_run.py", Uvicorn(), port=8000, local=True),
    server("haproxy-keep-alive", "HAProxy", IDLE, "timeout http-keep-alive", "0.5 s, calls each 1.6 s", CALM,
           "haproxy/keep_alive.cfg", Haproxy(), port=SAMPLE_PORT, said=("--server", "haproxy")),
    server("haproxy-httpclose", "HAProxy", CLOSE, "option httpclose", "option httpclose", BUSY, "haproxy/httpclose.cfg",
           Haproxy(), port=SAMPLE_PORT, said=("--server", "haproxy")),
    server("puma-persistent-timeout", "Puma", IDLE, "persistent_timeout", "1 s, calls each 1.6 s", CALM,
           "puma/persistent_timeout.rb", Puma(), said=("--server", "puma")),
    server("nginx-upstream", "nginx towards its backends", OFF,
           'proxy_http_version 1.1 and proxy_set_header Connection ""', "proxy_pass as it comes before nginx 1.29.7", BUSY,
           "nginx/upstream.conf", Nginx(), server=BACKEND, port=SAMPLE_PORT, proxy=PORT, local=True,
           said=("--client", "nginx-upstream")),
    server("haproxy-upstream", "HAProxy towards its servers", OFF, "http-reuse", "option http-server-close in the backend",
           BUSY, "haproxy/upstream.cfg", Haproxy(), server=BACKEND, port=SAMPLE_PORT, proxy=PORT, local=True,
           said=("--client", "haproxy-upstream")),
)  # fmt: skip
