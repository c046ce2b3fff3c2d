"""Rules on limits, ages and leftovers: each on its pattern, at the edge of each threshold, and beside what looks like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analyses import above_info, judged, judgement, report_of
from tables import Life, pool, pools
from test_capacity import bursts, evicting, sessions

from pcapdiag.model.flags import METHODS, UPGRADED
from pcapdiag.model.report import Finding
from pcapdiag.model.words import Confidence, Count, Protocol, Severity, Side
from pcapdiag.pools.abandoned import abandoned
from pcapdiag.pools.capacity import most_kept, pooled_at_overflow
from pcapdiag.pools.ceiling import ceiling
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.replacing import replacement
from pcapdiag.pools.timers import idle_timer
from pcapdiag.pools.unanswered import unanswered
from pcapdiag.rules.rule import NotJudged


def found(rule: str, one: Pool) -> Finding | None:
    """The rule's finding, None when it is quiet."""
    outcome = judged(rule, one)
    assert not isinstance(outcome, NotJudged)
    return outcome


def expected(rule: str, one: Pool) -> Finding:
    finding = found(rule, one)
    assert finding is not None
    return finding


# -- idle-pool-too-small


def thrown_away(at: float, keep: int = 2, rounds: int = 20) -> list[Life]:
    """Two connections work 0.3 of every 0.5 s, a third all the time; others are used once, until ``at`` in each round.

    The pool is never at rest.
    """
    kept = [Life(0.0, [(0.5 * n + 0.01, 0.5 * n + 0.3) for n in range(rounds)]) for _ in range(keep)]
    kept.append(Life(0.0, [(0.5 * n + 0.011, 0.5 * n + 0.5) for n in range(rounds)]))
    return kept + [Life(0.5 * n + 0.15, [(0.5 * n + 0.16, 0.5 * n + at)], 0.5 * n + at + 0.0005) for n in range(rounds)]


@pytest.mark.parametrize(("at", "met"), [(0.33, 2), (0.2, 0)])
def test_a_pool_that_held_more_at_other_times_was_not_full(at: float, met: int) -> None:
    one = pool(thrown_away(at), end=9.99)
    assert most_kept(one) == 2
    assert set(pooled_at_overflow(one).tolist()) == {met}
    assert (found("idle-pool-too-small", one) is not None) is (met == 2)


@pytest.mark.parametrize(("used", "fires"), [(2, False), (3, True)])
def test_requests_that_overlap_on_one_connection_need_no_second(used: int, fires: bool) -> None:
    kept = [Life(0.0, [(0.5 * n + 0.01, 0.5 * n + 0.03) for n in range(20)]) for _ in range(2)]
    # An answer that was not captured: the next request on the same connection overlaps with it.
    kept[0].uses = sorted([*kept[0].uses, (4.511, 4.52)])
    unused = [Life(0.5 * n + 0.2, [], 0.5 * n + 0.2002) for n in range(20)]
    more = [Life(5.0, [(5.012, 5.031)], 5.0315)] * (used - 2)
    assert (found("idle-pool-too-small", pool(kept + unused + more, end=12)) is not None) is fires


@pytest.mark.parametrize(
    ("count", "confidence"),
    [(3, None), (4, Confidence.LOW), (6, Confidence.MEDIUM), (10, Confidence.MEDIUM), (11, Confidence.HIGH)],
)
def test_a_pool_that_closes_the_one_idle_longest_is_told_by_bursts_that_agree(
    count: int, confidence: Confidence | None
) -> None:
    finding = found("idle-pool-too-small", pool(evicting(3, 12, count, leave=0.5 * count), end=10))
    assert (finding.confidence if finding is not None else None) == confidence
    if finding is not None:
        assert finding.measured["idle_capacity"] == 3
        assert f"(so before {count - 1} bursts)" in finding.claim
        assert "the one idle longest" in finding.claim


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(
            sessions([1], 8) + sessions([12], 4, takes=0.05), id="callers with their own beside one per request"
        ),
        pytest.param(sessions([2], 6), id="sessions of two requests, in step"),
        pytest.param(evicting(12, 12, leave=4.6), id="a pool with room, and the program's end"),
        pytest.param(evicting(0, 12), id="nothing is kept"),
    ],
)
def test_what_leaves_no_level_or_always_the_same_ones_tells_no_idle_pool(lives: list[Life]) -> None:
    assert found("idle-pool-too-small", pool(lives, end=10)) is None


