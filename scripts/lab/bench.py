"""The benchmark's capture: 1.7 million packets of real HTTP in about 100,000 connections.

The clients are a pool with room, a pool of 2 that overflows, and one with room that asks for larger bodies.
nginx closes a connection after its fourth request.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lab.capture import Point, Tcpdump
from lab.case import LOAD_S, Lab
from lab.network import INTERFACE, Network, run
from lab.process import Process, listening
from lab.servers import BODY, Nginx

NUMBER = 250  # its network's
WORKERS = 16
REST_S = 3.2


@dataclass(frozen=True)
class BenchClient:
    address: str
    requests: int
    flags: tuple[str, ...]
    path: str = ""


CLIENTS = (
    BenchClient(f"10.71.{NUMBER}.11", 205_000, ("-per-host", "100")),
    BenchClient(f"10.71.{NUMBER}.12", 112_000, ("-per-host", "2")),
    BenchClient(f"10.71.{NUMBER}.13", 80_000, ("-per-host", "100"), "large"),
)


def make_bench(path: Path, lab: Lab) -> str:
    """Write the capture to ``path``; a line about it."""
    folder = lab.work / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "large").write_text(BODY * 16)
    nginx = Nginx(("keepalive_requests 4",), size=240, logs=False)
    with ExitStack() as stack:
        network = stack.enter_context(Network(NUMBER))
        for client in CLIENTS:
            run(
                "ip",
                "-n",
                network.client.namespace,
                "address",
                "add",
                f"{client.address}/24",
                "dev",
                INTERFACE,
            )
        for host in (network.client, network.server):
            host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1")
        started = nginx.prepare(network.server, folder, dict(lab.go))
        server = stack.enter_context(Process(network.server, started.command, folder / "server.out"))
        server.wait_for(listening(network.server, nginx.port), "server")
        point = Point(snaplen=2048, busy=True)
        with Tcpdump(network.client, point, path, folder / "tcpdump.out", buffer_kib=1 << 20):
            began = time.monotonic()
            clients = [
                stack.enter_context(
                    Process(
                        network.client,
                        [
                            str(lab.go["new"].programs / "client"),
                            "-mode",
                            "transport",
                            "-from",
                            client.address,
                            *client.flags,
                            "-load",
                            f"{WORKERS}x{client.requests // WORKERS}",
                            "-url",
                            f"http://{network.server.address}:{nginx.port}/{client.path}",
                        ],
                        folder / f"client-{client.address}.out",
                    )
                )
                for client in CLIENTS
            ]
            for process in clients:
                process.read_line("end of the load", LOAD_S)
            took = time.monotonic() - began
            time.sleep(REST_S)
    return f"{path}: {path.stat().st_size / 1e6:.0f} MB, {took:.0f} s of load; capinfos counts its packets"
