"""Bits of the exchange table's ``flags`` column, and of the connection table's ``tls`` column."""

from __future__ import annotations

REQUEST_CLOSE = 1  # the request asked for the close: Connection: close, or HTTP/1.0 without keep-alive
RESPONSE_CLOSE = 2  # the response announced it, likewise
REQUEST_COMPLETE = 4
RESPONSE_COMPLETE = 8
REQUEST_HTTP10 = 16
RESPONSE_HTTP10 = 32
TURN = 64  # a turn of opaque bytes: an estimate
BOUND = 128  # framing was lost (snaplen, gap): found by its first line, its end is an estimate
REQUEST_SEEN = 256
RESPONSE_SEEN = 512
UPGRADED = 1024  # 101, or a 2xx to CONNECT: the connection carries something else from here on
UNTIL_CLOSE = 2048  # the response's length is the connection's
EXPECT = 4096  # Expect: 100-continue
PIPELINED = 8192  # sent before the answer to the request ahead of it

# Method numbers of the ``method`` column; 0 is a turn or a method outside this list.
METHODS = ("", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")

# The ``tls`` column: what of a handshake was seen.
TLS_CLIENT_HELLO = 1
TLS_SERVER_HELLO = 2
TLS_13 = 4  # negotiated
TLS_OFFERED = 8  # the client offered a session to resume
TLS_RESUMED = 16
TLS_CLIENT_ALERT = 32  # ahead of any application data
TLS_SERVER_ALERT = 64
TLS_FINISHED = 128  # the client finished its handshake
