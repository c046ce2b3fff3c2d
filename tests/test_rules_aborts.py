"""Requests that are lost: each rule on the pattern it names, beside the look-alikes that it must leave alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from analyses import above_info, judged, judgement
from notation import play
from tables import Life, Use, life, ns, pool, pools

from pcapdiag.model import flags
from pcapdiag.model.report import Finding
from pcapdiag.model.words import CloseKind, Confidence, Opening, Protocol, Severity, Side
from pcapdiag.pools import endings, races, timeouts
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.timers import idle_timer
from pcapdiag.rules.rule import NotJudged

END = 60.0


def of(lives: Sequence[Life], end: float = END, rtt: float = 0.001, protocol: Protocol = Protocol.HTTP1) -> Pool:
    return pool(lives, end=end, rtt=rtt, protocol=protocol)


def found(rule: str, one: Pool) -> Finding | None:
    outcome = judged(rule, one)
    assert not isinstance(outcome, NotJudged)
    return outcome


def sure(rule: str, one: Pool) -> Finding:
    finding = found(rule, one)
    assert finding is not None
    assert finding.evidence
    assert all(frame.number > 0 for item in finding.evidence for frame in item.frames)
    return finding


def silent(rule: str, one: Pool) -> None:
    """No finding above information."""
    finding = found(rule, one)
    assert finding is None or finding.severity is Severity.INFO, finding.title


def refused(at: float) -> Life:
    return Life(
        at,
        (),
        at + 0.0005,
        "server",
        "rst",
        columns={"opening": int(Opening.REFUSED), "established_at": 0, "rtt_ns": -1},
    )


def steady(workers: int = 3, until: float = 20.0) -> list[Life]:
    """Connections that go on working."""
    return [Life(0.01 * w, [(0.02 + 0.5 * n, 0.03 + 0.5 * n) for n in range(int(until / 0.5))]) for w in range(workers)]


# -- the client gives up


def timed_out(count: int = 8, after: float = 1.0, jitter: float = 0.004, every: float = 1.3) -> list[Life]:
    return [
        Life(every * n, [Use(every * n + 0.002, None)], every * n + 0.002 + after + jitter * (n % 3))
        for n in range(count)
    ]


def in_flow(count: int, waits: Sequence[float], began: float = 0.01, last: float = 0.1) -> list[Life]:
    """Responses that began and were still coming, ``last`` seconds ahead of the client's close."""
    lives = []
    for n in range(count):
        at, wait = 4.0 * n, waits[n % len(waits)]
        closed = at + 0.002 + wait
        one = Life(at, [Use(at + 0.002, at + 0.002 + began, size=50_000)], closed)
        one.columns |= {"open_request": 1, "last_exchange_at": ns(closed - last), "client_rst_at": ns(closed + 0.001)}
        lives.append(one)
    return lives


def test_requests_given_up_after_one_wait_are_a_timeout() -> None:
    finding = sure("client-request-timeout", of(timed_out()))
    assert finding.severity is Severity.HIGH
    assert finding.measured["wait_median_s"] == pytest.approx(1.004, abs=0.001)
    low, high = finding.measured["timeout_low_s"], finding.measured["timeout_high_s"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < 1.0 < high
    assert [str(claim.cause) for claim in finding.causes] == ["client-request-timeout", "slow-server"]


def test_the_longest_answer_that_was_waited_for_bounds_the_timeout() -> None:
    answered = [Life(0.5 * n, [(0.5 * n + 0.01, 0.5 * n + 0.91)]) for n in range(10)]
    finding = sure("client-request-timeout", of(timed_out() + answered))
    assert finding.measured["longest_answer_s"] == pytest.approx(0.9, abs=0.001)


def test_requests_that_waited_longer_and_were_answered_speak_against_one_timeout() -> None:
    answered = [Life(0.5 * n, [(0.5 * n + 0.01, 0.5 * n + 3.01)]) for n in range(100)]
    finding = found("client-request-timeout", of(timed_out() + answered, end=90))
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert "waited longer" in finding.claim


def test_a_total_timeout_in_mid_body_is_no_unread_response() -> None:
    one = of(in_flow(8, [1.0, 1.002, 1.001], last=0.15))
    finding = sure("client-request-timeout", one)
    assert finding.measured["in_mid_response"] == 8
    assert "total timeout" in finding.claim
    silent("body-not-drained", one)


def test_a_silence_in_mid_body_is_a_read_timeout() -> None:
    finding = sure("client-request-timeout", of(in_flow(8, [1.4, 2.0, 2.7, 3.1], last=1.0)))
    assert "a read timeout" in finding.claim
    assert finding.measured["wait_median_s"] == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("closed as soon as the response began", in_flow(8, [0.02], began=0.01, last=0.005)),
        ("left at all kinds of times", timed_out(8, jitter=0.4)),
        ("a stream left after about seven seconds", in_flow(6, [6.6, 6.9, 7.2, 7.5], last=0.01)),
        ("one, at no round time", timed_out(1, after=1.37) + steady()),
        ("idle connections closed", [Life(n, [(n + 0.01, n + 0.02)], n + 1.02) for n in range(8)]),
        ("the server closes", [Life(n, [Use(n + 0.01, None)], n + 1.02, "server") for n in range(8)]),
        ("a busy program's at-once closes", [Life(n, [Use(n + 0.01, None)], n + 0.05) for n in range(8)]),
    ],
)
def test_closes_that_are_no_timeout(why: str, lives: list[Life]) -> None:
    silent("client-request-timeout", of(lives))


