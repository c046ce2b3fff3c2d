"""Sequence space: retransmissions, disorder, probes, wrap, gaps, packets captured twice."""

from __future__ import annotations

import pytest
from notation import Variant, play, scenario

HANDSHAKE = """
    > S
    +0.010 < S.
    > .
"""

test_a_retransmission_of_lost_data_counts_once_and_carries_its_bytes_once = scenario(
    HANDSHAKE
    + """
    > P. GET /
    +0.2 > again
    < P. 200 (0)
    expect requests 1 exact
    expect retransmitted client 1
    expect out_of_order client 0
    expect bytes client 27 server 38
    expect exchange 1 frames 4-4 6-6
    expect history ShADTd
"""
)

test_a_spurious_retransmission_of_acknowledged_data_is_no_second_request = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < .
    +0.3 > again
    < .
    < P. 200 (0)
    expect requests 1 exact
    expect exchanges GET/200
    expect retransmitted client 1
"""
)

test_a_retransmission_that_brings_more_delivers_what_is_new = scenario(
    HANDSHAKE
    + r"""
    > P. "GET / HTTP/1.1\r\n"
    +0.2 > P. 1:28(27) "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    < P. 200 (0)
    expect requests 1 exact
    expect exchanges GET/200
    expect retransmitted client 1
    expect bytes client 27 server 38
"""
)

test_a_segment_that_comes_late_within_a_round_trip_is_out_of_order = scenario(
    HANDSHAKE
    + """
    > P. POST / (1000)
    < . 42:1042(1000) id 9
    < P. 1:42(41) 200 (0/2000) id 8
    < . 1042:2042(1000) id 10
    expect out_of_order server 1
    expect retransmitted server 0
    expect gap_bytes client 0
    expect requests 1 exact
    expect exchanges POST/200
    expect exchange 1 is response_complete
    expect exchange 1 response_bytes 2041
"""
)

test_a_segment_that_fills_a_hole_after_a_round_trip_is_a_retransmission = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < . 1:39(38) lost
    < . 39:139(100)
    +0.2 < . 1:39(38) 200 (0)
    expect retransmitted server 1
    expect out_of_order server 0
    expect gap_bytes server 0
    expect exchanges GET/200
"""
)

test_segments_ahead_of_a_hole_wait_and_keep_their_own_times = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 41:141(100)
    < P. 1:41(40) 200 (0/100)
    expect exchanges GET/200
    expect exchange 1 is response_complete
    expect exchange 1 response_bytes 140
    expect exchange 1 frames 4-4 6-5
"""
)

test_an_ack_captured_before_its_data_is_no_fault = scenario(
    HANDSHAKE
    + """
    < . ack 28
    > P. 1:28(27) GET /
    < P. 200 (0)
    expect requests 1 exact
    expect gap_bytes client 0
    expect retransmitted client 0
    expect exchanges GET/200
    expect bytes client 27 server 38
"""
)

test_acknowledged_data_that_never_shows_up_is_a_gap = scenario(
    HANDSHAKE
    + """
    > P. GET / lost
    < P. 200 (0)
    > P. GET /
    < P. 200 (0)
    +1 > .
    expect gap_bytes client 27
    expect requests 2 at least
    expect exchanges -/200 GET/200
"""
)

test_keepalive_probes_of_no_byte_and_of_one_are_neither_data_nor_retransmissions = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (0)
    > .
    +15 > . 27:27(0)
    < . ack 28
    +15 > . 27:28(1)
    < . ack 28
    +15 < . 38:38(0)
    > .
    expect keepalive_probes client 2 server 1
    expect retransmitted client 0
    expect out_of_order client 0
    expect data_packets client 1 server 1
    expect requests 1 exact
    expect bytes client 27 server 38
    expect closer none
    expect history ShADda
"""
)

test_keepalive_probes_before_any_data_are_probes = scenario(
    HANDSHAKE
    + """
    +15 > . 0:0(0)
    < .
    +15 > . 0:1(1)
    < .
    expect keepalive_probes client 2
    expect retransmitted client 0
    expect requests 0 exact
    expect protocol unknown
"""
)

test_a_capture_that_begins_with_a_keepalive_probe_has_no_gap = scenario("""
    > . 100:100(0) ack 500
    < . 500:500(0) ack 101
    > P. 101:128(27) GET / ack 500
    < P. 500:538(38) 200 (0)
    expect gap_bytes client 0
    expect requests 1 at least
    expect exchanges GET/200
""")

test_a_zero_window_and_its_probes_are_counted = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (1000/3000)
    > . win 0
    +0.2 < . 1042:1043(1)
    > . ack 1042 win 0
    +0.4 < . 1042:1042(0)
    > . ack 1042 win 0
    +1 > . ack 1042 win 500
    < . 1042:3042(2000)
    expect zero_window client 3
    expect exchanges GET/200
    expect exchange 1 is response_complete
    expect requests 1 exact
"""
)

test_the_windows_are_scaled_when_both_syns_offer_it = scenario("""
    > S wscale 7
    < S. wscale 9
    > . win 100
    > . win 50
    expect client_window 6400
    expect client_window_high 12800
""")

test_without_the_syns_the_scale_is_unknown = scenario("""
    > . win 100
    < .
    expect client_window -1
    expect client_window_high -1
""")

test_a_byte_captured_behind_its_ack_is_no_keepalive_probe = scenario(
    HANDSHAKE
    + """
    < . ack 2
    > P. 1:2(1) "G"
    > P. "ET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
    < P. 200 (0)
    expect keepalive_probes client 0
    expect out_of_order client 0
    expect exchanges GET/200
