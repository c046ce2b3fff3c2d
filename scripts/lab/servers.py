"""The servers of the lab.  Each writes a request log that says what connection each request came on."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from lab.network import Host, run
from lab.toolchains import Toolchain

PORT = 8081
BODY = "x" * 79 + "\n"
PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Request:
    """A line of a server's log."""

    at: float  # seconds since the epoch; when the request was read, or when it was answered
    port: int  # of the client


@dataclass(frozen=True)
class Started:
    """What a server needs to run in a folder of its own."""

    command: list[str]
    version: str
    environment: dict[str, str] = field(default_factory=dict)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for lab.test and its key, new in the folder."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=lab.test",
        "-keyout", str(key), "-out", str(made))  # fmt: skip
    return made, key


def logged(log: Path) -> list[Request]:
    """A log of "seconds port" lines; none where the program never wrote one."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [Request(float(at), int(port)) for at, port in (line.split() for line in lines)]


class Server:
    """What the cases use; ``port`` is the service's."""

    port = PORT
    scheme = "http"

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        raise NotImplementedError

    def requests(self, folder: Path) -> list[Request]:
        """The request log; lines are space-separated "seconds port" unless a server says otherwise."""
        return logged(folder / "requests.log")


@dataclass(frozen=True)
class GoServer(Server):
    """``http.Server``; flags are those of go/server."""

    flags: tuple[str, ...] = ()
    logs: bool = True

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        log = ["-log", str(folder / "requests.log")] if self.logs else []
        command = [str(go["new"].programs / "server"), "-addr", f":{PORT}", *log, *self.flags]
        return Started(command, f"Go net/http {go['new'].version}")

    def requests(self, folder: Path) -> list[Request]:
        lines = (folder / "requests.log").read_text().splitlines()
        return [Request(line["at"], line["port"]) for line in map(json.loads, lines)]


@dataclass(frozen=True)
class Nginx(Server):
    """nginx with two workers, one static file."""

    directives: tuple[str, ...] = ()
    tls: bool = False
    size: int = 400
    logs: bool = True

    @property
    def scheme(self) -> str:  # type: ignore[override]
        return "https" if self.tls else "http"

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        (folder / "index.html").write_text(BODY * (self.size // len(BODY)))
        listen = f"{PORT} backlog=1024"
        if self.tls:
            listen += " ssl"
            certificate(folder)
        keys = f"ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;" if self.tls else ""
        log = f"access_log {folder}/requests.log truth" if self.logs else "access_log off"
        configuration = folder / "nginx.conf"
        configuration.write_text(
            textwrap.dedent(f"""\
                user root;
                worker_processes 2;
                pid {folder}/nginx.pid;
                error_log {folder}/error.log;
                events {{ worker_connections 4096; }}
                http {{
                    log_format truth '$msec $remote_port';
                    {log};
                    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
                    scgi_temp_path {folder}/scgi;
                    {" ".join(f"{directive};" for directive in self.directives)}
                    server {{ listen {listen}; {keys} root {folder}; }}
                }}
                """)
        )
        version = run("sh", "-c", "nginx -v 2>&1").strip().rpartition("/")[2]
        return Started(["nginx", "-c", str(configuration), "-g", "daemon off;"], f"nginx {version}")


@dataclass(frozen=True)
class Apache(Server):
    """Apache httpd with the event MPM, one static file."""

    directives: tuple[str, ...] = ()
    size: int = 400

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        (folder / "index.html").write_text(BODY * (self.size // len(BODY)))
        modules = Path("/usr/lib/apache2/modules")
        configuration = folder / "apache.conf"
        load = "\n".join(
            f"LoadModule {name}_module {modules}/mod_{name}.so" for name in ("mpm_event", "authz_core", "dir", "mime")
        )
        configuration.write_text(
            f"{load}\nServerName lab.test\nServerRoot {folder}\nPidFile {folder}/apache.pid\nListen {PORT}\n"
            f"User www-data\nGroup www-data\nDefaultRuntimeDir {folder}\n"
            f"TypesConfig /etc/mime.types\nErrorLog {folder}/error.log\n"
            f'LogFormat "%{{sec}}t.%{{msec_frac}}t %{{remote}}p" truth\n'
            f"CustomLog {folder}/requests.log truth\n"
            f"DocumentRoot {folder}\n" + "\n".join(self.directives) + "\n"
        )
        version = run("apache2", "-v").split("Apache/")[1].split()[0]
        return Started(["apache2", "-DFOREGROUND", "-f", str(configuration)], f"Apache httpd {version}")


@dataclass(frozen=True)
class Uwsgi(Server):
    """uWSGI's own HTTP parser (--http-socket), which keeps no connection and does not say so."""

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        command = ["uwsgi", "--plugin", "python3", "--http-socket", f":{PORT}", "--die-on-term"]
        command += ["--wsgi-file", str(PROGRAMS / "uwsgi_app.py"), "--processes", "2", "--master"]
        version = run("uwsgi", "--version").strip()
        return Started(command, f"uWSGI {version}", {"LAB_LOG": str(folder / "requests.log")})


@dataclass(frozen=True)
class Node(Server):
    """Node's ``http.Server`` with its defaults."""

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        program = folder / "server.js"
        program.write_text(
            textwrap.dedent(f"""\
                const fs = require('fs'), http = require('http');
                const log = fs.openSync('{folder}/requests.log', 'w');
                http.createServer((request, response) => {{
                  fs.writeSync(log, `${{Date.now() / 1000}} ${{request.socket.remotePort}}\\n`);
                  response.end('x'.repeat(200));
                }}).listen({PORT});
                """)
        )
        return Started(["node", str(program)], f"Node.js {run('node', '--version').strip()}")


@dataclass(frozen=True)
class Scripted(Server):
    """A server program of ``programs/``: Python, or Node where its name ends so.

    It is given ``--port``, ``--log`` and, with ``tls``, ``--certificate`` and ``--key`` before its arguments.  It
    adds to its log, so that one that is started again keeps what it said before.
    """

    program: str
    arguments: tuple[str, ...] = ()
    name: str = ""  # for the truth file; default: the language and the program
    tls: bool = False

    @property
    def scheme(self) -> str:  # type: ignore[override]
        return "https" if self.tls else "http"

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        options = ["--port", str(PORT), "--log", str(folder / "requests.log")]
        if self.tls:
            made, key = certificate(folder)
            options += ["--certificate", str(made), "--key", str(key)]
        node = self.program.endswith(".js")
        language = f"Node.js {run('node', '--version').strip()}" if node else f"Python {sys.version.split()[0]}"
        command = ["node" if node else sys.executable, str(PROGRAMS / self.program), *options, *self.arguments]
        said = " ".join((self.program, *self.arguments))
        return Started(command, f"{self.name or language}, {said}")


@dataclass(frozen=True)
class NoServer(Server):
    """Nothing listens on the port."""

    def prepare(self, host: Host, folder: Path, go: dict[str, Toolchain]) -> Started:
        return Started([], "none")
