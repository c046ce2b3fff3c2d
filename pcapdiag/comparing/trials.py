"""What puts a pattern to the test: the silence of a rule proves a fix only where the pattern could have shown.

A rule that is quiet in the second capture says "fixed" or "not asked".  Which of the two is decided by what the pattern
needs in order to show:

- A timer of T needs a connection that was silent for longer than T, and lived.  A cap of N requests needs a connection
  that carried more; a lifetime needs one that grew older.  One survivor is proof, if the first capture had none:
  limits make no exceptions but those that were there before.
- A limit on idle or open connections needs a demand that exceeds it: as many requests in flight as BEFORE had, give or
  take a fifth, and more connections kept than the limit allows.
- What happens per request, dial or segment needs so many of these that the rate of the first capture would show, with
  bad luck too.
- Ports that run out need as many closes within a minute, or so few dials per request that it cannot come to it.
- A stop or a crash is an event, no setting: that it did not happen again shows nothing.

The functions are written as if ``before`` had the pattern and ``after`` did not; called the other way round they say
whether something is new or was only not seen before.  A reason is a clause about ``after``, and what to do about it an
imperative sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, sqrt

from pcapdiag.comparing.metrics import ABOUT
from pcapdiag.comparing.use import Use
from pcapdiag.model.report import Finding, Measure, PoolRow
from pcapdiag.model.words import Cause, Knob
from pcapdiag.reports.units import duration as spelled
from pcapdiag.reports.units import plural

SECOND = 1_000_000_000
# Rules claim a pattern from three to five events on; so many must be expected,
ENOUGH = 5
# with a rate that comes out low by two standard errors (5 of 200 cases are lower still).
ERRORS = 2
# Dials per request that fell to less than half are another regime.
HALF = 0.5
# No measured number is larger, in seconds or in events.
MOST = 1e15
# How long Linux keeps a port in TIME_WAIT (TCP_TIMEWAIT_LEN).
TIME_WAIT = 60 * SECOND
# Closes that a timer of the other side rests on.
AGREEING = 3


@dataclass(frozen=True)
class Trial:
    """Whether the second capture could have shown the pattern.

    ``why`` says what shows that it is gone, or what was lacking; ``to_test`` what to do then, "" where it was tested.
    """

    tested: bool
    why: str
    to_test: str = ""


Test = Callable[[Finding, PoolRow, Use, Use], Trial]


def trial(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """Whether ``after`` could have shown ``finding``, of which the numbers are those of ``pool``."""
    if not any(worth_a_look(one) for one in after.pools):
        what = f"{plural(after.requests, 'request')} on {plural(after.connections, 'connection')}"
        return Trial(
            False, f"{after.name} has only {what}: too few for any rule", "Capture a minute of the usual traffic."
        )
    if finding.causes and finding.causes[0].cause in ONE_OFF:
        return Trial(
            False,
            "this is an event, not a setting: that it did not happen again shows nothing",
            "Capture the next planned stop or restart.",
        )
    return TESTS.get(finding.name, by_chance)(finding, pool, before, after)


def worth_a_look(pool: PoolRow) -> bool:
    """Large enough for the rules to look at (as ``Pool.tiny`` has it)."""
    return pool.connections >= 3 or pool.requests >= 10


# -- limits in time and number


def silence(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """A timer: did a connection survive a longer silence?"""
    limit = seconds(finding, "idle_timeout_high", "server_idle_timeout")
    if limit is None:
        return by_chance(finding, pool, before, after)
    survived = after.most("idle_survived_ns") / SECOND
    stayed = after.most("idle_open_ns") / SECOND
    was = f"the limit was {spelled(limit)}"
    if survived > max(limit, pool.idle_survived_ns / SECOND):
        return Trial(True, f"a connection answered again after {spelled(survived)} of silence; {was}")
    # A middlebox forgets in silence: that the end was open proves nothing.
    if stayed > max(limit, pool.idle_open_ns / SECOND) and finding.name != "middlebox-idle-drop":
        return Trial(True, f"a connection stayed open through {spelled(stayed)} of silence; {was}")
    timer = after.inferred(Knob.IDLE_TIMEOUT, "client")
    own = finding.name == "idle-timeout-too-short"
    if timer is not None and timer.high is not None and timer.high < limit and timer.count >= AGREEING and not own:
        return Trial(True, f"the client drops idle connections after {spelled(timer.high)} now; {was}")
    return Trial(
        False,
        f"no connection lived through more than {spelled(max(survived, stayed))} of silence, and it takes "
        f"{spelled(limit)}"
        if max(survived, stayed) <= limit
        else f"connections lived through {spelled(max(survived, stayed))} of silence, as some did in {before.name}",
        f"Capture pauses of more than {spelled(limit)} between requests, and the requests after them.",
    )


def carried(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """A cap on requests: did a connection carry more?"""
    cap = number(finding, "max_requests")
    if cap is None:
        return by_chance(finding, pool, before, after)
    most = after.most("max_requests")
    if most > max(cap, pool.max_requests):
        return Trial(True, f"a connection carried {most:,} requests; the cap was {cap:,.0f}")
    return Trial(
        False,
        f"no connection carried more than {most:,} requests, and the cap was {cap:,.0f}",
        f"Capture until connections have carried more than {cap:,.0f} requests each.",
    )


def lived(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """A lifetime: did a connection grow older?"""
    age = seconds(finding, "age_high", "age")
    if age is None:
        return by_chance(finding, pool, before, after)
    oldest = after.most("oldest_ns") / SECOND
    if oldest > max(age, pool.oldest_ns / SECOND):
        return Trial(True, f"a connection lived for {spelled(oldest)}; the limit was {spelled(age)}")
    return Trial(
        False,
        f"no connection was seen for more than {spelled(oldest)}, and it takes {spelled(age)}"
        if oldest <= age
        else f"connections were seen for {spelled(oldest)}, as some were in {before.name}",
        f"Capture for longer than {spelled(age)}.",
    )


def waited(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """Connections that nobody drops: was there time enough for it?"""
    idle = seconds(finding, "longest_idle")
    if idle is None:
        return by_chance(finding, pool, before, after)
    length = after.length_ns / SECOND
    if length > idle:
        return Trial(True, f"in {spelled(length)} no pile of idle connections was left for {spelled(idle)}")
    return Trial(
        False,
        f"{after.name} lasted {spelled(length)} only; {before.name} left connections idle for {spelled(idle)}",
        f"Capture for longer than {spelled(idle)} after the load.",
    )


def kept(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """An idle pool's size: was the demand as high, and were more connections kept than it had held?"""
    size = number(finding, "idle_capacity")
    lacking = demand(after, before)
    if lacking is not None:
        return lacking
    held = after.most("peak_kept")
    if size is None:  # only a range is known: its upper end is the safe one
        read = Use((pool,)).inferred(Knob.IDLE_POOL_LIMIT, "client")
        size = read.high if read is not None else None
    if size is None:
        return by_chance(finding, pool, before, after)
    if held > max(size, pool.peak_kept):
        return Trial(True, f"{held:,} idle connections were kept; the pool held {size:,.0f}")
    if after.peak_busy <= size:
        return Trial(
            False,
            f"never more than {after.peak_busy:,} requests ran at once, and the pool held {size:,.0f}",
            f"Capture bursts of more than {size:,.0f} requests at once, with pauses between them.",
        )
    return Trial(
        False,
        f"never more than {held:,} connections were idle for a while, and the pool held {size:,.0f}: "
        "it overflows when demand drops",
        "Capture past the end of a burst of requests.",
    )


