"""``pcapdiag connection``: one connection, packet by packet."""

from __future__ import annotations

import click

from pcapdiag.cli.options import Output, check_output, formats, output, redaction
from pcapdiag.errors import UsageError


@click.command(short_help="One connection as a packet ladder, with notes.")
@click.argument("arguments", metavar="FILE... N", nargs=-1, required=True)
@formats("text", "json", help="json: for programs, the schema pcapdiag-connection/1.")
@output
@redaction
@click.option("-v", "--verbose", is_flag=True, help="ACKs alone too, flags, sequence numbers.")
def connection(arguments: tuple[str, ...], format_: str, to: Output, redact: bool, verbose: bool) -> None:
    """Draw connection N packet by packet: the client on the left, the server on the right, notes below.

    N is the connection's number in pcapdiag connections and in the evidence of findings. Frames that findings
    name as proof are marked with the finding's code. Of a message only its first line is shown, without query
    string, and the headers that decide about the connection.

    \b
    Examples:
      pcapdiag connection buy.pcap 17
      pcapdiag connection -v buy.pcap 17        # ACKs and numbers too
      pcapdiag connection --redact buy.pcap 17  # addresses that say nothing
      pcapdiag connection --format json buy.pcap 17 | jq '.ladder.rungs[].text'
    """
    from pcapdiag.cli import running

    *files, last = arguments
    if not files or not last.isdecimal():
        raise UsageError(f"expected capture files and then a connection's number, found {last!r} at the end")
    check_output(to, tuple(files))
    report = running.connection(tuple(files), int(last), redact=redact)
    if format_ == "json":
        from pcapdiag.reports import json_connection

        rendered = json_connection.document(report)
    else:
        from pcapdiag.reports import text_connection

        rendered = text_connection.connection(
            report, width=running.columns(to.width), color=running.colored(to), verbose=verbose
        )
    running.write([rendered], to.output)
