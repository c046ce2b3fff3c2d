"""Draw one connection of a capture as a packet ladder: text, the client on the left, the server on the right.

    python scripts/ladder.py CAPTURE CONNECTION       the number that ``pcapdiag connections CAPTURE`` gives it

Packets are decoded by dpkt, not by pcapdiag as for ``pcapdiag connection``, so a drawing is a second opinion of what was
on the wire.  The pages of the rules have these drawings, of eighteen lines at the most.  What is shown
of a head is its first line without query string or user name, and the few headers in ``SHOWN``: no other text of a
packet, so neither credentials nor cookies.
"""

from __future__ import annotations

import argparse
import gzip
import io
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import dpkt

from pcapdiag.reports.escape import shorten, visible

Address = tuple[str, int]  # IP address and port

MAX_LINES = 18
BODY = 62  # columns between client and server
INDENT = " " * 13  # the column of the client
# Linux and Windows delay an ACK by 40 ms and more; a shorter pause is a program at work or a scheduler's tick.
SILENCE_NS = 30_000_000
# A pause of a round trip is the path's, not a silence; half of one more for its jitter.
SILENCE_RTT = 1.5
# Of a text that comes again and again (a probe, a retransmission) this many are drawn, the rest is counted.
SAME = 3
# A run of data packets shorter than this is drawn whole: its count would take a line as well.
RUN = 3

# Headers that say what becomes of the connection.
SHOWN = ("connection", "keep-alive", "expect", "upgrade")
REQUEST = re.compile(rb"[A-Z]{3,16} [^\s\x00-\x1f]+ HTTP/1\.[01]\r?\n")
# A request line that the snaplen, or the segment's end, cut.
CUT_REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) [^\s\x00-\x1f]*")
STATUS = re.compile(rb"HTTP/1\.[01] \d{3}[^\r\n]*")
NEXT_REQUEST = re.compile(rb"(?<=\n\r\n)" + REQUEST.pattern)
NEXT_STATUS = re.compile(rb"(?<=\n\r\n)" + STATUS.pattern)

