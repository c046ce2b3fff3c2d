"""How connections begin: the handshake and its failures, missed starts, port reuse."""

from __future__ import annotations

import pytest
from notation import Variant, play, scenario

test_a_handshake_tells_the_round_trip_and_both_ends_are_established = scenario("""
    > S
    +0.040 < S.
    +0.002 > .
    expect connections 1
    expect opening handshake
    expect rtt 0.042
    expect client ESTABLISHED server ESTABLISHED
    expect history ShA
    expect conn_state S1
    expect completeness 7
    expect closer none
    expect initiator none
    expect requests 0 exact
    expect protocol unknown
    expect roles_inferred 0
    expect isn client 1000 server 5000
""")

test_the_client_is_who_sent_the_syn_even_with_the_lower_port = scenario("""
    options ports 80 40000
    > S
    < S.
    > .
    expect port client 80 server 40000
    expect roles_inferred 0
""")

test_a_repeated_syn_is_one_connection_and_a_retransmission = scenario("""
    > S
    +1.0 > S
    +2.0 > S
    +0.040 < S.
    > .
    expect connections 1
    expect opening handshake
    expect syn_count 3
    expect retransmitted client 2
    expect rtt 0.041
    expect history ShA
""")

test_a_repeated_syn_ack_is_one_connection_and_the_round_trip_leaves_out_the_wait = scenario("""
    > S
    +0.040 < S.
    +1.0 < S.
    +0.010 > .
    expect connections 1
    expect synack_count 2
    expect retransmitted server 1
    expect rtt 0.050
    expect client ESTABLISHED server ESTABLISHED
""")

test_a_syn_ack_without_the_last_ack_leaves_the_server_in_syn_received = scenario("""
    > S
    < S.
    expect opening handshake
    expect client ESTABLISHED server SYN_RECEIVED
    expect rtt unknown
    expect history Sh
""")

test_a_syn_that_meets_a_rst_is_refused = scenario("""
    > S
    < R.
    expect connections 1
    expect opening refused
    expect closer server rst
    expect client CLOSED server CLOSED
    expect conn_state REJ
    expect history Sr
    expect requests 0 exact
""")

test_each_refused_attempt_from_a_new_port_is_its_own_connection = scenario("""
    >a S
    <a R.
    connection b port 40001
    >b S
    <b R.
    expect connections 2
    expect 1: opening refused
    expect 2: opening refused
""")

test_a_refused_syn_sent_again_is_refused_again_in_the_same_connection = scenario("""
    > S
    < R.
    +0.5 > S
    < R.
    expect connections 1
    expect opening refused
    expect syn_count 2
""")

test_syns_that_nobody_answers_are_one_unanswered_connection = scenario("""
    > S
    +1 > S
    +2 > S
    +4 > S
    expect connections 1
    expect opening unanswered
    expect syn_count 4
    expect client SYN_SENT server UNKNOWN
    expect conn_state S0
    expect history S
    expect closer none
""")

test_a_simultaneous_open_is_one_connection = scenario("""
    > S
    < S
    > S. 0:0(0) ack 1
    < S. 0:0(0) ack 1
    > .
    < .
    expect connections 1
    expect opening handshake
    expect client ESTABLISHED server ESTABLISHED
    expect syn_count 2
    expect synack_count 2
    expect isn client 1000 server 5000
    expect client_port 40000
""")

test_data_in_the_syn_of_a_fast_open_is_read = scenario("""
    > S 0:27(27) GET /
    < S. ack 28
    > . ack 1
    < P. 200 (2)
    > .
    expect connections 1
    expect opening handshake
    expect requests 1 exact
    expect exchanges GET/200
    expect exchange 1 frames 1-1 4-4
    expect bytes client 27 server 40
    expect retransmitted client 0
""")

test_fast_open_data_that_the_server_did_not_take_is_sent_again_and_counted_once = scenario("""
    > S 0:27(27) GET /
    < S. ack 1
    > . 1:28(27)
    < P. 200 (2)
    expect requests 1 exact
    expect exchanges GET/200
    expect bytes client 27 server 40
    expect retransmitted client 1
""")

test_a_missed_syn_with_a_captured_syn_ack_still_tells_the_roles = scenario("""
    options ports 80 40000
    < S.
    > .
    > P. GET /
    < P. 200 (0)
    expect connections 1
    expect opening handshake
    expect port client 80 server 40000
    expect roles_inferred 0
    expect rtt unknown
    expect syn_count 0
    expect synack_count 1
    expect requests 1 at least
""")

test_a_capture_that_starts_in_the_middle_claims_no_exact_count = scenario("""
    > P. GET /
    < P. 200 (0)
    > P. GET /
    < P. 200 (0)
    expect opening midstream
    expect roles_inferred 1
    expect requests 2 at least
    expect exchanges GET/200 GET/200
    expect isn client -1 server -1
    expect rtt unknown
    expect client ESTABLISHED server ESTABLISHED
    expect conn_state OTH
""")

