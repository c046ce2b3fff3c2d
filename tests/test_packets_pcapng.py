"""The pcapng reader: sections, interfaces, time resolutions, packet blocks old and new."""

from __future__ import annotations

import struct

import pytest
import wire
from notation import packets_of
from test_packets_pcap import read
from wire import SECOND, START, Interface, Packet, Section

from pcapdiag.errors import CaptureError

PACKETS = packets_of("> S\n< S.\n> .\n> P. GET /\n< P. 200 (500)\n> .")


def at(packets: list[Packet], interface: int) -> list[Packet]:
    return [Packet(p.data, p.at, p.original, interface) for p in packets]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_a_section_gives_the_packets_that_pcap_gives(order: str) -> None:
    reading = read(wire.pcapng(Section(PACKETS, order=order)))
    assert reading.seen == read(wire.pcap(PACKETS)).seen
    assert reading.reader.linktypes == {wire.ETHERNET: 6}
    assert reading.reader.damage == []


def test_two_sections_may_differ_in_byte_order_linktype_and_resolution() -> None:
    second = [Packet(p.data[14:], p.at + SECOND) for p in PACKETS]
    data = wire.pcapng(Section(PACKETS), Section(second, [Interface(wire.RAW, resolution=6)], order=">"))
    reading = read(data)
    assert reading.bytes_of == [p.data for p in PACKETS + second]
    assert [s.at for s in reading.seen] == [p.at for p in PACKETS + second]
    assert [s.linktype for s in reading.seen] == [wire.ETHERNET] * 6 + [wire.RAW] * 6
    assert [s.frame for s in reading.seen] == list(range(1, 13))
    assert reading.reader.linktypes == {wire.ETHERNET: 6, wire.RAW: 6}
    assert reading.seen[0].interface != reading.seen[6].interface


@pytest.mark.parametrize(
    ("resolution", "step"),
    [(None, 1_000), (6, 1_000), (9, 1), (3, 1_000_000), (0, SECOND), (0x80 | 10, 976_563), (0x80 | 20, 954)],
    ids=["default", "us", "ns", "ms", "s", "2^-10", "2^-20"],
)
def test_times_are_read_in_every_resolution(resolution: int | None, step: int) -> None:
    packet = Packet(PACKETS[0].data, 1_600_000_000 * SECOND + 123_456_789)
    reading = read(wire.pcapng(Section([packet], [Interface(resolution=resolution)])))
    assert 0 <= packet.at - reading.seen[0].at <= step


