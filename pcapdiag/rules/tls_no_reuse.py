"""A TLS handshake for (nearly) every request: what connections that are used once cost where they are encrypted.

What it looks at
    Requests for each TLS handshake; whether sessions were resumed, and the version; the bytes ahead of the first
    application data; the round trip.

Claims
    The cost: round trips and bytes of handshakes for each request, and for each second.

Never claims
    Why connections are not reused: that is for never-reuse-new-transport, never-reuse-keepalive-disabled,
    idle-pool-too-small and the idle timers, which lead wherever they fire.  Requests under TLS are an estimate.

Why it matters
    A full handshake is one round trip more than TCP's in TLS 1.3 and two up to TLS 1.2, kilobytes of certificates, and
    a signature at the server, which costs it more than most requests.

What to change
    Keep connections.  Resumed sessions spare the certificates and the signature, and up to TLS 1.2 a round trip.

False alarms
    Few requests far apart, where a short connection is wanted: below two handshakes a second it is information.  Health
    checks, at a constant interval.  A burst of requests side by side, as browsers make.  Handshakes that fail are
    tls-handshake-failure.

References
    RFC 8446 2 and 2.2 (round trips, resumption); RFC 5246 7.3
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.flags import TLS_13, TLS_CLIENT_HELLO, TLS_OFFERED, TLS_RESUMED
from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Protocol, Severity, Side
from pcapdiag.pools.abandoned import abandoned
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.timers import idle_timer
from pcapdiag.rules.never_reuse_keepalive_disabled import regular
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, churn_severity, finding, many, seconds

MIN_HANDSHAKES = 5
# From two requests a handshake on, half of them or more found a connection: the timers and pools have their own rules.
REUSED = 1.5
# Requests that run side by side need a connection each; only a second round of them could have found one.
ROUNDS = 2


class TlsNoReuse(Rule):
    code = "PD206"
    name = "tls-no-reuse"
    title = "A TLS handshake for every request"
    severity = Severity.HIGH
    needs = (Need.STARTS,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c = pool.connections
        rows = np.flatnonzero(pool.whole & (c.protocol == Protocol.TLS))
        count = len(rows)
        if count < MIN_HANDSHAKES:
            return None
        requests = int(c.requests[rows].sum())
        if requests > REUSED * count or count < ROUNDS * pool.peak_busy:
            return None
        rate = pool.opens_per_second
        bits = c.tls[rows]
        read = int(((bits & TLS_CLIENT_HELLO) != 0).sum())
        resumed = int(((bits & TLS_RESUMED) != 0).sum())
        offered = int(((bits & TLS_OFFERED) != 0).sum())
        new = int(((bits & TLS_13) != 0).sum())
        # Up to TLS 1.2 two round trips, one when resumed; one in TLS 1.3 (RFC 8446 2, RFC 5246 7.3).
        old = read - new
        resumed_old = int((((bits & TLS_RESUMED) != 0) & ((bits & TLS_13) == 0)).sum())
        trips = None if not read else 1 + (new + 2 * (old - resumed_old) + resumed_old) / read
        size = int(c.tls_bytes[rows].sum())
        severity = churn_severity(rate)
        if regular(pool):
            severity = Severity.INFO
        # Another rule knows why, and its severity is the fault's: this is the cost of it.
        explained = (
            abandoned(pool) is not None
            or idle_timer(pool, Side.CLIENT) is not None
            or idle_timer(pool, Side.SERVER) is not None
        )
        if explained:
            severity = Severity.INFO
        claim = (
            f"{many(requests, 'request')} took {many(count, 'TLS handshake')}"
            + (f", {rate:.1f} dials a second" if rate is not None else "")
            + f", and {size / 1000:,.1f} kB of handshakes, {size / count:,.0f} bytes each. "
        )
        if trips is not None:
            claim += f"Each took {trips:.2g} round trips with TCP's"
            claim += f", {seconds(trips * pool.rtt)} at this distance. " if pool.rtt else ". "
            claim += (
                f"{resumed:,} of {read:,} resumed an older session; that spares certificates, not the handshake."
                if resumed
                else f"None resumed an older session, though the client offered one on {offered:,}."
                if offered
                else "None resumed an older session, and the client offered none."
            )
        else:
            claim += "The hellos are not in the capture, so versions and resumption cannot be told."
        if regular(pool):
            claim += (
                " They come at a constant interval, one at a time: a health check or a scheduled job looks like this."
            )
        cause = Cause.TLS_NO_REUSE
        settings = desk.advice(pool, Knob.INSTANCE_PER_REQUEST, cause) + desk.advice(pool, Knob.TLS_SESSION, cause)
        largest = [int(row) for row in rows[np.argsort(-c.tls_bytes[rows], kind="stable")[:3]]]
        return finding(
            self,
            pool,
            severity=severity,
            confidence=min(by_count(count), Confidence.MEDIUM, key=lambda one: one.rank),
            basis=Basis.INFERRED,
            title=f"A TLS handshake for every request: {many(count, 'handshake')} for {many(requests, 'request')}",
            claim=claim.strip(),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "tls_handshakes": count,
                "tls_resumed": resumed if read else None,
                "tls_13": new if read else None,
                "handshake_bytes": size,
                "handshake_bytes_per_request": round(size / max(requests, 1)),
                "handshake_round_trips": None if trips is None else round(trips, 2),
                "opens_per_second": round(rate or 0.0, 2),
            },
            causes=[CauseClaim(cause, Confidence.MEDIUM, "", settings)],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    handshake_frames(pool, row),
                    f"{many(int(c.tls_bytes[row]), 'byte')} of handshake for {many(int(c.requests[row]), 'request')}",
                )
                for row in sorted(largest)
            ],
            would_refute="Further requests on these connections, which decrypting one of them would show.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def handshake_frames(pool: Pool, row: int) -> list[int]:
    frames = [int(pool.connections.first_frame[row])]
    if pool.last_exchange[row] >= 0:
        frames.append(int(pool.exchanges.request_first_frame[int(pool.first_exchange[row])]))
    return frames
