"""docs/rules/ is what the rules say and what the captures show; and the packet ladder tells nothing but the wire."""

from __future__ import annotations

import io
import re
import struct
import sys
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import dpkt
import pytest
from analyses import report_of

from pcapdiag.rules import all_rules

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import ladder
import make_rule_pages

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 80)
FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16


@cache
def samples() -> list[make_rule_pages.Sample]:
    return make_rule_pages.samples(lambda path: report_of(path.stem))


# Pages


def test_the_pages_are_what_the_rules_and_the_captures_say() -> None:
    problems = make_rule_pages.stale(make_rule_pages.pages(samples()))
    assert problems == [], "scripts/make_rule_pages.py writes them again"


def test_a_page_that_differs_is_missing_or_has_no_rule_is_told() -> None:
    wanted = {path.name: path.read_text(encoding="utf-8") for path in make_rule_pages.PAGES.glob("*.md")}
    assert make_rule_pages.stale(wanted) == []
    name = next(name for name in wanted if name.startswith("PD"))
    assert make_rule_pages.stale({**wanted, name: wanted[name] + "\n"}) == [f"{name}: stale"]
    assert make_rule_pages.stale({**wanted, "PD999-new.md": ""}) == ["PD999-new.md: missing"]
    del wanted[name]
    assert make_rule_pages.stale(wanted) == [f"{name}: of no rule"]


def test_every_rule_has_a_capture_to_show() -> None:
    assert make_rule_pages.without_capture(samples()) == []


def test_every_rule_is_in_the_index_under_its_hundred() -> None:
    text = make_rule_pages.index(all_rules())
    for rule in all_rules():
        family = text.split(f"## PD{rule.code[2]}xx:")[1].split("\n## ")[0]
        assert f"[{rule.code}]({make_rule_pages.link(rule)})" in family


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_link_of_a_page_leads_somewhere(rule: make_rule_pages.Rule) -> None:
    pages = {"README.md", *map(make_rule_pages.link, all_rules())}
    targets = re.findall(r"\]\(([^)]+)\)", make_rule_pages.page(rule, all_rules(), samples()))
    assert "README.md" in targets
    assert [one for one in targets if one not in pages and not (make_rule_pages.PAGES / one).exists()] == []


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_the_ladder_of_a_page_shows_the_frames_of_the_evidence(rule: make_rule_pages.Rule) -> None:
    shown = make_rule_pages.shown_by(rule, samples())
    assert shown is not None
    sample, finding = shown
    evidence, _ = make_rule_pages.drawable(sample, finding)
    drawn = next(part for part in make_rule_pages.pattern(shown) if part.startswith("```text"))
    marked = [int(number) for number in re.findall(r"(\d+) \*$", drawn, re.MULTILINE)]
    assert marked, "not one frame of the evidence is drawn"
    assert set(marked) <= {frame.number for frame in evidence.frames}
    assert len(drawn.splitlines()) <= ladder.MAX_LINES + 3
    assert max(map(len, drawn.splitlines())) <= 100
    assert finding.code == rule.code
    assert sample.path.exists()


def test_names_of_other_rules_become_links_and_the_rest_is_plain() -> None:
    rules = all_rules()
    own = next(rule for rule in rules if rule.name == "body-not-closed")
    other = next(rule for rule in rules if rule.name == "server-max-requests")
    text = make_rule_pages.linked(f"{other.name}, {own.name} and healthy *x* <b> _y_ a_b https://x.y/_z_", rules, own)
    link = make_rule_pages.link(other)
    assert text == rf"[{other.name}]({link}), {own.name} and healthy \*x\* \<b> \_y\_ a_b <https://x.y/_z_>"


def test_a_section_that_is_indented_twice_is_code() -> None:
    rule = all_rules()[0]
    body = "    Words.\n\n        nc -l 80\n\n    More."
    assert make_rule_pages.markdown(body, (rule,), rule) == "Words.\n\n```text\n    nc -l 80\n```\n\nMore."


# The ladder


