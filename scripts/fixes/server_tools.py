"""How the servers are run whose configuration has a mistake in it; each listens on the port of its proof."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.network import Host, run
from lab.servers import Server, Started
from lab.toolchains import Toolchain

from fixes.tools import PROGRAMS, Kit, Tool, missing

PAGE = "x" * 400


@dataclass(frozen=True)
class Nginx(Tool):
    file = "nginx.conf"

    def needs(self) -> str:
        return missing("nginx")

    def version(self, kit: Kit) -> str:
        return "nginx " + run("sh", "-c", "nginx -v 2>&1").strip().rpartition("/")[2]

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        (folder / "index.html").write_text(PAGE)
        return ["nginx", "-p", str(folder), "-c", str(folder / self.file), "-g", "daemon off;"]


@dataclass(frozen=True)
class Apache(Tool):
    file = "httpd.conf"

    def needs(self) -> str:
        return missing("apache2")

    def version(self, kit: Kit) -> str:
        return "Apache httpd " + run("apache2", "-v").split("Apache/")[1].split()[0]

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        (folder / "index.html").write_text(PAGE)
        return ["apache2", "-DFOREGROUND", "-d", str(folder), "-f", str(folder / self.file)]


@dataclass(frozen=True)
class NodeServer(Tool):
    file = "server.js"

    def needs(self) -> str:
        return missing("node")

    def version(self, kit: Kit) -> str:
        return f"Node.js {run('node', '--version').strip().removeprefix('v')}"

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        return ["node", str(folder / self.file)]


@dataclass(frozen=True)
class Gunicorn(Tool):
    file = "gunicorn.conf.py"

    def version(self, kit: Kit) -> str:
        script = "import gunicorn; print(gunicorn.__version__)"
        return "Gunicorn " + run(str(kit.python()), "-c", script).strip()

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        (folder / "app.py").write_text((PROGRAMS / "python" / "gunicorn_app.py").read_text())
        return [str(kit.python()), "-m", "gunicorn", "--chdir", str(folder), "-c", str(folder / self.file), "app:app"]


@dataclass(frozen=True)
class Uvicorn(Tool):
    file = "main.py"

    def version(self, kit: Kit) -> str:
        return "Uvicorn " + run(str(kit.python()), "-m", "uvicorn", "--version").split()[2]

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        (folder / "app.py").write_text((PROGRAMS / "python" / "uvicorn_app.py").read_text())
        return [str(kit.python()), "-B", str(folder / self.file)]


@dataclass(frozen=True)
class Haproxy(Tool):
    file = "haproxy.cfg"

    def needs(self) -> str:
        return missing("haproxy")

    def version(self, kit: Kit) -> str:
        return f"HAProxy {run('haproxy', '-v').split()[2].partition('-')[0]}"

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        return ["haproxy", "-db", "-f", str(folder / self.file)]


@dataclass(frozen=True)
class Puma(Tool):
    file = "puma.rb"

    def needs(self) -> str:
        return missing("puma")

    def version(self, kit: Kit) -> str:
        return "Puma " + run("puma", "--version").split()[-1]

    def prepare(self, folder: Path, source: str, kit: Kit) -> list[str]:
        (folder / self.file).write_text(source)
        (folder / "config.ru").write_text((PROGRAMS / "puma" / "config.ru").read_text())
        return ["puma", "-C", str(folder / self.file), str(folder / "config.ru")]


@dataclass(frozen=True)
class Redis(Server):
    """What the clients of a cache call; it keeps nothing."""

    port = 6379

    def needs(self) -> str:
        return missing("redis-server")

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        version = run("redis-server", "--version").split("v=")[1].split()[0]
        open_ = ["--bind", host.address, "--protected-mode", "no", "--save", "", "--dir", str(folder)]
        return Started(["redis-server", *open_], f"Redis {version}")


@dataclass(frozen=True)
class Postgres(Server):
    """A new PostgreSQL that trusts everybody: only the lab can reach it."""

    port = 5432

    @staticmethod
    def programs() -> Path | None:
        """Debian keeps them by version, out of the way."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        return found[-1].parent if found else None

    def needs(self) -> str:
        return "" if self.programs() else "no postgres below /usr/lib/postgresql"

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        programs = self.programs()
        if programs is None:
            raise LabError(self.needs())
        data = folder / "data"
        data.mkdir()
        shutil.chown(data, "postgres")
        own = ("runuser", "-u", "postgres", "--")
        run(*own, str(programs / "initdb"), "-D", str(data), "-A", "trust", "--no-sync")
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all trust\n")
        options = ("-c", f"listen_addresses={host.address}", "-c", "unix_socket_directories=", "-c", "fsync=off")
        version = run(str(programs / "postgres"), "--version").split()[2]
        return Started([*own, str(programs / "postgres"), "-D", str(data), *options], f"PostgreSQL {version}")
