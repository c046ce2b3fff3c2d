"""Run the rules over the pools, let findings compete, and give the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pcapdiag.model.report import Finding, NoSetting, NotEvaluated, Verdict
from pcapdiag.model.words import Cause, Severity
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.evidence import doubts, doubts_of_drops
from pcapdiag.rules.predicting import predicted
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule
from pcapdiag.rules.verdict import verdict
from pcapdiag.settings import catalog


@dataclass(frozen=True)
class Judgement:
    """What the rules made of the pools."""

    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    verdict: Verdict


def judge(pools: Sequence[Pool], rules: Sequence[Rule], desk: Desk) -> Judgement:
    """Findings worst first; of one pool the one that explains the others leads.

    Args:
        pools: of one capture; a rule may look at the others through ``pool.neighbours``.
    """
    explains = {rule.code: rule.explains for rule in rules}
    alike: dict[tuple[object, ...], list[Finding]] = {}
    skipped: list[NotEvaluated] = []
    reasons: dict[str, str] = {}  # by code, of the largest pool; only where no pool could be judged
    judged: set[str] = set()
    for pool in pools:
        if pool.tiny:
            continue
        found = []
        for rule in rules:
            desk.lacking.clear()
            try:
                outcome = rule.judge(pool, desk)
            except Exception as error:
                # A bug in one rule must not take the report down; it is printed, and a test runs all rules on all captures.
                skipped.append(NotEvaluated(rule.code, rule.name, f"failed on pool {pool.name}: {error!r}"))
                continue
            if isinstance(outcome, NotJudged):
                reasons.setdefault(rule.code, outcome.reason)
                continue
            judged.add(rule.code)
            if outcome is not None:
                found.append(doubted(candid(outcome, desk.lacking), pool, desk.dropped))
        for one in settle(found, explains):
            alike.setdefault(likeness(one), []).append(one)
    by_name = {pool.name: pool for pool in pools}
    findings = []
    for one in map(merge, alike.values()):
        if one.severity != Severity.INFO:
            try:
                one = replace(one, predicted=predicted(one, by_name[one.pools[0]], desk))
            except Exception as error:
                skipped.append(NotEvaluated(one.code, one.name, f"prediction failed on pool {one.pools[0]}: {error!r}"))
        findings.append(one)
    measuring = {name for one in findings for name in one.pools[:1] if load_generator(by_name[name], desk)}
    findings.sort(
        key=lambda one: (
            -one.severity.rank,
            one.pools[:1] != () and one.pools[0] in measuring,
            -one.confidence.rank,
            -weight(one),
            one.code,
        )
    )
    missing = unmet(pools, rules)
    known = judged | {one.code for one in missing}
    missing += tuple(
        NotEvaluated(rule.code, rule.name, reasons[rule.code])
        for rule in rules
        if rule.code in reasons and rule.code not in known
    )
    return Judgement(tuple(findings), tuple(skipped) + missing, verdict(pools, findings, desk.dropped))


def likeness(one: Finding) -> tuple[object, ...]:
    """What findings of several pools must share to be told as one: the pattern, its causes, and whose settings mend it."""
    settings = {(advice.product, advice.name) for claim in one.causes for advice in claim.settings}
    return (
        one.code,
        tuple(claim.cause for claim in one.causes),
        frozenset(settings),
        one.severity == Severity.INFO,
        one.follows_from,
    )


def candid(one: Finding, lacking: Mapping[Cause, Sequence[NoSetting]]) -> Finding:
    """The finding, with what the program at an end has no setting for, where nothing else is to be set at that end."""
    causes = []
    for claim in one.causes:
        helped = {advice.role for advice in claim.settings}
        first = {none.role: none for none in reversed(lacking.get(claim.cause, ())) if none.role not in helped}
        causes.append(replace(claim, no_setting=tuple(first.values())))
    return replace(one, causes=tuple(causes))


def doubted(one: Finding, pool: Pool, dropped: float = 0.0) -> Finding:
    """The finding with no more confidence than the pool's packets allow, and those that were dropped, and why."""
    limit, why = min(doubts(pool), doubts_of_drops(pool, dropped), key=lambda doubt: doubt[0].rank)
    if one.confidence.rank <= limit.rank:
        return one
    return replace(one, confidence=limit, claim=f"{one.claim} {why}")


def settle(found: list[Finding], explains: Mapping[str, tuple[Cause, ...]]) -> list[Finding]:
    """Let the findings of one pool compete: what follows from another finding becomes information and points to it.

    Args:
        found: the pool's findings.
        explains: by code of a rule, the causes that its findings explain away.
    """
    above = [one for one in found if one.severity != Severity.INFO]
    out = []
    for one in found:
        cause = one.causes[0].cause
        if cause == Cause.HEALTHY and above:
            continue  # reuse that works in part is no comfort beside a finding
        sources = [
            other
            for other in above
            if cause in explains.get(other.code, ())
            # Of two that explain each other the graver is the source.
            and (
                other.causes[0].cause not in explains.get(one.code, ())
                or (other.severity.rank, other.confidence.rank, weight(other), other.code)
                > (one.severity.rank, one.confidence.rank, weight(one), one.code)
            )
        ]
        if sources:
            source = max(sources, key=lambda other: (other.severity.rank, other.confidence.rank))
            one = replace(one, severity=Severity.INFO, follows_from=source.code)
        out.append(one)
    return out


def load_generator(pool: Pool, desk: Desk) -> bool:
    """Whether a pool's client only measures: what the measured service does comes ahead of how its measurer is used."""
    client = desk.client_id(pool)
    return client is not None and catalog.product(client).kind == "tool"


def weight(one: Finding) -> int:
    value = one.measured.get("connections")
    return value if isinstance(value, int) else 0


def merge(same: list[Finding]) -> Finding:
    """One finding for a pattern that several pools show: the worst speaks, the others are named and counted."""
    if len(same) == 1:
        return same[0]
    worst = max(same, key=lambda one: (one.severity.rank, one.confidence.rank, weight(one)))
    ordered = [worst] + [one for one in same if one is not worst]
    pools = tuple(dict.fromkeys(name for one in ordered for name in one.pools))
    measured = dict(worst.measured)
    measured["pools"] = len(pools)
    measured["connections_in_all_pools"] = sum(weight(one) for one in same)
    others = len(pools) - 1
    return replace(
        worst,
        pools=pools,
        measured=measured,
        claim=worst.claim
        + f" {others:,} other pool{'' if others == 1 else 's'} show{'s' if others == 1 else ''} the same; "
        f"the numbers are those of {worst.pools[0]}.",
        evidence=worst.evidence + tuple(one.evidence[0] for one in ordered[1:3] if one.evidence),
    )


def unmet(pools: Sequence[Pool], rules: Sequence[Rule]) -> tuple[NotEvaluated, ...]:
    """Rules whose needs no pool of the capture meets."""
    lacking = set()
    if not any(pool.dialled.any() for pool in pools):
        lacking.add(Need.STARTS)
    if not any(pool.closed.any() for pool in pools):
        lacking.add(Need.CLOSES)
    if pools and all(pool.encrypted for pool in pools):
        lacking.add(Need.HEADERS)
    out = []
    for rule in rules:
        missing = [need for need in rule.needs if need in lacking]
        if missing:
            out.append(NotEvaluated(rule.code, rule.name, missing[0].value))
    return tuple(out)
