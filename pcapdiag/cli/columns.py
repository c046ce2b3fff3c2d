"""``pcapdiag columns``: what the tables hold."""

from __future__ import annotations

import click

TABLES = ("connections", "exchanges", "findings")


@click.command(short_help="What the columns of the tables mean.")
@click.argument("table", type=click.Choice(TABLES))
def columns(table: str) -> None:
    """Say what each column of a table is: its type, its unit, when it is null.

    \b
    Example:
      pcapdiag columns exchanges
    """
    from pcapdiag.cli import running
    from pcapdiag.interchange.columns import described
    from pcapdiag.interchange.layouts import LAYOUTS
    from pcapdiag.reports.layout import Page

    layout = LAYOUTS[table]
    page = Page(running.columns(None))
    page.para(layout.row)
    page.blank()
    page.table(
        ["column", "type", "meaning"],
        [[column.name, column.kind.value, described(column)] for column in layout.columns],
        indent=0,
        wrap=True,
    )
    running.write([page.text()], None)
