"""The server's accept queue is full: it drops SYNs, or the ACK that ends a handshake, while it answers other connections.

What it looks at
    Dials that were answered only when the SYN was repeated, while others of the same client were answered in between;
    handshakes whose SYN-ACK came again after the client's first data, which was repeated too; handshakes answered with
    RST as soon as they ended; how often data on other connections was sent again.

Claims
    The kernel of the server held these connections up for whole retransmission timeouts, a second and more, because
    its program does not accept connections as fast as they come.

Never claims
    How long the queue is, or which program is slow.  Nor an overflow where nothing else was answered meanwhile
    (connect-timeout: the host, or the path, was away), or where data is lost about as often as SYNs (path-loss).

Why it matters
    A call that takes a millisecond takes a second, or eleven, and no log of the server shows it: the time passes before
    accept().

What to change
    The program: accept in a loop that does nothing else, more workers, fewer and longer-lived connections.  The queue:
    listen()'s backlog and the kernel's limit on it, for bursts.

False alarms
    A path that loses packets repeats SYNs and data alike: path-loss.  A firewall that drops all new connections lets no
    dial through in between: connect-timeout.  A proxy without a backend, or an access list, resets every connection
    after its handshake: server-abort.  A listener with TCP_DEFER_ACCEPT repeats its SYN-ACK while the client is silent.

References
    listen(2); Linux Documentation/networking/ip-sysctl.rst (tcp_abort_on_overflow, tcp_max_syn_backlog)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Opening, Severity
from pcapdiag.pools.openings import by_chance, data_loss, looks_like_loss, openings, signs_of_life, syn_loss, unheard
from pcapdiag.pools.pool import MILLISECOND, SECOND, Pool, once_per_pool
from pcapdiag.rules.connect_refused import common_advice
from pcapdiag.rules.rule import Desk, NotJudged, Rule, by_count, finding, many, seconds, share

# One dial that had to be repeated is a lost SYN like any other, two are chance.
MIN_HELD = 3
# A call in ten that takes a second longer is what users complain of; one in a hundred is the 99th percentile.
MANY = 0.1
SOME = 0.01
# A kernel's RST comes with the handshake's ACK, a program's after a wake-up and an accept().
AT_ONCE = 20 * MILLISECOND


@dataclass(frozen=True)
class Held:
    """Dials that the server's queue held up, by symptom; rows of the pool."""

    syn: Column  # answered when the SYN was repeated, while others were answered
    ack: (
        Column  # the handshake's ACK was dropped: the SYN-ACK came again, or the first request was sent again and again
    )
    reset: Column  # RST as soon as the handshake ended
    lost: Column  # never answered, while others were

    @property
    def answered(self) -> Column:
        return _distinct(self.syn, self.ack, self.reset)

    @property
    def rows(self) -> Column:
        return _distinct(self.syn, self.ack, self.reset, self.lost)


def _distinct(*parts: Column) -> Column:
    """The rows of all parts, each once, in order."""
    rows = np.sort(np.concatenate(parts))
    return np.asarray(rows[np.diff(rows, prepend=-1) > 0])


@once_per_pool
def held_up(pool: Pool) -> Held:
    """The dials that show one of the marks of a full accept queue."""
    c = pool.connections
    seen = openings(pool)
    opened, answers = signs_of_life(pool, seen.late)
    lost_opened, _ = signs_of_life(pool, seen.unanswered)
    dialled = c.opening == Opening.HANDSHAKE
    ack = dialled & (c.synacks_late > 0) & (c.client_data_packets > 0) & (c.client_retransmitted > c.syn_count - 1)
    ack |= unheard(pool)
    after = c.server_rst_at - c.established_at
    reset = dialled & (c.server_rst_at > 0) & (c.established_at > 0) & (c.server_bytes == 0) & (c.server_fin_at == 0)
    reset &= (c.client_fin_at == 0) & (after <= AT_ONCE + pool.rtt)
    # A request that was acknowledged had a place in the queue.
    reset &= (c.client_bytes == 0) | (c.client_unacked_bytes >= c.client_bytes)
    return Held(
        seen.late[opened + answers > 0], np.flatnonzero(ack), np.flatnonzero(reset), seen.unanswered[lost_opened > 0]
    )


