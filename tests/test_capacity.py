"""How many idle connections a client keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from analyses import NAMES, path_of, truth_of
from tables import Life, pool

from pcapdiag import pipeline
from pcapdiag.pools.capacity import (
    Capacity,
    capacity_under_load,
    evicting_capacity,
    idle_capacity,
    overflow_rows,
    pooled_at_overflow,
    resting_level,
)
from pcapdiag.pools.pool import Pool


def bursts(
    keep: int,
    width: int,
    count: int = 10,
    every: float = 0.5,
    unused: int = 0,
    timer: float | None = None,
    leave: float | None = None,
) -> list[Life]:
    """Bursts of ``width`` requests at once; ``keep`` connections stay, the others are closed as they come back.

    ``unused`` connections are dialled ahead and thrown away in each burst; ``timer`` closes the kept ones that long
    after their last use, ``leave`` at one moment.
    """
    kept = [Life(0.0) for _ in range(keep)]
    lives = list(kept)
    for n in range(count):
        at = n * every
        for one in kept:
            one.uses = [*one.uses, (at + 0.01, at + 0.02)]
        for k in range(width - keep):
            end = at + 0.021 + 0.0001 * k
            lives.append(Life(at + 0.005, [(at + 0.011, end)], end + 0.0005))
        lives += [Life(at + 0.006, [], at + 0.022) for _ in range(unused)]
    last = (count - 1) * every + 0.02
    for one in kept:
        one.closed = last + timer if timer is not None else leave
    return lives


def evicting(keep: int, width: int, count: int = 10, every: float = 0.5, leave: float | None = None) -> list[Life]:
    """Bursts of ``width`` requests at once over a pool that closes the one idle longest when more than ``keep`` are idle.

    ``leave``: all that stayed are closed then, at the program's end.
    """
    lives: list[Life] = []
    resting: list[Life] = []
    for n in range(count):
        at = n * every
        busy = resting + [Life(at + 0.005 + 0.0001 * k) for k in range(width - len(resting))]
        lives += busy[len(resting) :]
        resting = []
        for k, one in enumerate(busy):
            end = at + 0.02 + 0.001 * k
            one.uses = [*one.uses, (at + 0.01 + 0.0001 * k, end)]
            resting.append(one)
            if len(resting) > keep:
                resting.pop(0).closed = end + 0.0005
    for one in resting:
        one.closed = leave
    return lives


def sessions(uses: list[int], workers: int, takes: float = 0.02, count: int = 12) -> list[Life]:
    """``workers`` that run at the same times, each in sessions of so many requests in turn, closed after the last one."""
    lives = []
    for w in range(workers):
        turn, left = w, 0
        for n in range(count):
            at = n * 0.5 + 0.001 * w
            if left == 0:
                left = uses[turn % len(uses)]
                turn += 1
                lives.append(Life(at))
            lives[-1].uses = [*lives[-1].uses, (at + 0.01, at + 0.01 + takes)]
            left -= 1
            if left == 0:
                lives[-1].closed = at + 0.0105 + takes
    return lives


def capacity_of(lives: list[Life], end: float = 10.0) -> Capacity | None:
    return idle_capacity(pool(lives, end=end))


@pytest.mark.parametrize(("keep", "width"), [(1, 8), (2, 20), (10, 20), (50, 90)])
def test_the_resting_level_is_the_capacity(keep: int, width: int) -> None:
    capacity = capacity_of(bursts(keep, width))
    assert capacity is not None
    assert (capacity.value, capacity.low, capacity.high) == (keep, keep, keep)
    assert capacity.overflow == 10 * (width - keep)
    assert capacity.rest_ns > 8_000_000_000


@pytest.mark.parametrize(("keep", "width"), [(1, 6), (2, 12), (3, 10), (8, 20)])
@pytest.mark.parametrize("leave", [None, 4.6])
def test_a_pool_that_closes_the_one_idle_longest_is_told_by_its_rests(
    keep: int, width: int, leave: float | None
) -> None:
    p = pool(evicting(keep, width, leave=leave), end=10)
    capacity = evicting_capacity(p)
    assert idle_capacity(p) is None  # what sits idle at a close is on its way out, too
    assert capacity is not None
    assert (capacity.value, capacity.rests) == (keep, 9)


@pytest.mark.parametrize(("count", "rests"), [(3, None), (4, 3), (5, 4)])
def test_two_rests_may_be_alike_by_chance_three_are_not(count: int, rests: int | None) -> None:
    capacity = evicting_capacity(pool(evicting(3, 10, count), end=10))
    assert (capacity.rests if capacity is not None else None) == rests


def test_a_rest_in_ten_may_differ_but_not_two_in_twelve() -> None:
    lives = evicting(3, 10, 13)
    extra = [Life(1.02, [(1.025, 1.03)], 1.2), Life(2.02, [(2.025, 2.03)], 2.2)]
    for number, told in ((0, True), (1, True), (2, False)):
        p = pool(lives + extra[:number], end=10)
        assert resting_level(p) is not None
        assert (evicting_capacity(p) is not None) is told


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(
            sessions([1], 8) + sessions([12], 4), id="callers with their own beside one connection per request"
        ),
        pytest.param(sessions([2], 6), id="sessions of two requests, in step"),
        pytest.param(sessions([1, 2], 2), id="sessions of one and two requests"),
        pytest.param(sessions([1, 2, 3, 4], 8), id="sessions of one to four requests"),
        pytest.param(sessions([3, 1, 4, 1, 5], 4), id="sessions of several lengths"),
        pytest.param(evicting(10, 10, leave=4.6), id="a pool with room, and the program's end"),
        pytest.param(evicting(0, 10), id="no pool"),
    ],
)
def test_what_leaves_no_level_or_always_the_same_ones_is_no_pool_that_evicts(lives: list[Life]) -> None:
    assert evicting_capacity(pool(lives, end=10)) is None


def test_speculative_dials_that_carry_nothing_belong_to_the_overflow() -> None:
    lives = bursts(2, 10, unused=3)
    capacity = capacity_of(lives)
    assert capacity is not None
    assert capacity.value == 2
    assert capacity.overflow == 10 * (8 + 3)


def test_dialled_but_unused_connections_that_stay_are_pooled() -> None:
    capacity = capacity_of([*bursts(2, 10), Life(0.001)])
    assert capacity is not None
    assert capacity.value == 3


def test_a_timer_that_empties_the_pool_ends_the_rest() -> None:
    capacity = capacity_of(bursts(2, 10, timer=2.0), end=60)
    assert capacity is not None
    assert capacity.value == 2
    assert capacity.rest_ns < 8_000_000_000


def test_without_rest_there_is_no_capacity() -> None:
    lives = [*bursts(2, 10), Life(0.0, [(0.001, 9.999)])]
    assert capacity_of(lives) is None
    assert resting_level(pool(lives, end=10)) is None


def test_without_overflow_there_is_no_capacity() -> None:
    assert capacity_of(bursts(10, 10)) is None


def test_a_client_that_keeps_nothing_has_no_pool_whose_size_could_be_told() -> None:
    assert capacity_of(bursts(0, 4)) is None


def test_the_end_of_a_program_is_no_overflow() -> None:
    # Three kept connections, closed at one moment right after their last response: the pool had room to the end.
    lives = [Life(0.0, [(at + 0.01, at + 0.02) for at in range(9)], 8.025 + 0.001 * n) for n in range(3)]
    p = pool(lives, end=12)
    assert len(overflow_rows(p)) == 3
    assert resting_level(p) is not None
    assert idle_capacity(p) is None


def test_replaced_connections_met_a_pool_with_room_and_are_no_overflow() -> None:
    # A lifetime limit: at its age a connection is closed on return and another dialled; three are in use.
    lives = []
    for slot in range(3):
        for n in range(4):
            at = n * 3.0 + slot
            lives.append(Life(at, [(at + 0.01 + 0.5 * k, at + 0.3 + 0.5 * k) for k in range(6)], at + 2.81))
    assert capacity_of(lives, end=14.0) is None


def test_a_level_that_does_not_hold_for_half_the_rest_is_a_range() -> None:
    # Two idle connections, then three, then four, then two again: each for a quarter of the rest.
    lives = bursts(2, 10, count=2)
    lives += [Life(3.0), Life(5.3)]
    p = pool(lives, end=7.5)
    level = resting_level(p)
    assert level is not None
    assert level.value is None
    assert (level.low, level.high) == (2, 4)


def test_each_close_can_be_asked_how_full_the_pool_was() -> None:
    assert set(pooled_at_overflow(pool(bursts(2, 5), end=10)).tolist()) == {2}


def test_closes_by_the_server_or_after_a_silence_are_no_overflow() -> None:
    lines = "0 0.1-0.2 server 0.201\n0 0.1-0.2 client 2.2\n0 0.1-0.2! client 0.201\n0 client 9\n0 client 0.01"
    assert rows(pool(lines, end=10)) == [4]


def rows(p: Pool) -> list[int]:
    return [int(row) for row in overflow_rows(p)]


def under_load(keep: int, callers: int, *, rounds: int = 12, others: int = 0, used_again: bool = True) -> list[Life]:
    """Callers that never rest: what comes back to a pool of ``keep`` is closed, unless another caller takes it at once.

    ``others`` are idle connections that nobody takes.  Without ``used_again`` what is closed was used once only.
    """
    step = 0.010
    lives = [Life(0.0, [(0.001, 0.002)]) for _ in range(others)]
    kept = [Life(0.0) for _ in range(keep)]
    for n in range(rounds):
        at = 0.01 + n * step
        for k, one in enumerate(kept):
            one.uses = [*one.uses, (at, at + 0.004 + 0.0001 * k)]
        for k in range(callers - keep):
            end = at + 0.0050 + 0.0001 * k
            uses = [(at, end)]
            if used_again and n and k % 3 == 0:
                uses = [(at - step, at - 0.002), (at, end)]
            lives.append(Life(uses[0][0] - 0.001, uses, end + 0.0004))
    lives += kept
    # Somebody is always served: the pool is never at rest.
    lives.append(Life(0.0, [(0.001, 0.02 + rounds * step)]))
    return lives


def test_under_load_without_a_rest_the_fewest_that_sat_idle_at_a_close_are_the_pool() -> None:
    for keep in (1, 2, 5):
        found = capacity_under_load(pool(under_load(keep, 12), end=0.02 + 12 * 0.01))
        assert found is not None
        assert (found.value, found.rest_ns) == (keep, 0)


def test_a_client_per_request_beside_a_pool_throws_away_no_connection_that_was_used_again() -> None:
    assert capacity_under_load(pool(under_load(2, 12, used_again=False), end=0.02 + 12 * 0.01)) is None


def test_connections_that_rest_beside_others_are_nobodys_overflow() -> None:
    assert capacity_under_load(pool(under_load(0, 12, others=2), end=0.02 + 12 * 0.01)) is None


def test_few_closes_tell_no_size() -> None:
    assert capacity_under_load(pool(under_load(2, 5, rounds=3), end=0.05)) is None


# The truth of two faults at once gives the other one's value.
UNNAMED = {"go-pool-2-and-cap-6": 2}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("go-", "httpx-", "urllib3-", "node-"))])
def test_in_the_middle_of_the_load_no_other_size_is_told_than_the_true_one(name: str, tmp_path: Path) -> None:
    data = path_of(name).read_bytes()
    true = truth_of(name)["expect"].get("values", {}).get("idle_capacity", UNNAMED.get(name))
    for part in (0.3, 0.5, 0.7):
        cut = tmp_path / "cut.pcap"
        cut.write_bytes(data[: int(len(data) * part)])
        for row in pipeline.analyze(cut).pools:
            sizes = [one.value for one in row.inferred if one.knob == "idle_pool_limit"]
            assert not sizes or sizes == [true]


@pytest.mark.parametrize(
    "name", ["go-ab-shared-default", "go-ab-new-client", "go-both-legs", "go-ab-shared-default-10ms-rtt"]
)
def test_in_the_middle_of_the_load_the_size_is_told(name: str, tmp_path: Path) -> None:
    data = path_of(name).read_bytes()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(data[: len(data) // 2])
    report = pipeline.analyze(cut)
    found = next(finding for finding in report.findings if finding.code == "PD205")
    assert found.measured["idle_capacity"] == truth_of(name)["expect"]["values"]["idle_capacity"]
    assert str(found.confidence) == "medium"
