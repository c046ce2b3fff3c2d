"""A redacted report names nothing that the capture names, and says the same."""

from __future__ import annotations

import dataclasses
import json
import re
import struct
import time
from collections.abc import Callable, Iterator
from functools import cache
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

import pytest
import wire
from analyses import NAMES, path_of, report_of
from test_recognition import GO
from test_tls import client_hello, server_hello

import pcapdiag
from pcapdiag import counting, pipeline, proving
from pcapdiag.cli import main
from pcapdiag.interchange.csv import csv
from pcapdiag.interchange.findings import findings as findings_table
from pcapdiag.model.figures import Ladder, Rung
from pcapdiag.model.report import Endpoint, FrameRef, Report
from pcapdiag.model.tables import ConnectionTable
from pcapdiag.pipeline import Options
from pcapdiag.redacting import Names, spare
from pcapdiag.reports import html, json_connection, json_states, markdown, text, text_connection
from pcapdiag.reports import json as json_report

MS = 1_000_000


# -- captures whose names are hard to replace


def conversation(
    client: str, server: str, port: int, requests: list[tuple[bytes, bytes]], at: int, opened_by: int = 40_000
) -> Iterator[wire.Packet]:
    """One connection: its handshake, requests with their responses, closed by the client."""
    sequence = [1_000_000 + at % 1_000_003, 5_000_000 + at % 1_000_033]

    def packet(by_client: bool, flags: int, payload: bytes = b"") -> wire.Packet:
        nonlocal at
        one, other = (0, 1) if by_client else (1, 0)
        ends, ports = ((client, server), (opened_by, port)) if by_client else ((server, client), (port, opened_by))
        segment = wire.tcp(*ends, ports, sequence[one], sequence[other] if flags & 16 else 0, flags, payload)
        sequence[one] += len(payload) + bool(flags & 3)
        at += MS
        return wire.Packet(wire.link((wire.ipv6 if ":" in client else wire.ipv4)(*ends, segment)), at)

    yield packet(True, 2)
    yield packet(False, 18)
    yield packet(True, 16)
    for request, response in requests:
        yield packet(True, 24, request)
        yield packet(False, 24, response)
    yield packet(True, 17)
    yield packet(False, 17)
    yield packet(True, 16)


def exchange(host: bytes, agent: bytes = b"curl/8.0", server: bytes = b"nginx/1.22.1") -> tuple[bytes, bytes]:
    request = b"GET /payroll?secret=1 HTTP/1.1\r\nHost: " + host + b"\r\nUser-Agent: " + agent + b"\r\n\r\n"
    return request, b"HTTP/1.1 200 OK\r\nServer: " + server + b"\r\nContent-Length: 0\r\n\r\n"


HOSTS = [
    b"api.example.com",
    b"API.example.com:8443",
    b"example.com",
    b"com",
    b"my-api.example.com",
    b"10.0.0.1:8081",
    b"10.9.9.9",
    b"[2001:db8:7::5]:8443",
    b"[fe80::1%25eth0]",
    b"host-1.example",
    b"host-2",
    b"secret_box",
    b"payments.",
    b"xn--bcher-kva.corp",
    b"two words.corp",
    b"<b>bold.corp</b>",
    b"\xffbytes.corp\x1b[2J",
    b"a" * 200 + b".corp",
    b"user@inside.corp",
    b"x'y\".corp",
    b"-dash.corp-",
    b"999.999.1.1.corp",
]
AGENTS = [
    b"acme-billing/3.1 (+https://wiki.acme-corp.com/billing?x=1#y; ops@acme-corp.com)",
    b"Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0 Safari/537.36",
    b"worker from 10.0.0.12 behind fd00:1::12",
    b"com.acme-corp.shop/2.0 CFNetwork/1404",
    b"curl/8.0 payments secret_box",
    b"\x1b[31m evil.acme-corp.com",
]
SECRETS = [
    "example.com", "secret_box", "payments", "kva.corp", "words.corp", "bold.corp", "bytes.corp", "aaaa.corp",
    "inside.corp", ".corp", "acme-corp", "wiki", "ops@", "fd00:1", "2001:db8:7", "fe80", "10.0.0.", "10.9.9.9",
    "payroll", "billing?x", "sni-only", "friday-incident", "/home/",
]  # fmt: skip


