"""Names that say nothing in place of addresses, hosts and files, so that a report can be shown to others.

The tables are rewritten ahead of all judging: what a report says it says of the new names, and no text is searched for the
old ones.  Only what is read from packets later, for ladders, has to be searched (:meth:`Names.said`).

One name always becomes the same other name, in order of appearance; those that the capture itself has are not given.
Addresses become those for documentation and tests (RFC 5737, 2544, 3849), hosts ``host-1.example``, files
``capture-1.pcap``.  Ports, times, numbers, and what programs call themselves stay.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from pcapdiag.model.figures import Ladder, Rung
from pcapdiag.model.report import Endpoint
from pcapdiag.model.tables import Column, ConnectionTable

# 240.0.0.0/4 is nobody's, for captures of spoofed floods.
V4 = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "240.0.0.0/4")
V6 = ("2001:db8::/32",)
UNNAMED = ("-", "standard input")

LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
HOST = re.compile(rf"({LABEL}(?:\.{LABEL})*)\.?(:\d{{1,5}})?")
BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)(?:%[^\]]*)?\](:\d{1,5})?")
SUFFIX = re.compile(r"\.(pcap|pcapng|cap)(\.gz)?$", re.IGNORECASE)
# What names something outside, in text that programs wrote.
OUTSIDE = re.compile(
    rf"(?P<url>[A-Za-z][A-Za-z0-9+.-]{{0,20}}://[^\s\"'<>(){{}}]+)"
    rf"|(?P<mail>(?<![\w.+%-])[\w.+%-]++@[\w.-]+)"
    rf"|(?P<v6>(?<![\w:.])[0-9A-Fa-f]{{0,4}}:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?)"
    rf"|(?P<v4>(?<![\w.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?!\w|\.\w))"
    rf"|(?P<name>{LABEL}(?:\.{LABEL})*)"
)
ADDRESS = re.compile(r"[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
REQUEST = re.compile(r"([A-Z][A-Z_-]{1,19}) (\S+)( HTTP/[\d.]+)?(.*)", re.DOTALL)
# Dotted names that are programs: Node.js, ASP.NET.
PROGRAM = re.compile(r"(?:.*\.js|asp\.net|vb\.net)", re.IGNORECASE)


class Names:
    """The new names of one capture.

    Args:
        connections: the whole table, as it was read.
        files: the paths, in the order in which they were read.
    """

    def __init__(self, connections: ConnectionTable, files: Sequence[str]) -> None:
        self._table = connections
        self._addresses: dict[bytes, bytes] = {}
        self._hosts: dict[str, str] = {}
        self._programs: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        own = {connections.strings[index] for index in in_order(connections.client_ip, connections.server_ip)}
        self._free = {4: spare(V4, own), 16: spare(V6, own)}
        for index in in_order(connections.client_ip, connections.server_ip):
            self._address(connections.strings[index])
        there = [connections.text(index) or "" for index in in_order(connections.host, connections.sni)]
        self._taken = {text.partition(":")[0].lower() for text in there}
        self._numbers = count(1)
        for text in there:
            self.host(text)
        # What programs call themselves may name more; here, so that the names are the same whatever is asked for first.
        for index in in_order(connections.user_agent, connections.server_software):
            self.program(connections.text(index) or "")
        named = [path for path in dict.fromkeys(files) if path not in UNNAMED]
        self.files = {path: path for path in UNNAMED}
        self.files |= {path: f"capture-{number}{suffix(path)}" for number, path in enumerate(named, 1)}

    # -- tables

    def connections(self) -> ConnectionTable:
        """The table with the new names."""
        c = self._table
        strings = list(c.strings)
        columns = dict(c.columns)

        def rewrite(names: Sequence[str], renamed: Callable[[int], bytes]) -> None:
            # In the order of the old ones, and one for all columns: what is sorted or compared by them stays as it is.
            there = np.unique(np.concatenate([columns[name] for name in names]))
            fresh = np.zeros(len(there), dtype=np.int64)
            for at, index in enumerate(there.tolist()):
                if index:
                    fresh[at] = len(strings)
                    strings.append(renamed(index))
            for name in names:
                columns[name] = fresh[np.searchsorted(there, columns[name])].astype(columns[name].dtype)

        rewrite(("client_ip", "server_ip"), lambda index: self._address(c.strings[index]))
        rewrite(("host", "sni"), lambda index: self.host(c.text(index) or "").encode("latin-1", "replace"))
        rewrite(
            ("user_agent", "server_software"),
            lambda index: self.program(c.text(index) or "").encode("latin-1", "replace"),
        )
        return ConnectionTable(columns, strings)

    # -- names

    def address(self, text: str) -> str:
        """An IP address."""
        return str(ipaddress.ip_address(self._address(ipaddress.ip_address(text.partition("%")[0]).packed)))

    def _address(self, packed: bytes) -> bytes:
        if packed not in self._addresses:
            self._addresses[packed] = next(self._free[len(packed)])
        return self._addresses[packed]

    def host(self, text: str) -> str:
        """A host, with its port if there is one; of one label one stays that."""
        if not text:
            return text
        if match := BRACKETED.fullmatch(text):
            inside = is_address(match[1])
            return f"[{self.address(match[1])}]{match[2] or ''}" if inside else self._host(text)
        if is_address(text):
            return self.address(text)
        match = HOST.fullmatch(text)
        if match is None:
            return self._host(text)
        name, port = match[1], match[2] or ""
        return (self.address(name) if is_address(name) else self._host(name)) + port

    def _host(self, name: str) -> str:
        key = name.lower()
        while key not in self._hosts:
            label = f"host-{next(self._numbers)}"
            fresh = label if re.fullmatch(LABEL, name) else f"{label}.example"
            if fresh not in self._taken:
                self._hosts[key] = fresh
        return self._hosts[key]

    # -- texts

    def program(self, text: str) -> str:
        """What a program calls itself: names and versions stay; addresses, hosts, URLs and mail go."""
        if text not in self._programs:
            self._programs[text] = OUTSIDE.sub(self._outside, text)
        return self._programs[text]

    def _outside(self, match: re.Match[str]) -> str:
        text = match[0]
        versioned = match.start() > 0 and match.string[match.start() - 1] == "/"
        if match["url"]:
            scheme, _, rest = text.partition("://")
            where = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
            return f"{scheme}://{self.host(where) or 'host'}/"
        if match["mail"]:
            return f"someone@{self.host(text.rpartition('@')[2].rstrip('.'))}"
        if match["v6"]:
            return self.address(text) if len(text) > 2 and is_address(text.partition("%")[0]) else text
        if match["v4"]:
            if not is_address(text):
                return text
            packed = ipaddress.ip_address(text)
            own = packed.packed in self._addresses or packed.is_private
            return self.address(text) if own or not versioned else text  # Chrome/120.0.0.0 has a version
        known = text.lower() in self._hosts
        product = match.string[match.end() : match.end() + 1] == "/"
        if (known and ("." in text or not product)) or is_outside(text):
            return self._host(text)
        return text

    def said(self, text: str) -> str:
        """What a packet says, as a ladder has it: request lines keep their method, and lose their target."""
        match = REQUEST.fullmatch(text)
        if match is None or not (match[3] or match[1] == "CONNECT" or match[2].startswith("/")):
            return self.program(text)
        return f"{match[1]} {self._target(match[2])}{match[3] or ''}{self.program(match[4])}"

    def _target(self, target: str) -> str:
        if target == "*":
            return target
        scheme, found, rest = target.partition("://")
        if found:
            where, slash, path = rest.partition("/")
            return f"{scheme}://{self.host(where)}{self._target(slash + path) if slash else ''}"
        if not target.startswith("/"):
            return self.host(target)
        if target == "/":
            return target
        return self._targets.setdefault(target, f"/path-{len(self._targets) + 1}")

    def ladder(self, one: Ladder) -> Ladder:
        """A ladder whose texts were read from packets, under the new names; its frames have them already."""

        def end(endpoint: Endpoint) -> Endpoint:
            return Endpoint(self.address(endpoint.ip), endpoint.port)

        def rung(one: Rung) -> Rung:
            return replace(one, text=self.said(one.text), notes=tuple(map(self.program, one.notes)))

        rungs = tuple(map(rung, one.rungs))
        return replace(one, client=end(one.client), server=end(one.server), rungs=rungs)


def in_order(*columns: Column) -> list[int]:
    """The indices that columns hold, in order of first appearance, without the absent one of texts."""
    values, first = np.unique(np.column_stack(columns).ravel(), return_index=True)
    return [index for index in values[np.argsort(first)].tolist() if index]


def spare(networks: Sequence[str], taken: set[bytes]) -> Iterator[bytes]:
    """Addresses of these networks, one after the other, without those that are taken."""
    for network in networks:
        for address in ipaddress.ip_network(network).hosts():
            if address.packed not in taken:
                yield address.packed


def suffix(path: str) -> str:
    """``.pcap``, or what a path ends with where that is a capture's."""
    match = SUFFIX.search(path)
    return match[0].lower() if match else ".pcap"


def is_address(text: str) -> bool:
    if not ADDRESS.fullmatch(text):  # a hundred thousand hosts are no addresses
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_outside(name: str) -> bool:
    """Whether a dotted name looks like a host, and not like a version (``4.1.100.Final``) or a program (``Node.js``)."""
    labels = name.split(".")
    if len(labels) < 2 or PROGRAM.fullmatch(name):
        return False
    return re.fullmatch(r"[A-Za-z]{2,}|xn--\w+", labels[-1]) is not None and not labels[-2].isdigit()
