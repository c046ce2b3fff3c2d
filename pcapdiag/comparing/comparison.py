"""The comparison, step by step: match services, weigh their numbers, follow each finding, say what it comes to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

from pcapdiag._version import __version__
from pcapdiag.comparing import caveats, metrics, saved, verdict
from pcapdiag.comparing.fates import fates
from pcapdiag.comparing.matching import Pair, hosts, match
from pcapdiag.comparing.use import Use
from pcapdiag.model.comparison import Comparison, Reading, ServiceRow, Side
from pcapdiag.model.report import Report
from pcapdiag.pipeline import analyze

Given: TypeAlias = "Report | str | os.PathLike[str]"


def compare(before: Given, after: Given, matches: Sequence[tuple[str, str]] = ()) -> Comparison:
    """What changed from one capture to another, and whether the second could have shown the faults of the first.

    Args:
        before, after: reports of :func:`pcapdiag.analyze`, or paths: of a capture, or of a report as JSON.
        matches: services, as ``ip:port`` of each capture, that are the same although their addresses differ.

    Raises:
        CaptureError: a file cannot be read.
        UsageError: a match names a service that is not there.
    """
    before, after = loaded(before), loaded(after)
    matching = match(before.pools, after.pools, matches)
    services = tuple(service(f"s{at}", pair) for at, pair in enumerate(matching.pairs, 1))
    rows = fates(before, after, matching.pairs, [one.id for one in services])
    word = verdict.outcome(rows, services)
    return Comparison(
        outcome=word,
        summary=verdict.summary(word, rows, services),
        before=side(before),
        after=side(after),
        services=services,
        findings=rows,
        only_before=matching.only_before,
        only_after=matching.only_after,
        caveats=tuple(caveats.of_captures(before, after)),
        version=__version__,
    )


def loaded(given: Given) -> Report:
    """A report as it is, read back, or made of a capture."""
    if isinstance(given, Report):
        return given
    path = os.fspath(given)
    return saved.read(path) if saved.is_report(path) else analyze(path)


def service(id_: str, pair: Pair) -> ServiceRow:
    before, after = Use(pair.before, "BEFORE"), Use(pair.after, "AFTER")
    return ServiceRow(
        id=id_,
        before=tuple(dict.fromkeys(pool.server for pool in pair.before)),
        after=tuple(dict.fromkeys(pool.server for pool in pair.after)),
        hosts=tuple(hosts(pair.before + pair.after)),
        clients_before=before.names("client_ip"),
        clients_after=after.names("client_ip"),
        user_agent=pair.user_agent,
        pools_before=tuple(pool.id for pool in pair.before),
        pools_after=tuple(pool.id for pool in pair.after),
        matched_by=pair.how,
        load=metrics.load(before, after),
        use=metrics.use(before, after),
        readings=readings(before, after),
        caveats=tuple(caveats.of_pair(before, after)),
    )


def readings(before: Use, after: Use) -> tuple[Reading, ...]:
    """Settings that either capture shows."""
    seen = dict.fromkeys(
        (item.knob, item.owner) for use in (before, after) for pool in use.pools for item in pool.inferred
    )
    return tuple(
        Reading(knob, owner, before.inferred(knob, owner), after.inferred(knob, owner)) for knob, owner in seen
    )


def side(report: Report) -> Side:
    return Side(
        report.capture.files,
        report.capture.first_at,
        report.capture.last_at,
        report.connection_count,
        sum(pool.requests for pool in report.pools),
        report.verdict.healthy,
        report.verdict.summary,
    )
