"""Which connections make a pool, and which are another one seen again."""

from __future__ import annotations

import numpy as np
import pytest
from tables import lives, pools, tables

from pcapdiag.pools.partition import aliases

TWO_PROGRAMS = """
    0 0.1-0.2 agent=curl/8.5.0 client 0.3
    1 1.1-1.2 agent=Go-http-client/1.1
    2 2.1-2.2 agent=Go-http-client/1.1
    3 3.1-3.2 agent=Go-http-client/1.1
"""


def test_programs_behind_one_address_are_told_apart_by_their_user_agent() -> None:
    go, curl = pools(TWO_PROGRAMS, end=5)
    assert (go.name, go.text("user_agent"), go.size) == ("p1", "Go-http-client/1.1", 3)
    assert (curl.name, curl.text("user_agent"), curl.size) == ("p2", "curl/8.5.0", 1)


def test_connections_without_a_request_go_with_the_largest_program() -> None:
    go, curl = pools(TWO_PROGRAMS + "    4 client 4.5\n    4.1 client 4.5\n", end=5)
    assert (go.size, curl.size) == (5, 1)


def test_services_and_clients_are_pools_of_their_own() -> None:
    made = pools("0 0.1-0.2\n0 0.1-0.2 server_port=81\n0 0.1-0.2 client_ip=2\n0 0.1-0.2", end=1)
    assert [one.size for one in made] == [2, 1, 1]


def test_pools_keep_their_own_exchanges_in_order() -> None:
    go, curl = pools(TWO_PROGRAMS, end=5)
    assert go.exchanges.connection.tolist() == [0, 1, 2]
    assert curl.exchanges.connection.tolist() == [0]
    assert go.rows.tolist() == [1, 2, 3]
    assert go.connections.number[go.rows == 2].tolist() == [3]


def test_no_connection_makes_no_pool() -> None:
    assert pools("", end=1) == []


NUMBERS = "client_isn=700001 server_isn=900001"


def test_the_same_connection_behind_a_nat_is_an_alias() -> None:
    connections, _ = tables(
        lives(
            f"""
            0.000 0.1-0.2 {NUMBERS}
            0.001 0.1-0.2 {NUMBERS} client_ip=2
            0.002 0.1-0.2 {NUMBERS} client_port=5
            0.003 0.1-0.2 client_isn=700001 server_isn=900002
            """
        )
    )
    assert aliases(connections).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (f"0 {NUMBERS}\n3600 {NUMBERS} client_ip=2", "an hour later"),
        (f"0 {NUMBERS} client_port=4\n0.5 {NUMBERS} client_port=4", "on the same addresses: a port used again"),
        (f"0 {NUMBERS}\n0.1 {NUMBERS} client_ip=2 client_bytes=9", "with other bytes"),
        ("0 client_isn=0 server_isn=0\n0.1 client_isn=0 server_isn=0 client_ip=2", "hand-made numbers"),
        ("0 midstream\n0.1 midstream client_ip=2", "numbers that nobody saw"),
    ],
    ids=lambda value: value if "\n" not in value else "",
)
def test_equal_numbers_alone_make_no_alias(lines: str, why: str) -> None:
    connections, _ = tables(lives(lines))
    assert not np.any(aliases(connections)), why
