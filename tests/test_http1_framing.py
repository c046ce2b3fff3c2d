"""HTTP/1 message framing (RFC 9112): where each message ends, and which response answers which request."""

from __future__ import annotations

import expectations
import pytest
import wire
from notation import packets_of, play, scenario
from wire import Packet

HANDSHAKE = """
    > S
    < S.
    > .
"""

test_requests_one_after_the_other_are_counted_and_paired = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (5)
    > P. POST /a (7)
    < P. 200 (0)
    > P. PUT /b (0)
    < P. 204
    > P. DELETE /b
    < P. 404 (3)
    expect protocol http1
    expect requests 4 exact
    expect responses 4
    expect exchanges GET/200 POST/200 PUT/204 DELETE/404
    expect exchange 1 frames 4-4 5-5
    expect exchange 2 frames 6-6 7-7
    expect exchange 2 request_bytes 55
    expect exchange 1 response_bytes 43
    expect exchange 1 is request_complete response_complete not bound pipelined request_close response_close
    expect host a
    expect open_request 0
"""
)

test_a_response_to_head_has_no_body_whatever_its_length_says = scenario(
    HANDSHAKE
    + """
    > P. HEAD /
    < P. 200 (0/5000)
    > P. GET /
    < P. 200 (0)
    expect requests 2 exact
    expect exchanges HEAD/200 GET/200
    expect exchange 1 is response_complete
"""
)

test_a_chunked_response_to_head_has_no_body_either = scenario(
    HANDSHAKE
    + """
    > P. HEAD /
    < P. 200 [Transfer-Encoding: chunked]
    > P. GET /
    < P. 200 (0)
    expect requests 2 exact
    expect exchanges HEAD/200 GET/200
"""
)

test_204_and_304_have_no_body_whatever_their_length_says = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 304 (0/5000)
    > P. GET /
    < P. 204 [Content-Length: 7]
    > P. GET /
    < P. 200 (0)
    expect requests 3 exact
    expect exchanges GET/304 GET/204 GET/200
    expect exchange 1 is response_complete
    expect exchange 2 is response_complete
"""
)

test_interim_responses_are_no_answers = scenario(
    HANDSHAKE
    + """
    > P. POST / (0/5) [Expect: 100-continue]
    < P. 100
    +1 > P. "12345"
    < P. 103 [Link: </a.css>]
    < P. 200 (0)
    expect requests 1 exact
    expect responses 1
    expect exchanges POST/200
    expect exchange 1 interim 2
    expect exchange 1 frames 4-6 8-8
    expect exchange 1 is expect response_complete
"""
)

test_an_interim_response_in_the_same_segment_as_the_final_one = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 103 [Link: </a.css>] 200 (5)
    expect exchanges GET/200
    expect exchange 1 interim 1
    expect requests 1 exact
"""
)

test_connect_turns_the_connection_into_a_tunnel = scenario(
    HANDSHAKE
    + """
    > P. CONNECT a:443
    < P. 200
    > P. "anything GET / HTTP/1.1"
    < P. "GET / HTTP/1.1"
    > P. GET /
    expect requests 1 exact
    expect exchanges CONNECT/200
    expect exchange 1 is upgraded
    expect open_request 0
"""
)

test_a_refused_connect_is_an_ordinary_exchange = scenario(
    HANDSHAKE
    + """
    > P. CONNECT a:443
    < P. 407 (12)
    > P. CONNECT a:443 [Proxy-Authorization: x]
    < P. 200
    > P. {22:100}
    expect requests 2 exact
    expect exchanges CONNECT/407 CONNECT/200
    expect exchange 1 not upgraded
"""
)

test_an_upgrade_ends_the_counting_of_requests = scenario(
    HANDSHAKE
    + """
    > P. GET /ws [Connection: Upgrade] [Upgrade: websocket]
    < P. 101 [Connection: Upgrade] [Upgrade: websocket]
    > P. "\\x81\\x05hello"
    < P. "\\x81\\x05hello"
    expect requests 1 exact
    expect exchanges GET/101
    expect exchange 1 is upgraded
    expect open_request 0