# -- max-conns-cap


def full(
    limit: int = 4,
    rounds: int = 30,
    service: float = 0.04,
    pause: float = 0.0003,
    agent: str | None = None,
    rest: int = 0,
    **columns: int,
) -> list[Life]:
    """``limit`` connections that are all busy; after every ``rest`` rounds all of them pause for a second."""
    lives = []
    for w in range(limit):
        at, uses = 0.01 + 0.0007 * w, []
        for n in range(rounds):
            uses.append((at, at + service))
            at += service + pause + (1.0 if rest and (n + 1) % rest == 0 else 0.0)
        words: dict[str, int | str] = dict(columns)
        if agent:
            words["user_agent"] = agent
        lives.append(Life(0.001 * w, uses, columns=words))
    return lives


def test_connections_that_are_all_busy_and_never_more_are_a_limit_or_as_many_callers() -> None:
    finding = expected("max-conns-cap", pool(full(), end=10))
    assert (finding.severity, finding.confidence) == (Severity.LOW, Confidence.MEDIUM)
    assert finding.measured["limit"] == 4
    assert finding.measured["handovers"] == 4 * 29
    assert "4 callers" in finding.claim
    assert "the same on this leg" in finding.causes[0].tell_apart


@pytest.mark.parametrize(
    ("lives", "end"),
    [
        pytest.param(full(pause=0.15), 20, id="callers that pause"),
        pytest.param(full(service=0.2, pause=0.006), 20, id="pauses of more than a wake-up"),
        pytest.param(full(service=0.004, pause=0.003), 10, id="a client that is busy itself"),
        pytest.param(full(1, 60), 10, id="one connection"),
        pytest.param(full(4, 5), 10, id="four rounds: a burst"),
        pytest.param(full(4, 40, rest=4), 30, id="small batches with rests"),
        pytest.param([*full(4, 30), Life(0.5, [(0.6, 0.7)])], 10, id="a fifth connection when there was need"),
        pytest.param(
            [*full(3, 30), Life(0.0005, [(0.011, 0.05)])], 10, id="one idle, the others go on without a pause"
        ),
    ],
)
def test_it_is_no_limit(lives: list[Life], end: float) -> None:
    assert found("max-conns-cap", pool(lives, end=end)) is None


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(full(agent="ApacheBench/2.3"), id="a load generator"),
        pytest.param(full(agent="Mozilla/5.0 (X11; Linux x86_64)"), id="a browser"),
        pytest.param(full(agent="Java-http-client/17.0.15"), id="a library that has no such limit"),
        pytest.param(full(service=1.0), id="long polls"),
    ],
)
def test_a_limit_by_design_is_information(lives: list[Life]) -> None:
    assert expected("max-conns-cap", pool(lives, end=60)).severity == Severity.INFO


def test_where_the_snaplen_cut_off_who_asks_it_is_information() -> None:
    """A load generator, and a library without a limit, would be known by their name."""
    cut = {"truncated_bytes": 4000}
    assert expected("max-conns-cap", pool(full(**cut), end=10)).severity == Severity.INFO
    assert expected("max-conns-cap", pool(full(agent="axios/1.7", **cut), end=10)).severity == Severity.LOW


def test_batches_with_rests_of_their_own_are_a_limit_too() -> None:
    assert expected("max-conns-cap", pool(full(4, 60, rest=30), end=20)).measured["limit"] == 4


def test_a_capture_that_began_late_shows_the_limit_too() -> None:
    lives = [replace(one, midstream=True) for one in full()]
    assert expected("max-conns-cap", pool(lives, end=10)).measured["limit"] == 4


def test_a_pause_of_one_round_trip_is_the_path_where_the_capture_is_at_the_server() -> None:
    lives = full(service=0.2, pause=0.0503, server_rtt_ns=20_000)
    assert expected("max-conns-cap", pool(lives, end=30, rtt=0.05)).measured["limit"] == 4
    lives = full(service=0.2, pause=0.0503, server_rtt_ns=50_000_000)
    assert found("max-conns-cap", pool(lives, end=30, rtt=0.05)) is None, "captured at the client it is the client's"


