"""What the tracker notes for the rules on delay, loss and closing: one small conversation for each column."""

from __future__ import annotations

from notation import play, scenario

from pcapdiag.model import flags

HANDSHAKE = """
        > S
        +0.010 < S.
        +0.001 > .
"""


# -- Nagle's algorithm and the delayed ACK

test_a_segment_that_leaves_on_a_delayed_ack_is_a_stall = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (0/100)
        +0.052 > .
        +0.0105 < P. "x"*100
        expect server_stalls 1
        expect server_stall_frame 7
        expect server_stall_ns 62_500_000
        expect client_stalls 0
    """
)

test_a_server_that_sends_a_piece_each_45_ms_waits_for_no_ack = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (0/300)
        +0.041 > .
        +0.004 < P. "x"*100
        +0.041 > .
        +0.004 < P. "x"*100
        +0.041 > .
        +0.004 < P. "x"*100
        expect server_stalls 0
    """
)

test_a_server_that_takes_40_ms_for_its_answer_is_no_stall_of_the_client = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.041 < .
        +0.001 < P. 200 (0)
        +0.001 > P. GET /
        +0.041 < .
        +0.001 < P. 200 (0)
        expect client_stalls 0
        expect server_stalls 0
    """
)

test_an_ack_at_once_delays_nobody = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (0/100)
        +0.012 > .
        +0.0105 < P. "x"*100
        expect server_stalls 0
    """
)

test_a_server_that_goes_on_long_after_the_delayed_ack_was_not_waiting_for_it = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (0/100)
        +0.052 > .
        +0.030 < P. "x"*100
        expect server_stalls 0
    """
)

test_captured_at_the_client_the_ack_needs_no_round_trip_and_what_it_releases_a_whole_one = scenario(
    """
        > S
        +0.060 < S.
        +0.0001 > .
        > P. GET /
        +0.070 < P. 200 (0/100)
        +0.040 > .
        +0.060 < P. "x"*100
        expect server_stalls 1
        expect server_stall_ns 100_000_000
    """
)

test_an_answer_to_the_next_request_was_not_held_back_by_the_ack_ahead_of_it = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (100)
        +0.052 > .
        +0.001 > P. GET /
        +0.010 < P. 200 (100)
        expect server_stalls 0
    """
)

test_a_sender_without_room_in_the_window_waits_for_its_reader = scenario(
    """
        > S
        +0.010 < S.
        +0.001 > . win 500
        > P. GET / win 500
        +0.010 < P. 200 (0/600)
        +0.001 < P. "x"*400
        +0.052 > . win 500
        +0.0105 < P. "x"*200
        expect server_stalls 0
    """
)

test_without_a_round_trip_nobody_can_tell_a_delayed_ack_from_a_distant_one = scenario(
    """
        > P. GET /
        +0.010 < P. 200 (0/100)
        +0.052 > .
        +0.0105 < P. "x"*100
        expect server_stalls 0
    """
)

test_the_client_stalls_between_the_head_and_the_body_of_its_request = scenario(
    HANDSHAKE
    + """
        > P. POST / (0/100)
        +0.053 < .
        +0.0015 > P. "x"*100
        +0.010 < P. 200 (0)
        expect client_stalls 1
        expect server_stalls 0
    """
)


# -- windows

test_the_time_with_a_window_of_zero_is_added_up = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (1000/9000)
        +0.010 > . win 0
        +0.250 > . win 0
        +0.250 > . win 900
        +0.010 < P. "x"*1000
        +0.010 > . win 0
        +0.100 > . win 0
        expect client_zero_window 4
        expect client_shut_ns 600_000_000
        expect server_shut_ns 0
    """
)


# -- loss

test_the_smallest_piece_sent_again_and_how_often_one_was = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < . 200 (1400/9000)
        +0.2 < again
        +0.4 < again
        +0.8 < again
        expect server_resent_run 3
        expect client_resent_run 0
    """
)


def test_the_sizes_that_were_sent_again() -> None:
    row = play(
        HANDSHAKE
        + """
        > P. GET /
        +0.010 < . "x"*1400
        +0.010 < . "x"*300
        +0.2 < . 1:1401(1400)
        +0.2 < . 1401:1701(300)
        """
    ).connections[0]
    assert (row["server_largest"], row["server_resent_low"], row["server_resent_run"]) == (1400, 300, 1)


