"""One connection for a terminal: who and how it ended, then its packets as a ladder, then what findings say."""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.model.evidence import ConnectionReport
from pcapdiag.model.figures import Ladder, Rung
from pcapdiag.model.report import ConnectionRow, Endpoint, Finding, FrameRef, PoolRow
from pcapdiag.reports.escape import shorten, visible
from pcapdiag.reports.layout import Page
from pcapdiag.reports.units import clock, counted, duration_ns, plural

MOST_CODES = 2  # of findings beside a frame
OPENINGS = {
    "refused": "The server refused it.",
    "unanswered": "Nothing answered it.",
}
# What a close was, of the words of CloseClass.
CLOSES = {
    "signalled": "announced by Connection: close or the like",
    "open_request": "with a request open",
    "immediate": "at once",
    "silent": "after a silence",
    "unused": "never used",
}


def connection(report: ConnectionReport, *, width: int = 80, color: bool = False, verbose: bool = False) -> str:
    """The whole page; ``verbose`` adds ACKs alone, flags and sequence numbers."""
    page = Page(width, color=color)
    _head(page, report)
    _ladder(page, report.ladder, _codes(report.cited, report.row.number), verbose)
    _findings(page, report)
    page.blank()
    page.para("To see it in Wireshark:")
    if report.row.first_frame.file is not None:
        page.para(f"in {report.row.first_frame.file}:", indent=2)
    page.snippet(display_filter(report.row), indent=2)
    return page.text()


def ladder(one: Ladder, findings: Sequence[Finding], *, width: int = 100, verbose: bool = False) -> str:
    """A ladder alone, the frames marked that these findings name."""
    page = Page(width)
    _ladder(page, one, _codes(findings, one.connection), verbose)
    return page.text()


def display_filter(row: ConnectionRow) -> str:
    """A Wireshark display filter for this connection alone, not for others of the same ports."""
    version = "ipv6" if ":" in row.client.ip else "ip"
    ends = dict.fromkeys((row.client.ip, row.server.ip))
    ports = dict.fromkeys((row.client.port, row.server.port))
    parts = [f"{version}.addr == {ip}" for ip in ends] + [f"tcp.port == {port}" for port in ports if port is not None]
    parts.append(f"frame.number >= {row.first_frame.number}")
    if row.first_frame.file == row.last_frame.file:
        parts.append(f"frame.number <= {row.last_frame.number}")
    return " && ".join(parts)


def _head(page: Page, report: ConnectionReport) -> None:
    row, pool = report.row, report.pool
    page.para(f"Connection {row.number}: {row.client} -> {row.server}", style="head")
    carried = f"{counted(row.requests, row.requests_basis)} {'request' if row.requests == 1 else 'requests'}"
    facts = [f"Opened {clock(row.opened_at)}", row.protocol, carried]
    if row.handshake_rtt_ns is not None:
        facts.append(f"RTT {duration_ns(row.handshake_rtt_ns)}")
    name = row.sni or row.host
    if name and name != str(row.server):
        facts.append(f"to {shorten(name, 60)}")
    page.para(f"{', '.join(facts)}.")
    if pool is not None:
        page.para(f"Pool {pool.id}{_programs(pool)}.")
    if row.alias_of is not None:
        page.para(
            f"It is connection {row.alias_of} seen once more, under other addresses; findings and counts are about "
            f"that one: pcapdiag connection FILE {row.alias_of}."
        )
    page.para(_end(row), style="strong")


def _programs(pool: PoolRow) -> str:
    known = [
        f"{role} {f'{program.name} {program.version}'.strip()}"
        for role, program in (("client", pool.client_program), ("server", pool.server_program))
        if program is not None and program.product is not None
    ]
    return f": {', '.join(known)}" if known else ""


def _end(row: ConnectionRow) -> str:
    """By whom it was closed, how, and the states that are left."""
    states = f" Left: client {row.client_state}, server {row.server_state}."
    if row.opening in OPENINGS:
        return OPENINGS[row.opening] + states
    if row.close_kind == "none":
        return "Open when the capture ended." + states
    who = f"the {row.closer}" if row.closer in ("client", "server") else "one end"
    said = f"Closed first by {who} ({row.close_kind.upper()})"
    if row.linger_ns is not None and row.requests:
        said += f", {duration_ns(row.linger_ns)} after its last request had ended"
    what = CLOSES.get(row.close_class)
    if what and row.close_class not in ("silent", "immediate"):
        said += f", {what}"
    if row.initiator == "undecidable":
        said += "; both ends closed at the same time"
    return f"{said}.{states}"


def _codes(cited: Sequence[Finding], number: int) -> dict[FrameRef, list[str]]:
    """Frame to the codes of the findings that name it."""
    codes: dict[FrameRef, list[str]] = {}
    for finding in cited:
        for piece in finding.evidence:
            for frame in piece.frames if piece.connection == number else ():
                codes.setdefault(frame, []).append(finding.code)
    return codes