IMPATIENT = (0.30, 0.301, 0.335, 0.35, 0.381, 0.39)


def test_short_waits_of_many_lengths_agree_by_chance() -> None:
    lives = [shift(timed_out(1, after=wait)[0], 1.3 * n) for n, wait in enumerate(IMPATIENT)]
    others = [shift(timed_out(1, after=wait)[0], 9.0 + n) for n, wait in enumerate((0.06, 0.14, 0.19))]
    assert timeouts.given_up(of(lives)) is not None  # nothing contradicts
    assert timeouts.given_up(of(lives + others)) is None
    silent("client-request-timeout", of(lives + others))


def shift(one: Life, by: float) -> Life:
    """The same connection, later."""
    one.opened += by
    one.uses = [replace(use, request=use.request + by) for use in one.all_uses()]
    one.closed = (one.closed or 0.0) + by
    return one


def test_a_request_that_never_arrived_is_the_paths_fault() -> None:
    lives = timed_out()
    for one in lives:
        one.columns["client_unacked_bytes"] = 100
    assert found("client-request-timeout", of(lives)) is None


def test_a_response_that_stalls_in_the_network_is_the_paths_fault() -> None:
    lives = in_flow(8, [2.0], last=1.0)
    for one in lives:
        one.columns["server_resent_run"] = 3
    assert found("client-request-timeout", of(lives)) is None


def test_messages_that_nobody_answers_are_not_given_up() -> None:
    assert found("client-request-timeout", of(timed_out(), protocol=Protocol.OPAQUE)) is None


@pytest.mark.parametrize(("count", "severity"), [(1, Severity.INFO), (2, Severity.INFO), (3, Severity.MEDIUM)])
def test_one_or_two_are_information(count: int, severity: Severity) -> None:
    finding = sure("client-request-timeout", of(timed_out(count) + steady(2, 10)))
    assert finding.severity is severity


def test_a_timeout_once_in_hundreds_of_requests_weighs_little() -> None:
    assert sure("client-request-timeout", of(timed_out(4) + steady(12, 50))).severity is Severity.LOW


def test_a_timeout_explains_that_its_connections_are_not_reused() -> None:
    assert above_info(judgement([of(timed_out(20, every=1.1))]).findings) == ["client-request-timeout"]


# -- the race


def race(
    count: int = 4, timer: float = 1.0, method: int = 1, again: bool = False, every: float = 3.0, rtt: float = 0.05
) -> list[Life]:
    """The server's FIN leaves ``timer`` after each response; the next request is on its way by then."""
    lives = []
    for n in range(count):
        at = every * n
        fin = at + 0.06 + timer
        one = Life(at, [(at + 0.05, at + 0.06), Use(fin + 0.01, None)], fin, "server", answer=fin + rtt)
        one.columns |= {
            "crossed_bytes": 100,
            "client_unacked_bytes": 100,
            "server_rst_at": ns(fin + 0.0101),
            "open_request": 0,
            "last_exchange_at": ns(at + 0.06),
        }
        lives.append(one)
        if again:
            lives.append(Life(fin + 0.04, [(fin + 0.04 + rtt, fin + 0.05 + rtt)]))
    return lives


def with_method(one: Pool, method: str) -> Pool:
    one.exchanges.columns["method"][:] = flags.METHODS.index(method)
    return one


def test_a_request_that_crosses_the_close_of_an_idle_connection_is_a_race() -> None:
    finding = sure("keepalive-race", with_method(of(race(), rtt=0.05), "POST"))
    assert finding.severity is Severity.HIGH
    assert finding.measured["lost_requests"] == 4
    assert finding.measured["server_idle_timeout_s"] == pytest.approx(1.0, abs=0.01)
    assert "POST" in finding.claim
    assert "not idempotent" in finding.claim


