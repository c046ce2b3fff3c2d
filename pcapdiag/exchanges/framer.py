"""What the connections stage hands a connection's bytes to, and the framer for opaque bytes.

A framer gets the bytes of both directions in order, each piece with its time and frame, and is told of gaps.  It never
sees a byte twice.  What it cannot frame exactly it counts as a bound or as turns, and says which.
"""

from __future__ import annotations

from pcapdiag.exchanges import introductions
from pcapdiag.exchanges.rows import Exchange, ExchangeRows, new_exchange

_M = 0xFFFFFFFF  # a typed constant: with such a literal Cython would compute in Python's integers

_REQUEST_COMPLETE = 4
_RESPONSE_COMPLETE = 8
_TURN = 64
_BOUND = 128
_REQUEST_SEEN = 256
_RESPONSE_SEEN = 512

_TURNS = 2  # a value of Framer.basis, as model.words.Count

_CLIENT = 1  # a value of Framer.goodbye, as model.words.Side

# Values of Framer.protocol, as model.words.Protocol.
_OPAQUE = 1
_HTTP2 = 4
_REDIS = 5
_POSTGRES = 6
_MYSQL = 7

# Nobody waits this little for an answer: what a client sends so short a time ahead of its FIN is a goodbye (COM_QUIT,
# MQTT DISCONNECT, GOAWAY, SSH_MSG_DISCONNECT).  5 ms: a write and a close in a row take microseconds.
_NO_WAIT = 5_000_000

# A client of Redis says what it is with its first commands: go-redis after HELLO and AUTH, redis-py after SETNAME.
_FIRST_COMMANDS = 6
# It says so in some 150 bytes.
_LONG_COMMAND = 1_024

_TLS_SERVER = 1  # a value of Framer.mismatch, as model.words.Mismatch


class Framer:
    """Common state of the framers of one connection.

    Attributes:
        requests, responses: counted so far.
        basis: what ``requests`` is worth (``Count``).
        last_at: time of the last byte of any exchange, goodbyes left out.
        goodbye: who said an in-band goodbye first (``Side``): TLS close_notify, PostgreSQL Terminate, Redis
            QUIT, MySQL COM_QUIT, an HTTP 408; of opaque bytes the last that a client sent with its FIN.
        goodbye_end: sequence number behind the segment that said it.
        goodbye_at: when a close_notify said it; 0 for the others, which a FIN follows at once.
        retracted: a request that had been counted turned out to be none; ``requests``, ``last_at`` and
            ``open_request`` tell what is left.
        client_next: sequence number of the client's next byte, -1 while it is not known.
        expect_waits, expect_wait_ns: request bodies that were announced with Expect: 100-continue and then sent though
            no 100 had come, and how long the client had waited for one, in all.
        mismatch: what shows that the two ends speak different protocols (``model.words.Mismatch``).
        tls, tls_alert, tls_bytes: the TLS handshake; bits (``model.flags``), the description of the first alert that can
            be read and 1, bytes ahead of the first application data.
        host, user_agent, header_order, server_software, sni, alpn: bytes as they stood on the wire, or None.  Of a
            database's client header_order and request_values are those of :mod:`pcapdiag.exchanges.introductions`.
        request_values, response_order, response_values: names of the first final response's headers as they stood, and
            both heads' values that tell programs apart (:mod:`pcapdiag.exchanges.head`).
        ja4: the fingerprint of the ClientHello.
    """

    def __init__(self, rows: ExchangeRows, connection: int, protocol: int, basis: int) -> None:
        self.begin(rows, connection, protocol, basis)

    def begin(self, rows: ExchangeRows, connection: int, protocol: int, basis: int) -> int:
        """What ``__init__`` does, for subclasses: compiled, the way through ``super()`` is a slow one."""
        self.rows = rows
        self.connection = connection
        self.protocol = protocol
        self.basis = basis
        self.requests = 0
        self.responses = 0
        self.last_at = 0
        self.goodbye = 0
        self.goodbye_end = 0
        self.goodbye_at = 0
        self.retracted = False
        self.client_next = -1
        self.expect_waits = 0
        self.expect_wait_ns = 0
        self.mismatch = 0
        self.tls = 0
        self.tls_alert = 0
        self.tls_bytes = 0
        self.host: bytes | None = None
        self.user_agent: bytes | None = None
        self.header_order: bytes | None = None
        self.server_software: bytes | None = None
        self.sni: bytes | None = None
        self.alpn: bytes | None = None
        self.request_values: bytes | None = None
        self.response_order: bytes | None = None
        self.response_values: bytes | None = None
        self.ja4: bytes | None = None
        return 0

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
        """Take the next ``length`` bytes of one direction; the first ``captured`` are here, the rest were cut."""
        raise NotImplementedError

    def gap(self, from_client: bool, length: int) -> int:
        """``length`` bytes of one direction were never captured."""
        raise NotImplementedError

    def unseen_answer(self) -> int:
        """Bytes of the server that the client acknowledged are not in the capture: they may have answered."""
        return 0

    def end(self, from_client: bool, at: int, frame: int) -> int:
        """The FIN of one direction was seen, all bytes ahead of it fed."""
        return 0

    def say_goodbye(self, side: int, end: int) -> int:
        """Remember the first goodbye; ``end`` is the sequence number behind its segment."""
        if self.goodbye == 0:
            self.goodbye = side
            self.goodbye_end = end & _M
        return 0

    def open_request(self) -> bool:
        """Whether a request is waiting for its response or for the rest of it."""
        raise NotImplementedError

    def finish(self) -> int:
        """The connection is over, or the capture is: store what is unfinished."""
        raise NotImplementedError


