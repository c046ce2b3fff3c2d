"""What must hold of a case, and how far it did."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback.cases import Case
from loopback.records import frames_ahead, stamped_alike
from loopback.watched import Watched

# Of a JSON report, what tells where packets came from and not what they say.
OF_THE_FILE = ("files", "linktypes")


@dataclass(frozen=True)
class Judged:
    """What is told of a case in the table.

    Attributes:
        finding: the one that formed; "" where none had to.
        formed_s: seconds after the client's start.
        apart_ns: between the times that two sockets gave a packet, at the most.
        moved: packets that the two have in another order.
        problems: a sentence for each thing that does not hold; none: all does.
    """

    case: Case
    watched: Watched
    finding: str
    formed_s: float | None
    packets: int
    connections: int
    per_connection: float
    apart_ns: int
    moved: int
    problems: list[str]


def judge(case: Case, watched: Watched) -> Judged:
    """Hold a case against what it has to show."""
    problems = []
    formed = [
        (at, event)
        for at, event in watched.findings
        if event["change"] == "new" and event["finding"]["severity"] != "info"
    ]
    at, finding = None, ""
    if case.leads:
        wanted = [(when, event["finding"]["name"]) for when, event in formed if event["finding"]["name"] in case.leads]
        if wanted:
            at, finding = wanted[0]
            if at >= watched.load_s:
                problems.append(f"{finding} formed after {at:.1f} s, the client had ended after {watched.load_s:.1f} s")
        else:
            problems.append(f"none of {', '.join(case.leads)} formed")
    elif formed:
        problems.append(f"{', '.join(event['finding']['name'] for _, event in formed)} formed in a healthy case")
    live = report_of(watched.files)
    leading = next((one["name"] for one in live["findings"] if one["severity"] != "info"), None)
    if leading not in (case.leads or (None,)):
        problems.append(f"{leading} leads at the end")
    diagnosed = pcapdiag("diagnose", *map(str, watched.files))
    if watched.text != diagnosed:
        problems.append("the report of live is not what diagnose prints of its file")
    stamped = watched.parallel.with_name("stamped.pcap")
    apart, moved, difference = stamped_alike(watched.files, watched.parallel, stamped)
    if difference:
        problems.append(f"tcpdump's own file: {difference}")
    else:
        ahead = frames_ahead(watched.files, watched.parallel.with_name("one.pcap"))
        problems += [
            f"tcpdump's own packets: {one}" for one in differences(numbered(live, ahead), report_of([stamped]))
        ]
    if said(live) != said(report_of([watched.parallel])):
        problems.append("tcpdump's own file, with its own times: other findings")
    problems += list(lost(watched, live))
    return Judged(
        case,
        watched,
        finding,
        at,
        live["capture"]["packets"],
        sum(pool["connections"] for pool in live["pools"]),
        sum(pool["requests"] for pool in live["pools"]) / max(sum(pool["connections"] for pool in live["pools"]), 1),
        apart,
        moved,
        problems,
    )


def said(report: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What a reader would act on."""
    return [
        (
            finding["code"],
            finding["severity"],
            finding["confidence"],
            finding["pools"],
            [(claim["cause"], [one["name"] for one in claim["settings"]]) for claim in finding["causes"]],
        )
        for finding in report["findings"]
    ]


def lost(watched: Watched, live: dict[str, Any]) -> Iterator[str]:
    """What any of the three captures has not seen."""
    _, end = watched.events[-1]
    if end["event"] != "end" or end["reason"] != "interrupted":
        yield f"the last line of ndjson is {end}"
    elif end["dropped"] != 0:
        yield f"the kernel dropped {end['dropped']} packets of the ndjson's capture"
    elif end["packets"] != live["capture"]["packets"]:
        yield f"the ndjson's capture has {end['packets']} packets, the kept one {live['capture']['packets']}"
    if "dropped" in watched.said:
        yield f"live said: {watched.said.splitlines()[-1]}"
    if watched.dropped:
        yield f"the kernel dropped {watched.dropped} packets of tcpdump's"


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two JSON documents say different things, but for the files that they are of."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key not in OF_THE_FILE:
                yield from differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{at}]")
    elif one != other:
        yield f"{path}: {json.dumps(one)[:80]}, not {json.dumps(other)[:80]}"


def numbered(document: Any, ahead: dict[str, int]) -> Any:
    """The same, with frames of several files counted as those of one."""
    if isinstance(document, dict):
        if document.keys() == {"file", "number"}:
            return ahead[document["file"]] + document["number"]
        return {key: numbered(value, ahead) for key, value in document.items()}
    if isinstance(document, list):
        return [numbered(one, ahead) for one in document]
    return document


def report_of(files: list[Path]) -> dict[str, Any]:
    """diagnose's JSON, with every connection."""
    text = pcapdiag("diagnose", "--format", "json", "--with-connections", *map(str, files))
    report: dict[str, Any] = json.loads(text)
    return report


def pcapdiag(*arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "pcapdiag", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
