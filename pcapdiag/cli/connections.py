"""``pcapdiag connections``: a row per connection."""

from __future__ import annotations

import click

from pcapdiag.cli import tabular
from pcapdiag.cli.options import Filters, Output, check_output, files, filters, formats, output, redaction


@click.command(short_help="A line per connection: reuse, who closed, states left.")
@files
@formats("text", "json", "ndjson", "csv", "parquet", "arrow", help=tabular.HELP)
@filters
@redaction
@output
def connections(
    files: tuple[str, ...],
    format_: str,
    filters: Filters,
    redact: bool,
    to: Output,
) -> None:
    """List every connection: how opened, requests served, who closed first and how, states left.

    The states are implied by the packets. Requests marked >= are at least so many, ~ is an estimate from
    turns of unread bytes. pcapdiag columns connections says what each column means.

    \b
    Examples:
      pcapdiag connections buy.pcap
      pcapdiag connections --client 10.0.0.0/24 --port 8081 buy.pcap
      pcapdiag connections --format csv -o buy.csv buy.pcap
      pcapdiag connections --format parquet -o buy.parquet buy.pcap
      pcapdiag connections --format ndjson buy.pcap | jq 'select(.requests == 1)'
    """
    from pcapdiag.cli import running

    check_output(to, files)
    tabular.check(format_, to.output)
    if format_ == "text":
        from pcapdiag.reports import text_connections

        report = running.analyze(files, filters, with_connections=True, redact=redact)
        shown = text_connections.connections(report, width=running.columns(to.width), color=running.colored(to))
        running.write(shown, to.output)
        return
    capture = running.read(files, filters, redact=redact)
    tabular.write(capture.connections, format_, to.output, info=capture.info)
