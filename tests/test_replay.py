"""The replay of a pool's demand: outcomes worked out by hand, what must always hold, and our own captures."""

from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tables import Life, Use, pool

from pcapdiag.model.words import Knob, Side
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.slots import kept_slots
from pcapdiag.replay.changing import changed, smallest, steps
from pcapdiag.replay.demand import ANNOUNCED, ASKED, BROKEN, Demand, demand_of
from pcapdiag.replay.engine import Outcome, Why, replay
from pcapdiag.replay.policy import Policy
from pcapdiag.replay.present import bound, newest_first, present, refusal
from pcapdiag.replay.trials import now
from pcapdiag.rules.rule import Desk


def demand(
    *requests: tuple[float, float],
    dial: float = 0.0,
    ends: dict[int, int] | None = None,
    warm: int = 0,
    end: float = 100.0,
) -> Demand:
    """Requests as (wanted at, connection free again after) in seconds; ``ends`` by place."""
    return Demand(
        [round(at * SECOND) for at, _ in requests],
        [round(took * SECOND) for _, took in requests],
        [round(dial * SECOND)] * len(requests),
        [(ends or {}).get(place, 0) for place in range(len(requests))],
        0,
        round(end * SECOND),
        warm,
        0,
        len(requests),
    )


def seconds(value: float) -> int:
    return round(value * SECOND)


def reasons(outcome: Outcome) -> list[tuple[float, Side, Why]]:
    return [(at / SECOND, side, why) for at, side, why in outcome.closes]


def test_requests_that_overlap_need_a_connection_each_and_the_next_one_none() -> None:
    outcome = replay(demand((0, 2), (1, 2), (5, 1)), Policy())
    assert (outcome.dials, outcome.peak_open, outcome.closes) == (2, 2, ())


def test_a_connection_that_comes_back_at_the_very_moment_of_a_request_serves_it() -> None:
    assert replay(demand((0, 1), (1, 1), (2, 1)), Policy()).dials == 1


def test_a_full_idle_pool_closes_what_comes_back() -> None:
    # Three at once, back at 1, 1.1 and 1.2: the first is kept, the others are closed; of the next two one is dialled.
    outcome = replay(demand((0, 1), (0, 1.1), (0, 1.2), (5, 1), (5, 1.1)), Policy(idle_limit=1))
    assert outcome.dials == 4
    assert reasons(outcome) == [(at, Side.CLIENT, Why.OVERFLOW) for at in (1.1, 1.2, 6.1)]


def test_a_pool_that_makes_room_keeps_the_one_that_came_back_last() -> None:
    # Idle since 0.1 and 0.9, timeout 1 s, room for one: at 1.5 only the one that came back last is still there.
    load = demand((0, 0.1), (0, 0.9), (1.5, 0.1))
    limits = Policy(idle_limit=1, idle_timeout=seconds(1))
    assert replay(load, limits).dials == 3
    assert replay(load, Policy(idle_limit=1, idle_timeout=seconds(1), evicts_oldest=True)).dials == 2


def test_a_limit_that_counts_busy_connections_closes_while_many_are_busy() -> None:
    load = demand((0, 1), (0, 9), (0, 9), (2, 1))
    assert replay(load, Policy(idle_limit=2)).dials == 3
    assert replay(load, Policy(idle_limit=2, counts_busy=True)).dials == 4


@pytest.mark.parametrize(("pause", "dials"), [(1.9, 1), (2.0, 2), (2.1, 2)])
def test_an_idle_connection_is_gone_once_the_timeout_has_passed(pause: float, dials: int) -> None:
    load = demand((0, 1), (1 + pause, 1))
    assert replay(load, Policy(idle_timeout=seconds(2))).dials == dials
    assert replay(load, Policy(server_idle_timeout=seconds(2))).dials == dials


def test_the_shorter_timer_closes_and_at_the_end_of_the_silence() -> None:
    outcome = replay(demand((0, 1), (10, 1), end=20), Policy(idle_timeout=seconds(5), server_idle_timeout=seconds(3)))
    assert reasons(outcome) == [(4.0, Side.SERVER, Why.IDLE), (14.0, Side.SERVER, Why.IDLE)]


