"""Go, C and Rust: built as far as the libraries that are installed allow."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from snippets.tools import ToolMissingError, run, tool

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
# Libraries outside Go's own: the sources that Debian ships are old, so only the syntax and the format are checked
# where a snippet needs something newer.
GO_LIBRARIES = {
    "fasthttp": "github.com/valyala/fasthttp",
    "redis": "github.com/redis/go-redis/v9",
    "grpc": "google.golang.org/grpc",
    "keepalive": "google.golang.org/grpc/keepalive",
    "credentials": "google.golang.org/grpc/credentials",
    "backoff": "google.golang.org/grpc/backoff",
}
GO_SOURCES = Path("/usr/share/gocode")
GO_UNRESOLVED = ("go-redis", "grpc-go")  # products whose library is not packaged, or long outdated

C_HARNESS = """#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

void snippet({arguments})
{{
{snippet}
}}
"""


class Go:
    """``go build``, ``go vet`` and ``gofmt``; ``gofmt`` alone for what needs a library that is not here."""

    def __init__(self, go: str | None = None) -> None:
        self._go = go

    def __call__(self, snippet: str, folder: Path) -> str:
        go = self._go or tool("go")
        code = re.sub(r"//.*|`[^`]*`", "", snippet)
        packages = {**GO_PACKAGES, **GO_LIBRARIES}
        used = sorted(path for name, path in packages.items() if re.search(rf"(?<![.\w\"]){name}\.[A-Z]", code))
        imports = "import (\n" + "".join(f'\t"{path}"\n' for path in used) + ")\n"
        (folder / "snippet.go").write_text(f"package snippet\n\n{imports}\n{snippet}\n")
        libraries = [path for path in used if path in GO_LIBRARIES.values()]
        if not libraries:
            (folder / "go.mod").write_text("module snippet\n\ngo 1.19\n")
            return run([go, "build", "./..."], folder) or run([go, "vet", "./..."], folder) or self._format(go, folder)
        if all((GO_SOURCES / "src" / path).is_dir() for path in libraries):
            environment = ["env", "GO111MODULE=off", f"GOPATH={GO_SOURCES}"]
            return run([*environment, go, "build", "./snippet.go"], folder) or self._format(go, folder)
        return self._format(go, folder)

    def formatted(self, snippet: str, folder: Path) -> str:
        """Parsed, and compared with gofmt."""
        (folder / "snippet.go").write_text(f"package snippet\n\n{snippet}\n")
        return self._format(self._go or tool("go"), folder)

    @staticmethod
    def _format(go: str, folder: Path) -> str:
        root = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
        gofmt = Path(root) / "bin" / "gofmt"
        if not gofmt.exists():
            return ""
        command = [str(gofmt), "-d", "snippet.go"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        return result.stdout + result.stderr


def c(snippet: str, folder: Path) -> str:
    """``gcc -fsyntax-only`` inside a function, with the headers of libcurl."""
    compiler = tool("gcc", "cc")
    if run([compiler, "-E", "-include", "curl/curl.h", "-x", "c", "/dev/null", "-o", "/dev/null"], folder):
        raise ToolMissingError("curl/curl.h")
    names = {"curl": "CURL *curl", "multi": "CURLM *multi", "fd": "int fd"}
    arguments = [text for name, text in names.items() if f"{name} = " not in snippet]
    (folder / "snippet.c").write_text(C_HARNESS.format(arguments=", ".join(arguments), snippet=snippet))
    command = [compiler, "-fsyntax-only", "-Wall", "-Werror", "-Wno-unused-variable", "-Wno-unused-but-set-variable"]
    return run([*command, "-Wno-unused-parameter", "snippet.c"], folder)


def rust(snippet: str, folder: Path) -> str:
    """rustfmt, which parses: without a package index there is nothing to resolve names against."""
    source = "async fn snippet() -> Result<(), Box<dyn std::error::Error>> {\n" + snippet + "\nOk(())\n}\n"
    (folder / "snippet.rs").write_text(source)
    return run([tool("rustfmt"), "--edition", "2021", "snippet.rs"], folder)
