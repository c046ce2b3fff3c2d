"""Findings for a terminal: a line each."""

from __future__ import annotations

from pcapdiag.model.report import Report
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import plural


def findings(report: Report, *, width: int = 80, color: bool = False) -> str:
    """The listing, worst first."""
    page = Page(width, color=color)
    if report.findings:
        page.table(
            ["code", "severity", "confidence", "pools", "finding"],
            [
                [
                    finding.code,
                    str(finding.severity),
                    str(finding.confidence),
                    _pools(finding.pools),
                    finding.title,
                ]
                for finding in report.findings
            ],
            indent=0,
            wrap=True,
        )
        page.blank()
    page.para(f"{plural(len(report.findings), 'finding')}. What to change, and the proof: pcapdiag diagnose.")
    return page.text()


def _pools(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}" if names else "-"
