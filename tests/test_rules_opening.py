"""Rules on openings, TLS and ports: each on its pattern, at the edge of its thresholds, and beside what looks like it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from analyses import above_info, judged, judgement
from notation import play
from tables import Life, Use, ns, pool, pools

from pcapdiag.model import flags
from pcapdiag.model.report import Finding
from pcapdiag.model.words import Confidence, Knob, Mismatch, Opening, Protocol, Severity, Side
from pcapdiag.pools.openings import by_chance, data_loss, dials_given_up, openings, syn_loss, unheard
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.ports import ports, visible_range
from pcapdiag.rules import all_rules
from pcapdiag.rules.rule import Desk, NotJudged

END = 60.0


def found(rule: str, one: Pool) -> Finding | None:
    """The rule's finding, None when it is quiet."""
    outcome = judged(rule, one)
    assert not isinstance(outcome, NotJudged)
    return outcome


def expected(rule: str, one: Pool) -> Finding:
    finding = found(rule, one)
    assert finding is not None
    return finding


def severity(rule: str, one: Pool) -> Severity | None:
    finding = found(rule, one)
    return None if finding is None else finding.severity


def beside(rule: str, made: list[Pool]) -> Finding | NotJudged | None:
    """What a rule makes of the first pool when it knows the others."""
    (wanted,) = [one for one in all_rules() if one.name == rule]
    for one in made:
        one.neighbours = made
    return wanted.judge(made[0], Desk())


# -- kinds of traffic


def answered(count: int, every: float = 0.2, start: float = 0.0, uses: int = 1, **columns: int) -> list[Life]:
    """Dials that succeed, each with its requests and a close."""
    lives = []
    for n in range(count):
        at = start + every * n
        each = [(at + 0.01 + 0.02 * k, at + 0.02 + 0.02 * k) for k in range(uses)]
        one = Life(at, each, each[-1][1] + 0.001)
        one.columns |= {"syn_count": 1, "synack_count": 1, "server_hops": 64, **columns}
        lives.append(one)
    return lives


def refused(count: int, every: float = 0.2, start: float = 0.0, **columns: int) -> list[Life]:
    """SYN, RST."""
    lives = []
    for n in range(count):
        one = Life(start + every * n, columns=blank(start + every * n, Opening.REFUSED))
        one.columns |= {
            "server_rst_at": ns(start + every * n + 0.001),
            "server_rst_hops": 64,
            "server_packets": 1,
            **columns,
        }
        lives.append(one)
    return lives


def blank(at: float, opening: Opening) -> dict[str, int | str]:
    """The columns of a dial that came to nothing."""
    return {
        "opening": int(opening),
        "syn_count": 1,
        "syn_at": ns(at),
        "established_at": 0,
        "rtt_ns": -1,
        "server_isn": -1,
        "server_packets": 0,
        "client_packets": 1,
        "last_at": ns(at + 0.001),
    }


def unanswered(
    count: int, every: float = 2.2, start: float = 0.0, syns: int = 2, last: float = 1.0, **columns: int
) -> list[Life]:
    """SYNs, the last one after ``last`` seconds, and nothing else."""
    lives = []
    for n in range(count):
        at = start + every * n
        one = Life(at, columns=blank(at, Opening.UNANSWERED))
        one.columns |= {"syn_count": syns, "syn_at": ns(at + last), "last_at": ns(at + last), **columns}
        lives.append(one)
    return lives


def late(count: int, every: float = 0.2, start: float = 0.0, syns: int = 2, wait: float = 1.0) -> list[Life]:
    """Dials whose last SYN was answered."""
    lives = []
    for n in range(count):
        at = start + every * n
        one = Life(at, [(at + wait + 0.01, at + wait + 0.02)], at + wait + 0.03)
        one.columns |= {
            "syn_count": syns,
            "synack_count": 1,
            "syn_at": ns(at + wait),
            "established_at": ns(at + wait + 0.001),
            "client_retransmitted": syns - 1,
        }
        lives.append(one)
    return lives


def deaf(count: int, every: float = 0.1, start: float = 0.0, runs: int = 4, size: int = 76) -> list[Life]:
    """Handshakes that end, and first requests that the server takes no notice of for 3 s."""
    lives = []
    for n in range(count):
        at = start + every * n
        one = Life(at, [(at + 0.01, at + 3.0)], at + 3.1)
        one.columns |= {
            "syn_count": 1,
            "synack_count": 1,
            "client_resent_run": runs,
            "client_resent_low": size,
            "client_retransmitted": runs,
            "client_data_packets": 1 + runs,
        }
        lives.append(one)
    return lives


def of(lives: Iterable[Life], end: float = END, protocol: Protocol = Protocol.HTTP1, rtt: float = 0.001) -> Pool:
    return pool(list(lives), end=end, protocol=protocol, rtt=rtt)


# -- connect-refused


