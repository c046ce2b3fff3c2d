"""The report as Markdown, for an incident's document or a pull request; it reads well as plain text too.

In the order of the text report: the answer, what to change, the proof, the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcapdiag.model.cover import Cover
from pcapdiag.model.report import CauseClaim, Finding, FrameRef, Report, SettingAdvice
from pcapdiag.model.words import Confidence, Severity
from pcapdiag.reports import markdown_tables, text_whatif, without_setting
from pcapdiag.reports.layout import display_filter
from pcapdiag.reports.markdown_page import Document, Md, code, link, md
from pcapdiag.reports.text import EVIDENCE_SHOWN, GUESSES_SHOWN, Programs, guess_heading
from pcapdiag.reports.text_connection import ladder
from pcapdiag.reports.units import clock, plural
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

WORDS = {None: "No verdict", True: "Healthy", False: "Problem"}
FILTER_ROOM = 120  # columns of a display filter


def diagnosis(report: Report, cover: Cover | None = None, *, verbose: bool = False) -> str:
    """The whole report.

    Args:
        report: what the pipeline found; its ladders are shown where it has figures.
        cover: the author's title and note, when it was made, the command.
        verbose: every piece of evidence, every pool, snippets for every product that it may be.
    """
    cover = cover or Cover()
    out = Document()
    findings = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    _verdict(out, report, cover, findings)
    _what_to_change(out, report, findings, verbose)
    if findings:
        out.heading(2, "The proof")
        ladders = {one.connection: one for one in report.figures.ladders} if report.figures else {}
        for finding in findings:
            _proof(out, finding, verbose)
            first = next((proof.connection for proof in finding.evidence if proof.connection in ladders), None)
            if first is not None:
                out.folded(
                    f"Connection {first}, packet by packet", ladder(ladders[first], report.findings, verbose=verbose)
                )
        if report.figures is not None and report.figures.ladders_left_out:
            out.para(f"No connection is shown packet by packet: {report.figures.ladders_left_out}.")
    markdown_tables.tables(out, report, verbose=verbose)
    _also_seen(out, [finding for finding in report.findings if finding.severity is Severity.INFO])
    markdown_tables.not_evaluated(out, report.not_evaluated)
    markdown_tables.capture(out, report.capture)
    _again(out, report, cover)
    return out.text()


def _verdict(out: Document, report: Report, cover: Cover, findings: Sequence[Finding]) -> None:
    out.heading(1, cover.title or "What these TCP connections show")
    out.para(md("**{}:** {}", WORDS[report.verdict.healthy], f"{report.verdict.summary.rstrip('.')}."))
    out.para(what_was_read(report))
    if report.capture.quality.damage:
        out.para(md("**The capture is damaged:** {}", report.capture.quality.damage[0]))
    if len(findings) > 1:
        for at, finding in enumerate(findings, 1):
            out.item(f"{finding.title} ({finding.severity}, {pools_named(finding.pools)})", mark=f"{at}.")
    if cover.note.strip():
        out.verbatim(cover.note)


# -- what to change


def _what_to_change(out: Document, report: Report, findings: Sequence[Finding], verbose: bool) -> None:
    out.heading(2, "What to change")
    if not findings:
        out.para("Nothing." if report.verdict.healthy else "These packets do not tell.")
        return
    told: set[SettingAdvice] = set()
    for at, finding in enumerate(findings, 1):
        pool = next((pool for pool in report.pools if pool.id in finding.pools), None)
        programs = {"client": pool.client_program, "server": pool.server_program} if pool else {}
        if len(findings) > 1:
            out.heading(3, md("{}. {}", str(at), finding.title))
        _change(out, finding, told, programs, pool.protocol if pool else "", verbose)


def _change(
    out: Document, finding: Finding, told: set[SettingAdvice], programs: Programs, protocol: str, verbose: bool
) -> None:
    causes = finding.causes
    if len(causes) > 1:
        names = ", or ".join(
            f"{letter(place)}) {in_words(claim.cause, protocol)}" for place, claim in enumerate(causes)
        )
        out.para(md("**Either {}.**", names))
        for claim in causes:
            if claim.tell_apart:
                out.item(md("To tell: {}", claim.tell_apart))
    if finding.action:
        out.para(finding.action)
    for place, claim in enumerate(causes):
        if len(causes) > 1:
            out.para(md("**If {}) {}** ({} confidence):", letter(place), str(claim.cause), str(claim.confidence)))
        if not _settings(out, claim, told, programs, verbose) and (len(causes) > 1 or not finding.action):
            out.para(f"{without_setting.NONE_KNOWN} {without_setting.way(claim.cause)}")
    if not causes and not finding.action:
        out.para(without_setting.NONE_KNOWN)
    if finding.confidence is not Confidence.HIGH and len(causes) == 1:
        out.para(f"The confidence is {finding.confidence}: read the proof first.")
    expected = text_whatif.predicted(finding.predicted)
    if expected:
        out.para(md("**Expected then:** {}", expected))
    if finding.not_the_fix:
        out.para(Md("**Will not help:**"))
    for wrong in finding.not_the_fix:
        out.item(wrong)


def _settings(out: Document, claim: CauseClaim, told: set[SettingAdvice], programs: Programs, verbose: bool) -> bool:
    """The settings of one cause as a table, with the first one's snippet; whether there are any."""
    known = [advice for advice in claim.settings if advice.recognised]
    if known:
        rows = [[code(one.name), one.product, setting_now(one), _bold(one.recommended)] for one in known]
        out.table(["setting", "of", "now", "set to"], rows)
        snippets: set[str] = set()
        for advice in known:
            if advice in told or (advice.product in snippets and not verbose) or not (advice.snippet or advice.why):
                continue
            if advice.why:
                out.para(md("{}: {}", _name(advice), advice.why))
            if advice.snippet.strip():
                out.fence(advice.snippet, advice.language)
            snippets.add(advice.product)
            told.add(advice)
    for role in ("client", "server", "kernel", "middlebox"):
        guessed = [one for one in claim.settings if not one.recognised and one.role == role]
        if not guessed:
            continue
        out.para(guess_heading(guessed[0].inferred, role, programs))
        shown = guessed if verbose else guessed[:GUESSES_SHOWN]
        out.table(["product", "setting", "set to"], [[one.product, code(one.name), one.recommended] for one in shown])
        if verbose:
            for one in shown:
                if one.snippet.strip():
                    out.para(md("{}, {}:", one.product, _name(one)))
                    out.fence(one.snippet, one.language)
        elif len(guessed) > len(shown):
            out.para(f"And {plural(len(guessed) - len(shown), 'more product')} (-v lists all, with snippets).")
    for none in claim.no_setting:
        knob = none.knob.replace("_", " ")
        out.para(f"{none.product} has no setting for this ({knob}): {none.why.rstrip('.')}.")
    return bool(claim.settings or claim.no_setting)


