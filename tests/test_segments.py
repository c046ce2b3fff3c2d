"""The decoder: link layers, VLAN, IPv4 and IPv6, TCP; what gives no segment is counted by reason."""

from __future__ import annotations

import struct

import expectations
import pytest
import wire
from expectations import Result
from notation import Variant, packets_of, play
from wire import START, Packet

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
CLIENT6, SERVER6 = "2001:db8::1", "2001:db8::2"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SCRIPT = """
    > S
    < S.
    > .
    > P. GET /
    < P. 200 (5)
    > F.
    < F.
    > .
    expect connections 1
    expect requests 1 exact
    expect exchanges GET/200
    expect closer client fin
    expect port client 40000 server 80
    expect capture segments 8
"""
SYN = wire.tcp(CLIENT, SERVER, (40_000, 80), 100, 0, 2)
SYN6 = wire.tcp(CLIENT6, SERVER6, (40_000, 80), 100, 0, 2)


def decode(*frames: bytes, linktype: int = wire.ETHERNET) -> Result:
    return expectations.run(wire.pcap([Packet(f, START + n) for n, f in enumerate(frames)], linktype))


def reason_for(frame: bytes, linktype: int = wire.ETHERNET) -> str:
    """Why a packet gave no segment."""
    result = decode(frame, linktype=linktype)
    assert result.tables.segments == 0
    assert result.connections == []
    (reason,) = result.tables.undecoded
    return reason


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("linktype", "vlans"),
    [
        (wire.ETHERNET, ()),
        (wire.ETHERNET, (0x8100,)),
        (wire.ETHERNET, (0x88A8, 0x8100)),
        (wire.ETHERNET, (0x9100, 0x8100, 0x8100)),
        (wire.SLL, ()),
        (wire.SLL, (0x8100,)),
        (wire.SLL2, ()),
        (wire.SLL2, (0x8100,)),
        (wire.NULL, ()),
        (wire.LOOP, ()),
        (wire.RAW, ()),
        (12, ()),
        (14, ()),
    ],
)
def test_every_link_layer_gives_the_same_connection(linktype: int, vlans: tuple[int, ...], ipv6: bool) -> None:
    play(SCRIPT, Variant(linktype=linktype, vlans=vlans, ipv6=ipv6))


@pytest.mark.parametrize(("linktype", "ipv6"), [(228, False), (229, True)])
def test_the_linktypes_of_one_ip_version_are_read(linktype: int, ipv6: bool) -> None:
    play(SCRIPT, Variant(linktype=linktype, ipv6=ipv6))


@pytest.mark.parametrize("family", [24, 28, 30, 10])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_null_headers_of_every_system_and_byte_order_are_read(order: str, family: int) -> None:
    four = struct.pack(order + "I", 2) + wire.ipv4(CLIENT, SERVER, SYN)
    six = struct.pack(order + "I", family) + wire.ipv6(CLIENT6, SERVER6, SYN6)
    result = decode(four, six, linktype=wire.NULL)
    assert [c["client_ip"] for c in result.connections] == [CLIENT, CLIENT6]


def test_ethernet_padding_is_no_payload() -> None:
    packets = packets_of(SCRIPT)
    padded = [Packet(p.data.ljust(60, b"G"), p.at) for p in packets]
    result = expectations.run(wire.pcap(padded))
    assert result.connections[0]["client_bytes"] == len(GET)
    assert result.connections[0]["requests"] == 1
    assert result.connections[0]["client_data_packets"] == 1


def test_a_total_length_of_zero_means_the_rest_of_the_frame() -> None:
    """Segmentation offload leaves the field to the network card."""
    packets = packets_of(SCRIPT)
    zeroed = [Packet(p.data[:16] + b"\0\0" + p.data[18:], p.at) for p in packets]
    assert expectations.run(wire.pcap(zeroed)).connections == expectations.run(wire.pcap(packets)).connections


def test_a_payload_length_of_zero_means_the_rest_of_the_frame() -> None:
    packets = packets_of(SCRIPT, Variant(ipv6=True))
    zeroed = [Packet(p.data[:18] + b"\0\0" + p.data[20:], p.at) for p in packets]
    assert expectations.run(wire.pcap(zeroed)).connections == expectations.run(wire.pcap(packets)).connections


def test_the_payload_ends_where_the_capture_ends_and_its_length_is_the_headers() -> None:
    data = wire.tcp(CLIENT, SERVER, (40_000, 80), 100, 1, 0x18, GET + b"x" * 1_000)
    frame = wire.link(wire.ipv4(CLIENT, SERVER, data))
    cut = Packet(frame[: 54 + len(GET)], START, len(frame))
    follower = Packet(wire.link(wire.ipv4(SERVER, CLIENT, SYN)), START + 1)
    result = expectations.run(wire.pcap([cut, follower]))
    assert result.connections[0]["client_bytes"] == len(GET) + 1_000
    assert result.connections[0]["truncated_bytes"] == 1_000


