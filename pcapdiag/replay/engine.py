"""The replay itself: requests arrive, take an idle connection or dial, and connections come back, as a policy has it.

An event is a request's arrival, the end of a dial, or a connection that comes back from a request.  Idle timers need no
event of their own: idle connections are kept in the order in which they fell idle, so those whose time has come stand
in front when the pool is next looked at.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush

from pcapdiag.model.words import Side
from pcapdiag.replay.demand import ANNOUNCED, Demand
from pcapdiag.replay.policy import Policy


class Why(Enum):
    """Why a connection of the replay was closed."""

    OVERFLOW = "the idle pool was full"
    IDLE = "an idle timer fired"
    AGE = "a lifetime was over"
    COUNT = "a limit on requests was reached"
    SAID = "the request or its response said so"
    NEVER_REUSED = "nothing is used again"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay came to.

    Attributes:
        dials: connections opened.  unused: those of them that never carried a request.
        closes: moment, side and reason of each close, in nanoseconds.
        waited: what requests waited, for dials and for a free connection, in nanoseconds in all.
        peak_open: most connections open or dialling at once.
    """

    dials: int
    unused: int
    closes: tuple[tuple[int, Side, Why], ...]
    waited: int
    peak_open: int

    def closed(self, why: Why) -> int:
        return sum(1 for close in self.closes if close[2] is why)


def replay(demand: Demand, policy: Policy) -> Outcome:
    """Run a pool's demand under a policy.

    Nothing is drawn at random: the same demand and policy give the same outcome.  Takes about 2 microseconds a request.
    """
    arrivals, service, dialling, ends = demand.arrivals, demand.service, demand.dialling, demand.ends
    shares, newest_first = policy.shares_dials, policy.newest_first
    heeded = (False, policy.heeds_requests, policy.heeds_responses, True)  # by what ends a connection
    limit, room = policy.idle_limit, policy.max_connections
    timeout, timeout_side = policy.timer
    oldest, oldest_side = policy.age_limit
    uses_limit, uses_side = policy.use_limit
    reuse = policy.reuse

    count = len(arrivals)
    served = bytearray(count)
    events: list[
        tuple[int, int, int]
    ] = []  # moment, connection, request: ~request when it is done, else it is its dial
    idle: deque[tuple[int, int]] = deque()  # since when, connection
    waiting: deque[int] = deque()  # requests that take what comes back first
    undialled: deque[int] = deque()  # those among them that found no room to dial
    born: list[int] = []
    uses: list[int] = []
    closes: list[tuple[int, Side, Why]] = []
    waited = opened = peak = 0
    # The connections that the capture found open are there from the start.
    for _ in range(demand.warm):
        idle.append((demand.start, len(born)))
        born.append(demand.start)
        uses.append(0)
        opened += 1
    warm = opened

    def dial(request: int, now: int) -> None:
        nonlocal opened, peak
        heappush(events, (now + dialling[request], len(born), request))
        born.append(now)
        uses.append(0)
        opened += 1
        if opened > peak:
            peak = opened

    def close(now: int, side: Side, why: Why) -> None:
        """Close one, and let the next request in line dial in its place."""
        nonlocal opened
        closes.append((now, side, why))
        opened -= 1
        while undialled and (room is None or opened < room):
            request = undialled.popleft()
            if served[request]:
                continue
            if not shares:
                waiting.remove(request)
            dial(request, now)

    at = 0
    while at < count or events:
        if not events or (at < count and arrivals[at] < events[0][0]):
            # A request: the newest idle connection that is still good, else a dial.
            request, now = at, arrivals[at]
            at += 1
            if timeout is not None:
                while idle and idle[0][0] + timeout <= now:
                    close(idle.popleft()[0] + timeout, timeout_side, Why.IDLE)
            while idle:
                connection = (idle.pop() if newest_first else idle.popleft())[1]
                if oldest is not None and now - born[connection] >= oldest:
                    close(now, oldest_side, Why.AGE)
                    continue
                served[request] = 1
                uses[connection] += 1
                heappush(events, (now + service[request], connection, ~request))
                break
            else:
                if room is not None and opened >= room:
                    waiting.append(request)
                    undialled.append(request)
                else:
                    dial(request, now)
                    if shares:
                        waiting.append(request)
            continue
        now, connection, request = heappop(events)
        if request < 0:
            end = ends[~request]
            if not reuse:
                close(now, Side.CLIENT, Why.NEVER_REUSED)
                continue
            if heeded[end]:
                close(now, Side.SERVER if end == ANNOUNCED else Side.CLIENT, Why.SAID)
                continue
            if uses_limit is not None and uses[connection] >= uses_limit:
                close(now, uses_side, Why.COUNT)
                continue
            if oldest is not None and now - born[connection] >= oldest:
                close(now, oldest_side, Why.AGE)
                continue
        elif not served[request]:
            served[request] = 1
            uses[connection] += 1
            waited += now - arrivals[request]
            heappush(events, (now + service[request], connection, ~request))
            continue
        # A connection is free: for the one who waits longest, else for the pool.
        while waiting:
            request = waiting.popleft()
            if not served[request]:
                served[request] = 1
                uses[connection] += 1
                waited += now - arrivals[request]
                heappush(events, (now + service[request], connection, ~request))
                break
        else:
            if limit is not None:
                if timeout is not None:
                    while idle and idle[0][0] + timeout <= now:
                        close(idle.popleft()[0] + timeout, timeout_side, Why.IDLE)
                if (opened if policy.counts_busy else len(idle) + 1) > limit:
                    close(now, Side.CLIENT, Why.OVERFLOW)
                    if not policy.evicts_oldest or not idle:
                        continue
                    idle.popleft()  # it is this one that was closed
            idle.append((now, connection))
    if timeout is not None:
        while idle and idle[0][0] + timeout <= demand.end:
            close(idle.popleft()[0] + timeout, timeout_side, Why.IDLE)
    return Outcome(len(born) - warm, uses[warm:].count(0), tuple(closes), waited, peak)
