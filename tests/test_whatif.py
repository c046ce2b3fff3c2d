"""``pcapdiag whatif``: names and values, which pools they fit, what the page says, and the prediction beside a finding."""

from __future__ import annotations

import json
from pathlib import Path

import analyses
import jsonschema
import pytest

import pcapdiag
from pcapdiag.cli import main
from pcapdiag.errors import UsageError
from pcapdiag.model.words import Knob
from pcapdiag.reports import json_whatif, text_whatif
from pcapdiag.reports.schema import whatif_1
from pcapdiag.settings.naming import assignment, meant_by, simulated_words, value_of

POOL_OF_2 = str(analyses.path_of("go-ab-shared-default"))
NEW_TRANSPORT = str(analyses.path_of("go-ab-new-transport"))
SESSIONS = str(analyses.path_of("requests-session-per-6"))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["whatif", "--width", "80", *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


# -- names


@pytest.mark.parametrize(
    ("name", "knob", "role"),
    [
        ("http.Transport.MaxIdleConnsPerHost", Knob.IDLE_POOL_LIMIT, "client"),
        ("MaxIdleConnsPerHost", Knob.IDLE_POOL_LIMIT, "client"),
        ("maxidleconnsperhost", Knob.IDLE_POOL_LIMIT, "client"),
        ("pool_maxsize", Knob.IDLE_POOL_LIMIT, "client"),
        ("maxFreeSockets", Knob.IDLE_POOL_LIMIT, "client"),
        ("keepalive_expiry", Knob.IDLE_TIMEOUT, "client"),
        ("limit_per_host", Knob.TOTAL_POOL_LIMIT, "client"),
        ("keepalive_requests", Knob.MAX_REQUESTS, "server"),
        ("KeepAliveTimeout", Knob.IDLE_TIMEOUT, "server"),
        ("http.maxConnections", Knob.IDLE_POOL_LIMIT, "client"),
        ("--timeout-keep-alive", Knob.IDLE_TIMEOUT, "server"),
        ("idle_pool_limit", Knob.IDLE_POOL_LIMIT, "client"),
        ("server.idle_timeout", Knob.IDLE_TIMEOUT, "server"),
        ("client.max_requests", Knob.MAX_REQUESTS, "client"),
    ],
)
def test_a_setting_is_found_by_its_name_or_its_last_word_in_any_case(name: str, knob: Knob, role: str) -> None:
    found = {(one.knob, one.role) for one in meant_by(name)}
    assert (knob, role) in found


def test_every_neutral_word_that_the_errors_name_is_taken() -> None:
    for word in simulated_words():
        assert len(assignment(f"{word}=on" if "switch" in word or "per_request" in word or "body" in word else f"{word}=5")
                   .meant) == 1  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MaxIdleConnPerHost=10", "did you mean MaxIdleConnsPerHost"),
        ("idle_timeout=10", "client.idle_timeout or server.idle_timeout"),
        ("TLSHandshakeTimeout=10s", "cannot be simulated; what can: idle_pool_limit"),
        ("MaxIdleConnsPerHost", "is no NAME=VALUE"),
        ("MaxIdleConnsPerHost=many", "expected a whole number"),
        ("MaxIdleConnsPerHost=2.5", "expected a whole number"),
        ("IdleConnTimeout=5 parsecs", "expected a time"),
        ("keepalive_requests=0", "0 means different things"),
        ("DisableKeepAlives=perhaps", "expected on or off"),
        ("qzx=1", "pcapdiag settings lists the products"),
    ],
)
def test_what_cannot_be_set_is_one_line_that_says_what_can(
    capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    code, out, err = run(capsys, "--set", text, POOL_OF_2)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("IdleConnTimeout", "90", 90.0),
        ("IdleConnTimeout", "500ms", 0.5),
        ("IdleConnTimeout", "1m30s", 90.0),
        ("IdleConnTimeout", "0", None),  # never
        ("server.keepAliveTimeout", "5000", 6.0),  # milliseconds, and the second that Node.js adds
        ("server.keepAliveTimeout", "5s", 6.0),
        ("MaxKeepAliveRequests", "100", 101.0),  # Apache serves one more
        ("MaxIdleConnsPerHost", "0", 2),  # the default
        ("MaxIdleConnsPerHost", "none", None),
        ("limit_per_host", "0", None),  # no limit
        ("DisableKeepAlives", "true", False),
        ("DisableKeepAlives", "off", True),
        ("KeepAlive", "on", True),
    ],
)
def test_a_value_is_read_in_the_unit_that_the_product_takes(name: str, text: str, value: float | bool | None) -> None:
    (named,) = [one for one in meant_by(name) if one.simulated][:1]
    assert value_of(named, text) == value


# -- which pools


