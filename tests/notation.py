r"""TCP scenarios as short scripts that read like tcpdump, run through the real packet path.

    test_a_refused_syn = scenario('''
        > S
        < R.
        expect opening refused
    ''')

A packet line is ``[time] direction flags [range] [ack N] [payload] [markers]``:

    ``+0.040``           seconds after the line ahead (0.001; ``-0.5`` steps back); ``@2.5`` from the start
    ``>`` ``<``          from the client, from the server; ``>b`` on the connection named b
    ``S F P R .``        flags as tcpdump prints them, ``.`` for ACK, ``-`` for none
    ``1:101(100)``       sequence numbers relative to the ISN; left out: what comes next.  Bytes already sent
                         are sent again, others are filled in
    ``ack 101``          left out: all that the other side has sent, captured or not
    ``"text"`` ``"x"*9`` payload, with Python's escapes; ``$name`` payload given to :func:`scenario` by name
    ``GET /a (5)``       a request head for host a, with Content-Length and body; ``200 (5)`` a response;
                         ``(5+3)`` two chunks; ``(5/900)`` a Content-Length of 900 with 5 bytes here;
                         ``HTTP/1.0`` the version; ``[Connection: close]`` any header
    ``{23:100}``         a TLS record of type 23 with 100 bytes
    ``again``            the side's last segment with data, SYN or FIN once more (a retransmission)

and markers: ``lost`` (sent, not captured), ``cut 30`` (30 payload bytes captured),
``copy [ttl 63] [interface 1] [+0.0001]`` (the same packet captured once more), ``win 0``, ``wscale 7``,
``sack 1 101`` (a SACK block),
``ttl 63``, ``id 7``, ``interface 1``.

Other lines: ``options isn 1000 5000``, ``ports 40000 80``, ``ip_id 0`` and so on before the first packet;
``connection b port 40001`` to name another connection; ``incarnation isn 7 8`` to begin a new life of the
current 4-tuple; and ``expect`` lines, which tests/expectations.py explains.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import expectations
import wire
from wire import SECOND, Packet

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?:\*\d+)?|\[[^\]]*\]|\S+')
RANGE = re.compile(r"(\d+):(\d+)\((\d+)\)$")
BODY = re.compile(r"\((\d+)(?:/(\d+)|((?:\+\d+)*))\)$")
RECORD = re.compile(r"\{(\d+):(\d+)\}$")
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128, "-": 0}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND")
REASONS = {100: "Continue", 101: "Switching Protocols", 200: "OK", 204: "No Content", 304: "Not Modified"}
FILLER = b"x"


class ScriptError(Exception):
    """A line that is no notation, with the place to mend."""


@dataclass(frozen=True)
class Variant:
    """The same story told otherwise: what a property test changes about a scenario."""

    isn_shift: tuple[int, int] = (0, 0)
    time_shift: int = 0
    swap_addresses: bool = False
    ipv6: bool = False
    linktype: int = wire.ETHERNET
    vlans: tuple[int, ...] = ()
    order: str = "<"  # of the capture file
    doubled: bool = False  # every packet captured a second time, on its way through a router
    network: int = 0  # the hosts are 10.0.N.1 and 10.0.N.2


@dataclass
class Side:
    """What one side of a connection has sent: relative sequence numbers, its bytes for retransmissions."""

    next: int = 1
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    last: tuple[int, int, bytes] = (0, 0, b"")  # sequence, flags, payload of the last segment worth repeating

    def stream(self, start: int, length: int) -> bytes:
        out = bytearray(FILLER * length)
        for at, data in self.pieces:
            low, high = max(at, start), min(at + len(data), start + length)
            if low < high:
                out[low - start : high - start] = data[low - at : high - at]
        return bytes(out)


@dataclass
class Link:
    """One connection of the script, in its current incarnation."""

    ports: tuple[int, int]
    isn: tuple[int, int]
    sides: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))


@dataclass(eq=False)
class Script:
    """A scenario read: its lines by number, to be compiled as it stands or as a variant."""

    text: str
    file: str
    first_line: int
    payloads: dict[str, bytes]

    def lines(self) -> list[tuple[int, str]]:
        numbered = enumerate(self.text.split("\n"), self.first_line)
        stripped = [(number, line.strip()) for number, line in numbered]
        return [(number, line) for number, line in stripped if line and not line.startswith("#")]

    def where(self, number: int, line: str) -> str:
        return f"{self.file}:{number}: {line}"

    def packets(self, variant: Variant | None = None) -> list[Packet]:
        return _Compiler(self, variant or Variant()).run()

    def play(self, variant: Variant | None = None) -> expectations.Result:
        """Run the packet path over the packets, as a capture file in memory."""
        variant = variant or Variant()
        return expectations.run(capture(self.packets(variant), variant))

    def check(self, variant: Variant | None = None) -> expectations.Result:
        """Play, then hold every ``expect`` line against what came out."""
        __tracebackhide__ = True
        result = self.play(variant)
        for number, line in self.lines():
            if line.startswith("expect "):
                try:
                    problem = expectations.problem(result, line.removeprefix("expect "))
                except (ValueError, KeyError, IndexError) as error:
                    raise ScriptError(f"{self.where(number, line)}: {error!r}") from error
                if problem:
                    raise AssertionError(f"{self.where(number, line)}: {problem}\n{result.shown()}")
        return result


def scenario(text: str, **payloads: bytes) -> Callable[[], None]:
    """A test function from a script."""
    caller = sys._getframe(1)
    file = "tests/" + caller.f_code.co_filename.rpartition("/")[2]
    script = Script(text, file, caller.f_lineno, payloads)

    def test() -> None:
        __tracebackhide__ = True
        script.check()

    test.script = script  # type: ignore[attr-defined]
    return test


def play(text: str, variant: Variant | None = None, **payloads: bytes) -> expectations.Result:
    """Compile, run and check a script at once, for tests that look further."""
    caller = sys._getframe(1)
    file = "tests/" + caller.f_code.co_filename.rpartition("/")[2]
    return Script(text, file, caller.f_lineno, payloads).check(variant)


def packets_of(text: str, variant: Variant | None = None, **payloads: bytes) -> list[Packet]:
    """The packets of a script, for tests of readers and decoders."""
    return Script(text, "script", 1, payloads).packets(variant)


def capture(packets: list[Packet], variant: Variant | None = None) -> bytes:
    """A capture file of the packets: pcap, or pcapng where they name interfaces."""
    variant = variant or Variant()
    interfaces = max((p.interface for p in packets), default=0) + 1
    if interfaces == 1:
        return wire.pcap(packets, variant.linktype, variant.order)
    described = [wire.Interface(variant.linktype) for _ in range(interfaces)]
    return wire.pcapng(wire.Section(packets, described, variant.order))


class _Compiler:
    """Turn a script's lines into packets."""

    def __init__(self, script: Script, variant: Variant) -> None:
        self.script = script
        self.variant = variant
        self.out: list[Packet] = []
        self.at = wire.START + variant.time_shift
        self.began = False
        self.ip_id = 0
        self.options = {"ip_id": 1, "ipv6": 0, "vlan": 0}
        self.ports = (40_000, 80)
        self.isn = (1_000, 5_000)
        self.links: dict[str, Link] = {}
        self.name = "a"

    def run(self) -> list[Packet]:
        for number, line in self.script.lines():
            try:
                self.line(TOKEN.findall(line))
            except (ValueError, KeyError, IndexError, TypeError) as error:
                raise ScriptError(f"{self.script.where(number, line)}: {error!r}") from error
        return self.out

    def link(self, name: str) -> Link:
        if name not in self.links:
            self.links[name] = Link(self.ports, self.isn)
        return self.links[name]

    def line(self, words: list[str]) -> None:
        if words[0] == "expect":
            return
        if words[0] == "options":
            self.set_options(words[1:])
        elif words[0] == "connection":
            self.name = words[1]
            link = Link((self.ports[0] + len(self.links), self.ports[1]), self.isn)
            self.links[self.name] = link
            self.set_link(link, words[2:])
        elif words[0] == "incarnation":
            old = self.link(self.name)
            self.links[self.name] = link = Link(old.ports, (old.isn[0] + 1_000_000, old.isn[1] + 1_000_000))
            self.set_link(link, words[1:])
        else:
            self.packet(words)

    def set_link(self, link: Link, words: list[str]) -> None:
        while words:
            if words[0] == "port":
                link.ports = (int(words[1]), link.ports[1])
                words = words[2:]
            elif words[0] in ("ports", "isn"):
                setattr(link, words[0], (int(words[1]), int(words[2])))
                words = words[3:]
            else:
                raise ValueError(f"unknown word {words[0]}")

    def set_options(self, words: list[str]) -> None:
        while words:
            if words[0] in ("ports", "isn"):
                setattr(self, words[0], (int(words[1]), int(words[2])))
                words = words[3:]
            elif words[0] in self.options:
                self.options[words[0]] = int(words[1])
                words = words[2:]
            else:
                raise ValueError(f"unknown option {words[0]}")

    def packet(self, words: list[str]) -> None:
        """One packet line."""
        step = SECOND // 1000 if self.began else 0
        self.began = True
        if words[0][0] in "+-" and len(words[0]) > 1:
            self.at += nanoseconds(words[0])
            words = words[1:]
        elif words[0][0] == "@":
            self.at = wire.START + self.variant.time_shift + nanoseconds(words[0][1:])
            words = words[1:]
        else:
            self.at += step
        direction, words = words[0], words[1:]
        if direction[0] not in "<>":
            raise ValueError(f"expected > or <, found {direction}")
        link = self.link(direction[1:] or self.name)
        client = direction[0] == ">"
        side, other = link.sides if client else link.sides[::-1]
        if words[0] == "again":
            sequence, flags, payload = side.last
            words = words[1:]
        else:
            flags = sum({FLAGS[letter] for letter in words[0]})
            words, sequence, payload = self.content(words[1:], flags, side)
        end = sequence + (1 if flags & 2 else 0) + len_of(payload)
        shown = payload if isinstance(payload, bytes) else b""
        if shown:
            side.pieces.append((sequence + (1 if flags & 2 else 0), shown))
        side.next = max(side.next, end + (1 if flags & 1 else 0))
        if flags & 3 or len_of(payload):
            side.last = (sequence, flags, shown)
        self.emit(link, client, sequence, flags, payload, other.next, words)

    def content(self, words: list[str], flags: int, side: Side) -> tuple[list[str], int, bytes | int]:
        """Sequence number and payload; the length stands for a lost range that is too long to build."""
        sequence = 0 if flags & 2 else side.next
        length = -1
        if words and (match := RANGE.match(words[0])):
            sequence, end, length = map(int, match.groups())
            if end - sequence != length:
                raise ValueError(f"{words[0]}: {end} - {sequence} is not {length}")
            words = words[1:]
        words, payload = self.payload(words)
        if length < 0:
            return words, sequence, payload
        if payload and len(payload) != length:
            raise ValueError(f"{len(payload)} bytes of payload in a range of {length}")
        if not payload and "lost" in words and length > 65_000:
            return words, sequence, length
        return words, sequence, payload or side.stream(sequence + (1 if flags & 2 else 0), length)

    def payload(self, words: list[str]) -> tuple[list[str], bytes]:
        out = b""
        while words:
            word = words[0]
            if word[0] == '"':
                text, _, times = word.rpartition("*") if not word.endswith('"') else (word, "", "1")
                out += text[1:-1].encode("latin-1").decode("unicode_escape").encode("latin-1") * int(times)
                words = words[1:]
            elif word[0] == "$":
                out += self.script.payloads[word[1:]]
                words = words[1:]
            elif match := RECORD.match(word):
                kind, size = map(int, match.groups())
                out += bytes((kind, 3, 3, size >> 8, size & 255)) + FILLER * size
                words = words[1:]
            elif word in METHODS:
                words, head = message(words[2:], f"{word} {words[1]} {{}}", ["Host: a"])
                out += head
            elif len(word) == 3 and word.isdigit():
                words, head = message(words[1:], f"{{}} {word} {REASONS.get(int(word), 'Whatever')}", [])
                out += head
            else:
                break
        return words, out

    def emit(
        self,
        link: Link,
        client: bool,
        sequence: int,
        flags: int,
        payload: bytes | int,
        ack: int,
        words: list[str],
    ) -> None:
        """Build the packet, captured as its markers say."""
        markers = {"win": 502, "ttl": 64, "wscale": -1, "cut": -1, "interface": 0}
        self.ip_id = self.ip_id % 65_535 + 1
        markers["id"] = self.ip_id if self.options["ip_id"] else 0
        copies: list[tuple[int, int | None, int | None]] = []
        lost = False
        while words:
            word, words = words[0], words[1:]
            if word == "lost":
                lost = True
            elif word == "ack":
                ack, words = int(words[0]), words[1:]
            elif word == "sack":
                markers["left"], markers["right"], words = int(words[0]), int(words[1]), words[2:]
            elif word == "copy":
                later, ttl, interface = 10_000, None, None
                while words and (words[0] in ("ttl", "interface") or words[0][0] == "+"):
                    if words[0][0] == "+":
                        later, words = nanoseconds(words[0]), words[1:]
                    elif words[0] == "ttl":
                        ttl, words = int(words[1]), words[2:]
                    else:
                        interface, words = int(words[1]), words[2:]
                copies.append((later, ttl, interface))
            elif word in markers:
                markers[word], words = int(words[0]), words[1:]
            else:
                raise ValueError(f"unknown word {word}")
        if lost:
            return
        if not isinstance(payload, bytes):
            raise ValueError("only a lost segment may be as long as this")
        if self.variant.doubled:
            copies.append((10_000, markers["ttl"] - 1, None))
        for later, ttl, interface in [(0, None, None), *copies]:
            self.build(link, client, sequence, flags, payload, ack, markers, later, ttl, interface)

    def build(
        self,
        link: Link,
        client: bool,
        sequence: int,
        flags: int,
        payload: bytes,
        ack: int,
        markers: dict[str, int],
        later: int,
        ttl: int | None,
        interface: int | None,
    ) -> None:
        variant = self.variant
        v6 = variant.ipv6 or self.options["ipv6"]
        prefix = f"2001:db8::{variant.network}:" if v6 else f"10.0.{variant.network}."
        hosts = [prefix + "1", prefix + "2"]
        if variant.swap_addresses:
            hosts.reverse()
        ports = list(link.ports)
        isn = [start + shift for start, shift in zip(link.isn, variant.isn_shift, strict=True)]
        if not client:
            hosts.reverse()
            ports.reverse()
            isn.reverse()
        options = bytes((1, 3, 3, markers["wscale"])) if markers["wscale"] >= 0 else b""
        if "right" in markers:
            edges = [(isn[1] + markers[edge]) & 0xFFFFFFFF for edge in ("left", "right")]
            options += bytes((1, 1, 5, 10)) + b"".join(edge.to_bytes(4, "big") for edge in edges)
        segment = wire.tcp(
            hosts[0],
            hosts[1],
            (ports[0], ports[1]),
            isn[0] + sequence,
            isn[1] + ack if flags & 16 else 0,
            flags,
            payload,
            markers["win"],
            options,
        )
        hops = markers["ttl"] if ttl is None else ttl
        if v6:
            packet = wire.ipv6(hosts[0], hosts[1], segment, ttl=hops)
        else:
            packet = wire.ipv4(hosts[0], hosts[1], segment, ip_id=markers["id"], ttl=hops)
        data = wire.link(packet, variant.linktype, variant.vlans or (0x8100,) * self.options["vlan"])
        kept = len(data) if markers["cut"] < 0 else len(data) - len(payload) + markers["cut"]
        where = markers["interface"] if interface is None else interface
        self.out.append(Packet(data[:kept], self.at + later, len(data), where))