TLS_HANDSHAKE = {1: "ClientHello", 2: "ServerHello", 4: "NewSessionTicket", 11: "Certificate", 16: "ClientKeyExchange"}
TLS_ALERT = {0: "close_notify", 40: "handshake_failure", 42: "bad_certificate", 45: "certificate_expired",
             46: "certificate_unknown", 48: "unknown_ca", 70: "protocol_version", 80: "internal_error",
             112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol"}  # fmt: skip

FIN, SYN, RST, ACK = dpkt.tcp.TH_FIN, dpkt.tcp.TH_SYN, dpkt.tcp.TH_RST, dpkt.tcp.TH_ACK


@dataclass(frozen=True)
class Packet:
    """A TCP segment as captured; ``at`` is nanoseconds, ``size`` the bytes of payload that were sent."""

    number: int  # the frame's, 1-based
    at: int
    source: Address
    target: Address
    flags: int
    seq: int
    ack: int
    window: int
    size: int
    payload: bytes  # as much of it as was captured
    same: bytes  # equal for two captures of one packet

    @property
    def bare(self) -> bool:
        return self.size == 0 and not self.flags & (SYN | FIN | RST)


@dataclass
class Event:
    """A line to draw."""

    packet: Packet
    by_client: bool
    text: str
    kind: str  # open, tls, request, response, data, close, odd, ack
    silence: int  # nanoseconds ahead of it with no packet of the connection but ACKs, 0 where too short to say
    dials: int = 0  # other connections that the client opened to this service in that silence
    marked: bool = False


@dataclass
class Half:
    """What one end has sent so far."""

    following: int | None = None  # the next sequence number
    seen: set[tuple[int, int]] = field(default_factory=set)
    window: int | None = None
    fin: int | None = None  # the sequence number after it
    probed: bool = False


# -- reading


def packets(path: Path) -> tuple[list[Packet], int]:
    """The TCP segments of a pcap or pcapng file, gzip too, and the time of its last packet."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    reader = dpkt.pcap.UniversalReader(io.BytesIO(data))
    linktype = reader.datalink()
    found, last = [], 0
    for number, (time, frame) in enumerate(reader, 1):
        at = round(time * 1_000_000) * 1000  # dpkt counts in floats: microseconds are what they hold
        last = max(last, at)
        packet = decode(number, at, network_layer(linktype, frame))
        if packet is not None:
            found.append(packet)
    return found, last


def network_layer(linktype: int, frame: bytes) -> object:
    """The IP packet in a frame, or whatever else is there."""
    try:
        if linktype == dpkt.pcap.DLT_EN10MB:
            return dpkt.ethernet.Ethernet(frame).data
        if linktype == dpkt.pcap.DLT_LINUX_SLL:
            return dpkt.sll.SLL(frame).data
        if linktype == dpkt.pcap.DLT_LINUX_SLL2:
            return dpkt.sll2.SLL2(frame).data
        if linktype in (dpkt.pcap.DLT_NULL, dpkt.pcap.DLT_LOOP):
            frame = frame[4:]
        return (dpkt.ip6.IP6 if frame[0] >> 4 == 6 else dpkt.ip.IP)(frame)
    except (dpkt.UnpackError, IndexError):
        return None


def decode(number: int, at: int, ip: object) -> Packet | None:
    """A TCP segment, or None for anything else; headers that were cut are something else."""
    if not isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6) or not isinstance(ip.data, dpkt.tcp.TCP):
        return None
    tcp = ip.data
    if isinstance(ip, dpkt.ip.IP):
        length = ip.len - 4 * ip.hl if ip.len else len(tcp)
        same = b"%d %d" % (ip.id, tcp.sum)
    else:
        length = ip.plen - sum(len(header) for header in ip.all_extension_headers) if ip.plen else len(tcp)
        same = b"%d" % tcp.sum
    size = max(length - 4 * tcp.off, 0)
    source, target = str(ip_address(ip.src)), str(ip_address(ip.dst))
    return Packet(
        number,
        at,
        (source, tcp.sport),
        (target, tcp.dport),
        tcp.flags,
        tcp.seq,
        tcp.ack,
        tcp.win,
        size,
        bytes(tcp.data)[:size],
        same + b" %d %d %d %d" % (tcp.flags, tcp.seq, tcp.ack, size),
    )


# -- what a packet is


def first_line(line: bytes) -> str:
    """A request or status line, escaped; without query, fragment and user name."""
    text = line.decode("ascii", "surrogateescape").rstrip()
    words = text.split(" ", 2)
    if len(words) > 1 and not text.startswith("HTTP/"):
        target = re.split(r"[?#]", words[1], maxsplit=1)[0]
        words[1] = shorten(re.sub(r"^([a-z][a-z0-9+.-]*://)?[^/@]*@", r"\1", target, flags=re.IGNORECASE), 40)
        text = " ".join(words)
    return shorten(printable(text), 50)


def printable(text: str) -> str:
    """Nothing acts in a terminal, and nothing ends a code block."""
    return visible(text).replace("`", "\\x60")


def headers(payload: bytes) -> str:
    """The headers in ``SHOWN``, as they stand, but for those that only repeat HTTP/1.1's default."""
    head = payload.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]
    told = []
    for line in head:
        name, colon, value = line.partition(b":")
        default = name.lower() == b"connection" and value.strip().lower() == b"keep-alive"
        if default and b"HTTP/1.1" in payload.split(b"\r\n", 1)[0]:
            continue
        if colon and name.decode("ascii", "replace").lower() in SHOWN:
            told.append(printable(f"{name.decode('ascii')}: {value.strip().decode('ascii', 'surrogateescape')}"))
    return "".join(f", {shorten(one, 30)}" for one in told)


def size(count: int) -> str:
    return f"{count:,} B"


def content(packet: Packet, by_client: bool) -> tuple[str, str]:
    """What the payload is, in words, and its kind."""
    payload = packet.payload
    if by_client and (REQUEST.match(payload) or CUT_REQUEST.match(payload)):
        line = first_line(re.split(rb"\r?\n", payload, maxsplit=1)[0])
        more = len(NEXT_REQUEST.findall(payload))
        return f"{line}{headers(payload)}" + (f", and {more} more requests" if more else ""), "request"
    if not by_client and STATUS.match(payload):
        more = len(NEXT_STATUS.findall(payload))
        line = first_line(re.split(rb"\r?\n", payload, maxsplit=1)[0])
        return f"{line}{headers(payload)}, {size(packet.size)}" + (
            f", {more} more responses" if more else ""
        ), "response"
    if by_client and payload.startswith(b"PRI * HTTP/2.0"):
        return "HTTP/2 preface", "request"
    if len(payload) > 5 and payload[0] in (20, 21, 22, 23) and payload[1] == 3 and payload[2] <= 4:
        return tls(payload, packet.size)
    return size(packet.size), "data"