def opened(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """A limit on connections: were there ever more?"""
    limit = number(finding, "limit")
    if limit is None:
        return by_chance(finding, pool, before, after)
    most = after.most("peak_connections")
    if most > max(limit, pool.peak_connections):
        return Trial(True, f"{most:,} connections were open at once; the limit was {limit:,.0f}")
    return Trial(
        False,
        f"never more than {most:,} connections were open, and the limit was {limit:,.0f}",
        f"Capture a load that needs more than {limit:,.0f} connections at once.",
    )


def demand(after: Use, before: Use) -> Trial | None:
    """Why a limit on concurrency was not tested; None where as many requests ran at once as BEFORE."""
    if after.peak_busy >= ABOUT * before.peak_busy or spread(before, after):
        return None
    return Trial(
        False,
        f"{after.name} never had more than {plural(after.peak_busy, 'request')} in flight, "
        f"{before.name} had {before.peak_busy:,}",
        f"Capture with {plural(before.peak_busy, 'request')} in flight.",
    )


def spread(before: Use, after: Use) -> bool:
    """Whether as much load runs over more pools: further instances of the client or of the server."""
    old, new = before.requests_per_second, after.requests_per_second
    more = len(after.pools) > len(before.pools)
    return bool(old and new and more and new >= ABOUT * old and after.all_busy >= ABOUT * before.all_busy)


# -- rates


def ports(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """Ports that run out: far fewer dials per request, or more ports in TIME_WAIT than there had been."""
    taken = number(finding, "ports_taken_at_peak")
    rate = before.requests_per_second
    if taken is None or not rate or not before.requests or not after.requests:
        return by_chance(finding, pool, before, after)
    now, then = after.opens / after.requests, before.opens / before.requests
    if now < HALF * then:
        return Trial(
            True,
            f"at {before.name}'s {rate:,.0f} requests per second it would dial {now * rate:,.3g} times a second now, "
            f"{then * rate:,.3g} then",
        )
    waiting = after.time_wait("client") * min(1.0, TIME_WAIT / max(after.length_ns, 1))
    if waiting > taken:
        return Trial(True, f"{waiting:,.0f} ports were in TIME_WAIT at once; they ran out at {taken:,.0f}")
    return Trial(
        False,
        f"it dials as often for each request, and had no more than {waiting:,.0f} ports in TIME_WAIT, "
        f"{before.name} {taken:,.0f}",
        f"Capture until more than {taken:,.0f} connections have closed within a minute.",
    )


# What a rule counts, and per what: requests, dials, connections, those that the server closed, or segments with data.
EVENTS: Mapping[str, tuple[str, str]] = {
    "connect-refused": ("refused", "dials"),
    "connect-timeout": ("unanswered", "dials"),
    "backlog-overflow": ("held_up", "dials"),
    "tls-handshake-failure": ("failed", "dials"),
    "protocol-mismatch": ("mismatched", "dials"),
    "unused-connections": ("unused", "dials"),
    "body-not-closed": ("used_once", "requests"),
    "body-not-drained": ("closed_in_response", "requests"),
    "server-connection-close": ("ended_after_one", "requests"),
    "tls-no-reuse": ("tls_handshakes", "requests"),
    "idle-pool-too-small": ("closed_at_once", "requests"),
    "idle-timeout-too-short": ("closes", "requests"),
    "server-idle-timeout": ("closes", "requests"),
    "server-max-requests": ("closed_at_cap", "requests"),
    "client-max-requests": ("closed_at_cap", "requests"),
    "connection-lifetime": ("closes", "requests"),
    "client-request-timeout": ("given_up", "requests"),
    "keepalive-race": ("lost_requests", "requests"),
    "client-ignores-fin": ("lost_requests", "requests"),
    "server-abort": ("lost_requests", "requests"),
    "server-restart": ("ended_together", "connections"),
    "client-abort": ("lost_requests", "requests"),
    "close-wait-leak": ("close_wait", "server_closes"),
    "middlebox-idle-drop": ("requests_lost", "requests"),
    "server-rejects-upload": ("rejected", "requests"),
    "slow-server": ("slow", "requests"),
    "path-loss": ("lost", "data_segments"),
    "pmtu-blackhole": ("stuck", "connections"),
    "nagle-delayed-ack": ("stalls", "requests"),
    "expect-100-continue": ("waits", "requests"),
    "zero-window": ("connections_shut", "connections"),
    "idle-timeout-none": ("idle_at_end", "connections"),
    "max-conns-cap": ("handovers", "requests"),
    "port-exhaustion": ("client_closes_first", "requests"),
}
# Patterns in which nearly every request pays a handshake that it need not: their count is that of these handshakes.
# (A response that nobody reads keeps its connection busy: there none looks avoidable.)
CHURN = frozenset({"never-reuse-new-transport", "never-reuse-keepalive-disabled"})


def counted(finding: Finding, pool: PoolRow) -> tuple[float, str]:
    """How often the pattern showed in a pool, and per what."""
    if finding.name in CHURN:
        return Use((pool,)).avoidable, "requests"
    key, per = EVENTS.get(finding.name, ("connections", "connections"))
    events = number(finding, key)
    return (events if events is not None else number(finding, "connections") or 0), per


def exposure(use: Use, per: str) -> int:
    """How often it could have shown."""
    if per == "server_closes":
        return sum(pool.closers.get("server", 0) for pool in use.pools)
    return use.dials if per == "dials" else use.total(per)


# What is counted per connection shows on one that was seen from its start.
SEEN_WHOLE = frozenset({"connections", "server_closes"})


def by_chance(finding: Finding, pool: PoolRow, before: Use, after: Use) -> Trial:
    """Whether enough happened in ``after`` that the rate of ``before`` would have shown."""
    events, per = counted(finding, pool)
    there, now = exposure(Use((pool,)), per), exposure(after, per)
    # Of several clients or programs perhaps one shows it; how much of the traffic is its in ``after`` nobody knows.
    ids = {pool.id, *finding.pools}
    part = exposure(Use(tuple(one for one in before.pools if one.id in ids)), per) / max(exposure(before, per), 1)
    what = {"server_closes": "closes by the server", "data_segments": "segments"}.get(per, per)
    if not there or not events:
        return Trial(False, f"{before.name} does not tell how often it happens", "Capture more of the same load.")
    if per in SEEN_WHOLE and 2 * after.midstream > after.connections and 2 * before.midstream <= before.connections:
        why = f"most of {after.name}'s connections were open before it began"
        return Trial(False, why, "Start the capture ahead of the traffic.")
    rate = min(1.0, events / there) * (part or 1.0)
    expected = rate * now
    if expected - ERRORS * sqrt(expected * (1 - rate)) >= ENOUGH:
        return Trial(True, f"at {before.name}'s rate {expected:,.0f} of {after.name}'s {now:,} {what} would show it")
    return Trial(
        False,
        f"at {before.name}'s rate {f'{expected:,.0f}' if expected >= 1 else 'none'} of {after.name}'s {now:,} {what} "
        "would show it: that is too few to tell",
        f"Capture {needed(rate):,} {what} or more.",
    )


def needed(rate: float) -> int:
    """How many requests, dials, ... show a pattern of this rate: n with n r - 2 sqrt(n r (1 - r)) = 5."""
    root = ERRORS * sqrt(1 - rate)
    return ceil(((root + sqrt(root**2 + 4 * ENOUGH)) / 2) ** 2 / rate)


# Causes that are events: a stop, a crash, a deployment.
ONE_OFF = frozenset({Cause.SERVER_RESTART, Cause.CLIENT_ABORT})

TESTS: Mapping[str, Test] = {
    "idle-timeout-too-short": silence,
    "server-idle-timeout": silence,
    "keepalive-race": silence,
    "client-ignores-fin": silence,
    "middlebox-idle-drop": silence,
    "server-max-requests": carried,
    "client-max-requests": carried,
    "connection-lifetime": lived,
    "idle-timeout-none": waited,
    "idle-pool-too-small": kept,
    "max-conns-cap": opened,
    "port-exhaustion": ports,
}


# -- what a rule measured, from a report or its JSON


def number(finding: Finding, name: str) -> float | None:
    """A measured number; what cannot be one, in a report that somebody wrote, is not known."""
    value: Measure = finding.measured.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < MOST:
        return None
    return float(value)


def seconds(finding: Finding, *names: str) -> float | None:
    """The first of these durations that is known."""
    for name in names:
        for suffix, unit in (("_s", 1), ("_ns", SECOND)):
            value = number(finding, name + suffix)
            if value is not None:
                return value / unit
    return None
