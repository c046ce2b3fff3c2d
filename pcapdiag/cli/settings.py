"""``pcapdiag settings``: what each product calls the knobs."""

from __future__ import annotations

import click

from pcapdiag.errors import UsageError


@click.command(short_help="What each product calls its settings, with defaults.")
@click.argument("product", required=False)
@click.option("--knob", metavar="KNOB", help="One knob in every product, such as idle_timeout.")
def settings(product: str | None, knob: str | None) -> None:
    """List the products whose settings are known, or one PRODUCT's settings with their defaults.

    With --knob the other way round: what each product calls that knob, its default, or why it has none.

    \b
    Examples:
      pcapdiag settings
      pcapdiag settings go-net-http
      pcapdiag settings nginx
      pcapdiag settings --knob idle_timeout
    """
    from pcapdiag.cli import running, settings_page

    if product is not None and knob is not None:
        raise UsageError("settings takes a PRODUCT or --knob, not both")
    width = running.columns(None)
    if knob is not None:
        text = settings_page.knob(knob, width)
    else:
        text = settings_page.products(width) if product is None else settings_page.product(product, width)
    running.write([text], None)
