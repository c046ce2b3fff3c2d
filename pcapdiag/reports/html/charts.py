"""Which charts a report has: what each says in words, the table behind it, and its data for the script in ``assets/``.

A chart that would tell nothing (one bar, a flat line) is left out; what it would have said is a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcapdiag.model.report import PoolRow, Report
from pcapdiag.reports.html import capture_charts, pool_charts
from pcapdiag.reports.html.chart import Chart, pool_name
from pcapdiag.reports.units import clock

POOLS_CHARTED = 20  # those with findings first, then the largest


@dataclass(frozen=True)
class PoolCharts:
    pool: PoolRow
    name: str
    charts: tuple[Chart, ...]
    facts: tuple[str, ...]  # in place of charts that would show one bar


@dataclass(frozen=True)
class Charts:
    timeline: Chart | None
    states: Chart | None
    pools: tuple[PoolCharts, ...]
    pools_left_out: int

    @property
    def all(self) -> list[Chart]:
        whole = [chart for chart in (self.timeline, self.states) if chart is not None]
        return whole + [chart for pool in self.pools for chart in pool.charts]


def charts(report: Report) -> Charts:
    """All charts that tell something; none without figures."""
    figures = report.figures
    if figures is None or not figures.bars:
        return Charts(None, None, (), 0)
    start, end = span(report)
    found: dict[str, list[str]] = {}  # codes of findings by pool
    for finding in report.findings:
        if finding.severity.rank > 0:
            for id_ in finding.pools:
                found.setdefault(id_, []).append(str(finding.code))
    rows = {row.id: row for row in report.pools}
    drawn = sorted((one for one in figures.pools if one.pool in rows), key=lambda one: one.pool not in found)
    pools = []
    for figure in drawn[:POOLS_CHARTED]:
        row = rows[figure.pool]
        made, facts = pool_charts.charts(figure, row, figures.bars, start, end)
        if made or facts:
            codes = ", ".join(dict.fromkeys(found.get(row.id, ())))
            pools.append(PoolCharts(row, pool_name(row) + (f" - {codes}" if codes else ""), made, facts))
    return Charts(
        capture_charts.timeline(report, figures, start, end),
        capture_charts.states(figures, start, end),
        tuple(pools),
        len(rows) - len(pools),
    )


def span(report: Report) -> tuple[int, int]:
    """The time that charts cover: the capture's; at least that of its connections."""
    bars = report.figures.bars if report.figures else ()
    first, last = report.capture.first_at, report.capture.last_at
    start = min([bar.opened_at for bar in bars] + ([first] if first is not None else []))
    end = max([bar.ended_at for bar in bars] + ([last] if last is not None else []))
    return start, max(end, start + 1_000)


def time_axis(report: Report) -> dict[str, str | int]:
    """Where time 0 of the charts is, and how long they are, in microseconds."""
    if report.figures is None or not report.figures.bars:
        return {}
    start, end = span(report)
    return {"start": clock(start), "start_us": start // 1_000, "length": (end - start) // 1_000}
