"""The comparison of two captures as Markdown, to be posted into a pull request."""

from __future__ import annotations

from pcapdiag.model.comparison import Comparison, FindingRow, ServiceRow
from pcapdiag.model.words import FindingFate
from pcapdiag.reports.escape import markdown
from pcapdiag.reports.measures import both, label, value
from pcapdiag.reports.text_comparison import CHANGES, FATES, WORDS, reason, severity
from pcapdiag.reports.units import duration_ns, plural

SERVICES_SHOWN = 3


def comparison(compared: Comparison) -> str:
    """The answer, the findings, a table for each of the largest services."""
    lines = [f"**{WORDS[compared.outcome][0]}**: {markdown(compared.summary)}", ""]
    for name, side in (("Before", compared.before), ("After", compared.after)):
        length = (
            "" if side.first_at is None or side.last_at is None else f" in {duration_ns(side.last_at - side.first_at)}"
        )
        carried = f"{plural(side.requests, 'request')} on {plural(side.connections, 'connection')}{length}"
        lines.append(f"- {name}: {markdown(', '.join(side.files[:3]))}: {carried}")
    lines += [f"- {markdown(caveat)}" for caveat in compared.caveats]
    if compared.findings:
        lines += ["", "| finding | | severity | | |", "|---|---|---|---|---|"]
        lines += [_finding(row) for row in compared.findings]
    for service in compared.services[:SERVICES_SHOWN]:
        lines += _service(service)
    left = len(compared.services) - SERVICES_SHOWN
    if left > 0:
        lines += ["", f"and {plural(left, 'more service')}"]
    for title, rows in (("before", compared.only_before), ("after", compared.only_after)):
        if rows:
            names = ", ".join(str(row.server) for row in rows[:SERVICES_SHOWN])
            more = f" and {len(rows) - SERVICES_SHOWN:,} more" if len(rows) > SERVICES_SHOWN else ""
            lines += ["", f"Only {title}: {markdown(names)}{more}"]
    return "\n".join(lines) + "\n"


def _finding(row: FindingRow) -> str:
    symptom = "" if row.symptom is None else f"{label(row.symptom.name)}: {both(row.symptom)}"
    fate = FATES[row.fate][0].lower() + (", perhaps" if row.fate == FindingFate.NEW and not row.tested else "")
    if row.fate == FindingFate.STILL and row.change is not None:
        fate += f", {CHANGES[row.change]}"
    why = " ".join(part for part in (reason(row) if row.why else "", row.to_test) if part)
    cells = (f"{row.code} {row.name}", fate, severity(row), symptom, why)
    return f"| {' | '.join(markdown(cell) for cell in cells)} |"


def _service(service: ServiceRow) -> list[str]:
    before, after = (", ".join(map(str, ends[:3])) for ends in (service.before, service.after))
    name = before if before == after else f"{before} -> {after} (matched by {service.matched_by})"
    lines = ["", f"| {markdown(name)} | before | after | |", "|---|---:|---:|---|"]
    for metric in service.load + service.use:
        change = "" if metric.change is None else CHANGES[metric.change]
        first, second = value(metric, metric.before), value(metric, metric.after)
        lines.append(f"| {markdown(label(metric.name))} | {markdown(first)} | {markdown(second)} | {change} |")
    if service.caveats:
        lines += ["", *(f"- {markdown(caveat)}" for caveat in service.caveats)]
    return lines
