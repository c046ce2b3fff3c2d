"""Segments are lost on the way, so often that requests feel it.

What it looks at
    Segments with payload that were sent again and that the receiver had not got, against all that were sent, each
    direction for itself; on how many connections; repeated SYNs; segments that came in the wrong order.

Claims
    A share of lost segments above 2%, by more than chance would give.  Up to 2% less than one exchange in twenty of a
    segment each way is touched; beyond, everybody notices: a lost last segment waits for a timer of 200 ms or more, a
    lost SYN for a second.

Never claims
    Where on the path, or that loss is why connections are not reused: a pool that is wrong is wrong without loss, too.

Why it matters
    Each loss costs a round trip at best and 200 ms to seconds at worst, and halves the sender's rate.

What to change
    Nothing in the program: look at the links, at a policer, at a radio network, at duplex settings.  Timeouts that are
    shorter than a few retransmissions (1 s) turn losses into errors, so give them room.

False alarms
    What the receiver had already (duplicate SACK: a tail loss probe that met a delayed ACK) is not loss.  A connection
    that never answers again is not counted: it was forgotten on the way (middlebox-idle-drop), only loses what is large
    (pmtu-blackhole), or was never accepted (backlog-overflow).  Window probes to a reader who does not read
    (zero-window) look like retransmissions.  A bulk transfer loses some segments by design when it fills its link.
    Packets that arrive in another order (jitter, several paths) are reported as information.  A capture that holds each
    packet twice is not loss: nothing would get through at 30% in both directions.

References
    RFC 6298 (2.4: retransmission timeouts); RFC 2883; RFC 8985; Mathis et al., The Macroscopic Behavior of the TCP
    Congestion Avoidance Algorithm, 1997
"""

from __future__ import annotations

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Severity, Side
from pcapdiag.pools.losses import Loss, losses
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.timers import moments
from pcapdiag.rules.healthy import REUSED
from pcapdiag.rules.rule import Desk, NotJudged, Rule, finding, life_frames, many

# Ten segments sent again could be one moment's jam; fewer say nothing about a rate.
MIN_LOST = 5
MIN_SENT = 100
NOTICED = 0.02
# TCP's rate falls with the square root of loss: at 5% a path of 20 ms and 1,460-byte segments carries 3 Mbit/s.
MUCH = 0.05
# Beyond this in both directions no TCP gets anywhere: every packet is in the capture twice.
IMPOSSIBLE = 0.3
# Share of segments that overtook one another from which on it is worth a word.
DISORDER = 0.01
MIN_DISORDER = 10


class PathLoss(Rule):
    code = "PD402"
    name = "path-loss"
    title = "Segments are lost on the way"
    severity = Severity.MEDIUM
    action = (
        "Find where on the path segments are lost: error counters of interfaces and switches, duplex, "
        "Wi-Fi, policers, full links. Captures at both ends say on which side."
    )
    explains = (
        Cause.CLIENT_REQUEST_TIMEOUT,
        Cause.SLOW_SERVER,
        Cause.NAGLE_DELAYED_ACK,
        Cause.BACKLOG_OVERFLOW,  # only losses on connections that were accepted count here: a queue has none of these
    )

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        both = losses(pool)
        if sum(one.sent for one in both) < MIN_SENT:
            return NotJudged(f"fewer than {MIN_SENT} segments with payload: no share of loss can be given")
        if all(one.share > IMPOSSIBLE for one in both):
            return None
        worst = max(both, key=lambda one: (one.exceeds(NOTICED), one.share))
        if worst.lost < MIN_LOST or not worst.exceeds(NOTICED):
            return disorder(self, pool, desk)
        return loss_finding(self, pool, desk, worst, both)


