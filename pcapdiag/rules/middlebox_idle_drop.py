"""Something on the way forgets idle connections: the next request meets silence, or a reset that is not the server's.

What it looks at
    Requests after a silence that were sent again and again without so much as an ACK, or were met with a RST from an end
    that never said FIN, while requests after shorter silences were answered and the service served others afterwards.
    At the server's end: connections that fall silent for good, one after another, behind a router.

Claims
    A bracket for the idle timeout on the way: above the longest silence that did no harm, at or below the shortest that
    did; and which products' defaults lie in it.  Where no shorter silence was tried, the lower end stays open.

Never claims
    Which box it is: a firewall, a NAT, a load balancer; only whose packets a RST's hop limit says they are not.

Why it matters
    Every first request after a pause is lost, mostly after the client's whole timeout, and neither end sees an error
    before: both believe that the connection is there.

What to change
    Let the client give up idle connections first: its idle timeout below the bracket; or TCP keepalive with a period
    below it, so that the connection is never idle; or lengthen the timeout on the way.

False alarms
    Loss (path-loss) hits at any time and what is sent again arrives.  A server that closes idle connections says FIN or
    RST at that moment (server-idle-timeout, keepalive-race).  Only large segments lost is pmtu-blackhole.  A server that
    is slow acknowledges the request (slow-server, client-request-timeout).  A host that died answers nobody afterwards.
    At the server's end alone a client made for each call (never-reuse-new-transport) looks the same: both are said.

References
    RFC 5382 REQ-5; https://docs.kernel.org/networking/nf_conntrack-sysctl.html; RFC 1122 4.2.3.6
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding, SettingAdvice
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.losses import Forgotten, IdleDrop, forgotten, idle_drop
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, finding, many, seconds
from pcapdiag.settings import catalog

ENOUGH = 3
# From here on it costs each caller who comes after a pause.
OFTEN = 0.2


class MiddleboxIdleDrop(Rule):
    code = "PD314"
    name = "middlebox-idle-drop"
    title = "Something on the way forgets idle connections"
    severity = Severity.HIGH
    action = (
        "Use or close connections before the path forgets them: an idle timeout in the client, or TCP "
        "keepalive probes, shorter than the bracket."
    )
    explains = (
        Cause.CLIENT_REQUEST_TIMEOUT,
        Cause.SLOW_SERVER,
        Cause.PATH_LOSS,
        Cause.NEVER_REUSE_NEW_TRANSPORT,
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.BODY_NOT_CLOSED,
        Cause.SERVER_ABORT,
        Cause.IDLE_TIMEOUT_NONE,
        Cause.IDLE_TIMEOUT_TOO_SHORT,
        Cause.CLOSE_WAIT_LEAK,
        Cause.KEEPALIVE_RACE,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = idle_drop(pool)
        if seen is not None:
            return dropped(self, pool, desk, seen)
        left = forgotten(pool)
        return None if left is None else at_the_server(self, pool, desk, left)


def dropped(rule: Rule, pool: Pool, desk: Desk, seen: IdleDrop) -> Finding:
    """Requests that were seen to fail."""
    c, x = pool.connections, pool.exchanges
    count = len(seen.failed)
    shown = bracket(seen.low, seen.high)
    high = seen.high / SECOND
    matches = catalog.match_default(
        Knob.IDLE_TIMEOUT, "middlebox", None if seen.low is None else seen.low / SECOND, high
    )
    silent = count - seen.reset
    clear = count >= ENOUGH and seen.episodes >= 2 and (seen.reset == 0 or seen.foreign == seen.reset)
    severity = Severity.HIGH if clear and count >= OFTEN * pool.requests else Severity.MEDIUM
    if count < ENOUGH:
        severity = Severity.LOW
    how = []
    if silent:
        how.append(f"{many(silent, 'request')} got no answer, not even an ACK, however often sent again")
    if seen.reset:
        how.append(
            f"{many(seen.reset, 'request')} met a RST"
            + (
                f", {seen.foreign:,} of them with another hop limit than the server's packets"
                if seen.foreign
                else ", though the server had closed nothing"
            )
        )
    tested = "No silence near it was tried."
    if near(seen.low, seen.high):
        tested = f"Silences of up to {seconds(seen.low or 0)} did no harm."
    claim = (
        f"After a silence of {seconds(seen.high)} or more {' and '.join(how)}; requests on new connections were answered "
        f"all the while. {tested} Something between the two ends forgets a connection after {shown}."
    )
    if matches:
        claim += " That " + " or ".join(dict.fromkeys(match.text for match in matches[:3])) + "."
    other = seen.reset > 0 and seen.foreign == 0
    causes = [
        CauseClaim(
            Cause.MIDDLEBOX_IDLE_DROP,
            Confidence.HIGH if clear else Confidence.MEDIUM,
            "capture at the server as well: it never sees these requests, and never sent the RST" if other else "",
            settings(pool, desk, shown, seen.high),
        )
    ]
    if other:
        causes.append(
            CauseClaim(
                Cause.SERVER_ABORT,
                Confidence.LOW,
                "",
                desk.advice(pool, Knob.IDLE_TIMEOUT, Cause.SERVER_IDLE_TIMEOUT, role="server"),
            )
        )
    return finding(
        rule,
        pool,
        severity=severity,
        confidence=Confidence.HIGH if clear and count >= 5 else Confidence.MEDIUM if clear else Confidence.LOW,
        basis=Basis.INFERRED,
        title=f"Connections die on the way after {shown} of silence, and the next request is lost",
        claim=claim,
        measured={
            "connections": pool.size,
            "requests": pool.requests,
            "requests_lost": count,
            "reset": seen.reset,
            "idle_timeout_low_s": seen.low / SECOND if seen.low is not None and near(seen.low, seen.high) else None,
            "idle_timeout_high_s": high,
        },
        causes=causes,
        evidence=[
            desk.evidence(
                pool,
                int(row),
                [
                    int(x.response_last_frame[exchange - 1]) if exchange and x.connection[exchange - 1] == row else 0,
                    int(x.request_first_frame[exchange]),
                    int(c.server_rst_frame[row]) or int(c.last_frame[row]),
                ],
                f"a request after {seconds(silence(pool, exchange))} of silence, "
                + (
                    "met by a RST"
                    if c.server_rst_at[row]
                    else f"sent again {many(int(c.client_resent_run[row]), 'time')}, never acknowledged"
                ),
            )
            for exchange, row in list(zip(seen.failed.tolist(), seen.rows.tolist(), strict=True))[:3]
        ],
        would_refute=f"A request that is answered on a connection after a silence of more than {seconds(seen.high)}.",
        not_the_fix=desk.not_the_fix(pool, Cause.MIDDLEBOX_IDLE_DROP),
    )


def silence(pool: Pool, exchange: int) -> int:
    """Nanoseconds between an exchange and what came before it on its connection."""
    x = pool.exchanges
    row = int(x.connection[exchange])
    if exchange and x.connection[exchange - 1] == row:
        before = max(int(x.response_last_at[exchange - 1]), int(x.request_last_at[exchange - 1]))
    else:
        before = int(pool.ready_at[row])
    return int(x.request_first_at[exchange]) - before


def at_the_server(rule: Rule, pool: Pool, desk: Desk, seen: Forgotten) -> Finding:
    """Only that connections were left without a word, and at such long intervals."""
    c, x = pool.connections, pool.exchanges
    shown = bracket(seen.low, seen.high)
    return finding(
        rule,
        pool,
        severity=Severity.LOW,
        confidence=Confidence.LOW,
        basis=Basis.INFERRED,
        title=f"Connections fall silent for good, and the client comes back on new ones after {seconds(seen.high)} or more",
        claim=(
            f"{many(len(seen.rows), 'connection')} of {pool.size:,} stayed open without another packet, no FIN, no "
            f"keepalive probe, while the same client opened the next one {seconds(seen.high)} or more after their last "
            "use. The packets show a router between the capture point and the client. Either a) something on the way "
            f"forgot the connection after {shown}, and the client's requests on it never arrived here, or b) the client "
            "makes a new pool for each call. Seen from the server the packets are the same."
        ),
        measured={
            "connections": pool.size,
            "requests": pool.requests,
            "fell_silent": len(seen.rows),
            "idle_timeout_low_s": seen.low / SECOND if seen.low is not None and near(seen.low, seen.high) else None,
            "idle_timeout_high_s": seen.high / SECOND,
        },
        causes=[
            CauseClaim(
                Cause.MIDDLEBOX_IDLE_DROP,
                Confidence.LOW,
                "capture at the client: if requests on the old connections are sent again and again without an answer, it "
                "is something on the way; if the old connections are never used again, it is the client",
                settings(pool, desk, shown, seen.high),
            ),
            CauseClaim(
                Cause.NEVER_REUSE_NEW_TRANSPORT,
                Confidence.LOW,
                "",
                desk.advice(pool, Knob.INSTANCE_PER_REQUEST, Cause.NEVER_REUSE_NEW_TRANSPORT),
            ),
        ],
        evidence=[
            desk.evidence(
                pool,
                int(row),
                [int(c.first_frame[row]), int(x.response_last_frame[pool.last_exchange[row]]), int(c.last_frame[row])],
                "its last packet; open to the end of the capture",
            )
            for row in seen.rows[:3].tolist()
        ],
        would_refute="A FIN, a RST or another request on any of the old connections.",
        not_the_fix=desk.not_the_fix(pool, Cause.MIDDLEBOX_IDLE_DROP),
    )


def near(low: int | None, high: int) -> bool:
    """Whether the lower bound says anything: pauses of milliseconds between calls test no timeout."""
    return low is not None and 10 * low >= high


def bracket(low: int | None, high: int) -> str:
    """The timeout's bounds for a sentence."""
    if not near(low, high):
        return f"at most {seconds(high)}"
    return f"more than {seconds(low or 0)} and at most {seconds(high)}"


def settings(pool: Pool, desk: Desk, shown: str, high: int) -> tuple[SettingAdvice, ...]:
    """Client's timer first, then keepalive, then the box's own."""
    below = 0.5 * high / SECOND
    value = f"{int(below)}" if below >= 1 else f"{below:.1f}"
    cause = Cause.MIDDLEBOX_IDLE_DROP
    return (
        desk.advice(
            pool,
            Knob.IDLE_TIMEOUT,
            cause,
            recommended=f"{value} s, below the timeout on the way",
            values={"value": value},
        )
        + desk.advice(
            pool,
            Knob.TCP_KEEPALIVE,
            cause,
            recommended=f"a first probe after {value} s or less",
            values={"value": value},
        )
        + desk.advice(pool, Knob.IDLE_TIMEOUT, cause, role="middlebox", inferred=shown)
    )
