"""What fails a job in CI: the reasons for exit code 1."""

from __future__ import annotations

from collections.abc import Iterable

from pcapdiag.model.comparison import FindingRow
from pcapdiag.model.words import Change, FindingFate, Severity

# Each fails on all that the ones ahead of it fail on.
LEVELS = ("never", "new", "worse", "still", "untested")


SAID = {
    "new": "is new",
    "worse": "is still there, and worse",
    "still": "is still there",
    "untested": "was not put to the test",
}


def failing(
    rows: Iterable[FindingRow], matched: bool, fail_on: str, least: Severity, expected: Iterable[str]
) -> list[str]:
    """Why a job that wants better has to fail; empty where it need not.

    Args:
        matched: whether any service could be compared.
        fail_on: "never"; "new": something is new; "worse": or worse; "still": or still there; "untested": or was not
            put to the test.
        least: findings below it do not count.
        expected: codes or names of findings that have to be gone, and put to the test.
    """
    rows = list(rows)
    strict = LEVELS.index(fail_on)
    out = []
    for row in rows:
        finding = row.after or row.before  # of what is still there, what it costs now
        if finding is None or finding.severity.rank < least.rank:
            continue
        level = {FindingFate.NEW: "new", FindingFate.STILL: "still", FindingFate.UNTESTED: "untested"}.get(row.fate)
        if row.fate == FindingFate.STILL and row.change == Change.WORSE:
            level = "worse"
        if level is not None and LEVELS.index(level) <= strict:
            out.append(f"{row.code} {row.name} {SAID[level]}")
    if fail_on == "untested" and not matched:
        out.append("no service could be compared")
    for wanted in expected:
        of_it = [row for row in rows if wanted in (row.code, row.name) and row.before is not None]
        if not of_it:
            out.append(f"{wanted} was not found in BEFORE, so it cannot be gone")
        elif any(row.fate != FindingFate.GONE for row in of_it):
            there = any(row.fate == FindingFate.STILL for row in of_it)
            out.append(f"{wanted} {SAID['still'] if there else SAID['untested']}")
    return list(dict.fromkeys(out))
