"""Finding and running the programs that check snippets."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# A snippet and an empty folder to what there is to complain of; "" when the tool is content.
Check = Callable[[str, Path], str]

LIMIT_S = 300  # no check of a few lines takes a hundredth of it


class ToolMissingError(Exception):
    """The program that checks this language is not installed."""


@dataclass(frozen=True)
class Checker:
    tool: str  # what checks, as the summary names it
    check: Check


def run(command: list[str], cwd: Path) -> str:
    """What a checker has to complain of; "" when it is content."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return "" if result.returncode == 0 else (result.stderr + result.stdout).strip() or f"exit {result.returncode}"


def tool(*names: str) -> str:
    """The path of the first program of these names that is installed.

    Raises:
        ToolMissingError: none is.
    """
    for name in names:
        found = shutil.which(name, path=None) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found:
            return found
    raise ToolMissingError(" or ".join(names))


def certificate(folder: Path) -> None:
    """server.crt and server.key, as the snippets about TLS name them, and both in server.pem."""
    command = [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    run([*command, "-keyout", "server.key", "-out", "server.crt"], folder)
    (folder / "server.pem").write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())
