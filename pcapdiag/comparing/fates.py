"""What became of each finding: gone, not put to the test, still there, new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pcapdiag.comparing.matching import Pair
from pcapdiag.comparing.metrics import PER, moved
from pcapdiag.comparing.trials import CHURN, EVENTS, Trial, counted, exposure, trial
from pcapdiag.comparing.use import Use, span
from pcapdiag.model.comparison import FindingRow, Metric
from pcapdiag.model.report import Finding, NotEvaluated, PoolRow, Report
from pcapdiag.model.words import Change, Fate, Severity
from pcapdiag.rules.rule import Need

# Patterns that cost a handshake each time: with as many avoidable handshakes as ahead of it, none of them is fixed.
DIALLING = CHURN | {"body-not-drained", "idle-pool-too-small", "server-connection-close"}
ORDER = (Fate.NEW, Fate.STILL, Fate.UNTESTED, Fate.GONE)


def fates(before: Report, after: Report, pairs: Sequence[Pair], ids: Sequence[str]) -> tuple[FindingRow, ...]:
    """Every finding above information of either capture, service by service."""
    rows = [row for pair, id_ in zip(pairs, ids, strict=True) for row in of_pair(before, after, pair, id_)]
    rows += of_the_rest(before, {pool.id for pair in pairs for pool in pair.before}, Fate.UNTESTED)
    rows += of_the_rest(after, {pool.id for pair in pairs for pool in pair.after}, Fate.NEW)
    rows.sort(key=lambda row: (ORDER.index(row.fate), -row.severity.rank, row.code))
    return tuple(rows)


def of_pair(before: Report, after: Report, pair: Pair, id_: str) -> Iterator[FindingRow]:
    old, new = told(before, pair.before), told(after, pair.after)
    then, now = Use(pair.before, "BEFORE", span(before.capture)), Use(pair.after, "AFTER", span(after.capture))
    for code in dict.fromkeys([*old, *new]):
        first, second = old.get(code), new.get(code)
        if all(one is None or one.severity == Severity.INFO for one in (first, second)):
            continue
        if first is not None and second is not None:
            yield still(first, second, before, after, then, now, id_)
        elif first is not None:
            yield vanished(first, before, after, then, now, id_)
        elif second is not None:
            yield appeared(second, after, then, now, id_)


def told(report: Report, pools: Sequence[PoolRow]) -> dict[str, Finding]:
    """The findings on these pools by code, of each the worst."""
    ids = {pool.id for pool in pools}
    found: dict[str, Finding] = {}
    for finding in report.findings:  # worst first
        if ids & set(finding.pools):
            found.setdefault(finding.code, finding)
    return found


def spokesman(finding: Finding, report: Report) -> PoolRow | None:
    """The pool that a finding's numbers are of."""
    return next((pool for pool in report.pools if finding.pools and pool.id == finding.pools[0]), None)


def still(
    first: Finding, second: Finding, before: Report, after: Report, then: Use, now: Use, id_: str
) -> FindingRow:
    symptom = both(first, second, before, after, then, now)
    change = symptom.change if symptom is not None else Change.UNCLEAR
    why = ""
    if second.severity == Severity.INFO:
        change = Change.BETTER
        why = f"follows from {second.follows_from} now" if second.follows_from else "is no more than information now"
    elif first.severity == Severity.INFO:
        why = f"followed from {first.follows_from} before" if first.follows_from else "was no more than information before"
    severity = max(first.severity, second.severity, key=lambda one: one.rank)
    return FindingRow(
        second.code, second.name, Fate.STILL, severity, id_, first, second, change, symptom, why, ""
    )


def vanished(finding: Finding, before: Report, after: Report, then: Use, now: Use, id_: str) -> FindingRow:
    pool = spokesman(finding, before)
    skipped = next((one.reason for one in after.not_evaluated if one.code == finding.code and blind(one)), None)
    symptom = dialled(then, now) if finding.name in DIALLING else None
    if skipped is not None:
        seen = Trial(False, f"AFTER does not let it be judged: {skipped}", "Capture what that needs.")
    elif pool is None:
        seen = Trial(False, "BEFORE does not say on which pool it was", "Capture both again.")
    else:
        seen = trial(finding, pool, then, now)
        if seen.tested and symptom is not None and symptom.change != Change.BETTER:
            seen = Trial(
                False,
                "as many handshakes as before could be avoided: the rule is silent, the cost is not",
                "Read AFTER's own report: pcapdiag diagnose.",
            )
    fate = Fate.GONE if seen.tested else Fate.UNTESTED
    return FindingRow(
        finding.code,
        finding.name,
        fate,
        finding.severity,
        id_,
        finding,
        None,
        None,
        symptom,
        seen.why,
        seen.to_test,
    )


def blind(skipped: NotEvaluated) -> bool:
    """Whether a rule could not see.  That nothing was dialled, or nothing closed, is what many a fix brings about."""
    return skipped.reason not in (Need.STARTS.value, Need.CLOSES.value)


def appeared(finding: Finding, after: Report, then: Use, now: Use, id_: str) -> FindingRow:
    """New, with a word on whether the first capture could have shown it."""
    pool = spokesman(finding, after)
    seen = None if pool is None else trial(finding, pool, now, then)
    why = ""
    if seen is not None:
        why = f"BEFORE would have shown it: {seen.why}" if seen.tested else f"it may be older: {seen.why}"
    return FindingRow(
        finding.code,
        finding.name,
        Fate.NEW,
        finding.severity,
        id_,
        None,
        finding,
        None,
        dialled(then, now) if finding.name in DIALLING else None,
        why,
        "",
    )


def of_the_rest(report: Report, matched: set[str], fate: Fate) -> Iterator[FindingRow]:
    """Findings on services that the other capture does not have."""
    for finding in report.findings:
        alone = [pool for pool in report.pools if pool.id in finding.pools and pool.id not in matched]
        if finding.severity == Severity.INFO or not alone or matched & set(finding.pools):
            continue
        where = ", ".join(dict.fromkeys(str(pool.server) for pool in alone[:3]))
        gone = fate == Fate.UNTESTED
        yield FindingRow(
            finding.code,
            finding.name,
            fate,
            finding.severity,
            "",
            finding if gone else None,
            None if gone else finding,
            None,
            None,
            f"{'AFTER' if gone else 'BEFORE'} has no traffic to {where}",
            "Capture the same services, or say with --match which became which." if gone else "",
        )


def dialled(then: Use, now: Use) -> Metric:
    """The avoidable handshakes of both."""
    return Metric(
        f"avoidable_handshakes_per_{PER}_requests",
        PER * then.avoidable / then.requests if then.requests else None,
        PER * now.avoidable / now.requests if now.requests else None,
        moved(then.avoidable, then.requests, now.avoidable, now.requests),
    )


def both(
    first: Finding, second: Finding, before: Report, after: Report, then: Use, now: Use
) -> Metric | None:
    """How often a pattern shows in both captures, where both findings count it."""
    if first.name in DIALLING:
        return dialled(then, now)
    old, new = spokesman(first, before), spokesman(second, after)
    if old is None or new is None or old not in then.pools or new not in now.pools:
        return None  # the numbers are another service's
    events, per = counted(first, old)
    more, _ = counted(second, new)
    of_events, of_more = exposure(Use((old,)), per), exposure(Use((new,)), per)
    if not of_events or not of_more:
        return None
    return Metric(
        f"{EVENTS[first.name][0] if first.name in EVENTS else 'connections'}_per_{PER}_{per}",
        PER * events / of_events,
        PER * more / of_more,
        moved(int(events), of_events, int(more), of_more),
    )
