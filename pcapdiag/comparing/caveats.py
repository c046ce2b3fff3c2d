"""What makes two captures unlike: load, length, clients, programs, quality.  Sentences, each for one doubt."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.comparing.metrics import ABOUT, unlike
from pcapdiag.comparing.use import Use, span
from pcapdiag.model.report import Report
from pcapdiag.reports.measures import rounded
from pcapdiag.reports.units import duration_ns, plural, share

# From a tenth of the connections on, what was not seen weighs.
PART = 0.1
NAMED = 3


def of_pair(before: Use, after: Use) -> Iterator[str]:
    """Doubts about one service."""
    yield from load(before, after)
    old, new = before.names("client_ip"), after.names("client_ip")
    if set(old) != set(new) and len(old) == len(new) == 1:
        yield f"The client is {old[0]} in BEFORE and {new[0]} in AFTER."
    elif set(old) != set(new):
        yield (
            f"The clients differ: {listed(old)} in BEFORE, {listed(new)} in AFTER; "
            "the service is compared with all its clients together."
        )
    for attribute, what in (("client_library", "client"), ("server_software", "server")):
        first, second = before.names(attribute), after.names(attribute)
        if first and second and set(first) != set(second):
            yield f"The {what}'s software is {listed(first)} in BEFORE and {listed(second)} in AFTER."
    if before.worth != after.worth:
        yield (
            f"Requests are {worth(before)} in BEFORE and {worth(after)} in AFTER: "
            "what is counted per request cannot be compared."
        )


def load(before: Use, after: Use) -> Iterator[str]:
    old, new = before.requests_per_second, after.requests_per_second
    if old and new and unlike(old, new):
        yield (
            f"AFTER ran {rounded(new)} requests per second, BEFORE {rounded(old)}: "
            "rates per request are comparable, waits and peaks less so."
        )
    if after.peak_busy < ABOUT * before.peak_busy:
        yield (
            f"AFTER never had more than {plural(after.peak_busy, 'request')} in flight, "
            f"BEFORE had {before.peak_busy:,}."
        )
    for one, other in ((before, after), (after, before)):
        if one.midstream > PART * one.connections and other.midstream <= PART * other.connections:
            yield (
                f"In {one.name} {share(one.midstream, one.connections)} of the connections were open before it began: "
                "their handshakes are not counted."
            )


def of_captures(before: Report, after: Report) -> Iterator[str]:
    """Doubts about the captures as a whole."""
    first, second = before.capture, after.capture
    if first.first_at is not None and (first.first_at, first.last_at, first.packets) == (
        second.first_at,
        second.last_at,
        second.packets,
    ):
        yield "BEFORE and AFTER are the same capture."
    elif first.first_at is not None and second.first_at is not None and second.first_at < first.first_at:
        yield "AFTER was taken ahead of BEFORE: are the two swapped?"
    length, other = span(first), span(second)
    if length and other and unlike(length, other):
        yield f"AFTER lasts {duration_ns(other)}, BEFORE {duration_ns(length)}."
    for name, report in (("BEFORE", before), ("AFTER", after)):
        yield from quality(name, report)


def quality(name: str, report: Report) -> Iterator[str]:
    """What a capture lacks that the other may have."""
    seen = report.capture.quality
    if report.verdict.healthy is None:
        yield f"{name} alone has no verdict: {report.verdict.summary.rstrip('.')}."
    if seen.damage:
        yield f"{name} is damaged: {seen.damage[0]}."
    if seen.dropped_packets:
        yield f"{name} lacks {plural(seen.dropped_packets, 'packet')} that the kernel dropped."
    if seen.gap_bytes:
        yield f"{name} lacks {seen.gap_bytes:,} bytes that were acknowledged: packets are missing in it."
    if seen.one_sided_connections > PART * report.connection_count:
        yield f"{name} holds one direction only of {plural(seen.one_sided_connections, 'connection')}."


def worth(use: Use) -> str:
    return {"lower_bound": "lower bounds", "turns": "estimates"}.get(use.worth, "exact")


def listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:NAMED]) or "unknown"
    return shown + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
