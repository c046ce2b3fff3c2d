"""How connections end: who closed first, who began it, the state each end is left in."""

from __future__ import annotations

from notation import scenario

HANDSHAKE = """
    > S
    < S.
    > .
"""
GET = """
    > P. GET /
    < P. 200 (0)
"""
USED = HANDSHAKE + GET

test_a_client_that_closes_first_is_left_in_time_wait = scenario(
    USED
    + """
    +2 > F.
    < F.
    > .
    expect closer client fin
    expect initiator client
    expect client TIME_WAIT server CLOSED
    expect linger 2.0
    expect history ShADdFf
    expect conn_state SF
    expect completeness 31
    expect close_frame 6
    expect fin_frame client 6 server 7
    expect open_request 0
"""
)

test_a_server_that_closes_first_is_left_in_time_wait = scenario(
    USED
    + """
    +5 < F.
    > F.
    < .
    expect closer server fin
    expect initiator server
    expect client CLOSED server TIME_WAIT
    expect linger 5.0
    expect history ShADdfFa
"""
)

test_a_fin_answered_by_an_ack_then_a_fin_closes_like_one_answered_by_both = scenario(
    USED
    + """
    > F.
    < .
    +1 < F.
    > .
    expect closer client fin
    expect initiator client
    expect client TIME_WAIT server CLOSED
"""
)

test_time_wait_is_over_after_a_minute = scenario(
    USED
    + """
    > F.
    < F.
    > .
    connection b port 40001
    +61 >b S
    expect 1: client CLOSED server CLOSED
"""
)

test_time_wait_lasts_a_minute = scenario(
    USED
    + """
    > F.
    < F.
    > .
    connection b port 40001
    +59 >b S
    expect 1: client TIME_WAIT server CLOSED
"""
)

test_a_fin_that_is_never_answered_leaves_close_wait = scenario(
    USED
    + """
    +60 < F.
    > .
    expect closer server fin
    expect initiator server
    expect client CLOSE_WAIT server FIN_WAIT_2
    expect conn_state S3
"""
)

test_fin_wait_2_is_over_after_a_minute_but_close_wait_is_not = scenario(
    USED
    + """
    < F.
    > .
    connection b port 40001
    +61 >b S
    expect 1: client CLOSE_WAIT server CLOSED
"""
)

test_a_fin_without_its_ack_leaves_fin_wait_1 = scenario(
    USED
    + """
    > F.
    expect client FIN_WAIT_1 server CLOSE_WAIT
    expect conn_state S2
"""
)

test_the_answering_fin_without_its_ack_leaves_last_ack = scenario(
    USED
    + """
    > F.
    < F.
    expect client TIME_WAIT server LAST_ACK
"""
)

test_a_client_may_half_close_and_still_be_answered = scenario(
    HANDSHAKE
    + """
    > PF. GET /
    < .
    +3 < P. 200 (5)
    > .
    < F.
    > .
    expect requests 1 exact
    expect exchanges GET/200
    expect exchange 1 is request_complete response_complete
    expect closer client fin
    expect initiator client
    expect open_request 1
    expect client TIME_WAIT server CLOSED
"""
)

test_a_server_may_half_close_and_still_be_sent_data = scenario(
    USED
    + """
    < F.
    > .
    > P. 28:128(100)
    < .
    > F.
    < .
    expect closer server fin
    expect initiator server
    expect bytes client 127 server 38
    expect client CLOSED server TIME_WAIT
"""
)

test_a_fin_may_carry_the_end_of_the_response = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < PF. 200 (10)
    > F.
    < .
    expect exchanges GET/200
    expect exchange 1 is response_complete
    expect exchange 1 frames 4-4 5-5
    expect closer server fin
    expect history ShADdfFa
    expect linger 0
"""
)

test_a_retransmitted_fin_is_no_second_close = scenario(
    USED
    + """
    > F.
    +0.2 > again
    +0.4 > again
    < F.
    > .
    expect connections 1
    expect closer client fin
    expect close_frame 6
    expect fin_frame client 6 server 9
    expect client TIME_WAIT server CLOSED
"""
)

test_a_late_fin_and_ack_after_the_close_stay_in_the_old_connection = scenario(
    USED
    + """
    > F.
    < F.
    > .
    +1 < again
    > .
    +20 > . ack 40
    expect connections 1
    expect closer client fin
    expect packets client 7 server 4
    expect client TIME_WAIT server CLOSED
"""
)

test_a_late_ack_of_the_old_connection_is_not_the_new_one = scenario(
    USED
    + """
    > F.
    < F.
    > .
    < F. 39:39(0) ack 29
    expect connections 1
