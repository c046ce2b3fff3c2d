"""What it comes to: one word, and one sentence to post."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.comparison import FindingRow, ServiceRow
from pcapdiag.model.words import Change, FindingFate, Outcome, Severity
from pcapdiag.reports.measures import both, label

NUMBERS = 4  # of the sentence
NAMED = 3  # findings

# Metrics that the sentence may tell, the most telling first.
TOLD = (
    "requests_per_connection",
    "handshakes_per_1000_requests",
    "time_wait_client_per_1000_requests",
    "time_wait_server_per_1000_requests",
    "lost_requests_per_1000_requests",
    "failed_dials_per_1000_requests",
    "first_byte_median_ns",
    "first_byte_p95_ns",
    "retransmitted_share",
)


def outcome(rows: Sequence[FindingRow], services: Sequence[ServiceRow]) -> Outcome:
    """The word."""
    if not services:
        return Outcome.NOT_COMPARABLE
    by_fate = {fate: [row for row in rows if row.fate == fate] for fate in FindingFate}
    gone, still, untested, new = (
        by_fate[fate] for fate in (FindingFate.GONE, FindingFate.STILL, FindingFate.UNTESTED, FindingFate.NEW)
    )
    if gone:  # beside what was fixed, something new that costs less is told, and does not undo the fix
        least = min(Severity.MEDIUM.rank, max(row.severity.rank for row in gone))
        new = [row for row in new if row.severity.rank >= least]
    if any(row.tested for row in new):
        return Outcome.MIXED if gone else Outcome.WORSE
    if gone:
        return Outcome.PARTLY_FIXED if still or untested or new else Outcome.FIXED
    if still:
        changes = {row.change for row in still}
        if Change.WORSE in changes:
            return Outcome.WORSE
        return Outcome.IMPROVED if changes == {Change.BETTER} and not new else Outcome.UNCHANGED
    return Outcome.UNTESTED if untested or new else Outcome.NO_FAULT


def summary(word: Outcome, rows: Sequence[FindingRow], services: Sequence[ServiceRow]) -> str:
    """The sentence: findings by fate, then the numbers of the service that they are about."""
    if word == Outcome.NOT_COMPARABLE:
        return "no service of BEFORE is in AFTER; --match BEFORE=AFTER says which became which"
    parts = []
    for fate, tested, one, several in (
        (FindingFate.GONE, True, "is gone", "are gone"),
        (FindingFate.NEW, True, "is new", "are new"),
        (FindingFate.NEW, False, "is new, or BEFORE could not show it", "are new, or BEFORE could not show them"),
        (FindingFate.STILL, None, "is still there", "are still there"),
        (
            FindingFate.UNTESTED,
            False,
            "did not show, but was not put to the test",
            "did not show, but were not put to the test",
        ),
    ):
        names = list(dict.fromkeys(row.name for row in rows if row.fate == fate and row.tested == tested))
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            said = one if len(names) == 1 else several
            if fate == FindingFate.STILL and word == Outcome.IMPROVED:
                said += ", but weaker"
            parts.append(f"{', '.join(names[:NAMED])}{more} {said}")
    if not rows:
        parts.append("no finding in either capture")
    told = numbers(services, rows)
    text = "; ".join(parts)
    if word == Outcome.UNTESTED:
        first = min(
            rows, key=lambda row: row.fate != FindingFate.UNTESTED
        )  # what was to be fixed, ahead of what is new
        return f"{text}: {first.why}" if first.why else text
    return f"{text}: {'; '.join(told)}" if told else text


def numbers(services: Sequence[ServiceRow], rows: Sequence[FindingRow]) -> list[str]:
    """The metrics that moved on the service of the first finding, else on the largest."""
    about = next((row.service for row in rows if row.service and row.fate in (FindingFate.GONE, FindingFate.NEW)), "")
    about = about or next((row.service for row in rows if row.service), "")
    service = next((one for one in services if one.id == about), services[0])
    known = {metric.name: metric for metric in service.use}
    moved = [known[name] for name in TOLD if name in known and known[name].change in (Change.BETTER, Change.WORSE)]
    told = [f"{label(metric.name)}: {both(metric)}" for metric in moved]
    if told and len(services) > 1:
        told[0] = f"at {service.after[0]} {told[0]}"
    return told[:NUMBERS]