def frame(source: ladder.Address, flags: int, seq: int, ack: int = 0, payload: bytes = b"", window: int = 500) -> bytes:
    """An Ethernet frame between CLIENT and SERVER."""
    target = SERVER if source == CLIENT else CLIENT
    tcp = dpkt.tcp.TCP(sport=source[1], dport=target[1], flags=flags, seq=seq, ack=ack, win=window, data=payload)
    addresses = {"src": bytes(map(int, source[0].split("."))), "dst": bytes(map(int, target[0].split(".")))}
    ip = dpkt.ip.IP(**addresses, p=6, id=seq & 0xFFFF, data=tcp)
    ip.len = len(ip)
    return bytes(dpkt.ethernet.Ethernet(type=0x0800, data=ip))


def written(path: Path, frames: list[tuple[float, bytes]], *, pcapng: bool = False, linktype: int = 1) -> Path:
    out = io.BytesIO()
    writer = (dpkt.pcapng.Writer if pcapng else dpkt.pcap.Writer)(out, linktype=linktype)
    for at, data in frames:
        writer.writepkt(data, ts=1_700_000_000 + at)
    path.write_bytes(out.getvalue())
    return path


OPENING = [
    (0.0, frame(CLIENT, SYN, 99)),
    (0.001, frame(SERVER, SYN | ACK, 999, 100)),
    (0.0012, frame(CLIENT, ACK, 100, 1000)),
]
ASKED = b"GET /buy?token=SECRET1 HTTP/1.1\r\nHost: a\r\nCookie: SECRET2\r\nAuthorization: SECRET3\r\n\r\n"
ANSWERED = b"HTTP/1.1 200 OK\r\nSet-Cookie: SECRET4\r\nConnection: close\r\nContent-Length: 3\r\n\r\nSE5"


def conversation() -> list[tuple[float, bytes]]:
    after_request, after_response = 100 + len(ASKED), 1000 + len(ANSWERED)
    return [
        *OPENING,
        (0.002, frame(CLIENT, PUSH | ACK, 100, 1000, ASKED)),
        (0.010, frame(SERVER, PUSH | ACK, 1000, after_request, ANSWERED)),
        (0.011, frame(CLIENT, ACK, after_request, after_response)),
        (2.010, frame(CLIENT, FIN | ACK, after_request, after_response)),
        (2.011, frame(SERVER, FIN | ACK, after_response, after_request + 1)),
        (2.012, frame(CLIENT, ACK, after_request + 1, after_response + 1)),
    ]


def drawn(path: Path, marked: tuple[int, ...] = ()) -> list[str]:
    return ladder.ladder(path, CLIENT, SERVER, (1, 10**6), marked).splitlines()


def words(line: str) -> str:
    """A line without its dashes: "0.002000 |- GET ... >| 4"."""
    return re.sub(r"\s+", " ", re.sub(r"--+", "", line)).strip()


@pytest.mark.parametrize("pcapng", [False, True])
def test_a_request_and_a_close_are_drawn_with_the_silence_between(tmp_path: Path, pcapng: bool) -> None:
    lines = drawn(written(tmp_path / "a", conversation(), pcapng=pcapng), marked=(7,))
    assert [words(line) for line in lines] == [
        "0.000000 |- SYN >| 1",
        "0.001000 |< SYN-ACK -| 2",
        "0.002000 |- GET /buy HTTP/1.1 >| 4",
        f"0.010000 |< HTTP/1.1 200 OK, Connection: close, {len(ANSWERED)} B -| 5",
        "... 2.000 s of silence ...",
        "2.010000 |- FIN >| 7 *",
        "2.011000 |< FIN -| 8",
    ]


def test_nothing_secret_is_drawn(tmp_path: Path) -> None:
    asked = ASKED.replace(b"/buy", b"http://SECRET5:SECRET6@host/buy")
    frames = [*OPENING, (0.002, frame(CLIENT, PUSH | ACK, 100, 1000, asked))]
    text = "\n".join(drawn(written(tmp_path / "a", frames)) + drawn(written(tmp_path / "b", conversation())))
    assert "http://host/buy" in text
    assert "SECRET" not in text
    cut = [*OPENING, (0.002, frame(CLIENT, PUSH | ACK, 100, 1000, b"GET /reset?token=SECR"))]
    assert "GET /reset" in (text := "\n".join(drawn(written(tmp_path / "c", cut))))
    assert "SECR" not in text


