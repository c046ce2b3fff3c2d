"""Connections that ended while a request was open: who ended them, together or one by one, and what came next.

Three things look alike in one connection's packets and differ in many.  A timeout gives requests up after one constant
wait, at many moments.  A process that ends takes all its connections at one moment, whatever each of them was doing.
A server's idle timer closes connections after one constant silence; a request that is on its way then was never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from pcapdiag.model.flags import (
    BOUND,
    METHODS,
    REQUEST_COMPLETE,
    REQUEST_SEEN,
    RESPONSE_COMPLETE,
    RESPONSE_SEEN,
    TURN,
)
from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseClass, CloseKind, Opening, Protocol, Side
from pcapdiag.pools import timeline
from pcapdiag.pools.caps import request_cap
from pcapdiag.pools.pool import IMMEDIATE, MILLISECOND, SECOND, Mask, Pool, once_per_pool
from pcapdiag.pools.timers import EARLY, EPISODE, LATE, LATE_SHARE, SHORTEST, SWEEP_RATIO, TIGHT_NS, moments

# A timeout counts from a call, a thread's wake-up, a connect or a name's lookup ahead of the request, and some libraries
# round it up (aiohttp: to whole seconds above five): a tenth covers them.
AGREE_SHARE = 0.1
# Ends of responses in full flow agree by chance more often, since whoever reads a stream leaves it at some time.
AGREE_IN_FLOW = 0.02
MIN_AGREEING = 3
# Methods that may be repeated without asking (RFC 9110 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
HALF_SECOND = SECOND // 2
# A server that drains lets the requests in progress end: nginx, HAProxy and Kubernetes give them 30 s by habit.
DRAIN = 30 * SECOND
# What listens again within this long of the last refusal was restarted, not stopped.
SOON = SECOND


# -- requests without a whole answer


@once_per_pool
def answers_expected(pool: Pool) -> bool:
    """Whether every request of this protocol gets an answer: else an unanswered turn says nothing.

    Opaque bytes may be messages that nobody answers (logs, metrics); where most turns were answered, they are not.
    """
    if pool.protocol in (Protocol.HTTP1, Protocol.TLS, Protocol.REDIS, Protocol.POSTGRES, Protocol.MYSQL):
        return True
    c = pool.connections
    return pool.protocol == Protocol.OPAQUE and 2 * int(c.responses.sum()) > int(c.requests.sum()) > 0


@once_per_pool
def unanswered(pool: Pool) -> Mask:
    """Connections that closed while their last request had no answer, or only a part of one."""
    if not answers_expected(pool):
        return np.zeros(pool.size, dtype=bool)
    open_request = (pool.close_class == CloseClass.OPEN_REQUEST) | answered_late(pool)
    return np.asarray(open_request & (pool.last_exchange >= 0) & pool.usable)


@once_per_pool
def answered_late(pool: Pool) -> Mask:
    """Encrypted connections whose server went on sending after the client's close, and met RST.

    A session ticket that comes behind the first request looks like its response; the response then comes too late.  A
    close_notify alone, of 24 to 31 bytes (53 with older ciphers), is no answer.
    """
    c = pool.connections
    late = (c.server_last_data_at > c.close_at) & (c.client_rst_at > c.close_at) & (c.server_unacked_bytes > 64)
    return np.asarray(late & pool.closed & (c.closer == Side.CLIENT) & (pool.protocol == Protocol.TLS))


def last_of(pool: Pool, name: str) -> Column:
    """A column of each connection's last exchange, 0 where there is none."""
    values = np.zeros(pool.size, dtype=np.int64)
    there = pool.last_exchange >= 0
    values[there] = pool.exchanges.columns[name][pool.last_exchange[there]]
    return values


def quiet_before_last(pool: Pool) -> Column:
    """When each connection fell silent ahead of its last request: the response before it, or the handshake."""
    since = pool.ready_at.copy()
    last = pool.last_exchange
    earlier = (last >= 0) & (last > pool.first_exchange)
    since[earlier] = np.maximum(since[earlier], pool.exchanges.response_last_at[last[earlier] - 1])
    return np.asarray(since)


