"""What a pool's columns say: why connections closed, when they were idle, which dials passed over an idle one."""

from __future__ import annotations

import numpy as np
import pytest
from tables import Life, pool

from pcapdiag.model.flags import BOUND
from pcapdiag.model.words import CloseClass, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.pool import Fate
from pcapdiag.pools.ranks import quantile

CLOSES = [
    ("0 0.01-0.02", CloseClass.OPEN),
    ("0 client 5", CloseClass.UNUSED),
    ("0 0.01-0.02 client 0.03", CloseClass.IMMEDIATE),
    ("0 0.01-0.02 server 0.03", CloseClass.IMMEDIATE),
    ("0 0.01-0.02 client 0.069", CloseClass.IMMEDIATE),
    ("0 0.01-0.02 client 0.071", CloseClass.SILENT),
    ("0 0.01-0.02 server 3.02", CloseClass.SILENT),
    ("0 0.01-0.02? server 0.03", CloseClass.SIGNALLED),
    ("0 0.01-0.02! client 0.03", CloseClass.SIGNALLED),
    ("0 0.01-0.02! server 4", CloseClass.SIGNALLED),
    ("0 0.01-0.02? 1-1.1 server 1.11", CloseClass.IMMEDIATE),  # a later exchange took the request back
    ("0 0.01- client 1.01", CloseClass.OPEN_REQUEST),
    ("0 0.01-0.02 1.0- server 1.01 rst", CloseClass.OPEN_REQUEST),
    ("0 midstream server 2", CloseClass.UNUSED),
]


@pytest.mark.parametrize(("line", "expected"), CLOSES, ids=[line for line, _ in CLOSES])
def test_every_close_is_classified_before_anything_is_inferred(line: str, expected: CloseClass) -> None:
    assert CloseClass(int(pool(line, end=10).close_class[0])) is expected


def test_who_said_goodbye_closed_whoever_left_established_first() -> None:
    lines = "0 0.01-0.02 server 0.03"
    plain, said = pool(lines, end=10), pool(lines, end=10)
    said.connections.columns["goodbye"] = said.connections.goodbye * 0 + int(Side.CLIENT)
    assert (plain.closer[0], said.closer[0]) == (Side.SERVER, Side.CLIENT)


def test_on_a_long_path_four_round_trips_count_as_at_once() -> None:
    line = "0 0.2-0.4 client 1.1"
    assert pool(line, end=10, rtt=0.2).close_class[0] == CloseClass.IMMEDIATE
    assert pool(line, end=10, rtt=0.1).close_class[0] == CloseClass.SILENT


def test_a_response_that_went_on_after_the_clients_close_was_cut_short_where_its_length_was_not_captured() -> None:
    lines = "0 0.1-0.3 client 0.6"
    whole = pool(lines, end=5)
    late = pool(lines, end=5)
    for one in (whole, late):
        one.connections.columns["server_last_data_at"] = one.connections.close_at + 1_000_000
    late.exchanges.columns["flags"] = late.exchanges.flags | BOUND
    assert late.close_class[0] == CloseClass.OPEN_REQUEST
    assert whole.close_class[0] == CloseClass.SILENT


def test_who_closed_is_the_initiator_and_the_wire_order_where_fins_cross() -> None:
    initiated = pool(f"0 0.1-0.2 server 0.3 initiator={int(Side.CLIENT)}", end=1)
    crossed = pool(f"0 0.1-0.2 server 0.3 initiator={int(Side.UNDECIDABLE)}", end=1)
    assert initiated.closer[0] == Side.CLIENT
    assert crossed.closer[0] == Side.SERVER


def test_silence_ahead_of_a_close_counts_from_the_last_byte_or_from_the_handshake() -> None:
    p = pool("0 0.1-0.2 client 2.2\n0.5 client 1.501", end=5)
    assert p.linger.tolist() == [2_000_000_000, 1_000_000_000]
    assert p.age.tolist() == [2_200_000_000, 1_001_000_000]


def test_idle_intervals_end_in_reuse_in_a_close_or_with_the_capture() -> None:
    p = pool("0 0.1-0.2 1.2-1.3 client 3.3\n0 0.1-0.2", end=5, rtt=0.1)
    idle = p.idle
    spans = [
        (int(who), round((end - start) / 1e9, 2), Fate(int(fate)).name, bool(fresh))
        for who, start, end, fate, fresh in zip(
            idle.connection, idle.start, idle.end, idle.fate, idle.fresh, strict=True
        )
    ]
    assert spans == [
        (0, 1.0, "REUSED", False),
        (0, 2.0, "CLOSED", False),
        (1, 4.8, "CAPTURE_END", False),
    ]


