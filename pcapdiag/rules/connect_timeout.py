"""SYNs get no answer at all: something drops them, or there is nobody behind the address.

What it looks at
    Dials whose SYN was repeated on the kernel's schedule (after 1, 3, 7 s; Linux since 6.5 after 1, 2, 3, 4, 5, 7, 11 s)
    and never answered; since when; whether connections that were open already, or other services of the same address,
    still answered; how soon the client gave up.

Claims
    These calls waited for a handshake that did not come.  The connect timeout, as a bracket: the client still tried at
    the last SYN, and gave up before the next one was due or before its next dial.

Never claims
    Firewall or dead host where nothing at all came from the address: both are silence.  Nor anything from one SYN whose
    answer the end of the capture, or a filter, may have cut off.

Why it matters
    Each such call costs the whole connect timeout; without one Linux tries for more than two minutes.

What to change
    The path: routes, firewall rules, security groups, the address that a name resolves to.  The client: a connect
    timeout of a few seconds, so that a dead address is left sooner.

False alarms
    A lossy path loses SYNs too, and answers the repeated ones: path-loss, by the share of data that is sent again.  A
    full accept queue drops some SYNs while other dials are answered: backlog-overflow.  A capture of one direction only
    shows no answers: then nothing is claimed.

References
    RFC 6298 2 and 5 (retransmission of SYNs); Linux Documentation/networking/ip-sysctl.rst (tcp_syn_retries,
    tcp_syn_linear_timeouts)
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Opening, Severity
from pcapdiag.pools.openings import (
    Openings,
    data_loss,
    dials_given_up,
    fallback,
    looks_like_loss,
    openings,
    server_alive_elsewhere,
    signs_of_life,
)
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.connect_refused import MOST, SOME, common_advice, sample
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many, seconds, share

# A lost SYN or two happen on every path.
MIN_UNANSWERED = 3


class ConnectTimeout(Rule):
    code = "PD102"
    name = "connect-timeout"
    title = "Dials time out: SYNs are repeated and never answered"
    severity = Severity.HIGH
    action = (
        "Find what swallows the SYNs: a firewall that drops, a route, a host that is down. A capture at "
        "the server tells whether they arrive."
    )
    # What ended or failed on the same service because nothing answers any more.
    explains = (Cause.CLIENT_REQUEST_TIMEOUT, Cause.IDLE_TIMEOUT_TOO_SHORT)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = openings(pool)
        rows = seen.unanswered
        count = len(rows)
        if not count:
            if len(seen.pending) >= MIN_UNANSWERED and seen.none_answered:
                return NotJudged(
                    "the capture shows SYNs only, neither answers nor repeated ones: capture both directions, with no "
                    "filter on flags, for some seconds longer"
                )
            return None
        c = pool.connections
        dials = len(seen.dials)
        part = count / dials
        elsewhere = fallback(pool, pool.neighbours, rows)
        # A path that loses fewer than half of its packets answers the second SYN more often than never.
        random = data_loss(pool)[0] > 0 or len(seen.late) >= count
        lossy = not seen.none_answered and random and looks_like_loss(pool)
        severity = Severity.INFO
        if count >= MIN_UNANSWERED and not lossy and elsewhere is None:
            severity = Severity.HIGH if part >= MOST else Severity.MEDIUM if part >= SOME else Severity.LOW
        # One SYN each: a client that gives up within a second, or something that is no kernel's connect().
        single = 2 * int((c.syn_count[rows] >= 2).sum()) < count
        if single:
            severity = min(severity, Severity.MEDIUM, key=lambda one: one.rank)
        first, last = int(c.first_at[rows[0]]), int(c.last_at[rows].max())
        opened, spoken = signs_of_life(pool, rows)
        when, selective = story(pool, seen)
        patience = dials_given_up(pool)
        bracket, low, high = None, None, None
        if patience is not None and patience.high is not None:
            low, high = patience.low, patience.high
            bracket = f"between {seconds(low)} and {seconds(high)}" if low > 0 else f"less than {seconds(high)}"
        alive = bool(spoken.any() or opened.any())
        near = server_alive_elsewhere(pool, pool.neighbours, first, last)
        again = int((c.syn_count[rows] - 1).clip(0).sum())
        claim = f"{share(count, dials).capitalize()} dials got no answer to their SYNs, {when}; " + (
            f"the SYNs were repeated {many(again, 'time')}. "
            if again
            else "none was repeated: a client that gives up within a second, or a program that makes its own packets. "
        )
        if selective:
            claim += (
                "Other dials to the same address and port were answered meanwhile: what drops these chooses (one of several "
                "hosts behind the address, a firewall or connection table at its limit, a full queue), or the path loses "
                "packets. "
            )
        elif alive:
            claim += (
                "Connections that were open already were still answered: the host is up, and a firewall, a limit on new "
                "connections or the server's full queue drops the SYNs. "
            )
        elif near:
            claim += (
                "The same address answered on other ports meanwhile: the host is up, and a firewall drops what goes to this "
                "port. "
            )
        else:
            claim += (
                "Nothing at all came from the address meanwhile: either a firewall drops the packets, or the host, or the "
                "route to it, is down. Both look the same from here. "
            )
        if lossy:
            claim += "Data on the open connections is lost about as often: the path loses packets, SYNs among them. "
        if elsewhere is not None:
            claim += "The client went on to another address of the same port, which answered. "
        if bracket is not None:
            claim += f"The client gave up after {bracket} (its connect timeout, or the kernel's last retry)."
        cause = Cause.CONNECT_TIMEOUT
        settings = common_advice(
            desk, pool, Knob.CONNECT_TIMEOUT, cause, inferred=bracket if bracket is not None else None
        )
        causes = [
            CauseClaim(
                cause,
                Confidence.MEDIUM if selective else Confidence.HIGH,
                "capture on the server as well: SYNs that arrive there and get no answer were dropped by its kernel (nstat: "
                "TcpExtListenDrops counts them), those that do not arrive by the path"
                if selective or alive
                else "",
                settings,
            )
        ]
        if selective or alive:
            causes.append(
                CauseClaim(
                    Cause.BACKLOG_OVERFLOW,
                    Confidence.LOW,
                    "",
                    desk.advice(pool, Knob.BACKLOG, Cause.BACKLOG_OVERFLOW, role="server"),
                )
            )
        return finding(
            self,
            pool,
            severity=severity,
            confidence=Confidence.LOW if single else by_count(count, 10),
            basis=Basis.OBSERVED,
            title=f"The server does not answer SYNs: {share(count, dials)} dials timed out",
            claim=claim.strip(),
            measured={
                "connections": pool.size,
                "dials": dials,
                "unanswered": count,
                "unanswered_share": round(part, 3),
                "syns_repeated": again,
                "syns_per_dial": int(c.syn_count[rows].max()),
                "unanswered_first_s": round((first - pool.start) / SECOND, 3),
                "connect_timeout_low_s": None if low is None else low / SECOND,
                "connect_timeout_high_s": None if high is None else high / SECOND,
                "answered_meanwhile": int(opened.max()) if len(opened) else 0,
            },
            causes=causes,
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [int(c.first_frame[row]), int(c.last_frame[row])],
                    f"{many(max(int(c.syn_count[row]), 1), 'SYN')} within "
                    f"{seconds(max(int(c.syn_at[row] - c.first_at[row]), 0))}, no answer",
                )
                for row in sample(rows)
            ],
            would_refute="Any packet of the server to one of these SYNs, in a capture taken closer to the client.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def story(pool: Pool, seen: Openings) -> tuple[str, bool]:
    """Since when the dials went unanswered, in words, and whether others were answered in between."""
    c = pool.connections
    rows = seen.unanswered
    first, last = int(c.first_at[rows[0]]), int(c.first_at[rows[-1]])
    answered = c.first_at[seen.answered]
    before = int((answered < first).sum())
    between = int(((answered > first) & (answered < last)).sum())
    after = int((answered > last).sum())
    # SYNs of an outage that were answered when it ended belong to it.
    through = int(((c.first_at[seen.late] > first) & (c.first_at[seen.late] < last)).sum())
    if between > through:
        return f"and {many(between - through, 'other dial')} between them did", True
    if len(answered) == 0 and (c.opening == Opening.MIDSTREAM).any():
        return "though connections to it were open already", False
    if not before and not after:
        return "and none was answered in the whole capture", False
    if before and not after:
        return (
            f"all of them from {seconds(first - pool.start)} on, after {many(before, 'answered dial')}",
            False,
        )
    if after and not before:
        return f"all of them in the first {seconds(last - pool.start)}; later ones were answered", False
    return f"all of them within {seconds(last - first)}, with answered dials before and after", False
