"""``pcapdiag states``: connections in each TCP state over time, as ``ss`` would have counted them."""

from __future__ import annotations

from collections.abc import Iterable

import click

from pcapdiag.cli.options import (
    Filters,
    Output,
    When,
    as_filters,
    check_output,
    ends,
    files,
    formats,
    moment,
    output,
    redaction,
    timespan,
)
from pcapdiag.errors import UsageError


@click.command(short_help="Connections in each TCP state over time.")
@files
@click.option("--at", metavar="TIME", callback=moment, help="One moment: 2026-11-20T13:28:30.5Z, or +3.5 (s).")
@click.option("--every", metavar="STEP", callback=timespan, help="A row each 1s, 500ms, 1m [default: about two dozen].")
@click.option("--since", metavar="TIME", callback=moment, help="The first moment [default: the capture's start].")
@click.option(
    "--until",
    metavar="TIME",
    callback=moment,
    help="The last moment [default: the capture's end]. Beyond it: as if nothing else had happened.",
)
@click.option(
    "--by",
    type=click.Choice(["service", "client", "pool", "total"]),
    help="What to count together [default: service with --at, else total].",
)
@click.option(
    "--end", type=click.Choice(["client", "server", "both"]), default="both", show_default=True, help="Whose sockets."
)
@ends
@click.option(
    "--time-wait",
    metavar="TIME",
    callback=timespan,
    default="60s",
    show_default=True,
    help="How long these hosts keep TIME_WAIT: 30s on macOS.",
)
@click.option(
    "--fin-timeout",
    metavar="TIME",
    callback=timespan,
    default="60s",
    show_default=True,
    help="And FIN_WAIT_2 of a closed socket: net.ipv4.tcp_fin_timeout.",
)
@click.option("--plot", "plotted", is_flag=True, help="A picture in place of the table over time.")
@formats(
    "text",
    "json",
    "ndjson",
    "csv",
    help="json: the schema pcapdiag-states/1; ndjson, csv: a line per moment, end and group.",
)
@redaction
@output
@as_filters
def states(
    files: tuple[str, ...],
    at: When | None,
    every: int | None,
    by: str | None,
    end: str,
    filters: Filters,
    time_wait: int,
    fin_timeout: int,
    plotted: bool,
    format_: str,
    redact: bool,
    to: Output,
) -> None:
    """Count the connections in each TCP state over time, at each end, as ss or netstat would have.

    States are implied by the packets. TIME_WAIT and FIN_WAIT_2 end by themselves, after a minute as on Linux.

    \b
    Examples:
      pcapdiag states buy.pcap                       # over time, and the peaks
      pcapdiag states --at 2026-11-20T14:18:23Z buy.pcap   # at one moment
      pcapdiag states --every 1s --server 10.0.0.7:8081 --end client buy.pcap
      pcapdiag states --plot --until +120 buy.pcap   # and how TIME_WAIT drains
      pcapdiag states --every 1s --by service --format csv buy.pcap
    """
    from pcapdiag.cli import running

    check_output(to, files)
    if at is not None and (every or filters.since or filters.until):
        raise UsageError("--at is one moment; it goes with none of --every, --since and --until")
    if plotted and (at is not None or format_ != "text"):
        raise UsageError("--plot draws the text of a time; it goes with neither --at nor another --format")
    columns = running.columns(to.width)
    report = running.states(
        files,
        filters,
        at=at,
        every=every,
        rows=columns if plotted else None,
        by=by or ("total" if at is None else "service"),
        end=end,
        time_wait=time_wait,
        fin_timeout=fin_timeout,
        with_findings=format_ in ("text", "json"),
        redact=redact,
    )
    pieces: Iterable[str]
    if format_ == "csv":
        from pcapdiag.reports import csv_states

        pieces = csv_states.states(report)
    elif format_ == "text":
        from pcapdiag.reports import text_states

        pieces = [text_states.states(report, width=columns, color=running.colored(to), plotted=plotted)]
    else:
        from pcapdiag.reports import json_states

        pieces = json_states.ndjson(report) if format_ == "ndjson" else [json_states.document(report)]
    running.write(pieces, to.output)
