"""What the kernel dropped while it captured: read from pcapng, reported, and taken into account."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import analyses
import mock_reports as mock
import pytest
import wire
from notation import packets_of
from test_packets_pcap import read
from wire import Interface, Packet, Section

from pcapdiag import analyze
from pcapdiag.comparing.caveats import quality
from pcapdiag.comparing.saved import read as read_saved
from pcapdiag.model.words import Confidence
from pcapdiag.reports import json as as_json
from pcapdiag.reports import text
from pcapdiag.rules import all_rules
from pcapdiag.rules.evidence import better_capture, doubts_of_drops
from pcapdiag.rules.judging import judge
from pcapdiag.rules.rule import Desk

PACKETS = packets_of("> S\n< S.\n> .\n> P. GET /\n< P. 200 (500)\n> .")
IFRECV, IFDROP, FILTERACCEPT, OSDROP = 4, 5, 6, 7


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_what_the_interface_and_the_system_dropped_is_added(order: str) -> None:
    counts = [(IFRECV, 1000), (IFDROP, 30), (FILTERACCEPT, 900), (OSDROP, 12)]
    reading = read(wire.pcapng(Section(PACKETS, order=order)) + wire.statistics_block(0, counts, order))
    assert reading.reader.dropped == 42
    assert len(reading.seen) == 6
    assert reading.reader.damage == []


def test_of_several_blocks_of_an_interface_the_last_one_counts() -> None:
    data = wire.pcapng(Section(PACKETS, [Interface(), Interface()]))
    for interface, dropped in ((0, 5), (1, 7), (0, 20), (0, 25)):
        data += wire.statistics_block(interface, [(IFDROP, dropped)])
    assert read(data).reader.dropped == 32


def test_sections_and_files_count_for_themselves(tmp_path: Path) -> None:
    one = wire.pcapng(Section(PACKETS)) + wire.statistics_block(0, [(IFDROP, 5)])
    assert read(one + one).reader.dropped == 10
    later = [Packet(packet.data, packet.at + 100 * wire.SECOND) for packet in PACKETS]
    (tmp_path / "a.pcapng").write_bytes(one)
    (tmp_path / "b.pcapng").write_bytes(wire.pcapng(Section(later)) + wire.statistics_block(0, [(OSDROP, 3)]))
    report = analyze([tmp_path / "a.pcapng", tmp_path / "b.pcapng"])
    assert report.capture.quality.dropped_packets == 8


@pytest.mark.parametrize(
    "block",
    [
        wire.statistics_block(7, [(IFDROP, 5)]),
        wire.statistics_block(0, [(IFDROP, 2**64 - 1)]),
        wire.statistics_block(0, []),
        wire.block(5, b"\0" * 12),
        wire.block(5, b"\0" * 8),
        wire.block(5, b"\0" * 12 + b"\x05\x00\xff\xff" + b"\0" * 8),
        wire.block(5, b"\0" * 12 + b"\x05\x00\x04\x00" + b"\1" * 4),
    ],
    ids=[
        "unknown interface",
        "impossible",
        "no counts",
        "no options",
        "too short",
        "a size beyond the block",
        "of 32 bits",
    ],
)
def test_a_block_that_says_nothing_sensible_counts_nothing(block: bytes) -> None:
    reading = read(wire.pcapng(Section(PACKETS)) + block + wire.pcapng(Section(PACKETS)))
    assert reading.reader.dropped == 0
    assert len(reading.seen) == 12


def test_drops_are_in_the_text_and_the_json_and_a_kept_report_has_them(tmp_path: Path) -> None:
    whole = mock.report()
    report = replace(
        whole, capture=replace(whole.capture, quality=replace(whole.capture.quality, dropped_packets=1234))
    )
    assert "1,234 packets dropped by the kernel, for want of room" in text.diagnosis(report)
    written = "".join(as_json.diagnosis(report))
    assert json.loads(written)["capture"]["quality"]["dropped_packets"] == 1234
    (tmp_path / "a.json").write_text(written, encoding="utf-8")
    assert read_saved(str(tmp_path / "a.json")).capture.quality.dropped_packets == 1234
    older = json.loads(written)
    del older["capture"]["quality"]["dropped_packets"]
    (tmp_path / "b.json").write_text(json.dumps(older), encoding="utf-8")
    assert read_saved(str(tmp_path / "b.json")).capture.quality.dropped_packets == 0


def test_a_comparison_says_which_capture_lacks_packets() -> None:
    whole = mock.report()
    report = replace(whole, capture=replace(whole.capture, quality=replace(whole.capture.quality, dropped_packets=12)))
    assert "AFTER lacks 12 packets that the kernel dropped." in list(quality("AFTER", report))
    assert not any("kernel" in line for line in quality("BEFORE", whole))


def sick() -> str:
    """A capture with a finding of high confidence on a pool of many connections."""
    for name in analyses.NAMES:
        report = analyses.report_of(name)
        if report.findings and report.findings[0].confidence == Confidence.HIGH and report.connection_count > 20:
            return name
    raise AssertionError("no capture has one")


def test_many_drops_lower_the_confidence_and_few_do_not() -> None:
    pools = analyses.pools_of(sick())
    for one in pools:
        one.neighbours = pools
    sure = judge(pools, all_rules(), Desk()).findings[0]
    assert sure.confidence == Confidence.HIGH
    few = judge(pools, all_rules(), Desk(dropped=1e-6)).findings[0]
    assert few == sure
    unsure = judge(pools, all_rules(), Desk(dropped=0.25)).findings[0]
    assert unsure.confidence == Confidence.MEDIUM
    assert unsure.claim.endswith(
        "The kernel dropped 25% of the packets, so connections may lack some that nothing shows."
    )


def test_how_many_drops_matter_goes_by_how_many_packets_a_connection_has() -> None:
    (pool, *_) = analyses.pools_of(sick())
    packets = float((pool.connections.client_packets + pool.connections.server_packets).mean())
    assert doubts_of_drops(pool, 0.01 / packets)[0] == Confidence.HIGH
    assert doubts_of_drops(pool, 0.9 / packets)[0] == Confidence.MEDIUM
    assert doubts_of_drops(pool, 0.0) == (Confidence.HIGH, "")


def test_a_capture_that_dropped_is_told_how_to_drop_less() -> None:
    pools = analyses.pools_of(sick())
    assert "lose no packets" not in better_capture(pools)
    assert "lose no packets (tcpdump -B 16384" in better_capture(pools, 0.2)


def test_the_same_capture_as_pcapng_with_drops_is_less_sure(tmp_path: Path) -> None:
    from pcapdiag.live.process import Counts
    from pcapdiag.live.saving import Saver

    name = sick()
    path = tmp_path / "kept.pcapng"
    packets = analyses.report_of(name).capture.packets
    saver = Saver(str(path), None, None, None, counts=lambda: Counts(2 * packets, packets))
    saver.write(analyses.path_of(name).read_bytes(), packets, wire.START)
    saver.close()
    report = analyze(path)
    assert report.capture.quality.dropped_packets == packets
    assert report.findings[0].confidence == Confidence.MEDIUM
    assert "The kernel dropped 50% of the packets" in report.findings[0].claim
    assert analyses.report_of(name).findings[0].confidence == Confidence.HIGH
