"""Rules on delay and loss: each fires on its pattern, and stays quiet on what only looks like it."""

from __future__ import annotations

import numpy as np
import pytest
from analyses import above_info, judged, judgement
from tables import SECOND, Life, Use, ns, pool

from pcapdiag.model.flags import EXPECT, PIPELINED
from pcapdiag.model.report import Finding
from pcapdiag.model.words import Protocol, Severity
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import NotJudged

MS = SECOND // 1000


def found(rule: str, one: Pool) -> Finding | None:
    """The rule's finding, None when it is quiet."""
    outcome = judged(rule, one)
    assert not isinstance(outcome, NotJudged)
    if outcome is not None:
        assert outcome.evidence
        assert all(frame.number > 0 for item in outcome.evidence for frame in item.frames)
        assert outcome.measured["connections"] == one.size
    return outcome


def fires(rule: str, one: Pool) -> Finding:
    """The rule's finding, which is above info and leads the report."""
    outcome = found(rule, one)
    assert outcome is not None
    assert outcome.severity is not Severity.INFO
    assert str(outcome.causes[0].cause) == rule
    assert above_info(judgement([one]).findings)[0] == rule
    return outcome


def quiet(rule: str, one: Pool) -> bool:
    outcome = found(rule, one)
    return outcome is None or outcome.severity is Severity.INFO


def calls(waits: list[float], pause: float = 0.5, opened: float = 0.0, **columns: int) -> Life:
    """One connection whose requests wait so long for their answers, with pauses in between."""
    at, uses = opened + 0.01, []
    for wait in waits:
        uses.append(Use(at, at + wait))
        at += wait + pause
    return Life(opened, uses, columns=dict(columns))


def steady(count: int = 20, connections: int = 1, **columns: int) -> list[Life]:
    """Quick answers on connections that are used again and again."""
    return [calls([0.01] * count, opened=0.01 * n, **columns) for n in range(connections)]


def of(lives: list[Life], end: float = 200.0, rtt: float = 0.001, protocol: Protocol = Protocol.HTTP1) -> Pool:
    return pool(lives, end=end, rtt=rtt, protocol=protocol)


# -- slow-server


def test_one_slow_endpoint_among_fast_ones_is_a_slow_server() -> None:
    finding = fires("slow-server", of([calls([0.01, 0.01, 1.5] * 10)]))
    assert finding.measured["slow"] == 10
    assert finding.measured["time_to_first_byte_s"] == pytest.approx(1.5)


def test_where_the_slow_ones_differ_in_size_the_finding_says_so() -> None:
    life = calls([0.01, 0.01, 1.5] * 10)
    for use in life.all_uses()[2::3]:
        use.size = 9_000
    finding = fires("slow-server", of([life]))
    assert "9,000 bytes" in finding.claim


@pytest.mark.parametrize(("slow", "fast", "speaks"), [(3, 27, True), (3, 28, False), (2, 8, False)])
def test_three_slow_requests_and_a_tenth_of_all_make_a_tail(slow: int, fast: int, speaks: bool) -> None:
    assert (found("slow-server", of([calls([0.01] * fast + [2.0] * slow)])) is not None) is speaks


@pytest.mark.parametrize(("wait", "speaks"), [(0.999, False), (1.0, True)])
def test_a_second_is_slow(wait: float, speaks: bool) -> None:
    assert (found("slow-server", of([calls([wait] * 12)])) is not None) is speaks


def test_long_polling_is_no_slow_server() -> None:
    polls = [calls([3.0] * 6, pause=0.001, opened=0.01 * n) for n in range(3)]
    finding = found("slow-server", of(polls))
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert "long polling" in finding.claim
    assert finding.title.endswith("as in long polling")


def test_more_workers_in_a_loop_than_a_browser_has_connections_are_no_pollers() -> None:
    assert not quiet("slow-server", of([calls([2.0] * 6, pause=0.001, opened=0.01 * n) for n in range(8)]))


