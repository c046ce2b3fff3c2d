"""A look at a running capture: the report so far, made by a copy of the process, while packets go on being read.

The packet path ends in tables once, when the capture is over.  A forked copy can end it at any time: it finishes its own
tracker, judges, sends back what it found and is gone, and the original has not even stopped reading.  Pages of memory that
neither changes are shared.

The copy has the same rights as the original, which is none, and has seen the same packets: what it sends is believed as
the original's own tables are.  It has none of the original's files, and a time after which it is gone whatever happens.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pcapdiag import pipeline
from pcapdiag.errors import CaptureError
from pcapdiag.live.stream import Stream
from pcapdiag.model.live import LivePool
from pcapdiag.model.report import Report
from pcapdiag.model.tables import ConnectionTable
from pcapdiag.model.words import Side, TcpState
from pcapdiag.pipeline import Options
from pcapdiag.pools.partition import aliases
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.state_timeline import NO_SOCKET, steps_of

MOST_POOLS = 300  # that are judged: a scan, or a flood of forged addresses, makes a hundred thousand
LONGEST_S = 60  # of a look; then it is given up
POOLS = 100  # whose rates are shown
SOCKETS = 8  # of a pool and an end, whose owner is asked for
PIECE = 1 << 20
# The terminal's signals are the original's: it ends the capture, or draws.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
SECOND = 1_000_000_000

Socket = tuple[str, int]


@dataclass
class Sight:
    """What a look found."""

    report: Report | None = None  # None: no connection yet
    pools: list[LivePool] = field(default_factory=list)
    states: dict[str, dict[str, int]] = field(default_factory=dict)  # end -> state -> sockets
    sockets: dict[str, tuple[list[Socket], list[Socket]]] = field(
        default_factory=dict
    )  # pool -> the client's, the server's


class Look:
    """One look; made, it is under way.

    Args:
        stream: looked at as it is now.
        files: see :meth:`Stream.finish`.
        dropped: likewise.
        now: nanoseconds since the epoch.
        window: nanoseconds that rates are taken over.
    """

    def __init__(
        self, stream: Stream, files: list[tuple[int, str]], dropped: int | None, now: int, window: int
    ) -> None:
        self.began = time.monotonic()
        self.at = now
        self.took = 0.0
        self._data = bytearray()
        self._fd, write = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:  # no memory, or no more processes
            os.close(self._fd)
            os.close(write)
            raise
        if self._pid == 0:
            try:
                for number in IGNORED:
                    signal.signal(number, signal.SIG_IGN)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(LONGEST_S)
                # The capture, the file and the warden: none would end with the original while a copy has them open.
                os.closerange(0, write)
                os.closerange(write + 1, 65_536)
                gc.disable()
                found: Sight | BaseException
                try:
                    found = look(stream, files, dropped, now, window)
                except Exception as error:
                    found = RuntimeError(repr(error))
                with open(write, "wb") as pipe:
                    pickle.dump(found, pipe, pickle.HIGHEST_PROTOCOL)
            finally:
                os._exit(0)  # nothing of the original's may be flushed or restored twice
        os.close(write)
        os.set_blocking(self._fd, False)

    def fileno(self) -> int:
        return self._fd

    def read(self) -> Sight | None:
        """What it found, once it is there.

        Raises:
            TimeoutError: it took longer than :data:`LONGEST_S`.
            RuntimeError: the copy failed: a bug, or the system has killed it.
        """
        while True:
            try:
                piece = os.read(self._fd, PIECE)
            except BlockingIOError:
                return None
            if not piece:
                break
            self._data += piece
        ended_by = self.close(1.0)  # it is about to end, or has been killed
        self.took = time.monotonic() - self.began
        if ended_by == signal.SIGALRM:
            raise TimeoutError
        if ended_by:
            raise RuntimeError(f"killed ({signal.Signals(ended_by).name})")
        found = pickle.loads(self._data) if self._data else RuntimeError("ended without a word")
        if isinstance(found, BaseException):
            raise RuntimeError(str(found)) from found
        assert isinstance(found, Sight)
        return found

    def close(self, seconds: float = 0.0) -> int:
        """Let go of it, whether it is done or not; the signal that has ended it, 0 where none did."""
        if self._fd < 0:
            return 0
        os.close(self._fd)
        self._fd = -1
        until = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            if time.monotonic() >= until:
                break
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        return 0


def look(stream: Stream, files: list[tuple[int, str]], dropped: int | None, now: int, window: int) -> Sight:
    """Finish a stream and see what is there."""
    began = stream.history.horizon or (0 if stream.reader is None else stream.reader.first_at)
    tables = stream.finish(files, dropped)
    sight = Sight()

    def at_pools(pools: Sequence[Pool], connections: ConnectionTable) -> None:
        since = max(now - window, began)
        for pool in pools[:POOLS]:
            sight.pools.append(live_pool(pool, since, max(now - since, SECOND)))
            sight.sockets[pool.name] = sockets(pool)
        once = connections.take(np.flatnonzero(aliases(connections) == 0))
        for side in (Side.CLIENT, Side.SERVER):
            states = steps_of(once, side, pools[0].start).at(now)
            counts = np.bincount(states[~np.isin(states, NO_SOCKET)])
            sight.states[side.word] = {
                TcpState(state).word: int(counts[state]) for state in np.flatnonzero(counts).tolist()
            }

    with contextlib.suppress(CaptureError):  # no connection yet
        sight.report = pipeline.judged([stream.name], tables, Options(most_pools=MOST_POOLS), at_pools)
    return sight


def live_pool(pool: Pool, since: int, span: int) -> LivePool:
    """A pool as it is at the end of what was captured, and its rates since a time."""
    c, x = pool.connections, pool.exchanges
    opened = int((pool.usable & ~pool.closed).sum())
    busy = int(((pool.busy_from <= pool.end) & (pool.busy_until > pool.end)).sum())
    per_second = SECOND / span
    return LivePool(
        pool=pool.name,
        open=opened,
        busy=min(busy, opened),
        idle=max(opened - busy, 0),
        opens_per_second=float((pool.dialled & (c.first_at >= since)).sum()) * per_second,
        closes_per_second=float((c.close_at >= since).sum()) * per_second,
        requests_per_second=float((x.request_first_at >= since).sum()) * per_second,
    )


def sockets(pool: Pool) -> tuple[list[Socket], list[Socket]]:
    """Local addresses and ports by which the processes at both ends can be found: those of the newest connections."""
    c = pool.connections
    rows = np.flatnonzero(pool.usable & ~pool.closed)[-SOCKETS:].tolist()
    clients = [(c.address(int(c.client_ip[row])), int(c.client_port[row])) for row in rows]
    return clients, [(c.address(int(c.server_ip[0])), int(c.server_port[0]))]
