"""Findings on the live screen: those that have formed, what to change, and what others still wait for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from pcapdiag.model.live import LiveView
from pcapdiag.model.report import CauseClaim, Finding, Report, SettingAdvice
from pcapdiag.model.words import Confidence, Severity
from pcapdiag.reports import without_setting
from pcapdiag.reports.live_lines import Line, cut, ranked, words, wrapped
from pcapdiag.reports.still_missing import missing, not_asked
from pcapdiag.reports.text import CAUSES
from pcapdiag.reports.units import plural

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

TITLE_LINES = 3
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
        sure = sum(finding.confidence is Confidence.HIGH for finding in found)
        yield Line(
            3,
            words(
                (f"{plural(len(found), 'FINDING').upper()}", "bad"),
                (f"  {sure} sure, {len(found) - sure} forming" if sure < len(found) else "", ""),
                ("  severity/confidence, pool: what is wrong, what to set", "dim"),
            ),
        )
        for at, finding in enumerate(found):
            yield from _one(finding, at, len(found), console, width)
    else:
        yield from _verdict(report, console, width)
    yield from _on_the_way(report, console, width)


def _nothing_yet(view: LiveView, console: Console, width: int) -> Iterator[Line]:
    said = (
        "Packets arrive, none of them TCP so far."
        if view.packets
        else f"No packet on {view.interface} matches the filter yet: is there traffic, and does it pass this interface?"
    )
    first = words(("WAITING  ", "unsure"))
    yield from ranked(wrapped(console, first, words(said), width, 3), 1, 2)


def _verdict(report: Report, console: Console, width: int) -> Iterator[Line]:
    healthy = report.verdict.healthy
    label, style = ("HEALTHY SO FAR  ", "good") if healthy else ("NO FINDING YET  ", "unsure")
    yield from ranked(wrapped(console, words((label, style)), words(report.verdict.summary), width, 4), 1, 2, 5)
    seen = [finding for finding in report.findings if finding.severity is Severity.INFO]
    for finding in seen[:2]:
        yield from ranked(wrapped(console, words(("  also seen  ", "dim")), words(finding.title), width, 2), 12)


def _one(finding: Finding, at: int, count: int, console: Console, width: int) -> Iterator[Line]:
    """Its title, what to set, what it waits for; the third finding gives way before the first."""
    first = words(
        (f"{at + 1} " if count > 1 else "", "strong"),
        (str(finding.severity), str(finding.severity)),
        f"/{finding.confidence} ",
        (f"{_pools(finding)}  ", "dim"),
    )
    title = words((finding.title, "strong" if at < 3 else ""))
    later = 4 * min(at, 3)
    yield from ranked(wrapped(console, first, title, width, TITLE_LINES), 1 if at < 3 else 8 + at, 4 + later)
    indent = "  " if count > 1 else ""
    for place, claim in enumerate(finding.causes[:CAUSES_SHOWN]):
        several = len(finding.causes) > 1
        label = f"{indent}{'ab'[place]}) " if several else f"{indent}set  "
        lines = wrapped(console, words((label, "strong")), _change(finding, claim, several), width, 3)
        yield from ranked(lines, 2 + later if at else 1, 5 + later)
    for text in missing(finding):
        lines = wrapped(console, words((f"{indent}wait ", "unsure")), words(text), width, 3)
        yield from ranked(lines, 5 + later, 7 + later)


def _change(finding: Finding, claim: CauseClaim, several: bool) -> Text:
    """The setting of a cause, from what to what."""
    cause = f"{CAUSES.get(claim.cause, str(claim.cause))}: " if several else ""
    advice = next((one for one in claim.settings if one.recognised), claim.settings[0] if claim.settings else None)
    if advice is None:
        way = without_setting.way(claim.cause) or finding.action or without_setting.NONE_KNOWN
        return words(cause, claim.no_setting[0].why if claim.no_setting and not way else way)
    others = len({one.product for one in claim.settings} - {advice.product})
    guessed = f", or its like in {plural(others, 'other product')}" if others and not advice.recognised else ""
    product = f" ({advice.product}{guessed})"
    return words(cause, (advice.name, "strong"), product, "  ", (_step(advice), "good"))


def _step(advice: SettingAdvice) -> str:
    now = advice.inferred or (f"{advice.default} (default)" if advice.default else "")
    return f"{now} -> {advice.recommended}".lstrip()


def _pools(finding: Finding) -> str:
    if not finding.pools:
        return "all"
    return finding.pools[0] + (f"+{len(finding.pools) - 1}" if len(finding.pools) > 1 else "")


def _on_the_way(report: Report, console: Console, width: int) -> Iterator[Line]:
    """What rules wait for that could not be asked yet."""
    waiting = list(not_asked(report.not_evaluated))
    damage = report.capture.quality.damage
    lines = chain(
        (wrapped(console, words(("damaged  ", "unsure")), words(text), width, 2) for text in damage[:1]),
        (wrapped(console, words(("waiting  ", "dim")), words(text), width, 2) for text in waiting[:WAITS_SHOWN]),
    )
    for at, texts in enumerate(lines):
        yield from ranked((cut(text, width) for text in islice(texts, 2)), 7 + at, 9 + at)
