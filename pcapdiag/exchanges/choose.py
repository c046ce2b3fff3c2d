"""Which framer a connection's first bytes call for, and what those bytes say about who is the client."""

from __future__ import annotations

from pcapdiag.exchanges.framer import Framer, TurnFramer
from pcapdiag.exchanges.head import REQUEST_WORDS, starts_request, starts_response
from pcapdiag.exchanges.heads import Heads
from pcapdiag.exchanges.http1 import new_framer, plausible
from pcapdiag.exchanges.http2 import Http2Framer
from pcapdiag.exchanges.rows import ExchangeRows
from pcapdiag.exchanges.tls import TlsFramer

_OPAQUE = 1
_HTTP1 = 2
_REDIS = 5
_POSTGRES = 6
_MYSQL = 7

# What the first payload of a connection says about its sender, as model.words.Side.
_NONE = 0
_CLIENT = 1
_SERVER = 2

# Every front of a first word that is not the whole of it yet.
_FRONTS = frozenset(
    word[:size]
    for word in [*(word + b" " for word in REQUEST_WORDS), b"HTTP/1.", b"PRI * HTTP/2.0\r\n"]
    for size in range(1, len(word))
)


def undecided(text: bytes) -> bool:
    """Whether a connection's first bytes are too few to choose a framer by."""
    size = len(text)
    if text in _FRONTS:
        return True
    if size < 3 and 20 <= text[0] <= 23:
        return size == 1 or text[1] == 3
    return text[0] == 42 and (size == 1 or 48 <= text[1] <= 57) and size < 24 and b"\n" not in text


def speaker(data: bytes, start: int, captured: int) -> int:
    """Whether bytes can only be a client's or only a server's (``Side``): HTTP first lines and TLS hellos."""
    end = start + captured
    if starts_request(data, start, end):
        return _CLIENT
    if starts_response(data, start, end):
        return _SERVER
    if captured >= 6 and data[start] == 22 and data[start + 1] == 3:
        if data[start + 5] == 1:
            return _CLIENT
        if data[start + 5] == 2:
            return _SERVER
    return _NONE


def greets_mysql(data: bytes, start: int, captured: int) -> bool:
    """Whether a server's first bytes are a MySQL greeting: packet 0, protocol 10, a version that begins with a digit."""
    return (
        captured > 5
        and data[start + 1] == 0
        and data[start + 2] == 0
        and data[start + 3] == 0
        and data[start + 4] == 10
        and 48 <= data[start + 5] <= 57
        and data[start] + 4 >= captured
    )


def greets_http2(data: bytes, start: int, captured: int) -> bool:
    """Whether a server's first bytes are an HTTP/2 SETTINGS frame; it need not wait for the client's preface."""
    return (
        captured >= 9
        and data[start : start + 2] == b"\x00\x00"
        and data[start + 2] % 6 == 0
        and data[start + 3 : start + 9] == b"\x04\x00\x00\x00\x00\x00"
    )


def choose(
    rows: ExchangeRows,
    connection: int,
    heads: Heads,
    from_client: bool,
    from_start: bool,
    data: bytes,
    start: int,
    captured: int,
    cut: bool = False,
) -> Framer:
    """The framer for a connection whose first payload this is.

    ``from_start``: the connection's opening was captured, so this is the first byte of its direction.  ``cut``: the
    snaplen left out the rest of the segment; then two letters of a method are no HTTP that could be read, and turns
    count more of it.
    """
    end = start + captured
    if from_client:
        if starts_request(data, start, end):
            return new_framer(rows, connection, _HTTP1, heads)
        if data[start : min(end, start + 16)] == b"PRI * HTTP/2.0\r\n":
            return Http2Framer(rows, connection)
        if 0 < captured < 24 and not cut and plausible(True, data, start, end):
            return new_framer(rows, connection, _HTTP1, heads)
        if captured >= 4 and data[start] == 42 and 48 <= data[start + 1] <= 57 and data.find(b"\r\n", start, end) > 0:
            return TurnFramer(rows, connection, _REDIS)
        if captured >= 8 and data[start + 4 : start + 8] in (b"\x04\xd2\x16\x2f", b"\x00\x03\x00\x00"):
            return TurnFramer(rows, connection, _POSTGRES)
    elif starts_response(data, start, end):
        return new_framer(rows, connection, _HTTP1, heads)
    elif from_start and greets_mysql(data, start, captured):
        return TurnFramer(rows, connection, _MYSQL)
    elif from_start and greets_http2(data, start, captured):
        return Http2Framer(rows, connection)
    # A snaplen of 68 leaves two bytes behind Ethernet, IPv4 and TCP with timestamps.
    record = captured >= 2 and 20 <= data[start] <= 23 and data[start + 1] == 3
    if record and (captured == 2 or data[start + 2] <= 4):
        return TlsFramer(rows, connection, from_start)
    return TurnFramer(rows, connection, _OPAQUE)
