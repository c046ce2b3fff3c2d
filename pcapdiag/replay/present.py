"""The policy that a pool is under now, as its packets show it, and whether a replay under it comes to what was captured.

Nothing is predicted from a replay that does not reproduce the capture's own connections: then another program shares the
address, packets are missing, or something closes connections that no setting here does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcapdiag.model.flags import UPGRADED
from pcapdiag.model.words import CloseClass, Opening, Protocol, Side
from pcapdiag.pools.capacity import (
    capacity_with_busy,
    evicting_capacity,
    idle_capacity,
    overflow_rows,
    pooled_at_overflow,
)
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.pool import Fate, Pool, once_per_pool
from pcapdiag.pools.replacing import replacement, told_by_count
from pcapdiag.pools.slots import kept_slots
from pcapdiag.pools.timers import LATE, LATE_SHARE, Timer, idle_timer
from pcapdiag.replay.demand import Demand, demand_of
from pcapdiag.replay.engine import Outcome, replay
from pcapdiag.replay.policy import Policy

# How far the replay's dials may be from the captured ones, and by how many where those are few.
TOLERANCE = 0.15
BY_ONE = 1
# Fewer requests, or dials, are matched by many a policy.
MIN_REQUESTS = 5
# Dials that pass over a connection which is idle and used again later: of one pool there are none, but for the moments in
# which a connection is being handed over.
PASSED = 0.25
# Clients that take the place of a connection which the server closed, and dial anew in it, though others are idle.
DIAL_IN_PLACE = frozenset({"python-requests", "python-urllib3"})
# Part of the pool from which on what was not captured may be what decides.
MOST = 0.5
GAPS = 0.1
TUNNELS = 0.1
# Connections with one request each, from which on nothing is reused: if, that is, something could have been.  Dials passed
# over idle connections that nobody used again, or connections were closed at once, at half of them or more.
SINGLE = 0.9
COULD_HAVE = 0.5
# Clients whose dials serve whichever request waits longest.
SHARED_DIALS = frozenset({"go-net-http"})
# And any client that leaves so many dialled connections unused: one that dials for a request uses what it dialled.
UNUSED = 3
UNUSED_SHARE = 0.02
# Clients whose limit on idle connections is compared with all that are open (httpcore 1, the transport of httpx).
COUNTS_BUSY = frozenset({"python-httpx"})
# Uses from which the order in which connections are taken is read, and the first so many of them that are looked at.
MIN_CHOICES = 10
CHOICES = 300
MIN_OVERFLOW = 3
# Requests that show whether a reading of the capture reproduces it; a pool's whole demand is replayed for a table.
ALL = 1 << 60


@dataclass(frozen=True)
class Present:
    """A pool's demand, the policy it is under, and what the replay makes of the two.

    Attributes:
        off: how far the replay's dials are from the capture's, relative; 0.1 is 10% too many.
        trusted: the replay reproduces them.  why_not: a clause where it does not, or where none was tried.
        tested: whether a pool was at work that the replay could have got wrong: where each request ends its connection, or
            nothing is reused, any replay comes to the same.
    """

    demand: Demand
    policy: Policy
    outcome: Outcome
    off: float
    trusted: bool
    tested: bool
    why_not: str


def refusal(pool: Pool) -> str:
    """Why this pool cannot be replayed, as a clause; nothing where it can."""
    c = pool.connections
    if pool.protocol in (Protocol.UNKNOWN, Protocol.OPAQUE):
        return "its protocol is not known, so neither are its requests"
    if pool.protocol == Protocol.POSTGRES:
        return "a database session is held over many turns, and the packets do not show when it was given back"
    h2 = pool.text("alpn") in ("h2", "h2c") or pool.protocol == Protocol.HTTP2
    if h2:
        return "HTTP/2 carries many requests on a connection at once"
    if pool.requests < MIN_REQUESTS or not len(pool.exchanges):
        return f"{pool.requests} requests are too few"
    if float(((pool.exchanges.flags & UPGRADED) != 0).mean()) > TUNNELS:
        return "its connections turn into tunnels (CONNECT, Upgrade), which nobody else can use"
    if float((c.mismatch != 0).mean()) > TUNNELS:
        return "its two ends speak different protocols"
    if float((c.opening == Opening.MIDSTREAM).mean()) > MOST:
        return "most of its connections were open before the capture began"
    gaps = (c.client_gap_bytes - c.client_missing_bytes > 0) | (c.server_gap_bytes - c.server_missing_bytes > 0)
    if float(gaps.mean()) > GAPS:
        return "the capture lost packets, and requests with them"
    return ""


@once_per_pool
def present(pool: Pool, client_id: str | None, most: int = ALL) -> Present:
    """The first reading of the pool's settings that reproduces its connections, else the nearest of them.

    Args:
        pool: one that :func:`refusal` has nothing against.
        client_id: the client's product, None where it is not known.
        most: how many of its requests to replay, the first ones.
    """
    shares = shares_dials(pool, client_id)
    demand = demand_of(pool, shares_dials=shares, most=most)
    best: Present | None = None
    for policy in readings(pool, client_id, shares):
        seen = judged(pool, demand, policy, client_id)
        if best is None or abs(seen.off) < abs(best.off):
            best = seen
        if seen.trusted:
            break
    assert best is not None  # there is always a reading
    return best


def judged(pool: Pool, demand: Demand, policy: Policy, client_id: str | None) -> Present:
    """The replay under one reading, held against the capture."""
    outcome = replay(demand, policy)
    excess = outcome.dials - demand.dials
    off = excess / max(demand.dials, 1)
    slots = kept_slots(pool)
    why = ""
    if slots is not None:
        why = (
            f"the server announces the close while {slots.limit:,} or more of its connections are idle ({slots.told:,} "
            f"responses), and not while fewer are ({slots.kept:,}): what it would end under other settings is not in the "
            "packets"
        )
    elif abs(excess) > max(TOLERANCE * demand.dials, BY_ONE):
        why = (
            "the replay opens more connections than were opened"
            if excess > 0
            else "the replay opens fewer connections than were opened: something else closes them, or more than one pool "
            "is behind this address"
        )
    elif policy.reuse:
        idle = pool.idle
        # Of connections that were used already: when a TLS handshake was over is an estimate.
        passed = int((pool.idle_nearby((idle.fate == Fate.REUSED) & ~idle.fresh) & ~pool.missed).sum())
        if client_id in DIAL_IN_PLACE:
            passed -= int((pool.closed & (pool.server_said | (pool.closer == Side.SERVER))).sum())
        if passed > max(PASSED * demand.dials, BY_ONE):
            why = (
                f"{passed:,} dials passed over a connection that was idle and used again later: more than one pool is "
                "behind this address"
            )
    ended = sum(1 for end in demand.ends if end)
    tested = policy.reuse and ended < SINGLE * len(demand)
    return Present(demand, policy, outcome, off, not why, tested, why)


def shares_dials(pool: Pool, client_id: str | None) -> bool:
    """Whether dials serve whoever waits longest: known of Go; else told by dialled connections that are left unused."""
    if client_id is not None:
        return client_id in SHARED_DIALS
    rows = overflow_rows(pool)
    unused = int((pool.connections.requests[rows] == 0).sum())
    return unused >= max(UNUSED, UNUSED_SHARE * int(pool.dialled.sum()))


def readings(pool: Pool, client_id: str | None, shares: bool) -> list[Policy]:
    """What the pool's settings may be, the likeliest first."""
    base = Policy(shares_dials=shares, newest_first=newest_first(pool), counts_busy=client_id in COUNTS_BUSY)
    for owner in (Side.CLIENT, Side.SERVER):
        timer = idle_timer(pool, owner)
        if timer is not None:
            value, mine = _fires_at(timer), owner == Side.CLIENT
            if timer.lifetime:
                base = replace(base, lifetime=value) if mine else replace(base, server_lifetime=value)
            else:
                base = replace(base, idle_timeout=value) if mine else replace(base, server_idle_timeout=value)
    cap = request_cap(pool)
    if cap is not None:
        base = replace(base, server_requests=cap.value)
    else:
        base = _with_replacement(pool, base)
    found = [replace(base, idle_limit=limit, evicts_oldest=evicts) for limit, evicts in _idle_limits(pool, client_id)]
    if pool.single >= SINGLE and pool.size >= MIN_REQUESTS and _could_have_reused(pool):
        found.append(Policy(reuse=False, shares_dials=False))
    return found