class BacklogOverflow(Rule):
    code = "PD103"
    name = "backlog-overflow"
    title = "The server's accept queue overflows: dials are held up for a second or more"
    severity = Severity.HIGH
    action = (
        "Let the server accept faster (more workers, nothing slow between two accepts) or open fewer "
        "connections; a longer queue only takes bursts."
    )
    # Dials that were never answered, calls that ran out of time, and slow first answers come from the same queue.
    explains = (Cause.CONNECT_TIMEOUT, Cause.CLIENT_REQUEST_TIMEOUT, Cause.SLOW_SERVER, Cause.SERVER_ABORT)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = openings(pool)
        held = held_up(pool)
        marked = held.answered
        if len(marked) < MIN_HELD:
            return None
        by_reset = len(held.reset) > len(held.syn) + len(held.ack)
        served = (pool.connections.server_bytes > 0) | (pool.connections.responses > 0)
        if by_reset and int((pool.dialled & served).sum()) < MIN_HELD:
            return None  # none is served: an access list, or a proxy that has nobody behind it
        again, sent = data_loss(pool)
        if not by_reset and lossy(pool, held):
            return None
        c = pool.connections
        dials = len(seen.dials)
        count = len(held.rows)
        part = count / dials
        severity = Severity.HIGH if part >= MANY else Severity.MEDIUM if part >= SOME else Severity.LOW
        longest = int(waits(pool)[marked].max())
        vain, syns = syn_loss(pool)
        parts = []
        if len(held.syn):
            parts.append(f"{many(len(held.syn), 'dial')} had to repeat the SYN while the server answered others")
        if len(held.ack):
            parts.append(
                f"on {len(held.ack):,} the client had finished the handshake and sent its request, and the server took no "
                f"notice: {'it sent its SYN-ACK again' if c.synacks_late.any() else 'the request was sent again and again'}"
            )
        if len(held.reset):
            parts.append(f"{len(held.reset):,} were reset as soon as the handshake had ended (tcp_abort_on_overflow)")
        if len(held.lost):
            parts.append(f"{len(held.lost):,} were never answered at all")
        claim = (
            f"{share(count, dials).capitalize()} dials were held up: {'; '.join(parts)}. Of SYNs, {vain:,} of {syns:,} were "
            f"sent in vain, of data elsewhere {again:,} of {sent:,} segments: the path is not what loses them. The program "
            "accepts connections more slowly than they come, its queue is full, and the kernel drops the next ones; they "
            "come back after a retransmission timeout."
        )
        cause = Cause.BACKLOG_OVERFLOW
        doubtful = by_reset or len(held.lost) > len(marked)
        settings = desk.advice(pool, Knob.BACKLOG, cause, role="server") + desk.advice(
            pool, Knob.BACKLOG, cause, role="kernel"
        )
        tell = "nstat on the server: TcpExtListenOverflows grows where the queue overflows; otherwise " + (
            "the program, or a proxy without a backend, resets what it has accepted"
            if by_reset
            else "the SYNs are dropped on the way, by a limit on new connections or by one of several hosts behind the "
            "address"
        )
        causes = [
            CauseClaim(cause, Confidence.MEDIUM if doubtful else Confidence.HIGH, tell if doubtful else "", settings)
        ]
        if by_reset:
            other = desk.advice(pool, Knob.CLOSE_MODE, Cause.SERVER_ABORT, role="server")
            causes.append(CauseClaim(Cause.SERVER_ABORT, Confidence.LOW, "", other))
        elif doubtful:
            other = common_advice(desk, pool, Knob.CONNECT_TIMEOUT, Cause.CONNECT_TIMEOUT)
            causes.append(CauseClaim(Cause.CONNECT_TIMEOUT, Confidence.LOW, "", other))
        return finding(
            self,
            pool,
            severity=severity,
            confidence=by_count(len(marked), 10) if not by_reset else Confidence.MEDIUM,
            basis=Basis.INFERRED,
            title=f"The server's accept queue overflows: {share(count, dials)} dials were held up"
            + (f", for up to {seconds(longest)}" if longest > SECOND else ""),
            claim=claim,
            measured={
                "connections": pool.size,
                "dials": dials,
                "held_up": count,
                "held_up_share": round(part, 3),
                "answered_late": len(held.syn),
                "ack_dropped": len(held.ack),
                "reset_after_handshake": len(held.reset),
                "never_answered": len(held.lost),
                "longest_wait_s": longest / SECOND,
                "syns_in_vain": vain,
                "syns": syns,
                "data_sent_again": again,
                "data_segments": sent,
            },
            causes=causes,
            evidence=[
                desk.evidence(pool, row, frames_of(pool, row), what_happened(pool, held, row))
                for row in worst(pool, held)
            ],
            would_refute="TcpExtListenOverflows and TcpExtListenDrops on the server that stay at zero meanwhile.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def lossy(pool: Pool, held: Held) -> bool:
    """Whether a path that loses packets may have done it: then data elsewhere is lost about as often.

    Where the handshakes' ACKs are what was lost, the SYNs show the path as well, and the request must have been lost twice.
    """
    if len(held.syn) >= len(held.ack):
        return looks_like_loss(pool)
    again, sent = data_loss(pool)
    vain, syns = syn_loss(pool)
    if len(held.syn):
        vain = syns = 0  # the same queue drops them
    once = min(2 * (again + vain + 1) / (sent + syns + 2), 0.5)
    return by_chance(len(held.ack), len(openings(pool).dials) * once**2)


def waits(pool: Pool) -> Column:
    """From the first SYN to the first byte of the first response in nanoseconds; 0 where none came."""
    c = pool.connections
    out = np.maximum(c.syn_at - c.first_at, 0)
    rows = np.flatnonzero(pool.last_exchange >= 0)
    came = pool.exchanges.response_first_at[pool.first_exchange[rows]]
    out[rows] = np.where(came > 0, came - c.first_at[rows], out[rows])
    return np.asarray(out)


def worst(pool: Pool, held: Held) -> list[int]:
    """Up to three rows: those that waited longest."""
    rows = held.answered
    order = np.argsort(-waits(pool)[rows], kind="stable")
    return [int(row) for row in rows[order[:3]]]


def frames_of(pool: Pool, row: int) -> list[int]:
    c = pool.connections
    frames = [int(c.first_frame[row])]
    last = int(pool.last_exchange[row])
    if last >= 0:
        x = pool.exchanges
        first = int(pool.first_exchange[row])
        frames += [int(x.request_first_frame[first]), int(x.response_first_frame[first])]
    frames.append(int(c.server_rst_frame[row]))
    return frames


def what_happened(pool: Pool, held: Held, row: int) -> str:
    c = pool.connections
    said = []
    if row in held.syn:
        waited = seconds(max(int(c.syn_at[row] - c.first_at[row]), 0))
        said.append(f"{int(c.syn_count[row])} SYNs within {waited}, then the handshake")
    if row in held.ack:
        again = int(c.client_resent_run[row])
        said.append(
            "the SYN-ACK came again after the client's data"
            if c.synacks_late[row]
            else f"the handshake, then the first request sent {again + 1:,} times, and no ACK"
        )
    if row in held.reset:
        said.append(
            f"reset {seconds(max(int(c.server_rst_at[row] - c.established_at[row]), 0))} after the handshake, nothing sent"
        )
    return "; ".join(said)
