"""What a finding still lacks is what the rules go by."""

from __future__ import annotations

from pathlib import Path

import pytest
from analyses import NAMES, report_of

import pcapdiag.rules.evidence
from pcapdiag.model.words import Confidence, Severity
from pcapdiag.reports import still_missing
from pcapdiag.rules import all_rules


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_that_is_sure_has_as_many_as_are_said_to_be_enough(name: str) -> None:
    for finding in report_of(name).findings:
        if finding.name in still_missing.COUNTED and finding.severity is not Severity.INFO:
            key, _, enough = still_missing.COUNTED[finding.name]
            count = finding.measured.get(key)
            if isinstance(count, int) and finding.confidence is Confidence.HIGH:
                assert count >= enough


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_sure_says_what_is_missing_or_what_would_refute_it(name: str) -> None:
    for finding in report_of(name).findings:
        said = list(still_missing.missing(finding))
        if finding.confidence is not Confidence.HIGH and finding.severity is not Severity.INFO:
            told_elsewhere = len(finding.causes) > 1 and finding.causes[0].confidence is Confidence.HIGH
            assert said or told_elsewhere
        if finding.confidence is Confidence.HIGH:
            assert all(label == "to tell" for label, _ in said)


def test_every_rule_that_is_named_is_there_and_counts_what_is_named() -> None:
    rules = {rule.name for rule in all_rules()}
    assert (still_missing.COUNTED.keys() | still_missing.WAITS.keys()) <= rules
    source = "\n".join(path.read_text() for path in Path(pcapdiag.rules.__file__).parent.glob("*.py"))
    for key, _, _ in still_missing.COUNTED.values():
        assert f'"{key}":' in source


def test_every_doubt_is_one_that_rules_have() -> None:
    source = Path(pcapdiag.rules.evidence.__file__).read_text()
    assert all(doubt in source for doubt in still_missing.DOUBTS)


def test_rules_that_wait_for_the_same_are_told_together() -> None:
    said = list(still_missing.not_asked(report_of("go-new-transport").not_evaluated))
    assert said[0].startswith("17 rules: no connection closed")
