"""The client's ports run out: each close leaves one in TIME_WAIT for a minute, and there are only so many.

What it looks at
    Closes whose TIME_WAIT the client keeps (the side that closed first), by the second; how many of its ports that
    takes at once, against the 28,232 that Linux has for one destination; ports that are dialled from again just as
    their TIME_WAIT ends, or within it; a range of ports so narrow that the capture shows all of it.

Claims
    That the ports ran out, where ports come back exactly a minute after their close, or where all of a range that shows
    itself were taken at once.  Otherwise a forecast: when they would run out at this rate, or never.

Never claims
    Failed calls: a client without a free port fails before it sends anything.  Nor a shortage where ports are used again
    within their TIME_WAIT (tcp_tw_reuse, Linux's default on loopback), unless all come back at the first chance.

Why it matters
    Without a free port connect() fails with EADDRNOTAVAIL ("cannot assign requested address"), or waits.

What to change
    Keep connections: the rule on reuse that this pool breaks says how.  A wider range of ports, or more addresses on
    either side, only moves the limit.

False alarms
    A server that closes first keeps the TIME_WAIT, and its ports are not what runs out.  A short test's rate is no
    forecast for a service; below 470 closes a second the default range never runs out.

References
    RFC 9293 3.4.2 and 3.6.1 (TIME-WAIT); Linux include/net/tcp.h (TCP_TIMEWAIT_LEN), ip-sysctl.rst (ip_local_port_range,
    tcp_tw_reuse)
"""

from __future__ import annotations

from pcapdiag.model.report import CauseClaim, Finding
from pcapdiag.model.words import Basis, Cause, Confidence, Knob, Severity
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.pools.ports import LINUX_PORTS, TIME_WAIT, Ports, ports
from pcapdiag.rules.connect_refused import sample
from pcapdiag.rules.rule import HEAVY, Desk, Need, NotJudged, Rule, finding, many

# Of the ports in TIME_WAIT, this part of the range leaves less than a quarter of a minute's closes to spare.
NEAR = 0.8
# Ports that come back just as TIME_WAIT ends: ten of them, and most of those that come back, are no chance.
MIN_WAITED = 10
# Likewise with tcp_tw_reuse, a second after the close; by chance they would come back at any time within the minute.
MOSTLY = 0.8
# Of a range that shows itself, this part taken at once: a dial finds a port only after some tries.
FULL = 0.95
# A rate is a forecast for a minute only when it lasted for a good part of one.
LASTING = 10 * SECOND

# Of the connections, this part with one request each: then the client may be a new one for each request.
SINGLE = 0.5

# Part of the range in TIME_WAIT from which on somebody who looks at netstat asks whether it will run out.
WORTH_A_WORD = 0.05


