"""``pcapdiag compare``: did the fix work?"""

from __future__ import annotations

import click

from pcapdiag.cli.covers import again, cover_of, covers
from pcapdiag.cli.options import Filters, Output, check_output, filters, formats, output
from pcapdiag.cli.rule_names import rule_named
from pcapdiag.errors import UsageError


@click.command(short_help="Did the fix work: a capture before it, and one after.")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@formats(
    "text",
    "html",
    "markdown",
    "json",
    help="html: a page; markdown: for a pull request; json: for programs, the schema pcapdiag-compare/1.",
)
@covers
@click.option(
    "--match",
    "matches",
    metavar="OLD=NEW",
    multiple=True,
    help="IP:port of a service in BEFORE, and its IP:port in AFTER. May be given several times.",
)
@filters
@click.option(
    "--fail-on",
    type=click.Choice(["never", "new", "worse", "still", "untested"]),
    default="never",
    show_default=True,
    help="Exit with 1 when a finding is new; or is worse; or is still there; or was not put to the test.",
)
@click.option(
    "--severity",
    type=click.Choice(["low", "medium", "high"]),
    default="low",
    show_default=True,
    help="Findings below it do not count for --fail-on.",
)
@click.option(
    "--expect-gone",
    metavar="RULE",
    multiple=True,
    help="Exit with 1 unless this finding of BEFORE (PD205, idle-pool-too-small) is gone, and was put to the test.",
)
@output
@click.option("-v", "--verbose", is_flag=True, help="All services, all findings.")
def compare(
    before: str,
    after: str,
    format_: str,
    title: str,
    note: str,
    matches: tuple[str, ...],
    filters: Filters,
    fail_on: str,
    severity: str,
    expect_gone: tuple[str, ...],
    to: Output,
    verbose: bool,
) -> int:
    """Say whether a fix worked: each finding gone, not put to the test, still there or new, and the numbers.

    BEFORE and AFTER are captures, or reports that pcapdiag diagnose --format json wrote. Length and load may differ:
    numbers are per request, and a finding counts as gone only where AFTER could have shown it.

    \b
    Examples:
      pcapdiag compare monday.pcap tuesday.pcap
      pcapdiag compare monday.json tuesday.pcap --format markdown   # to post
      pcapdiag compare --match 10.0.0.7:8081=10.0.9.3:8081 before.pcap after.pcap
      pcapdiag compare --expect-gone PD205 --fail-on new a.pcap b.pcap   # in CI
    """
    from pcapdiag.cli import running
    from pcapdiag.comparing import compare, saved
    from pcapdiag.comparing.gate import failing
    from pcapdiag.model.words import Severity

    check_output(to, (before, after))
    if (title or note) and format_ != "html":
        raise UsageError(f"--title and --note are for html; --format {format_} has no place for them")
    if format_ == "html":
        running.check_page(to)
    if before == after == "-":
        raise UsageError("-: standard input can be read only once")
    pairs = [pair(text) for text in matches]
    wanted = [rule_named(text).code for text in expect_gone]
    reports = []
    for path in (before, after):
        if path != "-" and saved.is_report(path):
            if filters.given:
                raise UsageError(f"{path}: a report cannot be filtered any more; give {filters.given[0]} to diagnose")
            reports.append(saved.read(path))
        else:
            reports.append(running.analyze((path,), filters))
    compared = compare(reports[0], reports[1], pairs)
    if format_ == "json":
        from pcapdiag.reports import json_comparison

        rendered = json_comparison.comparison(compared)
    elif format_ == "html":
        from pcapdiag.reports import html

        words = again("compare", (before, after), filters)
        rendered = html.comparison(compared, cover_of(title, note, words))
    elif format_ == "markdown":
        from pcapdiag.reports import markdown_comparison

        rendered = markdown_comparison.comparison(compared)
    else:
        from pcapdiag.reports import text_comparison

        rendered = text_comparison.comparison(
            compared, width=running.columns(to.width), color=running.colored(to), verbose=verbose
        )
    running.write([rendered], to.output)
    reasons = failing(compared.findings, bool(compared.services), fail_on, Severity(severity), wanted)
    if reasons:
        from pcapdiag.reports.escape import visible

        click.echo(f"pcapdiag: fails: {visible('; '.join(reasons))}", err=True)
    return int(bool(reasons))


def pair(text: str) -> tuple[str, str]:
    """The two ends of a --match."""
    old, found, new = text.partition("=")
    if not found or not old or not new:
        raise UsageError(f"--match {text!r}: expected OLD=NEW, as 10.0.0.7:8081=10.0.9.3:8081")
    return old, new
