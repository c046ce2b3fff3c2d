"""Yesterday's report instead of yesterday's packets: ``diagnose --format json``, read back as a Report.

What a comparison needs comes back whole: pools, findings without their evidence and advice, what was not evaluated.
Each value is looked at before it is used, so that a file that is no report ends in one clear line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pcapdiag.errors import CaptureError
from pcapdiag.model.report import (
    CaptureInfo,
    CauseClaim,
    Endpoint,
    Finding,
    FirstByte,
    Inferred,
    NotEvaluated,
    PoolRow,
    Program,
    Quality,
    Report,
    Verdict,
)
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.reports.json import SCHEMA
from pcapdiag.reports.units import NS

MOST = 1 << 28  # bytes; a report of a hundred thousand connections has a third of that
Item = TypeVar("Item")
Words = TypeVar("Words", bound=StrEnum)
LARGEST = 1 << 53  # beyond it JSON's numbers are not exact everywhere


def is_report(path: str) -> bool:
    """Whether a file begins as JSON does: no capture format has a ``{`` there.

    A pipe is not looked into: what is read of it is gone.
    """
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    except OSError:
        return False  # the reader of captures says what is wrong with it


def read(path: str) -> Report:
    """The Report in a file.

    Raises:
        CaptureError: it cannot be read, or holds something else.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST + 1)
    except OSError as error:
        raise CaptureError(path, f"cannot be read: {error.strerror}") from None
    if len(raw) > MOST:
        raise CaptureError(path, f"more than {MOST >> 20} MB of JSON", expected="a report of pcapdiag diagnose")
    try:
        whole = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CaptureError(path, f"no JSON: {error}", expected="a report of pcapdiag diagnose --format json") from None
    return Reader(path).report(Node(path, "", whole))