def test_races_alone_bracket_the_servers_timer() -> None:
    lives = race(6)
    for one in lives:
        one.columns["open_request"] = 1  # as at the client: no close of an idle connection is seen
        del one.columns["last_exchange_at"]
    measured = sure("keepalive-race", of(lives, rtt=0.05)).measured
    low, high = measured["idle_timeout_low_s"], measured["idle_timeout_high_s"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 0.95 < low < 1.0 < high < 1.05
    assert sure("keepalive-race", of(race(1), rtt=0.05)).measured["idle_timeout_low_s"] is None


def test_one_race_is_enough() -> None:
    finding = sure("keepalive-race", of(race(1) + steady()))
    assert finding.severity is Severity.MEDIUM
    assert "too few closes" in finding.claim


def test_a_race_whose_get_was_sent_again_weighs_less() -> None:
    finding = sure("keepalive-race", of(race(again=True), rtt=0.05))
    assert finding.severity is Severity.LOW
    assert finding.measured["repeated"] == 4
    assert "sent again" in finding.claim


def test_a_repeated_post_is_not_called_safe() -> None:
    finding = sure("keepalive-race", with_method(of(race(again=True), rtt=0.05), "POST"))
    assert finding.severity is Severity.MEDIUM
    assert "not idempotent" in finding.claim
    assert finding.measured["repeated"] == 4


def test_among_many_alike_nobody_can_tell_whether_one_was_sent_again() -> None:
    busy = [Life(0.001 * w, [(0.1 * n, 0.1 * n + 0.01) for n in range(1, 120)]) for w in range(3)]
    finding = sure("keepalive-race", of(race() + busy, rtt=0.05))
    assert "nobody can tell" in finding.claim or "not sent again" in finding.claim
    assert finding.severity is Severity.HIGH


def test_a_race_leads_over_the_servers_timer() -> None:
    lives = race(8) + [Life(40 + 3.0 * n, [(40.05 + 3 * n, 40.06 + 3 * n)], 41.06 + 3 * n, "server") for n in range(6)]
    assert above_info(judgement([of(lives, rtt=0.05)]).findings)[0] == "keepalive-race"


def changed(lives: list[Life], **columns: int) -> list[Life]:
    for one in lives:
        if one.columns:
            one.columns |= columns
    return lives


def at_once_closed() -> list[Life]:
    """The server closes right after its response: no idle timer did that."""
    return race(timer=0.01)


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("the server had a part of it", changed(race(), crossed_bytes=40)),
        ("nothing crossed", changed(race(), crossed_bytes=0)),
        ("closed right after the response", at_once_closed()),
    ],
)
def test_closes_that_are_no_race(why: str, lives: list[Life]) -> None:
    assert found("keepalive-race", of(lives, rtt=0.05)) is None


def test_requests_that_cross_a_restart_are_not_the_idle_timers() -> None:
    lives = []
    for n in range(4):
        one = Life(0.0, [(0.1, 0.2), (1.0 + 0.4 * n, 1.05 + 0.4 * n), Use(3.005, None)], 3.0 + 0.001 * n, "server")
        one.columns |= {"crossed_bytes": 100, "open_request": 0, "last_exchange_at": ns(1.05 + 0.4 * n)}
        lives.append(one)
    one = of([*lives, refused(3.1), refused(3.3), Life(4.0, [(4.1, 4.2)])])
    assert found("keepalive-race", one) is None
    assert sure("server-restart", one).measured["lost_requests"] == 4


HANDSHAKE = """
        > S
        +0.020 < S.
        +0.020 > .
"""


def crossed_of(text: str) -> dict[str, Any]:
    return play(HANDSHAKE + text).connections[0]


@pytest.mark.parametrize(
    "text",
    [
        # at the client: the request leaves ahead of the FIN's arrival
        "> P. GET /\n+0.040 < P. 200 (0)\n+1 > P. GET /\n+0.010 < F. ack 28\n+0.03 < R",
        # at the server: the FIN leaves ahead of the request's arrival
        "> P. GET /\n+0.001 < P. 200 (0)\n+1 < F. ack 28\n+0.010 > P. GET / ack 39\n+0.0001 < R",
    ],
    ids=["at the client", "at the server"],
)
def test_the_acknowledgment_numbers_tell_a_race_wherever_the_capture_was_taken(text: str) -> None:
    row = crossed_of(text)
    assert row["crossed_bytes"] > 0
    assert row["heedless_bytes"] == 0


# -- a FIN that is not heeded


def ignored(count: int = 5, after: float = 3.0) -> list[Life]:
    lives = []
    for n in range(count):
        at = 10.0 * n
        one = Life(at, [(at + 0.05, at + 0.06), Use(at + 2.06 + after, None)], at + 2.06, "server", answer="never")
        one.columns |= {
            "heedless_bytes": 100,
            "heedless_frame": 4,
            "server_rst_at": ns(at + 2.07 + after),
            "open_request": 0,
            "last_exchange_at": ns(at + 0.06),
        }
        lives.append(one)
    return lives


def test_a_request_long_after_the_fin_is_no_race() -> None:
    one = of(ignored())
    finding = sure("client-ignores-fin", one)
    assert [str(claim.cause) for claim in finding.causes] == ["close-wait-leak", "keepalive-race"]
    assert finding.measured["after_fin_median_s"] == pytest.approx(3.0, abs=0.01)
    assert "no race" in finding.claim
    assert found("keepalive-race", one) is None


@pytest.mark.parametrize(("count", "severity"), [(1, Severity.LOW), (2, Severity.LOW), (3, Severity.HIGH)])
def test_three_requests_after_a_fin_are_a_habit(count: int, severity: Severity) -> None:
    assert sure("client-ignores-fin", of(ignored(count))).severity is severity


def test_a_program_has_time_to_notice() -> None:
    assert found("client-ignores-fin", of(ignored(after=0.03))) is None


def test_a_server_that_has_only_finished_sending_is_not_ignored() -> None:
    lives = ignored()
    for one in lives:
        del one.columns["server_rst_at"]
    assert found("client-ignores-fin", of(lives, protocol=Protocol.OPAQUE)) is None