def test_picoseconds_are_read_from_an_offset() -> None:
    reading = read(wire.pcapng(Section([PACKETS[1]], [Interface(resolution=12, offset=START // SECOND)])))
    assert reading.seen[0].at == PACKETS[1].at


def test_interfaces_of_one_section_keep_their_own_resolution_linktype_and_offset() -> None:
    interfaces = [
        Interface(resolution=9),
        Interface(resolution=3),
        Interface(resolution=0x80 | 10, linktype=wire.RAW),
        Interface(resolution=6, offset=1_000_000_000),
        Interface(resolution=6, offset=-3_600),
    ]
    packets = [Packet(PACKETS[0].data, START + n * SECOND, interface=n) for n in range(5)]
    reading = read(wire.pcapng(Section(packets, interfaces)))
    assert [s.at for s in reading.seen] == [START + n * SECOND for n in range(5)]
    assert [s.linktype for s in reading.seen] == [1, 1, wire.RAW, 1, 1]
    assert len({s.interface for s in reading.seen}) == 5


def test_unknown_blocks_are_skipped() -> None:
    interface = Interface()
    data = (
        wire.section_block()
        + wire.block(10, b"secrets" * 9)
        + wire.interface_block(interface)
        + wire.block(4, b"names")
        + wire.enhanced_block(PACKETS[0], interface)
        + wire.block(5, bytes(16))
        + wire.block(0x0BAD, b"custom")
        + wire.block(0x8000_0001, b"")
        + wire.enhanced_block(PACKETS[1], interface)
    )
    reading = read(data)
    assert reading.bytes_of == [p.data for p in PACKETS[:2]]
    assert reading.reader.damage == []


def test_simple_packets_belong_to_the_first_interface_and_take_the_last_time() -> None:
    interface = Interface(snaplen=60)
    data = (
        wire.section_block()
        + wire.interface_block(interface)
        + wire.enhanced_block(PACKETS[0], interface)
        + wire.simple_block(Packet(PACKETS[4].data[:60], START, len(PACKETS[4].data)))
        + wire.simple_block(PACKETS[2])
    )
    reading = read(data)
    assert reading.bytes_of == [PACKETS[0].data, PACKETS[4].data[:60], PACKETS[2].data]
    assert [s.original for s in reading.seen] == [54, len(PACKETS[4].data), 54]
    assert [s.at for s in reading.seen] == [START] * 3
    assert reading.reader.cut_packets == 1


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_the_obsolete_packet_block_is_read(order: str) -> None:
    interface = Interface()
    data = wire.section_block(order) + wire.interface_block(interface, order)
    data += b"".join(wire.old_block(p, interface, order) for p in PACKETS)
    assert read(data).seen == read(wire.pcap(PACKETS)).seen


@pytest.mark.parametrize("piece", [1, 3, 11, 12, 28, 29, 64, 100, 500])
def test_pieces_of_any_size_give_the_same_packets(piece: int) -> None:
    data = wire.pcapng(Section(PACKETS), Section(PACKETS, order=">"))
    assert read(data, piece).seen == read(data).seen


# -- damage


@pytest.mark.parametrize("size", [4, 8, 11, 27])
def test_a_cut_section_header_is_an_error_that_says_so(size: int) -> None:
    with pytest.raises(CaptureError) as error:
        read(wire.pcapng(Section(PACKETS))[:size])
    assert str(error.value) == (
        f"test.pcap at byte {size}: the file ends after {size} bytes, inside the pcapng section header; "
        "expected 28 bytes or more; try: copy or record the file again"
    )


def test_a_wrong_byte_order_magic_is_an_error() -> None:
    data = bytearray(wire.pcapng(Section(PACKETS)))
    data[8:12] = b"\1\2\3\4"
    with pytest.raises(CaptureError, match=r"test\.pcap at byte 8: pcapng byte-order magic is 01020304"):
        read(bytes(data))


@pytest.mark.parametrize("length", [0, 8, 13, 0xFFFFFFFC])
def test_a_section_header_with_an_absurd_length_is_an_error(length: int) -> None:
    data = bytearray(wire.pcapng(Section(PACKETS)))
    data[4:8] = struct.pack("<I", length)
    with pytest.raises(CaptureError, match=f"pcapng section header of {length} bytes; expected 28 bytes or more"):
        read(bytes(data))


@pytest.mark.parametrize("length", [0, 13, 0x7FFFFFFC])
def test_an_absurd_block_length_ends_the_reading_with_a_line(length: int) -> None:
    data = wire.pcapng(Section(PACKETS[:2]))
    reading = read(data + struct.pack("<II", 6, length) + bytes(200))
    assert reading.bytes_of == [p.data for p in PACKETS[:2]]
    assert reading.reader.damage == [
        f"test.pcap at byte {len(data)}: block length {length} "
        "(expected a multiple of 4 from 12 up); the rest of the file is left out"
    ]


def test_a_truncated_last_block_costs_that_block_only() -> None:
    data = wire.pcapng(Section(PACKETS))
    reading = read(data[:-10])
    assert reading.bytes_of == [p.data for p in PACKETS[:5]]
    assert len(reading.reader.damage) == 1
    assert "test.pcap ends inside a record" in reading.reader.damage[0]


def test_a_packet_longer_than_its_block_is_left_out() -> None:
    interface = Interface()
    bad = bytearray(wire.enhanced_block(PACKETS[0], interface))
    bad[20:24] = struct.pack("<I", 5_000)
    head = wire.section_block() + wire.interface_block(interface)
    reading = read(head + bytes(bad) + wire.enhanced_block(PACKETS[1], interface))
    assert reading.bytes_of == [PACKETS[1].data]
    assert reading.reader.damage == [
        f"test.pcap at byte {len(head)}: a packet of 5000 bytes in a block of {len(bad)}; block left out"
    ]


def test_a_packet_of_an_interface_never_described_is_counted() -> None:
    interface = Interface()
    data = wire.section_block() + wire.interface_block(interface)
    data += wire.enhanced_block(Packet(PACKETS[0].data, interface=3), interface) + wire.enhanced_block(
        PACKETS[1], interface
    )
    reading = read(data)
    assert [s.frame for s in reading.seen] == [2]
    assert reading.reader.damage == ["test.pcap: 1 packets name an interface never described"]


def test_interfaces_of_the_section_ahead_are_forgotten() -> None:
    data = wire.pcapng(Section(PACKETS[:1])) + wire.section_block()
    data += wire.enhanced_block(PACKETS[1], Interface())
    reading = read(data)
    assert reading.bytes_of == [PACKETS[0].data]
    assert len(reading.reader.damage) == 1


def test_an_absurd_time_is_capped_not_fatal() -> None:
    interface = Interface(resolution=0)
    packet = wire.enhanced_block(PACKETS[0], interface)
    absurd = packet[:12] + b"\xff" * 8 + packet[20:]
    reading = read(wire.section_block() + wire.interface_block(interface) + absurd)
    assert reading.seen[0].at <= 2**63 - 1
