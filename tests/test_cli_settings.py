"""The catalogue as text."""

from __future__ import annotations

import pytest

from pcapdiag.cli import main
from pcapdiag.model.words import Knob
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Absence, Advice, Catalog, Change, Fact, Product, Setting

PER_HOST = Setting(
    name="http.Transport.MaxIdleConnsPerHost",
    knob=Knob.IDLE_POOL_LIMIT,
    role="client",
    unit="connections",
    default="2",
    default_value=2.0,
    wire=None,
    wire_note="",
    history=(Change("before 1.3", "1", None),),
    scope="per host",
    advice=Advice("the peak or more", ("Raise it to the peak.",)),
    advice_for={},
    sample="100",
    snippet="tr.MaxIdleConnsPerHost = 100\n",
    language="go",
    source="https://pkg.go.dev/net/http",
    status="verified: source",
)
GO = Product(
    id="go-net-http",
    name="Go net/http",
    role="client",
    main=True,
    settings=(PER_HOST,),
    absences=(Absence(Knob.MAX_LIFETIME, "Go has none.", ""),),
    facts=(Fact("GODEBUG", "", "Switches HTTP/2.", "", ""),),
)


@pytest.fixture(autouse=True)
def _catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "load", lambda: Catalog({"go-net-http": GO}))
    monkeypatch.setenv("COLUMNS", "80")


def test_the_products_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    assert "go-net-http  client         1  Go net/http" in capsys.readouterr().out


def test_a_product_shows_its_settings_with_defaults_history_and_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["settings", "go-net-http"]) == 0
    printed = capsys.readouterr().out
    for part in (
        "  was      1 before 1.3",
        "  scope    per host",
        "  advice   Raise it to the peak.",
        "  source   https://pkg.go.dev/net/http (verified: source)",
        "    tr.MaxIdleConnsPerHost = 100",
        "- max lifetime: Go has none.",
        "- GODEBUG: Switches HTTP/2.",
    ):
        assert part in printed
    assert "http.Transport.MaxIdleConnsPerHost idle pool limit 2" in " ".join(printed.split())
    assert max(map(len, printed.splitlines())) <= 80


def test_an_unknown_product_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "gopher"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
