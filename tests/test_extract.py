"""pcapdiag extract: whole connections to a capture that says why, and is diagnosed alike."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import sys
from pathlib import Path

import dpkt
import pytest
from analyses import NAMES, path_of, report_of
from notation import packets_of
from wire import SLL, Interface, Packet, Section, link, pcap, pcapng

from pcapdiag.cli import main
from pcapdiag.model.report import Finding
from pcapdiag.model.words import Severity
from pcapdiag.pipeline import Options, analyze, read_tables
from pcapdiag.proving import extraction

NAME = "go-ab-new-client"
TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")
TALK = "> S\n< S.\n> .\n> P. GET /a\n< P. 200 (5)\n> F.\n< F.\n> .\n"


def extracted(tmp_path: Path, *arguments: str) -> Path:
    out = tmp_path / "out.pcapng"
    assert main(["extract", "-o", str(out), *arguments]) == 0
    return out


def blocks(path: Path) -> list[tuple[int, int, bytes, list[str]]]:
    """For each packet its time in nanoseconds, its length on the wire, what was captured, and its comments."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        kind, length = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == 6:
            block = dpkt.pcapng.EnhancedPacketBlockLE(data[at : at + length])
            comments = [option.text for option in block.opts if option.code == 1]
            found.append((block.ts_high << 32 | block.ts_low, block.pkt_len, block.pkt_data, comments))
        at += length
    return found


