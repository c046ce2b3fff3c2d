"""TLS without keys: record headers only, turns of application data, SNI and ALPN from the hellos.

Type 23 records are not all application data: in TLS 1.3 the client's Finished, session tickets and alerts travel as
type 23 too (RFC 8446 section 5).  A client's Finished is a record of 53 bytes (SHA-256) or 69 (SHA-384): handshake
header 4, verify data 32 or 48, content type 1, tag 16.  An alert is 19: 2, 1, 16.

In HTTP/2 an end that leaves says GOAWAY ahead of its close_notify: a frame of 17 bytes, and perhaps a reason (RFC 9113
6.8).  It is neither a request nor a response, and is taken back when the close_notify shows what it was.
"""

from __future__ import annotations

from pcapdiag.exchanges.framer import TurnFramer
from pcapdiag.exchanges.ja4 import fingerprint
from pcapdiag.exchanges.rows import ExchangeRows

_TLS = 3
_CHANGE_CIPHER = 20
_ALERT = 21
_HANDSHAKE = 22
_APPLICATION = 23
_CLIENT = 1
_SERVER = 2
_PLAIN_SERVER = 2  # a value of Framer.mismatch, as model.words.Mismatch

# Bits of Framer.tls, as model.flags.
_TLS_CLIENT_HELLO = 1
_TLS_SERVER_HELLO = 2
_TLS_13 = 4
_TLS_OFFERED = 8
_TLS_RESUMED = 16
_TLS_CLIENT_ALERT = 32
_TLS_SERVER_ALERT = 64
_TLS_FINISHED = 128
# Largest record: 2^14 of content and 2048 of expansion (RFC 5246 6.2.3).
_MAX_RECORD = 18_432
# The longest Finished record up to TLS 1.2: CBC with SHA-384.  A second ClientHello behind a ChangeCipherSpec (RFC 8446
# D.4) is longer.
_MAX_FINISHED = 96
# ChangeCipherSpec 6, Finished 5 and 69: 80 bytes.  A request behind them in its segment is a record of 22 at least.
_WITH_REQUEST = 102
_ALERT_SEGMENT = 24  # an encrypted alert of TLS 1.3 alone: 5 and 19
# The frame of an acknowledged SETTINGS, header only (RFC 9113 6.5), in a record of TLS 1.3: 9, 1, 16.  No request is that
# short.
_SETTINGS_ACK = 26
# A GOAWAY without a reason: header 9, last stream 4, error 4.
_GOAWAY = 17
# With one, up to 64 bytes: curl says "shutdown", Jetty "idle_timeout".
_LONG_GOAWAY = 81
# Where the hello does not tell whether HTTP/2 is spoken: less than the shortest request of HTTP/1.1, "GET / HTTP/1.1",
# "Host: a" and their line ends, which is 27.
_SHORT_GOAWAY = 26
# Writes of one call follow each other within that many ns on a slow machine; no deadline of a request is that short.
_FLIGHT = 5_000_000
# Hellos larger than this are cut: post-quantum key shares make about 1,800 bytes.
_MAX_HELLO = 16_384


class Records:
    """One direction's record framing."""

    def __init__(self) -> None:
        self.skip = 0  # content bytes of the current record still to come
        self.header = b""
        self.kind = 0
        self.length = 0
        self.lost = False
        self.begun = False
        self.hello = b""
        self.hello_done = False
        self.encrypted = False  # after ChangeCipherSpec: handshake and alert records are opaque