def test_a_poller_beside_quick_requests_is_no_slow_endpoint() -> None:
    assert quiet("slow-server", of([calls([5.0] * 10, pause=0.001), *steady(30)]))


def test_a_response_that_begins_at_once_and_goes_on_is_a_stream() -> None:
    one = of([calls([4.0] * 12)])
    one.exchanges.columns["response_first_at"] = one.exchanges.request_last_at + MS
    assert quiet("slow-server", one)


def test_times_that_are_spread_all_over_have_no_tail() -> None:
    assert quiet("slow-server", of([calls([0.1 + 0.05 * n for n in range(22)])]))


def test_a_long_way_is_not_a_slow_server() -> None:
    life = calls([1.2] * 12, server_rtt_ns=600 * MS)
    assert quiet("slow-server", of([life], rtt=0.6))


def test_a_request_that_was_sent_again_waited_for_its_retransmission() -> None:
    assert quiet("slow-server", of([calls([1.5] * 12, client_resent=3)]))


def test_silences_of_a_protocol_that_nobody_can_read_are_its_own() -> None:
    assert quiet("slow-server", of([calls([2.0] * 12)], protocol=Protocol.OPAQUE))


def test_under_tls_a_slow_server_is_said_with_low_confidence() -> None:
    finding = found("slow-server", of([calls([0.01, 0.01, 1.5] * 10)], protocol=Protocol.TLS))
    assert finding is not None
    assert finding.severity is not Severity.HIGH


def test_an_answer_that_comes_after_the_client_has_gone_is_its_timeouts() -> None:
    lives = [Life(3.0 * n, [Use(3.0 * n + 0.01, 3.0 * n + 2.0)], 3.0 * n + 1.0) for n in range(12)]
    assert isinstance(judged("slow-server", of(lives)), NotJudged)


# -- path-loss


def lossy(lost: int, sent: int = 500, connections: int = 4, **columns: int) -> list[Life]:
    return steady(30, connections, server_data_packets=sent, server_resent=lost, **columns)


def test_one_segment_in_twelve_lost_is_path_loss() -> None:
    finding = fires("path-loss", of(lossy(40)))
    assert finding.severity is Severity.MEDIUM
    assert finding.measured["lost"] == 160


@pytest.mark.parametrize(
    ("lost", "speaks"),
    # 2% of 2,000 segments are 40 lost ones; 56 are the first that chance does not explain.
    [(5, False), (10, False), (13, False), (14, True)],
)
def test_two_percent_and_what_chance_adds_is_a_healthy_path(lost: int, speaks: bool) -> None:
    assert quiet("path-loss", of(lossy(lost))) is not speaks


LOOKS_LIKE_LOSS = {
    "the receiver had it already": lossy(40, server_needless=40),
    "nobody ever answered again": lossy(40, server_unacked_bytes=1448, server_resent_run=6),
    "the server had not accepted": lossy(40, synacks_late=2),
    "the SYN was repeated again and again": lossy(40, syn_count=8),
    "probes of a shut window": lossy(40, client_zero_window=3),
    "one piece sent again and again": lossy(4, sent=20, server_resent_run=4),
}


@pytest.mark.parametrize("why", LOOKS_LIKE_LOSS)
def test_what_was_sent_again_for_another_reason_is_not_lost(why: str) -> None:
    outcome = judged("path-loss", of(LOOKS_LIKE_LOSS[why]))
    assert outcome is None or isinstance(outcome, NotJudged)


def test_a_capture_that_holds_each_packet_twice_is_no_loss() -> None:
    twice = lossy(250, client_data_packets=60, client_resent=30)
    assert quiet("path-loss", of(twice))


def test_too_few_segments_give_no_share_of_loss() -> None:
    assert isinstance(judged("path-loss", of(steady(5, 3, server_data_packets=20, server_resent=2))), NotJudged)


