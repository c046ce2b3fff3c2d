"""Match tshark's streams with our rows, and give each disagreement its reason, or none.

The reasons are the sections of docs/DIFFERENCES.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from compare.ours import Row
from compare.streams import Stream
from pcapdiag.model.words import Count, Protocol

QUESTIONS = (
    "connections",
    "client",
    "first FIN",
    "first RST",
    "requests",
    "SYNs",
    "completeness",
    "retransmissions",
)
# Layers that we do not look inside yet.
ENCAPSULATIONS = {
    "mpls",
    "pppoes",
    "gre",
    "vxlan",
    "ppp",
    "ah",
    "ieee8021ah",
    "vntag",
    "etag",
    "geneve",
    "gtp",
    "erspan",
}
INFORMATION = ("SYNs", "completeness", "retransmissions")  # other definitions: not held against either


@dataclass
class Agreement:
    """Counts per question, and what disagreed: (question, reason or "", text)."""

    asked: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] = field(default_factory=Counter)
    differences: list[tuple[str, str, str]] = field(default_factory=list)

    def tell(self, question: str, same: bool, reason: str, text: str) -> None:
        self.asked[question] += 1
        if same:
            self.agreed[question] += 1
        else:
            self.differences.append((question, reason, text))

    def add(self, other: Agreement) -> None:
        self.asked.update(other.asked)
        self.agreed.update(other.agreed)
        self.differences.extend(other.differences)


def compare(name: str, streams: list[Stream], rows: list[Row], undecoded: dict[str, int]) -> Agreement:
    result = Agreement()
    theirs: dict[frozenset[object], list[Stream]] = defaultdict(list)
    mine: dict[frozenset[object], list[Row]] = defaultdict(list)
    for stream in streams:
        theirs[frozenset((stream.a, stream.b))].append(stream)
    for row in rows:
        mine[frozenset((row.client, row.server))].append(row)
    for ends in [*theirs, *(ends for ends in mine if ends not in theirs)]:
        compare_tuple(result, name, theirs.get(ends, []), mine.get(ends, []), rows, undecoded)
    return result


def compare_tuple(
    result: Agreement,
    name: str,
    streams: list[Stream],
    rows: list[Row],
    everyone: list[Row],
    undecoded: dict[str, int],
) -> None:
    """All incarnations of one pair of endpoints."""
    by_frame = {row.first_frame: row for row in rows}
    for stream in streams:
        row = by_frame.pop(stream.first_frame, None)
        where = f"{name} stream {stream.number} {stream.a}-{stream.b} frame {stream.first_frame}"
        if row is None:
            reason = missing_reason(stream, rows, undecoded)
            if not reason and any(
                row.client[1] == stream.a[1] and row.server[1] == stream.b[1] for row in everyone
            ):
                reason = "source-route"
            result.tell("connections", False, reason, f"{where}: no such row")
            continue
        result.tell("connections", True, "", "")
        compare_pair(result, where, stream, row, len(streams) != len(rows))
    for row in by_frame.values():
        text = f"{name} row {row.number} {row.client}-{row.server} frame {row.first_frame}: no such stream"
        result.tell("connections", False, extra_reason(streams, undecoded), text)


def missing_reason(stream: Stream, rows: list[Row], undecoded: dict[str, int]) -> str:
    layers = stream.layers.split(":")
    if layers.count("ip") + layers.count("ipv6") > 1 or ENCAPSULATIONS & set(layers):
        return "tunnels"
    if rows:
        return "fragments" if undecoded.get("IP fragment") else "port-reuse"
    if undecoded.get("IP fragment"):
        return "fragments"
    if undecoded.get("linktype not supported"):
        return "linktypes"
    if undecoded.get("TCP header malformed") or undecoded.get("cut inside the TCP header"):
        return "malformed"
    return ""


def extra_reason(streams: list[Stream], undecoded: dict[str, int]) -> str:
    if streams and any("fragment" in reason for reason in undecoded):
        return "fragments"
    if any(ENCAPSULATIONS & set(stream.layers.split(":")) for stream in streams):
        return "tunnels"
    return "port-reuse" if streams else ""


def compare_pair(result: Agreement, where: str, stream: Stream, row: Row, reused: bool) -> None:
    reuse = "port-reuse" if reused else ""
    if stream.client is not None:
        client = stream.a if stream.client == "a" else stream.b
        result.tell("client", client == row.client, reuse, f"{where}: theirs {client}, ours {row.client}")
    for question, side, ours in (
        ("first FIN", stream.first_fin, row.first_fin),
        ("first RST", stream.first_rst, row.first_rst),
    ):
        if side is not None or ours is not None:
            theirs = None if side is None else stream.a if side == "a" else stream.b
            result.tell(question, theirs == ours, reuse, f"{where}: theirs {theirs}, ours {ours}")
    settled = stream.settled_requests
    if settled is not None and (settled or row.protocol == Protocol.HTTP1):
        same, reason = judge_requests(settled, row, stream)
        text = f"{where}: theirs {settled}, ours {row.requests} {row.basis} {row.protocol}"
        result.tell("requests", same, reason or reuse, text)
    elif row.protocol == Protocol.HTTP1 and row.basis == Count.EXACT and stream.requests:
        # Theirs differ among themselves: ours has to lie between.
        same = min(stream.requests.values()) <= row.requests <= max(stream.requests.values())
        result.tell("requests", same, reuse, f"{where}: theirs {stream.requests}, ours {row.requests} exact")
    syns = sum(stream.syn), sum(stream.synack)
    ours_syns = row.syn_count, row.synack_count
    copies = reuse or ("copies" if row.duplicates else "")
    result.tell("SYNs", syns == ours_syns, copies, f"{where}: theirs {syns}, ours {ours_syns}")
    if stream.completeness >= 0:
        text = f"{where}: theirs {stream.completeness}, ours {row.completeness}"
        result.tell("completeness", stream.completeness == row.completeness, copies, text)
    lost = sum(stream.retransmissions)
    result.tell(
        "retransmissions",
        lost == row.retransmissions,
        copies,
        f"{where}: theirs {lost}, ours {row.retransmissions}",
    )


def judge_requests(settled: int, row: Row, stream: Stream) -> tuple[bool, str]:
    if row.basis == Count.EXACT:
        return row.requests == settled, "unrecognized-head" if settled == 0 else ""
    if row.basis == Count.LOWER_BOUND:
        # A response whose request was not captured is a request to us: at least that many were made.
        return row.requests <= settled, "unseen-request" if row.requests <= stream.responses + settled else ""
    return False, "estimate"