@cache
def hostile() -> bytes:
    """Names that are parts of others, look like other things, or are written to break what searches for them."""
    packets: list[wire.Packet] = []
    at = wire.START
    for number, host in enumerate(HOSTS * 4):
        client = f"10.0.0.{1 + number % 13}"
        exchanges = [exchange(host, AGENTS[number % len(AGENTS)])]
        packets += conversation(client, "10.0.0.100", 8081, exchanges, at, 40_000 + number)
        packets += conversation("fd00:1::12", "fd00:1::1", 80, exchanges, at + 20 * MS, 40_000 + number)
        at += 50 * MS
    alert = b"\x15\x03\x03\0\x02\x02\x30"  # fatal, unknown_ca
    for number in range(12):
        names = (b"sni-only.corp", b"API.example.com", b"sni-only", b"10.0.0.7")
        hello = client_hello(names[number % 4], (b"h2",))
        turn = [(hello, server_hello(tls13=False)), (alert, b"")]
        packets += [one for one in conversation("10.0.0.2", "10.0.0.200", 443, turn, at, 50_000 + number) if one.data]
        at += 50 * MS
    return wire.pcap(packets)


@cache
def scan() -> bytes:
    """More addresses than the networks for documentation have, some of those among them."""
    packets: list[wire.Packet] = []
    for number in range(900):
        server = f"172.20.{number // 250}.{1 + number % 250}" if number % 9 else f"192.0.2.{1 + number // 9}"
        packets += conversation("172.16.0.1", server, 80, [exchange(server.encode())], wire.START + number * 20 * MS)
    return wire.pcap(packets)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "friday-incident.pcapng").write_bytes(hostile())
    (tmp_path / "scan.pcap").write_bytes(scan())
    (tmp_path / "friday-incident.cut.pcap").write_bytes(hostile()[:-7])
    return tmp_path


# -- everything that is printed


def outputs(path: str) -> Iterator[tuple[str, str]]:
    """All formats in which a capture can be told, redacted."""
    report = proving.post_mortem({path: path}, Options(redact=True, with_connections=True))
    yield "json", json_report.diagnosis(report, with_connections=True)
    yield "text", text.diagnosis(report, verbose=True, width=200)
    yield "markdown", markdown.diagnosis(report, verbose=True)
    own = r"<script>.*?</script>|<style>.*?</style>"  # the same in every page
    yield "html", re.sub(own, "", html.diagnosis(report), flags=re.DOTALL)
    yield "findings", "".join(csv(findings_table(report)))
    yield "figures", repr(report.figures)
    capture = pcapdiag.read(path, Options(redact=True))
    yield "connections", "".join(csv(capture.connections))
    yield "exchanges", "".join(csv(capture.exchanges))
    yield "info", repr(capture.info)
    sampling = counting.Sampling(by="pool", rows=2)
    yield "states", json_states.document(counting.states(path, Options(redact=True), sampling))


def more_outputs(path: str) -> Iterator[tuple[str, str]]:
    """Those that take as long again."""
    yield "again", json_report.diagnosis(pcapdiag.read(path, Options(redact=True)).analyze(), with_connections=True)
    for by in ("service", "client"):
        sampling = counting.Sampling(by=by, rows=2, with_findings=True)
        yield f"states by {by}", json_states.document(counting.states(path, Options(redact=True), sampling))
    for row in report_rows(path)[:3]:
        one = proving.connection({path: path}, row, redact=True)
        yield "connection", json_connection.document(one) + text_connection.connection(one, width=200, verbose=True)
    yield "whatif", repr(pcapdiag.whatif(path, (), Options(redact=True)))


