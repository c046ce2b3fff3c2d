"""Compiles every snippet of the settings catalogue, each filled with sample values.

    python scripts/check_snippets.py [--go PATH] [--strict] [PRODUCT...]

Go snippets are built, vetted and compared with gofmt; nginx and Apache snippets go through the server's own
configuration test; JavaScript, PHP and Ruby through their own syntax checks; Python through ``compile``; nftables
through ``nft --check``.  A language whose tool is not installed is reported as not checked, which is a failure
only with ``--strict``.
The exit code is 1 when a snippet fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pcapdiag.settings.catalog import load
from pcapdiag.settings.entries import Setting
from pcapdiag.settings.filling import fill, with_derived

# What each snippet is tried with besides its own sample: whole and fractional seconds, few and many.
SAMPLES = ("1", "250", "1.5")
WHOLE = ("10", "250")  # nginx wants more worker_connections than it has listening sockets

GO_PACKAGES = {
    "http": "net/http",
    "time": "time",
    "net": "net",
    "io": "io",
    "fmt": "fmt",
    "tls": "crypto/tls",
    "x509": "crypto/x509",
    "context": "context",
    "errors": "errors",
    "log": "log",
    "os": "os",
    "sql": "database/sql",
    "signal": "os/signal",
    "strings": "strings",
}

# The lines that Debian's and the upstream builds of httpd need before they accept any configuration.
APACHE_MODULES = ("mpm_event", "authz_core", "reqtimeout", "socache_shmcb", "ssl")
APACHE_MODULE_FOLDERS = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2")


class ToolMissingError(Exception):
    """The program that checks this language is not installed."""


def run(command: list[str], cwd: Path) -> str:
    """What a checker has to complain of; "" when it is content."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    return "" if result.returncode == 0 else (result.stderr + result.stdout).strip()


def tool(*names: str) -> str:
    for name in names:
        found = shutil.which(name, path=None) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found:
            return found
    raise ToolMissingError(" or ".join(names))


class Go:
    def __init__(self, go: str | None) -> None:
        self._go = go

    def __call__(self, snippet: str, folder: Path) -> str:
        go = self._go or tool("go")
        code = re.sub(r"//.*", "", snippet)
        used = sorted(path for name, path in GO_PACKAGES.items() if re.search(rf"(?<![.\w\"]){name}\.[A-Z]", code))
        imports = "import (\n" + "".join(f'\t"{path}"\n' for path in used) + ")\n"
        source = f"package snippet\n\n{imports}\n{snippet}\n"
        (folder / "go.mod").write_text("module snippet\n\ngo 1.19\n")
        (folder / "snippet.go").write_text(source)
        return run([go, "build", "./..."], folder) or run([go, "vet", "./..."], folder) or self._format(go, folder)

    @staticmethod
    def _format(go: str, folder: Path) -> str:
        root = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
        gofmt = Path(root) / "bin" / "gofmt"
        if not gofmt.exists():
            return ""
        command = [str(gofmt), "-d", "snippet.go"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        return result.stdout + result.stderr


def nginx(snippet: str, folder: Path) -> str:
    program = tool("nginx")
    if "ssl_certificate" in snippet:
        certificate(folder)
    main = server = ""
    events = "events {}"
    if snippet.startswith("events "):
        events = snippet
    elif snippet.startswith("worker_"):
        main = snippet
    else:
        server = snippet
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid;\nerror_log stderr;\n{main}\n{events}\n"
        f"http {{\naccess_log off;\n{temporary_paths(folder)}\n"
        f"server {{\nlisten 127.0.0.1:18080;\n{server}\n}}\n}}\n"
    )
    return run([program, "-t", "-q", "-p", str(folder), "-c", str(folder / "nginx.conf")], folder)