def tshark(path: Path, *arguments: str) -> list[str]:
    command = ["tshark", "-r", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


ABOVE_INFO = [
    (name, code)
    for name in NAMES
    for code in dict.fromkeys(one.code for one in report_of(name).findings if one.severity != Severity.INFO)
]


@pytest.mark.parametrize(("name", "code"), ABOVE_INFO)
def test_the_extract_of_a_finding_is_diagnosed_alike(name: str, code: str, tmp_path: Path) -> None:
    path = str(path_of(name))
    before = [one for one in report_of(name).findings if one.code == code]
    with open(tmp_path / "out.pcapng", "wb") as file:
        extraction({path: path}, [code], [], Options()).write(file)
    after = [one for one in analyze(str(tmp_path / "out.pcapng")).findings if one.code == code]

    def told(findings: list[Finding]) -> list[object]:
        return [(one.title, one.severity, one.confidence, one.causes[0].cause, one.measured) for one in findings]

    assert told(after) == told(before)


@TSHARK
@pytest.mark.parametrize("name", [NAME, "go-nginx-healthy-any", "http-client-port-exhaustion-reuse", "nginx-restart"])
def test_the_packets_of_a_connection_are_those_of_tsharks_stream(name: str, tmp_path: Path) -> None:
    path = path_of(name)
    streams: dict[int, list[str]] = {}
    for line in tshark(path, "-Y", "tcp", "-T", "fields", "-e", "tcp.stream", "-e", "frame.time_epoch"):
        stream, at = line.split("\t")
        streams.setdefault(int(stream), []).append(at)
    count = len(read_tables([str(path)]).connections)
    assert len(streams) == count
    for number in {1, 2, count // 2, count}:
        out = extracted(tmp_path, "--connection", str(number), str(path))
        assert tshark(out, "-T", "fields", "-e", "frame.time_epoch") == streams[number - 1]


@TSHARK
def test_comments_are_read_by_tshark_and_name_the_frame_of_the_original(tmp_path: Path) -> None:
    out = extracted(tmp_path, "--finding", "PD205", "--evidence-only", str(path_of(NAME)))
    said = tshark(out, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment")
    assert said[0].startswith("pcapdiag: connection 1 begins, frame 1 of ")
    assert (
        "pcapdiag PD205 idle-pool-too-small: connection 1: 4 requests, then closed by the client after 0.72 ms"
        in said[0]
    )
    assert any(line.endswith(f"(frame 314 of {path_of(NAME)})") for line in said)
    numbers = {piece.connection for one in report_of(NAME).findings if one.code == "PD205" for piece in one.evidence}
    assert len(tshark(out, "-Y", "tcp.flags.syn == 1 && tcp.flags.ack == 0")) == len(numbers)


def test_the_file_says_from_what_and_by_which_command_it_was_made(tmp_path: Path) -> None:
    out = extracted(tmp_path, "--finding", "idle-pool-too-small", "--connection", "3-4,9", str(path_of(NAME)))
    data = out.read_bytes()
    section = dpkt.pcapng.SectionHeaderBlockLE(data[: int.from_bytes(data[4:8], "little")])
    comment = next(option.text for option in section.opts if option.code == 1)
    command = f"pcapdiag extract --finding idle-pool-too-small --connection 3,4,9 {path_of(NAME)}"
    assert comment.startswith(f"Made from {path_of(NAME)} by: {command}\n")
    assert "181 of its 181 connections, whole." in comment


def test_the_end_of_the_capture_is_kept_without_a_byte_of_its_packet(tmp_path: Path) -> None:
    whole = blocks(extracted(tmp_path, "--finding", "PD205", str(path_of(NAME))))
    at, length, captured, comments = whole[-1]
    assert (at, captured) == (report_of(NAME).capture.last_at, b"")
    assert length > 0
    assert comments[0].startswith("pcapdiag: the capture ended here, frame 2018 of ")
    few = blocks(extracted(tmp_path, "--finding", "PD205", "--evidence-only", str(path_of(NAME))))
    assert all(captured for _, _, captured, _ in few)


def test_times_lengths_and_link_types_are_kept_to_the_nanosecond(tmp_path: Path) -> None:
    packets = packets_of(TALK)
    for place, packet in enumerate(packets):
        packet.at += place
    cut = packets[4]
    packets[4] = Packet(cut.data[:60], cut.at, len(cut.data))
    answers = [index for index in range(len(packets)) if index % 2]
    for index in answers:  # the same talk over two interfaces of two link types, as tcpdump -i any in new versions
        one = packets[index]
        packets[index] = Packet(link(one.data[14:], SLL), one.at, one.original + 2, interface=1)
    source = tmp_path / "in.pcapng"
    source.write_bytes(pcapng(Section(packets, [Interface(), Interface(SLL)])))
    out = extracted(tmp_path, "--connection", "1", str(source))
    assert [(at, length, data) for at, length, data, _ in blocks(out)] == [
        (packet.at, packet.original, packet.data) for packet in packets
    ]
    tables = read_tables([str(out)])
    assert (len(tables.connections), set(tables.counters.linktypes)) == (1, {1, SLL})


def test_several_files_and_gzip_are_one_capture_whose_frames_say_their_file(tmp_path: Path) -> None:
    packets = packets_of(TALK)
    one, two = tmp_path / "one.pcap", tmp_path / "two.pcap.gz"
    one.write_bytes(pcap(packets[:4]))
    two.write_bytes(gzip.compress(pcap([*packets[4:], *packets_of("options ports 41000 80\n@9 > S\n< R.\n")])))
    out = blocks(extracted(tmp_path, "--connection", "1,2", str(two), str(one)))
    assert len(out) == 10
    assert out[0][3] == [f"pcapdiag: connection 1 begins, frame 1 of {one}"]
    assert out[8][3] == [f"pcapdiag: connection 2 begins, frame 5 of {two}"]


def test_standard_input_is_read_twice_and_the_result_goes_down_a_pipe() -> None:
    code = "import sys; from pcapdiag.cli import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", code, "extract", "--connection", "1", "-"]
    done = subprocess.run(command, input=path_of(NAME).read_bytes(), capture_output=True, check=True)
    assert done.stderr == b""
    reader = dpkt.pcapng.Reader(io.BytesIO(done.stdout))
    assert len(list(reader)) == 16
    assert b"frame 1 of standard input" in done.stdout


def test_hostile_text_in_a_file_name_is_harmless_in_comments(tmp_path: Path) -> None:
    source = tmp_path / "a\x1b[31m\n\u202eb.pcap"
    source.write_bytes(pcap(packets_of(TALK)))
    out = extracted(tmp_path, "--connection", "1", str(source)).read_bytes()
    assert b"\x1b" not in out
    assert "\u202e".encode() not in out
    assert b"a\\x1b[31m\\x0a\\u202eb.pcap" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a finding with --finding CODE, or connections with --connection N,..."),
        (["--finding", "PD999"], "no rule 'PD999'; did you mean"),
        (
            ["--finding", "server_idle_timeout"],
            "there is no finding PD302 in this capture; it has PD205 (idle-pool-too-small), PD207",
        ),
        (["--connection", "182"], "there is no connection 182: the capture has connections 1 to 181"),
        (["--connection", "0"], "which count from 1"),
        (["--connection", "1,x"], "'x' is no connection number"),
        (["--connection", "9-1"], "'9-1' is no range"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_writes_no_file(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.pcapng"
    assert main(["extract", "-o", str(out), *arguments, str(path_of(NAME))]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_the_capture_itself_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.pcap"
    source.write_bytes(pcap(packets_of(TALK)))
    (tmp_path / "same.pcap").symlink_to(source)
    before = source.read_bytes()
    for out in ("in.pcap", "same.pcap"):
        assert main(["extract", "--connection", "1", "-o", str(tmp_path / out), str(source)]) == 2
        assert "would overwrite the capture" in capsys.readouterr().err
    assert source.read_bytes() == before