"""
)

test_a_loss_behind_a_gap_is_filled_by_its_retransmission = scenario(
    HANDSHAKE
    + """
    > P. POST / (0/600)
    > . 50:150(100) lost
    > . 150:250(100)
    > . 250:350(100) lost
    > . 350:450(100)
    < . ack 250
    +0.1 < . ack 250
    > . 250:350(100)
    > . 450:650(200)
    < P. 200 (0)
    expect gap_bytes client 100
    expect retransmitted client 1
    expect requests 1 exact
    expect exchange 1 is request_complete
    expect exchange 1 request_bytes 549
"""
)

# -- wrap and size


@pytest.mark.parametrize("isn", [2**32 - 1, 2**32 - 2, 2**32 - 20, 2**32 - 28, 2**32 - 29, 2**31 - 10])
def test_the_sequence_numbers_may_wrap_anywhere_in_an_exchange(isn: int) -> None:
    play(
        f"""
        options isn {isn} {isn}
        > S
        < S.
        > .
        > P. GET /
        < P. 200 (20)
        > P. POST / (20)
        +0.2 > again
        < P. 200 (3+4)
        > F.
        < F.
        > .
        expect requests 2 exact
        expect exchanges GET/200 POST/200
        expect retransmitted client 1
        expect closer client fin
        expect initiator client
        expect client TIME_WAIT server CLOSED
        """
    )


test_a_body_of_more_than_4_gib_is_skipped_by_sequence = scenario(
    HANDSHAKE
    + """
    > P. GET /big
    < P. 200 (0/5000000000)
    < . 48:1000000048(1000000000) lost
    > .
    +0.1 > .
    < . 1000000048:2000000048(1000000000) lost
    > .
    +0.1 > .
    < . 2000000048:3000000048(1000000000) lost
    > .
    +0.1 > .
    < . 3000000048:4000000048(1000000000) lost
    > .
    +0.1 > .
    < . 4000000048:5000000048(1000000000) lost
    > .
    +0.1 > P. GET /after
    < P. 200 (0)
    expect requests 2 exact
    expect exchanges GET/200 GET/200
    expect gap_bytes server 5000000000
    expect exchange 1 is response_complete
    expect exchange 2 not bound
"""
)

test_a_number_far_outside_the_window_is_not_taken_for_progress = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < . ack 2000000000
    < P. 200 (0)
    expect gap_bytes client 0
    expect requests 1 at least
"""
)

# -- packets captured twice

test_a_copy_on_its_way_through_a_router_is_dropped_and_counted = scenario(
    """
    > S copy ttl 63
    < S. copy ttl 63
    > . copy ttl 63
    > P. GET / copy ttl 63
    < P. 200 (0) copy ttl 63
    expect connections 1
    expect duplicates 5
    expect capture duplicates 5
    expect retransmitted client 0
    expect syn_count 1
    expect synack_count 1
    expect packets client 3 server 2
    expect requests 1 exact
"""
)

test_a_copy_from_another_interface_is_dropped_and_counted = scenario(
    """
    options ip_id 0
    > S copy interface 1
    < S. copy interface 1
    > . copy interface 1
    > P. GET / copy interface 1 +0.0005
    < P. 200 (0) copy interface 1
    expect connections 1
    expect duplicates 5
    expect retransmitted client 0
    expect requests 1 exact
"""
)

test_a_copy_with_the_same_ip_id_is_dropped_without_any_other_mark = scenario(
    HANDSHAKE
    + """
    > P. GET / copy +0.0001
    < P. 200 (0) copy +0.0001
    expect duplicates 2
    expect retransmitted client 0
"""
)

test_a_retransmission_with_a_new_ip_id_is_no_copy_however_soon_it_comes = scenario(
    HANDSHAKE
    + """
    > P. GET /
    +0.005 > again
    < P. 200 (0)
    expect duplicates 0
    expect retransmitted client 1
"""
)

test_a_retransmission_without_ip_id_is_no_copy_after_a_millisecond = scenario(
    """
    options ip_id 0
    > S
    < S.
    > .
    > P. GET /
    +0.200 > again
    < P. 200 (0)
    expect duplicates 0
    expect retransmitted client 1
"""
)

test_two_equal_acks_without_ip_id_are_two_acks = scenario("""
    options ipv6 1
    > S
    < S.
    > .
    +0.0001 > .
    +0.0001 > .
    expect duplicates 0
    expect packets client 4 server 1
""")

test_a_copy_of_a_fin_or_rst_is_no_second_close = scenario(
    HANDSHAKE
    + """
    > F. copy ttl 63
    < F. copy ttl 63
    > . copy ttl 63
    expect connections 1
    expect duplicates 3
    expect retransmitted client 0
    expect client TIME_WAIT server CLOSED
"""
)

# -- clocks

test_a_clock_that_steps_back_changes_neither_order_nor_counts = scenario(
    HANDSHAKE
    + """
    > P. GET /
    -0.5 < P. 200 (0)
    > P. GET /
    < P. 200 (0)
    expect connections 1
    expect requests 2 exact
    expect capture steps_back 1
    expect duplicates 0
"""
)

test_a_clock_that_steps_back_in_the_handshake_gives_no_negative_round_trip = scenario("""
    > S
    -3600 < S.
    > .
    expect rtt 0
    expect client ESTABLISHED server ESTABLISHED
""")


def test_a_scenario_means_the_same_over_ipv6() -> None:
    play(
        """
        > S
        < S.
        > .
        > P. GET /
        < P. 200 (0)
        expect requests 1 exact
        """,
        Variant(ipv6=True),
    )