def test_the_newest_idle_connection_is_taken_and_the_oldest_times_out() -> None:
    # Two connections, then one request a second: with a timeout of 1.5 s the second one is needed no more.
    load = demand((0, 0.5), (0, 0.5), *((at, 0.1) for at in range(1, 6)), (6, 0.1), (6, 0.1))
    assert replay(load, Policy(idle_timeout=seconds(1.5))).dials == 3
    # Taken in turns, both stay.
    assert replay(load, Policy(idle_timeout=seconds(2.5), newest_first=False)).dials == 2


def test_a_limit_on_requests_renews_connections() -> None:
    load = demand(*((at, 0.5) for at in range(5)))
    outcome = replay(load, Policy(server_requests=2))
    assert outcome.dials == 3
    assert reasons(outcome) == [(1.5, Side.SERVER, Why.COUNT), (3.5, Side.SERVER, Why.COUNT)]
    assert replay(load, Policy(requests=1)).dials == 5


def test_a_lifetime_is_looked_at_on_return_and_when_a_connection_is_taken() -> None:
    outcome = replay(demand((0, 1), (2, 1), (4, 1), (6, 1)), Policy(lifetime=seconds(4)))
    # Taken at 2, refused at 4: the second connection is dialled at 4 and is 3 s old when the last request is through.
    assert outcome.dials == 2
    assert reasons(outcome) == [(4.0, Side.CLIENT, Why.AGE)]


def test_a_request_beyond_the_limit_on_connections_waits_for_its_turn() -> None:
    outcome = replay(demand((0, 10), (1, 10), (2, 10)), Policy(max_connections=1))
    # The second waits from 1 to 10, the third from 2 to 20.
    assert (outcome.dials, outcome.peak_open, outcome.waited) == (1, 1, seconds(9 + 18))


def test_a_connection_that_ends_makes_room_for_a_dial_of_the_one_who_waits() -> None:
    outcome = replay(demand((0, 10), (1, 10), dial=0.5), Policy(max_connections=1, server_requests=1))
    # Dialled at 0, busy from 0.5 to 10.5; then the second is dialled.
    assert (outcome.dials, outcome.peak_open, outcome.waited) == (2, 1, seconds(0.5 + 10.0))


def test_a_shared_dial_is_not_needed_when_a_connection_comes_back_first() -> None:
    load = demand((0, 10), (5, 10), dial=20)
    shared = replay(load, Policy(shares_dials=True))
    # The first waits 20 s for its dial and is done at 30.  The second takes its own at 25.
    assert (shared.dials, shared.unused, shared.waited) == (2, 0, seconds(20 + 20))
    load = demand((0, 10), (25, 10), dial=20)
    # Here the first is back at 30, while the second's dial takes until 45: that one is never used.
    assert replay(load, Policy()).waited == seconds(20 + 20)
    shared = replay(load, Policy(shares_dials=True))
    assert (shared.dials, shared.unused, shared.waited) == (2, 1, seconds(20 + 5))


def test_a_shared_dial_serves_its_own_request_first_and_what_comes_back_the_one_who_waits_longest() -> None:
    # The second's dial is through at 4 and serves it until 9; the first takes it then, and its own dial at 10 is not
    # needed.
    load = demand((0, 5), (1, 5))
    load.dialling[:] = [seconds(10), seconds(3)]
    outcome = replay(load, Policy(shares_dials=True))
    assert (outcome.waited, outcome.unused) == (seconds(3 + 9), 1)


def test_what_ends_a_connection_ends_it_unless_it_is_switched_off() -> None:
    load = demand((0, 1), (2, 1), (4, 1), (6, 1), ends={0: ASKED, 1: ANNOUNCED, 2: BROKEN})
    outcome = replay(load, Policy())
    assert outcome.dials == 4
    assert [side for _, side, _ in outcome.closes] == [Side.CLIENT, Side.SERVER, Side.CLIENT]
    assert replay(load, Policy(heeds_responses=False)).dials == 3
    assert replay(load, Policy(heeds_requests=False)).dials == 3
    # What breaks a connection breaks it under any setting.
    assert replay(load, Policy(heeds_requests=False, heeds_responses=False)).dials == 2