def test_text_of_packets_cannot_act(tmp_path: Path) -> None:
    asked = b"GET /\x1b[2J```\xe2\x80\xae HTTP/1.1\r\nConnection: \x1b]0;x\x07\r\n\r\n"
    frames = [*OPENING, (0.002, frame(CLIENT, PUSH | ACK, 100, 1000, asked))]
    text = "\n".join(drawn(written(tmp_path / "a", frames)))
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert "`" not in text


def test_a_long_body_is_counted(tmp_path: Path) -> None:
    body = [
        (0.02 + index / 1000, frame(SERVER, ACK, 1000 + len(ANSWERED) + 100 * index, 100 + len(ASKED), b"x" * 100))
        for index in range(14)
    ]
    frames = [*conversation()[:5], *body]
    assert words(drawn(written(tmp_path / "a", frames))[4]) == "(14 more data packets of the server, 1,400 B)"
    marked = drawn(written(tmp_path / "a", frames), marked=(10,))
    assert [words(line) for line in marked[4:]] == [
        "(4 more data packets of the server, 400 B)",
        "0.024000 |< 100 B -| 10 *",
        "(9 more data packets of the server, 900 B)",
    ]


def test_a_silence_within_a_body_is_drawn(tmp_path: Path) -> None:
    after = 100 + len(ASKED)
    body = [(1.0 + index / 1000, frame(CLIENT, ACK, after + 10 * index, 1000, b"x" * 10)) for index in range(5)]
    lines = drawn(written(tmp_path / "a", [*conversation()[:4], *body]))
    assert [words(line) for line in lines[3:]] == [
        "... 0.998 s of silence ...",
        "1.000000 |- 10 B >| 5",
        "(4 more data packets of the client, 40 B)",
    ]


def test_what_is_left_out_is_counted_by_its_sort(tmp_path: Path) -> None:
    again = [(0.02 + index / 1000, frame(CLIENT, PUSH | ACK, 100, 1000, ASKED)) for index in range(20)]
    probes = [(1.0 + index, frame(SERVER, ACK, 999 + len(ANSWERED), 100 + len(ASKED))) for index in range(30)]
    text = "\n".join(drawn(written(tmp_path / "a", [*conversation()[:6], *again, *probes])))
    assert f"(17 more of the client: {len(ASKED)} B again (retransmission))" in text
    assert "(27 more of the server: keepalive probe; silences of up to 1.000 s)" in text
    assert len(text.splitlines()) <= ladder.MAX_LINES
    answered = [(at + 0.001, frame(CLIENT, ACK, 100 + len(ASKED), 1000 + len(ANSWERED))) for at, _ in probes]
    both = sorted(probes + answered, key=lambda one: one[0])
    text = "\n".join(drawn(written(tmp_path / "b", [*conversation()[:6], *both])))
    assert "(27 ACKs; 27 probes; silences of up to 0.999 s)" in text


def test_a_long_story_fits_and_keeps_what_is_marked(tmp_path: Path) -> None:
    frames = list(OPENING)
    for index in range(300):
        at = 0.1 * (index + 1)
        frames.append((at, frame(CLIENT, PUSH | ACK, 100 + index, 1000 + index, b"q")))
        frames.append((at + 0.05, frame(SERVER, PUSH | ACK, 1000 + index, 101 + index, b"a")))
    lines = drawn(written(tmp_path / "a", frames), marked=(1, 204, 603))
    assert len(lines) <= ladder.MAX_LINES
    assert [line.split()[-2] for line in lines if line.endswith("*")] == ["1", "204", "603"]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([(0.3, frame(CLIENT, PUSH | ACK, 100, 1000, ASKED))], "B again (retransmission)"),
        ([(9.0, frame(SERVER, ACK, 999 + len(ANSWERED), 100 + len(ASKED)))], "keepalive probe"),
        ([(0.3, frame(CLIENT, ACK, 100 + len(ASKED), 1000 + len(ANSWERED), window=0))], "ACK, window 0"),
        ([(0.3, frame(CLIENT, RST, 100 + len(ASKED)))], "RST"),
        ([(0.3, frame(SERVER, PUSH | ACK, 1000 + len(ANSWERED), 1, b"\x15\x03\x03\x00\x02\x02\x30"))], "unknown_ca"),
    ],
)
def test_what_is_not_ordinary_is_named(tmp_path: Path, extra: list[tuple[float, bytes]], said: str) -> None:
    lines = drawn(written(tmp_path / "a", [*conversation()[:6], *extra]))
    assert said in lines[5]