def tls(payload: bytes, count: int) -> tuple[str, str]:
    """The first TLS record of a segment."""
    kind, length = payload[0], int.from_bytes(payload[3:5], "big")
    if kind == 22:
        return f"TLS {TLS_HANDSHAKE.get(payload[5], 'handshake')}, {size(count)}", "tls"
    if kind == 21:
        plain = length == 2 and len(payload) > 6
        return f"TLS alert, {TLS_ALERT.get(payload[6], payload[6]) if plain else 'encrypted'}", "odd"
    if kind == 20:
        return f"TLS ChangeCipherSpec, {size(count)}", "tls"
    return f"TLS data, {size(count)}", "data"


def events(
    connection: Sequence[Packet], client: Address, marked: Collection[int], dialled: Sequence[int]
) -> list[Event]:
    """What is worth a line, in order.

    Args:
        connection: its packets.
        marked: frames that are always shown.
        dialled: when the client sent the first SYN of each of its other connections to this service.
    """
    quiet = SILENCE_NS
    answered = next((index for index, packet in enumerate(connection) if packet.flags & SYN and packet.flags & ACK), 0)
    if answered:
        quiet = max(quiet, round(SILENCE_RTT * (connection[answered].at - connection[answered - 1].at)))
    halves = {True: Half(), False: Half()}
    out: list[Event] = []
    before: Packet | None = None
    for index, packet in enumerate(connection):
        by_client = packet.source == client
        mine, other = halves[by_client], halves[not by_client]
        pause = packet.at - before.at if before else 0
        silence = pause if pause >= quiet else 0
        text, kind = describe(packet, by_client, mine, other)
        note(packet, mine, other)
        if text == "ACK" and packet.number not in marked and not (silence and released(connection, index)):
            continue  # an ACK alone breaks no silence: the kernel sends it, not the program
        dials = sum(before.at < at < packet.at for at in dialled) if silence and before else 0
        out.append(Event(packet, by_client, text, kind, silence, dials, packet.number in marked))
        before = packet
    return out


def released(connection: Sequence[Packet], index: int) -> bool:
    """Whether an ACK let its receiver go on: data came back at once, as where Nagle's algorithm had held it."""
    if index + 1 == len(connection):
        return False
    ack, answer = connection[index], connection[index + 1]
    return answer.source == ack.target and answer.size > 0 and answer.at - ack.at < SILENCE_NS // 10


def describe(packet: Packet, by_client: bool, mine: Half, other: Half) -> tuple[str, str]:
    """A packet in words, and its kind, from what both ends sent ahead of it."""
    flags = packet.flags
    known = (packet.seq, packet.size) in mine.seen
    again = " again" if known else ""
    if flags & RST:
        return "RST", "close"
    if flags & SYN:
        return ("SYN-ACK" if flags & ACK else "SYN") + again, "odd" if again else "open"
    if flags & FIN:
        inside = f", {content(packet, by_client)[0]}" if packet.size else ""
        return f"FIN{again}{inside}", "odd" if again else "close"
    if is_probe(packet, mine):
        return ("window probe" if other.window == 0 else "keepalive probe"), "odd"
    closed = ", window 0" if packet.window == 0 else ""
    if packet.size:
        text, kind = content(packet, by_client)
        if known:
            return f"{size(packet.size)} again (retransmission){closed}", "odd"
        late = mine.following is not None and (packet.seq - mine.following) & 0x80000000
        return (f"{size(packet.size)}, late (out of order){closed}", "odd") if late else (text + closed, kind)
    if closed:
        return "ACK, window 0", "ack" if mine.window == 0 else "odd"
    if mine.window == 0:
        return "ACK, window open again", "odd"
    if other.probed:
        return "ACK of the probe", "odd"
    if other.fin is not None and packet.ack == other.fin and mine.fin is None:
        return "ACK of the FIN", "ack"
    return "ACK", "ack"


def is_probe(packet: Packet, mine: Half) -> bool:
    """RFC 9293 3.8.4: nothing, or one byte, with the sequence number ahead of the next."""
    if packet.size > 1 or packet.flags & (SYN | FIN | RST) or mine.following is None or mine.fin is not None:
        return False
    return packet.seq == (mine.following - 1) & 0xFFFFFFFF


