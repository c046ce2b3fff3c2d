"""TLS without keys, and other protocols known by their first bytes: turns, never claimed as exact."""

from __future__ import annotations

import struct

import pytest
from notation import play, scenario

HANDSHAKE = """
    options ports 40000 443
    > S
    < S.
    > .
"""


def extension(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value


def record(kind: int, body: bytes) -> bytes:
    return bytes((kind, 3, 1)) + struct.pack(">H", len(body)) + body


def handshake(kind: int, body: bytes) -> bytes:
    return record(22, bytes((kind,)) + len(body).to_bytes(3) + body)


def client_hello(name: bytes = b"", alpn: tuple[bytes, ...] = (), tls13: bool = True, padding: int = 0) -> bytes:
    extensions = b""
    if name:
        entry = b"\0" + struct.pack(">H", len(name)) + name
        extensions += extension(0, struct.pack(">H", len(entry)) + entry)
    if alpn:
        names = b"".join(bytes((len(n),)) + n for n in alpn)
        extensions += extension(16, struct.pack(">H", len(names)) + names)
    if tls13:
        extensions += extension(43, b"\x04\x03\x04\x03\x03")
    extensions += extension(21, bytes(padding))
    body = b"\x03\x03" + bytes(32) + b"\x20" + bytes(32) + b"\0\x04\x13\x01\x13\x02" + b"\x01\0"
    return handshake(1, body + struct.pack(">H", len(extensions)) + extensions)


def server_hello(alpn: bytes = b"", tls13: bool = True) -> bytes:
    extensions = extension(43, b"\x03\x04") if tls13 else b""
    if alpn:
        extensions += extension(16, struct.pack(">H", len(alpn) + 1) + bytes((len(alpn),)) + alpn)
    body = b"\x03\x03" + bytes(32) + b"\x20" + bytes(32) + b"\x13\x01\0"
    return handshake(2, body + struct.pack(">H", len(extensions)) + extensions)


HELLOS = {
    "hello": client_hello(b"api.example.com", (b"h2", b"http/1.1")),
    "hello12": client_hello(b"old.example.com", (b"http/1.1",), tls13=False),
    "reply": server_hello(),
    "reply12": server_hello(b"http/1.1", tls13=False),
    "big": client_hello(b"pq.example.com", padding=1_800),
}

TLS13 = (
    HANDSHAKE
    + """
    > P. $hello
    < P. $reply {20:1} {23:30} {23:900} {23:281} {23:53}
    > P. {20:1} {23:53}
"""
)

test_turns_of_application_data_are_counted_and_labelled_as_such = scenario(
    TLS13
    + """
    > P. {23:200}
    < P. {23:800}
    > P. {23:150}
    < . {23:1000}
    < P. {23:300}
    expect protocol tls
    expect requests 2 turns
    expect responses 2
    expect exchanges TURN TURN
    expect exchange 1 frames 7-7 8-8
    expect exchange 2 frames 9-9 10-11
    expect sni api.example.com
    expect open_request 0
""",
    **HELLOS,
)

test_finished_tickets_and_close_notify_are_no_requests = scenario(
    TLS13
    + """
    < P. {23:234} {23:234}
    +5 > P. {23:19}
    > F.
    < F.
    expect requests 0 turns
    expect goodbye client
    expect closer client fin
    expect open_request 0
""",
    **HELLOS,
)

test_a_finished_of_the_longer_hash_is_no_request_either = scenario(
    HANDSHAKE
    + """
    > P. $hello
    < P. $reply {20:1} {23:1200}
    > P. {20:1} {23:69} {23:120}
    < P. {23:500}
    expect requests 1 turns
    expect exchange 1 frames 6-6 7-7
""",
    **HELLOS,
)

test_an_alert_of_more_than_two_bytes_is_encrypted_though_its_change_of_cipher_was_cut_off = scenario(
    HANDSHAKE
    + """
    > P. $hello12 cut 30
    < P. $reply12 {20:1} {22:40} cut 30
    > P. {20:1} {22:40} {23:85} cut 30
    < P. {23:657}
    < P. {21:26}
    < F.
    expect requests 1 turns
    expect responses 1
    expect goodbye server
    expect tls 128
""",
    **HELLOS,
)

test_a_goodbye_behind_a_lost_finished_is_no_alert_of_the_handshake = scenario(
    HANDSHAKE
    + """
    > P. $hello
    < P. $reply {20:1} {23:900}
    > P. {20:1} {23:53} {23:200} lost
    > P. {23:19}
    > F.
    expect gap_bytes client 269
    expect tls 7
""",
    **HELLOS,
)

test_the_first_record_behind_a_lost_finished_is_a_request = scenario(
    HANDSHAKE
    + """
    > P. $hello
    < P. $reply {20:1} {23:900}
    > P. {20:1} {23:53} lost
    > P. {23:200}
    < P. {23:500}
    expect requests 1 turns
""",
    **HELLOS,
)

test_a_second_hello_behind_a_change_of_cipher_is_no_finished_of_tls12 = scenario(
    HANDSHAKE
    + """
    > P. $hello cut 30
    < P. {22:88} cut 30
    > P. {20:1} $hello cut 30
    < P. {22:122} cut 30
    > P. {23:53}
    > P. {23:200}
    < P. {23:500}
    expect requests 1 turns
""",
    **HELLOS,
)

test_two_bytes_of_each_segment_tell_a_handshake_from_data = scenario(
    HANDSHAKE
    + """
    > P. $hello cut 2
    < P. $reply {20:1} {23:1200} cut 2
    > P. {20:1} {23:53} cut 2
    < P. {23:234} cut 2
    > P. {23:200} cut 2
    < P. {23:500} cut 2
    > P. {23:200} cut 2
    < P. {23:500} cut 2
    > P. {23:19} cut 2
    > F.
    expect protocol tls
    expect requests 2 turns
    expect exchange 1 frames 8-8 9-9
    expect goodbye client
    expect open_request 0
""",
    **HELLOS,
)

test_two_bytes_of_each_segment_show_a_request_behind_the_finished = scenario(
    HANDSHAKE
    + """
    > P. $big cut 2
    < P. $reply {20:1} {23:1200} cut 2
    > P. {20:1} {23:53} {23:120} cut 2
    < P. {23:500} cut 2
    expect requests 1 turns
    expect open_request 0
""",
    **HELLOS,
)

test_two_bytes_of_plain_text_answer_a_hello_as_no_tls_server_does = scenario(
    HANDSHAKE
    + """
    > P. $hello cut 2
    < P. "HTTP/1.1 400 Bad Request\\r\\n\\r\\n" cut 2
    expect protocol tls
    expect mismatch 2
""",
    **HELLOS,
)

test_a_plain_alert_answers_what_was_no_tls_though_two_letters_are_left_of_it = scenario(
    HANDSHAKE
    + """
    > P. "GET / HTTP/1.1\\r\\n\\r\\n" cut 2
    < P. {21:2} cut 2
    < F.
    expect protocol opaque
    expect requests 1 turns
    expect mismatch 1
""",
)

test_two_letters_of_a_method_are_turns = scenario(
    HANDSHAKE
    + """
    > P. "POST / HTTP/1.1\\r\\n\\r\\n" cut 2
    < P. "HTTP/1.1 200 OK\\r\\n\\r\\n" cut 2
    > P. "POST / HTTP/1.1\\r\\n\\r\\n" cut 2
    < P. "HTTP/1.1 200 OK\\r\\n\\r\\n" cut 2
    expect protocol opaque
    expect requests 2 turns
""",
)

test_a_request_in_the_same_segment_as_finished_is_a_request = scenario(
    HANDSHAKE
    + """
    > P. $hello
    < P. $reply {20:1} {23:1200}
    > P. {20:1} {23:53} {23:120}
    < P. {23:234}
    < P. {23:500}
    > P. {23:120}
    < P. {23:500}
    expect requests 2 turns
""",
    **HELLOS,
)

test_a_close_notify_after_the_last_answer_is_a_goodbye_and_no_open_request = scenario(
    TLS13
    + """
    > P. {23:200}
    < P. {23:800}
    +60 < P. {23:19}
    < F.
    > P. {23:19}
    > F.
    expect requests 1 turns
    expect goodbye server
    expect closer server fin
    expect initiator server
    expect open_request 0
    expect linger 60.001
""",
    **HELLOS,
)

test_a_server_that_answers_a_goodbye_with_its_fin_left_established_first = scenario(
    TLS13
    + """
    > P. {23:200}
    < P. {23:800}
    > P. {23:19}
    < P. {23:19}
    < F.
    > R.
    expect goodbye client
    expect closer server fin
    expect initiator server
""",
    **HELLOS,
)

# A GOAWAY of HTTP/2 is 17 bytes and 17 of encryption: 34; with curl's reason of nine bytes 43.

test_a_goaway_that_nobody_asked_for_is_no_response = scenario(
    TLS13
    + """
    > P. {23:230}
    < P. {23:800}
    +3 < P. {23:34}
    < P. {23:19}
    +2 > P. {23:43}
    < F.
    > P. {23:19}
    > F.
    expect requests 1 turns
    expect responses 1
    expect exchange 1 frames 7-7 8-8
    expect goodbye server
    expect open_request 0
    expect linger 5.002
""",
    **HELLOS,
)

test_a_goaway_of_the_client_is_no_request = scenario(
    TLS13
    + """
    > P. {23:230}
    < P. {23:800}
    +1 > P. {23:43}
    > P. {23:19}
    > F.
    < P. {23:34}
    > R.
    expect requests 1 turns
    expect exchange 1 frames 7-7 8-8
    expect goodbye client
    expect closer client fin
    expect open_request 0
""",
    **HELLOS,
)

test_a_goaway_answers_a_goaway_and_no_request = scenario(
    TLS13
    + """
    > P. {23:230}
    < P. {23:800}
    +1 > P. {23:43}
    < P. {23:34}
    < P. {23:19}
    > P. {23:19}
    < F.
    > F.
    expect requests 1 turns
    expect responses 1
    expect goodbye client
    expect open_request 0
""",
    **HELLOS,
)

test_a_request_that_the_client_gives_up_later_stays_open = scenario(
    TLS13
    + """
    > P. {23:230}
    < P. {23:800}
    > P. {23:43}
    +0.01 > P. {23:19}
    > F.
    expect requests 2 turns
    expect open_request 1
""",
    **HELLOS,
)

test_a_goaway_behind_an_unanswered_request_takes_nothing_back = scenario(
    TLS13
    + """
    > P. {23:60}
    +0.5 > P. {23:43}
    > P. {23:19}
    > F.
    expect requests 1 turns
    expect open_request 1
""",
    **HELLOS,
)

test_where_http_1_was_offered_alone_nothing_is_a_goaway = scenario(
    HANDSHAKE
    + """
    > P. $one
    < P. $reply {20:1} {23:1200}
    > P. {20:1} {23:53}
    > P. {23:230}
    < P. {23:800}
    +1 > P. {23:43}
    > P. {23:19}
    > F.
    expect requests 2 turns
    expect open_request 1
""",
    one=client_hello(b"api.example.com", (b"http/1.1",)),
    reply=HELLOS["reply"],
)

test_a_last_piece_behind_a_pause_is_a_response_where_http_1_was_chosen = scenario(
    HANDSHAKE
    + """
    > P. $hello12
    < P. $reply12 {22:900} {22:4}
    > P. {22:37} {20:1} {22:40}
    < P. {20:1} {22:40}
    > P. {23:200}
    < P. {23:800}
    +1 < P. {23:41}
    < P. {21:26}
    < F.
    expect requests 1 turns
    expect exchange 1 frames 8-8 9-10
    expect goodbye server
""",
    **HELLOS,
)

test_where_the_hello_was_cut_a_goaway_is_shorter_than_any_request_of_http_1 = scenario(
    HANDSHAKE
    + """
    > P. $hello cut 30
    < P. $reply {20:1} {23:1200} cut 30
    > P. {20:1} {23:53} cut 30
    > P. {23:230} cut 30
    < P. {23:800} cut 30
    +1 > P. {23:43}
    > P. {23:19}
    > F.
    expect requests 1 turns
    expect open_request 0
""",
    **HELLOS,
)

test_a_little_longer_it_may_be_a_request_there = scenario(
    HANDSHAKE
    + """
    > P. $hello cut 30
    < P. $reply {20:1} {23:1200} cut 30
    > P. {20:1} {23:53} cut 30
    > P. {23:230} cut 30
    < P. {23:800} cut 30
    +1 > P. {23:44}
    > P. {23:19}
    > F.
    expect requests 2 turns
    expect open_request 1
""",
    **HELLOS,
)

test_acknowledged_settings_of_http_2_are_no_request = scenario(
    TLS13
    + """
    > P. {23:230}
    < P. {23:800}
    > P. {23:26}
    +1 > P. {23:60}
    < P. {23:300}
    expect requests 2 turns
    expect exchange 2 frames 10-10 11-11
""",
    **HELLOS,
)

test_tls_1_2_alerts_after_the_handshake_are_goodbyes = scenario(
    HANDSHAKE
    + """
    > P. $hello12
    < P. $reply12 {22:900} {22:4}
    > P. {22:37} {20:1} {22:40}
    < P. {20:1} {22:40}
    > P. {23:200}
    < P. {23:800}
    > P. {21:26}
    > F.
    < F.
    expect requests 1 turns
    expect goodbye client
    expect sni old.example.com
    expect alpn http/1.1
""",
    **HELLOS,
)

test_the_servers_choice_of_alpn_is_told_where_it_can_be_seen = scenario(
    HANDSHAKE
    + """
    > P. $hello12
    < P. $reply12
    expect alpn http/1.1
    expect protocol tls
    expect requests 0 turns
""",
    **HELLOS,
)

test_what_the_client_offered_is_told_where_the_choice_is_encrypted = scenario(
    TLS13
    + """
    expect alpn h2,http/1.1
""",
    **HELLOS,
)

test_a_hello_without_names_has_none = scenario(
    HANDSHAKE
    + """
    > P. $bare
    expect sni -
    expect alpn -
    expect protocol tls
""",
    bare=client_hello(),
)

test_a_large_hello_over_two_segments_is_read = scenario(
    HANDSHAKE
    + """
    > . $front
    > P. $rest
    expect sni pq.example.com
    expect protocol tls
    expect requests 0 turns
""",
    front=HELLOS["big"][:1400],
    rest=HELLOS["big"][1400:],
)

test_a_record_over_many_segments_is_one_turn = scenario(
    TLS13
    + """
    > . $a
    > . $b
    > P. $c
    < P. {23:16000}
    > P. {23:100}
    < P. {23:100}
    expect requests 2 turns
    expect exchange 1 frames 7-9 10-10
""",
    a=b"\x17\x03\x03\x10\x00" + bytes(95),
    b=bytes(905),
    c=bytes(3_096),
    **HELLOS,
)

test_a_record_header_over_two_segments_is_one_turn = scenario(
    TLS13
    + """
    > . $a
    > P. $b
    < P. {23:100}
    expect requests 1 turns
    expect responses 1
""",
    a=b"\x17\x03",
    b=b"\x03\x00\x20" + bytes(32),
    **HELLOS,
)

# Where the gap of the next scenario begins: behind the hello, five records and 1,005 bytes of the sixth.
GAP = 1 + len(HELLOS["reply"]) + 6 + 35 + 905 + 286 + 58 + 1_005

test_a_gap_inside_a_record_costs_no_turn = scenario(
    TLS13
    + f"""
    > P. {{23:200}}
    < . $front
    < . {GAP}:{GAP + 8_000}(8000) lost
    < P. $rest
    > .
    +0.1 > P. {{23:200}}
    < P. {{23:800}}
    expect requests 2 turns
    expect gap_bytes server 8000
""",
    front=b"\x17\x03\x03\x2e\xe0" + bytes(1_000),
    rest=bytes(12_000 - 9_000),
    **HELLOS,
)

test_bodies_cut_by_the_snaplen_cost_no_turn = scenario(
    TLS13
    + """
    > P. {23:900} cut 40
    < P. {23:1200} cut 40
    > P. {23:900} cut 40
    < P. {23:1200} cut 40
    expect requests 2 turns
""",
    **HELLOS,
)

test_a_midstream_tls_connection_counts_turns = scenario("""
    options ports 40000 443
    > P. {23:200}
    < P. {23:800}
    > P. {23:200}
    < P. {23:800}
    expect protocol tls
    expect requests 2 turns
    expect opening midstream
""")

test_a_midstream_server_hello_tells_the_roles = scenario(
    """
    options ports 443 40000
    < P. $reply {20:1} {23:1200}
    > P. {20:1} {23:53}
    > P. {23:100}
    < P. {23:100}
    expect port client 443 server 40000
    expect protocol tls
""",
    **HELLOS,
)

# -- other protocols

test_redis_is_named_and_its_turns_counted = scenario(
    r"""
    options ports 40000 6379
    > S
    < S.
    > .
    > P. "*1\r\n$4\r\nPING\r\n"
    < P. "+PONG\r\n"
    > P. "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    < P. "$-1\r\n"
    expect protocol redis
    expect requests 2 turns
    expect exchanges TURN TURN
"""
)

test_redis_quit_is_a_goodbye = scenario(
    r"""
    > S
    < S.
    > .
    > P. "*1\r\n$4\r\nPING\r\n"
    < P. "+PONG\r\n"
    > P. "*1\r\n$4\r\nQUIT\r\n"
    < P. "+OK\r\n"
    < F.
    > F.
    expect goodbye client
    expect requests 1 turns
    expect closer server fin
    expect open_request 0
"""
)

test_postgres_is_named_and_its_start_and_terminate_are_no_requests = scenario(
    r"""
    options ports 40000 5432
    > S
    < S.
    > .
    > P. "\x00\x00\x00\x14\x00\x03\x00\x00user\x00postgres\x00\x00"
    < P. "R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I"
    > P. "Q\x00\x00\x00\x0dselect 1\x00"
    < P. "T\x00\x00\x00\x04D\x00\x00\x00\x04Z\x00\x00\x00\x05I"
    > P. "X\x00\x00\x00\x04"
    > F.
    expect protocol postgres
    expect requests 1 turns
    expect goodbye client
    expect open_request 0
"""
)

test_postgres_that_asks_for_tls_first_is_named = scenario(
    r"""
    > S
    < S.
    > .
    > P. "\x00\x00\x00\x08\x04\xd2\x16\x2f"
    < P. "N"
    > P. "\x00\x00\x00\x14\x00\x03\x00\x00user\x00postgres\x00\x00"
    < P. "R\x00\x00\x00\x08\x00\x00\x00\x00"
    > P. "Q\x00\x00\x00\x0dselect 1\x00"
    < P. "Z\x00\x00\x00\x05I"
    expect protocol postgres
    expect requests 1 turns
"""
)

test_http_2_with_prior_knowledge_is_named_and_its_settings_are_no_request = scenario(
    r"""
    > S
    < S.
    > .
    > P. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    < P. "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    expect protocol http2
    expect requests 0 turns
"""
)

test_opaque_bytes_are_turns = scenario(
    r"""
    > S
    < S.
    > .
    > P. "\x01\x02\x03\x04"
    > P. "\x05\x06"
    < P. "\x01"
    < P. "\x02"
    > P. "\x03"
    expect protocol opaque
    expect requests 2 turns
    expect responses 1
    expect exchanges TURN TURN/-
    expect exchange 1 frames 4-5 6-7
    expect open_request 1
"""
)

test_a_servers_greeting_is_no_turn = scenario(
    r"""
    > S
    < S.
    > .
    < P. "220 mail ready\r\n"
    > P. "EHLO a\r\n"
    < P. "250 ok\r\n"
    expect protocol opaque
    expect requests 1 turns
    expect responses 1
"""
)

test_a_gap_in_opaque_bytes_leaves_turns = scenario(
    r"""
    > S
    < S.
    > .
    > P. "\x01\x02\x03\x04"
    < P. "\x01"*500
    < . 501:901(400) lost
    > .
    +0.1 > P. "\x03"
    < P. "\x01"
    expect protocol opaque
    expect requests 2 turns
    expect gap_bytes server 400
"""
)


@pytest.mark.parametrize("end", range(6, len(HELLOS["hello"]), 17))
def test_a_hello_cut_anywhere_is_still_tls(end: int) -> None:
    play(
        HANDSHAKE
        + f"""
        > P. $hello cut {end}
        < P. $reply {{20:1}} {{23:1200}}
        > P. {{20:1}} {{23:53}}
        > P. {{23:100}}
        < P. {{23:100}}
        expect protocol tls
        expect requests 1 turns
        """,
        **HELLOS,
    )
