"""Responses that no captured request waits for, first bytes in crumbs, and what only looks like HTTP."""

from __future__ import annotations

import expectations
import wire
from notation import scenario

from pcapdiag.exchanges.heads import Heads
from pcapdiag.exchanges.http1 import HttpFramer
from pcapdiag.exchanges.rows import ExchangeRows
from pcapdiag.model.words import Count

HANDSHAKE = """
    > S
    < S.
    > .
"""

test_a_response_captured_ahead_of_its_request_meets_it = scenario(
    HANDSHAKE
    + """
    > P. GET /a lost
    < P. 200 (5)
    > again
    > P. GET /b
    < P. 204
    expect requests 2 exact
    expect exchanges GET/200 GET/204
    expect exchange 1 frames 5-5 4-4
"""
)

test_a_408_on_an_idle_connection_is_no_exchange_but_a_goodbye = scenario(
    HANDSHAKE
    + """
    > P. GET /a
    < P. 200 (5)
    +5 < P. "HTTP/1.1 408 Request Timeout\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n"
    < F.
    > F.
    expect requests 1 exact
    expect responses 1
    expect goodbye server
    expect linger 5.001
"""
)

test_a_408_on_a_connection_that_carried_nothing_counts_nothing = scenario(
    HANDSHAKE
    + """
    +5 < P. "HTTP/1.0 408 Request Time-out\\r\\nConnection: close\\r\\n\\r\\nbye"
    < F.
    expect requests 0 exact
    expect protocol http1
"""
)

test_responses_that_nobody_asked_for_do_not_shift_the_pairing = scenario(
    HANDSHAKE
    + """
    > P. GET /a
    < P. 200 (5)
    < P. 200 (6)
    > P. GET /b
    < P. 204
    expect requests 2 exact
    expect exchange 2 status 204
"""
)

test_a_method_in_crumbs_is_read = scenario(
    HANDSHAKE
    + """
    > P. "G"
    < .
    > P. "E"
    < .
    > P. "T / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
    < P. 200 (5)
    expect requests 1 exact
    expect protocol http1
"""
)

test_crumbs_that_become_something_else_are_turns_from_their_first_byte = scenario(
    HANDSHAKE
    + """
    > P. "G"
    > P. "O\\n"
    < P. "fine"
    expect requests 1 turns
    expect protocol opaque
    expect exchange 1 frames 4-5 6-6
"""
)

test_sip_is_no_http_though_it_shares_a_method = scenario(
    HANDSHAKE
    + """
    > P. "OPTIONS sip:a@b.c SIP/2.0\\r\\nVia: x\\r\\n\\r\\n"
    < P. "SIP/2.0 200 OK\\r\\n\\r\\n"
    expect protocol opaque
    expect requests 1 turns
"""
)

test_rtsp_is_no_http = scenario(
    HANDSHAKE
    + """
    > P. "OPTIONS rtsp://a/b RTSP/1.0\\r\\nCSeq: 1\\r\\n\\r\\n"
    < P. "RTSP/1.0 200 OK\\r\\n\\r\\n"
    expect protocol opaque
"""
)

test_where_nothing_of_the_server_is_captured_no_request_is_called_open = scenario("""
    > S
    < S. lost
    > .
    > P. GET /a
    < P. 200 (5) lost
    > .
    > P. GET /b
    < P. 200 (5) lost
    > F.
    expect requests 2 exact
    expect open_request 0
""")

test_only_syn_fin_and_rst_captured_leaves_the_count_a_bound_and_no_round_trip = scenario("""
    > S
    < S.
    > . lost
    > P. GET /a lost
    < P. 200 (5) lost
    +2 < F.
    > F.
    expect requests 0 at least
    expect rtt unknown
    expect opening handshake
""")


CLIENT, SERVER, PORTS = "10.0.0.1", "10.0.0.2", (40000, 80)


def exchange_over(*server_isns: int, taken: int) -> expectations.Result:
    """A handshake in which SYN-ACKs of several numbers come, and a request over the one ``taken``."""
    sent = [wire.tcp(CLIENT, SERVER, PORTS, 1000, 0, 2)]
    sent += [wire.tcp(SERVER, CLIENT, PORTS[::-1], isn, 1001, 18) for isn in server_isns]
    request, response = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    sent.append(wire.tcp(CLIENT, SERVER, PORTS, 1001, taken + 1, 16))
    sent.append(wire.tcp(CLIENT, SERVER, PORTS, 1001, taken + 1, 24, request))
    sent.append(wire.tcp(SERVER, CLIENT, PORTS[::-1], taken + 1, 1001 + len(request), 24, response))
    packets = []
    for number, segment in enumerate(sent):
        ends = (SERVER, CLIENT) if segment[:2] == b"\x00\x50" else (CLIENT, SERVER)
        data = wire.link(wire.ipv4(*ends, segment, ip_id=number + 1))
        packets.append(wire.Packet(data, wire.START + number * 1_000_000))
    return expectations.run(wire.pcap(packets))


def test_syn_acks_of_several_numbers_answer_one_syn() -> None:
    """SYN cookies, or several servers behind one address: the client takes one of them."""
    for isns, taken in (((5000, 7000), 7000), ((5000, 7000, 5000), 5000)):
        result = exchange_over(*isns, taken=taken)
        assert len(result.connections) == 1
        row = result.connections[0]
        assert (row["requests"], row["responses"], row["basis"]) == (1, 1, "exact")
        assert row["server_isn"] == taken
        assert row["synack_count"] == len(isns)


def test_a_response_to_an_unseen_request_has_its_row_while_a_late_request_is_awaited() -> None:
    rows = ExchangeRows()
    framer = HttpFramer(rows, 1, 2, Heads())
    framer.basis = Count.LOWER_BOUND
    request, response = b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    framer.feed(True, request, 0, len(request), len(request), 1, 1, 0, 0)
    for place, acknowledged in enumerate((len(request), 2 * len(request), len(request))):
        framer.feed(False, response, 0, len(response), len(response), 2, 2, place * len(response), acknowledged)
    framer.finish()
    assert framer.requests == 3
    assert rows.count == 3
