"""tshark's view of the same captures, asked through pyshark; skipped where tshark is not installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pcapdiag.pipeline import read_tables

CAPTURES = Path(__file__).parents[1] / "captures"

pyshark = pytest.importorskip("pyshark")
pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")


@pytest.mark.parametrize("name", ["node-idle-timeout", "go-idle-timeout-short", "nginx-idle-timeout-2s"])
def test_connections_and_requests_are_what_tshark_sees(name: str) -> None:
    path = CAPTURES / f"{name}.pcap"
    streams: set[int] = set()
    requests = 0
    first_fin: dict[int, int] = {}
    with pyshark.FileCapture(str(path), keep_packets=False) as capture:
        for packet in capture:
            if "TCP" not in packet or "ICMP" in packet:
                continue
            stream = int(packet.tcp.stream)
            streams.add(stream)
            requests += "HTTP" in packet and hasattr(packet.http, "request_method")
            if packet.tcp.flags_fin in ("1", "True"):
                first_fin.setdefault(stream, int(packet.tcp.srcport))
    tables = read_tables([str(path)])
    c = tables.connections
    assert len(c) == len(streams)
    assert int(c.requests.sum()) == requests
    ours = [int(c.client_port[i] if c.closer[i] == 1 else c.server_port[i]) for i in range(len(c)) if c.closer[i]]
    assert ours == [port for _, port in sorted(first_fin.items())]
