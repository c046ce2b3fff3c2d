"""What a pool's packets are worth: how sure anyone can be of it, and what to capture to be surer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pcapdiag.model.words import Confidence, Opening
from pcapdiag.pools.pool import SECOND, Pool, once_per_pool

# Shares of a pool's connections from which on most of what a rule counts is not what it seems.
MOST = 0.5
# A hole may hide a request, a response or a close; with one in five connections damaged, counts are bounds.
MANY_GAPS = 0.2
# Below this no rule could have found anything.
ENOUGH_REQUESTS = 5
# The timers in question: most servers' idle timers are a minute or less (nginx 75 s).
ENOUGH_SECONDS = 90


@once_per_pool
def doubts(pool: Pool) -> tuple[Confidence, str]:
    """The most confidence that a finding on this pool may have, and a sentence where that is not the highest."""
    c = pool.connections
    if float(one_way(pool).mean()) > MOST:
        return Confidence.LOW, "The capture sees one direction of most of these connections."
    if float((c.opening == Opening.MIDSTREAM).mean()) > MOST:
        return Confidence.MEDIUM, "Most of these connections were open before the capture began."
    if (
        float(
            (
                (c.client_gap_bytes - c.client_missing_bytes > 0) | (c.server_gap_bytes - c.server_missing_bytes > 0)
            ).mean()
        )
        > MANY_GAPS
    ):
        return Confidence.MEDIUM, "The capture lost packets of many of these connections."
    return Confidence.HIGH, ""


def doubts_of_drops(pool: Pool, dropped: float) -> tuple[Confidence, str]:
    """Likewise, of what the kernel dropped: an ACK, a SYN or a FIN that is missing is no gap that anything shows.

    Args:
        dropped: share of all packets of the capture.  Which connections they were of nobody knows; taken to be spread
            evenly, they tell how many of this pool's connections lack one.
    """
    if dropped <= 0.0:
        return Confidence.HIGH, ""
    c = pool.connections
    packets = (c.client_packets + c.server_packets).astype(float)
    if float((1.0 - (1.0 - dropped) ** packets).mean()) <= MANY_GAPS:
        return Confidence.HIGH, ""
    share = f"{100 * dropped:.2g}%"
    return (
        Confidence.MEDIUM,
        f"The kernel dropped {share} of the packets, so connections may lack some that nothing shows.",
    )


def one_way(pool: Pool) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Connections of which one direction only was captured, though both talked."""
    c = pool.connections
    return np.asarray(
        (c.client_packets == 0) | ((c.server_packets == 0) & (pool.usable | (c.client_data_packets > 0))), dtype=bool
    )


def better_capture(pools: Sequence[Pool], dropped: float = 0.0) -> str:
    """How to capture so that more can be said: an imperative sentence for each thing that this capture lacks."""
    wants = []
    if not pools:
        return ""
    length = (pools[0].end - pools[0].start) / SECOND
    rows = sum(pool.size for pool in pools)
    early = sum(int((pool.connections.opening == Opening.MIDSTREAM).sum()) for pool in pools)
    cut = sum(int((pool.connections.truncated_bytes > 0).sum()) for pool in pools)
    single = sum(int(one_way(pool).sum()) for pool in pools)
    holes = sum(
        int(((pool.connections.client_gap_bytes > 0) | (pool.connections.server_gap_bytes > 0)).sum()) for pool in pools
    )
    closed = any(pool.closed.any() for pool in pools)
    if 2 * single > rows:
        wants.append("capture where both directions pass (on the host itself, or both ports of the mirror)")
    if 2 * early > rows:
        wants.append("start it ahead of the traffic, or restart the client while it runs")
    if length < ENOUGH_SECONDS and not closed:
        wants.append(f"let it run for {ENOUGH_SECONDS} s or more, so that idle timers can fire")
    elif sum(pool.requests for pool in pools) < ENOUGH_REQUESTS:
        wants.append("let it run for a minute or more of the usual traffic")
    if 5 * cut > rows:
        wants.append("keep whole packets (tcpdump -s 0)")
    if holes > MANY_GAPS * rows or any(doubts_of_drops(pool, dropped)[1] for pool in pools):
        wants.append("lose no packets (tcpdump -B 16384, fewer ports in the filter)")
    ports = sorted({int(pool.connections.server_port[0]) for pool in pools})
    if len(ports) == 1:
        wants.append(f"filter on nothing but the service (tcp port {ports[0]})")
    if not wants:
        return ""
    return "To know more: " + "; ".join(wants) + "."