def front(callers: int, rounds: int, took: float, every: float = 0.0005) -> list[Life]:
    """What callers ask of the host that is the client of the other pool."""
    where: dict[str, int | str] = {"client_ip": 2, "server_ip": 1, "server_port": 8080}
    return [
        Life(
            0.0002 * w,
            [
                (0.005 + 0.0001 * w + n * (took + every), 0.005 + 0.0001 * w + n * (took + every) + took)
                for n in range(rounds)
            ],
            columns=where,
        )
        for w in range(callers)
    ]


def test_more_requests_in_hand_than_connections_prove_that_some_wait() -> None:
    # Four connections of 40 ms serve 120 requests in 1.2 s; twelve callers wait 120 ms for each of theirs.
    both = pools([*full(4, 30), *front(12, 10, 0.1215)], end=10)
    back = next(one for one in both if one.connections.server_port[0] == 80)
    finding = expected("max-conns-cap", back)
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.HIGH)
    assert finding.measured["callers"] == 12
    assert "12" in finding.causes[0].settings[0].recommended


def test_as_many_callers_as_connections_are_no_limit() -> None:
    both = pools([*full(4, 30), *front(4, 30, 0.0398)], end=10)
    back = next(one for one in both if one.connections.server_port[0] == 80)
    assert ceiling(back) is None
    alone = pool(full(4, 30), end=10)
    assert ceiling(alone) is not None, "it is the callers that decide"


def test_another_service_of_the_same_host_is_no_front() -> None:
    both = pools([*full(4, 30), *front(12, 3, 0.02, every=0.5)], end=10)
    back = next(one for one in both if one.connections.server_port[0] == 80)
    seen = ceiling(back)
    assert seen is not None
    assert seen.front is None


# -- client-max-requests and connection-lifetime


def counted(
    requests: int = 6, count: int = 12, period: float = 0.05, jitter: float = 0.004, work: float = 0.0
) -> list[Life]:
    """A client that takes a new connection after so many requests; ``work`` seconds pass between two connections."""
    lives, at = [], 0.0
    for n in range(count):
        uses = []
        opened = at
        for k in range(requests):
            begun = at + 0.002 if k == 0 else at
            uses.append((begun, begun + 0.005))
            at += period + jitter * ((n * 7 + k * 3) % 5) / 5
        lives.append(Life(opened, uses, at - 0.0005))
        at += work
    return lives


def aged(age: float = 5.0, slots: int = 3, count: int = 4, by: str = "client", announced: bool = False) -> list[Life]:
    """Connections of one age under uneven use, replaced at the next use."""
    lives = []
    for slot in range(slots):
        at, step = 0.01 * slot, 0
        for n in range(count):
            opened, uses = at, []
            at += 0.003
            while at - opened < age:
                uses.append((at, at + 0.004))
                step += 1
                at += 0.02 + 0.013 * ((step * (slot + 3)) % 17) * (1 + (n + slot) % 3)
            at = opened + age + 0.001 * slot
            one = Life(opened, uses, uses[-1][1] + 0.001 if announced else at, by)
            lives.append(one)
            at += 0.002
    return lives


def test_six_requests_each_and_a_new_dial_for_the_next_are_the_clients_count() -> None:
    finding = expected("client-max-requests", pool(counted(), end=20))
    assert finding.measured["max_requests"] == 6
    assert finding.severity == Severity.MEDIUM
    assert [str(one.cause) for one in finding.causes] == ["client-max-requests"]
    assert found("connection-lifetime", pool(counted(), end=20)) is None
    assert "server-max-requests" not in above_info(judgement([pool(counted(), end=20)]).findings)


def test_where_ages_agree_too_both_are_said() -> None:
    one = pool(counted(20, 8, period=0.1), end=30)
    finding = expected("client-max-requests", one)
    assert [str(claim.cause) for claim in finding.causes] == ["client-max-requests", "connection-lifetime"]
    assert "change the rate" in finding.causes[0].tell_apart
    assert found("connection-lifetime", one) is None


