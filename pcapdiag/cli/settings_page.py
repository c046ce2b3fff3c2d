"""The catalogue of settings as text."""

from __future__ import annotations

from pcapdiag.model.report import SettingAdvice
from pcapdiag.reports.layout import Page
from pcapdiag.settings import catalog
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
    page.para("The settings of one: pcapdiag settings PRODUCT.")
    return page.text()


def product(product_id: str, width: int) -> str:
    entry = catalog.product(product_id)
    page = Page(width)
    page.para(f"{entry.name} ({entry.role})")
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
        ("was", "; ".join(f"{change.value} {change.version}" for change in setting.history)),
        ("on the wire", setting.wire_note),
        ("scope", setting.scope),
        ("set to", advice.recommended),
        ("why", advice.why),
        ("source", setting.source + (f" ({setting.status})" if setting.status else "")),
    ]
    return [(label, text) for label, text in rows if text.strip()]


def _words(knob: str) -> str:
    return str(knob).replace("_", " ")