def unread_by_server(count: int = 5, again: bool = False, answer: float = 3.001) -> list[Life]:
    """Requests after an idle timer's FIN that the server's kernel acknowledges, without RST and without an answer."""
    lives = ignored(count)
    for one in list(lives):
        del one.columns["server_rst_at"]
        assert one.closed is not None
        late = one.closed + 3.0
        one.answer = one.closed + answer
        if again:
            lives.append(Life(late + 0.002, [(late + 0.004, late + 0.014)], late + 2.014, "server"))
    return lives


def test_no_response_can_follow_a_fin_so_a_request_is_lost_without_a_reset_too() -> None:
    one = of(unread_by_server())
    finding = sure("client-ignores-fin", one)
    assert finding.severity is Severity.HIGH
    assert finding.measured["lost_requests"] == 5
    assert finding.measured["repeated"] == 0
    assert found("half-closed", one) is None


def test_a_stream_that_the_server_goes_on_reading_is_half_closed() -> None:
    lives = unread_by_server()
    for one in lives:
        one.columns["client_last_data_at"] = ns(one.all_uses()[-1].request)
    assert found("half-closed", of(lives, protocol=Protocol.OPAQUE)) is not None


def test_a_client_that_repeats_each_request_pays_a_delay_and_the_servers_timer_leads() -> None:
    finding = sure("client-ignores-fin", of(unread_by_server(again=True)))
    assert finding.measured["repeated"] == 5
    assert finding.severity is Severity.INFO
    assert above_info(judgement([of(unread_by_server(again=True))]).findings) == ["server-idle-timeout"]
    # Without a timer to lead it is told here, and a POST may have been carried out.
    assert sure("client-ignores-fin", of(unread_by_server(3, again=True)[:2] + steady())).severity is Severity.LOW
    post = with_method(of(unread_by_server(again=True)), "POST")
    assert sure("client-ignores-fin", post).severity is Severity.HIGH


def test_a_request_after_the_fin_survived_no_silence() -> None:
    """The server's timer is 2 s, though requests went out 5 s after the last response."""
    timer = idle_timer(of(ignored()), Side.SERVER)
    assert timer is not None
    assert timer.high == pytest.approx(2.0 * SECOND, abs=0.05 * SECOND)


def test_late_requests_on_what_a_restart_closed_are_the_restarts() -> None:
    lives = []
    for n in range(8):
        uses: list[Use | tuple[float, float]] = [(0.1 + 0.5 * k, 0.11 + 0.5 * k) for k in range(1 + n % 3)]
        one = Life(0.0, [*uses, Use(4.5, None)], 4.1 + 0.0001 * n, "server", answer=4.501)
        one.columns |= {"heedless_bytes": 100, "heedless_frame": 4, "server_rst_at": ns(4.502), "open_request": 0}
        one.columns["last_exchange_at"] = ns(0.11 + 0.5 * (n % 3))
        lives.append(one)
    one_pool = of([*lives, refused(4.51), refused(4.7), *[Life(5.0, [(5.1, 5.2)]) for _ in range(3)]])
    assert found("client-ignores-fin", one_pool) is None
    finding = sure("server-restart", one_pool)
    assert finding.severity is Severity.MEDIUM
    assert finding.measured["sent_after_fin"] == 8
    assert above_info(judgement([one_pool]).findings)[0] == "server-restart"


# -- an idle timer's reset in place of its FIN


def reset_unread(silence: float, count: int = 2, fins: int = 5) -> list[Life]:
    """A server's timer of 2 s; some requests meet a RST without a FIN ``silence`` after the response ahead of them."""
    lives = race(fins, timer=2.0, every=3.0)
    for n in range(count):
        at = 3.0 * n + 1.0
        uses: list[Use | tuple[float, float]] = [(at + 0.05, at + 0.06), (at + 1.06, at + 1.07)]
        gone = at + 1.07 + silence
        one = Life(at, [*uses, Use(gone - 0.05, None)], gone, "server", "rst")
        one.columns |= {"server_rst_frame": 9}
        lives.append(one)
    return [*lives, Life(20.0, [(20.1, 20.2)])]


def test_a_reset_at_the_silence_of_the_servers_fins_is_the_servers() -> None:
    one = of(reset_unread(2.0), rtt=0.05)
    assert len(races.reset_by_timer(one)) == 2
    assert found("middlebox-idle-drop", one) is None
    assert found("server-abort", one) is None
    assert sure("keepalive-race", one).measured["reset_unread"] == 2
    assert above_info(judgement([one]).findings)[0] == "keepalive-race"


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("after a longer silence", reset_unread(3.0)),
        ("too few FINs to show a timer", reset_unread(2.0, fins=2)),
        ("more resets than FINs", reset_unread(2.0, count=4, fins=3)),
    ],
)
def test_other_resets_are_not_the_servers_timer(why: str, lives: list[Life]) -> None:
    assert not len(races.reset_by_timer(of(lives, rtt=0.05)))


# -- a server that closes after each response and does not say so


