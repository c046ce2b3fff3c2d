"""What a capture that runs for days may forget: all that ended before a horizon.

Open connections stay; of them, and of those that were open at the horizon, only the exchanges since.  What remains is what
a capture would show that had begun at the horizon: connections from before are midstream.  Their numbers, and those of
frames, stay what they were.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pcapdiag.connections import rows as connection_rows
from pcapdiag.connections.connection import Connection
from pcapdiag.connections.tracker import Tracker
from pcapdiag.exchanges import rows as exchange_rows
from pcapdiag.exchanges.rows import ExchangeRows
from pcapdiag.model.tables import Column, ConnectionTable, ExchangeTable
from pcapdiag.model.words import Opening
from pcapdiag.pipeline import Tables

# Columns whose numbers are indices into the strings.
STRINGS = (
    "client_ip",
    "server_ip",
    "host",
    "user_agent",
    "header_order",
    "server_software",
    "sni",
    "alpn",
    "history",
    "request_values",
    "response_order",
    "response_values",
    "ja4",
)
# The packet path counts frames in 32 bits: at this many a live capture begins again, and ``told`` puts the rest back.
FRAMES = 1 << 30
SLACK = 4  # a quarter more than the limits is kept before the work of forgetting is worth it
MARKS = 400  # of counts; a hundred in the time that is remembered
LEAST = 1_000  # connections that are kept however long judging them takes
MOST_SERVICES = 100_000  # a scan makes one of every port that it tries


@dataclass(frozen=True)
class Limits:
    """How much is kept.  A connection takes some 650 bytes, an exchange 96, an open connection two or three thousand."""

    span_ns: int = 3_600_000_000_000
    ended: int = 200_000  # connections
    exchanges: int = 2_000_000
    open: int = 100_000  # connections; beyond it the longest silent are taken for ended


class History:
    """Forgets for a tracker.

    Attributes:
        horizon: what ended before is gone, nanoseconds since the epoch; 0 while nothing was forgotten.
        forgotten: connections.
        wraps: how often the count of frames began again.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.horizon = 0
        self.forgotten = 0
        self.wraps = 0
        self.numbers: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # of the first rows, as they were before
        self.since = 0
        self.marks: deque[tuple[int, int, int]] = deque(maxlen=MARKS)  # time, packets and drops until then

    def note(self, at: int, packets: int, dropped: int) -> None:
        """Remember how many packets there were, and how many drops, for when the time before is forgotten."""
        if not self.marks or at - self.marks[-1][0] >= self.limits.span_ns // (MARKS // 4):
            self.marks.append((at, packets, dropped))
        while len(self.marks) > 1 and self.marks[1][0] <= self.horizon:
            self.marks.popleft()

    def begin_again(self, count: int, now: int) -> None:
        """Forget all connections, of which there are so many."""
        self.forgotten += count
        self.numbers = self.numbers[:0]
        self.marks.clear()
        self.horizon = self.since = now

    def keep(self, tracker: Tracker) -> bool:
        """Forget what is beyond the limits, where that is worth the work; whether anything was."""
        limits, now = self.limits, tracker.last_at
        if self.since == 0:
            self.since = now
        rows = len(tracker.flows) // 2
        if rows > limits.open:
            self.end_silent(tracker, rows - limits.open + limits.open // SLACK)
            rows = len(tracker.flows) // 2
        over = (
            tracker.count - rows > limits.ended + limits.ended // SLACK
            or tracker.exchanges.count > limits.exchanges + limits.exchanges // SLACK
            or (now - self.since > limits.span_ns + limits.span_ns // SLACK and tracker.count > 0)
        )
        if not over:
            return False
        self.forget(tracker, now - limits.span_ns)
        return True

    def halve(self) -> None:
        """From here on keep half as much, of which no less than what a screen is worth looking at for."""
        limits = self.limits
        self.limits = replace(
            limits,
            ended=max(limits.ended // 2, min(limits.ended, LEAST)),
            exchanges=max(limits.exchanges // 2, min(limits.exchanges, LEAST * 10)),
            open=max(limits.open // 2, min(limits.open, LEAST)),
        )

    def end_silent(self, tracker: Tracker, count: int) -> None:
        """Take the longest silent connections for ended."""
        alive = {half.connection.number: half.connection for half in tracker.flows.values()}
        for connection in heapq.nsmallest(count, alive.values(), key=lambda c: c.last_at):
            if connection.client is not None:
                tracker.retire(connection)

    def forget(self, tracker: Tracker, horizon: int) -> None:
        """Forget what ended before the horizon, or before a later one that the limits ask for."""
        for connection in tuple(tracker.closed):
            if connection.client is not None and connection.last_at < max(horizon, self.horizon):
                tracker.retire(connection)
        alive: dict[int, Connection] = {
            half.connection.number: half.connection for half in tracker.flows.values() if half.connection is not None
        }
        rows = tracker.rows
        wide = matrix(rows.wide_buffer, np.int64, len(connection_rows.WIDE), rows.room)
        narrow = matrix(rows.narrow_buffer, np.int32, len(connection_rows.NARROW), rows.room)
        count = tracker.count
        living = np.zeros(count, dtype=bool)
        living[np.fromiter(alive, dtype=np.int64, count=len(alive)) - 1] = True
        written = np.arange(count) < rows.count
        ended = np.flatnonzero(~living & written)
        ended_at = wide[ended, connection_rows.WIDE.index("last_at")]
        answered = exchange_times(tracker.exchanges)
        horizon = max(
            horizon, self.horizon, beyond(ended_at, self.limits.ended), beyond(answered, self.limits.exchanges)
        )
        kept = living.copy()
        kept[ended[ended_at >= horizon]] = True
        places = np.flatnonzero(kept)
        known = self.told_numbers(count)
        renumbered = np.zeros(count + 1, dtype=np.int64)
        renumbered[places + 1] = np.arange(1, len(places) + 1)

        self.forget_exchanges(tracker.exchanges, renumbered, answered >= horizon)
        inside = places[places < rows.count]
        wide[: len(inside)] = wide[inside]
        narrow[: len(inside)] = narrow[inside]
        wide[len(inside) : rows.room] = 0
        narrow[len(inside) : rows.room] = 0
        narrow[: len(inside), connection_rows.NARROW.index("number")] = np.arange(1, len(inside) + 1)
        rows.count = len(inside)
        fewer_strings(rows, narrow[: len(inside)])
        for number, connection in alive.items():
            connection.number = int(renumbered[number])
            if connection.framer is not None:
                connection.framer.connection = connection.number
        tracker.count = len(places)
        tracker.late = moved(tracker.late, renumbered)
        tracker.late_before = moved(tracker.late_before, renumbered)
        if len(tracker.services) > MOST_SERVICES:
            tracker.services.clear()
            tracker.served = b""
        self.forgotten += count - len(places)
        self.numbers = known[places]
        self.horizon = horizon
        self.since = horizon

    def forget_exchanges(self, table: ExchangeRows, renumbered: Column, recent: NDArray[np.bool_]) -> None:
        wide = matrix(table.wide_buffer, np.int64, len(exchange_rows.WIDE), table.count)
        narrow = matrix(table.narrow_buffer, np.int32, len(exchange_rows.NARROW), table.count)
        owner = renumbered[narrow[:, 0]]
        kept = np.flatnonzero(recent & (owner > 0))
        wide[: len(kept)] = wide[kept]
        narrow[: len(kept)] = narrow[kept]
        narrow[: len(kept), 0] = owner[kept]
        table.count = len(kept)

    def told_numbers(self, count: int) -> NDArray[np.int64]:
        """The numbers by which connections were told to the user, for as many rows."""
        first = len(self.numbers)
        return np.concatenate([self.numbers, np.arange(first + 1, count + 1) + self.forgotten])[:count]

    def told(self, tables: Tables) -> Tables:
        """Tables as a capture from the horizon on would give them, with the numbers that were told before."""
        c, x = tables.connections, tables.exchanges
        if self.wraps:
            unwrapped(c, tables.counters.packets)
            unwrapped(x, tables.counters.packets)
        if not self.horizon:
            return tables
        c.columns["number"] = self.told_numbers(len(c))
        early = np.flatnonzero(c.first_at < self.horizon)
        carried = np.bincount(x.connection, minlength=len(c))
        for name, value in (
            ("first_at", self.horizon),
            ("opening", Opening.MIDSTREAM),
            ("established_at", 0),
            ("rtt_ns", -1),
            ("server_rtt_ns", -1),
            ("syn_at", 0),
            ("synack_at", 0),
            ("syn_count", 0),
            ("synack_count", 0),
        ):
            change(c, name, early, value)
        change(c, "requests", early, np.minimum(carried[early], c.requests[early]))
        change(c, "responses", early, np.minimum(carried[early], c.responses[early]))
        _, packets, dropped = next((mark for mark in reversed(self.marks) if mark[0] <= self.horizon), (0, 0, 0))
        counters = replace(tables.counters, first_at=self.horizon, forgotten_packets=packets, forgotten_dropped=dropped)
        return replace(tables, counters=counters)

    @property
    def wraps_frames(self) -> int:
        """Frames that the count does not show any more."""
        return self.wraps * FRAMES

    def rewind(self, frames: int) -> int:
        """The count of frames to go on with; less by ``FRAMES`` once there are as many."""
        if frames < FRAMES:
            return frames
        self.wraps += 1
        return frames - FRAMES


def beyond(times: Column, most: int) -> int:
    """The time from which on there are at most so many, 0 where there are no more anyway."""
    if len(times) <= most:
        return 0
    return int(np.partition(times, len(times) - most)[len(times) - most])


def exchange_times(table: ExchangeRows) -> Column:
    """When each exchange ended, as far as it did."""
    wide = matrix(table.wide_buffer, np.int64, len(exchange_rows.WIDE), table.count)
    return np.asarray(wide[:, :4].max(axis=1, initial=0))


def matrix(buffer: object, kind: type[np.signedinteger], width: int, rows: int) -> Column:
    """A view of the first rows of a matrix of the packet path."""
    return np.frombuffer(buffer, dtype=kind, count=width * rows).reshape(rows, width)  # type: ignore[call-overload,no-any-return]


def fewer_strings(rows: connection_rows.ConnectionRows, narrow: Column) -> None:
    """Keep the strings that rows point at, and let the rows point at their new places."""
    before = rows.strings.values
    columns = [connection_rows.NARROW.index(name) for name in STRINGS]
    used = np.unique(narrow[:, columns]) if len(narrow) else np.zeros(0, dtype=np.int64)
    strings = connection_rows.Strings()
    places = np.zeros(len(before), dtype=np.int32)
    for index in used.tolist():
        if index:
            places[index] = len(strings.values)
            strings.numbers[before[index]] = len(strings.values)
            strings.values.append(before[index])
    for column in columns:
        narrow[:, column] = places[narrow[:, column]]
    rows.strings = strings
    rows.histories = {}
    np.frombuffer(rows.recent_buffer, dtype=np.uint64)[:] = 0


def moved(late: dict[bytes, int], renumbered: Column) -> dict[bytes, int]:
    """The memory of late packets with new numbers; the sign says which end is the client."""
    out = {}
    for key, number in late.items():
        place = int(renumbered[abs(number)]) if abs(number) < len(renumbered) else 0
        if place:
            out[key] = place if number > 0 else -place
    return out


def change(table: ConnectionTable, name: str, rows: NDArray[np.intp], value: int | Column) -> None:
    """Other values in some rows of a column, which may be one of zeros that takes no room."""
    column = table.columns[name].copy()
    column[rows] = value
    table.columns[name] = column


def unwrapped(table: ConnectionTable | ExchangeTable, frames: int) -> None:
    """Numbers of frames as they were before the count began again: the latest that fits."""
    for name in tuple(table.columns):
        if name.endswith("_frame"):
            column = table.columns[name].astype(np.int64)
            table.columns[name] = np.where(column > 0, column + FRAMES * ((frames - column) // FRAMES), 0)
