"""Lines to standard output that the capture never waits for: who reads them may have stopped."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterable

PIECE = 4096  # PIPE_BUF: of a pipe that can be written to, so much fits
MOST = 16 << 20  # bytes that wait; lines that come then are left out


class Outgoing:
    """What could not be written yet, in order.

    Attributes:
        left_out: lines that there was no room for.
    """

    def __init__(self, out: int) -> None:
        self._out = out
        self._waiting = bytearray()
        self.left_out = 0

    def add(self, lines: Iterable[str]) -> None:
        """Lines with their ends."""
        for line in lines:
            data = line.encode()
            if len(self._waiting) + len(data) > MOST:
                self.left_out += 1
            else:
                self._waiting += data

    def send(self, wait: float | None = 0.0) -> bool:
        """Write what can be written without waiting, or all of it where ``wait`` is None; whether anybody reads still."""
        while self._waiting and select.select([], [self._out], [], wait)[1]:
            try:
                written = os.write(self._out, self._waiting[:PIECE])
            except BrokenPipeError:
                # Nothing more can be written: not now, nor by the interpreter's flush at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._out)
                return False
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    return True  # a file on a full disk: there may be room later
                raise
            del self._waiting[:written]
        return True
