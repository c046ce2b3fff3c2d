"""How a program with a mistake in it is built and run, by language; and what a machine needs for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.network import run
from lab.toolchains import VERSIONS, installed, python_with_libraries

from fixes.splice import go_imports

PROGRAMS = Path(__file__).parent / "programs"
JARS = Path("/usr/share/java")
LIBRARIES = (
    "requests==2.34.2", "urllib3==2.8.0", "httpx==0.28.1", "aiohttp==3.14.5", "redis==8.1.0",
    "gunicorn==27.0.1", "uvicorn==0.54.0", "sqlalchemy==2.1.9", "psycopg[binary]==3.3.9",
)  # fmt: skip
UNDICI = "undici@6.29.1"  # for Node.js 20, whose own fetch is of this line


@dataclass(frozen=True)
class Kit:
    """What is installed for the proofs: below ``work``, and kept there."""

    work: Path

    def go(self, which: str) -> Path:
        return installed(which, self.work)

    def python(self) -> Path:
        return python_with_libraries(self.work, "python-of-the-proofs", LIBRARIES)

    def node_modules(self) -> Path:
        place = self.work / "node-of-the-proofs"
        if not (place / "node_modules").exists():
            print(f"installing {UNDICI} into {place}", file=sys.stderr)
            place.mkdir(parents=True, exist_ok=True)
            run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(place), UNDICI)
        return place / "node_modules"


class Tool:
    """A language, or a server with a configuration: ``file`` is what its program's mistake is in.

    ``needs`` says what the machine lacks, "" when nothing.  ``prepare`` writes and builds what runs in a folder;
    the command gets a client's arguments, URL CALLERS CALLS PERIOD_MS, and a server none: it listens on port 8081.
    """

    file = ""

    def needs(self) -> str:
        return ""

    def version(self, kit: Kit) -> str:
        raise NotImplementedError

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        raise NotImplementedError


def missing(*programs: str) -> str:
    lacking = [name for name in programs if shutil.which(name) is None]
    return f"no {', '.join(lacking)} on this machine" if lacking else ""


def built(command: list[str], folder: Path, **environment: str) -> None:
    """Run a compiler; what it says is the error."""
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


@dataclass(frozen=True)
class Go(Tool):
    which: str = "new"
    main: str = "main.go"
    file = "call.go"

    def version(self, kit: Kit) -> str:
        return f"Go {VERSIONS[self.which]}"

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        language = VERSIONS[self.which]
        (folder / "go.mod").write_text(f"module proof\n\ngo {language}\n")
        (folder / "main.go").write_text((PROGRAMS / "go" / self.main).read_text())
        (folder / self.file).write_text(go_imports(source))
        # Not the version that go.mod or the machine's settings may ask for: the one named.
        built([str(kit.go(self.which)), "build", "-o", "program", "."], folder,
              GOTOOLCHAIN="local", GOFLAGS="-mod=mod", GOPROXY="off", GOWORK="off")  # fmt: skip
        return [str(folder / "program")]


@dataclass(frozen=True)
class Python(Tool):
    package: str
    main: str = "drive.py"
    file = "call.py"

    def version(self, kit: Kit) -> str:
        script = f"from importlib.metadata import version; print(version('{self.package}'))"
        return f"{self.package} {run(str(kit.python()), '-c', script).strip()}"

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / "main.py").write_text((PROGRAMS / "python" / self.main).read_text())
        (folder / self.file).write_text(source)
        return [str(kit.python()), "-B", str(folder / "main.py")]


@dataclass(frozen=True)
class Node(Tool):
    npm: bool = False
    file = "call.js"

    def needs(self) -> str:
        return missing("node", "npm") if self.npm else missing("node")

    def version(self, kit: Kit) -> str:
        package = f", {UNDICI.replace('@', ' ')}" if self.npm else ""
        return f"Node.js {run('node', '--version').strip().removeprefix('v')}{package}"

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / "main.js").write_text((PROGRAMS / "node" / "drive.js").read_text())
        (folder / self.file).write_text(source)
        if self.npm:
            (folder / "node_modules").symlink_to(kit.node_modules())
        return ["node", str(folder / "main.js")]


@dataclass(frozen=True)
class Java(Tool):
    """``Call.java`` beside ``Drive.java``; where the mistake is a flag of the JVM, ``options`` names its program."""

    jars: tuple[str, ...] = ()
    program: str = ""  # of programs/java: then the file with the mistake is one of options of the JVM

    @property
    def file(self) -> str:  # type: ignore[override]
        return "jvm.options" if self.program else "Call.java"

    def needs(self) -> str:
        lacking = [jar for jar in self.jars if not (JARS / jar).exists()]
        return missing("java", "javac") or (f"no {', '.join(lacking)} in {JARS}" if lacking else "")

    def version(self, kit: Kit) -> str:
        words = run("sh", "-c", "java --version").split()
        # Debian has each jar under two names, one with its version.
        jars = [max((path.stem for path in JARS.glob(f"{jar[:-4]}-[0-9]*.jar")), default=jar) for jar in self.jars[:1]]
        return ", ".join([f"JDK {words[1]}", *jars])

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / "Drive.java").write_text((PROGRAMS / "java" / "Drive.java").read_text())
        (folder / self.file).write_text(source)
        if self.program:
            (folder / "Call.java").write_text((PROGRAMS / "java" / self.program).read_text())
        classes = ":".join([str(folder), *(str(JARS / jar) for jar in self.jars)])
        built(["javac", "-cp", classes, "-d", ".", "Drive.java", "Call.java"], folder)
        options = [f"@{folder / self.file}"] if self.program else []
        return ["java", "-XX:TieredStopAtLevel=1", *options, "-cp", classes, "Drive"]


@dataclass(frozen=True)
class Ruby(Tool):
    file = "call.rb"

    def needs(self) -> str:
        return missing("ruby")

    def version(self, kit: Kit) -> str:
        return " ".join(run("ruby", "--version").split()[:2])

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / "main.rb").write_text((PROGRAMS / "ruby" / "drive.rb").read_text())
        (folder / self.file).write_text(source)
        return ["ruby", str(folder / "main.rb")]


@dataclass(frozen=True)
class Php(Tool):
    file = "main.php"

    def needs(self) -> str:
        return missing("php") or ("" if "curl" in run("php", "-m").split() else "PHP here has no curl")

    def version(self, kit: Kit) -> str:
        return "PHP " + run("php", "-r", "echo PHP_VERSION, ', curl ', curl_version()['version'];")

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        return ["php", str(folder / self.file)]


@dataclass(frozen=True)
class C(Tool):
    file = "call.c"

    def needs(self) -> str:
        header = Path("/usr/include").rglob("curl/curl.h")
        return missing("cc") or ("" if next(header, None) else "no curl/curl.h: libcurl's headers are not installed")

    def version(self, kit: Kit) -> str:
        return f"libcurl {run('curl-config', '--version').split()[1]}"

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        built(["cc", "-o", "program", self.file, "-lcurl"], folder)
        return [str(folder / "program")]
