"""What a pattern costs, by numbers that no rule interprets: a finding that left while its cost stayed is not gone.

Rules of one family see one harm from different sides: what was "the server closes each connection" in whole packets is
"the client uses each connection once" where the headers are cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pcapdiag.comparing import metrics
from pcapdiag.comparing.use import Use
from pcapdiag.model.comparison import Metric
from pcapdiag.model.words import Change

Cost = Callable[[Use, Use], Metric]


def handshakes(before: Use, after: Use) -> Metric:
    """Those that a pool without limits would not pay."""
    change = metrics.churn(before, after)
    return metrics.rate("avoidable_handshakes", before.avoidable, after.avoidable, before, after, change)


def used_once(before: Use, after: Use) -> Metric:
    """Connections for a single request: a response that nobody reads keeps its connection busy, and so unavoidable."""
    return metrics.rate("used_once", before.used_once, after.used_once, before, after)


def requests(before: Use, after: Use) -> Metric:
    """Requests that went down with their connection."""
    return metrics.rate("lost_requests", before.lost_requests, after.lost_requests, before, after)


def dials(before: Use, after: Use) -> Metric:
    """Attempts to connect that came to nothing."""
    first, second = before.failed_dials, after.failed_dials
    return Metric(
        f"failed_dials_per_{metrics.PER}_dials",
        metrics.ratio(metrics.PER * first, before.dials),
        metrics.ratio(metrics.PER * second, after.dials),
        metrics.moved(first, before.dials, second, after.dials),
    )


def segments(before: Use, after: Use) -> Metric:
    return metrics.share("retransmitted", "data_segments", before, after)


COSTS: Mapping[str, Cost] = {
    "never-reuse-new-transport": handshakes,
    "body-not-closed": used_once,
    "never-reuse-keepalive-disabled": handshakes,
    "body-not-drained": handshakes,
    "idle-pool-too-small": handshakes,
    "server-connection-close": handshakes,
    "client-request-timeout": requests,
    "keepalive-race": requests,
    "client-ignores-fin": requests,
    "server-abort": requests,
    "middlebox-idle-drop": requests,
    "connect-refused": dials,
    "connect-timeout": dials,
    "backlog-overflow": dials,
    "path-loss": segments,
    "pmtu-blackhole": segments,
}


def cost(name: str, before: Use, after: Use) -> Metric | None:
    """The cost of a pattern in both captures; None where no number tells it apart from others."""
    found = COSTS.get(name)
    return None if found is None else found(before, after)


def left(metric: Metric | None) -> bool:
    """Whether the cost is paid no longer, or clearly less."""
    return metric is None or metric.change == Change.BETTER or not metric.after


def came(metric: Metric | None) -> bool:
    """Whether it was not paid before, or clearly less."""
    return metric is None or metric.change == Change.WORSE or (not metric.before and bool(metric.after))
