"""``pcapdiag extract``: the packets behind a finding, or chosen connections, as a capture of their own."""

from __future__ import annotations

import shlex
import sys

import click

from pcapdiag.cli.options import Filters, Output, check_output, files, filters
from pcapdiag.errors import UsageError


def numbers_(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    """``1,2,7`` and ``10-20``, as often as wanted."""
    found: list[int] = []
    for part in ",".join(values).split(",") if values else ():
        low, dash, high = part.strip().partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(part) > 21:
            raise click.BadParameter(f"{part!r} is no connection number; expected 17 or 1,2,7 or 10-20", ctx, param)
        first, last = int(low), int(high or low)
        if first < 1 or last < first or last - first >= 1_000_000:
            raise click.BadParameter(f"{part!r} is no range of connections, which count from 1", ctx, param)
        found.extend(range(first, last + 1))
    return tuple(dict.fromkeys(found))


@click.command(short_help="The packets behind a finding as a pcapng, with comments.")
@files
@click.option(
    "--finding",
    "found",
    metavar="CODE",
    multiple=True,
    help="All connections of this finding's pools: its code or name; may be repeated.",
)
@click.option(
    "--connection",
    "numbers",
    metavar="N,...",
    multiple=True,
    callback=numbers_,
    help="Connections: 17, 1,2,7 or 10-20.",
)
@click.option("--evidence-only", is_flag=True, help="Of findings only the few connections that they cite as proof.")
@click.option("-o", "--output", metavar="FILE", help="The pcapng to write; - is standard output.")
@filters
def extract(
    files: tuple[str, ...],
    found: tuple[str, ...],
    numbers: tuple[int, ...],
    evidence_only: bool,
    output: str | None,
    filters: Filters,
) -> None:
    """Write whole connections to a pcapng file, with packet comments that say what they show.

    With --finding (above info), pcapdiag diagnose finds the same in the new file: all connections of the finding's
    pools are in it. With --evidence-only or --connection only a few, to be looked at in Wireshark. Comments name
    the frame of the original. The packets are written as they are: addresses, hosts and all that was said are in
    them, and there is no --redact for them. To share with others, send a redacted report.

    \b
    Examples:
      pcapdiag extract --finding PD205 -o evidence.pcapng buy.pcap
      pcapdiag extract --finding PD205 --evidence-only -o few.pcapng buy.pcap
      pcapdiag extract --connection 17,30-35 -o few.pcapng buy.pcap
    """
    from pcapdiag.cli import running
    from pcapdiag.cli.rule_names import rule_named

    check_output(Output("never", None, output), files)
    if not found and not numbers:
        raise UsageError("which packets? name a finding with --finding CODE, or connections with --connection N,...")
    if output in (None, "-") and sys.stdout.isatty():
        raise UsageError("a capture is binary and standard output is a terminal; try: -o FILE.pcapng")
    made_by = ["pcapdiag", "extract", *(word for code in found for word in ("--finding", code))]
    if numbers:
        made_by += ["--connection", ",".join(map(str, numbers[:20])) + (",..." if len(numbers) > 20 else "")]
    made_by += ["--evidence-only"] * evidence_only + [f"{name}=..." for name in filters.given]
    codes = tuple(rule_named(word).code for word in found)
    packets, connections, of = running.extract(
        files, filters, output, codes, numbers, evidence_only=evidence_only, made_by=shlex.join([*made_by, *files])
    )
    if output not in (None, "-"):
        click.echo(f"{output}: {packets:,} packets of {connections:,} connections, of {of:,} in the capture", err=True)
