"""The terminal is painted in place, and given back as it was whatever happens."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import live_views
import pytest

from pcapdiag.cli.terminal import BEGIN, END, ENTER, LEAVE, drawing_console

PLAYER = [sys.executable, live_views.__file__, "go-both-legs", "--forever"]
PATIENCE_S = 30.0


def until(true: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


# With a pseudo-terminal


class Played:
    """The player on a terminal of its own, and what it wrote."""

    def __init__(self, **environment: str) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 80))
        self.modes = termios.tcgetattr(self.slave)
        self.written = b""
        self.process = subprocess.Popen(
            PLAYER,
            stdin=self.slave,
            stdout=self.slave,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
            start_new_session=True,
            # Tests that run under nohup ignore it, and so would the player.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )

    def read(self) -> bytes:
        while select.select([self.master], [], [], 0)[0]:
            self.written += os.read(self.master, 65_536)
        return self.written

    def shows(self, text: str) -> bool:
        return until(lambda: text.encode() in self.read())

    def end(self) -> int:
        """Its exit code, once everything it wrote is read."""
        until(lambda: self.read() is None or self.process.poll() is not None)
        self.read()
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def played() -> Iterator[Played]:
    one = Played()
    yield one
    one.process.kill()
    one.process.wait()
    os.close(one.master)
    os.close(one.slave)


def given_back(one: Played) -> bool:
    whole = one.written.decode()
    return whole.endswith(LEAVE) and termios.tcgetattr(one.slave) == one.modes


def test_a_key_ends_it_and_the_terminal_is_as_it_was(played: Played) -> None:
    assert played.shows("FINDING")
    assert termios.tcgetattr(played.slave) != played.modes
    os.write(played.master, b"q")
    assert played.end() == 0
    assert given_back(played)


def test_an_exception_leaves_the_terminal_as_it_was(played: Played) -> None:
    assert played.shows("FINDING")
    os.write(played.master, b"x")
    assert played.end() == 1
    assert given_back(played)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(played: Played, number: signal.Signals) -> None:
    assert played.shows("FINDING")
    played.process.send_signal(number)
    assert played.end() == -number
    assert given_back(played)


def test_a_refresh_is_one_piece_and_writes_only_lines_that_changed(played: Played) -> None:
    assert played.shows("FINDING")
    assert played.shows("983/s")  # the last view: from here on nothing changes
    played.read()
    before = len(played.written)
    os.write(played.master, b" ")
    assert until(lambda: b"PAUSED" in played.read()[before:])
    refresh = played.written[before:].decode()
    assert refresh.startswith(BEGIN)
    assert refresh.endswith(END)
    assert refresh.count("\x1b[K") == 2  # the first line and the keys
    assert len(refresh) < 600
    time.sleep(1.2)
    assert len(played.read()) == before + len(refresh.encode())


def test_keys_come_as_terminals_send_them(played: Played) -> None:
    assert played.shows("983/s")  # two findings by now
    for sent, shown in [
        (b"f", "FINDING 1 OF"),
        (b"\x1b[C", "FINDING 2 OF"),
        (b"\x1b", "POOLS"),
        (b"\t\t", "client -> server"),
        (b"\x1bOB\xc3\xa9\xff?", "connections of one client host"),
    ]:
        before = len(played.read())
        os.write(played.master, sent)
        assert until(lambda before=before, shown=shown: shown.encode() in played.read()[before:]), (sent, shown)
    os.write(played.master, b"q")
    assert played.end() == 0


@pytest.mark.parametrize(
    ("color", "environment", "colored"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("never", {}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("always", {"TERM": "dumb"}, True),
        ("auto", {"TERM": "dumb"}, False),
    ],
)
def test_color_is_what_was_asked_for(
    color: str, environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.text import Text

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    console = drawing_console(20, 2, color)
    with console.capture() as captured:
        console.print(Text("bad", "red"))
    assert ("\x1b[31m" in captured.get()) == colored


def test_no_color_means_no_color() -> None:
    one = Played(NO_COLOR="1")
    try:
        assert one.shows("FINDING")
        os.write(one.master, b"q")
        assert one.end() == 0
        codes = {part.split(b"m")[0] for part in one.written.split(b"\x1b[")[1:] if b"m" in part[:9]}
        assert codes <= {b"0", b"1", b"2", b"7", b"1;7", b"1;2"}
    finally:
        one.process.kill()
        one.process.wait()
        os.close(one.master)
        os.close(one.slave)


# In tmux


class Tmux:
    """A tmux of its own with one window, a shell in it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.run("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "bash --norc --noprofile")

    def run(self, *words: str) -> str:
        environment = {key: value for key, value in os.environ.items() if key not in ("TMUX", "TMUX_PANE")}
        # tmux runs the command through the user's shell, which for nobody is none.
        environment |= {"TMUX_TMPDIR": self._folder, "LC_ALL": "C.UTF-8", "PS1": "$ ", "SHELL": "/bin/sh"}
        done = subprocess.run(["tmux", "-u", *words], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def pane(self) -> list[str]:
        return self.run("capture-pane", "-p").rstrip("\n").split("\n")

    def shows(self, text: str) -> bool:
        return until(lambda: any(text in line for line in self.pane()))

    def resize(self, columns: int, lines: int) -> None:
        self.run("resize-window", "-x", str(columns), "-y", str(lines))


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    with tempfile.TemporaryDirectory(prefix="pd") as folder:
        one = Tmux(folder)
        yield one
        one.run("kill-server")


def whole(tmux: Tmux, lines: int) -> bool:
    """The picture starts on the first line and ends on the last, each in its place."""
    pane = tmux.pane()
    return (
        len(pane) == lines
        and pane[0].startswith("pcapdiag live")
        and pane[1].startswith("3,302 packets")
        and pane[-1].startswith("q quit")
        and sum(line.startswith("at clients") for line in pane) == 1
    )


def test_nothing_wraps_at_any_size_while_the_window_changes(tmux: Tmux) -> None:
    tmux.type(shlex.join(PLAYER), "Enter")
    assert tmux.shows("983/s")
    assert whole(tmux, 24)
    for columns, lines in [(200, 60), (60, 15), (61, 16), (250, 80), (80, 24)]:
        tmux.resize(columns, lines)
        assert until(lambda lines=lines: whole(tmux, lines)), "\n".join(tmux.pane())


def test_after_the_end_the_shell_has_its_screen_cursor_and_echo(tmux: Tmux) -> None:
    tmux.type("echo before", "Enter")
    tmux.type(shlex.join(PLAYER), "Enter")
    assert tmux.shows("983/s")
    assert tmux.run("display", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").split() == ["1", "0", "0"]
    tmux.type("q")
    assert tmux.shows("before")
    assert until(lambda: tmux.run("display", "-p", "#{alternate_on}").strip() == "0")
    assert tmux.run("display", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").split() == ["0", "1", "1"]
    tmux.type("stty -a", "Enter")
    assert tmux.shows(" echo ")
    assert not any("-echo " in line or "-icanon" in line for line in tmux.pane())


def test_ctrl_z_gives_the_screen_to_the_shell_and_fg_takes_it_back(tmux: Tmux) -> None:
    tmux.type(shlex.join(PLAYER), "Enter")
    assert tmux.shows("983/s")
    tmux.type("C-z")
    assert tmux.shows("Stopped")
    assert tmux.run("display", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").split() == ["0", "1", "1"]
    tmux.type("stty -a", "Enter")
    assert tmux.shows(" icanon ")
    tmux.type("clear; fg", "Enter")
    assert until(lambda: whole(tmux, 24))
    tmux.type("?")
    assert tmux.shows("connections of one client host")
    tmux.type("q")
    assert until(lambda: tmux.run("display", "-p", "#{alternate_on}").strip() == "0")


def test_what_enters_is_left() -> None:
    for mode in ("1049", "25", "7"):
        assert f"\x1b[?{mode}" in ENTER
        assert f"\x1b[?{mode}" in LEAVE


def test_a_terminal_that_takes_nothing_makes_nobody_wait() -> None:
    """Ctrl-S, or an ssh connection that hangs: pictures are left out until it takes them again."""
    code = """
import sys, time
from pcapdiag.cli.terminal import Terminal
from rich.text import Text
with Terminal() as terminal:
    longest = 0.0
    for number in range(400):
        began = time.monotonic()
        terminal.draw(Text("\\n".join(f"{number} " + "x" * 70 for _ in range(20))))
        longest = max(longest, time.monotonic() - began)
    print(longest < 5, file=sys.stderr)
    sys.stdin.readline()
"""
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).parents[1]), TERM="xterm"),
        text=True,
    )
    os.close(slave)
    try:
        assert running.stderr is not None
        assert select.select([running.stderr], [], [], 60)[0]
        assert running.stderr.readline() == "True\n"
    finally:
        running.kill()
        os.close(master)
        running.wait()