def test_dials_that_are_all_refused_are_an_outage() -> None:
    finding = expected("connect-refused", of(refused(10)))
    assert finding.severity is Severity.HIGH
    assert finding.measured["refused"] == 10
    assert "none was answered" in finding.claim


def test_refused_after_healthy_traffic_is_a_server_that_stopped() -> None:
    finding = expected("connect-refused", of([*answered(20), *refused(20, start=5.0)]))
    assert finding.severity is Severity.HIGH
    assert finding.title.startswith("Dials are refused since 5.000 s")
    assert "a server that stopped" in finding.claim


def test_open_connections_that_go_on_while_dials_are_refused_are_mentioned() -> None:
    before = Life(0.0, [(0.5 * n + 0.1, 0.5 * n + 0.2) for n in range(20)], midstream=True)
    finding = expected("connect-refused", of([before, *refused(10, start=2.0)]))
    assert "open already" in finding.claim


def test_a_server_that_was_away_for_a_while_is_no_more_than_medium() -> None:
    finding = expected("connect-refused", of([*answered(10), *refused(10, start=3.0), *answered(10, start=9.0)]))
    assert finding.severity is Severity.MEDIUM
    assert "refused for 1.800 s" in finding.title


def test_a_client_that_waits_for_a_server_to_start_is_information() -> None:
    assert severity("connect-refused", of([*refused(10), *answered(10, start=9.0)])) is Severity.INFO
    slow = [*refused(10, every=8.0), *answered(10, start=99.0)]
    assert severity("connect-refused", of(slow, end=120.0)) is Severity.HIGH


@pytest.mark.parametrize(
    ("count", "good", "level"), [(2, 98, Severity.INFO), (3, 97, Severity.LOW), (5, 95, Severity.MEDIUM)]
)
def test_single_refusals_count_by_their_share(count: int, good: int, level: Severity) -> None:
    lives = [*answered(good, every=0.1), *refused(count, every=1.0, start=2.0)]
    finding = expected("connect-refused", of(lives))
    assert finding.severity is level
    assert len(finding.causes) == 2  # a few among answered ones may be a queue's or one instance's


def test_a_rst_from_another_distance_is_a_device_on_the_path() -> None:
    near = expected("connect-refused", of([*answered(5), *refused(9, start=3.0)]))
    far = expected("connect-refused", of([*answered(5), *refused(9, start=3.0, server_rst_hops=63)]))
    assert "server's host" in near.claim
    assert "firewall or load balancer on the path" in far.claim
    assert (far.measured["rst_hops"], far.measured["synack_hops"]) == (63, 64)


def test_a_name_of_two_addresses_of_which_one_refuses_costs_nothing() -> None:
    elsewhere = answered(10, every=0.5, start=0.002)
    for one in elsewhere:
        one.columns["server_ip"] = 1  # the strings of the tables hold two addresses
    first = refused(10, every=0.5)
    made = pools([*first, *elsewhere], end=END)
    made.sort(key=lambda one: -int((one.connections.opening == Opening.REFUSED).sum()))
    finding = beside("connect-refused", made)
    assert isinstance(finding, Finding)
    assert finding.severity is Severity.INFO
    assert "in turn" in finding.claim


def test_a_second_service_that_answers_later_is_no_fallback() -> None:
    elsewhere = answered(10, every=0.5, start=5.3)
    for one in elsewhere:
        one.columns["server_ip"] = 1
    made = pools([*refused(10, every=0.5), *elsewhere], end=END)
    made.sort(key=lambda one: -int((one.connections.opening == Opening.REFUSED).sum()))
    finding = beside("connect-refused", made)
    assert isinstance(finding, Finding)
    assert finding.severity is Severity.HIGH


def test_answered_dials_refuse_nothing() -> None:
    assert found("connect-refused", of(answered(20))) is None
    assert found("connect-refused", of(unanswered(10))) is None


# -- connect-timeout


def test_syns_that_nobody_answers_bracket_the_connect_timeout() -> None:
    finding = expected("connect-timeout", of([*answered(14), *unanswered(11, start=4.0)]))
    assert finding.severity is Severity.HIGH
    low, high = finding.measured["connect_timeout_low_s"], finding.measured["connect_timeout_high_s"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low == pytest.approx(1.0, abs=0.001)
    assert high == pytest.approx(2.2, abs=0.001)
    assert "firewall drops the packets, or the host" in finding.claim


def test_two_callers_that_dial_together_are_bracketed_as_one() -> None:
    seen = dials_given_up(of([*unanswered(4, every=2.5), *unanswered(4, every=2.5, start=0.001)]))
    assert seen is not None
    assert seen.high is not None
    assert 1.0 <= seen.low / SECOND <= 2.499 <= seen.high / SECOND <= 2.6


def test_linux_repeats_each_second_at_first() -> None:
    seen = dials_given_up(of(unanswered(1, syns=4, last=3.07)))
    assert seen is not None
    assert seen.high is not None
    assert 4.0 < seen.high / SECOND < 4.3  # the fifth SYN would have come
    old = dials_given_up(of(unanswered(1, syns=3, last=3.0)))
    assert old is not None
    assert old.high is not None
    assert old.high / SECOND == pytest.approx(7.0)  # 0, 1, 3, then 7 s


@pytest.mark.parametrize("lives", [unanswered(10, syns=1, last=0.0), refused(10), answered(10)])
def test_one_syn_each_or_an_answer_is_no_timeout(lives: list[Life]) -> None:
    assert not isinstance(judged("connect-timeout", of(lives)), Finding)


def test_a_capture_of_bare_syns_says_what_it_lacks() -> None:
    outcome = judged("connect-timeout", of(unanswered(10, syns=1, last=0.0)))
    assert isinstance(outcome, NotJudged)
    assert "both directions" in outcome.reason


def test_a_client_that_gives_up_within_a_second_is_told_with_less_confidence() -> None:
    lives = [*answered(5, server_packets=4), *unanswered(10, start=3.0, every=0.6, syns=1, last=0.0)]
    finding = expected("connect-timeout", of(lives))
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.LOW)


