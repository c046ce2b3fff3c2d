"""The two charts of a whole capture: its connections over time, and the TCP states at each end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pcapdiag.model.figures import Bar, Figures, StatesFigure
from pcapdiag.model.report import Report
from pcapdiag.reports.html.chart import CLASSES, CLOSERS, Chart, pool_name, sentence
from pcapdiag.reports.html.findings import cited
from pcapdiag.reports.html.packing import Column, packed
from pcapdiag.reports.html.tables import Table
from pcapdiag.reports.units import duration_ns, plural
from pcapdiag.reports.wording import NETSTAT

BARS_TABLED = 100
MOMENTS_TABLED = 24
DIALS = {"refused": "refused", "unanswered": "unanswered"}  # openings that became no connection
US = 1_000  # ns


def timeline(report: Report, figures: Figures, start: int, end: int) -> Chart:
    """A bar for each connection: handshake, busy, idle, closed by whom."""
    bars = figures.bars
    fates = Counter(bar.opening if bar.opening in DIALS else bar.closer for bar in bars)
    told = {
        "client": "closed by the client first",
        "server": "closed by the server first",
        "none": "not closed",
    } | DIALS
    by = ", ".join(
        f"{plural(fates[fate], 'dial' if fate in DIALS else 'connection')} {what}"
        for fate, what in told.items()
        if fates[fate]
    )
    says = f"{sentence(by)}, in {duration_ns(end - start)}."
    if figures.bars_left_out:
        says += (
            f" An even sample: {plural(figures.bars_left_out, 'more connection')} left out, none that a finding cites."
        )
    pools = list(dict.fromkeys(bar.pool for bar in bars))
    rows = {row.id: row for row in report.pools}
    data = {
        "count": len(bars),
        "columns": _columns(bars, pools, start),
        "openings": _openings(bars),
        "classes": [CLASSES.get(word, word) for word in _classes(bars)],
        "files": _files(bars),
        "pools": [
            {
                "id": pool or "-",
                "name": pool_name(rows[pool]) if pool in rows else "no pool",
                "client": rows[pool].client_ip if pool in rows else "",
                "server": rows[pool].server.ip if pool in rows else "",
                "port": rows[pool].server.port if pool in rows else None,
            }
            for pool in pools
        ],
        "cited": cited(report.findings),
        "ladders": [ladder.connection for ladder in figures.ladders],
    }
    return Chart("timeline", "timeline", "Connections over time", says, _bars(report, bars, start), data, wide=True)


def _columns(bars: Sequence[Bar], pools: Sequence[str | None], start: int) -> dict[str, Column]:
    """A number of each bar in each column; times in microseconds, those of a bar from its opening."""
    place = {pool: at for at, pool in enumerate(pools)}
    classes, openings, files = _classes(bars), _openings(bars), _files(bars)
    busy: list[int] = []
    for bar in bars:  # each time from the one before it: small numbers
        last = bar.opened_at
        for at in bar.busy:
            busy.append(max(at - last, 0) // US)
            last = max(at, last)
    return {
        "number": packed([bar.number for bar in bars]),
        "pool": packed([place[bar.pool] for bar in bars]),
        "opened": packed([(bar.opened_at - start) // US for bar in bars]),
        "ready": packed([(bar.ready_at - bar.opened_at) // US for bar in bars]),
        "lasted": packed([(bar.ended_at - bar.opened_at) // US for bar in bars]),
        "closer": packed([CLOSERS.index(bar.closer) if bar.closer in CLOSERS else 2 for bar in bars]),
        "close_class": packed([classes.index(bar.close_class) for bar in bars]),
        "opening": packed([openings.index(bar.opening) for bar in bars]),
        "requests": packed([bar.requests for bar in bars]),
        "busy_count": packed([len(bar.busy) for bar in bars]),
        "busy": packed(busy),
        "port": packed([bar.client_port for bar in bars]),
        "first": packed([bar.first_frame.number for bar in bars]),
        "last": packed([bar.last_frame.number for bar in bars]),
        "file": packed([files.index(bar.first_frame.file or "") for bar in bars] if len(files) > 1 else []),
    }


def _classes(bars: Sequence[Bar]) -> list[str]:
    return list(dict.fromkeys(bar.close_class for bar in bars))


def _openings(bars: Sequence[Bar]) -> list[str]:
    return list(dict.fromkeys(bar.opening for bar in bars))


def _files(bars: Sequence[Bar]) -> list[str]:
    return list(dict.fromkeys(bar.first_frame.file or "" for bar in bars))


def _bars(report: Report, bars: Sequence[Bar], start: int) -> Table:
    named = {number for numbers in cited(report.findings).values() for number in numbers}
    shown = sorted(bars, key=lambda bar: bar.number not in named)[:BARS_TABLED]
    shown.sort(key=lambda bar: (bar.opened_at, bar.number))
    left = len(bars) - len(shown)
    return Table(
        ("connection", "pool", "opened", "handshake", "lasted", "busy", "requests", "closed first by", "how", "frames"),
        tuple(
            (
                bar.number,
                bar.pool or "-",
                f"+{(bar.opened_at - start) / 1e9:.6f} s",
                duration_ns(bar.ready_at - bar.opened_at) if bar.ready_at > bar.opened_at else "-",
                duration_ns(bar.ended_at - bar.opened_at),
                duration_ns(sum(bar.busy[1::2]) - sum(bar.busy[::2])),
                bar.requests,
                "-" if bar.closer == "none" else bar.closer,
                CLASSES.get(bar.close_class, bar.close_class),
                f"{bar.first_frame.number:,} to {bar.last_frame.number:,}",
            )
            for bar in shown
        ),
        note=f"Those that findings cite, and the first others; {left:,} more: pcapdiag connections FILE."
        if left
        else "",
    )


def states(figures: Figures, start: int, end: int) -> Chart | None:
    """Sockets at each end by state, stacked, as netstat there would count them; None where there were never two."""
    told = [one for one in figures.states if one.counts and len(one.moments) > 1]
    if not told or max(max(one.peaks.values()) for one in told) < 2:
        return None
    data = {
        "ends": [
            {
                "end": one.end,
                "at": packed([(at - start) // US for at in one.moments]),
                "counts": [[state, packed(one.counts[state])] for state in _ordered(one)],
            }
            for one in told
        ]
    }
    peaks = ". ".join(
        f"At the {one.end} at most " + ", ".join(f"{one.peaks[state]:,} {state}" for state in _ordered(one))
        for one in told
    )
    says = f"Sockets as netstat at each end would count them, implied by the packets. {peaks}."
    return Chart("states", "states", "TCP states at each end", says, _moments(told, start), data, wide=True)


def _moments(told: Sequence[StatesFigure], start: int) -> Table:
    moments = told[0].moments
    step = max(len(moments) // MOMENTS_TABLED, 1)
    picked = sorted({*range(0, len(moments), step), len(moments) - 1})
    return Table(
        ("time", *(f"{one.end} {state}" for one in told for state in _ordered(one))),
        tuple(
            (
                f"+{(moments[at] - start) / 1e9:.3f} s",
                *(one.counts[state][at] for one in told for state in _ordered(one)),
            )
            for at in picked
        ),
    )


def _ordered(one: StatesFigure) -> list[str]:
    """As a connection lives; what the end of the capture leaves lies on top."""
    return [state for state in NETSTAT if state in one.counts]
