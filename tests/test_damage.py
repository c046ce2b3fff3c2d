"""Damaged captures: nothing but CaptureError comes out, a cut makes no new claim, and nothing runs away.

Seeds are fixed: a failure repeats.  A longer run: ``PCAPDIAG_DAMAGE_ROUNDS=1000 pytest tests/test_damage.py``.
"""

from __future__ import annotations

import gzip
import os
import random
import struct
import time
from pathlib import Path

import pytest
from wire import Packet, Section, pcapng

from pcapdiag.errors import CaptureError
from pcapdiag.model.words import Count
from pcapdiag.pipeline import Tables, read_tables

CAPTURES = Path(__file__).parent.parent / "captures"
NAMES = ("go-idle-timeout-short", "go-disable-keepalives-rare", "go-nginx-healthy-snap96", "go-nginx-tls-healthy")
ROUNDS = int(os.environ.get("PCAPDIAG_DAMAGE_ROUNDS", "6"))
MOST = 60_000  # bytes of a capture that are used


def packets_of(data: bytes) -> list[Packet]:
    """The records of a little-endian microsecond pcap."""
    found, at = [], 24
    while at + 16 <= len(data):
        seconds, micro, captured, original = struct.unpack_from("<IIII", data, at)
        found.append(Packet(data[at + 16 : at + 16 + captured], seconds * 10**9 + micro * 1000, original))
        at += 16 + captured
    return found


def flavors(name: str) -> dict[str, bytes]:
    data = (CAPTURES / f"{name}.pcap").read_bytes()
    packets = packets_of(data)[:300]
    plain = data[:MOST]
    ng = pcapng(Section(packets))[:MOST]
    return {"pcap": plain, "pcapng": ng, "gzip": gzip.compress(plain, 1, mtime=0)}


def survive(path: Path, data: bytes) -> Tables | None:
    """Tables, or None where the file was refused; any other exception fails the test."""
    path.write_bytes(data)
    try:
        return read_tables([str(path)])
    except CaptureError:
        return None


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bits flipped, bytes overwritten, pieces cut out or put in twice."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 30, 300))):
        at = chance.randrange(len(changed))
        kind = chance.randrange(5)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            changed[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80"))
        elif kind == 3 and len(changed) > 1000:
            del changed[at : at + chance.choice((1, 4, 60, 500))]
        else:
            changed[at:at] = changed[at : at + chance.choice((1, 16, 200))]
    return bytes(changed)


@pytest.mark.parametrize("flavor", ["pcap", "pcapng", "gzip"])
@pytest.mark.parametrize("name", NAMES)
def test_damage_anywhere_raises_nothing_but_capture_error(name: str, flavor: str, tmp_path: Path) -> None:
    data = flavors(name)[flavor]
    chance = random.Random(f"{name} {flavor}")
    for _ in range(ROUNDS):
        survive(tmp_path / "damaged", damaged(data, chance))


@pytest.mark.parametrize("flavor", ["pcap", "pcapng", "gzip"])
@pytest.mark.parametrize("name", NAMES[:2])
def test_a_cut_anywhere_raises_nothing_but_capture_error(name: str, flavor: str, tmp_path: Path) -> None:
    data = flavors(name)[flavor]
    chance = random.Random(f"cut {name} {flavor}")
    for end in [*range(70), *chance.sample(range(len(data)), ROUNDS * 3)]:
        survive(tmp_path / "cut", data[:end])


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_that_ends_early_claims_nothing_that_the_whole_does_not(name: str, tmp_path: Path) -> None:
    data = (CAPTURES / f"{name}.pcap").read_bytes()
    whole = read_tables([str(CAPTURES / f"{name}.pcap")]).connections
    for end in random.Random(name).sample(range(24, len(data)), 12):
        tables = survive(tmp_path / "early", data[:end])
        assert tables is not None
        c = tables.connections
        assert len(c) <= len(whole)
        for i in range(len(c)):
            assert (c.first_frame[i], c.client_port[i]) == (whole.first_frame[i], whole.client_port[i])
            assert c.requests[i] <= whole.requests[i]
            assert c.closer[i] in (0, whole.closer[i])


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_packets_missing_at_random_leave_no_wrong_number_marked_exact(seed: int, tmp_path: Path) -> None:
    """A recorder that could not keep up: what was dropped may cost a count its exactness, never its truth."""
    name = ("go-idle-timeout-short", "go-ab-per-host-10", "apache-max-requests-5")[seed % 3]
    data = (CAPTURES / f"{name}.pcap").read_bytes()
    whole = read_tables([str(CAPTURES / f"{name}.pcap")]).connections
    truth = {int(port): int(n) for port, n in zip(whole.client_port, whole.requests, strict=True)}
    chance = random.Random(seed)
    out, at = bytearray(data[:24]), 24
    while at < len(data):
        end = at + 16 + struct.unpack_from("<I", data, at + 8)[0]
        if chance.random() > 0.05:
            out += data[at:end]
        at = end
    tables = survive(tmp_path / "thinned", bytes(out))
    assert tables is not None
    c = tables.connections
    for i in range(len(c)):
        expected = truth[int(c.client_port[i])]
        if c.basis[i] == Count.EXACT:
            assert c.requests[i] == expected, f"connection {i + 1} of {name}"
        elif c.basis[i] == Count.LOWER_BOUND:
            assert c.requests[i] <= expected, f"connection {i + 1} of {name}"


@pytest.mark.parametrize("filler", ["zeros", "noise", "header-like"])
def test_a_large_damaged_region_is_passed_over_in_time(filler: str, tmp_path: Path) -> None:
    data = (CAPTURES / "go-idle-timeout-short.pcap").read_bytes()
    size = 3_000_000
    fill = {
        "zeros": bytes(size),
        "noise": random.Random(1).randbytes(size),
        # Every 16 bytes look like the header of a long record at the right time.
        "header-like": (data[24:28] + struct.pack("<III", 0, 100_000, 100_000)) * (size // 16),
    }[filler]
    begun = time.monotonic()
    tables = survive(tmp_path / "filled", data + fill + data[24:])
    assert tables is not None
    assert tables.counters.damage or filler == "header-like"
    assert time.monotonic() - begun < 5
    if filler == "zeros":
        assert tables.counters.packets == 2 * len(packets_of(data))
