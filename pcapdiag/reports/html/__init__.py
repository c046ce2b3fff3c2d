"""The post-mortem: one HTML file that holds everything and fetches nothing.

``templates/`` are the pages, ``assets/`` their style and scripts; the modules make what the templates show.
Text from packets is escaped by the template engine, and a content security policy lets no script run but our own.
"""

from __future__ import annotations

from pcapdiag.model.report import Report
from pcapdiag.model.words import Severity
from pcapdiag.reports import text
from pcapdiag.reports.html import charts, findings, ladders, page, tables
from pcapdiag.reports.html.packing import embedded
from pcapdiag.reports.units import clock, duration_ns, plural


def diagnosis(report: Report, *, title: str = "", note: str = "") -> str:
    """The whole report as a page.

    Args:
        report: what the pipeline found, its figures too.
        title: the author's; the names of the files where there is none.
        note: the author's words, paragraphs parted by empty lines.
    """
    figures = report.figures
    drawn = charts.charts(report)
    bars = frozenset(bar.number for bar in figures.bars) if figures else frozenset()
    data = {
        "time": charts.time_axis(report),
        "charts": {chart.id: {"kind": chart.kind, "title": chart.title, **chart.data} for chart in drawn.all},
    }
    scripts = (page.asset(page.CHARTS), page.asset(page.SCRIPT))
    capture = report.capture
    healthy = report.verdict.healthy
    return page.rendered(
        "report.html",
        report=report,
        version=report.version,
        title=title or ", ".join(capture.files[:3]),
        note=[part for part in note.replace("\r\n", "\n").split("\n\n") if part.strip()],
        policy=page.policy(scripts),
        verdict=("unsure", "No verdict") if healthy is None else ("good", "Healthy") if healthy else ("bad", "Problem"),
        read=text._what_was_read(report),
        when=clock(capture.first_at) if capture.first_at is not None else "",
        lasts=_lasts(report),
        findings=findings.views(report, bars),
        facts=[one for one in report.findings if one.severity is Severity.INFO and not one.follows_from],
        following=[one for one in report.findings if one.severity is Severity.INFO and one.follows_from],
        charts=drawn,
        ladders=[ladders.view(ladder) for ladder in figures.ladders] if figures else [],
        ladders_left_out=figures.ladders_left_out if figures else "",
        who=tables.who(report.pools),
        tables=tables.tables(report),
        quality=tables.quality(capture),
        skipped=_skipped(report),
        packets=plural(capture.packets, "packet"),
        data=embedded(data),
    )


def _lasts(report: Report) -> str:
    first, last = report.capture.first_at, report.capture.last_at
    return duration_ns(last - first) if first is not None and last is not None else ""


def _skipped(report: Report) -> dict[str, list[str]]:
    """Rules that could not judge, by reason."""
    by_reason: dict[str, list[str]] = {}
    for entry in report.not_evaluated:
        by_reason.setdefault(entry.reason, []).append(f"{entry.code} {entry.name}")
    return by_reason