def _name(advice: SettingAdvice) -> Md:
    return link(advice.name, advice.reference) if advice.reference else code(advice.name)


def _bold(text: str) -> Md:
    return md("**{}**", text) if text.strip() else Md("-")


# -- the proof


def _proof(out: Document, finding: Finding, verbose: bool) -> None:
    out.heading(3, f"{finding.code} {finding.name}")
    out.para(
        f"{finding.severity.capitalize()} severity, {finding.confidence} confidence, {finding.basis}, "
        f"{pools_named(finding.pools)}."
    )
    out.para(finding.claim)
    if finding.measured:
        rows = [[measure_name(key), measure(key, value)] for key, value in finding.measured.items()]
        out.table(["measured", ""], rows)
    shown = finding.evidence if verbose else finding.evidence[:EVIDENCE_SHOWN]
    for proof in shown:
        out.item(f"connection {proof.connection}: {proof.shows}", *frames(proof.frames))
    left = len(finding.evidence) - len(shown)
    if left:
        out.para(f"and {left:,} more {'piece' if left == 1 else 'pieces'} of evidence (-v, or --format json)")
    if len(finding.causes) == 1 and finding.causes[0].tell_apart:
        out.para(md("**To know more:** {}", finding.causes[0].tell_apart))
    if finding.would_refute:
        out.para(md("**Would refute it:** {}", finding.would_refute))


def frames(refs: Sequence[FrameRef]) -> list[Md]:
    """Wireshark display filters that show these frames, one per file."""
    by_file: dict[str | None, set[int]] = {}
    for frame in refs:
        by_file.setdefault(frame.file, set()).add(frame.number)
    lines = []
    for file, numbers in by_file.items():
        shown, left = display_filter(sorted(numbers), FILTER_ROOM)
        line = code(shown) if file is None else md("in {}: {}", file, code(shown))
        lines.append(md("{} (and {})", line, plural(left, "more frame")) if left else line)
    return lines


def _also_seen(out: Document, findings: Sequence[Finding]) -> None:
    headings: Mapping[str, list[Finding]] = {
        "Also seen, no fault": [finding for finding in findings if not finding.follows_from],
        "What follows from it": [finding for finding in findings if finding.follows_from],
    }
    for heading, those in headings.items():
        if those:
            out.heading(2, heading)
        for finding in those:
            proof = frames(finding.evidence[0].frames) if finding.evidence and not finding.follows_from else []
            out.item(also(finding), *proof)


def _again(out: Document, report: Report, cover: Cover) -> None:
    out.heading(2, "How to reproduce")
    if cover.command:
        out.fence(cover.command, "sh")
    made = f"{report.version}, {clock(cover.made_at)}" if cover.made_at is not None else report.version
    example = report.findings[0].code if report.findings else "CODE"
    out.para(
        md(
            "Made by pcapdiag {}. What a rule claims and never claims: {}. The filters above are Wireshark's.",
            made,
            code(f"pcapdiag explain {example}"),
        )
    )
