"""The post-mortem: one HTML file that holds everything and fetches nothing.

``templates/`` are the pages, ``assets/`` their style and scripts; the modules make what the templates show.
Text from packets is escaped by the template engine, and a content security policy lets no script run but our own.
"""

from __future__ import annotations

from pcapdiag.model.comparison import Comparison
from pcapdiag.model.cover import Cover
from pcapdiag.model.report import Report
from pcapdiag.model.words import Severity
from pcapdiag.reports.html import charts, comparing, findings, ladders, page, tables
from pcapdiag.reports.html.chart import sentence
from pcapdiag.reports.html.packing import embedded
from pcapdiag.reports.text_comparison import WORDS, side_read
from pcapdiag.reports.units import clock, plural
from pcapdiag.reports.wording import what_was_read, worth

TITLE = "What these TCP connections show"


def diagnosis(report: Report, cover: Cover | None = None) -> str:
    """The whole report as a page.

    Args:
        report: what the pipeline found, its figures too.
        cover: the author's title and note, when it was made, the command.
    """
    cover = cover or Cover()
    figures = report.figures
    drawn = charts.charts(report)
    bars = frozenset(bar.number for bar in figures.bars) if figures else frozenset()
    data = {
        "time": charts.time_axis(report),
        "charts": {chart.id: {"kind": chart.kind, "title": chart.title, **chart.data} for chart in drawn.all},
    }
    scripts = (page.asset(page.CHARTS), page.script()) if drawn.timeline else (page.script(),)
    capture = report.capture
    healthy = report.verdict.healthy
    return page.rendered(
        "report.html",
        report=report,
        version=report.version,
        title=cover.title or TITLE,
        note=paragraphs(cover.note),
        cover=cover,
        made=clock(cover.made_at) if cover.made_at is not None else "",
        policy=page.policy(scripts),
        verdict=("unsure", "No verdict") if healthy is None else ("good", "Healthy") if healthy else ("bad", "Problem"),
        summary=sentence(report.verdict.summary),
        read=what_was_read(report),
        findings=findings.views(report, bars),
        facts=[one for one in report.findings if one.severity is Severity.INFO and not one.follows_from],
        following=[one for one in report.findings if one.severity is Severity.INFO and one.follows_from],
        charts=drawn,
        ladders=[ladders.view(ladder) for ladder in figures.ladders] if figures else [],
        ladders_left_out=figures.ladders_left_out if figures else "",
        pools=[(tables.who(part), tables.tables(part)) for part in tables.shown(report) if part],
        pools_left_out=max(len(report.pools) - tables.POOLS_SHOWN, 0),
        quality=worth(capture),
        skipped=_skipped(report),
        packets=plural(capture.packets, "packet"),
        data=embedded(data),
    )


def comparison(compared: Comparison, cover: Cover | None = None) -> str:
    """Two captures side by side, as a page in the same look."""
    cover = cover or Cover()
    word, tone = WORDS[compared.outcome]
    only = (("Only before", compared.only_before), ("Only after", compared.only_after))
    return page.rendered(
        "comparison.html",
        compared=compared,
        version=compared.version,
        title=cover.title or "Before and after",
        note=paragraphs(cover.note),
        cover=cover,
        made=clock(cover.made_at) if cover.made_at is not None else "",
        policy=page.policy((page.script(),)),
        verdict=(tone, word.capitalize()),
        before=side_read(compared.before),
        after=side_read(compared.after),
        fates=comparing.fates(compared),
        services=comparing.services(compared),
        unmatched=[(name, comparing.unmatched(rows)) for name, rows in only if rows],
    )


def paragraphs(note: str) -> list[list[str]]:
    """The author's words, lines by paragraph: paragraphs are parted by empty lines."""
    lines = [line.strip() for line in note.splitlines()]
    parts: list[list[str]] = [[]]
    for line in lines:
        if line:
            parts[-1].append(line)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _skipped(report: Report) -> dict[str, list[str]]:
    """Rules that could not judge, by reason."""
    by_reason: dict[str, list[str]] = {}
    for entry in report.not_evaluated:
        by_reason.setdefault(entry.reason, []).append(f"{entry.code} {entry.name}")
    return by_reason
