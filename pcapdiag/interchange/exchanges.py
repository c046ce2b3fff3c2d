"""The table of exchanges: a row per request with its final response."""

from __future__ import annotations

from pcapdiag.interchange.columns import Column, Kind, Layout
from pcapdiag.model.flags import METHODS
from pcapdiag.model.words import Count, ExchangeOutcome, Protocol

NO_RESPONSE = "no response was captured"
NO_REQUEST = "the request was not captured"
ONE_FILE = "one file was read"

COLUMNS = (
    Column("connection", Kind.NUMBER, "number of its connection: number in the table of connections"),
    Column(
        "request_number",
        Kind.NUMBER,
        "place among the exchanges seen on its connection, from 1; with connection the key of the table",
    ),
    Column("client_ip", Kind.TEXT, "address of the client"),
    Column("client_port", Kind.NUMBER, "its port"),
    Column("server_ip", Kind.TEXT, "address of the server"),
    Column("server_port", Kind.NUMBER, "its port"),
    Column("pool", Kind.TEXT, "id of the connection's pool"),
    Column("protocol", Kind.WORD, "what the connection's bytes are", words=tuple(word.word for word in Protocol)),
    Column("host", Kind.TEXT, "Host of the connection's first request, else its TLS server name", null="none was seen"),
    Column(
        "basis",
        Kind.WORD,
        "exact: framed from first to last byte; lower_bound: bytes are missing, its end is an estimate; "
        "turns: data one way answered by data the other way, where the bytes cannot be read",
        words=tuple(word.word for word in Count),
    ),
    Column(
        "method",
        Kind.WORD,
        "method of the request",
        null="another method than these, a turn, or the request was not captured",
        words=tuple(sorted(METHODS[1:])),
    ),
    Column("status", Kind.NUMBER, "status code of the final response", null="no final response was captured; a turn"),
    Column("request_at", Kind.TIME, "first byte of the request", null=NO_REQUEST),
    Column(
        "request_end_at",
        Kind.TIME,
        "last byte of the request, as far as it had come when its response was complete",
        null=NO_REQUEST,
    ),
    Column("response_at", Kind.TIME, "first byte of the final response", null=NO_RESPONSE),
    Column(
        "response_end_at",
        Kind.TIME,
        "last byte of the response that was seen; with packets out of order it may have come ahead of the first",
        null=NO_RESPONSE,
    ),
    Column(
        "first_byte_s",
        Kind.SECONDS,
        "from the last byte of the request to the first of the response, at the capture point; "
        "negative where the answer began before the request had ended",
        null="either was not captured",
        unit="s",
    ),
    Column(
        "duration_s",
        Kind.SECONDS,
        "from the first byte of the request to the last of the response (to the first, where that came later)",
        null="it is not complete, or its request was not captured",
        unit="s",
    ),
    Column(
        "reused",
        Kind.FLAG,
        "its connection had carried an exchange before",
        null="the connection's start was not captured, and this is the first exchange seen",
    ),
    Column(
        "idle_gap_s",
        Kind.SECONDS,
        "silence on the connection since the end of the exchange ahead of it",
        null="it is the first, the exchange ahead had not ended, or one of the times was not captured",
        unit="s",
    ),
    Column("request_bytes", Kind.NUMBER, "head and body of the request", null=NO_REQUEST, unit="bytes"),
    Column(
        "response_bytes",
        Kind.NUMBER,
        "heads and body of the response, interim ones included",
        null=NO_RESPONSE,
        unit="bytes",
    ),
    Column(
        "request_close",
        Kind.FLAG,
        "the request asked for the close: Connection: close, or HTTP/1.0 without keep-alive",
        null="a turn, or the request was not captured",
    ),
    Column(
        "response_close",
        Kind.FLAG,
        "the response announced the close, likewise",
        null="a turn, or no final response was captured",
    ),
    Column(
        "request_version",
        Kind.WORD,
        "HTTP version of the request",
        null="a turn, or the request was not captured",
        words=("HTTP/1.0", "HTTP/1.1"),
    ),
    Column(
        "response_version",
        Kind.WORD,
        "HTTP version of the response",
        null="a turn, or no final response was captured",
        words=("HTTP/1.0", "HTTP/1.1"),
    ),
    Column(
        "keepalive_timeout_s",
        Kind.NUMBER,
        "timeout of the response's Keep-Alive header",
        null="it names none",
        unit="s",
    ),
    Column(
        "keepalive_max", Kind.NUMBER, "max of the response's Keep-Alive header", null="it names none", unit="requests"
    ),
    Column("interim", Kind.NUMBER, "interim responses (1xx) ahead of the final one"),
    Column("expects_continue", Kind.FLAG, "the request asked for a 100 Continue ahead of its body"),
    Column("pipelined", Kind.FLAG, "sent before the answer to the request ahead of it was complete"),
    Column("upgraded", Kind.FLAG, "101, or a 2xx to CONNECT: the connection carries something else from here on"),
    Column("until_close", Kind.FLAG, "the response has no length of its own: it ends with the connection"),
    Column(
        "outcome",
        Kind.WORD,
        "complete (a turn: answered); request_cut: closed before the request had been sent; "
        "unanswered: closed without a response; response_cut: closed before the response had ended; "
        "open: under way when the capture ended; "
        "unknown: the capture lacks the bytes that would tell",
        words=tuple(word.word for word in ExchangeOutcome),
    ),
    Column(
        "closer",
        Kind.WORD,
        "who sent the connection's first FIN or RST; none: it was open at the capture's end",
        words=("none", "client", "server"),
    ),
    Column(
        "request_frame",
        Kind.NUMBER,
        "frame of the request's first byte, as Wireshark shows it, in its file",
        null=NO_REQUEST,
    ),
    Column("request_end_frame", Kind.NUMBER, "frame of its last byte", null=NO_REQUEST),
    Column("response_frame", Kind.NUMBER, "frame of the response's first byte", null=NO_RESPONSE),
    Column("response_end_frame", Kind.NUMBER, "frame of its last byte", null=NO_RESPONSE),
    Column("request_file", Kind.TEXT, "file that request_frame counts in", null=f"{ONE_FILE}, or {NO_REQUEST}"),
    Column("request_end_file", Kind.TEXT, "file that request_end_frame counts in", null=f"{ONE_FILE}, or {NO_REQUEST}"),
    Column("response_file", Kind.TEXT, "file that response_frame counts in", null=f"{ONE_FILE}, or {NO_RESPONSE}"),
    Column(
        "response_end_file", Kind.TEXT, "file that response_end_frame counts in", null=f"{ONE_FILE}, or {NO_RESPONSE}"
    ),
)

EXCHANGES = Layout(
    "exchanges",
    "A row per request with its final response, by connection, then in their order on it. "
    "Those of a connection that repeats another (alias_of) are left out.",
    COLUMNS,
)
