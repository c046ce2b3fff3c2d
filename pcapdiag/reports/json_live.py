"""Events of a live capture for programs: ``pcapdiag-live/1``, a line each, held by ``schema/pcapdiag-live-1.schema.json``.

A finding is told when it forms, when it says something else, and when it is gone; what it says is what ``diagnose``
would say of the same packets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from pcapdiag.model.live import LivePool, LiveView, Owner, Saving
from pcapdiag.model.report import Endpoint, Finding, PoolRow, Report
from pcapdiag.reports import json_parts as parts
from pcapdiag.reports.escape import json_dumps, json_text
from pcapdiag.reports.json import finding_object
from pcapdiag.reports.json_parts import Object
from pcapdiag.reports.json_states import STATES
from pcapdiag.reports.units import rfc3339, seconds

SCHEMA = "pcapdiag-live/1"
MOST_FILES = 100  # of a status line; a rotation that deletes nothing makes thousands in a week
MISSES = 3  # looks, a second apart or more
NEAR = 1.25
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}  # as texts of settings write durations
_NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)(?: ?(us|ms|s|min|h)\b)?")

# A pool whatever its number: numbers go by size, and sizes change.
Ends: TypeAlias = "tuple[str, Endpoint]"


@dataclass(frozen=True)
class _Told:
    """A finding as it was told last, and how many looks since then have missed it."""

    finding: Finding
    ends: frozenset[Ends]
    described: Object
    missed: int = 0


class Telling:
    """What has been told of findings so far, so that it is told again only when it says something else.

    Changed is a finding with another severity or confidence, other causes or another order of them, other settings, or
    values a quarter away from those that were told; numbers that merely grow, or waver, are no change.  A finding is the
    same one when rule and one of its pools are the same.  It is gone when so many looks in a row have not found it: what
    stands at the edge of evidence comes and goes with every packet.
    """

    def __init__(self) -> None:
        self._standing: list[_Told] = []

    def changes(self, report: Report | None, at: int, *, last: bool = False) -> Iterator[str]:
        """A line for each finding that is new, that changed, or that is gone, in this order of the report.

        Args:
            report: of this look; None where all was forgotten.
            at: nanoseconds since the epoch.
            last: it is the final one; what is not in it is gone.
        """
        left, self._standing = self._standing, []
        for finding in () if report is None else report.findings:
            ends = _ends(finding, report)
            said = next((one for one in left if one.finding.code == finding.code and _alike(one.ends, ends)), None)
            if said is not None:
                left.remove(said)
            if said is None or _differs(said.finding, finding):
                described = _described(finding, report)
                self._standing.append(_Told(finding, ends, described))
                yield _line("finding", at, change="new" if said is None else "changed", **described)
            else:
                self._standing.append(replace(said, ends=ends, missed=0))
        for said in left:
            if last or said.missed + 1 >= MISSES:
                yield _line("finding", at, change="gone", **said.described)
            else:
                self._standing.append(replace(said, missed=said.missed + 1))


def status(view: LiveView) -> str:
    """How the capture goes, and what its pools do now."""
    rows = {} if view.report is None else {row.id: row for row in view.report.pools}
    return _line(
        "status",
        view.now,
        elapsed_s=seconds(view.now - view.started_at),
        **_totals(view),
        packets_per_second=parts.number(view.packets_per_second),
        forgotten=view.forgotten,
        history_from=None if view.history_from is None else rfc3339(view.history_from),
        saving=_saving(view.saving),
        states={
            end: {state: view.states.get(end, {}).get(state, 0) for state in STATES} for end in ("client", "server")
        },
        window_s=seconds(view.window_ns),
        pools=[_live_pool(live, rows[live.pool]) for live in view.pools if live.pool in rows],
    )


def end(view: LiveView, reason: str) -> str:
    """The last line: why the capture is over, and the verdict on all of it.

    Args:
        reason: "duration", "interrupted", "terminated", "found", or "capture ended: " and why.
    """
    report = view.report
    verdict = None
    if report is not None:
        verdict = {"healthy": report.verdict.healthy, "summary": json_text(report.verdict.summary)}
    return _line(
        "end",
        view.now,
        reason=json_text(reason),
        elapsed_s=seconds(view.now - view.started_at),
        **_totals(view),
        files=[json_text(file) for file in view.saving.files] if view.saving is not None else [],
        saving=_saving(view.saving),
        findings=[] if report is None else [finding.code for finding in report.findings],
        verdict=verdict,
    )


def _line(event: str, at: int, **values: object) -> str:
    return json_dumps({"schema": SCHEMA, "event": event, "at": rfc3339(at), **values}) + "\n"


def _totals(view: LiveView) -> Object:
    return {
        "packets": view.packets,
        "received": view.received,
        "dropped": view.dropped,
        "connections": 0 if view.report is None else view.report.connection_count,
    }


def _ends(finding: Finding, report: Report | None) -> frozenset[Ends]:
    return frozenset((row.client_ip, row.server) for row in _rows(finding, report))


def _rows(finding: Finding, report: Report | None) -> Sequence[PoolRow]:
    return [] if report is None else [row for row in report.pools if row.id in finding.pools]


def _alike(one: frozenset[Ends], other: frozenset[Ends]) -> bool:
    """Findings on the whole capture have no pools."""
    return bool(one & other) or (not one and not other)


def _differs(told: Finding, finding: Finding) -> bool:
    """Whether somebody who acts on what was told would now act otherwise."""
    if (told.severity, told.confidence) != (finding.severity, finding.confidence):
        return True
    if [claim.cause for claim in told.causes] != [claim.cause for claim in finding.causes]:
        return True
    before = [one for claim in told.causes for one in claim.settings]
    after = [one for claim in finding.causes for one in claim.settings]
    return [(one.product, one.name) for one in before] != [(one.product, one.name) for one in after] or any(
        not near(one.recommended, other.recommended) for one, other in zip(before, after, strict=True)
    )


def near(one: str, other: str) -> bool:
    """Whether two values to set come to the same: the same words, up to the first comma, and numbers near each other."""
    (words, numbers), (other_words, others) = _value(one), _value(other)
    return words == other_words and all(max(a, b) <= NEAR * min(a, b) for a, b in zip(numbers, others, strict=True))


def _value(text: str) -> tuple[str, list[float]]:
    """``longer than 1.497 s, ...``: the words with a place for each number, and the numbers, durations in seconds."""
    text = text.partition(", ")[0]
    numbers = [float(n.replace(",", "")) * UNITS.get(unit, 1.0) for n, unit in _NUMBER.findall(text)]
    return _NUMBER.sub("#", text), numbers


def _described(finding: Finding, report: Report | None) -> Object:
    return {"finding": finding_object(finding), "pools": [_pool(row) for row in _rows(finding, report)]}


def _pool(row: PoolRow) -> Object:
    client, server = row.client_program, row.server_program
    return {
        "id": row.id,
        "client_ip": row.client_ip,
        "server": parts.endpoint(row.server),
        "host": parts.text(row.host),
        "client_product": None if client is None else client.product,
        "server_product": None if server is None else server.product,
    }


def _live_pool(live: LivePool, row: PoolRow) -> Object:
    return {
        **_pool(row),
        "client_owners": [_owner(owner) for owner in live.client_owners],
        "server_owners": [_owner(owner) for owner in live.server_owners],
        "connections": row.connections,
        "requests": row.requests,
        "requests_per_connection": parts.number(row.mean_requests),
        "closers": {end: row.closers.get(end, 0) for end in ("client", "server", "both", "none")},
        "open": live.open,
        "busy": live.busy,
        "idle": live.idle,
        "opens_per_second": parts.number(live.opens_per_second),
        "closes_per_second": parts.number(live.closes_per_second),
        "requests_per_second": parts.number(live.requests_per_second),
    }


def _owner(owner: Owner) -> Object:
    return {"pid": owner.pid, "name": json_text(owner.name), "container": parts.text(owner.container)}


def _saving(saving: Saving | None) -> Object | None:
    if saving is None:
        return None
    return {
        "files": [json_text(file) for file in saving.files[-MOST_FILES:]],
        "bytes": saving.bytes,
        "removed": saving.removed,
        "failed": json_text(saving.failed) or None,
    }
