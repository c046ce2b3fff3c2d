"""The report for a terminal, in the order of the reader's questions.

Is anything wrong; what to change; the proof; the tables.  The first screen (24 lines) holds the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pcapdiag.model.report import (
    CauseClaim,
    Evidence,
    Finding,
    Measure,
    NotEvaluated,
    Program,
    Report,
    SettingAdvice,
)
from pcapdiag.model.words import Cause, Confidence, Knob, Severity
from pcapdiag.reports import text_connections, text_tables, text_whatif, without_setting
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import clock, duration, duration_ns, number, plural, share

EVIDENCE_SHOWN = 3  # per finding, without --verbose
GUESSES_SHOWN = 6  # products of an unnamed program; the commonest come first
LAST_COLUMN = 32  # columns that a table of guesses needs beside its first two, the gaps between them included
PRODUCTS_SHOWN = 2  # whose snippets are printed, where the client is unknown and there are many
LIST_SHOWN = 8  # items of a measured list

# What a cause is, to someone who does not know our word for it.
CAUSES = {
    Cause.NEVER_REUSE_NEW_TRANSPORT: "a new client with a pool of its own is made for each request",
    Cause.NEVER_REUSE_KEEPALIVE_DISABLED: "the client has keep-alive switched off",
    Cause.BODY_NOT_CLOSED: "response bodies are not closed",
    Cause.BODY_NOT_DRAINED: "responses are closed before they are read to the end",
    Cause.IDLE_POOL_TOO_SMALL: "the client keeps too few idle connections",
    Cause.IDLE_TIMEOUT_TOO_SHORT: "the client drops idle connections too soon",
    Cause.IDLE_TIMEOUT_NONE: "the client never drops idle connections",
    Cause.SERVER_IDLE_TIMEOUT: "the server drops idle connections too soon",
    Cause.SERVER_MAX_REQUESTS: "the server closes connections after a fixed number of requests",
    Cause.SERVER_CONNECTION_CLOSE: "the server closes the connection after every response",
    Cause.MAX_CONNS_CAP: "the client may open only so many connections, and requests wait for one",
    Cause.CLIENT_REQUEST_TIMEOUT: "the client gives up on requests before the answer comes",
    Cause.KEEPALIVE_RACE: "requests meet the server's close on the way and are lost",
    Cause.SERVER_ABORT: "the server breaks connections off with requests unanswered",
    Cause.SERVER_RESTART: "the server was stopped, and started again",
    Cause.CLIENT_ABORT: "the client's program ended with requests unanswered",
    Cause.CLIENT_MAX_REQUESTS: "the client closes connections after a fixed number of requests",
    Cause.CONNECT_REFUSED: "nothing listens at the service's address",
    Cause.CONNECT_TIMEOUT: "connection attempts get no answer",
    Cause.BACKLOG_OVERFLOW: "the server accepts connections too slowly and its queue is full",
    Cause.MIDDLEBOX_IDLE_DROP: "something on the path forgets idle connections",
    Cause.TLS_NO_REUSE: "every request pays for a TLS handshake",
    Cause.TLS_HANDSHAKE_FAILURE: "TLS handshakes fail",
    Cause.PROTOCOL_MISMATCH: "client and server do not speak the same protocol",
    Cause.NAGLE_DELAYED_ACK: "Nagle's algorithm waits for a delayed ACK",
    Cause.EXPECT_100_CONTINUE: "the client waits for a 100 Continue that does not come",
    Cause.ZERO_WINDOW: "the receiver does not read what it is sent",
    Cause.CONNECTION_LIFETIME: "the client replaces connections at a fixed age",
    Cause.CLOSE_WAIT_LEAK: "the client never closes what the server has closed",
    Cause.PORT_EXHAUSTION: "the client's ports run out",
    Cause.PATH_LOSS: "the network loses packets",
    Cause.PMTU_BLACKHOLE: "the network loses large packets only",
    Cause.SLOW_SERVER: "the server takes long to answer",
    Cause.SERVER_REJECTS_UPLOAD: "the server refuses request bodies before it has read them",
    Cause.UNUSED_CONNECTIONS: "connections are opened and never used",
    Cause.HALF_CLOSED: "one direction is closed and the other goes on",
    Cause.PIPELINING: "requests are sent ahead of the answers to earlier ones",
    Cause.CONNECT_TUNNEL: "connections are tunnels, long-lived on purpose",
}

# Who is at each end, by role.
Programs: TypeAlias = Mapping[str, Program | None]

# Rules with one reason that are listed by name; more by code alone.
RULES_NAMED = 3


def diagnosis(report: Report, *, width: int = 80, color: bool = False, verbose: bool = False) -> str:
    """The whole report.

    Args:
        report: what the pipeline found.
        width: columns of the terminal; at least 60 are used.
        color: write SGR escape sequences.
        verbose: every piece of evidence, every pool, every product's snippet.
    """
    page = Page(width, color=color)
    findings = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    _verdict(page, report, findings)
    _what_to_change(page, report, findings, verbose)
    if findings:
        page.heading("The proof")
        for at, finding in enumerate(findings, 1):
            _proof(page, finding, at if len(findings) > 1 else None, verbose)
    text_tables.tables(page, report, verbose=verbose)
    _also_seen(page, [finding for finding in report.findings if finding.severity is Severity.INFO])
    _not_evaluated(page, report.not_evaluated)
    if report.connections:
        text_connections.listing(page, report.connections)
    _footer(page, report)
    return page.text()


def _verdict(page: Page, report: Report, findings: Sequence[Finding]) -> None:
    healthy = report.verdict.healthy
    if healthy is None:
        word, style = "NO VERDICT", "unsure"
    elif healthy:
        word, style = "HEALTHY", "good"
    else:
        word, style = "PROBLEM", "bad"
    page.para(report.verdict.summary, label=f"{word}: ", hang=0, style=style)
    page.rule(style=style)
    page.para(_what_was_read(report))
    damage = report.capture.quality.damage
    if damage:
        more = f" (and {len(damage) - 1} more, see Capture)" if len(damage) > 1 else ""
        page.para(f"{damage[0]}{more}", label="The capture is damaged: ", hang=2, style="unsure")
    if len(findings) > 1:
        page.blank()
        for at, finding in enumerate(findings, 1):
            page.item(f"{finding.title} ({finding.severity}, {_pools(finding.pools)})", mark=f"{at}.", indent=2)


def _what_was_read(report: Report) -> str:
    capture = report.capture
    files = capture.files[0] if len(capture.files) == 1 else plural(len(capture.files), "file")
    connections = plural(report.connection_count, "connection")
    requests = sum(pool.requests for pool in report.pools)
    if report.pools and (not requests or all(pool.requests_basis == "exact" for pool in report.pools)):
        carried = f"{plural(requests, 'request')} on {connections}"
    elif report.pools:
        bases = {pool.requests_basis for pool in report.pools}
        about = "an estimated" if "turns" in bases else "at least"
        carried = f"{about} {plural(requests, 'request')} on {connections}"
    else:
        carried = connections
    when = ""
    if capture.first_at is not None and capture.last_at is not None:
        when = f" in {duration_ns(capture.last_at - capture.first_at)} from {clock(capture.first_at)}"
    return f"{files}: {carried}{when}."


def _what_to_change(page: Page, report: Report, findings: Sequence[Finding], verbose: bool) -> None:
    page.heading("What to change")
    if not findings:
        if report.verdict.healthy:
            page.para("Nothing.", indent=2)
        else:
            page.para("These packets do not tell.", indent=2)
        return
    told: dict[SettingAdvice, int] = {}
    for at, finding in enumerate(findings, 1):
        if at > 1:
            page.blank()
        mark = f"{at}. " if len(findings) > 1 else ""
        pool = next((pool for pool in report.pools if pool.id in finding.pools), None)
        programs = {"client": pool.client_program, "server": pool.server_program} if pool else {}
        _change(page, finding, report.verdict.summary, mark, told, at, programs, verbose)


def _change(
    page: Page,
    finding: Finding,
    summary: str,
    mark: str,
    told: dict[SettingAdvice, int],
    at: int,
    programs: Programs,
    verbose: bool,
) -> None:
    indent = len(mark) or 2
    causes = finding.causes
    if len(causes) > 1:
        names = ", or ".join(f"{_letter(place)}) {_in_words(claim.cause)}" for place, claim in enumerate(causes))
        page.para(f"Either {names}.", label=mark or "  ", style="strong")
        for claim in causes:
            if claim.tell_apart:
                page.para(claim.tell_apart, label="To tell: ", indent=indent, hang=indent + 2)
    elif mark or finding.title.rstrip(".") != summary.rstrip("."):
        page.para(finding.title, label=mark or "  ", style="strong")
    if finding.action:
        page.para(finding.action, indent=indent)
    seen = bool(finding.action)
    for place, claim in enumerate(causes):
        if len(causes) > 1:
            page.blank()
            page.para(f"If {_letter(place)}) {claim.cause} ({claim.confidence} confidence):", indent=indent)
        found = _settings(page, claim, indent, told, at, programs, verbose)
        if not found and (len(causes) > 1 or not seen):
            page.para(f"{without_setting.NONE_KNOWN} {without_setting.way(claim.cause)}".rstrip(), indent=indent)
        seen = found or seen
    if not seen and not causes:
        page.para(without_setting.NONE_KNOWN, indent=indent)
    if finding.confidence is not Confidence.HIGH and len(causes) == 1:
        page.para(f"The confidence is {finding.confidence}: read the proof first.", indent=indent)
    expected = text_whatif.predicted(finding.predicted)
    if expected:
        page.para(expected, label="Expected then: ", indent=indent, hang=indent + 2)
    for wrong in finding.not_the_fix:
        page.para(wrong, label="Will not help: ", indent=indent, hang=indent + 2)


def _settings(
    page: Page,
    claim: CauseClaim,
    indent: int,
    told: dict[SettingAdvice, int],
    at: int,
    programs: Programs,
    verbose: bool,
) -> bool:
    """The settings of one cause; whether there are any."""
    known = [advice for advice in claim.settings if advice.recognised]
    products = list(dict.fromkeys(advice.product for advice in known))
    whole = products if verbose or len(products) <= PRODUCTS_SHOWN else products[:1]
    shown: set[tuple[str, Knob]] = set()
    for advice in known:
        if advice.product not in whole:
            continue
        if advice in told:
            page.para(
                f"{advice.name} ({advice.product}) to {advice.recommended}, as in {told[advice]}.",
                indent=indent,
            )
        elif (advice.product, advice.knob) in shown and not verbose:
            page.para(
                f"{advice.name}, {_now(advice)}; set to {advice.recommended}.",
                label="Also look at: ",
                indent=indent,
                hang=indent + 2,
            )
        else:
            _setting(page, advice, indent)
        told.setdefault(advice, at)
        shown.add((advice.product, advice.knob))
    rest = [advice for advice in known if advice.product not in whole]
    if rest:
        page.para("The same in other products, if it is not this one (snippets with -v):", indent=indent)
        for advice in rest:
            page.item(f"{advice.product}: {advice.name} = {advice.recommended}", indent=indent + 2)
    for role in ("client", "server", "kernel", "middlebox"):
        guessed = [advice for advice in claim.settings if not advice.recognised and advice.role == role]
        if guessed:
            _guessed(page, guessed, role, programs, indent, verbose)
    for one in claim.no_setting:
        why = one.why.rstrip(".")
        page.para(f"{one.product} has no setting for this ({one.knob.replace('_', ' ')}): {why}.", indent=indent)
    return bool(claim.settings or claim.no_setting)


def _guessed(
    page: Page, guessed: Sequence[SettingAdvice], role: str, programs: Programs, indent: int, verbose: bool
) -> None:
    """A setting in the commonest products, or in the few that it may be, where the packets do not name the one in use."""
    page.para(_guess_head(guessed[0].inferred, role, programs), indent=indent)
    if verbose:
        for advice in guessed:
            _setting(page, advice, indent + 2)
        return
    shown = guessed[:GUESSES_SHOWN]
    widest = max(len(advice.product) for advice in shown) + max(len(advice.name) for advice in shown)
    if widest + LAST_COLUMN <= page.width - indent:
        rows = [[advice.product, advice.name, advice.recommended] for advice in shown]
        page.table(["product", "setting", "set to"], rows, indent=indent + 2, wrap=True)
    else:
        for advice in shown:
            page.item(f"{advice.product}: {advice.name}, set to {advice.recommended}", indent=indent + 2)
    left = len(guessed) - GUESSES_SHOWN
    more = f"And {plural(left, 'more product')}, and snippets" if left > 0 else "Snippets"
    if role in ("client", "server"):
        page.para(f"{more}: -v; of one product alone: --{role} PRODUCT (pcapdiag settings).", indent=indent)
    else:
        page.para(f"{more}: -v.", indent=indent)


def _guess_head(read: str | None, role: str, programs: Programs) -> str:
    """What to say ahead of a setting's names in products that nobody named; ``read``: its value on the wire."""
    program = programs.get(role)
    if role == "kernel":
        told = any(one is not None and one.system for one in programs.values())
        head = "In the kernel" + (f" it is {read}, as read from the packets" if read else "")
        head += ":" if told else "; where that is Linux:"
    elif role == "middlebox":
        head = "What stands between the two is not named in the packets. In common products it is:"
    elif program is not None and program.candidates:
        head = (
            f"The {role} may be {program.name} ({program.reason})"
            + (f"; its setting is {read}, as read from the packets" if read else "")
            + ". There it is:"
        )
    else:
        head = (
            f"The {role}'s software is not named in the packets"
            + (f"; its setting is {read}, as read from them" if read else "")
            + ". In the commonest products it is:"
        )
    return head


