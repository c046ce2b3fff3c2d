"""Why a capture as such hides a pattern, whatever happened in it."""

from __future__ import annotations

from pcapdiag.comparing.trials import Trial
from pcapdiag.comparing.use import Use
from pcapdiag.model.report import Finding, NotEvaluated, Report
from pcapdiag.rules.rule import Need

# What a capture must not lack to show a pattern: whole packets, heads that can be read, the time of every segment.
IN_PACKETS = frozenset({"tls-handshake-failure", "protocol-mismatch", "tls-no-reuse"})
IN_HEADS = frozenset({"server-connection-close", "server-rejects-upload", "expect-100-continue"})
IN_SEGMENTS = frozenset({"nagle-delayed-ack", "path-loss", "pmtu-blackhole", "zero-window", "expect-100-continue"})


def hidden(finding: Finding, shown_in: Report, showing: Use, report: Report, use: Use) -> Trial | None:
    """Why ``report`` could not show what ``shown_in`` shows; None where it could, as far as the capture goes."""
    skipped = next((one.reason for one in report.not_evaluated if one.code == finding.code and blind(one)), None)
    if skipped is not None:
        return Trial(False, f"{use.name} does not let it be judged: {skipped}", "Capture what that needs.")
    quality = report.capture.quality
    if 2 * quality.one_sided_connections > report.connection_count:
        why = f"{use.name} holds one direction only of most connections"
        return Trial(False, why, "Capture where both directions pass.")
    unread = finding.name in IN_HEADS and use.worth != "exact" and showing.worth == "exact"
    if unread or (finding.name in IN_PACKETS and cut(report) > cut(shown_in)):
        why = f"the packets of {use.name} are cut short, and it is read in them"
        return Trial(False, why, "Capture with tcpdump -s 0.")
    if finding.name in IN_SEGMENTS and (
        quality.gap_bytes > shown_in.capture.quality.gap_bytes or dropped(report) > dropped(shown_in)
    ):
        why = f"{use.name} lacks packets, and it shows in the times of single ones"
        return Trial(False, why, "Capture with tcpdump -B 16384.")
    return None


def blind(skipped: NotEvaluated) -> bool:
    """Whether a rule could not see.  That nothing was dialled, or nothing closed, is what many a fix brings about."""
    return skipped.reason not in (Need.STARTS.value, Need.CLOSES.value)


def dropped(report: Report) -> float:
    """Share of packets that the kernel had no room for."""
    lost = report.capture.quality.dropped_packets
    return lost / max(report.capture.packets + lost, 1)


def cut(report: Report) -> float:
    """Share of packets cut short by the snaplen."""
    return report.capture.quality.truncated_packets / max(report.capture.packets, 1)
