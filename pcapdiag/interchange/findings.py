"""The table of findings: a row per finding, cause and setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pcapdiag.interchange.columns import Column, Kind, Layout
from pcapdiag.interchange.sheet import Sheet, listed
from pcapdiag.model.report import CauseClaim, Finding, Report, SettingAdvice
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.reports.escape import json_dumps, json_text
from pcapdiag.reports.json import measures

NO_CAUSE = "the finding names no cause"
NO_SETTING = "no setting belongs to the cause"

COLUMNS = (
    Column("finding", Kind.NUMBER, "place of the finding, worst first, from 1"),
    Column("code", Kind.TEXT, "code of its rule, as PD205"),
    Column("name", Kind.TEXT, "name of its rule: the pattern, as idle-pool-too-small"),
    Column("severity", Kind.WORD, "what it costs if it is true", words=tuple(map(str, Severity))),
    Column("confidence", Kind.WORD, "how well the capture supports it", words=tuple(map(str, Confidence))),
    Column("basis", Kind.WORD, "whether the packets show it or it is reasoned from them", words=tuple(map(str, Basis))),
    Column("pools", Kind.TEXTS, "ids of the pools it is about"),
    Column("title", Kind.TEXT, "one line"),
    Column("claim", Kind.TEXT, "a paragraph"),
    Column("follows_from", Kind.TEXT, "code of the finding that brings this one about", null="it stands for itself"),
    Column("cause_rank", Kind.NUMBER, "place of the cause, the likeliest is 1", null=NO_CAUSE),
    Column(
        "cause",
        Kind.WORD,
        "what is wrong: a word as docs/rules/ explains them",
        null=NO_CAUSE,
        words=tuple(map(str, Cause)),
    ),
    Column("cause_confidence", Kind.WORD, "how sure this cause is", null=NO_CAUSE, words=tuple(map(str, Confidence))),
    Column("tell_apart", Kind.TEXT, "how to decide between this cause and the next", null="it has no rival"),
    Column("setting_rank", Kind.NUMBER, "place of the setting among those of the cause, from 1", null=NO_SETTING),
    Column("setting", Kind.TEXT, "name of the setting in its product", null=NO_SETTING),
    Column("product", Kind.TEXT, "whose setting it is", null=NO_SETTING),
    Column(
        "product_recognized",
        Kind.FLAG,
        "the packets name the product; else it is one of the commonest",
        null=NO_SETTING,
    ),
    Column(
        "role",
        Kind.WORD,
        "which end it is set at",
        null=NO_SETTING,
        words=("client", "server", "kernel", "middlebox"),
    ),
    Column("knob", Kind.WORD, "what the setting governs, in any product", null=NO_SETTING, words=tuple(map(str, Knob))),
    Column("inferred", Kind.TEXT, "its value now, as the packets show it", null="they do not show it"),
    Column("setting_default", Kind.TEXT, "its default", null="it has none, or none is known"),
    Column("recommended", Kind.TEXT, "what to set it to", null=NO_SETTING),
    Column("why", Kind.TEXT, "why", null=NO_SETTING),
    Column("snippet", Kind.TEXT, "lines of code or configuration to copy", null="there are none"),
    Column("language", Kind.TEXT, "language of the snippet", null="there is none"),
    Column("reference", Kind.TEXT, "where the product documents it", null=NO_SETTING),
    Column("action", Kind.TEXT, "what to do where a setting is not the whole of it", null="it is"),
    Column("not_the_fix", Kind.TEXTS, "popular fixes that would not help; may be empty"),
    Column("would_refute", Kind.TEXT, "what would show that the claim is wrong"),
    Column("measured", Kind.OBJECT, "what the rule measured: a JSON object; durations in seconds (_s)"),
    Column("predicted", Kind.OBJECT, "what the change would do: a JSON object", null="nothing is predicted"),
    Column("evidence_connections", Kind.NUMBERS, "numbers of the connections that show it"),
    Column("evidence_frames", Kind.NUMBERS, "frame numbers to open in Wireshark, in their files"),
    Column("evidence_files", Kind.TEXTS, "for each frame its file", null="one file was read"),
)

FINDINGS = Layout(
    "findings",
    "A row per finding, cause and setting: worst finding first, then the likeliest cause, then its settings. "
    "For one row per finding keep those with cause_rank and setting_rank 1 or null.",
    COLUMNS,
)


def findings(report: Report) -> Sheet:
    """The findings of a Report as a table; see :data:`FINDINGS`."""
    rows = [row for place, finding in enumerate(report.findings, start=1) for row in _rows(place, finding)]
    return Sheet(FINDINGS, {column.name: listed(column, [row[column.name] for row in rows]) for column in COLUMNS})


def _rows(place: int, finding: Finding) -> Iterator[dict[str, Any]]:
    shared = _finding(place, finding)
    for cause_rank, claim in enumerate(finding.causes, start=1) if finding.causes else ((None, None),):
        caused = shared | _cause(cause_rank, claim)
        settings = claim.settings if claim is not None else ()
        for setting_rank, advice in enumerate(settings, start=1) if settings else ((None, None),):
            yield caused | _setting(setting_rank, advice)


def _finding(place: int, finding: Finding) -> dict[str, Any]:
    frames = [frame for evidence in finding.evidence for frame in evidence.frames]
    files = [json_text(frame.file) for frame in frames if frame.file is not None]
    return {
        "finding": place,
        "code": finding.code,
        "name": finding.name,
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "basis": str(finding.basis),
        "pools": list(finding.pools),
        "title": json_text(finding.title),
        "claim": json_text(finding.claim),
        "follows_from": finding.follows_from or None,
        "action": _text(finding.action),
        "not_the_fix": [json_text(text) for text in finding.not_the_fix],
        "would_refute": json_text(finding.would_refute),
        "measured": json_dumps(measures(finding.measured)),
        "predicted": json_dumps(measures(finding.predicted)) if finding.predicted else None,
        "evidence_connections": list(dict.fromkeys(evidence.connection for evidence in finding.evidence)),
        "evidence_frames": [frame.number for frame in frames],
        "evidence_files": files if len(files) == len(frames) and files else None,
    }


def _cause(rank: int | None, claim: CauseClaim | None) -> dict[str, Any]:
    return {
        "cause_rank": rank,
        "cause": None if claim is None else str(claim.cause),
        "cause_confidence": None if claim is None else str(claim.confidence),
        "tell_apart": None if claim is None else _text(claim.tell_apart),
    }


def _setting(rank: int | None, advice: SettingAdvice | None) -> dict[str, Any]:
    return {
        "setting_rank": rank,
        "setting": None if advice is None else json_text(advice.name),
        "product": None if advice is None else json_text(advice.product),
        "product_recognized": None if advice is None else advice.recognised,
        "role": None if advice is None else advice.role,
        "knob": None if advice is None else str(advice.knob),
        "inferred": None if advice is None else _text(advice.inferred),
        "setting_default": None if advice is None else _text(advice.default),
        "recommended": None if advice is None else json_text(advice.recommended),
        "why": None if advice is None else json_text(advice.why),
        "snippet": None if advice is None else _text(advice.snippet),
        "language": None if advice is None else _text(advice.language),
        "reference": None if advice is None else json_text(advice.reference),
    }


def _text(text: str | None) -> str | None:
    return json_text(text) if text else None
