"""Cut the connection table into pools, and drop connections that are another one seen again under other addresses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcapdiag.model.tables import Column, ConnectionTable, ExchangeTable
from pcapdiag.pools.mixed import parted
from pcapdiag.pools.pool import SECOND, Pool


def aliases(connections: ConnectionTable) -> Column:
    """For each row the number of the connection that it repeats, 0 for none.

    The same connection on the two sides of a NAT, or on a container's and its host's interface, has the same initial
    sequence numbers both ways (by chance that happens once in 2^64) and carries the same bytes.  Numbers of 16 bits are
    left out: hand-made packets count from 0 or 1000.
    """
    alias = np.zeros(len(connections), dtype=np.int64)
    both = np.flatnonzero((connections.client_isn > 0xFFFF) & (connections.server_isn > 0xFFFF))
    if len(both) < 2:
        return alias
    pair = (connections.client_isn[both].astype(np.uint64) << np.uint64(32)) | connections.server_isn[both].astype(
        np.uint64
    )
    ordered = np.sort(pair)
    if not (ordered[1:] == ordered[:-1]).any():
        return alias
    order = np.argsort(pair, kind="stable")
    repeats = np.flatnonzero(ordered[1:] == ordered[:-1])
    for at in repeats:
        first, second = both[order[at]], both[order[at + 1]]
        original = alias[first] or connections.number[first]
        near = abs(int(connections.first_at[second]) - int(connections.first_at[first])) < SECOND
        near = near and all(
            connections.columns[name][first] == connections.columns[name][second]
            for name in ("client_bytes", "server_bytes")
        )
        differs = any(
            connections.columns[name][first] != connections.columns[name][second]
            for name in ("client_ip", "server_ip", "client_port", "server_port")
        )
        if near and differs:
            alias[second] = original
    return alias


def partition(
    connections: ConnectionTable,
    exchanges: ExchangeTable,
    keep: NDArray[np.bool_],
    start: int,
    end: int,
    most: int | None = None,
) -> list[Pool]:
    """Pools, most connections first.

    One client address may hide several programs: connections whose first requests name different User-Agents are
    different pools.  Connections that name none (unused ones, TLS) go with the address's largest.  Connections that are
    never used again beside others that are become a pool of their own.

    With ``most``, of more client programs and services than that, those that sent the most packets: a scan, or a flood
    of forged addresses, makes a hundred thousand pools of one connection, and each takes a millisecond to judge.
    """
    rows = np.flatnonzero(keep)
    if not len(rows):
        return []
    c = connections.take(rows)
    agent = c.user_agent.astype(np.int64)
    addresses = len(connections.strings)
    place = (c.client_ip.astype(np.int64) * addresses + c.server_ip) * 65_536 + c.server_port
    _, service = np.unique(place, return_inverse=True)
    # The largest named program of each client and service takes in the nameless connections without requests.
    agents = int(agent.max()) + 1
    keys, counts = np.unique(service * agents + agent, return_counts=True)
    best: dict[int, tuple[int, int]] = {}
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        where, name = divmod(key, agents)
        if name and count > best.get(where, (0, 0))[0]:
            best[where] = (count, name)
    if best:
        chosen = np.zeros(int(service.max()) + 1, dtype=np.int64)
        for where, (_, name) in best.items():
            chosen[where] = name
        nameless = (agent == 0) & (c.requests == 0)
        agent = np.where(nameless, chosen[service], agent)
    group = service * agents + agent
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order])) + 1
    members = np.split(order, bounds)
    if most is not None and len(members) > most:
        packets = np.add.reduceat((c.client_packets + c.server_packets)[order], np.concatenate([[0], bounds]))
        chosen_ones = np.sort(np.argsort(-packets, kind="stable")[:most])
        members = [members[at] for at in chosen_ones.tolist()]
    first = np.searchsorted(exchanges.connection, np.arange(len(connections) + 1))
    owns = [rows[member] for member in members]
    counts_of = [first[own + 1] - first[own] for own in owns]
    tables = exchanges.grouped([_runs(first[own], each) for own, each in zip(owns, counts_of, strict=True)])
    pools: list[Pool] = []
    for own, each, mine in zip(owns, counts_of, tables, strict=True):
        mine.columns["connection"] = np.repeat(np.arange(len(own)), each)
        pools += parted(Pool("", own, connections.take(own), mine, start, end))
    pools.sort(key=lambda pool: (-len(pool.rows), int(pool.rows[0])))
    for number, pool in enumerate(pools, start=1):
        pool.name = f"p{number}"
        pool.neighbours = pools  # the list itself: who empties it lets go of every pool
    return pools


def _runs(starts: Column, counts: Column) -> NDArray[np.intp]:
    """The numbers of runs that follow each other: each from its start, as many as its count says."""
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return np.asarray(np.arange(len(offsets)) + offsets)