@once_per_pool
def on_purpose(pool: Pool) -> Mask:
    """Connections whose client only said that it had finished sending (FIN), then took the whole response."""
    c = pool.connections
    done = (last_of(pool, "flags") & RESPONSE_COMPLETE) != 0
    mine = (pool.closer == Side.CLIENT) & (c.close_kind == CloseKind.FIN) & done
    return np.asarray(mine & (c.client_rst_at == 0) & (c.server_unacked_bytes == 0))


@once_per_pool
def path_stalled(pool: Pool) -> Mask:
    """Connections on which the network kept the request or the response back, whatever ended them then."""
    c = pool.connections
    began = last_of(pool, "response_first_at")
    unheard = ((began == 0) | (began > c.close_at)) & (
        c.client_unacked_bytes >= np.maximum(last_of(pool, "request_bytes"), 1)
    )
    return np.asarray(unheard | (c.server_missing_bytes > 0) | (c.server_resent_run >= 2))


# -- requests that crossed a close


@dataclass(frozen=True)
class Crossed:
    """Requests that were on their way when the server closed; parallel arrays.

    Attributes:
        rows: of the pool.
        silence: from the end of the exchange before, or the handshake, to the server's FIN, nanoseconds.
        exchange: the request's row in the exchange table.
    """

    rows: Column
    silence: Column
    exchange: Column


@once_per_pool
def crossed(pool: Pool) -> Crossed:
    """Requests of which the server's FIN acknowledges not a byte, sent before that FIN was heard of, never answered.

    A close_notify or a Terminate that crosses a FIN is no request, and a body that the server stopped reading was
    acknowledged in part: neither is here.
    """
    c, x = pool.connections, pool.exchanges
    rows = np.flatnonzero((c.crossed_bytes > 0) & (c.server_fin_at > 0) & (pool.last_exchange >= 0) & pool.usable)
    last = pool.last_exchange[rows]
    whole = c.crossed_bytes[rows] + c.heedless_bytes[rows] >= x.request_bytes[last]
    quiet = quiet_before_last(pool)[rows]
    silence = c.server_fin_at[rows] - quiet
    # Where framing was lost a later answer may have been taken for an earlier request's.
    kept = (x.response_first_at[last] == 0) & whole & (silence >= 0)
    kept &= x.request_first_at[last] <= c.server_fin_at[rows] + 2 * max(pool.rtt, TIGHT_NS)
    if not answers_expected(pool):
        kept[:] = False
    return Crossed(rows[kept], silence[kept], last[kept])


@once_per_pool
def raced(pool: Pool) -> Crossed:
    """Those that lost a race with an idle timer: the server closed after a silence, and not everything at one moment."""
    every = crossed(pool)
    idle = every.silence > pool.immediate_limit
    at = pool.connections.server_fin_at[every.rows]
    for stop in stops(pool):
        idle &= (at < stop.at) | (at > stop.until)
    return Crossed(every.rows[idle], every.silence[idle], every.exchange[idle])


@once_per_pool
def heedless(pool: Pool) -> Column:
    """Rows whose client sent its last request well after it had acknowledged the server's FIN, and got no answer.

    A program may need a wake-up to notice a FIN: within 50 ms and a round trip it could not know.
    """
    c = pool.connections
    after = last_of(pool, "request_first_at") - c.server_fin_at
    found = (c.heedless_bytes > 0) & (c.server_fin_at > 0) & (pool.last_exchange >= 0) & pool.usable
    found &= (after > TIGHT_NS + pool.rtt) & (last_of(pool, "response_first_at") == 0)
    if not answers_expected(pool):
        found[:] = False
    return np.flatnonzero(found)


