"""From a pool's columns to who is at its ends, over captures of this repository."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from analyses import pools_of

from pcapdiag.model.words import Confidence
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.recognising import client_at, heads, resets, server_at, system_at
from pcapdiag.rules.rule import Desk


def pool_to(name: str, port: int) -> Pool:
    return next(pool for pool in pools_of(name) if pool.connections.server_port[0] == port)


@pytest.mark.parametrize(
    ("name", "port", "client", "server"),
    [
        ("go-nginx-healthy", 8081, "go-net-http", "nginx"),
        ("go-nginx-tls-healthy", 8081, "go-net-http", None),
        ("node-tls-keepalive", 8081, "node-http-agent", None),
        ("node-idle-timeout", 8081, "go-net-http", "node-http-server"),
        ("haproxy-httpclose", 8081, "haproxy-upstream", "go-net-http-server"),
        ("nginx-upstream-no-keepalive", 8081, "nginx-upstream", "go-net-http-server"),
        ("nginx-upstream-keepalive", 8081, "nginx-upstream", "go-net-http-server"),
        ("http-client-per-4-at-server", 8081, "python-http-client", "nginx"),
        ("raw-pipelining", 8081, None, "go-net-http-server"),
    ],
)
def test_the_programs_of_a_pool_are_told(name: str, port: int, client: str | None, server: str | None) -> None:
    pool = pool_to(name, port)
    assert (client_at(pool).product_id, server_at(pool).product_id) == (client, server)


def test_two_signs_that_agree_are_surer_than_one() -> None:
    assert client_at(pool_to("node-tls-keepalive", 8081)).confidence is Confidence.HIGH  # ClientHello and probes
    assert client_at(pool_to("node-tls-resumed", 8081)).confidence is Confidence.MEDIUM  # ClientHello alone


def test_tls_hides_the_server_and_a_short_snaplen_the_client() -> None:
    assert "TLS" in server_at(pool_to("go-nginx-tls-healthy", 8081)).reason
    cut = pool_to("go-nginx-healthy-snap96", 8081)
    assert "cut" in client_at(cut).reason
    assert all(not head.whole for head in heads(cut, "header_order", "request_values"))


def test_haproxy_resets_what_it_is_done_with_and_go_does_not() -> None:
    assert resets(pool_to("haproxy-httpclose", 8081))
    assert not resets(pool_to("go-idle-timeout-short", 8081))


def changed(pool: Pool, **columns: int) -> Pool:
    """The pool with other values in all rows of some columns, and nothing remembered."""
    copy = Pool(pool.name, pool.rows, pool.connections.take(np.arange(pool.size)), pool.exchanges, pool.start, pool.end)
    for name, value in columns.items():
        copy.connections.columns[name] = np.full(pool.size, value)
    return copy


@pytest.mark.parametrize(
    ("options", "hops", "system"),
    [
        (0x24813, 64, "Linux"),
        (0x24813, 52, "Linux"),
        (0x24813, 128, None),  # Linux's options behind a hop limit that it does not start from
        (0x213114, 116, "Windows"),
        (0x21311840, 64, "macOS"),
        (0x2, 64, None),
        (0, 64, None),
    ],
)
def test_a_system_is_told_by_its_options_and_its_hop_limit(options: int, hops: int, system: str | None) -> None:
    pool = changed(pool_to("go-nginx-healthy", 8081), client_options=options, client_hops=hops)
    assert system_at(pool, "client") == system


def test_what_the_user_says_stands_where_it_speaks_the_pools_protocol() -> None:
    pool = pool_to("go-nginx-tls-healthy", 8081)
    desk = Desk(client_product="okhttp", server_product="postgresql")
    assert desk.client_of(pool).product_id == "okhttp"
    assert "--client" in desk.client_of(pool).reason
    assert desk.server_of(pool).product_id is None


def test_settings_of_a_known_program_without_an_entry_are_no_other_programs() -> None:
    from pcapdiag.model.words import Cause, Knob

    pool = pool_to("go-nginx-healthy", 8081)
    named = dataclasses.replace(client_at(pool), product_id=None, name="k6", candidates=(), known=True)
    desk = Desk()
    desk.client_of = lambda _: named  # type: ignore[method-assign]
    assert desk.advice(pool, Knob.IDLE_TIMEOUT, Cause.IDLE_TIMEOUT_TOO_SHORT) == ()
    assert desk.advice(pool, Knob.IDLE_TIMEOUT, Cause.SERVER_IDLE_TIMEOUT, role="server") != ()
