"""Checks every snippet of the settings catalogue with the tool of its own language, filled with sample values.

    python scripts/check_snippets.py [--go PATH] [--strict] [--quiet] [PRODUCT...]

Go is built, vetted and compared with gofmt; nginx, Apache, HAProxy, Caddy, Redis and nftables snippets go through the
program's own configuration test; Java is compiled against the jars of /usr/share/java and ~/.m2, or parsed where
there are none; C is compiled with libcurl's headers; Rust is parsed by rustfmt; JavaScript, PHP, Ruby and the shell
go through their own syntax checks; Python is compiled, and the names it takes from installed modules are looked up;
YAML, TOML, XML and properties are parsed.  The summary says which tool checked how many snippets, and which were not
checked and why: that is a failure only with ``--strict``.
The exit code is 1 when a snippet fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from snippets import compiled, data, jvm, scripting, servers
from snippets.tools import Check, Checker, ToolMissingError

from pcapdiag.settings.catalog import load
from pcapdiag.settings.entries import Product, Setting
from pcapdiag.settings.filling import fill, with_derived

# What each snippet is tried with besides its own sample: whole and fractional seconds, few and many.
SAMPLES = ("1", "250", "1.5")
WHOLE = ("10", "250")  # nginx wants more worker_connections than it has listening sockets

# Languages with no tool to be had on a free machine, and why.
UNCHECKED = {
    "csharp": ".NET is not packaged for this system",
    "powershell": "PowerShell is not packaged for this system",
    "ios": "the router's own language",
    "cisco": "the firewall's own language",
    "fortios": "the firewall's own language",
    "mysql": "no server to ask",
}


def checkers(go: str | None) -> dict[str, Checker]:
    """By language; Java's depends on the product as well (see :func:`checker_for`)."""
    golang = compiled.Go(go)
    return {
        "go": Checker("go build, go vet and gofmt", golang),
        "gofmt": Checker("gofmt alone, no library new enough", golang.formatted),
        "c": Checker("gcc with libcurl's headers", compiled.c),
        "rust": Checker("rustfmt", compiled.rust),
        "nginx": Checker("nginx -t", servers.nginx),
        "apache": Checker("apache2 -t", servers.apache),
        "haproxy": Checker("haproxy -c", servers.haproxy),
        "caddyfile": Checker("caddy validate", servers.caddyfile),
        "redis": Checker("redis-server", servers.redis),
        "nft": Checker("nft --check", servers.nft),
        "python": Checker("Python, and the modules it names", scripting.python),
        "javascript": Checker("node --check", scripting.javascript),
        "javascript-module": Checker("node --check", scripting.javascript_module),
        "php": Checker("php -l", scripting.php),
        "ruby": Checker("ruby -c", scripting.ruby),
        "shell": Checker("bash -n", scripting.shell),
        "yaml": Checker("a YAML parser", data.yaml),
        "toml": Checker("a TOML parser", data.toml),
        "xml": Checker("an XML parser", data.xml),
        "ini": Checker("an INI parser", data.ini),
        "properties": Checker("the form of its lines", data.properties),
        "jvm-flag": Checker("the form of its lines", data.jvm_flag),
        "sysctl": Checker("the form of its lines", data.sysctl),
        "postgresql": Checker("the form of its lines", data.postgresql),
    }


def checker_for(product: Product, setting: Setting, known: dict[str, Checker]) -> Checker:
    """The checker of a snippet.

    Raises:
        ToolMissingError: nothing checks its language.
    """
    if setting.language == "java":
        return Checker(
            jvm.depth(product.id), lambda snippet, folder: jvm.java(snippet, folder, product.id, setting.since)
        )
    newer = product.id == "go-fasthttp" and setting.since
    if setting.language == "go" and (newer or product.id in compiled.GO_UNRESOLVED):
        return known["gofmt"]
    if setting.language not in known:
        raise ToolMissingError(UNCHECKED.get(setting.language, f"checker for {setting.language!r}"))
    return known[setting.language]


def samples(setting: Setting) -> list[str | None]:
    """The numbers to try a setting with: durations also with a fraction."""
    if "{value" not in setting.snippet and "{total" not in setting.snippet:
        return [None]
    if setting.language == "java":  # whole numbers only in what it is given, and a second for each run
        return [setting.sample]
    more = SAMPLES if setting.unit in ("duration", "s", "ms") else WHOLE
    return [setting.sample, *more]


def check(setting: Setting, checker: Check) -> str:
    """The first complaint about the snippet, with any of its sample values."""
    for value in samples(setting):
        snippet = fill(setting.snippet, with_derived({} if value is None else {"value": value}))
        if snippet is None:
            return "a placeholder has no value"
        with tempfile.TemporaryDirectory() as folder:
            complaint = checker(snippet, Path(folder))
        if complaint:
            return f"with {value}: {complaint}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Check every snippet of the settings catalogue.")
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help="product ids (default: all)")
    parser.add_argument("--go", help="the go command (default: the one on PATH)")
    parser.add_argument("--strict", action="store_true", help="fail when a snippet is not checked here")
    parser.add_argument("--quiet", action="store_true", help="only failures and the summary")
    options = parser.parse_args()
    known = checkers(options.go)
    checked: Counter[str] = Counter()
    unchecked: Counter[str] = Counter()
    failures = 0
    for product in load().products.values():
        if options.products and product.id not in options.products:
            continue
        for setting in product.settings:
            if not setting.snippet:
                continue
            complaint = ""
            try:
                checker = checker_for(product, setting, known)
                complaint = check(setting, checker.check)
                outcome = "FAILED" if complaint else "ok"
                checked[checker.tool] += 1
            except ToolMissingError as error:
                outcome = f"not checked: {error}"
                unchecked[f"{setting.language}: {error}"] += 1
            if complaint or not options.quiet:
                print(f"{product.id:20} {setting.language:12} {setting.name:55} {outcome}")
            if complaint:
                failures += 1
                print("    " + complaint.replace("\n", "\n    "))
    print(f"\n{sum(checked.values())} snippets checked, {failures} failed")
    for tool, count in checked.most_common():
        print(f"{count:5}  {tool}")
    print(f"{sum(unchecked.values())} not checked")
    for reason, count in unchecked.most_common():
        print(f"{count:5}  {reason}")
    return 1 if failures or (options.strict and unchecked) else 0


if __name__ == "__main__":
    sys.exit(main())
