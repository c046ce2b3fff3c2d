"""A pool's columns and what follows from them: who closed, how, when connections were busy and idle.

Everything is computed on first use: a capture may hold thousands of pools of which few are worth a second look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from pcapdiag.model.flags import BOUND, METHODS, REQUEST_CLOSE, RESPONSE_CLOSE, RESPONSE_COMPLETE, TURN, UPGRADED
from pcapdiag.model.tables import Column, ConnectionTable, ExchangeTable
from pcapdiag.model.words import CloseClass, Opening, Protocol, Side
from pcapdiag.pools import timeline

Mask = NDArray[np.bool_]
CONNECT = METHODS.index("CONNECT")

MILLISECOND = 1_000_000
SECOND = 1_000_000_000

# A close this soon after the last byte was decided by the response, not by a timer: a scheduler's delay and an event
# loop's turn stay below 50 ms; on long paths four round trips cover the ACKs in between.  In 16 captures of overflowing
# idle pools that is 98.8% or more of the closes of each.
IMMEDIATE = 50 * MILLISECOND
# An idle connection could have been taken only by someone who knew of it before and did not lose it while dialling.
GUARD = 20 * MILLISECOND
# A TLS handshake takes a round trip or two, and signatures that a busy machine gets to late: 120 ms were measured with
# both ends on two cores.  Whatever takes longer waited for something else.
LONGEST_HANDSHAKE = 250 * MILLISECOND


class Fate(IntEnum):
    """How an idle interval ended."""

    REUSED = 0
    CLOSED = 1
    CAPTURE_END = 2


@dataclass(frozen=True)
class Idle:
    """Idle intervals of a pool's connections, parallel arrays sorted by connection, then time."""

    start: Column
    end: Column
    connection: Column  # row in the pool
    fate: Column  # Fate
    fresh: Mask  # ahead of the first request: dialled, not used yet