def test_ip_options_are_stepped_over() -> None:
    result = decode(wire.link(wire.ipv4(CLIENT, SERVER, SYN, options=12)))
    row = result.connections[0]
    assert (row["client_ip"], row["client_port"], row["client_isn"]) == (CLIENT, 40_000, 100)


def test_tcp_options_are_stepped_over() -> None:
    data = wire.tcp(CLIENT, SERVER, (40_000, 80), 100, 1, 0x18, GET, options=b"\1\1\x08\x0a" + bytes(8))
    result = decode(wire.link(wire.ipv4(CLIENT, SERVER, data)))
    assert result.connections[0]["client_bytes"] == len(GET)
    assert result.connections[0]["requests"] == 1


EXTENSIONS = {
    "hop-by-hop": (0, bytes([6, 0]) + bytes(6)),
    "routing": (43, bytes([6, 2]) + bytes(22)),
    "destination options": (60, bytes([6, 1]) + bytes(14)),
    "mobility": (135, bytes([6, 0]) + bytes(6)),
    "authentication": (51, bytes([6, 4]) + bytes(22)),
    "atomic fragment": (44, bytes([6, 0, 0, 0]) + bytes(4)),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_ipv6_extension_headers_are_stepped_over(name: str) -> None:
    kind, header = EXTENSIONS[name]
    data = wire.tcp(CLIENT6, SERVER6, (40_000, 80), 100, 1, 0x18, GET)
    result = decode(wire.link(wire.ipv6(CLIENT6, SERVER6, header + data, kind)))
    row = result.connections[0]
    assert (row["client_port"], row["client_bytes"], row["requests"]) == (40_000, len(GET), 1)


def test_several_ipv6_extension_headers_are_stepped_over() -> None:
    headers = bytes([60, 0]) + bytes(6) + bytes([43, 1]) + bytes(14) + bytes([6, 0]) + bytes(6)
    result = decode(wire.link(wire.ipv6(CLIENT6, SERVER6, headers + SYN6, 0)))
    assert result.connections[0]["client_isn"] == 100


def test_an_extension_header_that_runs_past_the_packet_is_no_segment() -> None:
    header = bytes([6, 255]) + bytes(6)
    reason = reason_for(wire.link(wire.ipv6(CLIENT6, SERVER6, header + SYN6, 0)))
    assert reason in ("cut inside the TCP header", "IP header malformed")


# -- what gives no segment


def no_cut_fails(frame: bytes, linktype: int, header: int) -> None:
    """Cut a SYN at every byte.  Behind each cut comes a record header, then bytes that read as other headers.

    A segment may come of it once the flags are there, 14 bytes behind the start of the TCP ``header``.
    """
    for size in range(len(frame)):
        records = [Packet(frame[:size], START, len(frame)), Packet(b"\xff" * 80, START + 1)]
        for packets in (records, records[:1]):
            result = expectations.run(wire.pcap(packets, linktype))
            if size < header + 14:
                assert result.connections == []
                assert set(result.tables.undecoded) <= {
                    "cut before the IP header",
                    "cut inside the IP header",
                    "cut inside the TCP header",
                    "not IP",
                    "IP header malformed",
                    "other IP protocol",
                }
            for row in result.connections:
                assert (row["client_port"], row["server_port"], row["client_isn"]) == (40_000, 80, 100)
                assert row["client_bytes"] == 0


@pytest.mark.parametrize("linktype", [wire.ETHERNET, wire.SLL, wire.SLL2, wire.NULL, wire.LOOP, wire.RAW])
def test_no_cut_anywhere_reads_past_the_packet_or_fails(linktype: int) -> None:
    syn = wire.tcp(CLIENT, SERVER, (40_000, 80), 100, 0, 2, options=b"\2\4\5\xb4\1\3\3\7")
    frame = wire.link(wire.ipv4(CLIENT, SERVER, syn), linktype)
    no_cut_fails(frame, linktype, len(frame) - len(syn))


def test_no_cut_of_ipv6_with_extensions_reads_past_the_packet_or_fails() -> None:
    headers = bytes([44, 0]) + bytes(6) + bytes([6, 0, 0, 0]) + bytes(4)
    frame = wire.link(wire.ipv6(CLIENT6, SERVER6, headers + SYN6, 60), vlans=(0x8100,))
    no_cut_fails(frame, wire.ETHERNET, len(frame) - len(SYN6))


def test_options_behind_a_cut_are_not_read_from_the_next_record() -> None:
    """A SYN cut behind its fixed header, with bytes of a window scale option where the next record begins."""
    cut = wire.tcp(CLIENT, SERVER, (40_000, 80), 100, 0, 2, options=b"\1\3\3\7")
    ack = wire.tcp(CLIENT, SERVER, (40_000, 80), 101, 501, 0x10)
    reply = wire.tcp(SERVER, CLIENT, (80, 40_000), 500, 101, 0x12, options=b"\1\3\3\7")
    frame = wire.link(wire.ipv4(CLIENT, SERVER, cut))
    # As an Ethernet record of 50,528,003 seconds the next header reads 03 03 03 03: a scale of 3.
    packets = [
        Packet(frame[:54], 0x03030303 * wire.SECOND, len(frame)),
        Packet(wire.link(wire.ipv4(SERVER, CLIENT, reply)), 0x03030303 * wire.SECOND),
        Packet(wire.link(wire.ipv4(CLIENT, SERVER, ack)), 0x03030303 * wire.SECOND),
    ]
    (row,) = expectations.run(wire.pcap(packets)).connections
    assert row["client_window"] == row["client_window_high"] == -1


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (wire.link(wire.ipv4(CLIENT, SERVER, bytes(40), 17)), "UDP"),
        (wire.link(wire.ipv4(CLIENT, SERVER, bytes(40), 1)), "ICMP"),
        (wire.link(wire.ipv4(CLIENT, SERVER, bytes(40), 47)), "other IP protocol"),
        (wire.link(wire.ipv4(CLIENT, SERVER, SYN, fragment=0x2000)), "IP fragment"),
        (wire.link(wire.ipv4(CLIENT, SERVER, SYN, fragment=0x0010)), "IP fragment"),
        (wire.link(wire.ipv4(CLIENT, SERVER, SYN, total=10)), "IP header malformed"),
        (wire.link(b"\x43" + wire.ipv4(CLIENT, SERVER, SYN)[1:]), "IP header malformed"),
        (wire.link(wire.ipv6(CLIENT6, SERVER6, bytes(40), 17)), "UDP"),
        (wire.link(wire.ipv6(CLIENT6, SERVER6, bytes(40), 58)), "ICMP"),
        (wire.link(wire.ipv6(CLIENT6, SERVER6, bytes([6, 0, 0, 1]) + bytes(4) + SYN6, 44)), "IP fragment"),
        (wire.link(wire.ipv4(CLIENT, SERVER, SYN[:12] + b"\x40" + SYN[13:])), "TCP header malformed"),
        (wire.link(wire.ipv4(CLIENT, SERVER, SYN[:12] + b"\xf0" + SYN[13:])), "TCP header malformed"),
        (bytes(12) + b"\x08\x06" + bytes(46), "not IP"),
        (bytes(12) + b"\x00\x26" + bytes(46), "not IP"),
    ],
)
def test_what_is_no_tcp_segment_is_counted_by_its_reason(frame: bytes, reason: str) -> None:
    assert reason_for(frame) == reason


