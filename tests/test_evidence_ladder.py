"""Ladders: what is written beside which packet."""

from __future__ import annotations

from pathlib import Path

import pytest
from analyses import NAMES, path_of
from drawn import ladders, lines, scripted
from notation import Variant, packets_of
from wire import Interface, Section, pcapng

from pcapdiag.evidence.folding import FRONT, MOST_RUNGS
from pcapdiag.pipeline import read_tables

OPENED = """
> S
< S.
> .
"""


def test_the_client_that_closes_first_is_said_to_and_how_long_after_the_response(tmp_path: Path) -> None:
    drawn = scripted(
        tmp_path,
        OPENED
        + """
        > P. GET /a?token=1 (0)
        < P. 200 (5)
        +0.0004 > F.
        < F.
        > .
        """,
    )
    assert lines(drawn) == [
        "> SYN",
        "< SYN-ACK",
        "> ACK",
        "> GET /a HTTP/1.1",
        "< 200 OK",
        "> FIN | closes first, 0.40 ms after the response",
        "< FIN | closes second, 1.00 ms after the client",
        "> ACK",
    ]
    assert [rung.flags for rung in drawn.rungs[:6]] == ["S", "S.", ".", "P.", "P.", "F."]
    assert [rung.frames[0].number for rung in drawn.rungs] == list(range(1, 9))


def test_sequence_numbers_count_from_the_first_of_each_side_wherever_that_is(tmp_path: Path) -> None:
    text = OPENED + "> P. 1:101(100)\n< . \n"
    near = scripted(tmp_path, text)
    wrapped = scripted(tmp_path, text, Variant(isn_shift=(2**32 - 1_050, 2**32 - 5_010)))
    assert [(r.sequence, r.acknowledgment) for r in near.rungs] == [
        (r.sequence, r.acknowledgment) for r in wrapped.rungs
    ]
    assert [(r.sequence, r.acknowledgment, r.length) for r in near.rungs[3:]] == [(1, 1, 100), (1, 101, 0)]


def test_of_a_connection_that_was_open_already_no_number_is_made_up(tmp_path: Path) -> None:
    drawn = scripted(tmp_path, "> P. GET /a\n< P. 200 (5)\n")
    assert [(rung.sequence, rung.acknowledgment) for rung in drawn.rungs] == [(None, None)] * 2
    assert drawn.rungs[0].notes == ("open already when the capture began",)


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        ("> P. GET /a\n+0.3 > again", "> GET /a HTTP/1.1 | retransmission, 300 ms after it was sent first"),
        ("> P. GET /a lost\n+0.3 > again\n< . ack 1", "> GET /a HTTP/1.1 | after 302 ms of silence"),
        ("> P. GET /a\n+1.5 < P. 200 (5)", "< 200 OK | answers after 1.500 s"),
        ("> P. GET /a\n< P. 200 (5)\n+2 > P. GET /b", "> GET /b HTTP/1.1 | after 2.000 s of silence"),
        ("> P. GET /a\n< . win 0", "< ACK | window of zero: the client may send no more"),
        ("> P. GET /a\n< . win 0\n+0.5 < .", "< ACK | window open again after 500 ms"),
        (
            "> P. GET /a\n< P. 200 (5/9)\n> R.",
            "> RST | closes first, 1.00 ms after the response: the rest of it is thrown away",
        ),
        ("> P. GET /a\n+1 > F.", "> FIN | closes first, 1.000 s after the request: it waits for the answer no longer"),
        ("> P. GET /a\n+1 < F.", "< FIN | closes first, 1.000 s after the request, without an answer"),
        (
            "> P. GET /a\n< P. 200 (5)\n< F.\n> .\n> P. GET /b",
            "> GET /b HTTP/1.1 | sent though it had acknowledged the server's close",
        ),
        (
            "> P. GET /a\n< P. 200 (5)\n< F.\n> .\n> P. GET /b\n< R",
            "< RST | what the client sent after this end's close is thrown away",
        ),
        ("+0.4 > F.", "> FIN | after 401 ms of silence | closes first, never used"),
        (
            "> P. GET /a\n< P. 200 (5) [Connection: close]",
            "< 200 OK, Connection: close",
        ),
        ("> P. GET /a\n< P. 200 (5) [Connection: keep-alive]", "< 200 OK"),
    ],
)  # fmt: skip
def test_what_an_analyst_would_write_is_written(tmp_path: Path, packets: str, expected: str) -> None:
    drawn = lines(scripted(tmp_path, OPENED + packets + "\n"))
    assert expected in drawn, "\n".join(drawn)