def test_a_syn_that_the_end_of_the_capture_cut_off_is_no_evidence() -> None:
    seen = openings(
        of([*answered(5, server_packets=4), *unanswered(3, every=0.1, start=9.5, syns=1, last=0.0)], end=10.0)
    )
    assert len(seen.unanswered) == 0
    assert len(seen.pending) == 3


def test_two_lost_dials_of_fifty_are_information() -> None:
    assert severity("connect-timeout", of([*answered(48), *unanswered(2, start=1.1)])) is Severity.INFO


def test_open_connections_that_are_answered_show_that_the_host_is_up() -> None:
    busy = Life(0.0, [(0.2 * n + 0.1, 0.2 * n + 0.15) for n in range(200)])
    finding = expected("connect-timeout", of([busy, *unanswered(10, start=2.0)]))
    assert "the host is up" in finding.claim
    assert [str(claim.cause) for claim in finding.causes] == ["connect-timeout", "backlog-overflow"]
    assert finding.causes[0].tell_apart


def test_without_payload_in_the_capture_silence_is_silence_all_the_same() -> None:
    bare = answered(14, client_data_packets=0, server_data_packets=0)
    assert severity("connect-timeout", of([*bare, *unanswered(11, start=4.0)])) is Severity.HIGH


def test_a_path_that_loses_data_as_well_is_not_accused_of_dropping_syns() -> None:
    lossy = answered(40, uses=5, client_retransmitted=1, server_retransmitted=1)
    assert severity("connect-timeout", of([*lossy, *unanswered(3, start=1.0)])) is Severity.INFO


# -- backlog-overflow


def test_repeated_syns_beside_answered_dials_are_a_full_queue() -> None:
    finding = expected("backlog-overflow", of([*answered(40), *late(8, start=0.05, every=0.3, syns=4, wait=3.0)]))
    assert finding.severity is Severity.HIGH
    assert finding.measured["answered_late"] == 8


def test_handshakes_whose_ack_the_server_dropped_are_a_full_queue() -> None:
    one = of([*answered(4), *deaf(8)])
    assert int(unheard(one).sum()) == 8
    finding = expected("backlog-overflow", one)
    assert finding.measured["ack_dropped"] == 8
    assert "no ACK" in finding.evidence[0].shows


def test_a_repeated_syn_ack_beside_repeated_data_counts_too() -> None:
    lives = answered(6)
    for one in lives[:3]:
        one.columns |= {"synacks_late": 1, "synack_count": 2, "client_retransmitted": 2}
    assert severity("backlog-overflow", of(lives)) is Severity.HIGH


def test_resets_at_the_handshakes_end_are_said_with_the_alternative() -> None:
    lives = answered(10)
    for n in range(5):
        at = 0.1 + 0.2 * n
        turned = Life(at, [], at + 0.002, "server", "rst")
        turned.columns |= {"syn_count": 1, "synack_count": 1}
        lives.append(turned)
    finding = expected("backlog-overflow", of(lives))
    assert [str(claim.cause) for claim in finding.causes] == ["backlog-overflow", "server-abort"]
    assert found("backlog-overflow", of(lives[10:])) is None  # all of them: an access list


def test_resets_behind_requests_that_were_acknowledged_are_no_full_queue() -> None:
    lives = answered(10)
    for n in range(5):
        at = 0.1 + 0.2 * n
        turned = Life(at, [Use(at + 0.001, None)], at + 0.002, "server", "rst")
        turned.columns |= {"syn_count": 1, "synack_count": 1, "client_bytes": 70, "client_unacked_bytes": 70}
        lives.append(turned)
    assert found("backlog-overflow", of(lives)) is not None
    for one in lives[10:]:
        one.columns["client_unacked_bytes"] = 0
    assert found("backlog-overflow", of(lives)) is None


