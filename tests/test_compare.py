"""Two captures side by side: what is gone, what was not put to the test, what is new, and what is only chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import mock_reports as mock
import pytest
import variants
from analyses import NAMES, path_of, report_of, truth_of

import pcapdiag
from pcapdiag import pipeline
from pcapdiag.comparing import compare
from pcapdiag.comparing.costs import COSTS
from pcapdiag.comparing.gate import failing
from pcapdiag.comparing.metrics import moved
from pcapdiag.comparing.trials import CHURN, EVENTS, needed
from pcapdiag.errors import PcapdiagError, UsageError
from pcapdiag.model.comparison import Comparison, FindingRow, Metric
from pcapdiag.model.report import Endpoint, PoolRow, Report
from pcapdiag.model.words import Change, FindingFate, Outcome, Severity
from pcapdiag.rules import all_rules


@cache
def compared(before: str, after: str) -> Comparison:
    return compare(report_of(before), report_of(after))


def metric(comparison: Comparison, name: str, service: int = 0) -> Metric:
    row = comparison.services[service]
    return next(one for one in row.load + row.use if one.name == name)


def fate(comparison: Comparison, name: str) -> FindingRow:
    return next(row for row in comparison.findings if row.name == name)


def altered(change: variants.Variant, name: str, folder: Path) -> Report | None:
    """The report of a variant of a capture; None where nothing of it is left to analyze."""
    path = change(variants.read(path_of(name))).write(folder / f"{name}.pcap")
    try:
        return pipeline.analyze([str(path)])
    except PcapdiagError:
        return None


# Fixes that are one: the same client and server, the setting changed, as much demand.
FIXES = [
    ("go-ab-new-client", "go-ab-per-host-1000", "idle-pool-too-small"),
    ("go-ab-new-transport", "go-ab-per-host-1000", "never-reuse-new-transport"),
    ("go-nginx-tls-pool-2", "go-nginx-tls-healthy", "idle-pool-too-small"),
    ("nginx-max-requests-6", "go-nginx-healthy", "server-max-requests"),
    ("nginx-idle-timeout-2s", "go-nginx-healthy", "server-idle-timeout"),
    ("nginx-upstream-no-keepalive", "nginx-upstream-keepalive", "never-reuse-keepalive-disabled"),
    ("haproxy-httpclose", "haproxy-http-reuse", "server-connection-close"),
    ("go-max-conns-4", "go-ab-per-host-1000", "max-conns-cap"),
    ("curl-expect-100-ignored", "curl-expect-100-sent", "expect-100-continue"),
    ("go-body-not-drained", "go-6-workers-paced", "body-not-drained"),
]


@pytest.mark.parametrize(("before", "after", "name"), FIXES)
def test_a_fix_that_worked_is_fixed(before: str, after: str, name: str) -> None:
    result = compared(before, after)
    assert result.outcome == Outcome.FIXED
    assert fate(result, name).fate == FindingFate.GONE
    assert fate(result, name).tested
    assert fate(result, name).why
    assert name in result.summary


@pytest.mark.parametrize(("after", "before", "name"), FIXES)
def test_a_fix_undone_is_new(before: str, after: str, name: str) -> None:
    result = compared(before, after)
    assert fate(result, name).fate == FindingFate.NEW
    assert result.outcome in (Outcome.WORSE, Outcome.UNTESTED, Outcome.UNCHANGED)


def test_the_numbers_are_those_of_the_captures() -> None:
    result = compared("go-ab-new-client", "go-ab-per-host-1000")
    assert metric(result, "requests_per_connection").before == pytest.approx(300 / 167)  # 14 of 181 were never used
    assert metric(result, "requests_per_connection").after == 15
    assert metric(result, "handshakes_per_1000_requests").before == pytest.approx(181 / 0.3)
    assert metric(result, "time_wait_client_per_1000_requests").before == pytest.approx(179 / 0.3)
    assert metric(result, "avoidable_handshakes_per_1000_requests").after == 0
    assert metric(result, "peak_kept").before == 2
    assert metric(result, "peak_kept").after == 20


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_and_itself_do_not_differ(name: str) -> None:
    result = compared(name, name)
    assert {row.fate for row in result.findings} <= {FindingFate.STILL}
    assert result.outcome == (Outcome.UNCHANGED if result.findings else Outcome.NO_FAULT)
    assert "BEFORE and AFTER are the same capture." in result.caveats
    changes = {one.change for service in result.services for one in service.load + service.use}
    assert changes <= {None, Change.SAME, Change.UNCLEAR}


# What a recorder does must never pass for a fix, nor for a fault: the setting is the same in all of these.
RECORDED = {
    "stopped after a tenth": variants.early_end(0.1),
    "stopped half-way": variants.early_end(0.5),
    "started 3 s late": variants.late(3),
    "cut at 96 bytes": variants.snapped(96),
    "without one packet in fifty": variants.lossy(0.02),
}
FAULTY = [name for name in NAMES if truth_of(name)["expect"]["cause"] != "healthy"]


@pytest.mark.parametrize("how", RECORDED)
@pytest.mark.parametrize("name", FAULTY)
def test_another_recording_of_a_fault_is_no_fix(name: str, how: str, tmp_path: Path) -> None:
    after = altered(RECORDED[how], name, tmp_path)
    if after is None:  # it was over within 3 s
        return
    result = compare(report_of(name), after)
    assert [row for row in result.findings if row.fate == FindingFate.GONE] == []
    assert [row for row in result.findings if row.fate == FindingFate.NEW and row.tested] == []
    assert result.outcome not in (Outcome.FIXED, Outcome.PARTLY_FIXED)


def held_open(name: str) -> Report:
    """As where the unread bodies are large: the window is shut, and each response keeps its connection busy."""
    report = report_of(name)
    return replace(report, pools=tuple(replace(pool, peak_busy=pool.connections) for pool in report.pools))


def test_unread_bodies_that_hold_their_connections_are_gone_when_connections_are_used_again() -> None:
    result = compare(held_open("go-body-not-closed"), report_of("go-6-workers-paced"))
    row = fate(result, "body-not-closed")
    assert (row.fate, row.tested, result.outcome) == (FindingFate.GONE, True, Outcome.FIXED)
    assert row.symptom is not None
    assert (row.symptom.name, row.symptom.before) == ("used_once_per_1000_requests", 1000)


def test_unread_bodies_that_hold_their_connections_are_new_where_none_were() -> None:
    result = compare(report_of("go-6-workers-paced"), held_open("go-body-not-closed"))
    row = fate(result, "body-not-closed")
    assert (row.fate, row.tested, result.outcome) == (FindingFate.NEW, True, Outcome.WORSE)


def test_unread_bodies_are_not_gone_while_connections_are_still_used_once() -> None:
    after = replace(held_open("go-body-not-closed"), findings=())
    row = fate(compare(held_open("go-body-not-closed"), after), "body-not-closed")
    assert (row.fate, row.why) == (FindingFate.UNTESTED, "the rule is silent, but what it costs is paid as before")


# -- why something was not put to the test


@pytest.mark.parametrize(
    ("before", "after", "name", "why"),
    [
        ("go-ab-new-client", "go-6-workers-paced", "idle-pool-too-small", "2 requests in flight, BEFORE had 20"),
        ("go-ab-per-host-50", "go-ab-per-host-1000", "idle-pool-too-small", "20 requests in flight, BEFORE had 90"),
        ("requests-connect-refused", "requests-server-45ms", "connect-refused", "of AFTER's 1 dials"),
        ("server-restart-graceful", "node-answers-fin", "server-restart", "an event, not a setting"),
        ("requests-middlebox-drops", "requests-lazy-pool", "middlebox-idle-drop", "of silence, and it takes 3.00"),
    ],
)
def test_what_could_not_have_shown_is_not_gone(before: str, after: str, name: str, why: str) -> None:
    row = fate(compared(before, after), name)
    assert row.fate == FindingFate.UNTESTED
    assert why in row.why
    assert row.to_test


def test_a_fault_that_the_first_capture_could_not_show_may_be_older() -> None:
    row = fate(compared("requests-server-45ms", "requests-path-loss-5"), "path-loss")
    assert (row.fate, row.tested) == (FindingFate.NEW, False)
    assert "fewer than 100 segments" in row.why


def test_a_fault_that_took_the_place_of_another_at_the_same_cost_is_not_the_change_s() -> None:
    result = compared("go-ab-new-transport", "go-ab-new-client")
    assert fate(result, "never-reuse-new-transport").fate == FindingFate.GONE
    assert (fate(result, "idle-pool-too-small").fate, fate(result, "idle-pool-too-small").tested) == (
        FindingFate.NEW,
        False,
    )
    assert result.outcome == Outcome.PARTLY_FIXED


def test_a_larger_pool_that_is_still_too_small_is_better() -> None:
    result = compared("go-ab-new-client", "go-ab-per-host-10")
    row = fate(result, "idle-pool-too-small")
    assert (row.fate, row.change) == (FindingFate.STILL, Change.BETTER)
    assert result.outcome == Outcome.IMPROVED
    (reading,) = result.services[0].readings
    assert (reading.before and reading.before.value, reading.after and reading.after.value) == (2, 10)


def test_the_same_load_over_more_instances_is_the_same_demand() -> None:
    before, fixed = report_of("go-ab-new-client"), report_of("go-ab-per-host-1000")
    (pool,) = fixed.pools
    third = replace(pool, peak_busy=7, peak_kept=7, requests=100, requests_per_second=100.0)
    clients = [replace(third, id=f"p{at}", client_ip=f"10.71.19.{at}") for at in (1, 2, 3)]
    assert fate(compare(before, replace(fixed, pools=tuple(clients))), "idle-pool-too-small").fate == FindingFate.GONE
    lone = compare(before, replace(fixed, pools=(third,)))  # a third of the load is not
    assert fate(lone, "idle-pool-too-small").fate == FindingFate.UNTESTED


def test_a_limit_that_some_connections_outlived_before_is_not_lifted_by_those_that_do_after() -> None:
    before = report_of("httpx-lifetime-3s")
    pool = replace(before.pools[0], oldest_ns=60 * mock.S)
    old = replace(before, pools=(pool,))
    new = replace(before, pools=(replace(pool, oldest_ns=50 * mock.S),), findings=())
    assert fate(compare(old, new), "connection-lifetime").fate == FindingFate.UNTESTED
    longer = replace(new, pools=(replace(pool, oldest_ns=70 * mock.S),))
    assert fate(compare(old, longer), "connection-lifetime").fate == FindingFate.GONE


def test_a_silent_rule_is_no_fix_while_the_cost_is_paid() -> None:
    before = report_of("go-ab-new-transport")
    row = fate(compare(before, replace(before, findings=())), "never-reuse-new-transport")
    assert row.fate == FindingFate.UNTESTED
    assert "paid as before" in row.why


@pytest.mark.parametrize("events", [1, 5, 30, 90])
def test_as_many_as_are_asked_for_are_enough(events: int) -> None:
    """``to_test`` names a number: with so many more requests the same silence is proof."""
    rate = events / 100
    enough = needed(rate)
    assert enough * rate - 2 * (enough * rate * (1 - rate)) ** 0.5 >= 5
    fewer = enough - 2
    assert fewer * rate - 2 * (fewer * rate * (1 - rate)) ** 0.5 < 5


# -- load


def test_a_wait_that_is_shorter_under_less_load_proves_nothing() -> None:
    result = compared("go-both-legs", "go-both-legs-healthy")
    assert metric(result, "first_byte_median_ns").change == Change.WORSE  # longer, though the load is less
    back = compared("go-both-legs-healthy", "go-both-legs")
    assert metric(back, "first_byte_median_ns").change == Change.BETTER
    slower = compared("go-ab-per-host-1000", "go-6-workers-paced")
    faster = compared("go-6-workers-paced", "go-ab-per-host-1000")
    assert metric(slower, "first_byte_median_ns").change == Change.WORSE
    assert metric(faster, "first_byte_median_ns").change == Change.BETTER
    quick = compared("go-ab-new-client", "go-nginx-healthy")
    assert metric(quick, "first_byte_median_ns").before == pytest.approx(6_096_000)
    assert metric(quick, "first_byte_median_ns").change == Change.UNCLEAR
    assert any("requests per second" in caveat for caveat in quick.services[0].caveats)


def test_counts_of_different_worth_are_not_compared() -> None:
    before = several(at("10.0.0.7"))
    after = several(at("10.0.0.7", requests_basis="turns", opens=10))
    result = compare(before, after)
    assert metric(result, "handshakes_per_1000_requests").change == Change.UNCLEAR
    assert metric(result, "handshakes_per_1000_requests").worth == "turns"
    assert any("exact in BEFORE and estimates in AFTER" in caveat for caveat in result.services[0].caveats)
    again = compare(after, several(at("10.0.0.7", requests_basis="turns")))
    assert metric(again, "handshakes_per_1000_requests").change == Change.WORSE


@pytest.mark.parametrize(
    ("counts", "change"),
    [
        ((0, 100, 0, 100), Change.SAME),
        ((300, 1000, 0, 1000), Change.BETTER),
        ((0, 1000, 300, 1000), Change.WORSE),
        ((3, 100, 0, 100), Change.SAME),  # by chance
        ((50_000, 100_000, 49_000, 100_000), Change.SAME),  # real, and nobody cares
        ((300, 1000, 150, 500), Change.SAME),  # half the load
        ((5, 0, 0, 100), Change.UNCLEAR),
    ],
)
def test_a_rate_moved_only_beyond_chance(counts: tuple[int, int, int, int], change: Change) -> None:
    assert moved(*counts) == change


def test_what_comes_in_bursts_is_counted_in_bursts() -> None:
    assert moved(30, 100, 5, 100) == Change.BETTER
    assert moved(30, 100, 5, 100, 10, 10) == Change.SAME


# -- what is compared with what


def several(*pools: PoolRow) -> Report:
    named = tuple(replace(pool, id=f"p{at}") for at, pool in enumerate(pools, 1))
    return mock.report(pools=named, findings=(), connection_count=sum(pool.connections for pool in pools))


def at(ip: str, port: int = 8081, **changes: object) -> PoolRow:
    return mock.pool(server=Endpoint(ip, port), host=None, **changes)


def test_other_addresses_are_matched_by_port() -> None:
    result = compare(report_of("go-ab-new-client"), report_of("go-ab-per-host-1000"))
    (service,) = result.services
    assert service.matched_by == "port 8081"
    assert service.before != service.after
    assert any(caveat.startswith("The client is 10.71.13.1 in BEFORE") for caveat in service.caveats)


def test_a_readdressed_capture_is_the_same_service(tmp_path: Path) -> None:
    after = altered(variants.readdressed, "go-ab-new-client", tmp_path)
    assert after is not None
    result = compare(report_of("go-ab-new-client"), after)
    assert result.outcome == Outcome.UNCHANGED
    assert result.services[0].matched_by == "port 8081"


def test_a_host_name_joins_a_further_instance_to_its_service() -> None:
    one = replace(at("10.0.0.7"), host="api.internal:8081")
    result = compare(
        several(one, at("10.0.0.9", 6379, protocol="redis")),
        several(one, replace(one, server=Endpoint("10.0.0.8", 8081)), at("10.0.0.9", 6379, protocol="redis")),
    )
    assert len(result.services) == 2
    assert [str(end) for end in result.services[0].after] == ["10.0.0.7:8081", "10.0.0.8:8081"]
    assert "the host api.internal" in result.services[0].matched_by
    assert metric(result, "requests").after == 2 * one.requests
    assert not result.only_after


def test_two_host_names_on_one_port_are_two_services() -> None:
    result = compare(several(replace(at("10.0.0.7"), host="orders")), several(replace(at("10.0.0.8"), host="payments")))
    assert result.outcome == Outcome.NOT_COMPARABLE
    assert result.only_before[0].host == "orders"
    assert result.only_after[0].host == "payments"


def test_a_match_that_was_asked_for_goes_ahead_of_all_others() -> None:
    before, after = several(at("10.0.0.7"), at("10.0.0.8")), several(at("10.0.0.8"), at("10.0.0.9"))
    result = compare(before, after, [("10.0.0.7:8081", "10.0.0.8:8081"), ("10.0.0.8:8081", "10.0.0.9:8081")])
    assert [(str(one.before[0]), str(one.after[0])) for one in result.services] == [
        ("10.0.0.7:8081", "10.0.0.8:8081"),
        ("10.0.0.8:8081", "10.0.0.9:8081"),
    ]
    assert {one.matched_by for one in result.services} == {"--match"}
    with pytest.raises(UsageError, match=r"BEFORE has no such service; it has 10\.0\.0\.7:8081, 10\.0\.0\.8:8081"):
        compare(before, after, [("10.0.0.1:8081", "10.0.0.8:8081")])


def test_one_service_that_became_two_may_be_asked_for() -> None:
    before, after = several(at("10.0.0.7")), several(at("10.1.0.7", 9000), at("10.1.0.8", 9000))
    result = compare(before, after, [("10.0.0.7:8081", "10.1.0.7:9000"), ("10.0.0.7:8081", "10.1.0.8:9000")])
    (service,) = result.services
    assert len(service.after) == 2


def test_clients_that_are_in_both_are_compared_one_by_one() -> None:
    two = (at("10.0.0.7"), at("10.0.0.7", client_ip="10.9.0.2"))
    assert len(compare(several(*two), several(*two)).services) == 2
    other = compare(several(*two), several(*two, at("10.0.0.7", client_ip="10.9.0.3")))
    (service,) = other.services
    assert len(service.clients_after) == 3
    assert any("all its clients together" in caveat for caveat in service.caveats)


def test_a_client_s_fault_is_not_gone_because_another_client_has_none() -> None:
    sick, well = at("10.0.0.7"), at("10.0.0.7", client_ip="10.9.0.2")
    before = replace(several(sick, well), findings=(mock.finding(pools=("p1",)),))
    after = replace(several(sick, well), findings=(mock.finding(pools=("p2",)),))
    assert {row.fate for row in compare(before, after).findings} == {FindingFate.UNTESTED, FindingFate.NEW}


def test_a_service_that_is_not_there_any_more_is_not_fixed() -> None:
    before = replace(several(at("10.0.0.7"), at("10.0.0.8", 9000)), findings=(mock.finding(pools=("p2",)),))
    result = compare(before, several(at("10.0.0.7")))
    (row,) = result.findings
    assert (row.fate, row.service) == (FindingFate.UNTESTED, "")
    assert "10.0.0.8:9000" in row.why
    assert str(result.only_before[0].server) == "10.0.0.8:9000"


# -- what fails a job


@pytest.mark.parametrize(
    ("before", "after", "fails_from"),
    [
        ("go-ab-new-client", "go-ab-per-host-1000", None),
        ("go-ab-per-host-1000", "go-ab-new-client", "new"),
        ("go-ab-per-host-10", "go-ab-new-client", "worse"),
        ("go-ab-new-client", "go-ab-new-client", "still"),
        ("go-ab-new-client", "go-6-workers-paced", "untested"),
    ],
)
def test_a_level_fails_on_what_it_says_and_on_what_is_graver(before: str, after: str, fails_from: str | None) -> None:
    rows = compared(before, after).findings
    levels = ["never", "new", "worse", "still", "untested"]
    for place, level in enumerate(levels):
        wanted = fails_from is not None and place >= levels.index(fails_from)
        assert bool(failing(rows, True, level, Severity.LOW, [])) is wanted, level


def test_what_is_below_the_severity_does_not_count() -> None:
    rows = compared("go-ab-new-client", "go-ab-per-host-10").findings  # high before, medium now
    assert failing(rows, True, "still", Severity.MEDIUM, [])
    assert not failing(rows, True, "still", Severity.HIGH, [])


def test_a_finding_that_is_expected_to_be_gone_has_to_be_gone_and_tested() -> None:
    def expecting(after: str, code: str = "PD205") -> list[str]:
        return failing(compared("go-ab-new-client", after).findings, True, "never", Severity.LOW, [code])

    assert not expecting("go-ab-per-host-1000")
    assert expecting("go-ab-per-host-10") == ["PD205 is still there"]
    assert expecting("go-6-workers-paced") == ["PD205 was not put to the test"]
    assert expecting("go-ab-per-host-1000", "PD303") == ["PD303 was not found in BEFORE, so it cannot be gone"]


def test_nothing_in_common_fails_where_a_test_is_asked_for() -> None:
    assert failing((), False, "untested", Severity.LOW, []) == ["no service could be compared"]
    assert not failing((), False, "still", Severity.LOW, [])


# -- laws


def test_every_rule_that_finds_faults_has_something_to_count() -> None:
    silent = {"healthy", "mixed-pool", "half-closed", "pipelining", "connect-tunnel"}  # information only
    names = {rule.name for rule in all_rules()}
    assert set(EVENTS) | CHURN == names - silent
    assert set(COSTS) <= names


def test_what_a_rule_counts_is_among_what_it_measures() -> None:
    missing = set()
    for name in NAMES:
        for finding in report_of(name).findings:
            key = EVENTS.get(finding.name, ("", ""))[0]
            if key and finding.severity != Severity.INFO and key not in finding.measured:
                missing.add((finding.name, key, name))
    assert missing == set()


def test_compare_takes_reports_and_paths() -> None:
    paths = str(path_of("go-ab-new-client")), str(path_of("go-ab-per-host-1000"))
    made: Callable[..., Comparison] = pcapdiag.compare
    assert made(*paths).summary == compared("go-ab-new-client", "go-ab-per-host-1000").summary
