"""Each connection carries one request and is closed at once, because the client wants it so.

What it looks at
    Connections that carried one request and closed with the client's signal (Connection: close in the request, or
    HTTP/1.0 without keep-alive), or that the client closed unprompted, at once or on its way to the next dial.

Claims
    The client does not keep connections: keep-alive is switched off, or its client object is made and closed for each
    request, or a process is started for each.

Never claims
    That it is a fault at low rates: a short connection may be wanted.  Below two dials a second it is information.  Nor
    who sent the first FIN means anything here: after Connection: close either side's may be first.

Why it matters
    Every request pays a handshake, and TLS another; each close leaves a TIME_WAIT of 60 s at whoever closed first.

What to change
    Leave keep-alive on and share one client.

False alarms
    An idle pool that is too small also closes at once, but some connections survive and are reused.  When responses,
    not requests, announce the close it is the server's doing: server-connection-close.  With TLS or a small snaplen the
    headers cannot be seen: then both are said; where not even a status is, and the server closes, it is information: the
    answers may be errors (protocol-mismatch).  A client that closes by RST on purpose may as well have left bytes unread:
    body-not-drained is named beside it.  A server's Keep-Alive: timeout=1 makes Node.js close at once: then the
    server's idle timeout leads.

References
    RFC 9112 9.3 (persistence), 9.6 (the close option)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pcapdiag.model.flags import REQUEST_HTTP10, UPGRADED
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, CloseClass, Confidence, Count, Knob, Protocol, Severity, Side
from pcapdiag.pools.pool import SECOND, Mask, Pool
from pcapdiag.pools.timers import LAZY_AFTER, LAZY_BEFORE
from pcapdiag.rules.body_not_drained import ABORTS, ON_PURPOSE, reset_when_whole
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
    share,
)

MIN_CONNECTIONS = 4
MIN_CHANCES = 3  # a single burst of callers, each with a connection of its own, closes them whatever the pool may keep
SINGLE = 0.9
AGREE = 0.8
# No common library has a default idle timeout below a second: a silence shorter than that ahead of a close on the way
# to the next dial is the program replacing its client, not a timer.
REPLACED_WITHIN = SECOND
# Clients whose switch (CURLOPT_FORBID_REUSE) closes without a word: HTTP/1.0 does not come of it.
SWITCH_UNSEEN = frozenset({"libcurl", "php-curl"})
SPEAK_1_1 = (
    "HTTP/1.0 keeps a connection only where the request asks for it: let the client speak HTTP/1.1 (curl: without "
    "--http1.0), or send Connection: keep-alive."
)
# Turns of a database or cache session that serves one piece of work: greeting, options, the command itself.
SHORT_SESSION = 6
# Node.js closes a second before the time that Keep-Alive: timeout= announces; its http.Agent sends no User-Agent.
HINTED = frozenset({None, "node-http-agent", "undici"})
HINT_S = 1


class NeverReuseKeepaliveDisabled(Rule):
    code = "PD203"
    name = "never-reuse-keepalive-disabled"
    title = "The client closes each connection after one request"
    severity = Severity.HIGH
    needs = (Need.STARTS,)
    explains = (Cause.IDLE_TIMEOUT_TOO_SHORT, Cause.TLS_NO_REUSE)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        used = int(pool.whole.sum())
        if used < MIN_CONNECTIONS:
            return None
        if not single_use(pool):
            return None
        asked = pool.whole & pool.client_asked & pool.closed
        unprompted = pool.whole & closed_by_choice(pool)
        # Servers close after many error responses on purpose, whatever the client wanted.
        blind = pool.whole & pool.heads_hidden & (pool.close_class == CloseClass.IMMEDIATE) & (pool.last_status < 400)
        rows = np.flatnonzero(asked | unprompted | blind)
        if len(rows) < AGREE * used:
            return None
        c = pool.connections
        x = pool.exchanges
        if int(asked.sum()) < len(rows) / 2 and chances(pool) < MIN_CHANCES:
            return NotJudged("connections were dialled before any had been answered: none could have been used again")
        http10 = int((x.flags & REQUEST_HTTP10 != 0).sum()) > len(x) // 2
        signalled = int(asked.sum()) >= len(rows) / 2
        hidden = int(blind.sum()) >= len(rows) / 2
        rate = pool.opens_per_second
        severity = churn_severity(rate)
        if regular(pool):
            severity = Severity.INFO
        # Where the snaplen left no status, those answers may be errors, after which servers close on purpose.
        mute = int((blind & ~unprompted & (c.protocol == Protocol.OPAQUE)).sum()) >= len(rows) / 2
        if mute:
            severity = Severity.INFO
        tunnels = int((x.flags & UPGRADED != 0).sum()) > len(x) // 2
        if tunnels:
            severity = Severity.INFO
        if signalled and http10:
            why = "its requests are HTTP/1.0 without keep-alive"
        elif signalled:
            why = "its requests say Connection: close"
        elif hidden:
            where = "encrypted" if pool.encrypted else "cut off in this capture"
            why = f"they end right after the first answer; the headers are {where}"
        else:
            why = "it closes each one after the response, though neither side asked for it"
        knob_first = Knob.KEEPALIVE_SWITCH if signalled else Knob.INSTANCE_PER_REQUEST
        knob_second = Knob.INSTANCE_PER_REQUEST if signalled else Knob.KEEPALIVE_SWITCH
        cause = Cause.NEVER_REUSE_KEEPALIVE_DISABLED
        told = obeys_hint(pool, desk, rows)
        if told:
            why = "the server's Keep-Alive: timeout=1 leaves it no time to keep one"
        said = "Connection: close" if signalled and not http10 else "HTTP/1.0" if signalled else None
        settings = desk.advice(pool, knob_first, cause, inferred=said) + desk.advice(pool, knob_second, cause)
        if signalled and http10 and desk.client_id(pool) in SWITCH_UNSEEN:
            settings = desk.advice(pool, Knob.INSTANCE_PER_REQUEST, cause)
        of_client = why.replace("its requests", "the client's requests", 1).replace("it closes", "the client closes", 1)
        rare = severity == Severity.INFO
        single = int((c.requests[pool.whole] == 1).sum())
        title = f"{'Each connection serves one request' if hidden else 'The client uses each connection once'}: {why}"
        if rare and not mute:
            title += ". At this rate that may be wanted"
        claim = (
            f"{share(len(rows), used).capitalize()} connections were closed after their only piece of work: {of_client}. "
            f"That is {many(int(pool.dialled.sum()), 'handshake')} for {many(pool.requests, 'request')}"
        )
        claim += f", {rate:.1f} a second. " if rate is not None else ". "
        if signalled:
            first = {side: int((c.closer[rows] == side).sum()) for side in (Side.CLIENT, Side.SERVER)}
            claim += (
                f"The first FIN came from the server on {first[Side.SERVER]:,} and from the client on "
                f"{first[Side.CLIENT]:,}; after a signal that is chance, and says nothing about the cause."
            )
        elif told:
            claim += (
                "Node.js closes a connection a second before the time that the server announces: at one second that is "
                "at once."
            )
        elif not hidden:
            claim += "No connection was kept for reuse: the client, its session or its process ends with each request."
        if mute:
            claim += " Not even the status is in the capture: after an error a server closes on purpose."
        if regular(pool):
            claim += (
                " They come at a constant interval, one at a time: a health check or a scheduled job looks like this."
            )
        if tunnels:
            claim += " Each one is a tunnel (CONNECT or Upgrade), which serves one purpose by design."
        # The kernel sends RST by itself, too, when what it holds of a response was not read: body-not-drained tells of it
        # where the client is not known to close so on purpose.
        lingers = desk.client_id(pool) in ABORTS and not signalled
        aborts = int((reset_when_whole(pool) & unprompted)[rows].sum()) if lingers else 0
        if aborts >= len(rows) / 2:
            claim += f" {many(aborts, 'connection')} ended by RST instead of FIN, with the whole response there."
        unread = CauseClaim(
            Cause.BODY_NOT_DRAINED,
            Confidence.LOW,
            ON_PURPOSE,
            desk.advice(pool, Knob.BODY_CONSUMPTION, Cause.BODY_NOT_DRAINED),
        )
        server_may = CauseClaim(
            Cause.SERVER_CONNECTION_CLOSE,
            Confidence.LOW,
            "",  # the first cause's question tells the two apart
            desk.advice(pool, Knob.KEEPALIVE_SWITCH, Cause.SERVER_CONNECTION_CLOSE, role="server"),
        )
        hint = CauseClaim(
            Cause.SERVER_IDLE_TIMEOUT,
            Confidence.MEDIUM,
            "give the server an idle timeout of 5 s or more: a client that obeys the hint then keeps its connections",
            desk.advice(
                pool,
                Knob.IDLE_TIMEOUT,
                Cause.SERVER_IDLE_TIMEOUT,
                role="server",
                inferred="1 s, by its Keep-Alive header",
                recommended="5 s or more",
                values={"value_s": "5"},
            ),
        )
        made = finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(len(rows)),
            basis=Basis.OBSERVED if signalled else Basis.INFERRED,
            title=title,
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "single_request_share": round(single / used, 3),
                "asked_by_request": int(asked.sum()),
                "closed_unprompted": int(unprompted.sum()),
                "opens_per_second": round(rate or 0.0, 2),
            },
            causes=[
                *([hint] if told else []),
                CauseClaim(
                    cause,
                    Confidence.HIGH if signalled else Confidence.LOW if told else Confidence.MEDIUM,
                    f"{'decrypt one connection' if pool.encrypted else 'capture whole packets (tcpdump -s 0)'}, or look at "
                    "the server's log: who says Connection: close, the request or the response?"
                    if hidden
                    else ""
                    if signalled or told
                    else "look in the program for what ends it, which the packets do not show: a new client for each "
                    "request, a process for each, or an explicit close",
                    settings,
                ),
                *([unread] if aborts >= len(rows) / 2 else []),
                *([server_may] if hidden else []),
            ],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    life_frames(pool, row),
                    (
                        "one request"
                        if int(c.requests[row]) <= 1
                        else f"one piece of work in {int(c.requests[row])} turns"
                    )
                    + (" that asks for the close" if asked[row] else "")
                    + f", closed by the {Side(int(c.closer[row])).word} first",
                )
                for row in rows[:3].tolist()
            ],
            would_refute="A second request on one of these connections, or a response that announces the close first."
            if single >= used / 2
            else "A second piece of work on one of these connections.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )
        return replace(made, action=SPEAK_1_1) if signalled and http10 else made


def single_use(pool: Pool) -> bool:
    """Whether connections carry one piece of work each: one request, or one short session of a database's turns."""
    if pool.single >= SINGLE:
        return True
    if pool.protocol in (Protocol.HTTP1, Protocol.TLS, Protocol.HTTP2):
        return False
    if (pool.heads_hidden & pool.whole).any():
        return False  # no payload was kept: each turn may be an HTTP request
    counts = pool.connections.requests[pool.whole & pool.closed]
    turns = pool.connections.basis[pool.whole & pool.closed] == Count.TURNS
    if len(counts) < 10 or not turns.all():
        return False
    usual = int(np.bincount(counts).argmax())
    return usual <= SHORT_SESSION and float((counts == usual).mean()) >= SINGLE and pool.peak_open <= pool.peak_busy + 1


