"""A live capture at the command line: what is shown while it runs, what ends it, the report behind it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING

from pcapdiag.cli import running
from pcapdiag.cli.options import Output
from pcapdiag.cli.outgoing import Outgoing
from pcapdiag.errors import CaptureError, UsageError
from pcapdiag.reports.escape import visible
from pcapdiag.reports.units import clock

if TYPE_CHECKING:
    from pcapdiag.live.session import Session, Wanted
    from pcapdiag.live.watching import Watcher
    from pcapdiag.model.live import LiveView
    from pcapdiag.model.report import Report
    from pcapdiag.reports.json_live import Telling

DONE, NOT_FOUND, BROKE_OFF = 0, 1, 2
NS = 1_000_000_000
WHOSE_MOST = 5  # pools whose processes are named at the end
STEP_S = 0.25  # a key, or the end of the duration, waits no longer


@dataclass(frozen=True)
class Shown:
    """How, until when, and where to.

    ``format`` is "screen", "text", "ndjson" or None for what standard output is; times in nanoseconds.
    """

    format: str | None
    status_every: int | None
    once_found: str | None
    duration: int | None
    color: str
    width: int | None


def run(wanted: Wanted, shown: Shown) -> int:
    """Capture until something ends it, then report.

    Returns:
        the exit code: 0, 1 where ``once_found`` has not formed, 2 where the capture broke off.
    """
    from pcapdiag.live.session import begin
    from pcapdiag.reports import json_live

    format_ = shown.format or ("screen" if sys.stdout.isatty() and sys.stdin.isatty() else "ndjson")
    if format_ == "screen" and not sys.stdout.isatty():
        raise UsageError("--format screen needs a terminal; take ndjson or text")
    if shown.status_every is not None and format_ != "ndjson":
        raise UsageError("--status-every goes with --format ndjson")
    telling = json_live.Telling()
    with ExitStack() as stack:
        asked_to_end = stack.enter_context(ending())
        session = begin(wanted, rehearsed)
        stack.callback(session.close)
        for sentence in session.said:  # ahead of the screen, and there again behind it
            tell(sentence)
        out = Outgoing(sys.stdout.fileno()) if format_ == "ndjson" else None
        if format_ == "screen":
            reason = on_screen(session, shown, asked_to_end)
        else:
            reason = in_lines(session, shown, asked_to_end, telling, out)
        return finished(session, shown, telling, out, reason)


def rehearsed(report: Report) -> None:
    """All that is ever done with a report here."""
    from rich.console import Console

    from pcapdiag.cli import terminal
    from pcapdiag.model.live import LiveView
    from pcapdiag.reports import json_live, text
    from pcapdiag.reports.live_screen import PAGES, Chosen, screen

    terminal.rehearse()
    text.diagnosis(report)
    view = LiveView("lo", "", "", 0, 1, 1, 1.0, 0, 0, None, None, 0, 1, report, (), {})
    list(json_live.Telling().changes(report, 1, last=True))
    json_live.status(view)
    json_live.end(view, "")
    for page in PAGES:
        with (console := Console(width=80, height=24)).capture():
            console.print(screen(view, chosen=Chosen(page)))


@contextmanager
def ending() -> Iterator[list[str]]:
    """Why somebody wants it to end; a second Ctrl-C ends the program at once."""
    reasons: list[str] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if reasons and number == signal.SIGINT:
            raise KeyboardInterrupt
        reasons.append("interrupted" if number == signal.SIGINT else "terminated")

    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)  # nohup: the terminal may go, the capture is to go on
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield reasons
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Until:
    """What ends a capture, beside the user."""

    def __init__(self, shown: Shown, watcher: Watcher, asked: list[str]) -> None:
        self.until = None if shown.duration is None else time.monotonic() + shown.duration / NS
        self.once_found = shown.once_found
        self.watcher = watcher
        self.asked = asked

    def reason(self, view: LiveView | None) -> str | None:
        """Why it is over, None while it is not."""
        if self.watcher.over:
            return f"capture ended: {self.watcher.failure or 'its process stopped'}"
        if view is not None and self.once_found is not None and found(view.report, self.once_found):
            return "found"
        if self.asked:
            return self.asked[0]
        if self.until is not None and time.monotonic() >= self.until:
            return "duration"
        return None

    @property
    def left(self) -> float:
        """Seconds that a step may wait."""
        return STEP_S if self.until is None else max(0.0, min(STEP_S, self.until - time.monotonic()))


def found(report: Report | None, code: str) -> bool:
    return report is not None and any(finding.code == code for finding in report.findings)


def in_lines(session: Session, shown: Shown, asked: list[str], telling: Telling, out: Outgoing | None) -> str:
    """Without a terminal: lines of JSON, or nothing until the end where there is no place for them."""
    from pcapdiag.reports import json_live

    watcher = session.watcher
    until = Until(shown, watcher, asked)
    looked_at = 0
    status_at = time.monotonic() + (shown.status_every or 0) / NS
    told = ""
    while True:
        view = watcher.step(until.left)
        if view is not None:
            trouble = view.trouble or (f"nothing new is judged: {view.judging}" if view.judging else "")
            if trouble and trouble != told:
                tell(trouble)
            told = trouble
        if out is not None and view is not None:
            if view.looked_at != looked_at:  # without a report, too, once all is forgotten: findings are gone then
                looked_at = view.looked_at
                out.add(telling.changes(view.report, view.now))
            if shown.status_every is not None and time.monotonic() >= status_at:
                out.add([json_live.status(view)])
                status_at += shown.status_every / NS
        if out is not None and not out.send():
            return "nobody reads"
        reason = until.reason(view)
        if reason is not None:
            return reason


def on_screen(session: Session, shown: Shown, asked: list[str]) -> str:
    """In place on the terminal."""
    from pcapdiag.cli.terminal import Terminal
    from pcapdiag.reports.live_screen import Chosen, screen

    watcher = session.watcher
    until = Until(shown, watcher, asked)
    chosen = Chosen()
    drawn = watcher.view()
    with Terminal(shown.color) as terminal:
        terminal.draw(screen(drawn, chosen=chosen))
        while True:
            view = watcher.step(until.left, [terminal] if terminal.fileno() >= 0 else [])
            redraw = view is not None and not chosen.paused
            if view is not None and not chosen.paused:
                drawn = view
            while (key := terminal.key()) is not None:
                if key == "q":
                    return "interrupted"
                chosen, redraw = chosen.after(key, drawn, *terminal.size), True
            if redraw:
                terminal.draw(screen(drawn, chosen=chosen))
            reason = until.reason(view)
            if reason is not None:
                return reason


def finished(session: Session, shown: Shown, telling: Telling, out: Outgoing | None, reason: str) -> int:
    """The report, and the exit code."""
    watcher = session.watcher
    broke_off = watcher.over and watcher.failure is not None
    report: Report | None = None
    try:
        report = watcher.finish()
    except CaptureError as error:
        if not broke_off:
            tell(all_forgotten(watcher) or str(error) if watcher.stream.packets else nothing_came(watcher))
    view = replace(watcher.view(), report=report)
    if out is not None:
        from pcapdiag.reports import json_live

        out.send(None)  # first, so that there is room: who asked for lines waits for the last one
        if out.left_out:
            tell(f"{out.left_out:,} lines were left out: standard output was not read.")
        if report is not None:
            out.add(telling.changes(report, view.now, last=True))
        out.add([json_live.end(view, reason)])
        out.send(None)
    elif report is not None:
        from pcapdiag.reports import text

        to = Output(shown.color, shown.width, None)
        rendered = text.diagnosis(report, width=running.columns(to.width), color=running.colored(to))
        running.write([rendered], None)
    if report is not None:
        for sentence in whose(watcher, report):
            tell(sentence)
    for sentence in behind(view, report is not None):
        tell(sentence)
    if watcher.failure is not None:
        print(f"pcapdiag: {visible(watcher.failure)}", file=sys.stderr)
        return BROKE_OFF
    if shown.once_found is not None:
        return DONE if reason == "found" or found(report, shown.once_found) else NOT_FOUND
    return DONE


def nothing_came(watcher: Watcher) -> str:
    matching = f" that matches {watcher.filter!r}" if watcher.filter else ""
    return f"{watcher.interface}: no packet{matching} came; pcapdiag interfaces lists the others"


def all_forgotten(watcher: Watcher) -> str:
    """Why there is no connection in the report though there were some; "" where there was none."""
    history = watcher.stream.history
    if not history.forgotten:
        return ""
    since = f"{clock(history.horizon)[11:19]} UTC"
    return (
        f"{watcher.interface}: all {history.forgotten:,} connections ended before {since} and are forgotten (--history)"
    )


def whose(watcher: Watcher, report: Report) -> Iterator[str]:
    """The processes at the ends of pools with findings: the report is the file's, which knows of no processes."""
    from pcapdiag.model.words import Severity
    from pcapdiag.reports.live_pools import processes

    named = {id_ for finding in report.findings if finding.severity is not Severity.INFO for id_ in finding.pools}
    found = (one for one in watcher.owned(report) if one[0].id in named)
    for pool, clients, servers in islice(found, WHOSE_MOST):
        yield f"Pool {pool.id}, {pool.client_ip} -> {pool.server}: {processes(clients, servers)}."


def behind(view: LiveView, reported: bool) -> Iterator[str]:
    """What else to know of a capture that is over."""
    if view.dropped:
        yield f"The kernel dropped {view.dropped:,} of {(view.received or view.packets):,} packets: try -B, or a filter."
    if view.saving is not None:
        if view.saving.failed:
            yield f"Not all was kept: {view.saving.failed}."
        files = view.saving.files
        if files and reported:
            more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
            yield f"Kept {view.saving.bytes / 1e6:,.1f} MB in {files[-1]}{more}: pcapdiag diagnose reads it."
    if view.forgotten and reported:
        yield f"{view.forgotten:,} connections from before are not in the report (--history, --most-connections)."


def tell(sentence: str) -> None:
    print(visible(sentence), file=sys.stderr, flush=True)