def loss_finding(rule: Rule, pool: Pool, desk: Desk, worst: Loss, both: tuple[Loss, Loss]) -> Finding:
    c = pool.connections
    name = worst.sender.word
    lost = sum(one.lost for one in both)
    sent = sum(one.sent for one in both)
    rows = np.union1d(both[0].rows, both[1].rows)
    repeated = int((c.syn_count[pool.dialled] > 1).sum() + (c.synack_count[pool.dialled] > 1).sum())
    untouched = given_up_without_loss(pool, rows)
    reused = (pool.mean_requests or REUSED) >= REUSED
    severity = Severity.MEDIUM if worst.share >= MUCH and reused else Severity.LOW
    if untouched:
        severity = Severity.INFO
    if worst.lost >= 20 and (len(rows) > 1 or moments(c.last_at[rows]) > 1):
        confidence = Confidence.HIGH
    else:
        confidence = Confidence.MEDIUM
    claim = (
        f"{lost:,} of {sent:,} segments with payload had to be sent again because they, or all word of them, got lost: "
        f"{both[0].share:.1%} from the client, {both[1].share:.1%} from the server as the capture shows it, on "
        f"{many(len(rows), 'connection')} of {pool.size:,}."
        + (f" {many(repeated, 'handshake')} needed a second SYN or SYN-ACK, a second or more each." if repeated else "")
        + " Losses ahead of the capture point are seen as holes, those behind it as retransmissions; some may be missed."
    )
    if reused:
        claim += " Connections are reused all the same."
    else:
        claim += " That connections are hardly reused has another reason, and costs more on a path that loses SYNs."
    if untouched:
        claim += (
            f" {many(untouched, 'request')} that the client gave up were on connections without any loss: loss is not "
            "why."
        )
    shown = rows[np.argsort(-(c.client_resent + c.server_resent)[rows])][:3]
    return finding(
        rule,
        pool,
        severity=severity,
        confidence=confidence,
        basis=Basis.INFERRED,
        title=f"{worst.share:.1%} of the {name}'s segments are lost on the way",
        claim=claim,
        measured={
            "connections": pool.size,
            "requests": pool.requests,
            "lost": lost,
            "segments": sent,
            "client_loss_share": round(both[0].share, 4),
            "server_loss_share": round(both[1].share, 4),
            "connections_with_loss": len(rows),
            "handshakes_repeated": repeated,
        },
        causes=[
            CauseClaim(
                Cause.PATH_LOSS,
                Confidence.HIGH if confidence == Confidence.HIGH else Confidence.MEDIUM,
                "",
                (),  # no setting: see ``action``
            )
        ],
        evidence=[
            desk.evidence(
                pool,
                int(row),
                life_frames(pool, int(row)),
                f"{int(c.client_resent[row])} of the client's {int(c.client_data_packets[row]):,} segments and "
                f"{int(c.server_resent[row])} of the server's {int(c.server_data_packets[row]):,} were sent again "
                "(Wireshark: tcp.analysis.retransmission)",
            )
            for row in shown.tolist()
        ],
        would_refute="Interface and kernel counters (ip -s link, nstat TcpRetransSegs, TcpExtTCPDSACKRecv) that show no "
        "drops and as many duplicate SACKs as retransmissions.",
        not_the_fix=desk.not_the_fix(pool, Cause.PATH_LOSS),
    )


def given_up_without_loss(pool: Pool, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Requests that the client gave up on connections without loss, where these are most of those it gave up."""
    c = pool.connections
    given_up = (c.open_request != 0) & pool.closed & (pool.closer == Side.CLIENT)
    touched = np.zeros(pool.size, dtype=bool)
    touched[rows] = True
    clean = int((given_up & ~touched).sum())
    return clean if clean >= 3 and 2 * clean > int(given_up.sum()) else 0


def disorder(rule: Rule, pool: Pool, desk: Desk) -> Finding | None:
    """Packets overtake one another, nothing is lost: a fact worth knowing, no fault."""
    c = pool.connections
    late = c.client_out_of_order + c.server_out_of_order
    count = int(late.sum())
    sent = int(c.client_data_packets.sum() + c.server_data_packets.sum())
    if count < MIN_DISORDER or count < DISORDER * sent:
        return None
    rows = np.flatnonzero(late > 0)
    shown = rows[np.argsort(-late[rows])][:3]
    return finding(
        rule,
        pool,
        severity=Severity.INFO,
        confidence=Confidence.MEDIUM,
        basis=Basis.OBSERVED,
        title=f"{count / sent:.1%} of the segments arrive out of order; hardly any is lost",
        claim=(
            f"{count:,} of {sent:,} segments with payload came behind one that was sent after them, on "
            f"{many(len(rows), 'connection')}, and arrived within a round trip: several paths, or jitter. TCP puts them "
            "in order; it costs duplicate ACKs and, when a segment is very late, a retransmission for nothing."
        ),
        measured={
            "connections": pool.size,
            "requests": pool.requests,
            "out_of_order": count,
            "segments": sent,
        },
        causes=[CauseClaim(Cause.PATH_LOSS, Confidence.LOW, "", ())],
        evidence=[
            desk.evidence(
                pool,
                int(row),
                life_frames(pool, int(row)),
                f"{int(late[row]):,} segments out of order (Wireshark: tcp.analysis.out_of_order)",
            )
            for row in shown.tolist()
        ],
        would_refute="The same traffic captured at the sender with its segments in that very order.",
    )