def test_a_keepalive_probe_and_its_answer_are_told_from_data(tmp_path: Path) -> None:
    drawn = lines(scripted(tmp_path, OPENED + "> P. 1:101(100)\n< .\n+15 > . 100:100(0)\n< .\n"))
    assert drawn[-2:] == ["> ACK | after 15.001 s of silence | keep-alive probe", "< ACK | answers the probe"]


def test_dials_that_nobody_answers_or_accepts_say_so(tmp_path: Path) -> None:
    assert lines(scripted(tmp_path, "> S\n< R.\n")) == ["> SYN", "< RST | refuses the connection"]
    unanswered = lines(scripted(tmp_path, "> S\n+1 > again\nconnection b port 41000\n+4 > S\n"))
    assert unanswered[-1] == (
        "> SYN | retransmission, 1.000 s after it was sent first"
        " | the last packet: unanswered for another 4.000 s, until the capture ends"
    )


def test_the_next_life_of_the_same_ports_is_another_ladder(tmp_path: Path) -> None:
    text = OPENED + "> P. GET /a\n< P. 200 (5)\n> F.\n< F.\n> .\nincarnation\n> S\n< S.\n> .\n> P. GET /b\n"
    first, second = scripted(tmp_path, text), scripted(tmp_path, text, number=2)
    assert "> GET /b HTTP/1.1" not in lines(first)
    assert lines(second)[-1] == "> GET /b HTTP/1.1"
    assert len(first.rungs) + len(second.rungs) == 12


def test_a_packet_captured_twice_is_drawn_once(tmp_path: Path) -> None:
    drawn = scripted(tmp_path, OPENED + "> P. GET /a\n< P. 200 (5)\n", Variant(doubled=True))
    assert [rung.text for rung in drawn.rungs] == ["SYN", "SYN-ACK", "ACK", "GET /a HTTP/1.1", "200 OK"]
    assert drawn.rungs[0].notes == ("captured again as frame 2: this and other copies are left out",)
    assert drawn.rungs[-1].notes == ("5 packets of this connection captured twice",)


def test_bulk_data_and_its_acks_are_one_rung_with_all_their_frames(tmp_path: Path) -> None:
    body = "\n".join(['< . "x"*1000', "> ."] * 40)
    drawn = scripted(tmp_path, OPENED + "> P. GET /a\n< P. 200 (0/40000)\n" + body + "\n< F.\n")
    run = drawn.rungs[5]
    assert run.text == "40 segments of data, 40 ACKs, in 79.0 ms"
    assert (run.side, run.length, len(run.frames)) == ("server", 40_000, 80)
    assert lines(drawn)[6] == "< FIN | closes first, 2.00 ms after the response"


def test_of_a_very_long_connection_the_middle_is_left_out_and_counted(tmp_path: Path) -> None:
    drawn = scripted(tmp_path, OPENED + "> P. GET /a\n< P. 200 (5)\n" * 2_000 + "> F.\n< F.\n> .\n")
    assert len(drawn.rungs) == MOST_RUNGS
    assert [rung.text for rung in drawn.rungs[:3]] == ["SYN", "SYN-ACK", "ACK"]
    assert [rung.text for rung in drawn.rungs[-3:]] == ["FIN", "FIN", "ACK"]
    assert drawn.left_out == 4_006 - MOST_RUNGS
    assert drawn.rungs[FRONT].notes[0] == f"{drawn.left_out:,} rungs left out above"


def test_no_value_of_a_payload_is_shown(tmp_path: Path) -> None:
    secret = (
        b"POST http://user:hunter2@a/b?password=hunter2#hunter2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer hunter2\r\n"
        b"Cookie: hunter2\r\nContent-Length: 7\r\n\r\nhunter2"
    )
    drawn = scripted(tmp_path, OPENED + "> P. $secret\n< P. 200 (5) [Set-Cookie: hunter2]\n", secret=secret)
    assert lines(drawn)[3] == "> POST http://a/b HTTP/1.1"
    assert "hunter2" not in str(drawn)