def chances(pool: Pool) -> int:
    """Dials behind the first answer: those that might have used a connection again, had the client kept one."""
    answered = pool.exchanges.response_last_at
    answered = answered[answered > 0]
    if not len(answered):
        return 0
    return int((pool.connections.first_at[pool.dialled] > answered.min()).sum())


def closed_by_choice(pool: Pool) -> Mask:
    """Closed by the client without a signal: at once, or within a second on its way to the next dial."""
    by_client = pool.closer == Side.CLIENT
    at_once = by_client & (pool.close_class == CloseClass.IMMEDIATE)
    soon = by_client & (pool.close_class == CloseClass.SILENT) & (pool.linger < REPLACED_WITHIN)
    dials = np.sort(pool.connections.first_at[pool.dialled])
    at = pool.connections.close_at
    near = np.searchsorted(dials, at + LAZY_AFTER, side="right") - np.searchsorted(dials, at - LAZY_BEFORE)
    return np.asarray(at_once | (soon & (near > 0)))


def regular(pool: Pool) -> bool:
    """Whether connections come one at a time at a constant interval: health checks, scheduled jobs."""
    opened = np.sort(pool.connections.first_at[pool.dialled])
    if len(opened) < MIN_CONNECTIONS or pool.peak_open > 1:
        return False
    gaps = np.diff(opened)
    middle = float(np.median(gaps))
    return middle >= 0.5 * SECOND and float(np.abs(gaps - middle).max()) <= 0.1 * middle


def obeys_hint(pool: Pool, desk: Desk, rows: Column) -> bool:
    """Whether a Node.js client, or one that says no name as Node's does, was told to keep connections for one second."""
    if desk.client_id(pool) not in HINTED:
        return False
    told = pool.exchanges.keepalive_timeout[pool.last_exchange[rows]]
    unasked = ~pool.client_asked[rows] & (pool.close_class[rows] == CloseClass.IMMEDIATE)
    return len(rows) > 0 and float(((told >= 0) & (told <= HINT_S) & unasked).mean()) >= AGREE
