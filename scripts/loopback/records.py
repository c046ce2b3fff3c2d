"""The same packets in two captures: each packet socket of Linux stamps the time itself, so the times are a little apart."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.network import run

HEADER = 24  # bytes, of a pcap file
RECORD = struct.Struct("<IIII")  # seconds, fraction, bytes captured, bytes on the wire
NANOSECONDS = b"\x4d\x3c\xb2\xa1"  # magic, little endian
SECOND = 1_000_000_000
NEAR = 64  # places by which two processors' packets may have changed places

Record = tuple[int, bytes]  # nanoseconds since the epoch; all the rest of the record


def records(files: Sequence[Path], to: Path) -> list[Record]:
    """The packets of all files, one file behind the other; ``to`` is written on the way."""
    run("mergecap", "-a", "-F", "nsecpcap", "-w", str(to), *map(str, files))
    data = to.read_bytes()
    if data[:4] != NANOSECONDS:
        raise LabError(f"{to}: mergecap wrote another format")
    out, at = [], HEADER
    while at < len(data):
        second, nano, captured, _ = RECORD.unpack_from(data, at)
        end = at + RECORD.size + captured
        out.append((second * SECOND + nano, data[at + 8 : end]))
        at = end
    return out


def frames_ahead(files: Sequence[Path], to: Path) -> dict[str, int]:
    """How many packets are in the files ahead of each."""
    ahead, frames = {}, 0
    for file in files:
        ahead[str(file)] = frames
        frames += len(records([file], to))
    return ahead


def stamped_alike(files: Sequence[Path], other: Path, to: Path) -> tuple[int, int, str]:
    """Write the other capture's packets with the times, and in the order, that those of the first have.

    Packets on two processors at once may reach one socket in the one order and the next in the other.

    Returns:
        nanoseconds between the times of a packet, at the most; how many packets changed places; what differs, "" where
        nothing.
    """
    ours, theirs = records(files, to), records([other], to)
    if len(ours) != len(theirs):
        return 0, 0, f"{len(theirs):,} packets, not {len(ours):,}"
    waiting: list[Record] = []
    following = iter(theirs)
    apart = moved = 0
    header = to.read_bytes()[:HEADER]
    with to.open("wb") as file:
        file.write(header)
        for number, (at, packet) in enumerate(ours, 1):
            while (place := next((n for n, one in enumerate(waiting) if one[1] == packet), None)) is None:
                if len(waiting) == NEAR or (more := next(following, None)) is None:
                    return apart, moved, f"packet {number} is not in it"
                waiting.append(more)
            apart = max(apart, abs(waiting[place][0] - at))
            moved += place > 0
            file.write(struct.pack("<II", *divmod(at, SECOND)) + waiting.pop(place)[1])
    return apart, moved, ""