"""
)

test_fins_that_crossed_cannot_be_told_apart_and_leave_time_wait_at_both_ends = scenario(
    USED
    + """
    > F. 28:28(0) ack 39
    < F. 39:39(0) ack 28
    > . ack 40
    < . ack 29
    expect closer client fin
    expect initiator undecidable
    expect client TIME_WAIT server TIME_WAIT
"""
)

test_fins_that_crossed_without_acks_leave_fin_wait_1_at_both_ends = scenario(
    USED
    + """
    > F. 28:28(0) ack 39
    < F. 39:39(0) ack 28
    expect client FIN_WAIT_1 server FIN_WAIT_1
    expect initiator undecidable
"""
)

test_a_crossed_fin_that_only_one_side_acknowledged_leaves_closing = scenario(
    USED
    + """
    > F. 28:28(0) ack 39
    < F. 39:39(0) ack 28
    > . ack 40
    expect client CLOSING server TIME_WAIT
"""
)

test_fins_captured_in_the_wrong_order_still_tell_who_began = scenario(
    USED
    + """
    < F. 39:39(0) ack 29
    > F. 28:28(0) ack 39
    > . ack 40
    expect closer server fin
    expect initiator client
    expect client TIME_WAIT server CLOSED
"""
)

# -- resets

test_a_rst_closes_both_ends = scenario(
    USED
    + """
    +0.5 < R.
    expect closer server rst
    expect initiator server
    expect client CLOSED server CLOSED
    expect conn_state RSTR
    expect linger 0.5
    expect rst_frame server 6
    expect history ShADdr
"""
)

test_a_client_rst_in_mid_response_leaves_an_open_request = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (100/9000)
    > R.
    expect closer client rst
    expect initiator client
    expect open_request 1
    expect conn_state RSTO
    expect exchange 1 not response_complete
    expect requests 1 exact
"""
)

test_a_fin_followed_by_a_rst_of_the_same_side_is_closed_by_the_fin = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (100/9000)
    > F.
    < . 139:1139(1000)
    > R
    expect closer client fin
    expect initiator client
    expect fin_frame client 6
    expect rst_frame client 8
    expect client CLOSED server CLOSED
    expect open_request 1
"""
)

test_a_rst_with_the_fins_sequence_number_is_part_of_the_same_close = scenario(
    USED
    + """
    > F.
    > R 28:28(0)
    expect connections 1
    expect closer client fin
    expect client CLOSED server CLOSED
"""
)

test_a_rst_that_answers_data_after_the_peers_fin_was_not_the_first_close = scenario(
    USED
    + """
    < F.
    > P. GET /b
    < R
    expect closer server fin
    expect initiator server
    expect close_kind fin
    expect rst_frame server 8
    expect requests 2 exact
    expect exchanges GET/200 GET/-
    expect client CLOSED server CLOSED
"""
)

test_a_rst_that_answers_a_fin_leaves_the_fins_sender_the_closer = scenario(
    USED
    + """
    > F.
    +0.001 < R.
    expect closer client fin
    expect initiator client
    expect close_kind fin
"""
)

test_several_rsts_are_one_close = scenario(
    USED
    + """
    < R.
    < R 39:39(0)
    +0.1 > R
    < R 39:39(0)
    expect connections 1
    expect closer server rst
    expect rst_frame server 6 client 8
    expect history ShADdrR
"""
)

test_data_after_a_rst_is_no_new_connection = scenario(
    USED
    + """
    < R.
    > P. GET /late
    < R 39:39(0)
    expect connections 1
    expect closer server rst
    expect rst_frame server 6
"""
)

test_a_close_seen_before_the_ack_of_the_handshake = scenario("""
    > S
    < S.
    < F.
    > .
    expect closer server fin
    expect client CLOSE_WAIT server FIN_WAIT_2
""")

test_a_client_that_resets_its_own_syn_is_no_refusal = scenario("""
    > S
    > R
    expect opening unanswered
    expect closer client rst
    expect conn_state RSTOS0
    expect client CLOSED
""")

test_an_open_connection_at_the_end_of_the_capture_is_open_not_closed = scenario(
    USED
    + """
    expect closer none
    expect initiator none
    expect close_frame 0
    expect client ESTABLISHED server ESTABLISHED
"""
)

test_a_midstream_close_tells_its_closer = scenario("""
    < F.
    > F.
    < .
    expect opening midstream
    expect closer server fin
    expect initiator server
    expect client CLOSED server TIME_WAIT
    expect requests 0 at least
