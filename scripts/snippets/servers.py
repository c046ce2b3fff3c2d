"""Configurations, by the configuration test of their own server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from snippets.tools import ToolMissingError, certificate, run, tool

# The lines that Debian's and the upstream builds of httpd need before they accept any configuration.
APACHE_MODULES = ("mpm_event", "authz_core", "reqtimeout", "socache_shmcb", "ssl")
APACHE_MODULE_FOLDERS = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2")

HAPROXY_DEFAULTS = """defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
"""
REDIS_STARTS_S = 0.7  # it refuses a bad line within some ms; one that is still up by then has taken it


def nginx(snippet: str, folder: Path) -> str:
    program = tool("nginx")
    if "ssl_certificate" in snippet:
        certificate(folder)
    main = http = server = ""
    events = "events {}"
    if snippet.startswith("events "):
        events = snippet
    elif snippet.startswith("worker_"):
        main = snippet
    elif snippet.startswith("upstream "):
        http = snippet
    else:
        server = snippet
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid;\nerror_log stderr;\n{main}\n{events}\n"
        f"http {{\naccess_log off;\n{_temporary_paths(folder)}\n{http}\n"
        f"server {{\nlisten 127.0.0.1:18080;\n{server}\n}}\n}}\n"
    )
    return run([program, "-t", "-q", "-p", str(folder), "-c", str(folder / "nginx.conf")], folder)


def _temporary_paths(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)


def apache(snippet: str, folder: Path) -> str:
    program = tool("apache2", "httpd")
    if "SSLCertificate" in snippet:
        certificate(folder)
    modules = next((Path(name) for name in APACHE_MODULE_FOLDERS if Path(name).is_dir()), None)
    lines = [
        f'ServerRoot "{folder}"',
        "ServerName localhost",
        "Listen 127.0.0.1:18081",
        'ErrorLog "error.log"',
    ]
    lines += [f'PidFile "{folder}/httpd.pid"', f'DefaultRuntimeDir "{folder}"']
    if modules is not None:
        lines += [
            f'LoadModule {name}_module "{modules}/mod_{name}.so"'
            for name in APACHE_MODULES
            if (modules / f"mod_{name}.so").exists()
        ]
    (folder / "httpd.conf").write_text("\n".join([*lines, snippet, ""]))
    return run([program, "-t", "-f", str(folder / "httpd.conf")], folder)


def haproxy(snippet: str, folder: Path) -> str:
    """``haproxy -c``, with warnings for errors: a snippet must not need an excuse."""
    program = tool("haproxy")
    if "server.pem" in snippet:
        certificate(folder)
    other = (
        "listen other\n    bind 127.0.0.1:18082\n    server s1 127.0.0.1:8080\n"  # so that there is something to start
    )
    use = "    default_backend web_servers\n" if snippet.startswith("frontend ") else ""
    if use:
        other += "backend web_servers\n    server s1 127.0.0.1:8080\n"
    before, after = (snippet, HAPROXY_DEFAULTS) if snippet.startswith("global") else (HAPROXY_DEFAULTS, snippet)
    (folder / "haproxy.cfg").write_text(f"{before}\n{after}\n{use}\n{other}")
    return run([program, "-c", "-dW", "-f", "haproxy.cfg"], folder)


def caddyfile(snippet: str, folder: Path) -> str:
    if "server.crt" in snippet:
        certificate(folder)
    (folder / "Caddyfile").write_text(snippet + "\n")
    return run([tool("caddy"), "validate", "--config", "Caddyfile", "--adapter", "caddyfile"], folder)


def redis(snippet: str, folder: Path) -> str:
    """Redis has no configuration test: it is started on a socket in the folder, and stopped."""
    socket = f'port 0\nunixsocket {folder}/redis.sock\nsave ""\n'
    (folder / "redis.conf").write_text(f"{socket}{snippet}\n")
    command = [tool("redis-server"), "redis.conf"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            output, _ = server.communicate(timeout=REDIS_STARTS_S)
        except subprocess.TimeoutExpired:
            server.kill()
            return ""
    return output.strip()


def nft(snippet: str, folder: Path) -> str:
    program = tool("nft")
    if os.geteuid() != 0:
        raise ToolMissingError("right to ask nft")
    (folder / "rules.nft").write_text(snippet + "\n")
    return run([program, "--check", "-f", "rules.nft"], folder)
