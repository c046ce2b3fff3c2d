"""Timers and lifetimes of several programs behind one address: what each one's own packets tell, and what looks like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from analyses import above_info, judged, judgement
from tables import Life, pool

from pcapdiag.model.report import Finding
from pcapdiag.model.words import Protocol, Severity, Side
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.replacing import replacement
from pcapdiag.pools.timers import asked_again, idle_timer, reopened, reopened_after

SECOND = 1_000_000_000


def finding_of(rule: str, one: Pool) -> Finding:
    outcome = judged(rule, one)
    assert isinstance(outcome, Finding)
    return outcome


# -- a lifetime


def ageing(
    limit: float = 3.0,
    periods: Sequence[float] = (0.31, 0.44, 0.7),
    seconds: float = 18.0,
    dial: float = 0.0001,
    late: float = 0.0,
) -> list[Life]:
    """Programs that ask once in each period, each on a connection of its own, replaced at the first use past its age.

    ``late`` seconds of age are allowed to the last program's.
    """
    lives = []
    for number, period in enumerate(periods):
        allowed = limit + (late if number == len(periods) - 1 else 0.0)
        opened = at = 0.05 * number
        uses: list[tuple[float, float]] = []
        while at < seconds:
            if uses and at - opened >= allowed:
                lives.append(Life(opened, uses, at))
                opened, uses = at + dial, []
            begun = max(at, opened) + 0.002
            uses.append((begun, begun + 0.005))
            at += period
        lives.append(Life(opened, uses, at))
    return lives


def test_one_age_shows_through_different_rates_as_what_lies_between_the_latest_use_and_the_earliest_close() -> None:
    one = pool(ageing(), end=30)
    seen = replacement(one, Side.CLIENT)
    assert seen is not None
    assert seen.requests is None
    assert seen.renewed == len(seen.rows)
    assert 2.6 * SECOND < seen.survived < 3 * SECOND <= seen.age_low < 3.1 * SECOND
    assert seen.age_high - seen.age_low > 0.3 * SECOND, "further apart than a tolerance"
    finding = finding_of("connection-lifetime", one)
    assert finding.severity is Severity.LOW
    assert finding.measured["age_s"] == pytest.approx(3.0, abs=0.1)
    assert above_info(judgement([one]).findings) == ["connection-lifetime"]


@pytest.mark.parametrize(
    ("lives", "why"),
    [
        (ageing(late=0.9), "a connection was used at a greater age than others were closed at"),
        (ageing(periods=(1.3, 1.0, 0.8)), "three uses in a life show no limit on age"),
        (ageing(dial=0.02), "the dials are not in step with the closes"),
        (ageing(seconds=4.0), "fewer than five were replaced"),
        ([*ageing(), Life(0.2, [(0.3 + 0.1 * n, 0.31 + 0.1 * n) for n in range(90)])], "one lived for nine seconds"),
    ],
)
def test_no_limit_on_age_is_read_where(lives: list[Life], why: str) -> None:
    assert replacement(pool(lives, end=30), Side.CLIENT) is None, why


def jobs(ages: Sequence[float], requests: int, one_by_one: bool) -> list[Life]:
    """Programs that each ask as often and leave; the next begins at once, or all begin together."""
    lives, at = [], 0.0
    for number, age in enumerate(ages):
        opened = at if one_by_one else 0.01 * number
        pause = (age - 0.05) / requests
        lives.append(
            Life(
                opened,
                [(opened + 0.01 + pause * n, opened + 0.04 + pause * n) for n in range(requests)],
                opened + age,
            )
        )
        at = opened + age + 0.001
    return lives


AGES = (11.59, 11.88, 11.97, 11.75)


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("count", [3, 4])
def test_programs_that_have_as_much_to_do_and_leave_have_no_lifetime(one_by_one: bool, count: int) -> None:
    one = pool(jobs(AGES[:count], 60, one_by_one), end=60)
    assert replacement(one, Side.CLIENT) is None
    assert judged("connection-lifetime", one) is None
    assert above_info(judgement([one]).findings) == []


# -- a lazy client timer


SILENCES = (1.19, 5.46, 1.73, 1.18, 1.70)


def lazy(silences: Sequence[float] = SILENCES, gap: float = 0.9, dial: float = 0.0002, surplus: int = 4) -> list[Life]:
    """Renewed after each silence; in between a use within the timer.  Surplus connections wait until the end."""
    lives, at = [], 0.0
    for silence in silences:
        uses = [(at + 0.01, at + 0.02), (at + 0.02 + gap, at + 0.03 + gap)]
        closed = uses[-1][1] + silence
        lives.append(Life(at, uses, closed))
        at = closed + dial
    end = at + 1.0
    lives.append(Life(at, [(at + 0.01, at + 0.02), (at + 0.3, at + 0.31)], end))
    # Dialled for a burst at the start, used again once.
    return lives + [Life(0.05 + 0.01 * n, [(0.1, 0.2), (0.7, 0.8)], end + 0.0001 * n) for n in range(surplus)]


def test_a_lazy_timer_shows_beside_connections_that_nobody_asked_for_again() -> None:
    one = pool(lazy(), end=60)
    timer = idle_timer(one, Side.CLIENT)
    assert timer is not None
    assert timer.lazy
    assert timer.count == 5
    assert timer.low is not None
    assert 0.85 * SECOND < timer.low <= 0.9 * SECOND
    assert timer.high == pytest.approx(1.18 * SECOND)
    assert reopened_after(one, timer.rows) == 0, "the surplus was idle at each dial"
    assert reopened(one, timer) == 5
    finding = finding_of("idle-timeout-too-short", one)
    assert finding.measured["reopened"] == 5
    assert finding.measured["gap_between_uses_s"] == pytest.approx(1.70, abs=0.01)
    assert above_info(judgement([one]).findings) == ["idle-timeout-too-short"]


@pytest.mark.parametrize(
    ("lives", "why"),
    [
        (lazy(SILENCES[:2]), "two renewals are an accident"),
        (lazy(dial=0.02), "the dials come later than one step does"),
        (lazy(gap=1.6), "silences as long were survived"),
        (lazy([0.4, 0.5, 0.45, 0.6, 0.7]), "no such timer is shorter than a second"),
        (
            [*lazy(), *[Life(0.02 * n, [(0.02 * n + 0.002, 0.02 * n + 0.01)], 0.02 * n + 0.011) for n in range(800)]],
            "fifty dials a second are beside anything",
        ),
    ],
)
def test_there_is_no_lazy_timer_where(lives: list[Life], why: str) -> None:
    timer = idle_timer(pool(lives, end=60), Side.CLIENT)
    assert timer is None or not timer.lazy, why


# -- a server's timer


SWEPT = (2.01, 2.32, 3.46, 2.87, 2.14, 2.74)


def swept(
    silences: Sequence[float] = SWEPT, noticed: float = 0.4, dial: float | None = 0.0004, others: int = 2
) -> list[Life]:
    """Closed by the server some time after its timeout; the client sees the FIN when it wants the connection again.

    Other programs behind the address are busy with connections of their own, idle at each of these dials.
    """
    lives, at = [], 0.0
    for silence in silences:
        closed = at + 0.02 + silence
        lives.append(Life(at, [(at + 0.01, at + 0.02)], closed, "server", answer=closed + noticed))
        at = closed + noticed + (0.3 if dial is None else dial)
    last = Life(at, [(at + 0.01, at + 0.02)])
    busy = [[(0.1 + 0.77 * n + 0.3 * k, 0.11 + 0.77 * n + 0.3 * k) for n in range(30)] for k in range(others)]
    return [*lives, last, *[Life(0.01 + 0.001 * k, uses) for k, uses in enumerate(busy)]]


def test_a_fin_that_is_noticed_on_the_way_to_a_dial_cost_that_dial() -> None:
    one = pool(swept(), end=60)
    timer = idle_timer(one, Side.SERVER)
    assert timer is not None
    assert timer.sweeping
    assert reopened_after(one, timer.rows) == 0, "other programs' connections were idle"
    assert reopened(one, timer) == len(SWEPT)
    finding = finding_of("server-idle-timeout", one)
    assert finding.severity is Severity.MEDIUM
    wanted_after = float(np.median(SWEPT)) + 0.4
    assert finding.measured["gap_between_uses_s"] == pytest.approx(wanted_after, abs=0.01)
    assert above_info(judgement([one]).findings) == ["server-idle-timeout"]


@pytest.mark.parametrize(
    ("lives", "cost"),
    [
        pytest.param(swept(dial=None), 0, id="nobody dialled when it noticed"),
        pytest.param(swept(noticed=0.001), 0, id="answered at once, and a dial soon after by chance"),
        pytest.param(swept(noticed=0.04), 0, id="as soon as a client answers that reads in the background"),
        pytest.param(swept(noticed=0.06), len(SWEPT), id="later than that"),
        pytest.param(swept(dial=0.0049), len(SWEPT), id="a name was resolved in between"),
        pytest.param(swept(dial=0.006), 0, id="not in one step"),
    ],
)
def test_only_a_late_answer_with_a_dial_in_the_same_milliseconds_is_charged(lives: list[Life], cost: int) -> None:
    one = pool(lives, end=60)
    timer = idle_timer(one, Side.SERVER)
    assert timer is not None
    assert reopened(one, timer) == cost
    assert (finding_of("server-idle-timeout", one).severity is Severity.INFO) is (cost == 0)


def test_a_dial_is_charged_once_however_many_fins_are_noticed_at_it() -> None:
    lives = swept()
    doubled = [Life(one.opened, one.uses, one.closed, one.by, answer=one.answer) for one in lives[: len(SWEPT)]]
    for one in doubled:
        one.opened += 0.001
    one_pool = pool([*lives, *doubled], end=60)
    timer = idle_timer(one_pool, Side.SERVER)
    assert timer is not None
    again = asked_again(one_pool, timer.rows)
    assert int((again > 0).sum()) == 2 * len(SWEPT)
    assert reopened(one_pool, timer) == len(SWEPT)


def test_a_sweepers_timeout_lies_between_half_its_longest_silence_and_its_longest() -> None:
    # It passed over a silence of 2.9 s, longer than its shortest close: that says nothing of the lower end.
    passed_over = Life(30.0, [(30.1, 30.2), (33.1, 33.2)])
    timer = idle_timer(pool([*swept(), passed_over], end=60), Side.SERVER)
    assert timer is not None
    assert timer.sweeping
    assert timer.low is not None
    assert timer.low <= 3.46 / 2 * SECOND
    assert timer.low < min(SWEPT) * SECOND
    assert timer.high == pytest.approx(3.46 * SECOND)


# -- Redis


def test_redis_is_said_to_close_late_and_its_timeout_is_what_that_leaves() -> None:
    lives, at = [], 0.0
    for silence in (1.9, 2.3, 1.5, 2.4, 2.0):
        lives.append(Life(at, [(at + 0.002, at + 0.01), (at + 0.1, at + 0.11)], at + 0.11 + silence, "server"))
        at += 4.0
    finding = finding_of("server-idle-timeout", pool(lives, end=60, protocol=Protocol.REDIS))
    assert finding.title.startswith("The server closes connections after 1.500 s to 2.400 s of silence")
    assert "a timeout of 1 s, since Redis counts whole seconds" in finding.claim
    (server,) = [advice for advice in finding.causes[0].settings if advice.role == "server"]
    assert (server.product, server.name, server.inferred) == ("Redis", "timeout", "1 s")
    assert "more than 2.400 s" in finding.would_refute
    plain = finding_of("server-idle-timeout", pool(lives, end=60))
    assert "it sweeps" in plain.claim
