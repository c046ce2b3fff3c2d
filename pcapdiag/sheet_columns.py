"""Turn tables and pools into the columns that other programs get: numbers into words, zeros into nulls.

As :mod:`pcapdiag.report_rows` for reports, but by column: a capture may have millions of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pcapdiag.interchange.connections import CONNECTIONS
from pcapdiag.interchange.exchanges import EXCHANGES
from pcapdiag.interchange.sheet import Cells, Sheet, constant
from pcapdiag.model.flags import (
    BOUND,
    EXPECT,
    METHODS,
    PIPELINED,
    REQUEST_CLOSE,
    REQUEST_COMPLETE,
    REQUEST_HTTP10,
    REQUEST_SEEN,
    RESPONSE_CLOSE,
    RESPONSE_COMPLETE,
    RESPONSE_HTTP10,
    RESPONSE_SEEN,
    TURN,
    UNTIL_CLOSE,
    UPGRADED,
)
from pcapdiag.model.tables import Column, ConnectionTable, ExchangeTable
from pcapdiag.model.words import (
    CloseClass,
    CloseKind,
    ConnState,
    Count,
    ExchangeOutcome,
    Opening,
    Protocol,
    Side,
    TcpState,
    Word,
)
from pcapdiag.pools.pool import IMMEDIATE, Pool
from pcapdiag.reports.escape import json_text

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

VERSIONS = ("HTTP/1.1", "HTTP/1.0")  # by the bit that says 1.0


class Membership:
    """For each row of the whole connection table what only its pool knows.

    Pool by pool that would take as long as a diagnosis where a scan made thousands of pools of one connection.

    Args:
        table, exchanges: of the whole capture.
        pools: those of the kept connections; emptied, they are not needed any more.
        repeated: rows of connections that belong to no pool: they repeat another.
    """

    def __init__(
        self, table: ConnectionTable, exchanges: ExchangeTable, pools: list[Pool], repeated: Rows, end: int
    ) -> None:
        self.names = [pool.name for pool in pools]
        self.pool = np.full(len(table), -1, dtype=np.int32)
        for number, pool in enumerate(pools):
            self.pool[pool.rows] = number
        pools.clear()
        group = self.pool.astype(np.int64)
        group[repeated] = len(self.names)
        rows = np.flatnonzero(group >= 0)
        whole = Everyone(table, exchanges, self.pool >= 0, rows, end)
        whole.limits = immediate_limits(whole.connections.rtt_ns, group[rows])
        self.close_class = np.zeros(len(table), dtype=np.int64)
        self.linger = np.full(len(table), -1, dtype=np.int64)
        self.close_class[rows] = whole.close_class
        self.linger[rows] = whole.linger

    def cells(self, rows: Rows) -> Cells:
        """The names of the pools of some connections."""
        place = self.pool[rows]
        if (place < 0).all():
            return constant(None, len(rows))
        return Cells(np.maximum(place, 0), place < 0, self.names).present()


class Everyone(Pool):
    """Connections of all pools as if they were one, but that each has the limit of its own pool.

    Args:
        table, exchanges: of the whole capture.
        with_exchanges: connections whose exchanges count.
        rows: its connections.
        end: of the capture.
    """

    limits: Column

    def __init__(
        self, table: ConnectionTable, exchanges: ExchangeTable, with_exchanges: Mask, rows: Rows, end: int
    ) -> None:
        if len(rows) < len(table):
            mine = np.flatnonzero(with_exchanges[exchanges.connection])
            of = np.searchsorted(rows, exchanges.connection[mine])
            exchanges, table = exchanges.take(mine), table.take(rows)
            exchanges.columns["connection"] = of
        elif not with_exchanges.all():
            exchanges = exchanges.take(np.flatnonzero(with_exchanges[exchanges.connection]))
        super().__init__("", rows, table, exchanges, 0, end)

    @property
    def immediate_limit(self) -> Column:  # type: ignore[override]  # one for each connection
        return self.limits


def immediate_limits(rtt: Column, group: Column) -> Column:
    """For each connection the ``immediate_limit`` of its group: from the median round trip of those that have one."""
    known = np.flatnonzero(rtt >= 0)
    order = known[np.lexsort((rtt[known], group[known]))]
    count = np.bincount(group[known], minlength=int(group.max()) + 1)
    start = np.cumsum(count) - count
    some = np.flatnonzero(count)
    ordered = rtt[order]
    median = np.zeros(len(count), dtype=np.int64)
    median[some] = (ordered[(start + (count - 1) // 2)[some]] + ordered[(start + count // 2)[some]]) // 2
    return np.maximum(4 * median, IMMEDIATE)[group]


class Files:
    """Frames counted through all files, as each file numbers them.

    Args:
        starts: for each file the frames ahead of it and its path, in reading order.
    """

    def __init__(self, starts: Sequence[tuple[int, str]]) -> None:
        self.ahead = np.array([ahead for ahead, _ in starts] or [0], dtype=np.int64)
        self.names = [json_text(path) for _, path in starts]

    def cells(self, frames: Column, missing: Mask | None = None) -> tuple[Cells, Cells]:
        """Frame numbers, and the files that they count in: nulls where there is but one."""
        if len(self.ahead) < 2:
            return Cells(frames, missing).present(), constant(None, len(frames))
        place = np.maximum(np.searchsorted(self.ahead, frames) - 1, 0).astype(np.int32)
        return Cells(frames - self.ahead[place], missing).present(), Cells(place, missing, self.names).present()


def connection_sheet(
    table: ConnectionTable, rows: Rows, alias: Column, membership: Membership, starts: Sequence[tuple[int, str]]
) -> Sheet:
    """These rows of the connection table, in their order."""
    c = table if len(rows) == len(table) else table.take(rows)
    files = Files(starts)
    open_still = np.asarray(c.close_at == 0)
    first, first_file = files.cells(c.first_frame)
    last, last_file = files.cells(c.last_frame)
    closing, closing_file = files.cells(c.close_frame, open_still)
    made: dict[str, Cells] = {
        "client_ip": addresses(c, c.client_ip),
        "server_ip": addresses(c, c.server_ip),
        "pool": membership.cells(rows),
        "opening": words(Opening, c.opening),
        "opened_at": Cells(c.first_at),
        "handshake_rtt_s": Cells(c.rtt_ns, c.rtt_ns < 0).present(),
        "requests_basis": words(Count, c.basis),
        "closer": words(Side, c.closer),
        "initiator": words(Side, c.initiator),
        "close_kind": words(CloseKind, c.close_kind),
        "close_class": words(CloseClass, membership.close_class[rows]),
        "linger_s": Cells(membership.linger[rows], open_still).present(),
        "open_request_at_close": Cells((c.open_request != 0) & ~open_still),
        "client_state": words(TcpState, c.client_state),
        "server_state": words(TcpState, c.server_state),
        "protocol": words(Protocol, c.protocol),
        **{name: texts(c, c.columns[name]) for name in ("alpn", "sni", "host", "user_agent", "server_software")},
        "conn_state": words(ConnState, c.conn_state),
        "history": empty_for_null(texts(c, c.history)),
        "roles_inferred": Cells(c.roles_inferred != 0),
        "alias_of": Cells(alias[rows], alias[rows] == 0).present(),
        "first_frame": first,
        "last_frame": last,
        "closing_frame": closing,
        "closed_at": Cells(c.close_at, open_still).present(),
        "first_file": first_file,
        "last_file": last_file,
        "closing_file": closing_file,
    }
    # All others are columns of the table under the same name.
    return Sheet(
        CONNECTIONS,
        {name: made[name] if name in made else Cells(c.columns[name]) for name in CONNECTIONS.names},
    )


def exchange_sheet(
    connections: ConnectionTable,
    exchanges: ExchangeTable,
    kept: Mask,
    membership: Membership,
    starts: Sequence[tuple[int, str]],
) -> Sheet:
    """The exchanges of the kept connections."""
    of = np.asarray(exchanges.connection)
    x = exchanges if kept.all() else exchanges.take(np.flatnonzero(kept[of]))
    of = x.connection
    c = connections
    flags = x.flags
    index = place_on_connection(of)
    turn = has(flags, TURN)
    asked = has(flags, REQUEST_SEEN)
    # A response that is only known from acknowledgments has no bytes, and its times are the request's.
    answered = has(flags, RESPONSE_SEEN) & (x.response_bytes > 0) & (x.response_first_at > 0)
    ended = answered & (has(flags, RESPONSE_COMPLETE) | turn)
    unasked, unanswered = ~asked, ~answered
    first_byte = x.response_first_at - x.request_last_at
    whole_at = np.maximum(x.response_first_at, x.response_last_at)  # packets may have overtaken each other
    idle, known = idle_gap(x, whole_at, asked & ended_before(index, ended))
    files = Files(starts)
    frames = {
        name: files.cells(x.columns[column], missing)
        for name, column, missing in (
            ("request", "request_first_frame", unasked),
            ("request_end", "request_last_frame", unasked),
            ("response", "response_first_frame", unanswered),
            ("response_end", "response_last_frame", unanswered),
        )
    }
    no_request_head, no_response_head = unasked | turn, unanswered | turn
    host = np.where(c.host > 0, c.host, c.sni)[of]
    made: dict[str, Cells] = {
        "connection": Cells(c.number[of]),
        "request_number": Cells(index),
        "client_ip": addresses(c, c.client_ip[of]),
        "client_port": Cells(c.client_port[of]),
        "server_ip": addresses(c, c.server_ip[of]),
        "server_port": Cells(c.server_port[of]),
        "pool": membership.cells(of),
        "protocol": words(Protocol, c.protocol[of]),
        "host": texts(c, host),
        "basis": words(Count, np.where(turn, Count.TURNS, np.where(has(flags, BOUND), Count.LOWER_BOUND, Count.EXACT))),
        "method": Cells(x.method, (x.method == 0) | unasked, METHODS).present(),
        "status": Cells(x.status, (x.status == 0) | unanswered).present(),
        "request_at": Cells(x.request_first_at, unasked).present(),
        "request_end_at": Cells(x.request_last_at, unasked).present(),
        "response_at": Cells(x.response_first_at, unanswered).present(),
        "response_end_at": Cells(x.response_last_at, unanswered).present(),
        "first_byte_s": Cells(first_byte, unasked | unanswered).present(),
        "duration_s": Cells(whole_at - x.request_first_at, unasked | ~ended).present(),
        "reused": Cells(index > 1, (index == 1) & (c.opening[of] != Opening.HANDSHAKE)).present(),
        "idle_gap_s": Cells(idle, ~known).present(),
        "request_bytes": Cells(x.request_bytes, unasked).present(),
        "response_bytes": Cells(x.response_bytes, unanswered).present(),
        "request_close": Cells(has(flags, REQUEST_CLOSE), no_request_head).present(),
        "response_close": Cells(has(flags, RESPONSE_CLOSE), no_response_head).present(),
        "request_version": Cells(has(flags, REQUEST_HTTP10).astype(np.int8), no_request_head, VERSIONS).present(),
        "response_version": Cells(has(flags, RESPONSE_HTTP10).astype(np.int8), no_response_head, VERSIONS).present(),
        "keepalive_timeout_s": Cells(x.keepalive_timeout, (x.keepalive_timeout < 0) | no_response_head).present(),
        "keepalive_max": Cells(x.keepalive_max, (x.keepalive_max < 0) | no_response_head).present(),
        "interim": Cells(x.interim),
        "expects_continue": Cells(has(flags, EXPECT)),
        "pipelined": Cells(has(flags, PIPELINED)),
        "upgraded": Cells(has(flags, UPGRADED)),
        "until_close": Cells(has(flags, UNTIL_CLOSE)),
        "outcome": words(
            ExchangeOutcome, outcome(flags, answered, ended, c.close_at[of] > 0, c.server_packets[of] > 0)
        ),
        "closer": words(Side, c.closer[of]),
        **{f"{name}_frame": frame for name, (frame, _) in frames.items()},
        **{f"{name}_file": file for name, (_, file) in frames.items()},
    }
    return Sheet(EXCHANGES, {name: made[name] for name in EXCHANGES.names})


def has(flags: Column, bit: int) -> Mask:
    return np.asarray((flags & bit) != 0)


def place_on_connection(of: Column) -> Column:
    """1, 2, 3, ... within each run of the same connection."""
    if not len(of):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1]]))
    lengths = np.diff(np.append(starts, len(of)))
    return np.arange(1, len(of) + 1) - np.repeat(starts, lengths)


def ended_before(index: Column, ended: Mask) -> Mask:
    """Where the exchange ahead on the same connection had a whole response."""
    before = np.zeros(len(index), dtype=bool)
    before[1:] = ended[:-1]
    return np.asarray(before & (index > 1))


def idle_gap(x: ExchangeTable, whole_at: Column, known: Mask) -> tuple[Column, Mask]:
    """Nanoseconds of silence ahead of each request, and where they are known: not behind an upgrade."""
    gap = np.zeros(len(x), dtype=np.int64)
    gap[1:] = x.request_first_at[1:] - whole_at[:-1]
    tunnel = np.zeros(len(x), dtype=bool)
    tunnel[1:] = has(x.flags[:-1], UPGRADED)
    return gap, np.asarray(known & (gap >= 0) & ~tunnel)


def outcome(flags: Column, answered: Mask, ended: Mask, closed: Mask, server_seen: Mask) -> Column:
    """How far each exchange came (``ExchangeOutcome``)."""
    sent = has(flags, REQUEST_COMPLETE) | ~has(flags, REQUEST_SEEN)
    out = np.where(
        answered, ExchangeOutcome.RESPONSE_CUT, np.where(sent, ExchangeOutcome.UNANSWERED, ExchangeOutcome.REQUEST_CUT)
    )
    out = np.where(closed, out, ExchangeOutcome.OPEN)
    # Framing was lost, only acknowledgments tell of the response, or one side of the connection was not captured.
    lost = has(flags, BOUND) | (has(flags, RESPONSE_COMPLETE) & ~answered) | ~server_seen
    out = np.where(lost, ExchangeOutcome.UNKNOWN, out)
    return np.where(ended, ExchangeOutcome.COMPLETE, out)


def words(kind: type[Word | TcpState], numbers: Column) -> Cells:
    """A column of words from their numbers."""
    return Cells(numbers, None, [word.word for word in kind])


def texts(table: ConnectionTable, indices: Column) -> Cells:
    """A column of strings from their indices, null for the absent one."""
    return distinct(indices, table.text)


def addresses(table: ConnectionTable, indices: Column) -> Cells:
    """A column of IP addresses from their indices."""
    return distinct(indices, table.address)


def distinct(indices: Column, spelled: Callable[[int], str | None]) -> Cells:
    """Indices into all strings of a capture as indices into those that a column has."""
    if not len(indices) or (indices == indices[0]).all():
        return constant(spelled(int(indices[0])) if len(indices) else None, len(indices))
    there, place = np.unique(indices, return_inverse=True)
    values = [spelled(int(index)) for index in there]
    if values[0] is not None:
        return Cells(place.astype(np.int32), None, values)
    return Cells(np.maximum(place - 1, 0).astype(np.int32), np.asarray(indices == 0), values[1:])


def empty_for_null(cells: Cells) -> Cells:
    """Where no text is an empty text."""
    return Cells(cells.numbers, None, cells.values or [""])
