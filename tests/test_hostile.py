"""Captures made to exhaust whoever reads them: work and memory stay in proportion to the file."""

from __future__ import annotations

import struct
import time
from pathlib import Path

from wire import SECOND, Packet, ipv4, link, pcap_header, pcap_record, tcp

from pcapdiag.connections.tracker import Tracker
from pcapdiag.exchanges.heads import Heads
from pcapdiag.exchanges.http1 import HttpFramer
from pcapdiag.exchanges.rows import ExchangeRows
from pcapdiag.model.words import Count
from pcapdiag.packets.pcap import PcapReader
from pcapdiag.pipeline import read_tables
from pcapdiag.segments.decoder import Decoder

EPOCH = 1_700_000_000 * SECOND
FIN, SYN, RST, ACK = 1, 2, 4, 16


def segment(at: int, port: int, flags: int, sequence: int, payload: bytes = b"") -> Packet:
    body = tcp("10.0.0.1", "10.0.0.2", (port, 80), sequence, 1, flags, payload)
    return Packet(link(ipv4("10.0.0.1", "10.0.0.2", body, ip_id=at // 1000 & 0xFFFF)), EPOCH + at)


def test_damaged_places_are_described_up_to_a_limit_and_counted_beyond_it(tmp_path: Path) -> None:
    good = b"".join(pcap_record(segment(at * 1000, 40000, ACK, 1)) for at in range(2))
    bad = struct.pack("<IIII", EPOCH // SECOND, 0, 0xFFFFFFFF, 0xFFFFFFFF)
    path = tmp_path / "damaged.pcap"
    path.write_bytes(pcap_header() + (bad + good) * 300)
    damage = read_tables([str(path)]).counters.damage
    assert len(damage) == 101
    assert damage[-1].endswith(": 200 more damaged places")


def test_one_closed_connection_that_still_talks_keeps_no_other_in_memory() -> None:
    tracker = Tracker()
    reader = PcapReader(Decoder(tracker), "-")
    reader.feed(pcap_header())
    packets = [segment(0, 30000, SYN, 100), segment(1_000_000, 30000, RST, 101)]
    for place in range(400):
        at = (place + 1) * SECOND // 10
        packets.append(segment(at, 30000, ACK, 101 + place, b"x"))
        packets.append(segment(at + 1_000_000, 40000 + place, SYN, 100))
        packets.append(segment(at + 2_000_000, 40000 + place, RST, 101))
    most = 0
    for packet in packets:
        reader.feed(pcap_record(packet))
        most = max(most, len(tracker.closed))
    assert most < 50
    tracker.finish()
    assert tracker.rows.count == 401


def test_a_head_that_comes_byte_by_byte_is_read_once() -> None:
    head = b"GET / HTTP/1.1\r\nX: " + b"x" * 50_000 + b"\r\n\r\n"
    framer = HttpFramer(ExchangeRows(), 1, 2, Heads())
    begun = time.monotonic()
    for at in range(len(head)):
        framer.feed(True, head, at, 1, 1, EPOCH + at, at + 1, at, 0)
    assert framer.requests == 1
    assert time.monotonic() - begun < 10


def test_responses_to_requests_that_never_come_are_awaited_up_to_a_limit() -> None:
    framer = HttpFramer(ExchangeRows(), 1, 2, Heads())
    request, response = b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    framer.feed(True, request, 0, len(request), len(request), EPOCH, 1, 0, 0)
    for place in range(5_000):
        framer.feed(False, response, 0, len(response), len(response), EPOCH, 2, place * len(response), 1 << 20)
        assert len(framer.late) <= 1_000
    framer.finish()
    assert framer.requests == 5_000
    assert framer.basis == Count.LOWER_BOUND