def test_packets_in_another_order_are_information_of_their_own() -> None:
    finding = found("path-loss", of(lossy(0, server_out_of_order=50)))
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert "out of order" in finding.title


def test_loss_does_not_hide_a_client_that_reuses_nothing() -> None:
    lives = [
        Life(0.3 * n, [(0.3 * n + 0.01, 0.3 * n + 0.02)], columns={"server_data_packets": 20, "server_resent": 2})
        for n in range(60)
    ]
    assert above_info(judgement([of(lives, end=60)]).findings) == ["never-reuse-new-transport", "path-loss"]


def test_timeouts_on_connections_without_loss_have_another_reason() -> None:
    timeouts = [Life(10.0 + 2 * n, [Use(10.01 + 2 * n, None)], 11.01 + 2 * n) for n in range(8)]
    finding = found("path-loss", of([*lossy(40), *timeouts]))
    assert finding is not None
    assert finding.severity is Severity.INFO


# -- pmtu-blackhole


def stuck(count: int = 4, side: str = "server", again: int = 5, size: int = 1448, unacked: int = 14_480) -> list[Life]:
    """A small answer gets through, then a large message is sent again and again until the client gives up."""
    columns = {
        f"{side}_largest": 1448,
        f"{side}_resent": again,
        f"{side}_resent_run": again,
        f"{side}_resent_low": size,
        f"{side}_unacked_bytes": unacked,
        f"{side}_bytes": 15_000,
    }
    lives = []
    for n in range(count):
        at = 5.0 * n
        uses = [Use(at + 0.01, at + 0.02), Use(at + 0.2, None)]
        lives.append(Life(at, uses, at + 4.2, columns=dict(columns)))
    return lives


@pytest.mark.parametrize("side", ["client", "server"])
def test_full_sized_segments_that_never_arrive_are_a_black_hole(side: str) -> None:
    finding = fires("pmtu-blackhole", of(stuck(side=side)))
    assert side in finding.title
    assert above_info(judgement([of(stuck(side=side))]).findings) == ["pmtu-blackhole"]


def test_behind_the_narrow_link_the_hole_itself_is_seen() -> None:
    hole = {"server_missing_bytes": 2896, "server_largest": 700, "server_bytes": 1500}
    lives = [Life(5.0 * n, [(5.0 * n + 0.01, 5.0 * n + 0.02)], 5.0 * n + 4, columns=dict(hole)) for n in range(4)]
    finding = found("pmtu-blackhole", of([*lives, *steady()]))
    assert finding is not None
    assert finding.confidence.rank == 0
    assert found("pmtu-blackhole", of([*lives[:2], *steady()])) is None, "two may be packets that the capture lost"


NO_BLACK_HOLE = {
    "small segments are lost too": stuck(size=300),
    "twice is loss": stuck(again=2),
    "one connection": stuck(1),
    "it arrived in the end": stuck(unacked=0),
    "others get as much through": [*stuck(3), *steady(5, 3, server_largest=1448, server_bytes=50_000)],
}


@pytest.mark.parametrize("why", NO_BLACK_HOLE)
def test_other_losses_are_no_black_hole(why: str) -> None:
    assert found("pmtu-blackhole", of(NO_BLACK_HOLE[why])) is None


# -- nagle-delayed-ack


def stalling(stalls: int, requests: int = 50, **columns: int) -> Pool:
    made = {"server_stalls": stalls, "server_stall_ns": 42 * MS * stalls, "server_stall_frame": 7}
    return of([calls([0.001] * requests, **(made | columns))])


def test_a_stall_for_each_response_is_nagle_against_a_delayed_ack() -> None:
    finding = fires("nagle-delayed-ack", stalling(49))
    assert finding.measured["stall_s"] == pytest.approx(0.042)
    assert "server" in finding.title