class TlsFramer(TurnFramer):
    """Count turns of TLS application data.

    Attributes:
        version13: TLS 1.3 was negotiated, or only offered while the server's hello is not seen.
        version_known: a hello was read whole, or the client's Finished was a handshake record, which it is up to 1.2.
        finished: the client's handshake flight is over.
        blurred: bytes of the client's flight are not in the capture; its Finished may be among them.
        asked, asked_records, asked_length, asked_end, asked_after: the turn whose first record was seen, its client
            records, the length of the first, the sequence number behind its segment, and ``last_at`` ahead of it.
        said, said_records, said_length, said_at, said_after: the server's flight in a turn: the turn, its records, the
            length and the time of the first, and ``last_at`` ahead of it.
        rest_at, rest_frame, rest_bytes: the turn's response ahead of that flight; ``rest_at`` is 0 where it began it.
    """

    def __init__(self, rows: ExchangeRows, connection: int, from_start: bool) -> None:
        super().__init__(rows, connection, _TLS)
        self.client = Records()
        self.server = Records()
        self.version13 = False
        self.version_known = False
        self.finished = not from_start
        self.blurred = False
        self.asked = -1
        self.asked_records = 0
        self.asked_length = 0
        self.asked_end = 0
        self.asked_after = 0
        self.said = -1
        self.said_records = 0
        self.said_length = 0
        self.said_at = 0
        self.said_after = 0
        self.rest_at = 0
        self.rest_frame = 0
        self.rest_bytes = 0

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
        pos = start
        end = start + captured
        missing = length - captured
        if self.requests == 0:
            self.tls_bytes += length
            if not from_client and not side.begun and captured:
                side.begun = True
                # A hello that the snaplen cut is one all the same: its record's header was read.
                greeted = (self.tls & _TLS_CLIENT_HELLO) != 0 or self.client.kind == _HANDSHAKE
                if self.client.begun and greeted and not 20 <= data[pos] <= 24:
                    self.mismatch = _PLAIN_SERVER
        if from_client:
            side.begun = True
        if captured < 5 and missing > 0 and (side.lost or (side.skip == 0 and not side.header)):
            return self.glimpse(from_client, side, data, pos, captured, length, at, frame, sequence)
        if side.lost:
            if captured >= 3 and 20 <= data[pos] <= 23 and data[pos + 1] == 3 and data[pos + 2] <= 4:
                side.lost = False
                side.skip = 0
                side.header = b""
            else:
                self.turn(from_client, length, at, frame)
                return 0
        while pos < end:
            if side.skip > 0:
                step = end - pos
                if side.skip < step:
                    step = side.skip
                self.content(from_client, side, data, pos, step, at, frame)
                side.skip -= step
                pos += step
                continue
            take = 5 - len(side.header)
            if end - pos < take:
                side.header = side.header + data[pos:end]
                break
            header = side.header + data[pos : pos + take]
            pos += take
            side.header = b""
            side.kind = header[0]
            side.length = header[3] << 8 | header[4]
            if side.kind < 20 or side.kind > 24 or header[1] != 3 or side.length > _MAX_RECORD:
                side.lost = True
                return 0
            side.skip = side.length
            self.record(from_client, side, sequence + length, at)
        if missing > 0:
            beyond = missing - side.skip
            if beyond > 0 and from_client and self.finished and side.kind != _APPLICATION:
                # The snaplen cut what followed the Finished in its segment: the first request, all but always.
                self.turn(from_client, beyond, at, frame)
            self.absent(side, missing)
        return 0

    def glimpse(
        self,
        from_client: bool,
        side: Records,
        data: bytes,
        pos: int,
        captured: int,
        length: int,
        at: int,
        frame: int,
        sequence: int,
    ) -> int:
        """A segment cut within its first record's header, as by a snaplen of 68: the record's type and version at most.

        A handshake is told from data by that, an alert of TLS 1.3 by the segment's size; what an alert says by nothing.
        """
        kind = data[pos] if captured >= 2 and 20 <= data[pos] <= 23 and data[pos + 1] == 3 else 0
        side.lost = True
        side.skip = 0
        side.header = b""
        side.hello_done = True
        if kind == 0 and side.kind == _HANDSHAKE:
            return 0  # the rest of a flight: certificates, large hellos
        side.kind = kind
        if kind == _HANDSHAKE:
            return 0
        if kind == _CHANGE_CIPHER:
            if from_client:
                self.finished = True
                if length >= _WITH_REQUEST:
                    self.turn(True, length - _WITH_REQUEST + 22, at, frame)
            return 0
        if kind == _ALERT or (kind == _APPLICATION and length == _ALERT_SEGMENT):
            if self.requests > 0:
                self.say_close(_CLIENT if from_client else _SERVER, sequence + length, at)
            return 0
        if from_client and not self.finished:
            self.finished = True
            if length == 58 or length == 74:
                return 0  # a Finished of TLS 1.3 without a ChangeCipherSpec ahead of it
        self.turn(from_client, length, at, frame)
        return 0

    def absent(self, side: Records, missing: int) -> int:
        """Bytes that are not in the capture: inside a record they cost nothing, else the record framing."""
        if side.header or missing > side.skip:
            if side is self.client and not self.finished:
                self.blurred = True
            side.lost = True
            side.skip = 0
            side.header = b""
        else:
            side.skip -= missing
        side.hello_done = side.hello_done or side.kind == _HANDSHAKE
        return 0

    def record(self, from_client: bool, side: Records, end: int, at: int) -> int:
        """A record begins; ``end`` is the sequence number behind its segment."""
        kind = side.kind
        if kind == _CHANGE_CIPHER:
            side.encrypted = True
            if not from_client and not self.version13 and not self.client.encrypted and self.tls & _TLS_SERVER_HELLO:
                self.tls |= (
                    _TLS_RESUMED  # up to TLS 1.2 the server finishes first in a resumed session only (RFC 5246 7.3)
                )
            if from_client and not self.version13 and self.version_known:
                self.tls |= _TLS_FINISHED
        elif kind == _ALERT:
            if side.length != 2:
                side.encrypted = True  # its ChangeCipherSpec was cut off: an alert is two bytes, more are ciphertext
            if self.requests == 0 and not side.encrypted:
                self.tls |= _TLS_CLIENT_ALERT if from_client else _TLS_SERVER_ALERT
            # TLS 1.2 encrypts its alerts: on an established connection they are close_notify all but always.
            if side.encrypted and self.requests > 0:
                self.take_back(from_client, side.length - 2, at)
                self.say_close(_CLIENT if from_client else _SERVER, end, at)
        elif kind == _HANDSHAKE:
            if from_client and side.encrypted and side.length <= _MAX_FINISHED:
                # A Finished that is a handshake record: up to TLS 1.2, whatever the hello offered.
                self.version13 = False
                self.version_known = True
                self.finished = True
                self.tls |= _TLS_FINISHED
        elif kind == _APPLICATION:
            if self.version_known and not self.version13:
                self.finished = True
            if side.length == 19 and (self.version13 or not self.version_known):
                if not self.finished and not self.blurred and self.requests == 0:
                    self.tls |= _TLS_CLIENT_ALERT if from_client else _TLS_SERVER_ALERT
                self.take_back(from_client, side.length - 2, at)
                self.say_close(_CLIENT if from_client else _SERVER, end, at)
                side.kind = 0  # its content is no turn
            elif from_client and not self.finished:
                # Hellos that the snaplen cut leave the version open, and a flight with a hole its end: then only a record
                # of a Finished's length is one.
                if side.length == 53 or side.length == 69:
                    side.kind = 0
                    self.finished = True
                    self.tls |= _TLS_FINISHED
                elif self.version_known and not self.blurred:
                    side.kind = 0
                else:
                    self.finished = True
            elif not from_client and self.current is None:
                side.kind = 0  # the server's flight, or tickets ahead of the first request
            elif (
                from_client
                and side.length == _SETTINGS_ACK
                and self.version13
                and self.alpn is not None
                and b"h2" in self.alpn
            ):
                side.kind = 0
            if side.kind == _APPLICATION:
                self.note(from_client, side.length, end, at)
        return 0

    def note(self, from_client: bool, length: int, end: int, at: int) -> int:
        """Remember of a record of data what taking it back as a GOAWAY needs."""
        x = self.current
        if from_client:
            if x is None or x.response_first_at != 0:
                self.asked = self.requests
                self.asked_records = 1
                self.asked_length = length
                self.asked_end = end
                self.asked_after = self.last_at
            else:
                self.asked_records += 1
        elif x is not None:
            if x.response_first_at == 0 or at - x.response_last_at > _FLIGHT:
                self.said = x.index
                self.said_records = 1
                self.said_length = length
                self.said_at = at
                self.said_after = self.last_at
                self.rest_at = x.response_last_at
                self.rest_frame = x.response_last_frame
                self.rest_bytes = x.response_bytes
            else:
                self.said_records += 1
        return 0

    def take_back(self, from_client: bool, overhead: int, at: int) -> int:
        """One end says close_notify: its record just ahead of that may have been a GOAWAY.

        ``overhead`` is what encryption adds to a record, as the alert's length shows.
        """
        x = self.current
        longest = self.longest_goaway()
        if x is None or longest == 0:
            return 0
        asked = (
            x.index == self.asked
            and self.asked_records == 1
            and x.request_bytes <= self.asked_length
            and _GOAWAY <= self.asked_length - overhead <= longest
        )
        if from_client:
            if asked and x.response_first_at == 0 and at - x.request_first_at <= _FLIGHT:
                self.retract()
            return 0
        if (
            x.index != self.said
            or self.said_records != 1
            or self.said_length - overhead != _GOAWAY
            or at - self.said_at > _FLIGHT
        ):
            return 0
        if self.rest_at != 0:
            # Nobody had asked: the response had ended before.
            x.response_last_at = self.rest_at
            x.response_last_frame = self.rest_frame
            x.response_bytes = self.rest_bytes
            self.last_at = self.said_after
        elif asked:
            # A GOAWAY alone is no answer to a request; to a GOAWAY it is.
            self.retract()
            self.responses -= 1
            self.say_close(_CLIENT, self.asked_end, x.request_first_at)
        return 0

    def say_close(self, side: int, end: int, at: int) -> int:
        """Remember the first goodbye with its time."""
        if self.goodbye == 0:
            self.goodbye_at = at
        return self.say_goodbye(side, end)

    def longest_goaway(self) -> int:
        """The most bytes that a GOAWAY has on this connection; 0 where HTTP/2 is not spoken."""
        if self.alpn is not None:
            return _LONG_GOAWAY if b"h2" in self.alpn else 0
        return 0 if self.tls & _TLS_CLIENT_HELLO else _SHORT_GOAWAY

    def retract(self) -> int:
        """The turn in progress was none."""
        self.current = None
        self.requests -= 1
        self.last_at = self.asked_after
        self.retracted = True
        return 0

    def content(self, from_client: bool, side: Records, data: bytes, pos: int, size: int, at: int, frame: int) -> int:
        """Bytes of the current record."""
        if side.kind == _APPLICATION:
            self.turn(from_client, size, at, frame)
        elif side.kind == _ALERT:
            if self.tls_alert == 0 and not side.encrypted and size == 2:
                self.tls_alert = data[pos + 1] + 1
        elif side.kind == _HANDSHAKE and not side.hello_done:
            side.hello = side.hello + data[pos : pos + size]
            self.read_hello(from_client, side)
        return 0

    def read_hello(self, from_client: bool, side: Records) -> int:
        """When the first handshake message is whole, take version, SNI and ALPN from it."""
        hello = side.hello
        if len(hello) < 4:
            return 0
        size = hello[1] << 16 | hello[2] << 8 | hello[3]
        if hello[0] != (1 if from_client else 2) or size > _MAX_HELLO:
            side.hello_done = True
            side.hello = b""
            return 0
        if len(hello) < 4 + size:
            return 0
        side.hello_done = True
        side.hello = b""
        versions, sni, alpn, ticket = parse_hello(hello[4 : 4 + size], from_client)
        if from_client:
            self.tls |= _TLS_CLIENT_HELLO
            if ticket:
                self.tls |= _TLS_OFFERED
            self.sni = sni
            self.alpn = b",".join(alpn) if alpn else None
            self.ja4 = fingerprint(hello[4 : 4 + size])
            self.version13 = b"\x03\x04" in versions
            self.version_known = True
        else:
            self.tls |= _TLS_SERVER_HELLO
            if b"\x03\x04" in versions:
                self.tls |= _TLS_13
                if ticket:
                    self.tls |= _TLS_RESUMED
            self.version13 = b"\x03\x04" in versions
            self.version_known = True
            if alpn:
                self.alpn = alpn[0]
        return 0

    def gap(self, from_client: bool, length: int) -> int:
        side = self.client if from_client else self.server
        return self.absent(side, length)


