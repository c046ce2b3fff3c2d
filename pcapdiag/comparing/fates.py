"""What became of each finding: gone, not put to the test, still there, new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pcapdiag.comparing.blindness import hidden
from pcapdiag.comparing.costs import COSTS, came, cost, handshakes, left
from pcapdiag.comparing.matching import Pair
from pcapdiag.comparing.metrics import PER, moved, weighed
from pcapdiag.comparing.trials import EVENTS, Trial, counted, exposure, trial
from pcapdiag.comparing.use import Use, span
from pcapdiag.model.comparison import FindingRow, Metric
from pcapdiag.model.report import Finding, PoolRow, Report
from pcapdiag.model.words import Change, FindingFate, Severity

ORDER = (FindingFate.NEW, FindingFate.STILL, FindingFate.UNTESTED, FindingFate.GONE)


class Told:
    """A report, with what it says of each pool at hand."""

    def __init__(self, report: Report, name: str) -> None:
        self.report = report
        self.name = name
        self.pools = {pool.id: pool for pool in report.pools}
        self.places: dict[str, list[int]] = {}  # pool -> places among the findings
        for place, finding in enumerate(report.findings):
            for pool in finding.pools:
                self.places.setdefault(pool, []).append(place)

    def use(self, pools: tuple[PoolRow, ...]) -> Use:
        return Use(pools, self.name, span(self.report.capture))

    def of(self, pools: Sequence[PoolRow]) -> dict[str, Finding]:
        """The findings on these pools by code, of each the worst."""
        places = sorted({place for pool in pools for place in self.places.get(pool.id, ())})
        found: dict[str, Finding] = {}
        for place in places:  # worst first
            finding = self.report.findings[place]
            found.setdefault(finding.code, finding)
        return found

    def spokesman(self, finding: Finding) -> PoolRow | None:
        """The pool that a finding's numbers are of."""
        return self.pools.get(finding.pools[0]) if finding.pools else None


def fates(before: Report, after: Report, pairs: Sequence[Pair], ids: Sequence[str]) -> tuple[FindingRow, ...]:
    """Every finding above information of either capture, service by service."""
    old, new = Told(before, "BEFORE"), Told(after, "AFTER")
    rows = [row for pair, id_ in zip(pairs, ids, strict=True) for row in Case(old, new, pair, id_).fates()]
    rows += of_the_rest(before, {pool.id for pair in pairs for pool in pair.before}, FindingFate.UNTESTED)
    rows += of_the_rest(after, {pool.id for pair in pairs for pool in pair.after}, FindingFate.NEW)
    rows.sort(key=lambda row: (ORDER.index(row.fate), -row.severity.rank, row.code))
    return tuple(rows)