def test_the_client_that_writes_its_request_in_two_is_told_so() -> None:
    life = calls([0.05] * 50, client_stalls=50, client_stall_ns=2000 * MS, client_stall_frame=7)
    assert "client sends in two writes" in fires("nagle-delayed-ack", of([life])).title


@pytest.mark.parametrize(
    ("stalls", "requests", "speaks"),
    [(2, 4, False), (3, 6, True), (9, 50, False), (10, 50, True), (101, 50, False)],
)
def test_a_fifth_of_the_requests_and_no_stream(stalls: int, requests: int, speaks: bool) -> None:
    assert (found("nagle-delayed-ack", stalling(stalls, requests)) is not None) is speaks


def test_a_handful_of_stalls_is_information() -> None:
    assert quiet("nagle-delayed-ack", stalling(4, 10))


def test_where_segments_were_lost_the_ack_was_not_delayed() -> None:
    assert found("nagle-delayed-ack", stalling(20, server_resent=20)) is None


def test_where_the_capture_has_holes_nobody_knows_what_was_sent() -> None:
    assert found("nagle-delayed-ack", stalling(20, server_gap_bytes=1000)) is None


def test_without_a_handshake_no_ack_is_late() -> None:
    life = calls([0.001] * 50)
    life.midstream = True
    assert isinstance(judged("nagle-delayed-ack", of([life])), NotJudged)


# -- expect-100-continue


def expecting(count: int, wait: float = 1.0, others: int = 0) -> Pool:
    asking = calls([0.01] * count, expect_waits=count, expect_wait_ns=round(count * wait * SECOND))
    one = of([asking, calls([0.01] * others, opened=100.0)] if others else [asking])
    flags = one.exchanges.flags.copy()
    flags[:count] |= EXPECT
    one.exchanges.columns["flags"] = flags
    return one


def test_a_second_ahead_of_each_body_is_an_expectation_that_nobody_answers() -> None:
    finding = fires("expect-100-continue", expecting(10))
    assert finding.measured["wait_s"] == pytest.approx(1.0)
    assert {advice.role for claim in finding.causes for advice in claim.settings} == {"client", "server"}


@pytest.mark.parametrize(
    ("count", "wait", "speaks"), [(2, 1.0, False), (3, 1.0, True), (9, 0.19, False), (9, 0.35, True)]
)
def test_waits_are_counted_from_200_ms(count: int, wait: float, speaks: bool) -> None:
    assert (found("expect-100-continue", expecting(count, wait)) is not None) is speaks


def test_few_uploads_among_many_requests_weigh_less() -> None:
    finding = found("expect-100-continue", expecting(3, others=40))
    assert finding is not None
    assert finding.severity is Severity.LOW


# -- zero-window


def shutting(shut: float, transfer: float = 5.0, connections: int = 3, quiet_tail: float = 0.0) -> Pool:
    lives = []
    for n in range(connections):
        at = 20.0 * n
        columns: dict[str, int | str] = {
            "client_shut_ns": round(shut * SECOND),
            "client_zero_window": 12,
            "server_last_data_at": ns(at + 0.01 + transfer - quiet_tail),
        }
        lives.append(Life(at, [(at + 0.01, at + 0.01 + transfer)], columns=columns))
    one = of(lives)
    one.exchanges.columns["response_first_at"] = one.exchanges.request_last_at + MS
    one.connections.columns["last_at"] = one.exchanges.response_last_at.copy()
    return one


def test_a_reader_that_stops_its_sender_is_a_zero_window() -> None:
    finding = fires("zero-window", shutting(2.0))
    assert finding.measured["shut_share"] == pytest.approx(0.4, rel=0.01)


def test_a_single_transfer_is_enough_to_see_it() -> None:
    assert above_info(judgement([shutting(2.0, connections=1)]).findings) == ["zero-window"]


@pytest.mark.parametrize(("shut", "speaks"), [(0.15, False), (0.45, False), (0.55, True)])
def test_a_tenth_of_the_transfer_counts(shut: float, speaks: bool) -> None:
    assert (found("zero-window", shutting(shut)) is not None) is speaks