def report_rows(path: str) -> list[int]:
    """The numbers of a capture's connections."""
    return pipeline.read_tables([path]).connections.number.tolist()


def originals(table: ConnectionTable) -> set[str]:
    """Addresses and dotted hosts of a capture, as they would be printed."""
    ips = {table.address(index) for name in ("client_ip", "server_ip") for index in table.columns[name].tolist()}
    hosts = {table.text(index) or "" for name in ("host", "sni") for index in table.columns[name].tolist()}
    names = {re.sub(r":\d+$", "", host) for host in hosts}
    return ips | {name for name in names if "." in name}


def single(table: ConnectionTable) -> set[str]:
    """Hosts that are a word, which may well be one of ours."""
    hosts = {table.text(index) or "" for name in ("host", "sni") for index in table.columns[name].tolist()}
    return {host for host in hosts if host and "." not in host}


def alone(word: str) -> str:
    """The pattern of a word that is no part of another."""
    return rf"(?<![\w.]){re.escape(word)}(?![\w.])"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_capture_is_named(name: str) -> None:
    path = str(path_of(name))
    table = pipeline.read_tables([path]).connections
    secrets = originals(table) | {path, f"{name}.pcap", path_of(name).parent.name + "/"}
    words = single(table)
    for what, output in outputs(path):
        there = [secret for secret in secrets if secret in output and re.search(alone(secret), output)]
        assert not there, what
        if what == "json":
            document = json.loads(output)
            assert words.isdisjoint(pool["host"] for pool in document["pools"])
            assert words.isdisjoint(one["host"] for one in document["connections"])


@pytest.mark.parametrize("name", ["friday-incident.pcapng", "friday-incident.cut.pcap", "scan.pcap"])
def test_nothing_of_a_hostile_capture_is_named(folder: Path, name: str) -> None:
    path = str(folder / name)
    table = pipeline.read_tables([path]).connections
    secrets = [*SECRETS, name, str(folder)] if name != "scan.pcap" else ["172.20.", "172.16.", "scan.pcap"]
    # The cut one differs in its damage alone, the scan in its addresses.
    more = more_outputs(path) if name == "friday-incident.pcapng" else ()
    for what, output in (*outputs(path), *more):
        assert not [secret for secret in secrets if secret.lower() in output.lower()], what
    assert len({table.address(index) for index in table.server_ip.tolist()}) >= 3


def test_the_hostile_captures_are_drawn(folder: Path) -> None:
    path = str(folder / "friday-incident.pcapng")
    said = []
    for redact in (False, True):
        figures = proving.post_mortem({path: path}, Options(redact=redact)).figures
        assert figures is not None
        said.append([rung.text for ladder in figures.ladders for rung in ladder.rungs])
    assert any("/payroll" in text for text in said[0])
    assert any("/path-1" in text for text in said[1])
    assert any("ClientHello sni-only" in text for text in said[0])
    assert any("ClientHello host-" in text for text in said[1])


def test_a_connection_of_a_redacted_ladder_is_called_as_in_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(path_of("requests-four-services"))
    assert main(["connection", "--redact", path, "3"]) == 0
    said = capsys.readouterr().out
    row = pcapdiag.analyze(path, Options(redact=True, with_connections=True)).connections[2]
    assert said.startswith(f"Connection 3: {row.client} -> {row.server}")
    assert "10.71." not in said


def test_damage_is_told_of_the_file_by_its_new_name(folder: Path) -> None:
    report = pcapdiag.analyze(str(folder / "friday-incident.cut.pcap"), Options(redact=True))
    assert report.capture.files == ("capture-1.pcap",)
    (line,) = report.capture.quality.damage
    assert line.startswith("capture-1.pcap ends inside a record")


