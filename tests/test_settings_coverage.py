"""Every knob by product is a setting or said to be missing, and which knobs a product must answer for is data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pcapdiag.model.words import Knob
from pcapdiag.settings import catalog, coverage
from pcapdiag.settings.entries import Absence, Catalog, Product, Setting

# What issue after issue asks for by name: a product that is lost here is lost to every report.
ASKED_FOR = {
    "http-client": (
        "go-net-http go-fasthttp python-requests python-urllib3 python-httpx python-aiohttp python-http-client "
        "node-http-agent undici axios got node-fetch jdk-httpclient jdk-httpurlconnection apache-httpclient4 "
        "apache-httpclient5 okhttp reactor-netty jetty-httpclient dotnet-httpclient ruby-net-http ruby-faraday php-curl "
        "php-guzzle libcurl rust-reqwest rust-hyper"
    ),
    "http-upstream": "nginx-upstream haproxy-upstream envoy-upstream",
    "rpc-client": "grpc-go grpc-java grpc-python",
    "http-server": (
        "nginx apache haproxy envoy go-net-http-server node-http-server gunicorn uvicorn hypercorn aiohttp-web tornado "
        "waitress python-http-server tomcat jetty undertow jdk-httpserver kestrel iis puma caddy traefik ingress-nginx"
    ),
    "http-balancer": (
        "aws-alb aws-clb aws-cloudfront gcp-load-balancer azure-application-gateway cloudflare oci-load-balancer"
    ),
    "database-client": (
        "redis-py go-redis jedis lettuce ioredis hikaricp psycopg-pool sqlalchemy go-database-sql pgbouncer node-pg asyncpg"
    ),
    "database-server": "redis-server postgresql mysql",
    "kernel": "linux windows macos",
}
PRODUCTS = catalog.load().products


def role_settings(product: Product, knob: Knob) -> list[Setting]:
    """What it has as what it is: a proxy's product may hold settings of its other side as well."""
    return [setting for setting in product.settings_for(knob) if setting.role == product.role]


def test_no_knob_of_any_product_is_left_open() -> None:
    assert [(cell.product.id, cell.knob.value) for cell in coverage.holes()] == []


@pytest.mark.parametrize("product_id", PRODUCTS)
def test_a_knob_is_a_setting_or_missing_but_not_both(product_id: str) -> None:
    product = PRODUCTS[product_id]
    for knob in coverage.kinds()[product.kind].knobs:
        if product.absence_of(knob) is not None:
            assert role_settings(product, knob) == [], knob
        else:
            assert product.settings_for(knob), knob


@pytest.mark.parametrize("kind", ASKED_FOR)
def test_the_products_that_were_asked_for_are_there(kind: str) -> None:
    assert {id_: PRODUCTS[id_].kind for id_ in ASKED_FOR[kind].split()} == dict.fromkeys(ASKED_FOR[kind].split(), kind)


def test_a_product_that_loses_an_entry_leaves_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = PRODUCTS["nginx"]
    without = tuple(setting for setting in nginx.settings if setting.knob is not Knob.BACKLOG)
    short: Mapping[str, Product] = {**PRODUCTS, "nginx": replace(nginx, settings=without)}
    monkeypatch.setattr(coverage, "load", lambda: Catalog(short))
    assert [(cell.product.id, cell.knob) for cell in coverage.holes()] == [("nginx", Knob.BACKLOG)]


def test_every_knob_is_asked_of_some_kind_and_no_kind_is_unused() -> None:
    asked = {knob for kind in coverage.kinds().values() for knob in kind.knobs}
    assert asked == set(Knob)
    assert {product.kind for product in PRODUCTS.values()} == set(coverage.kinds())


def test_no_reason_for_having_none_covers_more_than_a_handful_of_knobs() -> None:
    for product in PRODUCTS.values():
        reasons = Counter(absence.why for absence in product.absences)
        assert all(count <= 4 for count in reasons.values()), product.id


def test_a_reason_for_having_none_is_a_sentence_about_the_product() -> None:
    for product in PRODUCTS.values():
        for absence in product.absences:
            assert len(absence.why.split()) >= 4, (product.id, absence.knob)


def test_no_product_says_of_most_of_its_knobs_that_it_has_none() -> None:
    for product in PRODUCTS.values():
        asked = coverage.kinds()[product.kind].knobs
        if len(asked) > 4:
            assert 2 * len([knob for knob in asked if product.absence_of(knob)]) <= 1.4 * len(asked), product.id


def test_every_entry_names_the_version_that_was_looked_at() -> None:
    for product in PRODUCTS.values():
        assert product.checked.strip(), product.id
        for entry in (*product.settings, *product.absences):
            assert entry.checked, (product.id, entry)


def test_a_row_holds_each_product_that_the_knob_concerns_once() -> None:
    row = coverage.row(Knob.MAX_REQUESTS)
    ids = [cell.product.id for cell in row]
    assert len(ids) == len(set(ids))
    assert {"nginx", "tomcat", "go-net-http", "nginx-upstream"} <= set(ids)
    assert "linux" not in ids
    by_id = {cell.product.id: cell for cell in row}
    assert by_id["nginx"].settings[0].name == "keepalive_requests"
    assert isinstance(by_id["python-requests"].absence, Absence)