def test_under_tls_the_server_may_have_announced_the_close() -> None:
    one = pool(counted(), end=20, protocol=Protocol.TLS)
    causes = [str(claim.cause) for claim in expected("client-max-requests", one).causes]
    assert causes == ["client-max-requests", "server-max-requests"]


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(counted(count=4), id="four connections"),
        pytest.param(counted(requests=1), id="one request each"),
        pytest.param(counted(work=2.0), id="the work ended with the connection"),
        pytest.param(
            [*counted(), Life(3.0, [(3.1 + 0.1 * n, 3.11 + 0.1 * n) for n in range(9)])], id="one carried more"
        ),
        pytest.param(aged(), id="a limit on age"),
        pytest.param([replace(one, by="server") for one in counted()], id="the server closes"),
    ],
)
def test_it_is_not_the_clients_count(lives: list[Life]) -> None:
    assert found("client-max-requests", pool(lives, end=30)) is None


def test_five_turns_on_each_connection_are_a_login_and_a_command() -> None:
    one = pool(
        [replace(life, columns={"basis": int(Count.TURNS)}) for life in counted(5)], end=20, protocol=Protocol.REDIS
    )
    assert replacement(one, Side.CLIENT) is None
    one = pool(
        [replace(life, columns={"basis": int(Count.TURNS)}) for life in counted(12)], end=20, protocol=Protocol.REDIS
    )
    assert expected("client-max-requests", one).measured["max_requests"] == 12


def test_a_count_of_a_hundred_or_a_slow_client_costs_little() -> None:
    assert expected("client-max-requests", pool(counted(100, 6), end=60)).severity == Severity.INFO
    assert expected("client-max-requests", pool(counted(6, 8, period=0.5), end=60)).severity == Severity.LOW


def test_a_lazy_client_that_counts_is_no_idle_timer() -> None:
    # Closed before the next dial after a silence of 1.5 s: but silences as long were survived five times each.
    one = pool(counted(6, 6, period=1.5), end=80)
    assert idle_timer(one, Side.CLIENT) is None
    assert expected("client-max-requests", one).measured["max_requests"] == 6


@pytest.mark.parametrize(("by", "announced"), [("client", False), ("server", False), ("server", True)])
def test_one_age_under_uneven_use_is_a_lifetime(by: str, announced: bool) -> None:
    lives = aged(by=by, announced=announced)
    if announced:
        for one in lives:
            last = one.all_uses()[-1]
            last.response_close = True
            one.uses = [*one.all_uses()[:-1], last]
    finding = expected("connection-lifetime", pool(lives, end=30))
    assert finding.severity == Severity.LOW
    assert str(finding.causes[0].cause) == "connection-lifetime"
    age = finding.measured["age_s"]
    assert isinstance(age, float)
    assert age == pytest.approx(5.0, rel=0.05)
    assert f"The {by} ends connections" in finding.title
    assert above_info(judgement([pool(lives, end=30)]).findings) == ["connection-lifetime"]


def test_connections_that_nobody_asked_for_since_may_be_older() -> None:
    left_over = [Life(20.1, [(20.2 + 0.1 * n, 20.21 + 0.1 * n) for n in range(20)])]
    one = pool([*aged(), *left_over], end=60)
    assert expected("connection-lifetime", one).measured["closes"] == 12


def test_a_lifetime_of_minutes_is_information() -> None:
    assert expected("connection-lifetime", pool(aged(31.0, count=3), end=120)).severity == Severity.INFO


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(
            [*aged(), *[Life(0.0, [(0.1 * n + 0.1, 0.1 * n + 0.11) for n in range(250)]) for _ in range(2)]],
            id="two lived longer",
        ),
        pytest.param(aged(0.8, count=6), id="less than a second: a program's own work"),
        pytest.param(aged(count=1), id="all at one moment: a program's end"),
        pytest.param(
            [Life(3.0 * n, [(3.0 * n + 0.01, 3.0 * n + 0.02)], 3.0 * n + 2.02) for n in range(9)], id="used once"
        ),
        pytest.param(
            [
                Life(8.0 * n, [(8.0 * n + 0.1 * k + 0.01, 8.0 * n + 0.1 * k + 0.02) for k in range(9)], 8.0 * n + 5.82)
                for n in range(6)
            ],
            id="an idle timer behind a burst",
        ),
    ],
)
def test_it_is_no_lifetime(lives: list[Life]) -> None:
    assert found("connection-lifetime", pool(lives, end=60)) is None


