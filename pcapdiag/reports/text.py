"""The report for a terminal, in the order of the reader's questions.

Is anything wrong; what to change; the proof; the tables.  The first screen (24 lines) holds the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pcapdiag.model.report import (
    CauseClaim,
    Evidence,
    Finding,
    NotEvaluated,
    PoolRow,
    Program,
    Report,
    SettingAdvice,
)
from pcapdiag.model.words import Confidence, Knob, Severity
from pcapdiag.reports import text_connections, text_tables, text_whatif, without_setting
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import plural
from pcapdiag.reports.wording import (
    also,
    in_words,
    letter,
    measure,
    measure_name,
    pools_named,
    setting_now,
    what_was_read,
)

EVIDENCE_SHOWN = 3  # per finding, without --verbose
GUESSES_SHOWN = 6  # products of an unnamed program; the commonest come first
LAST_COLUMN = 32  # columns that a table of guesses needs beside its first two, the gaps between them included
PRODUCTS_SHOWN = 2  # whose snippets are printed, where the client is unknown and there are many

# Who is at each end, by role.
Programs: TypeAlias = Mapping[str, Program | None]

# Rules with one reason that are listed by name; more by code alone.
RULES_NAMED = 3


def diagnosis(report: Report, *, width: int = 80, color: bool = False, verbose: bool = False) -> str:
    """The whole report.

    Args:
        report: what the pipeline found.
        width: columns of the terminal; at least 60 are used.
        color: write SGR escape sequences.
        verbose: every piece of evidence, every pool, every product's snippet.
    """
    page = Page(width, color=color)
    findings = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    _verdict(page, report, findings)
    _what_to_change(page, report, findings, verbose)
    if findings:
        page.heading("The proof")
        for at, finding in enumerate(findings, 1):
            _proof(page, finding, at if len(findings) > 1 else None, verbose)
    text_tables.tables(page, report, verbose=verbose)
    _also_seen(page, [finding for finding in report.findings if finding.severity is Severity.INFO])
    _not_evaluated(page, report.not_evaluated)
    if report.connections:
        text_connections.listing(page, report.connections)
    _footer(page, report)
    return page.text()


def one_finding(report: Report, finding: Finding, *, width: int = 80, color: bool = False) -> str:
    """One finding of the report as the whole report shows it: what to change, then the proof."""
    page = Page(width, color=color)
    pool = next((pool for pool in report.pools if pool.id in finding.pools), None)
    _change(page, finding, "", "  ", {}, 1, pool, verbose=False)
    page.heading("The proof")
    _proof(page, finding, None, verbose=False)
    return page.text()


def _verdict(page: Page, report: Report, findings: Sequence[Finding]) -> None:
    healthy = report.verdict.healthy
    if healthy is None:
        word, style = "NO VERDICT", "unsure"
    elif healthy:
        word, style = "HEALTHY", "good"
    else:
        word, style = "PROBLEM", "bad"
    page.para(report.verdict.summary, label=f"{word}: ", hang=0, style=style)
    page.rule(style=style)
    page.para(what_was_read(report))
    damage = report.capture.quality.damage
    if damage:
        more = f" (and {len(damage) - 1} more, see Capture)" if len(damage) > 1 else ""
        page.para(f"{damage[0]}{more}", label="The capture is damaged: ", hang=2, style="unsure")
    if len(findings) > 1:
        page.blank()
        for at, finding in enumerate(findings, 1):
            page.item(f"{finding.title} ({finding.severity}, {pools_named(finding.pools)})", mark=f"{at}.", indent=2)


def _what_to_change(page: Page, report: Report, findings: Sequence[Finding], verbose: bool) -> None:
    page.heading("What to change")
    if not findings:
        if report.verdict.healthy:
            page.para("Nothing.", indent=2)
        else:
            page.para("These packets do not tell.", indent=2)
        return
    told: dict[SettingAdvice, int] = {}
    for at, finding in enumerate(findings, 1):
        if at > 1:
            page.blank()
        mark = f"{at}. " if len(findings) > 1 else ""
        pool = next((pool for pool in report.pools if pool.id in finding.pools), None)
        _change(page, finding, report.verdict.summary, mark, told, at, pool, verbose)


def _change(
    page: Page,
    finding: Finding,
    summary: str,
    mark: str,
    told: dict[SettingAdvice, int],
    at: int,
    pool: PoolRow | None,
    verbose: bool,
) -> None:
    programs: Programs = {"client": pool.client_program, "server": pool.server_program} if pool else {}
    protocol = pool.protocol if pool else ""
    indent = len(mark) or 2
    causes = finding.causes
    if len(causes) > 1:
        names = ", or ".join(
            f"{letter(place)}) {in_words(claim.cause, protocol)}" for place, claim in enumerate(causes)
        )
        page.para(f"Either {names}.", label=mark or "  ", style="strong")
        for claim in causes:
            if claim.tell_apart:
                page.para(claim.tell_apart, label="To tell: ", indent=indent, hang=indent + 2)
    elif mark or finding.title.rstrip(".") != summary.rstrip("."):
        page.para(finding.title, label=mark or "  ", style="strong")
    if finding.action:
        page.para(finding.action, indent=indent)
    seen = bool(finding.action)
    for place, claim in enumerate(causes):
        if len(causes) > 1:
            page.blank()
            page.para(f"If {letter(place)}) {claim.cause} ({claim.confidence} confidence):", indent=indent)
        found = _settings(page, claim, indent, told, at, programs, verbose)
        if not found and (len(causes) > 1 or not seen):
            page.para(f"{without_setting.NONE_KNOWN} {without_setting.way(claim.cause)}".rstrip(), indent=indent)
        seen = found or seen
    if not seen and not causes:
        page.para(without_setting.NONE_KNOWN, indent=indent)
    if finding.confidence is not Confidence.HIGH and len(causes) == 1:
        page.para(f"The confidence is {finding.confidence}: read the proof first.", indent=indent)
    expected = text_whatif.predicted(finding.predicted)
    if expected:
        page.para(expected, label="Expected then: ", indent=indent, hang=indent + 2)
    for wrong in finding.not_the_fix:
        page.para(wrong, label="Will not help: ", indent=indent, hang=indent + 2)


def _settings(
    page: Page,
    claim: CauseClaim,
    indent: int,
    told: dict[SettingAdvice, int],
    at: int,
    programs: Programs,
    verbose: bool,
) -> bool:
    """The settings of one cause; whether there are any."""
    known = [advice for advice in claim.settings if advice.recognised]
    products = list(dict.fromkeys(advice.product for advice in known))
    whole = products if verbose or len(products) <= PRODUCTS_SHOWN else products[:1]
    shown: set[tuple[str, Knob]] = set()
    for advice in known:
        if advice.product not in whole:
            continue
        if advice in told:
            page.para(
                f"{advice.name} ({advice.product}) to {advice.recommended}, as in {told[advice]}.",
                indent=indent,
            )
        elif (advice.product, advice.knob) in shown and not verbose:
            page.para(
                f"{advice.name}, {setting_now(advice)}; set to {advice.recommended}.",
                label="Also look at: ",
                indent=indent,
                hang=indent + 2,
            )
        else:
            _setting(page, advice, indent)
        told.setdefault(advice, at)
        shown.add((advice.product, advice.knob))
    rest = [advice for advice in known if advice.product not in whole]
    if rest:
        page.para("The same in other products, if it is not this one (snippets with -v):", indent=indent)
        for advice in rest:
            page.item(f"{advice.product}: {advice.name} = {advice.recommended}", indent=indent + 2)
    for role in ("client", "server", "kernel", "middlebox"):
        guessed = [advice for advice in claim.settings if not advice.recognised and advice.role == role]
        if guessed:
            _guessed(page, guessed, role, programs, indent, verbose)
    for one in claim.no_setting:
        why = one.why.rstrip(".")
        page.para(f"{one.product} has no setting for this ({one.knob.replace('_', ' ')}): {why}.", indent=indent)
    return bool(claim.settings or claim.no_setting)


def _guessed(
    page: Page, guessed: Sequence[SettingAdvice], role: str, programs: Programs, indent: int, verbose: bool
) -> None:
    """A setting in the commonest products, or in the few that it may be, where the packets do not name the one in use."""
    page.para(guess_heading(guessed[0].inferred, role, programs), indent=indent)
    if verbose:
        for advice in guessed:
            _setting(page, advice, indent + 2)
        return
    shown = guessed[:GUESSES_SHOWN]
    widest = max(len(advice.product) for advice in shown) + max(len(advice.name) for advice in shown)
    if widest + LAST_COLUMN <= page.width - indent:
        rows = [[advice.product, advice.name, advice.recommended] for advice in shown]
        page.table(["product", "setting", "set to"], rows, indent=indent + 2, wrap=True)
    else:
        for advice in shown:
            page.item(f"{advice.product}: {advice.name}, set to {advice.recommended}", indent=indent + 2)
    left = len(guessed) - GUESSES_SHOWN
    more = f"And {plural(left, 'more product')}, and snippets" if left > 0 else "Snippets"
    if role in ("client", "server"):
        page.para(f"{more}: -v; of one product alone: --{role} PRODUCT (pcapdiag settings).", indent=indent)
    else:
        page.para(f"{more}: -v.", indent=indent)


def guess_heading(read: str | None, role: str, programs: Programs) -> str:
    """What is above the settings of programs that the packets do not name; ``read``: the value that they show."""
    program = programs.get(role)
    if role == "kernel":
        told = any(one is not None and one.system for one in programs.values())
        head = "In the kernel" + (f" it is {read}, as read from the packets" if read else "")
        head += ":" if told else "; where that is Linux:"
    elif role == "middlebox":
        head = "What stands between the two is not named in the packets. In common products it is:"
    elif program is not None and program.candidates:
        head = (
            f"The {role} may be {program.name} ({program.reason})"
            + (f"; its setting is {read}, as read from the packets" if read else "")
            + ". There it is:"
        )
    else:
        head = (
            f"The {role}'s software is not named in the packets"
            + (f"; its setting is {read}, as read from them" if read else "")
            + ". In the commonest products it is:"
        )
    return head


def _setting(page: Page, advice: SettingAdvice, indent: int) -> None:
    page.para(f"{advice.name} ({advice.product})", indent=indent, style="strong")
    page.pairs([("now", setting_now(advice)), ("set to", advice.recommended)], indent=indent + 2)
    if advice.snippet.strip():
        page.blank()
        page.snippet(advice.snippet, indent=indent + 4)
        page.blank()
    if advice.why:
        page.para(advice.why, label="Why: ", indent=indent, hang=indent + 2)


def _proof(page: Page, finding: Finding, at: int | None, verbose: bool) -> None:
    page.blank()
    mark = f"{at}. " if at is not None else ""
    page.para(
        f"{finding.code} {finding.name}: {finding.severity} severity, {finding.confidence} confidence, "
        f"{finding.basis}, {pools_named(finding.pools)}",
        label=mark or "  ",
        style="strong",
    )
    indent = len(mark) or 2
    page.para(finding.claim, indent=indent)
    if finding.measured:
        page.blank()
        page.pairs(
            [(measure_name(key), measure(key, value)) for key, value in finding.measured.items()], indent=indent + 2
        )
    page.blank()
    shown = finding.evidence if verbose else finding.evidence[:EVIDENCE_SHOWN]
    for evidence in shown:
        _evidence(page, evidence, indent)
    left = len(finding.evidence) - len(shown)
    if left:
        more = "piece" if left == 1 else "pieces"
        page.para(f"and {left:,} more {more} of evidence (-v, or --format json)", indent=indent)
    page.blank()
    if len(finding.causes) == 1 and finding.causes[0].tell_apart:
        page.para(finding.causes[0].tell_apart, label="To know more: ", indent=indent, hang=indent + 2)
    page.para(finding.would_refute, label="Would refute it: ", indent=indent, hang=indent + 2)


def _evidence(page: Page, evidence: Evidence, indent: int) -> None:
    page.item(f"connection {evidence.connection}: {evidence.shows}", indent=indent)
    page.frames(evidence.frames, indent=indent + 4)


def _also_seen(page: Page, findings: Sequence[Finding]) -> None:
    """Facts, and what follows from the findings above; what would not help against a fact is of no use to anybody."""
    facts = [finding for finding in findings if not finding.follows_from]
    if facts:
        page.heading("Also seen, no fault")
    for finding in facts:
        page.item(also(finding), indent=2)
        if finding.evidence:
            page.frames(finding.evidence[0].frames, indent=6)
    if len(facts) < len(findings):
        page.heading("What follows from it")
    for finding in findings:
        if finding.follows_from:
            page.item(also(finding), indent=2)


def _not_evaluated(page: Page, skipped: Sequence[NotEvaluated]) -> None:
    if not skipped:
        return
    by_reason: dict[str, list[NotEvaluated]] = {}
    for entry in skipped:
        by_reason.setdefault(entry.reason, []).append(entry)
    page.heading("Not evaluated")
    for reason, entries in by_reason.items():
        few = len(entries) <= RULES_NAMED
        rules = ", ".join(f"{entry.code} {entry.name}" if few else entry.code for entry in entries)
        page.item(f"{rules}: {reason}", indent=2)


def _footer(page: Page, report: Report) -> None:
    page.blank()
    example = report.findings[0].code if report.findings else "CODE"
    page.para(
        f"pcapdiag {report.version}. What a rule claims and never claims: pcapdiag explain {example}. "
        "For programs: --format json.",
        style="dim",
    )