def _setting(page: Page, advice: SettingAdvice, indent: int) -> None:
    page.para(f"{advice.name} ({advice.product})", indent=indent, style="strong")
    page.pairs([("now", _now(advice)), ("set to", advice.recommended)], indent=indent + 2)
    if advice.snippet.strip():
        page.blank()
        page.snippet(advice.snippet, indent=indent + 4)
        page.blank()
    if advice.why:
        page.para(advice.why, label="Why: ", indent=indent, hang=indent + 2)


def _now(advice: SettingAdvice) -> str:
    """Its value as the wire shows it, and the default."""
    if advice.inferred is None:
        return f"not visible in these packets; the default is {advice.default}" if advice.default else "not visible"
    if advice.inferred == advice.default:
        return f"{advice.inferred}, read from the packets; the default"
    default = f"; the default is {advice.default}" if advice.default else ""
    return f"{advice.inferred}, read from the packets{default}"


def _proof(page: Page, finding: Finding, at: int | None, verbose: bool) -> None:
    page.blank()
    mark = f"{at}. " if at is not None else ""
    page.para(
        f"{finding.code} {finding.name}: {finding.severity} severity, {finding.confidence} confidence, "
        f"{finding.basis}, {_pools(finding.pools)}",
        label=mark or "  ",
        style="strong",
    )
    indent = len(mark) or 2
    page.para(finding.claim, indent=indent)
    if finding.measured:
        page.blank()
        page.pairs([(_name(key), _measure(key, value)) for key, value in finding.measured.items()], indent=indent + 2)
    page.blank()
    shown = finding.evidence if verbose else finding.evidence[:EVIDENCE_SHOWN]
    for evidence in shown:
        _evidence(page, evidence, indent)
    left = len(finding.evidence) - len(shown)
    if left:
        more = "piece" if left == 1 else "pieces"
        page.para(f"and {left:,} more {more} of evidence (-v, or --format json)", indent=indent)
    page.blank()
    if len(finding.causes) == 1 and finding.causes[0].tell_apart:
        page.para(finding.causes[0].tell_apart, label="Told from look-alikes: ", indent=indent, hang=indent + 2)
    page.para(finding.would_refute, label="Would refute it: ", indent=indent, hang=indent + 2)