def test_a_response_that_nobody_reads_on_is_left_to_the_rule_for_it() -> None:
    finding = found("zero-window", shutting(4.0, quiet_tail=4.0))
    assert finding is not None
    assert finding.severity is Severity.INFO


# -- pipelining


def test_pipelined_requests_are_information() -> None:
    one = of([calls([0.01] * 20)])
    one.exchanges.columns["flags"] = one.exchanges.flags | PIPELINED
    finding = found("pipelining", one)
    assert finding is not None
    assert finding.severity is Severity.INFO


def test_connections_lost_with_several_requests_open_are_counted() -> None:
    lives = [
        Life(
            5.0 * n,
            [(5.0 * n + 0.01, 5.0 * n + 0.02), Use(5.0 * n + 1, None), Use(5.0 * n + 1, None)],
            5.0 * n + 2,
            "server",
        )
        for n in range(4)
    ]
    one = of(lives)
    one.exchanges.columns["flags"] = one.exchanges.flags | PIPELINED
    finding = found("pipelining", one)
    assert finding is not None
    assert finding.severity is Severity.INFO
    assert finding.measured["lost_with_several_open"] == 4


def test_requests_in_turn_are_not_pipelined() -> None:
    assert found("pipelining", of(steady(20))) is None


# -- middlebox-idle-drop

UNHEARD = {"client_unacked_bytes": 100, "client_resent_run": 6, "client_resent": 6}


def pausing(pauses: list[float], drop: float, **columns: int) -> list[Life]:
    """A client that pauses between requests; one after a silence longer than ``drop`` is lost, the next dials again."""
    lives: list[Life] = []
    at, uses, opened = 0.01, [Use(0.01, 0.02)], 0.0
    for pause in pauses:
        at += pause
        if pause > drop:
            uses.append(Use(at, None))
            lives.append(Life(opened, uses, columns=dict(columns or UNHEARD)))
            at += 4.0
            opened, uses = at - 0.01, [Use(at, at + 0.01)]
        else:
            uses.append(Use(at, at + 0.01))
    lives.append(Life(opened, uses))
    return lives


def test_requests_after_long_silences_vanish_and_shorter_ones_bracket_the_timeout() -> None:
    finding = fires("middlebox-idle-drop", of(pausing([1, 4, 8, 2, 4.5, 7, 3, 9, 1], 5.0)))
    assert finding.measured["idle_timeout_low_s"] == pytest.approx(4.5, abs=0.02)
    assert finding.measured["idle_timeout_high_s"] == pytest.approx(7.0, abs=0.02)
    assert finding.measured["requests_lost"] == 3


def test_without_a_shorter_silence_the_lower_end_stays_open() -> None:
    finding = fires("middlebox-idle-drop", of(pausing([8.0, 8.0, 8.0], 5.0)))
    assert finding.measured["idle_timeout_low_s"] is None


def test_the_default_of_a_known_box_is_named() -> None:
    finding = fires("middlebox-idle-drop", of(pausing([340, 360, 345, 355, 1, 352], 350), end=4000))
    assert "AWS" in finding.claim


@pytest.mark.parametrize(("hops", "leads"), [(250, 1), (64, 2)])
def test_a_reset_with_another_hop_limit_is_not_the_servers(hops: int, leads: int) -> None:
    lives = pausing([60, 400, 400, 50, 400], 350, server_hops=64, server_rst_hops=hops, server_rst_frame=9)
    for life in lives[:-1]:
        life.columns["server_rst_at"] = ns(life.all_uses()[-1].request + 0.01)
    finding = found("middlebox-idle-drop", of(lives, end=4000))
    assert finding is not None
    assert finding.measured["reset"] == 3
    assert len(finding.causes) == leads


