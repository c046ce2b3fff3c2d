"""Lines for a reader that stops, goes on, or leaves: the capture does not wait."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pcapdiag.cli import outgoing, watching
from pcapdiag.cli.outgoing import Outgoing


@pytest.fixture
def ends() -> tuple[int, int]:
    read, write = os.pipe()
    yield read, write  # type: ignore[misc]
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            continue


def test_a_reader_that_stopped_is_not_waited_for_and_gets_every_line_once_it_goes_on(ends: tuple[int, int]) -> None:
    out = Outgoing(ends[1])
    lines = [f"{number} {'x' * 300}\n" for number in range(2_000)]  # ten times what the pipe holds
    for line in lines:
        out.add([line])
        assert out.send()
    got = b""

    def reading() -> None:
        nonlocal got
        while len(got) < sum(map(len, lines)):
            got += os.read(ends[0], 65_536)

    reader = threading.Thread(target=reading)
    reader.start()
    assert out.send(None)
    reader.join(20)
    assert got == "".join(lines).encode()
    assert out.left_out == 0


def test_what_waits_is_bounded_and_what_is_left_out_is_counted(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "MOST", 10_000)
    out = Outgoing(ends[1])
    for _ in range(300):
        out.add(["x" * 999 + "\n"])
        out.send()
    assert 200 < out.left_out < 300
    assert len(out._waiting) <= 10_000


def test_a_reader_that_left_is_noticed(ends: tuple[int, int]) -> None:
    os.close(ends[0])
    out = Outgoing(ends[1])
    out.add(["line\n"])
    assert not out.send()
    out.add(["line\n"])
    assert out.send(None)  # into nothing


def test_under_nohup_a_terminal_that_goes_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with watching.ending() as reasons:
            os.kill(os.getpid(), signal.SIGHUP)
            assert reasons == []
            os.kill(os.getpid(), signal.SIGTERM)
            assert reasons == ["terminated"]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    with watching.ending() as reasons:
        os.kill(os.getpid(), signal.SIGHUP)
        assert reasons == ["terminated"]
