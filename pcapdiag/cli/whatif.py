"""``pcapdiag whatif``: the same traffic under other settings."""

from __future__ import annotations

import click

from pcapdiag.cli.options import Filters, Output, check_output, files, filters, formats, output, redaction


@click.command(short_help="What the same requests would come to under other settings.")
@files
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting as its product spells it; several hold together. Without any: those that would help.",
)
@formats("text", "json", help="json: for programs, the schema pcapdiag-whatif/1.")
@filters
@redaction
@output
def whatif(
    files: tuple[str, ...],
    settings: tuple[str, ...],
    format_: str,
    filters: Filters,
    redact: bool,
    to: Output,
) -> None:
    """Replay the captured requests under other settings, and say what connections they would have used.

    First the present settings are replayed. Where that does not come to the captured connections within
    15%, nothing is predicted, and the page says why. Times are 75 or 75s, 500ms, 2m; none is no limit.

    \b
    Examples:
      pcapdiag whatif buy.pcap
      pcapdiag whatif --set MaxIdleConnsPerHost=50 buy.pcap
      pcapdiag whatif --set keepalive_timeout=75s buy.pcap  # may be repeated
      pcapdiag whatif --set idle_pool_limit=50 buy.pcap   # whatever the client is
      pcapdiag whatif --set instance_per_request=shared buy.pcap
    """
    from pcapdiag.cli import running

    check_output(to, files)
    result = running.whatif(files, settings, filters, redact=redact)
    if format_ == "json":
        from pcapdiag.reports import json_whatif

        rendered = json_whatif.whatif(result)
    else:
        from pcapdiag.reports import text_whatif

        rendered = text_whatif.whatif(result, width=running.columns(to.width), color=running.colored(to))
    running.write([rendered], to.output)
