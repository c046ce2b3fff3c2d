"""Laws of the packet path that no type checker knows: repeated numbers, declarations, columns."""

from __future__ import annotations

import ast
import re
from enum import IntEnum
from pathlib import Path

import pytest
from expectations import Row
from notation import play

import pcapdiag
from pcapdiag.connections import rows as connection_rows
from pcapdiag.exchanges import rows as exchange_rows
from pcapdiag.model import flags, words

ROOT = Path(pcapdiag.__file__).parent
STAGES = ("packets", "segments", "connections", "exchanges")
COMPILED = sorted(path for stage in STAGES for path in (ROOT / stage).glob("*.pxd"))
# Modules of the packet path that are not in the way of every packet.
INTERPRETED = {"rare.py", "source.py", "pcapng_blocks.py", "introductions.py", "__init__.py"}


def named(path: Path) -> str:
    return f"{path.parent.name}.{path.stem}"


def constants(path: Path) -> dict[str, int]:
    """The private integer constants of a module: compiled, they are no attributes, so its source is read."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.startswith("_") and isinstance(node.value, ast.Constant) and type(node.value.value) is int:
                found[name] = node.value.value
    return found


class Flag(IntEnum):
    """model.flags as an enumeration."""

    locals().update({name: bit for name, bit in vars(flags).items() if name.isupper() and type(bit) is int})


# Which words each module repeats as numbers, and its own constants that only look like one of them.
REPEATED: dict[str, tuple[list[type[IntEnum]], set[str]]] = {
    "connections.states": ([words.TcpState, words.Side, words.Opening], set()),
    "connections.tracker": ([words.Side, words.Protocol], set()),
    "exchanges.choose": ([words.Side, words.Protocol], set()),
    "exchanges.framer": ([words.Side, words.Protocol, words.Count, Flag], set()),
    "exchanges.http1": ([words.Side, words.Protocol, words.Count, words.Mismatch, Flag], {"_UNTIL_CLOSE"}),
    "exchanges.tls": ([words.Side, words.Protocol, words.Mismatch, Flag], set()),
}


@pytest.mark.parametrize("module", REPEATED)
def test_a_number_that_stands_for_a_word_is_the_words(module: str) -> None:
    enumerations, exceptions = REPEATED[module]
    found = constants(ROOT / (module.replace(".", "/") + ".py"))
    checked = 0
    for name, value in found.items():
        word = name.removeprefix("_").removesuffix("_FLAG")
        for enumeration in enumerations:
            if word in enumeration.__members__ and name not in exceptions:
                assert value == enumeration[word], f"{module}.{name}"
                checked += 1
    assert checked >= 3


def test_the_methods_are_numbered_as_the_model_says() -> None:
    source = (ROOT / "exchanges/head.py").read_text(encoding="utf-8")
    table = re.search(r"_METHODS = (\{.*?\})", source, re.DOTALL)
    assert table is not None
    numbers = ast.literal_eval(table[1])
    assert {method.decode(): number for method, number in numbers.items()} == {
        method: number for number, method in enumerate(flags.METHODS) if method
    }


# -- the two tables


@pytest.mark.parametrize(
    "table",
    [
        (connection_rows, connection_rows.ConnectionRows, 19, 51),
        (exchange_rows, exchange_rows.ExchangeRows, 6, 12),
    ],
    ids=["connections", "exchanges"],
)
def test_a_row_is_as_wide_as_its_list_of_columns(table: tuple[object, type, int, int]) -> None:
    module, kind, _, _ = table
    rows = kind()
    wide, narrow = module.WIDE, module.NARROW  # type: ignore[attr-defined]
    assert len(rows.wide_buffer) == len(wide) * rows.room
    assert len(rows.narrow_buffer) == len(narrow) * rows.room
    assert len({*wide, *narrow}) == len(wide) + len(narrow)


def test_the_connection_rows_constants_are_the_lengths_of_the_lists() -> None:
    found = constants(ROOT / "connections/rows.py")
    assert found["_WIDE"] == len(connection_rows.WIDE)
    assert found["_NARROW"] == len(connection_rows.NARROW)


def test_every_column_comes_back_under_its_own_name() -> None:
    """One conversation in which nearly every column differs from its neighbors."""
    result = play(
        """
        options isn 111 222
        > S win 1000 wscale 2
        > S win 1000 wscale 2
        +0.010 < S. win 2000 wscale 3
        +0.002 > . win 900
        +1 > . 0:0(0) win 900
        > P. GET / [User-Agent: ua] win 950 copy ttl 63
        +0.003 < P. 103
        +0.003 < P. 200 (500/1000) [Server: sv] [Keep-Alive: timeout=7, max=9] cut 300
        < . 609:1109(500) lost
        +0.1 > . win 0
        +0.1 > P. POST /b (3) [Connection: close] win 700
        +0.2 > again win 650
        +0.2 < P. 404 (20) [Connection: close]
        +0.5 < F. win 0
        +0.1 > F. win 600
        +0.1 < R
        """
    )
    row = dict(result.connections[0])
    start = row.pop("first_at")
    for name in list(row):
        if name.endswith("_at"):
            row[name] = (row[name] - start) // 1_000_000 if row[name] else 0
    assert set(row) | {"first_at"} == {*connection_rows.WIDE, *connection_rows.NARROW}
    expected: Row = {
        "number": 1,
        "client_ip": "10.0.0.1",
        "server_ip": "10.0.0.2",
        "client_port": 40_000,
        "server_port": 80,
        "opening": "handshake",
        "roles_inferred": 0,
        "syn_count": 2,
        "synack_count": 1,
        "rtt_ns": 12_000_000,
        "client_isn": 111,
        "server_isn": 222,
        "client_bytes": 113,
        "server_bytes": 692,
        "client_gap_bytes": 0,
        "server_gap_bytes": 500,
        "truncated_bytes": 283,
        "last_at": 2321,
        "established_at": 13,
        "client_fin_at": 2221,
        "server_fin_at": 2121,
        "client_rst_at": 0,
        "server_rst_at": 2321,
        "close_at": 2121,
        "last_exchange_at": 1621,
        "client_last_data_at": 1221,
        "server_last_data_at": 1621,
        "first_frame": 1,
        "last_frame": 16,
        "close_frame": 14,
        "client_fin_frame": 15,
        "server_fin_frame": 14,
        "client_rst_frame": 0,
        "server_rst_frame": 16,
        "client_packets": 9,
        "server_packets": 6,
        "client_data_packets": 3,
        "server_data_packets": 3,
        "client_retransmitted": 2,
        "server_retransmitted": 0,
        "client_out_of_order": 0,
        "server_out_of_order": 0,
        "client_zero_window": 1,
        "server_zero_window": 0,
        "client_keepalive_probes": 1,
        "server_keepalive_probes": 0,
        "closer": "server",
        "initiator": "server",
        "close_kind": "fin",
        "requests": 2,
        "responses": 2,
        "basis": "exact",
        "open_request": 0,
        "protocol": "http1",
        "goodbye": "none",
        "client_state": "CLOSED",
        "server_state": "CLOSED",
        "conn_state": "RSTR",
        "completeness": 63,
        "duplicates": 1,
        "client_window": 2_400,
        "client_window_high": 3_800,
        "host": "a",
        "user_agent": "ua",
        "header_order": "Host,User-Agent",
        "server_software": "sv",
        "sni": None,
        "alpn": None,
        "request_values": None,
        "ja4": None,
        "history": "ShADdWgTfFr",
        "syn_at": 1,
        "synack_at": 11,
        "server_fin_acked_at": 2221,
        "client_fin_answers": 1,
        "server_rtt_ns": 10_000_000,
        "client_shut_ns": 100_000_000,
        "client_largest": 70,
        "server_largest": 583,
        "client_resent_low": 70,
        "client_resent_run": 1,
        "client_resent": 1,
        "client_hops": 64,
        "server_hops": 64,
        "server_rst_hops": 64,
        "client_probe_ns": 1_000_000_000,
        "client_options": 0x13,
        "server_options": 0x13,
        "response_order": "Content-Length,Server,Keep-Alive",
        "response_values": "keep-alive: timeout=7, max=9",
    }
    # Those for which a conversation of their own is played in test_tracker_symptoms.py, test_tracker_closing.py and
    # test_signs.py.
    zeros = {name for name in row if name not in expected}
    assert {row[name] for name in zeros} == {0}
    assert len(zeros) == 33
    assert {name: row[name] for name in expected} == expected


def test_every_exchange_column_comes_back_under_its_own_name() -> None:
    result = play(
        """
        > S
        < S.
        > .
        > P. GET /
        < P. 200 (0)
        > P. POST / (0/50) [Expect: 100-continue]
        +0.010 < P. 100
        +0.010 > P. "x"*50
        +0.030 < P. 201 (100/300) [Keep-Alive: timeout=7, max=9]
        +0.040 < P. "x"*200
        """
    )
    x = dict(result.exchanges[1])
    start = result.connections[0]["first_at"]
    for name in list(x):
        if name.endswith("_at"):
            x[name] = (x[name] - start) // 1_000_000
    assert x == {
        "connection": 0,
        "index": 1,
        "request_first_at": 5,
        "request_last_at": 25,
        "response_first_at": 55,
        "response_last_at": 95,
        "request_bytes": 120,
        "response_bytes": 401,
        "request_first_frame": 6,
        "request_last_frame": 8,
        "response_first_frame": 9,
        "response_last_frame": 10,
        "method": 3,
        "status": 201,
        "flags": flags.REQUEST_COMPLETE
        | flags.RESPONSE_COMPLETE
        | flags.REQUEST_SEEN
        | flags.RESPONSE_SEEN
        | flags.EXPECT,
        "interim": 1,
        "keepalive_timeout": 7,
        "keepalive_max": 9,
    }
    assert set(x) == {*exchange_rows.WIDE, *exchange_rows.NARROW}


def test_the_tables_grow_beyond_their_first_room() -> None:
    """More connections than ConnectionRows starts with, more exchanges than ExchangeRows does."""
    lines = []
    for number in range(600):
        lines.append(f"connection c{number} port {1_000 + number}\n>c{number} S\n<c{number} S.\n>c{number} .")
        for _ in range(1 + number % 4):
            lines.append(f">c{number} P. GET /\n<c{number} P. {200 + number % 4} (0)")
    result = play("\n".join(lines))
    assert [c["client_port"] for c in result.connections] == list(range(1_000, 1_600))
    assert [c["number"] for c in result.connections] == list(range(1, 601))
    assert [c["requests"] for c in result.connections] == [1 + n % 4 for n in range(600)]
    assert len(result.exchanges) == 1_500
    assert all(x["status"] == 200 + x["connection"] % 4 for x in result.exchanges)
    assert [x["index"] for x in result.of(4)] == [0, 1, 2, 3]


# -- declarations


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_in_the_way_of_a_packet_is_compiled(stage: str) -> None:
    modules = {path.name for path in (ROOT / stage).glob("*.py")} - INTERPRETED
    assert modules == {path.stem + ".py" for path in COMPILED if path.parent.name == stage}


def declared(pxd: Path) -> dict[str, tuple[str, set[str], set[str]]]:
    """Classes of a .pxd: base, attributes, methods."""
    classes: dict[str, tuple[str, set[str], set[str]]] = {}
    current = ""
    text = re.sub(r"\(\s*[^()]*\)", lambda m: m[0].replace("\n", " "), pxd.read_text(encoding="utf-8"))
    for line in text.split("\n"):
        if match := re.match(r"cdef class (\w+)(?:\((\w+)\))?:", line):
            current = match[1]
            classes[current] = (match[2] or "", set(), set())
        elif match := re.match(r"    cp?def (?:.*? )?(\w+)\(self", line):
            classes[current][2].add(match[1])
        elif match := re.match(
            r"    cdef (?:public )?(?:(?:unsigned |const )?(?:long long|char|\w+)(?:\[::1\])?) (.*)", line
        ):
            classes[current][1].update(name.strip() for name in match[1].split(","))
        elif line and not line.startswith(" "):
            current = ""
    return classes


def all_declared() -> dict[str, tuple[str, set[str], set[str]]]:
    return {name: parts for pxd in COMPILED for name, parts in declared(pxd).items()}


@pytest.mark.parametrize("pxd", COMPILED, ids=named)
def test_every_class_and_attribute_of_a_compiled_module_is_declared(pxd: Path) -> None:
    """An undeclared attribute works interpreted and raises compiled."""
    known = all_declared()
    for node in ast.parse(pxd.with_suffix(".py").read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        assert node.name in declared(pxd), f"{named(pxd)}: class {node.name} is not declared"
        attributes: set[str] = set()
        name = node.name
        while name:
            base, own, _ = known[name]
            attributes |= own
            name = base
        assigned = {
            target.attr
            for inner in ast.walk(node)
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)
            for target in [inner]
            if isinstance(target.value, ast.Name) and target.value.id == "self"
        }
        assert assigned <= attributes, f"{named(pxd)}: {node.name}.{assigned - attributes} not declared"


@pytest.mark.parametrize("pxd", COMPILED, ids=named)
def test_every_declaration_of_a_compiled_module_has_its_code(pxd: Path) -> None:
    tree = ast.parse(pxd.with_suffix(".py").read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for name, (_, _, methods) in declared(pxd).items():
        assert name in classes
        written = {node.name for node in classes[name].body if isinstance(node, ast.FunctionDef)}
        assert methods <= written, f"{named(pxd)}: {name}.{methods - written} declared, not written"


@pytest.mark.parametrize("pxd", COMPILED, ids=named)
def test_every_private_number_of_a_compiled_module_is_a_c_number(pxd: Path) -> None:
    text = pxd.read_text(encoding="utf-8")
    missing = [name for name in constants(pxd.with_suffix(".py")) if not re.search(rf"\b{name}\b", text)]
    assert missing == []