def test_a_request_without_an_answer_keeps_its_connection_busy_to_the_end() -> None:
    p = pool("0 0.1-\n0 0.1-0.2", end=5)
    assert p.peak_busy == 2
    assert p.idle.connection.tolist() == [0, 1, 1]
    assert p.idle.fresh.tolist() == [True, True, False]


def test_concurrency_counts_requests_connections_and_idle_ones() -> None:
    p = pool("0 0.1-0.5\n0 0.2-0.6\n0.3 0.31-0.4 client 0.41\n0.7 0.71-0.8", end=5)
    assert (p.peak_open, p.peak_busy, p.peak_idle) == (3, 3, 3)


def test_intervals_that_touch_are_not_open_at_once() -> None:
    at = np.array([0, 10], dtype=np.int64), np.array([10, 20], dtype=np.int64)
    assert timeline.peak(*at) == 1
    assert timeline.level(np.array([9, 10, 20]), *at).tolist() == [1, 1, 0]
    assert timeline.peak(at[0][:0], at[1][:0]) == 0


def test_steps_and_peak_are_what_counting_event_by_event_gives() -> None:
    dice = np.random.default_rng(1)
    for _ in range(500):
        start = dice.integers(0, 12, dice.integers(0, 9))
        end = start + dice.integers(0, 6, len(start))
        # Ends ahead of beginnings at the same moment; an interval without length ends before it begins.
        events = sorted([(int(at), -1) for at in end] + [(int(at), 1) for at in start])
        levels = np.cumsum([change for _, change in events], dtype=np.int64)
        at, heights = timeline.steps(start, end)
        assert at.tolist() == [moment for moment, _ in events]
        assert heights.tolist() == levels.tolist()
        assert timeline.peak(start, end) == max(levels.tolist(), default=0)


# -- missed reuse


def test_a_dial_past_an_idle_connection_that_nobody_uses_again_is_missed_reuse() -> None:
    p = pool("0 0.01-0.02\n1 1.01-1.02\n2 2.01-2.02", end=5)
    assert p.missed.tolist() == [False, True, True]
    assert p.missed_rate == 1.0
    assert not p.passed_over.any()


def test_an_idle_connection_that_is_used_again_later_belongs_to_somebody_else() -> None:
    p = pool("0 0.01-0.02 3-3.1\n1 1.01-1.02 3-3.1", end=3.1)
    assert p.missed.tolist() == [False, False]
    assert p.passed_over.tolist() == [False, True]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.01-0.985", "it had been idle for less than half the guard"),
        ("0 0.01-0.5 client 1.019", "it was closed within the guard"),
        ("0 0.01-0.5 1.015-1.5", "its own next request was on its way"),
    ],
)
def test_the_guard_spares_dials_that_could_not_have_known(line: str, why: str) -> None:
    p = pool(f"{line}\n{0.99 if 'half' in why else 1.0} 1.1-1.5", end=1.5)
    assert not p.missed.any(), why
    assert not p.passed_over.any(), why


def test_the_guard_grows_with_the_path() -> None:
    lines = "0 0.1-0.5 client 1.2\n1 1.4-1.5 client 1.6"
    assert pool(lines, end=5, rtt=0.01).missed.tolist() == [False, True]
    assert pool(lines, end=5, rtt=0.1).missed.tolist() == [False, False]


def test_dials_in_an_overflow_burst_are_no_missed_reuse() -> None:
    lives = []
    for burst in range(20):
        at = burst * 0.1
        lives += [
            Life(at + 0.001 * n, [(at + 0.003 + 0.001 * n, at + 0.02 + 0.001 * n)], at + 0.022 + 0.001 * n)
            for n in range(6)
        ]
    p = pool(lives, end=5)
    assert p.missed_rate == 0.0


def test_the_first_dial_is_left_out_of_the_rate_and_one_dial_has_none() -> None:
    assert pool("0 0.01-0.02", end=5).missed_rate is None
    assert pool("0 0.01-0.02\n1 1.01-1.02", end=5).missed_rate == 1.0


def test_connections_seen_from_the_middle_are_idle_but_were_not_dialled() -> None:
    p = pool("0 0.5-0.6 midstream\n1 1.01-1.02", end=5)
    assert p.dialled.tolist() == [False, True]
    assert p.missed.tolist() == [False, True]
    assert p.single == 1.0
    assert int(p.whole.sum()) == 1


def test_rates_count_the_time_in_which_something_was_wanted() -> None:
    p = pool("\n".join(f"{n} {n}.1-{n}.2" for n in range(5)), end=500)
    assert p.opens_per_second == pytest.approx(4 / 4.1)
    assert p.requests_per_second == pytest.approx(4 / 4.1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_quantile_is_numpys_to_the_last_digit(share: float) -> None:
    random = np.random.default_rng(1)
    for size in (1, 2, 3, 11, 20, 57):
        values = random.integers(0, 10**12, size)
        assert quantile(values, share) == float(np.quantile(values, share))