def test_resets_of_which_some_come_late_are_no_full_queue_where_nobody_is_served() -> None:
    lives = []
    for n in range(9):
        at = 0.1 + 0.2 * n
        turned = Life(at, [], at + (0.002 if n < 5 else 0.06), "server", "rst")
        turned.columns |= {"syn_count": 1, "synack_count": 1}
        lives.append(turned)
    assert found("backlog-overflow", of(lives)) is None
    assert found("backlog-overflow", of(lives + answered(2))) is None
    assert found("backlog-overflow", of(lives + answered(3))) is not None


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("two", [*answered(40), *late(2, start=0.05)]),
        (
            "an outage: nobody is answered meanwhile",
            [*answered(10), *late(10, start=5.0, every=0.05), *answered(9, start=9.0)],
        ),
        ("the path loses data as well", [*answered(40, uses=3, client_retransmitted=1), *late(6, start=0.05)]),
        (
            "SYNs repeated once, as loss of one in ten does",
            [*answered(30, uses=2, server_retransmitted=1), *late(3, start=0.1)],
        ),
        ("large requests only: the path's MTU", [*answered(10), *deaf(8, size=1400)]),
        ("each request sent twice: a lost ACK", [*answered(10), *deaf(8, runs=1)]),
        ("a slow server acknowledges at once", [Life(0.1 * n, [(0.1 * n + 0.01, 0.1 * n + 3.0)]) for n in range(12)]),
        ("a listener that waits for data", [Life(0.2 * n, [], None, columns={"synacks_late": 2}) for n in range(9)]),
    ],
)
def test_it_is_no_full_queue(why: str, lives: list[Life]) -> None:
    assert found("backlog-overflow", of(lives)) is None, why


def test_a_full_queue_explains_dials_that_were_never_answered() -> None:
    lives = [*answered(40), *late(8, start=0.05, every=0.3, syns=4, wait=3.0), *unanswered(4, start=1.1, every=1.0)]
    result = judgement([of(lives)])
    assert "backlog-overflow" in above_info(result.findings)
    assert "connect-timeout" not in above_info(result.findings)


@pytest.mark.parametrize(
    ("count", "expected", "plausible"), [(7, 2.7, True), (3, 0.02, False), (10, 2.7, True), (14, 2.7, False)]
)
def test_chance_has_a_limit_of_one_in_a_thousand(count: int, expected: float, plausible: bool) -> None:
    assert by_chance(count, expected) is plausible


def test_a_path_that_loses_one_in_ten_repeats_a_third_of_the_syns_now_and_then() -> None:
    lives = [*answered(10, uses=14, client_retransmitted=2), *late(6, start=0.05, every=0.3)]
    assert found("backlog-overflow", of(lives)) is None


def test_losses_leave_syns_and_doubtful_openings_out() -> None:
    one = of([*answered(10), *late(4, syns=3), *deaf(2)])
    assert data_loss(one) == (0, 10 + 16)
    assert syn_loss(one) == (8, 24)


# -- tls-handshake-failure

FAILED = flags.TLS_CLIENT_HELLO | flags.TLS_SERVER_HELLO
DONE = FAILED | flags.TLS_FINISHED


def handshakes(
    count: int, bits: int, by: str = "client", every: float = 0.3, start: float = 0.0, **columns: int
) -> list[Life]:
    """TLS handshakes without a request."""
    lives = []
    for n in range(count):
        at = start + every * n + 0.04 * (n % 3)
        one = Life(at, [], at + 0.01, by)
        one.columns |= {
            "protocol": int(Protocol.TLS),
            "tls": bits,
            "client_bytes": 500,
            "server_bytes": 1200,
            "client_data_packets": 1,
            "server_data_packets": 1,
            "client_last_data_at": ns(at + 0.004),
            "server_last_data_at": ns(at + 0.009),
            "tls_bytes": 1700,
            **columns,
        }
        lives.append(one)
    return lives


def calls(count: int, every: float = 0.3, start: float = 0.0, bits: int = DONE, uses: int = 1) -> list[Life]:
    """TLS connections with requests."""
    lives = answered(count, every, start, uses, protocol=int(Protocol.TLS), tls=bits, tls_bytes=3000)
    for one in lives:
        one.columns |= {"client_last_data_at": ns(one.opened + 0.01), "server_last_data_at": ns(one.opened + 0.02)}
    return lives


@pytest.mark.parametrize(
    ("bits", "alert", "words"),
    [
        (flags.TLS_CLIENT_ALERT, 48 + 1, "the client's alert unknown_ca (48)"),
        (flags.TLS_SERVER_ALERT, 40 + 1, "the server's alert handshake_failure (40)"),
        (flags.TLS_SERVER_ALERT, 199 + 1, "the server's alert alert 199 (199)"),
        (flags.TLS_CLIENT_ALERT | flags.TLS_13, 0, "an encrypted alert of the client"),
    ],
)
def test_an_alert_is_put_into_words(bits: int, alert: int, words: str) -> None:
    finding = expected(
        "tls-handshake-failure", of(handshakes(10, FAILED | bits, tls_alert=alert), protocol=Protocol.TLS)
    )
    assert finding.severity is Severity.HIGH
    assert words in finding.title