class Node:
    """A JSON value that knows where it is."""

    def __init__(self, path: str, place: str, value: Any) -> None:
        self.path, self.place, self.value = path, place, value

    def wrong(self, expected: str) -> CaptureError:
        where = self.place or "the top"
        what = "nothing" if self.value is None else type(self.value).__name__
        return CaptureError(
            self.path,
            f"no report that can be compared: {what} at {where}",
            expected=expected,
            try_this="pcapdiag diagnose --format json, of this version, makes one",
        )

    def __getitem__(self, key: str) -> Node:
        place = f"{self.place}.{key}" if self.place else key
        return Node(self.path, place, self.mapping().get(key))

    def mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return self.value

    def items(self) -> list[Node]:
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return [Node(self.path, f"{self.place}[{at}]", item) for at, item in enumerate(self.value)]

    def each(self, read: Callable[[Node], Item]) -> tuple[Item, ...]:
        return tuple(read(item) for item in self.items())

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("a string")
        return self.value

    def count(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not 0 <= self.value < LARGEST:
            raise self.wrong("a number from 0 on")
        return self.value

    def number(self) -> float:
        if not isinstance(self.value, int | float) or isinstance(self.value, bool) or not abs(self.value) < LARGEST:
            raise self.wrong("a number")  # NaN, which JSON does not know and Python reads, is below nothing
        return self.value

    def ns(self) -> int:
        """Seconds of the report as nanoseconds."""
        return round(self.number() * NS)

    def at(self) -> int:
        """RFC 3339 as nanoseconds since the epoch; the fraction is read apart, since datetime keeps six digits."""
        text = self.text()
        head, _, fraction = text.removesuffix("Z").partition(".")
        try:
            whole = datetime.fromisoformat(head + "+00:00")
            return round(whole.timestamp()) * NS + int(fraction.ljust(9, "0")[:9])
        except ValueError:
            raise self.wrong("a time as 2026-11-20T13:28:30.123456789Z") from None

    def counts(self) -> dict[str, int]:
        return {key: self[key].count() for key in self.mapping()}

    def word(self, words: type[Words]) -> Words:
        try:
            return words(self.text())
        except ValueError:
            raise self.wrong(f"one of {', '.join(words)}") from None

    def maybe(self, read: Callable[[Node], Item]) -> Item | None:
        return None if self.value is None else read(self)


class Reader:
    """A function per object, as :mod:`pcapdiag.reports.json` writes them."""

    def __init__(self, path: str) -> None:
        self.path = path

    def report(self, node: Node) -> Report:
        if node["schema"].value != SCHEMA:
            said = node["schema"].value
            raise CaptureError(
                self.path,
                f"JSON of the schema {said!r}" if isinstance(said, str) else "JSON without a schema",
                expected=f"{SCHEMA}, as pcapdiag diagnose --format json writes it",
            )
        pools = node["pools"].each(self.pool)
        return Report(
            capture=self.capture(node["capture"]),
            verdict=Verdict(
                node["verdict"].mapping().get("healthy") if node["verdict"].value else None,
                node["verdict"]["summary"].text(),
            ),
            findings=node["findings"].each(self.finding),
            pools=pools,
            connections=(),
            connection_count=sum(pool.connections for pool in pools),
            not_evaluated=node["not_evaluated"].each(
                lambda one: NotEvaluated(one["code"].text(), one["name"].text(), one["reason"].text())
            ),
            version=node["version"].text(),
        )

    def capture(self, node: Node) -> CaptureInfo:
        quality = node["quality"]
        return CaptureInfo(
            files=node["files"].each(Node.text),
            packets=node["packets"].count(),
            tcp_segments=node["tcp_segments"].count(),
            first_at=node["first_at"].maybe(Node.at),
            last_at=node["last_at"].maybe(Node.at),
            linktypes=node["linktypes"].each(Node.text),
            quality=Quality(
                undecoded=quality["undecoded"].counts(),
                truncated_packets=quality["truncated_packets"].count(),
                duplicate_packets=quality["duplicate_packets"].count(),
                dropped_packets=quality["dropped_packets"].maybe(Node.count) or 0,  # older reports lack it
                gap_bytes=quality["gap_bytes"].count(),
                midstream_connections=quality["midstream_connections"].count(),
                one_sided_connections=quality["one_sided_connections"].count(),
                aliased_connections=quality["aliased_connections"].count(),
                time_steps_back=quality["time_steps_back"].count(),
                damage=quality["damage"].each(Node.text),
                notes=quality["notes"].each(Node.text),
            ),
        )

    def pool(self, node: Node) -> PoolRow:
        reuse, peak = node["reuse"], node["peak"]
        basis = node["requests_basis"]
        if basis.value not in ("exact", "lower_bound", "turns"):
            raise basis.wrong("exact, lower_bound or turns")
        return PoolRow(
            id=node["id"].text(),
            client_ip=node["client_ip"].text(),
            server=Endpoint(node["server"]["ip"].text(), node["server"]["port"].maybe(Node.count)),
            host=node["host"].maybe(Node.text),
            protocol=node["protocol"].text(),
            user_agent=node["user_agent"].maybe(Node.text),
            client_library=node["client_library"].maybe(Node.text),
            server_software=node["server_software"].maybe(Node.text),
            connections=node["connections"].count(),
            requests=node["requests"].count(),
            requests_basis=basis.text(),
            requests_per_connection=histogram(reuse["requests_per_connection"]),
            mean_requests=reuse["mean"].maybe(Node.number),
            max_requests=reuse["max"].count(),
            closers=node["closers"].counts(),
            initiators=node["initiators"].counts(),
            close_classes=node["close_classes"].counts(),
            client_states=node["client_states"].counts(),
            server_states=node["server_states"].counts(),
            peak_connections=peak["connections"].count(),
            peak_busy=peak["busy"].count(),
            peak_idle=peak["idle"].count(),
            missed_reuse=node["missed_reuse"].count(),
            opens=node["opens"].count(),
            missed_reuse_rate=node["missed_reuse_rate"].maybe(Node.number),
            opens_per_second=node["opens_per_second"].maybe(Node.number),
            requests_per_second=node["requests_per_second"].maybe(Node.number),
            handshake_rtt_ns=node["handshake_rtt_s"].maybe(Node.ns),
            duration_ns=node["duration_s"].ns(),
            time_wait=node["time_wait"].counts(),
            inferred=node["inferred"].each(self.inferred),
            openings=node["openings"].counts(),
            time_wait_closes=node["time_wait_closes"].counts(),
            retransmitted=node["retransmitted"].count(),
            data_segments=node["data_segments"].count(),
            first_byte=node["first_byte"].maybe(first_byte),
            peak_kept=node["peak_kept"].count(),
            idle_survived_ns=node["idle_survived_s"].ns(),
            idle_open_ns=node["idle_open_s"].ns(),
            oldest_ns=node["oldest_s"].ns(),
            client_program=node["client_program"].maybe(program),
            server_program=node["server_program"].maybe(program),
        )

    def inferred(self, node: Node) -> Inferred:
        return Inferred(
            node["knob"].word(Knob),
            node["owner"].text(),
            node["value"].maybe(Node.number),
            node["low"].maybe(Node.number),
            node["high"].maybe(Node.number),
            node["unit"].text(),
            node["count"].count(),
            node["spread"].maybe(Node.number),
            node["basis"].text(),
            node["note"].text(),
        )

    def finding(self, node: Node) -> Finding:
        return Finding(
            code=node["code"].text(),
            name=node["name"].text(),
            severity=node["severity"].word(Severity),
            confidence=node["confidence"].word(Confidence),
            basis=node["basis"].word(Basis),
            pools=node["pools"].each(Node.text),
            title=node["title"].text(),
            claim=node["claim"].text(),
            measured=dict(node["measured"].mapping()),
            causes=node["causes"].each(
                lambda one: CauseClaim(one["cause"].word(Cause), one["confidence"].word(Confidence), "")
            ),
            evidence=(),
            would_refute=node["would_refute"].text(),
            follows_from=node["follows_from"].maybe(Node.text) or "",
        )


def histogram(node: Node) -> dict[int, int]:
    """Requests to connections; JSON's keys are strings."""
    counts = node.counts()
    if not all(key.isascii() and key.isdigit() for key in counts):
        raise node.wrong("numbers of requests as keys")
    return {int(key): count for key, count in counts.items()}


def program(node: Node) -> Program:
    return Program(
        node["product"].maybe(Node.text),
        node["name"].text(),
        node["version"].maybe(Node.text) or "",
        node["confidence"].word(Confidence),
        node["reason"].text(),
        node["candidates"].each(Node.text),
        node["system"].maybe(Node.text),
    )


def first_byte(node: Node) -> FirstByte:
    return FirstByte(node["count"].count(), node["median_s"].ns(), node["p95_s"].ns())
