"""What became of each finding: gone, not put to the test, still there, new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pcapdiag.comparing.costs import COSTS, came, cost, handshakes, left
from pcapdiag.comparing.matching import Pair
from pcapdiag.comparing.metrics import PER, moved
from pcapdiag.comparing.trials import EVENTS, Trial, counted, exposure, trial
from pcapdiag.comparing.use import Use, span
from pcapdiag.model.comparison import FindingRow, Metric
from pcapdiag.model.report import Finding, NotEvaluated, PoolRow, Report
from pcapdiag.model.words import Change, Fate, Severity
from pcapdiag.rules.rule import Need

# What a capture must not lack to show a pattern: whole packets, heads that can be read, the time of every segment.
IN_PACKETS = frozenset({"tls-handshake-failure", "protocol-mismatch", "tls-no-reuse"})
IN_HEADS = frozenset({"server-connection-close", "server-rejects-upload", "expect-100-continue"})
IN_SEGMENTS = frozenset({"nagle-delayed-ack", "path-loss", "pmtu-blackhole", "zero-window", "expect-100-continue"})
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
            vanishing = [one for one in old.values() if one.code not in new and one.severity != Severity.INFO]
            yield appeared(second, vanishing, before, after, then, now, id_)


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


def still(first: Finding, second: Finding, before: Report, after: Report, then: Use, now: Use, id_: str) -> FindingRow:
    symptom = both(first, second, before, after, then, now)
    change = symptom.change if symptom is not None else Change.UNCLEAR
    why = ""
    if second.severity == Severity.INFO:
        why = f"follows from {second.follows_from} now" if second.follows_from else "is no more than information now"
    elif first.severity == Severity.INFO:
        why = (
            f"followed from {first.follows_from} before"
            if first.follows_from
            else "was no more than information before"
        )
    severity = max(first.severity, second.severity, key=lambda one: one.rank)
    return FindingRow(
        second.code, second.name, Fate.STILL, None, severity, id_, first, second, change, symptom, why, ""
    )


def vanished(finding: Finding, before: Report, after: Report, then: Use, now: Use, id_: str) -> FindingRow:
    symptom = cost(finding.name, then, now)
    seen = unseen(finding.name, finding.code, after, before, now, then)
    pool = spokesman(finding, before)
    if seen is None and pool is None:
        seen = Trial(False, "BEFORE does not say on which pool it was", "Capture both again.")
    elif seen is None and pool is not None:
        seen = trial(finding, pool, then, now)
        if seen.tested and not left(symptom):
            seen = Trial(
                False,
                "the rule is silent, but what it costs is paid as before",
                "Read AFTER's own report: pcapdiag diagnose.",
            )
    assert seen is not None
    fate = Fate.GONE if seen.tested else Fate.UNTESTED
    return FindingRow(
        finding.code,
        finding.name,
        fate,
        seen.tested,
        finding.severity,
        id_,
        finding,
        None,
        None,
        symptom,
        seen.why,
        seen.to_test,
    )


def unseen(name: str, code: str, report: Report, other: Report, use: Use, use_of_other: Use) -> Trial | None:
    """Why a capture as such hides a pattern that the other one shows; None where it does not."""
    called = use.name
    skipped = next((one.reason for one in report.not_evaluated if one.code == code and blind(one)), None)
    if skipped is not None:
        return Trial(False, f"{called} does not let it be judged: {skipped}", "Capture what that needs.")
    quality = report.capture.quality
    if 2 * quality.one_sided_connections > report.connection_count:
        return Trial(
            False, f"{called} holds one direction only of most connections", "Capture where both directions pass."
        )
    unread = name in IN_HEADS and use.worth != "exact" and use_of_other.worth == "exact"
    if unread or (name in IN_PACKETS and cut(report) > cut(other)):
        return Trial(
            False, f"the packets of {called} are cut short, and it is read in them", "Capture with tcpdump -s 0."
        )
    if name in IN_SEGMENTS and quality.gap_bytes > other.capture.quality.gap_bytes:
        return Trial(
            False, f"{called} lacks packets, and it shows in the times of single ones", "Capture with tcpdump -B 16384."
        )
    return None


def cut(report: Report) -> float:
    return report.capture.quality.truncated_packets / max(report.capture.packets, 1)


def blind(skipped: NotEvaluated) -> bool:
    """Whether a rule could not see.  That nothing was dialled, or nothing closed, is what many a fix brings about."""
    return skipped.reason not in (Need.STARTS.value, Need.CLOSES.value)


def appeared(
    finding: Finding, vanishing: Sequence[Finding], before: Report, after: Report, then: Use, now: Use, id_: str
) -> FindingRow:
    """New, with a word on whether the first capture could have shown it.

    Args:
        vanishing: what BEFORE alone has.
    """
    symptom = cost(finding.name, then, now)
    pool = spokesman(finding, after)
    seen = unseen(finding.name, finding.code, before, after, then, now)
    if seen is None and pool is not None:
        seen = trial(finding, pool, now, then)
    tested = seen is not None and seen.tested
    why = seen.why if seen is not None else ""
    kind = COSTS.get(finding.name)
    kin = next((one for one in vanishing if kind is not None and COSTS.get(one.name) is kind), None)
    if tested and not came(symptom):
        tested, why = False, "no rule said so, but what it costs was paid before"
    elif tested and kin is not None and kind is not handshakes:  # of which the cost tells whether it grew
        tested, why = False, f"it may be what was {kin.name} in BEFORE"
    return FindingRow(
        finding.code,
        finding.name,
        Fate.NEW,
        tested,
        finding.severity,
        id_,
        None,
        finding,
        None,
        symptom,
        f"BEFORE would have shown it: {why}" if tested else f"it may be older: {why}" if why else "",
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
            False,
            finding.severity,
            "",
            finding if gone else None,
            None if gone else finding,
            None,
            None,
            f"{'AFTER' if gone else 'BEFORE'} has no traffic to {where}",
            "Capture the same services, or say with --match which became which." if gone else "",
        )


def both(first: Finding, second: Finding, before: Report, after: Report, then: Use, now: Use) -> Metric | None:
    """How often a pattern shows in both captures, where both findings count it."""
    if COSTS.get(first.name) is handshakes:
        return handshakes(then, now)
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
