"""Connections by state for programs: ``pcapdiag-states/1``, held by ``schema/pcapdiag-states-1.schema.json``."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.model.states import EndStates, Peak, StateGroup, StateReport
from pcapdiag.model.words import TcpState
from pcapdiag.reports import json_parts as parts
from pcapdiag.reports.escape import json_dumps, json_text
from pcapdiag.reports.json_parts import Object
from pcapdiag.reports.units import rfc3339, seconds

SCHEMA = "pcapdiag-states/1"
# What ``ss`` shows of connections, in the order of their lives.
STATES = tuple(state.word for state in TcpState if state not in (TcpState.UNKNOWN, TcpState.CLOSED))


def document(report: StateReport) -> str:
    """The report as one JSON document."""
    whole: Object = {
        "schema": SCHEMA,
        "version": json_text(report.version),
        "capture": parts.capture(report.capture),
        "from": rfc3339(report.moments[0]),
        "to": rfc3339(report.moments[-1]),
        "step_s": None if report.step_ns is None else seconds(report.step_ns),
        "time_wait_s": seconds(report.time_wait_ns),
        "fin_timeout_s": seconds(report.fin_timeout_ns),
        "open_before": report.open_before,
        "waits_over_at": None if report.waits_over_at is None else rfc3339(report.waits_over_at),
        "findings": [
            {
                "server": parts.endpoint(one.server),
                "code": one.code,
                "name": one.name,
                "severity": one.severity,
                "title": json_text(one.title),
            }
            for one in report.found
        ],
        "by": report.by,
        "moments": [rfc3339(at) for at in report.moments],
        "total": _group(report.total),
        "groups": [_group(group) for group in report.groups],
    }
    return json_dumps(whole) + "\n"


def ndjson(report: StateReport) -> Iterator[str]:
    """A line per moment, end and group."""
    for at, end, group, counts in lines(report):
        states = dict(zip(STATES, counts, strict=True))
        yield json_dumps({"at": rfc3339(at), "end": end, **_key(group), "states": states}) + "\n"


def lines(report: StateReport) -> Iterator[tuple[int, str, StateGroup, list[int]]]:
    """For each group, end and moment the sockets in each of STATES."""
    for group in report.groups if report.by != "total" else (report.total,):
        for end in group.ends:
            columns = [end.counts.get(state) for state in STATES]
            for index, at in enumerate(report.moments):
                yield at, end.end, group, [0 if column is None else column[index] for column in columns]


def _group(group: StateGroup) -> Object:
    return {**_key(group), "connections": group.connections, "ends": {end.end: _end(end) for end in group.ends}}


def _key(group: StateGroup) -> Object:
    return {
        "client_ip": group.client_ip,
        "server": None if group.server is None else parts.endpoint(group.server),
        "pool": group.pool,
    }


def _end(end: EndStates) -> Object:
    return {
        "addresses": [json_text(address) for address in end.addresses],
        "counts": {state: list(end.counts[state]) for state in STATES if state in end.counts},
        "peaks": {state: _peak(end.peaks[state]) for state in STATES if state in end.peaks},
    }


def _peak(peak: Peak) -> Object:
    return {
        "count": peak.count,
        "at": rfc3339(peak.at),
        "largest": {
            "client_ip": peak.largest.client_ip,
            "server": parts.endpoint(peak.largest.server),
            "count": peak.largest.count,
        },
    }
