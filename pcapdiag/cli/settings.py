"""``pcapdiag settings``: what each product calls the knobs."""

from __future__ import annotations

import click


@click.command(short_help="What each product calls its settings, with defaults.")
@click.argument("product", required=False)
def settings(product: str | None) -> None:
    """List the products whose settings are known, or one PRODUCT's settings with their defaults.

    \b
    Examples:
      pcapdiag settings
      pcapdiag settings go-net-http
      pcapdiag settings nginx
    """
    from pcapdiag.cli import running, settings_page

    width = running.columns(None)
    text = settings_page.products(width) if product is None else settings_page.product(product, width)
    running.write([text], None)