class Case:
    """One service in both captures."""

    def __init__(self, before: Told, after: Told, pair: Pair, id_: str) -> None:
        self.before, self.after, self.id = before, after, id_
        self.then, self.now = before.use(pair.before), after.use(pair.after)
        self.old, self.new = before.of(pair.before), after.of(pair.after)

    def fates(self) -> Iterator[FindingRow]:
        for code in dict.fromkeys([*self.old, *self.new]):
            first, second = self.old.get(code), self.new.get(code)
            if all(one is None or one.severity == Severity.INFO for one in (first, second)):
                continue
            if first is not None and second is not None:
                yield self.still(first, second)
            elif first is not None:
                yield self.vanished(first)
            elif second is not None:
                yield self.appeared(second)

    def still(self, first: Finding, second: Finding) -> FindingRow:
        symptom = self.weighed(self.both(first, second))
        why = ""
        if second.severity == Severity.INFO:
            why = (
                f"follows from {second.follows_from} now" if second.follows_from else "is no more than information now"
            )
        elif first.severity == Severity.INFO:
            why = f"followed from {first.follows_from} before" if first.follows_from else "was information before"
        return FindingRow(
            code=second.code,
            name=second.name,
            fate=FindingFate.STILL,
            tested=None,
            severity=max(first.severity, second.severity, key=lambda one: one.rank),
            service=self.id,
            before=first,
            after=second,
            change=symptom.change if symptom is not None else Change.UNCLEAR,
            symptom=symptom,
            why=why,
            to_test="",
        )

    def vanished(self, finding: Finding) -> FindingRow:
        """Gone, where AFTER could have shown it and its cost went with it."""
        symptom = cost(finding.name, self.then, self.now)
        pool = self.before.spokesman(finding)
        seen = hidden(finding, self.before.report, self.then, self.after.report, self.now)
        if seen is None:
            if pool is None:  # of a report that somebody wrote
                seen = Trial(False, "BEFORE does not say on which pool it was", "Capture both again.")
            else:
                seen = trial(finding, pool, self.then, self.now)
        if seen.tested and not left(symptom):
            why = "the rule is silent, but what it costs is paid as before"
            seen = Trial(False, why, "Read AFTER's own report: pcapdiag diagnose.")
        return FindingRow(
            code=finding.code,
            name=finding.name,
            fate=FindingFate.GONE if seen.tested else FindingFate.UNTESTED,
            tested=seen.tested,
            severity=finding.severity,
            service=self.id,
            before=finding,
            after=None,
            change=None,
            symptom=self.weighed(symptom),
            why=seen.why,
            to_test=seen.to_test,
        )

    def appeared(self, finding: Finding) -> FindingRow:
        """New, with a word on whether BEFORE could have shown it."""
        symptom = cost(finding.name, self.then, self.now)
        pool = self.after.spokesman(finding)
        seen = hidden(finding, self.after.report, self.now, self.before.report, self.then)
        if seen is None:
            seen = Trial(False, "") if pool is None else trial(finding, pool, self.now, self.then)
        kin = self.kin(finding)
        if seen.tested and not came(symptom):
            seen = Trial(False, "no rule said so, but what it costs was paid before")
        elif seen.tested and kin is not None:
            seen = Trial(False, f"it may be what was {kin.name} in BEFORE")
        return FindingRow(
            code=finding.code,
            name=finding.name,
            fate=FindingFate.NEW,
            tested=seen.tested,
            severity=finding.severity,
            service=self.id,
            before=None,
            after=finding,
            change=None,
            symptom=self.weighed(symptom),
            why=seen.why,
            to_test="",
        )

    def weighed(self, symptom: Metric | None) -> Metric | None:
        return None if symptom is None else weighed(symptom, self.then, self.now)

    def kin(self, finding: Finding) -> Finding | None:
        """A finding of BEFORE alone that has the same cost, where the cost does not tell whether it grew.

        Of avoidable handshakes it does.
        """
        kind = COSTS.get(finding.name)
        if kind is None or kind is handshakes:
            return None
        alone = (one for code, one in self.old.items() if code not in self.new and one.severity != Severity.INFO)
        return next((one for one in alone if COSTS.get(one.name) is kind), None)

    def both(self, first: Finding, second: Finding) -> Metric | None:
        """How often a pattern shows in both captures, where both findings count it."""
        if COSTS.get(first.name) is handshakes:
            return handshakes(self.then, self.now)
        old, new = self.before.spokesman(first), self.after.spokesman(second)
        if old is None or new is None or old not in self.then.pools or new not in self.now.pools:
            return None  # the numbers are another service's
        events, per = counted(first, old)
        more, _ = counted(second, new)
        among, among_more = exposure(Use((old,)), per), exposure(Use((new,)), per)
        if not among or not among_more:
            return None
        return Metric(
            f"{EVENTS[first.name][0] if first.name in EVENTS else 'connections'}_per_{PER}_{per}",
            PER * events / among,
            PER * more / among_more,
            moved(int(events), among, int(more), among_more),
        )


def of_the_rest(report: Report, matched: set[str], fate: FindingFate) -> Iterator[FindingRow]:
    """Findings on services that the other capture does not have."""
    pools = {pool.id: pool for pool in report.pools}
    for finding in report.findings:
        alone = [pools[id_] for id_ in finding.pools if id_ in pools and id_ not in matched]
        if finding.severity == Severity.INFO or not alone or len(alone) < len(finding.pools):
            continue
        where = ", ".join(dict.fromkeys(str(pool.server) for pool in alone[:3]))
        gone = fate == FindingFate.UNTESTED
        yield FindingRow(
            code=finding.code,
            name=finding.name,
            fate=fate,
            tested=False,
            severity=finding.severity,
            service="",
            before=finding if gone else None,
            after=None if gone else finding,
            change=None,
            symptom=None,
            why=f"{'AFTER' if gone else 'BEFORE'} has no traffic to {where}",
            to_test="Capture the same services, or say with --match which became which." if gone else "",
        )