def test_frames_of_several_files_name_the_new_ones(folder: Path) -> None:
    talk = conversation("172.16.0.1", "172.20.0.1", 80, [exchange(b"other.corp")], wire.START + MS // 2)
    (folder / "few.pcap").write_bytes(wire.pcap(list(talk)))
    paths = [str(folder / "friday-incident.pcapng"), str(folder / "few.pcap")]
    plain, report = (pcapdiag.analyze(paths, Options(redact=redact, with_connections=True)) for redact in (False, True))
    there = dict(zip(plain.capture.files, report.capture.files, strict=True))
    assert sorted(report.capture.files) in (
        ["capture-1.pcap", "capture-2.pcapng"],
        ["capture-1.pcapng", "capture-2.pcap"],
    )
    for one, other in zip(plain.connections, report.connections, strict=True):
        assert other.first_frame == FrameRef(one.first_frame.number, there[one.first_frame.file or ""])


# -- what stays


def judged(report: Report) -> object:
    """A report without names."""
    return (
        report.verdict.healthy,
        report.connection_count,
        [
            (one.code, one.severity, one.confidence, one.pools, one.measured.keys(), [claim.cause for claim in one.causes])
            for one in report.findings
        ],
        [
            [(advice.name, advice.product, advice.recommended, advice.snippet) for advice in claim.settings]
            for one in report.findings
            for claim in one.causes
        ],
        [
            (
                pool.id,
                pool.connections,
                pool.requests,
                pool.inferred,
                pool.closers,
                # The reason may quote a host.
                [one and dataclasses.replace(one, reason="") for one in (pool.client_program, pool.server_program)],
            )
            for pool in report.pools
        ],
        report.not_evaluated,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_redacted_report_says_the_same(name: str) -> None:
    redacted = pcapdiag.analyze(str(path_of(name)), Options(redact=True, with_connections=True))
    plain = report_of(name)
    assert judged(redacted) == judged(plain)
    for one, other in zip(plain.connections, redacted.connections, strict=True):
        assert (one.client.port, one.server.port, one.opened_at, one.requests) == (
            other.client.port, other.server.port, other.opened_at, other.requests,
        )  # fmt: skip
        assert (one.host is None, one.sni is None) == (other.host is None, other.sni is None)


@pytest.mark.parametrize("capture", [hostile, scan])
def test_one_name_becomes_one_name(folder: Path, capture: Callable[[], bytes]) -> None:
    (folder / "x.pcap").write_bytes(capture())
    plain, report = (
        pcapdiag.analyze(str(folder / "x.pcap"), Options(redact=redact, with_connections=True))
        for redact in (False, True)
    )
    became: dict[str, set[str]] = {}
    for one, other in zip(plain.connections, report.connections, strict=True):
        for old, new in ((one.client.ip, other.client.ip), (one.server.ip, other.server.ip)):
            became.setdefault(old, set()).add(new)
    assert all(len(news) == 1 for news in became.values())
    news = [new for (new,) in became.values()]
    assert len(set(news)) == len(became)
    assert set(news).isdisjoint(became)
    assert all((":" in old) == (":" in new) for old, (new,) in became.items())


def test_filters_are_of_the_old_names(folder: Path) -> None:
    report = pcapdiag.analyze(str(folder / "friday-incident.pcapng"), Options(redact=True, client="10.0.0.2"))
    assert {pool.client_ip for pool in report.pools} == {"192.0.2.3"}  # client, server, and the next client


# -- names by themselves


def names(*hosts: str, files: tuple[str, ...] = ()) -> Names:
    """The names of a capture in which 10.0.0.1 asked 10.0.0.12 for these hosts."""
    import numpy as np

    strings = [b"", ip_address("10.0.0.1").packed, ip_address("10.0.0.12").packed, *(host.encode() for host in hosts)]
    count = max(len(hosts), 1)
    nothing = np.zeros(count, dtype=np.int64)
    columns = {"client_ip": nothing + 1, "server_ip": nothing + 2, "sni": nothing, "user_agent": nothing}
    columns |= {"server_software": nothing, "host": np.arange(count) + 3 if hosts else nothing}
    return Names(ConnectionTable(columns, strings), files)


def test_addresses_come_in_order_of_appearance() -> None:
    told = names()
    assert [told.address(one) for one in ("10.0.0.12", "10.0.0.1", "10.0.0.5", "::1", "fd00::2")] == [
        "192.0.2.2", "192.0.2.1", "192.0.2.3", "2001:db8::1", "2001:db8::2",
    ]  # fmt: skip


def test_behind_the_networks_for_documentation_come_those_for_tests() -> None:
    given = list(map(str, map(ip_address, islice(spare(("192.0.2.0/24", "198.18.0.0/15"), set()), 256))))
    assert given[0] == "192.0.2.1"
    assert given[254] == "198.18.0.1"
    assert "192.0.2.9" not in [
        str(ip_address(one)) for one in spare(("192.0.2.0/28",), {struct.pack(">4B", 192, 0, 2, 9)})
    ]


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("api.example.com", "host-1.example"),
        ("API.example.com.", "host-1.example"),
        ("api.example.com:8443", "host-1.example:8443"),
        ("example.com", "host-2.example"),
        ("backend", "host-3"),
        ("backend:81", "host-3:81"),
        ("10.0.0.1:8081", "192.0.2.1:8081"),
        ("[fd00::1]:8081", "[2001:db8::1]:8081"),
        ("", ""),
    ],
)
def test_a_host_keeps_its_kind_and_its_port(host: str, shown: str) -> None:
    assert names("api.example.com", "example.com", "backend").host(host) == shown


