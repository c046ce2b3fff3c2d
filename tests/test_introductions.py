"""How clients of databases and of gRPC introduce themselves, by what real ones sent; and nothing else of it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from notation import capture, packets_of

from pcapdiag.exchanges import introductions
from pcapdiag.model.report import Program
from pcapdiag.pipeline import Options, analyze
from pcapdiag.settings import catalog
from pcapdiag.settings.drivers import drivers, recognise_driver

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
GREETING = b"\x4a\x00\x00\x00\x0a8.0.36\x00" + b"\x07" * 66
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def startup(*fields: str) -> bytes:
    body = b"\x00\x03\x00\x00" + b"".join(field.encode() + b"\0" for field in fields) + b"\0"
    return (len(body) + 4).to_bytes(4, "big") + body


def scram(name: str) -> bytes:
    first = f"n,,n={name},r=hunter2".encode()
    body = b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first
    return b"p" + (len(body) + 4).to_bytes(4, "big") + body


def command(*words: str) -> bytes:
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


def login(*pairs: str) -> bytes:
    attributes = b"".join(bytes((len(text),)) + text.encode() for text in pairs)
    body = b"\x0d\xa2\x3a\x00" + b"\x00" * 28 + b"hunter2\0\x14" + b"\x99" * 20 + b"mysql_native_password\0"
    body += bytes((len(attributes),)) + attributes
    return len(body).to_bytes(3, "little") + b"\x01" + body


def call(block: str) -> bytes:
    head = bytes.fromhex(block)
    return PREFACE + len(head).to_bytes(3, "big") + b"\x01\x04\x00\x00\x00\x01" + head


USER = ("user", "hunter2", "database", "hunter2")
# What the client says, message by message, after the server's greeting where there is one.
SAID = {
    "psycopg 3.3": (SSL_REQUEST, startup(*USER), scram("")),
    "psycopg 3.3, sslmode=disable": (startup(*USER),),
    "psycopg 3.3, client_encoding": (SSL_REQUEST, startup(*USER, "client_encoding", "UTF8")),
    "psql 15": (SSL_REQUEST, startup(*USER, "application_name", "psql")),
    "asyncpg 0.32": (SSL_REQUEST, startup("client_encoding", "'utf-8'", *USER)),
    "pg 8": (startup(*USER, "client_encoding", "UTF8"), scram("*")),
    "pg 8, trust": (startup(*USER, "client_encoding", "UTF8"),),
    "postgres.js 3": (startup(*USER, "client_encoding", "UTF8", "application_name", "postgres.js"), scram("*")),
    "JDBC 42.7": (
        SSL_REQUEST,
        startup(*USER, "client_encoding", "UTF8", "DateStyle", "ISO", "TimeZone", "Etc/UTC"),
    ),
    "redis-py 8.1": (
        command("HELLO", "3", "AUTH", "u", "hunter2"),
        command("CLIENT", "SETINFO", "LIB-NAME", "redis-py"),
        command("CLIENT", "SETINFO", "LIB-VER", "8.1.0"),
        command("GET", "hunter2"),
    ),
    "ioredis 6": (
        command("hello", "3"),
        command("client", "SETINFO", "LIB-VER", "6.0.0") + command("client", "SETINFO", "LIB-NAME", "ioredis"),
    ),
    "ioredis, before SETINFO": (command("info"), command("get", "hunter2")),
    "redis-cli 7": (command("get", "hunter2"),),
    "PyMySQL 1.2": (login("_client_name", "pymysql", "_client_version", "1.2.4", "_pid", "6331"),),
    "mysql2 3.24": (login("_client_name", "Node-MySQL-2", "_client_version", "3.24.6"),),
    "PyMySQL 1.2, told to log in another way": (
        login("_client_name", "pymysql", "_client_version", "1.2.4", "_pid", "6331"),
        b"\x14\x00\x00\x03" + b"\x99" * 20,
    ),
    "grpc-go 1.33": (call("8386 7a8b 9acac8b4c7602bb2caecff 5f8b 1d75d0620d263d4c4d6564".replace(" ", "")),),
    "@grpc/grpc-js 1": (call("8386 7a8e 9acac8b54790ab74435c2d2eef5f 5f8b 1d75d0620d263d4c4d6564".replace(" ", "")),),
    "grpcio 1.85": (call("8386" + b"\x40\x0ccontent-type\x10application/grpcz\x12grpc-python/1.85.3".hex()),),
    "a gRPC library of one's own": (call("83865f8b1d75d0620d263d4c4d6564"),),
    "HTTP/2, no gRPC": (call("838684410f7777772e6578616d706c652e636f6d"),),
}
# The product, or the first of those that it may be, or what no entry is for.
TOLD = {
    "psycopg 3.3": "psycopg-pool?",
    "psycopg 3.3, sslmode=disable": "psycopg-pool?",
    "psycopg 3.3, client_encoding": "psycopg-pool?",
    "psql 15": "a program of PostgreSQL's own (psql, pgbench, pg_dump)",
    "asyncpg 0.32": "asyncpg",
    "pg 8": "node-pg",
    "pg 8, trust": "node-pg?",
    "postgres.js 3": "postgres.js on Node.js",
    "JDBC 42.7": "hikaricp?",
    "redis-py 8.1": "redis-py",
    "ioredis 6": "ioredis",
    "ioredis, before SETINFO": "ioredis",
    "redis-cli 7": "unknown client",
    "PyMySQL 1.2": "sqlalchemy?",
    "mysql2 3.24": "mysql2 on Node.js",
    "PyMySQL 1.2, told to log in another way": "sqlalchemy?",
    "grpc-go 1.33": "grpc-go",
    "@grpc/grpc-js 1": "gRPC for Node.js",
    "grpcio 1.85": "grpc-python",
    "a gRPC library of one's own": "grpc-go?",
    "HTTP/2, no gRPC": "grpc-go?",
}


def script(said: tuple[bytes, ...], greeting: bool) -> str:
    lines = ["> S", "< S.", "> ."]
    lines += ["< P. $greeting"] if greeting else []
    for number in range(len(said)):
        lines += [f"> P. $m{number}", '< P. "ok"']
    return "\n".join([*lines, "> F.", "< F.", "> ."])


def written(folder: Path, program: str) -> Path:
    said = SAID[program]
    payloads = {f"m{number}": message for number, message in enumerate(said)}
    text = script(said, "SQL" in program or "mysql" in program)
    path = folder / "one.pcap"
    path.write_bytes(capture(packets_of(text, greeting=GREETING, **payloads)))
    return path


def summary(program: Program | None) -> str:
    assert program is not None
    return program.product or (f"{program.candidates[0]}?" if program.candidates else program.name)


@pytest.mark.parametrize("program", SAID)
def test_a_client_is_told_by_how_it_introduces_itself(program: str, tmp_path: Path) -> None:
    (pool,) = analyze([str(written(tmp_path, program))], Options()).pools
    assert summary(pool.client_program) == TOLD[program]


def test_the_library_says_its_version(tmp_path: Path) -> None:
    (pool,) = analyze([str(written(tmp_path, "redis-py 8.1"))], Options()).pools
    assert pool.client_program is not None
    assert pool.client_program.version == "8.1.0"


@pytest.mark.parametrize("program", SAID)
def test_of_users_passwords_and_keys_nothing_is_kept(program: str) -> None:
    for message in SAID[program]:
        kept = b"".join(
            (
                *introductions.startup(message, True),
                introductions.scram(message),
                introductions.redis(message),
                *introductions.mysql(message),
                introductions.grpc(message),
            )
        )
        assert b"hunter2" not in kept
        assert len(kept) < 200


@pytest.mark.parametrize("program", [name for name in SAID if name.startswith(("psycopg", "pg 8", "asyncpg"))])
def test_a_startup_message_that_the_snaplen_cut_is_no_sign(program: str) -> None:
    message = next(one for one in SAID[program] if one[4:8] == b"\x00\x03\x00\x00")
    for size in range(8, len(message)):
        names, values = introductions.startup(message[:size], False)
        assert names.endswith(b"...")
        assert b"hunter2" not in names + values


def test_garbage_introduces_nobody() -> None:
    assert introductions.startup(b"\x00\x00\x00\x20\x00\x03\x00\x00\xff\xfe\x00x\x00\x00", True) == (b"", b"")
    assert introductions.mysql(b"\x00" * 40 + b"\x0c_client_name\xfb") == (b"_client_name", b"")
    assert introductions.redis(b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n$99\r\nx\r\n") == b""
    assert introductions.scram(b"p\x00\x00\x00\x0chunter2\x00") == b""


def test_every_driver_that_has_an_entry_is_a_client_of_its_protocol() -> None:
    known = catalog.load().products
    for driver in drivers():
        for product in driver.products:
            assert known[product].role == "client"
            assert driver.protocol == "http2" or known[product].speaks(driver.protocol)


def test_names_alone_in_another_protocol_are_no_sign() -> None:
    assert recognise_driver("mysql", ["client_encoding", "user", "database"], {"client_encoding": "'utf-8'"}) is None
    assert recognise_driver("postgres", ["user", "database"], {}, whole=False) is None
