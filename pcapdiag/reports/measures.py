"""What the numbers of a comparison are called, and how they are written."""

from __future__ import annotations

from pcapdiag.model.comparison import Metric
from pcapdiag.reports.units import NS, counted, duration, share

LABELS = {
    "duration_ns": "first to last packet",
    "clients": "clients",
    "requests": "requests",
    "requests_per_second": "requests per second",
    "peak_busy": "most requests in flight",
    "peak_connections": "most connections open",
    "peak_kept": "most idle connections kept",
    "requests_per_connection": "requests per connection",
    "first_byte_median_ns": "time to first byte, median",
    "first_byte_p95_ns": "time to first byte, 95th percentile",
    "retransmitted_share": "segments sent again",
}
# Events, of which there are so many per thousand of something.
EVENTS = {
    "avoidable_handshakes": "avoidable handshakes",
    "missed_reuse": "dials past an idle connection",
    "time_wait_client": "TIME_WAIT at the client",
    "time_wait_server": "TIME_WAIT at the server",
    "lost_requests": "requests lost with their connection",
    "failed_dials": "dials refused or unanswered",
    "used_once": "connections used once",
    # What rules count.
    "closes": "such closes",
    "closed_at_cap": "closes at the cap",
    "refused": "refused dials",
    "unanswered": "unanswered dials",
    "held_up": "dials held up",
    "failed": "failed handshakes",
    "mismatched": "mismatched connections",
    "unused": "unused connections",
    "given_up": "requests given up",
    "ended_together": "connections ended together",
    "close_wait": "connections left in CLOSE_WAIT",
    "requests_lost": "lost requests",
    "rejected": "rejected requests",
    "slow": "slow answers",
    "lost": "lost segments",
    "stuck": "connections stuck",
    "stalls": "stalls",
    "waits": "waits for 100 Continue",
    "connections_shut": "connections with a shut window",
    "idle_at_end": "connections left idle",
    "handovers": "requests that waited for a connection",
    "client_closes_first": "closes by the client first",
}
PER = "_per_1000_"
OF = {"data_segments": "segments", "server_closes": "closes by the server"}


def label(name: str) -> str:
    """A metric's name for a person, with what it is per."""
    if name in LABELS:
        return LABELS[name]
    event, _, per = name.partition(PER)
    said = EVENTS.get(event, event.replace("_", " "))
    return f"{said}, per 1,000 {OF.get(per, per)}" if per else said


def value(metric: Metric, amount: float | None) -> str:
    """An amount with its unit; ``-`` where nothing tells."""
    if amount is None:
        return "-"
    if metric.name.endswith("_ns"):
        return duration(amount / NS)
    if metric.name.endswith("_share"):
        return share(round(amount * 1_000_000), 1_000_000)
    text = rounded(amount)
    if metric.name == "requests":
        return counted(round(amount), metric.worth)
    return {"lower_bound": ">= ", "turns": "~ "}.get(metric.worth, "") + text


def both(metric: Metric) -> str:
    """``603 -> 2``."""
    return f"{value(metric, metric.before)} -> {value(metric, metric.after)}"


def rounded(amount: float) -> str:
    """Three digits are enough to compare: ``1.80``, ``66.7``, ``603``, ``1,204``."""
    if amount >= 99.95 or amount == int(amount):
        return f"{amount:,.0f}"
    if amount >= 9.995:
        return f"{amount:.1f}"
    return f"{amount:.2f}" if amount >= 0.095 else f"{amount:.2g}"