def test_a_name_that_the_capture_has_is_not_given_to_another() -> None:
    told = names("api.corp", "host-2.example", "shop.corp")
    assert [told.host(one) for one in ("api.corp", "host-2.example", "shop.corp")] == [
        "host-1.example", "host-3.example", "host-4.example",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Go-http-client/1.1", "Go-http-client/1.1"),
        ("Mozilla/5.0 (X11) Chrome/120.0.0.0", "Mozilla/5.0 (X11) Chrome/120.0.0.0"),
        ("Apache-HttpClient/4.5.14 (Java/17.0.15)", "Apache-HttpClient/4.5.14 (Java/17.0.15)"),
        ("Node.js/20 ASP.NET netty 4.1.100.Final", "Node.js/20 ASP.NET netty 4.1.100.Final"),
        ("bot (+http://a.corp:81/x?y)", "bot (+http://host-2.example:81/)"),
        ("bot (ops@a.corp)", "bot (someone@host-2.example)"),
        ("com.acme.shop/2.0", "host-2.example/2.0"),
        ("from 10.0.0.1 and 10.0.0.12.", "from 192.0.2.1 and 192.0.2.2."),
        ("x/10.0.0.12", "x/192.0.2.2"),
        ("via fd00::1, LWP::Simple 12:30:05", "via 2001:db8::1, LWP::Simple 12:30:05"),
        ("backend worker", "host-1 worker"),
        ("backend/1.0", "backend/1.0"),
        ("got (https://github.com/sindresorhus/got)", "got (https://host-2.example/)"),
    ],
)
def test_what_programs_call_themselves_stays_and_where_they_are_goes(said: str, shown: str) -> None:
    assert names("backend").program(said) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("GET /orders/17 HTTP/1.1", "GET /path-1 HTTP/1.1"),
        ("GET / HTTP/1.1, Connection: close", "GET / HTTP/1.1, Connection: close"),
        ("OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"),
        ("GET http://api.corp:81/x HTTP/1.1", "GET http://host-1.example:81/path-1 HTTP/1.1"),
        ("CONNECT api.corp:443 HTTP/1.1", "CONNECT host-1.example:443 HTTP/1.1"),
        ("CONNECT inside:443", "CONNECT host-2:443"),
        ("GET /cut", "GET /path-1"),
        ("ClientHello api.corp", "ClientHello host-1.example"),
        ("ClientHello other.corp", "ClientHello host-2.example"),
        ("200 OK, Connection: close", "200 OK, Connection: close"),
        ("TLS data", "TLS data"),
        ("SYN, ACK", "SYN, ACK"),
        ("503 see 10.0.0.12", "503 see 192.0.2.2"),
    ],
)
def test_a_ladder_loses_targets_and_names(said: str, shown: str) -> None:
    assert names("api.corp").said(said) == shown


