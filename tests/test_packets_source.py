"""Captures as users name them: files, gzip, standard input, several files as one, and what is no capture."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import wire
from notation import packets_of
from test_packets_pcap import Recorder
from wire import SECOND, Packet

from pcapdiag.errors import CaptureError
from pcapdiag.packets import source
from pcapdiag.packets.source import Counters, read_captures
from pcapdiag.pipeline import read_tables

PACKETS = packets_of("> S\n< S.\n> .\n> P. GET /\n< P. 200 (500)\n> .")


def read(*paths: Path | str) -> tuple[list[bytes], Counters, Recorder]:
    sink = Recorder()
    sink.seen = []
    counters = read_captures([str(path) for path in paths], sink)
    return [s.data for s in sink.seen], counters, sink


def saved(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def later(packets: list[Packet], seconds: int) -> list[Packet]:
    return [Packet(p.data, p.at + seconds * SECOND, p.original) for p in packets]


def error_of(*paths: Path | str) -> CaptureError:
    with pytest.raises(CaptureError) as error:
        read(*paths)
    return error.value


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    data, counters, _ = read(saved(tmp_path, "a.pcap", wire.pcap(PACKETS)))
    assert data == [p.data for p in PACKETS]
    assert counters.packets == 6
    assert counters.first_at == PACKETS[0].at
    assert counters.last_at == PACKETS[5].at
    assert counters.linktypes == {1: 6}
    assert counters.damage == []
    assert counters.notes == []


def test_gzip_is_recognised_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    plain = saved(tmp_path, "a.pcap", wire.pcap(PACKETS))
    packed = saved(tmp_path, "b.pcap", gzip.compress(wire.pcap(PACKETS)))
    assert read(packed)[0] == read(plain)[0]


def test_a_truncated_gzip_gives_what_came_before_the_damage(tmp_path: Path) -> None:
    body = wire.pcap([Packet(os.urandom(1_000), p.at) for p in PACKETS * 50])
    packed = gzip.compress(body)
    data, counters, _ = read(saved(tmp_path, "a.pcap.gz", packed[: len(packed) // 2]))
    assert 100 < len(data) < 200
    assert len(counters.damage) == 2
    assert "the gzip stream is damaged after" in counters.damage[0]
    assert "ends inside a record" in counters.damage[1]


def test_a_gzip_that_breaks_before_its_first_byte_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.pcap.gz", gzip.compress(wire.pcap(PACKETS))[:9])
    error = error_of(path)
    assert error.problem.startswith("the gzip stream is damaged (")
    assert error.try_this == "copy or compress the file again"


def test_a_gzip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_EXPANSION", 2)
    path = saved(tmp_path, "a.pcap.gz", gzip.compress(wire.pcap(PACKETS) + bytes(1_000_000)))
    assert str(error_of(path)) == f"{path}: expands more than 2 times; expected a capture; try: gunzip it and look"


def test_several_files_are_read_in_time_order_with_frames_numbered_through(tmp_path: Path) -> None:
    second = saved(tmp_path, "a.pcap", wire.pcap(later(PACKETS, 60)))
    first = saved(tmp_path, "b.pcapng", wire.pcapng(wire.Section(PACKETS)))
    _, counters, sink = read(second, first)
    assert [s.at for s in sink.seen] == sorted(s.at for s in sink.seen)
    assert [s.frame for s in sink.seen] == list(range(1, 13))
    assert counters.packets == 12
    assert counters.file_starts == [(0, str(first)), (6, str(second))]
    assert counters.steps_back == 0
    assert counters.notes == []


def test_a_connection_may_run_over_two_files(tmp_path: Path) -> None:
    one = saved(tmp_path, "1.pcap", wire.pcap(PACKETS[:4]))
    two = saved(tmp_path, "2.pcap", wire.pcap(PACKETS[4:], nanoseconds=False))
    tables = read_tables([str(two), str(one)])
    assert list(tables.connections.requests) == [1]
    assert list(tables.exchanges.status) == [200]


def test_files_that_overlap_in_time_are_noted(tmp_path: Path) -> None:
    one = saved(tmp_path, "1.pcap", wire.pcap([*PACKETS, *later(PACKETS, 100)]))
    two = saved(tmp_path, "2.pcap", wire.pcap(later(PACKETS, 50)))
    _, counters, _ = read(one, two)
    assert len(counters.notes) == 1
    assert "2.pcap overlaps the file ahead of it in time" in counters.notes[0]
    assert "mergecap" in counters.notes[0]


def test_a_file_without_packets_among_others_goes_last(tmp_path: Path) -> None:
    empty = saved(tmp_path, "1.pcap", wire.pcap([]))
    two = saved(tmp_path, "2.pcap", wire.pcap(PACKETS))
    _, counters, _ = read(empty, two)
    assert [path for _, path in counters.file_starts] == [str(two), str(empty)]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_standard_input_is_read(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = wire.pcap(PACKETS)
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(data) if packed else data))
    monkeypatch.setattr(sys, "stdin", stdin)
    got, counters, _ = read("-")
    assert got == [p.data for p in PACKETS]
    assert counters.packets == 6


def test_a_pipe_that_writes_slowly_is_read_to_its_end() -> None:
    writer = """if True:
        import sys, time
        data = sys.stdin.buffer.read()
        for at in range(0, len(data), 200):
            sys.stdout.buffer.write(data[at : at + 200])
            sys.stdout.flush()
            time.sleep(0.002)
    """
    reader = "from pcapdiag.pipeline import read_tables\nprint(read_tables(['-']).connections.requests[0])"
    first = subprocess.Popen([sys.executable, "-c", writer], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    second = subprocess.Popen([sys.executable, "-c", reader], stdin=first.stdout, stdout=subprocess.PIPE)
    assert first.stdin is not None
    first.stdin.write(wire.pcap(PACKETS))
    first.stdin.close()
    assert second.communicate(timeout=30)[0] == b"1\n"
    first.wait(timeout=30)


def test_progress_reaches_the_size_of_all_files(tmp_path: Path) -> None:
    paths = [saved(tmp_path, f"{n}.pcap", wire.pcap(later(PACKETS, n))) for n in range(3)]
    said: list[tuple[int, int | None]] = []
    sink = Recorder()
    sink.seen = []
    read_captures([str(p) for p in paths], sink, lambda done, total: said.append((done, total)))
    size = sum(p.stat().st_size for p in paths)
    assert said[-1] == (size, size)
    assert [done for done, _ in said] == sorted(done for done, _ in said)


# -- what is no capture: one line each, with the next step


def test_an_empty_file(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.pcap", b"")
    assert str(error_of(path)) == (
        f"{path} at byte 0: the file is empty; expected a pcap or pcapng file header; "
        "try: check that tcpdump could write: tcpdump -w FILE, then stop it with Ctrl-C"
    )


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.pcap"
    assert str(error_of(path)) == f"{path}: no such file; try: check the path"


def test_a_directory(tmp_path: Path) -> None:
    assert str(error_of(tmp_path)) == (
        f"{tmp_path}: is a directory; expected a capture file; try: name the files in it: {tmp_path}/*.pcap"
    )


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a.pcap", wire.pcap(PACKETS))

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert str(error_of(path)) == (f"{path}: no permission to read it; try: sudo chmod a+r on it, or run as its owner")


def test_text(tmp_path: Path) -> None:
    path = saved(tmp_path, "notes.txt", b"these are notes")
    assert str(error_of(path)) == (
        f"{path} at byte 0: not a capture: it starts with 74 68 65 73; "
        "expected pcap (d4 c3 b2 a1 and its variants) or pcapng (0a 0d 0d 0a); "
        "try: tcpdump -w FILE writes one; editcap converts other capture formats"
    )


def test_gzipped_text(tmp_path: Path) -> None:
    path = saved(tmp_path, "notes.gz", gzip.compress(b"these are notes"))
    assert "not a capture: it starts with 74 68 65 73" in str(error_of(path))


def test_less_than_a_magic(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.pcap", b"\xd4\xc3")
    assert str(error_of(path)) == (
        f"{path} at byte 2: the file ends after 2 bytes; "
        "expected a pcap (24 bytes) or pcapng (28 bytes) file header; try: copy or record the file again"
    )


@pytest.mark.parametrize(
    ("start", "what", "remedy"),
    [
        (b"\xfd7zXZ\x00", "this is an xz-compressed file", "xz -dc FILE | pcapdiag diagnose -"),
        (b"\x28\xb5\x2f\xfd", "this is a zstd-compressed file", "zstd -dc FILE | pcapdiag diagnose -"),
        (b"BZh9", "this is a bzip2-compressed file", "bzip2 -dc FILE | pcapdiag diagnose -"),
        (b"snoop\x00\x00\x00", "this is a snoop capture", "editcap -F pcap FILE out.pcap"),
        (b"PK\x03\x04", "this is a zip archive", "unzip it first"),
    ],
    ids=["xz", "zstd", "bzip2", "snoop", "zip"],
)
def test_other_formats_are_named_with_the_command_that_converts_them(
    tmp_path: Path, start: bytes, what: str, remedy: str
) -> None:
    path = saved(tmp_path, "a", start + bytes(50))
    error = error_of(path)
    assert error.problem == what
    assert error.expected == "pcap or pcapng, plain or gzip"
    assert error.try_this == remedy
    assert error.offset == 0


def test_standard_input_cannot_be_one_of_several(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.pcap", wire.pcap(PACKETS))
    assert str(error_of(path, "-")) == (
        "-: standard input cannot be combined with files; try: mergecap -w all.pcapng FILES -"
    )


def test_a_terminal_is_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    assert str(error_of("-")) == (
        "-: standard input is a terminal; expected a capture; try: tcpdump -w - | pcapdiag diagnose -"
    )


def test_an_unknown_linktype_is_counted_by_reason_not_fatal(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.pcap", wire.pcap(PACKETS, linktype=195))
    tables = read_tables([str(path)])
    assert tables.undecoded == {"linktype not supported": 6}
    assert tables.segments == 0
    assert len(tables.connections) == 0
    assert tables.counters.linktypes == {195: 6}


def test_a_capture_without_packets_gives_empty_tables(tmp_path: Path) -> None:
    tables = read_tables([str(saved(tmp_path, "a.pcap", wire.pcap([])))])
    assert len(tables.connections) == 0
    assert len(tables.exchanges) == 0
    assert tables.counters.packets == 0
    assert tables.counters.first_at is None