def _ladder(page: Page, ladder: Ladder, codes: dict[FrameRef, list[str]], verbose: bool) -> None:
    drawn = [rung for index, rung in enumerate(ladder.rungs) if verbose or not _dull(ladder.rungs, index)]
    start = ladder.rungs[0].at if ladder.rungs else 0
    times = [f"{(rung.at - start) / 1e9:.6f}" for rung in drawn]
    frames = [_frame(rung) for rung in drawn]
    marks = [_mark(rung, codes) for rung in drawn]
    left = max((len(time) for time in times), default=0), max((len(frame) for frame in frames), default=0)
    ahead = max(left[0], 7) + 2 + max(left[1], 5) + 2
    body = page.width - ahead - max((len(mark) + 2 for mark in marks), default=0)
    page.blank()
    _ends(page, ladder.client, ladder.server, ahead, body, left)
    file = None
    for rung, time, frame, mark in zip(drawn, times, frames, marks, strict=True):
        if rung.frames[0].file != file:
            file = rung.frames[0].file
            page.para(f"in {file}:", indent=ahead)
        line = f"{time:>{max(left[0], 7)}}  {frame:>{max(left[1], 5)}}  {_arrow(rung, body)}"
        page.line(f"{line}  {mark}", "bad" if mark else "")
        notes = [_numbers(rung), *rung.notes] if verbose else rung.notes
        if notes:
            page.para("; ".join(notes), indent=ahead + 2, style="unsure" if rung.notes else "dim")
    hidden = len(ladder.rungs) - len(drawn)
    if hidden:
        page.para(f"({plural(hidden, 'ACK')} alone not drawn; -v draws them, with flags and numbers)", style="dim")
    if ladder.left_out:
        page.para(f"({plural(ladder.left_out, 'packet')} left out in the middle)", style="dim")


def _dull(rungs: Sequence[Rung], index: int) -> bool:
    """An ACK of which there is nothing to say, but for the one that ends the handshake."""
    rung = rungs[index]
    acks = rung.text == "ACK" or (rung.length == 0 and rung.text.endswith(" ACKs"))
    return acks and not rung.notes and not rung.cited and (index == 0 or rungs[index - 1].text != "SYN-ACK")


def _ends(page: Page, client: Endpoint, server: Endpoint, ahead: int, body: int, left: tuple[int, int]) -> None:
    names = f"client {client}", f"server {server}"
    head = f"{'seconds':>{max(left[0], 7)}}  {'frame':>{max(left[1], 5)}}  "
    gap = body - len(names[0]) - len(names[1])
    if gap >= 2:
        page.line(f"{head}{names[0]}{' ' * gap}{names[1]}", "dim")
        return
    page.line(f"{head}{names[0]}", "dim")
    page.line(f"{' ' * ahead}{names[1]:>{body}}", "dim")


def _frame(rung: Rung) -> str:
    first = str(rung.frames[0].number)
    return first if len(rung.frames) == 1 else f"{first}+{len(rung.frames) - 1}"


def _mark(rung: Rung, codes: dict[FrameRef, list[str]]) -> str:
    found = list(dict.fromkeys(code for frame in rung.frames for code in codes.get(frame, ())))
    more = "+" if len(found) > MOST_CODES else ""
    return ("* " + ",".join(found[:MOST_CODES]) + more) if found else ("*" if rung.cited else "")


def _arrow(rung: Rung, body: int) -> str:
    """The packet between the two ends: ``|- GET / HTTP/1.1 ------ 96 B ->|``."""
    size = f" {rung.length:,} B -" if rung.length else ""
    text = shorten(visible(rung.text), max(body - len(size) - 8, 8))
    line = "-" * (body - len(text) - len(size) - 6)
    if rung.side == "client":
        return f"|- {text} {line}{size}>|"
    return f"|<{'-' if size else ''}{size}{line[:-1] if size else line} {text} -|"


def _numbers(rung: Rung) -> str:
    """As tcpdump writes them."""
    said = f"[{rung.flags}]"
    if rung.sequence is not None:
        said += f" seq {rung.sequence}" + (f":{rung.sequence + rung.length}" if rung.length else "")
    if rung.acknowledgment is not None:
        said += f" ack {rung.acknowledgment}"
    return said


def _findings(page: Page, report: ConnectionReport) -> None:
    number = report.row.number
    if report.cited:
        page.heading("What it shows")
    for finding in report.cited:
        for piece in finding.evidence:
            if piece.connection == number:
                page.item(f"{finding.code} {finding.name}, {finding.severity}: {piece.shows}", mark="*", indent=2)
    if report.pool_findings:
        page.heading("Other findings on its pool")
        for finding in report.pool_findings:
            page.item(f"{finding.code} {finding.name}, {finding.severity}: {finding.title}", indent=2)
