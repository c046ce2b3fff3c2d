"""The text report: the answer on the first screen, the order of the questions, nothing that acts."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable

import mock_reports as mock
import pytest

from pcapdiag.model.report import Evidence, FrameRef, Quality, Report
from pcapdiag.model.words import Cause, Confidence, Severity
from pcapdiag.reports import text, text_connections, wording

REPORTS = [mock.report, mock.new_transport_or_body, mock.healthy, mock.undecided, mock.several]


def first_screen(report: Report, width: int = 80) -> str:
    return "\n".join(text.diagnosis(report, width=width).splitlines()[:24])


def test_the_first_screen_says_what_is_wrong_and_what_to_set() -> None:
    screen = first_screen(mock.report())
    assert screen.startswith("PROBLEM: The client keeps only 2 idle connections")
    for part in (
        "10,000 requests on 8,400 connections",
        "http.Transport.MaxIdleConnsPerHost (Go net/http)",
        "now     2, read from the packets; the default",
        "set to  100 or more",
        "tr.MaxIdleConnsPerHost = 100",
        "Expected then: 103 connections instead of 8,400, 25 opens per second",
        "Will not help: MaxIdleConns alone",
    ):
        assert part in screen


def test_two_causes_that_look_alike_are_both_said_with_the_way_to_tell() -> None:
    screen = " ".join(first_screen(mock.new_transport_or_body()).split())
    assert (
        "Either a) a new client with a pool of its own is made for each request, "
        "or b) response bodies are not closed." in screen
    )
    assert "To tell: capture until the server closes an idle connection." in screen
    assert "If a) never-reuse-new-transport (medium confidence):" in screen
    assert "If b) body-not-closed (low confidence):" in screen


def test_a_cause_without_a_known_setting_says_where_to_look() -> None:
    report = mock.new_transport_or_body()
    finding = report.findings[0]
    bare = tuple(dataclasses.replace(claim, settings=()) for claim in finding.causes)
    both = dataclasses.replace(report, findings=(dataclasses.replace(finding, causes=(finding.causes[0], bare[1])),))
    page = " ".join(text.diagnosis(both).split())
    assert "(low confidence): No setting is known that changes this. Read each response to its end" in page
    one = dataclasses.replace(report, findings=(dataclasses.replace(finding, causes=bare[:1], action=""),))
    page = " ".join(text.diagnosis(one).split())
    assert "No setting is known that changes this. Let one client make all the calls" in page


def test_health_is_said_plainly_and_nothing_is_to_change() -> None:
    page = text.diagnosis(mock.healthy())
    assert page.startswith("HEALTHY: Requests share connections")
    assert "WHAT TO CHANGE\n  Nothing.\n" in page
    assert "THE PROOF" not in page
    assert "ALSO SEEN, NO FAULT\n  - The server closes connections after 75.0 s" in page


def test_too_little_evidence_is_no_health() -> None:
    page = text.diagnosis(mock.undecided())
    assert page.startswith("NO VERDICT: ")
    assert "HEALTHY" not in page
    assert "These packets do not tell" in page


def test_the_sections_answer_in_the_order_of_the_questions() -> None:
    page = text.diagnosis(mock.several())
    heads = re.findall(r"^[A-Z][A-Z, ]+$", page, re.MULTILINE)
    assert heads == [
        "WHAT TO CHANGE",
        "THE PROOF",
        "POOLS",
        "SETTINGS READ FROM THE PACKETS",
        "WHO CLOSED FIRST, AND WHY",
        "AT THE END, AS NETSTAT WOULD SHOW IT",
        "CAPTURE",
        "ALSO SEEN, NO FAULT",
        "NOT EVALUATED",
    ]


def test_the_proof_has_the_numbers_the_frames_and_what_would_refute_it() -> None:
    page = text.diagnosis(mock.report())
    proof = page[page.index("THE PROOF") : page.index("POOLS")]
    assert "PD203 idle-pool-too-small: high severity, high confidence, inferred, pool p1" in proof
    assert "linger median     0.31 ms" in proof
    assert "reopened rate     99.8%" in proof
    assert "- connection 3: closed by the client 0.31 ms" in proof
    assert "\n      frame.number in {31, 58, 61}\n" in proof
    assert "frame.number in {44..47, 90}" in proof
    assert "and 1 more piece of evidence" in proof
    assert "Would refute it: More than 2 connections idle" in proof


def test_verbose_shows_every_piece_of_evidence_and_every_pool() -> None:
    page = text.diagnosis(mock.report(), verbose=True)
    assert "connection 8400" in page
    assert "more piece" not in page
    assert "p14  10.9.0.14" in text.diagnosis(mock.several(), verbose=True)


def test_of_many_pools_the_blamed_and_the_largest_are_shown() -> None:
    many = mock.several()
    assert "and 4 more pools" in text.diagnosis(many)
    blamed = dataclasses.replace(many, findings=(mock.finding(pools=("p14",)),))
    page = text.diagnosis(blamed)
    assert "p14  10.9.0.14" in page
    assert "p10  10.9.0.10" not in page


def test_several_findings_are_listed_first_and_the_same_change_is_told_once() -> None:
    page = text.diagnosis(mock.several(), width=100)
    assert "  1. The client keeps only 2 idle connections" in first_screen(mock.several(), 100)
    assert "  2. The client drops idle connections after 2.000 s" in first_screen(mock.several(), 100)
    assert page.count("tr.MaxIdleConnsPerHost = 100") == 1
    assert "to 100 or more, as in 1." in page


def test_a_damaged_capture_is_said_on_the_first_screen() -> None:
    assert "The capture is damaged: b.pcap is cut at byte 123,456" in first_screen(mock.several())


def test_an_unknown_client_gets_one_snippet_and_the_other_names() -> None:
    products = tuple(
        dataclasses.replace(mock.IDLE_PER_HOST, product=product, name=f"{product}.limit", snippet=f"{product}!")
        for product in ("Go", "requests", "undici")
    )
    claim = dataclasses.replace(mock.finding().causes[0], settings=products)
    report = mock.report(findings=(mock.finding(causes=(claim,)),))
    short, long = text.diagnosis(report), text.diagnosis(report, verbose=True)
    assert "Go!" in short
    assert "undici!" not in short
    assert "- undici: undici.limit = 100 or more" in short
    assert "undici!" in long


def test_settings_of_a_kernel_and_of_the_path_are_printed_too() -> None:
    roles = {"kernel": "In the kernel", "middlebox": "What stands between the two"}
    settings = tuple(
        dataclasses.replace(
            mock.IDLE_PER_HOST, product=role, name=f"{role}.limit", role=role, recognised=False, inferred=None
        )
        for role in roles
    )
    claim = dataclasses.replace(mock.finding().causes[0], settings=settings)
    page = text.diagnosis(mock.report(findings=(mock.finding(causes=(claim,)),)))
    for role, head in roles.items():
        assert head in page
        assert re.search(rf"^ +{role} +{role}\.limit +100 or more$", page, re.MULTILINE)


def test_a_second_setting_of_the_same_knob_is_one_line() -> None:
    total = dataclasses.replace(
        mock.IDLE_PER_HOST, name="http.Transport.MaxIdleConns", default="100", inferred=None, snippet="its own snippet"
    )
    claim = dataclasses.replace(mock.finding().causes[0], settings=(mock.IDLE_PER_HOST, total))
    report = mock.report(findings=(mock.finding(causes=(claim,)),))
    page = text.diagnosis(report, width=100)
    assert "Also look at: http.Transport.MaxIdleConns, not visible in these packets; the default is 100" in page
    assert "its own snippet" not in page.split("THE PROOF")[0]
    assert "its own snippet" in text.diagnosis(report, verbose=True)


def test_a_cause_without_a_setting_says_so() -> None:
    claim = dataclasses.replace(mock.finding().causes[0], settings=())
    page = text.diagnosis(mock.report(findings=(mock.finding(causes=(claim,)),)))
    assert "No setting is known that changes this." in page


def test_a_less_sure_claim_sends_to_the_proof() -> None:
    page = text.diagnosis(mock.report(findings=(mock.finding(confidence=Confidence.LOW),)))
    assert "The confidence is low: read the proof first." in page


def test_every_cause_above_health_has_plain_words() -> None:
    assert set(wording.CAUSES) == set(Cause) - {Cause.HEALTHY}


def test_time_wait_is_what_is_left_of_it_and_closed_connections_are_in_no_netstat() -> None:
    row = mock.pool(client_states={"TIME_WAIT": 8398, "CLOSED": 2}, server_states={"CLOSED": 8400})
    page = text.diagnosis(mock.report(pools=(dataclasses.replace(row, time_wait={"client": 5000, "server": 0}),)))
    table = page[page.index("AT THE END") : page.index("CAPTURE\n")]
    assert "5,000" in table
    assert "8,398" not in table
    assert "CLOSED" not in table


def test_an_end_with_no_connection_left_is_said() -> None:
    row = mock.pool(client_states={"CLOSED": 1}, server_states={"CLOSED": 1}, time_wait={})
    assert "No connection is left on either end." in text.diagnosis(mock.report(pools=(row,)))


def test_a_bracket_without_a_survivor_is_not_tested_below() -> None:
    timer = dataclasses.replace(mock.pool().inferred[0], value=None, low=None, high=2.0021, unit="s")
    page = text.diagnosis(mock.report(pools=(mock.pool(inferred=(timer,)),)))
    assert re.search(r"a range +at most 2\.0021 s", page)
    both = dataclasses.replace(timer, value=2.0, low=1.9986)
    page = text.diagnosis(mock.report(pools=(mock.pool(inferred=(both,)),)))
    assert re.search(r"2\.000 s +1\.9986 and 2\.0021 s", page)


def test_counts_that_are_bounds_are_marked() -> None:
    page = text.diagnosis(mock.report(pools=(mock.pool(requests_basis="lower_bound"),)))
    assert "at least 10,000 requests" in " ".join(page.split())
    assert ">= 10,000" in page
    assert "~ 10,000" in text.diagnosis(mock.report(pools=(mock.pool(requests_basis="turns"),)))


def test_one_of_anything_is_singular() -> None:
    quality = Quality(
        truncated_packets=1,
        duplicate_packets=1,
        gap_bytes=1,
        midstream_connections=1,
        one_sided_connections=1,
        aliased_connections=1,
        time_steps_back=1,
        undecoded={"ARP": 1},
    )
    capture = dataclasses.replace(mock.report().capture, quality=quality, packets=1, tcp_segments=1)
    page = text.diagnosis(mock.report(capture=capture, connection_count=1, pools=()))
    assert not re.search(r"\b1 \w*(packets|bytes|connections|segments|times)\b", page)
    assert "1 packet not decoded: ARP" in page


def test_an_uncompiled_run_says_so_once() -> None:
    capture = dataclasses.replace(mock.report().capture, compiled=False)
    assert text.diagnosis(mock.report(capture=capture)).count("uncompiled") == 1


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("make", REPORTS)
def test_nothing_but_a_snippet_is_wider_than_the_page(make: Callable[[], Report], width: int) -> None:
    report = dataclasses.replace(make(), connections=(mock.connection(),))
    snippets = {
        line.strip()
        for advice in (mock.IDLE_PER_HOST, mock.ONE_TRANSPORT, mock.BODY_CLOSE)
        for line in advice.snippet.splitlines()
    }
    wide = [line for line in text.diagnosis(report, width=width).splitlines() if len(line) > width]
    assert [line for line in wide if line.strip() not in snippets] == []


@pytest.mark.parametrize("width", [60, 80, 100])
def test_long_ipv6_addresses_still_fit(width: int) -> None:
    ip = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"
    server = dataclasses.replace(mock.pool().server, ip=ip)
    row = mock.connection(client=dataclasses.replace(mock.connection().client, ip=ip), server=server)
    report = mock.report(pools=(mock.pool(client_ip=ip, server=server),), connections=(row,), findings=())
    assert max(map(len, text.diagnosis(report, width=width).splitlines())) <= width


@pytest.mark.parametrize("make", REPORTS)
def test_color_changes_no_word(make: Callable[[], Report]) -> None:
    plain, colored = text.diagnosis(make()), text.diagnosis(make(), color=True)
    assert "\x1b" not in plain
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain


def test_the_report_is_ascii() -> None:
    assert all(text.diagnosis(make()).isascii() for make in REPORTS)


@pytest.mark.parametrize("width", [60, 100])
def test_hostile_text_anywhere_in_the_report_never_acts(width: int) -> None:
    report = dataclasses.replace(mock.several(), connections=(mock.connection(),))
    page = text.diagnosis(mock.poisoned(report), width=width, verbose=True)
    acting = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert {char for char in page if unicodedata.category(char) in acting} == {"\n"}
    assert "\\x1b[2J" in page
    assert len(page.splitlines()) == len(page.split("\n")) - 1


def test_connections_are_grouped_by_who_talks_to_whom() -> None:
    rows = (
        mock.connection(),
        mock.connection(number=2, client=dataclasses.replace(mock.connection().client, ip="10.9.0.9")),
        mock.connection(
            number=3,
            closer="none",
            close_kind="none",
            linger_ns=None,
            client_state="ESTABLISHED",
            server_state="ESTABLISHED",
            requests=7,
            requests_basis="lower_bound",
            opened_at=mock.FIRST_AT + 1_500_000_000,
        ),
        mock.connection(number=4, opening="refused", closer="server", close_kind="none", client_state="CLOSED"),
    )
    page = "".join(text_connections.connections(mock.report(connections=rows, connection_count=4)))
    assert page.count("10.9.0.1 -> 10.9.0.2:8081 (pool p1)") == 1
    assert page.index("10.9.0.9 ->") > page.index("ESTABLISHED")
    assert re.search(r"^ +3 +40112 +1\.500 s +>= 7 +- +- +ESTABLISHED +ESTABLISHED$", page, re.MULTILINE)
    assert re.search(r"^ +1 +40112 +0 s +1 +client FIN +0\.31 ms +TIME_WAIT +CLOSED$", page, re.MULTILINE)
    assert "refused" in page
    assert page.endswith("4 connections.\n")


def test_no_connection_is_said() -> None:
    assert "".join(text_connections.connections(mock.report(connection_count=0))) == "0 connections.\n"


def test_info_findings_never_reach_the_changes() -> None:
    report = mock.report(findings=(mock.finding(severity=Severity.INFO),))
    page = text.diagnosis(report)
    assert "tr.MaxIdleConnsPerHost" not in page
    assert "ALSO SEEN" in page


def test_evidence_over_several_files_names_them() -> None:
    evidence = Evidence(1, (FrameRef(5, "a.pcap"), FrameRef(6, "b.pcap")), "seen twice")
    page = text.diagnosis(mock.report(findings=(mock.finding(evidence=(evidence,)),)))
    assert "in a.pcap:\n" in page
    assert "frame.number == 6" in page