def test_a_reset_behind_a_fin_that_was_not_captured_is_the_servers_answer() -> None:
    lives = pausing([60, 400, 400, 50, 400], 350, server_rst_frame=9)
    for life in lives[:-1]:
        life.columns["server_rst_at"] = ns(life.all_uses()[-1].request + 0.01)
    assert found("middlebox-idle-drop", of(lives, end=4000)) is not None
    for life in lives[:-1]:
        life.columns["server_fin_unseen"] = 1
    assert found("middlebox-idle-drop", of(lives, end=4000)) is None


NOT_DROPPED = {
    "once": pausing([8, 1, 2], 5.0),
    "silences as long did no harm": [*pausing([8, 8, 8], 5.0), calls([0.01] * 9, pause=9.0, opened=50)],
    "at any time: the host is gone": pausing([0.2, 0.3, 0.4], 0.1),
    "what is sent again arrives": pausing([8, 8, 8], 5.0, client_resent=6, client_resent_run=6),
    "the server said FIN": pausing([8, 8, 8], 5.0, server_fin_at=ns(1), server_rst_at=ns(9)),
}


@pytest.mark.parametrize("why", NOT_DROPPED)
def test_other_failures_are_no_idle_drop(why: str) -> None:
    assert found("middlebox-idle-drop", of(NOT_DROPPED[why])) is None


def test_a_service_that_answers_nobody_afterwards_is_dead_not_forgotten() -> None:
    lives = [
        Life(0.1 * n, [Use(0.1 * n + 1, 0.1 * n + 1.01), Use(20 + 0.1 * n, None)], columns=dict(UNHEARD))
        for n in range(5)
    ]
    assert found("middlebox-idle-drop", of(lives)) is None


def left(every: float = 20.0, **columns: int) -> list[Life]:
    made = {"client_hops": 63, "server_hops": 64} | columns
    return [Life(every * n, [(every * n + 0.01, every * n + 0.02)], columns=dict(made)) for n in range(3)]


def test_at_the_server_connections_that_fall_silent_are_said_with_both_explanations() -> None:
    finding = fires("middlebox-idle-drop", of(left(), end=60))
    assert finding.confidence.rank == 0
    assert [str(claim.cause) for claim in finding.causes] == ["middlebox-idle-drop", "never-reuse-new-transport"]
    assert "capture at the client" in finding.causes[0].tell_apart


NOT_FORGOTTEN = {
    "no router on the way": left(client_hops=64),
    "captured at the client": left(client_hops=64, server_hops=63),
    "calls come more often": left(every=4.0),
    "the client still probes": left(client_keepalive_probes=1),
    "closed": [
        Life(20.0 * n, [(20.0 * n + 1, 20.0 * n + 2)], 20.0 * n + 9, columns={"client_hops": 63, "server_hops": 64})
        for n in range(3)
    ],
}


@pytest.mark.parametrize("why", NOT_FORGOTTEN)
def test_other_silences_at_the_server_say_nothing(why: str) -> None:
    assert found("middlebox-idle-drop", of(NOT_FORGOTTEN[why], end=60)) is None


# -- all of them


def piped() -> Pool:
    one = of([calls([0.01] * 20)])
    one.exchanges.columns["flags"] = one.exchanges.flags | PIPELINED
    return one