@once_per_pool
def ignored_fin(pool: Pool) -> Column:
    """Those of :func:`heedless` whose request was lost for certain: met by RST, never acknowledged, or HTTP.

    A server whose FIN was sent cannot send a response any more, so a new HTTP request is lost even where its kernel
    acknowledges it and no RST comes.  Bytes that nobody can read may be the rest of a stream that it goes on reading.
    """
    c = pool.connections
    rows = heedless(pool)
    refused = (c.server_rst_at[rows] > 0) | (c.client_unacked_bytes[rows] > 0)
    http = (c.protocol[rows] == Protocol.HTTP1) & ((last_of(pool, "flags")[rows] & REQUEST_SEEN) != 0)
    return np.asarray(rows[refused | http])


def during(rows: Column, at: Column, moments_of: tuple[Ending, ...]) -> Mask:
    """Which of these rows were closed (``at``, parallel) at one of the moments."""
    found = np.zeros(len(rows), dtype=bool)
    for one in moments_of:
        found |= (at >= one.at) & (at <= one.until)
    return found


@once_per_pool
def reset_by_timer(pool: Pool) -> Column:
    """Rows that the server reset without a FIN after the silence after which it sends FINs to others.

    A request that arrives between the timer's end and the close is in the receive buffer, and a kernel that closes a
    socket with unread data sends RST in place of the FIN (RFC 9293 3.6.1, RFC 2525 2.17).  Both silences are counted
    to the server's packet, so it does not matter where the capture was taken.  Three FINs or more, and no fewer than
    these resets, show the timer.
    """
    c = pool.connections
    none = np.empty(0, dtype=np.int64)
    if not answers_expected(pool):
        return none
    idle = np.flatnonzero(
        (pool.close_class == CloseClass.SILENT) & (pool.closer == Side.SERVER) & (c.server_fin_at > 0)
    )
    races = raced(pool)
    fins = np.concatenate([pool.linger[idle[~np.isin(idle, races.rows)]], races.silence])
    silence = c.server_rst_at - quiet_before_last(pool)
    met = pool.usable & (c.server_rst_at > 0) & (c.server_fin_at == 0) & (c.server_fin_unseen == 0)
    met &= (pool.last_exchange > pool.first_exchange) & (last_of(pool, "response_first_at") == 0)
    met &= c.server_rst_at - last_of(pool, "request_last_at") <= pool.immediate_limit
    if len(fins) < MIN_AGREEING or not met.any():
        return none
    shortest, longest = int(fins.min()), int(fins.max())
    slack = max(TIGHT_NS, int(LATE_SHARE * longest)) + pool.rtt
    rows = np.flatnonzero(met & (silence >= shortest - slack) & (silence <= longest + slack))
    return rows if len(rows) <= len(fins) else none


@dataclass(frozen=True)
class Repeats:
    """Lost requests that seem to be sent again.

    Attributes:
        exchange: for each lost request the row of the exchange that repeats it, -1 for none.
        by_chance: how many would be found anyway, by how often such requests come.
    """

    exchange: Column
    by_chance: float

    @property
    def found(self) -> int:
        return int((self.exchange >= 0).sum())

    @property
    def certain(self) -> bool:
        """More than twice what chance gives."""
        return self.found > 2 * self.by_chance

    @property
    def absent(self) -> bool:
        return self.found == 0 or self.found <= self.by_chance