def test_a_setting_of_another_program_is_an_error_that_names_the_one_there_is() -> None:
    with pytest.raises(UsageError, match=r"pool_maxsize is a setting of Python requests, and the client here is Go"):
        pcapdiag.whatif([POOL_OF_2], {"pool_maxsize": 10})


def test_a_name_that_several_products_share_means_the_one_that_is_there() -> None:
    # keepalive_timeout is aiohttp's, nginx's and others'.
    (only,) = pcapdiag.whatif([str(analyses.path_of("nginx-idle-timeout-2s"))], {"keepalive_timeout": "5s"}).pools
    after = only.sweeps[0].trials[1]
    assert (after.settings[0].product, after.connections) == ("nginx", 1)


def test_a_server_that_names_itself_not_is_taken_to_be_the_one_asked_for_and_the_page_says_so() -> None:
    paths = [str(analyses.path_of("requests-lazy-pool"))]
    (only,) = pcapdiag.whatif(paths, {"http.Server.IdleTimeout": "10s"}).pools
    assert "taken to be Go net/http server" in only.sweeps[0].notes[0]


def test_a_server_that_its_heads_tell_is_not_guessed() -> None:
    paths = [str(analyses.path_of("goserv-idle-timeout-3s"))]
    (only,) = pcapdiag.whatif(paths, {"http.Server.IdleTimeout": "10s"}).pools
    assert only.sweeps[0].trials[1].connections == 1
    assert not any("taken to be" in note for note in only.sweeps[0].notes)


# -- what it says


def test_settings_asked_for_hold_together() -> None:
    def connections(**settings: object) -> int:
        (only,) = pcapdiag.whatif([POOL_OF_2], settings).pools
        return only.sweeps[0].trials[1].connections

    assert connections(idle_pool_limit=50) < connections(idle_pool_limit=5) < 144
    assert connections(MaxIdleConnsPerHost=50, **{"server.max_requests": 2}) >= 150


def test_the_page_has_the_back_test_the_table_and_the_smallest_value(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, POOL_OF_2)
    assert (code, err) == (0, "")
    flat = " ".join(out.split())
    assert "300 requests on 144 connections" in flat
    assert "the capture has 144 (" in flat
    assert "As read from the packets: http.Transport.MaxIdleConnsPerHost: 2." in flat
    assert "The smallest value that removes the churn here is 20" in flat
    assert max(map(len, out.splitlines())) <= 80


def test_a_setting_that_is_no_help_without_reuse_says_so() -> None:
    (only,) = pcapdiag.whatif([NEW_TRANSPORT], {"MaxIdleConnsPerHost": 100}).pools
    assert only.sweeps[0].trials[1].connections == 300
    assert "Nothing is used a second time here" in only.sweeps[0].notes[0]
    (only,) = pcapdiag.whatif([NEW_TRANSPORT], {"MaxIdleConnsPerHost": 100, "instance_per_request": "shared"}).pools
    assert only.sweeps[0].trials[1].connections <= 22


def test_one_shared_client_alone_keeps_its_default_pool() -> None:
    (only,) = pcapdiag.whatif([NEW_TRANSPORT], {"instance_per_request": "shared"}).pools
    after = only.sweeps[0].trials[1]
    assert 100 < after.connections < 200
    assert "MaxIdleConnsPerHost at its default, 2" in only.sweeps[0].notes[0]
    assert only.back_test is not None
    assert not only.back_test.tested


def test_where_the_replay_does_not_reproduce_the_capture_there_is_a_bound_and_no_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in ((SESSIONS,), (SESSIONS, "--set", "pool_maxsize=50")):
        code, out, _ = run(capsys, *words)
        flat = " ".join(out.split())
        assert code == 0
        assert "No prediction: 13 dials passed over a connection that was idle and used again later" in flat
        assert "at least 3 connections, since that many requests ran at once" in flat
        assert "set to" not in flat


def test_a_limit_on_connections_is_not_raised_where_requests_wait_inside_the_client() -> None:
    path = str(analyses.path_of("go-max-conns-4"))
    (only,) = pcapdiag.whatif([path], {"MaxConnsPerHost": 10}).pools
    assert len(only.sweeps[0].trials) == 1
    assert "is not on the wire" in only.sweeps[0].notes[0]
    (only,) = pcapdiag.whatif([path], {"MaxConnsPerHost": 2}).pools
    assert only.sweeps[0].trials[1].connections == 2
    assert only.sweeps[0].trials[1].waiting_saved_ns < 0


def test_a_healthy_pool_has_nothing_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(analyses.path_of("go-global-transport")))
    assert code == 0
    assert "nothing to change" in out