def test_without_reuse_each_request_dials() -> None:
    assert replay(demand(*((at, 0.1) for at in range(4))), Policy(reuse=False)).dials == 4


def test_connections_that_were_open_before_the_capture_are_there_from_the_start() -> None:
    outcome = replay(demand((0, 1), (0, 1), (0, 1), warm=2), Policy())
    assert (outcome.dials, outcome.unused, outcome.peak_open) == (1, 0, 3)


LOADS = some.lists(
    some.tuples(some.integers(0, 200), some.integers(1, 30)).map(lambda pair: (pair[0] / 10, pair[1] / 10)),
    min_size=1,
    max_size=40,
).map(sorted)


def most_at_once(load: list[tuple[float, float]]) -> int:
    edges = sorted((at, change) for begun, took in load for at, change in ((begun, 1), (round(begun + took, 1), -1)))
    level = peak = 0
    for _, change in edges:
        level += change
        peak = max(peak, level)
    return peak


@given(LOADS, some.integers(0, 10), some.booleans())
def test_a_larger_idle_pool_never_dials_more(load: list[tuple[float, float]], limit: int, shares: bool) -> None:
    smaller = replay(demand(*load), Policy(idle_limit=limit, shares_dials=shares)).dials
    assert replay(demand(*load), Policy(idle_limit=limit + 1, shares_dials=shares)).dials <= smaller


@given(LOADS, some.integers(1, 40))
def test_a_longer_idle_timeout_never_dials_more(load: list[tuple[float, float]], tenths: int) -> None:
    shorter = replay(demand(*load), Policy(idle_timeout=seconds(tenths / 10))).dials
    assert replay(demand(*load), Policy(idle_timeout=seconds(tenths / 10 + 0.1))).dials <= shorter


@given(LOADS, some.booleans())
def test_a_pool_with_room_for_all_dials_as_often_as_requests_run_at_once(
    load: list[tuple[float, float]], newest: bool
) -> None:
    peak = most_at_once(load)
    for limit in (peak, None):
        assert replay(demand(*load), Policy(idle_limit=limit, newest_first=newest)).dials == peak


@given(LOADS, some.integers(0, 8))
def test_every_connection_of_a_replay_is_closed_once_or_open_at_the_end(
    load: list[tuple[float, float]], limit: int
) -> None:
    outcome = replay(demand(*load, dial=0.3), Policy(idle_limit=limit, server_requests=3))
    assert len(outcome.closes) <= outcome.dials
    assert outcome.dials - len(outcome.closes) <= limit
    assert outcome.peak_open <= len(load)


