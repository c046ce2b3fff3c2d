"""The pipeline, called from a command: options turned over, progress shown, the result written."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from pcapdiag.cli.ends import parted
from pcapdiag.cli.options import Filters, Output, When
from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pcapdiag.capture import Capture
    from pcapdiag.model.evidence import ConnectionReport
    from pcapdiag.model.report import Report
    from pcapdiag.model.states import StateReport
    from pcapdiag.model.whatif import WhatIf
    from pcapdiag.pipeline import Options

PATIENCE_S = 1.0  # a run shorter than this shows no progress
STEP = 1 << 20  # bytes between two looks at the progress


def analyze(
    files: tuple[str, ...],
    filters: Filters,
    *,
    with_connections: bool = False,
    redact: bool = False,
) -> Report:
    """The Report of these files; progress on stderr where a person waits there."""
    from pcapdiag.pipeline import analyze as run

    options = _options(files, filters, with_connections=with_connections, redact=redact)
    with Progress(sys.stderr) as progress:
        return run(files, options, progress if progress.wanted else None)


def read(
    files: tuple[str, ...],
    filters: Filters,
    *,
    redact: bool = False,
) -> Capture:
    """The connections and exchanges of these files, not judged; progress likewise."""
    from pcapdiag.capture import read as run

    options = _options(files, filters, redact=redact)
    with Progress(sys.stderr) as progress:
        return run(files, options, progress if progress.wanted else None)


def whatif(
    files: tuple[str, ...],
    settings: tuple[str, ...],
    filters: Filters,
    *,
    redact: bool = False,
) -> WhatIf:
    """The pools of these files under other settings; progress likewise."""
    from pcapdiag.replaying import whatif as run

    options = _options(files, filters, redact=redact)
    with Progress(sys.stderr) as progress:
        return run(files, settings, options, progress if progress.wanted else None)


def post_mortem(files: tuple[str, ...], filters: Filters, *, redact: bool = False) -> Report:
    """The Report of these files with its figures, the packets of its evidence among them; progress likewise."""
    from pcapdiag.proving import post_mortem as run

    options = _options(files, filters, redact=redact)
    with Progress(sys.stderr) as progress:
        return run(files, options, progress if progress.wanted else None)


def connection(files: tuple[str, ...], number: int, *, redact: bool = False) -> ConnectionReport:
    """One connection of these files; progress likewise."""
    from pcapdiag.evidence.spooling import rereadable
    from pcapdiag.proving import connection as run

    with Progress(sys.stderr) as progress, rereadable(files) as names:
        return run(names, number, progress if progress.wanted else None, redact=redact)


def extract(
    files: tuple[str, ...],
    filters: Filters,
    output: str | None,
    found: tuple[str, ...],
    numbers: tuple[int, ...],
    *,
    evidence_only: bool,
    made_by: str,
) -> tuple[int, int, int]:
    """Write connections of these files; how many packets and connections, and of how many."""
    from pcapdiag.evidence.spooling import rereadable
    from pcapdiag.proving import extraction

    options = _options(files, filters)
    packets = 0

    def write_to(file: BinaryIO) -> None:
        nonlocal packets
        packets = chosen.write(file, progress if progress.wanted else None)

    with Progress(sys.stderr) as progress, rereadable(files) as names:
        chosen = extraction(
            names,
            found,
            numbers,
            options,
            evidence_only=evidence_only,
            made_by=made_by,
            progress=progress if progress.wanted else None,
        )
        write_bytes(write_to, output)
    return packets, len(chosen.chosen), chosen.of


def _options(
    files: tuple[str, ...],
    filters: Filters,
    *,
    with_connections: bool = False,
    redact: bool = False,
) -> Options:
    from pcapdiag.pipeline import Options

    if files.count("-") > 1:
        raise UsageError("-: standard input can be read only once")
    since, until = filters.since or When(), filters.until or When()
    client_address, client_product = parted(filters.client)
    server_address, server_product = parted(filters.server)
    gc.freeze()  # what is imported stays: the collector need not walk it again and again
    return Options(
        client=client_address,
        server=server_address,
        client_product=client_product,
        server_product=server_product,
        port=filters.port,
        since=since.at,
        until=until.at,
        since_relative=since.after_start,
        until_relative=until.after_start,
        with_connections=with_connections,
        redact=redact,
    )


def states(
    files: tuple[str, ...],
    filters: Filters,
    *,
    at: When | None,
    every: int | None,
    rows: int | None,
    by: str,
    end: str,
    time_wait: int,
    fin_timeout: int,
    with_findings: bool,
    redact: bool = False,
) -> StateReport:
    """The connections of these files by state; progress as for :func:`analyze`."""
    from pcapdiag.counting import Sampling
    from pcapdiag.counting import states as run
    from pcapdiag.pools.state_timeline import Kernel

    options = _options(files, filters, redact=redact)
    at = at or When()
    both = ("client", "server")
    sampling = Sampling(
        at=at.at,
        at_relative=at.after_start,
        every=every,
        rows=rows,
        by=by,
        ends=both if end == "both" else (end,),
        with_findings=with_findings,
        kernel=Kernel(time_wait, fin_timeout),
    )
    with Progress(sys.stderr) as progress:
        return run(files, options, sampling, progress if progress.wanted else None)


class Progress:
    """A bar on a terminal once the run has lasted a second; nothing anywhere else."""

    def __init__(self, stream: TextIO) -> None:
        self.wanted = stream.isatty()
        self._stream = stream
        self._started = time.monotonic()
        self._bar: Any = None
        self._done = 0

    def __call__(self, done: int, total: int | None) -> None:
        if done - self._done < STEP and done != total:
            return
        if self._bar is None:
            if time.monotonic() - self._started < PATIENCE_S:
                return
            if total is None:
                self._stream.write(f"\rReading: {done / 1e6:,.0f} MB")
                self._stream.flush()
                self._done = done
                return
            self._bar = click.progressbar(length=total, label="Reading", file=self._stream)
            self._bar.__enter__()
        self._bar.update(max(done - self._done, 0) if self._bar.pos else done)
        self._done = done

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.render_finish()
        if self._bar is not None or self._done:
            self._stream.write("\r\x1b[K")  # the line is the report's again
            self._stream.flush()


def colored(to: Output) -> bool:
    """Whether to color: ``always`` and ``never`` are obeyed; ``auto`` looks at where the text goes."""
    if to.color != "auto":
        return to.color == "always"
    if to.output not in (None, "-") or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def columns(width: int | None) -> int:
    """The width of the text: as asked for, else the terminal's within 60 to 100."""
    from pcapdiag.reports.layout import MAX_WIDTH, MIN_WIDTH

    if width is not None:
        return width
    import shutil  # with every compressor that Python has

    return min(max(shutil.get_terminal_size((80, 24)).columns, MIN_WIDTH), MAX_WIDTH)


def check_page(to: Output) -> None:
    """Before the work is done: that an HTML page does not go to a terminal."""
    if to.output is None and sys.stdout.isatty():
        raise UsageError("--format html: a page is of no use on a terminal; give a file, as -o report.html")


def write(pieces: Iterable[str], output: str | None) -> None:
    """To a file, or to standard output; a reader that left (``| head``) is no error."""
    if output is not None and output != "-":
        try:
            with open(output, "w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
        except OSError as error:
            raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
        return
    with _standard_output():
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()


def write_bytes(write_to: Callable[[BinaryIO], None], output: str | None) -> None:
    """Likewise, what a function writes to a binary file."""
    if output is not None and output != "-":
        try:
            with open(output, "wb") as file:
                write_to(file)
        except OSError as error:
            raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
        return
    with _standard_output():
        write_to(sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextmanager
def _standard_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Nothing more can be written: not now, nor by the interpreter's flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise UsageError(f"standard output: cannot be written: {error.strerror}") from None