def note(packet: Packet, mine: Half, other: Half) -> None:
    """Remember what an end has sent."""
    probe = is_probe(packet, mine)
    if probe:
        mine.probed = True
    else:
        if packet.size:
            mine.probed = False
        other.probed = False
    following = (packet.seq + packet.size + bool(packet.flags & SYN) + bool(packet.flags & FIN)) & 0xFFFFFFFF
    if not packet.flags & RST:
        mine.window = packet.window
        if mine.following is None or (following - mine.following) & 0xFFFFFFFF < 0x80000000:
            mine.following = following
    if not packet.bare:
        mine.seen.add((packet.seq, packet.size))
    if packet.flags & FIN:
        mine.fin = following


# -- drawing


def ladder(path: Path, client: Address, server: Address, frames: tuple[int, int], marked: Collection[int] = ()) -> str:
    """The connection as lines of text.

    Args:
        path: pcap or pcapng.
        client, server: the connection's ends.
        frames: its first and last frame; other connections of the same ports lie outside.
        marked: frames to show whatever happens, with an asterisk; as many of them as fit.

    Raises:
        ValueError: the file has no packet of it.
    """
    read, ended = packets(path)
    ends = {client, server}
    mine = once(one for one in read if {one.source, one.target} == ends and frames[0] <= one.number <= frames[1])
    if not mine:
        raise ValueError(f"{path}: no packet of {client} and {server} in frames {frames[0]} to {frames[1]}")
    dials: dict[int, int] = {}
    for one in read:
        if one.flags & (SYN | ACK) == SYN and one.source[0] == client[0] and one.target == server:
            dials.setdefault(one.source[1], one.at)
    dials.pop(client[1], None)
    dialled = sorted(dials.values())
    found = events(mine, client, marked, dialled)
    tail = ""
    shut = any(one.flags & RST for one in mine) or {one.source for one in mine if one.flags & FIN} == ends
    if not shut and ended - mine[-1].at >= SILENCE_NS:
        rest = sum(at > mine[-1].at for at in dialled)
        tail = silent(ended - mine[-1].at, rest, " to the capture's end")
    return "\n".join(draw(found, chosen(found, MAX_LINES - bool(tail)), mine[0].at) + ([tail] if tail else []))


def once(connection: Iterable[Packet]) -> list[Packet]:
    """Without the second capture of a packet, which other interfaces of the same host give within a millisecond."""
    kept: list[Packet] = []
    last: dict[bytes, int] = {}
    for packet in connection:
        if packet.at - last.get(packet.same, -(10**9)) >= 1_000_000:
            kept.append(packet)
            last[packet.same] = packet.at
    return kept


def chosen(found: Sequence[Event], limit: int = MAX_LINES) -> set[int]:
    """Which events to draw; the others are counted.  All when they fit, else what matters most."""
    runs = in_runs(found)
    whole = {index for index, event in enumerate(found) if event.marked or index not in runs}
    if len(draw(found, whole, 0)) <= limit:
        return whole
    near = {index + step for index, event in enumerate(found) if event.marked for step in (-1, 1)}
    closest = [index for index, event in enumerate(found) if event.marked] or [0]
    first = {(event.kind, event.by_client): index for index, event in reversed(list(enumerate(found)))}
    ranked: list[tuple[int, int, int]] = []
    for index, event in enumerate(found):
        if event.marked:
            tier = 0
        elif index in (0, len(found) - 1) or event.kind == "close" or (event.kind == "open" and index < 2):
            tier = 1
        elif index == first[event.kind, event.by_client] and event.kind in ("tls", "request", "response"):
            tier = 2
        elif event.kind == "odd" or event.silence:
            tier = 3
        elif index in near:
            tier = 4
        else:
            continue
        ranked.append((tier, min(abs(index - other) for other in closest), index))
    shown: set[int] = set()
    drawn: Counter[tuple[bool, str]] = Counter()
    for tier, _, index in sorted(ranked):
        same = (found[index].by_client, found[index].text)
        if tier == 3 and drawn[same] >= SAME:
            continue
        if len(draw(found, shown | {index}, 0)) <= limit:
            shown.add(index)
            drawn[same] += 1
    # A count of a few packets takes a line, so they may as well be drawn where there is room.
    gap: set[int] = set()
    for index in range(len(found)):
        if index not in shown:
            gap.add(index)
        elif gap:
            if len(gap) < RUN and len(draw(found, shown | gap, 0)) <= limit:
                shown |= gap
            gap = set()
    return shown


