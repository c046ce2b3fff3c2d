"""HTTP/2 without TLS: turns of frames that carry a message (RFC 9113).

Frames are walked by their lengths, and only HEADERS, CONTINUATION and DATA are somebody's words: SETTINGS, PING,
WINDOW_UPDATE and their like are the connection's own, and gRPC sends several around each call.  Streams that run side by
side are one turn; header blocks are not unpacked, but looked through for what gRPC says of itself.  After a gap, or where
the snaplen cut a frame's header off, frames can no longer be found and all bytes count.
"""

from __future__ import annotations

from pcapdiag.exchanges import introductions
from pcapdiag.exchanges.framer import TurnFramer
from pcapdiag.exchanges.rows import ExchangeRows

_HTTP2 = 4  # a value of Framer.protocol, as model.words.Protocol
_CLIENT = 1  # values of Framer.goodbye, as model.words.Side
_SERVER = 2

# Frame types (RFC 9113 6).
_DATA = 0
_HEADERS = 1
_SETTINGS = 4
_GOAWAY = 7
_CONTINUATION = 9

_FRAME_HEAD = 9  # bytes (RFC 9113 4.1)
_PREFACE = 24  # bytes that a client sends ahead of its first frame (RFC 9113 3.4)

# The headers of a gRPC call are some 300 bytes, in one segment with what is ahead of them.
_LONG_BLOCK = 4_096

# What a piece of one direction holds, as bits.
_MESSAGE = 1
_FAREWELL = 2


class Frames:
    """Where one direction is in its frames."""

    def __init__(self, skip: int) -> None:
        self.kind = _SETTINGS  # of the current frame
        self.skip = skip  # bytes of it that are still to come
        self.head = b""  # the part of the next frame's header that came with an earlier piece
        self.lost = False

    def walk(self, data: bytes, start: int, captured: int, length: int) -> int:
        """Go through the next ``length`` bytes, ``captured`` of them here; what they hold (bits)."""
        if self.lost:
            return _MESSAGE
        held = 0
        pos = start
        end = start + captured
        while pos < end:
            if self.skip > 0:
                step = min(self.skip, end - pos)
                if self.kind == _DATA or self.kind == _HEADERS or self.kind == _CONTINUATION:
                    held |= _MESSAGE
                self.skip -= step
                pos += step
                continue
            step = min(_FRAME_HEAD - len(self.head), end - pos)
            self.head = self.head + data[pos : pos + step]
            pos += step
            if len(self.head) < _FRAME_HEAD:
                break
            self.skip = self.head[0] << 16 | self.head[1] << 8 | self.head[2]
            self.kind = self.head[3]
            self.head = b""
            if self.kind == _DATA or self.kind == _HEADERS or self.kind == _CONTINUATION:
                held |= _MESSAGE
            elif self.kind == _GOAWAY:
                held |= _FAREWELL
        if captured < length:
            self.pass_over(length - captured)
        return held

    def pass_over(self, count: int) -> int:
        """Bytes that are not here: harmless inside of a frame."""
        if self.skip >= count and not self.head:
            self.skip -= count
        else:
            self.lost = True
        return 0


class Http2Framer(TurnFramer):
    """The turns of a connection whose first bytes are the client's preface."""

    def __init__(self, rows: ExchangeRows, connection: int) -> None:
        super().__init__(rows, connection, _HTTP2)
        self.client = Frames(_PREFACE)
        self.server = Frames(0)

    def feed(
        self,
        from_client: bool,
        data: bytes,
        start: int,
        captured: int,
        length: int,
        at: int,
        frame: int,
        sequence: int,
        acknowledgment: int,
    ) -> int:
        side = self.client if from_client else self.server
        held = side.walk(data, start, captured, length)
        if held & _MESSAGE:
            if from_client:
                self.asked_end = sequence + length
                if self.requests == 0 and captured < _LONG_BLOCK:
                    said = introductions.grpc(data[start : start + captured])
                    if said:
                        self.request_values = said
                        self.header_order = b"content,agent" if b"agent" in said else b"content"
            self.turn(from_client, length, at, frame)
        if held & _FAREWELL and not self.open_request():
            if self.goodbye == 0:
                self.goodbye_at = at
            self.say_goodbye(_CLIENT if from_client else _SERVER, sequence + length)
        return 0

    def gap(self, from_client: bool, length: int) -> int:
        side = self.client if from_client else self.server
        return side.pass_over(length)