def unsaid(count: int = 8, late: int = 8, after: float = 0.18, served: int = 1, crossing: bool = False) -> list[Life]:
    """A FIN with the end of each connection's last response; the next request comes on it all the same."""
    lives = []
    for n in range(count):
        at = 0.5 * n
        uses: list[Use | tuple[float, float]] = [(at + 0.01 + 0.02 * k, at + 0.02 + 0.02 * k) for k in range(served)]
        fin = at + 0.0001 + 0.02 * served
        columns: dict[str, int | str] = {}
        if n < late:
            uses.append(Use(fin + after, None))
            columns = {"heedless_bytes": 0 if crossing else 100, "crossed_bytes": 100 if crossing else 0}
            columns |= {"open_request": int(crossing), "server_rst_at": ns(fin + after + 0.01)}
            columns["last_exchange_at"] = ns(fin - 0.0001)
        lives.append(Life(at, uses, fin, "server", answer=fin + after + 0.001, columns=columns))
    return lives


@pytest.mark.parametrize("crossing", [False, True])
def test_a_close_after_each_response_without_a_word_is_the_servers(crossing: bool) -> None:
    one = of(unsaid(after=0.001 if crossing else 0.18, crossing=crossing))
    finding = sure("server-connection-close", one)
    assert finding.severity is Severity.HIGH
    assert finding.measured["lost_requests"] == 8
    assert above_info(judgement([one]).findings) == ["server-connection-close"]


@pytest.mark.parametrize("late", [0, 2])
def test_a_close_without_a_word_that_cost_no_request_may_have_been_the_clients_wish_too(late: int) -> None:
    finding = sure("server-connection-close", of(unsaid(late=late)))
    assert [str(claim.cause) for claim in finding.causes] == [
        "server-connection-close",
        "never-reuse-keepalive-disabled",
    ]
    assert finding.measured["lost_requests"] == 0
    assert finding.confidence is not Confidence.HIGH
    assert finding.causes[0].tell_apart


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("two requests each", unsaid(served=2)),
        ("three connections", unsaid(3, 3)),
    ],
)
def test_other_closes_are_not_an_unsaid_one(why: str, lives: list[Life]) -> None:
    assert found("server-connection-close", of(lives)) is None


def test_what_is_sent_after_the_fin_does_not_count_towards_a_cap() -> None:
    assert request_cap(of(unsaid())) is None
    cap = request_cap(of(unsaid(served=3)))
    assert cap is not None
    assert cap.value == 3


def test_equal_counts_at_one_moment_are_no_cap() -> None:
    lives = [
        Life(0.0, [(0.1 + 0.2 * k, 0.11 + 0.2 * k) for k in range(5)], 0.92 + 0.001 * n, "server") for n in range(6)
    ]
    assert request_cap(of(lives)) is None


def test_an_answer_to_the_servers_close_notify_is_no_request() -> None:
    lives = [
        Life(n, [(n + 0.05, n + 0.06)], n + 0.5, "server", columns={"heedless_bytes": 31, "crossed_bytes": 31})
        for n in range(9)
    ]
    one = of(lives, protocol=Protocol.TLS)
    assert found("client-ignores-fin", one) is None
    assert found("keepalive-race", one) is None


# -- the server ends


def dying(kind: str = "fin", open_requests: int = 5, at: float = 5.0, total: int = 6) -> list[Life]:
    """Connections at work, all closed by the server within a few milliseconds."""
    lives = []
    for n in range(total):
        uses: list[Use | tuple[float, float]] = [
            (0.1 + 0.3 * k + 0.02 * n, 0.15 + 0.3 * k + 0.02 * n) for k in range(15)
        ]
        if n < open_requests:
            uses.append(Use(at - 0.1 + 0.01 * n, None))
        lives.append(Life(0.001 * n, uses, at + 0.0002 * n, "server", kind))
    return lives


def back(at: float, count: int = 4) -> list[Life]:
    return [Life(at + 0.01 * n, [(at + 0.1, at + 0.15), (at + 0.4, at + 0.45)]) for n in range(count)]


@pytest.mark.parametrize("kind", ["fin", "rst"])
@pytest.mark.parametrize("after", [[], [refused(5.1), refused(5.2)], [refused(5.1), *back(6.2)]])
def test_all_connections_at_one_moment_with_requests_open_is_the_servers_end(kind: str, after: list[Life]) -> None:
    one = of([*dying(kind), *after])
    finding = sure("server-abort", one)
    assert finding.severity is Severity.HIGH
    assert finding.measured["lost_requests"] == 5
    assert finding.measured["ended_together"] == 6
    assert above_info(judgement([one]).findings)[0] == "server-abort"
    assert found("server-restart", one) is None


def resets(count: int, request: int = 3, wait: float = 0.03, spacing: float = 0.7) -> list[Life]:
    lives = []
    for n in range(count):
        at = spacing * n
        uses: list[Use | tuple[float, float]] = [(at + 0.01 + 0.1 * k, at + 0.02 + 0.1 * k) for k in range(request - 1)]
        start = at + 0.01 + 0.1 * (request - 1)
        uses.append(Use(start, None))
        lives.append(Life(at, uses, start + wait + 0.017 * (n % 4), "server", "rst"))
    return lives


def test_resets_in_mid_exchange_are_an_abort() -> None:
    finding = sure("server-abort", of(resets(12)))
    assert finding.severity is Severity.HIGH
    assert finding.measured["reset"] == 12
    assert "request 3 of the connection" in finding.claim


@pytest.mark.parametrize(("count", "severity"), [(1, Severity.INFO), (2, Severity.INFO), (3, Severity.MEDIUM)])
def test_few_resets_weigh_less(count: int, severity: Severity) -> None:
    assert sure("server-abort", of(resets(count) + steady(3))).severity is severity