def parse_hello(body: bytes, from_client: bool) -> tuple[list[bytes], bytes | None, list[bytes], bool]:
    """Supported versions, server name, ALPN names, and whether a session is resumed, of a hello's body (RFC 8446 4.1).

    A client offers a session with a pre_shared_key or a session_ticket that is not empty; a server takes it, in TLS 1.3,
    with a pre_shared_key of its own.
    """
    versions: list[bytes] = []
    sni: bytes | None = None
    alpn: list[bytes] = []
    ticket = False
    pos = 34  # legacy version and random
    if len(body) <= pos:
        return versions, sni, alpn, ticket
    pos += 1 + body[pos]  # session id
    if from_client:
        if len(body) < pos + 2:
            return versions, sni, alpn, ticket
        pos += 2 + (body[pos] << 8 | body[pos + 1])  # cipher suites
        if len(body) <= pos:
            return versions, sni, alpn, ticket
        pos += 1 + body[pos]  # compression methods
    else:
        pos += 3
    if len(body) < pos + 2:
        return versions, sni, alpn, ticket
    end = min(len(body), pos + 2 + (body[pos] << 8 | body[pos + 1]))
    pos += 2
    while pos + 4 <= end:
        kind = body[pos] << 8 | body[pos + 1]
        size = body[pos + 2] << 8 | body[pos + 3]
        value = body[pos + 4 : min(pos + 4 + size, end)]
        pos += 4 + size
        if kind == 0 and from_client and len(value) > 5:
            sni = value[5:]
        elif kind == 16 and len(value) > 2:
            at = 2
            while at < len(value):
                name = value[at + 1 : at + 1 + value[at]]
                if name:
                    alpn.append(name)
                at += 1 + value[at]
        elif kind == 41:
            ticket = True
        elif kind == 35 and from_client:
            ticket = size > 0
        elif kind == 43:
            if from_client:
                versions.extend(value[at : at + 2] for at in range(1, len(value) - 1, 2))
            else:
                versions.append(value[:2])
    return versions, sni, alpn, ticket
