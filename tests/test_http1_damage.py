"""HTTP/1 over gaps, cut packets, missed starts: counts stay right, or say that they are bounds."""

from __future__ import annotations

import pytest
from notation import play, scenario

HANDSHAKE = """
    > S
    < S.
    > .
"""

test_a_gap_inside_a_body_costs_nothing = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (1000/9000)
    < . 1042:3042(2000) lost
    < . 3042:9042(6000)
    > .
    +0.1 > P. GET /b
    < P. 200 (5)
    expect gap_bytes server 2000
    expect requests 2 exact
    expect exchanges GET/200 GET/200
    expect exchange 1 is response_complete not bound
    expect exchange 2 is response_complete not bound
"""
)

test_a_gap_to_the_very_end_of_a_body_costs_nothing = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 200 (1000/9000)
    < . 1042:9042(8000) lost
    > .
    +0.1 > P. GET /b
    < P. 200 (5)
    expect requests 2 exact
    expect exchanges GET/200 GET/200
    expect exchange 1 is response_complete not bound
    expect exchange 2 is response_complete not bound
"""
)

test_a_gap_inside_an_uploads_body_costs_nothing = scenario(
    HANDSHAKE
    + """
    > P. POST / (0/9000)
    > . 51:8051(8000) lost
    > . 8051:9051(1000)
    < .
    +0.1 < P. 200 (0)
    > P. GET /b
    < P. 200 (5)
    expect requests 2 exact
    expect exchanges POST/200 GET/200
    expect exchange 1 is request_complete not bound
"""
)

test_a_gap_inside_a_chunk_costs_nothing = scenario(
    HANDSHAKE
    + r"""
    > P. GET /
    < P. 200 [Transfer-Encoding: chunked] "3e8\r\n" "x"*100
    < . 153:953(800) lost
    < P. "x"*100 "\r\n5\r\nhello\r\n0\r\n\r\n"
    > .
    +0.1 > P. GET /b
    < P. 200 (5)
    expect requests 2 exact
    expect exchanges GET/200 GET/200
    expect exchange 1 is response_complete not bound
"""
)

test_a_gap_over_a_chunks_end_loses_the_framing_until_the_next_head = scenario(
    HANDSHAKE
    + r"""
    > P. GET /
    < P. 200 [Transfer-Encoding: chunked] "3e8\r\n" "x"*100
    < . 153:1153(1000) lost
    < P. "x"*100 "\r\n0\r\n\r\n"
    > .
    +0.1 > P. GET /b
    < P. 200 (5)
    > P. GET /c
    < P. 200 (6)
    expect exchanges GET/200 GET/200 GET/200
    expect exchange 1 is bound
    expect exchange 2 is response_complete not bound
    expect exchange 3 is response_complete not bound
"""
)

test_a_lost_response_does_not_shift_the_pairing = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (5)
    > P. GET /2
    < P. 200 (6) lost
    > .
    > P. POST /3 (3)
    < P. 201 (7)
    > P. GET /4
    < P. 404 (0)
    expect exchanges GET/200 GET/- POST/201 GET/404
    expect requests 4 exact
    expect gap_bytes server 44
"""
)

test_a_lost_response_head_does_not_shift_the_pairing = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (5)
    > P. GET /2
    < P. 200 (0/3000) lost
    < P. "x"*3000
    > .
    > P. POST /3 (3)
    < P. 201 (7)
    > P. GET /4
    < P. 404 (0)
    expect exchanges GET/200 GET/- POST/201 GET/404
    expect requests 4 exact
"""
)

test_a_lost_first_response_does_not_shift_the_pairing = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (5) lost
    > P. POST /2 (3)
    < P. 201 (7)
    > P. GET /3
    < P. 404 (0)
    expect exchanges GET/- POST/201 GET/404
    expect requests 3 exact
"""
)

test_two_lost_responses_do_not_shift_the_pairing = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (5) lost
    > P. GET /2
    < P. 200 (6) lost
    > P. POST /3 (3)
    < P. 201 (7)
    expect exchanges GET/- GET/- POST/201
    expect requests 3 exact
"""
)

test_a_lost_request_leaves_a_response_without_one_and_does_not_shift_the_pairing = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (5)
    > P. GET /2 lost
    < P. 202 (6)
    > .
    > P. POST /3 (3)
    < P. 201 (7)
    > P. GET /4
    < P. 404 (0)
    expect exchanges GET/200 -/202 POST/201 GET/404
    expect requests 4 at least
    expect responses 4
"""
)

test_a_lost_first_request_does_not_shift_the_pairing = scenario(
    HANDSHAKE
    + """
    > P. GET /1 lost
    < P. 202 (6)
    > .
    > P. POST /2 (3)
    < P. 201 (7)
    expect exchanges -/202 POST/201
    expect requests 2 at least
"""
)

test_a_lost_request_and_its_lost_response_are_not_counted_but_the_count_is_a_bound = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (5)
    > P. GET /2 lost
    < P. 200 (6) lost
    > .
    > P. GET /3
    < P. 201 (7)
    expect exchanges GET/200 GET/201
    expect requests 2 at least
"""
)

test_a_tail_that_was_only_acknowledged_leaves_the_count_a_bound = scenario(
    HANDSHAKE
    + """
    > P. GET /1
    < P. 200 (5)
    > P. GET /2 lost
    < .
    expect exchanges GET/200
    expect requests 1 at least
"""
)

