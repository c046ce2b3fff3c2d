"""The table of findings: every cause and setting of a Report, each in a row of its own."""

from __future__ import annotations

import json

import mock_reports as mock
import pytest
from analyses import NAMES, report_of

from pcapdiag.interchange.findings import findings
from pcapdiag.model.report import CauseClaim
from pcapdiag.model.words import Cause, Confidence


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_every_cause_of_every_finding_has_its_row(name: str) -> None:
    report = report_of(name)
    expected = []
    for at, finding in enumerate(report.findings, start=1):
        for rank, claim in enumerate(finding.causes, start=1):
            for place, advice in enumerate(claim.settings, start=1):
                expected.append((at, finding.code, rank, str(claim.cause), place, advice.name, advice.recommended))
            if not claim.settings:
                expected.append((at, finding.code, rank, str(claim.cause), None, None, None))
    names = ("finding", "code", "cause_rank", "cause", "setting_rank", "setting", "recommended")
    assert list(findings(report).rows(*names)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_with_first_ranks_are_the_findings(name: str) -> None:
    report = report_of(name)
    rows = findings(report).rows("cause_rank", "setting_rank", "code")
    assert [code for cause, setting, code in rows if cause in (1, None) and setting in (1, None)] == [
        finding.code for finding in report.findings
    ]


def test_a_finding_without_causes_and_a_cause_without_settings_have_a_row() -> None:
    bare = mock.finding(causes=())
    lonely = mock.finding(causes=(CauseClaim(Cause.SLOW_SERVER, Confidence.LOW, "", ()),))
    sheet = findings(mock.report(findings=(bare, lonely)))
    assert list(sheet.rows("finding", "cause_rank", "cause", "setting_rank", "setting", "product_recognized")) == [
        (1, None, None, None, None, None),
        (2, 1, "slow-server", None, None, None),
    ]


def test_evidence_is_listed_with_its_files_once_there_are_several() -> None:
    several = findings(mock.several())
    one, two, *_ = several.rows("evidence_connections", "evidence_frames", "evidence_files")
    assert one == ([3, 7, 1, 8400], [31, 58, 61, 44, 45, 46, 47, 90, 9, 60211, 60200, 60204], None)
    assert two == ([9], [5, 9, 3], ["a.pcap", "a.pcap", "b.pcap"])


def test_what_was_measured_is_json_in_seconds() -> None:
    (measured,) = next(
        iter(findings(mock.report(findings=(mock.finding(measured={"rest_ns": 2_500_000_000}),))).rows("measured"))
    )
    assert json.loads(measured) == {"rest_s": 2.5}


def test_no_findings_are_no_rows() -> None:
    assert len(findings(mock.undecided())) == 0
