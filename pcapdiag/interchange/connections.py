"""The table of connections: a row per incarnation of a 4-tuple."""

from __future__ import annotations

from pcapdiag.interchange.columns import Column, FrameOf, Kind, Layout, Renamed, Shape, both_sides
from pcapdiag.model.words import CloseClass, CloseKind, ConnState, Count, Opening, Protocol, Side, TcpState

STATES = tuple(state.word for state in TcpState)

COLUMNS = (
    Column("number", Kind.NUMBER, "connection number, in order of the first packet, from 1; the key of the table"),
    Column("client_ip", Kind.TEXT, "address of the end that sent the SYN (inferred where roles_inferred)"),
    Column("client_port", Kind.NUMBER, "its port"),
    Column("server_ip", Kind.TEXT, "address of the other end"),
    Column("server_port", Kind.NUMBER, "its port"),
    Column("pool", Kind.TEXT, "id of the pool it belongs to: p1 is the largest", null="it repeats another (alias_of)"),
    Column("opening", Kind.WORD, "how its start was seen", words=tuple(word.word for word in Opening)),
    Column("opened_at", Kind.TIME, "time of its first packet"),
    Column("last_at", Kind.TIME, "time of its last packet"),
    Column(
        "handshake_rtt_s",
        Kind.SECONDS,
        "round trip of the handshake, from the SYN to the ACK at the capture point",
        null="the handshake was not seen whole",
        unit="s",
    ),
    Column("requests", Kind.NUMBER, "requests seen; requests_basis says what the number is worth"),
    Column("responses", Kind.NUMBER, "responses seen"),
    Column(
        "requests_basis",
        Kind.WORD,
        "exact; lower_bound: at least so many; turns: an estimate from bytes that cannot be read",
        words=tuple(word.word for word in Count),
    ),
    Column(
        "closer",
        Kind.WORD,
        "who sent the first FIN or RST at the capture point; none: it was open at the capture's end",
        words=("none", "client", "server"),
    ),
    Column(
        "initiator",
        Kind.WORD,
        "who began the close of its own will; undecidable where FINs cross",
        words=tuple(word.word for word in Side),
    ),
    Column("close_kind", Kind.WORD, "what the first closing segment was", words=tuple(word.word for word in CloseKind)),
    Column(
        "close_class",
        Kind.WORD,
        "why it closed: signalled by Connection: close or HTTP/1.0, with an open_request, immediate after a response, "
        "silent after a longer pause, unused; open: not closed",
        words=tuple(word.word for word in CloseClass),
    ),
    Column(
        "linger_s",
        Kind.SECONDS,
        "silence before the close, from the end of the last exchange (of the handshake, where there was none)",
        null="it was not closed",
        unit="s",
    ),
    Column("open_request_at_close", Kind.FLAG, "it was closed while a request had no complete response"),
    *both_sides(
        [
            Column(
                "state", Kind.WORD, "TCP state that the packets imply for the {side} at the capture's end", words=STATES
            )
        ]
    ),
    Column("protocol", Kind.WORD, "what its bytes are", words=tuple(word.word for word in Protocol)),
    Column("alpn", Kind.TEXT, "protocol agreed on in the TLS handshake", null="none was seen"),
    Column("sni", Kind.TEXT, "server name asked for in the TLS handshake", null="none was seen"),
    Column("host", Kind.TEXT, "Host of the first request", null="none was seen"),
    Column("user_agent", Kind.TEXT, "User-Agent of the first request", null="none was seen"),
    Column("server_software", Kind.TEXT, "Server header of a response", null="none was seen"),
    Column("conn_state", Kind.WORD, "as Zeek's conn.log has it", words=tuple(word.word for word in ConnState)),
    Column("history", Kind.TEXT, "as Zeek's conn.log has it: a letter per event, capitals for the client"),
    Column("completeness", Kind.NUMBER, "the bits of Wireshark's tcp.completeness"),
    Column("roles_inferred", Kind.FLAG, "no SYN was captured: who is the client is inferred"),
    *both_sides(
        [
            Column("packets", Kind.NUMBER, "packets that the {side} sent"),
            Column("bytes", Kind.NUMBER, "payload bytes that the {side} sent, each once", unit="bytes"),
            Column("retransmitted", Kind.NUMBER, "segments that the {side} sent again"),
            Column("out_of_order", Kind.NUMBER, "segments of the {side} that came out of order"),
            Column("zero_window", Kind.NUMBER, "segments of the {side} with a window of zero"),
            Column("keepalive_probes", Kind.NUMBER, "TCP keepalive probes of the {side}"),
            Column("gap_bytes", Kind.NUMBER, "bytes of the {side} that were never captured", unit="bytes"),
        ]
    ),
    Column("truncated_bytes", Kind.NUMBER, "payload bytes cut off by the snaplen, both ways", unit="bytes"),
    Column("duplicates", Kind.NUMBER, "packets that were captured twice, and left out"),
    Column(
        "alias_of",
        Kind.NUMBER,
        "number of the same connection under other addresses, on the other side of a NAT or of a container's host",
        null="it is no repetition; count connections where this is null",
    ),
    Column("first_frame", Kind.NUMBER, "frame number of the first packet, as Wireshark shows it, in its file"),
    Column("last_frame", Kind.NUMBER, "frame number of the last packet"),
    Column("closing_frame", Kind.NUMBER, "frame number of the first FIN or RST", null="it was not closed"),
    Column("closed_at", Kind.TIME, "time of the first FIN or RST", null="it was not closed"),
    Column("first_file", Kind.TEXT, "file that first_frame counts in", null="one file was read"),
    Column("last_file", Kind.TEXT, "file that last_frame counts in", null="one file was read"),
    Column(
        "closing_file", Kind.TEXT, "file that closing_frame counts in", null="one file was read, or it was not closed"
    ),
)

# As #/$defs/connection of the JSON Schema.
SHAPE: Shape = {
    "number": "number",
    "client": {"ip": "client_ip", "port": "client_port"},
    "server": {"ip": "server_ip", "port": "server_port"},
    **{name: name for name in ("pool", "opening", "opened_at", "last_at", "handshake_rtt_s", "requests", "responses")},
    "requests_exact": Renamed("requests_basis", {"exact": "true", "lower_bound": "false", "turns": "false"}),
    **{
        name: name
        for name in (
            "requests_basis",
            "closer",
            "initiator",
            "close_kind",
            "close_class",
            "linger_s",
            "open_request_at_close",
            "client_state",
            "server_state",
            "protocol",
            "alpn",
            "sni",
            "host",
            "user_agent",
            "server_software",
            "conn_state",
            "history",
            "completeness",
            "roles_inferred",
            "client_packets",
            "server_packets",
            "client_bytes",
            "server_bytes",
            "client_retransmitted",
            "server_retransmitted",
            "client_out_of_order",
            "server_out_of_order",
            "client_zero_window",
            "server_zero_window",
            "client_keepalive_probes",
            "server_keepalive_probes",
            "client_gap_bytes",
            "server_gap_bytes",
            "truncated_bytes",
            "duplicates",
            "alias_of",
        )
    },
    "frames": {
        "first": FrameOf("first_frame", "first_file"),
        "last": FrameOf("last_frame", "last_file"),
        "closing": FrameOf("closing_frame", "closing_file"),
    },
    "closed_at": "closed_at",
}

CONNECTIONS = Layout(
    "connections",
    "A row per connection, in order of its first packet.",
    COLUMNS,
    SHAPE,
    joined={"first_frame": "first_file", "last_frame": "last_file", "closing_frame": "closing_file"},
)
