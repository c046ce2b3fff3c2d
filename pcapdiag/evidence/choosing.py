"""Which packets are a connection's: those between its ends, from its first one to the next connection of those ports."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pcapdiag.model.tables import ConnectionTable
from pcapdiag.model.words import CloseKind, Opening, Protocol, Side

NEVER = 1 << 62  # a frame that no capture has


@dataclass(frozen=True)
class Wanted:
    """A connection whose packets are wanted.

    Attributes:
        number: the connection's.
        client_key: what :func:`pcapdiag.segments.segment.key_of` gives for its client's segments; ``server_key`` likewise.
        first, last: its first and last frame in the whole capture.
        until: the frame of the next connection between the same ends; what comes ahead of it belongs here.
        last_at: when the last one was captured, nanoseconds.
    """

    number: int
    client_key: bytes
    server_key: bytes
    first: int
    last: int
    until: int
    last_at: int
    protocol: Protocol
    sni: str | None
    opening: Opening
    closer: Side
    close_kind: CloseKind
    close_frame: int
    open_request: bool
    rtt_ns: int  # of its handshake, -1 where unknown


def wanted(connections: ConnectionTable, numbers: Iterable[int]) -> list[Wanted]:
    """The connections of these numbers, which the table must have, in order of number."""
    chosen = sorted(set(numbers))
    if not chosen:
        return []
    ends = [connections.columns[name] for name in ("client_ip", "server_ip", "client_port", "server_port")]
    starts = connections.first_frame
    # Connections between the same ends, whichever of them is the client, stand together in order of their first frames.
    forward = (ends[0] < ends[1]) | ((ends[0] == ends[1]) & (ends[2] <= ends[3]))
    keys = [np.where(forward, ends[one], ends[other]) for one, other in ((0, 1), (1, 0), (2, 3), (3, 2))]
    order = np.lexsort((starts, *keys))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        same &= key[order[1:]] == key[order[:-1]]
    until = np.full(len(starts), NEVER, dtype=np.int64)
    until[order[:-1][same]] = starts[order[1:]][same]
    return [_wanted(connections, number - 1, int(until[number - 1])) for number in chosen]


def _wanted(c: ConnectionTable, row: int, until: int) -> Wanted:
    client, server = c.strings[int(c.client_ip[row])], c.strings[int(c.server_ip[row])]
    ports = int(c.client_port[row]).to_bytes(2, "big"), int(c.server_port[row]).to_bytes(2, "big")
    return Wanted(
        number=row + 1,
        client_key=client + server + ports[0] + ports[1],
        server_key=server + client + ports[1] + ports[0],
        first=int(c.first_frame[row]),
        last=int(c.last_frame[row]),
        until=until,
        last_at=int(c.last_at[row]),
        protocol=Protocol(int(c.protocol[row])),
        sni=c.text(int(c.sni[row])),
        opening=Opening(int(c.opening[row])),
        closer=Side(int(c.closer[row])),
        close_kind=CloseKind(int(c.close_kind[row])),
        close_frame=int(c.close_frame[row]),
        open_request=bool(c.open_request[row]),
        rtt_ns=int(c.rtt_ns[row]),
    )


class ByKey:
    """Wanted connections, to be found by a segment's addressing bytes and frame."""

    def __init__(self, chosen: Iterable[Wanted]) -> None:
        self.lives: dict[bytes, tuple[list[int], list[Wanted]]] = {}
        for one in sorted(chosen, key=lambda one: one.first):
            for key in {one.client_key, one.server_key}:
                starts, lives = self.lives.setdefault(key, ([], []))
                starts.append(one.first)
                lives.append(one)

    def find(self, key: bytes, frame: int) -> Wanted | None:
        """The connection whose packet this is, if it is wanted."""
        found = self.lives.get(key)
        if found is None:
            return None
        at = bisect_right(found[0], frame) - 1
        return found[1][at] if at >= 0 and frame < found[1][at].until else None