"""
)

test_an_upgrade_that_the_server_ignores_is_an_ordinary_exchange = scenario(
    HANDSHAKE
    + """
    > P. GET / [Connection: Upgrade] [Upgrade: h2c]
    < P. 200 (4)
    > P. GET /
    < P. 200 (4)
    expect requests 2 exact
    expect exchange 1 not upgraded
"""
)

test_an_upgrade_to_h2c_leaves_the_count_a_bound = scenario(
    HANDSHAKE
    + """
    > P. GET / [Connection: Upgrade, HTTP2-Settings] [Upgrade: h2c]
    < P. 101 [Connection: Upgrade] [Upgrade: h2c]
    > P. "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"
    expect protocol http2
    expect requests 1 at least
"""
)

test_chunks_and_trailers_end_with_an_empty_line = scenario(
    HANDSHAKE
    + r"""
    > P. GET /
    < P. 200 [Transfer-Encoding: chunked] "5;name=value\r\nhello\r\n1A\r\n" "x"*26
    < P. "\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n"
    > P. GET /
    < P. 200 (3+300)
    > P. GET /
    < P. 200 (0)
    expect requests 3 exact
    expect exchanges GET/200 GET/200 GET/200
    expect exchange 1 is response_complete
"""
)

test_a_chunked_request_ends_with_its_last_chunk = scenario(
    HANDSHAKE
    + """
    > P. POST / (10+20)
    < P. 200 (0)
    > P. GET /
    < P. 200 (0)
    expect requests 2 exact
    expect exchanges POST/200 GET/200
"""
)

test_chunked_wins_over_a_content_length = scenario(
    HANDSHAKE
    + r"""
    > P. GET /
    < P. 200 [Content-Length: 9999] [Transfer-Encoding: gzip, chunked] "3\r\nabc\r\n0\r\n\r\n"
    > P. GET /
    < P. 200 (0)
    expect requests 2 exact
    expect exchanges GET/200 GET/200
"""
)

test_a_body_without_length_ends_with_the_connection = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 [Connection: close]
    < P. "x"*500
    +1 < P. "x"*500
    +1 < F.
    > F.
    < .
    expect requests 1 exact
    expect exchange 1 is until_close response_complete response_close
    expect exchange 1 frames 4-4 5-7
    expect open_request 0
    expect linger 1.0
"""
)

test_a_body_without_length_that_was_reset_is_incomplete = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200
    < P. "x"*500
    < R.
    expect exchange 1 is until_close not response_complete
    expect open_request 1
"""
)

test_a_status_line_inside_a_body_is_body = scenario(
    HANDSHAKE
    + r"""
    > P. GET /
    < P. 200 (0/45)
    < P. "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" "1234567"
    > P. POST / (0/27)
    > P. "GET / HTTP/1.1\r\nHost: b\r\n\r\n"
    < P. 200 (0)
    expect requests 2 exact
    expect responses 2
    expect exchanges GET/200 POST/200
"""
)

test_an_answer_before_the_requests_body_is_through_is_its_answer = scenario(
    HANDSHAKE
    + """
    > P. POST / (100/1000)
    < P. 413 (5) [Connection: close]
    > P. "x"*900
    < F.
    expect requests 1 exact
    expect exchanges POST/413
    expect exchange 1 is response_close response_complete
"""
)

# -- pipelining and packing

test_pipelined_requests_pair_in_order = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    > P. GET /2
    > P. HEAD /3
    < P. 200 (5)
    < P. 404 (0)
    < P. 200 (0/9)
    expect requests 3 exact
    expect exchanges GET/200 GET/404 HEAD/200
    expect exchange 1 not pipelined
    expect exchange 2 is pipelined
    expect exchange 3 is pipelined
"""
)

