"""The server closes an idle connection while the client sends its next request on it: the request is lost.

What it looks at
    Requests of which the server's FIN acknowledges not one byte, sent ahead of any acknowledgment of that FIN, that got
    no answer; how long the connection had been idle; what the client did next.

Claims
    The request and the server's close passed each other on the way, so neither side is wrong alone: the server's idle
    timer ran out just before a client that still counted on the connection used it.  How many requests were lost, of
    which methods, whether the client sent them again, and the server's timer where enough closes show it.  It needs no
    clock: the acknowledgment numbers tell, wherever the capture was taken.

Never claims
    That the server processed the request (it had not read a byte of it), or that a repeated one did harm.

Why it matters
    The caller sees "connection reset", "socket hang up", "server closed idle connection" or a proxy's 502, now and then
    and worst for requests that may not be repeated.

What to change
    The client should give up idle connections first: its idle timeout below the server's, by more than a round trip.
    Or the server's above every client's.  Let the library repeat idempotent requests (RFC 9110 9.2.2) on a new
    connection.  A server that says Keep-Alive: timeout=N lets clients that read it close in time.

False alarms
    server-restart and server-abort end all connections at one moment, and cross requests too: those are theirs.
    middlebox-idle-drop resets without a FIN at any time past its limit; a RST at the very silence after which the
    server sends FINs to others is the server's, which closed with the request unread.
    client-ignores-fin sends after the FIN had arrived.  server-rejects-upload answers first, and the FIN acknowledges
    a part of the body.  A close_notify or Terminate that crosses a FIN is no request.

References
    RFC 9112 9.3.1 and 9.5; RFC 9110 9.2.2
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity, Side
from pcapdiag.pools.lost import Crossed
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.races import IDEMPOTENT, Repeats, method_counts, raced, reset_by_timer, sent_again
from pcapdiag.pools.timers import EARLY, LATE, LATE_SHARE, TIGHT_NS, TIGHT_SHARE, idle_timer, tightest
from pcapdiag.rules.rule import Desk, Need, NotJudged, Rule, finding, many, seconds

# Errors that a caller sees: several are no accident.
SEVERAL = 3


class KeepaliveRace(Rule):
    code = "PD306"
    name = "keepalive-race"
    title = "Requests are lost because the server closes idle connections just as they are used"
    severity = Severity.HIGH
    action = (
        "Let the client give connections up before the server does, and let it retry requests that may be repeated."
    )
    needs = (Need.CLOSES,)
    explains = (Cause.SERVER_IDLE_TIMEOUT,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        races = raced(pool)
        count = len(races.rows)
        if not count:
            return None
        c = pool.connections
        again = sent_again(pool, races.exchange, noticed(pool, races.rows))
        repeated = 0 if again.absent else again.found
        timer = idle_timer(pool, Side.SERVER)
        shortest, longest = int(races.silence.min()), int(races.silence.max())
        bracket: tuple[int, int] | None = None
        if timer is not None and not timer.lifetime and timer.value is not None:
            fits, limit = True, timer.value  # server-idle-timeout gives its bracket
        else:
            # At the client every close has a request open; what came ahead of it tells the timer just as well.
            limit = int(np.median(races.silence))
            low, high = tightest(races.silence) if count >= SEVERAL else (shortest, longest)
            fits = count >= SEVERAL and high - low <= max(TIGHT_NS, int(TIGHT_SHARE * limit))
            if fits:
                # As for closes of idle connections: early by a clock's tick or the round trip's jitter, late by a delay.
                early = max(EARLY, min(2 * pool.rtt, int(LATE_SHARE * limit)))
                bracket = low - max(LATE, int(LATE_SHARE * limit)), low + early
        cause = Cause.KEEPALIVE_RACE
        methods = method_counts(pool, races.exchange)
        unsafe = sum(number for method, number in methods.items() if method and method not in IDEMPOTENT)
        unknown = methods.get("", 0)
        mended = again.certain and repeated == count
        healed = mended and not unsafe and not unknown
        # A caller whose library sends a request again sees a delay, no error; for a POST that is a risk of its own.
        severity = Severity.LOW if healed else Severity.HIGH if count >= SEVERAL and not mended else Severity.MEDIUM
        client = desk.advice(
            pool,
            Knob.IDLE_TIMEOUT,
            cause,
            recommended=f"shorter than {limit / SECOND:.3g} s, by more than a round trip ({seconds(pool.rtt)})",
            values={"value": below(limit, pool.rtt), "server_timeout": f"{limit / SECOND:.3g} s"},
        )
        server = desk.advice(
            pool,
            Knob.IDLE_TIMEOUT,
            cause,
            role="server",
            inferred=seconds(limit) if fits else None,
            recommended="longer than the idle timeout of every client",
            values={"value": str(max(75, round(4 * limit / SECOND)))},
        )
        retry = desk.advice(pool, Knob.RETRY, cause) + desk.advice(pool, Knob.VALIDATION, cause)
        claim = (
            f"{named(methods)} {'was' if count == 1 else 'were'} on the way when the server closed the connection: its "
            f"FIN acknowledges no byte of {'it' if count == 1 else 'them'}, and no answer came. "
        )
        if fits:
            claim += f"The server closes connections after {seconds(limit)} of silence (its idle timer). "
        else:
            claim += (
                f"The connection had been idle for {seconds(shortest)}"
                + (f" to {seconds(longest)}" if longest - shortest > SECOND // 100 else "")
                + "; too few closes show the server's timer. "
            )
        unread = len(reset_by_timer(pool))
        if unread:
            claim += (
                f"{many(unread, 'more request')} arrived as that timer ran out and met RST in place of the FIN: the server "
                f"closed with {'it' if unread == 1 else 'them'} unread. "
            )
        claim += told_again(again, count, unsafe, unknown)
        return finding(
            self,
            pool,
            severity=severity,
            confidence=Confidence.HIGH if count >= SEVERAL else Confidence.MEDIUM,
            basis=Basis.OBSERVED,
            title=(
                f"{many(count, 'request')} crossed the server's close of an idle connection, and went out again"
                if mended
                else f"{many(count, 'request')} lost in a race with the server's close of an idle connection"
            )
            + (f", {seconds(limit)} after its last use" if fits else ""),
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "lost_requests": count,
                "reset_unread": unread,
                "repeated": repeated if again.certain or again.absent else None,
                "not_idempotent": unsafe,
                "server_idle_timeout_s": limit / SECOND if fits else None,
                "idle_timeout_low_s": bracket[0] / SECOND if bracket else None,
                "idle_timeout_high_s": bracket[1] / SECOND if bracket else None,
                "silence_low_s": shortest / SECOND,
                "silence_high_s": longest / SECOND,
                "rtt_s": pool.rtt / SECOND,
            },
            causes=[CauseClaim(cause, Confidence.HIGH, "", client + server + retry)],
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [
                        int(c.first_frame[row]),
                        *exchange_frames(pool, int(races.exchange[place])),
                        int(c.server_fin_frame[row]),
                        int(c.server_rst_frame[row]),
                    ],
                    shows(pool, races, place, int(again.exchange[place]) if again.certain else -1),
                )
                for place, row in enumerate(races.rows[:3].tolist())
            ],
            would_refute="A response to one of these requests, or a FIN that acknowledges it.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def noticed(pool: Pool, rows: Column) -> Column:
    """When the loss of each row's request showed: the server's FIN or the client's request, whichever came later."""
    c = pool.connections
    sent = pool.exchanges.request_last_at[pool.last_exchange[rows]]
    return np.maximum(c.server_fin_at[rows], sent)