def test_a_server_that_closes_after_the_hello_fails_the_handshake() -> None:
    one = of(handshakes(10, flags.TLS_CLIENT_HELLO, "server"), protocol=Protocol.TLS)
    assert severity("tls-handshake-failure", one) is Severity.HIGH


def test_a_server_that_ends_tls13_after_the_clients_finished_wants_a_certificate() -> None:
    lives = handshakes(6, DONE | flags.TLS_13, "server", goodbye=int(Side.SERVER))
    finding = expected("tls-handshake-failure", of(lives, protocol=Protocol.TLS))
    assert "client's certificate" in finding.claim


@pytest.mark.parametrize("bits", [FAILED, DONE])
def test_a_client_that_says_nothing_may_be_a_check_as_well(bits: int) -> None:
    finding = expected("tls-handshake-failure", of(handshakes(9, bits), protocol=Protocol.TLS))
    assert finding.severity is Severity.MEDIUM
    assert [str(claim.cause) for claim in finding.causes] == ["tls-handshake-failure", "unused-connections"]
    check = [one for n, one in enumerate(handshakes(30, bits, every=1.0)) if n % 3 == 0]
    assert severity("tls-handshake-failure", of(check, protocol=Protocol.TLS)) is Severity.INFO


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("dialled in advance", [*calls(10), *handshakes(10, DONE)]),
        ("a health check without a hello", [Life(2.0 * n, [], 2.0 * n + 0.01) for n in range(10)]),
        ("the server's idle timer on a spare connection", handshakes(9, DONE | flags.TLS_13, "server")),
        (
            "plain text to a TLS port",
            handshakes(9, flags.TLS_CLIENT_HELLO, "server", mismatch=int(Mismatch.PLAIN_SERVER)),
        ),
        ("hellos cut by the snaplen", handshakes(9, 0, "client", truncated_bytes=900)),
    ],
)
def test_it_is_no_failed_handshake(why: str, lives: list[Life]) -> None:
    assert found("tls-handshake-failure", of(lives, protocol=Protocol.TLS)) is None, why


def test_a_scanner_that_tries_versions_is_information() -> None:
    alert = FAILED | flags.TLS_SERVER_ALERT
    lives = [*handshakes(5, alert, tls_alert=41), *handshakes(5, alert, start=2.0, tls_alert=71)]
    assert severity("tls-handshake-failure", of(lives, protocol=Protocol.TLS)) is Severity.INFO


def test_two_failures_are_information() -> None:
    lives = [*calls(10), *handshakes(2, FAILED | flags.TLS_CLIENT_ALERT)]
    assert severity("tls-handshake-failure", of(lives, protocol=Protocol.TLS)) is Severity.INFO


# -- protocol-mismatch


@pytest.mark.parametrize(
    ("kind", "protocol", "title"),
    [
        (Mismatch.TLS_SERVER, Protocol.HTTP1, "Plain HTTP is sent to a TLS port"),
        (Mismatch.PLAIN_SERVER, Protocol.TLS, "TLS is spoken to a port that does not speak it"),
    ],
)
def test_what_the_bytes_say_is_high(kind: Mismatch, protocol: Protocol, title: str) -> None:
    finding = expected("protocol-mismatch", of(answered(10, mismatch=int(kind)), protocol=protocol))
    assert finding.severity is Severity.HIGH
    assert title in finding.title
    assert severity("protocol-mismatch", of(answered(2, mismatch=int(kind)), protocol=protocol)) is Severity.INFO


def bad_requests(count: int, **columns: int) -> list[Life]:
    lives = answered(count, **columns)
    for one in lives:
        one.uses = [Use(use.request, use.response, status=400) for use in one.all_uses()]
    return lives


def test_a_400_whose_text_was_cut_off_needs_tls_beside_it() -> None:
    cut = bad_requests(9, truncated_bytes=200)
    assert found("protocol-mismatch", of(cut)) is None
    others = calls(4, uses=3)
    for one in others:
        one.columns["client_ip"] = 2
    made = pools([*cut, *others], end=END)
    finding = beside("protocol-mismatch", made)
    assert isinstance(finding, Finding)
    assert finding.severity is Severity.MEDIUM
    assert "speaks TLS to others" in finding.title


def test_a_server_that_dislikes_requests_speaks_http_all_the_same() -> None:
    assert found("protocol-mismatch", of(bad_requests(20))) is None


