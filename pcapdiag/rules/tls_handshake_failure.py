"""TLS handshakes fail: an alert, or a close, before any application data.

What it looks at
    Connections with a TLS hello that end without application data: who sent an alert, its description where it is not
    encrypted, or who closed without one; how many of the pool's TLS connections end so.

Claims
    These connections never carried a request.  What the alert says, in words, and which end has to change: an alert is
    sent by the side that was not satisfied.

Never claims
    What an encrypted alert says: in TLS 1.3 all that follows the server's hello is.  From the client in place of its
    Finished it is about the server's certificate, all but always.

Why it matters
    Every call fails, after two or three round trips and the server's signature; retries repeat both.

What to change
    As the alert says: trust the authority, renew or complete the certificate, use the name that it was given to, a
    protocol version or cipher that both ends have, or present a client certificate.

False alarms
    A health check that connects and closes without a hello is not counted; one that stops after the server's hello, at a
    constant interval, is information.  So is a scanner that tries many versions on purpose.  A hello to a port that does
    not speak TLS is protocol-mismatch.

References
    RFC 8446 6 (alerts); RFC 5246 7.2
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.flags import TLS_13, TLS_CLIENT_ALERT, TLS_CLIENT_HELLO, TLS_FINISHED, TLS_SERVER_ALERT
from pcapdiag.model.report import CauseClaim, Finding, SettingAdvice
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Protocol, Severity, Side
from pcapdiag.pools.pool import SECOND, Mask, Pool, once_per_pool
from pcapdiag.rules.connect_refused import MOST, SOME, sample
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, share

# One or two failed handshakes are somebody's browser tab.
MIN_FAILED = 3
# Failures of one kind are a setting; of many kinds, without a request anywhere, somebody tries out what the server takes.
ONE_KIND = 0.8
CHECKS = 1.8 * SECOND

# Description: (its name in RFC 8446 6 and RFC 5246 7.2, what it says, what to change).
ALERTS = {
    0: ("close_notify", "the sender gave up without naming a fault", "look in the sender's log"),
    10: ("unexpected_message", "a message came out of order", "update both TLS libraries"),
    20: ("bad_record_mac", "a record was damaged, or the keys differ", "look for a middlebox that changes packets"),
    40: (
        "handshake_failure",
        "no common cipher, group or signature",
        "a cipher suite and key type that both ends have",
    ),
    42: ("bad_certificate", "the certificate was not accepted", "a valid certificate for the name that was asked for"),
    43: (
        "unsupported_certificate",
        "the certificate's type is not supported",
        "a certificate of a common type (RSA, ECDSA)",
    ),
    44: ("certificate_revoked", "the certificate was revoked", "a new certificate"),
    45: (
        "certificate_expired",
        "the certificate is out of date, or a clock wrong",
        "a certificate in date, right clocks",
    ),
    46: (
        "certificate_unknown",
        "the certificate was not accepted, no reason named",
        "a trusted certificate for that name",
    ),
    47: ("illegal_parameter", "a field of a message was out of range", "update both TLS libraries"),
    48: (
        "unknown_ca",
        "the authority behind the certificate is not trusted",
        "a trusted authority, and the whole chain sent",
    ),
    49: ("access_denied", "the certificate is valid but not allowed", "access for the client's certificate"),
    50: ("decode_error", "a message could not be read", "update both TLS libraries, look for a middlebox"),
    51: ("decrypt_error", "a signature or Finished did not verify", "the private key that belongs to the certificate"),
    70: ("protocol_version", "no common protocol version", "TLS 1.2 or 1.3 at both ends"),
    71: ("insufficient_security", "the ciphers offered are too weak", "stronger cipher suites at the other end"),
    80: ("internal_error", "the sender had a fault of its own", "look in the sender's log"),
    86: (
        "inappropriate_fallback",
        "the client fell back to a lower version than needed",
        "no version fallback in the client",
    ),
    90: ("user_canceled", "the handshake was cancelled", "look in the sender's log"),
    109: ("missing_extension", "the hello lacks an extension that is needed", "update the other end's TLS library"),
    110: ("unsupported_extension", "the answer had an extension not asked for", "update both TLS libraries"),
    112: ("unrecognized_name", "the server has no site of the name asked for (SNI)", "a name that the server knows"),
    113: ("bad_certificate_status_response", "the OCSP response was not accepted", "a working OCSP stapling"),
    115: ("unknown_psk_identity", "the pre-shared key is not known", "the same pre-shared key at both ends"),
    116: ("certificate_required", "the server wants a client certificate", "a client certificate"),
    120: ("no_application_protocol", "no common protocol in ALPN", "a protocol (h2, http/1.1) that both ends have"),
}
# Alerts about a certificate: the sender judged the other end's.
ABOUT_CERTIFICATES = frozenset({42, 43, 44, 45, 46, 48, 49, 51, 116})


@dataclass(frozen=True)
class Failed:
    """Masks over the pool."""

    tls: Mask  # connections that began a TLS handshake
    by_alert: Mask  # ended by an alert, or with one
    by_server: Mask  # closed by the server without one
    by_client: Mask  # closed by the client without one
    late: Mask  # the server's alert came when the client thought the handshake was over
    unsaid: Mask  # the client finished the handshake and closed at once, on every connection of the pool

    @property
    def any(self) -> Mask:
        return np.asarray(self.by_alert | self.by_server | self.by_client | self.late | self.unsaid)


@once_per_pool
def failed(pool: Pool) -> Failed:
    """Which of the pool's TLS connections failed in their handshake, and how."""
    c = pool.connections
    tls = pool.dialled & (c.protocol == Protocol.TLS)
    bare = tls & (c.requests == 0) & (c.mismatch == 0)
    alert = bare & ((c.tls & (TLS_CLIENT_ALERT | TLS_SERVER_ALERT)) != 0)
    # Without an alert the hello must have been read whole: a snaplen that cut it may have cut the Finished as well.
    cut = bare & ~alert & pool.closed & ((c.tls & TLS_CLIENT_HELLO) != 0) & ((c.tls & TLS_FINISHED) == 0)
    cut &= c.client_gap_bytes + c.server_gap_bytes == 0
    # TLS 1.3: the client's certificate is judged after its Finished, and a request may be on its way already.
    quick = c.close_at - c.client_last_data_at <= pool.immediate_limit
    late = tls & (c.responses == 0) & (c.requests <= 1) & ((c.tls & TLS_FINISHED) != 0) & ((c.tls & TLS_13) != 0)
    late &= (c.goodbye == Side.SERVER) & pool.closed & quick & (c.client_last_data_at > 0)
    # Node.js looks at the certificate when the handshake is over.  Where any connection carried a request, such closes are
    # a pool's that had dialled in advance.
    heard = np.maximum(c.client_last_data_at, c.server_last_data_at)
    unsaid = bare & ~alert & pool.closed & ((c.tls & TLS_FINISHED) != 0) & (pool.closer == Side.CLIENT) & ~late
    unsaid &= (c.close_at - heard <= pool.immediate_limit) & (c.truncated_bytes == 0)
    if pool.requests or int(unsaid.sum()) < ONE_KIND * int(tls.sum()):
        unsaid = np.zeros(pool.size, dtype=bool)
    return Failed(tls, alert, cut & (pool.closer == Side.SERVER), cut & (pool.closer == Side.CLIENT), late, unsaid)