def _fires_at(timer: Timer) -> int:
    """The silence after which a timer's connections are gone.

    Of one that is looked at only ahead of a dial the shortest silence that it closed is known; it is put just below, so
    that such a silence, seen from the moment the connection was put back, still counts as too long.
    """
    if timer.value is not None:
        return timer.value
    return max(timer.low or 0, timer.high - max(LATE, int(LATE_SHARE * timer.high)))


def at_most(pool: Pool, owner: Side) -> bool:
    """Whether of an end's idle timeout no more is known than that it is no longer than what the policy has."""
    timer = idle_timer(pool, owner)
    return timer is not None and not timer.lifetime and timer.value is None


def _could_have_reused(pool: Pool) -> bool:
    at_once = float((pool.close_class[pool.used] == CloseClass.IMMEDIATE).mean()) if pool.used.any() else 0.0
    return at_once >= COULD_HAVE or (pool.missed_rate or 0.0) >= COULD_HAVE


def _with_replacement(pool: Pool, base: Policy) -> Policy:
    for owner in (Side.CLIENT, Side.SERVER):
        seen = replacement(pool, owner)
        if seen is None:
            continue
        if owner == Side.CLIENT and told_by_count(seen):
            base = replace(base, requests=seen.requests)
        elif seen.age is not None:
            age = seen.age
            base = replace(base, lifetime=age) if owner == Side.CLIENT else replace(base, server_lifetime=age)
    return base


