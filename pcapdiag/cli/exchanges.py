"""``pcapdiag exchanges``: a row per request with its response."""

from __future__ import annotations

import dataclasses

import click

from pcapdiag.cli import running, tabular
from pcapdiag.cli.options import Filters, Output, check_output, files, filters, formats, output, redaction
from pcapdiag.errors import UsageError


@click.command(short_help="A line per request: gap before it, time to first byte, outcome.")
@files
@formats("text", "json", "ndjson", "csv", "parquet", "arrow", help=tabular.HELP)
@click.option(
    "--connection",
    "numbers",
    type=click.IntRange(1),
    metavar="N",
    multiple=True,
    help="Only those of this connection; may be repeated.",
)
@filters
@redaction
@output
def exchanges(
    files: tuple[str, ...],
    format_: str,
    numbers: tuple[int, ...],
    filters: Filters,
    redact: bool,
    to: Output,
) -> None:
    """List every request with its response: when, on which connection, after what silence, how long it took.

    Where the bytes cannot be read (TLS, unknown protocols) the lines are turns, an estimate. Filters choose
    connections, and all exchanges of those are listed. pcapdiag columns exchanges says what each column means.

    \b
    Examples:
      pcapdiag exchanges buy.pcap
      pcapdiag exchanges --connection 17 buy.pcap
      pcapdiag exchanges --format parquet -o requests.parquet buy.pcap
      pcapdiag exchanges --format ndjson buy.pcap | jq 'select(.first_byte_s > 1)'
    """
    check_output(to, files)
    tabular.check(format_, to.output)
    capture = running.read(files, filters, redact=redact)
    sheet = capture.exchanges
    numbers = tuple(set(numbers))
    if numbers:
        import numpy as np

        unknown = sorted(set(numbers).difference(capture.connections["number"].tolist()))
        if unknown:
            raise UsageError(f"there is no connection {unknown[0]} among these; pcapdiag connections lists them")
        sheet = sheet.take(np.flatnonzero(np.isin(sheet["connection"], numbers)))
    if format_ != "text":
        tabular.write(sheet, format_, to.output, info=capture.info)
        return
    from pcapdiag.reports import text_exchanges

    names = [field.name for field in dataclasses.fields(text_exchanges.ExchangeLine)]
    rows = [text_exchanges.ExchangeLine(*row) for row in sheet.rows(*names)]
    listed = len(numbers) or len(capture.connections)
    shown = text_exchanges.exchanges(
        rows, capture.info, listed, width=running.columns(to.width), color=running.colored(to)
    )
    running.write(shown, to.output)