# -- close-wait-leak


def left(
    count: int = 8, answer: float | str = "never", by: str = "server", agent: str | None = None, uses: int = 4
) -> list[Life]:
    """Connections used by turns, closed after 3 s of silence, and never closed by the other side."""
    lives = []
    for n in range(count):
        requests = [(0.1 + 0.05 * n + 0.2 * k, 0.11 + 0.05 * n + 0.2 * k) for k in range(uses)]
        columns: dict[str, int | str] = {"user_agent": agent} if agent else {}
        lives.append(Life(0.01 * n, requests, requests[-1][1] + 3.0, by, answer=answer, columns=columns))
    return lives


BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"


def test_a_browser_that_dials_past_what_it_left_leaks_too() -> None:
    later = [Life(6.0 + n, [(6.01 + n, 6.02 + n)], columns={"user_agent": BROWSER}) for n in range(3)]
    assert expected("close-wait-leak", pool([*left(agent=BROWSER), *later], end=12)).severity == Severity.MEDIUM


def test_of_a_client_that_was_not_captured_nobody_knows_what_it_left_open() -> None:
    unseen = [replace(one, columns={"client_packets": 0}) for one in left()]
    assert found("close-wait-leak", pool(unseen, end=10)) is None


def test_fins_that_nobody_answers_leave_close_wait() -> None:
    one = pool(left(), end=10)
    finding = expected("close-wait-leak", one)
    assert finding.severity == Severity.LOW
    assert (finding.measured["close_wait"], finding.measured["dials_past_them"]) == (8, 0)
    assert "another request" in finding.causes[0].tell_apart
    assert above_info(judgement([one]).findings)[0] == "close-wait-leak"


def test_dials_past_them_prove_a_leak() -> None:
    later = [Life(6.0 + n, [(6.01 + n, 6.02 + n), (6.03 + n, 6.04 + n)]) for n in range(3)]
    finding = expected("close-wait-leak", pool([*left(), *later], end=12))
    assert finding.severity == Severity.MEDIUM
    assert finding.measured["dials_past_them"] == 3
    finding = expected("close-wait-leak", pool([*left(60), *later], end=16))
    assert finding.severity == Severity.HIGH


def test_a_client_that_closes_one_with_each_dial_only_looks_late() -> None:
    lives = left(8)
    for n in range(4):
        lives[n].answer = 6.0 + n
    later = [Life(6.001 + n, [(6.01 + n, 6.02 + n), (6.03 + n, 6.04 + n)]) for n in range(4)]
    one = pool([*lives, *later], end=12)
    seen = unanswered(one, Side.CLIENT)
    assert seen is not None
    assert (seen.passed, seen.answered, len(seen.rows)) == (0, 4, 4)
    assert expected("close-wait-leak", one).severity == Severity.INFO


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(pool(left(2), end=10), id="two of them"),
        pytest.param(pool(left(agent="python-requests/2.31.0"), end=10), id="a client known to look late"),
        pytest.param(pool(left(agent=BROWSER), end=10), id="a browser, which looks from time to time"),
    ],
)
def test_close_wait_that_proves_nothing_is_information(one: Pool) -> None:
    assert expected("close-wait-leak", one).severity == Severity.INFO


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(pool(left(answer=0.0), end=10), id="answered at once"),
        pytest.param(pool(left(), end=4.6), id="not watched for a second"),
        pytest.param(pool([Life(0.3 * n, [(0.3 * n + 0.01, 0.3 * n + 0.02)], 0.3 * n + 3, "server", answer="never")
                           for n in range(20)], end=20), id="used once: body-not-closed"),
        pytest.param(pool([replace(one, kind="rst") for one in left()], end=10), id="reset"),
        pytest.param(pool([replace(one, columns={"open_request": 1}) for one in left(by="client")], end=10),
                     id="a response is owed"),
    ],
)  # fmt: skip
def test_it_is_no_leak(one: Pool) -> None:
    assert found("close-wait-leak", one) is None


