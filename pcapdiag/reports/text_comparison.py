"""The comparison of two captures for a terminal: did it work, the findings, the numbers, the doubts."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.comparison import Comparison, FindingRow, Metric, Reading, ServiceRow, Side, Unmatched
from pcapdiag.model.report import Endpoint, Inferred
from pcapdiag.model.words import Change, FindingFate, Outcome
from pcapdiag.reports.escape import shorten
from pcapdiag.reports.layout import Page
from pcapdiag.reports.measures import both, label, value
from pcapdiag.reports.units import clock, duration_ns, number, plural, quantity

SERVICES_SHOWN = 5
FINDINGS_SHOWN = 12
NAMES_SHOWN = 3  # addresses in a list
NAME_SHOWN = 60  # characters of a User-Agent or Host

# The word at the top, and how good it is.
WORDS = {
    Outcome.FIXED: ("FIXED", "good"),
    Outcome.PARTLY_FIXED: ("PARTLY FIXED", "unsure"),
    Outcome.UNTESTED: ("NOT PUT TO THE TEST", "unsure"),
    Outcome.IMPROVED: ("IMPROVED, NOT FIXED", "unsure"),
    Outcome.UNCHANGED: ("NOT FIXED", "bad"),
    Outcome.MIXED: ("MIXED", "bad"),
    Outcome.WORSE: ("WORSE", "bad"),
    Outcome.NO_FAULT: ("NO FINDINGS", "good"),
    Outcome.NOT_COMPARABLE: ("NOT COMPARABLE", "unsure"),
}
FATES = {
    FindingFate.NEW: ("NEW", "bad"),
    FindingFate.STILL: ("STILL THERE", "bad"),
    FindingFate.UNTESTED: ("NOT TESTED", "unsure"),
    FindingFate.GONE: ("GONE", "good"),
}
CHANGES = {
    Change.BETTER: "better",
    Change.WORSE: "worse",
    Change.SAME: "same",
    Change.UNCLEAR: "unclear",
}


def comparison(compared: Comparison, *, width: int = 80, color: bool = False, verbose: bool = False) -> str:
    """The whole page.

    Args:
        width: columns of the terminal; at least 60 are used.
        color: write SGR escape sequences.
        verbose: every service and every finding.
    """
    page = Page(width, color=color)
    word, style = WORDS[compared.outcome]
    page.para(compared.summary, label=f"{word}: ", hang=0, style=style)
    page.rule(style=style)
    _side(page, "BEFORE  ", compared.before)
    _side(page, "AFTER   ", compared.after)
    for caveat in compared.caveats:
        page.para(caveat, label="Mind: ", hang=2, style="unsure")
    _findings(page, compared, verbose)
    shown = compared.services if verbose else compared.services[:SERVICES_SHOWN]
    said = {sentence(row.why) for row in compared.findings if row.why}
    for service in shown:
        _service(page, service, said, only=len(compared.services) == 1)
    left = len(compared.services) - len(shown)
    if left:
        page.blank()
        page.para(f"and {plural(left, 'more service')} (-v shows all)")
    _unmatched(page, "Only in BEFORE", compared.only_before)
    _unmatched(page, "Only in AFTER", compared.only_after)
    page.blank()
    page.para(
        f"pcapdiag {compared.version}. Better and worse are beyond chance and beyond a tenth; same is not. "
        "For programs: --format json.",
        style="dim",
    )
    return page.text()


def _side(page: Page, name: str, side: Side) -> None:
    page.para(side_read(side), label=name)


def side_read(side: Side) -> str:
    """What one capture holds, in a sentence."""
    files = side.files[0] if len(side.files) == 1 else plural(len(side.files), "file")
    when = ""
    if side.first_at is not None and side.last_at is not None:
        when = f" in {duration_ns(side.last_at - side.first_at)} from {clock(side.first_at)}"
    carried = f"{plural(side.requests, 'request')} on {plural(side.connections, 'connection')}"
    return f"{files}: {carried}{when}."


def _findings(page: Page, compared: Comparison, verbose: bool) -> None:
    page.heading("Findings")
    if not compared.findings:
        page.para("None, in neither capture.", indent=2)
    several = len(compared.services) > 1
    shown = compared.findings if verbose else compared.findings[:FINDINGS_SHOWN]
    for row in shown:
        _finding(page, row, several)
    left = len(compared.findings) - len(shown)
    if left:
        page.para(f"and {plural(left, 'more finding')} (-v shows all)", indent=2)


def _finding(page: Page, row: FindingRow, several: bool) -> None:
    word, style = FATES[row.fate]
    if row.fate == FindingFate.NEW and not row.tested:
        word, style = "NEW, PERHAPS", "unsure"
    where = f", {row.service}" if several and row.service else ""
    how = f", {CHANGES[row.change]}" if row.change is not None and row.change != Change.UNCLEAR else ""
    page.para(f"{row.code} {row.name} ({severity(row)}{where}{how})", label=f"{word:<13}", indent=2, style=style)
    finding = row.after or row.before
    if finding is not None:
        page.para(finding.title if row.after is not None else f"It was: {finding.title}", indent=15)
    if row.symptom is not None:
        page.para(sentence(f"{label(row.symptom.name)}: {both(row.symptom)}"), indent=15)
    if row.why:
        page.para(reason(row), indent=15)
    if row.to_test:
        page.para(row.to_test, label="To test it: ", indent=15, hang=17)


def reason(row: FindingRow) -> str:
    """Why the fate is what it is, as a sentence."""
    if row.fate != FindingFate.NEW:
        return sentence(row.why)
    return f"BEFORE would have shown it: {row.why}." if row.tested else f"It may be older: {row.why}."


def sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def severity(row: FindingRow) -> str:
    """``high``, or ``high -> low``."""
    if row.before is None or row.after is None or row.before.severity == row.after.severity:
        return str(row.severity)
    return f"{row.before.severity} -> {row.after.severity}"


def _service(page: Page, service: ServiceRow, said: set[str], only: bool) -> None:
    page.heading(f"Service {service.id}" if not only else "Service")
    page.para(who(service), indent=2)
    page.blank()
    page.table(["", "before", "after", ""], [_row(metric) for metric in service.load + service.use])
    if any(metric.worth != "exact" for metric in service.load + service.use):
        page.para(">= at least so many, ~ estimated from turns of unread bytes", indent=2, style="dim")
    if service.readings:
        page.blank()
        page.table(
            ["setting, as the packets show it", "of the", "before", "after"], [*map(reading_row, service.readings)]
        )
    caveats = [caveat for caveat in service.caveats if caveat not in said]
    if caveats:
        page.blank()
    for caveat in caveats:
        page.item(caveat, indent=2)


def _row(metric: Metric) -> list[str | None]:
    change = "" if metric.change is None else CHANGES[metric.change]
    return [label(metric.name), value(metric, metric.before), value(metric, metric.after), change]


def reading_row(reading: Reading) -> list[str | None]:
    """What is set, whose, before, after."""
    return [reading.knob.replace("_", " "), reading.owner, _read(reading.before), _read(reading.after)]


def _read(item: Inferred | None) -> str:
    if item is None:
        return "not seen"
    if item.value is not None:
        return quantity(item.value, item.unit if item.unit == "s" else "")
    ends = [number(end) for end in (item.low, item.high) if end is not None]
    return (" to ".join(ends) or "a range") + (" s" if item.unit == "s" else "")


def who(service: ServiceRow) -> str:
    """Which service, from which clients, and how it was found in the other capture."""
    before, after = listed(service.before), listed(service.after)
    text = before if service.before == service.after else f"{before} -> {after}, matched by {service.matched_by}"
    if service.hosts and service.hosts[0] not in service.matched_by:
        text += f" ({shorten(service.hosts[0], NAME_SHOWN)})"
    clients = service.clients_before
    if clients == service.clients_after:
        text += f", from {listed(clients)}"
    if service.user_agent is not None:
        text += f" with {shorten(service.user_agent, NAME_SHOWN)}"
    return text


def listed(names: Sequence[Endpoint] | Sequence[str]) -> str:
    shown = ", ".join(str(name) for name in names[:NAMES_SHOWN])
    return shown + (f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else "")


def _unmatched(page: Page, title: str, rows: Sequence[Unmatched]) -> None:
    if not rows:
        return
    page.heading(title)
    for row in rows[:SERVICES_SHOWN]:
        host = f" ({shorten(row.host, NAME_SHOWN)})" if row.host else ""
        page.item(
            f"{row.server}{host}: {plural(row.requests, 'request')} on {plural(row.connections, 'connection')} "
            f"from {listed(row.clients)}",
            indent=2,
        )
    if len(rows) > SERVICES_SHOWN:
        page.para(f"and {len(rows) - SERVICES_SHOWN:,} more", indent=2)
    page.para("Where one became another: --match BEFORE=AFTER.", indent=2, style="dim")
