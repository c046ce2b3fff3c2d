"""A program that is known to have no setting for what a finding asks for: the report says so, and why."""

from __future__ import annotations

import json

import pytest
from analyses import NAMES, report_of

from pcapdiag.model.report import CauseClaim
from pcapdiag.model.words import Cause, Knob, Severity
from pcapdiag.reports import json as json_report
from pcapdiag.reports import text
from pcapdiag.settings import catalog

# The server closes idle connections; requests has no idle timer of its own that could close them first.
LAZY = "requests-lazy-pool"


def claim_of(name: str, cause: Cause) -> CauseClaim:
    return next(claim for finding in report_of(name).findings for claim in finding.causes if claim.cause == cause)


def test_the_claim_names_program_knob_and_reason() -> None:
    (none,) = claim_of(LAZY, Cause.SERVER_IDLE_TIMEOUT).no_setting
    assert (none.product, none.knob, none.role) == ("Python requests", Knob.IDLE_TIMEOUT, "client")
    known = catalog.absence(Knob.IDLE_TIMEOUT, "python-requests")
    assert known is not None
    assert (none.why, none.reference) == (known.why, known.source)


def test_the_text_says_it_in_a_line() -> None:
    page = " ".join(text.diagnosis(report_of(LAZY), width=80).split())
    assert "Python requests has no setting for this (idle timeout): requests keeps idle connections until" in page


def test_json_carries_it_beside_the_settings() -> None:
    found = json.loads(json_report.diagnosis(report_of(LAZY)))["findings"]
    (cause,) = next(one for one in found if one["name"] == "server-idle-timeout")["causes"]
    assert cause["settings"]
    assert [(one["product"], one["knob"], one["role"]) for one in cause["no_setting"]] == [
        ("Python requests", "idle_timeout", "client")
    ]


def test_a_program_that_has_the_setting_or_is_unknown_is_not_said_to_lack_it() -> None:
    assert claim_of("go-ab-new-client", Cause.IDLE_POOL_TOO_SMALL).no_setting == ()
    # The server of the same capture is not named in its packets: nothing is known of it.
    assert {none.role for none in claim_of(LAZY, Cause.SERVER_IDLE_TIMEOUT).no_setting} == {"client"}


@pytest.mark.parametrize("name", NAMES)
def test_no_end_has_both_a_setting_and_none(name: str) -> None:
    for finding in report_of(name).findings:
        if finding.severity == Severity.INFO:
            continue
        for claim in finding.causes:
            helped = {advice.role for advice in claim.settings}
            assert helped.isdisjoint(none.role for none in claim.no_setting)
            assert len({none.role for none in claim.no_setting}) == len(claim.no_setting)
