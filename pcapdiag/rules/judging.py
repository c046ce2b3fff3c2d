"""Run the rules over the pools, let findings compete, and give the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pcapdiag.model.report import Finding, NotEvaluated, Verdict
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Cause, Opening, Severity
from pcapdiag.pools.answers import fin_answers
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import Desk, Need, Rule

# Below this no rule could have found anything.
ENOUGH_REQUESTS = 5
# Requests per connection from which on a pool is reused; see rules/healthy.py.
REUSED = 3.0
# Loss that slows requests down whatever the pool does.
MUCH_LOSS = 0.02


@dataclass(frozen=True)
class Judgement:
    """What the rules made of the pools."""

    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    verdict: Verdict


def judge(pools: Sequence[Pool], rules: Sequence[Rule], desk: Desk) -> Judgement:
    """Findings worst first; of one pool the one that explains most connections leads."""
    explains = {rule.code: rule.explains for rule in rules}
    by_code: dict[str, list[Finding]] = {}
    skipped: list[NotEvaluated] = []
    for pool in pools:
        if pool.tiny:
            continue
        found = []
        for rule in rules:
            try:
                outcome = rule.judge(pool, desk)
            except Exception as error:
                # A bug in one rule must not take the report down; it is printed, and a test runs all rules on all captures.
                skipped.append(NotEvaluated(rule.code, rule.name, f"failed on pool {pool.name}: {error!r}"))
                continue
            if isinstance(outcome, Finding):
                found.append(outcome)
        for one in settle(found, explains):
            by_code.setdefault(one.code, []).append(one)
    findings = [merge(same) for same in by_code.values()]
    findings.sort(key=lambda one: (-one.severity.rank, -one.confidence.rank, -weight(one), one.code))
    missing = unmet(pools, rules)
    return Judgement(tuple(findings), tuple(skipped) + missing, verdict(pools, findings))


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
        sources = [other for other in above if other is not one and cause in explains.get(other.code, ())]
        if one.severity != Severity.INFO and sources:
            source = max(sources, key=lambda other: (other.severity.rank, other.confidence.rank))
            one = replace(one, severity=Severity.INFO, claim=one.claim + f" It follows from {source.code}.")
        out.append(one)
    return out


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


def verdict(pools: Sequence[Pool], findings: Sequence[Finding]) -> Verdict:
    """Sick, healthy, or not enough to say."""
    wrong = [one for one in findings if one.severity != Severity.INFO]
    if wrong:
        more = len(wrong) - 1
        return Verdict(
            False, wrong[0].title + (f" (and {more} more finding{'' if more == 1 else 's'})" if more else "")
        )
    requests = sum(pool.requests for pool in pools)
    connections = sum(pool.size for pool in pools)
    odd = oddities(pools)
    if odd:
        return Verdict(None, "connection reuse shows no fault, but " + "; ".join(odd))
    if requests < ENOUGH_REQUESTS:
        return Verdict(
            None,
            f"not enough evidence, {requests} request{'' if requests == 1 else 's'} on {connections} "
            f"connection{'' if connections == 1 else 's'}. Capture at least a minute of traffic, from before its "
            "start, with tcpdump -s 0 and no filter but the server's port",
        )
    alone = unexplained(pools, findings)
    if alone:
        return Verdict(None, alone)
    noted = [one for one in findings if one.causes[0].cause != Cause.HEALTHY]
    used = sum(int(pool.used.sum()) for pool in pools)
    exact = all((pool.connections.basis[pool.used] == 0).all() for pool in pools)
    summary = (
        f"{'' if exact else 'at least '}{requests:,} requests shared {used:,} "
        f"connection{'' if used == 1 else 's'}, every close explained"
    )
    if noted:
        summary = f"nothing to fix. {noted[0].title}"
    return Verdict(True, summary)


def unexplained(pools: Sequence[Pool], findings: Sequence[Finding]) -> str:
    """A sentence where most requests had a connection (nearly) of their own and no rule says why; else nothing."""
    told = {name for one in findings for name in one.pools}
    silent = [
        pool
        for pool in pools
        if pool.name not in told and pool.requests >= ENOUGH_REQUESTS and pool.requests < REUSED * int(pool.used.sum())
    ]
    requests = sum(pool.requests for pool in silent)
    if 2 * requests <= sum(pool.requests for pool in pools):
        return ""
    used = sum(int(pool.used.sum()) for pool in silent)
    hidden = sum(int(pool.heads_hidden.sum()) for pool in silent)
    why = ", and their headers are not in the capture: tcpdump -s 0" if 2 * hidden > used else ""
    return (
        f"{requests:,} requests used {used:,} connections and no rule tells why{why}; pcapdiag connections lists them"
    )


def oddities(pools: Sequence[Pool]) -> list[str]:
    """What the rules do not judge yet but nobody should call healthy."""
    out = []

    def column(name: str) -> Column:
        return np.concatenate([pool.connections.columns[name] for pool in pools])

    opening = column("opening")
    refused = int((opening == Opening.REFUSED).sum())
    unanswered = int((opening == Opening.UNANSWERED).sum())
    lost = int(((column("open_request") != 0) & (column("close_at") > 0)).sum())
    sent = int(column("client_data_packets").sum() + column("server_data_packets").sum())
    again = int(column("client_retransmitted").sum() + column("server_retransmitted").sum())
    waiting = 0
    if (column("server_fin_at") > 0).any():
        waiting = sum(len(fin_answers(pool).never) for pool in pools)
    if refused:
        out.append(f"{refused:,} connection{'' if refused == 1 else 's'} {'was' if refused == 1 else 'were'} refused")
    if unanswered:
        out.append(f"{unanswered:,} SYN{'' if unanswered == 1 else 's'} got no answer")
    if lost:
        out.append(f"{lost:,} connection{'' if lost == 1 else 's'} closed with a request open")
    if waiting:
        out.append(
            f"{waiting:,} connection{'' if waiting == 1 else 's'} stay{'s' if waiting == 1 else ''} in CLOSE_WAIT: the "
            "server closed, the client does not"
        )
    if sent >= 50 and again > MUCH_LOSS * sent:
        out.append(f"{again:,} of {sent:,} segments with data were sent again (loss)")
    return out
