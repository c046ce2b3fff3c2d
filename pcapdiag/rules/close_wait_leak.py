"""One side closed and the other never answers: its end of the connections stays in CLOSE_WAIT.

What it looks at
    Connections that carried requests, owe no response, and on which one side's FIN was acknowledged a second or more
    before the capture's end without a FIN or RST in answer; on how many others that side did answer; whether the client
    dialled meanwhile without answering any.

Claims
    Which side does not close, how many connections that holds, and for how long.  Dials past connections in CLOSE_WAIT
    show a leak: nobody will look at those again.

Never claims
    Without such dials, that they are lost: clients that look at a connection only before they use it keep it in
    CLOSE_WAIT until the next request (Apache HttpClient 4, Python requests), or for seconds (browsers).  Then it says so.
    Anything of a side of which no packet was captured.

Why it matters
    Each one holds a file descriptor and memory until the process ends, and counts against a pool's limit.  The other
    end's FIN_WAIT_2 goes away by itself; CLOSE_WAIT never does, and no kernel setting shortens it.

What to change
    Close the response, or the connection, on every path of the program.  For a pool that looks only at the next use: let
    it drop idle connections by a timer shorter than the server's.

False alarms
    Connections used once and left open are judged by never-reuse-new-transport and body-not-closed.  A side that goes on
    sending after the other's FIN has closed one direction on purpose: half-closed.  Clients known to look late are
    information only until they dial past what they left.

References
    RFC 9293 3.6; https://hc.apache.org/httpcomponents-client-4.5.x/current/tutorial/html/connmgmt.html (2.5 eviction)
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.abandoned import abandoned
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.unanswered import Unanswered, unanswered
from pcapdiag.rules.never_reuse_new_transport import LAZY
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, by_count, finding, life_frames, many, seconds

# One or two are what a close on its way, or a last request, leaves.
MIN_LEFT = 3
# Dials past connections in CLOSE_WAIT; a client with two pools makes one or two.
MIN_PASSED = 3
# By its name in the recognition data.  Browsers look through their idle connections at the next request or by a timer
# (Chromium's net/socket, kCleanupInterval: 10 s; measured in Chromium: 2.4 s), and open several at once.
BROWSER = "a browser"
# As many as a process may hold open of files is often 1,024: a twentieth of that is no accident any more.
MANY = 50

LATE_LOOK = (
    "let the client send another request: one that only looks late closes a connection then, before it dials; one that "
    "leaks dials and closes nothing"
)
LEASED = (
    "the pool's own statistics: connections it counts as in use though no request runs are responses that nobody closed; "
    "connections it does not know were lost by the program"
)


class CloseWaitLeak(Rule):
    code = "PD313"
    name = "close-wait-leak"
    title = "Closed by one side, never by the other: CLOSE_WAIT"
    severity = Severity.HIGH
    action = (
        "Close what the other side has closed: let the pool check idle connections from time to time, "
        "and close each connection on every path of the code."
    )
    needs = (Need.CLOSES,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        for leaver in (Side.CLIENT, Side.SERVER):
            seen = unanswered(pool, leaver)
            if seen is not None and (leaver == Side.SERVER or abandoned(pool) is None):
                return leak_finding(self, pool, desk, seen)
        return None


def cost(seen: Unanswered, late_looker: bool) -> Severity:
    """By what proves a leak, and by how many connections it holds."""
    if len(seen.watched) < MIN_LEFT or seen.answered >= len(seen.watched):
        return Severity.INFO
    if seen.leaver == Side.CLIENT and seen.passed < MIN_PASSED:
        return Severity.INFO if late_looker else Severity.LOW
    return Severity.HIGH if len(seen.rows) >= MANY else Severity.MEDIUM


def leak_finding(rule: Rule, pool: Pool, desk: Desk, seen: Unanswered) -> Finding:
    """The finding for one side's connections in CLOSE_WAIT."""
    c = pool.connections
    client = seen.leaver == Side.CLIENT
    who, other = ("client", "server") if client else ("server", "client")
    cause = Cause.CLOSE_WAIT_LEAK
    leak = not client or seen.passed >= MIN_PASSED
    late_looker = client and (desk.client_id(pool) in LAZY or desk.client_of(pool).name == BROWSER)
    fewest, most = int(c.requests[seen.rows].min()), int(c.requests[seen.rows].max())
    used = many(most, "request") if fewest == most else f"{fewest:,} to {most:,} requests"
    claim = (
        f"{many(len(seen.rows), 'connection')} that the {other} closed after {used} stayed open at the {who}: its kernel "
        f"acknowledged the FIN, its program did not close in up to {seconds(seen.longest)}. A process that ends closes "
        f"all it has, so this one runs. It answered {many(seen.answered, 'other FIN')}. "
    )
    if not client:
        claim += "No response was owed, and the server sent nothing more."
    elif leak:
        claim += f"{many(seen.passed, 'dial')} passed them over: nothing looks at them any more."
    else:
        claim += (
            "Either a) its pool looks at a connection only when it needs one, and closes it then, or b) the program has "
            "lost them. In both cases CLOSE_WAIT lasts as long as nobody asks."
        )
    settings = desk.advice(pool, Knob.CLOSE_MODE, cause, role=who)
    if not client and not settings:
        settings = desk.advice(pool, Knob.IDLE_TIMEOUT, cause, role=who)  # ends what the program forgot
    if client:
        own = desk.advice(pool, Knob.IDLE_TIMEOUT, cause, recommended="shorter than the server's idle timeout")
        settings = settings + own if leak else own + settings
    tell = LATE_LOOK if not leak else LEASED if client else ""
    causes = [CauseClaim(cause, Confidence.HIGH if leak else Confidence.MEDIUM, tell, settings)]
    if client:
        body = desk.advice(pool, Knob.BODY_CONSUMPTION, Cause.BODY_NOT_CLOSED)
        causes.append(CauseClaim(Cause.BODY_NOT_CLOSED, Confidence.LOW, "", body))
    fin_at = c.server_fin_at if client else c.client_fin_at
    fin_frame = c.server_fin_frame if client else c.client_fin_frame
    evidence = [
        desk.evidence(
            pool,
            row,
            [*life_frames(pool, row)[:-1], int(fin_frame[row]), int(c.last_frame[row])],
            f"FIN of the {other}, acknowledged; no FIN of the {who} in {seconds(pool.end - int(fin_at[row]))}",
        )
        for row in seen.watched[:3].tolist()
    ]
    count = f"{len(seen.rows):,} connection{'' if len(seen.rows) == 1 else 's'}"
    return finding(
        rule,
        pool,
        severity=cost(seen, late_looker),
        confidence=by_count(len(seen.watched)) if leak else min_medium(len(seen.watched)),
        basis=Basis.OBSERVED if leak else Basis.INFERRED,
        title=f"The {who} leaves {count} in CLOSE_WAIT that the {other} has closed",
        claim=claim,
        measured={
            "connections": pool.size,
            "requests": pool.requests,
            "close_wait": len(seen.rows),
            "watched": len(seen.watched),
            "answered": seen.answered,
            "dials_past_them": seen.passed,
            "longest_wait_s": seen.longest / SECOND,
        },
        causes=causes,
        evidence=evidence,
        would_refute=f"A FIN or RST of the {who} on any of these connections.",
        not_the_fix=desk.not_the_fix(pool, cause),
    )


def min_medium(count: int) -> Confidence:
    """Confidence from how many agree, at most medium."""
    return min(by_count(count), Confidence.MEDIUM, key=lambda one: one.rank)
