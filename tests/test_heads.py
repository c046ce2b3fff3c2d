"""The memo of heads: what it finds is what parsing would have found."""

from __future__ import annotations

from pcapdiag.exchanges.heads import Heads
from pcapdiag.exchanges.http1 import HttpFramer
from pcapdiag.exchanges.rows import ExchangeRows

ONE = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
TWO = b"PUT /b HTTP/1.1\r\nHost: y\r\n\r\n"
YES = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
NAY = b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nsorry"


def rows_of(*messages: bytes) -> list[tuple[int, int, int, int]]:
    """Method, status and sizes of the exchanges of one connection, a segment a message."""
    rows = ExchangeRows()
    framer = HttpFramer(rows, 1, 2, Heads())
    sequence = [1, 1]
    for at, text in enumerate(messages, start=1):
        client = not text.startswith(b"HTTP")
        framer.feed(client, text, 0, len(text), len(text), at, at, sequence[client], sequence[not client])
        sequence[client] += len(text)
    framer.finish()
    wide, narrow = rows.wide_buffer, rows.narrow_buffer
    return [(narrow[12 * i + 6], narrow[12 * i + 7], wide[6 * i + 4], wide[6 * i + 5]) for i in range(rows.count)]


def test_heads_of_one_length_are_told_apart() -> None:
    assert len(ONE) == len(TWO)
    assert len(YES) == len(NAY)
    assert rows_of(ONE, YES, TWO, NAY, ONE, NAY) == [
        (1, 200, len(ONE), len(YES)),
        (4, 404, len(TWO), len(NAY)),
        (1, 404, len(ONE), len(NAY)),
    ]


def test_a_head_that_repeats_may_have_more_behind_it() -> None:
    longer = ONE + TWO
    assert rows_of(longer, YES, NAY, longer, NAY, YES) == [
        (1, 200, len(ONE), len(YES)),
        (4, 404, len(TWO), len(NAY)),
        (1, 404, len(ONE), len(NAY)),
        (4, 200, len(TWO), len(YES)),
    ]


def test_half_a_head_is_none_though_the_whole_was_there_before() -> None:
    front, rest = ONE[:20], ONE[20:]
    assert rows_of(ONE, YES, front, rest, NAY) == [(1, 200, len(ONE), len(YES)), (1, 404, len(ONE), len(NAY))]
