"""The report for programs: ``pcapdiag/1``, held by ``schema/pcapdiag-1.schema.json``.

A function per object and each key written out: a change of the model never changes the contract by accident.
Absolute times are RFC 3339 in UTC with nanoseconds, durations are seconds (``_s``).
Text is as it was on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from pcapdiag.model.report import (
    CaptureInfo,
    CauseClaim,
    ConnectionRow,
    Evidence,
    Finding,
    FirstByte,
    Inferred,
    NoSetting,
    NotEvaluated,
    PoolRow,
    Program,
    Report,
    SettingAdvice,
    Verdict,
)
from pcapdiag.model.words import CloseClass, Opening, TcpState
from pcapdiag.reports import json_parts as parts
from pcapdiag.reports.escape import json_dumps, json_text
from pcapdiag.reports.json_parts import Object
from pcapdiag.reports.units import rfc3339, seconds

SCHEMA = "pcapdiag/1"


def diagnosis(report: Report, *, with_connections: bool = False) -> str:
    """The report as one JSON document."""
    whole: Object = {
        "schema": SCHEMA,
        "version": json_text(report.version),
        "capture": parts.capture(report.capture),
        "verdict": _verdict(report.verdict),
        "findings": [finding_object(finding) for finding in report.findings],
        "pools": [_pool(pool) for pool in report.pools],
    }
    if with_connections:
        whole["connections"] = [connection(row) for row in report.connections]
    whole["not_evaluated"] = [_not_evaluated(entry) for entry in report.not_evaluated]
    return json_dumps(whole, indent=2) + "\n"


def head(capture: CaptureInfo) -> str:
    """What a document of rows begins with: an object of ``schema`` and ``capture``."""
    return json_dumps({"schema": SCHEMA, "capture": parts.capture(capture)})


def connection(row: ConnectionRow) -> Object:
    return {
        "number": row.number,
        "client": parts.endpoint(row.client),
        "server": parts.endpoint(row.server),
        "pool": parts.text(row.pool),
        "opening": row.opening,
        "opened_at": rfc3339(row.opened_at),
        "last_at": rfc3339(row.last_at),
        "handshake_rtt_s": parts.seconds_of(row.handshake_rtt_ns),
        "requests": row.requests,
        "responses": row.responses,
        "requests_exact": row.requests_basis == "exact",
        "requests_basis": row.requests_basis,
        "closer": row.closer,
        "initiator": row.initiator,
        "close_kind": row.close_kind,
        "close_class": row.close_class,
        "linger_s": parts.seconds_of(row.linger_ns),
        "open_request_at_close": row.open_request_at_close,
        "client_state": row.client_state,
        "server_state": row.server_state,
        "protocol": row.protocol,
        "alpn": parts.text(row.alpn),
        "sni": parts.text(row.sni),
        "host": parts.text(row.host),
        "user_agent": parts.text(row.user_agent),
        "server_software": parts.text(row.server_software),
        "conn_state": row.conn_state,
        "history": row.history,
        "completeness": row.completeness,
        "roles_inferred": row.roles_inferred,
        "client_packets": row.client_packets,
        "server_packets": row.server_packets,
        "client_bytes": row.client_bytes,
        "server_bytes": row.server_bytes,
        "client_retransmitted": row.client_retransmitted,
        "server_retransmitted": row.server_retransmitted,
        "client_out_of_order": row.client_out_of_order,
        "server_out_of_order": row.server_out_of_order,
        "client_zero_window": row.client_zero_window,
        "server_zero_window": row.server_zero_window,
        "client_keepalive_probes": row.client_keepalive_probes,
        "server_keepalive_probes": row.server_keepalive_probes,
        "client_gap_bytes": row.client_gap_bytes,
        "server_gap_bytes": row.server_gap_bytes,
        "truncated_bytes": row.truncated_bytes,
        "duplicates": row.duplicates,
        "alias_of": row.alias_of,
        "frames": {
            "first": parts.frame(row.first_frame),
            "last": parts.frame(row.last_frame),
            "closing": None if row.closing_frame is None else parts.frame(row.closing_frame),
        },
        "closed_at": None if row.closed_at is None else rfc3339(row.closed_at),
    }


def _verdict(verdict: Verdict) -> Object:
    return {"healthy": verdict.healthy, "summary": json_text(verdict.summary)}


def _pool(pool: PoolRow) -> Object:
    return {
        "id": pool.id,
        "client_ip": pool.client_ip,
        "server": parts.endpoint(pool.server),
        "host": parts.text(pool.host),
        "protocol": pool.protocol,
        "user_agent": parts.text(pool.user_agent),
        "client_library": parts.text(pool.client_library),
        "server_software": parts.text(pool.server_software),
        "connections": pool.connections,
        "requests": pool.requests,
        "requests_exact": pool.requests_basis == "exact",
        "requests_basis": pool.requests_basis,
        "reuse": {
            "mean": parts.number(pool.mean_requests),
            "max": pool.max_requests,
            "requests_per_connection": {
                str(requests): count for requests, count in sorted(pool.requests_per_connection.items())
            },
        },
        "closers": _counts(pool.closers, ("client", "server", "both", "none")),
        "initiators": _counts(pool.initiators, ("client", "server", "undecidable", "none")),
        "close_classes": _counts(pool.close_classes, [close_class.word for close_class in CloseClass]),
        "client_states": _counts(pool.client_states, [state.word for state in TcpState]),
        "server_states": _counts(pool.server_states, [state.word for state in TcpState]),
        "peak": {"connections": pool.peak_connections, "busy": pool.peak_busy, "idle": pool.peak_idle},
        "missed_reuse": pool.missed_reuse,
        "missed_reuse_rate": parts.number(pool.missed_reuse_rate),
        "opens": pool.opens,
        "opens_per_second": parts.number(pool.opens_per_second),
        "requests_per_second": parts.number(pool.requests_per_second),
        "handshake_rtt_s": parts.seconds_of(pool.handshake_rtt_ns),
        "duration_s": seconds(pool.duration_ns),
        "time_wait": _counts(pool.time_wait, ("client", "server")),
        "inferred": [_inferred(item) for item in pool.inferred],
        "client_program": _program(pool.client_program),
        "server_program": _program(pool.server_program),
        "openings": _counts(pool.openings, [opening.word for opening in Opening]),
        "time_wait_closes": _counts(pool.time_wait_closes, ("client", "server")),
        "retransmitted": pool.retransmitted,
        "data_segments": pool.data_segments,
        "first_byte": _first_byte(pool.first_byte),
        "peak_kept": pool.peak_kept,
        "idle_survived_s": seconds(pool.idle_survived_ns),
        "idle_open_s": seconds(pool.idle_open_ns),
        "oldest_s": seconds(pool.oldest_ns),
    }


def _program(program: Program | None) -> Object | None:
    if program is None:
        return None
    return {
        "product": program.product,
        "name": json_text(program.name),
        "version": json_text(program.version) or None,
        "confidence": str(program.confidence),
        "reason": json_text(program.reason),
        "candidates": list(program.candidates),
        "system": program.system,
    }


def _first_byte(wait: FirstByte | None) -> Object | None:
    if wait is None:
        return None
    return {"count": wait.count, "median_s": seconds(wait.median_ns), "p95_s": seconds(wait.p95_ns)}


def _inferred(item: Inferred) -> Object:
    return {
        "knob": str(item.knob),
        "owner": item.owner,
        "value": parts.number(item.value),
        "low": parts.number(item.low),
        "high": parts.number(item.high),
        "unit": item.unit,
        "count": item.count,
        "spread": parts.number(item.spread),
        "basis": json_text(item.basis),
        "note": json_text(item.note),
    }


def finding_object(finding: Finding) -> Object:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "basis": str(finding.basis),
        "pools": list(finding.pools),
        "title": json_text(finding.title),
        "claim": json_text(finding.claim),
        "measured": measures(finding.measured),
        "causes": [_cause(claim) for claim in finding.causes],
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "would_refute": json_text(finding.would_refute),
        "not_the_fix": [json_text(text) for text in finding.not_the_fix],
        "action": json_text(finding.action) if finding.action else None,
        "follows_from": finding.follows_from or None,
        "predicted": measures(finding.predicted),
    }


def _cause(claim: CauseClaim) -> Object:
    return {
        "cause": str(claim.cause),
        "confidence": str(claim.confidence),
        "tell_apart": json_text(claim.tell_apart),
        "settings": [_setting(advice) for advice in claim.settings],
        "no_setting": [_no_setting(one) for one in claim.no_setting],
    }


def _setting(advice: SettingAdvice) -> Object:
    return {
        "name": json_text(advice.name),
        "product": json_text(advice.product),
        "knob": str(advice.knob),
        "default": json_text(advice.default),
        "inferred": parts.text(advice.inferred),
        "recommended": json_text(advice.recommended),
        "why": json_text(advice.why),
        "snippet": json_text(advice.snippet),
        "language": json_text(advice.language),
        "reference": json_text(advice.reference),
        "role": json_text(advice.role),
        "recognised": advice.recognised,
    }


def _no_setting(one: NoSetting) -> Object:
    return {
        "product": json_text(one.product),
        "knob": str(one.knob),
        "role": one.role,
        "why": json_text(one.why),
        "reference": json_text(one.reference),
    }


def _evidence(evidence: Evidence) -> Object:
    return {
        "connection": evidence.connection,
        "frames": [parts.frame(frame) for frame in evidence.frames],
        "shows": json_text(evidence.shows),
    }


def _not_evaluated(entry: NotEvaluated) -> Object:
    return {"code": entry.code, "name": entry.name, "reason": json_text(entry.reason)}


def _counts(counts: Mapping[str, int], words: Sequence[str]) -> Object:
    """Every word of the vocabulary with its count."""
    return {word: counts.get(word, 0) for word in words}


def measures(measured: Mapping[str, Any]) -> Object:
    """What a rule measured; a rule's nanoseconds (``_ns``) leave as seconds (``_s``)."""
    out: Object = {}
    for key, value in measured.items():
        name = json_text(str(key))
        if name.endswith("_ns") and isinstance(value, Real):
            out[name.removesuffix("_ns") + "_s"] = float(value) / 1e9
        else:
            out[name] = _measure(value)
    return out


def _measure(value: Any) -> Any:
    """A measured value as JSON has it, NumPy's scalars included."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return json_text(value)
    if isinstance(value, Mapping):
        return measures(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return parts.number(float(value))
    if isinstance(value, Sequence):
        return [_measure(item) for item in value]
    item = getattr(value, "item", None)  # numpy.bool_ is no number to the numbers module
    return _measure(item()) if callable(item) else json_text(str(value))