def checks(pool: Pool, seen: Failed) -> bool:
    """Whether they come at the constant interval of a health check: two seconds or more (HAProxy's default is two)."""
    opened = np.sort(pool.connections.first_at[seen.tls])
    gaps = np.diff(opened)
    if len(gaps) < MIN_FAILED:
        return False
    middle = float(np.median(gaps))
    return middle >= CHECKS and float((np.abs(gaps - middle) <= 0.1 * middle).mean()) >= ONE_KIND


class TlsHandshakeFailure(Rule):
    code = "PD104"
    name = "tls-handshake-failure"
    title = "TLS handshakes fail before any request"
    severity = Severity.HIGH
    action = "Make the two ends agree: what the alert names, or what the side that broke off writes in its log."
    # A connection for each attempt, closed at once, is what failing does; nothing could have been reused.
    explains = (
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.UNUSED_CONNECTIONS,
        Cause.TLS_NO_REUSE,
        Cause.SERVER_ABORT,
        Cause.CLIENT_ABORT,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        c = pool.connections
        seen = failed(pool)
        rows = np.flatnonzero(seen.any)
        count = len(rows)
        if not count:
            return None
        whole = int(seen.tls.sum())
        part = count / whole
        kinds = sorted(tally(pool, seen).items(), key=lambda item: -item[1])
        (who, description), most = kinds[0]
        severity = Severity.INFO
        probing = most < ONE_KIND * count and pool.requests == 0
        silent = int((seen.by_client | seen.unsaid).sum()) >= ONE_KIND * count
        check = silent and checks(pool, seen)
        if count >= MIN_FAILED and not probing and not check:
            severity = Severity.HIGH if part >= MOST else Severity.MEDIUM if part >= SOME else Severity.LOW
            if silent:
                severity = min(
                    severity, Severity.MEDIUM if not pool.requests else Severity.LOW, key=lambda one: one.rank
                )
        what, meaning, change = words(pool, who, description)
        claim = f"{share(count, whole).capitalize()} TLS connections ended in the handshake; "
        claim += "; ".join(f"{number:,} by {words(pool, *kind)[0]}" for kind, number in kinds[:3]) + ". "
        claim += meaning
        if probing:
            claim += " So many kinds, and no request anywhere, are what a scanner of TLS settings makes."
        elif check:
            claim += " They come at a constant interval: a health check."
        cause = Cause.TLS_HANDSHAKE_FAILURE
        tell = "the client's log names a certificate that it refused; a check that only opens connections logs nothing"
        causes = [
            CauseClaim(
                cause,
                Confidence.MEDIUM if silent else Confidence.HIGH,
                tell if silent else "",
                settings(desk, pool, who, description, change),
            )
        ]
        if silent:
            more = desk.advice(pool, Knob.MIN_IDLE, Cause.UNUSED_CONNECTIONS)
            causes.append(CauseClaim(Cause.UNUSED_CONNECTIONS, Confidence.LOW, "", more))
        names = sorted({c.text(int(number)) or "" for number in np.unique(c.sni[rows]) if number})
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(count, 10)
            if not silent
            else Confidence.MEDIUM
            if not pool.requests
            else Confidence.LOW,
            basis=Basis.OBSERVED,
            title=f"TLS handshakes fail: {share(count, whole)} ended by {what}",
            claim=claim,
            measured={
                "connections": pool.size,
                "tls_connections": whole,
                "failed": count,
                "failed_share": round(part, 3),
                "client_alerts": int((seen.any & ((c.tls & TLS_CLIENT_ALERT) != 0)).sum()),
                "server_alerts": int((seen.any & ((c.tls & TLS_SERVER_ALERT) != 0)).sum() + seen.late.sum()),
                "closed_by_server": int(seen.by_server.sum()),
                "closed_by_client": int(seen.by_client.sum()),
                "alert": None if description is None else ALERTS.get(description, (str(description),))[0],
                "server_names": names[:5],
            },
            causes=causes,
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [int(c.first_frame[row]), int(c.close_frame[row]) or int(c.last_frame[row])],
                    "TLS hello, then " + words(pool, *kind_of(pool, seen, row))[0],
                )
                for row in sample(rows)
            ],
            would_refute="Application data on these connections, or the alert in the log of either end saying otherwise.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


