"""The server's limit on requests per connection."""

from __future__ import annotations

import pytest
from tables import Life, Use, pool

from pcapdiag.model.flags import BOUND
from pcapdiag.model.words import Count, Protocol
from pcapdiag.pools.caps import Cap, request_cap
from pcapdiag.pools.pool import Pool


def capped(
    counts: list[int], announced: bool = True, by: str = "server", survivors: list[int] | None = None
) -> list[Life]:
    """Connections with these numbers of requests, closed after the last; and some that are still open."""
    lives = []
    for n, count in enumerate(counts + (survivors or [])):
        at = float(n)
        uses = [Use(at + 0.01 + 0.02 * k, at + 0.02 + 0.02 * k) for k in range(count)]
        closed = None
        if n < len(counts):
            uses[-1].response_close = announced
            closed = (uses[-1].response or 0.0) + 0.001
        lives.append(Life(at, uses, closed, by))
    return lives


def cap_of(lives: list[Life]) -> Cap | None:
    return request_cap(pool(lives, end=len(lives) + 10.0))


@pytest.mark.parametrize(
    ("counts", "survivors", "value"),
    [
        ([6] * 5, [], 6),
        ([6] * 5, [3, 1], 6),
        ([6] * 5, [6], 6),
        ([6] * 19 + [4], [], 6),  # one was cut short by a restart
        ([100] * 3, [], 100),
    ],
)
def test_constant_announced_counts_are_the_cap_exactly(counts: list[int], survivors: list[int], value: int) -> None:
    cap = cap_of(capped(counts, survivors=survivors))
    assert cap is not None
    assert (cap.value, cap.announced) == (value, True)
    assert cap.count == counts.count(value) == len(cap.rows)


@pytest.mark.parametrize(
    ("counts", "survivors", "why"),
    [
        ([6, 6], [], "two are an accident"),
        ([6, 3, 9, 6, 2, 6, 5], [], "scattered counts"),
        ([1] * 20, [], "one request each is no cap but no keep-alive"),
        ([6] * 20, [7], "one connection carried more"),
        ([6] * 8 + [5, 4], [], "fewer than nine in ten agree"),
    ],
)
def test_there_is_no_cap_where(counts: list[int], survivors: list[int], why: str) -> None:
    assert cap_of(capped(counts, survivors=survivors)) is None, why


def test_after_the_announcement_either_side_may_send_the_first_fin() -> None:
    cap = cap_of(capped([6] * 4, by="client"))
    assert cap is not None
    assert cap.value == 6


def test_an_apache_that_serves_one_more_than_its_setting_shows_what_it_serves() -> None:
    cap = cap_of(capped([6] * 6))  # MaxKeepAliveRequests 5
    assert cap is not None
    assert cap.value == 6


def test_unannounced_closes_count_when_the_server_makes_them_at_once() -> None:
    cap = cap_of(capped([6] * 4, announced=False))
    assert cap is not None
    assert (cap.value, cap.announced) == (6, False)
    assert cap_of(capped([6] * 4, announced=False, by="client")) is None


def test_connections_seen_from_the_middle_may_have_carried_more() -> None:
    lives = capped([6] * 5)
    for one in lives:
        one.midstream = True
    assert cap_of(lives) is None


def hidden(lives: list[Life]) -> Pool:
    """The same with its headers cut off by the snaplen: announcements cannot be read."""
    for one in lives:
        one.columns["basis"] = int(Count.LOWER_BOUND)
    p = pool(lives, end=100)
    p.exchanges.columns["flags"] = p.exchanges.flags | BOUND
    return p


def test_where_headers_are_cut_off_the_clients_fins_count_too_if_most_are_the_servers() -> None:
    mixed = capped([6] * 7, announced=False)
    for one in mixed[:3]:
        one.by = "client"
    cap = request_cap(hidden(mixed))
    assert cap is not None
    assert (cap.value, cap.count) == (6, 7)
    assert request_cap(hidden(capped([6] * 7, announced=False, by="client"))) is None


def test_turns_of_tls_records_that_the_snaplen_cut_are_no_count() -> None:
    lives = capped([6] * 5, announced=False)
    for one in lives:
        one.columns["basis"] = int(Count.TURNS)
    assert request_cap(pool(lives, end=50, protocol=Protocol.TLS)) is not None
    for one in lives:
        one.columns["truncated_bytes"] = 100
    assert request_cap(pool(lives, end=50, protocol=Protocol.TLS)) is None
