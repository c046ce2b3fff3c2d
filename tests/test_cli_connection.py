"""pcapdiag connection: the ladder in the terminal, and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from analyses import NAMES, path_of, report_of
from notation import packets_of
from wire import Packet, ipv4, link, pcap, tcp

from pcapdiag.cli import main
from pcapdiag.reports.schema import connection_1, pcapdiag_1

CAPTURE = str(path_of("go-ab-new-client"))
SCHEMA = json.loads(connection_1())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
OPENED = "> S\n< S.\n> .\n"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["connection", *arguments]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    return out.out


def test_who_what_and_how_it_ended_then_the_packets_then_what_they_show(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, CAPTURE, "1", "--width", "80").splitlines()
    assert lines[0] == "Connection 1: 10.71.13.1:44250 -> 10.71.13.2:8081"
    assert lines[3].startswith("Closed first by the client (FIN), 0.72 ms after its last request had ended.")
    assert "0.028767    314  |- FIN --------------------------------------------->|  * PD205" in lines
    assert "                   closes first, 0.72 ms after the response" in lines
    assert "  * PD205 idle-pool-too-small, high: 4 requests, then closed by the client after" in lines
    assert lines[-1] == (
        "  ip.addr == 10.71.13.1 && ip.addr == 10.71.13.2 && tcp.port == 44250 && tcp.port == 8081"
        " && frame.number >= 1 && frame.number <= 316"
    )


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("verbose", [False, True])
def test_all_lines_fit_but_the_filter_to_copy(width: int, verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-v"] * verbose
    for name in ("requests-keepalive-race-post", "node-tls-keepalive", "raw-pipelining", "curl-tls-cipher"):
        *lines, last = printed(capsys, str(path_of(name)), "1", "--width", str(width), *options).splitlines()
        assert max(map(len, lines)) <= width
        assert " && " in last
        bars = {len(line) - len(line.split("|")[-1]) for line in lines if re.match(r" *\d+\.\d{6} ", line)}
        assert len(bars) == 1, "the server's side is one column"


def test_acks_and_sequence_numbers_are_there_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "(3 ACKs alone not drawn; -v draws them, with flags and numbers)" in printed(capsys, CAPTURE, "1")
    whole = printed(capsys, CAPTURE, "1", "-v")
    assert "[P.] seq 1:97 ack 1" in whole
    assert len(re.findall(r"\|(- ACK -|<-+ ACK -\|)", whole)) == 4  # the handshake's and the three


def test_color_repeats_what_is_said_and_is_off_where_nobody_sees_it(capsys: pytest.CaptureFixture[str]) -> None:
    plain = printed(capsys, CAPTURE, "1")
    colored = printed(capsys, CAPTURE, "1", "--color", "always")
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain


@pytest.mark.parametrize("name", NAMES[::6])
def test_the_json_is_what_its_schema_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for number in {1, report_of(name).connections[-1].number}:
        whole = json.loads(printed(capsys, "--format", "json", str(path_of(name)), str(number)))
        VALIDATOR.validate(whole)
        assert whole["connection"]["number"] == number
        assert whole["ladder"]["rungs"][0]["after_s"] == 0


def test_the_schema_is_a_schema_and_shares_its_words_with_the_report() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    shared = json.loads(pcapdiag_1())["$defs"]
    for name in set(SCHEMA["$defs"]) & set(shared) - {"finding"}:
        assert SCHEMA["$defs"][name] == shared[name], name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            [CAPTURE, "182"],
            "there is no connection 182: the capture has connections 1 to 181; pcapdiag connections lists them",
        ),
        ([CAPTURE, "0"], "there is no connection 0: the capture has connections 1 to 181"),
        ([CAPTURE], "expected capture files and then a connection's number"),
        (["17"], "expected capture files and then a connection's number"),
        (["no-such.pcap", "1"], "no-such.pcap: no such file"),
    ],
)
def test_a_wrong_number_or_file_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connection", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_connection_seen_twice_says_of_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packets = []
    script = "options isn 1000000 5000000\n" + OPENED + "> P. GET /a\n< P. 200 (5)\n> F.\n< F.\n> .\n"
    for packet in packets_of(script):
        inside = packet.data[34:]
        client = packet.data[26:30] == b"\x0a\0\0\1"
        sequence, acknowledgment = int.from_bytes(inside[4:8], "big"), int.from_bytes(inside[8:12], "big")
        ends = ("10.9.0.1", "10.0.0.2") if client else ("10.0.0.2", "10.9.0.1")
        ports = (50_000, 80) if client else (80, 50_000)
        beyond = tcp(*ends, ports, sequence, acknowledgment, inside[13], inside[20:])
        packets += [packet, Packet(link(ipv4(*ends, beyond, ttl=63)), packet.at + 1_000)]
    path = tmp_path / "nat.pcap"
    path.write_bytes(pcap(packets))
    assert "connection 1 seen once more" in " ".join(printed(capsys, str(path), "2").split())
    assert "seen once more" not in printed(capsys, str(path), "1")


def test_hostile_text_never_acts_and_no_query_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = b"GET /\x9b31m\xe2\x80\xae<b>?key=hunter2 HTTP/1.1\r\nHost: \x1b]0;x\x07\r\nUpgrade: \x1b[2J\r\n\r\n"
    path = tmp_path / "hostile.pcap"
    path.write_bytes(pcap(packets_of(OPENED + "> P. $head\n< P. 200 (5)\n", head=head)))
    shown = printed(capsys, str(path), "1")
    assert all(line.isprintable() for line in shown.splitlines())
    assert "GET /\\x9b31m\u00e2\\x80\u00ae<b> HTTP/1.1" in shown
    assert "hunter2" not in shown
    told = printed(capsys, "--format", "json", str(path), "1")
    assert told.isascii()
    assert "hunter2" not in told
