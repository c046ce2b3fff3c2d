"""One traffic, many ways to record and read it: the rows are the same.

Every test takes real captures, rewrites or reads them in another way, and compares whole tables.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tables import TEXT

import pcapdiag
from pcapdiag.packets import source
from pcapdiag.pipeline import read_tables

CAPTURES = Path(__file__).parent.parent / "captures"
SMALL = ("go-idle-timeout-short", "go-disable-keepalives-rare", "node-idle-timeout")
# What FINs and RSTs, cut heads, overflow, doubled packets look like.
VARIED = (*SMALL, "go-nginx-healthy-snap96", "go-body-not-drained", "go-nginx-healthy-any", "go-ab-per-host-10")
STRINGS = TEXT | {"client_ip", "server_ip"}

Rows = dict[str, list[list[Any]]]
Record = tuple[bytes, bytes, int]  # seconds and fraction as they stand, data, length on the wire


def rows(path: Path, without: Sequence[str] = ()) -> Rows:
    """Both tables as plain lists, strings resolved."""
    tables = read_tables([str(path)])
    found: Rows = {}
    for table in (tables.connections, tables.exchanges):
        for name, column in table.columns.items():
            values = column.tolist()
            if name in STRINGS:
                values = [tables.connections.strings[value].decode("latin-1") for value in values]
            if name not in without:
                found[f"{type(table).__name__}.{name}"] = values
    return found


def test_a_live_capture_that_forgets_knows_every_column_of_texts() -> None:
    from pcapdiag.live import history

    assert set(history.STRINGS) == STRINGS


def records(path: Path) -> tuple[bytes, int, list[Record]]:
    """A little-endian pcap's file header, linktype and records."""
    data = path.read_bytes()
    assert data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
    found, at = [], 24
    while at < len(data):
        captured, original = struct.unpack_from("<II", data, at + 8)
        found.append((data[at : at + 8], data[at + 16 : at + 16 + captured], original))
        at += 16 + captured
    return data[:24], data[20] | data[21] << 8, found


def write(path: Path, header: bytes, linktype: int, packets: Sequence[Record]) -> Path:
    out = bytearray(header[:20] + struct.pack("<I", linktype))
    for time, data, original in packets:
        out += time + struct.pack("<II", len(data), original) + data
    path.write_bytes(out)
    return path


IP_AT = {1: 14, 276: 20}


def renumber(data: bytes, linktype: int, moves: dict[bytes, tuple[int, int]]) -> bytes:
    """Move a segment's sequence and acknowledgment numbers; ``moves`` is keyed by both addresses and ports."""
    ip = IP_AT[linktype]
    tcp = ip + (data[ip] & 15) * 4
    if len(data) < tcp + 20 or data[ip] >> 4 != 4:
        return data
    forth, back = moves.get(data[ip + 12 : ip + 20] + data[tcp : tcp + 4], (0, 0))
    sequence, acknowledgment = struct.unpack_from(">II", data, tcp + 4)
    if data[tcp + 13] & 16:
        acknowledgment += back
    numbers = struct.pack(">II", (sequence + forth) & 0xFFFFFFFF, acknowledgment & 0xFFFFFFFF)
    return data[: tcp + 4] + numbers + data[tcp + 12 :]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [1, 7, 61, 4093])
