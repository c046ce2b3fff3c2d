"""Run once through everything that will be needed, while it can still be read.

Much is loaded when it is first needed, so that short commands are quick: rules, the catalogue of settings, libraries, even
parts of Python.  They may lie where the user who goes on after root cannot read (a virtual environment in /root).
"""

from __future__ import annotations

import importlib
import pkgutil
import struct
from collections.abc import Callable

import pcapdiag
from pcapdiag import pipeline
from pcapdiag.connections.tracker import Tracker
from pcapdiag.model.report import Report
from pcapdiag.packets.pcap import PcapReader
from pcapdiag.packets.source import Counters
from pcapdiag.segments.decoder import Decoder

# What functions of the package import when they need it, and what those libraries do likewise.
LATER = (
    "ctypes",
    "difflib",
    "dpkt",
    "encodings.idna",
    "gzip",
    "hashlib",
    "json",
    "linecache",
    "numpy.ma",
    "traceback",
    "psutil",
    "rich.console",
    "rich.live",
    "rich.table",
    "tabulate",
)
# Not wanted in a process that lives for days: another command line's, and what only an export needs.
NOT = ("pcapdiag.__main__", "pcapdiag.settings.__main__", "pcapdiag.live.sniffer", "pcapdiag.interchange.arrow")

SYN, FIN, PUSH, ACK, RESET = 0x02, 0x01, 0x08, 0x10, 0x04
BEGAN = 1_700_000_000  # any time
REQUEST = b"GET /a HTTP/1.1\r\nHost: rehearsal\r\nUser-Agent: Go-http-client/1.1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: nginx/1.25.3\r\nContent-Length: 2\r\n\r\nok"


def rehearse(*shown: Callable[[Report], object]) -> Report:
    """Judge a small capture that is made here, and have its report shown.

    Args:
        shown: renderers that will be needed; what they make is thrown away.

    Returns:
        the report, on a client that opens a connection for each request.
    """
    for found in pkgutil.walk_packages(pcapdiag.__path__, "pcapdiag."):
        if found.name not in NOT:
            importlib.import_module(found.name)
    for name in LATER:
        importlib.import_module(name)
    catalogues()
    report = judged(capture())
    for show in shown:
        show(report)
    return report


def catalogues() -> None:
    """Each file of settings, read and kept."""
    from pcapdiag.settings import catalog, coverage, drivers, signs, wrong_fixes

    catalog.product("nginx")  # parsed one by one, from files that are read at once
    coverage.kinds()
    drivers.drivers()
    signs.signs("client")
    wrong_fixes.wrong_fixes()


def judged(data: bytes) -> Report:
    """The report on a pcap file's bytes."""
    tracker = Tracker()
    decoder = Decoder(tracker)
    reader = PcapReader(decoder, "rehearsal", 1)
    reader.feed(data)
    reader.finish()
    tracker.finish()
    counters = Counters(file_starts=[(0, "rehearsal")])
    counters.add(reader)
    tables = pipeline.tables_of(tracker, decoder, counters)
    return pipeline.judged(("rehearsal",), tables, pipeline.Options(with_connections=True))


def capture() -> bytes:
    """A hundred connections of a client that closes each after one request."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)]
    for number in range(100):
        at, port = BEGAN * 1_000_000 + number * 200_000, 40_000 + number
        sent, answered = 1 + len(REQUEST), 1 + len(ANSWER)
        for wait, ours, sequence, acknowledged, flags, payload in (
            (0, True, 0, 0, SYN, b""),
            (100, False, 0, 1, SYN | ACK, b""),
            (200, True, 1, 1, ACK, b""),
            (300, True, 1, 1, PUSH | ACK, REQUEST),
            (900, False, 1, sent, PUSH | ACK, ANSWER),
            (1000, True, sent, answered, ACK | FIN, b""),
            (1100, False, answered, sent + 1, ACK | FIN, b""),
            (1200, True, sent + 1, answered + 1, ACK, b""),
        ):
            packet = segment(ours, port, sequence, acknowledged, flags, payload)
            when = at + wait
            out.append(struct.pack("<IIII", when // 1_000_000, when % 1_000_000, len(packet), len(packet)))
            out.append(packet)
    return b"".join(out)


def segment(ours: bool, port: int, sequence: int, acknowledged: int, flags: int, payload: bytes) -> bytes:
    """An IPv4 packet of 192.0.2.1:port to 192.0.2.2:80, or back."""
    ends = (b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02") if ours else (b"\xc0\x00\x02\x02", b"\xc0\x00\x02\x01")
    ports = (port, 80) if ours else (80, port)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0)
    tcp = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledged, 0x50, flags, 65535, 0, 0)
    return header + b"".join(ends) + tcp + payload
