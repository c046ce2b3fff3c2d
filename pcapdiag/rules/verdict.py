"""The one sentence at the top: sick, healthy, or not enough to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pcapdiag.model.report import Finding, Verdict
from pcapdiag.model.tables import Column
from pcapdiag.model.words import Cause, Opening, Severity
from pcapdiag.pools.losses import losses
from pcapdiag.pools.pool import SECOND, Pool
from pcapdiag.rules.evidence import ENOUGH_REQUESTS, better_capture
from pcapdiag.rules.healthy import REUSED, sessions_apart
from pcapdiag.rules.rule import many

# Loss that slows requests down whatever the pool does.
MUCH_LOSS = 0.02


def verdict(pools: Sequence[Pool], findings: Sequence[Finding], dropped: float = 0.0) -> Verdict:
    """Sick, healthy, or not enough to say; ``findings`` are sorted, worst first."""
    wrong = [one for one in findings if one.severity != Severity.INFO]
    if wrong:
        more = len(wrong) - 1
        return Verdict(
            False, wrong[0].title + (f" (and {more} more finding{'' if more == 1 else 's'})" if more else "")
        )
    noted = [one for one in findings if one.causes[0].cause != Cause.HEALTHY]
    requests = sum(pool.requests for pool in pools)
    connections = sum(pool.size for pool in pools)
    odd = oddities(pools, {one.causes[0].cause for one in noted})
    if requests < ENOUGH_REQUESTS or all(pool.tiny for pool in pools):
        seen = [f"{many(requests, 'request')} on {many(connections, 'connection')}", *odd]
        return Verdict(None, f"not enough evidence, {'; '.join(seen)}. {better_capture(pools, dropped)}".rstrip())
    if odd:
        return Verdict(None, "connection reuse shows no fault, but " + "; ".join(odd))
    alone = unexplained(pools, findings)
    if alone:
        return Verdict(None, f"{alone} {better_capture(pools, dropped)}".rstrip())
    used = sum(int(pool.used.sum()) for pool in pools)
    exact = all((pool.connections.basis[pool.used] == 0).all() for pool in pools)
    summary = (
        f"{'' if exact else 'at least '}{requests:,} requests shared {many(used, 'connection')}, every close explained"
    )
    if noted:
        # Of what is no fault, seconds of waiting come first: they are what the reader may have come for.
        first = min(noted, key=lambda one: one.causes[0].cause != Cause.SLOW_SERVER)
        summary = f"nothing to fix. {first.title}"
    return Verdict(True, summary)


def unexplained(pools: Sequence[Pool], findings: Sequence[Finding]) -> str:
    """A sentence where most requests had a connection (nearly) of their own and no rule says why; else nothing."""
    told = {name for one in findings for name in one.pools}
    silent = [
        pool
        for pool in pools
        if pool.name not in told
        and pool.requests >= ENOUGH_REQUESTS
        and (pool.requests < REUSED * int(pool.used.sum()) or sessions_apart(pool))
    ]
    requests = sum(pool.requests for pool in silent)
    if 2 * requests <= sum(pool.requests for pool in pools):
        return ""
    used = sum(int(pool.used.sum()) for pool in silent)
    return f"{requests:,} requests used {used:,} connections and no rule tells why; pcapdiag connections lists them."


def oddities(pools: Sequence[Pool], told: set[Cause]) -> list[str]:
    """What is too little for a finding and yet nothing that a healthy service shows.

    Args:
        told: causes that findings of any severity lead with: what they say is not said again.
    """
    out = []

    def column(name: str) -> Column:
        return np.concatenate([pool.connections.columns[name] for pool in pools])

    opening = column("opening")
    refused = int((opening == Opening.REFUSED).sum())
    # The answer to the last SYNs may have come behind the capture's end; they would go out again a second later.
    waited = np.concatenate([pool.end - pool.connections.first_at >= SECOND for pool in pools])
    unanswered = int(((opening == Opening.UNANSWERED) & waited).sum())
    lost = int(((column("open_request") != 0) & (column("close_at") > 0)).sum())
    lossy = sum(int(loss.lost) for pool in pools for loss in losses(pool))
    sent = int(column("client_data_packets").sum() + column("server_data_packets").sum())
    if refused and not told & {Cause.CONNECT_REFUSED, Cause.SERVER_RESTART, Cause.SERVER_ABORT}:
        out.append(f"{many(refused, 'connection')} {'was' if refused == 1 else 'were'} refused")
    if unanswered and Cause.CONNECT_TIMEOUT not in told:
        out.append(f"{many(unanswered, 'SYN')} got no answer")
    if lost and not told & LOSES_REQUESTS:
        out.append(f"{many(lost, 'connection')} closed with a request open")
    if sent >= 50 and lossy > MUCH_LOSS * sent and not told & {Cause.PATH_LOSS, Cause.PMTU_BLACKHOLE}:
        out.append(f"{lossy:,} of {sent:,} segments with data were lost and sent again")
    return out


# Causes whose findings account for requests without an answer.
LOSES_REQUESTS = frozenset(
    {
        Cause.CLIENT_REQUEST_TIMEOUT,
        Cause.KEEPALIVE_RACE,
        Cause.CLOSE_WAIT_LEAK,
        Cause.SERVER_ABORT,
        Cause.SERVER_RESTART,
        Cause.CLIENT_ABORT,
        Cause.SERVER_REJECTS_UPLOAD,
        Cause.MIDDLEBOX_IDLE_DROP,
        Cause.PMTU_BLACKHOLE,
        Cause.HALF_CLOSED,
        Cause.BODY_NOT_DRAINED,
    }
)
