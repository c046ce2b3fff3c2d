"""What evidence a finding still lacks, to someone who can wait for it: what to let happen while the capture runs.

How often a pattern must be seen to be sure of it is the rules' business (``rule.by_count``); the numbers here are for
people, and ``tests/test_still_missing.py`` holds them against what the rules do.
"""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.model.report import Finding, NotEvaluated
from pcapdiag.model.words import Confidence

# By rule: what it counts, of what, and how many make it sure.
COUNTED = {
    "backlog-overflow": ("held_up", "dials held up", 10),
    "body-not-closed": ("used_once", "connections used once", 20),
    "body-not-drained": ("closed_in_response", "closes in mid-response", 20),
    "client-ignores-fin": ("lost_requests", "lost requests", 10),
    "client-max-requests": ("closed_at_cap", "closes at the cap", 10),
    "client-request-timeout": ("given_up", "requests given up", 20),
    "close-wait-leak": ("watched", "connections left in CLOSE_WAIT", 20),
    "connect-refused": ("refused", "refused dials", 10),
    "connect-timeout": ("unanswered", "unanswered dials", 10),
    "connection-lifetime": ("closes", "closes at that age", 20),
    "expect-100-continue": ("waits", "waits for 100 Continue", 20),
    "half-closed": ("half_closed", "half-closed connections", 20),
    "idle-pool-too-small": ("closed_at_once", "closes at once", 20),
    "idle-timeout-too-short": ("closes", "closes by that timer", 20),
    "max-conns-cap": ("handovers", "requests that waited for a connection", 100),
    "middlebox-idle-drop": ("requests_lost", "lost requests", 5),
    "nagle-delayed-ack": ("stalls", "stalls", 20),
    "never-reuse-new-transport": ("used_once", "connections used once", 20),
    "pmtu-blackhole": ("stuck", "stuck connections", 5),
    "server-connection-close": ("ended_after_one", "connections ended after one response", 20),
    "server-idle-timeout": ("closes", "closes by that timer", 20),
    "server-max-requests": ("closed_at_cap", "closes at the cap", 10),
    "server-rejects-upload": ("rejected", "rejected requests", 10),
    "slow-server": ("slow", "slow answers", 20),
    "tls-handshake-failure": ("failed", "failed handshakes", 10),
    "unused-connections": ("unused", "unused connections", 20),
}
# By rule: what more of the same does not show.
WAITS = {
    "idle-pool-too-small": "let the load pause for some seconds and go on: the next packet shows how many stayed idle",
    "idle-timeout-none": "keep it running: a minute of idleness, better several, says that no timer is at work",
}
# Why a pool's packets allow no high confidence, as the rules write it (rules/evidence.py), and what helps.
DOUBTS = {
    "The capture sees one direction of most of these connections.": "capture where both directions pass",
    "Most of these connections were open before the capture began.": "restart the client while this runs",
    "The capture lost packets of many of these connections.": "narrow the filter, so that no packets are lost",
}


def missing(finding: Finding) -> Iterator[tuple[str, str]]:
    """What would make it surer, labelled, in the order of what to try; nothing where all is known."""
    if finding.confidence is not Confidence.HIGH:
        yield from _to_be_sure(finding)
    if len(finding.causes) > 1 and finding.causes[0].confidence is not Confidence.HIGH:
        for claim in finding.causes[:1]:
            if claim.tell_apart:
                yield "to tell", claim.tell_apart


def _to_be_sure(finding: Finding) -> Iterator[tuple[str, str]]:
    said = False
    for doubt, help_ in DOUBTS.items():
        if doubt in finding.claim:
            yield "to be sure", help_
            said = True
    if finding.name in COUNTED:
        key, noun, enough = COUNTED[finding.name]
        count = finding.measured.get(key)
        if isinstance(count, int) and count < enough:
            yield "to be sure", f"{enough} {noun} are enough, {count} so far"
            said = True
    if finding.name in WAITS:
        yield "to be sure", WAITS[finding.name]
        said = True
    if not said and len(finding.causes) < 2 and finding.would_refute:
        yield "refuted by", finding.would_refute


def not_asked(skipped: tuple[NotEvaluated, ...]) -> Iterator[str]:
    """Which rules could not be asked yet, by what they wait for, the most of them first."""
    by_reason: dict[str, list[str]] = {}
    for entry in skipped:
        by_reason.setdefault(entry.reason, []).append(entry.name)
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        yield f"{', '.join(names) if len(names) == 1 else f'{len(names)} rules'}: {reason}"
