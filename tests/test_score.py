"""What scripts/score.py calls right, wrong and confused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from mock_reports import finding, pool, report

from pcapdiag.model.report import CauseClaim, Endpoint, Finding, Inferred, Report
from pcapdiag.model.words import Cause, Confidence, Knob, Severity

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import score


def found(cause: Cause, *pools: str, severity: Severity = Severity.MEDIUM) -> Finding:
    claim = CauseClaim(cause, Confidence.HIGH, "", ())
    return finding(causes=(claim,), pools=pools or ("p1",), severity=severity)


def said(*findings: Finding, **changes: Any) -> Report:
    return report(findings=findings, not_evaluated=(), **changes)


def label(**changes: Any) -> score.Case:
    whole = {
        "scenario": "one",
        "file": "one.pcap",
        "cause": "zero-window",
        "right_causes": ["zero-window"],
        "must_not_causes": [],
        "healthy": False,
        "expected_settings": [],
        "acceptable": [],
        "description": "",
        "notes": "",
    }
    return score.labelled_case(Path("labels"), {**whole, **changes})


def own(**expect: Any) -> score.Case:
    whole = {"cause": "zero-window", "also": [], "settings": [], "values": {}}
    return score.own_case("one", {"file": "one.pcap", "service_port": 80, "expect": {**whole, **expect}})


def test_the_worst_finding_above_information_leads() -> None:
    info, wrong = found(Cause.PATH_LOSS, severity=Severity.INFO), found(Cause.ZERO_WINDOW)
    assert score.leading([info, wrong]) == "zero-window"
    assert score.leading([info]) == "healthy"


def test_a_right_cause_in_front_passes_and_another_does_not() -> None:
    assert score.compare(label(), said(found(Cause.ZERO_WINDOW))).problems == []
    missed = score.compare(label(), said(found(Cause.PATH_LOSS)))
    assert missed.problems == ["path-loss leads, right is zero-window"]
    assert missed.confusion == [("zero-window", "path-loss")]
    assert score.compare(label(), said()).confusion == [("zero-window", "healthy")]


@pytest.mark.parametrize(
    ("led", "row"),
    [
        ((), ("slow-server", "healthy")),
        ((Cause.PATH_LOSS,), ("path-loss", "path-loss")),
        ((Cause.ZERO_WINDOW,), ("slow-server", "zero-window")),
    ],
)
def test_of_several_right_causes_the_one_that_leads_is_the_row(led: tuple[Cause, ...], row: tuple[str, str]) -> None:
    case = label(cause="slow-server", right_causes=["path-loss", "slow-server"])
    assert score.compare(case, said(*map(found, led))).confusion == [row]


def test_a_healthy_case_is_a_row_of_its_own_and_takes_no_finding() -> None:
    case = label(cause="websocket", right_causes=[], healthy=True)
    assert score.group(case) == "healthy"
    assert score.compare(case, said()).confusion == [("healthy", "healthy")]
    alarm = score.compare(case, said(found(Cause.PATH_LOSS)))
    assert alarm.confusion == [("healthy", "path-loss")]
    assert alarm.problems == ["path-loss leads, right is healthy"]


def test_a_forbidden_cause_fails_wherever_it_stands() -> None:
    both = said(found(Cause.ZERO_WINDOW), found(Cause.PATH_LOSS))
    for case in (own(**{"not": ["path-loss"]}), label(must_not_causes=["path-loss"])):
        assert score.compare(case, both).problems == ["path-loss must not be claimed"]
        info = said(found(Cause.ZERO_WINDOW), found(Cause.PATH_LOSS, severity=Severity.INFO))
        assert score.compare(case, info).problems == []


def test_a_truth_file_may_say_that_nothing_above_information_is_right_too() -> None:
    assert score.compare(own(healthy=True), said()).problems == []
    assert score.compare(own(), said()).problems == ["healthy leads, right is zero-window"]


def test_causes_by_port_are_judged_by_the_findings_on_the_port() -> None:
    case = label(
        cause="multi",
        right_causes=["multi"],
        per_endpoint={"9": {"cause": "connect-refused"}, "443": {"cause": "healthy"}},
    )
    pools = (pool(id="p1", server=Endpoint("10.0.0.2", 443)), pool(id="p2", server=Endpoint("10.0.0.3", 9)))
    right = score.compare(case, said(found(Cause.CONNECT_REFUSED, "p2"), pools=pools))
    assert right.problems == []
    assert right.confusion == [("connect-refused", "connect-refused"), ("healthy", "healthy")]
    swapped = score.compare(case, said(found(Cause.CONNECT_REFUSED, "p1"), pools=pools))
    assert swapped.problems == [
        "port 9: healthy leads, right is connect-refused",
        "port 443: connect-refused leads, right is healthy",
    ]


def test_the_confusion_table_counts_each_pair_once() -> None:
    pairs = [("b", "b"), ("b", "healthy"), ("b", "healthy"), ("healthy", "healthy"), ("a", "c")]
    assert score.confusion_table(pairs).splitlines() == [
        "right (down), leads   1   3   4",
        "1 healthy             1   .   .",
        "2 a                   .   .   1",
        "3 b                   2   1   .",
        "4 c                   .   .   .",
    ]


@pytest.mark.parametrize(
    ("cause", "settings", "seconds"),
    [
        ("idle-timeout-too-short", ["http.Transport.IdleConnTimeout (3s)"], 3.0),
        ("idle-timeout-too-short", ["aiohttp.TCPConnector(keepalive_timeout=2)"], 2.0),
        ("server-idle-timeout", ["gunicorn --keep-alive 2 (default)"], 2.0),
        ("server-idle-timeout", ["Apache 2.4 KeepAliveTimeout 500 ms"], 0.5),
        ("client-request-timeout", ["context deadline / http.Client.Timeout (1s)"], 1.0),
        ("idle-timeout-too-short", ["a (1s)", "b (2s)"], None),
        ("idle-timeout-too-short", ["Apache HttpClient5 evictIdleConnections"], None),
        ("slow-server", ["one slow endpoint ~1.5 s"], None),
    ],
)
def test_a_timer_is_read_from_a_label_only_where_it_names_one(
    cause: str, settings: list[str], seconds: float | None
) -> None:
    timer = score.named_timer(cause, settings)
    assert (timer.seconds if timer else None) == seconds


@pytest.mark.parametrize(
    ("owner", "low", "high", "verdict"),
    [
        ("server", 1.9, 2.1, "right"),
        ("server", None, 2.0, "right"),
        ("server", 2.1, 2.4, "wrong"),
        ("client", 1.9, 2.1, "none"),
    ],
)
def test_a_bracket_counts_only_when_the_right_timer_holds_the_value(
    owner: str, low: float | None, high: float, verdict: str
) -> None:
    inferred = Inferred(Knob.IDLE_TIMEOUT, owner, high, low, high, "s", 9, 0.01, "")
    one = said(pools=(pool(inferred=(inferred,)),))
    assert score.bracket(score.Timer(Knob.IDLE_TIMEOUT, "server", 2.0), one)[0] == verdict


def test_a_findings_own_bracket_counts_like_a_pools() -> None:
    claim = CauseClaim(Cause.CLIENT_REQUEST_TIMEOUT, Confidence.HIGH, "", ())
    one = finding(causes=(claim,), measured={"timeout_low_s": None, "timeout_high_s": 1.02})
    timer = score.Timer(Knob.REQUEST_TIMEOUT, "client", 1.0)
    assert score.bracket(timer, said(one)) == ("right", "client request_timeout 1 s: untested to 1.020 s")
    other = finding(causes=(CauseClaim(Cause.ZERO_WINDOW, Confidence.HIGH, "", ()),), measured=one.measured)
    assert score.bracket(timer, said(other))[0] == "none"


def test_a_wrong_bracket_of_any_timer_fails_a_capture_of_this_repository_a_missing_one_does_not() -> None:
    case = own(values={"request_timeout_s": 1.0, "owner": "client"})
    inferred = Inferred(Knob.REQUEST_TIMEOUT, "client", 2.0, 1.9, 2.0, "s", 9, 0.01, "")
    right, wrong = found(Cause.ZERO_WINDOW), pool(inferred=(inferred,))
    assert score.compare(case, said(right, pools=(wrong,))).problems == ["client request_timeout 1 s: 1.900 to 2.000 s"]
    missing = score.compare(case, said(right, pools=(pool(inferred=()),)))
    assert missing.problems == []
    assert list(score.summary([(case, missing)]))[-2:] == [
        "timers that the truth names: 1; inferred: 0; with the value in the bracket: 0",
        "  one: client request_timeout 1 s: nothing inferred",
    ]


def test_the_summary_holds_the_faults_against_the_bar() -> None:
    passed, missed = score.Answer("zero-window", [], []), score.Answer("healthy", ["wrong"], [])
    lines = list(score.summary([(label(), passed)] * 97 + [(label(), missed)] * 3))
    assert lines == ["faults: 97 of 100 right (97.0%, the bar is 97%)"]
    lines = list(score.summary([(label(), passed)] * 24 + [(label(), missed)]))
    assert lines == ["faults: 24 of 25 right (96.0%, the bar is 97%: below it)"]


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["wrong"], 1)])
def test_the_exit_code_is_1_when_a_capture_of_this_repository_fails(
    monkeypatch: pytest.MonkeyPatch, problems: list[str], code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["score.py", "--only", "go-new-transport-idle"])
    monkeypatch.setattr(score, "judge", lambda case: score.Answer("x", problems, [("x", "x")]))
    assert score.main() == code
