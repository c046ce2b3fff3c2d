"""The catalogue of settings as text."""

from __future__ import annotations

from pcapdiag.errors import UsageError
from pcapdiag.model.report import SettingAdvice
from pcapdiag.model.words import Knob
from pcapdiag.reports.layout import Page
from pcapdiag.settings import catalog, coverage
from pcapdiag.settings.coverage import Cell
from pcapdiag.settings.entries import Setting


def products(width: int) -> str:
    page = Page(width)
    page.table(
        ["product", "role", "settings", "name"],
        [
            [entry.id, entry.role, len(entry.settings), entry.name]
            for entry in sorted(catalog.load().products.values(), key=lambda entry: (entry.role, entry.id))
        ],
        indent=0,
        wrap=True,
    )
    page.blank()
    page.para("One product: pcapdiag settings PRODUCT; one knob: pcapdiag settings --knob KNOB.")
    return page.text()


def knob(word: str, width: int) -> str:
    """What each product calls one knob, by kind of product: its name and default, or why it has none."""
    try:
        asked = Knob(word.replace("-", "_").replace(" ", "_"))
    except ValueError:
        raise UsageError(f"no knob {word!r}; known: {', '.join(Knob)}") from None
    page = Page(width)
    page.para(f"{_words(asked)}, by product")
    row = coverage.row(asked)
    for kind in coverage.kinds().values():
        cells = [cell for cell in row if cell.product.kind == kind.id]
        if not cells:
            continue
        page.heading(kind.title)
        for cell in sorted(cells, key=lambda cell: not cell.settings):
            page.para(f"{cell.product.name} ({cell.product.id})", indent=2)
            for line in _answers(cell):
                page.item(line, indent=4)
    return page.text()


def _answers(cell: Cell) -> list[str]:
    found = []
    for setting in cell.settings:
        side = f" (as a {setting.role})" if setting.role != cell.product.role else ""
        changes = [change for change in setting.history if change.version not in setting.default]
        before = "".join(f"; {change.version}: {change.value}" for change in changes)
        since = f"; since {setting.since}" if setting.since else ""
        found.append(f"{setting.name}{side}: {setting.default}{before}{since}")
    if cell.absence is not None:
        found.append(f"has none: {cell.absence.why}")
    return found


def product(product_id: str, width: int) -> str:
    entry = catalog.product(product_id)
    page = Page(width)
    page.para(f"{entry.name} ({entry.role}), as of {entry.checked}")
    page.blank()
    page.table(["setting", "default"], [[setting.name, setting.default] for setting in entry.settings], wrap=True)
    for setting in entry.settings:
        advice = next(
            advice
            for advice in catalog.advice(setting.knob, entry.id, inferred=None, recommended=None, values={})
            if advice.name == setting.name
        )
        page.blank()
        page.para(setting.name)
        page.pairs(_facts(setting, advice), indent=2)
        if advice.snippet.strip():
            page.blank()
            page.snippet(advice.snippet, indent=4)
    if entry.absences:
        page.heading("What it does not have")
        for absence in entry.absences:
            page.item(f"{_words(absence.knob)}: {absence.why}", indent=2)
    if entry.facts:
        page.heading("Worth knowing")
        for fact in entry.facts:
            default = f" (default {fact.default})" if fact.default else ""
            page.item(f"{fact.name}{default}: {fact.text}", indent=2)
    return page.text()


def _facts(setting: Setting, advice: SettingAdvice) -> list[tuple[str, str]]:
    rows = [
        ("governs", _words(setting.knob)),
        ("default", setting.default),
        ("was", "; ".join(f"{change.version}: {change.value}" for change in setting.history)),
        ("on the wire", setting.wire_note),
        ("scope", setting.scope),
        ("set to", advice.recommended),
        ("why", advice.why),
        ("since", setting.since),
        ("source", setting.source + (f" ({setting.status})" if setting.status else "")),
    ]
    return [(label, text) for label, text in rows if text.strip()]


def _words(knob: str) -> str:
    return str(knob).replace("_", " ")
