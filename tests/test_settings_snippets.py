"""Snippets pass the tool of their language; where the tool is missing, its snippets are skipped."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import check_snippets
from snippets import compiled, data, jvm, scripting, servers
from snippets.tools import Check, ToolMissingError

from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Product, Setting

KNOWN = check_snippets.checkers(None)
# Those whose tool takes some ms; the others are left to the script, but for one snippet of each.
QUICK = ("python", "sysctl", "yaml", "toml", "xml", "ini", "properties", "jvm-flag", "postgresql")


def snippets(language: str) -> list[tuple[Product, Setting]]:
    return [
        (product, setting)
        for product in catalog.load().products.values()
        for setting in product.settings
        if setting.snippet and setting.language == language
    ]


def complaint(product: Product, setting: Setting) -> str:
    try:
        return check_snippets.check(setting, check_snippets.checker_for(product, setting, KNOWN).check)
    except ToolMissingError as missing:
        pytest.skip(f"no {missing}")


@pytest.mark.parametrize("language", QUICK)
def test_snippets_pass_their_checker(language: str) -> None:
    found = snippets(language)
    assert found
    for product, setting in found:
        assert complaint(product, setting) == "", (product.id, setting.name)


@pytest.mark.parametrize("product_id", ["nginx", "nginx-upstream"])
def test_snippets_of_nginx_pass_its_own_test(product_id: str) -> None:
    product = catalog.product(product_id)
    for setting in product.settings:
        assert complaint(product, setting) == "", setting.name


@pytest.mark.parametrize("language", ["apache", "haproxy", "c", "rust", "javascript-module", "php", "ruby", "shell"])
def test_a_snippet_of_each_slower_language_passes(language: str) -> None:
    product, setting = snippets(language)[0]
    assert complaint(product, setting) == ""


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on PATH")
@pytest.mark.parametrize("product_id", ["go-net-http", "go-net-http-server"])
def test_the_first_go_snippet_builds(product_id: str) -> None:
    assert check_snippets.check(catalog.product(product_id).settings[0], compiled.Go(None)) == ""


def test_every_language_is_checked_or_known_to_have_no_tool_here() -> None:
    languages = {setting.language for product in catalog.load().products.values() for setting in product.settings}
    assert languages - {""} <= {*KNOWN, *check_snippets.UNCHECKED, "java"}


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (scripting.python, "session = requests.Session("),
        (scripting.javascript, "server.keepAliveTimeout = ;"),
        (scripting.javascript_module, "import got from;"),
        (scripting.php, "$client = new Client(;"),
        (scripting.ruby, "http.keep_alive_timeout = = 3"),
        (scripting.shell, 'aws elbv2 "unclosed'),
        (servers.nginx, "keepalive_timeout soon;"),
        (servers.nginx, "upstream backend {\n    keepalive many;\n}"),
        (servers.apache, "KeepAlive Perhaps"),
        (servers.haproxy, "frontend web\n    bind :8080\n    timeout http-keep-alife 3s"),
        (servers.haproxy, "backend web\n    server s1 127.0.0.1:8080 pool-max-con 3"),
        (servers.redis, "timeout never"),
        (compiled.c, "curl_easy_setopt(curl, CURLOPT_NO_SUCH, 1L);"),
        (compiled.rust, "let client = reqwest::Client::builder(;"),
        (data.yaml, "entryPoints: {web"),
        (data.toml, "keep_alive_timeout = 5 s"),
        (data.xml, "<Connector port=8080 />"),
        (data.sysctl, "tcp_keepalive_time"),
        (data.properties, "server.tomcat.threads"),
        (data.jvm_flag, "-Xmx5g"),
        (data.postgresql, "max_connections 100"),
    ],
)
def test_a_broken_snippet_is_caught(check: Check, broken: str, tmp_path: Path) -> None:
    try:
        assert check(broken, tmp_path) != ""
    except ToolMissingError as missing:
        pytest.skip(f"no {missing}")


@pytest.mark.parametrize(
    ("snippet", "wrong"),
    [
        ("import http.client\nhttp.client.HTTPConection('x')", "http.client.HTTPConection does not exist"),
        ("import ssl\nssl.create_default_context(capath_file='x')", "ssl.create_default_context has no capath_file"),
        ("socket.TCP_KEEPIDLES", "socket.TCP_KEEPIDLES does not exist"),
    ],
)
def test_a_python_name_that_is_not_in_its_module_is_caught(snippet: str, wrong: str, tmp_path: Path) -> None:
    assert wrong in scripting.python(snippet, tmp_path)


def test_a_python_name_of_the_callers_own_is_not_looked_up(tmp_path: Path) -> None:
    assert scripting.python("socket = connect()\nsocket.no_such_thing()", tmp_path) == ""


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler on PATH")
@pytest.mark.parametrize(
    ("snippet", "fine"),
    [
        ("static final HttpClient CLIENT = HttpClient.newHttpClient();", True),
        ("HttpRequest request = HttpRequest.newBuilder(uri).build();", True),
        ("static final HttpClient CLIENT = HttpClient.newHttpCleint();", False),
        ("HttpRequest request = HttpRequest.newBuilder(uri", False),
    ],
)
def test_java_is_compiled_as_members_or_as_statements(snippet: str, fine: bool, tmp_path: Path) -> None:
    assert (jvm.java(snippet, tmp_path, "jdk-httpclient") == "") is fine


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler on PATH")
def test_java_without_its_jars_is_still_parsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jvm, "_jars", lambda product: None)
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    assert jvm.java("var pool = ConnectionProvider.create(3);", tmp_path / "good", "reactor-netty") == ""
    assert jvm.java("var pool = ConnectionProvider.create(3;", tmp_path / "bad", "reactor-netty") != ""


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on PATH")
def test_a_broken_go_snippet_is_caught(tmp_path: Path) -> None:
    transport = "var transport = &http.Transport{MaxIdleConnsPerHots: 2}"
    assert "MaxIdleConnsPerHots" in compiled.Go(None)(transport, tmp_path)
