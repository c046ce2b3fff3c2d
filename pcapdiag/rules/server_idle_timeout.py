"""The server closes idle connections after a constant silence, and the client has to dial again.

What it looks at
    Closes by the server after a silence, with no signal and no request open; how alike the silences are; whether the
    client then needed a connection and had none: at its dial nothing was idle, or its late answer to the server's FIN came
    within 5 ms of the dial.

Claims
    The server's idle timer, as a bracket, and the products whose default lies in it.

Never claims
    A fault where nobody came back: a server that closes idle connections after the work is done is a fact.  It becomes
    a finding when at least three dials had to replace what the timer had closed.

Why it matters
    A handshake for every request that comes after the timer; and a request that is on its way when the server closes
    is lost.

What to change
    Let the client give up idle connections first: its timer shorter than the server's.  Or lengthen the server's beyond
    the usual gap between requests.

False alarms
    While the client does not reuse connections at all, the server's timer only cleans up behind it:
    never-reuse-new-transport or body-not-closed lead.

References
    RFC 9112 9.5; https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_timeout
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.abandoned import abandoned
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.timers import idle_timer, reopened
from pcapdiag.pools.whole_seconds import whole
from pcapdiag.rules.idle_timeout_too_short import bracket, gap_between_uses
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many, seconds, spoken
from pcapdiag.settings import catalog

MIN_REOPENED = 3

SWEEPS = " (closes come some time after the timeout: it sweeps). "
WHOLE_SECONDS = (
    ": a timeout of {setting}, since Redis counts whole seconds and looks at each client once a second, so that it closes "
    "up to 2 s late. "
)


class ServerIdleTimeout(Rule):
    code = "PD302"
    name = "server-idle-timeout"
    title = "The server's idle timer closes connections that the client needs again"
    severity = Severity.MEDIUM
    needs = (Need.CLOSES,)
    explains = (Cause.TLS_NO_REUSE,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        timer = idle_timer(pool, Side.SERVER)
        if timer is None or timer.lifetime:
            return None
        cost = reopened(pool, timer)
        costly = cost >= MIN_REOPENED and abandoned(pool) is None
        gap = gap_between_uses(pool, timer)
        cause = Cause.SERVER_IDLE_TIMEOUT
        shown = bracket(timer)
        best = timer.value if timer.value is not None else timer.high
        silences = pool.linger[timer.rows]
        if timer.sweeping:
            shown = f"{seconds(int(silences.min()))} to {seconds(int(silences.max()))}"
            best = int(silences.min())
        setting = shown
        if timer.whole_seconds:
            may_be = whole(timer.low or 0, timer.high)
            setting = " or ".join(f"{value:,} s" for value in may_be)
            best = may_be[0] * SECOND
        matches = catalog.match_default(
            Knob.IDLE_TIMEOUT,
            "server",
            None if timer.low is None else timer.low / SECOND,
            timer.high / SECOND,
            protocol=spoken(pool),
            who=desk.server_of(pool),
        )
        longer = round(max(2 * gap / SECOND, 60))
        server = desk.advice(
            pool,
            Knob.IDLE_TIMEOUT,
            cause,
            role="server",
            inferred=setting,
            recommended=f"longer than {seconds(gap)}" if costly else None,
            values={"value": str(longer), "period": seconds(gap)},
        )
        # A client timer below the server's as it is now ends the races, and saves no handshake: where requests come too
        # late for it, the client's is the one to go with the server's new one.
        client = desk.advice(
            pool,
            Knob.IDLE_TIMEOUT,
            cause,
            recommended=f"longer than {seconds(gap)}, shorter than the server's once that is changed"
            if costly
            else f"shorter than {best / SECOND:.3g} s",
            values={"value": below(longer * SECOND)}
            if costly
            else {"value": below(best), "server_timeout": f"{best / SECOND:.3g} s"},
        )
        evidence = [
            desk.evidence(
                pool,
                row,
                life_frames(pool, row),
                f"closed by the server after {seconds(int(pool.linger[row]))} of silence",
            )
            for row in timer.rows[:3].tolist()
        ]
        severity = Severity.INFO
        if costly:
            severity = Severity.MEDIUM if cost >= 5 else Severity.LOW
        claim = (
            f"The server closed {many(timer.count, 'idle connection')} after a silence of {shown}"
            + (WHOLE_SECONDS.format(setting=setting) if timer.whole_seconds else SWEEPS if timer.sweeping else ". ")
            + (
                f"{cost:,} later dials had nothing left to reuse; requests come about {seconds(gap)} after the last use."
                if costly
                else "No request had to wait for a new connection because of it."
                if cost == 0
                else f"{many(cost, 'later dial')} had nothing left to reuse: too few to be a pattern."
                if abandoned(pool) is None
                else "They were used once and left: the timer only cleans up behind the client."
            )
        )
        if matches:
            claim += " That " + " or ".join(dict.fromkeys(match.text for match in matches[:3])) + "."
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(timer.count),
            basis=Basis.INFERRED,
            title=f"The server closes connections after {shown if timer.sweeping else seconds(best)} of silence"
            + (f", and the client needs them again {seconds(gap)} after their last use" if costly else ""),
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "idle_timeout_low_s": None if timer.low is None else timer.low / SECOND,
                "idle_timeout_high_s": timer.high / SECOND,
                "closes": timer.count,
                "spread_s": timer.spread / SECOND,
                "reopened": cost,
                "gap_between_uses_s": gap / SECOND,
            },
            causes=[CauseClaim(cause, Confidence.HIGH if timer.value else Confidence.MEDIUM, "", server + client)],
            evidence=evidence,
            would_refute="A connection of this pool that the server left open "
            f"for more than {seconds(max(timer.high, int(silences.max())))} of silence.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def below(timer_ns: int) -> str:
    """A client timer safely shorter than the server's, in seconds: whole ones where that leaves a margin of a fifth."""
    s = 0.8 * timer_ns / SECOND
    return f"{int(s)}" if s >= 1 else f"{max(s, 0.1):.1f}"
