"""A capture while it runs: packets read, kept and looked at, until somebody says that it is enough."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from pcapdiag import pipeline
from pcapdiag.live.looking import LONGEST_S, SECOND, Look, Sight, Socket
from pcapdiag.live.process import CaptureProcess
from pcapdiag.live.saving import Saver
from pcapdiag.live.stream import Stream
from pcapdiag.model.live import LiveView, Owner, Saving
from pcapdiag.model.report import PoolRow, Report
from pcapdiag.pipeline import Options

WINDOW = 10 * SECOND  # that rates are taken over
REFRESH_S = 1.0
# A look may take so much of the time, as another process: judging a hundred thousand connections takes a second.
LOOKING = 0.2
# Reading is not woken for every packet: what comes in this time waits in the pipe, which holds a megabyte.
REST_S = 0.02
SMALL = 64 * 1024  # bytes that were read at once, below which there is no hurry
AT_ONCE = 16  # pieces read before the other things get their turn
OWNERS_S = 2.0  # between two questions for owners of sockets, at least; or so many times what the last one took:
OWNERS_COST = 20
MOST_OWNERS = 3  # of an end of a pool
AGAIN_S = 10.0  # after a look that came to nothing
FINAL_POOLS = 1_000  # that the report at the end judges; rules look at pools by pairs, too
LAST_S = 10.0  # that the capturing program has for its last packets once it was told to stop

OwnersOf = Callable[[Iterable[Socket]], Mapping[Socket, Owner]]
PoolKey = tuple[str, str, str | None]


class Readable(Protocol):
    def fileno(self) -> int: ...


class Watcher:
    """Reads a capture process.

    Args:
        process: under way already.
        stream: takes its packets.
        interface, filter: what was asked for, to be shown.
        saver: keeps them, too.
        owners_of: who owns sockets of this machine; None: nobody is asked.

    Attributes:
        over: the capture process has ended, asked to or not.
        failure: why it did, where nobody had asked it to; one line.
    """

    def __init__(
        self,
        process: CaptureProcess,
        stream: Stream,
        interface: str,
        filter_: str,
        saver: Saver | None = None,
        owners_of: OwnersOf | None = None,
    ) -> None:
        self.process = process
        self.stream = stream
        self.interface = interface
        self.filter = filter_
        self.saver = saver
        self.owners_of = owners_of
        self.over = False
        self.failure: str | None = None
        self.started_at = time.time_ns()
        self.sight = Sight()
        self.looked_at = 0
        self.judging = ""  # why there is no newer sight; "" where all is well
        self.owners: dict[PoolKey, tuple[dict[int, Owner], dict[int, Owner]]] = {}
        self._look: Look | None = None
        self._next_look = time.monotonic() + REFRESH_S
        self._next_view = self._next_look
        self._next_owners = 0.0
        self._rest_until = 0.0
        self._counted: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def step(self, timeout: float, also: Sequence[Readable] = ()) -> LiveView | None:
        """Read what is there, waiting no longer than ``timeout`` seconds for it; a view of it when it is time for one.

        ``also`` is waited for, too, and not touched.
        """
        now = time.monotonic()
        waited: list[Readable] = list(also)
        resting = now < self._rest_until
        if not resting:
            waited.append(self.process)
        if self._look is not None:
            waited.append(self._look)
        due = min(self._next_view, self._rest_until if resting else now + timeout, now + timeout)
        ready, _, _ = select.select(waited, [], [], max(due - now, 0.0))
        if self.process in ready:
            self._read()
        if self._look is not None and self._look in ready:
            self._read_look(self._look)
        now = time.monotonic()
        if self._look is None and now >= self._next_look and self.stream.packets and not self.over:
            self._begin_look()
        if now >= self._next_view or self.over:
            self._next_view = now + REFRESH_S
            return self.view()
        return None

    def view(self) -> LiveView:
        """The capture as it is, and its connections as the last look saw them."""
        counts = self.process.counts()
        now = time.monotonic()
        while len(self._counted) > 1 and now - self._counted[0][0] > WINDOW / SECOND:
            self._counted.popleft()
        self._counted.append((now, self.stream.packets))
        since, before = self._counted[0]
        report = self.sight.report
        keys = {} if report is None else {pool.id: pool_key(report, index) for index, pool in enumerate(report.pools)}
        nobody: tuple[dict[int, Owner], dict[int, Owner]] = ({}, {})
        pools = []
        for pool in self.sight.pools:
            clients, servers = self.owners.get(keys[pool.pool], nobody)
            pools.append(replace(pool, client_owners=tuple(clients.values()), server_owners=tuple(servers.values())))
        history = self.stream.history
        return LiveView(
            interface=self.interface,
            filter=self.filter,
            program=self.process.program,
            started_at=self.started_at,
            now=time.time_ns(),
            packets=self.stream.packets,
            packets_per_second=(self.stream.packets - before) / max(now - since, 0.001),
            received=counts.received,
            dropped=counts.dropped,
            saving=self._saving(),
            history_from=history.horizon or None,
            forgotten=history.forgotten,
            window_ns=WINDOW,
            report=report,
            pools=tuple(pools),
            states=self.sight.states,
            looked_at=self.looked_at,
            judging=self.judging,
            trouble="" if self.over else self.process.trouble() or "",
        )

    def finish(self) -> Report:
        """End the capture, read the rest of it, and judge the whole.

        Raises:
            CaptureError: there was no connection.
        """
        self.process.stop()
        until = time.monotonic() + LAST_S
        while not self.over and time.monotonic() < until:
            select.select([self.process], [], [], 0.1)
            self._read()
        self.close()
        whole = self.saver is None or not self.saver.failed
        files = self._files() if whole else []  # frames and counts are the capture's, which the file has a part of
        tables = self.stream.finish(files, self._lost())
        return pipeline.judged(
            [path for _, path in files] or [self.stream.name], tables, Options(most_pools=FINAL_POOLS)
        )

    def _lost(self) -> int | None:
        """What the kernel dropped, and what went with an interface that was removed: received, and never handed over."""
        counts = self.process.counts()
        if self.failure is None or counts.received is None:
            return counts.dropped
        return max((counts.dropped or 0), counts.received - self.stream.packets)

    def close(self) -> None:
        """Let go of the capture process, the look under way and the file."""
        if self._look is not None:
            self._look.close()
            self._look = None
        self.process.close()
        if self.saver is not None:
            self.saver.close()

    def _read(self) -> None:
        read = 0
        for _ in range(AT_ONCE):
            data = self.process.read()
            if data is None:
                break
            if not data:
                self.over = True
                self.failure = self.process.failure()
                break
            read += len(data)
            whole = self.stream.take(data)
            self.stream.keep()  # here, not with each look: those may be minutes apart, and packets a million a minute
            if self.saver is not None and whole:
                self.saver.write(whole, self.stream.packets, self.stream.last_at)
        if read < SMALL:
            self._rest_until = time.monotonic() + REST_S

    def _begin_look(self) -> None:
        dropped = self.process.counts().dropped
        self.stream.history.note(self.stream.last_at, self.stream.packets, dropped or 0)
        try:
            self._look = Look(self.stream, self._files(), dropped, time.time_ns(), WINDOW)
        except OSError as error:
            self._no_sight(f"no process can be started for it: {error.strerror}")

    def _read_look(self, look: Look) -> None:
        try:
            sight = look.read()
        except TimeoutError:
            self.stream.history.halve()
            kept = self.stream.history.limits.ended
            self._no_sight(f"it took more than {LONGEST_S} s; from here on {kept:,} ended connections are remembered")
        except Exception as error:  # a bug, in the end; of a capture that has run for days it must not be the end
            self._no_sight(f"it failed: {error}")
        else:
            if sight is not None:
                self.looked_at, self.judging = look.at, ""
                self._saw(sight, look.took)

    def _no_sight(self, why: str) -> None:
        self._look = None
        self.judging = why
        self._next_look = time.monotonic() + AGAIN_S

    def _saw(self, sight: Sight, took: float) -> None:
        self.sight = sight
        self._look = None
        now = time.monotonic()
        self._next_look = (
            now + max(took / LOOKING - took, 0.0) if took > REFRESH_S * LOOKING else now + REFRESH_S - took
        )
        self._next_view = now
        if self.owners_of is not None and sight.report is not None and now >= self._next_owners:
            self._ask_owners(self.owners_of, sight, sight.report)
            self._next_owners = now + max(OWNERS_S, OWNERS_COST * (time.monotonic() - now))

    def _ask_owners(self, owners_of: OwnersOf, sight: Sight, report: Report) -> None:
        """Who is at the ends of the pools' open connections, the latest first; who was there before stays known.

        Of pools that are not there any more nobody does: a scan of a week makes millions.
        """
        found = owners_of({one for ends in sight.sockets.values() for sockets in ends for one in sockets})
        before, self.owners = self.owners, {}
        for index, pool in enumerate(report.pools[: len(sight.sockets)]):
            key = pool_key(report, index)
            known = before.get(key, ({}, {}))
            now = [
                {found[socket].pid: found[socket] for socket in sockets if socket in found}
                for sockets in sight.sockets[pool.id]
            ]
            clients, servers = (
                dict(list((new | {pid: one for pid, one in old.items() if pid not in new}).items())[:MOST_OWNERS])
                for new, old in zip(now, known, strict=True)
            )
            self.owners[key] = clients, servers

    def owned(self, report: Report) -> Iterator[tuple[PoolRow, tuple[Owner, ...], tuple[Owner, ...]]]:
        """The pools whose sockets were found with processes, each with its clients' and its server's."""
        for index, pool in enumerate(report.pools):
            clients, servers = self.owners.get(pool_key(report, index), ({}, {}))
            if clients or servers:
                yield pool, tuple(clients.values()), tuple(servers.values())

    def _files(self) -> list[tuple[int, str]]:
        """Frames ahead of each file, and its path, as the pipeline has them."""
        return [] if self.saver is None else [(frames, path) for path, frames in self.saver.files]

    def _saving(self) -> Saving | None:
        saver = self.saver
        if saver is None:
            return None
        return Saving(tuple(path for path, _ in saver.files), saver.bytes, saver.removed, saver.failed)


def pool_key(report: Report, index: int) -> PoolKey:
    """What stays the same of a pool while its id, which goes by size, changes."""
    pool = report.pools[index]
    return pool.client_ip, str(pool.server), pool.user_agent
