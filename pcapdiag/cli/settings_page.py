"""The catalogue of settings as text."""

from __future__ import annotations

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
    page.table(
        ["setting", "governs", "default"],
        [[setting.name, _words(setting.knob), setting.default] for setting in entry.settings],
        wrap=True,
    )
    for setting in entry.settings:
        page.blank()
        page.para(setting.name)
        page.pairs(_facts(setting), indent=2)
        if setting.snippet.strip():
            page.blank()
            page.snippet(setting.snippet, indent=4)
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


def _facts(setting: Setting) -> list[tuple[str, str]]:
    default = setting.default + (f" ({setting.wire_note})" if setting.wire_note else "")
    history = "; ".join(f"{change.value} {change.version}" for change in setting.history)
    rows = [
        ("governs", _words(setting.knob)),
        ("default", default),
        ("was", history),
        ("scope", setting.scope),
        ("advice", " ".join(setting.advice.sentences)),
        ("source", setting.source + (f" ({setting.status})" if setting.status else "")),
    ]
    return [(label, text) for label, text in rows if text.strip()]


def _words(knob: str) -> str:
    return str(knob).replace("_", " ")
