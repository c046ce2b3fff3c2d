"""The settings catalogue: its files keep to the schema, say enough, and answer what rules ask."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import resources

import pytest

from pcapdiag.errors import UsageError
from pcapdiag.model.words import Cause, Knob
from pcapdiag.settings import catalog, reading
from pcapdiag.settings.entries import Fact, Product, Setting, Span
from pcapdiag.settings.filling import PLACEHOLDERS, fill, placeholders_in, with_derived
from pcapdiag.settings.wrong_fixes import wrong_fixes


def products() -> list[Product]:
    return list(catalog.load().products.values())


def settings() -> list[tuple[str, Setting]]:
    return [(product.id, setting) for product in products() for setting in product.settings]


def named(product_id: str, name: str) -> Setting:
    return next(setting for setting in catalog.product(product_id).settings if setting.name == name)


def test_importing_the_catalogue_parses_nothing() -> None:
    code = "import sys, pcapdiag.settings.catalog; print('tomllib' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_every_data_file_is_read() -> None:
    files = {
        entry.name for entry in resources.files("pcapdiag.settings.data").iterdir() if entry.name.endswith(".toml")
    }
    others = {"kinds.toml", "knobs.toml", "not_the_fix.toml", "recognition.toml", "drivers.toml"}
    assert files == {*reading.MAIN_FILES, *reading.COMPACT_FILES, *others}


def test_every_file_keeps_to_the_schema() -> None:
    assert len(products()) > 30
    assert wrong_fixes()
    assert catalog.recognise_client("x").product_id is None
    assert catalog.recognise_server("x").product_id is None


@pytest.mark.parametrize("knob", list(Knob))
def test_every_knob_is_a_setting_of_the_go_client_or_said_to_be_missing(knob: Knob) -> None:
    assert bool(catalog.settings_for(knob, "go-net-http")) != (catalog.absence(knob, "go-net-http") is not None)


@pytest.mark.parametrize("knob", list(Knob))
def test_every_knob_is_a_setting_of_some_product(knob: Knob) -> None:
    assert any(product.settings_for(knob) for product in products())


def test_the_go_client_has_the_settings_that_the_write_ups_turn_on() -> None:
    names = {setting.name for setting in catalog.product("go-net-http").settings}
    assert names >= {
        "http.Transport.MaxIdleConnsPerHost",
        "http.Transport.MaxIdleConns",
        "http.Transport.IdleConnTimeout",
        "http.Transport.MaxConnsPerHost",
        "http.Transport.DisableKeepAlives",
        "http.Request.Close",
        "http.Client.Timeout",
        "net.Dialer.KeepAlive",
    }


def test_every_entry_names_a_source_and_whether_it_was_checked() -> None:
    for product in products():
        entries: tuple[Setting | Fact, ...] = (*product.settings, *product.facts)
        for entry in entries:
            assert entry.source.startswith("https://"), (product.id, entry.name)
            assert entry.status
        for absence in product.absences:
            assert absence.source.startswith("https://"), (product.id, absence.knob)


def test_nothing_of_the_main_products_rests_on_memory() -> None:
    main = {product.id for product in products() if product.main}
    assert [entry for entry in catalog.from_memory() if entry[0] in main] == []


def test_a_setting_is_named_once_for_a_knob() -> None:
    for product in products():
        keys = [(setting.knob, setting.name) for setting in product.settings]
        assert len(keys) == len(set(keys)), product.id


def test_placeholders_are_known_and_every_snippet_can_be_filled_from_its_sample() -> None:
    for product_id, setting in settings():
        texts = [setting.advice, *setting.advice_for.values()]
        for text in texts:
            for sentence in (*text.sentences, text.recommend):
                assert placeholders_in(sentence) <= PLACEHOLDERS, (product_id, setting.name)
            assert not placeholders_in(text.recommend), (product_id, setting.name)
            assert any(not placeholders_in(sentence) for sentence in text.sentences), (
                product_id,
                setting.name,
            )
        values = with_derived({"value": setting.sample}) if setting.sample else {}
        assert fill(setting.snippet, values) is not None, (product_id, setting.name)


def test_main_products_have_a_snippet_for_every_setting() -> None:
    for product in products():
        if product.main:
            assert all(setting.snippet and setting.language for setting in product.settings), product.id


def test_snippets_fit_an_indented_report() -> None:
    for product_id, setting in settings():
        for line in setting.snippet.expandtabs(4).splitlines():
            assert len(line) <= 82, (product_id, setting.name, line)


# -- the schema refuses --


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"knbo": "x"}, "unknown knbo"),
        ({"knob": "idle_timout"}, "no knob"),
        ({"source": " "}, "source is empty"),
        ({"source": 3}, "source is not text"),
        ({"status": "sure"}, "status"),
        ({"unit": "fortnights"}, "unit"),
        ({"default_value": "5"}, "default_value is not a number"),
        ({"wire": [6, 5]}, "wire is not"),
        ({"advice_for": {"no-such-cause": {"recommend": "x", "advice": ["x"]}}}, "no cause"),
        ({"recommend": "", "advice": []}, "recommend or advice is missing"),
        ({"history": [{"version": "1"}]}, "value is missing"),
        ({"status": "verified"}, "status"),
        ({"status": "measured: "}, "status"),
        ({"since": 1.27}, "since is not text"),
        ({"checked": " "}, "checked is empty"),
        ({"role": "proxy"}, "role"),
        ({"on_wire": "no"}, "on_wire is not true or false"),
    ],
)
def test_a_mistake_in_a_setting_is_refused_with_its_place(change: dict[str, object], complaint: str) -> None:
    good: dict[str, object] = {
        "name": "n",
        "knob": "idle_timeout",
        "unit": "s",
        "default": "5 s",
        "recommend": "more",
        "advice": ["Do."],
        "source": "https://example.com/",
        "status": "measured: yes",
    }
    product = {"id": "p", "name": "P", "role": "server", "checked": "P 1", "setting": [{**good, **change}]}
    with pytest.raises(reading.CatalogError, match=complaint) as error:
        reading._product(reading.Table(product, "some.toml"), {}, main=True)
    assert str(error.value).startswith("some.toml: setting")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"checked": None}, "checked is missing"),
        ({"role": "proxy"}, "role is 'proxy'"),
        ({"protocols": ["gopher"]}, "protocols is not among"),
        ({"common": 1}, "common is not true or false"),
        ({"has_none": [{"knobs": [], "why": "w", "source": "s"}]}, "knobs is empty"),
        ({"has_none": [{"knobs": ["retry", "retry"], "why": "w", "source": "s"}]}, "names a knob twice"),
        ({"has_none": [{"knobs": ["retries"], "why": "w", "source": "s"}]}, "'retries' is not a valid Knob"),
        ({"has_none": [{"knob": "retry", "source": "s"}]}, "why is missing"),
        ({"has_none": [{"knob": "retry", "knobs": ["drain"], "why": "w", "source": "s"}]}, "unknown knob"),
        ({"fact": [{"name": "n", "default": "d", "text": "t", "source": "s", "status": "so"}]}, "status 'so'"),
    ],
)
def test_a_mistake_in_a_product_is_refused_with_its_place(change: dict[str, object], complaint: str) -> None:
    good: dict[str, object] = {"id": "p", "name": "P", "role": "server", "checked": "P 1"}
    product = {key: value for key, value in {**good, **change}.items() if value is not None}
    with pytest.raises(reading.CatalogError, match=complaint) as error:
        reading._product(reading.Table(product, "some.toml"), {}, main=True)
    assert str(error.value).startswith("some.toml")


def test_one_reason_may_stand_for_several_knobs() -> None:
    none = {"knobs": ["retry", "drain"], "why": "there is no such thing", "source": "https://example.com/"}
    product = {"id": "p", "name": "P", "role": "server", "checked": "P 1", "has_none": [none]}
    read = reading._product(reading.Table(product, "some.toml"), {}, main=True)
    assert [absence.knob for absence in read.absences] == [Knob.RETRY, Knob.DRAIN]
    assert {absence.checked for absence in read.absences} == {"P 1"}


# -- defaults read from the wire --


def matches(knob: Knob, role: str, low: float | None, high: float | None) -> list[tuple[str, str]]:
    return [(match.product.id, match.version) for match in catalog.match_default(knob, role, low, high)]


def test_a_bracket_around_75_s_is_nginx_first() -> None:
    found = catalog.match_default(Knob.IDLE_TIMEOUT, "server", 74.9, 75.1)
    assert found[0].product.id == "nginx"
    assert found[0].setting.name == "keepalive_timeout"
    assert found[0].text == "matches nginx's default keepalive_timeout, 75 s"


def test_a_bracket_that_ends_below_the_default_does_not_match_it() -> None:
    assert ("nginx", "") not in matches(Knob.IDLE_TIMEOUT, "server", 70.0, 74.9)


def test_a_value_that_survived_is_outside_the_bracket() -> None:
    assert ("nginx", "") not in matches(Knob.IDLE_TIMEOUT, "server", 75.0, 76.0)


def test_a_hundred_requests_is_the_nginx_of_before_1_19_10_and_101_is_apache() -> None:
    assert ("nginx", "before 1.19.10") in matches(Knob.MAX_REQUESTS, "server", 100, 100)
    assert "apache" not in {product for product, _ in matches(Knob.MAX_REQUESTS, "server", 100, 100)}
    apache = catalog.match_default(Knob.MAX_REQUESTS, "server", 101, 101)
    assert [match.product.id for match in apache] == ["apache"]
    assert apache[0].text == (
        "matches Apache httpd's default MaxKeepAliveRequests, 100"
        " (a connection carries one request more than the setting says)"
    )


def test_a_thousand_requests_is_the_nginx_of_today() -> None:
    assert matches(Knob.MAX_REQUESTS, "server", 1000, 1000)[0] == ("nginx", "")
    assert "puma" not in {product for product, _ in matches(Knob.MAX_REQUESTS, "server", 999, 1000)}


def test_node_closes_at_6_s_and_older_ones_at_5_s() -> None:
    assert ("node-http-server", "") in matches(Knob.IDLE_TIMEOUT, "server", 5.99, 6.02)
    assert ("node-http-server", "18 and early 20.x") in matches(Knob.IDLE_TIMEOUT, "server", 4.99, 5.02)
    assert matches(Knob.IDLE_TIMEOUT, "server", 4.99, 5.02)[0] == ("apache", "")


def test_the_go_clients_defaults_are_found_on_the_client_side_only() -> None:
    assert ("go-net-http", "") in matches(Knob.IDLE_POOL_LIMIT, "client", 2, 2)
    assert ("go-net-http", "") in matches(Knob.IDLE_TIMEOUT, "client", 89.9, 90.2)
    assert matches(Knob.IDLE_POOL_LIMIT, "server", 2, 2) == []


def test_a_timer_that_is_only_applied_at_the_next_use_never_matches() -> None:
    assert "ruby-net-http" not in {product for product, _ in matches(Knob.IDLE_TIMEOUT, "client", 1.9, 2.1)}
    assert named("ruby-net-http", "Net::HTTP#keep_alive_timeout").default_value == 2


def test_a_bracket_with_an_open_end_matches_nothing() -> None:
    assert matches(Knob.IDLE_TIMEOUT, "server", 74.9, None) == []
    assert matches(Knob.IDLE_TIMEOUT, "server", None, 75.1) == []


def test_an_early_default_never_hides_the_current_one_of_another_product() -> None:
    found = catalog.match_default(Knob.IDLE_TIMEOUT, "server", 19.9, 20.1)
    assert [(match.product.id, match.version) for match in found] == [("tomcat", ""), ("puma", "before 7")]


def test_a_drop_after_350_s_is_that_of_the_aws_boxes() -> None:
    found = catalog.match_default(Knob.IDLE_TIMEOUT, "middlebox", 349.0, 351.0)
    assert [match.product.name for match in found] == [
        "AWS Network Load Balancer",
        "AWS NAT gateway",
        "AWS Network Firewall",
    ]
    assert found[0].text == "matches AWS Network Load Balancer's default tcp.idle_timeout.seconds, 350 s"


@pytest.mark.parametrize(
    ("seconds", "product_id"),
    [(240, "azure-load-balancer"), (600, "gcp-vpc"), (900, "linux-ipvs"), (1200, "gcp-cloud-nat"), (432000, "linux")],
)
def test_the_idle_timers_of_middleboxes_are_known_by_their_defaults(seconds: float, product_id: str) -> None:
    assert matches(Knob.IDLE_TIMEOUT, "middlebox", seconds - 1, seconds + 1)[0] == (product_id, "")


def test_a_middlebox_is_never_taken_for_a_server() -> None:
    assert {product for product, _ in matches(Knob.IDLE_TIMEOUT, "server", 349.0, 351.0)} == set()


@pytest.mark.parametrize(
    ("low", "high", "meets"),
    [(1, 2, False), (1, 3, True), (3, 3, True), (4, 5, False), (3.5, 9, True), (5, 5, False)],
)
def test_a_span_meets_a_bracket_that_leaves_out_its_lower_end(low: float, high: float, meets: bool) -> None:
    assert Span(3, 4).meets(low, high) is meets


# -- advice --


def test_advice_fills_the_snippet_with_the_number_to_set() -> None:
    first, *_ = catalog.advice(
        Knob.IDLE_POOL_LIMIT,
        "go-net-http",
        inferred="2",
        recommended="120 or more",
        values={"value": "120", "peak": "100"},
    )
    assert first.name == "http.Transport.MaxIdleConnsPerHost"
    assert first.product == "Go net/http"
    assert first.default == "2"
    assert first.inferred == "2"
    assert first.recommended == "120 or more"
    assert "transport.MaxIdleConnsPerHost = 120" in first.snippet
    assert "transport.MaxIdleConns = 120" in first.snippet
    assert "Up to 100 requests" in first.why
    assert first.language == "go"
    assert first.reference.startswith("https://")


def test_what_the_wire_says_is_not_said_of_a_second_setting_that_it_does_not_show() -> None:
    def inferred(knob: Knob, product_id: str) -> list[tuple[str, str | None, str]]:
        found = catalog.advice(knob, product_id, inferred="5 s", recommended="60 s", values={})
        return [(entry.name, entry.inferred, entry.recommended) for entry in found]

    _, second = inferred(Knob.IDLE_POOL_LIMIT, "go-net-http")
    assert second[:2] == ("http.Transport.MaxIdleConns", None)
    assert second[2] != "60 s"
    first, alternative = inferred(Knob.IDLE_TIMEOUT, "go-net-http-server")
    assert first == ("http.Server.IdleTimeout", "5 s", "60 s")
    assert alternative[:2] == ("http.Server.ReadTimeout", "5 s")
    assert "IdleTimeout" in alternative[2]


def test_advice_without_numbers_leaves_their_sentences_out_and_shows_the_sample() -> None:
    first, *_ = catalog.advice(Knob.IDLE_POOL_LIMIT, "go-net-http", inferred=None, recommended=None, values={})
    assert "{" not in first.why
    assert "in flight to this host at once" not in first.why
    assert "MaxIdleConnsPerHost = 100" in first.snippet
    assert first.recommended == "at least the peak number of requests in flight to one host"


def test_the_total_never_falls_below_the_default_of_100() -> None:
    first, *_ = catalog.advice(
        Knob.IDLE_POOL_LIMIT, "go-net-http", inferred=None, recommended=None, values={"value": "8"}
    )
    assert "transport.MaxIdleConns = 100" in first.snippet


def test_times_are_written_as_each_product_wants_them() -> None:
    def snippet(product_id: str, value: str) -> str:
        return catalog.advice(Knob.IDLE_TIMEOUT, product_id, inferred=None, recommended=None, values={"value": value})[
            0
        ].snippet

    assert "IdleTimeout:       120 * time.Second," in snippet("go-net-http-server", "120")
    assert "1500 * time.Millisecond" in snippet("go-net-http", "1.5")
    assert snippet("nginx", "64.2") == "keepalive_timeout 65s;"
    assert "server.keepAliveTimeout = 65000;" in snippet("node-http-server", "65")


def test_advice_for_a_cause_takes_the_place_of_the_general_one() -> None:
    def why(cause: Cause | None) -> str:
        found = catalog.advice(
            Knob.IDLE_TIMEOUT, "go-net-http", inferred=None, recommended=None, values={}, cause=cause
        )
        return found[0].why

    assert "unlike http.DefaultTransport" in why(Cause.IDLE_TIMEOUT_NONE)
    assert "just before the next request" in why(Cause.IDLE_TIMEOUT_TOO_SHORT)
    assert why(Cause.HEALTHY) == why(None)


def test_a_body_that_is_not_closed_gets_other_words_than_one_not_read() -> None:
    def why(cause: Cause) -> str:
        found = catalog.advice(
            Knob.BODY_CONSUMPTION, "go-net-http", inferred=None, recommended=None, values={}, cause=cause
        )
        return found[0].why

    assert "never closed" in why(Cause.BODY_NOT_CLOSED)
    assert "256 KiB or 50 ms" in why(Cause.BODY_NOT_DRAINED)


def test_an_unknown_client_gets_the_spelling_of_the_common_libraries_go_first() -> None:
    found = catalog.advice(Knob.INSTANCE_PER_REQUEST, None, inferred=None, recommended=None, values={})
    assert [entry.product for entry in found][:3] == ["Go net/http", "Python requests", "Python urllib3"]
    assert len({entry.product for entry in found}) == len(found)
    assert all(entry.snippet for entry in found)


def test_an_unknown_server_gets_the_four_servers() -> None:
    found = catalog.advice(Knob.IDLE_TIMEOUT, None, inferred=None, recommended=None, values={}, role="server")
    assert [entry.product for entry in found] == [
        "nginx",
        "Go net/http server",
        "Apache httpd",
        "Node.js http.Server",
    ]


def test_a_knob_the_product_lacks_gives_no_advice_but_a_reason() -> None:
    assert catalog.advice(Knob.MAX_REQUESTS, "go-net-http", inferred=None, recommended=None, values={}) == []
    reason = catalog.absence(Knob.MAX_REQUESTS, "go-net-http")
    assert reason is not None
    assert "does not count" in reason.why


def test_no_advice_has_an_unfilled_placeholder_or_an_empty_why() -> None:
    for product in products():
        for knob in Knob:
            for cause in (None, *Cause):
                for found in catalog.advice(knob, product.id, inferred=None, recommended=None, values={}, cause=cause):
                    assert found.why, (product.id, found.name)
                    assert found.recommended, (product.id, found.name)
                    assert not placeholders_in(found.why + found.snippet) & PLACEHOLDERS


def test_an_unknown_product_is_a_usage_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no product 'ngnix'.*did you mean nginx"):
        catalog.product("ngnix")


# -- popular wrong fixes --


def test_keepalive_of_tcp_is_named_as_no_fix_for_every_client_side_cause() -> None:
    for cause in (
        Cause.NEVER_REUSE_NEW_TRANSPORT,
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.BODY_NOT_CLOSED,
        Cause.IDLE_POOL_TOO_SMALL,
        Cause.IDLE_TIMEOUT_TOO_SHORT,
    ):
        assert any("net.Dialer.KeepAlive" in text for text in catalog.not_the_fix(cause, "go-net-http")), cause


def test_each_founding_case_warns_of_its_popular_wrong_fix() -> None:
    def texts(cause: Cause) -> str:
        return " ".join(catalog.not_the_fix(cause, "go-net-http"))

    assert "IdleConnTimeout" in texts(Cause.NEVER_REUSE_NEW_TRANSPORT)
    assert "one handshake per request" in texts(Cause.NEVER_REUSE_NEW_TRANSPORT)
    assert "MaxIdleConns does not help while MaxIdleConnsPerHost is 2" in texts(Cause.IDLE_POOL_TOO_SMALL)
    assert "One shared http.Client alone" in texts(Cause.IDLE_POOL_TOO_SMALL)
    assert "tcp_tw_reuse" in texts(Cause.IDLE_POOL_TOO_SMALL)
    assert "before Go 1.27" in texts(Cause.BODY_NOT_CLOSED)
    assert "io.Copy(io.Discard" in texts(Cause.BODY_NOT_DRAINED)
    assert "SetKeepAlive" in texts(Cause.NEVER_REUSE_KEEPALIVE_DISABLED)
    assert "tcp_keepalive_time" in texts(Cause.SERVER_MAX_REQUESTS)


def test_go_fixes_are_not_named_to_another_client() -> None:
    for client in ("python-requests", None):
        texts = catalog.not_the_fix(Cause.IDLE_POOL_TOO_SMALL, client)
        assert any("TCP keepalive" in text for text in texts)
        assert not any("MaxIdleConns" in text or "net.Dialer" in text for text in texts)


def test_every_finding_cause_has_a_wrong_fix_and_health_has_none() -> None:
    for cause in Cause:
        assert bool(catalog.not_the_fix(cause, "go-net-http")) == (cause is not Cause.HEALTHY), cause


def test_products_read_one_by_one_are_those_of_the_files() -> None:
    whole = {}
    for name in (*reading.MAIN_FILES, *reading.COMPACT_FILES):
        text = (resources.files("pcapdiag.settings.data") / name).read_text(encoding="utf-8")
        tables = tomllib.loads(text)
        for table in tables.get("product", [tables]):
            whole[table["id"]] = table
        parts = dict(reading.product_texts(name))
        for product_id, part in parts.items():
            one = tomllib.loads(part)
            assert one.get("product", [one]) == [whole[product_id]]
    assert list(whole) == list(catalog.load().products)


def test_a_question_about_a_knob_finds_every_product_that_has_it() -> None:
    for product, setting in settings():
        found = {entry.id for entry in catalog._naming(setting.knob.value, setting.role)}
        assert product in found


# -- wrong fixes, and the list of what nobody checked --


def test_every_product_a_wrong_fix_speaks_of_exists() -> None:
    known = catalog.load().products
    for fix in wrong_fixes():
        assert fix.causes
        assert {*fix.products, *fix.not_for} <= known.keys()


def test_the_list_of_unchecked_facts_is_printed() -> None:
    command = [sys.executable, "-m", "pcapdiag.settings", "--from-memory"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [f"{product}\t{name}" for product, name in catalog.from_memory()]


def test_a_switch_is_set_to_one_of_its_positions_whatever_the_cause() -> None:
    for cause in (Cause.SERVER_RESTART, Cause.CONNECT_REFUSED):
        (advice,) = catalog.advice(
            Knob.RETRY, "jdk-httpclient", inferred=None, recommended=None, values={}, cause=cause
        )
        assert advice.name == "jdk.httpclient.enableAllMethodRetry"
        assert advice.recommended == "false: POST is not safe to repeat"
        (tries,) = catalog.advice(Knob.RETRY, "python-urllib3", inferred=None, recommended=None, values={}, cause=cause)
        assert "tries" in tries.recommended or "retry" in tries.recommended
