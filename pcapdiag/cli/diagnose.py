"""``pcapdiag diagnose``: the main job."""

from __future__ import annotations

import click

from pcapdiag.cli.options import Filters, Output, check_output, files, filters, formats, output


@click.command(short_help="Is anything wrong, what to change, the proof.")
@files
@formats("text", "json", help="json: for programs, the schema pcapdiag/1.")
@click.option("--with-connections", is_flag=True, help="Add each connection to the report.")
@filters
@click.option(
    "--fail-on",
    type=click.Choice(["info", "low", "medium", "high", "never"]),
    default="never",
    show_default=True,
    help="Exit with 1 when there is a finding of this severity or worse.",
)
@output
@click.option("-v", "--verbose", is_flag=True, help="All evidence, all pools, every product's snippet.")
def diagnose(
    files: tuple[str, ...],
    format_: str,
    with_connections: bool,
    filters: Filters,
    fail_on: str,
    to: Output,
    verbose: bool,
) -> int:
    """Say whether anything is wrong, which setting to change, and the proof.

    FILE is a capture (pcap or pcapng, gzip too); - is standard input. Several files are one capture.

    \b
    Examples:
      pcapdiag diagnose buy.pcap
      pcapdiag diagnose --server 10.0.0.7:8081 --since +30 buy.pcap
      pcapdiag diagnose --client okhttp --server nginx buy.pcap   # where the packets do not name them
      tcpdump -w - -i any tcp port 8081 | pcapdiag diagnose -
      pcapdiag diagnose --format json buy.pcap | jq '.findings[0].causes[0]'
      pcapdiag diagnose --fail-on medium nightly.pcap   # in CI: exit code 1
    """
    from pcapdiag.cli import running

    check_output(to, files)
    report = running.analyze(files, filters, with_connections=with_connections)
    if format_ == "json":
        from pcapdiag.reports import json

        rendered = json.diagnosis(report, with_connections=with_connections)
    else:
        from pcapdiag.reports import text

        rendered = text.diagnosis(report, width=running.columns(to.width), color=running.colored(to), verbose=verbose)
    running.write([rendered], to.output)
    if fail_on == "never":
        return 0

    from pcapdiag.model.words import Severity

    least = Severity(fail_on).rank
    return int(any(finding.severity.rank >= least for finding in report.findings))
