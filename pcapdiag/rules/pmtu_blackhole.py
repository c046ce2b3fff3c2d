"""Large segments vanish on the way, small ones pass: a link narrower than the ends believe, and no ICMP to tell them.

What it looks at
    Connections on which a full-sized segment (1,208 bytes of payload or more: what fits IPv6's least MTU) was sent
    again three times or more and never acknowledged; or, behind the narrow link, a hole of that size that never
    filled, with bytes behind it.  And that small segments of the same side got through.

Claims
    The side whose segments vanish, and the size that does.

Never claims
    Which device is to blame, or the exact MTU: it lies between what passed and what did not.

Why it matters
    Every large message stalls until somebody gives up, while small ones, health checks too, work: hard to find.

What to change
    Let ICMP "fragmentation needed" (IPv6: "packet too big") through, or clamp the MSS of SYNs at the narrow link; on the
    sender, net.ipv4.tcp_mtu_probing finds the size by itself.

False alarms
    Random loss (path-loss) hits small segments as well, and what is sent again arrives.  A connection that a firewall
    forgot (middlebox-idle-drop) loses everything after a silence, small requests first of all.  A reader who does not
    read (zero-window) acknowledges what he got.  A host that died answers nobody: here others were served.

References
    RFC 2923 (2.1: black holes); RFC 4821; RFC 8201; https://docs.kernel.org/networking/ip-sysctl.html (tcp_mtu_probing)
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.losses import black_hole
from pcapdiag.pools.pool import Pool
from pcapdiag.rules.rule import Desk, NotJudged, Rule, finding, life_frames, many


class PmtuBlackhole(Rule):
    code = "PD403"
    name = "pmtu-blackhole"
    title = "Only large segments are lost: a path MTU black hole"
    severity = Severity.HIGH
    action = (
        'Let ICMP "fragmentation needed" (IPv6: "packet too big") through, or keep segments small: '
        "the smaller MTU at the ends, or MSS clamping on the router."
    )
    explains = (
        Cause.CLIENT_REQUEST_TIMEOUT,
        Cause.SLOW_SERVER,
        Cause.PATH_LOSS,
        Cause.IDLE_TIMEOUT_TOO_SHORT,
        Cause.SERVER_IDLE_TIMEOUT,
        Cause.SERVER_ABORT,
        Cause.SERVER_REJECTS_UPLOAD,
        Cause.NEVER_REUSE_KEEPALIVE_DISABLED,
        Cause.BODY_NOT_DRAINED,
        Cause.CLOSE_WAIT_LEAK,
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        hole = black_hole(pool)
        if hole is None or not hole.passed:
            return None
        c = pool.connections
        name = hole.sender.word
        other = "client" if name == "server" else "server"
        count = len(hole.rows)
        behind = hole.seen_missing == count
        sure = count >= 3 and not behind
        what = "responses" if name == "server" else "requests"
        runs = c.columns[f"{name}_resent_run"][hole.rows]
        if behind:
            how = (
                f"On {many(count, 'connection')} a hole of a full-sized segment or more was never filled, while smaller "
                "segments behind it arrived: the capture point is behind the narrow link."
            )
        else:
            how = (
                f"On {many(count, 'connection')} the {name} sent a segment of {hole.size:,} bytes of payload again and "
                f"again, up to {int(runs.max())} times, and the {other} never acknowledged it."
            )
        return finding(
            self,
            pool,
            severity=Severity.HIGH if sure else Severity.MEDIUM,
            confidence=Confidence.HIGH if count >= 5 and not behind else Confidence.MEDIUM if sure else Confidence.LOW,
            basis=Basis.INFERRED,
            title=f"The {name}'s full-sized segments never arrive, small ones do: large {what} stall",
            claim=(
                f"{how} Small segments of the {name} got through on {many(hole.passed, 'connection')}. So a link on the "
                f"way carries less than the ends believe (an MTU below {hole.size + 52:,} bytes), and the ICMP message "
                "that should say so does not come back."
            ),
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "stuck": count,
                "passed": hole.passed,
                "segment_bytes": hole.size,
                "resent_at_most": int(runs.max()),
            },
            causes=[
                CauseClaim(
                    Cause.PMTU_BLACKHOLE,
                    Confidence.HIGH if sure else Confidence.MEDIUM,
                    "",
                    desk.advice(pool, Knob.MTU, Cause.PMTU_BLACKHOLE, role="middlebox")
                    + desk.advice(pool, Knob.MTU, Cause.PMTU_BLACKHOLE, role="kernel"),
                )
            ],
            evidence=[
                desk.evidence(
                    pool,
                    int(row),
                    life_frames(pool, int(row)),
                    f"the same {int(c.columns[f'{name}_resent_low'][row]):,} bytes sent again "
                    f"{int(c.columns[f'{name}_resent_run'][row])} times, "
                    f"{int(c.columns[f'{name}_unacked_bytes'][row]):,} bytes never acknowledged"
                    if c.columns[f"{name}_resent_low"][row]
                    else f"{int(c.columns[f'{name}_missing_bytes'][row]):,} bytes never arrived, later ones did",
                )
                for row in hole.rows[:3].tolist()
            ],
            would_refute="ping -M do -s SIZE (IPv6: ping -s) from the sender with full-sized packets that are answered; "
            "a message of several full-sized segments that arrives.",
            not_the_fix=desk.not_the_fix(pool, Cause.PMTU_BLACKHOLE),
        )