def test_a_null_header_of_another_family_is_not_ip() -> None:
    assert reason_for(struct.pack("<I", 7) + bytes(60), wire.NULL) == "not IP"


def test_every_reason_is_counted_apart() -> None:
    result = decode(
        wire.link(wire.ipv4(CLIENT, SERVER, bytes(40), 17)),
        wire.link(wire.ipv4(CLIENT, SERVER, bytes(40), 17)),
        wire.link(wire.ipv4(CLIENT, SERVER, SYN)),
        wire.link(wire.ipv4(CLIENT, SERVER, bytes(40), 1)),
    )
    assert result.tables.undecoded == {"UDP": 2, "ICMP": 1}
    assert result.tables.segments == 1
    assert result.counters.packets == 4


def test_the_same_ports_over_ipv4_and_ipv6_are_two_connections() -> None:
    four = wire.link(wire.ipv4(CLIENT, SERVER, SYN))
    six = wire.link(wire.ipv6(CLIENT6, SERVER6, SYN6))
    assert len(decode(four, six).connections) == 2


def test_the_interface_of_a_sll2_packet_tells_copies_apart_from_retransmissions() -> None:
    syn = wire.ipv4(CLIENT, SERVER, SYN, ip_id=0)
    frames = [wire.link(syn, wire.SLL2, ifindex=2), wire.link(syn, wire.SLL2, ifindex=5)]
    result = expectations.run(wire.pcap([Packet(f, START + n * 20_000_000) for n, f in enumerate(frames)], wire.SLL2))
    assert result.connections[0]["duplicates"] == 1
    assert result.connections[0]["syn_count"] == 1
