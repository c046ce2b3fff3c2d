"""``pcapdiag live``: watch an interface while the diagnosis forms."""

from __future__ import annotations

import re

import click

from pcapdiag.cli.options import timespan
from pcapdiag.errors import UsageError

MIB = 1 << 20
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kMG]?)i?B?", re.IGNORECASE)
_SIZES = {"": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30}


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A number of bytes: ``500M``, ``1G``."""
    if value is None:
        return None
    match = _SIZE.fullmatch(value)
    count = int(float(match[1]) * _SIZES[match[2].lower()]) if match else 0
    if count < 64 * 1024:  # less than a packet may have makes a file of each
        raise click.BadParameter(f"{value!r} is no size of a file; expected 64k or more: 500M, 1G", ctx, param)
    return count


@click.command(short_help="Watch an interface while the diagnosis forms.")
@click.option("-i", "--interface", metavar="NAME", required=True, help="lo, eth0, any, ...: see pcapdiag interfaces.")
@click.option("-f", "--filter", "filter_", metavar="BPF", default="", help="As tcpdump's: 'tcp port 8081'.")
@click.option("--duration", metavar="TIME", callback=timespan, help="End after 60s, 10m, 2h [default: q or Ctrl-C].")
@click.option("-w", "--write", metavar="FILE", help="Keep the packets: .pcapng, or .pcap.")
@click.option("--rotate-size", metavar="SIZE", callback=size, help="A new file after so many bytes: 500M, 1G.")
@click.option("--rotate-time", metavar="TIME", callback=timespan, help="A new file each 10m, 1h.")
@click.option("--keep-files", type=click.IntRange(2), metavar="N", help="Delete the oldest beyond so many.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["screen", "text", "ndjson"]),
    help="screen: in place, then the report; text: only the report; ndjson: a line of JSON per finding as it forms "
    "[default: screen on a terminal, else ndjson].",
)
@click.option("--status-every", metavar="TIME", callback=timespan, help="With ndjson: a line of numbers each 10s, too.")
@click.option("--once-found", metavar="CODE", help="End when this finding has formed; exit with 1 if it never does.")
@click.option(
    "--history",
    metavar="TIME",
    callback=timespan,
    default="1h",
    show_default=True,
    help="Forget connections that ended before; open ones stay.",
)
@click.option(
    "--most-connections",
    type=click.IntRange(1_000),
    metavar="N",
    default=200_000,
    show_default=True,
    help="Ended ones to remember, at most.",
)
@click.option(
    "-s", "--snaplen", type=click.IntRange(64, 262_144), metavar="BYTES", default=262_144, help="Of a packet."
)
@click.option("-B", "--buffer", type=click.IntRange(1, 2_048), metavar="MIB", default=64, help="The kernel's ring.")
@click.option(
    "--program", type=click.Choice(["tcpdump", "dumpcap", "scapy"]), help="What captures [default: the first]."
)
@click.option(
    "--user", metavar="NAME", help="Whom root becomes once the capture runs [default: sudo's caller, or nobody]."
)
@click.option("--with-ssh", is_flag=True, help="Capture the packets of this terminal's own ssh session, too.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("--width", type=click.IntRange(60), metavar="N", help="Columns of the report at the end.")
def live(
    interface: str,
    filter_: str,
    duration: int | None,
    write: str | None,
    rotate_size: int | None,
    rotate_time: int | None,
    keep_files: int | None,
    format_: str | None,
    status_every: int | None,
    once_found: str | None,
    history: int,
    most_connections: int,
    snaplen: int,
    buffer: int,
    program: str | None,
    user: str | None,
    with_ssh: bool,
    color: str,
    width: int | None,
) -> int:
    """Capture from an interface and show what forms, until q, Ctrl-C or --duration; then print what diagnose would.

    Needs root, or CAP_NET_RAW for tcpdump or dumpcap; root is given up as soon as the capture runs.

    \b
    Examples:
      sudo pcapdiag live -i lo -f 'tcp port 8081'
      sudo pcapdiag live -i eth0 -w buy.pcapng --rotate-size 500M --keep-files 10
      sudo pcapdiag live -i any --format ndjson | jq -r '.finding.title // empty'
      sudo pcapdiag live -i lo --once-found PD201 --duration 5m && ./alert

    Exit codes: 0 done, or found; 1 --once-found was not; 2 usage error, or the capture broke off.
    """
    if write is None and (rotate_size or rotate_time or keep_files):
        raise UsageError("--rotate-size, --rotate-time and --keep-files are about the files of -w FILE")
    if keep_files and not (rotate_size or rotate_time):
        raise UsageError("--keep-files needs --rotate-size or --rotate-time")
    if once_found is not None:
        from pcapdiag.cli.rule_names import rule_named

        once_found = rule_named(once_found).code

    from pcapdiag.cli import watching
    from pcapdiag.live.history import Limits
    from pcapdiag.live.session import Wanted

    wanted = Wanted(
        interface=interface,
        filter=filter_,
        snaplen=snaplen,
        buffer_mib=buffer,
        program=program,
        write=write,
        rotate_bytes=rotate_size,
        rotate_ns=rotate_time,
        keep_files=keep_files,
        limits=Limits(span_ns=history, ended=most_connections, exchanges=10 * most_connections),
        user=user,
        with_ssh=with_ssh,
    )
    shown = watching.Shown(format_, status_every, once_found, duration, color, width)
    return watching.run(wanted, shown)
