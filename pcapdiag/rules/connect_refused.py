"""Dials are answered with RST: nothing listens on the server's port, or a device on the path refuses for it.

What it looks at
    SYNs answered by RST: how many of the dials, since when, until when; the hop count of the RST beside that of the
    SYN-ACKs of the same server; what the client did next.

Claims
    These calls failed before a byte of a request was sent.  Refused from some moment to the end, after answered dials,
    is what a stopped server looks like; between answered dials, one that was away for that time.

Never claims
    Why nothing listens: stopped, crashed, another port or address, not yet started.  Nor that a firewall refuses where
    the hop counts agree: a filter on the server's own host sends the same RST.

Why it matters
    Every refused dial is a failed call, or a retry; a client without a pause between retries makes hundreds a second.

What to change
    The server: let it listen there, and start it ahead of its clients; on a restart, hand over the port.  The client:
    the right address and port, and retries with a growing pause.

False alarms
    A name with two addresses (localhost is ::1 and 127.0.0.1) of which one refuses, followed at once by a dial that
    succeeds, costs a millisecond: information.  So is a client that waits for a server to start.  A server that resets
    connections after their handshake is server-abort or backlog-overflow; a restart that others of its marks show is
    server-restart.

References
    RFC 9293 3.10.7.1 (a RST for a port that nobody listens on); RFC 8305 (happy eyeballs)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding, SettingAdvice
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.openings import fallback, openings
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many, seconds, share, spoken
from pcapdiag.settings import catalog

# One or two refused dials are a restart's blink that a retry covers.
MIN_REFUSED = 3
# Calls that fail for a quarter of all dials are an outage, for one in twenty an error rate that pages somebody.
MOST = 0.25
SOME = 0.05
# Services that start together wait this long for each other (compose and systemd restart delays are 10 to 30 s).
STARTING = 60 * SECOND


class ConnectRefused(Rule):
    code = "PD101"
    name = "connect-refused"
    title = "Dials are refused: SYN answered by RST"
    severity = Severity.HIGH
    action = "Start what should listen at this address and port, or correct the address. Retries only bridge a restart."
    # Idle connections that end when the server stops, and then cannot be replaced, are part of the same outage.
    explains = (Cause.IDLE_TIMEOUT_TOO_SHORT, Cause.SERVER_IDLE_TIMEOUT)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = openings(pool)
        refused = seen.refused
        count = len(refused)
        if not count:
            return None
        c = pool.connections
        dials = len(seen.dials)
        first, last = int(c.first_at[refused[0]]), int(c.first_at[refused[-1]])
        answered = c.first_at[seen.answered]
        before = int((answered < first).sum())
        between = int(((answered > first) & (answered < last)).sum())
        after = int((answered > last).sum())
        elsewhere = fallback(pool, pool.neighbours, refused)
        part = count / dials
        severity = Severity.INFO
        if count >= MIN_REFUSED and elsewhere is None:
            severity = Severity.HIGH if part >= MOST else Severity.MEDIUM if part >= SOME else Severity.LOW
        story, when = "scattered", "between others that were answered"
        if seen.none_answered and pool.usable.any():
            story, when = "stopped", "while connections that were open already went on or ended"
        elif seen.none_answered:
            story, when = "never", "none was answered in the whole capture"
        elif between == 0 and before and not after:
            story = "stopped"
            when = f"all of them from {seconds(first - pool.start)} on, after {many(before, 'answered dial')}"
        elif between == 0 and after and not before:
            story = "started"
            when = f"all of them in the first {seconds(last - pool.start)}; then the server answered"
            if after >= MIN_REFUSED and last - first <= STARTING:
                severity = Severity.INFO
        elif between == 0 and before and after:
            story = "away"
            when = f"all of them within {seconds(last - first)}, with answered dials before and after"
            severity = min(severity, Severity.MEDIUM, key=lambda one: one.rank)
        hops, device = origin(pool, refused, desk)
        pause = retry_pause(pool, refused)
        claim = f"{share(count, dials).capitalize()} dials were answered with RST, {when}. "
        if story == "stopped":
            claim += "That is what a server that stopped, or a port that was closed, looks like. "
        if elsewhere is not None:
            claim += (
                "Each was followed at once by a dial to another address of the same port that succeeded: the client tried "
                "the addresses of a name in turn. "
            )
        if device:
            claim += (
                f"The RSTs come from another distance (hop count {hops[0]}) than the server's SYN-ACKs ({hops[1]}): a "
                "firewall or load balancer on the path refuses, not the server. "
            )
        else:
            claim += (
                "They come from the server's host or a device just in front of it: nothing listens, or a rule rejects. "
            )
        if pause is not None:
            claim += f"The client dials again about every {seconds(pause)}."
        severity_word = {
            "stopped": "Dials are refused since " + seconds(first - pool.start) + " into the capture",
            "never": "Every dial is refused",
            "started": "Dials were refused until the server started",
            "away": f"Dials were refused for {seconds(last - first)}",
            "scattered": "Some dials are refused",
        }[story]
        cause = Cause.CONNECT_REFUSED
        server = desk.advice(pool, Knob.DRAIN, cause, role="server") if story in ("stopped", "away") else ()
        causes = [
            CauseClaim(
                cause,
                Confidence.HIGH,
                "is a process listening there (ss -ltn on the server), and does a dial on the server's own host succeed? "
                "then a firewall or load balancer on the path refuses"
                if story == "scattered"
                else "",
                server + common_advice(desk, pool, Knob.RETRY, cause),
            )
        ]
        if story == "scattered":
            causes.append(
                CauseClaim(
                    Cause.BACKLOG_OVERFLOW,
                    Confidence.LOW,
                    "",
                    desk.advice(pool, Knob.BACKLOG, cause, role="kernel"),
                )
            )
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(count, 10),
            basis=Basis.OBSERVED,
            title=f"{severity_word}: {share(count, dials)} were answered with RST",
            claim=claim.strip(),
            measured={
                "connections": pool.size,
                "dials": dials,
                "refused": count,
                "refused_share": round(part, 3),
                "refused_first_s": round((first - pool.start) / SECOND, 3),
                "refused_last_s": round((last - pool.start) / SECOND, 3),
                "answered_before": before,
                "answered_between": between,
                "answered_after": after,
                "rst_hops": hops[0],
                "synack_hops": hops[1],
                "retry_pause_s": None if pause is None else pause / SECOND,
            },
            causes=causes,
            evidence=[
                desk.evidence(
                    pool,
                    row,
                    [int(c.first_frame[row]), int(c.server_rst_frame[row])],
                    "SYN, answered with RST"
                    + (
                        f" after {seconds(int(c.server_rst_at[row] - c.first_at[row]))}" if c.server_rst_at[row] else ""
                    ),
                )
                for row in sample(refused)
            ],
            would_refute="A SYN-ACK to any of these SYNs, or a RST that belongs to an older connection on the same ports.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def sample(rows: Column) -> list[int]:
    """The first two and the last of some rows."""
    chosen = [int(row) for row in rows[:2]]
    return chosen if len(rows) < 3 else [*chosen, int(rows[-1])]


def origin(pool: Pool, refused: Column, desk: Desk) -> tuple[tuple[int | None, int | None], bool]:
    """The usual hop count of the RSTs and of this server's SYN-ACKs, and whether they come from different places.

    SYN-ACKs of other pools of the same address serve as well: kernels use one hop limit for both.
    """
    c = pool.connections
    rst = c.server_rst_hops[refused]
    rst = rst[rst > 0]
    address = int(c.server_ip[0])
    answers = [
        other.connections.server_hops[(other.connections.synack_count > 0) & (other.connections.server_hops > 0)]
        for other in (pool, *pool.neighbours)
        if int(other.connections.server_ip[0]) == address
    ]
    known = np.concatenate(answers) if answers else rst[:0]
    one = int(np.bincount(rst).argmax()) if len(rst) else None
    two = int(np.bincount(known).argmax()) if len(known) else None
    apart = one is not None and two is not None and one != two and not bool(np.isin(one, known))
    return (one, two), apart


def retry_pause(pool: Pool, refused: Column) -> int | None:
    """The usual time between refused dials in nanoseconds, None where there are too few to have one."""
    gaps = np.diff(pool.connections.first_at[refused])
    return int(np.median(gaps)) if len(gaps) >= 3 else None


def common_advice(
    desk: Desk, pool: Pool, knob: Knob, cause: Cause, role: str = "client", inferred: str | None = None
) -> tuple[SettingAdvice, ...]:
    """The product's spelling of a knob, every common product's where it has none of its own."""
    own = tuple(one for one in desk.advice(pool, knob, cause, role=role, inferred=inferred) if one.snippet)
    if own:
        return own
    found = catalog.advice(
        knob, None, inferred=inferred, recommended=None, values={}, cause=cause, role=role, protocol=spoken(pool)
    )
    return tuple(replace(one, role=role, recognised=False) for one in found)