@given(LOADS, some.integers(1, 6))
def test_a_limit_on_connections_is_never_passed_and_every_request_is_served(
    load: list[tuple[float, float]], room: int
) -> None:
    outcome = replay(demand(*load, dial=0.2), Policy(max_connections=room, server_requests=4))
    assert outcome.peak_open <= room
    assert outcome.dials >= -(-len(load) // 4)


def test_the_smallest_value_is_the_least_that_dials_no_more_than_without_a_limit() -> None:
    load = demand(*((at, 1.0) for at in range(0, 50, 5) for _ in range(4)))
    assert replay(load, Policy(idle_limit=3)).dials > replay(load, Policy()).dials == 4
    assert smallest(load, Policy(idle_limit=1), Knob.IDLE_POOL_LIMIT, "client", 9) == 4
    # Silences of 4 s, to a tenth: longer than that.
    assert smallest(
        load, Policy(idle_timeout=seconds(1)), Knob.IDLE_TIMEOUT, "client", 99, lambda step: step / 10
    ) == pytest.approx(4.1)


def test_steps_are_round_values_between_the_present_and_the_last() -> None:
    assert steps(Knob.IDLE_POOL_LIMIT, 2, 20) == [3, 5, 10]
    assert steps(Knob.MAX_REQUESTS, 6, None) == [10, 100, 1_000, 10_000, 100_000]
    assert steps(Knob.IDLE_TIMEOUT, 1.0, 4.0) == [2, 3]
    assert len(steps(Knob.IDLE_POOL_LIMIT, 1, 5_000)) == 5


# -- demand


def test_a_request_that_dialled_was_wanted_at_its_syn() -> None:
    made = pool(
        """
        0.0  0.010-0.110  1.0-1.1
        1.05 1.060-1.200  2.0-2.1
        """,
        end=5,
    )
    seen = demand_of(made, shares_dials=False, most=99)
    begun = seen.arrivals[0]
    assert [(at - begun) / SECOND for at in seen.arrivals] == pytest.approx([0, 1.0, 1.05, 2.0])
    assert [took / SECOND for took in seen.dialling] == pytest.approx([0.01] * 4)
    assert seen.dials == 2


def test_with_shared_dials_each_syn_is_the_request_that_leaves_next() -> None:
    # The SYN at 1.05 belongs to the request that the first connection served when it came back at 1.1.
    made = pool(
        """
        0.0  0.010-0.100  1.000-1.100  1.101-1.2
        1.05 2.000-2.100
        """,
        end=5,
    )
    seen = demand_of(made, shares_dials=True, most=99)
    begun = seen.arrivals[0]
    assert [(at - begun) / SECOND for at in seen.arrivals] == pytest.approx([0, 1.0, 1.05, 2.0])
    own = demand_of(made, shares_dials=False, most=99)
    assert (own.arrivals[2] - begun) / SECOND == pytest.approx(1.05)
    # Without sharing that SYN is the request on its own connection, and the one at 1.101 came then.
    assert (own.arrivals[3] - begun) / SECOND == pytest.approx(1.101)


def test_only_the_first_requests_and_the_dials_until_then_are_taken() -> None:
    made = pool([Life(at, [(at + 0.1, at + 0.2)], at + 0.21) for at in range(10)], end=20)
    seen = demand_of(made, shares_dials=False, most=4)
    assert (len(seen), seen.dials, seen.whole) == (4, 5, 10)  # the fifth SYN comes ahead of the fifth request
    assert demand_of(made, shares_dials=False, most=10).dials == 10


def test_connections_dialled_long_ahead_of_use_were_not_wanted_then() -> None:
    made = pool(
        [Life(0.0, [(5.0, 5.1)]), *(Life(at, [(at + 0.001, at + 0.1)], at + 0.2) for at in range(6, 12))], end=20
    )
    seen = demand_of(made, shares_dials=False, most=99)
    assert (seen.arrivals[0] - made.connections.first_at[0]) / SECOND == pytest.approx(5.0)


def test_a_response_that_announces_the_close_ends_its_connection_in_every_replay() -> None:
    made = pool("0.0 0.1-0.2 1.0-1.1! server 1.11", end=5)
    assert demand_of(made, shares_dials=False, most=99).ends == [0, ANNOUNCED]
    made = pool("0.0 0.1-0.2? client 0.21", end=5)
    assert demand_of(made, shares_dials=False, most=99).ends == [ASKED]
    made = pool("0.0 0.1- client 0.9", end=5)
    assert demand_of(made, shares_dials=False, most=99).ends == [BROKEN]


def test_the_order_in_which_connections_are_taken_is_read_from_uses_that_had_a_choice() -> None:
    def two(order: tuple[int, int]) -> Pool:
        # Two connections are idle from the start; each second one of them is taken.
        uses: list[list[tuple[float, float]]] = [[(0.1, 0.2)], [(0.15, 0.3)]]
        for at in range(1, 31):
            uses[order[at % 2]].append((float(at), at + 0.1))
        return pool([Life(0.0, uses[0]), Life(0.05, uses[1])], end=40)

    assert newest_first(two((1, 1)))
    assert not newest_first(two((0, 1)))


# -- our own captures


def seen_of(name: str, place: int = 0) -> tuple[Pool, str | None]:
    one = analyses.pools_of(name)[place]
    return one, Desk().client_id(one)


REPRODUCED = (
    "go-ab-new-client", "go-ab-new-transport", "go-ab-shared-default", "go-ab-shared-default-10ms-rtt",
    "go-ab-per-host-50", "go-ab-per-host-1000", "go-nginx-tls-pool-2", "go-new-transport", "go-global-transport",
    "httpx-user-cancels", "java-request-timeout", "go-idle-timeout-short", "nginx-idle-timeout-2s",
    "nginx-max-requests-6", "goserv-max-requests-6",
    "apache-max-requests-5", "apache-keepalive-off", "goserv-idle-timeout-3s", "requests-lazy-pool", "server-sweeps-idle",
    "node-tls-resumed", "go-disable-keepalives-hot", "requests-4-workers", "urllib3-block-2", "go-nginx-healthy",
)  # fmt: skip


@pytest.mark.parametrize("name", REPRODUCED)
def test_the_replay_of_the_present_reproduces_a_capture(name: str) -> None:
    one, client = seen_of(name)
    assert refusal(one) == ""
    seen = present(one, client)
    assert seen.trusted, seen.why_not
    assert abs(seen.outcome.dials - seen.demand.dials) <= max(0.15 * seen.demand.dials, 1)


NOT_REPRODUCED = {
    "go-new-transport-few-kept": "announces the close while 6 or more of its connections are idle",
    "requests-session-per-6": "more than one pool",  # callers with sessions of their own
    "http-client-per-4-at-server": "more than one pool",
    "server-restart-graceful": "something else closes",
    "client-restarts-idle": "something else closes",
    "nginx-reload": "something else closes",
    "spare-connections": "something else closes",
    "raw-pipelining": "more connections than were opened",
}


@pytest.mark.parametrize("name", NOT_REPRODUCED)
def test_nothing_is_trusted_where_something_beside_the_settings_opens_connections(name: str) -> None:
    one, client = seen_of(name)
    seen = present(one, client)
    assert not seen.trusted
    assert NOT_REPRODUCED[name] in seen.why_not


def told_beside(limit: int, count: int = 40) -> list[Life]:
    """A client for each request; the server keeps the first ``limit`` connections and tells the others to close."""
    return [
        Life(float(n), [Use(n + 0.1, n + 0.2, response_close=n >= limit)], n + 0.3 if n >= limit else None, "server")
        for n in range(count)
    ]


def test_nothing_is_predicted_where_the_server_ends_what_it_has_no_room_to_keep() -> None:
    one = pool(told_beside(10), end=45.0)
    seen = present(one, None)
    assert not seen.trusted
    assert "while 10 or more of its connections are idle (30 responses), and not while fewer are (10)" in seen.why_not
    assert bound(one) == 1


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param([replace(one, uses=[replace(one.all_uses()[0], response_close=True)], closed=n + 0.3)
                      for n, one in enumerate(told_beside(10))], id="it ends every connection"),
        pytest.param([replace(one, uses=[replace(one.all_uses()[0], response_close=n % 4 == 0)],
                              closed=n + 0.3 if n % 4 == 0 else None)
                      for n, one in enumerate(told_beside(10))], id="it ends every fourth, however many are idle"),
        pytest.param(told_beside(2, 4), id="two of each are chance"),
    ],
)  # fmt: skip
def test_closes_that_do_not_go_by_what_is_idle_are_no_matter_of_room(lives: list[Life]) -> None:
    assert kept_slots(pool(lives, end=45.0)) is None