def test_requests_dropped_after_one_wait_name_the_servers_timeout() -> None:
    finding = sure("server-abort", of(resets(8, wait=30.0, spacing=3.0), end=90))
    assert finding.measured["timeout_s"] == pytest.approx(30.0, abs=0.1)
    assert "a timeout of the server" in finding.claim


def test_a_reset_over_another_number_of_hops_is_somebody_elses() -> None:
    lives = resets(8)
    for one in lives:
        one.columns |= {"server_hops": 60, "server_rst_hops": 254}
    finding = sure("server-abort", of(lives))
    assert finding.title.startswith("Something on the way")
    assert [str(claim.cause) for claim in finding.causes] == ["server-abort", "middlebox-idle-drop"]
    assert finding.measured["resets_from_elsewhere"] == 8


def test_resets_of_the_first_request_after_a_long_silence_may_be_a_forgotten_connection() -> None:
    lives = []
    for n in range(5):
        at = 40.0 * n
        lives.append(
            Life(at, [(at + 0.01, at + 0.02), (at + 3, at + 3.01), Use(at + 20, None)], at + 20.001, "server", "rst")
        )
    finding = sure("server-abort", of(lives, end=300))
    assert [str(claim.cause) for claim in finding.causes] == ["server-abort", "middlebox-idle-drop"]


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("a reset behind the client's close", [Life(n, [(n + 0.01, n + 0.02)], n + 0.1) for n in range(9)]),
        ("resets of idle connections", [Life(n, [(n + 0.01, n + 0.02)], n + 5.0, "server", "rst") for n in range(9)]),
        ("a race", race(8)),
        ("a sender that stopped in mid-request", []),
    ],
)
def test_closes_that_are_no_abort(why: str, lives: list[Life]) -> None:
    assert not lives or found("server-abort", of(lives, rtt=0.05)) is None


def test_a_sender_that_stops_in_mid_request_meets_the_servers_timer() -> None:
    one = of([Life(n, [Use(n + 0.01, None)], n + 10.0, "server") for n in range(6)])
    one.exchanges.columns["flags"] &= ~flags.REQUEST_COMPLETE
    assert found("server-abort", one) is None


def idle_stop(silences: Sequence[float], at: float = 10.0, age: float = 9.0, spread: float = 0.001) -> list[Life]:
    return [
        Life(at - age + 0.3 * n, [(at - s - 0.5, at - s - 0.4), (at - s - 0.05, at - s)], at + spread * n, "server")
        for n, s in enumerate(silences)
    ]


def test_idle_connections_that_all_end_at_one_moment_are_a_restart() -> None:
    one = of([*idle_stop([0.1, 0.9, 2.2, 3.5]), refused(10.3), refused(10.5), *back(11.5)])
    finding = sure("server-restart", one)
    assert finding.severity is Severity.MEDIUM
    assert finding.measured["refused_after"] == 2
    assert above_info(judgement([one]).findings)[0] == "server-restart"


def test_a_restart_that_nobody_felt_is_information() -> None:
    finding = sure("server-restart", of([*idle_stop([0.1, 0.9, 2.2, 3.5]), *back(10.2)]))
    assert finding.severity is Severity.INFO


def test_a_server_that_stays_away_is_refused_not_restarted() -> None:
    lives = [*idle_stop([0.1, 0.9, 2.2, 3.5]), *(refused(10.2 + 0.2 * n) for n in range(30))]
    one = of(lives)
    finding = sure("server-restart", one)
    assert finding.severity is Severity.INFO
    assert "stopped" in finding.title


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("an idle timer after a burst", idle_stop([3.0, 3.0, 3.001, 3.0])),
        ("a sweep of what was idle for two seconds or more", idle_stop([2.0, 2.6, 3.1, 3.9])),
        ("one goes on", [*idle_stop([0.1, 0.9, 2.2, 3.5]), Life(1.0, [(1.1, 1.2), (12.0, 12.1)])]),
        (
            "a cap met in step",
            [Life(0.0, [(k, k + 0.1) for k in range(1, 7)], 6.101 + 0.001 * n, "server") for n in range(4)],
        ),
        ("two connections, and the next dial is answered", [*idle_stop([0.1, 2.2]), *back(10.2)]),
        ("young connections", idle_stop([0.05, 0.1, 0.2, 0.35], age=0.45)),
    ],
)
def test_closes_that_are_no_restart(why: str, lives: list[Life]) -> None:
    assert found("server-restart", of(lives)) is None


def test_the_same_age_twice_is_a_lifetime_limit() -> None:
    first, second = idle_stop([0.1, 0.9, 2.2], at=10.0), idle_stop([0.2, 1.9, 3.2], at=20.0)
    for one in [*first, *second]:
        one.opened = 1.0 if one in first else 11.0
    assert found("server-restart", of([*first, *second])) is None


def test_other_clients_of_the_service_confirm_a_restart() -> None:
    lives = idle_stop([0.1, 0.9, 2.2, 3.5])
    for n, one in enumerate(lives):
        one.columns["agent"] = 0
        one.columns["user_agent"] = "one" if n < 2 else "two"
    both = pools([*lives, refused(10.3)], end=END)
    assert len(both) == 2
    from pcapdiag.rules.server_restart import elsewhere

    assert elsewhere(both[0], [ns(10.0)]) == 1


