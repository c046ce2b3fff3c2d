"""Progress: only where a person waits, only when the wait is long, gone when it is over."""

from __future__ import annotations

import io

import pytest

from pcapdiag.cli import running


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    return now


def test_no_terminal_wants_no_progress() -> None:
    assert not running.Progress(io.StringIO()).wanted
    assert running.Progress(Terminal()).wanted


def test_a_short_run_shows_nothing(clock: list[float]) -> None:
    terminal = Terminal()
    with running.Progress(terminal) as progress:
        progress(50 << 20, 100 << 20)
        clock[0] += 0.5
        progress(100 << 20, 100 << 20)
    assert terminal.getvalue() == ""


def test_a_long_run_shows_a_bar_and_leaves_a_clean_line(clock: list[float]) -> None:
    terminal = Terminal()
    with running.Progress(terminal) as progress:
        clock[0] += 2
        progress(50 << 20, 100 << 20)
        clock[0] += 2
        progress(75 << 20, 100 << 20)
        assert "75%" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_an_unknown_length_counts_what_was_read(clock: list[float]) -> None:
    terminal = Terminal()
    with running.Progress(terminal) as progress:
        clock[0] += 2
        progress(300_000_000, None)
    assert "Reading: 300 MB" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_failing_run_leaves_a_clean_line_too(clock: list[float]) -> None:
    terminal = Terminal()

    def fail() -> None:
        with running.Progress(terminal) as progress:
            clock[0] += 2
            progress(50 << 20, 100 << 20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert terminal.getvalue().endswith("\r\x1b[K")