def certificate(folder: Path) -> None:
    """server.crt and server.key, as the snippets about TLS name them."""
    command = [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    run([*command, "-keyout", "server.key", "-out", "server.crt"], folder)


def temporary_paths(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)


def apache(snippet: str, folder: Path) -> str:
    program = tool("apache2", "httpd")
    if "SSLCertificate" in snippet:
        certificate(folder)
    modules = next((Path(name) for name in APACHE_MODULE_FOLDERS if Path(name).is_dir()), None)
    lines = [
        f'ServerRoot "{folder}"',
        "ServerName localhost",
        "Listen 127.0.0.1:18081",
        'ErrorLog "error.log"',
    ]
    lines += [f'PidFile "{folder}/httpd.pid"', f'DefaultRuntimeDir "{folder}"']
    if modules is not None:
        lines += [
            f'LoadModule {name}_module "{modules}/mod_{name}.so"'
            for name in APACHE_MODULES
            if (modules / f"mod_{name}.so").exists()
        ]
    (folder / "httpd.conf").write_text("\n".join([*lines, snippet, ""]))
    return run([program, "-t", "-f", str(folder / "httpd.conf")], folder)


def javascript(snippet: str, folder: Path) -> str:
    program = tool("node")
    (folder / "snippet.js").write_text(snippet + "\n")
    return run([program, "--check", "snippet.js"], folder)


def python(snippet: str, folder: Path) -> str:
    try:
        compile(snippet + "\n", "snippet.py", "exec")
    except SyntaxError as error:
        return str(error)
    return ""


def sysctl(snippet: str, folder: Path) -> str:
    return "" if re.fullmatch(r"[a-z0-9_.]+ = \S.*", snippet) else "not a line of sysctl.conf"


def nft(snippet: str, folder: Path) -> str:
    program = tool("nft")
    if os.geteuid() != 0:
        raise ToolMissingError("right to ask nft")
    (folder / "rules.nft").write_text(snippet + "\n")
    return run([program, "--check", "-f", "rules.nft"], folder)


def php(snippet: str, folder: Path) -> str:
    (folder / "snippet.php").write_text(f"<?php\n{snippet}\n")
    return run([tool("php"), "-l", "snippet.php"], folder)


def ruby(snippet: str, folder: Path) -> str:
    (folder / "snippet.rb").write_text(snippet + "\n")
    return run([tool("ruby"), "-c", "snippet.rb"], folder)


def samples(setting: Setting) -> list[str | None]:
    """The numbers to try a setting with: durations also with a fraction."""
    if "{value" not in setting.snippet:
        return [None]
    more = SAMPLES if setting.unit in ("duration", "s", "ms") else WHOLE
    return [setting.sample, *more]


def check(setting: Setting, checker: Callable[[str, Path], str]) -> str:
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
    parser = argparse.ArgumentParser(description="Compile every snippet of the settings catalogue.")
    parser.add_argument("products", nargs="*", metavar="PRODUCT", help="product ids (default: all)")
    parser.add_argument("--go", help="the go command (default: the one on PATH)")
    parser.add_argument("--strict", action="store_true", help="fail when a checkable language has no tool here")
    options = parser.parse_args()
    checkers: dict[str, Callable[[str, Path], str]] = {
        "go": Go(options.go),
        "nginx": nginx,
        "apache": apache,
        "javascript": javascript,
        "python": python,
        "sysctl": sysctl,
        "nft": nft,
        "php": php,
        "ruby": ruby,
    }
    failures = missing = 0
    for product in load().products.values():
        if options.products and product.id not in options.products:
            continue
        for setting in product.settings:
            if not setting.snippet:
                continue
            checker = checkers.get(setting.language)
            complaint = ""
            if checker is None:
                outcome = "no checker"
            else:
                try:
                    complaint = check(setting, checker)
                    outcome = "FAILED" if complaint else "ok"
                except ToolMissingError as error:
                    outcome = f"not checked: no {error}"
                    missing += 1
            print(f"{product.id:20} {setting.language:12} {setting.name:55} {outcome}")
            if complaint:
                failures += 1
                print("    " + complaint.replace("\n", "\n    "))
    return 1 if failures or (options.strict and missing) else 0


if __name__ == "__main__":
    sys.exit(main())
