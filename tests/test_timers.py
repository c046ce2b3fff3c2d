"""Idle timers and lifetimes, read from the silence ahead of closes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import Life, pool

from pcapdiag.model.words import Protocol, Side
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.timers import Timer, client_leg, idle_timer, moments, reopened_after

SECOND = 1_000_000_000


def spells(silences: list[float], by: str = "client", uses: int = 1, every: float | None = None) -> list[Life]:
    """One connection after another, each closed after its silence; the next dialled a second after the close."""
    lives, at = [], 0.0
    for silence in silences:
        exchanges = [(at + 0.002 + 0.1 * n, at + 0.01 + 0.1 * n) for n in range(uses)]
        closed = exchanges[-1][1] + silence
        lives.append(Life(at, exchanges, closed, by))
        at = closed + 1.0 if every is None else at + every
    return lives


def timer_of(lives: list[Life], owner: Side = Side.CLIENT, rtt: float = 0.001) -> Timer | None:
    return idle_timer(pool(lives, end=lives[-1].opened + 1000, rtt=rtt), owner)


def test_an_eager_timer_is_a_tight_bracket_around_the_silences() -> None:
    timer = timer_of(spells([2.001, 2.003, 2.000, 2.002]))
    assert timer is not None
    assert not timer.lifetime
    assert not timer.lazy
    assert not timer.sweeping
    assert timer.low is not None
    assert timer.low < 2 * SECOND <= timer.high
    assert timer.high - timer.low <= 0.05 * 2 * SECOND
    assert timer.value is not None
    assert abs(timer.value - 2 * SECOND) < 0.005 * SECOND
    assert timer.count == 4
    assert timer.episodes == 4


def test_the_timer_belongs_to_the_side_that_closed() -> None:
    lives = spells([3.0, 3.001, 3.002], by="server")
    assert timer_of(lives, Side.CLIENT) is None
    timer = timer_of(lives, Side.SERVER)
    assert timer is not None
    assert timer.owner is Side.SERVER


@pytest.mark.parametrize(
    ("silences", "why"),
    [
        ([2.0, 2.0], "two closes are an accident"),
        ([1.0, 2.0, 4.0, 8.0, 16.0], "silences that agree on nothing"),
        ([0.1, 0.101, 0.1, 0.102], "closes within a quarter of a second are a busy program's"),
        ([0.02, 0.02, 0.02, 0.02], "closes at once have other reasons"),
    ],
)
def test_there_is_no_timer_where(silences: list[float], why: str) -> None:
    assert timer_of(spells(silences)) is None, why


def test_a_process_that_exits_closes_everything_at_one_moment_and_has_no_timer() -> None:
    lives = [Life(n * 0.001, [(n * 0.001 + 0.01, n * 0.001 + 0.02)], 9.0 + n * 0.002) for n in range(20)]
    assert timer_of(lives) is None


def test_a_connection_that_survived_longer_silences_refutes_the_timer() -> None:
    refuting = [Life(50.0 + n, [(50.1 + n, 50.2 + n), (60.0 + n, 60.1 + n)]) for n in range(3)]
    assert timer_of(spells([2.0] * 5)) is not None
    assert timer_of(spells([2.0] * 5) + refuting) is None


def test_closes_with_a_signal_or_an_open_request_are_no_idle_closes() -> None:
    signalled = spells([2.0, 2.0, 2.0])
    for one in signalled:
        one.uses = [*one.all_uses()]
        one.uses[-1].response_close = True
    waiting = [Life(n * 5.0, [], n * 5.0 + 2.0, columns={"requests": 1, "open_request": 1}) for n in range(4)]
    assert timer_of(signalled) is None
    assert timer_of(waiting) is None


def test_a_lazy_client_closes_on_its_way_to_the_next_dial_and_shows_an_upper_bound() -> None:
    lives = [Life(6.0 * n, [(6.0 * n + 0.002, 6.0 * n + 0.01)], 6.0 * (n + 1) - 0.001) for n in range(6)]
    timer = timer_of(lives)
    assert timer is not None
    assert timer.lazy
    assert timer.value is None
    assert timer.low is None, "no shorter silence was tested"
    assert timer.high == pytest.approx(5.989 * SECOND)


def test_a_lazy_clients_lower_end_is_the_longest_silence_that_it_survived() -> None:
    lives = [
        Life(9.0 * n, [(9.0 * n + 0.002, 9.0 * n + 0.01), (9.0 * n + 3.0, 9.0 * n + 3.01)], 9.0 * (n + 1) - 0.001)
        for n in range(6)
    ]
    timer = timer_of(lives)
    assert timer is not None
    assert timer.lazy
    assert timer.low == pytest.approx(2.99 * SECOND, rel=0.001)
    assert timer.high == pytest.approx(5.989 * SECOND)


def test_a_program_that_replaces_its_client_has_no_lazy_timer() -> None:
    lives = [Life(0.12 * n, [(0.12 * n + 0.002, 0.12 * n + 0.01)], 0.12 * (n + 1) - 0.0005) for n in range(40)]
    assert timer_of(lives) is None


def test_a_sweeping_client_closes_within_a_period_after_its_timeout() -> None:
    timer = timer_of(spells([2.1, 2.9, 3.6, 2.4, 3.9, 3.1]))
    assert timer is not None
    assert timer.sweeping
    assert timer.value is None
    assert timer.high == pytest.approx(3.9 * SECOND)


def test_ages_that_agree_better_than_silences_are_a_lifetime() -> None:
    lives = []
    for n in range(8):
        at = 6.0 * n
        last = at + 3.7 + 0.012 * (n % 4)
        lives.append(
            Life(at, [(at + 0.01 + 0.5 * k, at + 0.02 + 0.5 * k) for k in range(7)] + [(last, last + 0.01)], at + 5)
        )
    timer = timer_of(lives)
    assert timer is not None
    assert timer.lifetime
    assert timer.value == pytest.approx(5 * SECOND, rel=0.001)


# -- the bracket holds the truth


def jittered(truth: float, delays: list[float], at_client: bool, rtt: float, think: float, owner: str) -> list[Life]:
    """Bursts of two requests, then silence until the owner's timer fires, late by a scheduler's delay."""
    trip = rtt / 2
    lives, start = [], 0.0
    for delay in delays:
        # In the client's clock; an event at the server is seen there half a round trip away.
        answer = rtt + think
        requests = [start + rtt, start + rtt + answer + 0.0005]
        if at_client:
            uses = [(at, at + answer) for at in requests]
        else:
            uses = [(at + trip, at + trip + think) for at in requests]
        if owner == "client":
            fires = requests[-1] + answer + truth + delay
            closed = fires if at_client else fires + trip
        else:
            fires = requests[-1] + trip + think + truth + delay
            closed = fires + trip if at_client else fires
        lives.append(Life(start if at_client else start + trip, uses, closed, owner))
        start = fires + rtt + 1.37
    return lives


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    truth=st.floats(1.0, 120.0),
    delays=st.lists(st.floats(0.0, 0.020), min_size=3, max_size=12),
    at_client=st.booleans(),
    rtt=st.floats(0.0, 0.050),
    think=st.floats(0.0, 0.003),
    owner=st.sampled_from(["client", "server"]),
)
def test_the_bracket_holds_the_truth_under_a_loaded_scheduler_at_either_end_of_the_path(
    truth: float, delays: list[float], at_client: bool, rtt: float, think: float, owner: str
) -> None:
    lives = jittered(truth, delays, at_client, rtt, think, owner)
    p = pool(lives, end=lives[-1].opened + 1000, rtt=rtt)
    timer = idle_timer(p, Side.CLIENT if owner == "client" else Side.SERVER)
    assert timer is not None
    assert timer.low is not None
    assert timer.low < truth * SECOND <= timer.high
    assert timer.high - timer.low <= 0.05 * truth * SECOND


def test_without_anything_to_place_the_capture_the_bracket_is_wider_and_still_holds() -> None:
    # One request for each connection, and a server that takes its time: the capture may be at either end of 200 ms.
    for at_client in (True, False):
        lives = jittered(2.0, [0.0, 0.004, 0.001, 0.002], at_client, 0.2, 0.5, "client")
        for one in lives:
            one.uses = one.uses[-1:]
        timer = timer_of(lives, rtt=0.2)
        assert timer is not None
        assert timer.low is not None
        assert timer.low < 2 * SECOND <= timer.high


@pytest.mark.parametrize("at_client", [True, False])
def test_the_clients_leg_is_found_from_quick_answers_and_quick_next_requests(at_client: bool) -> None:
    lives = jittered(2.0, [0.0] * 4, at_client, 0.2, 0.001, "client")
    near, far = client_leg(pool(lives, end=100, rtt=0.2))
    assert near <= (0.0 if at_client else 0.2) * SECOND <= far + 1_000_000
    assert far - near <= 0.002 * SECOND


def test_a_path_without_round_trips_has_no_leg() -> None:
    assert client_leg(pool("0 0.1-0.2", end=1, rtt=0)) == (0, 0)


# -- moments and costs


@pytest.mark.parametrize(
    ("times", "expected"),
    [([], 0), ([5], 1), ([0, 0.05, 0.1], 1), ([0, 0.05, 0.11], 2), ([0, 1, 2, 2.01], 3)],
)
def test_moments_lie_more_than_a_tenth_of_a_second_apart(times: list[float], expected: int) -> None:
    import numpy as np

    assert moments(np.array([round(time * SECOND) for time in times], dtype=np.int64)) == expected


def closes_of(p: Pool, owner: Side) -> int:
    timer = idle_timer(p, owner)
    assert timer is not None
    return reopened_after(p, timer.rows)


@given(setting=st.integers(1, 600), late=st.lists(st.floats(0.0, 1.0), min_size=6, max_size=30), phase=st.floats(0, 1))
def test_redis_timeout_is_in_the_bracket_whatever_its_round_makes_of_it(
    setting: int, late: list[float], phase: float
) -> None:
    # A whole second more than the setting has to pass on its clock, then its round comes within a second.
    lives, at = [], 0.0
    for n, wait in enumerate(late):
        used = at + 0.01 + (phase * n) % 1
        closed = int(used) + setting + 1 + wait
        lives.append(Life(at, [(used - 0.005, used)], closed, "server"))
        at = closed + 1.0
    timer = idle_timer(pool(lives, end=at + 10, protocol=Protocol.REDIS), Side.SERVER)
    if timer is None:
        return  # silences that differ too much
    assert timer.whole_seconds
    assert timer.low is not None
    assert timer.low < setting * SECOND <= timer.high
    assert timer.value in (None, setting * SECOND)


def test_redis_timeout_is_told_apart_from_the_silences_that_it_ends() -> None:
    lives = spells([2.301, 2.305, 2.303, 2.302], by="server", uses=2)
    one = idle_timer(pool(lives, end=1000, protocol=Protocol.REDIS), Side.SERVER)
    assert one is not None
    assert (one.value, one.sweeping) == (None, True)  # 1 s or 2 s
    plain = timer_of(lives, Side.SERVER)
    assert plain is not None
    assert plain.value == 2_302_500_000


def test_a_timer_of_half_a_second_is_not_redis_own() -> None:
    lives = spells([0.5, 0.501, 0.502], by="server")
    one = idle_timer(pool(lives, end=1000, protocol=Protocol.REDIS), Side.SERVER)
    assert one is not None
    assert not one.whole_seconds
    assert one.value == 501_000_000


def test_a_close_costs_a_dial_only_when_nothing_else_was_idle() -> None:
    dear = pool(spells([2.0] * 4, by="server"), end=100)
    spare = pool([*spells([2.0] * 4, by="server"), Life(0.0, [(0.5, 0.6)])], end=100)
    assert closes_of(dear, Side.SERVER) == 3, "the last close had no dial after it"
    assert closes_of(spare, Side.SERVER) == 0


def test_each_close_is_charged_once() -> None:
    lives = spells([2.0] * 4, by="server")
    last = lives[-1].closed or 0.0
    lives += [Life(last + 5 + n * 0.0001, [(last + 5.1, last + 8)]) for n in range(10)]
    assert closes_of(pool(lives, end=100), Side.SERVER) == 4


def test_no_close_is_silently_dropped_by_the_order_of_connections() -> None:
    lives = spells([2.0, 2.001, 2.002, 2.003, 2.004])
    shuffled = lives[:]
    random.Random(3).shuffle(shuffled)
    same: Callable[[Timer | None], tuple[object, ...]] = lambda t: (t.low, t.high, t.value) if t else ()  # noqa: E731
    assert same(timer_of(lives)) == same(timer_of(shuffled))
