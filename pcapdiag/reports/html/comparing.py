"""Two captures side by side, as a page shows them: fates of findings, numbers with bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pcapdiag.model.comparison import Comparison, FindingRow, Metric, ServiceRow, Unmatched
from pcapdiag.model.words import Change, FindingFate
from pcapdiag.reports.html.tables import Table
from pcapdiag.reports.measures import both, label, value
from pcapdiag.reports.text_comparison import CHANGES, FATES, listed, reading_row, reason, sentence, severity, who

# Signs that say the same as the color, to those who do not see it.
SIGNS = {Change.BETTER: "\u2713", Change.WORSE: "\u2717", Change.SAME: "=", Change.UNCLEAR: "?"}


@dataclass(frozen=True)
class Fate:
    row: FindingRow
    word: str
    tone: str  # "good", "bad", "unsure"
    about: str  # severity, service, how it moved
    title: str
    symptom: str
    why: str


@dataclass(frozen=True)
class Moved:
    """A number in both captures, with the lengths of its two bars in percent."""

    name: str
    before: str
    after: str
    before_share: float
    after_share: float
    change: str
    sign: str
    tone: str


@dataclass(frozen=True)
class Service:
    id: str
    who: str
    load: tuple[Moved, ...]
    use: tuple[Moved, ...]
    settings: Table | None
    caveats: tuple[str, ...]
    estimated: bool


def fates(compared: Comparison) -> list[Fate]:
    several = len(compared.services) > 1
    return [_fate(row, several) for row in compared.findings]


def _fate(row: FindingRow, several: bool) -> Fate:
    word, tone = FATES[row.fate]
    if row.fate == FindingFate.NEW and not row.tested:
        word, tone = "NEW, PERHAPS", "unsure"
    about = [severity(row)]
    if several and row.service:
        about.append(row.service)
    if row.change is not None and row.change != Change.UNCLEAR:
        about.append(CHANGES[row.change])
    finding = row.after or row.before
    return Fate(
        row=row,
        word=word.capitalize(),
        tone=tone,
        about=", ".join(about),
        title="" if finding is None else finding.title if row.after is not None else f"It was: {finding.title}",
        symptom="" if row.symptom is None else sentence(f"{label(row.symptom.name)}: {both(row.symptom)}"),
        why=reason(row) if row.why else "",
    )


def services(compared: Comparison) -> list[Service]:
    said = {sentence(row.why) for row in compared.findings if row.why}
    return [_service(row, said) for row in compared.services]


def _service(row: ServiceRow, said: set[str]) -> Service:
    settings = Table(
        ("setting, as the packets show it", "of the", "before", "after"),
        tuple(tuple(reading_row(one)) for one in row.readings),
    )
    return Service(
        id=row.id,
        who=who(row),
        load=tuple(map(moved, row.load)),
        use=tuple(map(moved, row.use)),
        settings=settings if row.readings else None,
        caveats=tuple(caveat for caveat in row.caveats if caveat not in said),
        estimated=any(metric.worth != "exact" for metric in row.load + row.use),
    )


def moved(metric: Metric) -> Moved:
    before, after = metric.before or 0, metric.after or 0
    largest = max(before, after) or 1
    change = metric.change
    return Moved(
        name=label(metric.name),
        before=value(metric, metric.before),
        after=value(metric, metric.after),
        before_share=round(100 * before / largest, 1),
        after_share=round(100 * after / largest, 1),
        change="" if change is None else CHANGES[change],
        sign="" if change is None else SIGNS[change],
        tone={Change.BETTER: "good", Change.WORSE: "bad"}.get(change, "") if change is not None else "",
    )


def unmatched(rows: Sequence[Unmatched]) -> Table:
    """Services that only one capture has."""
    return Table(
        ("service", "host", "requests", "connections", "from"),
        tuple((str(row.server), row.host or "", row.requests, row.connections, listed(row.clients)) for row in rows),
    )
