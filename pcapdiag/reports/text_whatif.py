"""The what-if page: per pool whether its replay can be trusted, and a table for each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcapdiag.model.report import Measure
from pcapdiag.model.whatif import BackTest, PoolWhatIf, Sweep, Trial, WhatIf
from pcapdiag.model.words import Knob
from pcapdiag.reports.layout import Cell, Page
from pcapdiag.reports.units import duration, plural

FIXED = (
    "Held fixed: when requests came, how long each was served, what a dial takes. Callers that ask again as soon as they "
    "are answered would ask sooner where handshakes fall away: about the same connections, in less time. TIME_WAIT is "
    "that of the capture's last 60 s. docs/WHATIF.md has the rest, and how far predictions were from real runs."
)
AS_ASKED = "as asked"


def whatif(result: WhatIf, *, width: int = 80, color: bool = False) -> str:
    """The whole page."""
    page = Page(width, color=color)
    files = result.files[0] if len(result.files) == 1 else plural(len(result.files), "file")
    asked = f" with {', '.join(result.asked)}" if result.asked else " under other settings"
    page.para(f"{files}{asked}", style="strong")
    if not result.pools:
        page.blank()
        small = f" ({plural(result.left_out, 'pool')} too small to tell)" if result.left_out else ""
        page.para(f"No pool opened more connections than its requests needed: nothing to change{small}.")
        return page.text()
    for pool in result.pools:
        _pool(page, pool)
    page.blank()
    if result.left_out:
        page.para(
            f"Left out: {plural(result.left_out, 'pool')}, too small for any pattern or beyond the first hundred."
        )
        page.blank()
    page.para(FIXED, style="dim")
    return page.text()


def _pool(page: Page, pool: PoolWhatIf) -> None:
    page.blank()
    ends = f"{pool.client_ip} to {pool.server}"
    programs = ", ".join(filter(None, (pool.client_library, pool.server_software)))
    page.para(f"Pool {pool.id}: {ends}{f' ({programs})' if programs else ''}", style="head")
    page.para(
        f"{plural(pool.requests, 'request')} on {plural(pool.connections, 'connection')}, "
        f"{rate(pool.opens_per_second)} opens per second; at most {plural(pool.at_least, 'request')} at once.",
        indent=2,
    )
    if pool.present:
        shown = "; ".join(f"{one.name}: {one.text}" for one in pool.present)
        page.para(f"{shown}.", label="As read from the packets: ", indent=2, hang=4)
    if pool.back_test is not None:
        page.para(back_test(pool.back_test), indent=2)
    for note in pool.notes:
        page.para(note, indent=2)
    if pool.refused:
        page.para(
            f"No prediction: {pool.refused}. What can be said is a bound: at least "
            f"{plural(pool.at_least, 'connection')}, since that many requests ran at once.",
            indent=2,
            style="unsure",
        )
    for sweep in pool.sweeps:
        _sweep(page, pool, sweep)


def back_test(test: BackTest) -> str:
    """How the replay of the present compares with the capture, in a sentence or two."""
    told = (
        f"The replay at these settings opens {plural(test.replayed, 'connection')}, the capture has {test.captured:,} "
        f"({percent(test.off)})."
    )
    if test.trusted and not test.tested:
        told += " Since connections are not used twice, that puts no pool to the test: it is taken for one program's."
    return told


def percent(off: float) -> str:
    return "the same" if off == 0 else f"{off:+.1%}"


def _sweep(page: Page, pool: PoolWhatIf, sweep: Sweep) -> None:
    page.blank()
    page.para(f"{sweep.name}, now: {sweep.now}", indent=2, style="strong")
    for trial in sweep.trials:
        if label(trial) == AS_ASKED:
            page.para(", ".join(f"{one.name}: {one.text}" for one in trial.settings), label=f"{AS_ASKED}: ", indent=2)
    if len(sweep.trials) > 1:
        ends = [end for end in ("client", "server") if any(trial.time_wait[end] for trial in sweep.trials)]
        headers = ["set to", "connections", "opens/s", *(f"TIME_WAIT\n{end}" for end in ends)]
        headers += ["handshakes\nsaved", "wait saved\nper request"]
        page.table(headers, [_row(pool, trial, ends) for trial in sweep.trials])
    if sweep.smallest is not None:
        page.para(
            f"The smallest value that removes the churn here is {sweep.smallest.text}; without any limit there would be "
            f"{plural(sweep.unavoidable, 'connection')}.",
            indent=2,
            style="good",
        )
    for note in sweep.notes:
        page.para(note, indent=2)


def _row(pool: PoolWhatIf, trial: Trial, ends: Sequence[str]) -> list[Cell]:
    waiting = [trial.time_wait[end] for end in ends]
    head: list[Cell] = [label(trial), trial.connections, rate(trial.opens_per_second), *waiting]
    if not trial.settings:
        return [*head, None, None]
    saved = trial.waiting_saved_ns / 1e9 / max(pool.replayed, 1)
    return [*head, trial.handshakes_saved, duration(round(saved, 8))]


def rate(value: float) -> str:
    """Opens per second: ``2,816``, ``9.2``."""
    return f"{value:,.0f}" if value >= 9.95 or value < 0.05 else f"{value:.1f}"


def label(trial: Trial) -> str:
    """What differs from the present, short enough for a table."""
    settings = trial.settings
    if len(settings) < 2:
        return settings[0].text if settings else "now"
    if settings[0].knob == Knob.INSTANCE_PER_REQUEST and settings[-1].knob == Knob.IDLE_POOL_LIMIT:
        return f"shared, {settings[-1].text}"
    return AS_ASKED


def predicted(measures: Mapping[str, Measure]) -> str:
    """A finding's prediction in a sentence or two; "" where there is none."""
    why = measures.get("no_prediction")
    if why is not None:
        least = _count(measures, "connections_at_least")
        bound = f" At least {least:,} connections: so many requests ran at once." if least > 1 else ""
        return f"no number, since {why}.{bound}"
    if "connections" not in measures:
        return ""
    part = replayed(measures)
    found = [
        f"{plural(_count(measures, 'connections'), 'connection')} instead of {_count(measures, 'connections_now'):,}"
    ]
    before, after = rate(_rate(measures, "opens_per_second_now")), rate(_rate(measures, "opens_per_second"))
    if before != after:
        found.append(f"{after} opens per second instead of {before}")
    for end in ("client", "server"):
        then, now = _count(measures, f"time_wait_{end}"), _count(measures, f"time_wait_{end}_now")
        if then != now:
            found.append(f"{then:,} in TIME_WAIT at the {end} instead of {now:,}")
    told = (f"{part} " if part else "") + ", ".join(found) + "."
    return f"{told} {trust(measures)}"


def replayed(measures: Mapping[str, Measure]) -> str:
    """Of which requests a prediction tells; "" where of all."""
    count, whole = _count(measures, "replayed_requests"), _count(measures, "requests")
    return f"in the first {count:,} of {whole:,} requests" if count < whole else ""


def trust(measures: Mapping[str, Measure]) -> str:
    """What a prediction rests on, in a sentence or two."""
    told = ""
    default = measures.get("default_pool")
    if default is not None:
        told = f"With {default}: {plural(_count(measures, 'connections_at_default_pool'), 'connection')}. "
    if measures.get("pool_tested"):
        off = percent(_rate(measures, "replay_off"))
        return f"{told}(The replay at the present setting opens {_count(measures, 'replayed_now'):,}: {off}.)"
    return f"{told}That takes one program to make all these calls."


def _count(measures: Mapping[str, Measure], key: str) -> int:
    value = measures.get(key)
    return value if isinstance(value, int) else 0


def _rate(measures: Mapping[str, Measure], key: str) -> float:
    value = measures.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
