"""The two ends speak different protocols: plain HTTP to a TLS port, TLS to a plain one, HTTP to something else.

What it looks at
    What the first bytes of each side are: a request answered by a TLS alert, or by a 400 that asks for HTTPS; a TLS hello
    answered by what is no TLS; HTTP/2 from its first byte answered by HTTP/1; requests whose answers are no HTTP, or
    that every connection's server meets with an orderly close at once, without a byte.

Claims
    The client's idea of the port and the server's differ, so no request can succeed there.

Never claims
    Which of the two is wrong.  Nor a mismatch from a 400 alone, which any bad request gets: where the snaplen cut the
    reason off, other connections to the port that do speak TLS have to show it.  Closes without a byte may be a server
    that aborts each request, and both are said.

Why it matters
    Every call fails at once, and a client that retries makes hundreds a second.

What to change
    The scheme or the port of the client's URL, the backend's protocol in a proxy, or the server's listener.

False alarms
    A server that answers 400 to bad requests, and goes on speaking HTTP.  server-abort: a server that has answered
    anybody on this port in the client's protocol, that resets, or that thinks before it closes.  A handshake that
    begins as TLS and fails as TLS is tls-handshake-failure.  STARTTLS and HTTP upgrades change the protocol on purpose.

References
    RFC 9110 4.2 (http and https); RFC 9113 3.3 and 3.4 (HTTP/2 with prior knowledge)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import BOUND, RESPONSE_SEEN
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import (
    Basis,
    Cause,
    CloseClass,
    CloseKind,
    Confidence,
    Knob,
    Mismatch,
    Protocol,
    Severity,
    Side,
)
from pcapdiag.pools.pool import Mask, Pool
from pcapdiag.pools.timers import moments
from pcapdiag.rules.connect_refused import MOST, SOME, sample
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, life_frames, share

# Somebody who types a wrong URL tries once or twice.
MIN_MISMATCHES = 3
# https, and the port that servers without privileges use for it.
TLS_PORTS = frozenset({443, 8443})
BAD_REQUEST = 400


@dataclass(frozen=True)
class Kind:
    """One way in which the ends can miss each other."""

    title: str
    claim: str
    shows: str
    recommended: str


TLS_PORT = Kind(
    "Plain HTTP is sent to a TLS port",
    "The client sends HTTP in plain text, and the server answers with a TLS alert or with a 400 that asks for HTTPS.",
    "a plain HTTP request, answered with a TLS alert or a 400 that asks for HTTPS",
    "https:// for this port, or the server's plain port",
)
PLAIN_PORT = Kind(
    "TLS is spoken to a port that does not speak it",
    "The client begins a TLS handshake, and what the server answers is no TLS.",
    "a TLS hello, answered with something that is no TLS",
    "http:// for this port, or the server's TLS port",
)
CUT_TLS_PORT = Kind(
    "Plain HTTP is sent to a port that speaks TLS to others",
    "Each request in plain text was answered with 400 and a close, on a port on which other connections speak TLS. The "
    "text of the answers, which would say it, is not in the capture.",
    "a plain HTTP request, answered with 400 and a close",
    "https:// for this port, or the server's plain port",
)
HTTP2 = Kind(
    "HTTP/2 is spoken to a server that does not speak it",
    "The client begins with the HTTP/2 preface, and the server answers in HTTP/1 or not at all, and closes.",
    "the HTTP/2 preface, answered with HTTP/1 or a close",
    "HTTP/1.1, or HTTP/2 switched on at the server",
)
UNHEARD = Kind(
    "Plain HTTP is closed at once, without a byte",
    "The client sends HTTP in plain text, and the server closes at once with a FIN and without a byte; nobody on this "
    "port was ever answered in HTTP. A server that expects TLS may do so (lighttpd), or one of another protocol; a "
    "server that aborts each request looks the same.",
    "a plain HTTP request, met by the server's FIN at once, no byte of a response",
    "https:// for this port, or the port on which the server speaks HTTP",
)
NO_HTTP = Kind(
    "HTTP is sent to a port that speaks something else",
    "The client sends HTTP requests, and what the server sends is no HTTP response.",
    "an HTTP request, answered with bytes that are no HTTP",
    "the port on which the server speaks HTTP",
)


class ProtocolMismatch(Rule):
    code = "PD105"
    name = "protocol-mismatch"
    title = "Client and server speak different protocols on this port"
    severity = Severity.HIGH
    action = "Correct the scheme or the port: one end speaks TLS and the other does not."
    # One connection for each failing call, closed by the server after its complaint, follows from it.
    explains = (
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.NEVER_REUSE_NEW_TRANSPORT,
        Cause.SERVER_CONNECTION_CLOSE,
        Cause.TLS_HANDSHAKE_FAILURE,
        Cause.SERVER_ABORT,
        Cause.SERVER_REJECTS_UPLOAD,
        Cause.UNUSED_CONNECTIONS,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        kind, rows = mismatched(pool, desk)
        count = len(rows)
        if kind is None or not count:
            return None
        spoken = int(
            (pool.usable & (pool.connections.client_data_packets + pool.connections.server_data_packets > 0)).sum()
        )
        part = count / max(spoken, 1)
        severity = Severity.INFO
        if count >= MIN_MISMATCHES:
            severity = Severity.HIGH if part >= MOST else Severity.MEDIUM if part >= SOME else Severity.LOW
        certain = kind in (TLS_PORT, PLAIN_PORT)
        if not certain:
            severity = min(severity, Severity.MEDIUM, key=lambda one: one.rank)
        cause = Cause.PROTOCOL_MISMATCH
        known_port = int(pool.connections.server_port[0]) in TLS_PORTS
        likely = (
            Confidence.HIGH if certain else Confidence.LOW if kind is UNHEARD and not known_port else Confidence.MEDIUM
        )
        client = desk.advice(pool, Knob.SCHEME, cause, recommended=kind.recommended)
        server = desk.advice(pool, Knob.SCHEME, cause, role="server")
        tell = "ask the port with curl -v over http and https: one is answered if the protocol is wrong"
        causes = [CauseClaim(cause, likely, tell if kind is UNHEARD else "", client + server)]
        if kind is UNHEARD:
            abort = desk.advice(pool, Knob.CLOSE_MODE, Cause.SERVER_ABORT, role="server")
            causes.append(CauseClaim(Cause.SERVER_ABORT, Confidence.LOW, "", abort))
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(count, 10) if certain else likely,
            basis=Basis.OBSERVED if certain else Basis.INFERRED,
            title=f"{kind.title}: {share(count, spoken)} connections",
            claim=f"{kind.claim} That is so on {share(count, spoken)} connections; no such call can succeed.",
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "mismatched": count,
                "mismatched_share": round(part, 3),
                "spoken": spoken,
            },
            causes=causes,
            evidence=[desk.evidence(pool, row, life_frames(pool, row), kind.shows) for row in sample(rows)],
            would_refute="A request on one of these connections that was answered with a 2xx or 3xx status.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def mismatched(pool: Pool, desk: Desk) -> tuple[Kind | None, Column]:
    """How most of the mismatched connections miss each other, and which they are."""
    c = pool.connections
    kinds: list[tuple[Kind, Mask]] = [
        (TLS_PORT, c.mismatch == Mismatch.TLS_SERVER),
        (PLAIN_PORT, c.mismatch == Mismatch.PLAIN_SERVER),
        (HTTP2, spurned_preface(pool)),
        (NO_HTTP, no_http(pool)),
    ]
    found = [(kind, np.flatnonzero(mask)) for kind, mask in kinds if mask.any()]
    if not found:
        cut = refused_in_plain_text(pool)
        if cut.any() and speaks_tls(pool, desk):
            return CUT_TLS_PORT, np.flatnonzero(cut)
        unheard = closed_unheard(pool)
        if int(unheard.sum()) >= MIN_MISMATCHES and not speaks_http(pool, desk):
            return UNHEARD, np.flatnonzero(unheard)
        return None, np.empty(0, dtype=np.int64)
    return max(found, key=lambda one: len(one[1]))


def refused_in_plain_text(pool: Pool) -> Mask:
    """Connections closed after one request that was answered with 400, whose text the snaplen cut off."""
    c = pool.connections
    cut = (c.truncated_bytes > 0) & (c.requests == 1) & (pool.last_status == BAD_REQUEST) & pool.closed
    return np.asarray((c.protocol == Protocol.HTTP1) & cut)


def speaks_tls(pool: Pool, desk: Desk) -> bool:
    """Whether connections to the same address and port, of this pool or others, carried TLS."""
    c = pool.connections
    place = (int(c.server_ip[0]), int(c.server_port[0]))
    return any(
        (int(other.connections.server_ip[0]), int(other.connections.server_port[0])) == place
        and bool(((other.connections.protocol == Protocol.TLS) & (other.connections.requests > 0)).any())
        for other in (pool, *pool.neighbours)
    )


def closed_unheard(pool: Pool) -> Mask:
    """Connections whose first request met the server's FIN at once and not a byte; none at all if any request did better.

    A process that ends closes several at one moment, and a handler that fails takes its time or resets.
    """
    c = pool.connections
    spoke = pool.usable & (c.client_bytes > 0)
    mask = spoke & pool.dialled & (c.protocol == Protocol.HTTP1) & (c.requests == 1) & (c.server_bytes == 0)
    mask &= (pool.closer == Side.SERVER) & (c.close_kind == CloseKind.FIN) & (pool.linger <= pool.immediate_limit)
    mask &= (c.crossed_bytes == 0) & (c.server_gap_bytes + c.client_gap_bytes == 0)
    if (spoke & ~mask).any() or moments(c.close_at[mask]) < MIN_MISMATCHES:
        mask[:] = False
    return np.asarray(mask)


def speaks_http(pool: Pool, desk: Desk) -> bool:
    """Whether anybody on the same address and port got an HTTP response."""
    c = pool.connections
    place = (int(c.server_ip[0]), int(c.server_port[0]))
    return any(
        (int(other.connections.server_ip[0]), int(other.connections.server_port[0])) == place
        and bool(((other.connections.protocol == Protocol.HTTP1) & (other.connections.responses > 0)).any())
        for other in (pool, *pool.neighbours)
    )


def spurned_preface(pool: Pool) -> Mask:
    """HTTP/2 from the first byte, answered with fewer bytes than any HTTP/2 conversation has, or none, and closed.

    A server that speaks HTTP/2 begins with a SETTINGS frame and keeps the connection; one that does not sends a 400 or
    nothing, and closes at once.
    """
    c = pool.connections
    once = (c.protocol == Protocol.HTTP2) & pool.closed & (c.requests <= 1) & (c.server_data_packets <= 1)
    quick = (pool.close_class != CloseClass.SILENT) & (pool.closer == Side.SERVER)
    return np.asarray(once & quick & (c.client_gap_bytes + c.server_gap_bytes == 0) & pool.dialled)


def no_http(pool: Pool) -> Mask:
    """HTTP requests, and bytes of the server of which none is a response's first line; seen from the start, no gap."""
    c = pool.connections
    mask = (c.protocol == Protocol.HTTP1) & pool.dialled & (c.requests > 0) & (c.server_bytes > 0) & (c.mismatch == 0)
    mask &= (c.server_gap_bytes == 0) & (c.client_gap_bytes == 0) & (c.truncated_bytes == 0)
    mask &= c.server_retransmitted + c.server_out_of_order == 0
    if not mask.any():
        return np.asarray(mask)
    x = pool.exchanges
    # A status, or a first line that was found behind a hole, is HTTP.
    spoke = ((x.flags & BOUND) != 0) | (x.status > 0)
    heard = np.zeros(pool.size, dtype=bool)
    heard[x.connection[spoke]] = True
    answered = np.zeros(pool.size, dtype=bool)
    answered[x.connection[(x.flags & RESPONSE_SEEN) != 0]] = True
    return np.asarray(mask & ~heard & (answered | (c.responses == 0)) & pool.closed)
