"""TOML tables to catalogue entries.  The schema is this module: an unknown key or a wrong type is an error.

A product file is one product at top level, or several as ``[[product]]``, each with its tables beneath it::

    id = "nginx"             # what the settings command takes
    name = "nginx"           # what reports print
    role = "server"          # client, server, kernel or middlebox
    protocols = ["http"]     # what it speaks, http when absent; empty for what works below the protocol
    language = "nginx"       # of its snippets, unless a setting says otherwise
    kind = "http-server"     # a word of data/kinds.toml; absent: the one its role and protocols mean there
    checked = "nginx 1.31.4" # the version that the entries beneath speak of, unless they name another
    common = true            # named where the program is unknown; absent: true in a file of its own, else false

    [[setting]]
    name = "keepalive_timeout"     # as written in code or configuration
    knob = "idle_timeout"          # a word of pcapdiag.model.words.Knob
    unit = "s"                     # what the product takes
    default = "75 s"               # as a person writes it
    default_value = 75             # seconds, connections or requests; absent when there is none
    wire = [75, 75]                # where the default shows, if that is not default_value itself
    wire_note = ""                 # why
    on_wire = true                 # false: closed lazily or off by default, so the wire cannot show it
    history = [{ version = "before 1.19.10", value = "100", wire = [100, 100] }]
    scope = "http, server, location"
    alternative = false            # true: not the first for its knob, but may be what the wire shows
    recommend = "75 s or more"     # when the capture gives no number; may be absent: then the knob's own
    advice = ["One sentence.", "Another, with {peak}."]   # likewise
    sample = 75                    # the snippet's value when the capture gives none
    snippet = "keepalive_timeout {value_s}s;"
    source = "https://..."
    status = "verified: ..."       # or "measured: ...", or "from memory"
    since = "1.19.10"              # the version that first had it; absent when all supported ones do
    checked = "nginx 1.22"         # where it is not the product's

    [setting.advice_for.idle-timeout-none]   # a cause word: advice for that cause alone
    recommend = "..."
    advice = ["..."]

    [[has_none]]                   # a knob the product does not have
    knob = "max_lifetime"          # or knobs = [...], where one reason holds for several
    why = "..."
    source = "https://..."

    [[fact]]                       # worth knowing, but not one of our knobs
    name = "net.ipv4.tcp_fin_timeout"
    default = "60 s"
    text = "..."
    source = "https://..."
    status = "verified: ..."

Placeholders are those of :mod:`pcapdiag.settings.filling`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pcapdiag.model.words import Cause, Knob
from pcapdiag.settings.entries import Absence, Advice, Change, Fact, Product, Setting, Span

DATA = Path(__file__).with_name("data")

PROTOCOLS = ("http", "http2", "redis", "postgres", "mysql")  # http2: without TLS
ROLES = ("client", "server", "kernel", "middlebox")
UNITS = ("s", "ms", "min", "connections", "requests", "switch", "rule", "duration")

# Own file each; read before the compact sets, so that they are named first where products share a default.
MAIN_FILES = (
    "go-net-http.toml",
    "nginx.toml",
    "go-net-http-server.toml",
    "apache.toml",
    "node-http-server.toml",
    "linux.toml",
)
COMPACT_FILES = (
    "common-clients.toml",
    "wrapping-clients.toml",
    "jvm-clients.toml",
    "rust-clients.toml",
    "grpc.toml",
    "common-servers.toml",
    "upstreams.toml",
    "cloud-balancers.toml",
    "tools.toml",
    "databases.toml",
    "middleboxes.toml",
    "kernels.toml",
)


# Where a product begins in a file that holds several, and its id; both stand at the beginning of a line.
_PRODUCT = re.compile(r"^(?=\[\[product\]\])", re.MULTILINE)
_ID = re.compile(r'^id = "([^"]+)"', re.MULTILINE)

# What to do about a knob and role: in general, and by cause word where the general words would mislead.
General = Mapping[tuple[Knob, str], tuple[Advice, Mapping[str, Advice]]]


class CatalogError(ValueError):
    """A data file breaks the schema: a mistake of ours, never the user's."""


