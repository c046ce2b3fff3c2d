"""Whose settings are named and who is recognised, over this repository's captures: never another's."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest
from mock_reports import pool, report

from pcapdiag.model.report import Program
from pcapdiag.model.words import Confidence

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import score_settings
from score_settings import Result, governed

CASES = {case.name: case for case in score_settings.own_cases()}
# Programs that name themselves, or write heads that name them: of clients whose heads or ClientHello are in the capture
# this share is recognised, or narrowed to a few with the right one among them.
CLIENTS = 0.93
# And this share is recognised as the one that it is.
RIGHT = 0.85


@cache
def result_of(name: str) -> Result:
    return score_settings.judge(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_no_end_is_taken_for_another_program_and_no_other_programs_setting_is_the_one_to_change(name: str) -> None:
    result = result_of(name)
    assert "wrong" not in (result.client, result.server)
    assert result.facts == set()


def test_an_accepted_setting_is_named_where_one_governs_the_cause() -> None:
    results = [result_of(name) for name, case in CASES.items() if governed(case)]
    named = [result for result in results if result.named == "accepted"]
    assert len(named) >= score_settings.ACCEPTED_BAR * len(results)


def test_nearly_every_client_of_a_known_library_is_recognised_or_narrowed_to_a_few() -> None:
    found = [result_of(name).client for name in CASES]
    known = [word for word in found if word]
    assert sum(word in ("right", "narrowed") for word in known) >= CLIENTS * len(known)
    assert known.count("right") >= RIGHT * len(known)


@pytest.mark.parametrize(
    ("product", "candidates", "said"),
    [("nginx", (), "wrong"), ("apache", (), "right"), (None, ("apache", "caddy"), "narrowed"), (None, (), "unknown")],
)
def test_what_is_called_right_and_wrong(product: str | None, candidates: tuple[str, ...], said: str) -> None:
    program = Program(product, "x", "", Confidence.HIGH, "", candidates)
    case = score_settings.Case("x", Path(), "healthy", "a raw socket", "Apache httpd 2.4.71", ())
    result = score_settings.judge(case, report(pools=(pool(server_program=program, client_program=None),), findings=()))
    assert result.server == said
