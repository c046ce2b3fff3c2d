"""``pcapdiag rules``: what is looked for."""

from __future__ import annotations

import click


@click.command(short_help="What is looked for.")
def rules() -> None:
    """List the rules: what each one looks for, and how bad it is.

    \b
    Example:
      pcapdiag rules
    """
    from pcapdiag.cli import running
    from pcapdiag.reports.layout import Page
    from pcapdiag.rules import all_rules

    page = Page(running.columns(None))
    found = sorted(all_rules(), key=lambda rule: rule.code)
    page.table(
        ["code", "name", "severity", "what it finds"],
        [[rule.code, rule.name, str(rule.severity), rule.title] for rule in found],
        indent=0,
        wrap=True,
    )
    page.blank()
    page.para("More on one: pcapdiag explain CODE.")
    running.write([page.text()], None)
