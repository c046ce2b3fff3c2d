"""Connections end at a constant age, whatever they carried: one side has a limit on their lifetime.

What it looks at
    Connections seen from their start that one side gave up while they were in use: how alike their ages are, how alike
    the numbers of requests, whether any connection lived longer, and whether a dial followed.  Where programs behind one
    address ask at different rates, the latest use of any connection must lie below the earliest close on the way to a dial.

Claims
    Whose limit it is, and the age as a bracket.  Most programs look at the age at the next use, so closes come up to one
    pause late.

Never claims
    That the limit is wrong: it moves connections when DNS or a load balancer changes.  It is a finding only where it
    lies below half a minute and handshakes are a hundredth of the requests or more.

Why it matters
    Each connection costs a handshake in each lifetime, and sixty seconds of TIME_WAIT: with less than a minute to live
    there are more dead connections than living ones.

What to change
    Minutes instead of seconds, and a little less than any limit of the server or of the path.

False alarms
    A limit on the number of requests gives constant counts: client-max-requests, or server-max-requests where a response
    announces the close.  An idle timer closes after a silence longer than those survived: idle-timeout-too-short,
    server-idle-timeout.  Programs that each have as much to do and then leave end at like ages too: then hardly a dial
    follows, or the numbers of requests agree better than the ages.

References
    https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_time;
    https://www.psycopg.org/psycopg3/docs/api/pool.html (max_lifetime)
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.replacing import Replacement, replacement, told_by_count
from pcapdiag.rules.client_max_requests import CHANGE_RATE, measures
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many, seconds

# HikariCP takes no shorter lifetime than this, with the same reason: connections should not be made all the time.
SHORT = 30 * SECOND
# One request in a hundred or fewer pays a handshake: a fact, no fault.
HARMLESS = 100
# Handshakes per second that are worth more than a remark.
OFTEN = 10.0


class ConnectionLifetime(Rule):
    code = "PD312"
    name = "connection-lifetime"
    title = "Connections end at a constant age, in the middle of their use"
    severity = Severity.MEDIUM
    needs = (Need.STARTS, Need.CLOSES)
    explains = (Cause.TLS_NO_REUSE,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        for owner in (Side.CLIENT, Side.SERVER):
            seen = replacement(pool, owner)
            if seen is not None and seen.age is not None and not told_by_count(seen):
                return lifetime_finding(self, pool, desk, seen, seen.age)
        return None


def lifetime_finding(rule: Rule, pool: Pool, desk: Desk, seen: Replacement, age: int) -> Finding:
    """The finding for one side's limit on age."""
    c = pool.connections
    who = seen.owner.word
    cause = Cause.CONNECTION_LIFETIME
    per_second = pool.opens_per_second or 0.0
    carried = float(c.requests[seen.rows].mean())
    if age >= SHORT or carried >= HARMLESS:
        severity = Severity.INFO
    else:
        severity = Severity.MEDIUM if per_second >= OFTEN else Severity.LOW
    shown = f"{seconds(seen.age_low)} to {seconds(seen.age_high)}"
    settings = desk.advice(pool, Knob.MAX_LIFETIME, cause, role=who, inferred=shown)
    if not settings and seen.owner == Side.CLIENT:
        # A library without such a limit: the program replaces its client.
        settings = desk.advice(pool, Knob.INSTANCE_PER_REQUEST, cause, recommended="one, kept for minutes or longer")
    causes = [
        CauseClaim(
            cause,
            Confidence.HIGH if seen.requests is None else Confidence.MEDIUM,
            "" if seen.requests is None else CHANGE_RATE.format(count=f"{seen.requests:,}", age=seconds(age)),
            settings,
        )
    ]
    if seen.requests is not None:
        causes.append(
            CauseClaim(
                Cause.CLIENT_MAX_REQUESTS,
                Confidence.LOW,
                "",
                desk.advice(pool, Knob.MAX_REQUESTS, Cause.CLIENT_MAX_REQUESTS, inferred=str(seen.requests)),
            )
        )
    low, high = int(c.requests[seen.rows].min()), int(c.requests[seen.rows].max())
    claim = (
        f"The {who} gave up {many(len(seen.rows), 'connection')} in use at an age of {shown}: the ages differ by "
        f"{seen.age_spread:.1%}, the requests that they carried ({low:,} to {high:,}) by {seen.request_spread:.1%}. None "
        f"lived longer. Requests came up to {seconds(seen.pause)} apart, and whoever looks at the age only at the next "
        "use or return closes up to that much late."
    )
    return finding(
        rule,
        pool,
        severity=severity,
        confidence=by_count(len(seen.rows)),
        basis=Basis.INFERRED,
        title=f"The {who} ends connections at an age of {seconds(age)}, however much they are used",
        claim=claim,
        measured=measures(pool, seen) | {"age_s": age / SECOND, "requests_per_connection": round(carried, 1)},
        causes=causes,
        evidence=[
            desk.evidence(
                pool,
                row,
                life_frames(pool, row),
                f"{many(int(c.requests[row]), 'request')}, closed by the {who} at an age of {seconds(int(pool.age[row]))}",
            )
            for row in seen.rows[:3].tolist()
        ],
        would_refute=f"A connection of this pool in use at an age of more than {seconds(seen.age_high + seen.pause)}.",
        not_the_fix=desk.not_the_fix(pool, cause),
    )