test_a_midstream_start_inside_a_response_finds_the_roles_by_the_next_head = scenario("""
    options ports 80 40000
    < . 1:1001(1000)
    > P. GET /
    < P. 200 (0)
    expect port client 80 server 40000
    expect roles_inferred 1
    expect protocol http1
    expect requests 1 at least
    expect exchanges GET/200
""")

test_a_midstream_start_with_bare_acks_takes_the_lower_port_for_the_server = scenario("""
    options ports 40000 8080
    < .
    > .
    expect opening midstream
    expect port client 40000 server 8080
    expect client ESTABLISHED server ESTABLISHED
    expect requests 0 at least
""")

test_a_midstream_port_that_was_seen_serving_is_the_server = scenario("""
    options ports 1234 8080
    connection a
    >a S
    <a S.
    connection b ports 1000 8080
    <b .
    >b .
    connection c ports 2000 8080
    >c .
    <c .
    expect 2: port client 1000 server 8080
    expect 3: port client 2000 server 8080
""")

test_a_capture_of_one_direction_shows_an_answered_handshake = scenario("""
    > S
    < S. lost
    > .
    > P. GET /
    < P. 200 (0) lost
    > P. GET /
    expect opening handshake
    expect connections 1
    expect exchanges GET/- GET/-
    expect packets client 4 server 0
""")

# -- port reuse

test_a_syn_with_a_new_isn_after_the_close_is_a_new_connection = scenario("""
    > S
    < S.
    > .
    > P. GET /
    < P. 200 (0)
    > F.
    < F.
    > .
    incarnation isn 900000 800000
    +2 > S
    < S.
    > .
    > P. GET /b
    < P. 200 (0)
    expect connections 2
    expect 1: requests 1 exact
    expect 1: closer client fin
    expect 1: last_frame 8
    expect 2: requests 1 exact
    expect 2: closer none
    expect 2: first_frame 9
    expect 2: isn client 900000 server 800000
    expect 1: retransmitted client 0
    expect 2: retransmitted client 0
""")

test_a_syn_with_a_new_isn_on_a_silent_open_connection_is_a_new_connection = scenario("""
    > S
    < S.
    > .
    incarnation
    +300 > S
    < S.
    > .
    expect connections 2
    expect 1: closer none
    expect 2: client ESTABLISHED server ESTABLISHED
""")

test_a_syn_with_a_new_isn_after_an_unanswered_one_is_a_new_connection = scenario("""
    > S
    incarnation
    +3 > S
    < S.
    > .
    expect connections 2
    expect 1: opening unanswered
    expect 2: opening handshake
""")

test_a_reused_port_with_a_lower_isn_is_a_new_connection_too = scenario("""
    options isn 4000000000 3000000000
    > S
    < S.
    > .
    > F.
    < F.
    > .
    incarnation isn 5 6
    +61 > S
    < S.
    > .
    expect connections 2
    expect 1: client CLOSED server CLOSED
    expect 2: client ESTABLISHED server ESTABLISHED
""")

test_a_time_wait_tuple_that_is_taken_again_no_longer_counts_as_time_wait = scenario("""
    > S
    < S.
    > .
    > F.
    < F.
    > .
    incarnation
    +1 > S
    < S.
    > .
    expect connections 2
    expect 1: client CLOSED server CLOSED
""")

test_a_repeated_syn_after_the_close_is_no_new_connection = scenario("""
    > S
    < S.
    > .
    > F.
    < F.
    > .
    > S
    expect connections 1
    expect syn_count 2
""")

test_a_reused_port_whose_syn_was_lost_begins_with_its_syn_ack = scenario("""
    > S
    < S.
    > .
    > F.
    < F.
    > .
    incarnation
    > S lost
    +2 < S.
    > .
    > P. GET /
    < P. 200 (0)
    expect connections 2
    expect 2: opening handshake
    expect 2: synack_count 1
    expect 2: requests 1 at least
""")

test_the_roles_may_turn_round_when_a_4_tuple_is_used_again = scenario("""
    > S
    < S.
    > .
    > F.
    < F.
    > .
    incarnation
    +2 < S
    > S.
    < .
    expect connections 2
    expect 1: port client 40000 server 80
    expect 2: port client 80 server 40000
""")


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    ("back", "count"), [("connection c port 40000 isn 9 10\n+0.1 >c S", 3), ("+0.1 >a again", 2), ("+0.1 <a .", 2)]
)
def test_the_first_connection_may_be_heard_of_again_whichever_address_is_higher(
    back: str, count: int, swap: bool
) -> None:
    # Its number, 1, is kept as -1 where the client's address is the higher, which C functions take for an error.
    closed = "> S\n< S.\n> .\n> F.\n< F.\n> .\n"
    its_row_is_written = "connection b port 40001\n+2 >b S\n"
    told = play(closed + its_row_is_written + back, Variant(swap_addresses=swap))
    assert len(told.connections) == count