test_several_heads_in_a_segment_are_several_messages = scenario(
    HANDSHAKE
    + """
    > P. GET /1 GET /2 POST /3 (5) GET /4
    < P. 200 (5) 304 200 (3+4) 204
    expect requests 4 exact
    expect exchanges GET/200 GET/304 POST/200 GET/204
    expect exchange 4 frames 4-4 5-5
"""
)

test_a_head_over_many_segments_is_one_request_that_starts_at_the_first = scenario(
    HANDSHAKE
    + r"""
    > P. "GET /a/long/path HT"
    > P. "TP/1.1\r\nHo"
    > P. "st: example\r\nX: y\r"
    > P. "\n\r"
    > P. "\n"
    < P. "HTTP"
    < P. "/1.1 200 OK\r\nContent-Le"
    < P. "ngth: 5\r\n\r\nhe"
    < P. "llo"
    expect requests 1 exact
    expect exchanges GET/200
    expect host example
    expect exchange 1 frames 4-8 9-12
    expect exchange 1 is request_complete response_complete
"""
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_a_conversation_byte_by_byte_is_the_same_conversation(method: str) -> None:
    request = f"{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"
    response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (
        "" if method == "HEAD" else "A\r\n0123456789\r\n0\r\n\r\n"
    )
    lines = ["> S", "< S.", "> ."]
    for _ in range(2):
        for sender, text in ((">", request), ("<", response)):
            lines += [f'{sender} P. "\\x{ord(letter):02x}"' for letter in text]
    script = "\n".join(lines)
    shown = "OTHER" if method == "PROPFIND" else method
    play(
        script
        + f"""
        expect requests 2 exact
        expect responses 2
        expect exchanges {shown}/200 {shown}/200
        expect exchange 1 is request_complete response_complete
        expect exchange 2 is request_complete response_complete
        """
    )


test_lines_may_end_in_a_bare_line_feed = scenario(
    HANDSHAKE
    + r"""
    > P. "GET / HTTP/1.1\nHost: a\n\n"
    < P. "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"
    > P. "GET / HTTP/1.1\nHost: a\n\r\n"
    < P. "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n"
    expect requests 2 exact
    expect exchanges GET/200 GET/200
"""
)

test_empty_lines_ahead_of_a_request_are_ignored = scenario(
    HANDSHAKE
    + r"""
    > P. POST / (5) "\r\n"
    < P. 200 (0)
    > P. "\r\n" GET /
    < P. 200 (0)
    expect requests 2 exact
    expect exchanges POST/200 GET/200
"""
)

test_a_request_word_that_turns_out_none_leaves_opaque_bytes = scenario(
    HANDSHAKE
    + """
    > P. "G"
    > P. "x"
    < P. "ok"
    > P. "y"
    < P. "ok"
    expect protocol opaque
    expect requests 2 turns
"""
)

test_methods_outside_the_table_are_requests_too = scenario(
    HANDSHAKE
    + """
    > P. PROPFIND /
    < P. 207 (3)
    > P. TRACE /
    < P. 200 (3)
    expect requests 2 exact
    expect exchanges OTHER/207 TRACE/200
"""
)

# -- what heads say about the connection

test_connection_close_is_seen_both_ways = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (0)
    > P. GET /2 [Connection: close]
    < P. 200 (0)
    > P. GET /3
    < P. 200 (0) [connection: Keep-Alive, CLOSE]
    expect exchange 1 not request_close response_close
    expect exchange 2 is request_close not response_close
    expect exchange 3 is response_close not request_close
"""
)

test_http_1_0_closes_unless_it_asks_to_be_kept = scenario(
    HANDSHAKE
    + """
    > P. GET /1 HTTP/1.0
    < P. 200 (0) HTTP/1.0
    > P. GET /2 HTTP/1.0 [Connection: keep-alive]
    < P. 200 (0) HTTP/1.0 [Connection: Keep-Alive]
    expect exchange 1 is request_close response_close request_http10 response_http10
    expect exchange 2 is request_http10 response_http10 not request_close response_close
"""
)

test_keep_alive_parameters_are_read = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (0) [Keep-Alive: timeout=5, max=99]
    > P. GET /
    < P. 200 (0) [Keep-Alive: max=98]
    > P. GET /
    < P. 200 (0) [Keep-Alive: soon, timeout=abc]
    expect exchange 1 keepalive_timeout 5
    expect exchange 1 keepalive_max 99
    expect exchange 2 keepalive_timeout -1
    expect exchange 2 keepalive_max 98
    expect exchange 3 keepalive_timeout -1
"""
)

