"""What -w keeps: whole files whatever happens, rotated, with the kernel's counts."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest
import wire
from live_capture import ROOT, as_root

from pcapdiag import analyze
from pcapdiag.errors import UsageError
from pcapdiag.live import names, opening
from pcapdiag.live.process import Counts
from pcapdiag.live.saving import Saver
from pcapdiag.packets.sink import PacketSink
from pcapdiag.packets.source import read_captures

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
EMPTY = b"\0" * 100


def record(number: int, size: int = 100) -> bytes:
    data = struct.pack(">I", number) + bytes(size - 4)
    return struct.pack("<IIII", START // SECOND + number, 5, size, size + 7) + data


class Kept(PacketSink):
    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes, int, int]] = []

    def packet(
        self, data: bytes, start: int, captured: int, original: int, at: int, frame: int, linktype: int, interface: int
    ) -> int:
        self.packets.append((at, bytes(data[start : start + captured]), original, linktype))
        return 0


def contents(*paths: str | Path) -> list[tuple[int, bytes, int, int]]:
    kept = Kept()
    assert read_captures([str(path) for path in paths], kept).damage == []
    return kept.packets


def expected(*numbers: int, size: int = 100) -> list[tuple[int, bytes, int, int]]:
    return [
        (START + number * SECOND + 5000, struct.pack(">I", number) + bytes(size - 4), size + 7, 1) for number in numbers
    ]


@pytest.mark.parametrize("name", ["kept.pcap", "kept.pcapng"])
@pytest.mark.parametrize("size", [97, 98, 99, 100])
def test_each_packet_is_kept_as_it_came(tmp_path: Path, name: str, size: int) -> None:
    saver = Saver(str(tmp_path / name), None, None, None)
    saver.write(HEADER + record(0, size), 1, START)
    saver.write(record(1, size) + record(2, size), 3, START)
    saver.close()
    assert saver.files == [(str(tmp_path / name), 0)]
    assert contents(tmp_path / name) == expected(0, 1, 2, size=size)
    assert saver.bytes == (tmp_path / name).stat().st_size


@pytest.mark.parametrize("name", ["kept.pcap", "kept.pcapng"])
def test_a_capture_without_a_packet_is_a_file_without_a_packet(tmp_path: Path, name: str) -> None:
    saver = Saver(str(tmp_path / name), None, None, None, counts=lambda: Counts(0, 0))
    saver.write(HEADER, 0, START)
    saver.close()
    assert contents(tmp_path / name) == []


def test_a_pcap_name_keeps_the_very_bytes(tmp_path: Path) -> None:
    path = tmp_path / "kept.pcap"
    saver = Saver(str(path), None, None, None)
    saver.write(HEADER + record(0), 1, START)
    assert path.read_bytes() == HEADER + record(0)  # at once: a kill leaves a file that can be read
    saver.close()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_pcapng_keeps_times_of_either_resolution_and_byte_order(tmp_path: Path, order: str, magic: int) -> None:
    header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, 113)
    packet = struct.pack(order + "IIII", 1_700_000_000, 123_456, 8, 8) + b"datadata"
    saver = Saver(str(tmp_path / "a.pcapng"), None, None, None)
    saver.write(header + packet, 1, START)
    saver.close()
    nanoseconds = 123_456 * (1 if magic == 0xA1B23C4D else 1000)
    assert contents(tmp_path / "a.pcapng") == [(START + nanoseconds, b"datadata", 8, 113)]


def test_rotation_by_size_makes_files_that_are_whole_and_know_their_first_frame(tmp_path: Path) -> None:
    saver = Saver(str(tmp_path / "kept.pcapng"), 65536, None, None)
    saver.write(HEADER, 0, START)
    for number in range(30):
        saver.write(record(number, 10_000), number + 1, START + number * SECOND)
    saver.close()
    assert [frames for _, frames in saver.files] == [0, 6, 12, 18, 24]
    for (path, frames), number in zip(saver.files, range(1, 9), strict=False):
        assert os.path.basename(path).startswith(f"kept_{number:05d}_")
        assert os.path.getsize(path) <= 65536 + 64  # the block of counts at the end
        assert contents(path) == expected(*range(frames, frames + 6), size=10_000)
    assert saver.bytes == sum(os.path.getsize(path) for path, _ in saver.files)


def test_rotation_by_time_goes_by_the_clock_of_the_packets(tmp_path: Path) -> None:
    saver = Saver(str(tmp_path / "kept.pcap"), None, 10 * SECOND, None)
    for number in range(25):
        saver.write((HEADER if number == 0 else b"") + record(number), number + 1, START + number * SECOND)
    saver.close()
    assert [frames for _, frames in saver.files] == [0, 10, 20]
    assert saver.files[1][0] == names.rotated(str(tmp_path / "kept.pcap"), 2, names.stamp(START + 10 * SECOND))
    assert [len(contents(path)) for path, _ in saver.files] == [10, 10, 5]


def test_a_clock_that_is_set_back_does_not_stop_rotation(tmp_path: Path) -> None:
    saver = Saver(str(tmp_path / "kept.pcap"), None, 10 * SECOND, None)
    year = 86_400 * 365 * SECOND
    for number, at in enumerate((START + year, START, START + 5 * SECOND, START + 11 * SECOND)):
        saver.write((HEADER if number == 0 else b"") + record(number), number + 1, at)
    saver.close()
    assert [ahead for _, ahead in saver.files] == [0, 3]


def test_only_so_many_files_are_kept_and_the_oldest_go(tmp_path: Path) -> None:
    other = tmp_path / "kept_00001_other.pcap"
    other.write_bytes(b"mine")
    saver = Saver(str(tmp_path / "kept.pcap"), 65536, None, 2)
    saver.write(HEADER, 0, START)
    for number in range(30):
        saver.write(record(number, 10_000), number + 1, START)
    saver.close()
    assert saver.removed == 3
    assert [frames for _, frames in saver.files] == [18, 24]
    assert {str(path) for path in tmp_path.iterdir()} == {path for path, _ in saver.files} | {str(other)}


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    saver = Saver(str(tmp_path / "kept.pcap"), None, None, None)
    saver.close()
    assert (tmp_path / "kept.pcap").stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_could_read_is_their_owners_alone_once_it_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "there.pcap"
    path.write_bytes(b"old")
    path.chmod(0o644)
    os.close(opening.create(str(path)))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == b""


def test_standard_output_is_no_place_for_packets() -> None:
    with pytest.raises(UsageError, match="-w -: standard output is for what is found"):
        opening.check_path("-")


def test_a_file_that_is_there_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kept.pcap"
    path.write_bytes(b"old" * 1000)
    saver = Saver(str(path), None, None, None)
    saver.write(HEADER + record(0), 1, START)
    saver.close()
    assert path.read_bytes() == HEADER + record(0)


def test_the_kernels_counts_are_in_each_file_for_its_own_time(tmp_path: Path) -> None:
    counts = Counts(0, 0)
    saver = Saver(str(tmp_path / "kept.pcapng"), None, 10 * SECOND, None, counts=lambda: counts, interface="lo")
    for number in range(30):
        counts = Counts(number * 10, number)
        saver.write((HEADER if number == 0 else b"") + record(number), number + 1, START + number * SECOND)
    saver.close()
    dropped = [read_captures([path], Kept()).dropped for path, _ in saver.files]
    assert sum(dropped) == 29
    assert len(dropped) == 3
    assert min(dropped) >= 9
    assert read_captures([path for path, _ in saver.files], Kept()).dropped == 29


def test_a_killed_capture_has_the_counts_of_a_moment_ago(tmp_path: Path) -> None:
    saver = Saver(str(tmp_path / "kept.pcapng"), None, None, None, counts=lambda: Counts(100, 7))
    saver.write(HEADER + record(0), 1, START)
    assert read_captures([str(tmp_path / "kept.pcapng")], Kept()).dropped == 7
    saver.close()
    assert read_captures([str(tmp_path / "kept.pcapng")], Kept()).dropped == 7


def test_wireshark_reads_the_interface_the_filter_and_the_drops(tmp_path: Path) -> None:
    if subprocess.run(["which", "tshark"], capture_output=True, check=False).returncode:
        pytest.skip("no tshark")
    path = tmp_path / "kept.pcapng"
    saver = Saver(
        str(path), None, None, None, interface="eth7", expression="tcp port 8081", counts=lambda: Counts(9, 4)
    )
    saver.write(HEADER + record(0), 1, START)
    saver.close()
    fields = ["-e", "frame.interface_name", "-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len"]
    told = subprocess.run(["tshark", "-r", path, "-T", "fields", *fields], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["eth7", "1700000000.000005000", "100", "107"]
    told = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True)
    assert "Filter string = tcp port 8081" in told.stdout
    assert "Number of stat entries = 1" in told.stdout.replace("entries = 2", "entries = 1")


def test_pcapng_of_the_capture_process_is_kept_and_each_file_begins_with_its_header(tmp_path: Path) -> None:
    saver = Saver(str(tmp_path / "kept.pcapng"), 65536, None, None)
    saver.write(wire.section_block(), 0, START)
    saver.write(wire.interface_block(wire.Interface()), 0, START)
    saver.write(wire.enhanced_block(wire.Packet(bytes(60), START), wire.Interface()), 1, START)
    block = struct.pack("<IIIIIII", 6, 32 + 60_000, 0, 0, 1, 60_000, 60_000) + bytes(60_000) + struct.pack("<I", 60_032)
    saver.write(block, 2, START)
    saver.write(block, 3, START)
    saver.close()
    assert [len(contents(path)) for path, _ in saver.files] == [2, 1]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("gone/kept.pcap", "there is no directory .*gone; try: mkdir -p"),
        ("file/kept.pcap", "file is no directory"),
        ("", "is a directory; name a file in it"),
    ],
)
def test_a_path_that_cannot_be_written_is_one_line_ahead_of_the_capture(tmp_path: Path, path: str, told: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=told):
        opening.check_path(str(tmp_path / path))


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_a_directory_without_permission_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="no permission to write in"):
        opening.check_path(str(tmp_path / "kept.pcap"))


def test_checking_a_path_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.pcap").write_bytes(b"old")
    opening.check_path(str(tmp_path / "old.pcap"))
    opening.check_path(str(tmp_path / "new.pcap"))
    assert [path.name for path in tmp_path.iterdir()] == ["old.pcap"]
    assert (tmp_path / "old.pcap").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("size", "time", "keep", "told"),
    [
        (1000, None, None, "expected 65536 or more"),
        (None, 0, None, "rotation by time"),
        (None, None, 3, "a size or a time to rotate by"),
        (65536, None, 0, "expected 1 or more"),
    ],
)
def test_a_rotation_that_makes_no_sense_is_one_line(
    tmp_path: Path, size: int | None, time: int | None, keep: int | None, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        Saver(str(tmp_path / "kept.pcap"), size, time, keep)
    assert list(tmp_path.iterdir()) == []


@as_root
@pytest.mark.parametrize("at_once", [1, 10, 60])
@pytest.mark.parametrize("name", ["kept.pcap", "kept.pcapng"])
def test_on_a_full_disk_what_fitted_is_whole_and_the_capture_goes_on(tmp_path: Path, name: str, at_once: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        saver = Saver(str(disk / name), None, None, None, counts=lambda: Counts(50, 0))
        records = [record(number, 2000) for number in range(60)]
        for first in range(0, 60, at_once):
            header = HEADER if first == 0 else b""
            saver.write(header + b"".join(records[first : first + at_once]), first + at_once, START)
        saver.close()
        kept = contents(disk / name)
        assert saver.failed == f"{disk / name}: the disk is full; the first {len(kept)} packets are kept"
        assert kept == expected(*range(len(kept)), size=2000)
        assert 30 <= len(kept) < 33
        assert saver.bytes == (disk / name).stat().st_size
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_name_of_rotation_is_made_of_nothing_but_a_number_and_a_time() -> None:
    path = "/var/tmp/kept.pcapng"
    name = names.rotated(path, 7, "20261127211500")
    assert name == "/var/tmp/kept_00007_20261127211500.pcapng"
    assert names.parts(path, name) == (7, "20261127211500")
    assert names.parts(path, path) == (0, "")
    for other in ("/etc/passwd", "/var/tmp/kept_7_20261127211500.pcapng", "/var/tmp/kept_00007_../../x.pcapng", ""):
        assert names.parts(path, other) is None
    for number, when in ((7, "../../../etc/x"), (0, "20261127211500"), (-1, "20261127211500"), (7, "")):
        with pytest.raises(ValueError, match="file"):
            names.rotated(path, number, when)


def test_a_report_on_a_saved_file_tells_what_the_kernel_dropped(tmp_path: Path) -> None:
    source = next((Path(__file__).parents[1] / "captures").glob("**/*.pcap"))
    data = source.read_bytes()
    saver = Saver(str(tmp_path / "kept.pcapng"), None, None, None, counts=lambda: Counts(5000, 1234))
    saver.write(data, 1, START)
    saver.close()
    before, after = analyze(source), analyze(tmp_path / "kept.pcapng")
    assert before.capture.quality.dropped_packets == 0
    assert after.capture.quality.dropped_packets == 1234
    assert after.capture.packets == before.capture.packets
