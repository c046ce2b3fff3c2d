"""The terminal as a screen: an alternate screen that is painted in place, and single keys.

Whatever happens, the terminal is given back as it was: at the end, after an exception, on SIGTERM and SIGHUP, and
for the time that Ctrl-Z puts the program to sleep.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import signal
import sys
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Alternate screen, no cursor, no wrapping: a character that the terminal takes for wider than we do shifts nothing
# but the rest of its line.
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"
# What lies between appears at once, on terminals that know it; others ignore it.
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
ASCII = str.maketrans({"\u2026": "~"})  # the ellipsis, on terminals that do not speak UTF-8
REST_S = 0.025  # how long the rest of an escape sequence may take

KEYS = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1b[5~": "pgup",
    "\x1b[6~": "pgdn",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1bOH": "home",
    "\x1bOF": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x1b[Z": "backtab",
    "\x1b": "esc",
    "\t": "tab",
    "\r": "enter",
    "\n": "enter",
    " ": "space",
    "\x7f": "backspace",
}
_KEY = re.compile(rb"\x1b\[[0-9;?]*[@-~]|\x1bO[@-~]|\x1b|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*|.", re.DOTALL)
_BEGUN = re.compile(rb"\x1b(\[[0-9;?]*|O)?\Z")

# Signals that end the program, where nobody else has taken them.
ENDING = (signal.SIGTERM, signal.SIGHUP)


class Terminal:
    """The screen between ``with`` and its end; standard output must be a terminal.

    It takes the signals of resizing, stopping and going on, so it is for the main thread alone.

    Args:
        color: "auto", "always" or "never", as ``--color`` says it.
    """

    def __init__(self, color: str = "auto") -> None:
        self._color = color
        self._out = sys.stdout.fileno()
        self._keyboard = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        self._modes: list[Any] | None = None
        self._typed = b""
        self._shown = False
        self._drawing = False
        self._again = False
        self._last: RenderableType | None = None
        self._lines: list[str] = []
        self._unsent = b""  # of the last picture
        self._painted = (0, 0)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Terminal:
        taken = {signal.SIGWINCH: self._resized, signal.SIGTSTP: self._stopped, signal.SIGCONT: self._continued}
        for number, handler in taken.items():
            self._handlers[number] = signal.signal(number, handler)
        for number in ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, self._ended)
        try:
            self._show()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._hide()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers.clear()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        try:
            columns, lines = os.get_terminal_size(self._out)
        except OSError:
            columns, lines = 0, 0
        return columns or 80, lines or 24

    def fileno(self) -> int:
        """Of the keyboard, for ``select``; -1 when there is none (any more)."""
        return self._keyboard

    def key(self) -> str | None:
        """The next key, without waiting: ``"q"``, ``"up"``, ``"pgdn"``, ``"tab"``, ...; None when none was pressed."""
        while True:
            if not self._typed:
                self._read(0)
            if _BEGUN.match(self._typed):
                self._read(REST_S)
            found = _KEY.match(self._typed)
            if found is None:
                return None
            self._typed = self._typed[found.end() :]
            text = found.group().decode("utf-8", "replace")
            if text in KEYS:
                return KEYS[text]
            if len(text) == 1 and text.isprintable():
                return text

    def draw(self, renderable: RenderableType) -> None:
        """Paint; again at each change of size, so what is drawn should lay itself out."""
        self._last = renderable
        if not self._shown:
            return
        self._drawing = True
        try:
            with contextlib.suppress(OSError):  # the terminal is gone; a signal says so, or the keyboard's end
                self._paint(renderable)
        finally:
            self._drawing = False
        if self._again:
            self._again = False
            self.draw(renderable)

    # -- painting

    def _paint(self, renderable: RenderableType) -> None:
        """The lines that differ from those on the screen, in one write."""
        if not self._sent():
            return  # nobody looks at it just now: Ctrl-S, or a connection that hangs
        columns, lines = self.size
        console = drawing_console(columns, lines, self._color)
        with console.capture() as captured:
            console.print(renderable, end="", no_wrap=True, overflow="crop", crop=True)
        encoding = sys.stdout.encoding or "ascii"
        text = captured.get()
        if not encoding.lower().replace("-", "").startswith("utf"):
            text = text.translate(ASCII)
        wanted = text.split("\n")[:lines]
        wanted += [""] * (lines - len(wanted))
        pieces = [BEGIN]
        if self._painted != (columns, lines):
            pieces.append("\x1b[0m\x1b[2J")
            self._lines = [""] * lines
            self._painted = (columns, lines)
        for at, line in enumerate(wanted):
            if line != self._lines[at]:
                # Cleared first: in a full last column the terminal would clear the character just written.
                pieces.append(f"\x1b[{at + 1}H\x1b[K{line}")
        if len(pieces) > 1:
            self._unsent = ("".join(pieces) + END).encode(encoding, "replace")
            self._sent()
        self._lines = wanted

    def _sent(self) -> bool:
        """Write what is left of the picture, as far as the terminal takes it; a capture must not wait for a person."""
        os.set_blocking(self._out, False)  # for this moment: the shell has the same open file
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._out, self._unsent) :]
        except BlockingIOError:
            return False
        finally:
            os.set_blocking(self._out, True)
        return True

    def _write(self, text: str) -> None:
        left = text.encode(sys.stdout.encoding or "ascii", "replace")
        while left:
            left = left[os.write(self._out, left) :]

    def _read(self, wait: float) -> None:
        if self._keyboard < 0 or not select.select([self._keyboard], [], [], wait)[0]:
            return
        try:
            more = os.read(self._keyboard, 1024)
        except OSError:
            more = b""
        if not more:
            self._keyboard = -1  # the terminal is gone: select would return at once for ever
        self._typed += more

    # -- taking and giving back

    def _show(self) -> None:
        if self._shown:
            return
        sys.stdout.flush()
        if self._keyboard >= 0:
            import termios
            import tty

            self._modes = termios.tcgetattr(self._keyboard)
            tty.setcbreak(self._keyboard)
        self._shown = True
        self._unsent = b""
        self._painted = (0, 0)
        self._write(ENTER)

    def _hide(self) -> None:
        if not self._shown:
            return
        self._shown = False
        with contextlib.suppress(OSError):  # the terminal is gone
            self._write(END + LEAVE)
        if self._modes is not None:
            import termios

            with contextlib.suppress(OSError, termios.error, ValueError):
                termios.tcsetattr(self._keyboard, termios.TCSAFLUSH, self._modes)

    # -- signals

    def _resized(self, number: int, frame: FrameType | None) -> None:
        if self._drawing:
            self._again = True
        elif self._last is not None:
            self.draw(self._last)

    def _stopped(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its screen, then the stop takes place."""
        self._hide()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._stopped)

    def _continued(self, number: int, frame: FrameType | None) -> None:
        """``fg``: the screen is ours again; ``bg``: it is not, and nothing is drawn."""
        try:
            foreground = os.tcgetpgrp(self._out) == os.getpgrp()
        except OSError:
            foreground = False
        if not foreground:
            return
        self._hide()  # a SIGSTOP came without a warning
        self._show()
        if self._last is not None and not self._drawing:
            self.draw(self._last)

    def _ended(self, number: int, frame: FrameType | None) -> None:
        """As the signal would have ended the program, but for the terminal."""
        self._hide()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def rehearse() -> None:
    """Load all that drawing needs: rich reads its tables of characters when it first meets one beyond ASCII."""
    import termios  # noqa: F401
    import tty  # noqa: F401

    from rich.text import Text

    console = drawing_console(9, 3)
    with console.capture():
        text = Text.from_ansi("\x1b[1m\u6f22\u5b57\x1b[0m e\u0301 and on", end="")
        text.truncate(20, overflow="ellipsis")
        for line in text.wrap(console, 5):
            console.print(line)


def drawing_console(columns: int, lines: int, color: str = "auto") -> Console:
    """Colors as asked for ("auto": as the terminal has them, none with NO_COLOR); into memory."""
    from rich.console import Console

    plain = color != "always" and os.environ.get("TERM") in ("dumb", "unknown")
    without = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
    return Console(
        file=io.StringIO(),
        force_terminal=not plain,
        color_system=None if plain else "standard",
        no_color=without,
        width=columns,
        height=lines,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