def test_answers_that_are_no_http() -> None:
    lives = []
    for n in range(6):
        one = Life(0.2 * n, [Use(0.2 * n + 0.01, None)], 0.2 * n + 0.03, "server")
        one.columns |= {"server_bytes": 22, "server_data_packets": 1, "responses": 0}
        lives.append(one)
    finding = expected("protocol-mismatch", of(lives))
    assert "speaks something else" in finding.title
    for one in lives:
        one.columns["server_gap_bytes"] = 400  # a hole may have held the response's first line
    assert found("protocol-mismatch", of(lives)) is None
    for one in lives:
        one.columns |= {
            "server_gap_bytes": 0,
            "server_bytes": 0,
            "client_bytes": 100,
        }  # never answered: it may be either
    assert [str(claim.cause) for claim in expected("protocol-mismatch", of(lives)).causes][1:] == ["server-abort"]


def closed_unread(count: int = 12, wait: float = 0.001, kind: str = "fin", **columns: int) -> list[Life]:
    """Each connection's first request is met by the server's close, without a byte."""
    lives = []
    for n in range(count):
        at = 0.3 * n
        one = Life(at, [Use(at + 0.002, None)], at + 0.002 + wait, "server", kind)
        one.columns |= {"client_bytes": 131, "server_port": 8443, **columns}
        lives.append(one)
    return lives


@pytest.mark.parametrize(("port", "confidence"), [(8443, "medium"), (443, "medium"), (8080, "low")])
def test_plain_requests_that_a_port_closes_at_once_leave_two_causes(port: int, confidence: str) -> None:
    finding = expected("protocol-mismatch", of(closed_unread(server_port=port)))
    assert [str(claim.cause) for claim in finding.causes] == ["protocol-mismatch", "server-abort"]
    assert str(finding.confidence) == confidence
    assert finding.severity is Severity.MEDIUM
    assert finding.causes[0].tell_apart


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("by reset", closed_unread(kind="rst")),
        ("after a while", closed_unread(wait=0.2)),
        ("once or twice", closed_unread(2)),
        (
            "another connection was answered",
            [*closed_unread(), *answered(1, start=9.0, server_port=8443, client_bytes=100)],
        ),
        ("the request crossed the close", closed_unread(crossed_bytes=131)),
    ],
)
def test_other_closes_without_a_byte_are_no_mismatch(why: str, lives: list[Life]) -> None:
    assert found("protocol-mismatch", of(lives)) is None


def test_a_port_that_answers_others_in_http_speaks_it() -> None:
    others = answered(4, server_port=8443)
    for one in others:
        one.columns["client_ip"] = 2
    assert beside("protocol-mismatch", pools([*closed_unread(), *others], end=END)) is None


def test_http2_that_a_server_does_not_speak() -> None:
    lives = answered(6, server_data_packets=1)
    for one in lives:
        one.by = "server"
    assert severity("protocol-mismatch", of(lives, protocol=Protocol.HTTP2)) is Severity.MEDIUM
    for one in lives:
        one.by = "client"
    assert found("protocol-mismatch", of(lives, protocol=Protocol.HTTP2)) is None


def test_a_hello_that_the_snaplen_cut_meets_plain_text() -> None:
    script = """
        > S
        +0.010 < S.
        +0.001 > .
        > P. {22:500} cut 40
        +0.010 < P. 400 (0)
    """
    assert play(script).connections[0]["mismatch"] == Mismatch.PLAIN_SERVER
    assert play(script.replace("400 (0)", "{22:90}")).connections[0]["mismatch"] == Mismatch.NONE


# -- tls-no-reuse


@pytest.mark.parametrize(("every", "level"), [(0.3, Severity.MEDIUM), (0.01, Severity.HIGH), (1.0, Severity.INFO)])
def test_a_handshake_for_each_request_costs_by_its_rate(every: float, level: Severity) -> None:
    lives = calls(200, every=every)
    for n, one in enumerate(lives):  # not at a constant interval
        shift = 0.3 * every * (n % 2)
        one.opened += shift
        one.uses = [Use(use.request + shift, (use.response or 0) + shift) for use in one.all_uses()]
        one.closed = (one.closed or 0) + shift
    finding = expected("tls-no-reuse", of(lives, end=300, protocol=Protocol.TLS))
    assert finding.severity is level
    assert finding.measured["handshake_bytes_per_request"] == 3000


@pytest.mark.parametrize(
    ("bits", "trips"),
    [
        (DONE | flags.TLS_13, 2.0),
        (DONE | flags.TLS_13 | flags.TLS_RESUMED, 2.0),
        (DONE, 3.0),
        (DONE | flags.TLS_RESUMED, 2.0),
    ],
)
def test_round_trips_by_version_and_resumption(bits: int, trips: float) -> None:
    finding = expected("tls-no-reuse", of(calls(20, bits=bits), protocol=Protocol.TLS))
    assert finding.measured["handshake_round_trips"] == trips


@pytest.mark.parametrize(
    ("why", "lives"),
    [
        ("two requests each", calls(20, uses=2)),
        ("four", calls(4)),
        (
            "side by side",
            [Life(0.001 * n, [(0.1, 0.5)], 0.6, columns={"protocol": int(Protocol.TLS)}) for n in range(9)],
        ),
        ("no request", handshakes(20, DONE)),
    ],
)
def test_it_is_no_handshake_for_each_request(why: str, lives: list[Life]) -> None:
    assert found("tls-no-reuse", of(lives, protocol=Protocol.TLS)) is None, why


