"""``pcapdiag connections``: a row per connection."""

from __future__ import annotations

import click

from pcapdiag.cli import tabular
from pcapdiag.cli.ends import Ends
from pcapdiag.cli.options import When, check_output, files, filters, output


@click.command(short_help="A line per connection: reuse, who closed, states left.")
@files
@tabular.format_option("text", "json", "ndjson", "csv", "parquet", "arrow")
@filters
@output
def connections(
    files: tuple[str, ...],
    format_: str,
    client: Ends,
    server: Ends,
    port: int | None,
    since: When | None,
    until: When | None,
    color: str,
    width: int | None,
    output: str | None,
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
      pcapdiag connections --format ndjson buy.pcap | jq -c 'select(.closer == "server")'
    """
    from pcapdiag.cli import running

    check_output(output, files)
    tabular.check(format_, output)
    if format_ == "text":
        from pcapdiag.reports import text_connections

        report = running.analyze(
            files, client=client, server=server, port=port, since=since, until=until, with_connections=True
        )
        shown = text_connections.connections(report, width=running.columns(width), color=running.colored(color, output))
        running.write(shown, output)
        return
    capture = running.read(files, client=client, server=server, port=port, since=since, until=until)
    tabular.write(capture.connections, format_, output, info=capture.info)