test_what_the_receiver_says_it_had_already_was_sent_again_for_nothing = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (300)
        +0.030 < again
        +0.010 > . sack 1 340
        +0.010 > . sack 1 340
        expect server_resent 1
        expect server_needless 1
    """
)

test_a_sack_of_what_came_behind_a_hole_is_no_duplicate = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < . "x"*1000
        < . "x"*1000
        +0.010 > . ack 1 sack 1001 2001
        +0.030 < . 1:1001(1000)
        +0.010 > . ack 1 sack 1001 2001
        +0.010 > . ack 2001
        expect server_resent 1
        expect server_needless 0
    """
)

test_bytes_that_nobody_acknowledged = scenario(
    HANDSHAKE
    + """
        > P. "x"*70 ack 1
        +0.2 > again
        +0.4 > again
        +3.0 > F.
        expect client_unacked_bytes 70
        expect server_unacked_bytes 0
        expect client_resent_run 2
    """
)

test_a_hole_that_the_receiver_never_acknowledged_was_lost = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < . 1:1401(1400) lost
        < P. 1401:1601(200)
        > . ack 1
        +1 > F. ack 1
        expect server_missing_bytes 1400
        expect server_gap_bytes 1400
    """
)

test_a_hole_that_the_receiver_acknowledged_was_only_not_captured = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < . 1:1401(1400) lost
        < P. 1401:1601(200)
        > . ack 1601
        +1 > F. ack 1601
        expect server_missing_bytes 0
        expect server_gap_bytes 1400
    """
)


# -- closing

test_a_request_that_crosses_the_server_s_fin = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (0)
        +0.010 > .
        +1 > P. "x"*80
        +0.001 < F. ack 28
        expect crossed_bytes 80
        expect heedless_bytes 0
    """
)

test_a_request_sent_after_acknowledging_the_server_s_fin = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (0)
        +1 < F.
        +0.001 > .
        +1 > P. "x"*80
        +0.001 < R
        expect crossed_bytes 0
        expect heedless_bytes 80
        expect heedless_frame 8
    """
)

test_a_close_after_everything_was_acknowledged_crosses_nothing = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 200 (0)
        +1 < F.
        +0.001 > F.
        +0.001 < .
        expect crossed_bytes 0
        expect heedless_bytes 0
        expect client_unacked_bytes 0
        expect server_unacked_bytes 0
    """
)


# -- opening

test_a_syn_ack_behind_the_client_s_ack_is_late = scenario(
    HANDSHAKE
    + """
        +0.001 > P. GET /
        +1 < S. 0:0(0)
        +0.0001 > .
        +0.2 > again
        expect synack_count 2
        expect synacks_late 1
    """
)


def test_hops_tell_a_firewall_s_reset() -> None:
    row = play("> S ttl 64\n< S. ttl 60\n> . ttl 64\n> P. GET /\n+9 < R ttl 254").connections[0]
    assert (row["client_hops"], row["server_hops"], row["server_rst_hops"]) == (64, 60, 254)


# -- Expect: 100-continue

test_a_body_sent_without_the_100_was_waited_for = scenario(
    HANDSHAKE
    + """
        > P. POST / (0/50) [Expect: 100-continue]
        +0.010 < .
        +0.990 > P. "x"*50
        +0.010 < P. 200 (0)
        expect expect_waits 1
        expect expect_wait_ns 1_000_000_000
    """
)

test_a_body_after_the_100_was_not = scenario(
    HANDSHAKE
    + """
        > P. POST / (0/50) [Expect: 100-continue]
        +0.990 < P. 100
        +0.010 > P. "x"*50
        +0.010 < P. 200 (0)
        expect expect_waits 0
    """
)


# -- who speaks what

test_plain_http_answered_with_a_tls_alert = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. {21:2}
        expect mismatch 1
    """
)

test_plain_http_answered_with_a_400_that_asks_for_https = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 400 (0/48)
        +0.010 < P. "Client sent an HTTP request to an HTTPS server.\\n"
        expect mismatch 1
    """
)

test_any_other_400_is_no_mismatch = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < P. 400 (0/20)
        +0.010 < P. "your request is bad\\n"
        expect mismatch 0
    """
)


