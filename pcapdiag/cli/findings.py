"""``pcapdiag findings``: a row per finding, cause and setting."""

from __future__ import annotations

import click

from pcapdiag.cli import running, tabular
from pcapdiag.cli.options import Filters, Output, check_output, files, filters, formats, output, redaction


@click.command(short_help="The findings as a table, for other programs.")
@files
@formats("text", "ndjson", "csv", "parquet", "arrow", help=tabular.HELP)
@filters
@redaction
@output
def findings(
    files: tuple[str, ...],
    format_: str,
    filters: Filters,
    redact: bool,
    to: Output,
) -> None:
    """List the findings of a diagnosis: as text a line each, else a row for each cause and setting.

    For the whole report as one document use pcapdiag diagnose --format json.
    pcapdiag columns findings says what each column means.

    \b
    Examples:
      pcapdiag findings nightly.pcap
      pcapdiag findings --format csv -o findings.csv nightly.pcap
      pcapdiag findings --format ndjson nightly.pcap | jq '.code, .setting'
    """
    check_output(to, files)
    tabular.check(format_, to.output)
    report = running.analyze(files, filters, redact=redact)
    if format_ != "text":
        from pcapdiag.interchange.findings import findings as table

        tabular.write(table(report), format_, to.output)
        return
    from pcapdiag.reports import text_findings

    shown = text_findings.findings(report, width=running.columns(to.width), color=running.colored(to))
    running.write([shown], to.output)