# -- the client ends


def killed(count: int = 6, at: float = 5.0, lost: int = 6) -> list[Life]:
    lives = []
    for n in range(count):
        uses: list[Use | tuple[float, float]] = [
            (0.1 + 0.4 * k + 0.03 * n, 0.4 + 0.4 * k + 0.03 * n) for k in range(11)
        ]
        if n < lost:
            uses.append(Use(at - 0.15 + 0.02 * n, None))
        lives.append(Life(0.001 * n, uses, at + 0.0001 * n, "client"))
    return lives


def test_all_connections_of_a_client_at_one_moment_with_requests_open_is_its_end() -> None:
    one = of([*killed(), *back(7.0)])
    finding = sure("client-abort", one)
    assert finding.severity is Severity.MEDIUM
    assert finding.measured["lost_requests"] == 6
    assert above_info(judgement([one]).findings)[0] == "client-abort"
    silent("client-request-timeout", one)


def test_a_client_that_never_comes_back_weighs_less() -> None:
    assert sure("client-abort", of(killed())).severity is Severity.LOW


def test_a_client_that_goes_on_at_once_has_only_cancelled() -> None:
    finding = sure("client-abort", of([*killed(), *back(5.02)]))
    assert finding.severity is Severity.INFO
    assert "cancelled" in finding.title


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("a normal end", killed(lost=0) + back(7.0)),
        ("timeouts at many moments", timed_out(8)),
        ("one connection goes on", [*killed(), Life(0.5, [(1.0, 1.1), (9.0, 9.1)])]),
        ("the server closes", dying()),
    ],
)
def test_closes_that_are_no_clients_end(why: str, lives: list[Life]) -> None:
    assert found("client-abort", of(lives)) is None


