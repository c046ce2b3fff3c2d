"""The command line: options in, the pipeline called, a report printed.

Only click is imported here; each command imports what it needs when it runs, so that ``--help`` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from pcapdiag._version import __version__
from pcapdiag.cli.columns import columns
from pcapdiag.cli.compare import compare
from pcapdiag.cli.connection import connection
from pcapdiag.cli.connections import connections
from pcapdiag.cli.diagnose import diagnose
from pcapdiag.cli.exchanges import exchanges
from pcapdiag.cli.explain import explain
from pcapdiag.cli.extract import extract
from pcapdiag.cli.findings import findings
from pcapdiag.cli.interfaces import interfaces
from pcapdiag.cli.live import live
from pcapdiag.cli.rules import rules
from pcapdiag.cli.settings import settings
from pcapdiag.cli.states import states
from pcapdiag.cli.whatif import whatif
from pcapdiag.errors import PcapdiagError

OK = 0
FINDINGS = 1  # at or above --fail-on
ERROR = 2  # input or usage
BUG = 70  # EX_SOFTWARE of sysexits.h: ours, never to be taken for findings
INTERRUPTED = 130  # 128 + SIGINT


class InOrder(click.Group):
    """Commands listed in the order in which they were added: the main job first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=InOrder,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", message="pcapdiag %(version)s")
@click.pass_context
def pcapdiag(context: click.Context) -> None:
    """Read a packet capture, say what every TCP connection did, and name the setting to change.

    \b
    Examples:
      tcpdump -i any -w buy.pcap tcp port 8081        # make a capture
      pcapdiag diagnose buy.pcap                      # what to change, the proof
      sudo pcapdiag live -i lo -f 'tcp port 8081'     # watch while it forms
      pcapdiag whatif buy.pcap                        # with other settings
      pcapdiag compare before.pcap after.pcap         # did the fix work
      pcapdiag connections buy.pcap                   # a line per connection
      pcapdiag connection buy.pcap 17                 # one, packet by packet
      pcapdiag extract --finding PD205 -o few.pcapng buy.pcap   # its packets
      pcapdiag states buy.pcap                        # what netstat would show
      pcapdiag explain idle-pool-too-small            # read up on a finding

    Exit codes: 0 done; 1 what --fail-on or --expect-gone look for; 2 input or usage error.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    diagnose,
    live,
    interfaces,
    whatif,
    compare,
    connections,
    exchanges,
    connection,
    findings,
    extract,
    states,
    columns,
    explain,
    rules,
    settings,
):
    pcapdiag.add_command(_command)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        args: the arguments, without the program's name; None takes those of the process.

    Returns:
        the exit code.  Errors are one line on stderr; only a bug of ours shows a traceback.
    """
    # NumPy's linear algebra, of which nothing is used here, would start a thread per core and its memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal in another encoding shows \u2014, it does not crash
            stream.reconfigure(errors="backslashreplace")
    try:
        code = pcapdiag.main(args=args, prog_name="pcapdiag", standalone_mode=False)
    except click.ClickException as error:
        return _error(_one_line(error))
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except PcapdiagError as error:
        return _error(str(error))
    except MemoryError:
        return _error(
            "out of memory; try a part of the capture: editcap -A START -B END, or tcpdump -r IN -w OUT port N"
        )
    except Exception:
        sys.excepthook(*sys.exc_info())
        print(
            f"This is a bug in pcapdiag {__version__}; please report it with the lines above.",
            file=sys.stderr,
        )
        return BUG
    return code if isinstance(code, int) else OK


def _one_line(error: click.ClickException) -> str:
    text = error.format_message()
    context = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and context is not None:
        return f"{text.rstrip('.')}; see {context.command_path} --help"
    return text


def _error(text: str) -> int:
    from pcapdiag.reports.escape import visible  # a file name may hold anything

    print(f"pcapdiag: {visible(' '.join(text.split()))}", file=sys.stderr)
    return ERROR
