"""``pcapdiag diagnose``: the main job."""

from __future__ import annotations

import click

from pcapdiag.cli.covers import WRITTEN, again, cover_of, covers
from pcapdiag.cli.options import Filters, Output, check_output, files, filters, formats, output, redaction
from pcapdiag.errors import UsageError


@click.command(short_help="Is anything wrong, what to change, the proof.")
@files
@formats(
    "text",
    "json",
    "html",
    "markdown",
    help="html: a page with charts, in one file; markdown: for an incident's document or a pull request; "
    "json: for programs, the schema pcapdiag/1.",
)
@covers
@click.option("--with-connections", is_flag=True, help="Add each connection to the report.")
@filters
@click.option(
    "--fail-on",
    type=click.Choice(["info", "low", "medium", "high", "never"]),
    default="never",
    show_default=True,
    help="Exit with 1 when there is a finding of this severity or worse.",
)
@redaction
@output
@click.option("-v", "--verbose", is_flag=True, help="All evidence, all pools, every product's snippet.")
def diagnose(
    files: tuple[str, ...],
    format_: str,
    title: str,
    note: str,
    with_connections: bool,
    filters: Filters,
    fail_on: str,
    redact: bool,
    to: Output,
    verbose: bool,
) -> int:
    """Say whether anything is wrong, which setting to change, and the proof.

    FILE is a capture (pcap or pcapng, gzip too); - is standard input. Several files are one capture.
    With --redact the report can be shown to others: what stays are ports, times, numbers, the names and
    versions of products, and what you write yourself in --title and --note.

    \b
    Examples:
      pcapdiag diagnose buy.pcap
      pcapdiag diagnose --server 10.0.0.7:8081 --since +30 buy.pcap
      pcapdiag diagnose --client okhttp --server nginx buy.pcap # as we know
      tcpdump -w - -i any tcp port 8081 | pcapdiag diagnose -
      pcapdiag diagnose --format html -o report.html buy.pcap   # to send around
      pcapdiag diagnose --format markdown --title Friday --note @notes.md buy.pcap
      pcapdiag diagnose --format json buy.pcap | jq '.findings[0].causes[0]'
      pcapdiag diagnose --redact --format markdown -o to-share.md buy.pcap
      pcapdiag diagnose --fail-on medium nightly.pcap   # in CI: exit code 1
    """
    from pcapdiag.cli import running

    check_output(to, files)
    if (title or note) and format_ not in WRITTEN:
        raise UsageError(
            f"--title and --note are for {' and '.join(WRITTEN)}; --format {format_} has no place for them"
        )
    if format_ == "html":
        running.check_page(to)
    if format_ in WRITTEN:
        report = running.post_mortem(files, filters, redact=redact)
    else:
        report = running.analyze(files, filters, with_connections=with_connections, redact=redact)
    if format_ == "json":
        from pcapdiag.reports import json

        rendered = json.diagnosis(report, with_connections=with_connections)
    elif format_ == "html":
        from pcapdiag.reports import html

        cover = cover_of(title, note, again("diagnose", files, filters, report if redact else None))
        rendered = html.diagnosis(report, cover)
    elif format_ == "markdown":
        from pcapdiag.reports import markdown

        cover = cover_of(title, note, again("diagnose", files, filters, report if redact else None))
        rendered = markdown.diagnosis(report, cover, verbose=verbose)
    else:
        from pcapdiag.reports import text

        rendered = text.diagnosis(report, width=running.columns(to.width), color=running.colored(to), verbose=verbose)
    running.write([rendered], to.output)
    if fail_on == "never":
        return 0

    from pcapdiag.model.words import Severity

    least = Severity(fail_on).rank
    return int(any(finding.severity.rank >= least for finding in report.findings))