def in_runs(found: Sequence[Event]) -> set[int]:
    """The events that are one of many data packets of one side in a row."""
    runs: set[int] = set()
    run: list[int] = []
    for index, event in enumerate(found):
        goes_on = run and event.by_client == found[run[0]].by_client and not event.silence
        if event.kind != "data" or not goes_on:
            run = []
        if event.kind == "data":
            run.append(index)
        if len(run) >= RUN:
            runs.update(member for member in run if not found[member].silence)
    return runs


def draw(found: Sequence[Event], shown: Collection[int], start: int) -> list[str]:
    """The lines: events, silences, and counts of what is left out.  Times count from ``start``."""
    lines: list[str] = []
    hidden: list[Event] = []
    for index, event in enumerate(found):
        if index not in shown:
            hidden.append(event)
            continue
        if hidden:
            lines += counted(hidden)
            hidden = []
        if event.silence:
            lines.append(silent(event.silence, event.dials))
        lines.append(arrow(event, start))
    if hidden:
        lines += counted(hidden)
    return lines


def arrow(event: Event, start: int) -> str:
    text = shorten(event.text, BODY - 5)
    body = f"|- {text} ".ljust(BODY - 2, "-") + ">|" if event.by_client else "|<" + f" {text} -|".rjust(BODY - 2, "-")
    mark = " *" if event.marked else ""
    return f"{(event.packet.at - start) / 1e9:11.6f}  {body}{event.packet.number:7}{mark}"


def silent(ns: int, dials: int, until: str = "") -> str:
    meanwhile = f"; the client dials {dials:,} other connection{'' if dials == 1 else 's'}" if dials else ""
    return f"{INDENT}... {ns / 1e9:.3f} s of silence{until}{meanwhile} ..."


def counted(hidden: Sequence[Event]) -> list[str]:
    """What the packets that are not drawn were, in a line or two."""
    parts = []
    texts = {(event.by_client, event.text) for event in hidden}
    side = {True: "the client", False: "the server"}
    if len(texts) == 1 and hidden[0].kind != "data":
        parts.append(f"{len(hidden):,} more of {side[hidden[0].by_client]}: {shorten(hidden[0].text, 36)}")
    else:
        kinds = Counter(event.kind for event in hidden)
        for kind, word in (("request", "request"), ("response", "response")):
            if kinds[kind]:
                parts.append(f"{kinds[kind]:,} more {word}{'' if kinds[kind] == 1 else 's'}")
        data = [event for event in hidden if event.kind == "data"]
        if data:
            senders = {event.by_client for event in data}
            by = f" of {side[senders.pop()]}" if len(senders) == 1 else ""
            total = sum(event.packet.size for event in data)
            parts.append(f"{len(data):,} more data packet{'' if len(data) == 1 else 's'}{by}, {total:,} B")
        others = Counter(sort(event) for event in hidden if event.kind not in ("request", "response", "data"))
        parts += [f"{count:,} {word}{'' if count == 1 else 's'}" for word, count in others.most_common()]
    longest = max(event.silence for event in hidden)
    if longest:
        parts.append(f"silences of up to {longest / 1e9:.3f} s")
    dials = sum(event.dials for event in hidden)
    if dials:
        parts.append(f"{dials:,} other connection{'' if dials == 1 else 's'} dialled")
    return textwrap.wrap(f"({'; '.join(parts)})", BODY + 20, initial_indent=INDENT, subsequent_indent=INDENT + " ")


def sort(event: Event) -> str:
    """A noun for a packet that is not a plain part of a message."""
    nouns = {"again": "retransmission", "late": "late packet", "ACK": "ACK", "probe": "probe"}
    return next((noun for word, noun in nouns.items() if word in event.text), "other packet")


def header(client: Address, server: Address) -> str:
    """A line above the ladder: who is who."""
    left, right = (f"{ip}:{port}" if ":" not in ip else f"[{ip}]:{port}" for ip, port in (client, server))
    gap = BODY - len("client ") - len(left) - len(" server") - len(right)
    return f"{'seconds':>11}  client {left}{' ' * max(gap, 2)}{right} server  frame"


def main() -> int:
    from pcapdiag.pipeline import Options, analyze

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path)
    parser.add_argument("connection", type=int)
    options = parser.parse_args()
    rows = analyze([str(options.capture)], Options(with_connections=True)).connections
    row = next((row for row in rows if row.number == options.connection), None)
    if row is None:
        parser.error(f"{options.capture} has connections 1 to {len(rows)}")
    client, server = (row.client.ip, row.client.port or 0), (row.server.ip, row.server.port or 0)
    print(header(client, server))
    print(ladder(options.capture, client, server, (row.first_frame.number, row.last_frame.number)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
