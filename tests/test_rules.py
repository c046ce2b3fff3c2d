"""Laws that every rule obeys, and the captures on which each one speaks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from analyses import HEALTHY, NAMES, above_info, frames_of, pools_of, report_of, rule_named, truth_of

import pcapdiag.rules
from pcapdiag.model.words import Severity
from pcapdiag.rules import all_rules
from pcapdiag.rules.rule import Rule

SECTIONS = [
    "What it looks at",
    "Claims",
    "Never claims",
    "Why it matters",
    "What to change",
    "False alarms",
    "References",
]
# Modules of the folder that hold no pattern.
SHARED = {"__init__", "recognising", "rule", "judging", "verdict", "evidence"}
RULES = [pytest.param(rule, id=rule.name) for rule in all_rules()]


# -- laws


@pytest.mark.parametrize("rule", RULES)
def test_a_rules_page_has_every_section_in_order_and_none_is_empty(rule: Rule) -> None:
    heads = re.findall(r"^(\S.*)$", rule.text, re.MULTILINE)
    assert heads[1:] == SECTIONS
    assert heads[0].endswith((".", ":")), "it opens with a sentence"
    for section in re.split(r"^\S.*$", rule.text, flags=re.MULTILINE)[2:]:
        assert section.strip()


def test_every_file_of_the_folder_is_registered_and_named_by_its_pattern() -> None:
    folder = Path(pcapdiag.rules.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - SHARED
    assert {type(rule).__module__.rpartition(".")[2] for rule in all_rules()} == modules
    for rule in all_rules():
        assert rule.name == type(rule).__module__.rpartition(".")[2].replace("_", "-")


def test_codes_and_names_are_unique_and_well_formed() -> None:
    codes = [rule.code for rule in all_rules()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"PD[0-5]\d\d", code) for code in codes)
    assert len({rule.name for rule in all_rules()}) == len(codes)
    assert len({rule.title for rule in all_rules()}) == len(codes)


@pytest.mark.parametrize("name", NAMES)
def test_every_finding_shows_frames_of_the_capture_in_order(name: str) -> None:
    report = report_of(name)
    spans = {row.number: (row.first_frame.number, row.last_frame.number) for row in report.connections}
    for finding in report.findings:
        assert finding.evidence, finding.code
        frames = frames_of(finding)
        assert frames.min() >= 1, finding.code
        assert frames.max() <= report.capture.packets, finding.code
        for one in finding.evidence:
            numbers = [frame.number for frame in one.frames]
            assert numbers == sorted(set(numbers))
            first, last = spans[one.connection]
            assert first <= numbers[0], "the frames are the connection's own"
            assert numbers[-1] <= last
            assert one.shows


@pytest.mark.parametrize("name", NAMES)
def test_what_a_finding_measured_is_what_its_pool_shows(name: str) -> None:
    report = report_of(name)
    rows = {pool.id: pool for pool in report.pools}
    for finding in report.findings:
        measured, pool = finding.measured, rows[finding.pools[0]]
        for key, value in measured.items():
            assert value is None or not isinstance(value, float) or np.isfinite(value), key
        assert measured["connections"] == pool.connections
        assert measured.get("requests", pool.requests) == pool.requests
        for key in ("missed_reuse", "open_at_end", "closed_at_once", "closes", "asked_by_request", "idle_at_end"):
            count = measured.get(key, 0)
            assert isinstance(count, int)
            assert 0 <= count <= pool.connections, key
        for key in ("single_request_share", "missed_reuse_rate"):
            share = measured.get(key, 0.0)
            assert isinstance(share, (int, float))
            assert 0 <= share <= 1, key
        low, high = measured.get("idle_timeout_low_s"), measured.get("idle_timeout_high_s")
        if isinstance(low, float) and isinstance(high, float):
            assert 0 < low < high


@pytest.mark.parametrize("name", NAMES)
def test_no_finding_is_worse_than_its_rule_allows_and_every_one_can_be_refuted(name: str) -> None:
    for finding in report_of(name).findings:
        assert finding.severity.rank <= rule_named(finding.name).severity.rank
        assert finding.would_refute
        assert finding.causes
        for place, claim in enumerate(finding.causes[:-1]):
            assert claim.tell_apart, f"{finding.code}: rival {place} needs an experiment that decides"


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_above_info_says_what_to_set_or_to_do(name: str) -> None:
    for finding in report_of(name).findings:
        if finding.severity == Severity.INFO:
            continue
        advice = [one for claim in finding.causes for one in claim.settings]
        assert advice or finding.action, finding.code
        assert all(one.recommended and one.snippet and one.reference for one in advice)


# -- where they speak


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_capture_of_real_programs_on_which_it_fires(rule: Rule) -> None:
    """As gravely as it may be reported where it is more than information, and with its own word in front."""
    found = [(name, one) for name in NAMES for one in report_of(name).findings if one.name == rule.name]
    assert found, "no capture shows it"
    if rule.severity is not Severity.INFO:
        told = [(name, one) for name, one in found if one.severity is not Severity.INFO or one.follows_from]
        assert told, f"information only: {[name for name, _ in found]}"
        words = {str(one.causes[0].cause) for _, one in told}
        assert any(words & {truth_of(name)["expect"]["cause"], *truth_of(name)["expect"]["also"]} for name, _ in told)


@pytest.mark.parametrize(
    "rule", [pytest.param(one, id=one.name) for one in all_rules() if one.severity is not Severity.INFO]
)
def test_every_rule_has_a_look_alike_on_which_it_stays_quiet(rule: Rule) -> None:
    words = {str(one.causes[0].cause) for name in NAMES for one in report_of(name).findings if one.name == rule.name}
    alike = [
        name
        for name in NAMES
        if words & set(truth_of(name)["expect"].get("not", ())) or truth_of(name)["expect"]["cause"] == "healthy"
    ]
    assert alike
    for name in alike:
        assert rule.name not in {one.name for one in report_of(name).findings if one.severity is not Severity.INFO}


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_speaks_above_info_but_those_that_the_truth_allows(name: str) -> None:
    expect = truth_of(name)["expect"]
    allowed = {expect["cause"], *expect["also"]}
    # The front leg of the service is in the same file: ab without -k.
    if "front" in truth_of(name):
        allowed.add("never-reuse-keepalive-disabled")
    assert set(above_info(report_of(name).findings)) <= allowed


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_captures_are_called_healthy(name: str) -> None:
    assert report_of(name).verdict.healthy is True


def test_pools_are_named_in_order_of_size() -> None:
    for name in NAMES:
        sizes = [pool.size for pool in pools_of(name)]
        assert sizes == sorted(sizes, reverse=True)