class Table:
    """A TOML table whose keys are taken one by one; what is left over at the end is a mistake."""

    def __init__(self, entries: Mapping[str, Any], where: str) -> None:
        self._left = dict(entries)
        self.where = where

    def text(self, key: str, default: str | None = None) -> str:
        value = self._left.pop(key, default)
        if value is None:
            raise CatalogError(f"{self.where}: {key} is missing")
        if not isinstance(value, str):
            raise CatalogError(f"{self.where}: {key} is not text")
        if default is None and not value.strip():
            raise CatalogError(f"{self.where}: {key} is empty")
        return value

    def number(self, key: str) -> float | None:
        value = self._left.pop(key, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise CatalogError(f"{self.where}: {key} is not a number")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._left.pop(key, default)
        if not isinstance(value, bool):
            raise CatalogError(f"{self.where}: {key} is not true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise CatalogError(f"{self.where}: {key} is not a list of texts")
        return tuple(value)

    def span(self, key: str) -> Span | None:
        value = self._left.pop(key, None)
        if value is None:
            return None
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(isinstance(end, int | float) for end in value)
            or value[0] > value[1]
        ):
            raise CatalogError(f"{self.where}: {key} is not [low, high]")
        return Span(float(value[0]), float(value[1]))

    def tables(self, key: str) -> Iterator[Table]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise CatalogError(f"{self.where}: {key} is not a list of tables")
        for number, item in enumerate(value, start=1):
            label = item.get("name") or item.get("id") or item.get("knob") or number
            yield Table(item, f"{self.where}: {key} {label}")

    def named_tables(self, key: str) -> Iterator[tuple[str, Table]]:
        value = self._left.pop(key, {})
        if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
            raise CatalogError(f"{self.where}: {key} is not a table of tables")
        for name, item in value.items():
            yield name, Table(item, f"{self.where}: {key}.{name}")

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise CatalogError(f"{self.where}: {key} is {value!r}, not one of {', '.join(choices)}")
        return value

    def has(self, key: str) -> bool:
        return key in self._left

    def done(self) -> None:
        if self._left:
            raise CatalogError(f"{self.where}: unknown {', '.join(sorted(self._left))}")


def read_file(name: str) -> Table:
    """One data file of the package, parsed."""
    return parse(_text_of(name), name)


def parse(text: str, name: str) -> Table:
    """The text of a data file, or of a part of one, as a table."""
    try:
        return Table(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{name}: {error}") from error


def product_texts(name: str) -> Iterator[tuple[str, str]]:
    """The products of one file by id, not parsed yet: each id, and the text that :func:`read_product` takes.

    Nobody asks for all products of a catalogue but its own tests, and parsing TOML is the slow part of reading it.
    """
    for part in _PRODUCT.split(_text_of(name)):
        found = _ID.search(part)
        if found is not None:
            yield found[1], part


def read_product(name: str, text: str, general: General) -> Product:
    """One product.

    Args:
        name: of its file inside ``data/``.
        text: what :func:`product_texts` gave.
        general: the advice for a knob and role that settings without their own take.
    """
    file = parse(text, name)
    if not file.has("product"):
        return _product(file, general, name in MAIN_FILES)
    (product,) = [_product(table, general, name in MAIN_FILES) for table in file.tables("product")]
    file.done()
    return product


def _text_of(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def read_general_advice() -> General:
    """What to do about a knob when a product's setting says nothing of its own (``knobs.toml``).

    Advice for a cause, there, holds for every setting that has none of its own for that cause.
    """
    file = read_file("knobs.toml")
    advice: dict[tuple[Knob, str], tuple[Advice, Mapping[str, Advice]]] = {}
    for table in file.tables("advice"):
        knob = _knob(table)
        role = table.choice("role", ROLES)
        by_cause = _by_cause(table)
        advice[knob, role] = (Advice(table.text("recommend"), table.texts("advice")), by_cause)
        table.done()
    file.done()
    return advice


def status_of(table: Table) -> str:
    status = table.text("status")
    kind, _, what = status.partition(": ")
    if status != "from memory" and (kind not in ("verified", "measured") or not what.strip()):
        raise CatalogError(f"{table.where}: status {status!r}")
    return status


def cause_of(word: str, where: str) -> Cause:
    try:
        return Cause(word)
    except ValueError as error:
        raise CatalogError(f"{where}: no cause {word!r}") from error


def _knob(table: Table) -> Knob:
    word = table.text("knob")
    try:
        return Knob(word)
    except ValueError as error:
        raise CatalogError(f"{table.where}: no knob {word!r}") from error


def _product(table: Table, general: General, main: bool) -> Product:
    role = table.choice("role", ROLES)
    language = table.text("language", "")
    checked = table.text("checked")
    protocols = _protocols(table)
    product = Product(
        id=table.text("id"),
        name=table.text("name"),
        role=role,
        main=main,
        settings=tuple(_setting(entry, role, language, checked, general) for entry in table.tables("setting")),
        absences=tuple(absence for entry in table.tables("has_none") for absence in _absences(entry, checked)),
        facts=tuple(_fact(entry) for entry in table.tables("fact")),
        protocols=protocols,
        kind=table.text("kind", default_kind(role, protocols)),
        checked=checked,
        common=table.flag("common", main),
    )
    table.done()
    return product


def default_kind(role: str, protocols: tuple[str, ...]) -> str:
    """The kind of a product that names none (``kinds.toml``)."""
    if role not in ("client", "server"):
        return role
    return f"http-{role}" if "http" in protocols else f"database-{role}"


def _protocols(table: Table) -> tuple[str, ...]:
    if not table.has("protocols"):
        return ("http",)
    words = table.texts("protocols")
    if not set(words) <= set(PROTOCOLS):
        raise CatalogError(f"{table.where}: protocols is not among {', '.join(PROTOCOLS)}")
    return words


def _setting(table: Table, role: str, language: str, checked: str, general: General) -> Setting:
    name = table.text("name")
    knob = _knob(table)
    own_role = table.choice("role", ROLES, role)
    default_value = table.number("default_value")
    on_wire = table.flag("on_wire", True)
    wire = table.span("wire")
    if wire is None and default_value is not None:
        wire = Span(float(default_value), float(default_value))
    history = []
    for change in table.tables("history"):
        history.append(Change(change.text("version"), change.text("value"), change.span("wire")))
        change.done()
    sample = table.number("sample")
    in_general, general_by_cause = general.get((knob, own_role), (None, {}))
    setting = Setting(
        name=name,
        knob=knob,
        role=own_role,
        unit=table.choice("unit", UNITS),
        default=table.text("default"),
        default_value=default_value,
        wire=wire if on_wire else None,
        wire_note=table.text("wire_note", ""),
        history=tuple(history),
        scope=table.text("scope", ""),
        alternative=table.flag("alternative", False),
        advice=_advice(table, in_general),
        advice_for={**general_by_cause, **_by_cause(table)},
        sample="" if sample is None else f"{sample:g}",
        snippet=table.text("snippet", "").strip("\n"),
        language=table.text("language", language),
        source=table.text("source"),
        status=status_of(table),
        since=table.text("since", ""),
        checked=table.text("checked") if table.has("checked") else checked,
    )
    table.done()
    return setting


def _advice(table: Table, general: Advice | None) -> Advice:
    recommend = table.text("recommend", "")
    sentences = table.texts("advice")
    if general is not None:
        return Advice(recommend or general.recommend, sentences or general.sentences)
    if not recommend or not sentences:
        raise CatalogError(f"{table.where}: recommend or advice is missing, and knobs.toml has none")
    return Advice(recommend, sentences)


def _by_cause(table: Table) -> dict[str, Advice]:
    return {cause_of(word, table.where).value: _advice_alone(entry) for word, entry in table.named_tables("advice_for")}


def _advice_alone(table: Table) -> Advice:
    advice = Advice(table.text("recommend"), table.texts("advice"))
    table.done()
    return advice


def _absences(table: Table, checked: str) -> list[Absence]:
    knobs = knobs_of(table, "knobs") if table.has("knobs") else [_knob(table)]
    why, source, checked = table.text("why"), table.text("source"), table.text("checked", checked)
    table.done()
    return [Absence(knob, why, source, checked) for knob in knobs]


def knobs_of(table: Table, key: str) -> list[Knob]:
    """A list of knobs, each once."""
    words = table.texts(key)
    if not words or len(set(words)) != len(words):
        raise CatalogError(f"{table.where}: {key} is empty or names a knob twice")
    try:
        return [Knob(word) for word in words]
    except ValueError as error:
        raise CatalogError(f"{table.where}: {key}: {error}") from error


def _fact(table: Table) -> Fact:
    fact = Fact(table.text("name"), table.text("default"), table.text("text"), table.text("source"), status_of(table))
    table.done()
    return fact