def test_a_pool_open_before_the_capture_and_one_with_lost_packets_are_refused() -> None:
    early = pool([Life(0.0, [(0.1 * k, 0.1 * k + 0.05) for k in range(1, 9)], midstream=True) for _ in range(3)], end=9)
    assert "before the capture began" in refusal(early)
    holes = pool([Life(float(at), [(at + 0.1, at + 0.2)], at + 0.3) for at in range(8)], end=9)
    assert refusal(holes) == ""
    holes.connections.columns["server_gap_bytes"][:3] = 700
    assert "lost packets" in refusal(holes)
    assert "too few" in refusal(pool("0.0 0.1-0.2", end=5))


def predicted(name: str, **changes: object) -> int:
    """Connections of a capture's pool under a changed policy."""
    one, client = seen_of(name)
    seen = present(one, client)
    assert seen.trusted
    policy = seen.policy
    for knob, value in changes.items():
        word, _, role = knob.partition("__")
        policy = changed(policy, Knob(word), role or "client", value)  # type: ignore[arg-type]
    return replay(seen.demand, policy).dials


def real(name: str) -> int:
    return int(analyses.truth_of(name)["truth"]["connections"])


def test_from_a_transport_for_each_call_a_shared_one_with_its_default_pool_is_predicted() -> None:
    # The write-ups' half fix: the captures are of the same load, before and after.
    after = predicted("go-ab-new-transport", instance_per_request=True, idle_pool_limit=2)
    assert after == pytest.approx(real("go-ab-shared-default"), rel=0.25)