def test_a_file_fed_in_pieces_gives_the_rows_of_the_whole(
    name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = CAPTURES / f"{name}.pcap"
    whole = rows(path)
    monkeypatch.setattr(source, "PIECE", size)
    assert rows(path) == whole


@pytest.mark.parametrize("name", VARIED)
def test_a_gzipped_file_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    path = CAPTURES / f"{name}.pcap"
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert rows(packed) == rows(path)


@pytest.mark.parametrize("kind", ["pcapng", "nsecpcap"])
@pytest.mark.parametrize("name", VARIED)
def test_another_file_format_of_the_same_packets_gives_the_same_rows(name: str, kind: str, tmp_path: Path) -> None:
    editcap = shutil.which("editcap")
    if editcap is None:
        pytest.skip("no editcap here")
    path = CAPTURES / f"{name}.pcap"
    other = tmp_path / f"other.{kind}"
    subprocess.run([editcap, "-F", kind, path, other], check=True, capture_output=True)
    assert rows(other) == rows(path)


@pytest.mark.parametrize("before_wrap", [0, 1, 100, 5_000])
@pytest.mark.parametrize("name", VARIED)
def test_sequence_numbers_that_wrap_change_nothing_but_themselves(name: str, before_wrap: int, tmp_path: Path) -> None:
    """Every half starts ``before_wrap`` bytes ahead of 2**32."""
    header, linktype, packets = records(CAPTURES / f"{name}.pcap")
    c = read_tables([str(CAPTURES / f"{name}.pcap")]).connections
    moves: dict[bytes, tuple[int, int]] = {}
    for i in range(len(c)):
        client, server = c.strings[c.client_ip[i]], c.strings[c.server_ip[i]]
        ports = struct.pack(">HH", c.client_port[i], c.server_port[i])
        forth, back = -int(c.client_isn[i]) - before_wrap, -int(c.server_isn[i]) - before_wrap
        moves[client + server + ports] = forth, back
        moves[server + client + ports[2:] + ports[:2]] = back, forth
    changed = [(time, renumber(data, linktype, moves), original) for time, data, original in packets]
    path = write(tmp_path / "wrapped.pcap", header, linktype, changed)
    numbers = ("client_isn", "server_isn")
    assert rows(path, numbers) == rows(CAPTURES / f"{name}.pcap", numbers)


def as_sll2(data: bytes, interface: int) -> bytes:
    return data[12:14] + bytes(2) + struct.pack(">IHBB", interface, 1, 0, 6) + data[6:12] + bytes(2) + data[14:]


def as_sll(data: bytes) -> bytes:
    return struct.pack(">HHH", 0, 1, 6) + data[6:12] + bytes(2) + data[12:14] + data[14:]


LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "SLL2": (276, lambda data: as_sll2(data, 2)),
    "SLL": (113, as_sll),
    "VLAN": (1, lambda data: data[:12] + b"\x81\x00\x00\x07" + data[12:]),
    "QinQ": (1, lambda data: data[:12] + b"\x88\xa8\x00\x07\x81\x00\x00\x08" + data[12:]),
    "raw": (101, lambda data: data[14:]),
    "NULL": (0, lambda data: b"\x02\x00\x00\x00" + data[14:]),
    "LOOP": (108, lambda data: b"\x00\x00\x00\x02" + data[14:]),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", SMALL)
def test_another_link_layer_around_the_same_segments_gives_the_same_rows(name: str, link: str, tmp_path: Path) -> None:
    header, linktype, packets = records(CAPTURES / f"{name}.pcap")
    assert linktype == 1
    other, change = LINKS[link]
    changed = []
    for time, data, original in packets:
        if data[12:14] == b"\x08\x00":
            longer = len(change(data)) - len(data)
            changed.append((time, change(data), original + longer))
        else:  # ARP, IPv6 neighbor discovery: keep its frame number
            changed.append((time, bytes(len(data)), original))
    path = write(tmp_path / "other.pcap", header, other, changed)
    assert rows(path) == rows(CAPTURES / f"{name}.pcap")


@pytest.mark.parametrize("name", ["go-nginx-healthy-any", "go-nginx-healthy"])
def test_packets_seen_on_two_interfaces_count_once(name: str, tmp_path: Path) -> None:
    """As on a host with containers: the copy has another interface, and a TTL one less."""
    header, linktype, packets = records(CAPTURES / f"{name}.pcap")
    doubled: list[Record] = []
    for time, data, original in packets:
        if linktype == 276:
            again = data[:4] + struct.pack(">I", 77) + data[8:28] + bytes([max(data[28] - 1, 1)]) + data[29:]
        else:
            again = data[:22] + bytes([max(data[22] - 1, 1)]) + data[23:]
        doubled += [(time, data, original), (time, again, original)]
    path = write(tmp_path / "doubled.pcap", header, linktype, doubled)
    one, two = rows(CAPTURES / f"{name}.pcap"), rows(path)
    for name in [name for name in one if name.endswith(("_frame", "duplicates"))]:
        del one[name], two[name]
    assert two == one


@pytest.mark.parametrize("name", VARIED)
def test_several_files_are_read_as_the_one_that_they_were_cut_from(name: str, tmp_path: Path) -> None:
    header, linktype, packets = records(CAPTURES / f"{name}.pcap")
    third = len(packets) // 3
    parts = [
        write(tmp_path / f"{i}.pcap", header, linktype, packets[i * third : (i + 1) * third if i < 2 else None])
        for i in range(3)
    ]
    tables = read_tables([str(part) for part in reversed(parts)])
    whole = read_tables([str(CAPTURES / f"{name}.pcap")])
    for ours, theirs in ((tables.connections, whole.connections), (tables.exchanges, whole.exchanges)):
        assert {n: c.tolist() for n, c in ours.columns.items()} == {n: c.tolist() for n, c in theirs.columns.items()}


DUMP = "import json, sys; from test_same_rows import rows; from pathlib import Path; " + (
    "json.dump([rows(Path(name)) for name in sys.argv[1:]], sys.stdout)"
)


def test_compiled_and_interpreted_rows_are_the_same(tmp_path: Path) -> None:
    """The same sources once more, without what was compiled from them."""
    package = Path(pcapdiag.__file__).parent
    if not list(package.glob("*/*.so")) and not list(package.glob("*/*.pyd")):
        pytest.skip("nothing is compiled here")
    leave = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__")
    shutil.copytree(package, tmp_path / "pcapdiag", ignore=leave)
    paths = [CAPTURES / f"{name}.pcap" for name in VARIED]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parent)])}
    done = subprocess.run(
        [sys.executable, "-c", DUMP, *map(str, paths)],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == json.loads(json.dumps([rows(path) for path in paths]))
