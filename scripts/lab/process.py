"""Programs inside a host of the lab: started, waited for, ended, and their output kept."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from lab.errors import LabError
from lab.network import Host

START_S = 10.0  # a server that does not listen by then never will


class Process:
    """A program that runs until the ``with`` block ends; it and its children are ended then."""

    def __init__(self, host: Host, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.command = command
        self.log = log
        with log.open("wb") as errors:
            self.popen = subprocess.Popen(
                host.command(*command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop(signal.SIGTERM)

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to the program and its children, and wait for the program."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait(5)
        if self.popen.stdout:
            self.popen.stdout.close()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program and its children, and wait for nothing."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def wait_for(self, ready: Callable[[], bool], what: str, seconds: float = START_S) -> None:
        """Wait until ``ready()``; an error with the program's own words where it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.popen.poll() is not None or time.monotonic() > deadline:
                raise LabError(
                    f"no {what} from {' '.join(self.command)}: {self.log.read_text(errors='replace')[-500:]}"
                )
            time.sleep(0.02)

    def read_line_or_end(self, what: str, seconds: float) -> int | None:
        """Wait for a line of standard output, or for its end: then the program's exit status, else None."""
        assert self.popen.stdout is not None
        readable, _, _ = select.select([self.popen.stdout], [], [], seconds)
        if not readable:
            raise LabError(f"no {what} from {' '.join(self.command)}: {self.log.read_text(errors='replace')[-500:]}")
        if self.popen.stdout.readline():
            return None
        return self.popen.wait(seconds)

    def read_line(self, what: str, seconds: float) -> str:
        """The next line of standard output."""
        assert self.popen.stdout is not None
        readable, _, _ = select.select([self.popen.stdout], [], [], seconds)
        line = self.popen.stdout.readline().decode() if readable else ""
        if not line:
            raise LabError(f"no {what} from {' '.join(self.command)}: {self.log.read_text(errors='replace')[-500:]}")
        return line.strip()


def listening(host: Host, port: int) -> Callable[[], bool]:
    """Whether something in the host listens on the port."""
    return lambda: bool(host.run("ss", "-Hltn", f"( sport = :{port} )").strip())