@pytest.mark.parametrize("before", ["go-ab-new-client", "go-ab-shared-default"])
def test_from_the_default_pool_one_with_room_is_predicted(before: str) -> None:
    assert predicted(before, idle_pool_limit=1000) == pytest.approx(real("go-ab-per-host-1000"), rel=0.25)


def test_from_a_cap_on_requests_a_server_without_one_is_predicted() -> None:
    for capped in ("nginx-max-requests-6", "apache-max-requests-5", "goserv-max-requests-6"):
        assert predicted(capped, max_requests__server=1000) == real("go-nginx-healthy")


def test_a_smaller_pool_is_predicted_from_one_with_room() -> None:
    assert predicted("go-ab-per-host-1000", idle_pool_limit=2) == pytest.approx(real("go-ab-shared-default"), rel=0.25)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("requests-connect-tunnel", "tunnels"),
        ("curl-http-to-nginx-tls", "different protocols"),
        ("requests-connect-refused", "protocol is not known"),
    ],
)
def test_what_cannot_be_replayed_is_refused_by_reason(name: str, why: str) -> None:
    one, _ = seen_of(name)
    assert why in refusal(one)


def test_requests_that_share_a_connection_need_no_more_than_it() -> None:
    one, _ = seen_of("raw-pipelining")
    assert one.peak_busy > 1
    assert bound(one) == 1


def test_a_connection_in_its_tls_handshake_is_nothing_to_pass_over() -> None:
    # Two callers over TLS, each with its own connection; the second dials while the first is not through its handshake.
    made = pool(
        [Life(0.0, [(0.2 + at, 0.3 + at) for at in range(6)]), Life(0.1, [(0.3 + at, 0.4 + at) for at in range(6)])],
        end=9,
    )
    assert made.passed_over.any()
    assert present(made, None).trusted


def test_a_client_that_dials_in_the_place_of_a_closed_connection_passes_over_idle_ones() -> None:
    # The server closes each connection after three requests; the client dials anew although the other one is idle.
    def lives(by: str) -> list[Life]:
        return [
            Life(at, [(at + 0.01 + step, at + 0.05 + step) for step in (0.0, 1.0, 2.0)], at + 2.06, by=by)
            for at in (0.0, 0.6, 3.0, 3.6, 6.0, 6.6, 9.0, 9.6, 12.0, 12.6)
        ]

    # Of three requests each, whatever closes: it is who closes that tells whether the idle ones were somebody else's.
    assert "more than one pool" in present(pool(lives("client"), end=20), "python-requests").why_not
    assert "more than one pool" not in present(pool(lives("server"), end=20), "python-requests").why_not


def test_a_clock_that_stands_still_gives_no_demand_and_no_failure() -> None:
    made = pool([Life(0.0, [(1.0, 1.0)], 1.0) for _ in range(12)], end=1)
    for most in (3, 99):
        seen = present(made, None, most)
        assert seen.outcome.dials >= 0
        assert now(made, seen).opens_per_second >= 0
