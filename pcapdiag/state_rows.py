"""The stays of all connections counted at moments: the rows of a StateReport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcapdiag.model.report import Endpoint, Finding
from pcapdiag.model.states import EndStates, Found, Peak, Share, StateGroup
from pcapdiag.model.tables import Column, ConnectionTable
from pcapdiag.model.words import Opening, Severity, Side, TcpState
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.state_timeline import FOREVER, Kernel, Stays, steps_of

# Rows that fit a screen, and steps that a person counts in.
ROWS = 24
MILLISECOND = 1_000_000
STEPS = tuple(
    step * MILLISECOND for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000)
) + tuple(minutes * 60_000 * MILLISECOND for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1_440))


def step_for(span: int, rows: int = ROWS) -> int:
    """The step that shows a span of time in at most so many rows."""
    return next((step for step in STEPS if span // step < rows), STEPS[-1] * (span // (STEPS[-1] * rows) + 1))


@dataclass(frozen=True)
class Grouping:
    """Which group each connection belongs to, and what the groups are.

    Attributes:
        of: the group's index for each row of the connection table.
        keys: client IP, server and pool of each group; None for what it is not grouped by.
    """

    of: Column
    keys: Sequence[tuple[str | None, Endpoint | None, str | None]]


def by_service(c: ConnectionTable) -> Grouping:
    """A group for each server address and port."""
    values, of = np.unique(c.server_ip.astype(np.int64) << 16 | c.server_port, return_inverse=True)
    return Grouping(of, [(None, Endpoint(c.address(value >> 16), value & 0xFFFF), None) for value in values.tolist()])


def by_client(c: ConnectionTable) -> Grouping:
    """A group for each client address."""
    values, of = np.unique(c.client_ip, return_inverse=True)
    return Grouping(of, [(c.address(value), None, None) for value in values.tolist()])


def by_pool(c: ConnectionTable, rows: Column, pools: Sequence[Pool]) -> Grouping:
    """A group for each pool; ``rows`` are the table's rows in the one that the pools were cut from."""
    of = np.zeros(int(rows.max()) + 1, dtype=np.int64)
    keys: list[tuple[str | None, Endpoint | None, str | None]] = []
    for number, pool in enumerate(pools):
        of[pool.rows] = number
        keys.append((c.address(int(pool.connections.client_ip[0])), server_of(pool), pool.name))
    return Grouping(of[rows], keys)


class Counting:
    """Connections, both ends of each followed through their states.

    Args:
        connections: the table; aliases left out.
        start: when the capture began.
        sides: the ends to count.
        window: first and last moment to look for peaks in.
        kernel: how long sockets wait.
    """

    def __init__(
        self, connections: ConnectionTable, start: int, sides: Sequence[Side], window: tuple[int, int], kernel: Kernel
    ) -> None:
        self.connections = connections
        self.services = by_service(connections)
        whole = {side: steps_of(connections, side, start, kernel).stays() for side in sides}
        self.stays = {side: within(stays, window) for side, stays in whole.items()}
        before = [
            stays.rows[(connections.opening[stays.rows] == Opening.MIDSTREAM) & (stays.begin <= start)]
            for stays in whole.values()
        ]
        self.open_before = len(np.unique(np.concatenate(before)))

    def total(self, moments: Column) -> StateGroup:
        """Everything in one group."""
        every = np.arange(len(self.connections))
        ends = tuple(self.end(side, stays, moments, every) for side, stays in self.stays.items())
        return StateGroup(None, None, None, len(self.connections), ends)

    def groups(self, grouping: Grouping, moments: Column) -> tuple[StateGroup, ...]:
        """Each group that has a socket in the window, most connections first."""
        sizes = np.bincount(grouping.of, minlength=len(grouping.keys)).tolist()
        members = np.split(np.argsort(grouping.of, kind="stable"), np.cumsum(sizes)[:-1])
        parts = {side: parted(stays, grouping.of[stays.rows], len(sizes)) for side, stays in self.stays.items()}
        out = []
        for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
            client_ip, server, pool = grouping.keys[index]
            ends = tuple(self.end(side, parts[side][index], moments, members[index]) for side in self.stays)
            if any(one.peaks for one in ends):
                out.append(StateGroup(client_ip, server, pool, sizes[index], ends))
        return tuple(out)

    def end(self, side: Side, stays: Stays, moments: Column, rows: NDArray[np.intp]) -> EndStates:
        """One end of the connections of these rows, whose stays these are."""
        ips = np.unique(self.connections.columns[f"{side.word}_ip"][rows]).tolist()
        counts, peaks = {}, {}
        for state, these in stays.by_state():
            counts[state.word] = tuple(these.count(moments).tolist())
            peaks[state.word] = self.peak(these)
        return EndStates(side.word, tuple(self.connections.address(ip) for ip in ips), counts, peaks)

    def peak(self, stays: Stays) -> Peak:
        """The highest level, and the service that holds most of it."""
        count, at = stays.peak()
        rows = stays.rows[(stays.begin <= at) & (stays.end > at)]
        services = np.bincount(self.services.of[rows])
        largest = int(np.argmax(services))
        server = self.services.keys[largest][1]
        assert server is not None
        clients = np.unique(self.connections.client_ip[rows[self.services.of[rows] == largest]])
        client_ip = self.connections.address(int(clients[0])) if len(clients) == 1 else None
        return Peak(count, at, Share(client_ip, server, int(services[largest])))

    def waits_over(self) -> int:
        """When the last TIME_WAIT, or FIN_WAIT_2 that ends by itself, does so; 0 where there is none."""
        ends = [
            stays.end[np.isin(stays.states, (TcpState.TIME_WAIT, TcpState.FIN_WAIT_2)) & (stays.end < FOREVER)]
            for stays in self.stays.values()
        ]
        return int(max((part.max() for part in ends if len(part)), default=0))


def within(stays: Stays, window: tuple[int, int]) -> Stays:
    """The stays that reach into a window, begun at its start at the earliest."""
    first, last = window
    kept = stays.of((stays.begin <= last) & (stays.end > first))
    return Stays(kept.rows, kept.states, np.maximum(kept.begin, first), kept.end)


def parted(stays: Stays, group: Column, count: int) -> list[Stays]:
    """The stays of each group."""
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(1, count))
    return [stays.of(part) for part in np.split(order, bounds)]


def found(pools: Sequence[Pool], findings: Sequence[Finding]) -> tuple[Found, ...]:
    """The findings above information, each once for every service that it is about."""
    servers = {pool.name: server_of(pool) for pool in pools}
    return tuple(
        Found(server, finding.code, finding.name, str(finding.severity), finding.title)
        for finding in findings
        if finding.severity != Severity.INFO
        for server in dict.fromkeys(servers[name] for name in finding.pools)
    )


def server_of(pool: Pool) -> Endpoint:
    c = pool.connections
    return Endpoint(c.address(int(c.server_ip[0])), int(c.server_port[0]))