test_the_names_of_both_programs_are_taken_from_the_heads = scenario(
    HANDSHAKE
    + """
    > P. GET / [User-Agent: Go-http-client/1.1] [Accept-Encoding: gzip]
    < P. 200 (0) [Server: nginx/1.25.3]
    expect user_agent Go-http-client/1.1
    expect server_software nginx/1.25.3
    expect header_order Host,User-Agent,Accept-Encoding
    expect host a
"""
)

test_a_connection_without_such_headers_has_none = scenario(
    HANDSHAKE
    + r"""
    > P. "GET / HTTP/1.1\r\n\r\n"
    < P. 200 (0)
    expect user_agent -
    expect server_software -
    expect host -
"""
)

# -- lengths that cannot be believed

test_equal_content_lengths_count_once = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (5) [Content-Length: 5, 5]
    > P. GET /
    < P. 200 (0)
    expect requests 2 exact
    expect exchanges GET/200 GET/200
"""
)


@pytest.mark.parametrize("length", ["-1", "5, 6", "0x10", "", "99999999999999999999999", "five", "+5"])
def test_a_length_that_cannot_be_believed_costs_no_request(length: str) -> None:
    result = play(
        HANDSHAKE
        + f"""
        > P. GET /
        < P. 200 [Content-Length: {length}]
        < P. "x"*50
        > P. GET /
        < P. 200 (0)
        expect exchanges GET/200 GET/200
        expect exchange 2 is response_complete
        """
    )
    assert result.connections[0]["requests"] == 2


@pytest.mark.parametrize("size", ["-5", "zz", "", "fffffffffffffffff", "+5", "0x5", "1_0", " "])
def test_a_chunk_size_that_is_none_loses_the_framing_and_no_more(size: str) -> None:
    play(
        HANDSHAKE
        + rf"""
        > P. GET /
        < P. 200 [Transfer-Encoding: chunked] "{size}\r\nxxxxx"
        < P. "x"*50
        > P. GET /
        < P. 200 (0)
        expect exchanges GET/200 GET/200
        expect exchange 1 is bound
        """
    )


def test_a_head_without_end_is_given_up() -> None:
    lines = "\n".join(f'> P. "X-{number}: " "y"*1000 "\\r\\n"' for number in range(80))
    play(
        HANDSHAKE
        + f"""
        > P. "GET / HTTP/1.1\\r\\n"
        {lines}
        < P. 431 (0)
        > P. GET /
        < P. 200 (0)
        expect connections 1
        expect protocol http1
        """
    )


def test_the_payload_of_a_segment_ends_where_its_ip_length_says() -> None:
    """The bytes behind a short packet are Ethernet padding, then the next record."""
    packets = packets_of("> S\n< S.\n> .\n> P. GET /\n< P. 200 (0)\n> .")
    padded = [Packet(p.data + b"GET / HTTP/1.1\r\n"[: max(0, 60 - len(p.data))], p.at) for p in packets]
    assert len(padded[0].data) == 60
    result = expectations.run(wire.pcap(padded))
    assert [c["requests"] for c in result.connections] == [1]