""")


# -- what was not captured

test_a_fin_that_was_not_captured_is_known_from_the_one_that_answers_it = scenario(
    USED
    + """
    +5 < F. lost
    > F.
    < .
    expect initiator server
    expect client CLOSED server CLOSED
    expect closer client fin
    expect fin_unseen server 1
    expect open_request 0
"""
)

test_an_answer_that_was_not_captured_is_known_from_the_ack_of_its_number = scenario(
    USED
    + """
    +5 < F.
    > F. lost
    < .
    expect closer server fin
    expect initiator server
    expect client CLOSED server CLOSED
    expect fin_unseen client 1
"""
)

test_an_acknowledged_fin_without_an_answer_stays_in_close_wait = scenario(
    USED
    + """
    +5 < F.
    > .
    +5 > .
    expect client CLOSE_WAIT server FIN_WAIT_2
"""
)

ONE_WAY = """
    > S lost
    < S.
    > . lost
    > P. GET / lost
    < P. 200 (30)
    > . lost
"""

test_of_a_side_that_was_never_captured_the_fin_is_known_from_the_ack_of_its_number = scenario(
    ONE_WAY
    + """
    < F.
    > F. lost
    < .
    expect closer server fin
    expect fin_unseen client 1
    expect client CLOSED server CLOSED
"""
)

test_an_ack_of_more_than_a_fin_behind_the_close_is_of_bytes = scenario(
    ONE_WAY
    + """
    < F.
    > P. "more" lost
    < .
    expect fin_unseen client 0
    expect client CLOSE_WAIT
"""
)

test_one_byte_ahead_of_the_close_is_no_fin = scenario(
    ONE_WAY
    + """
    > P. "q" lost
    < .
    +1 < F.
    expect fin_unseen client 0
    expect client CLOSE_WAIT
"""
)

test_a_byte_behind_the_close_is_no_fin_when_more_follows = scenario(
    ONE_WAY
    + """
    < F.
    > P. "q" lost
    < .
    > P. "uit" lost
    < .
    expect fin_unseen client 0
"""
)

test_a_fin_that_was_not_captured_is_no_byte_that_crossed_the_close = scenario(
    USED
    + """
    +5 < F.
    > F. lost
    < .
    expect crossed_bytes 0
"""
)

test_one_byte_that_was_not_captured_is_no_fin_when_more_follows = scenario(
    HANDSHAKE
    + """
    > P. "a" lost
    < .
    +1 > P. "bcd"
    < P. "efg"
    +1 < F.
    > .
    expect client CLOSE_WAIT server FIN_WAIT_2
"""
)

test_a_request_is_answered_by_bytes_that_the_client_acknowledged_ahead_of_the_servers_fin = scenario(
    USED
    + """
    > P. GET /
    < P. 200 (30) lost
    > .
    +2 < F.
    > F.
    < .
    expect closer server fin
    expect open_request 0
"""
)

test_a_request_stays_open_where_the_server_closes_without_a_byte = scenario(
    USED
    + """
    > P. GET /
    < .
    +2 < F.
    > F.
    < .
    expect open_request 1
"""
)

test_whose_fin_answers_the_other_and_when_each_is_acknowledged_first = scenario(
    HANDSHAKE
    + """
    @1.000 > F.
    @1.040 < .
    @1.041 < .
    @2.000 < F.
    @2.001 > .
    @2.100 < again
    @2.101 > .
    expect fin_acked_at client 1700000001040000000 server 1700000002001000000
    expect fin_answers client 0 server 1
"""
)

test_the_ack_of_a_fin_may_be_captured_ahead_of_it = scenario(
    HANDSHAKE
    + """
    @1.000 < . ack 2
    @1.001 > F.
    expect fin_acked_at client 1700000001001000000
"""
)

test_fins_that_cross_answer_neither = scenario(
    HANDSHAKE
    + """
    @1.000 > F.
    @1.001 < F. ack 1
    expect fin_acked_at client 0 server 0
    expect fin_answers client 0 server 0
"""
)

test_a_server_that_repeats_its_syn_ack_has_not_taken_the_handshake = scenario(
    """
    > S
    < S.
    > .
    @1 < again
    > .
    expect synack_at 1700000001000000000
    expect client ESTABLISHED server SYN_RECEIVED
"""
)

test_an_answered_dial_whose_syn_ack_was_not_captured_is_established = scenario(
    """
    > S
    < S. lost
    > P. "hello"
    expect client ESTABLISHED server UNKNOWN
"""
)