def test_the_server_can_be_the_one_that_leaks() -> None:
    finding = expected("close-wait-leak", pool(left(by="client"), end=10))
    assert finding.title.startswith("The server leaves 8 connections")
    assert finding.severity == Severity.MEDIUM


# -- half-closed and tunnels


def halves(count: int = 6, wait: float = 2.0, silence: float = 0.0005) -> list[Life]:
    """The server finishes right behind its response, the client later."""
    return [
        Life(
            3.0 * n,
            [(3.0 * n + 0.01, 3.0 * n + 0.02)],
            3.0 * n + 0.02 + silence,
            "server",
            answer=3.0 * n + 0.02 + wait,
        )
        for n in range(count)
    ]


def test_a_second_between_the_two_fins_is_half_closed_on_purpose() -> None:
    finding = expected("half-closed", pool(halves(), end=30))
    assert finding.severity == Severity.INFO
    assert (finding.measured["half_closed"], finding.measured["with_data_after"]) == (6, 0)


def test_data_behind_the_other_sides_fin_is_half_closed_whatever_the_time() -> None:
    lives = halves(wait=0.2)
    for n, one in enumerate(lives):
        one.columns["client_last_data_at"] = 1_700_000_000_000_000_000 + int((3.0 * n + 0.15) * 1e9)
    assert expected("half-closed", pool(lives, end=30)).measured["with_data_after"] == 6


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(halves(wait=0.9), id="less than a second"),
        pytest.param(halves(1), id="one connection"),
        pytest.param(halves(silence=1.5, wait=4.0), id="behind a silence: an idle timer and a client that looks late"),
        pytest.param([replace(one, answer="never") for one in halves()], id="never: a leak"),
    ],
)
def test_it_is_not_half_closed(lives: list[Life]) -> None:
    assert found("half-closed", pool(lives, end=40)) is None


def tunnels(count: int = 20, method: str = "CONNECT", status: int = 200) -> Pool:
    """Connections that carry something else behind their first answer, open to the end."""
    one = pool([Life(0.3 * n, [(0.3 * n + 0.01, 0.3 * n + 0.02)]) for n in range(count)], end=60)
    one.exchanges.columns["flags"] = one.exchanges.flags | UPGRADED
    one.exchanges.columns["method"] = one.exchanges.method * 0 + METHODS.index(method)
    one.exchanges.columns["status"] = one.exchanges.status * 0 + status
    return one


def with_data(one: Pool, seconds: float, hosts: int = 1) -> Pool:
    """Tunnels that carry bytes for so long, to one host or to several."""
    columns = one.connections.columns
    columns["client_last_data_at"] = one.connections.first_at + int(seconds * 1e9)
    columns["host"] = one.connections.host * 0 + 1 + np.arange(one.size) % hosts
    return one


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        pytest.param(with_data(tunnels(), 60.0), "CONNECT", id="CONNECT, in use"),
        pytest.param(with_data(tunnels(), 0.1, hosts=20), "CONNECT", id="CONNECT, a tunnel to each of many hosts"),
        pytest.param(with_data(tunnels(method="GET", status=101), 0.1), "upgrade", id="WebSocket, silent since"),
    ],
)
def test_tunnels_are_busy_and_no_leak(one: Pool, kind: str) -> None:
    finding = expected("connect-tunnel", one)
    assert (finding.severity, finding.measured["tunnels"], finding.measured["open_at_end"]) == (Severity.INFO, 20, 20)
    assert kind in finding.title
    assert one.peak_busy == 20
    assert abandoned(one) is None
    assert not above_info(judgement([one]).findings)


def test_silent_tunnels_to_one_host_are_left_idle_when_the_next_one_is_dialled() -> None:
    one = with_data(tunnels(), 0.1)
    assert expected("connect-tunnel", one).severity == Severity.INFO
    assert above_info(judgement([one]).findings) == ["never-reuse-new-transport"]


def test_the_same_connections_without_the_upgrade_are_left_idle() -> None:
    one = pool([Life(0.3 * n, [(0.3 * n + 0.01, 0.3 * n + 0.02)]) for n in range(20)], end=60)
    assert found("connect-tunnel", one) is None
    assert abandoned(one) is not None


