"""Words with one spelling each; table columns hold their numbers, reports their names.

The terms are those of RFC 9293, Wireshark and Zeek, as fixed in docs/GLOSSARY.md.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from sys import intern


class Word(IntEnum):
    """An integer for a table column that prints as the field's term for it."""

    @property
    def word(self) -> str:
        return intern(self.name.lower())  # one string for all rows of a table

    def __str__(self) -> str:
        return self.word


class Opening(Word):
    """How a connection's start was seen."""

    HANDSHAKE = 0
    REFUSED = 1
    UNANSWERED = 2
    MIDSTREAM = 3


class Side(Word):
    """One end of a connection, or neither, or not decidable from the packets."""

    NONE = 0
    CLIENT = 1
    SERVER = 2
    UNDECIDABLE = 3


class CloseKind(Word):
    """What the first closing segment was."""

    NONE = 0
    FIN = 1
    RST = 2


class Protocol(Word):
    """What the bytes of a connection are, as far as its packets show."""

    UNKNOWN = 0  # no payload seen
    OPAQUE = 1
    HTTP1 = 2
    TLS = 3
    HTTP2 = 4
    REDIS = 5
    POSTGRES = 6
    MYSQL = 7


class Mismatch(Word):
    """What shows that the two ends of a connection speak different protocols."""

    NONE = 0
    TLS_SERVER = 1  # plain HTTP to a server that answered with a TLS alert, or with a 400 that asks for HTTPS
    PLAIN_SERVER = 2  # a TLS hello to a server whose answer is no TLS


class Count(Word):
    """What a number of requests is worth."""

    EXACT = 0
    LOWER_BOUND = 1
    TURNS = 2  # an estimate from direction changes of opaque bytes


class TcpState(IntEnum):
    """RFC 9293 states; always *implied* by the packets seen, never read from a kernel."""

    UNKNOWN = 0
    CLOSED = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10

    @property
    def word(self) -> str:
        return self.name


class ConnState(Word):
    """Zeek's ``conn_state``."""

    OTH = 0
    S0 = 1
    S1 = 2
    SF = 3
    REJ = 4
    S2 = 5
    S3 = 6
    RSTO = 7
    RSTR = 8
    RSTOS0 = 9
    RSTRH = 10
    SH = 11
    SHR = 12

    @property
    def word(self) -> str:
        return self.name


class CloseClass(Word):
    """Why a connection closed, decided before any timer or cap is inferred."""

    OPEN = 0  # not closed in the capture
    SIGNALLED = 1  # Connection: close either way, or HTTP/1.0 without keep-alive
    OPEN_REQUEST = 2  # a request had no complete response
    IMMEDIATE = 3  # silence before the close of at most max(4 RTT, 50 ms)
    SILENT = 4  # closed after a longer silence
    UNUSED = 5  # closed without ever carrying a request


class ExchangeOutcome(Word):
    """How far an exchange came."""

    COMPLETE = 0
    REQUEST_CUT = 1  # the connection closed before the request had been sent
    UNANSWERED = 2  # it closed without a response
    RESPONSE_CUT = 3  # it closed before the response had ended
    OPEN = 4  # under way when the capture ended
    UNKNOWN = 5  # the bytes that would tell were not captured


class Severity(StrEnum):
    """What it costs if the claim is true."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Confidence(StrEnum):
    """How well the capture supports the claim."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        return list(Confidence).index(self)


class Basis(StrEnum):
    """Whether the packets show the claim or it is reasoned from them."""

    OBSERVED = "observed"
    INFERRED = "inferred"


