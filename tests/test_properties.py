"""What must not change when the same story is told otherwise, and what no damage may make the tables claim.

The stories are all scenarios of the tracker, HTTP and TLS tests, and conversations made up at random.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import expectations
import pytest
import test_http1_damage
import test_http1_framing
import test_tls
import test_tracker_bytes
import test_tracker_closing
import test_tracker_opening
import wire
from expectations import Result, Row
from hypothesis import given, settings
from hypothesis import strategies as st
from notation import Script, Variant, capture, packets_of
from wire import SECOND, Packet

from pcapdiag.errors import CaptureError

MODULES: tuple[ModuleType, ...] = (
    test_tracker_opening,
    test_tracker_closing,
    test_tracker_bytes,
    test_http1_framing,
    test_http1_damage,
    test_tls,
)
SCRIPTS: list[Script] = [test.script for module in MODULES for test in vars(module).values() if hasattr(test, "script")]
FRAMES = ("first_frame", "last_frame", "close_frame")
STATES = ("client_state", "server_state")

bounded = settings(max_examples=60, derandomize=True, deadline=None, database=None)
scripts = st.sampled_from(SCRIPTS)
# Scripts whose packets are told apart by nothing but TTL, interface or IP id, or captured twice as told.
plain_scripts = st.sampled_from([s for s in SCRIPTS if " copy" not in s.text and "ip_id 0" not in s.text])
# Near the wrap, near half of the space, anywhere.
shifts = st.one_of(st.integers(2**32 - 6_500, 2**32), st.integers(2**31 - 6_500, 2**31), st.integers(0, 2**32 - 1))


@cache
def told(script: Script) -> Result:
    """What comes of a story as it stands."""
    return script.play()


def without(rows: list[Row], *names: str) -> list[Row]:
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


def test_there_are_stories_enough() -> None:
    assert len(SCRIPTS) > 130


@bounded
@given(scripts, shifts, shifts)
def test_isns_change_nothing_but_themselves(script: Script, client: int, server: int) -> None:
    other = script.play(Variant(isn_shift=(client, server)))
    assert without(other.connections, "client_isn", "server_isn") == without(
        told(script).connections, "client_isn", "server_isn"
    )
    assert other.exchanges == told(script).exchanges


@bounded
@given(scripts, st.integers(-400_000_000, 2_000_000_000), st.integers(0, SECOND - 1))
def test_another_day_changes_nothing_but_the_times(script: Script, seconds: int, rest: int) -> None:
    shift = seconds * SECOND + rest
    other = script.play(Variant(time_shift=shift))

    def back(row: Row) -> Row:
        return {k: v - shift if k.endswith("_at") and v else v for k, v in row.items()}

    assert [back(row) for row in other.connections] == told(script).connections
    assert [back(row) for row in other.exchanges] == told(script).exchanges


@bounded
@given(scripts)
def test_swapped_addresses_are_all_that_changes(script: Script) -> None:
    other = script.play(Variant(swap_addresses=True))
    swapped = {"10.0.0.1": "10.0.0.2", "10.0.0.2": "10.0.0.1"}
    for row in other.connections:
        for side in ("client_ip", "server_ip"):
            row[side] = swapped.get(row[side], row[side])
    if "ipv6 1" not in script.text:
        assert other.connections == told(script).connections
    assert other.exchanges == told(script).exchanges


@bounded
@given(
    plain_scripts,
    st.sampled_from([wire.ETHERNET, wire.NULL, wire.LOOP, wire.RAW, wire.SLL, wire.SLL2]),
    st.lists(st.sampled_from([0x8100, 0x88A8, 0x9100]), max_size=3),
    st.booleans(),
    st.sampled_from("<>"),
)
def test_the_link_layer_the_ip_version_and_the_file_change_nothing(
    script: Script, linktype: int, vlans: list[int], ipv6: bool, order: str
) -> None:
    tagged = tuple(vlans) if linktype in (wire.ETHERNET, wire.SLL, wire.SLL2) else ()
    other = script.play(Variant(linktype=linktype, vlans=tagged, ipv6=ipv6, order=order))
    assert without(other.connections, "client_ip", "server_ip") == without(
        told(script).connections, "client_ip", "server_ip"
    )
    assert other.exchanges == told(script).exchanges


@bounded
@given(plain_scripts)
def test_every_packet_captured_twice_is_counted_and_changes_nothing_else(script: Script) -> None:
    other = script.play(Variant(doubled=True))
    packets = told(script).counters.packets
    assert other.tables.duplicates == packets
    assert sum(row["duplicates"] for row in other.connections) == packets

    def once(row: Row) -> Row:
        return {k: (v + 1) // 2 if k.endswith("_frame") else v for k, v in row.items() if k != "duplicates"}

    assert [once(row) for row in other.connections] == without(told(script).connections, "duplicates")
    assert [once(row) for row in other.exchanges] == told(script).exchanges


@bounded
@given(scripts, st.lists(st.integers(1, 400), max_size=40))
def test_a_file_in_pieces_is_the_file(script: Script, pieces: list[int]) -> None:
    other = expectations.run(capture(script.packets()), pieces)
    assert other.connections == told(script).connections
    assert other.exchanges == told(script).exchanges


@bounded
@given(scripts)
def test_pcap_and_pcapng_of_the_same_packets_are_the_same(script: Script) -> None:
    packets = script.packets()
    interfaces = [wire.Interface() for _ in range(1 + max((p.interface for p in packets), default=0))]
    other = expectations.run(wire.pcapng(wire.Section(packets, interfaces, ">")))
    assert other.connections == told(script).connections
    assert other.exchanges == told(script).exchanges


@bounded
@given(plain_scripts, plain_scripts, st.integers(0, 100), st.sampled_from([10_000, 1_000_000, 100_000_000, SECOND]))
def test_connections_of_other_hosts_change_nothing(one: Script, two: Script, steps: int, step: int) -> None:
    later = steps * step
    queues = [one.packets(), two.packets(Variant(network=1, time_shift=later))]
    mixed: list[Packet] = []
    number: dict[int, int] = {}  # frame in the mixture -> frame in its own story
    taken = [0, 0]
    while any(queues):
        which = min((queue[0].at, n) for n, queue in enumerate(queues) if queue)[1]
        mixed.append(queues[which].pop(0))
        taken[which] += 1
        number[len(mixed)] = taken[which]
    together = expectations.run(capture(mixed))
    ends = [max(p.at for p in one.packets()), max(p.at for p in two.packets()) + later]
    # States age until the capture ends, and that is later for the story that ends first.
    aged = STATES if abs(ends[0] - ends[1]) >= SECOND else ()

    def alone(row: Row, shift: int) -> Row:
        return {
            k: number[v] if k.endswith("_frame") and v else v - shift if k.endswith("_at") and v else v
            for k, v in row.items()
            if k not in ("number", "connection", "client_ip", "server_ip", *aged)
        }

    for network, script in enumerate((one, two)):
        rows = [c for c in together.connections if c["client_ip"].split(".")[2:3] == [str(network)]]
        if "ipv6 1" in script.text:
            continue
        shift = network * later
        expected = told(script).connections
        assert [alone(row, shift) for row in rows] == without(expected, "number", "client_ip", "server_ip", *aged)
        for row, own in zip(rows, expected, strict=True):
            assert [alone(x, shift) for x in together.of(row["number"])] == without(
                told(script).of(own["number"]), "connection"
            )


# -- damage: never a crash, never a claim that the whole capture does not bear out


@bounded
@given(scripts, st.floats(0, 1))
def test_a_capture_cut_anywhere_claims_nothing_that_the_whole_denies(script: Script, part: float) -> None:
    data = capture(script.packets())
    cut = data[: max(28, int(len(data) * part))]
    try:
        shorter = expectations.run(cut)
    except CaptureError:
        return
    whole = told(script)
    assert len(shorter.connections) <= len(whole.connections)
    for row, full in zip(shorter.connections, whole.connections, strict=False):
        if row["closer"] != "none":
            assert (row["closer"], row["close_kind"]) == (full["closer"], full["close_kind"])
        if row["basis"] == "exact":
            assert row["requests"] <= full["requests"]


@settings(bounded, max_examples=150)
@given(scripts, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12), st.booleans())
def test_damaged_bytes_never_raise_anything_but_capture_errors(
    script: Script, damage: list[tuple[float, int]], ng: bool
) -> None:
    packets = script.packets()
    if ng:
        interfaces = [wire.Interface() for _ in range(1 + max((p.interface for p in packets), default=0))]
        data = bytearray(wire.pcapng(wire.Section(packets, interfaces)))
    else:
        data = bytearray(capture(packets))
    for part, value in damage:
        data[int((len(data) - 1) * part)] = value
    try:
        result = expectations.run(bytes(data))
    except CaptureError:
        return
    for row in result.connections:
        assert row["requests"] == len(result.of(row["number"]))
        assert row["responses"] <= row["requests"]


@bounded
@given(st.binary(max_size=600), st.sampled_from([wire.ETHERNET, wire.NULL, wire.RAW, wire.SLL, wire.SLL2]))
def test_no_bytes_in_a_packet_raise_anything(noise: bytes, linktype: int) -> None:
    frames = [noise, wire.link(b"\x45" + noise, linktype), wire.link(b"\x60" + noise, linktype)]
    result = expectations.run(wire.pcap([Packet(f, wire.START + n) for n, f in enumerate(frames)], linktype))
    assert result.counters.packets == 3
    assert result.tables.segments + sum(result.tables.undecoded.values()) == 3


@bounded
@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40)), max_size=12), st.booleans())
def test_no_payload_raises_anything(turns: list[tuple[bool, bytes]], http: bool) -> None:
    names = {f"p{n}": data for n, (_, data) in enumerate(turns)}
    start = ["> S", "< S.", "> .", *(["> P. GET /", "< P. 200 (3+4)"] if http else [])]
    lines = [f"{'>' if client else '<'} P. $p{n}" for n, (client, _) in enumerate(turns)]
    result = expectations.run(capture(packets_of("\n".join(start + lines), **names)))
    (row,) = result.connections
    assert row["requests"] == len(result.exchanges)


# -- random conversations, whose truth is known


@dataclass
class Conversation:
    """A script of exchanges: number i asks for /i and is answered with the status FINAL + i."""

    lines: list[str]
    methods: list[str]


FINAL = 210  # statuses from here on have bodies and no other meaning


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    lines = ["> S", "+0.001 < S.", "> ."]
    methods = []
    for number in range(draw(st.integers(1, 6))):
        method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT"]))
        methods.append(method)
        body = draw(st.sampled_from(["", "(0)", "(30)", "(2000)", "(5+3)", "(900+1)"])) if method[0] == "P" else ""
        answer = draw(st.sampled_from(["(0)", "(25)", "(3000)", "(7+20)", "(800+900)"]))
        if method == "HEAD":
            answer = draw(st.sampled_from(["(0/500)", "(0)", "[Transfer-Encoding: chunked]"]))
        for sender, text in ((">", f"{method} /{number} {body}"), ("<", f"{FINAL + number} {answer}")):
            step = draw(st.sampled_from(["", "+0.03 "]))
            lines.append(f"{step}{sender} P. {text}")
            if draw(st.booleans()) and sender == "<":
                lines.append(draw(st.sampled_from(["+0.03 > .", "> ."])))
    lines += draw(st.sampled_from([[], ["> F.", "< F.", "> ."], ["< F.", "> F.", "< ."], ["< R."]]))
    return Conversation(lines, methods)


def resegmented(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """Cut payloads into smaller segments, the way offload settings and paths do."""
    out = []
    for p in packets:
        ip = bytearray(p.data[14:34])
        head = bytearray(p.data[34:54])
        payload = p.data[54:]
        sizes = []
        left = len(payload)
        while left > 0:
            size = min(left, chance.choice([1, 7, 60, 536, 1460, 4000]))
            sizes.append(size)
            left -= size
        at = 0
        sequence = int.from_bytes(head[4:8])
        for part, size in enumerate(sizes or [0]):
            ip[2:4] = (40 + size).to_bytes(2)
            ip[4:6] = chance.randrange(1, 65_536).to_bytes(2)
            head[4:8] = ((sequence + at) & 0xFFFFFFFF).to_bytes(4)
            segment = bytes(ip) + bytes(head) + payload[at : at + size]
            out.append(Packet(p.data[:14] + segment, p.at + part * 1_000))
            at += size
    return out


@settings(bounded, max_examples=100)
@given(conversations(), st.randoms(use_true_random=False))
def test_a_conversation_is_counted_exactly_however_it_is_segmented(
    conversation: Conversation, chance: random.Random
) -> None:
    script = "\n".join(conversation.lines)
    packets = resegmented(packets_of(script), chance)
    result = expectations.run(capture(packets))
    (row,) = result.connections
    count = len(conversation.methods)
    assert (row["requests"], row["responses"], row["basis"]) == (count, count, "exact")
    found = [expectations.pair(x) for x in result.exchanges]
    assert found == [f"{method}/{FINAL + n}" for n, method in enumerate(conversation.methods)]
    for x in result.exchanges:
        names = expectations.flag_names(x["flags"])
        assert {"request_complete", "response_complete"} <= names
        assert "bound" not in names
    assert row["client_gap_bytes"] == row["server_gap_bytes"] == 0


@settings(bounded, max_examples=100)
@given(conversations(), st.randoms(use_true_random=False))
def test_retransmissions_of_any_segment_change_no_exchange(conversation: Conversation, chance: random.Random) -> None:
    packets = resegmented(packets_of("\n".join(conversation.lines)), chance)
    again = []
    for p in packets:
        again.append(p)
        if len(p.data) > 54 and chance.random() < 0.3:
            fresh = p.data[:18] + chance.randrange(1, 65_536).to_bytes(2) + p.data[20:]
            again.append(Packet(fresh, p.at + 500))
    once, twice = expectations.run(capture(packets)), expectations.run(capture(again))
    frames = ("request_first_frame", "request_last_frame", "response_first_frame", "response_last_frame")
    assert without(twice.exchanges, *frames) == without(once.exchanges, *frames)
    resent = twice.connections[0]["client_retransmitted"] + twice.connections[0]["server_retransmitted"]
    probes = twice.connections[0]["client_keepalive_probes"] + twice.connections[0]["server_keepalive_probes"]
    assert resent + probes + twice.tables.duplicates == len(again) - len(packets)


def claims_only_what_is_true(conversation: Conversation, packets: list[Packet], kept: list[bool]) -> None:
    """Hold the tables against the truth when only the ``kept`` packets were captured."""
    asked = {}  # frame of the whole capture -> exchange
    for frame, p in enumerate(packets, 1):
        words = p.data[54:].split(b" ", 2)
        if len(words) > 2 and words[1][:1] == b"/":
            asked[frame] = int(words[1][1:])
    original = [frame for frame, keep in enumerate(kept, 1) if keep]
    result = expectations.run(capture([packets[frame - 1] for frame in original]))
    (row,) = result.connections
    if row["basis"] == "exact":
        assert row["requests"] == len(conversation.methods)
    assert row["requests"] <= len(conversation.methods)
    for x in result.exchanges:
        names = expectations.flag_names(x["flags"])
        if {"request_seen", "response_seen"} <= names and "bound" not in names:
            assert x["status"] == FINAL + asked[original[x["request_first_frame"] - 1]]


# Of what came after the last packet nobody can know, so the last ACK stays.
LAST = "+0.1 > ."


@settings(bounded, max_examples=300)
@given(conversations(), st.randoms(use_true_random=False), st.floats(0.02, 0.4))
def test_packets_missing_from_the_capture_make_no_exact_count_wrong_and_no_pair_false(
    conversation: Conversation, chance: random.Random, rate: float
) -> None:
    packets = packets_of("\n".join([*conversation.lines, LAST]))
    kept = [place < 3 or place == len(packets) - 1 or chance.random() > rate for place in range(len(packets))]
    claims_only_what_is_true(conversation, packets, kept)


@pytest.mark.parametrize("first", ["GET /0", "HEAD /0"])
@pytest.mark.parametrize("pause", ["", "+0.03 > ."])
def test_no_choice_of_missing_packets_makes_an_exact_count_wrong_or_a_pair_false(first: str, pause: str) -> None:
    answer = "(0/500)" if first.startswith("HEAD") else "(0)"
    lines = ["> S", "< S.", "> .", f"> P. {first}", f"< P. 210 {answer}", "> P. GET /1", "< P. 211 (0)"]
    lines += [*([pause] if pause else []), "> P. GET /2", "< P. 212 (0)", "> P. POST /3 (20)", "< P. 213 (4+5)", LAST]
    packets = packets_of("\n".join(lines))
    between = len(packets) - 4
    for choice in itertools.product([True, False], repeat=between):
        kept = [True] * 3 + list(choice) + [True]
        claims_only_what_is_true(Conversation(lines, ["", "", "", ""]), packets, kept)
