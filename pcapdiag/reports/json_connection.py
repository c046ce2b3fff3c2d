"""One connection for programs: ``pcapdiag-connection/1``, held by ``schema/pcapdiag-connection-1.schema.json``."""

from __future__ import annotations

from pcapdiag.model.evidence import ConnectionReport
from pcapdiag.model.figures import Ladder, Rung
from pcapdiag.model.report import Finding
from pcapdiag.reports import json_parts as parts
from pcapdiag.reports.escape import json_dumps, json_text
from pcapdiag.reports.json import connection as connection_row
from pcapdiag.reports.json_parts import Object
from pcapdiag.reports.text_connection import display_filter
from pcapdiag.reports.units import rfc3339

SCHEMA = "pcapdiag-connection/1"


def document(report: ConnectionReport) -> str:
    """The report as one JSON document."""
    whole: Object = {
        "schema": SCHEMA,
        "version": json_text(report.version),
        "capture": parts.capture(report.capture),
        "connection": connection_row(report.row),
        "ladder": _ladder(report.ladder),
        "findings": [_finding(finding, report.row.number) for finding in (*report.cited, *report.pool_findings)],
        "display_filter": display_filter(report.row),
    }
    return json_dumps(whole, indent=2) + "\n"


def _ladder(ladder: Ladder) -> Object:
    start = ladder.rungs[0].at if ladder.rungs else 0
    return {
        "rungs": [_rung(rung, start) for rung in ladder.rungs],
        "left_out": ladder.left_out,
        "shows": [json_text(text) for text in ladder.shows],
    }


def _rung(rung: Rung, start: int) -> Object:
    return {
        "at": rfc3339(rung.at),
        "after_s": parts.seconds_of(rung.at - start),
        "side": rung.side,
        "frames": [parts.frame(frame) for frame in rung.frames],
        "flags": rung.flags,
        "sequence": rung.sequence,
        "acknowledgment": rung.acknowledgment,
        "length": rung.length,
        "text": json_text(rung.text),
        "notes": [json_text(note) for note in rung.notes],
        "cited": rung.cited,
    }


def _finding(finding: Finding, number: int) -> Object:
    """A finding, with what it shows by this connection; nothing where it is one of the pool's alone."""
    pieces = [piece for piece in finding.evidence if piece.connection == number]
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": str(finding.severity),
        "title": json_text(finding.title),
        "shows": [json_text(piece.shows) for piece in pieces],
        "frames": [parts.frame(frame) for piece in pieces for frame in piece.frames],
    }
