"""What a live capture would have shown at moments of captures that are there: LiveViews of growing beginnings.

``python tests/live_views.py NAME... [--forever]`` plays them on the terminal, as ``pcapdiag live`` would.
"""

from __future__ import annotations

import signal
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from select import select

from pcapdiag import pipeline
from pcapdiag.errors import CaptureError
from pcapdiag.model.live import LivePool, LiveView, Owner, Saving
from pcapdiag.model.report import ConnectionRow, PoolRow, Report

FOLDER = Path(__file__).parents[1] / "captures"
NS = 1_000_000_000
WINDOW = 5 * NS


def records(data: bytes) -> list[int]:
    """Where each packet of a pcap ends."""
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, ends = 24, []
    while at + 16 <= len(data):
        at += 16 + struct.unpack_from(f"{order}I", data, at + 8)[0]
        ends.append(at)
    return ends


@cache
def beginning(name: str, percent: int) -> Report | None:
    """The diagnosis of the first packets of a capture; None while there is no connection."""
    data = (FOLDER / f"{name}.pcap").read_bytes()
    ends = records(data)
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(data[: ends[max(len(ends) * percent // 100, 1) - 1]])
        file.flush()
        try:
            return pipeline.analyze([file.name], pipeline.Options(with_connections=True))
        except CaptureError:
            return None


def view(name: str, percent: int, **changes: object) -> LiveView:
    """A capture as it would have looked after so many percent of its packets."""
    report = beginning(name, percent)
    first, last = (0, 0) if report is None else (report.capture.first_at or 0, report.capture.last_at or 0)
    packets = 3 if report is None else report.capture.packets
    values: dict[str, object] = {
        "interface": "lo",
        "filter": "tcp port 8081",
        "program": "tcpdump",
        "started_at": first,
        "now": last,
        "packets": packets,
        "packets_per_second": packets / max((last - first) / NS, 1.0),
        "received": packets,
        "dropped": 0,
        "saving": Saving(("saved.pcapng",), packets * 230),
        "history_from": None,
        "forgotten": 0,
        "window_ns": WINDOW,
        "report": report,
        "pools": () if report is None else tuple(live_pool(row, report, last) for row in report.pools),
        "states": {} if report is None else {end: states(report, end) for end in ("client", "server")},
    }
    return LiveView(**(values | changes))  # type: ignore[arg-type]


def live_pool(row: PoolRow, report: Report, now: int) -> LivePool:
    mine = [one for one in report.connections if one.pool == row.id]
    still = [one for one in mine if one.closed_at is None and one.opening in ("handshake", "midstream")]
    busy = sum(one.requests > one.responses for one in still)
    span = max(min(WINDOW, now - (report.capture.first_at or 0)), 1) / NS
    return LivePool(
        pool=row.id,
        open=len(still),
        busy=busy,
        idle=len(still) - busy,
        opens_per_second=sum(now - one.opened_at < WINDOW for one in mine) / span,
        closes_per_second=sum(now - closed < WINDOW for closed in closings(mine)) / span,
        requests_per_second=row.requests_per_second or 0.0,
        client_owners=(Owner(4121, row.client_library.split()[0].lower() if row.client_library else "python3"),),
        server_owners=(Owner(812, "nginx", "a1b2c3d4e5f6"),),
    )


def closings(rows: list[ConnectionRow]) -> Iterator[int]:
    return (row.closed_at for row in rows if row.closed_at is not None)


def states(report: Report, end: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in report.pools:
        total.update({k: n for k, n in getattr(row, f"{end}_states").items() if k not in ("CLOSED", "UNKNOWN")})
    return total


def play(names: list[str], forever: bool) -> None:
    """Show each capture growing; the keys are those of the command."""
    from pcapdiag.cli.terminal import Terminal
    from pcapdiag.reports.live_screen import Chosen, screen

    signal.signal(signal.SIGINT, signal.default_int_handler)
    views = [view(name, percent) for name in names for percent in (1, 3, 5, 10, 20, 40, 60, 80, 100)]
    look, at = Chosen(), 0
    with Terminal() as terminal:
        while at < len(views) or forever:
            now = views[min(at, len(views) - 1)]
            terminal.draw(screen(now, chosen=look))
            ready, _, _ = select([terminal.fileno()], [], [], 0.5) if terminal.fileno() >= 0 else ([], [], [])
            at += 0 if ready or look.paused else 1
            while (key := terminal.key()) is not None:
                if key == "q":
                    return
                if key == "x":
                    raise RuntimeError("as a bug would")
                look = look.after(key, now, *terminal.size)


if __name__ == "__main__":
    play([name for name in sys.argv[1:] if name != "--forever"], "--forever" in sys.argv)