def _idle_limits(pool: Pool, client_id: str | None) -> list[tuple[int | None, bool]]:
    """What may be the limit on idle connections, and whether the oldest makes room; (None, False) where none shows."""
    rows = overflow_rows(pool)
    if len(rows) < max(MIN_OVERFLOW, UNUSED_SHARE * int(pool.dialled.sum())):
        return [(None, False)]
    found: list[tuple[int | None, bool]] = []
    counted = capacity_with_busy(pool) if client_id in COUNTS_BUSY else None
    counted = counted or idle_capacity(pool)
    evicting = None if counted is not None else evicting_capacity(pool)
    if counted is not None and counted.value:
        found.append((counted.value, False))
    elif evicting is not None and evicting.value:
        found.append((evicting.value, True))
    # The number that sat idle at most of the closes: all there is where the pool was never seen at rest, and right where
    # something else empties it then.
    usual = int(np.bincount(pooled_at_overflow(pool)).argmax())
    if usual and (usual, False) not in found:
        found.append((usual, False))
    return [*found, (None, False)]


@once_per_pool
def newest_first(pool: Pool) -> bool:
    """Whether the connection that fell idle last is taken first, from the uses that had a choice; so where none had."""
    idle = pool.idle
    taken = np.flatnonzero((idle.fate == Fate.REUSED) & ~idle.fresh)
    if len(taken) > CHOICES:
        taken = taken[np.argpartition(idle.end[taken], CHOICES)[:CHOICES]]
    if not len(taken):
        return True
    guard = max(pool.guard // 4, 1)
    begun = np.flatnonzero(idle.start < int(idle.end[taken].max()))
    starts, ends = idle.start[begun], idle.end[begun]
    newest = oldest = 0
    for row in taken.tolist():
        at = int(idle.end[row])
        # Idle for a while before, and still so after: the ones that might have been taken instead.
        others = starts[(starts < at - guard) & (ends > at + guard)]
        if not len(others):
            continue
        mine = int(idle.start[row])
        newest += mine > int(others.max())
        oldest += mine < int(others.min())
    return not (oldest >= MIN_CHOICES and oldest > 2 * newest)


def bound(pool: Pool) -> int:
    """The most requests that ran at once, each needing a connection; pipelined ones share theirs."""
    return min(pool.peak_busy, int(pool.used.sum()))


__all__ = ["Present", "bound", "present", "refusal"]