def _evidence(page: Page, evidence: Evidence, indent: int) -> None:
    page.item(f"connection {evidence.connection}: {evidence.shows}", indent=indent)
    page.frames(evidence.frames, indent=indent + 4)


def _also_seen(page: Page, findings: Sequence[Finding]) -> None:
    """Facts, and what follows from the findings above; what would not help against a fact is of no use to anybody."""
    facts = [finding for finding in findings if not finding.follows_from]
    if facts:
        page.heading("Also seen, no fault")
    for finding in facts:
        page.item(f"{finding.title} ({finding.code} {finding.name}, {_pools(finding.pools)})", indent=2)
        if finding.evidence:
            page.frames(finding.evidence[0].frames, indent=6)
    if len(facts) < len(findings):
        page.heading("What follows from it")
    for finding in findings:
        if finding.follows_from:
            page.item(
                f"{finding.title} ({finding.code} {finding.name}, from {finding.follows_from}, {_pools(finding.pools)})",
                indent=2,
            )


def _not_evaluated(page: Page, skipped: Sequence[NotEvaluated]) -> None:
    if not skipped:
        return
    by_reason: dict[str, list[NotEvaluated]] = {}
    for entry in skipped:
        by_reason.setdefault(entry.reason, []).append(entry)
    page.heading("Not evaluated")
    for reason, entries in by_reason.items():
        few = len(entries) <= RULES_NAMED
        rules = ", ".join(f"{entry.code} {entry.name}" if few else entry.code for entry in entries)
        page.item(f"{rules}: {reason}", indent=2)


