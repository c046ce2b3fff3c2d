"""The events of a live capture: a line when a finding forms, says something else, or is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import live_views
import mock_reports
import pytest

from pcapdiag.model.live import Owner, Saving
from pcapdiag.model.report import Report
from pcapdiag.model.words import Confidence, Severity
from pcapdiag.reports import json_live
from pcapdiag.reports.json import diagnosis
from pcapdiag.reports.schema import live_1, pcapdiag_1, states_1

SCHEMA = json.loads(live_1())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PARTS = (1, 5, 10, 20, 40, 60, 80, 100)
GROWING = ["go-ab-shared-default", "go-both-legs", "server-sweeps-idle", "raw-200-services", "node-server-stopped"]


def lines(texts: Any) -> list[dict[str, Any]]:
    out = []
    for text in texts:
        assert text.endswith("\n")
        assert text[:-1].isascii()
        assert text[:-1].isprintable()
        one = json.loads(text)
        VALIDATOR.validate(one)
        out.append(one)
    return out


def changes(before: Report | None, after: Report | None, at: int) -> list[str]:
    """What a second and last report tells to somebody who knows the first."""
    telling = json_live.Telling()
    list(telling.changes(before, at))
    return list(telling.changes(after, at, last=True))


@pytest.mark.parametrize("name", GROWING)
def test_the_changes_of_a_growing_capture_add_up_to_its_findings(name: str) -> None:
    telling, standing, after = json_live.Telling(), {}, None
    for percent in PARTS:
        after = live_views.beginning(name, percent)
        for one in lines(telling.changes(after, 5, last=percent == 100)):
            key = (one["finding"]["code"], one["pools"][0]["client_ip"], str(one["pools"][0]["server"]))
            if one["change"] == "gone":
                del standing[key]
            else:
                assert (one["change"] == "new") == (key not in standing)
                standing[key] = one["finding"]
    assert after is not None
    said = {(one["code"], one["severity"], one["confidence"]) for one in standing.values()}
    assert said == {(one.code, str(one.severity), str(one.confidence)) for one in after.findings}


def test_a_finding_is_written_as_diagnose_writes_it() -> None:
    report = live_views.beginning("go-ab-shared-default", 100)
    assert report is not None
    first, *_ = lines(changes(None, report, 5))
    assert first["change"] == "new"
    assert first["at"] == "1970-01-01T00:00:00.000000005Z"
    assert first["finding"] == json.loads(diagnosis(report))["findings"][0]
    assert first["pools"][0]["client_product"] == "go-net-http"


def test_numbers_that_grow_and_pools_that_are_renumbered_are_no_change() -> None:
    before = mock_reports.report()
    finding = replace(before.findings[0], measured={"connections": 9_000}, title="other numbers", pools=("p7",))
    after = replace(before, findings=(finding,), pools=(replace(before.pools[0], id="p7"),))
    assert list(changes(before, after, 5)) == []
    assert list(changes(before, before, 5)) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"severity": Severity.LOW},
        {"confidence": Confidence.LOW},
        {"causes": ()},
        {"causes": (replace(mock_reports.finding().causes[0], settings=()),)},
        {
            "causes": (
                replace(
                    mock_reports.finding().causes[0],
                    settings=(replace(mock_reports.IDLE_PER_HOST, recommended="200 or more"),),
                ),
            )
        },
    ],
    ids=["severity", "confidence", "causes", "settings", "value"],
)
def test_what_a_reader_would_act_on_is_a_change(changed: dict[str, Any]) -> None:
    before = mock_reports.report()
    after = replace(before, findings=(replace(before.findings[0], **changed),))
    (one,) = lines(changes(before, after, 5))
    assert one["change"] == "changed"


def recommending(value: str) -> Report:
    report = mock_reports.report()
    claim = report.findings[0].causes[0]
    claim = replace(claim, settings=(replace(claim.settings[0], recommended=value),))
    return replace(report, findings=(replace(report.findings[0], causes=(claim,)),))


@pytest.mark.parametrize(
    ("told", "now"),
    [
        ("longer than 1.497 s", "longer than 1.502 s"),
        ("longer than 997 ms", "longer than 1.004 s"),
        ("1,000 or more", "1,180 or more"),
        ("21 or more", "22 or more, as many as were open at once"),
        ("false", "false"),
    ],
)
def test_a_value_that_wavers_is_no_change(told: str, now: str) -> None:
    assert changes(recommending(told), recommending(now), 5) == []


@pytest.mark.parametrize(
    ("told", "now"),
    [("longer than 997 ms", "longer than 1.4 s"), ("21 or more", "30 or more"), ("10 s", "at least 10 s")],
)
def test_a_value_that_is_another_is_a_change(told: str, now: str) -> None:
    (one,) = lines(changes(recommending(told), recommending(now), 5))
    assert one["change"] == "changed"


def test_a_value_that_creeps_is_told_when_it_is_a_quarter_from_what_was_told() -> None:
    telling = json_live.Telling()
    told = [line for n in range(100, 200, 5) for line in lines(telling.changes(recommending(f"{n} or more"), 5))]
    assert [one["change"] for one in told] == ["new", "changed", "changed"]
    values = [one["finding"]["causes"][0]["settings"][0]["recommended"] for one in told]
    assert values == ["100 or more", "130 or more", "165 or more"]


def test_a_finding_that_some_looks_miss_is_neither_gone_nor_new() -> None:
    telling, report = json_live.Telling(), mock_reports.report()
    without = replace(report, findings=())
    looks = [report, without, without, report, without, without, without, without, report]
    told = [[one["change"] for one in lines(telling.changes(look, 5))] for look in looks]
    assert told == [["new"], [], [], [], [], [], ["gone"], [], ["new"]]


def test_what_the_final_report_has_not_is_gone_at_once() -> None:
    report = mock_reports.report()
    (one,) = lines(changes(report, replace(report, findings=()), 5))
    assert (one["change"], one["finding"]["code"]) == ("gone", report.findings[0].code)


def test_the_same_pattern_at_another_service_is_another_finding() -> None:
    before = mock_reports.report()
    other = replace(before.pools[0], client_ip="10.9.9.9")
    told = [one["change"] for one in lines(changes(before, replace(before, pools=(other,)), 5))]
    assert told == ["new", "gone"]


def test_findings_are_gone_when_all_is_forgotten() -> None:
    (one,) = lines(changes(mock_reports.report(), None, 5))
    assert one["change"] == "gone"
    assert list(changes(None, None, 5)) == []


@pytest.mark.parametrize("percent", PARTS)
@pytest.mark.parametrize("name", GROWING)
def test_status_and_end_keep_the_contract(name: str, percent: int) -> None:
    view = live_views.view(name, percent, history_from=7, forgotten=3)
    status, end = lines([json_live.status(view), json_live.end(view, "duration")])
    assert len(status["pools"]) == len(view.pools)
    assert status["states"]["client"]["ESTABLISHED"] == view.states.get("client", {}).get("ESTABLISHED", 0)
    assert (end["packets"], end["files"]) == (view.packets, ["saved.pcapng"])
    assert (end["verdict"] is None) == (view.report is None)


def test_a_reason_out_of_the_list_breaks_the_contract() -> None:
    view = live_views.view("go-both-legs", 5)
    lines([json_live.end(view, "capture ended: lo went down")])
    with pytest.raises(jsonschema.ValidationError):
        lines([json_live.end(view, "bored")])


def test_hostile_names_are_carried_whole_and_nothing_raw_is_printed() -> None:
    hostile = mock_reports.HOSTILE
    view = live_views.view("go-both-legs", 20, saving=Saving((hostile,), 1, 0, hostile))
    pools = tuple(replace(pool, client_owners=(Owner(1, hostile, hostile),)) for pool in view.pools)
    (status,) = lines([json_live.status(replace(view, pools=pools))])
    assert "\x1b[2J" in status["pools"][0]["client_owners"][0]["name"]
    assert "\x1b[2J" in status["saving"]["failed"]


def test_the_schema_is_a_schema_and_shares_its_words_with_the_report() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    whole = json.loads(pcapdiag_1())["$defs"]
    shared = SCHEMA["$defs"].keys() & whole.keys() - {"pool"}
    assert "finding" in shared
    for name in shared:
        assert SCHEMA["$defs"][name] == whole[name]
    assert SCHEMA["$defs"]["states"] == json.loads(states_1())["$defs"]["line"]["properties"]["states"]


def test_a_status_names_the_newest_hundred_files() -> None:
    files = tuple(f"kept_{number:05d}.pcap" for number in range(1, 5_001))
    view = replace(live_views.view("go-both-legs", 50), saving=Saving(files, 1))
    (status,) = lines([json_live.status(view)])
    assert status["saving"]["files"] == list(files[-100:])