Kind = tuple[str, int | None]


def kind_of(pool: Pool, seen: Failed, row: int) -> Kind:
    """Who ended a failed handshake, and with which alert, None for an encrypted one; "" stands for a close without."""
    c = pool.connections
    if seen.late[row]:
        return "server late", None
    if seen.by_alert[row]:
        who = "server" if int(c.tls[row]) & TLS_SERVER_ALERT else "client"
        description = int(c.tls_alert[row]) - 1
        return who, description if description >= 0 else None
    if seen.unsaid[row]:
        return "client after", None
    return ("server close" if seen.by_server[row] else "client close"), None


def tally(pool: Pool, seen: Failed) -> dict[Kind, int]:
    out: dict[Kind, int] = {}
    for row in np.flatnonzero(seen.any).tolist():
        kind = kind_of(pool, seen, row)
        out[kind] = out.get(kind, 0) + 1
    return out


def words(pool: Pool, who: str, description: int | None) -> tuple[str, str, str | None]:
    """What happened, what it means, and what to change, for a sentence each."""
    if who == "server close":
        return (
            "the server, which closed without an alert",
            "A server, or a device in front of it, that does not like a hello and says nothing: the name that was asked for "
            "(SNI), the protocol version, or a filter.",
            None,
        )
    if who == "client close":
        return (
            "the client, which closed without an alert",
            "A client that stops at the server's hello or certificate: a timeout, a check that only wants to see the "
            "hello, a certificate it refuses without saying so.",
            None,
        )
    if who == "client after":
        return (
            "the client, which closed right after the handshake without a request",
            "Either the client looked at the certificate only then and refused it without saying so, as Node.js does; or "
            "it only wanted to see whether a handshake succeeds.",
            None,
        )
    if who == "server late":
        return (
            "an encrypted alert of the server after the client's last handshake message",
            "In TLS 1.3 that is where a server judges the client's certificate: it wants one and got none, or does not "
            "trust the one it got.",
            "a client certificate that the server's authorities signed",
        )
    other = "server" if who == "client" else "client"
    if description is None:
        return (
            f"an encrypted alert of the {who}",
            f"TLS 1.3 encrypts it. In place of the {who}'s Finished it is, all but always, about the {other}'s certificate: "
            "an authority that is not trusted, a name that does not match, or dates that have passed; the log of the "
            f"{who} says which.",
            "a certificate in date, for that name, of an authority that the client trusts" if who == "client" else None,
        )
    name, says, change = ALERTS.get(
        description, (f"alert {description}", "its number is not in RFC 8446", "look in the sender's log")
    )
    return (
        f"the {who}'s alert {name} ({description})",
        f"The {who} says: {says}. To change: {change}.",
        change,
    )


def settings(
    desk: Desk, pool: Pool, who: str, description: int | None, change: str | None
) -> tuple[SettingAdvice, ...]:
    """The end whose certificate, name or trust is at fault comes first."""
    cause = Cause.TLS_HANDSHAKE_FAILURE
    if description is not None and description not in ABOUT_CERTIFICATES:
        return ()  # versions, ciphers, names: the alert says what to change
    server = desk.advice(pool, Knob.CERTIFICATE, cause, role="server")
    client = desk.advice(
        pool, Knob.CERTIFICATE, cause, role="client", recommended=change if who.startswith("server") else None
    )
    if who.startswith("server"):
        return client
    # A client that says nothing, or does not trust a private authority is put right in the client.
    return client + server if description in (48, None) else server + client