def exchange_frames(pool: Pool, exchange: int) -> list[int]:
    """The last frame of the response before a request, and the request's own."""
    x = pool.exchanges
    frames = [int(x.request_first_frame[exchange]), int(x.request_last_frame[exchange])]
    if x.index[exchange] > 0:
        frames.append(int(x.response_last_frame[exchange - 1]))
    return frames


def shows(pool: Pool, races: Crossed, place: int, again: int) -> str:
    c, x = pool.connections, pool.exchanges
    row = int(races.rows[place])
    said = (
        f"idle for {seconds(int(races.silence[place]))}; the server's FIN does not acknowledge the "
        f"{int(c.crossed_bytes[row]):,} bytes of the request"
    )
    if c.server_rst_at[row]:
        said += ", which met RST"
    if again >= 0:
        number = int(c.number[x.connection[again]])
        said += f"; sent again on connection {number} in frame {int(x.request_first_frame[again])}"
    return said


def named(methods: dict[str, int]) -> str:
    """ "24 POST requests", "2 GET and 1 POST requests", "3 requests"."""
    total = sum(methods.values())
    known = [f"{number:,} {method}" for method, number in sorted(methods.items(), key=lambda one: -one[1]) if method]
    if not known or methods.get(""):
        return many(total, "request")
    return " and ".join(known) + f" request{'' if total == 1 else 's'}"


def told_again(again: Repeats, count: int, unsafe: int, unknown: int) -> str:
    """What followed, and whether it was safe."""
    if again.absent:
        said = "No request like it followed at once on another connection: the caller saw an error. "
        if count > 1:
            said = "They were not sent again at once on another connection: the caller saw errors. "
    elif not again.certain:
        said = "Such requests come so often that nobody can tell whether they were sent again. "
    elif again.found == count:
        said = f"{'It was' if count == 1 else 'Each was'} sent again on another connection. "
    else:
        said = f"{again.found:,} of them {'was' if again.found == 1 else 'were'} sent again on another connection. "
    if unsafe:
        who = f"{unsafe:,} of them" if unsafe < count else "It" if count == 1 else "They"
        said += (
            f"{who} may not be repeated blindly (not idempotent, RFC 9110 9.2.2), though the server had read nothing of "
            f"{'it' if unsafe == 1 else 'them'}."
        )
    elif unknown:
        said += (
            "Its method cannot be read: whether it may be repeated is not known."
            if count == 1
            else "Their methods cannot be read: whether they may be repeated is not known."
        )
    else:
        said += (
            "It is idempotent: a client may repeat it (RFC 9110 9.2.2)."
            if count == 1
            else "They are idempotent: a client may repeat them (RFC 9110 9.2.2)."
        )
    return said


def below(limit_ns: int, rtt_ns: int) -> str:
    """A client timer below the server's by a fifth and two round trips, in seconds."""
    s = min(0.8 * limit_ns, limit_ns - 2 * rtt_ns) / SECOND
    return f"{int(s)}" if s >= 2 else f"{max(s, 0.1):.1f}"
