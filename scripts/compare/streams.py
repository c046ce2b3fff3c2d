"""What tshark says of a capture: one :class:`Stream` per ``tcp.stream``, from a run of tshark or from a stored one."""

from __future__ import annotations

import gzip
import ipaddress
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# New segments that begin with one of these are counted as requests on any port.
METHODS = tuple(
    word + b" "
    for word in b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PROPFIND SUBSCRIBE NOTIFY".split()
)
FIN, SYN, RST, ACK = 1, 2, 4, 16
FIELDS = (
    "frame.number",
    "tcp.stream",
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.completeness",
    "tcp.analysis.retransmission",
    "tcp.analysis.keep_alive",
    "http.request.method",
    "tcp.payload",
    "frame.protocols",
)

Endpoint = tuple[str, int]


@dataclass
class Stream:
    """A tcp.stream.  ``a`` sent its first packet; pairs are [a to b, b to a]."""

    number: int
    a: Endpoint
    b: Endpoint
    first_frame: int
    last_frame: int = 0
    client: str | None = None
    packets: int = 0
    syn: list[int] = field(default_factory=lambda: [0, 0])
    synack: list[int] = field(default_factory=lambda: [0, 0])
    retransmissions: list[int] = field(default_factory=lambda: [0, 0])
    completeness: int = 0  # -1 unknown
    first_fin: str | None = None
    first_rst: str | None = None
    requests: dict[str, int] = field(default_factory=dict)  # by way of counting
    responses: int = 0
    protocols: tuple[str, ...] = ()
    layers: str = ""
    snap_truncated: int = 0
    lost: int = 0
    one_way: bool = False

    @property
    def settled_requests(self) -> int | None:
        """The number of requests where all ways of counting agree, else None."""
        values = set(self.requests.values())
        return values.pop() if len(values) == 1 else None


def from_truth(path: Path) -> list[Stream]:
    """Streams from a stored ``NAME.streams.jsonl.gz``."""
    with gzip.open(path, "rt") as lines:
        return [from_object(json.loads(line)) for line in lines]


def from_object(d: dict[str, Any]) -> Stream:
    requests = {
        name: sum(value) if isinstance(value, list) else value
        for name in ("http_requests", "http_requests_ooo", "http_request_heads", "http_method_segments")
        if (value := d.get(name)) is not None
    }
    return Stream(
        number=d["stream"],
        a=endpoint(*d["a"]),
        b=endpoint(*d["b"]),
        first_frame=d["first_frame"],
        last_frame=d["last_frame"],
        client=d["client"],
        packets=sum(d["packets"]),
        syn=d["syn"],
        synack=d["synack"],
        retransmissions=d["retrans"],  # fast and spurious ones are among them
        completeness=-1,  # the stored one is of a single pass: it lacks each stream's last packet
        first_fin=d["first_fin"] and d["first_fin"]["side"],
        first_rst=d["first_rst"] and d["first_rst"]["side"],
        requests=requests,
        responses=max(sum(d["http_responses"]), d.get("http_response_heads") or 0),
        protocols=tuple(d["protocols"]),
        layers=d["frame_protocols_first"],
        snap_truncated=d["snap_truncated"],
        lost=sum(d["lost_segment"]) + sum(d["ack_lost_segment"]),
        one_way=0 in d["packets"],
    )


def from_tshark(capture: Path) -> list[Stream]:
    """Run tshark twice: with its defaults, and with bodies and TCP streams left in pieces."""
    streams: dict[int, Stream] = {}
    for values in run(capture):
        number = int(values["tcp.stream"])
        a = endpoint(values["ip.src"] or values["ipv6.src"], values["tcp.srcport"])
        b = endpoint(values["ip.dst"] or values["ipv6.dst"], values["tcp.dstport"])
        frame = int(values["frame.number"])
        stream = streams.get(number)
        if stream is None:
            stream = streams[number] = Stream(number, a, b, frame, layers=values["frame.protocols"])
            stream.requests = {"http_requests": 0, "http_request_heads": 0, "http_method_segments": 0}
        account(stream, 0 if stream.a == a else 1, values, frame)
    in_pieces = ("-o", "http.desegment_body:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE")
    for values in run(capture, *in_pieces):
        stream = streams[int(values["tcp.stream"])]
        stream.requests["http_request_heads"] += count(values["http.request.method"])
        starts = bytes.fromhex(values["tcp.payload"][:48]).startswith(METHODS)
        if starts and not values["tcp.analysis.retransmission"]:
            stream.requests["http_method_segments"] += 1
    return list(streams.values())


def endpoint(address: str, port: int | str) -> Endpoint:
    """One spelling of an address: tshark writes ::ffff:1.2.3.4, Python writes ::ffff:102:304."""
    return str(ipaddress.ip_address(address)), int(port)


def run(capture: Path, *options: str) -> list[dict[str, str]]:
    command = ["tshark", "-2", "-r", str(capture), *options, "-Y", "tcp && !icmp && !icmpv6", "-T", "fields"]
    for name in FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = (dict(zip(FIELDS, line.split("\t"), strict=True)) for line in done.stdout.splitlines())
    return [row for row in rows if row["tcp.stream"]]


def account(stream: Stream, way: int, values: dict[str, str], frame: int) -> None:
    flags = int(values["tcp.flags"], 16)
    side = "ab"[way]
    stream.last_frame = frame
    stream.packets += 1
    if flags & SYN:
        (stream.synack if flags & ACK else stream.syn)[way] += 1
        if stream.client is None:
            stream.client = side if not flags & ACK else "ba"[way]
    if flags & FIN and stream.first_fin is None:
        stream.first_fin = side
    if flags & RST and stream.first_rst is None:
        stream.first_rst = side
    if values["tcp.analysis.retransmission"]:
        stream.retransmissions[way] += 1
    stream.completeness = int(values["tcp.completeness"] or 0)
    stream.requests["http_requests"] += count(values["http.request.method"])
    stream.protocols = tuple({*stream.protocols, *values["frame.protocols"].split(":")})


def count(joined: str) -> int:
    return len(joined.split(",")) if joined else 0