def hello(kind: int, *, ticket: bool = False, version13: bool = True) -> bytes:
    """A TLS record with a ClientHello (1) or ServerHello (2)."""
    extensions = b""
    if version13:
        extensions += b"\x00\x2b" + (b"\x00\x03\x02\x03\x04" if kind == 1 else b"\x00\x02\x03\x04")
    if ticket:
        extensions += b"\x00\x29\x00\x02\x00\x00"
    body = b"\x03\x03" + bytes(32) + b"\x00"
    body += b"\x00\x02\x13\x01\x01\x00" if kind == 1 else b"\x13\x01\x00"
    body += len(extensions).to_bytes(2, "big") + extensions
    message = bytes([kind]) + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def tls_bits(script: str, **payloads: bytes) -> int:
    bits = play(HANDSHAKE + script, **payloads).connections[0]["tls"]
    assert isinstance(bits, int)
    return bits


def test_tls_sessions_offered_and_taken() -> None:
    bits = tls_bits(
        "> P. $ours\n+0.01 < P. $theirs\n> P. {20:1} {23:53}\n> P. {23:90}\n< P. {23:200}",
        ours=hello(1, ticket=True),
        theirs=hello(2, ticket=True),
    )
    assert bits == (
        flags.TLS_CLIENT_HELLO
        | flags.TLS_SERVER_HELLO
        | flags.TLS_13
        | flags.TLS_OFFERED
        | flags.TLS_RESUMED
        | flags.TLS_FINISHED
    )


def test_a_full_handshake_is_not_resumed() -> None:
    bits = tls_bits(
        "> P. $ours\n+0.01 < P. $theirs\n> P. {22:70} {20:1} {22:40}\n< P. {20:1} {22:40}\n> P. {23:90}\n< P. {23:200}",
        ours=hello(1, version13=False),
        theirs=hello(2, version13=False),
    )
    assert bits == flags.TLS_CLIENT_HELLO | flags.TLS_SERVER_HELLO | flags.TLS_FINISHED


def test_up_to_tls_12_a_server_that_finishes_first_has_resumed() -> None:
    bits = tls_bits(
        "> P. $ours\n+0.01 < P. $theirs {20:1} {22:40}\n> P. {20:1} {22:40}\n> P. {23:90}\n< P. {23:200}",
        ours=hello(1, version13=False),
        theirs=hello(2, version13=False),
    )
    assert bits & flags.TLS_RESUMED


def test_an_alert_that_can_be_read_keeps_its_description() -> None:
    row = play(
        HANDSHAKE + "> P. $ours\n+0.01 < P. $alert\n< F.", ours=hello(1), alert=b"\x15\x03\x03\x00\x02\x02\x28"
    ).connections[0]
    assert row["tls"] & flags.TLS_SERVER_ALERT
    assert row["tls_alert"] == 40 + 1


def test_a_client_s_encrypted_alert_in_place_of_its_finished() -> None:
    bits = tls_bits(
        "> P. $ours\n+0.01 < P. $theirs {20:1} {23:900}\n> P. {20:1} {23:19}\n> F.", ours=hello(1), theirs=hello(2)
    )
    assert bits & flags.TLS_CLIENT_ALERT
    assert not bits & flags.TLS_FINISHED


test_a_tls_hello_answered_in_plain_text = scenario(
    HANDSHAKE
    + """
        > P. $ours
        +0.010 < P. 400 (0)
        expect mismatch 2
    """,
    ours=hello(1),
)


# -- late or sent again

test_a_packet_made_before_its_neighbors_was_late_however_long_it_took = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < . 200 (1000/9000) id 10
        +0.001 < . "x"*1000 id 11
        +0.001 < . "x"*1000 id 12
        +0.001 < . "x"*1000 id 13
        +0.001 < . 5042:6042(1000) id 15
        +0.050 < . 4042:5042(1000) id 14
        expect server_out_of_order 1
        expect server_resent 0
    """
)

test_a_packet_made_after_its_neighbors_was_sent_again_however_soon = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < . 200 (1000/9000) id 10
        +0.001 < . "x"*1000 id 11
        +0.001 < . "x"*1000 id 12
        +0.001 < . "x"*1000 id 13
        +0.001 < . 5042:6042(1000) id 15
        +0.001 < . 4042:5042(1000) id 16
        expect server_out_of_order 0
        expect server_resent 1
    """
)

test_ids_that_say_nothing_leave_it_to_the_time = scenario(
    HANDSHAKE
    + """
        > P. GET /
        +0.010 < . 200 (1000/9000) id 40000
        +0.001 < . "x"*1000 id 111
        +0.001 < . "x"*1000 id 9012
        +0.001 < . "x"*1000 id 31313
        +0.001 < . 5042:6042(1000) id 15
        +0.001 < . 4042:5042(1000) id 1600
        expect server_out_of_order 1
        expect server_resent 0
    """
)
