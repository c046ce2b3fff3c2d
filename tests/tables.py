"""Connections on a timeline, written in seconds, turned into the tables and pools that the judging path sees.

A line is a connection::

    0.0  0.001-0.010  1.5-1.6  client 3.6

its SYN, its exchanges (first byte of the request, last byte of the response), and who closed it when.

    1.5-       a request without an answer        1.5-1.6!   its response announces the close
    1.5-1.6?   the request asks for the close     client 3.6 rst    closed by RST instead of FIN
    server 3.6 answer 3.61   the other side's FIN; ``answer never``; without it, one round trip later
    midstream                its start was not captured (the first time is that of its first packet)
    agent=curl server_zero_window=3    any column; text columns take text

Nothing after the exchanges: it was still open when the capture ended.  Lines that start with # are remarks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pcapdiag.connections import rows as connection_rows
from pcapdiag.exchanges import rows as exchange_rows
from pcapdiag.model import flags
from pcapdiag.model.tables import ConnectionTable, ExchangeTable
from pcapdiag.model.words import CloseKind, Count, Opening, Protocol, Side, TcpState
from pcapdiag.pools.partition import partition
from pcapdiag.pools.pool import Pool

SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND  # of second 0.0
TEXT = {
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
}
SHORT = {"agent": "user_agent", "software": "server_software"}


def ns(seconds: float) -> int:
    """Nanoseconds since the epoch of a time on the timeline."""
    return EPOCH + round(seconds * SECOND)


@dataclass
class Use:
    """One exchange: first byte of the request to last byte of the response, None when it never came."""

    request: float
    response: float | None
    request_close: bool = False
    response_close: bool = False
    status: int = 200
    size: int = 200
    hint: int = -1  # Keep-Alive: timeout= of the response


@dataclass
class Life:
    """One connection; times in seconds.  ``columns`` sets columns of its row by name."""

    opened: float
    uses: Sequence[Use | tuple[float, float]] = ()
    closed: float | None = None
    by: str = "client"
    kind: str = "fin"
    answer: float | str | None = None  # of the other side; "never"
    midstream: bool = False
    columns: dict[str, int | str] = field(default_factory=dict)

    def all_uses(self) -> list[Use]:
        return [use if isinstance(use, Use) else Use(*use) for use in self.uses]


def lives(text: str) -> list[Life]:
    """Connections from their lines."""
    return [life(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def life(line: str) -> Life:
    """A connection from its line."""
    words = line.split()
    out = Life(float(words[0]))
    uses: list[Use] = []
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if word in ("client", "server"):
            out.by, out.closed = word, float(words[at])
            at += 1
        elif word == "rst":
            out.kind = "rst"
        elif word == "answer":
            out.answer = "never" if words[at] == "never" else float(words[at])
            at += 1
        elif word == "midstream":
            out.midstream = True
        elif "=" in word:
            name, value = word.split("=", 1)
            name = SHORT.get(name, name)
            out.columns[name] = value if name in TEXT else int(value)
        else:
            start, _, end = word.rstrip("?!").partition("-")
            uses.append(Use(float(start), float(end) if end else None, "?" in word, "!" in word))
    out.uses = uses
    return out


def tables(
    connections: Iterable[Life], rtt: float = 0.001, protocol: Protocol = Protocol.HTTP1
) -> tuple[ConnectionTable, ExchangeTable]:
    """The two tables.  ``rtt`` in seconds; frames are numbered by time over all connections."""
    ordered = sorted(connections, key=lambda one: one.opened)
    strings: list[bytes] = [b"", b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"]
    columns: dict[str, list[int]] = {name: [] for name in connection_rows.WIDE + connection_rows.NARROW}
    exchanges: dict[str, list[int]] = {name: [] for name in exchange_rows.WIDE + exchange_rows.NARROW}
    moments: list[tuple[int, dict[str, list[int]], int, str]] = []
    for row, one in enumerate(ordered):
        uses = one.all_uses()
        values = row_of(one, uses, row, rtt, protocol)
        for name, value in one.columns.items():
            if name in TEXT:
                text = str(value).encode("latin-1")
                if text not in strings:
                    strings.append(text)
                value = strings.index(text)
            values[name] = int(value)
        for name in columns:
            columns[name].append(values.get(name, 0))
        moments.append((values["first_at"], columns, row, "first_frame"))
        moments.append((values["last_at"], columns, row, "last_frame"))
        for event in ("client_fin", "server_fin", "client_rst", "server_rst", "close"):
            if values.get(event + "_at", 0):
                moments.append((values[event + "_at"], columns, row, event + "_frame"))
        for index, use in enumerate(uses):
            number = len(exchanges["index"])
            made = exchange_of(use, row, index)
            for name in exchanges:
                exchanges[name].append(made.get(name, 0))
            for event in ("request_first", "request_last", "response_first", "response_last"):
                if made[event + "_at"]:
                    moments.append((made[event + "_at"], exchanges, number, event + "_frame"))
    moments.sort(key=lambda moment: moment[0])
    for frame, (_, where, row, name) in enumerate(moments, start=1):
        where[name][row] = frame
    wide = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    turned = {name: np.array(values, dtype=np.int64) for name, values in exchanges.items()}
    return ConnectionTable(wide, strings), ExchangeTable(turned)


def row_of(one: Life, uses: list[Use], row: int, rtt: float, protocol: Protocol) -> dict[str, int]:
    """A connection's columns."""
    established = one.opened + rtt
    answered = [use for use in uses if use.response is not None]
    bytes_at = [time for use in uses for time in (use.request, use.response) if time is not None]
    values = {
        "number": row + 1,
        "client_ip": 1,
        "server_ip": 2,
        "client_port": 40_000 + row,
        "server_port": 80,
        "first_at": ns(one.opened),
        "established_at": 0 if one.midstream else ns(established),
        "rtt_ns": -1 if one.midstream else round(rtt * SECOND),
        "client_isn": -1 if one.midstream else row * 1000,
        "server_isn": -1 if one.midstream else row * 1000 + 500,
        "opening": Opening.MIDSTREAM if one.midstream else Opening.HANDSHAKE,
        "requests": len(uses),
        "responses": len(answered),
        "basis": Count.LOWER_BOUND if one.midstream else Count.EXACT,
        "protocol": protocol if uses else Protocol.UNKNOWN,
        "open_request": int(bool(uses) and uses[-1].response is None),
        "last_exchange_at": ns(max(bytes_at)) if bytes_at else 0,
        "client_data_packets": len(uses),
        "server_data_packets": len(answered),
        "client_window": 64_000,
        "client_window_high": 64_000,
        "client_packets": 2 + len(uses),
        "server_packets": 2 + len(uses),
        "client_state": TcpState.ESTABLISHED,
        "server_state": TcpState.ESTABLISHED,
    }
    last = max([established, *bytes_at])
    if one.closed is not None:
        other = "server" if one.by == "client" else "client"
        side = Side.CLIENT if one.by == "client" else Side.SERVER
        values |= {
            "close_at": ns(one.closed),
            f"{one.by}_{one.kind}_at": ns(one.closed),
            "closer": side,
            "initiator": side,
            "close_kind": CloseKind.FIN if one.kind == "fin" else CloseKind.RST,
        }
        last = max(last, one.closed)
        if one.kind == "rst":
            values["client_state"] = values["server_state"] = TcpState.CLOSED
        elif one.answer == "never":
            values[f"{one.by}_state"], values[f"{other}_state"] = TcpState.FIN_WAIT_2, TcpState.CLOSE_WAIT
        else:
            answer = one.closed + rtt if one.answer is None else float(one.answer)
            values[f"{other}_fin_at"] = ns(answer)
            values[f"{one.by}_state"], values[f"{other}_state"] = TcpState.TIME_WAIT, TcpState.CLOSED
            last = max(last, answer)
    values["last_at"] = ns(last)
    return {name: int(value) for name, value in values.items()}


