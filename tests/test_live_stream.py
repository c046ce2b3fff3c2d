"""A running capture through the packet path: pieces of any size, looks on the way, and what is forgotten."""

from __future__ import annotations

import select
import struct
from pathlib import Path

import pytest
from analyses import NAMES, path_of
from notation import capture, packets_of

from pcapdiag import pipeline
from pcapdiag.live import history
from pcapdiag.live.history import History, Limits
from pcapdiag.live.looking import Look, Sight
from pcapdiag.live.stream import Stream
from pcapdiag.model.report import Report
from pcapdiag.model.words import Severity
from pcapdiag.pipeline import Options
from pcapdiag.reports import json

SECOND = 1_000_000_000
SOME = NAMES[::12]
# A connection each second, each with a request of its own and closed; one that is used all the time.
WORN = "\n".join(
    ["> S", "< S.", "> ."]
    + [
        f"{'connection b' + str(n) + ' port ' + str(40_001 + n)}\n@{n}.2 >b{n} S\n<b{n} S.\n>b{n} .\n>b{n} P. GET /\n"
        f"<b{n} P. 200 (9)\n>b{n} F.\n<b{n} F.\n>b{n} .\n@{n}.8 >a P. GET /\n<a P. 200 (5)"
        for n in range(40)
    ]
)


def fed(data: bytes, stream: Stream, step: int = 1_500) -> Stream:
    for at in range(0, len(data), step):
        stream.take(data[at : at + step])
        stream.keep()
    return stream


def judged(stream: Stream, name: str = "lo") -> Report:
    return pipeline.judged([name], stream.finish([(0, name)], None), Options(with_connections=True))


def seen(look: Look) -> Sight:
    while True:
        select.select([look], [], [], 10)
        sight = look.read()
        if sight is not None:
            return sight


@pytest.mark.parametrize("name", SOME)
def test_pieces_of_a_live_capture_come_to_the_report_of_the_file(name: str) -> None:
    path = path_of(name)
    data = path.read_bytes()
    stream = Stream("lo", Limits())
    kept = b"".join(stream.take(data[at : at + 997]) for at in range(0, len(data), 997))
    assert kept == data
    report = pipeline.judged([str(path)], stream.finish([(0, str(path))], None), Options())
    assert json.diagnosis(report) == json.diagnosis(pipeline.analyze([str(path)]))


