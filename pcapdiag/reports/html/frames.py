"""Wireshark display filters to copy: by frame, and by addresses and ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pcapdiag.model.report import Endpoint, FrameRef
from pcapdiag.reports.layout import display_filter

WHOLE = 1_000_000  # characters; filters to copy are not cut


@dataclass(frozen=True)
class Filter:
    """A display filter, and what it shows."""

    text: str
    shows: str


def by_frames(frames: Sequence[FrameRef]) -> list[Filter]:
    """One filter for each file that these frames are in."""
    numbers: dict[str | None, set[int]] = {}
    for frame in frames:
        numbers.setdefault(frame.file, set()).add(frame.number)
    return [
        Filter(display_filter(sorted(of), WHOLE)[0], "these frames" if file is None else f"in {file}")
        for file, of in numbers.items()
    ]


def by_addresses(client: Endpoint, server: Endpoint) -> Filter:
    """The whole connection in any capture of it, however its frames and streams are numbered there."""
    parts = [f"{_field(end)}.addr == {end.ip}" for end in (client, server)]
    if client.ip == server.ip:
        parts = parts[:1]
    parts += [f"tcp.port == {end.port}" for end in (client, server) if end.port is not None]
    return Filter(" && ".join(dict.fromkeys(parts)), "the whole connection")


def _field(end: Endpoint) -> str:
    return "ipv6" if ":" in end.ip else "ip"