class TurnFramer(Framer):
    """Opaque bytes: a turn is data from the client answered by data from the server.  An estimate, and labelled so."""

    def __init__(self, rows: ExchangeRows, connection: int, protocol: int) -> None:
        super().__init__(rows, connection, protocol, _TURNS)
        self.current: Exchange | None = None
        self.asked_after = 0  # ``last_at`` ahead of the current turn
        self.asked_end = 0  # sequence number behind the client's last bytes
        self.parting = False  # the client closed as soon as it had sent the current turn
        self.sealed = False  # MySQL under TLS: packets cannot be told

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
        if self.protocol == _POSTGRES and from_client and captured >= 5:
            kind = data[start]
            if kind == 0x58 and length == 5:  # 'X': Terminate
                return self.say_goodbye(_CLIENT, sequence + length)
            if kind == 0 or kind == 0x70:  # startup or SSLRequest; 'p': password or SASL
                self.meet_postgres(data[start : start + captured], length)
                return 0
        elif (
            self.protocol == _REDIS
            and from_client
            and captured >= 14
            and data[start : start + 14].upper() == b"*1\r\n$4\r\nQUIT\r\n"
        ):
            return self.say_goodbye(_CLIENT, sequence + length)
        elif self.protocol == _MYSQL and from_client and captured >= 4 and not self.sealed:
            if data[start + 3] != 0 and self.current is None:
                # The login: a command begins a sequence of its own.  36 bytes are an SSLRequest, TLS follows.
                self.sealed = length == 36
                names, values = introductions.mysql(data[start : start + captured])
                if names:  # an answer to another challenge has none
                    self.header_order = names
                    self.request_values = values or None
                return 0
            if captured >= 5 and length == 5 and data[start + 4] == 1:
                return self.say_goodbye(_CLIENT, sequence + length)
        elif (
            self.protocol == _OPAQUE
            and not from_client
            and self.requests == 1
            and self.responses == 0
            and length == 7
            and captured >= 2
            and data[start] == 21
            and data[start + 1] == 3
        ):
            # A TLS alert in plain text: to that server the client's first bytes were no TLS.
            self.mismatch = _TLS_SERVER
        if from_client:
            self.asked_end = sequence + length
            if self.protocol == _REDIS and self.requests < _FIRST_COMMANDS and captured < _LONG_COMMAND:
                self.meet_redis(data[start : start + captured])
        self.turn(from_client, length, at, frame)
        return 0

    def meet_postgres(self, text: bytes, length: int) -> int:
        """What a startup message, a request for TLS and a first SCRAM message say of the client."""
        said = b""
        if text[4:7] == b"\x04\xd2\x16":
            said = b"asked: tls"
        elif text[4:8] == b"\x00\x03\x00\x00":
            names, said = introductions.startup(text, len(text) == length)
            self.header_order = names or None
        elif text[:1] == b"p":
            said = introductions.scram(text)
        if said:
            self.request_values = b"\n".join(line for line in (self.request_values, said) if line)
        return 0

    def meet_redis(self, text: bytes) -> int:
        """What commands say of the library that sends them."""
        said = introductions.redis(text)
        if said and (self.requests == 0 or not said.startswith(b"first")):
            self.request_values = b"\n".join(line for line in (self.request_values, said) if line)
            self.header_order = b",".join(line.partition(b":")[0] for line in self.request_values.split(b"\n"))
        return 0

    def end(self, from_client: bool, at: int, frame: int) -> int:
        """A client that closes without having waited said goodbye with its last bytes, where it was answered before.

        Known once the server has closed, too, and said nothing more: a client that half-closes is still answered.
        """
        x = self.current
        if from_client:
            self.parting = (
                x is not None
                and x.response_first_at == 0
                and self.responses > 0
                and at - x.request_last_at < _NO_WAIT
                and (self.protocol == _OPAQUE or self.protocol == _MYSQL or self.protocol == _HTTP2)
            )
        elif self.parting and self.open_request():
            self.current = None
            self.requests -= 1
            self.last_at = self.asked_after
            self.retracted = True
            self.say_goodbye(_CLIENT, self.asked_end)
        return 0

    def turn(self, from_client: bool, length: int, at: int, frame: int) -> int:
        """Account ``length`` opaque bytes of one direction."""
        x = self.current
        if from_client:
            if x is None or x.response_first_at != 0:
                self.close_turn()
                self.asked_after = self.last_at
                x = new_exchange(self.requests)
                x.flags = _TURN | _REQUEST_SEEN
                x.request_first_at = at
                x.request_first_frame = frame
                self.current = x
                self.requests += 1
            x.request_last_at = at
            x.request_last_frame = frame
            x.request_bytes += length
        elif x is not None:
            if x.response_first_at == 0:
                x.response_first_at = at
                x.response_first_frame = frame
                x.flags |= _RESPONSE_SEEN | _REQUEST_COMPLETE
                self.responses += 1
            x.response_last_at = at
            x.response_last_frame = frame
            x.response_bytes += length
        else:
            return 0  # a server's greeting, or an answer to a request ahead of the capture
        self.last_at = at
        return 0

    def close_turn(self) -> int:
        """The turn in progress is over: the client speaks again, or nobody does."""
        x = self.current
        if x is not None:
            if x.response_first_at != 0:
                x.flags |= _RESPONSE_COMPLETE
            self.rows.add(self.connection, x)
            self.current = None
        return 0

    def gap(self, from_client: bool, length: int) -> int:
        return 0

    def unseen_answer(self) -> int:
        x = self.current
        if x is not None and x.response_first_at == 0:
            x.response_first_at = x.request_last_at
            x.response_last_at = x.request_last_at
            x.response_first_frame = x.request_last_frame
            x.response_last_frame = x.request_last_frame
            x.flags |= _RESPONSE_SEEN | _REQUEST_COMPLETE | _BOUND
            self.responses += 1
        return 0

    def open_request(self) -> bool:
        x = self.current
        return x is not None and x.response_first_at == 0

    def finish(self) -> int:
        return self.close_turn()