@pytest.mark.parametrize("name", SOME[::3])
def test_a_look_on_the_way_sees_what_a_file_cut_there_would_show_and_changes_nothing(name: str, tmp_path: Path) -> None:
    data = path_of(name).read_bytes()
    stream = Stream("lo", Limits())
    half = stream.take(data[: len(data) // 2])
    look = Look(stream, [], None, stream.last_at, 10 * SECOND)
    stream.take(data[len(half) :][len(data) // 2 - len(half) :])
    cut = tmp_path / "lo"
    cut.write_bytes(half)
    sight = seen(look)
    assert sight.report is not None
    expected = pipeline.analyze([str(cut)])
    assert sight.report.findings == expected.findings
    assert sight.report.pools == expected.pools
    whole = pipeline.judged([str(path_of(name))], stream.finish([(0, str(path_of(name)))], None), Options())
    assert json.diagnosis(whole) == json.diagnosis(pipeline.analyze([str(path_of(name))]))


def test_only_whole_records_are_given_back_for_keeping() -> None:
    data = capture(packets_of("> S\n< S.\n> .\n> P. GET /\n< P. 200 (500)"))
    stream = Stream("lo", Limits())
    kept = b""
    for at in range(len(data)):
        kept += stream.take(data[at : at + 1])
        assert data.startswith(kept)
        whole = kept[24:]
        while whole:  # it ends where a record ends
            captured = struct.unpack_from("<I", whole, 8)[0]
            assert len(whole) >= 16 + captured
            whole = whole[16 + captured :]
    assert kept == data


def test_a_look_before_the_first_connection_sees_none() -> None:
    stream = Stream("lo", Limits())
    stream.take(capture([]))
    assert seen(Look(stream, [], None, 0, SECOND)).report is None


def test_a_look_tells_states_rates_and_sockets_of_the_moment() -> None:
    stream = fed(capture(packets_of(WORN)), Stream("lo", Limits()))
    sight = seen(Look(stream, [], None, stream.last_at, 10 * SECOND))
    assert sight.states == {
        "client": {"ESTABLISHED": 1, "TIME_WAIT": 40},
        "server": {"ESTABLISHED": 1},
    }
    assert sight.report is not None
    rates = {pool.pool: pool for pool in sight.pools}
    assert sum(pool.opens_per_second for pool in rates.values()) == pytest.approx(1.0, abs=0.11)
    assert sum(pool.closes_per_second for pool in rates.values()) == pytest.approx(1.0, abs=0.11)
    assert sum(pool.requests_per_second for pool in rates.values()) == pytest.approx(2.0, abs=0.21)
    assert sum(pool.open for pool in rates.values()) == 1
    assert {port for clients, _ in sight.sockets.values() for _, port in clients} == {40_000}


def test_what_is_beyond_the_span_is_forgotten_and_the_numbers_stay() -> None:
    data = capture(packets_of(WORN))
    whole = {row.number: row for row in judged(fed(data, Stream("lo", Limits()))).connections}
    stream = fed(data, Stream("lo", Limits(span_ns=10 * SECOND)))
    rows = judged(stream).connections
    assert 10 <= len(rows) <= 14  # the span, a quarter of slack, and the one that lives
    assert stream.history.forgotten == len(whole) - len(rows)
    for row in rows:
        assert (row.client, row.closed_at, row.first_frame) == (
            whole[row.number].client,
            whole[row.number].closed_at,
            whole[row.number].first_frame,
        )
    lives = next(row for row in rows if row.closer == "none")
    assert lives.opening == "midstream"
    assert lives.requests == len(rows) - 1  # one for each of the others


def test_the_limits_on_ended_connections_and_on_exchanges_hold() -> None:
    data = capture(packets_of(WORN))
    for limits, most in ((Limits(ended=8), 12), (Limits(exchanges=16), 13)):
        stream = fed(data, Stream("lo", limits))
        assert len(stream.tracker.flows) // 2 <= 4
        assert len(judged(stream).connections) <= most


def test_of_too_many_open_connections_the_longest_silent_are_taken_for_ended() -> None:
    lines = [f"connection b{n} port {41_000 + n}\n>b{n} S\n<b{n} S.\n>b{n} ." for n in range(40)]
    stream = fed(capture(packets_of("> S\n< S.\n> .\n" + "\n".join(lines))), Stream("lo", Limits(open=20)), 200)
    assert len(stream.tracker.flows) // 2 <= 20
    newest = judged(stream).connections[-1]
    assert newest.client.port == 41_039


@pytest.mark.parametrize("name", NAMES[::4])
def test_forgetting_leaves_what_a_capture_from_then_on_would_show(name: str, tmp_path: Path) -> None:
    data = path_of(name).read_bytes()
    whole = pipeline.analyze([str(path_of(name))], Options(with_connections=True))
    start, end = whole.capture.first_at or 0, whole.capture.last_at or 0
    horizon = start + (end - start) // 2
    stream = Stream("lo", Limits())
    for at in range(0, len(data), len(data) // 40 + 1):
        stream.take(data[at : at + len(data) // 40 + 1])
        if stream.last_at > horizon:
            stream.history.forget(stream.tracker, horizon)
    tables = stream.finish([(0, "lo")], None)
    rows = (
        {}
        if not len(tables.connections)
        else {row.number: row for row in pipeline.judged(["lo"], tables, Options(with_connections=True)).connections}
    )
    for row in whole.connections:
        kept = rows.get(row.number)
        if row.last_at < horizon and row.closer != "none" and row.last_at + SECOND < end:
            assert kept is None or kept.closer == "none" or kept.last_at < horizon
        elif row.opened_at > horizon:  # all of it was captured since: nothing of it may have changed
            assert kept is not None
            assert kept.requests == row.requests
            assert kept.opening == row.opening
            assert (kept.closer, kept.close_class, kept.client_state) == (row.closer, row.close_class, row.client_state)
            assert (kept.host, kept.user_agent, kept.history) == (row.host, row.user_agent, row.history)
        elif kept is not None:
            assert kept.requests <= row.requests
            assert kept.opening == "midstream"


def test_frames_beyond_what_the_packet_path_can_count_are_told_by_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "FRAMES", 256)
    data = capture(packets_of(WORN))
    expected = judged(fed(data, Stream("lo", Limits(span_ns=10 * SECOND))), "lo")
    monkeypatch.setattr(History, "rewind", rewind_at_256)
    stream = fed(data, Stream("lo", Limits(span_ns=10 * SECOND)))
    assert stream.history.wraps == 1
    report = judged(stream)
    assert report.capture.packets == expected.capture.packets
    assert [row.last_frame for row in report.connections] == [row.last_frame for row in expected.connections]


def rewind_at_256(self: History, frames: int) -> int:
    """As the real one, but once: the stream of this test has some 440 frames, and looks back on more than 256 of them."""
    if frames < 256 or self.wraps:
        return frames
    self.wraps += 1
    return frames - 256


def test_no_finding_comes_of_forgetting() -> None:
    report = judged(fed(path_of("go-nginx-healthy").read_bytes(), Stream("lo", Limits(ended=1, exchanges=4))))
    assert [one.code for one in report.findings if one.severity is not Severity.INFO] == []


def test_a_clock_that_was_years_ahead_for_a_moment_leaves_no_trace_once_all_before_it_is_forgotten() -> None:
    right = capture(packets_of(WORN))
    ahead = bytearray(capture(packets_of("> S\n< S.\n> .\n> P. GET /\n< P. 200 (9)"))[24:])
    at, moved = 0, 0
    while at < len(ahead):
        seconds, _, captured = struct.unpack_from("<III", ahead, at)
        struct.pack_into("<I", ahead, at, seconds + 10**9)
        at, moved = at + 16 + captured, moved + 1
    middle = 24
    for _ in range(60):
        middle += 16 + struct.unpack_from("<I", right, middle + 8)[0]
    stream = fed(right[:middle] + bytes(ahead) + right[middle:], Stream("lo", Limits()), 400)
    report = judged(stream)
    whole = judged(fed(right, Stream("lo", Limits())))
    assert report.capture.packets == whole.capture.packets + moved
    assert max(report.capture.first_at or 0, report.capture.last_at or 0) == whole.capture.last_at
    later = [row for row in report.connections if row.opening == "handshake"]
    assert len(later) >= 30
    assert len({row.number for row in report.connections}) == len(report.connections)


def test_drops_of_this_hour_count_for_it_and_not_for_the_week() -> None:
    data = capture(packets_of(WORN))
    stream = Stream("lo", Limits(span_ns=4 * SECOND))
    for at in range(0, len(data), 500):
        stream.take(data[at : at + 500])
        stream.keep()
        stream.history.note(stream.last_at, stream.packets, 0)
    packets = stream.packets
    assert len(stream.history.marks) < history.MARKS
    counters = stream.finish([], 100).counters
    assert counters.dropped == 100
    assert 0 < packets - counters.forgotten_packets < packets // 3
    assert counters.dropped_share == pytest.approx(100 / (packets - counters.forgotten_packets + 100))
    assert counters.dropped_share > 2 * 100 / (packets + 100)