class Cause(StrEnum):
    """The vocabulary of ``causes[].cause``."""

    NEVER_REUSE_NEW_TRANSPORT = "never-reuse-new-transport"
    NEVER_REUSE_KEEPALIVE_DISABLED = "never-reuse-keepalive-disabled"
    BODY_NOT_CLOSED = "body-not-closed"
    BODY_NOT_DRAINED = "body-not-drained"
    IDLE_POOL_TOO_SMALL = "idle-pool-too-small"
    IDLE_TIMEOUT_TOO_SHORT = "idle-timeout-too-short"
    IDLE_TIMEOUT_NONE = "idle-timeout-none"
    SERVER_IDLE_TIMEOUT = "server-idle-timeout"
    SERVER_MAX_REQUESTS = "server-max-requests"
    SERVER_CONNECTION_CLOSE = "server-connection-close"
    MAX_CONNS_CAP = "max-conns-cap"
    CLIENT_REQUEST_TIMEOUT = "client-request-timeout"
    KEEPALIVE_RACE = "keepalive-race"
    SERVER_ABORT = "server-abort"
    SERVER_RESTART = "server-restart"
    CLIENT_ABORT = "client-abort"
    CLIENT_MAX_REQUESTS = "client-max-requests"
    CONNECT_REFUSED = "connect-refused"
    CONNECT_TIMEOUT = "connect-timeout"
    BACKLOG_OVERFLOW = "backlog-overflow"
    MIDDLEBOX_IDLE_DROP = "middlebox-idle-drop"
    TLS_NO_REUSE = "tls-no-reuse"
    TLS_HANDSHAKE_FAILURE = "tls-handshake-failure"
    PROTOCOL_MISMATCH = "protocol-mismatch"
    NAGLE_DELAYED_ACK = "nagle-delayed-ack"
    EXPECT_100_CONTINUE = "expect-100-continue"
    ZERO_WINDOW = "zero-window"
    CONNECTION_LIFETIME = "connection-lifetime"
    CLOSE_WAIT_LEAK = "close-wait-leak"
    PORT_EXHAUSTION = "port-exhaustion"
    PATH_LOSS = "path-loss"
    PMTU_BLACKHOLE = "pmtu-blackhole"
    SLOW_SERVER = "slow-server"
    SERVER_REJECTS_UPLOAD = "server-rejects-upload"
    UNUSED_CONNECTIONS = "unused-connections"
    HALF_CLOSED = "half-closed"
    PIPELINING = "pipelining"
    CONNECT_TUNNEL = "connect-tunnel"
    HEALTHY = "healthy"


class Knob(StrEnum):
    """What a setting governs; ``settings/`` says how each product spells it."""

    IDLE_POOL_LIMIT = "idle_pool_limit"
    TOTAL_POOL_LIMIT = "total_pool_limit"
    IDLE_TIMEOUT = "idle_timeout"
    MAX_LIFETIME = "max_lifetime"
    MAX_REQUESTS = "max_requests"
    KEEPALIVE_SWITCH = "keepalive_switch"
    INSTANCE_PER_REQUEST = "instance_per_request"
    BODY_CONSUMPTION = "body_consumption"
    REQUEST_TIMEOUT = "request_timeout"
    TCP_KEEPALIVE = "tcp_keepalive"
    CONNECT_TIMEOUT = "connect_timeout"  # how long a handshake, TCP or TLS, may take
    HEADER_TIMEOUT = "header_timeout"  # how long the head of a message may take: a request's or a response's
    VALIDATION = "validation"  # a look at an idle connection before it is used again
    RETRY = "retry"  # sending a request again after its connection failed
    MIN_IDLE = "min_idle"  # connections opened ahead of need
    CLOSE_MODE = "close_mode"  # close or reset, and whether the peer's close is answered
    DRAIN = "drain"  # a stop that lets open requests finish
    BACKLOG = "backlog"  # connections that wait to be accepted
    NAGLE = "nagle"  # Nagle's algorithm and the delayed ACK it meets
    EXPECT_CONTINUE = "expect_continue"
    BODY_LIMIT = "body_limit"  # the largest request body a server takes
    TLS_SESSION = "tls_session"  # resumption of TLS sessions
    CERTIFICATE = "certificate"  # whom TLS trusts and what is presented
    SCHEME = "scheme"  # http or https, TLS or not, on both ends
    PORT_RANGE = "port_range"
    TIMEWAIT = "timewait"
    RETRANSMIT = "retransmit"  # how often TCP tries again before it gives up
    RECEIVE_BUFFER = "receive_buffer"  # what a slow reader has room for
    MTU = "mtu"  # segment sizes that fit the path


class FindingFate(StrEnum):
    """What became of a finding between two captures."""

    GONE = "gone"  # not there any more where it could have shown
    UNTESTED = "untested"  # not there, but the second capture did not put it to the test
    STILL = "still"
    NEW = "new"


class Change(StrEnum):
    """How a number moved between two captures, beyond what chance explains."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    UNCLEAR = "unclear"  # counted in different ways, or too little of it


class Outcome(StrEnum):
    """What a comparison of two captures comes to."""

    FIXED = "fixed"  # all findings gone
    PARTLY_FIXED = "partly-fixed"  # some gone, some not
    UNTESTED = "untested"  # none is there any more, none could have shown
    IMPROVED = "improved"  # still there, and weaker
    UNCHANGED = "unchanged"
    MIXED = "mixed"  # something gone, something new
    WORSE = "worse"  # something new, or what was there is stronger, and nothing gone
    NO_FAULT = "no-fault"  # nothing wrong in either
    NOT_COMPARABLE = "not-comparable"  # no service is in both
