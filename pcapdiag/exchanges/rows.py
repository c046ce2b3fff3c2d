"""One exchange while it is in progress, and the table of finished ones.

The bits of ``flags`` and the numbers of ``method`` are in :mod:`pcapdiag.model.flags`.
"""

from __future__ import annotations

from array import array

WIDE = (
    "request_first_at",
    "request_last_at",
    "response_first_at",
    "response_last_at",
    "request_bytes",
    "response_bytes",
)
NARROW = (
    "connection",
    "index",
    "request_first_frame",
    "request_last_frame",
    "response_first_frame",
    "response_last_frame",
    "method",
    "status",
    "flags",
    "interim",
    "keepalive_timeout",
    "keepalive_max",
)

# Rows to grow by, at most: what the arrays are extended with stays in the cache, and the heap is not torn by large blocks.
_STEP = 4_096
_MOST = 0x7FFFFFFF


class Exchange:
    """One request with its final response.  Times in nanoseconds since the epoch, 0 while not seen."""

    def __init__(self, index: int) -> None:
        self.begin(index)

    def begin(self, index: int) -> int:
        self.index = index
        self.request_first_at = 0
        self.request_last_at = 0
        self.response_first_at = 0
        self.response_last_at = 0
        self.request_bytes = 0
        self.response_bytes = 0
        self.request_first_frame = 0
        self.request_last_frame = 0
        self.response_first_frame = 0
        self.response_last_frame = 0
        self.method = 0
        self.status = 0
        self.flags = 0
        self.interim = 0
        self.keepalive_timeout = -1
        self.keepalive_max = -1
        self.acknowledged = 0  # how far the client had acknowledged the server when it sent this request
        return 0


def new_exchange(index: int) -> Exchange:
    """``Exchange(index)``: compiled, a call of the class is a slow way through tuples."""
    x = Exchange.__new__(Exchange)
    x.begin(index)
    return x


class ExchangeRows:
    """Finished exchanges, as two growing integer matrices: 96 bytes an exchange.

    ``wide`` holds :data:`WIDE` (64 bits), ``narrow`` :data:`NARROW` (32 bits), a row after another in order of
    completion.  ``connection`` is the connection's number, from 1.
    """

    def __init__(self) -> None:
        self.count = 0
        self.room = 0
        self.wide_buffer = array("q")
        self.narrow_buffer = array("i")
        self.wide = self.wide_buffer
        self.narrow = self.narrow_buffer
        self.grow(1024)

    def grow(self, room: int) -> None:
        """Make room for more rows; the arrays grow in place, which takes letting go of the views on them."""
        more = room - self.room
        self.wide = self.narrow = None  # type: ignore[assignment]
        self.wide_buffer.extend(array("q", [0]) * (6 * more))
        self.narrow_buffer.extend(array("i", [0]) * (12 * more))
        self.room = room
        self.wide = self.wide_buffer
        self.narrow = self.narrow_buffer

    def add(self, connection: int, x: Exchange) -> int:
        """Append one exchange of a connection."""
        if self.count == self.room:
            self.grow(self.room + min(self.room // 4, _STEP))
        at = self.count * 6
        # Not by way of local views: compiled, taking and dropping one costs two locked additions.
        self.wide[at] = x.request_first_at
        self.wide[at + 1] = x.request_last_at
        self.wide[at + 2] = x.response_first_at
        self.wide[at + 3] = x.response_last_at
        self.wide[at + 4] = x.request_bytes
        self.wide[at + 5] = x.response_bytes
        at = self.count * 12
        self.narrow[at] = connection
        self.narrow[at + 1] = x.index if x.index < _MOST else _MOST
        self.narrow[at + 2] = x.request_first_frame
        self.narrow[at + 3] = x.request_last_frame
        self.narrow[at + 4] = x.response_first_frame
        self.narrow[at + 5] = x.response_last_frame
        self.narrow[at + 6] = x.method
        self.narrow[at + 7] = x.status
        self.narrow[at + 8] = x.flags
        self.narrow[at + 9] = x.interim
        self.narrow[at + 10] = x.keepalive_timeout
        self.narrow[at + 11] = x.keepalive_max
        self.count += 1
        return 0