def test_a_syn_that_is_sent_again_is_drawn_with_the_wait(tmp_path: Path) -> None:
    frames = [(0.0, frame(CLIENT, SYN, 99)), (1.0, frame(CLIENT, SYN, 99)), (3.0, frame(CLIENT, SYN, 99))]
    assert [words(line) for line in drawn(written(tmp_path / "a", frames))] == [
        "0.000000 |- SYN >| 1",
        "... 1.000 s of silence ...",
        "1.000000 |- SYN again >| 2",
        "... 2.000 s of silence ...",
        "3.000000 |- SYN again >| 3",
    ]


def test_dials_in_a_silence_and_the_silence_at_the_end_are_told(tmp_path: Path) -> None:
    other = dpkt.ethernet.Ethernet(frame(CLIENT, SYN, 5))
    other.data.data.sport = 40001
    frames = [*conversation()[:6], (1.0, bytes(other)), (1.1, bytes(other))]
    assert drawn(written(tmp_path / "a", frames))[-1].strip() == (
        "... 1.089 s of silence to the capture's end; the client dials 1 other connection ..."
    )


def test_a_packet_that_was_captured_twice_is_drawn_once(tmp_path: Path) -> None:
    twice = [(at + step, data) for at, data in conversation() for step in (0.0, 0.00005)]
    lines = drawn(written(tmp_path / "a", twice))
    assert len(lines) == 7
    assert "again" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("linktype", "link"),
    [(113, struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800)), (101, b""), (0, struct.pack("<I", 2))],
    ids=["SLL", "raw IP", "NULL"],
)
def test_other_link_layers_give_the_same_ladder(tmp_path: Path, linktype: int, link: bytes) -> None:
    frames = [(at, link + data[14:]) for at, data in conversation()]
    same = drawn(written(tmp_path / "a", conversation()))
    assert drawn(written(tmp_path / "b", frames, linktype=linktype)) == same


def test_ipv6_gives_the_same_ladder(tmp_path: Path) -> None:
    client, server = ("2001:db8::1", CLIENT[1]), ("2001:db8::2", SERVER[1])
    frames = []
    for at, data in conversation():
        tcp = dpkt.ethernet.Ethernet(data).data.data
        ends = (client, server) if tcp.sport == CLIENT[1] else (server, client)
        source, target = (ip_address(ip).packed for ip, _ in ends)
        ip = dpkt.ip6.IP6(src=source, dst=target, nxt=6, plen=len(tcp), hlim=64, data=tcp)
        frames.append((at, bytes(dpkt.ethernet.Ethernet(type=0x86DD, data=ip))))
    lines = ladder.ladder(written(tmp_path / "a", frames), client, server, (1, 99)).splitlines()
    assert lines == drawn(written(tmp_path / "b", conversation()))
    assert "client [2001:db8::1]:40000" in ladder.header(client, server)


def test_cut_and_foreign_packets_are_passed_over(tmp_path: Path) -> None:
    arp = bytes(dpkt.ethernet.Ethernet(type=0x0806, data=b"\x00\x01"))
    frames = [(0.0, arp), (0.0, b"\x00" * 6), (0.0, OPENING[0][1][:40]), *conversation()]
    assert len(drawn(written(tmp_path / "a", frames))) == 7
    with pytest.raises(ValueError, match="no packet of"):
        drawn(written(tmp_path / "b", frames[:3]))
