"""HTTP/2 without TLS, MySQL, and goodbyes of protocols that nobody named."""

from __future__ import annotations

import pytest
from notation import play, scenario

HANDSHAKE = """
    > S
    < S.
    > .
"""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, size: int = 8, stream: int = 0, flags: int = 0) -> bytes:
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + b"\x01" * size


def mysql(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes((number,)) + body


FRAMES = {
    "preface": PREFACE + frame(4, 0) + frame(8, 4),
    "settings": frame(4, 0),
    "ack": frame(4, 0, flags=1),
    "ping": frame(6),
    "call": frame(1, 40, 1) + frame(8, 4, 1) + frame(0, 20, 1, 1),
    "answer": frame(1, 30, 1) + frame(0, 90, 1) + frame(1, 12, 1, 5),
    "goaway": frame(7),
}
MYSQL = {
    "greeting": mysql(0, b"\x0a8.0.36\x00" + b"\x07" * 60),
    "login": mysql(1, b"\x85\xa6\x0f\x00" + b"\x07" * 60),
    "tls": mysql(1, b"\x85\xae\x0f\x00" + b"\x00" * 28),
    "ok": mysql(2, b"\x00" * 7),
    "select": mysql(0, b"\x03select 1"),
    "rows": mysql(1, b"\x01") + mysql(2, b"\x03def" + b"\x00" * 20) + mysql(3, b"\xfe\x00\x00\x02\x00"),
    "quit": mysql(0, b"\x01"),
}

test_of_http_2_only_messages_are_turns = scenario(
    HANDSHAKE
    + """
    > P. $preface
    < P. $settings
    > P. $ack $call
    < P. $ping
    > P. $ping
    < P. $answer
    > P. $ping
    < P. $ping
    > P. $call
    < P. $answer
    expect protocol http2
    expect requests 2 turns
    expect exchanges TURN TURN
""",
    **FRAMES,
)

test_an_http_2_server_may_speak_first = scenario(
    HANDSHAKE
    + """
    < P. $settings
    > P. $preface
    > P. $ack $call
    < P. $answer
    expect protocol http2
    expect requests 1 turns
""",
    **FRAMES,
)

test_the_clients_goaway_is_a_goodbye = scenario(
    HANDSHAKE
    + """
    > P. $preface $call
    < P. $settings $answer
    > P. $goaway
    > F.
    < F.
    expect goodbye client
    expect requests 1 turns
    expect open_request 0
""",
    **FRAMES,
)


@pytest.mark.parametrize("cut", range(1, len(FRAMES["call"])))
def test_http_2_frames_may_be_cut_anywhere(cut: int) -> None:
    call = FRAMES["call"]
    play(
        HANDSHAKE
        + """
        > P. $preface
        < P. $settings
        > P. $first
        > P. $second
        < P. $answer
        > P. $ping
        < P. $ping
        expect requests 1 turns
        expect responses 1
        expect exchange 1 frames 6-7 8-8
        """.replace("6-7", "6-7" if cut >= 9 else "7-7"),
        **{**FRAMES, "first": call[:cut], "second": call[cut:]},
    )


test_a_gap_between_http_2_frames_makes_all_bytes_count = scenario(
    HANDSHAKE
    + """
    > P. $preface $call
    < P. $settings $answer
    > . 138:638(500) lost
    < .
    > P. $ping
    < P. $answer
    expect requests 2 turns
""",
    **FRAMES,
)

test_mysql_is_named_and_its_login_is_no_request = scenario(
    HANDSHAKE
    + """
    < P. $greeting
    > P. $login
    < P. $ok
    > P. $select
    < P. $rows
    > P. $select
    < P. $rows
    > P. $quit
    > F.
    < F.
    expect protocol mysql
    expect requests 2 turns
    expect goodbye client
    expect open_request 0
""",
    **MYSQL,
)

test_mysql_under_tls_is_named_and_its_turns_are_estimated = scenario(
    HANDSHAKE
    + """
    < P. $greeting
    > P. $tls
    > P. {22:200}
    < P. {22:1200}
    > P. {23:80}
    < P. {23:40}
    > P. {23:40}
    > F.
    expect protocol mysql
    expect requests 2 turns
    expect goodbye client
""",
    **MYSQL,
)

test_what_a_client_sends_with_its_fin_is_a_goodbye = scenario(
    HANDSHAKE
    + r"""
    > P. "\x10\x20"
    < P. "\x20\x02"
    > P. "\xe0\x00"
    > F.
    < F.
    expect protocol opaque
    expect requests 1 turns
    expect goodbye client
    expect open_request 0
    expect initiator client
"""
)

test_a_client_that_waits_before_its_fin_gave_a_request_up = scenario(
    HANDSHAKE
    + r"""
    > P. "\x10\x20"
    < P. "\x20\x02"
    > P. "\x30\x00"
    +0.5 > F.
    expect requests 2 turns
    expect goodbye none
    expect open_request 1
"""
)

test_a_client_that_never_gets_an_answer_says_no_goodbye = scenario(
    HANDSHAKE
    + r"""
    > P. "servers.cpu 1 1700000000\n"
    > F.
    < F.
    expect requests 1 turns
    expect goodbye none
"""
)

test_a_client_that_half_closes_behind_its_request_said_no_goodbye = scenario(
    HANDSHAKE
    + r"""
    > P. "\x10\x20"
    < P. "\x20\x02"
    > P. "\x30\x00"
    > F.
    +0.02 < P. "\x40\x00"
    < F.
    expect requests 2 turns
    expect responses 2
    expect goodbye none
    expect open_request 0
"""
)
