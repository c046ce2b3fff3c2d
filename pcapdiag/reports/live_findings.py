"""Findings on the live screen: those that have formed, what to change, and what others still wait for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pcapdiag.model.live import LiveView
from pcapdiag.model.report import CauseClaim, Finding, Report, SettingAdvice
from pcapdiag.model.words import Confidence, Severity
from pcapdiag.reports import without_setting
from pcapdiag.reports.live_lines import Line, paragraph, words
from pcapdiag.reports.still_missing import missing, not_asked
from pcapdiag.reports.units import plural
from pcapdiag.reports.wording import CAUSES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SURELY = 3  # findings whose titles are on any screen
VALUE = 24  # characters of a default that is a value
CAUSES_SHOWN = 2
WAITS_SHOWN = 3


def formed(report: Report) -> list[Finding]:
    """Findings that say that something is wrong, worst first."""
    return [finding for finding in report.findings if finding.severity is not Severity.INFO]


def findings(view: LiveView, console: Console, width: int) -> Iterator[Line]:
    """The block, the likeliest to be read with the lowest ranks."""
    report = view.report
    if report is None:
        yield from _nothing_yet(view, console, width)
        return
    found = formed(report)
    if found:
        forming = sum(finding.confidence is not Confidence.HIGH for finding in found)
        yield Line(
            6,
            words(
                (plural(len(found), "FINDING").upper(), "bad"),
                "" if not forming else ", still forming" if forming == len(found) else f", {forming} still forming",
                ("  (severity/confidence pool)", "dim"),
            ),
        )
        for at, finding in enumerate(found):
            yield from _one(finding, at, len(found), console, width)
    else:
        yield from _verdict(report, console, width)
    yield from _on_the_way(report, console, width)


def _nothing_yet(view: LiveView, console: Console, width: int) -> list[Line]:
    said = (
        "Packets arrive, none of them TCP so far."
        if view.packets
        else f"No packet on {view.interface} matches the filter yet: is there traffic, and does it pass this interface?"
    )
    return paragraph(console, words(("WAITING  ", "unsure")), words(said), width, (1, 2, 2))


def _verdict(report: Report, console: Console, width: int) -> Iterator[Line]:
    label, style = ("HEALTHY SO FAR  ", "good") if report.verdict.healthy else ("NO FINDING YET  ", "unsure")
    yield from paragraph(console, words((label, style)), words(report.verdict.summary), width, (1, 2, 5, 5))
    for finding in [finding for finding in report.findings if finding.severity is Severity.INFO][:2]:
        yield from paragraph(console, words(("also seen  ", "dim")), words(finding.title), width, (12, 13))


def _one(finding: Finding, at: int, count: int, console: Console, width: int) -> Iterator[Line]:
    """Its title, what to set, what it waits for; the third finding gives way before the first."""
    first = words(
        (f"{at + 1} " if count > 1 else "", "strong"),
        (str(finding.severity), str(finding.severity)),
        f"/{finding.confidence} ",
        (f"{_pools(finding)}  ", "dim"),
    )
    later = 4 * min(at, 3)
    title = words((finding.title, "strong"))
    yield from paragraph(console, first, title, width, (1 if at < SURELY else 8 + at, 4 + later, 6 + later))
    indent = "  " if count > 1 else ""
    for place, claim in enumerate(finding.causes[:CAUSES_SHOWN]):
        several = len(finding.causes) > 1
        label = words((f"{indent}{'ab'[place]}) " if several else f"{indent}set  ", "strong"))
        ranks = (2 + later if at or place else 1, 5 + later, 6 + later)
        yield from paragraph(console, label, _change(finding, claim, several), width, ranks)
    for name, text in missing(finding):
        label = words((f"{indent}{name}: ", "unsure"))
        yield from paragraph(console, label, words(text), width, (5 + later, 7 + later, 7 + later))


def _change(finding: Finding, claim: CauseClaim, several: bool) -> Text:
    """The setting of a cause, from what to what."""
    cause = f"{CAUSES.get(claim.cause, str(claim.cause))}: " if several else ""
    advice = next((one for one in claim.settings if one.recognised), claim.settings[0] if claim.settings else None)
    if advice is None:
        way = without_setting.way(claim.cause) or finding.action
        none = claim.no_setting[0].why if claim.no_setting else without_setting.NONE_KNOWN
        return words(cause, way or none)
    others = len({one.product for one in claim.settings} - {advice.product})
    guessed = f", or its like in {plural(others, 'other product')}" if others and not advice.recognised else ""
    return words(cause, (advice.name, "strong"), f" ({advice.product}{guessed})  ", (_step(advice), "good"))


def _step(advice: SettingAdvice) -> str:
    """``2 -> 21 or more``; a default is said where it is a value and no explanation."""
    default = f"{advice.default} (default)" if 0 < len(advice.default) <= VALUE and advice.recognised else ""
    return f"{advice.inferred or default} -> {advice.recommended}".lstrip()


def _pools(finding: Finding) -> str:
    if not finding.pools:
        return "all"
    return finding.pools[0] + (f"+{len(finding.pools) - 1}" if len(finding.pools) > 1 else "")


def _on_the_way(report: Report, console: Console, width: int) -> Iterator[Line]:
    """What is wrong with the capture, and which rules could not be asked yet, for want of what."""
    damage = [("damaged: ", text) for text in report.capture.quality.damage[:1]]
    waiting = [("not evaluated: ", text) for text in list(not_asked(report.not_evaluated))[:WAITS_SHOWN]]
    for at, (name, said) in enumerate(damage + waiting):
        label = words((name, "unsure" if name == "damaged: " else "dim"))
        yield from paragraph(console, label, words(said), width, (7 + 2 * at, 10 + 2 * at))