def test_a_path_is_the_same_in_every_rung() -> None:
    told = names("api.corp")
    texts = ("GET /a HTTP/1.1", "GET /b HTTP/1.1", "GET /a HTTP/1.1")
    rungs = tuple(Rung(at, "client", (FrameRef(1),), "P.", 1, 1, 9, one) for at, one in enumerate(texts))
    before = Ladder(1, Endpoint("10.0.0.1", 4), Endpoint("10.0.0.12", 80), "p1", rungs, 0, ())
    after = told.ladder(before)
    assert [one.text for one in after.rungs] == ["GET /path-1 HTTP/1.1", "GET /path-2 HTTP/1.1", "GET /path-1 HTTP/1.1"]
    assert (after.client, after.server) == (Endpoint("192.0.2.1", 4), Endpoint("192.0.2.2", 80))


def test_files_keep_what_they_end_with() -> None:
    told = names(files=("a/b.pcapng.gz", "-", "a/b", "c.CAP"))
    assert told.files == {
        "a/b.pcapng.gz": "capture-1.pcapng.gz",
        "a/b": "capture-2.pcap",
        "c.CAP": "capture-3.cap",
        "-": "-",
        "standard input": "standard input",
    }


def test_what_is_said_of_a_file_is_said_of_its_new_name(folder: Path) -> None:
    tables = pipeline.read_tables([str(folder / "scan.pcap")])
    counters = dataclasses.replace(
        tables.counters,
        file_starts=[(0, "a/b.pcapng"), (1, "a/b")],
        damage=["a/b.pcapng ends inside", "a/b: 3 more", "elsewhere"],
    )
    called = pipeline.files_called(
        dataclasses.replace(tables, counters=counters), {"a/b": "x", "a/b.pcapng": "y"}
    ).counters
    assert called.damage == ["y ends inside", "x: 3 more", "elsewhere"]
    assert called.file_starts == [(0, "y"), (1, "x")]


def test_programs_are_still_recognised() -> None:
    from pcapdiag.settings import catalog

    for agent in ("got (https://github.com/sindresorhus/got)", "k6/0.49.0 (https://k6.io/)", "okhttp/5.4.0"):
        plain = catalog.recognise_client(agent, GO)
        assert catalog.recognise_client(names().program(agent), GO).product_id == plain.product_id


# -- the command line


@pytest.mark.parametrize("command", ["diagnose", "connections", "exchanges", "findings", "states", "whatif"])
def test_every_command_that_tells_of_packets_can_redact(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--redact", "friday-incident.pcapng"]) == 0
    printed = capsys.readouterr().out
    assert "10.0.0." not in printed
    assert "friday" not in printed
    assert main([command, "friday-incident.pcapng"]) == 0
    assert "10.0.0." in (plain := capsys.readouterr().out) or "friday" in plain or command == "findings"


def test_the_command_to_repeat_names_nothing_either(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--title", "Mine 10.0.0.1", "--client", "10.0.0.0/24", "--port", "8081", "--since", "+0.5"]
    assert main(["diagnose", "--redact", "--format", "markdown", *words, "friday-incident.pcapng"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("# Mine 10.0.0.1\n")  # its author's own words stay
    assert "10.0.0." not in page.removeprefix("# Mine 10.0.0.1\n")
    assert "pcapdiag diagnose --client ADDRESS --port 8081 --since +0.5 capture-1.pcapng" in page


@pytest.mark.parametrize(
    "text", ["a", "-", ".", "a+", "x@", "1:", "a://", "a-", "%", "1.", "[", "a.b-"], ids=lambda text: f"many {text}"
)
def test_a_text_made_to_take_long_takes_no_time(text: str) -> None:
    told = names()
    start = time.perf_counter()
    told.program(text * 50_000)
    told.host(text * 50_000)
    assert time.perf_counter() - start < 2
