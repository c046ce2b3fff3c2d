"""Whose count ends a connection where heads cannot be read, and when a close was decided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tables import SECOND, Life, Use, ns, pool
from test_rules_capacity import counted, expected

from pcapdiag.model.report import Finding
from pcapdiag.model.words import Protocol, Side
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.timers import idle_timer

CLIENT = ["client-max-requests", "server-max-requests"]
SERVER = CLIENT[::-1]


def at_once(by_server: int, requests: int = 6) -> list[Life]:
    """Connections that end 1 ms after the last response, so many of them by the server's FIN."""
    lives = []
    for n, life in enumerate(counted(requests)):
        done = life.all_uses()[-1].response
        assert done is not None
        lives.append(replace(life, closed=done + 0.001, by="server" if n % 2 and n // 2 < by_server else "client"))
    return lives


def sized(last: int, others: int = 200, before: int = 0, protocol: Protocol = Protocol.TLS) -> Pool:
    """The client's FIN follows the last response, of so many bytes; the one ahead of it is longer by ``before``."""
    lives = []
    for life in at_once(0):
        uses = [Use(use.request, use.response, size=others) for use in life.all_uses()]
        uses[-2].size += before
        uses[-1].size = last
        lives.append(replace(life, uses=uses))
    return pool(lives, end=20, protocol=protocol)


def causes(finding: Finding) -> list[str]:
    return [str(one.cause) for one in finding.causes if str(one.cause) != "connection-lifetime"]


@pytest.mark.parametrize(("by_server", "right"), [(0, CLIENT), (2, CLIENT), (3, SERVER), (5, SERVER)])
def test_a_server_whose_fin_comes_first_after_the_same_number_counts_too(by_server: int, right: list[str]) -> None:
    finding = expected("client-max-requests", pool(at_once(by_server), end=20, protocol=Protocol.TLS))
    assert causes(finding) == right
    assert ("by the server's count" in finding.title) == (right == SERVER)


def test_server_fins_after_other_numbers_are_no_count() -> None:
    lives = at_once(4)
    for n, life in enumerate(one for one in lives if one.by == "server"):
        life.uses = life.all_uses()[: 2 + n]
        life.closed = life.all_uses()[-1].response + 0.001
    assert causes(expected("client-max-requests", pool(lives, end=20, protocol=Protocol.TLS))) == CLIENT


@pytest.mark.parametrize(
    ("last", "before", "right"),
    [
        pytest.param(219, 0, SERVER, id="Connection: close added"),
        pytest.param(195, 0, SERVER, id="keep-alive replaced by close"),
        pytest.param(200, 0, CLIENT, id="all alike"),
        pytest.param(218, 0, CLIENT, id="a byte less"),
        pytest.param(220, 0, CLIENT, id="a byte more"),
        pytest.param(238, 19, CLIENT, id="the ones ahead differ too"),
    ],
)
def test_the_length_of_the_last_response_shows_an_announcement(last: int, before: int, right: list[str]) -> None:
    assert causes(expected("client-max-requests", sized(last, before=before))) == right


def test_a_last_request_that_is_longer_as_well_announced_it_first() -> None:
    one = sized(219)
    one.exchanges.request_bytes[one.last_exchange] += 19
    assert causes(expected("client-max-requests", one)) == CLIENT


def test_what_can_be_read_needs_no_signs() -> None:
    assert causes(expected("client-max-requests", sized(219, protocol=Protocol.HTTP1))) == CLIENT[:1]


def goodbyes(after: float, every: float = 5.5, count: int = 12) -> Pool:
    """The server's close_notify comes so long after a use; its FIN when the client's next request is due."""
    lives = []
    for n in range(count):
        at = n * every
        lives.append(
            Life(
                at,
                [(at + 0.003, at + 0.005)],
                at + every - 0.001,
                "server",
                columns={"goodbye": int(Side.SERVER), "goodbye_at": ns(at + 0.005 + after)},
            )
        )
    return pool(lives, end=count * every + 1, protocol=Protocol.TLS)


def test_a_servers_timer_ends_with_its_goodbye_and_not_with_a_fin_that_waits_for_the_client() -> None:
    one = goodbyes(3.0)
    assert np.abs(one.linger - 3 * SECOND).max() <= 1
    timer = idle_timer(one, Side.SERVER)
    assert timer is not None
    assert timer.value is not None
    assert abs(timer.value - 3 * SECOND) <= 1
    assert expected("server-idle-timeout", one).measured["reopened"] == 11


def test_a_goodbye_behind_the_first_fin_moves_nothing() -> None:
    one = goodbyes(6.0)
    assert (one.parted_at == one.connections.close_at).all()
