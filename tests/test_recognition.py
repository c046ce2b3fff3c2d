"""Who is at the other end: names, forms, ClientHellos and probes, alone, together and against each other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pcapdiag.errors import UsageError
from pcapdiag.model.words import Confidence, Knob
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Recognised
from pcapdiag.settings.finding import find
from pcapdiag.settings.signs import signs

GZIP = {"accept-encoding": "gzip"}
GO = ["Host", "User-Agent", "Accept-Encoding"]
REQUESTS = ["Host", "User-Agent", "Accept-Encoding", "Accept", "Connection"]
REQUESTS_VALUES = {"accept-encoding": "gzip, deflate", "accept": "*/*", "connection": "keep-alive"}
GO_JA4 = "t13d1911h2_9dc949149365_e7c285222651"
REQUESTS_JA4 = "t13d1812h1_85036bcba153_b26ce05bbdd6"


def told(found: Recognised) -> tuple[str | None, Confidence]:
    return found.product_id, found.confidence


# -- by name


@pytest.mark.parametrize(
    ("user_agent", "product_id", "version"),
    [
        ("Go-http-client/1.1", "go-net-http", ""),
        ("Go-http-client/2.0", "go-net-http", ""),
        ("go-resty/2.16.2 (https://github.com/go-resty/resty)", "go-net-http", ""),
        ("python-requests/2.34.2", "python-requests", "2.34.2"),
        ("python-urllib3/2.7.0", "python-urllib3", "2.7.0"),
        ("python-httpx/0.28.1", "python-httpx", "0.28.1"),
        ("Python/3.11 aiohttp/3.14.5", "python-aiohttp", "3.14.5"),
        ("Python-urllib/3.11", "python-http-client", ""),
        ("node", "undici", ""),
        ("axios/1.21.1", "axios", "1.21.1"),
        ("got (https://github.com/sindresorhus/got)", "got", ""),
        ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "node-fetch", ""),
        ("Java-http-client/25.0.3", "jdk-httpclient", "25.0.3"),
        ("Java/1.8.0_392", "jdk-httpurlconnection", "1.8.0_392"),
        ("Apache-HttpClient/5.2.1 (Java/17.0.15)", "apache-httpclient5", "5.2.1"),
        ("Apache-HttpClient/4.5.14 (Java/17.0.15)", "apache-httpclient4", "4.5.14"),
        ("okhttp/5.4.0", "okhttp", "5.4.0"),
        ("curl/8.14.1", "libcurl", "8.14.1"),
        ("GuzzleHttp/7", "php-guzzle", "7"),
        ("Ruby", "ruby-net-http", ""),
        ("grpc-go/1.60.1", "grpc-go", "1.60.1"),
        ("ApacheBench/2.3", "apachebench", ""),
    ],
)
def test_a_library_is_recognised_by_its_user_agent(user_agent: str, product_id: str, version: str) -> None:
    found = catalog.recognise_client(user_agent, http10=True)
    assert (found.product_id, found.version) == (product_id, version)
    assert found.reason
    catalog.product(product_id)


@pytest.mark.parametrize("user_agent", ["my-service/1.0", "", None, "Rubygems", "nodemon", "Java", "gotham/1"])
def test_a_user_agent_that_names_no_library_is_unknown(user_agent: str | None) -> None:
    found = catalog.recognise_client(user_agent, ["Host", "Accept"])
    assert found.product_id is None
    assert found.name == "unknown client"
    assert not found.known


def test_a_program_without_an_entry_is_named_all_the_same() -> None:
    found = catalog.recognise_client("k6/0.49.0 (https://k6.io/)")
    assert (found.product_id, found.name, found.known) == (None, "k6", True)


@pytest.mark.parametrize(
    ("header", "product_id", "version"),
    [
        ("nginx", "nginx", ""),
        ("nginx/1.22.1", "nginx", "1.22.1"),
        ("openresty/1.25.3.1", "nginx", "1.25.3.1"),
        ("Apache", "apache", ""),
        ("Apache/2.4.71 (Debian)", "apache", "2.4.71"),
        ("Apache-Coyote/1.1", "tomcat", ""),
        ("gunicorn", "gunicorn", ""),
        ("uvicorn", "uvicorn", ""),
        ("hypercorn-h11", "hypercorn", ""),
        ("Python/3.11 aiohttp/3.14.5", "aiohttp-web", "3.14.5"),
        ("TornadoServer/6.6.1", "tornado", "6.6.1"),
        ("Jetty(12.0.14)", "jetty", "12.0.14"),
        ("envoy", "envoy", ""),
        ("Microsoft-IIS/10.0", "iis", ""),
    ],
)
def test_a_server_is_recognised_by_its_server_header(header: str, product_id: str, version: str) -> None:
    found = catalog.recognise_server(header)
    assert (found.product_id, found.version) == (product_id, version)
    catalog.product(product_id)


def test_a_cut_name_that_can_only_be_one_programs_is_taken_for_it_without_a_version() -> None:
    found = catalog.recognise_client("Go-http-c", ["Host", "User-Agent"], values={}, whole=False)
    assert told(found) == ("go-net-http", Confidence.MEDIUM)
    found = catalog.recognise_client("python-requests/2.3", ["Host", "User-Agent"], values={}, whole=False)
    assert (found.product_id, found.version) == ("python-requests", "")


def test_a_cut_name_that_may_be_several_programs_is_unknown() -> None:
    assert catalog.recognise_client("python-", ["Host", "User-Agent"], values={}, whole=False).product_id is None


def test_a_front_of_a_name_that_was_not_cut_names_nobody() -> None:
    assert catalog.recognise_client("Go-http-c", GO, values={"accept-encoding": "br"}).product_id is None
    assert catalog.recognise_client("Go-http-c", ["Host", "User-Agent", "X"], values={}, whole=False).product_id is None


# -- by the form of heads


def test_go_with_its_own_user_agent_is_a_medium_guess_from_the_header_order() -> None:
    order = ["Host", "User-Agent", "Content-Length", "Authorization", "X-Request-Id", "Accept-Encoding"]
    found = catalog.recognise_client("billing/3", order, values=GZIP)
    assert told(found) == ("go-net-http", Confidence.MEDIUM)
    assert "application's own" in found.reason


@pytest.mark.parametrize(
    ("order", "values"),
    [
        (["host", "user-agent", "accept-encoding"], GZIP),
        (["Host", "User-Agent", "X-B", "X-A", "Accept-Encoding"], GZIP),
        (["Host", "User-Agent", "Accept-Encoding", "X-A"], GZIP),
        (GO, {"accept-encoding": "gzip, deflate"}),
        (["Host", "User-Agent", "Accept", "Accept-Encoding"], GZIP | {"accept": "*/*"}),  # curl may write this
    ],
)
def test_what_go_would_not_write_is_not_taken_for_go(order: Sequence[str], values: dict[str, str]) -> None:
    assert catalog.recognise_client("billing/3", order, values=values).product_id is None


def test_a_head_of_absurdly_many_headers_has_no_form() -> None:
    order = ["Host", "User-Agent", *(f"X-{number:04}" for number in range(200)), "Accept-Encoding"]
    assert catalog.recognise_client("billing/3", order, values=GZIP).product_id is None
    assert catalog.recognise_client("billing/3", [*order[:50], order[-1]], values=GZIP).product_id == "go-net-http"


def test_a_head_that_was_cut_has_no_form() -> None:
    assert catalog.recognise_client("billing/3", GO, values=GZIP, whole=False).product_id is None


def test_a_name_and_a_form_that_agree_are_both_given_as_the_reason() -> None:
    found = catalog.recognise_client("Go-http-client/1.1", GO, values=GZIP)
    assert told(found) == ("go-net-http", Confidence.HIGH)
    assert found.reason.count(";") == 1


def test_a_name_that_another_librarys_form_contradicts_is_no_more_than_a_candidate() -> None:
    found = catalog.recognise_client("curl/8.0", REQUESTS, values=REQUESTS_VALUES)
    assert found.product_id is None
    assert found.candidates == ("python-requests",)
    assert found.confidence is Confidence.LOW
    assert "curl" in found.reason


def test_curl_that_asks_for_gzip_is_curl_though_go_could_have_written_it() -> None:
    order = ["Host", "User-Agent", "Accept", "Accept-Encoding"]
    found = catalog.recognise_client("curl/8.0", order, values=GZIP | {"accept": "*/*"})
    assert told(found) == ("libcurl", Confidence.HIGH)


def test_the_jdks_client_that_asks_for_gzip_is_the_jdks_though_go_could_have_written_it() -> None:
    found = catalog.recognise_client("Java-http-client/21.0.1", GO, values=GZIP)
    assert told(found) == ("jdk-httpclient", Confidence.HIGH)


def test_what_two_libraries_write_alike_is_narrowed_to_both() -> None:
    found = catalog.recognise_client(None, ["Host", "Accept"], values={"accept": "*/*"})
    assert found.product_id is None
    assert found.candidates == ("php-curl", "libcurl")


def test_go_servers_are_told_by_date_behind_sorted_headers() -> None:
    for order in (["Date", "Content-Length", "Content-Type"], ["Content-Length", "Content-Type", "Date"]):
        assert told(catalog.recognise_server(None, header_order=order, values={})) == (
            "go-net-http-server",
            Confidence.MEDIUM,
        )
    unsorted = ["Content-Type", "Content-Length", "Date"]  # Tomcat
    assert catalog.recognise_server(None, header_order=unsorted, values={}).product_id is None
    assert catalog.recognise_server("mine/1", header_order=["Content-Length", "Date"], values={}).product_id is None


def test_no_server_header_is_unknown_because_go_and_others_send_none() -> None:
    found = catalog.recognise_server(None)
    assert found.product_id is None
    assert "Go" in found.reason
    assert catalog.recognise_server("").product_id is None
    assert catalog.recognise_server("MyServer/1").name == "unknown server"


def test_node_is_told_by_its_keep_alive_header_when_it_names_nothing() -> None:
    order = ["content-type", "Date", "Connection", "Keep-Alive", "Content-Length"]
    values = {"connection": "keep-alive", "keep-alive": "timeout=5"}
    found = catalog.recognise_server(None, header_order=order, values=values)
    assert told(found) == ("node-http-server", Confidence.MEDIUM)
    assert catalog.recognise_server("MyServer/1", header_order=order, values=values).product_id is None


# -- proxies


def test_headers_of_forwarding_mean_that_the_name_is_another_programs() -> None:
    found = catalog.recognise_client("curl/8.0", ["Host", "X-Forwarded-For", "User-Agent", "Accept"], values={})
    assert (found.product_id, found.name) == (None, "a proxy")
    assert set(found.candidates) == {"nginx-upstream", "haproxy-upstream", "envoy-upstream"}


@pytest.mark.parametrize(
    ("header", "own", "passed_on"),
    [
        ("nginx/1.22.1", ["Server", "Date", "Content-Type"], ["Content-Length", "Content-Type", "Date", "Server"]),
        ("Apache/2.4.71", ["Date", "Server", "Keep-Alive"], ["Content-Type", "Date", "Connection", "Server"]),
        ("gunicorn", ["Server", "Date", "Connection"], ["Date", "Server", "Connection"]),
    ],
)
def test_a_servers_name_among_headers_in_anothers_order_was_passed_on(
    header: str, own: list[str], passed_on: list[str]
) -> None:
    assert catalog.recognise_server(header, header_order=own, values={}).product_id is not None
    found = catalog.recognise_server(header, header_order=passed_on, values={})
    assert (found.product_id, found.known) == (None, False)
    assert "passed on" in found.reason


def test_a_proxy_that_says_so_in_via_is_the_server() -> None:
    order = ["Server", "Date", "Content-Type", "Via"]
    assert catalog.recognise_server("nginx", header_order=order, values={"via": "1.1 Caddy"}).product_id == "caddy"
    assert catalog.recognise_server("nginx", header_order=order, values={"via": "1.1 x"}).product_id is None


def test_haproxy_is_told_by_a_servers_name_in_lower_case() -> None:
    found = catalog.recognise_server("nginx/1.22.1", header_order=["server", "date", "content-type"], values={})
    assert found.product_id == "haproxy"
    own = catalog.recognise_server("uvicorn", header_order=["date", "server", "content-type"], values={})
    assert own.product_id == "uvicorn"


def test_a_go_proxy_is_told_by_what_it_passes_on_in_alphabetical_order() -> None:
    order = ["Host", "User-Agent", "Accept", "X-Forwarded-For", "Accept-Encoding"]
    assert catalog.recognise_client("curl/8.0", order, values={}).product_id == "go-net-http"
    order = ["Host", "User-Agent", "X-Forwarded-For", "Accept", "Accept-Encoding"]
    assert catalog.recognise_client("curl/8.0", order, values={}).product_id is None


def test_nginx_is_told_by_http10_and_connection_close_ahead_of_the_rest() -> None:
    order, values = ["Host", "Connection", "User-Agent", "Accept"], {"connection": "close", "accept": "*/*"}
    found = catalog.recognise_client("curl/8.0", order, values=values, http10=True)
    assert found.product_id == "nginx-upstream"
    assert catalog.recognise_client("curl/8.0", order, values=values).product_id == "libcurl"


def test_haproxy_is_told_by_lower_case_names_that_the_named_program_does_not_write() -> None:
    found = catalog.recognise_client("Go-http-client/1.1", [name.lower() for name in GO], values=GZIP)
    assert told(found) == ("haproxy-upstream", Confidence.MEDIUM)
    assert "lower case" in found.reason


def test_a_proxy_that_resets_idle_connections_is_haproxy() -> None:
    order = ["Host", "X-Forwarded-For", "User-Agent", "Accept"]
    found = catalog.recognise_client("curl/8.0", order, values={}, resets=True)
    assert told(found) == ("haproxy-upstream", Confidence.MEDIUM)
    assert (
        catalog.recognise_client("curl/8.0", ["Host", "User-Agent", "Accept"], values={}, resets=True).product_id
        == "libcurl"
    )


def test_a_host_of_one_label_without_the_port_may_be_an_upstream_block_of_nginx() -> None:
    found = catalog.recognise_client("Go-http-client/1.1", GO, values=GZIP, block="backend")
    assert (found.product_id, found.candidates) == (None, ("go-net-http", "nginx-upstream"))
    assert "backend" in found.reason
    passed_on = ["Host", "X-Forwarded-For", "User-Agent", "Accept"]
    assert catalog.recognise_client("curl/8.0", passed_on, values={}, block="backend").product_id == "nginx-upstream"


def test_envoy_is_told_by_its_own_headers() -> None:
    order = ["host", "user-agent", "x-forwarded-proto", "x-request-id", "x-envoy-expected-rq-timeout-ms"]
    assert catalog.recognise_client("curl/8.0", order, values={}).product_id == "envoy-upstream"


def test_apachebench_over_http11_was_passed_on() -> None:
    order = ["Host", "User-Agent", "Accept"]
    found = catalog.recognise_client("ApacheBench/2.3", order, values={"accept": "*/*"})
    assert (found.product_id, found.name) == (None, "a proxy")


# -- by ClientHello and probes


def test_a_clienthello_tells_a_client_whose_heads_cannot_be_read() -> None:
    assert told(catalog.recognise_client(None, ja4=GO_JA4)) == ("go-net-http", Confidence.MEDIUM)
    assert catalog.recognise_client(None, ja4=REQUESTS_JA4).candidates == ("python-requests", "python-urllib3")
    found = catalog.recognise_client(None, ja4="t13d0101h2_000000000001_000000000002")
    assert found.product_id is None
    assert "000000000001" in found.reason


def test_probes_make_a_weak_guess_of_node_a_recognition() -> None:
    order, values = ["Host", "Connection"], {"connection": "keep-alive"}
    alone = catalog.recognise_client(None, order, values=values)
    assert (alone.product_id, alone.candidates) == (None, ("node-http-agent",))
    found = catalog.recognise_client(None, order, values=values, probe_s=1.02)
    assert told(found) == ("node-http-agent", Confidence.MEDIUM)
    other = catalog.recognise_client(None, order, values=values, probe_s=75.0)
    assert other.product_id is None


def test_probes_alone_tell_nobody() -> None:
    assert catalog.recognise_client(None, probe_s=15.0).product_id is None
    assert catalog.recognise_server(None, probe_s=15.0).product_id is None


def test_every_recognised_product_exists() -> None:
    known = catalog.load().products
    for role in ("client", "server"):
        assert signs(role).products() <= known.keys()
        assert {known[one].role for one in signs(role).products()} == {role}


# -- what follows from it: versions, defaults, what the user says


def test_the_default_is_that_of_the_version_which_shows() -> None:
    old = Recognised("nginx", "nginx", Confidence.HIGH, "", "1.18.0")
    new = Recognised("nginx", "nginx", Confidence.HIGH, "", "1.22.1")
    unknown = Recognised("nginx", "nginx", Confidence.HIGH, "")
    texts = [
        [match.text for match in catalog.match_default(Knob.MAX_REQUESTS, "server", 100, 100, who=who)]
        for who in (old, new, unknown)
    ]
    assert texts[0] == ["is nginx's default keepalive_requests, 100 (before 1.19.10)"]
    assert texts[1] == []
    assert texts[2] == texts[0]
    advice = catalog.advice(Knob.MAX_REQUESTS, "nginx", inferred=None, recommended=None, values={}, version="1.18.0")
    assert advice[0].default == "100"


def test_a_setting_that_the_version_does_not_have_is_not_advised() -> None:
    def named(version: str) -> list[str]:
        found = catalog.advice(Knob.MAX_LIFETIME, "nginx", inferred=None, recommended=None, values={}, version=version)
        return [one.name for one in found]

    assert named("1.18.0") == []
    assert named("1.22.1") == named("") != []


def test_only_the_recognised_programs_default_is_named() -> None:
    who = Recognised("apache", "Apache httpd", Confidence.HIGH, "")
    matches = catalog.match_default(Knob.IDLE_TIMEOUT, "server", 4.9, 5.1, who=who)
    assert {match.product.id for match in matches} == {"apache"}
    assert matches[0].text.startswith("is Apache httpd's default KeepAliveTimeout, 5 s")
    assert catalog.match_default(Knob.IDLE_TIMEOUT, "server", 74, 75.1, who=who) == []
    nobody = Recognised(None, "Daphne", Confidence.HIGH, "")
    assert catalog.match_default(Knob.IDLE_TIMEOUT, "server", 4.9, 5.1, who=nobody) == []


@pytest.mark.parametrize(
    ("text", "role", "product_id"),
    [
        ("go-net-http", "client", "go-net-http"),
        ("Go net/http", "client", "go-net-http"),
        ("OKHTTP", "client", "okhttp"),
        ("nginx", "server", "nginx"),
        ("nginx", "client", "nginx-upstream"),
    ],
)
def test_a_product_is_found_by_id_or_name(text: str, role: str, product_id: str) -> None:
    assert find(text, role).id == product_id


@pytest.mark.parametrize(
    ("text", "role", "near"),
    [
        ("go-nethttp", "client", "go-net-http"),
        ("ngnix", "server", "nginx"),
        ("go-net-http", "server", "go-net-http-server"),
    ],
)
def test_a_product_that_is_not_there_is_an_error_that_names_the_nearest(text: str, role: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*{near}"):
        find(text, role)


def test_what_is_like_nothing_gets_no_suggestion() -> None:
    with pytest.raises(UsageError) as error:
        find("zzzzzz", "client")
    assert "did you mean" not in str(error.value)
