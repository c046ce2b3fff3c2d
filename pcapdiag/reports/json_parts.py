"""Objects and values that all JSON documents write in one way."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from pcapdiag.model.report import CaptureInfo, Endpoint, FrameRef, Quality
from pcapdiag.reports.escape import json_text
from pcapdiag.reports.units import rfc3339, seconds

Object: TypeAlias = dict[str, Any]


def capture(info: CaptureInfo) -> Object:
    return {
        "files": [json_text(file) for file in info.files],
        "packets": info.packets,
        "tcp_segments": info.tcp_segments,
        "first_at": None if info.first_at is None else rfc3339(info.first_at),
        "last_at": None if info.last_at is None else rfc3339(info.last_at),
        "linktypes": [json_text(linktype) for linktype in info.linktypes],
        "quality": _quality(info.quality),
    }


def _quality(quality: Quality) -> Object:
    return {
        "undecoded": {json_text(reason): count for reason, count in quality.undecoded.items()},
        "truncated_packets": quality.truncated_packets,
        "duplicate_packets": quality.duplicate_packets,
        "dropped_packets": quality.dropped_packets,
        "gap_bytes": quality.gap_bytes,
        "midstream_connections": quality.midstream_connections,
        "one_sided_connections": quality.one_sided_connections,
        "aliased_connections": quality.aliased_connections,
        "time_steps_back": quality.time_steps_back,
        "damage": [json_text(line) for line in quality.damage],
        "notes": [json_text(line) for line in quality.notes],
    }


def endpoint(one: Endpoint) -> Object:
    return {"ip": one.ip, "port": one.port}


def frame(one: FrameRef) -> int | Object:
    """A packet as Wireshark numbers it; with its file once more than one was read."""
    return one.number if one.file is None else {"file": json_text(one.file), "number": one.number}


def text(value: str | None) -> str | None:
    return None if value is None else json_text(value)


def seconds_of(ns: int | None) -> float | None:
    return None if ns is None else seconds(ns)


def number(value: float | None) -> float | None:
    """JSON knows no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None
