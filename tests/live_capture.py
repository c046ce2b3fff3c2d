"""For tests that capture: who may, and traffic of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

import pcapdiag
from pcapdiag.live.process import Asked, CaptureProcess, installed, start
from pcapdiag.packets.pcap import PcapReader
from pcapdiag.packets.sink import PacketSink

LINUX = sys.platform.startswith("linux")
ROOT = LINUX and os.geteuid() == 0
SOURCE = Path(pcapdiag.__file__).parents[1]


def _can_capture() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        return False
    return True


def _can_make_namespaces() -> bool:
    if not (ROOT and shutil.which("ip") and shutil.which("unshare")):
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


can_capture = pytest.mark.skipif(not _can_capture(), reason="needs CAP_NET_RAW")
as_root = pytest.mark.skipif(not ROOT, reason="needs root")
in_namespace = pytest.mark.skipif(not _can_make_namespaces(), reason="needs root and network namespaces")


def programs() -> list[object]:
    """Each way to capture; those that are not installed are skipped."""
    return [
        pytest.param(name, marks=[] if name == "scapy" or installed(name) else pytest.mark.skip(f"no {name}"))
        for name in ("tcpdump", "dumpcap", "scapy")
    ]


class Datagrams:
    """UDP on loopback, on a port that nobody else has."""

    def __init__(self) -> None:
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("127.0.0.1", 0))
        self.port: int = self.receiver.getsockname()[1]
        self.filter = f"udp port {self.port}"
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, count: int) -> None:
        for number in range(count):
            self.sender.sendto(b"%08d" % number, ("127.0.0.1", self.port))

    def __enter__(self) -> Datagrams:
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.close()
        self.sender.close()


def begin(interface: str, expression: str, program: str | None, **more: object) -> CaptureProcess:
    return start(Asked(interface, expression, program=program, **more))  # type: ignore[arg-type]


class Kept(PacketSink):
    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes, int]] = []

    def packet(
        self, data: bytes, start: int, captured: int, original: int, at: int, frame: int, linktype: int, interface: int
    ) -> int:
        self.packets.append((at, bytes(data[start : start + captured]), original))
        return 0


def packets_in(data: bytes) -> list[tuple[int, bytes, int]]:
    """Time, bytes and length on the wire of each, of a capture that is whole."""
    kept = Kept()
    reader = PcapReader(kept, "live", 1)
    reader.feed(data)
    reader.finish()
    assert reader.damage == []
    return kept.packets


def come(process: CaptureProcess, count: int, data: bytes = b"", seconds: float = 20.0) -> bytes:
    """``data`` and what is captured up to so many packets in all, however late the kernel hands them on."""
    reader = PcapReader(Kept(), "live", 1)
    reader.feed(data)
    until = time.monotonic() + seconds
    while reader.frames < count:
        piece = process.read()
        assert piece != b"", f"the capture ended after {reader.frames} of {count} packets"
        assert time.monotonic() < until, f"{reader.frames} of {count} packets within {seconds} s"
        if piece is None:
            time.sleep(0.01)
        else:
            data += piece
            reader.feed(piece)
    return data


def rest(process: CaptureProcess, seconds: float = 10.0) -> bytes:
    """What comes until its end."""
    data = b""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        piece = process.read()
        if piece == b"":
            return data
        if piece is None:
            time.sleep(0.01)
        else:
            data += piece
    raise AssertionError(f"the capture did not end within {seconds} s")


def run(
    code: str, *arguments: str, namespace: bool = False, mounts: bool = False, stdin: IO[bytes] | None = None
) -> str:
    """What a Python program of its own prints, in a network namespace (and one of mounts) of its own if wanted."""
    command = [sys.executable, "-c", code, *arguments]
    if namespace:
        command = ["unshare", "-nm" if mounts else "-n", *command]
    own = [str(SOURCE), str(Path(__file__).parent)]
    path = os.pathsep.join([*own, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command,
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ, PYTHONPATH=path),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
