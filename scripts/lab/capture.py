"""tcpdump, from before the first packet to after the last."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lab.errors import LabError
from lab.network import INTERFACE, Host
from lab.process import Process

FLUSH_S = 0.2  # packets still on their way to the file when it is stopped
BUSY_FLUSH_S = 3.0


@dataclass(frozen=True)
class Point:
    """Where and how to capture."""

    side: str = "client"  # the end of the cable: client or server
    device: str = INTERFACE  # or "any"
    snaplen: int = 262144
    filter: str = ""  # everything that passes: ARP and the closing mark too
    busy: bool = False  # many packets a second: the kernel hands them over in blocks, which immediate mode forbids


class Tcpdump:
    """A capture that runs as long as the ``with`` block; no packet may be dropped."""

    def __init__(self, host: Host, point: Point, path: Path, log: Path, *, buffer_kib: int = 65536) -> None:
        self.point = point
        # No -U: a write for each packet makes tcpdump drop some; the file is closed before it is read.
        self.process = Process(
            host,
            ["tcpdump", "-i", point.device, "-n", "-s", str(point.snaplen), "-B", str(buffer_kib),
             *([] if point.busy else ["--immediate-mode"]), "-Z", "root", "-w", str(path),
             *point.filter.split()],
            log,
        )  # fmt: skip

    def __enter__(self) -> Tcpdump:
        log = self.process.log
        self.process.wait_for(lambda: "listening on" in log.read_text(), "capture")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            time.sleep(BUSY_FLUSH_S if self.point.busy else FLUSH_S)
        self.process.stop(signal.SIGINT)
        dropped = re.search(r"(\d+) packets dropped by kernel", self.process.log.read_text())
        if kind is None and (dropped is None or int(dropped[1])):
            raise LabError(f"tcpdump dropped packets: {self.process.log.read_text()}")
