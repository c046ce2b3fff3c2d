"""Link layers that dpkt decodes for us; the packets are crafted by scapy, so that neither is its own judge."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from pcapdiag.errors import CaptureError
from pcapdiag.pipeline import analyze

layers = pytest.importorskip("scapy.layers.all")


def conversation() -> list[bytes]:
    """One handshake, one request and its response, as IPv4 packets."""
    ip, tcp, raw = layers.IP, layers.TCP, layers.Raw
    up = ip(src="10.0.0.1", dst="10.0.0.2")
    down = ip(src="10.0.0.2", dst="10.0.0.1")
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    response = b"HTTP/1.1 204 No Content\r\n\r\n"
    return [
        bytes(up / tcp(sport=40000, dport=80, flags="S", seq=100)),
        bytes(down / tcp(sport=80, dport=40000, flags="SA", seq=500, ack=101)),
        bytes(up / tcp(sport=40000, dport=80, flags="PA", seq=101, ack=501) / raw(request)),
        bytes(down / tcp(sport=80, dport=40000, flags="PA", seq=501, ack=101 + len(request)) / raw(response)),
    ]


def capture(linktype: int, frames: list[bytes], path: Path) -> str:
    out = io.BytesIO()
    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype))
    for at, frame in enumerate(frames):
        out.write(struct.pack("<IIII", 1_700_000_000, at * 1000, len(frame), len(frame)) + frame)
    path.write_bytes(out.getvalue())
    return str(path)


def wrapped(linktype: int) -> list[bytes]:
    data = [
        layers.Dot11(type=2, addr1="00:00:00:00:00:01", addr2="00:00:00:00:00:02", addr3="00:00:00:00:00:03")
        / layers.LLC()
        / layers.SNAP()
        / layers.IP(packet)
        for packet in conversation()
    ]
    match linktype:
        case 9:
            return [b"\xff\x03\x00\x21" + packet for packet in conversation()]
        case 50:
            return [b"\xff\x03\x00\x21" + packet for packet in conversation()]
        case 104:
            return [b"\x0f\x00\x08\x00" + packet for packet in conversation()]
        case 105:
            return [bytes(frame) for frame in data]
        case _:
            return [bytes(layers.RadioTap() / frame) for frame in data]


@pytest.mark.parametrize("linktype", [9, 50, 104, 105, 127])
def test_a_rare_link_layer_gives_the_same_connection(linktype: int, tmp_path: Path) -> None:
    report = analyze([capture(linktype, wrapped(linktype), tmp_path / "rare.pcap")])
    assert [(pool.connections, pool.requests, str(pool.server)) for pool in report.pools] == [(1, 1, "10.0.0.2:80")]
    assert report.capture.quality.undecoded == {}


@pytest.mark.parametrize("linktype", [9, 50, 104, 105, 127])
def test_damage_in_a_rare_link_layer_is_counted(linktype: int, tmp_path: Path) -> None:
    frames = [frame[:cut] for frame in wrapped(linktype) for cut in range(0, len(frame), 7)]
    with pytest.raises(CaptureError, match="no TCP in its"):
        analyze([capture(linktype, [frame[:9] for frame in frames], tmp_path / "cut.pcap")])
    with pytest.raises(CaptureError, match=r"no TCP in its 1 packet \([a-zA-Z ]+: 1\);"):
        analyze([capture(linktype, [frames[0][:9]], tmp_path / "one.pcap")])
    analyze([capture(linktype, frames, tmp_path / "damaged.pcap")])


def test_an_extension_header_that_dpkt_reads_but_cannot_write_is_counted(tmp_path: Path) -> None:
    encrypted = b"\x60\x00\x00\x00" + struct.pack(">HBB", 24, 50, 64) + bytes(32) + bytes(24)
    frames = [b"\xff\x03\x00\x57" + encrypted, *wrapped(9)]
    report = analyze([capture(9, frames, tmp_path / "esp.pcap")])
    assert report.capture.quality.undecoded == {"not IP": 1}
