"""Options that several commands share, and their parsing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

import click

from pcapdiag.cli.ends import Ends, checked
from pcapdiag.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

NS = 1_000_000_000
_RELATIVE = re.compile(r"\+(\d+)(?:\.(\d{1,9})\d*)?s?")
_ABSOLUTE = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)", re.IGNORECASE
)


_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)?")
_UNITS = {"ms": NS // 1000, "s": NS, "m": 60 * NS, "h": 3600 * NS, "d": 86_400 * NS}


def timespan(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A time in nanoseconds: ``1s``, ``500ms``, ``1m``, or seconds."""
    if value is None:
        return None
    match = _SPAN.fullmatch(value.removesuffix("in") if value.endswith("min") else value)
    whole, _, fraction = (match[1] if match else "0").partition(".")
    unit = _UNITS[(match[2] if match else None) or "s"]
    span = int(whole) * unit + int(fraction.ljust(9, "0")) * unit // 10**9
    if span < NS // 1000:  # a millisecond: below it the kernel lags the packets by as much
        raise click.BadParameter(f"{value!r} is no span of time; expected 1s, 500ms, 1m or the like", ctx, param)
    return span


class When:
    """A moment: absolute, or counted from the capture's first packet; nanoseconds."""

    def __init__(self, at: int | None = None, after_start: int | None = None) -> None:
        self.at = at
        self.after_start = after_start


@dataclass(frozen=True)
class Filters:
    """Which connections, and what is at their ends: --client, --server, --port, --since, --until."""

    client: Ends
    server: Ends
    port: int | None
    since: When | None
    until: When | None

    @property
    def given(self) -> list[str]:
        """The options that were given, by their names."""
        return [f"--{name}" for name, value in vars(self).items() if value is not None]


@dataclass(frozen=True)
class Output:
    """Where the result goes, and how it looks there: -o, --color, --width."""

    color: str
    width: int | None
    output: str | None  # a path; None or - for standard output


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> When | None:
    """RFC 3339 with a zone, or ``+seconds`` from the capture's start."""
    if value is None:
        return None
    if match := _RELATIVE.fullmatch(value):
        return When(after_start=int(match[1]) * NS + _nanoseconds(match[2]))
    match = _ABSOLUTE.fullmatch(value)
    if match is None:
        raise click.BadParameter(
            f"{value!r} is no time; expected RFC 3339 with a zone, as 2026-11-20T13:28:30.5Z, "
            "or seconds from the capture's start, as +3.5",
            ctx,
            param,
        )
    try:
        at = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4].upper().replace('Z', '+00:00')}")
        whole = at - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{value!r} is no time: {error}", ctx, param) from None
    return When(at=(whole.days * 86_400 + whole.seconds) * NS + _nanoseconds(match[3]))


def files(command: Command) -> Command:
    return click.argument("files", metavar="FILE...", nargs=-1, required=True)(command)


def formats(*choices: str, help: str) -> Callable[[Command], Command]:
    """--format, the first one being the default; given to the command as ``format_``."""
    return click.option(
        "--format", "format_", type=click.Choice(choices), default=choices[0], show_default=True, help=help
    )


def redaction(command: Command) -> Command:
    """--redact."""
    return click.option(
        "--redact",
        is_flag=True,
        help="Replace addresses, hosts and file names, each by the same one everywhere; ports, times and products stay.",
    )(command)


def filters(command: Command) -> Command:
    """--client, --server, --port, --since, --until, given to the command as ``filters``."""
    return ends(lifetimes(as_filters(command)))


def as_filters(command: Command) -> Command:
    """The values of those five, wherever they are declared, as one argument ``filters``."""
    return gathered(command, "filters", Filters)


def ends(command: Command) -> Command:
    """--client, --server, --port."""
    for option in reversed(
        (
            click.option(
                "--client",
                metavar="ADDR|PRODUCT",
                multiple=True,
                callback=checked,
                help="Only connections from this IP, network or IP:port; or what the client is (pcapdiag settings).",
            ),
            click.option(
                "--server",
                metavar="ADDR|PRODUCT",
                multiple=True,
                callback=checked,
                help="Only connections to this IP, network or IP:port; or what the server is.",
            ),
            click.option(
                "--port",
                type=click.IntRange(1, 65535),
                metavar="N",
                help="Only connections to this server port.",
            ),
        )
    ):
        command = option(command)
    return command


def lifetimes(command: Command) -> Command:
    """--since, --until."""
    for option in reversed(
        (
            click.option(
                "--since",
                metavar="TIME",
                callback=moment,
                help="Only connections alive at or after it: 2026-11-20T13:28:30Z or +3.5 (s).",
            ),
            click.option(
                "--until", metavar="TIME", callback=moment, help="Only connections begun by then; each is kept whole."
            ),
        )
    ):
        command = option(command)
    return command


def gathered(command: Command, name: str, kind: type[Filters] | type[Output]) -> Command:
    """The command with one argument of that name in place of the options that ``kind`` holds."""

    @wraps(command)
    def called(*args: Any, **options: Any) -> Any:
        held = {field: options.pop(field) for field in kind.__dataclass_fields__}
        return command(*args, **options, **{name: kind(**held)})

    return called  # type: ignore[return-value]  # the same command, its options gathered


def output(command: Command) -> Command:
    """--color, --width, -o, given to the command as ``to``."""
    command = gathered(command, "to", Output)
    for option in reversed(
        (
            click.option(
                "--color",
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                show_default=True,
                help="auto: on a terminal, unless NO_COLOR is set.",
            ),
            click.option(
                "--width",
                type=click.IntRange(min=60),
                metavar="N",
                help="Columns of the text report [default: the terminal's, 60 to 100].",
            ),
            click.option("-o", "--output", metavar="FILE", help="Write there instead of standard output."),
        )
    ):
        command = option(command)
    return command


def check_output(to: Output, files: tuple[str, ...]) -> None:
    """Before the work is done: that the result can be written, and not over a capture."""
    import os

    output = to.output
    if output is None or output == "-":
        return
    for file in files:
        if os.path.exists(output) and file != "-" and os.path.exists(file) and os.path.samefile(output, file):
            raise UsageError(f"{output}: would overwrite the capture; choose another name for -o")
    folder = os.path.dirname(output) or "."
    if not os.path.isdir(folder):
        raise UsageError(f"{output}: there is no folder {folder}")
    if os.path.isdir(output):
        raise UsageError(f"{output}: is a folder; expected a file name")


def _nanoseconds(fraction: str | None) -> int:
    return int((fraction or "0").ljust(9, "0"))