def sent_again(pool: Pool, exchanges: Column, noticed: Column) -> Repeats:
    """Which lost requests the client sent again: same method and size, on another connection, each repeat counted once.

    Args:
        noticed: when each loss was to be seen at the capture point.

    A library that retries does so at once, or after a pause of up to a second; a pause is looked for only where such
    requests are too rare to come by chance.
    """
    x = pool.exchanges
    out = np.full(len(exchanges), -1, dtype=np.int64)
    order = np.argsort(x.request_first_at, kind="stable")
    times = x.request_first_at[order]
    # The FIN's way to the client, a handshake and the request's way: two round trips, two more with TLS.
    at_once = IMMEDIATE + (4 if pool.encrypted else 2) * pool.rtt
    alike = np.isin(x.method, x.method[exchanges])
    rate = (int(alike.sum()) - len(exchanges)) / max(pool.demand_ns, SECOND)
    with_pause = max(4 * pool.rtt, SECOND)
    patience = with_pause if rate * with_pause < 0.1 else at_once
    taken: set[int] = set(exchanges.tolist())
    for place in np.argsort(noticed, kind="stable").tolist():
        lost = int(exchanges[place])
        begin = int(np.searchsorted(times, int(x.request_first_at[lost]), side="right"))
        end = int(np.searchsorted(times, int(noticed[place]) + patience, side="right"))
        for candidate in order[begin:end].tolist():
            if (
                candidate not in taken
                and x.connection[candidate] != x.connection[lost]
                and x.method[candidate] == x.method[lost]
                and x.request_bytes[candidate] == x.request_bytes[lost]
            ):
                taken.add(candidate)
                out[place] = candidate
                break
    window = float(np.mean(noticed - x.request_first_at[exchanges])) + patience
    return Repeats(out, len(exchanges) * float(1 - np.exp(-rate * window)))