def test_plain_http_has_no_handshakes_to_count() -> None:
    assert found("tls-no-reuse", of(answered(20))) is None


def test_where_a_timer_closes_them_it_is_only_the_cost() -> None:
    lives = calls(12, every=3.0)
    for one in lives:
        one.by, one.closed = "server", one.opened + 2.02
    assert severity("tls-no-reuse", of(lives, protocol=Protocol.TLS)) is Severity.INFO


# -- unused-connections


def spares(count: int, every: float = 0.2, kept: float = 0.01, by: str = "client", start: float = 0.0) -> list[Life]:
    """Connections that carry nothing; their intervals vary."""
    return [Life(at, [], at + kept, by) for at in (start + every * n + 0.3 * every * (n % 2) for n in range(count))]


def test_many_connections_without_a_request_cost_handshakes() -> None:
    assert severity("unused-connections", of(spares(40))) is Severity.MEDIUM
    assert severity("unused-connections", of(spares(19))) is Severity.INFO
    assert severity("unused-connections", of(spares(40, every=1.0))) is Severity.INFO


def test_connections_held_empty_take_places() -> None:
    lives = spares(60, every=0.6, kept=50.0, by="server")
    assert severity("unused-connections", of(lives, end=120.0)) is Severity.LOW


@pytest.mark.parametrize(
    ("lives", "says"),
    [
        ([Life(2.0 * n, [], 2.0 * n + 0.001) for n in range(25)], "constant interval"),
        ([*answered(9, every=0.5, uses=20), *spares(40, every=0.1, start=0.02)], "in advance"),
        (spares(19, kept=5.0, by="server"), "The server closed all 19 after about 5.000 s"),
    ],
)
def test_habits_that_are_information(lives: list[Life], says: str) -> None:
    finding = expected("unused-connections", of(lives))
    assert finding.severity is Severity.INFO
    assert says in finding.claim


@pytest.mark.parametrize(
    ("why", "columns"),
    [
        ("bytes were sent, though not captured", {"client_gap_bytes": 300}),
        ("a filter that kept no ACK", {"established_at": 0}),
        ("failed TLS handshakes", {"protocol": 3, "tls": FAILED | flags.TLS_CLIENT_ALERT, "client_bytes": 500}),
        ("a banner came", {"server_bytes": 40}),
        ("reset as they came", {"server_rst_at": ns(1.0)}),
    ],
)
def test_it_is_not_unused(why: str, columns: dict[str, int | str]) -> None:
    lives = spares(40)
    for one in lives:
        one.columns |= columns
        if "server_rst_at" in columns:
            one.by, one.kind = "server", "rst"
    assert not isinstance(judged("unused-connections", of(lives)), Finding), why


# -- port-exhaustion


def ported(dials: Iterable[tuple[float, int]]) -> list[Life]:
    """A request and the client's close, from these ports."""
    lives = []
    for at, port in dials:
        one = Life(at, [(at + 0.002, at + 0.004)], at + 0.005)
        one.columns["client_port"] = port
        lives.append(one)
    return lives