@pytest.mark.parametrize(
    ("payloads", "expected"),
    [
        ((b"*3\r\n$3\r\nSET\r\n$7\r\nhunter2\r\n$7\r\nhunter2\r\n", b"+OK\r\n"), ["> Redis SET", "< Redis reply (status)"]),
        (
            (b"\0\0\0\x1d\0\3\0\0user\0hunter2\0\0\0\0\0\0\0\0", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
            ["> StartupMessage", "< Authentication, ReadyForQuery"],
        ),
        (
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\1\0\0\0\0"),
            ["> HTTP/2 preface, SETTINGS", "< SETTINGS, SETTINGS (ACK)"],
        ),
        ((b"\x16\3\1\0\2\1\0" + b"x" * 30, b"\x15\3\3\0\2\2\x28"), ["> ClientHello", "< TLS alert: handshake_failure"]),
    ],
    ids=["redis", "postgres", "http2", "tls"],
)  # fmt: skip
def test_other_protocols_say_only_the_kind_of_thing(
    tmp_path: Path, payloads: tuple[bytes, bytes], expected: list[str]
) -> None:
    drawn = scripted(tmp_path, OPENED + "> P. $asked\n< P. $said\n", asked=payloads[0], said=payloads[1])
    assert lines(drawn)[3:5] == expected
    assert "hunter2" not in str(drawn)


def test_a_capture_cut_short_says_so_once(tmp_path: Path) -> None:
    drawn = scripted(tmp_path, OPENED + "> P. GET /a cut 10\n< P. 200 (500) cut 12\n> P. GET /b cut 10\n")
    said = [note for rung in drawn.rungs for note in rung.notes]
    assert len([note for note in said if note.startswith("cut by the snaplen: 10 of its")]) == 1
    assert lines(drawn)[4] == "< 200"


def test_ipv6_vlans_and_several_files_are_walked_alike(tmp_path: Path) -> None:
    text = OPENED + "> P. GET /a\n< P. 200 (5)\n> F.\n"
    plain = scripted(tmp_path, text)
    for variant in (Variant(ipv6=True), Variant(vlans=(0x88A8, 0x8100)), Variant(linktype=101), Variant(order=">")):
        assert lines(scripted(tmp_path, text, variant)) == lines(plain)
    packets = packets_of(text)
    for name, part in (("a.pcapng", packets[:4]), ("b.pcapng", packets[4:])):
        (tmp_path / name).write_bytes(pcapng(Section(part, [Interface()])))
    paths = [str(tmp_path / "b.pcapng"), str(tmp_path / "a.pcapng")]  # put in order by their first packets
    (drawn,) = ladders(paths, [1])
    assert lines(drawn) == lines(plain)
    assert [(Path(rung.frames[0].file or "").name, rung.frames[0].number) for rung in drawn.rungs] == [
        ("a.pcapng", 1),
        ("a.pcapng", 2),
        ("a.pcapng", 3),
        ("a.pcapng", 4),
        ("b.pcapng", 1),
        ("b.pcapng", 2),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_packet_of_every_connection_is_in_its_ladder(name: str) -> None:
    paths = [str(path_of(name))]
    c = read_tables(paths).connections
    for row, drawn in enumerate(ladders(paths, range(1, len(c) + 1))):
        packets = sum(len(rung.frames) for rung in drawn.rungs) + drawn.left_out
        assert packets == c.client_packets[row] + c.server_packets[row]
        if not drawn.left_out:
            again = [note for rung in drawn.rungs for note in rung.notes if note.startswith("retransmission")]
            assert len(again) == c.client_retransmitted[row] + c.server_retransmitted[row]


def test_frames_that_findings_name_are_marked_and_never_folded_away() -> None:
    path = str(path_of("requests-path-loss-8-large"))
    drawn = ladders([path], [1], judge=True)[0]
    cited = {rung.frames[0].number for rung in drawn.rungs if rung.cited}
    assert cited
    assert all(len(rung.frames) == 1 for rung in drawn.rungs if rung.cited)
    assert drawn.shows[0].startswith("PD402: ")