def _footer(page: Page, report: Report) -> None:
    page.blank()
    example = report.findings[0].code if report.findings else "CODE"
    page.para(
        f"pcapdiag {report.version}. What a rule claims and never claims: pcapdiag explain {example}. "
        "For programs: --format json.",
        style="dim",
    )


def _pools(ids: Sequence[str]) -> str:
    if not ids:
        return "whole capture"
    shown = ", ".join(ids[:LIST_SHOWN])
    more = f" and {len(ids) - LIST_SHOWN} more" if len(ids) > LIST_SHOWN else ""
    return f"{'pool' if len(ids) == 1 else 'pools'} {shown}{more}"


def _in_words(cause: Cause) -> str:
    return CAUSES.get(cause, str(cause))


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else str(place)


def _name(key: str) -> str:
    """``immediate_closes`` and ``linger_s`` as words; the unit is in the value."""
    for suffix in ("_s", "_ns"):
        key = key.removesuffix(suffix)
    return key.upper() if key.upper() in text_tables.NETSTAT else key.replace("_", " ")


def _measures(measures: Mapping[str, Measure]) -> str:
    return ", ".join(f"{_name(key)} {_measure(key, value)}" for key, value in measures.items())


def _measure(key: str, value: Measure) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _measures(value) or "none"
    if isinstance(value, list):
        shown = ", ".join(_measure(key, item) for item in value[:LIST_SHOWN])
        more = f" and {len(value) - LIST_SHOWN} more" if len(value) > LIST_SHOWN else ""
        return shown + more if shown else "none"
    if key.endswith("_ns"):
        return duration(value / 1e9)
    if key.endswith("_s"):
        return duration(value)
    if key.endswith(("_rate", "_share")) and 0 <= value <= 1:
        return share(round(value * 1_000_000), 1_000_000)
    return number(value)
