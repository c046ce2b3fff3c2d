"""The charts of one pool: its levels, and the distributions of what happened on its connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pcapdiag.model.figures import Bar, Level, PoolFigure
from pcapdiag.model.report import Inferred, PoolRow
from pcapdiag.model.words import Knob
from pcapdiag.reports.html import distributions
from pcapdiag.reports.html.chart import CLASSES, CLOSERS, CLOSES, Chart, bins, sentence
from pcapdiag.reports.html.packing import packed
from pcapdiag.reports.html.tables import Table
from pcapdiag.reports.units import NS, duration_ns, number, plural, share
from pcapdiag.reports.wording import bracket, value_read

LEVELS_FROM = 3  # connections; the levels of fewer are on the timeline
SILENCES_FROM = 3
FIRST_BYTES_FROM = 8  # requests; a distribution of fewer is a list
AROUND = 1.3  # times a timer: what is drawn to both sides of it
US = 1_000  # ns

# What ended a silence; in the order of the lanes.
ENDS = {
    "request": "used again",
    "client": "closed by the client",
    "server": "closed by the server",
    "open": "open at the end",
}


def charts(
    figure: PoolFigure, row: PoolRow, bars: Sequence[Bar], start: int, end: int
) -> tuple[tuple[Chart, ...], tuple[str, ...]]:
    """The charts that tell something, and a sentence in place of each that would not."""
    facts: list[str] = []
    made = (
        levels(figure, row, start, end),
        requests(row, facts),
        closes(row, [bar for bar in bars if bar.pool == row.id], facts),
        silences(figure, row),
        first_byte(figure, row),
    )
    return tuple(chart for chart in made if chart is not None), tuple(facts)


def levels(figure: PoolFigure, row: PoolRow, start: int, end: int) -> Chart | None:
    """Open, busy and idle connections over time, with the limits that the packets show."""
    if row.connections < LEVELS_FROM or row.peak_connections < 2:
        return None
    limits: list[dict[str, object]] = []
    for one in row.inferred:
        if one.knob in (Knob.IDLE_POOL_LIMIT, Knob.TOTAL_POOL_LIMIT) and one.value is not None:
            what = "idle capacity" if one.knob is Knob.IDLE_POOL_LIMIT else "limit on connections"
            limits.append({"name": f"{one.owner} {what} {number(one.value)}", "value": one.value})
    drawn = (("open", figure.open), ("busy", figure.busy), ("idle", figure.idle))
    says = (
        f"At most {row.peak_connections:,} open, {row.peak_busy:,} busy and {row.peak_idle:,} idle at one time."
        + "".join(f" {sentence(str(limit['name']))}, read from the packets." for limit in limits)
    )
    table = Table(
        ("connections", "at most", "mean"),
        tuple(
            (name, max(level.values, default=0), number(round(_mean(level, start, end), 2))) for name, level in drawn
        ),
    )
    data = {
        "series": [
            [name, packed([(at - start) // US for at in level.at]), packed(level.values)] for name, level in drawn
        ],
        "limits": limits,
    }
    return Chart(f"levels-{row.id}", "levels", "Connections open, busy and idle", says, table, data, wide=True)


def _mean(level: Level, start: int, end: int) -> float:
    """Over the time of the capture; of a thinned level an estimate."""
    until = [*level.at, end][1:]
    return sum(value * max(to - at, 0) for at, to, value in zip(level.at, until, level.values, strict=True)) / (
        end - start
    )


def requests(row: PoolRow, facts: list[str]) -> Chart | None:
    """How many requests connections carried, with the cap that the packets show."""
    counts = row.requests_per_connection
    if len(counts) < 2:
        if row.connections > 1:
            facts += [
                f"Each of the {row.connections:,} connections carried {plural(one, 'request') if one else 'no request'}."
                for one in counts
            ]
        return None
    binned = distributions.whole_numbers(counts)
    caps = [one for one in row.inferred if one.knob is Knob.MAX_REQUESTS and one.value is not None]
    says = (
        f"{plural(row.requests, 'request')} on {plural(row.connections, 'connection')}: "
        f"{number(round(row.mean_requests or 0, 2))} each in the mean, {row.max_requests:,} at most."
    )
    says += "".join(f" The {one.owner} closes after {number(one.value or 0)}, read from the packets." for one in caps)
    data = {
        "bins": bins(binned),
        "marks": [{"name": f"{one.owner} cap {number(one.value or 0)}", "value": one.value} for one in caps],
        "unit": "requests on a connection",
        "of": "connections",
    }
    table = Table(
        ("requests", "connections", "share"),
        tuple((one.label, one.count, share(one.count, row.connections)) for one in binned if one.count),
    )
    return Chart(f"requests-{row.id}", "histogram", "Requests per connection", says, table, data)


def silences(figure: PoolFigure, row: PoolRow) -> Chart | None:
    """How long connections were silent, by what ended it, with the brackets of the timers that the packets show."""
    if len(figure.silences) < SILENCES_FROM:
        return None
    timers = [one for one in row.inferred if one.knob is Knob.IDLE_TIMEOUT]
    times = [one.ns / NS for one in figure.silences]
    for ends in ([one.low, one.value, one.high] for one in timers):
        known = [end for end in ends if end]
        times += [min(known) / AROUND, max(known) * AROUND] if known else []
    edges = distributions.edges_of(times)
    if len(edges) < 3:
        return None
    lanes: list[dict[str, object]] = []
    cells: list[tuple[str | int, ...]] = []
    for end, words in ENDS.items():
        there = sorted((one.ns, one.connection) for one in figure.silences if one.end == end)
        of = [ns for ns, _ in there]
        if of:
            lanes.append(
                {
                    "end": end,
                    "name": words,
                    "count": len(of),
                    "bins": bins(distributions.decades(of, edges)),
                    "connections": packed([number for _, number in there]),  # of the bins, one after the other
                }
            )
            cells.append((words, len(of), duration_ns(of[0]), duration_ns(of[len(of) // 2]), duration_ns(of[-1])))
    says = "How long connections stayed silent, and what ended it." + "".join(f" {_timer(one)}" for one in timers)
    if figure.silence_count > len(figure.silences):
        says += f" An even sample of {figure.silence_count:,}."
    data = {
        "lanes": lanes,
        "marks": [
            {
                "name": f"{one.owner} idle timeout {value_read(one)}",
                "low": one.low,
                "high": one.high,
                "value": one.value,
            }
            for one in timers
        ],
    }
    table = Table(("ended by", "silences", "shortest", "median", "longest"), tuple(cells))
    return Chart(f"silences-{row.id}", "silences", "Silences, and what ended them", says, table, data)


def _timer(one: Inferred) -> str:
    value = "" if one.value is None else f" {value_read(one)},"
    between = f" between {bracket(one)}," if one.low is not None and one.high is not None else ""
    return f"The {one.owner}'s idle timeout is{value}{between} read from the packets."


def closes(row: PoolRow, bars: Sequence[Bar], facts: list[str]) -> Chart | None:
    """Who closed first, and after what."""
    crossed = Counter((bar.closer, bar.close_class) for bar in bars)
    if len(crossed) < 2:
        if row.connections > 1:
            facts += [
                f"All {row.connections:,} connections: {CLOSES.get(closer, closer)}"
                + ("." if closer == "none" else f", {CLASSES.get(kind, kind)}.")
                for closer, kind in crossed
            ]
        return None
    closers = [closer for closer in CLOSERS if any(key[0] == closer for key in crossed)]
    kinds = [kind for kind in CLASSES if any(key[1] == kind for key in crossed)]
    totals = {closer: sum(crossed[closer, kind] for kind in kinds) for closer in closers}
    of = sum(totals.values())
    says = "; ".join(f"{CLOSES[closer]} {totals[closer]:,} ({share(totals[closer], of)})" for closer in closers)
    data = {
        "closers": [CLOSES[closer] for closer in closers],
        "kinds": [[CLASSES[kind], [crossed[closer, kind] for closer in closers]] for kind in kinds],
    }
    table = Table(
        ("", *(CLASSES[kind] for kind in kinds)),
        tuple((CLOSES[closer], *(crossed[closer, kind] for kind in kinds)) for closer in closers),
    )
    return Chart(f"closes-{row.id}", "closes", "Who closed first", f"{sentence(says)}.", table, data)


def first_byte(figure: PoolFigure, row: PoolRow) -> Chart | None:
    """The distribution of the times to first byte."""
    waited = sorted(zip(figure.first_byte_ns, figure.first_byte_connections, strict=True))
    times = [ns for ns, _ in waited]
    if len(times) < FIRST_BYTES_FROM:
        return None
    binned = distributions.decades(times)
    told = row.first_byte
    median = told.median_ns if told else times[len(times) // 2]
    slow = told.p95_ns if told else times[int(len(times) * 0.95)]
    says = (
        f"From when a request was wanted to the first byte of its answer, the dial included where it had to dial: "
        f"median {duration_ns(median)}, 95% within {duration_ns(slow)}, the longest {duration_ns(times[-1])}."
    )
    if figure.first_byte_count > len(times):
        says += f" An even sample of {figure.first_byte_count:,}."
    data = {
        "bins": bins(binned),
        "log": True,
        "marks": [
            {"name": f"median {duration_ns(median)}", "value": median / NS},
            {"name": f"95% {duration_ns(slow)}", "value": slow / NS},
        ],
        "unit": "time to first byte",
        "of": "requests",
        "connections": packed([number for _, number in waited]),  # of the bins, one after the other
    }
    table = Table(
        ("time to first byte", "requests", "share"),
        tuple((one.label, one.count, share(one.count, len(times))) for one in binned if one.count),
    )
    return Chart(f"first-byte-{row.id}", "histogram", "Time to first byte", says, table, data)
