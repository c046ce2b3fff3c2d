"""Variants of a capture: the same traffic as another recorder would have caught it."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

SECOND = 1_000_000_000
# Magic number as read little-endian: byte order, nanoseconds in a unit of the fraction.
ORDERS = {0xA1B2C3D4: ("<", 1000), 0xD4C3B2A1: (">", 1000), 0xA1B23C4D: ("<", 1), 0x4D3CB2A1: (">", 1)}
# Bytes ahead of the IP header, by linktype.
IP_AT = {1: 14, 101: 0, 113: 16, 228: 0, 276: 20}


@dataclass(frozen=True)
class Packet:
    at: int  # nanoseconds
    size: int  # on the wire
    data: bytes


@dataclass(frozen=True)
class Capture:
    """A pcap file in memory."""

    linktype: int
    snaplen: int
    packets: tuple[Packet, ...]

    def write(self, path: Path) -> Path:
        """As a nanosecond pcap."""
        out = bytearray(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, self.snaplen, self.linktype))
        for packet in self.packets:
            seconds, rest = divmod(packet.at, SECOND)
            out += struct.pack("<IIII", seconds, rest, len(packet.data), packet.size) + packet.data
        path.write_bytes(out)
        return path


def read(path: Path) -> Capture:
    raw = path.read_bytes()
    order, unit = ORDERS[struct.unpack_from("<I", raw)[0]]
    snaplen, linktype = struct.unpack_from(order + "II", raw, 16)
    packets = []
    at = 24
    while at + 16 <= len(raw):
        seconds, rest, kept, size = struct.unpack_from(order + "IIII", raw, at)
        packets.append(Packet(seconds * SECOND + rest * unit, size, raw[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return Capture(linktype, snaplen, tuple(packets))


Variant = Callable[[Capture], Capture]


def late(seconds: float) -> Variant:
    """Recording started this much after the first packet."""

    def change(capture: Capture) -> Capture:
        start = capture.packets[0].at + round(seconds * SECOND)
        return replace(capture, packets=tuple(packet for packet in capture.packets if packet.at >= start))

    return change


def early_end(part: float) -> Variant:
    """Recording stopped after this part of its time."""

    def change(capture: Capture) -> Capture:
        first, last = capture.packets[0].at, capture.packets[-1].at
        stop = first + round((last - first) * part)
        return replace(capture, packets=tuple(packet for packet in capture.packets if packet.at <= stop))

    return change


def snapped(length: int) -> Variant:
    """Only this many bytes of each packet were kept."""

    def change(capture: Capture) -> Capture:
        return replace(
            capture,
            snaplen=length,
            packets=tuple(replace(packet, data=packet.data[:length]) for packet in capture.packets),
        )

    return change


def lossy(part: float, seed: int = 1) -> Variant:
    """The recorder missed this part of the packets."""

    def change(capture: Capture) -> Capture:
        dice = random.Random(seed)
        return replace(capture, packets=tuple(packet for packet in capture.packets if dice.random() >= part))

    return change


def doubled(after: int = 3_000) -> Variant:
    """Every packet was recorded twice, the second time this many nanoseconds later."""

    def change(capture: Capture) -> Capture:
        again = tuple(replace(packet, at=packet.at + after) for packet in capture.packets)
        both = sorted(capture.packets + again, key=lambda packet: packet.at)
        return replace(capture, packets=tuple(both))

    return change


def readdressed(capture: Capture) -> Capture:
    """Other hosts: the last octet of both IPv4 addresses is shifted."""
    at = IP_AT[capture.linktype]
    packets = []
    for packet in capture.packets:
        data = bytearray(packet.data)
        if data[at] >> 4 == 4:
            for octet in (at + 15, at + 19):
                data[octet] = (data[octet] + 57) % 256
        packets.append(replace(packet, data=bytes(data)))
    return replace(capture, packets=tuple(packets))


def later(seconds: float) -> Variant:
    """The same at another time of day."""

    def change(capture: Capture) -> Capture:
        by = round(seconds * SECOND)
        return replace(capture, packets=tuple(replace(packet, at=packet.at + by) for packet in capture.packets))

    return change


def slower(factor: float) -> Variant:
    """Everything takes longer by a factor: round trips, gaps, timers."""

    def change(capture: Capture) -> Capture:
        first = capture.packets[0].at
        return replace(
            capture,
            packets=tuple(
                replace(packet, at=first + round((packet.at - first) * factor)) for packet in capture.packets
            ),
        )

    return change