test_a_response_behind_a_lost_response_and_a_lost_request_is_no_certain_answer = scenario(
    HANDSHAKE
    + """
    > P. GET /0
    < P. 200 (0) lost
    > P. GET /1 lost
    < P. 201 (0)
    +0.1 > .
    expect requests 1 at least
    expect exchange 1 is bound
"""
)

test_a_gap_in_the_body_that_a_head_response_announced_may_have_held_responses = scenario(
    HANDSHAKE
    + """
    > P. HEAD /0 lost
    < P. 200 (0/500)
    > P. GET /1 lost
    < P. 201 (0) lost
    > P. GET /2
    < P. 202 (0) lost
    +0.03 > .
    > P. GET /3
    < P. 203 (0)
    +0.1 > .
    expect exchanges -/200 GET/- GET/203
    expect requests 3 at least
"""
)

test_the_response_to_an_unseen_head_request_may_have_no_body = scenario(
    HANDSHAKE
    + """
    > P. HEAD /1 lost
    < P. 200 (0/5000)
    > .
    > P. GET /2
    < P. 201 (7)
    expect exchanges -/200 GET/201
    expect exchange 2 is response_complete
    expect requests 2 at least
"""
)

# -- snaplen

test_heads_that_the_snaplen_still_shows_are_counted_exactly_though_bodies_are_cut = scenario(
    HANDSHAKE
    + """
    > P. GET / cut 27
    < P. 200 (1000/2000) cut 60
    < P. "x"*1000 cut 60
    > P. POST / (500) cut 60
    < P. 200 (0) cut 60
    expect requests 2 exact
    expect exchanges GET/200 POST/200
    expect exchange 1 is response_complete not bound
"""
)

test_heads_cut_by_the_snaplen_are_counted_by_their_first_lines_as_a_bound = scenario(
    HANDSHAKE
    + """
    > P. GET /1 [User-Agent: something-or-other] cut 30
    < P. 200 (1000) cut 30
    > .
    > P. POST /2 (500) cut 30
    < P. 404 (100) cut 30
    > P. HEAD /3 [User-Agent: something-or-other] cut 30
    < P. 200 (0/100) [Server: something-or-other] cut 30
    expect exchanges GET/200 POST/404 HEAD/200
    expect requests 3 at least
    expect responses 3
    expect protocol http1
    expect exchange 1 is bound
    expect exchange 2 is bound
"""
)

test_a_cut_head_whose_body_follows_in_more_segments_is_one_request = scenario(
    HANDSHAKE
    + """
    > P. POST /1 (0/3000) [User-Agent: something-or-other] cut 30
    > . "x"*1400 cut 30
    > P. "x"*1600 cut 30
    < P. 200 (1000/9000) cut 30
    < . "x"*4000 cut 30
    < . "x"*4000 cut 30
    > P. GET /2 [User-Agent: something-or-other] cut 30
    < P. 200 (10) cut 30
    expect exchanges POST/200 GET/200
    expect requests 2 at least
"""
)

test_a_cut_response_that_was_whole_leaves_no_open_request = scenario(
    HANDSHAKE
    + """
    > P. GET /1 [User-Agent: something-or-other] cut 30
    < P. 200 (1000) cut 30
    > F.
    < F.
    > .
    expect open_request 0
    expect requests 1 at least
    expect closer client fin
"""
)


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_no_snaplen_makes_a_count_exact_that_is_wrong(cut: int) -> None:
    result = play(
        HANDSHAKE
        + f"""
        > P. GET /1 [User-Agent: something-or-other] cut {min(cut, 59)}
        < P. 200 (1000) cut {cut}
        > P. POST /2 (500) cut {min(cut, 60)}
        < P. 404 (100) cut {cut}
        > P. GET /3 [User-Agent: something-or-other] cut {min(cut, 59)}
        < P. 200 (0) [Server: something-or-other] cut {cut}
        > F.
        < F.
        > .
        expect connections 1
        expect closer client fin
        """
    )
    row = result.connections[0]
    assert row["requests"] <= 3
    if row["basis"] == "exact":
        assert row["requests"] == 3


# -- missed starts

test_a_midstream_capture_in_a_response_body_resumes_at_the_next_heads = scenario("""
    < . 500:1500(1000)
    > .
    < . 1500:1700(200)
    > P. GET /1
    < P. 200 (5)
    > P. GET /2
    < P. 200 (5)
    expect protocol http1
    expect exchanges GET/200 GET/200
    expect requests 2 at least
""")

test_a_midstream_capture_in_a_request_body_resumes_at_the_next_heads = scenario("""
    > . 500:1500(1000)
    < P. 201 (5)
    > P. GET /1
    < P. 200 (5)
    expect protocol http1
    expect exchanges -/201 GET/200
    expect requests 2 at least
""")

test_a_midstream_capture_that_begins_with_a_response_pairs_the_next_request_right = scenario("""
    < P. 201 (5)
    > P. GET /1
    < P. 200 (6)
    expect exchanges -/201 GET/200
    expect requests 2 at least
    expect port client 40000 server 80
""")

test_a_reuse_whose_roles_are_the_other_way_than_the_ports_is_turned_round = scenario("""
    options ports 80 40000
    < .
    > .
    > P. GET /1
    < P. 200 (6)
    expect port client 80 server 40000
    expect exchanges GET/200
    expect history aADd
""")

test_bytes_that_are_no_http_after_the_start_are_lost_framing_not_requests = scenario(
    HANDSHAKE
    + r"""
    > P. GET /
    < P. 200 (0)
    > P. "\x00\x01\x02 nothing like it"
    < P. "neither is this"
    > P. GET /
    < P. 200 (0)
    expect requests 2 at least
    expect exchanges GET/200 GET/200
"""
)