@pytest.mark.parametrize("name", analyses.NAMES)
def test_every_capture_has_a_page_and_its_json_keeps_the_contract(name: str) -> None:
    result = pcapdiag.whatif([str(analyses.path_of(name))])
    page = text_whatif.whatif(result)
    assert max(map(len, page.splitlines())) <= 80
    jsonschema.validate(json.loads(json_whatif.whatif(result)), json.loads(whatif_1()))
    for pool in result.pools:
        assert pool.back_test is None or pool.back_test.trusted or not pool.sweeps


def test_the_result_can_be_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "whatif.json"
    code, out, _ = run(capsys, "--format", "json", "-o", str(target), POOL_OF_2)
    assert (code, out) == (0, "")
    assert json.loads(target.read_text())["schema"] == "pcapdiag-whatif/1"


# -- beside a finding


def lead(name: str) -> dict[str, object]:
    return dict(analyses.report_of(name).findings[0].predicted)


def test_the_finding_says_what_its_remedy_comes_to() -> None:
    told = lead("go-ab-shared-default")
    assert told["connections_now"] == 144
    assert told["time_wait_client_now"] == 142
    assert 20 <= int(str(told["connections"])) <= 22
    assert told["time_wait_client"] == 0
    page = text_whatif.predicted(analyses.report_of("go-ab-shared-default").findings[0].predicted)
    assert page.startswith("21 connections instead of 144, 20 opens per second instead of 143")


def test_a_client_for_each_request_is_told_what_its_default_pool_would_leave() -> None:
    told = lead("go-ab-new-transport")
    assert told["default_pool"] == "http.Transport.MaxIdleConnsPerHost left at 2"
    assert int(str(told["connections_at_default_pool"])) > 5 * int(str(told["connections"]))


def test_nothing_is_predicted_beside_a_finding_where_the_replay_fails() -> None:
    told = lead("requests-session-per-6")
    if told:
        assert set(told) == {"connections_at_least", "no_prediction"}


def test_a_prediction_is_never_worse_than_what_is() -> None:
    for name in analyses.NAMES:
        for finding in analyses.report_of(name).findings:
            told = finding.predicted
            if "connections" in told:
                assert int(str(told["connections"])) < int(str(told["connections_now"])), (name, finding.code)


def test_of_two_limits_on_idle_connections_the_smaller_decides() -> None:
    (only,) = pcapdiag.whatif([POOL_OF_2], {"MaxIdleConns": 100}).pools
    assert only.sweeps[0].trials[1].connections > 130
    assert "MaxIdleConnsPerHost stays at 2: the smaller limit decides" in " ".join(only.sweeps[0].notes)
    for settings in (("MaxIdleConnsPerHost=100", "MaxIdleConns=100"), ("MaxIdleConns=100", "MaxIdleConnsPerHost=100")):
        (only,) = pcapdiag.whatif([POOL_OF_2], settings).pools
        assert only.sweeps[0].trials[1].connections < 25
        assert only.sweeps[0].notes == ()
    (only,) = pcapdiag.whatif([POOL_OF_2], {"MaxIdleConnsPerHost": 1000}).pools
    assert "http.Transport.MaxIdleConns must not be smaller" in " ".join(only.sweeps[0].notes)


def test_a_setting_that_only_adds_to_another_names_that_one() -> None:
    with pytest.raises(UsageError, match=r"set server\.keepAliveTimeout instead"):
        assignment("keepAliveTimeoutBuffer=2000")


def test_a_timer_known_only_from_above_is_told_so() -> None:
    (only,) = pcapdiag.whatif([str(analyses.path_of("server-sweeps-idle"))]).pools
    assert [one.text.startswith("at most") for one in only.present] == [True]
    assert only.sweeps[0].now.startswith("at most")


def test_a_prediction_that_fails_costs_nothing_but_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pcapdiag.rules.judging.predicted", broken)
    report = pcapdiag.analyze([POOL_OF_2])
    assert report.findings[0].code == "PD205"
    assert any("prediction failed on pool p1" in one.reason for one in report.not_evaluated)


def test_a_name_that_is_whole_in_one_product_may_still_mean_the_last_word_of_another() -> None:
    # keepalive_timeout is all of nginx's name, and the last word of aiohttp's.
    products = [one.product.id for one in meant_by("keepalive_timeout") if one.product is not None]
    assert products[0] == "nginx"
    assert "python-aiohttp" in products


def test_a_program_that_the_packets_do_not_name_is_the_one_that_the_user_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hidden = str(analyses.path_of("go-nginx-tls-pool-2"))
    code, out, _ = run(capsys, "--client", "go-net-http", "--set", "MaxIdleConnsPerHost=4", hidden)
    assert code == 0
    assert "(Go net/http)" in out
    code, _, err = run(capsys, "--client", "python-httpx", "--set", "MaxIdleConnsPerHost=4", hidden)
    assert code == 2
    assert "the client here is Python httpx" in err