class PortExhaustion(Rule):
    code = "PD503"
    name = "port-exhaustion"
    title = "The client's ports run out in TIME_WAIT"
    severity = Severity.HIGH
    action = "Reuse connections: then no port is needed for each request."
    needs = (Need.CLOSES,)

    def judge(self, pool: Pool, desk: Desk) -> Finding | NotJudged | None:
        seen = ports(pool)
        if seen is None:
            return None
        size = LINUX_PORTS if seen.range is None else seen.range
        steady = seen.per_second * TIME_WAIT / SECOND
        full = seen.range is not None and seen.peak >= FULL * size
        held_up = len(seen.waited) >= MIN_WAITED and 2 * len(seen.waited) >= seen.again
        hurried = full and len(seen.recycled) >= MIN_WAITED and len(seen.recycled) >= MOSTLY * seen.again
        recycled = len(seen.reused) > len(seen.waited) and not hurried
        exhausted = (held_up or full or hurried) and not recycled
        near = seen.peak >= NEAR * size and seen.range is None
        runs_out = steady >= size and not recycled
        # A burst's rate says nothing of a minute, until a tenth of the ports is taken.
        told = seen.span_ns >= LASTING or seen.peak >= size // 10
        if not exhausted and not near and (seen.per_second < HEAVY or not told):
            return None
        severity = Severity.INFO
        if exhausted:
            severity = Severity.HIGH
        elif near and not recycled:
            severity = Severity.MEDIUM
        elif runs_out and seen.span_ns >= LASTING:
            severity = Severity.LOW
        if severity is Severity.INFO and not runs_out and not recycled and seen.peak < WORTH_A_WORD * size:
            return None
        left = size / seen.per_second if seen.per_second else None
        claim = (
            f"The client closed {many(len(seen.waits), 'connection')} first, {seen.per_second:.1f} a second, and keeps each "
            f"port for {TIME_WAIT // SECOND} s: up to {seen.peak:,} of "
            + (
                f"the {size:,} ports that it uses "
                if seen.range is not None
                else f"Linux's {size:,} ports to one destination "
            )
            + f"({seen.low} to {seen.high} were seen) were taken at once. "
        )
        if hurried:
            claim += (
                f"{many(len(seen.recycled), 'dial')} took a port a second after its close, as soon as tcp_tw_reuse lets the "
                "kernel: the client has no other ports left, and its dials wait, or fail without a packet. "
            )
        elif held_up and not recycled:
            claim += (
                f"{many(len(seen.waited), 'dial')} came from a port whose TIME_WAIT had just ended: the client has no other "
                "ports left, and its dials wait, or fail without a packet. "
            )
        elif exhausted:
            claim += "The range is full: further dials wait for a TIME_WAIT to end, or fail without a packet. "
        if recycled:
            claim += (
                f"{many(len(seen.reused), 'dial')} took a port within its TIME_WAIT: the client's kernel reuses them "
                "(tcp_tw_reuse, on loopback Linux's default), so they do not run out here, and would on a path where it may "
                "not. "
            )
        elif not exhausted:
            claim += (
                f"At this rate they run out after about {max(round(left), 1):,} s. "
                if runs_out and left is not None
                else f"At this rate they never run out: {steady:,.0f} are taken in the long run. "
            )
        claim += (
            "Connections that are reused leave no TIME_WAIT: this follows from what the rules on reuse say of the pool."
        )
        cause = Cause.PORT_EXHAUSTION
        # A client whose connections carry several requests is shared already: what ends them is another rule's to say.
        settings = desk.advice(pool, Knob.INSTANCE_PER_REQUEST, cause) if pool.single >= SINGLE else ()
        settings += desk.advice(
            pool, Knob.PORT_RANGE, cause, role="kernel", inferred=f"{size} ports" if seen.range is not None else None
        )
        rows = seen.waited if held_up else seen.reused if recycled or hurried else seen.waits
        return finding(
            self,
            pool,
            severity=severity,
            confidence=sure(seen, exhausted, held_up or hurried),
            basis=Basis.INFERRED,
            title="The client's ports ran out: new connections wait for TIME_WAIT to end"
            if exhausted
            else f"The client's ports in TIME_WAIT: {seen.peak:,} of {size:,}"
            + (
                ", running out"
                if severity != Severity.INFO
                else ", not running out"
                if not runs_out or recycled
                else ""
            ),
            claim=claim,
            measured={
                "connections": pool.size,
                "requests": pool.requests,
                "client_closes_first": len(seen.waits),
                "closes_per_second": round(seen.per_second, 2),
                "ports_taken_at_peak": seen.peak,
                "port_range": size,
                "port_range_seen": seen.range is not None,
                "lowest_port": seen.low,
                "highest_port": seen.high,
                "taken_in_the_long_run": round(steady),
                "runs_out_after_s": round(left, 1) if runs_out and left is not None else None,
                "reused_within_time_wait": len(seen.reused),
                "reused_as_time_wait_ended": len(seen.waited),
            },
            causes=[CauseClaim(cause, Confidence.HIGH if held_up or hurried else Confidence.MEDIUM, "", settings)],
            evidence=[
                desk.evidence(pool, row, frames_of(pool, row), describe(pool, row, held_up, recycled or hurried))
                for row in sample(rows)
            ],
            would_refute="ss -tan state time-wait on the client, which counts them, and no EADDRNOTAVAIL in its logs.",
            not_the_fix=desk.not_the_fix(pool, cause),
        )


def sure(seen: Ports, exhausted: bool, held_up: bool) -> Confidence:
    """A wait of exactly TIME_WAIT is hard to explain otherwise; a full range is what a busy test can show as well."""
    if held_up:
        return Confidence.HIGH
    return Confidence.MEDIUM if exhausted or seen.span_ns >= LASTING else Confidence.LOW


def frames_of(pool: Pool, row: int) -> list[int]:
    return [int(pool.connections.first_frame[row]), int(pool.connections.close_frame[row])]


def describe(pool: Pool, row: int, held_up: bool, reused: bool) -> str:
    port = int(pool.connections.client_port[row])
    if held_up:
        return f"dialled from port {port} as soon as its last TIME_WAIT of {TIME_WAIT // SECOND} s was over"
    if reused:
        return f"dialled from port {port}, which was still in TIME_WAIT"
    return f"closed by the client first: port {port} stays in TIME_WAIT"