def exchange_of(use: Use, row: int, index: int) -> dict[str, int]:
    """An exchange's columns."""
    marks = flags.REQUEST_SEEN | flags.REQUEST_COMPLETE
    marks |= flags.REQUEST_CLOSE if use.request_close else 0
    marks |= flags.RESPONSE_CLOSE if use.response_close else 0
    done = 0
    if use.response is not None:
        marks |= flags.RESPONSE_SEEN | flags.RESPONSE_COMPLETE
        done = ns(use.response)
    return {
        "connection": row,
        "index": index,
        "request_first_at": ns(use.request),
        "request_last_at": ns(use.request),
        "response_first_at": done,
        "response_last_at": done,
        "request_bytes": 100,
        "response_bytes": use.size if done else 0,
        "method": 1,
        "status": use.status if done else 0,
        "flags": marks,
        "keepalive_timeout": use.hint,
        "keepalive_max": -1,
    }


def pools(
    what: str | Iterable[Life],
    *,
    end: float,
    start: float = 0.0,
    rtt: float = 0.001,
    protocol: Protocol = Protocol.HTTP1,
) -> list[Pool]:
    """The pools of a capture from ``start`` to ``end``."""
    made = lives(what) if isinstance(what, str) else what
    connections, exchanges = tables(made, rtt, protocol)
    return partition(connections, exchanges, np.ones(len(connections), dtype=bool), ns(start), ns(end))


def pool(what: str | Iterable[Life], *, end: float, rtt: float = 0.001, protocol: Protocol = Protocol.HTTP1) -> Pool:
    """The one pool of a capture that began at second 0."""
    (only,) = pools(what, end=end, rtt=rtt, protocol=protocol)
    fresh = Pool(only.name, only.rows, only.connections, only.exchanges, only.start, only.end)
    fresh.neighbours = [fresh]  # nothing computed yet: a test may still change columns
    return fresh
