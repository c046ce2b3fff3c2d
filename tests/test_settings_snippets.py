"""Snippets compile; where the tool for a language is missing, its snippets are skipped."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Setting

SCRIPT = Path(__file__).parent.parent / "scripts" / "check_snippets.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_snippets", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def snippets(language: str) -> list[tuple[str, Setting]]:
    return [
        (product.id, setting)
        for product in catalog.load().products.values()
        for setting in product.settings
        if setting.snippet and setting.language == language
    ]


@pytest.mark.parametrize(("language", "name"), [("python", "python"), ("sysctl", "sysctl"), ("nginx", "nginx")])
def test_snippets_pass_their_checker(script: ModuleType, language: str, name: str) -> None:
    found = snippets(language)
    assert found
    for product_id, setting in found:
        try:
            assert script.check(setting, getattr(script, name)) == "", (product_id, setting.name)
        except script.ToolMissingError as missing:
            pytest.skip(f"no {missing}")


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on PATH")
@pytest.mark.parametrize("product_id", ["go-net-http", "go-net-http-server"])
def test_the_first_go_snippet_builds(script: ModuleType, product_id: str) -> None:
    assert script.check(catalog.product(product_id).settings[0], script.Go(None)) == ""


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("python", "session = requests.Session("),
        ("sysctl", "tcp_keepalive_time"),
        ("nginx", "keepalive_timeout soon;"),
        ("apache", "KeepAlive Perhaps"),
        ("javascript", "server.keepAliveTimeout = ;"),
    ],
)
def test_a_broken_snippet_is_caught(script: ModuleType, name: str, broken: str, tmp_path: Path) -> None:
    try:
        assert getattr(script, name)(broken, tmp_path) != ""
    except script.ToolMissingError as missing:
        pytest.skip(f"no {missing}")


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on PATH")
def test_a_broken_go_snippet_is_caught(script: ModuleType, tmp_path: Path) -> None:
    assert "MaxIdleConnsPerHots" in script.Go(None)("var transport = &http.Transport{MaxIdleConnsPerHots: 2}", tmp_path)
