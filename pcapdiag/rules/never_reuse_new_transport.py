"""Each request gets a connection of its own that is then left idle: a client, Transport or agent per request.

What it looks at
    Connections seen from their start that carried one request, and how many of the dials happened while another
    connection of the same pool sat idle, was idle long enough to be known about, and was never used again.

Claims
    The client did not look for an idle connection where there was one.  A pool is made anew for each request and thrown
    away with what it holds, so nothing can be reused.

Never claims
    Which line of code does it, or that idle connections of another program behind the same address should have been
    used: connections that are used again later do not count as missed.

Why it matters
    Every request pays a handshake, and TLS another; idle connections pile up in ESTABLISHED at both ends until a timer
    or a limit on file descriptors ends it.

What to change
    Make one client for the program and share it: it is safe for concurrent use in every common library.

False alarms
    A response body that is never closed looks the same until the server closes the connection or the response is
    larger than the buffers; then body-not-closed leads.  Where nothing decides, both are said.  An idle timer of the
    client (the popular IdleConnTimeout of 2 s) only removes the pile: it is not the cause while reuse was missed ahead
    of it.

References
    https://pkg.go.dev/net/http#Transport ("Transports should be reused instead of created as needed")
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.abandoned import Abandoned, Lean, abandoned
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.timers import idle_timer
from pcapdiag.rules.rule import (
    Desk,
    Need,
    NotJudged,
    Rule,
    by_count,
    churn_severity,
    finding,
    life_frames,
    many,
    seconds,
    share,
    speaks_http,
)

DECIDE = (
    "give the server a short idle timeout (2 s), or wait for its own: a client that still holds unread responses "
    "leaves its FIN unanswered (CLOSE_WAIT), one with unused idle connections answers it at once"
)

LOOK = (
    "this client notices a server's FIN only at its next use, so FINs that it leaves unanswered decide nothing: look in "
    "the program for a client made for each request, or a response that is not read to its end"
)
# Clients that do not read while a connection is idle: they leave a FIN unanswered, healthy or not.
LAZY = frozenset(
    {"python-requests", "python-urllib3", "python-httpx", "libcurl", "php-curl", "ruby-net-http", "okhttp"}
)


class NeverReuseNewTransport(Rule):
    code = "PD201"
    name = "never-reuse-new-transport"
    title = "A new client (pool) for each request: connections used once, then left idle"
    severity = Severity.HIGH
    needs = (Need.STARTS,)
    explains = (
        Cause.SERVER_IDLE_TIMEOUT,
        Cause.IDLE_TIMEOUT_TOO_SHORT,
        Cause.IDLE_TIMEOUT_NONE,
        Cause.TLS_NO_REUSE,
        Cause.SERVER_CONNECTION_CLOSE,  # a server that keeps only so many idle ones tells the others to close
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = weighed(pool, desk)
        if seen is None or leads_unread(pool, desk, seen):
            return None
        return abandoned_finding(self, pool, desk, seen)


# Clients whose abandoned sessions close at once: CPython frees them with their last reference, so a pile of open
# connections has to be held by responses that were never read.
FREED_AT_ONCE = frozenset({"python-requests", "python-urllib3"})


def weighed(pool: Pool, desk: Desk) -> Abandoned | None:
    """The pattern, undecided where it leans on what this client does in either case."""
    seen = abandoned(pool)
    if seen is None or not seen.unheeded or desk.client_id(pool) not in LAZY:
        return seen
    return replace(seen, lean=Lean.UNDECIDED, shown_by=seen.rows[:0], reason="")


def leads_unread(pool: Pool, desk: Desk, seen: Abandoned) -> bool:
    """Whether the unread body is the likelier of the two."""
    return seen.lean == Lean.UNREAD or (seen.lean == Lean.UNDECIDED and desk.client_id(pool) in FREED_AT_ONCE)


def abandoned_finding(rule: Rule, pool: Pool, desk: Desk, seen: Abandoned) -> Finding:
    """The finding for connections used once and left open, with the two explanations in the order of their support."""
    c = pool.connections
    unread_first = leads_unread(pool, desk, seen)
    decided = seen.lean != Lean.UNDECIDED
    tell = LOOK if desk.client_id(pool) in LAZY else DECIDE
    dials = int(pool.dialled.sum())
    used = len(seen.rows) if seen.blind else int(pool.whole.sum())
    once = share(used if seen.blind else int((c.requests[pool.whole] == 1).sum()), used)
    served = "were used once, as it seems" if seen.blind else "served one request"
    missed = round(seen.missed_rate * (dials - 1)) if seen.blind else int(pool.missed.sum())
    still_open = int((~pool.closed & pool.usable).sum())
    new = CauseClaim(
        Cause.NEVER_REUSE_NEW_TRANSPORT,
        Confidence.HIGH if seen.lean == Lean.POOLED else Confidence.MEDIUM if not unread_first else Confidence.LOW,
        tell if not decided and not unread_first else "",
        desk.advice(pool, Knob.INSTANCE_PER_REQUEST, Cause.NEVER_REUSE_NEW_TRANSPORT),
    )
    unread = CauseClaim(
        Cause.BODY_NOT_CLOSED,
        Confidence.HIGH if seen.lean == Lean.UNREAD else Confidence.MEDIUM if unread_first else Confidence.LOW,
        tell if not decided and unread_first else "",
        desk.advice(pool, Knob.BODY_CONSUMPTION, Cause.BODY_NOT_CLOSED),
    )
    if seen.lean == Lean.POOLED:
        causes = [new]
    elif seen.lean == Lean.UNREAD:
        causes = [unread]
    else:
        causes = [unread, new] if unread_first else [new, unread]
    if unread_first:
        never = (
            "Response bodies are never closed"
            if speaks_http(pool)
            else "Results are never read to their end and closed"
        )
        title = f"{never}: {once} connections {served}"
        if not decided:
            title += ", then stayed idle"
    elif decided:
        title = f"A new client for each request: {once} connections {served}"
    else:
        title = f"Nothing is reused: {once} connections {served} and were left idle"
    claim = ""
    if missed:
        claim = (
            f"{many(missed, 'dial')} of {dials:,} happened while another connection of this pool sat idle that nobody used "
            f"again. "
        )
    if seen.blind:
        claim += (
            "No payload was captured, only SYN, FIN and RST: that each connection was used once, at its start, follows "
            "from its constant age at the server's close. Capture without that filter to see the requests. "
        )
    elif pool.peak_open > 1:
        claim += f"Up to {pool.peak_open:,} were open at once for at most {many(pool.peak_busy, 'request')} at a time"
        claim += f"; {still_open:,} were still open at the end. " if still_open else ". "
    if decided:
        claim += f"On {many(len(seen.shown_by), 'connection')} {seen.reason}."
    else:
        claim += (
            "Either a) a new client with a pool of its own is made for each request, or b) "
            + (
                "response bodies are not closed: "
                if speaks_http(pool)
                else "results are not read to their end and closed: "
            )
            + (
                "this client lets a server's FIN wait in either case, so the packets are the same."
                if seen.unheeded
                else "until the server closes a connection the packets are the same."
            )
        )
    timer = idle_timer(pool, Side.CLIENT)
    if timer is not None and not timer.lazy and timer.value is not None:
        claim += (
            f" The client's idle timer of about {seconds(timer.value)} removes the pile, and leaves a handshake for "
            "each request."
        )
    server = idle_timer(pool, Side.SERVER)
    if server is not None and server.value is not None:
        claim += f" The server closes them after {seconds(server.value)} of silence; that is not the cause."
    rows = seen.shown_by if decided and len(seen.shown_by) else seen.rows
    evidence = [
        desk.evidence(pool, int(row), life_frames(pool, int(row)), describe(pool, int(row), seen))
        for row in rows[:3].tolist()
    ]
    dialled_past = np.flatnonzero(pool.missed)
    if len(dialled_past):
        row = int(dialled_past[0])
        evidence.append(
            desk.evidence(pool, row, [int(c.first_frame[row])], "dialled while an idle connection was at hand")
        )
    floor = Severity.MEDIUM if pool.peak_open > 5 or still_open > 5 else Severity.LOW
    return finding(
        rule,
        pool,
        severity=churn_severity(pool.opens_per_second, floor),
        confidence=Confidence.LOW
        if seen.blind
        else by_count(used)
        if decided
        else min(by_count(used), Confidence.MEDIUM, key=lambda confidence: confidence.rank),
        basis=Basis.INFERRED,
        title=title,
        claim=claim,
        measured={
            "connections": pool.size,
            "requests": pool.requests,
            "used_once": len(seen.rows) if seen.blind else int((c.requests[pool.whole] == 1).sum()),
            "single_request_share": 1.0 if seen.blind else round(pool.single, 3),
            "missed_reuse": missed,
            "missed_reuse_rate": round(seen.missed_rate, 3),
            "open_at_end": still_open,
            "peak_open": pool.peak_open,
            "peak_busy": pool.peak_busy,
            "opens_per_second": round(pool.opens_per_second or 0.0, 2),
        },
        causes=causes,
        evidence=evidence,
        would_refute=(
            "A second request on any of these connections, or different programs behind this address that each keep "
            "one connection."
        ),
        not_the_fix=desk.not_the_fix(pool, causes[0].cause),
    )


def describe(pool: Pool, row: int, seen: Abandoned) -> str:
    c = pool.connections
    if row in seen.shown_by and c.client_shut_ns[row] and pool.closer[row] == Side.CLIENT:
        return (
            f"one request; the client's window was shut for {seconds(int(c.client_shut_ns[row]))} with the response "
            "unfinished, until its program ended"
        )
    if not pool.closed[row]:
        idle = pool.end - int(max(c.last_exchange_at[row], c.first_at[row]))
        if row in seen.shown_by and c.client_zero_window[row]:
            return "one request; the client's window is closed, the response unfinished, the connection still open"
        return f"one request, then idle for {seconds(idle)} and still open at the end"
    who = Side(int(pool.closer[row])).word
    lived = int(c.close_at[row] - c.first_at[row])
    said = (
        f"open for {seconds(lived)}" if seen.blind else f"one request, then {seconds(int(pool.linger[row]))} of silence"
    )
    said += f", closed by the {who}"
    if who == "server":
        answered = max(int(c.client_fin_at[row]), int(c.client_rst_at[row]))
        if answered:
            said += f"; the client answered after {seconds(answered - int(c.server_fin_at[row]))}"
        else:
            said += f"; no answer from the client in {seconds(pool.end - int(c.server_fin_at[row]))}"
    return said