class Pool:
    """Connections of one client address to one service.

    Args:
        name: "p1", "p2", ...
        rows: the pool's rows in the whole table, for evidence.
        connections: their columns.
        exchanges: their exchanges; ``connection`` counts within the pool.
        start, end: of the capture, nanoseconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        rows: NDArray[np.intp],
        connections: ConnectionTable,
        exchanges: ExchangeTable,
        start: int,
        end: int,
    ) -> None:
        self.name = name
        self.rows = rows
        self.connections = connections
        self.exchanges = exchanges
        self.start = start
        self.end = end
        self.known: dict[tuple[object, ...], Any] = {}  # results of once_per_pool functions
        self.neighbours: Sequence[Pool] = ()  # all pools of the capture, this one among them: a proxy's other leg, ...
        self.beside: Pool | None = None  # of connections never used again: those between the same ends that are

    # -- connections

    @property
    def size(self) -> int:
        return len(self.connections)

    @cached_property
    def tiny(self) -> bool:
        """Too small for any pattern: nearly every rule wants three connections or ten requests.  A scan makes thousands.

        What shows on a single message needs no more than a few of those: a reader that stops its sender, bodies that wait
        for a 100 Continue, segments that wait for a delayed ACK.
        """
        if self.size >= 3 or self.requests >= 10:
            return False
        c = self.connections
        shown = int(c.expect_waits.sum() + c.client_stalls.sum() + c.server_stalls.sum())
        return not (c.client_zero_window.any() or c.server_zero_window.any() or shown >= 3)

    @cached_property
    def dialled(self) -> Mask:
        """Connections whose handshake the capture shows."""
        return np.asarray(self.connections.opening == Opening.HANDSHAKE)

    @cached_property
    def usable(self) -> Mask:
        """Connections that were established, seen from the start or not."""
        return np.asarray(
            (self.connections.opening == Opening.HANDSHAKE) | (self.connections.opening == Opening.MIDSTREAM)
        )

    @cached_property
    def used(self) -> Mask:
        """Connections that carried a request."""
        return np.asarray(self.usable & (self.connections.requests > 0))

    @cached_property
    def whole(self) -> Mask:
        """Used connections seen from their start, so that "one request" means one."""
        return np.asarray(self.used & self.dialled)

    @cached_property
    def closed(self) -> Mask:
        return np.asarray(self.connections.close_at > 0)

    @cached_property
    def requests(self) -> int:
        return int(self.connections.requests.sum())

    @cached_property
    def protocol(self) -> Protocol:
        """What most of the connections speak."""
        spoken = self.connections.protocol[self.connections.protocol > 0]
        return Protocol(int(np.bincount(spoken).argmax())) if len(spoken) else Protocol.UNKNOWN

    @property
    def encrypted(self) -> bool:
        return self.protocol == Protocol.TLS

    @cached_property
    def rtt(self) -> int:
        """Median handshake round trip in nanoseconds; 0 when no handshake was seen whole."""
        known = self.connections.rtt_ns[self.connections.rtt_ns >= 0]
        return int(np.median(known)) if len(known) else 0

    @cached_property
    def immediate_limit(self) -> int:
        return max(4 * self.rtt, IMMEDIATE)

    @cached_property
    def guard(self) -> int:
        return max(3 * self.rtt, GUARD)

    @cached_property
    def gone_at(self) -> Column:
        """When a connection stopped being there for use: its close, or just past the capture's end."""
        return np.where(self.closed, self.parted_at, self.end + 1)

    @cached_property
    def parted_at(self) -> Column:
        """When the close was decided: a TLS library that reads when it is asked to answers a goodbye at its next use."""
        c = self.connections
        return np.where((c.goodbye_at > 0) & (c.goodbye_at < c.close_at), c.goodbye_at, c.close_at)

    @cached_property
    def ready_at(self) -> Column:
        c = self.connections
        return np.where(c.established_at > 0, c.established_at, c.first_at)

    @cached_property
    def usable_from(self) -> Column:
        """When a connection could carry a request: with TLS not before its handshake, which the table does not time.

        A program that dials TLS has a request waiting, which leaves as soon as it can: the pool's median from TCP's
        handshake to the first request is what the TLS handshake takes there.
        """
        has = self.dialled & (self.last_exchange >= 0)
        if not self.encrypted or not has.any():
            return self.ready_at
        taken = self.exchanges.request_first_at[self.first_exchange[has]] - self.ready_at[has]
        usual = min(int(np.median(taken)), LONGEST_HANDSHAKE + 2 * self.rtt)
        return np.where(self.dialled, self.ready_at + max(usual, 0), self.ready_at)

    @cached_property
    def linger(self) -> Column:
        """Silence ahead of the close in nanoseconds, -1 for open connections."""
        c = self.connections
        quiet_from = np.maximum(np.where(c.last_exchange_at > 0, c.last_exchange_at, self.ready_at), 0)
        return np.where(self.closed, np.maximum(self.parted_at - quiet_from, 0), -1)

    @cached_property
    def age(self) -> Column:
        """From first packet to close in nanoseconds, -1 for open connections."""
        return np.where(self.closed, self.connections.close_at - self.connections.first_at, -1)

    # -- exchanges

    @cached_property
    def first_exchange(self) -> Column:
        """Row of each connection's first exchange; meaningless where there is none."""
        return np.searchsorted(self.exchanges.connection, np.arange(self.size))

    @cached_property
    def last_exchange(self) -> Column:
        """Row of each connection's last exchange, -1 where there is none."""
        after = np.searchsorted(self.exchanges.connection, np.arange(self.size), side="right")
        return np.where(after > self.first_exchange, after - 1, -1)

    @cached_property
    def last_flags(self) -> Column:
        """Flags of each connection's last exchange, 0 where there is none."""
        flags = np.zeros(self.size, dtype=np.int64)
        there = self.last_exchange >= 0
        flags[there] = self.exchanges.flags[self.last_exchange[there]]
        return flags

    @cached_property
    def last_status(self) -> Column:
        status = np.zeros(self.size, dtype=np.int64)
        there = self.last_exchange >= 0
        status[there] = self.exchanges.status[self.last_exchange[there]]
        return status

    @cached_property
    def client_asked(self) -> Mask:
        """The last request asked for the close."""
        return np.asarray((self.last_flags & REQUEST_CLOSE) != 0)

    @cached_property
    def server_said(self) -> Mask:
        """The last response announced the close, and the request had not asked for it."""
        return np.asarray(((self.last_flags & RESPONSE_CLOSE) != 0) & ~self.client_asked)

    @cached_property
    def close_class(self) -> Column:
        """Why each connection closed (``CloseClass``)."""
        c = self.connections
        kinds = np.full(self.size, CloseClass.SILENT, dtype=np.int64)
        kinds[self.linger <= self.immediate_limit] = CloseClass.IMMEDIATE
        kinds[self.client_asked | self.server_said] = CloseClass.SIGNALLED
        kinds[(c.open_request != 0) | self.cut_short] = CloseClass.OPEN_REQUEST
        kinds[c.requests == 0] = CloseClass.UNUSED
        kinds[~self.closed] = CloseClass.OPEN
        return kinds

    @cached_property
    def heads_hidden(self) -> Mask:
        """Connections whose last exchange's headers cannot be read: encrypted, or cut off by the snaplen or a gap.

        A snaplen that leaves the TCP header only makes every protocol opaque.
        """
        c = self.connections
        carried = c.client_bytes + c.server_bytes
        bare = (c.protocol == Protocol.OPAQUE) & (c.truncated_bytes > 0) & (2 * c.truncated_bytes >= carried)
        return np.asarray(((self.last_flags & BOUND) != 0) | self.encrypted | bare)

    @cached_property
    def cut_short(self) -> Mask:
        """Closed by the client while the server was still sending, where the response's own length was not captured."""
        c = self.connections
        going_on = (c.server_last_data_at > c.close_at) & self.closed & (self.closer == Side.CLIENT)
        return np.asarray(going_on & ((self.last_flags & BOUND) != 0))

    @cached_property
    def closer(self) -> Column:
        """Who wanted the close: who said an in-band goodbye, else the initiator where it is decidable, else the wire order.

        A server that reads the client's close_notify or Terminate closes before the client's kernel has said anything:
        it left ESTABLISHED first, and yet it only answered.
        """
        c = self.connections
        began = np.where(c.initiator == Side.UNDECIDABLE, c.closer, c.initiator)
        return np.where(self.closed & (c.goodbye != Side.NONE), c.goodbye, began)

    @cached_property
    def busy_from(self) -> Column:
        return self.exchanges.request_first_at

    @cached_property
    def busy_until(self) -> Column:
        """When each exchange set its connection free; one without an answer holds it to the end.

        So does an upgrade, whatever flows.  A CONNECT holds it until the last byte where all ask for one host: what
        comes to the same host through another tunnel could have come through this one.
        """
        x = self.exchanges
        done = (x.flags & (RESPONSE_COMPLETE | TURN)) != 0
        upgraded = (x.flags & UPGRADED) != 0
        done &= (x.response_last_at > 0) & ~upgraded
        held = self.gone_at[x.connection]
        until = np.where(done, x.response_last_at, np.maximum(held, x.request_first_at))
        tunnels = upgraded & (x.method == CONNECT)
        if tunnels.any():
            hosts = self.connections.host[x.connection[tunnels]]
            if (hosts == hosts[0]).all():
                c = self.connections
                last = np.maximum(c.client_last_data_at, c.server_last_data_at)[x.connection[tunnels]]
                until[tunnels] = np.minimum(until[tunnels], np.maximum(last, x.response_last_at[tunnels]))
        return until

    @cached_property
    def idle(self) -> Idle:
        """Every interval in which a connection was there and carried nothing."""
        x = self.exchanges
        connection = x.connection
        until = self.busy_until
        ending = np.where(self.closed, Fate.CLOSED, Fate.CAPTURE_END)
        following = np.full(len(x), -1, dtype=np.int64)
        following[:-1] = np.where(connection[1:] == connection[:-1], x.request_first_at[1:], -1)
        gone = self.gone_at.take(connection)
        # What is sent after the close does not use the connection, and no silence was survived.
        reused = (following >= 0) & (following <= gone)
        # Ahead of the first request.
        rows = np.flatnonzero(self.usable)
        has = self.last_exchange[rows] >= 0
        first_request = np.full(len(rows), -1, dtype=np.int64)
        first_request[has] = x.request_first_at[self.first_exchange[rows[has]]]
        # Each stands in front of its connection's exchanges, which are in order of their connections.
        fresh = np.zeros(len(rows) + len(x), dtype=bool)
        fresh[self.first_exchange[rows] + np.arange(len(rows))] = True
        places, others = np.flatnonzero(fresh), np.flatnonzero(~fresh)

        def merged(ahead: Column, behind: Column) -> Column:
            values = np.empty(len(fresh), dtype=np.int64)
            values[places] = ahead
            values[others] = behind
            return values

        start = merged(self.usable_from[rows], until)
        stop = merged(np.where(has, first_request, self.gone_at[rows]), np.where(reused, following, gone))
        owner = merged(rows, connection)
        fates = merged(np.where(has, Fate.REUSED, ending[rows]), np.where(reused, Fate.REUSED, ending.take(connection)))
        keep = np.flatnonzero(stop > start)
        start, stop, owner, fates = (values.take(keep) for values in (start, stop, owner, fates))
        fresh = fresh.take(keep)
        # All but always they are in order of their times, too.
        if ((owner[1:] == owner[:-1]) & (start[1:] <= start[:-1])).any():
            order = np.lexsort((fresh, start, owner))
            return Idle(start[order], stop[order], owner[order], fates[order], fresh[order])
        return Idle(start, stop, owner, fates, fresh)

    # -- concurrency

    @cached_property
    def peak_open(self) -> int:
        c = self.connections
        return timeline.peak(c.first_at[self.usable], self.gone_at[self.usable])

    @cached_property
    def peak_busy(self) -> int:
        return int(self.busy_steps[1].max(initial=0))

    @cached_property
    def busy_steps(self) -> tuple[Column, Column]:
        """How many connections are busy, as a step function (:func:`timeline.steps`)."""
        return timeline.steps(self.busy_from, self.busy_until)

    @cached_property
    def peak_idle(self) -> int:
        return timeline.peak(self.idle.start, self.idle.end)

    # -- reuse

    @cached_property
    def single(self) -> float:
        """Share of connections, seen whole and used, that carried exactly one request."""
        seen = self.connections.requests[self.whole]
        return float((seen == 1).mean()) if len(seen) else 0.0

    @cached_property
    def mean_requests(self) -> float | None:
        used = int(self.used.sum())
        return self.requests / used if used else None

    @cached_property
    def missed(self) -> Mask:
        """For each dialled connection: whether another one sat idle that was never used again.

        Idle since half the guard before the SYN and for a whole guard after it; without the guard two thirds of the
        dials in an overflow burst would look like misses.
        """
        return self.idle_nearby(self.idle.fate != Fate.REUSED)

    @cached_property
    def passed_over(self) -> Mask:
        """Likewise, but the idle one was used again later: somebody else's, behind the same address."""
        return self.idle_nearby(self.idle.fate == Fate.REUSED) & ~self.missed

    def idle_nearby(self, which: Mask) -> Mask:
        """For each dialled connection: whether one of these idle intervals spans its dial, with the guard."""
        opened = self.connections.first_at
        start = self.idle.start[which] + self.guard // 2
        end = self.idle.end[which] - self.guard
        long_enough = end > start
        level = timeline.level(opened, start[long_enough], end[long_enough])
        return np.asarray((level > 0) & self.dialled)

    @cached_property
    def missed_rate(self) -> float | None:
        """Missed dials per dial, the first one left out: it could not reuse anything."""
        dials = int(self.dialled.sum())
        return float(self.missed.sum()) / (dials - 1) if dials > 1 else None

    # -- rates

    @cached_property
    def active_ns(self) -> int:
        """From the first to the last sign of life of the pool."""
        if not self.size:
            return 0
        return int(self.connections.last_at.max() - self.connections.first_at.min())

    @cached_property
    def demand_ns(self) -> int:
        """From the first dial or request to the last: the time in which the client wanted something."""
        times = np.concatenate([self.busy_from[self.busy_from > 0], self.connections.first_at[self.dialled]])
        return int(times.max() - times.min()) if len(times) else 0

    @cached_property
    def opens_per_second(self) -> float | None:
        """Dials per second over the time of demand, at least a second: a burst is no rate.  None below two dials."""
        opens = int(self.dialled.sum())
        return (opens - 1) / (max(self.demand_ns, SECOND) / SECOND) if opens > 1 else None

    @cached_property
    def requests_per_second(self) -> float | None:
        """Requests per second, likewise."""
        return (self.requests - 1) / (max(self.demand_ns, SECOND) / SECOND) if self.requests > 1 else None

    def text(self, column: str) -> str | None:
        """The commonest value of a string column, None when there is none."""
        values = self.connections.columns[column]
        values = values[values > 0]
        return self.connections.text(int(np.bincount(values).argmax())) if len(values) else None


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def once_per_pool(
    infer: Callable[Concatenate[Pool, Arguments], Result],
) -> Callable[Concatenate[Pool, Arguments], Result]:
    """Keep an inference's result with its pool: several rules and the report ask the same question."""

    @wraps(infer)
    def remembered(pool: Pool, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        key = (infer, *args, *kwargs.items())
        if key not in pool.known:
            pool.known[key] = infer(pool, *args, **kwargs)
        result: Result = pool.known[key]
        return result

    return remembered
