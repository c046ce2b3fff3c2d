"""The same packets in two captures: each packet socket of Linux stamps the time itself, so the times are a little apart."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.network import run

HEADER = 24  # bytes, of a pcap file
RECORD = struct.Struct("<IIII")  # seconds, microseconds, bytes captured, bytes on the wire
MAGIC = b"\xd4\xc3\xb2\xa1"  # microseconds, little endian
NEAR = 64  # places by which two processors' packets may have changed places

Record = tuple[int, bytes]  # microseconds since the epoch; all the rest of the record


def records(path: Path) -> list[Record]:
    data = path.read_bytes()
    if data[:4] != MAGIC:
        raise LabError(f"{path}: not a pcap file of this machine with microseconds")
    out, at = [], HEADER
    while at < len(data):
        second, micro, captured, _ = RECORD.unpack_from(data, at)
        end = at + RECORD.size + captured
        out.append((second * 1_000_000 + micro, data[at + 8 : end]))
        at = end
    return out


def as_pcap(files: Sequence[Path], to: Path) -> Path:
    """All files one behind the other, in the older format."""
    run("mergecap", "-a", "-F", "pcap", "-w", str(to), *map(str, files))
    return to


def stamped_alike(files: Sequence[Path], other: Path, to: Path) -> tuple[int, int, str]:
    """Write the other capture's packets with the times, and in the order, that those of the first have.

    Packets on two processors at once may reach one socket in the one order and the next in the other.

    Returns:
        microseconds between the times of a packet, at the most; how many packets changed places; what differs, "" where nothing.
    """
    ours, theirs = records(as_pcap(files, to.with_suffix(".ours"))), records(other)
    if len(ours) != len(theirs):
        return 0, 0, f"{len(theirs):,} packets, not {len(ours):,}"
    waiting: list[Record] = []
    following = iter(theirs)
    apart = moved = 0
    with to.open("wb") as file:
        file.write(other.read_bytes()[:HEADER])
        for number, (at, packet) in enumerate(ours, 1):
            while (place := next((n for n, one in enumerate(waiting) if one[1] == packet), None)) is None:
                if len(waiting) == NEAR or (more := next(following, None)) is None:
                    return apart, moved, f"packet {number} is not in it"
                waiting.append(more)
            apart = max(apart, abs(waiting[place][0] - at))
            moved += place > 0
            file.write(struct.pack("<II", *divmod(at, 1_000_000)) + waiting.pop(place)[1])
    return apart, moved, ""
