"""This repository's captures, what is known of each, and its analysis, made once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pcapdiag import pipeline
from pcapdiag.model.report import Finding, NotEvaluated, Report
from pcapdiag.model.words import Severity
from pcapdiag.pools.partition import aliases, partition
from pcapdiag.pools.pool import Pool
from pcapdiag.rules import all_rules
from pcapdiag.rules.judging import Judgement, judge
from pcapdiag.rules.rule import Desk, NotJudged, Rule

FOLDER = Path(__file__).parents[1] / "captures"
NAMES = sorted(path.stem for path in FOLDER.glob("*.pcap"))


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.pcap"


@cache
def truth_of(name: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return known


# Where "healthy" is only as right as a cause, scripts/score.py takes either.
HEALTHY = [name for name in NAMES if truth_of(name)["expect"]["cause"] == "healthy"]


@cache
def report_of(name: str) -> Report:
    """The whole capture, with its connections."""
    return pipeline.analyze([str(path_of(name))], pipeline.Options(with_connections=True))


@cache
def pools_of(name: str) -> tuple[Pool, ...]:
    """The pools, for what a report does not show."""
    tables = pipeline.read_tables([str(path_of(name))])
    c = tables.connections
    first, last = tables.counters.first_at or 0, tables.counters.last_at or 0
    return tuple(partition(c, tables.exchanges, aliases(c) == 0, first, last))


def above_info(findings: Sequence[Finding]) -> list[str]:
    """Causes that lead findings above info, worst first."""
    return [str(one.causes[0].cause) for one in findings if one.severity != Severity.INFO]


def failures(skipped: Sequence[NotEvaluated]) -> list[str]:
    return [one.reason for one in skipped if one.reason.startswith("failed")]


def rule_named(name: str) -> Rule:
    return next(rule for rule in all_rules() if rule.name == name)


def judged(name: str, pool: Pool) -> Finding | NotJudged | None:
    """What one rule makes of one pool."""
    return rule_named(name).judge(pool, Desk())


def judgement(pools: Sequence[Pool]) -> Judgement:
    """What all the rules make of these pools, by the way of the program."""
    for one in pools:
        one.neighbours = pools
    return judge(pools, all_rules(), Desk())


def frames_of(finding: Finding) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([frame.number for one in finding.evidence for frame in one.frames], dtype=np.int64)
