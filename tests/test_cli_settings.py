"""The catalogue as text."""

from __future__ import annotations

import pytest

from pcapdiag.cli import main
from pcapdiag.model.words import Knob
from pcapdiag.settings import catalog, coverage


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_every_product_is_listed_once_and_every_listed_product_has_a_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["settings"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:] if line[:1].strip()]
    assert sorted(listed[:-1]) == sorted(catalog.load().products)  # the last line says what to type next
    for product_id in catalog.load().products:
        assert main(["settings", product_id]) == 0
        assert capsys.readouterr().out.startswith(catalog.product(product_id).name)


def test_a_product_shows_its_settings_with_defaults_advice_snippet_and_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["settings", "go-net-http"]) == 0
    printed = capsys.readouterr().out
    first = printed[printed.index("\nhttp.Transport.MaxIdleConnsPerHost\n") :]
    for part in (
        "\n  governs  idle pool limit\n",
        "\n  default  2\n",
        "\n  scope ",
        "\n  set to ",
        "\n  source   https://pkg.go.dev/net/http#Transport",
        "transport.MaxIdleConnsPerHost = 100\n",
    ):
        assert part in first
    assert "{value}" not in printed


def test_a_default_that_changed_shows_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    changed = [
        (product.id, setting)
        for product in catalog.load().products.values()
        for setting in product.settings
        if setting.history
    ]
    assert changed
    for product_id, setting in changed:
        assert main(["settings", product_id]) == 0
        assert setting.history[0].version in " ".join(capsys.readouterr().out.split())


def test_an_unknown_product_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "gopher"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_knob_shows_every_product_with_its_spelling_or_why_it_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--knob", "idle_timeout"]) == 0
    printed = capsys.readouterr().out
    flowing = " ".join(printed.split())
    assert "nginx (nginx) - keepalive_timeout: 75 s" in flowing
    assert "Python requests (python-requests) - has none: requests keeps idle connections" in flowing
    assert "server.keepAliveTimeout: 5 s" in flowing
    assert max(map(len, printed.splitlines())) <= 80
    for cell in coverage.row(Knob.IDLE_TIMEOUT):
        assert f"({cell.product.id})" in flowing


def test_a_setting_of_the_other_side_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--knob", "max_lifetime"]) == 0
    assert "keepalive.ServerParameters MaxConnectionAge (as a server): none" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_knob_may_be_written_as_reports_write_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--knob", "tcp keepalive"]) == 0
    assert "net.ipv4.tcp_keepalive_time: 7200 s" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [["--knob", "idle"], ["nginx", "--knob", "idle_timeout"]])
def test_an_unknown_knob_and_a_knob_of_one_product_are_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settings", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
