"""A proxy in front of the service, and a load on it from the service's host; prints "done" and stays alive and quiet.

    delay_front.py nginx FOLDER HOST PORT NAMESPACE WORKERS CALLS [KEEPALIVE]
    delay_front.py haproxy FOLDER HOST PORT NAMESPACE WORKERS CALLS [MODE]
    delay_front.py go FOLDER HOST PORT NAMESPACE WORKERS CALLS PROGRAMS FLAGS...

The proxy listens on port 8080 and calls HOST:PORT.  KEEPALIVE is nginx's number of idle connections to the upstream,
0 for none (proxy_http_version 1.0, as nginx has it by default before 1.29); MODE is haproxy's: http-reuse's word, or
httpclose; PROGRAMS is where go/frontsvc and go/client are.  The load is WORKERS callers with CALLS calls each, on kept
connections, run in NAMESPACE: ab, or with go the client, whose callers call together, eight times a second.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

FRONT_PORT = 8080
START_S = 5.0


def nginx(folder: Path, upstream: str, keepalive: str = "0") -> list[str]:
    configuration = folder / "front.conf"
    kept = f"keepalive {keepalive};" if int(keepalive) else ""
    version = 'proxy_http_version 1.1; proxy_set_header Connection "";' if int(keepalive) else "proxy_http_version 1.0;"
    configuration.write_text(
        f"user root; worker_processes 1; pid {folder}/front.pid; error_log {folder}/front-error.log;\n"
        f"events {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; keepalive_requests 100000;\n"
        f" client_body_temp_path {folder}/front-body; proxy_temp_path {folder}/front-proxy;\n"
        f" fastcgi_temp_path {folder}/front-f; uwsgi_temp_path {folder}/front-u; scgi_temp_path {folder}/front-s;\n"
        f" upstream service {{ server {upstream}; {kept} }}\n"
        f" server {{ listen {FRONT_PORT}; location / {{ proxy_pass http://service; {version} }} }} }}\n"
    )
    return ["nginx", "-c", str(configuration), "-g", "daemon off;"]


def haproxy(folder: Path, upstream: str, mode: str = "safe") -> list[str]:
    configuration = folder / "haproxy.cfg"
    how = "option httpclose" if mode == "httpclose" else f"http-reuse {mode}"
    configuration.write_text(
        f"defaults\n mode http\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n {how}\n"
        f"frontend in\n bind :{FRONT_PORT}\n default_backend out\n"
        f"backend out\n server service {upstream}\n"
    )
    return ["haproxy", "-db", "-f", str(configuration)]


def go(folder: Path, upstream: str, programs: str, *flags: str) -> list[str]:
    return [f"{programs}/frontsvc", "-addr", f":{FRONT_PORT}", "-backend", f"http://{upstream}/", *flags]


def go_load(namespace: str, workers: str, calls: str, programs: str) -> None:
    """Return when the load is through; the client stays, with its connections."""
    client = subprocess.Popen(
        ["ip", "netns", "exec", namespace, f"{programs}/client", "-url", f"http://{address()}:{FRONT_PORT}/", "-mode",
         "transport", "-per-host", "100", "-together", "-load", f"{workers}x{calls}@125ms"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdout is not None
    if not client.stdout.readline().startswith("done"):
        sys.exit("the load failed")


def ab_load(namespace: str, workers: str, calls: str) -> None:
    load = [
        "ip", "netns", "exec", namespace, "ab", "-q", "-k", "-c", workers, "-n", f"{int(workers) * int(calls)}",
        f"http://{address()}:{FRONT_PORT}/",
    ]  # fmt: skip
    report = subprocess.run(load, capture_output=True, text=True, check=False)
    if report.returncode or "Failed requests:        0" not in report.stdout:
        sys.exit(report.stdout + report.stderr)


def address() -> str:
    """This host's address on the lab's cable."""
    shown = subprocess.run(["ip", "-4", "address", "show", "eth0"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"inet ([\d.]+)", shown)
    assert found
    return found[1]


def listens() -> bool:
    shown = subprocess.run(["ss", "-Hltn", f"( sport = :{FRONT_PORT} )"], capture_output=True, text=True, check=True)
    return bool(shown.stdout.strip())


def main() -> None:
    which, folder, host, port, namespace, workers, calls, *more = sys.argv[1:]
    command = {"nginx": nginx, "haproxy": haproxy, "go": go}[which](Path(folder), f"{host}:{port}", *more)
    proxy = subprocess.Popen(command)
    deadline = time.monotonic() + START_S
    while not listens():
        if proxy.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{which} does not listen")
        time.sleep(0.02)
    if which == "go":
        go_load(namespace, workers, calls, more[0])
    else:
        ab_load(namespace, workers, calls)
    print("done", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