def test_callers_that_call_together_and_close_each_response_unread_did_not_end() -> None:
    lives = []
    for n in range(24):
        at = 1.0 * (n // 4) + 0.0005 * (n % 4)
        one = Life(at, [Use(at + 0.002, at + 0.01, size=80_000)], at + 0.012)
        one.columns |= {"open_request": 1, "client_rst_at": ns(at + 0.0125)}
        lives.append(one)
    assert found("client-abort", of(lives)) is None
    assert above_info(judgement([of(lives)]).findings) == ["body-not-drained"]


def test_a_client_that_only_says_it_has_finished_sending_did_not_end() -> None:
    lives = []
    for n in range(4):
        one = Life(1.0 * n, [(1.0 * n + 0.1, 1.0 * n + 0.2), (4.9, 5.3)], 4.91 + 0.0001 * n, "client")
        one.columns["open_request"] = 1
        lives.append(one)
    assert found("client-abort", of(lives)) is None


# -- uploads


def upload(count: int = 5, status: int = 413, after: int = 20_000, **columns: int) -> list[Life]:
    lives = []
    for n in range(count):
        at = 2.0 * n
        one = Life(at, [Use(at + 0.01, at + 0.03, response_close=True, status=status)], at + 0.06, "server")
        one.columns |= {
            "client_bytes": 100 + after,
            "client_largest": 1448,
            "client_last_data_at": ns(at + 0.05),
            "crossed_bytes": 4000,
            "client_unacked_bytes": 4000,
            "server_rst_at": ns(at + 0.061),
            **columns,
        }
        lives.append(one)
    return lives


def cut(one: Pool) -> Pool:
    """Its requests never ended."""
    one.exchanges.columns["flags"] &= ~flags.REQUEST_COMPLETE
    return one


def test_an_answer_ahead_of_the_bodys_end_and_a_reset_reject_an_upload() -> None:
    finding = sure("server-rejects-upload", cut(of(upload())))
    assert finding.severity is Severity.HIGH
    assert finding.measured["status"] == 413
    assert finding.measured["request_bytes_received_median"] == 16_100
    assert "limit on the body's size" in finding.claim


def test_a_client_that_reads_the_answer_and_stops_was_rejected_too() -> None:
    lives = upload(server_rst_at=0, crossed_bytes=0, client_unacked_bytes=0)
    for one in lives:
        one.by = "client"
    sure("server-rejects-upload", cut(of(lives)))


def test_the_largest_accepted_body_bounds_the_limit() -> None:
    accepted = Life(30.0, [Use(30.01, 30.02)])
    one = of([*upload(), accepted])
    one.exchanges.columns["method"][:] = flags.METHODS.index("POST")
    one.exchanges.columns["request_bytes"][-1] = 90_000
    one.exchanges.columns["flags"][:-1] &= ~flags.REQUEST_COMPLETE
    assert sure("server-rejects-upload", one).measured["largest_accepted_bytes"] == 90_000


@pytest.mark.parametrize(
    ("why", "one"),
    [
        ("the request was whole", of(upload())),
        ("nothing was sent after the answer", cut(of(upload(client_last_data_at=ns(0.0))))),
        ("no answer", cut(of([Life(n, [Use(n + 0.01, None)], n + 0.02, "server", "rst") for n in range(6)]))),
        (
            "a small body that was on its way already",
            cut(of(upload(after=500, server_rst_at=0, crossed_bytes=0, client_unacked_bytes=0))),
        ),
    ],
)
def test_answers_that_reject_no_upload(why: str, one: Pool) -> None:
    assert found("server-rejects-upload", one) is None


# -- the facts they share


@pytest.mark.parametrize(("ahead", "goodbye"), [(True, Side.CLIENT), (False, Side.NONE)])
def test_a_goodbye_that_answers_a_fin_is_nobodys_wish(ahead: bool, goodbye: Side) -> None:
    text = "> P. $ask\n+0.010 < P. $answer\n+0.010 > .\n" + (
        "+1 > P. $bye\n+0.001 < F." if ahead else "+1 < F.\n+0.001 > .\n+0.001 > P. $bye"
    )
    row = play(
        HANDSHAKE + text,
        ask=b"*1\r\n$4\r\nPING\r\n",
        answer=b"+PONG\r\n",
        bye=b"*1\r\n$4\r\nQUIT\r\n",
    ).connections[0]
    assert row["goodbye"] == goodbye.word


@pytest.mark.parametrize(
    ("wait", "round_one"), [(1.0, True), (1.003, True), (2.5, True), (30.1, True), (1.37, False), (0.1, False)]
)
def test_round_waits(wait: float, round_one: bool) -> None:
    assert timeouts.round_number(int(wait * SECOND)) is round_one


def test_a_moment_holds_everything_that_was_there() -> None:
    one = of([*dying(), refused(5.1), *back(6.0)])
    (moment,) = endings.endings(one, Side.SERVER)
    assert len(moment.rows) == 6
    assert len(moment.lost) == 5
    assert moment.refused == 1
    assert moment.resumed_at == ns(6.0)
    assert endings.endings(one, Side.CLIENT) == ()


def test_a_connection_that_goes_on_makes_it_no_moment() -> None:
    one = of([*dying(), life("0.0 0.1-0.2 9.0-9.1")])
    assert endings.endings(one, Side.SERVER) == ()


def test_what_came_behind_a_fin_that_was_not_captured_was_not_dropped() -> None:
    lives = resets(12)
    assert len(races.dropped(of(lives))) == 12
    for one in lives[:5]:
        one.columns |= {"server_fin_unseen": 1}
    assert len(races.dropped(of(lives))) == 7


def test_connections_whose_requests_nobody_could_read_end_together_like_others() -> None:
    lives = [Life(0.1 * n, [], 5.0 + 0.001 * n, "server") for n in range(4)]
    assert not endings.endings(of(lives), Side.SERVER)  # never used
    for one in lives:
        one.columns |= {"client_bytes": 500, "server_bytes": 900}
    (moment,) = endings.endings(of(lives), Side.SERVER)
    assert len(moment.rows) == 4
    assert not len(moment.lost)


def test_what_crossed_a_fin_was_not_dropped() -> None:
    one = of(race(4), rtt=0.05)
    assert len(races.raced(one).rows) == 4
    assert len(races.dropped(one)) == 0
    assert one.connections.close_kind[0] == CloseKind.FIN


def ticketed(count: int = 8) -> list[Life]:
    """TLS: a ticket came behind the request; the response comes after the client's close and meets RST."""
    lives = []
    for n in range(count):
        at = 1.3 * n
        one = Life(at, [(at + 0.010, at + 0.011)], at + 1.010 + 0.001 * (n % 3))
        one.columns |= {
            "server_last_data_at": ns(at + 2.0),
            "client_rst_at": ns(at + 2.001),
            "server_unacked_bytes": 262,
        }
        lives.append(one)
    return lives


def test_a_ticket_behind_the_request_is_no_answer() -> None:
    one = of(ticketed(), protocol=Protocol.TLS)
    finding = sure("client-request-timeout", one)
    assert finding.measured["in_mid_response"] == 0
    assert above_info(judgement([one]).findings)[0] == "client-request-timeout"


@pytest.mark.parametrize(("size", "rst"), [(31, True), (262, False)])
def test_a_close_notify_or_data_that_was_taken_is_no_late_answer(size: int, rst: bool) -> None:
    lives = ticketed()
    for one in lives:
        one.columns["server_unacked_bytes"] = size
        if not rst:
            del one.columns["client_rst_at"]
    assert found("client-request-timeout", of(lives, protocol=Protocol.TLS)) is None


def test_an_alert_that_answers_the_servers_end_leaves_the_request_lost() -> None:
    lives = dying()
    for one in lives:
        one.columns |= {"heedless_bytes": 24, "client_unacked_bytes": 24}
    finding = sure("server-abort", of(lives, protocol=Protocol.TLS))
    assert finding.measured["ended_together"] == 6
    assert finding.measured["lost_requests"] == 5


def test_resets_that_spread_over_a_tenth_of_a_second_are_no_programs_end() -> None:
    lives = [Life(0.0, [(0.1, 0.2), Use(1.0, None)], 2.0 + 0.03 * n, "server", "rst") for n in range(3)]
    one = of([*lives, *resets(6, spacing=2.0)[2:]])
    assert endings.stops(one) == ()
    assert "mid-exchange" in sure("server-abort", one).title
