"""The pcap reader: every flavor, damage, bytes in pieces of any size."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import pytest
import wire
from notation import packets_of
from wire import SECOND, START, Packet

from pcapdiag.errors import CaptureError
from pcapdiag.packets.reader import RecordReader
from pcapdiag.packets.sink import PacketSink
from pcapdiag.packets.source import reader_for

PACKETS = packets_of("> S\n< S.\n> .\n> P. GET /\n< P. 200 (500)\n> .")


@dataclass
class Seen:
    """A packet as the sink was given it."""

    data: bytes
    at: int
    original: int
    frame: int
    linktype: int
    interface: int


class Recorder(PacketSink):
    """Keep what the readers hand on."""

    seen: list[Seen]

    def packet(
        self,
        data: bytes,
        start: int,
        captured: int,
        original: int,
        at: int,
        frame: int,
        linktype: int,
        interface: int,
    ) -> int:
        self.seen.append(Seen(data[start : start + captured], at, original, frame, linktype, interface))
        return 0


@dataclass
class Reading:
    seen: list[Seen]
    reader: RecordReader
    bytes_of: list[bytes] = field(default_factory=list)


def read(data: bytes, piece: int = 0, first_frame: int = 1) -> Reading:
    """Read a capture, whole or in pieces of one size."""
    sink = Recorder()
    sink.seen = []
    reader = reader_for(
        "test.pcap", data[: piece or len(data)] if piece >= 4 or not piece else data[:4], sink, first_frame
    )
    for at in range(0, len(data), piece or len(data)):
        reader.feed(data[at : at + (piece or len(data))])
    reader.finish()
    return Reading(sink.seen, reader, [s.data for s in sink.seen])


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("nanoseconds", [True, False], ids=["ns", "us"])
@pytest.mark.parametrize("modified", [True, False], ids=["modified", "plain"])
def test_every_flavor_gives_the_same_packets(order: str, nanoseconds: bool, modified: bool) -> None:
    reading = read(wire.pcap(PACKETS, order=order, nanoseconds=nanoseconds, modified=modified))
    assert reading.bytes_of == [p.data for p in PACKETS]
    assert [s.at for s in reading.seen] == [p.at for p in PACKETS]
    assert [s.frame for s in reading.seen] == [1, 2, 3, 4, 5, 6]
    assert {s.linktype for s in reading.seen} == {wire.ETHERNET}
    assert reading.reader.damage == []
    assert reading.reader.linktypes == {wire.ETHERNET: 6}


def test_nanoseconds_are_kept_and_microseconds_are_a_thousand_each() -> None:
    packet = Packet(PACKETS[0].data, START + 123_456_789)
    assert read(wire.pcap([packet])).seen[0].at == START + 123_456_789
    assert read(wire.pcap([packet], nanoseconds=False)).seen[0].at == START + 123_456_000


def test_times_beyond_2038_are_read() -> None:
    packet = Packet(PACKETS[0].data, 4_000_000_000 * SECOND)
    assert read(wire.pcap([packet])).seen[0].at == 4_000_000_000 * SECOND


def test_the_length_on_the_wire_is_kept_apart_from_what_was_captured() -> None:
    reading = read(wire.pcap([Packet(PACKETS[4].data[:80], START, len(PACKETS[4].data))]))
    assert len(reading.seen[0].data) == 80
    assert reading.seen[0].original == len(PACKETS[4].data)
    assert reading.reader.cut_packets == 1


def test_the_fcs_bits_of_the_linktype_field_are_no_linktype() -> None:
    data = wire.pcap_header(linktype=0x1400_0001) + wire.pcap_record(PACKETS[0])
    assert read(data).seen[0].linktype == wire.ETHERNET


def test_frames_go_on_from_the_file_ahead() -> None:
    reading = read(wire.pcap(PACKETS), first_frame=101)
    assert [s.frame for s in reading.seen] == list(range(101, 107))


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 16, 23, 24, 25, 40, 57, 100, 333])
def test_pieces_of_any_size_give_the_same_packets(piece: int) -> None:
    reading = read(wire.pcap(PACKETS), piece)
    assert reading.seen == read(wire.pcap(PACKETS)).seen


def test_a_file_header_alone_is_a_capture_without_packets() -> None:
    reading = read(wire.pcap([]))
    assert reading.seen == []
    assert reading.reader.damage == []


def test_a_clock_that_steps_back_is_counted() -> None:
    times = [0, 5, 3, 4, 1]
    reading = read(wire.pcap([Packet(PACKETS[0].data, START + t * SECOND) for t in times]))
    assert reading.reader.steps_back == 2
    assert [s.at for s in reading.seen] == [START + t * SECOND for t in times]


# -- damage


@pytest.mark.parametrize("size", range(1, 24))
def test_a_cut_file_header_is_an_error_that_says_so(size: int) -> None:
    with pytest.raises(CaptureError) as error:
        read(wire.pcap(PACKETS)[:size])
    assert error.value.path == "test.pcap"
    assert error.value.offset == size
    assert error.value.try_this == "copy or record the file again"
    if size >= 4:
        assert str(error.value) == (
            f"test.pcap at byte {size}: the file ends after {size} bytes, inside the pcap file header; "
            "expected 24 bytes; try: copy or record the file again"
        )


def test_another_pcap_version_is_an_error() -> None:
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 3, 0, 0, 0, 65535, 1) + bytes(100)
    with pytest.raises(
        CaptureError, match=r"test.pcap at byte 4: pcap version 3.0; expected version 2.4; try: editcap"
    ):
        read(data)


@pytest.mark.parametrize("missing", [1, 10, 60, 75])
def test_a_truncated_last_record_costs_that_record_only(missing: int) -> None:
    whole = wire.pcap(PACKETS)
    last = 16 + len(PACKETS[5].data)
    reading = read(whole[: len(whole) - min(missing, last - 1)])
    assert reading.bytes_of == [p.data for p in PACKETS[:5]]
    left = last - min(missing, last - 1)
    assert reading.reader.damage == [
        f"test.pcap ends inside a record: {left} bytes from byte {len(whole) - last} on are left out"
    ]


def damaged(length: int, order: str = "<") -> tuple[bytes, int]:
    """A capture whose third record claims ``length`` bytes, and where that record begins."""
    records = [wire.pcap_record(p, order) for p in PACKETS]
    at = 24 + sum(map(len, records[:2]))
    records[2] = records[2][:8] + struct.pack(order + "I", length) + records[2][12:]
    return wire.pcap_header(order) + b"".join(records), at


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 20_000_000, 1_000_000])
def test_an_absurd_record_length_costs_that_record_only(length: int, order: str) -> None:
    data, at = damaged(length, order)
    reading = read(data)
    assert reading.bytes_of == [p.data for i, p in enumerate(PACKETS) if i != 2]
    skipped = 16 + len(PACKETS[2].data)
    assert reading.reader.damage == [
        f"test.pcap at byte {at}: the record claims {length} captured bytes, more than the file can hold; "
        f"{skipped} bytes skipped to the next readable record"
    ]


@pytest.mark.parametrize("piece", [1, 7, 16, 50, 91, 200])
def test_resynchronisation_does_not_depend_on_the_pieces(piece: int) -> None:
    data, _ = damaged(0xFFFFFFFF)
    whole, pieces = read(data), read(data, piece)
    assert pieces.bytes_of == whole.bytes_of
    assert pieces.reader.damage == whole.reader.damage


def test_garbage_to_the_end_is_one_line_of_damage() -> None:
    data = wire.pcap(PACKETS[:3])
    reading = read(data + b"\xff" * 500)
    assert reading.bytes_of == [p.data for p in PACKETS[:3]]
    assert reading.reader.damage == [
        f"test.pcap at byte {len(data)}: the record claims 4294967295 captured bytes, "
        "more than the file can hold; no readable record in the remaining 500 bytes"
    ]


def test_two_damaged_places_are_two_lines() -> None:
    records = [wire.pcap_record(p) for p in PACKETS * 3]
    for place in (2, 9):
        records[place] = records[place][:8] + b"\xff\xff\xff\x7f" + records[place][12:]
    reading = read(wire.pcap_header() + b"".join(records))
    assert len(reading.seen) == 16
    assert len(reading.reader.damage) == 2
