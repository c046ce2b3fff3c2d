"""The comparison for programs: ``pcapdiag-compare/1``, held by ``schema/pcapdiag-compare-1.schema.json``."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.comparison import Comparison, FindingRow, Metric, Reading, ServiceRow, Side, Unmatched
from pcapdiag.model.report import Finding, Inferred
from pcapdiag.reports import json_parts as parts
from pcapdiag.reports.escape import json_dumps, json_text
from pcapdiag.reports.json_parts import Object
from pcapdiag.reports.units import NS, rfc3339

SCHEMA = "pcapdiag-compare/1"


def comparison(compared: Comparison) -> str:
    """The comparison as one JSON document."""
    services = {service.id: service for service in compared.services}
    whole: Object = {
        "schema": SCHEMA,
        "version": json_text(compared.version),
        "outcome": str(compared.outcome),
        "summary": json_text(compared.summary),
        "before": _side(compared.before),
        "after": _side(compared.after),
        "findings": [_finding(row, services.get(row.service)) for row in compared.findings],
        "services": [_service(service) for service in compared.services],
        "only_before": [_unmatched(row) for row in compared.only_before],
        "only_after": [_unmatched(row) for row in compared.only_after],
        "caveats": [json_text(caveat) for caveat in compared.caveats],
    }
    return json_dumps(whole, indent=2) + "\n"


def _side(side: Side) -> Object:
    return {
        "files": [json_text(file) for file in side.files],
        "first_at": None if side.first_at is None else rfc3339(side.first_at),
        "last_at": None if side.last_at is None else rfc3339(side.last_at),
        "connections": side.connections,
        "requests": side.requests,
        "healthy": side.healthy,
        "summary": json_text(side.summary),
    }


def _finding(row: FindingRow, service: ServiceRow | None) -> Object:
    return {
        "code": row.code,
        "name": row.name,
        "fate": str(row.fate),
        "tested": row.tested,
        "severity": str(row.severity),
        "service": row.service or None,
        "change": None if row.change is None else str(row.change),
        "before": None if row.before is None else _told(row.before, service.pools_before if service else None),
        "after": None if row.after is None else _told(row.after, service.pools_after if service else None),
        "symptom": None if row.symptom is None else _metric(row.symptom),
        "why": json_text(row.why) or None,
        "to_test": json_text(row.to_test) or None,
    }


def _told(finding: Finding, pools: Sequence[str] | None) -> Object:
    """A finding, with those of its pools that are of the service."""
    its = set(finding.pools)
    return {
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "title": json_text(finding.title),
        "pools": list(finding.pools) if pools is None else [pool for pool in pools if pool in its],
    }


def _service(service: ServiceRow) -> Object:
    return {
        "id": service.id,
        "before": [parts.endpoint(one) for one in service.before],
        "after": [parts.endpoint(one) for one in service.after],
        "hosts": [json_text(host) for host in service.hosts],
        "clients_before": list(service.clients_before),
        "clients_after": list(service.clients_after),
        "user_agent": parts.text(service.user_agent),
        "pools_before": list(service.pools_before),
        "pools_after": list(service.pools_after),
        "matched_by": json_text(service.matched_by),
        "load": [_metric(metric) for metric in service.load],
        "use": [_metric(metric) for metric in service.use],
        "readings": [_reading(reading) for reading in service.readings],
        "caveats": [json_text(caveat) for caveat in service.caveats],
    }


def _metric(metric: Metric) -> Object:
    """Nanoseconds leave as seconds."""
    timed = metric.name.endswith("_ns")
    return {
        "name": metric.name.removesuffix("_ns") + "_s" if timed else metric.name,
        "before": parts.number(_in_unit(metric.before, timed)),
        "after": parts.number(_in_unit(metric.after, timed)),
        "change": None if metric.change is None else str(metric.change),
        "requests_basis": metric.worth,
    }


def _in_unit(amount: float | None, timed: bool) -> float | None:
    return amount / NS if timed and amount is not None else amount


def _reading(reading: Reading) -> Object:
    return {
        "knob": str(reading.knob),
        "owner": reading.owner,
        "before": None if reading.before is None else _inferred(reading.before),
        "after": None if reading.after is None else _inferred(reading.after),
    }


def _inferred(item: Inferred) -> Object:
    return {
        "value": parts.number(item.value),
        "low": parts.number(item.low),
        "high": parts.number(item.high),
        "unit": item.unit,
        "count": item.count,
    }


def _unmatched(row: Unmatched) -> Object:
    return {
        "server": parts.endpoint(row.server),
        "host": parts.text(row.host),
        "clients": list(row.clients),
        "connections": row.connections,
        "requests": row.requests,
    }
