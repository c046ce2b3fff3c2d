"""The catalogue as text."""

from __future__ import annotations

import pytest

from pcapdiag.cli import main
from pcapdiag.settings import catalog


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
