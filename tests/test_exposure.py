"""What a pool went through, as comparisons of two captures need it."""

from __future__ import annotations

import numpy as np
import pytest
from tables import pool

from pcapdiag.model.report import FirstByte
from pcapdiag.model.words import TcpState
from pcapdiag.pools.exposure import first_byte, idle_open, idle_survived, oldest, peak_kept, time_wait_closes

MS = 1_000_000
S = 1000 * MS


def test_a_request_that_had_to_dial_waited_since_the_syn() -> None:
    # 10 ms to the answer, and 1 ms of handshake with 2 ms to the request ahead of it.
    assert first_byte(pool("0 0.003-0.013", end=5)) == FirstByte(1, 13 * MS, 13 * MS)


def test_a_dial_ahead_of_need_is_nobodys_wait() -> None:
    assert first_byte(pool("0 1.0-1.010", end=5)) == FirstByte(1, 10 * MS, 10 * MS)


def test_a_second_request_on_a_connection_does_not_wait_for_its_dial() -> None:
    assert first_byte(pool("0 0.001-0.011 0.020-0.025", end=5)) == FirstByte(2, 5 * MS, 11 * MS)


def test_of_a_connection_that_was_open_already_the_dial_is_not_known() -> None:
    assert first_byte(pool("0 midstream 0.003-0.013", end=5)) == FirstByte(1, 10 * MS, 10 * MS)


def test_without_an_answer_there_is_no_first_byte() -> None:
    assert first_byte(pool("0 0.001-", end=5)) is None
    assert first_byte(pool("0 client 3", end=5)) is None


def test_the_percentiles_are_waits_that_there_were() -> None:
    lines = "\n".join(f"{at} {at + 0.5}-{at + 0.5 + wait / 1000}" for at, wait in enumerate(range(1, 101)))
    seen = first_byte(pool(lines, end=200))
    assert seen is not None
    assert (seen.count, round(seen.median_ns / MS), round(seen.p95_ns / MS)) == (100, 50, 95)


@pytest.mark.parametrize(
    ("line", "closes"),
    [
        ("0 0.1-0.2 client 1", {"client": 1, "server": 0}),
        ("0 0.1-0.2 server 1", {"client": 0, "server": 1}),
        ("0 0.1-0.2 client 1 rst", {"client": 0, "server": 0}),
        ("0 0.1-0.2 client 1 answer never", {"client": 0, "server": 0}),
        ("0 0.1-0.2", {"client": 0, "server": 0}),
    ],
)
def test_an_orderly_close_leaves_its_side_in_time_wait(line: str, closes: dict[str, int]) -> None:
    assert time_wait_closes(pool(line, end=5)) == closes


def test_a_time_wait_that_is_over_was_one() -> None:
    p = pool("0 0.1-0.2 client 1\n0 0.1-0.2 client 1 rst", end=90)
    p.connections.columns["client_state"] = np.full(2, TcpState.CLOSED, dtype=np.int64)
    assert time_wait_closes(p) == {"client": 1, "server": 0}


def test_a_silence_is_survived_when_the_request_after_it_is_answered() -> None:
    assert idle_survived(pool("0 0.1-0.2 3.2-3.3 4-4.1", end=9)) == 3 * S
    assert idle_survived(pool("0 0.1-0.2 1.2-1.3 9.3-", end=20)) == 1 * S
    assert idle_survived(pool("0 0.1-0.2\n5 5.1-5.2", end=9)) == 0  # of two connections


def test_a_silence_that_the_capture_ended_was_not_closed() -> None:
    assert idle_open(pool("0 0.1-0.2\n0 0.1-0.2 client 4", end=5.2)) == pytest.approx(5 * S, abs=10)
    assert idle_open(pool("0 0.1-0.2 client 4", end=5)) == 0


def test_idle_connections_are_kept_when_they_stay() -> None:
    stay = "\n".join(["0 0.1-0.2 2-2.1"] * 3)
    assert peak_kept(pool(stay, end=5)) == 3
    thrown = "\n".join(["0 0.1-0.2 client 0.21"] * 3)
    assert peak_kept(pool(thrown, end=5)) == 0
    at_once = "\n".join(["0 0.1-0.2 0.21-0.3 client 0.31"] * 3)  # taken again before a full pool had thrown them away
    assert peak_kept(pool(at_once, end=5)) == 0


def test_a_life_lasts_to_the_close_or_to_the_captures_end() -> None:
    assert oldest(pool("0 0.1-0.2 client 2\n1 1.1-1.2", end=9)) == pytest.approx(8 * S, abs=10)
    assert oldest(pool("0 0.1-0.2 client 2", end=9)) == 2 * S