# -- two kinds of use


def keeping(workers: int = 3, rounds: int = 40) -> list[Life]:
    """A program that keeps its connections, each request 0.12 s behind the last."""
    return [
        Life(0.01 * w, [(0.02 + 0.04 * w + 0.12 * n, 0.025 + 0.04 * w + 0.12 * n) for n in range(rounds)])
        for w in range(workers)
    ]


def spaced() -> list[Life]:
    """Pairs of requests each 3 s, and now and then one, on connections that a timer of 2 s closes before the next."""
    lives = []
    for n in range(9):
        at = 3.0 * n
        uses = [(at + 0.002, at + 0.01)] if n % 2 else [(at + 0.002 + 0.1 * k, at + 0.01 + 0.1 * k) for k in range(6)]
        lives.append(Life(at, uses, uses[-1][1] + 2.0))
    return lives


def careless(count: int = 12, silence: float | None = None) -> list[Life]:
    """A program that dials for each request, and leaves the connection or closes it."""
    lives = []
    for n in range(count):
        at = 0.3 + 0.33 * n
        lives.append(Life(at, [(at + 0.003, at + 0.008)], None if silence is None else at + 0.008 + silence))
    return lives


@pytest.mark.parametrize(
    ("silence", "leads"), [(None, "never-reuse-new-transport"), (0.001, "never-reuse-keepalive-disabled")]
)
def test_two_kinds_of_use_are_two_pools_and_each_is_judged_by_itself(silence: float | None, leads: str) -> None:
    both = pools([*keeping(), *careless(24, silence)], end=12)
    assert [(one.name, one.size, one.requests) for one in both] == [("p1", 24, 24), ("p2", 3, 120)]
    assert both[0].beside is both[1]
    assert both[1].beside is None
    finding = expected("mixed-pool", both[0])
    assert finding.severity == Severity.INFO
    assert (finding.measured["shared_connections"], finding.measured["shared_requests"]) == (3, 120)
    assert found("mixed-pool", both[1]) is None
    assert above_info(judgement(both).findings) == [leads]


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(keeping(), id="one kind: all are kept"),
        pytest.param(careless(), id="one kind: none is"),
        pytest.param([*keeping(), *careless(4)], id="four of the other kind"),
        pytest.param([*keeping(), *[Life(0.9 + 0.001 * n, [(0.95, 1.9)]) for n in range(9)]], id="what a burst left"),
        pytest.param(bursts(3, 12), id="an idle pool that overflows"),
        pytest.param(spaced(), id="an idle timer shorter than some pauses"),
        pytest.param(
            [*keeping(), *[replace(one, columns={"host": f"h{n}.example"}) for n, one in enumerate(careless())]],
            id="a connection for each of many hosts",
        ),
    ],
)
def test_a_pool_of_one_kind_is_not_parted(lives: list[Life]) -> None:
    (only,) = pools(lives, end=40)
    assert only.beside is None
    assert found("mixed-pool", only) is None


def test_what_a_measured_service_does_comes_ahead_of_how_its_measurer_is_used() -> None:
    """ab without -k in front of a service with a small pool: both are high, and nobody is paged for ab."""
    assert [one.code for one in report_of("go-both-legs").findings if one.severity is Severity.HIGH] == [
        "PD205",
        "PD203",
    ]


@pytest.mark.parametrize(("later", "told"), [(0, False), (2, False), (3, True), (12, True)])
def test_callers_that_all_dialled_before_the_first_answer_could_reuse_nothing(later: int, told: bool) -> None:
    """Each closes its connection after the answer: of a single burst that says nothing about a pool."""
    burst = [Life(0.001 * n, [(0.05, 0.06 + 0.001 * n)], 0.0605 + 0.001 * n) for n in range(12)]
    behind = [Life(1.0 + n, [(1.01 + n, 1.02 + n)], 1.0205 + n) for n in range(later)]
    outcome = judged("never-reuse-keepalive-disabled", pool(burst + behind, end=20))
    assert isinstance(outcome, Finding if told else NotJudged)