def len_of(payload: bytes | int) -> int:
    return len(payload) if isinstance(payload, bytes) else payload


def nanoseconds(text: str) -> int:
    """Decimal seconds, exactly."""
    sign = -1 if text.startswith("-") else 1
    whole, _, rest = text.lstrip("+-").partition(".")
    return sign * (int(whole or 0) * SECOND + int((rest + "0" * 9)[:9]))


def message(words: list[str], first: str, headers: list[str]) -> tuple[list[str], bytes]:
    """An HTTP/1 head and body from the words behind its first line."""
    version = "HTTP/1.1"
    body = b""
    while words:
        if words[0].startswith("HTTP/"):
            version = words[0]
        elif words[0][0] == "[":
            headers = [*headers, words[0][1:-1]]
        elif match := BODY.match(words[0]):
            size, claimed, more = match.groups()
            if more:
                headers = [*headers, "Transfer-Encoding: chunked"]
                for chunk in (size + more).split("+"):
                    body += b"%x\r\n" % int(chunk) + FILLER * int(chunk) + b"\r\n"
                body += b"0\r\n\r\n"
            else:
                headers = [*headers, f"Content-Length: {claimed or size}"]
                body = FILLER * int(size)
        else:
            break
        words = words[1:]
    return words, "\r\n".join([first.format(version), *headers, "", ""]).encode() + body