# For the table of all rules in test_rules_lookalikes.py; more of each above.
DELAY_FIRES: dict[str, list[tuple[str, Pool]]] = {
    "slow-server": [("one endpoint of three", of([calls([0.01, 0.01, 1.5] * 10)]))],
    "path-loss": [("8% of the server's segments", of(lossy(40)))],
    "pmtu-blackhole": [("large responses stall", of(stuck())), ("large requests stall", of(stuck(side="client")))],
    "nagle-delayed-ack": [("each response in two writes", stalling(49))],
    "expect-100-continue": [("a second ahead of each body", expecting(10))],
    "zero-window": [("shut for 40% of each transfer", shutting(2.0)), ("one transfer", shutting(2.0, connections=1))],
    "pipelining": [("every request", piped())],
    "middlebox-idle-drop": [
        ("lost after 8 s of silence", of(pausing([8.0] * 3, 5.0))),
        ("at the server", of(left(), 60)),
    ],
}
DELAY_QUIET: dict[str, list[tuple[str, Pool]]] = {
    "slow-server": [
        ("long polling", of([calls([3.0] * 6, pause=0.001)] * 2)),
        ("a request sent again", of([calls([1.5] * 12, client_resent=3)])),
        (
            "a client that gives up",
            of([Life(3.0 * n, [Use(3.0 * n + 0.01, None)], 3.0 * n + 1) for n in range(12)] + steady()),
        ),
    ],
    "path-loss": [
        ("2% of loss", of(lossy(10))),
        ("forgotten connections", of([*pausing([8.0] * 3, 5.0), *steady(60)])),
        ("a black hole", of([*stuck(), *steady(60)])),
    ],
    "pmtu-blackhole": [("random loss", of(lossy(40, server_resent_low=1448, server_resent_run=2)))],
    "nagle-delayed-ack": [("a stream of small pieces", stalling(300)), ("loss", stalling(20, server_resent=20))],
    "expect-100-continue": [("a body in a second write", expecting(10, wait=0.05))],
    "zero-window": [("an instant", shutting(0.15)), ("nobody reads on", shutting(4.0, quiet_tail=4.0))],
    "pipelining": [("requests in turn", of(steady(20)))],
    "middlebox-idle-drop": [
        ("requests that time out at any time", of(pausing([0.2, 0.3, 0.4], 0.1))),
        ("a client for each request, seen at the server", of(left(every=4.0), 60)),
    ],
}

RULES = [
    "slow-server",
    "path-loss",
    "pmtu-blackhole",
    "nagle-delayed-ack",
    "expect-100-continue",
    "zero-window",
    "pipelining",
    "middlebox-idle-drop",
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("protocol", [Protocol.HTTP1, Protocol.TLS, Protocol.OPAQUE])
def test_quick_answers_on_shared_connections_are_none_of_these(rule: str, protocol: Protocol) -> None:
    outcome = judged(rule, of(steady(40, 4), protocol=protocol))
    assert outcome is None or isinstance(outcome, NotJudged)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rtt", [0.0, 0.05, 0.2])
def test_a_client_for_each_request_is_none_of_these(rule: str, rtt: float) -> None:
    lives = [Life(0.5 * n, [(0.5 * n + 2 * rtt + 0.01, 0.5 * n + 2 * rtt + 0.02)]) for n in range(40)]
    outcome = judged(rule, of(lives, rtt=rtt))
    assert outcome is None or isinstance(outcome, NotJudged)


def test_pools_without_an_exchange_break_nothing() -> None:
    empty = of([Life(0.1 * n) for n in range(5)])
    for rule in RULES:
        assert judged(rule, empty) is None or isinstance(judged(rule, empty), NotJudged)
    assert np.array_equal(empty.connections.requests, np.zeros(5))


def test_what_shows_on_a_single_message_is_judged_on_a_single_connection() -> None:
    uses = [(2.0 * n + 0.01, 2.0 * n + 1.03) for n in range(6)]
    waiting = of([Life(0.0, uses, columns={"expect_waits": 6, "expect_wait_ns": 6_000_000_000})])
    assert not waiting.tiny
    assert of([Life(0.0, uses)]).tiny
    assert of([Life(0.0, uses, columns={"expect_waits": 2})]).tiny


def test_nothing_is_called_healthy_that_no_rule_could_judge() -> None:
    few = judgement([of([Life(0.0, [(2.0 * n + 0.01, 2.0 * n + 0.02) for n in range(6)])])]).verdict
    assert few.healthy is None
    assert few.summary.startswith("not enough evidence, 6 requests on 1 connection")