def method_counts(pool: Pool, exchanges: Column) -> dict[str, int]:
    """How many of these exchanges had which method, "" for those whose method cannot be read."""
    numbers, counts = np.unique(pool.exchanges.method[exchanges], return_counts=True)
    return {METHODS[number]: count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


# -- everything at one moment

# A kernel closes what an ended process leaves within milliseconds, some 100 us for each socket on a busy machine.
END_WIDTH = 20 * MILLISECOND
END_WIDTH_EACH = MILLISECOND // 10


@dataclass(frozen=True)
class Ending:
    """One moment, at most 100 ms long, at which one side ended all the connections that were there.

    Attributes:
        at, until: first and last close of the moment.
        rows: the connections it ended.
        lost: those of them with a request unanswered.
        idle: those of them without.
        refused: dials refused from then on, until one succeeded.
        resumed_at: the next dial that succeeded, 0 for none.
    """

    at: int
    until: int
    rows: Column
    lost: Column
    idle: Column
    refused: int
    resumed_at: int


@once_per_pool
def endings(pool: Pool, side: Side) -> tuple[Ending, ...]:
    """The moments at which ``side`` ended every connection of the pool, two or more of them or the only one.

    Nothing that was there before is there after: a pool that overflows, a timer, a timeout leave others alone.
    """
    c = pool.connections
    # A snaplen may leave no request to count, yet both sides spoke.
    spoken = (c.requests > 0) | ((c.client_bytes > 0) & (c.server_bytes > 0))
    mine = np.flatnonzero(pool.closed & (pool.closer == side) & pool.usable & spoken)
    if not len(mine):
        return ()
    mine = mine[np.argsort(c.close_at[mine], kind="stable")]
    times = c.close_at[mine]
    open_now = np.flatnonzero(pool.usable)
    begins, ends = np.sort(c.first_at[open_now]), np.sort(pool.gone_at[open_now])
    lost_mask = unanswered(pool) & ~on_purpose(pool) & ~path_stalled(pool)
    lost_mask[crossed(pool).rows] = False
    out = []
    at = 0
    while at < len(mine):
        first = int(times[at])
        after = int(times.searchsorted(first + EPISODE, side="right"))
        group = mine[at:after]
        last = int(times[after - 1])
        at = after
        if last - first > END_WIDTH + END_WIDTH_EACH * len(group) or (c.first_at[group] >= first).any():
            continue
        if int(timeline.level_sorted(np.array([first - 1]), begins, ends)[0]) == len(group):
            refused, resumed = dials_after(pool, first)
            lost = group[lost_mask[group]]
            out.append(Ending(first, last, group, lost, group[~lost_mask[group]], refused, resumed))
    return tuple(out)


@once_per_pool
def _dials(pool: Pool) -> tuple[Column, Column]:
    """When dials succeeded and when they were refused, each in order."""
    c = pool.connections
    good, bad = c.opening == Opening.HANDSHAKE, c.opening == Opening.REFUSED
    return np.sort(c.first_at[good]), np.sort(c.first_at[bad])


def dials_after(pool: Pool, at: int) -> tuple[int, int]:
    """Dials refused since ``at`` until one succeeded, and when that was (0: none did)."""
    good, bad = _dials(pool)
    next_good = int(np.searchsorted(good, at, side="right"))
    begin = int(np.searchsorted(bad, at, side="right"))
    if next_good == len(good):
        return len(bad) - begin, 0
    resumed = int(good[next_good])
    return int(np.searchsorted(bad, resumed)) - begin, resumed


@once_per_pool
def stops(pool: Pool) -> tuple[Ending, ...]:
    """The moments at which the server's program ended: all of its connections at once, with nothing else to explain it.

    Either requests were open; or dials were refused right after; or three connections or more closed together whose
    silences differ: an idle timer closes after one silence, a sweeping one after at least the shortest such timer and
    at most two and a half times the smallest, a request cap at once after the response, a lifetime limit at one age.
    """
    found = [one for one in endings(pool, Side.SERVER) if _stopped(pool, one)]
    if len(found) < 2:
        return tuple(found)
    # The same age twice is a lifetime, however many connections share it.
    ages = [int(np.median(pool.age[one.rows])) for one in found if not len(one.lost) and not one.refused]
    if len(ages) > 1 and max(ages) - min(ages) <= max(EPISODE, AGREE_SHARE * min(ages)):
        return tuple(one for one in found if len(one.lost) or one.refused)
    return tuple(found)


def _stopped(pool: Pool, one: Ending) -> bool:
    c = pool.connections
    first_refused = c.first_at[(c.opening == Opening.REFUSED) & (c.first_at >= one.at)]
    right_after = bool(one.refused) and int(first_refused.min()) <= one.until + SOON
    if right_after:
        return True
    if len(one.lost) >= 2 and len(one.rows) >= 2:
        return True
    if len(one.rows) < MIN_AGREEING or len(one.lost):
        return len(one.lost) > 0 and len(one.rows) >= MIN_AGREEING
    cap = request_cap(pool)
    if cap is not None and len(np.intersect1d(cap.rows, one.rows)):
        return False
    silences = pool.linger[one.rows]
    shortest, longest = int(silences.min()), int(silences.max())
    if int(np.median(pool.age[one.rows])) < SECOND:
        return False
    if longest - shortest <= max(2 * (one.until - one.at), 5 * MILLISECOND):
        return False
    return shortest < SHORTEST or longest > SWEEP_RATIO * shortest


@once_per_pool
def client_ends(pool: Pool) -> tuple[Ending, ...]:
    """The moments at which the client's program ended with requests open: all of its connections at once.

    Requests that were all given up after one wait, at several moments or in agreement with a wait that nothing
    answered exceeded, are a timeout's (:func:`given_up`).  Callers that call together and close every response unread
    end together, too: there nobody waited any more.
    """
    timed = given_up(pool)
    unread = closed_as_begun(pool)
    out = []
    for one in endings(pool, Side.CLIENT):
        if len(one.rows) < 2 or not len(one.lost) or unread[one.lost].all():
            continue
        if timed is not None and len(np.intersect1d(timed.rows, one.lost)) > len(one.lost) / 2:
            continue
        out.append(one)
    return tuple(out)


# -- requests that the client gave up


class Since(Enum):
    """What a client's wait is counted from; the value completes "given up ... after"."""

    SILENCE = "the last byte"
    REQUEST = "the request"
    DIAL = "the dial"


@dataclass(frozen=True)
class GivenUp:
    """Requests that the client gave up after one wait.

    Attributes:
        since: what the wait counts from.
        rows: the connections it closed; ``waits`` in nanoseconds, parallel.
        median, spread: of the waits, nanoseconds.
        low, high: bounds of the timeout as it is set, nanoseconds.
        survived: the longest wait of an answered request below the shortest of the given up, 0 for none.
        contradicted: answered requests that waited clearly longer.
        others: requests given up after other waits.
        moments: at how many different moments.
        midbody: of the rows, how many had a part of their response.
    """

    since: Since
    rows: Column
    waits: Column
    median: int
    spread: int
    low: int
    high: int
    survived: int
    contradicted: int
    others: int
    moments: int
    midbody: int


@once_per_pool
def closed_as_begun(pool: Pool) -> Mask:
    """Connections whose last response had just begun when the client closed: a decision, not a wait that ended."""
    began = last_of(pool, "response_first_at")
    at = pool.connections.close_at
    return np.asarray((began > 0) & (began <= at) & (at - began <= pool.immediate_limit))


@once_per_pool
def abandoned_requests(pool: Pool) -> Column:
    """Rows that the client closed while it waited, for longer than a decision on a response takes.

    Left out: requests of which not a byte was acknowledged and responses that stall in the network (the path's fault,
    whatever timer then fires), and responses closed as soon as they began (nobody read them).
    """
    c = pool.connections
    began = last_of(pool, "response_first_at")
    began = np.where((began > 0) & (began <= c.close_at), began, 0)
    mine = unanswered(pool) & (pool.closer == Side.CLIENT)
    waited = c.close_at - np.maximum(last_of(pool, "request_last_at"), began)
    mine &= waited > pool.immediate_limit
    return np.flatnonzero(mine & ~path_stalled(pool))


def window(values: Column, share: float = AGREE_SHARE) -> tuple[int, int, int]:
    """The densest cluster of waits, as wide as 120 ms or that share of them: how many, from, to."""
    ordered = np.sort(values)
    reach = ordered + np.maximum(2 * TIGHT_NS, (share * ordered).astype(np.int64))
    upto = np.searchsorted(ordered, reach, side="right")
    counts = upto - np.arange(len(ordered))
    at = int(counts.argmax())
    return int(counts[at]), int(ordered[at]), int(ordered[int(upto[at]) - 1])


@once_per_pool
def given_up(pool: Pool) -> GivenUp | None:
    """The wait after which the client gives requests up, None where they were not given up after one wait.

    Counted from the last byte (a read timeout), from the request, or from the dial (total timeouts): whichever agrees
    best.  One moment alone is a program's end unless the wait agrees better than the moment does.
    """
    rows = abandoned_requests(pool)
    if not len(rows):
        return None
    c, x = pool.connections, pool.exchanges
    closed_at = c.close_at[rows]
    last = pool.last_exchange[rows]
    asked, sent = x.request_first_at[last], x.request_last_at[last]
    began = (x.response_first_at[last] > 0) & (x.response_first_at[last] <= closed_at) & ~answered_late(pool)[rows]
    heard = np.maximum(np.where(began, c.last_exchange_at[rows], sent), sent)
    first = x.index[last] == 0
    dialled = np.where(first & pool.dialled[rows], c.first_at[rows], asked)
    best: tuple[float, Since, Column, int, int] | None = None
    for since, start in ((Since.SILENCE, heard), (Since.REQUEST, asked), (Since.DIAL, dialled)):
        waits = closed_at - start
        count, low, high = window(waits, AGREE_IN_FLOW if 2 * int(began.sum()) > len(rows) else AGREE_SHARE)
        if int(np.median(waits[(waits >= low) & (waits <= high)])) <= pool.immediate_limit:
            continue  # it closed on what it had just received
        # More rows first, then a wait that somebody would set, then the tighter cluster; a start further back wins only
        # when it is clearly better.  A server that drips evenly leaves the same silence ahead of a total timeout.
        middle = int(np.median(waits[(waits >= low) & (waits <= high)]))
        score = count + 0.05 * (bool(began.any()) and round_number(middle)) - (high - low) / max(high, 1)
        if best is None or score > best[0] + 0.02:
            best = (score, since, waits, low, high)
    if best is None:
        return None
    _, since, waits, low, high = best
    inside = (waits >= low) & (waits <= high)
    if 2 * int(inside.sum()) < len(rows):
        return None
    chosen = rows[inside]
    kept = waits[inside]
    median = int(np.median(kept))
    # Of waits below a second a window of 120 ms holds many by chance: users who lose patience, at any time.
    if int(np.ptp(kept)) > AGREE_SHARE * median and 10 * len(chosen) < 9 * len(rows):
        return None
    done = ((x.flags & (RESPONSE_COMPLETE | TURN)) != 0) & (x.response_first_at > 0) & ((x.flags & BOUND) == 0)
    done[last] = False
    if since is Since.SILENCE:
        answered = x.response_first_at[done] - x.request_last_at[done]
    else:
        answered = x.response_last_at[done] - x.request_first_at[done]
    longer = int((answered > high + max(TIGHT_NS, pool.rtt)).sum())
    below = answered[answered < low]
    times = c.close_at[chosen]
    many_moments = moments(times)
    if many_moments == 1 and not _one_wait(pool, chosen, kept, longer):
        return None
    survived = int(below.max()) if len(below) else 0
    # A timer fires late rather than early, and some count from the call, ahead of the dial and of what it waits for.
    slack = max(LATE, int(LATE_SHARE * median))
    called = int((closed_at - dialled)[inside].max()) if since is not Since.SILENCE or not began[inside].any() else 0
    return GivenUp(
        since,
        chosen,
        kept,
        median,
        int(np.ptp(kept)),
        max(int(kept.min()) - slack, 0 if longer else survived),
        max(int(np.median(kept)), called) + EARLY,
        survived,
        longer,
        len(rows) - len(chosen),
        many_moments,
        int(began[inside].sum()),
    )


def _one_wait(pool: Pool, rows: Column, waits: Column, longer: int) -> bool:
    """Whether requests that ended at one moment can have ended by a timeout: they began together, too.

    Not where others waited longer and were answered, nor where idle connections ended with them.
    """
    times = pool.connections.close_at[rows]
    near = (pool.connections.close_at >= int(times.min()) - EPISODE) & (
        pool.connections.close_at <= int(times.max()) + EPISODE
    )
    idle = near & pool.closed & (pool.closer == Side.CLIENT) & ~unanswered(pool)
    if longer or idle.any():
        return False
    return int(np.ptp(waits)) <= max(int(np.ptp(times)), MILLISECOND)


def round_number(wait: int) -> bool:
    """Whether a wait is what somebody would set: within 15 ms or half a percent of a multiple of half a second."""
    off = abs(wait - round(wait / HALF_SECOND) * HALF_SECOND)
    return wait >= HALF_SECOND // 2 and off <= max(15 * MILLISECOND, wait // 200)


# -- requests that the server dropped


@once_per_pool
def dropped(pool: Pool) -> Column:
    """Rows that the server closed or reset while a request that it had was unanswered or answered in part.

    Left out: requests that crossed its FIN or met its idle timer's RST (it never read them), or came behind one that
    was not captured, and ones whose sender had stopped in mid-request (the server's own timer ends those).  Of opaque
    protocols only resets count: some say goodbye in a turn of their own.
    """
    c = pool.connections
    mine = unanswered(pool) & (pool.closer == Side.SERVER)
    mine[crossed(pool).rows] = False
    mine[reset_by_timer(pool)] = False
    flags = last_of(pool, "flags")
    complete = (flags & (REQUEST_COMPLETE | TURN | BOUND | RESPONSE_SEEN)) != 0
    since = c.close_at - last_of(pool, "request_last_at")
    mine &= (complete | (since <= pool.immediate_limit)) & (since >= 0)
    mine &= (c.crossed_bytes == 0) | (last_of(pool, "response_first_at") > 0)
    mine &= c.server_fin_unseen == 0  # it had closed before, and resets what comes then
    if pool.protocol == Protocol.OPAQUE:
        mine &= c.close_kind == CloseKind.RST
    return np.flatnonzero(mine)