def narrow(count: int, first: int = 40_000, every: float = 0.04) -> list[tuple[float, int]]:
    """Every port of a range once, as Linux looks for them: even ones from somewhere, then odd ones."""
    order = [first + n for n in range(0, count, 2)] + [first + n for n in range(1, count, 2)]
    order = order[count // 4 :] + order[: count // 4]
    return [(every * n, port) for n, port in enumerate(order)]


def test_a_narrow_range_that_is_used_up() -> None:
    finding = expected("port-exhaustion", of(ported(narrow(60))))
    assert finding.severity is Severity.HIGH
    assert finding.measured["port_range"] == 60


def test_ports_that_come_back_as_time_wait_ends() -> None:
    first = narrow(60)
    finding = expected("port-exhaustion", of(ported([*first, *((at + 61.0, port) for at, port in first)]), end=140.0))
    assert finding.severity is Severity.HIGH
    assert finding.confidence is Confidence.HIGH
    assert finding.measured["reused_as_time_wait_ended"] == 60


def test_ports_that_come_back_as_soon_as_the_kernel_lets_them() -> None:
    first = narrow(60, every=0.018)
    again = [(at + 1.1 * times, port) for times in (0, 1, 2) for at, port in first]
    finding = expected("port-exhaustion", of(ported(again)))
    assert finding.severity is Severity.HIGH
    assert "tcp_tw_reuse" in finding.claim


def test_ports_reused_now_and_then_do_not_run_out() -> None:
    first = narrow(60, every=0.018)
    again = [(at + 7.0 * times, port) for times in range(5) for at, port in first]
    finding = found("port-exhaustion", of(ported(again)))
    assert finding is None or finding.severity is Severity.INFO


@pytest.mark.parametrize(
    ("dials", "why"),
    [
        ([(0.04 * n, 40_000 + n) for n in range(60)], "a system that counts its ports up"),
        ([(0.04 * n, 33_000 + 24 * (n * 37 % 997)) for n in range(400)], "the kernel's own range"),
        ([(0.04 * n, 40_000 + n % 15) for n in range(60)], "too few ports to call them a range"),
    ],
)
def test_it_is_no_shortage(dials: list[tuple[float, int]], why: str) -> None:
    finding = found("port-exhaustion", of(ported(dials)))
    assert finding is None or finding.severity is Severity.INFO, why


def test_a_server_that_closes_first_keeps_the_time_wait() -> None:
    lives = ported(narrow(60))
    for one in lives:
        one.by = "server"
    one = of(lives)
    assert ports(one) is None
    assert found("port-exhaustion", one) is None


@pytest.mark.parametrize(
    ("rate", "level", "says"),
    [
        (40, None, ""),
        (100, None, ""),
        (150, Severity.INFO, "never run out"),
        (460, Severity.INFO, "never run out"),
        (480, Severity.LOW, "run out after about 59 s"),
    ],
)
def test_the_forecast_for_linux(rate: int, level: Severity | None, says: str) -> None:
    lives = ported((n / rate, 33_000 + 8 * (n * 1_009 % 3_000)) for n in range(rate * 11))
    for n, one in enumerate(lives):
        one.columns["client_port"] = 10_000 + n  # each its own: Linux leaves gaps, a test need not
    finding = found("port-exhaustion", of(lives))
    assert (None if finding is None else finding.severity) == level
    assert finding is None or says in finding.claim


def test_a_client_whose_connections_carry_several_requests_is_not_told_to_share_one() -> None:
    lives = ported(narrow(60, every=0.1))
    one_each = expected("port-exhaustion", of(lives))
    for one in lives:
        one.uses = [Use(one.opened + 0.002 * n, one.opened + 0.002 * n + 0.001) for n in range(1, 4)]
        one.closed = one.opened + 0.01
    several = expected("port-exhaustion", of(lives))
    assert {advice.knob for advice in one_each.causes[0].settings} > {
        advice.knob for advice in several.causes[0].settings
    }
    assert Knob.INSTANCE_PER_REQUEST not in {advice.knob for advice in several.causes[0].settings}


def test_a_range_shows_itself_by_wrapping_or_by_a_second_search() -> None:
    import numpy as np

    up = np.arange(40_000, 40_060)
    assert visible_range(up) is None
    assert visible_range(np.concatenate([up, up])) == 60
    assert visible_range(np.concatenate([up[::2], up[1::2]])) == 60
    assert visible_range(np.concatenate([up[::4], up[1::4]])) is None
    assert visible_range(up[:19]) is None


# -- laws


OPENING = (
    "connect-refused",
    "connect-timeout",
    "backlog-overflow",
    "tls-handshake-failure",
    "protocol-mismatch",
    "tls-no-reuse",
    "unused-connections",
    "port-exhaustion",
)


@pytest.mark.parametrize("rule", OPENING)
def test_healthy_traffic_is_left_alone(rule: str) -> None:
    shared = [
        Life(0.001 * w, [(0.1 * n + 0.01 * w + 0.01, 0.1 * n + 0.01 * w + 0.015) for n in range(30)]) for w in range(4)
    ]
    for protocol in (Protocol.HTTP1, Protocol.TLS, Protocol.HTTP2, Protocol.REDIS):
        for columns in ({}, {"syn_count": 1, "synack_count": 1}, {"truncated_bytes": 10}):
            for one in shared:
                one.columns = dict(columns)
            assert found(rule, of(shared, protocol=protocol)) is None
    for one in shared:
        one.midstream = True
    assert found(rule, of(shared)) is None


@pytest.mark.parametrize("rule", OPENING)
def test_what_is_above_information_says_what_to_set(rule: str) -> None:
    made = {
        "connect-refused": of(refused(10)),
        "connect-timeout": of(unanswered(10)),
        "backlog-overflow": of([*answered(40), *late(8, start=0.05, every=0.3, syns=4, wait=3.0)]),
        "tls-handshake-failure": of(
            handshakes(9, FAILED | flags.TLS_CLIENT_ALERT, tls_alert=49), protocol=Protocol.TLS
        ),
        "protocol-mismatch": of(answered(10, mismatch=1)),
        "tls-no-reuse": of(calls(20), protocol=Protocol.TLS),
        "unused-connections": of(spares(40)),
        "port-exhaustion": of(ported(narrow(60))),
    }
    finding = expected(rule, made[rule])
    assert finding.severity is not Severity.INFO
    advice = [one for claim in finding.causes for one in claim.settings]
    assert advice
    assert all(one.recommended and one.snippet and one.reference for one in advice)
    assert finding.measured["connections"] == made[rule].size
    for claim in finding.causes[:-1]:
        assert claim.tell_apart
