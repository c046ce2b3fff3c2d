"""What charts are drawn from: the same numbers as the tables, however much is drawn."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from analyses import NAMES, path_of, pools_of
from tables import EPOCH, lives, ns, pools, tables

from pcapdiag import pipeline, report_figures
from pcapdiag.model.figures import Figures, Level, PoolFigure
from pcapdiag.model.report import Evidence, Finding, FrameRef, Report
from pcapdiag.model.words import Basis, Confidence, Severity
from pcapdiag.pools import timeline
from pcapdiag.pools.state_timeline import Side, steps_of
from pcapdiag.report_figures import figures, level
from pcapdiag.rules.rule import Desk

SECOND = 1_000_000_000


@cache
def report_of(name: str) -> Report:
    return pipeline.analyze([str(path_of(name))], pipeline.Options(with_connections=True, with_figures=True))


def drawn(text: str, end: float, cited: tuple[int, ...] = ()) -> Figures:
    """The figures of connections on a timeline."""
    connections, _ = tables(lives(text))
    findings = [citing(cited)] if cited else []
    return figures(pools(lives(text), end=end), connections, findings, Desk(), EPOCH, ns(end))


def citing(connections: tuple[int, ...]) -> Finding:
    evidence = tuple(Evidence(number, (FrameRef(1),), "") for number in connections)
    return Finding(
        "PD999", "n", Severity.LOW, Confidence.LOW, Basis.OBSERVED, ("p1",), "t", "c", {}, (), evidence, ""
    )  # fmt: skip


def only(text: str, end: float) -> PoolFigure:
    (figure,) = drawn(text, end).pools
    return figure


def highest(level: Level) -> int:
    return max(level.values, default=0)


def seconds(times: tuple[int, ...]) -> list[float]:
    return [round((at - EPOCH) / SECOND, 6) for at in times]


# -- against the tables of the report


@pytest.mark.parametrize("name", NAMES)
def test_levels_peak_where_the_tables_say(name: str) -> None:
    report = report_of(name)
    assert report.figures is not None
    rows = {row.id: row for row in report.pools}
    assert [one.pool for one in report.figures.pools] == [row.id for row in report.pools][: report_figures.MOST_POOLS]
    for one in report.figures.pools:
        row = rows[one.pool]
        assert (highest(one.open), highest(one.busy), highest(one.idle)) == (
            row.peak_connections,
            row.peak_busy,
            row.peak_idle,
        )
        assert len(one.first_byte_connections) == len(one.first_byte_ns)
        assert one.first_byte_count == (row.first_byte.count if row.first_byte else 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_says_of_its_connection_what_the_report_says(name: str) -> None:
    report = report_of(name)
    assert report.figures is not None
    rows = {row.number: row for row in report.connections if row.alias_of is None}
    assert sorted(bar.number for bar in report.figures.bars) == sorted(rows)
    for bar in report.figures.bars:
        row = rows[bar.number]
        assert (bar.pool, bar.opened_at, bar.closer, bar.close_class, bar.requests, bar.opening) == (
            row.pool, row.opened_at, row.closer, row.close_class, row.requests, row.opening,
        )  # fmt: skip
        assert (bar.first_frame, bar.last_frame) == (row.first_frame, row.last_frame)
        assert bar.client_port == row.client.port
        assert row.closed_at is None or bar.ended_at == max(row.closed_at, bar.opened_at)
        assert bar.opened_at <= bar.ready_at
        assert list(bar.busy) == sorted(bar.busy)
        assert len(bar.busy) % 2 == 0
        gaps = [begin - end for end, begin in pairwise(bar.busy[1:-1])][::2]
        assert all(gap >= report.figures.resolution_ns for gap in gaps)
    assert [(bar.opened_at, bar.number) for bar in report.figures.bars] == sorted(
        (bar.opened_at, bar.number) for bar in report.figures.bars
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_idle_and_what_is_open_at_the_end_is_so_in_the_figures(name: str) -> None:
    report = report_of(name)
    assert report.figures is not None
    for one, pool in zip(report.figures.pools, pools_of(name), strict=False):
        still = int((pool.usable & (pool.gone_at > pool.end)).sum())
        assert (one.open.values[-1] if one.open.values else 0) == still
        longest = max((silence.ns for silence in one.silences if silence.end == "open"), default=0)
        row = next(row for row in report.pools if row.id == one.pool)
        assert longest == max(row.idle_open_ns - 1, 0)


@pytest.mark.parametrize("name", NAMES[::5])
def test_sockets_by_state_are_those_of_pcapdiag_states(name: str) -> None:
    report = report_of(name)
    assert report.figures is not None
    connections = pipeline.read_tables([str(path_of(name))]).connections
    keep = np.flatnonzero(np.isin(connections.number, [bar.number for bar in report.figures.bars]))
    for one, side in zip(report.figures.states, (Side.CLIENT, Side.SERVER), strict=True):
        stays = steps_of(connections.take(keep), side, report.capture.first_at or 0).stays()
        assert one.end == side.word
        assert (one.moments[0], one.moments[-1]) == (report.capture.first_at, report.capture.last_at)
        total = np.sum([np.array(counts) for counts in one.counts.values()], axis=0)
        assert total.tolist() == stays.count(np.array(one.moments)).tolist()
        for state, those in stays.of(stays.begin <= one.moments[-1]).by_state():
            peak = those.peak()[0]
            assert one.peaks[state.word] == peak >= max(one.counts[state.word])
            assert len(one.moments) == report_figures.MOST_MOMENTS or peak == max(one.counts[state.word])


# -- by hand


def test_a_bar_is_dialled_busy_idle_and_closed() -> None:
    (bar,) = drawn("0.0 0.1-0.2 1.5-1.6 client 3.6", end=5).bars
    assert seconds((bar.opened_at, bar.ready_at, bar.ended_at)) == [0.0, 0.001, 3.6]
    assert seconds(bar.busy) == [0.1, 0.2, 1.5, 1.6]
    assert (bar.closer, bar.requests, bar.opening) == ("client", 2, "handshake")


def test_an_open_connection_and_a_request_without_an_answer_last_to_the_end() -> None:
    (bar,) = drawn("0.0 0.1-0.2 1.5-", end=5).bars
    assert (bar.closer, seconds((bar.ended_at,)), seconds(bar.busy)) == ("none", [5.0], [0.1, 0.2, 1.5, 5.0])


def test_a_dial_without_an_answer_ends_with_its_last_syn() -> None:
    (bar,) = drawn("0.0 opening=2 last_at=1700000003000000000", end=9).bars
    assert (bar.opening, seconds((bar.ended_at,)), bar.busy) == ("unanswered", [3.0], ())


def test_exchanges_nearer_than_a_column_of_the_screen_are_one_interval() -> None:
    one = drawn("0.0 1.0-1.001 1.002-1.003 2.0-2.1", end=40)  # 10 ms a column
    assert one.resolution_ns == 10_000_000
    assert seconds(one.bars[0].busy) == [1.0, 1.003, 2.0, 2.1]


def test_of_overlapping_exchanges_the_longest_counts() -> None:
    (bar,) = drawn("0.0 1.0-3.0 1.5-1.6 3.5-3.6", end=5).bars
    assert seconds(bar.busy) == [1.0, 3.0, 3.5, 3.6]


def test_levels_are_steps_of_open_busy_and_idle() -> None:
    figure = only("0.0 0.5-1.0 client 3.0\n0.2 0.5-2.0", end=5)
    assert list(zip(seconds(figure.open.at), figure.open.values, strict=True)) == [(0.0, 1), (0.2, 2), (3.0, 1)]
    assert list(zip(seconds(figure.busy.at), figure.busy.values, strict=True)) == [(0.5, 2), (1.0, 1), (2.0, 0)]
    assert figure.idle.values[-1] == 1


def test_each_silence_says_what_ended_it() -> None:
    figure = only("0.0 0.1-0.2 1.2-1.3 server 4.3\n0.5 0.6-0.7 client 1.7\n1.0 1.1-1.2\n2.0 2.1- client 3", end=5)
    told = sorted((one.end, one.connection, one.ns / SECOND) for one in figure.silences)
    assert told == [("client", 2, 1.0), ("open", 3, 3.8), ("request", 1, 1.0), ("server", 1, 3.0)]
    assert figure.silence_count == 4


def test_first_bytes_are_in_order_of_time() -> None:
    assert only("0.0 midstream 1.0-1.3 2.0-2.1 3.0-3.2", end=5).first_byte_ns == (300_000_000, 100_000_000, 200_000_000)


# -- too much for a screen


def test_a_level_with_too_many_steps_keeps_its_highest_and_lowest() -> None:
    start = np.arange(100_000, dtype=np.int64) * 1000 + EPOCH
    length = np.full(len(start), 2_500, dtype=np.int64)
    length[40_000:40_010] = 20_000
    at, values = timeline.steps(start, start + length)
    shown = level(start, start + length, int(at[-1]))
    assert len(shown.at) <= report_figures.MOST_STEPS
    assert highest(shown) == int(values.max())
    exact = dict(zip(at.tolist(), values.tolist(), strict=True))  # of one moment the last
    assert all(exact[moment] == value for moment, value in zip(shown.at, shown.values, strict=True))
    assert shown.values[-1] == 0


def test_a_level_that_rests_after_a_burst_rests_at_its_last_value() -> None:
    burst = np.arange(5_000, dtype=np.int64) + EPOCH
    rest = np.append(burst + 3, EPOCH + 10**12)
    shown = level(np.append(burst, EPOCH), rest, EPOCH + 2 * 10**12)
    before = [value for moment, value in zip(shown.at, shown.values, strict=True) if moment < EPOCH + 10**11]
    assert before[-1] == 1


def test_of_too_many_connections_a_sample_is_drawn_with_those_that_are_cited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_figures, "MOST_BARS", 10)
    text = "\n".join(f"{at} {at + 0.1}-{at + 0.2} client {at + 0.5}" for at in range(100))
    one = drawn(text, end=101, cited=(18, 19, 20))
    numbers = [bar.number for bar in one.bars]
    assert (len(numbers), one.bars_left_out) == (10, 90)
    assert {18, 19, 20} <= set(numbers)
    assert numbers[0] == 1
    assert numbers[-1] == 100
    assert all(seconds(bar.busy) == pytest.approx([bar.number - 0.9, bar.number - 0.8]) for bar in one.bars)


def test_busy_intervals_run_together_until_there_are_few_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_figures, "MOST_INTERVALS", 5)
    one = drawn("0.0 " + " ".join(f"{at}-{at}.4" for at in range(1, 30)), end=30)
    (bar,) = one.bars
    assert seconds(bar.busy) == [1.0, 29.4]  # all gaps are alike
    assert one.resolution_ns == 600_000_001


def test_the_longest_pauses_stay_when_intervals_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_figures, "MOST_INTERVALS", 3)
    one = drawn("0.0 1-1.1 1.5-2 4-5 5.2-5.3 8-8.1", end=30)
    assert seconds(one.bars[0].busy) == [1.0, 2.0, 4.0, 5.3, 8.0, 8.1]


def test_a_distribution_is_sampled_evenly_with_the_longest_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_figures, "MOST_VALUES", 20)
    uses = " ".join(f"{at * 2}-{at * 2 + 0.1 + at / 200}" for at in range(1, 100))
    figure = only(f"0.0 {uses}\n1.0 1.1-1.2 server 61.2", end=300)
    assert figure.silence_count == 100
    assert len(figure.silences) <= 22
    assert max(one.ns for one in figure.silences if one.end == "server") == 60 * SECOND
    assert (figure.first_byte_count, len(figure.first_byte_ns)) == (100, 20)


def test_only_the_largest_pools_and_those_of_findings_have_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_figures, "MOST_POOLS", 1)
    text = "0 0.1-0.2 agent=a\n0.1 0.2-0.3 agent=a\n0.3 0.4-0.5 agent=b\n0.5 0.6-0.7 agent=c"
    one = pools(lives(text), end=1)
    connections, _ = tables(lives(text))
    finding = Finding("PD999", "n", Severity.LOW, Confidence.LOW, Basis.OBSERVED, ("p3",), "", "", {}, (), (), "")
    made = figures(one, connections, [finding], Desk(), EPOCH, ns(1))
    assert [figure.pool for figure in made.pools] == ["p1", "p3"]
    assert len(made.bars) == 4


def test_frames_of_several_files_name_theirs() -> None:
    text = "0 client 1"
    connections, _ = tables(lives(text))
    made = figures(pools(lives(text), end=1), connections, [], Desk([(0, "a"), (1, "b")]), EPOCH, ns(1))
    assert (made.bars[0].first_frame, made.bars[0].last_frame) == (FrameRef(1, "a"), FrameRef(3, "b"))


def test_figures_are_made_only_when_asked_for() -> None:
    assert pipeline.analyze([str(path_of(NAMES[0]))]).figures is None
