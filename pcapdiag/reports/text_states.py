"""Connections by state for a terminal: over time, or as ``ss`` would have shown them at one moment."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby

from pcapdiag.model.states import EndStates, Peak, StateGroup, StateReport
from pcapdiag.reports.json_states import STATES
from pcapdiag.reports.layout import Cell, Page
from pcapdiag.reports.plot import STYLES, stacked
from pcapdiag.reports.units import NS, clock, plural, rfc3339, share

# Two lines for a head: nine states then fit 80 columns, time included.
HEADS = {"SYN_RECEIVED": "SYN_\nRECV", "ESTABLISHED": "ESTAB"}
GROUPS = 10  # of a timeline by service and the like; the formats for programs have all
LINES = 40  # services and the like at one moment
FOUND = 3  # findings
SAME = 4  # rows that say the same are shown by the first and the last of them


def states(report: StateReport, *, width: int = 80, color: bool = False, plotted: bool = False) -> str:
    """The whole page."""
    page = Page(width, color=color)
    snapshot = report.step_ns is None
    what = "at one moment" if snapshot else f"each {_step(report.step_ns or NS)}"
    files = report.capture.files
    name = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    page.para(
        f"{name}: {plural(report.total.connections, 'connection')} counted {what}, "
        f"as ss would have at each end. The capture begins {clock(report.first_at)} and lasts "
        f"{_after(report, report.last_at)[1:]}."
    )
    if snapshot:
        _snapshot(page, report)
    else:
        _timeline(page, report, report.total, plotted=plotted)
        for group in report.groups[:GROUPS]:
            page.blank()
            page.para(f"{_name(group)}: {plural(group.connections, 'connection')}", style="strong")
            _timeline(page, report, group, plotted=plotted)
        if len(report.groups) > GROUPS:
            page.blank()
            page.para(f"and {len(report.groups) - GROUPS} more (--format csv, or --server)")
    _remarks(page, report)
    return page.text()


def _snapshot(page: Page, report: StateReport) -> None:
    """A table for each end: what is counted together by the states that occur."""
    at = report.moments[0]
    page.blank()
    page.para(f"{clock(at)} ({_after(report, at)})", style="strong")
    for index, total in enumerate(report.total.ends):
        shown = _occurring(total, range(1))
        _end_heading(page, total)
        if not shown:
            page.para("no connection", indent=2)
            continue
        counted = [(_name(group), [_count(group.ends[index], state, 0) for state in shown]) for group in report.groups]
        rows = sorted((row for row in counted if any(row[1])), key=lambda row: -sum(row[1]))
        rest = rows[LINES:]
        if len(rest) > 1:
            rows[LINES:] = [
                (f"{len(rest):,} more", [sum(column) for column in zip(*(row[1] for row in rest), strict=True)])
            ]
        if len(rows) != 1:
            rows.append(("all", [_count(total, state, 0) for state in shown]))
        page.table(
            [report.by if report.by != "total" else "", *map(_head, shown), "all"],
            [[name, *counts, sum(counts)] for name, counts in rows],
        )


def _timeline(page: Page, report: StateReport, group: StateGroup, *, plotted: bool) -> None:
    """For each end a row per moment, and the peaks."""
    for end in group.ends:
        _end_heading(page, end)
        if not end.peaks:
            page.para("no connection", indent=2)
            continue
        if plotted:
            _plot(page, report, end)
        else:
            shown = _occurring(end, range(len(report.moments)))
            page.table(["time (UTC)", "after", *map(_head, shown)], list(_rows(report, end, shown)))
        page.blank()
        page.table(
            ["most at once", "sockets", "time (UTC)", "after", "largest part of it"],
            [
                [state, peak.count, _time(report, peak.at), _after(report, peak.at), _largest(peak)]
                for state, peak in ((state, end.peaks[state]) for state in STATES if state in end.peaks)
            ],
        )


def _rows(report: StateReport, end: EndStates, shown: Sequence[str]) -> Iterator[list[Cell]]:
    """A row per moment; of several that say the same the first and the last."""
    indexed = ((index, [_count(end, state, index) for state in shown]) for index in range(len(report.moments)))
    for counts, run in groupby(indexed, key=lambda one: one[1]):
        indices = [index for index, _ in run]
        same = len(indices) >= SAME
        for index in (indices[0], None, indices[-1]) if same else indices:
            if index is None:
                yield ["...", "", *[""] * len(shown)]
            else:
                at = report.moments[index]
                yield [_time(report, at), _after(report, at), *counts]


def _plot(page: Page, report: StateReport, end: EndStates) -> None:
    moments = report.moments
    marks = (moments[0], (moments[0] + moments[-1]) // 2, moments[-1])
    first, middle, last = (_time(report, at) for at in marks)
    picture = stacked(end.counts, (first, middle, last), page.width)
    for axis, letters in picture.rows:
        page.drawn(axis, letters, STYLES)
    for line in picture.below:
        page.drawn(line)


def _remarks(page: Page, report: StateReport) -> None:
    """What the numbers rest on, what happens next, and who explains them."""
    page.blank()
    if report.open_before:
        page.item(
            f"{plural(report.open_before, 'connection')} open before the capture began: ESTABLISHED from its start, by "
            "inference. Those that sent nothing while it ran are not counted.",
        )
    lacking = report.first_at + report.time_wait_ns
    if report.moments[0] < lacking and any("TIME_WAIT" in end.peaks for end in report.total.ends):
        whole = ""
        if report.moments[-1] >= lacking:
            whole = f"; all of it is from {_time(report, lacking)} ({_after(report, lacking)}) on"
        page.item(f"TIME_WAIT of closes before the capture began shows no packets and is not counted{whole}.")
    if report.moments[-1] > report.last_at:
        page.item("Moments after the capture's end are counted as if nothing else had happened.")
    if report.waits_over_at is not None:
        page.item(
            "If nothing else happens, what ends by itself, TIME_WAIT or FIN_WAIT_2, is over at "
            f"{_time(report, report.waits_over_at)} ({_after(report, report.waits_over_at)})."
        )
    _why(page, report)


def _why(page: Page, report: StateReport) -> None:
    """What is found on the service that holds most of the largest pile."""
    worst = _worst(report.total)
    if worst is None:
        return
    state, peak = worst
    server, files = peak.largest.server, report.capture.files
    command = ["pcapdiag diagnose", f"--server {server}", *map(shlex.quote, files)]
    pile = f"The largest pile: {peak.count:,} in {state}"
    page.blank()
    if 2 * peak.largest.count < peak.count:
        page.para(f"{pile}, of several services, none with half of them. What is wrong, service by service:")
        del command[1]
    else:
        found = [one for one in report.found if one.server == server]
        of_them = "" if peak.largest.count == peak.count else f"{peak.largest.count:,} of them "
        page.para(f"{pile}, {of_them}to {server}. {'Found there:' if found else 'Nothing wrong is found there.'}")
        for one in found[:FOUND]:
            page.item(f"{one.title} ({one.code}, {one.severity} severity)", indent=2)
        if len(found) > FOUND:
            page.item(f"and {len(found) - FOUND} more", indent=2)
        page.para("What to change, and the proof:" if found else "More on it:")
    page.snippet(" ".join(command), indent=2)


def _worst(group: StateGroup) -> tuple[str, Peak] | None:
    """The state that somebody will ask about: the largest peak among those in which sockets pile up."""
    asked = ("ESTABLISHED", "CLOSE_WAIT", "TIME_WAIT", "FIN_WAIT_2", "SYN_SENT", "SYN_RECEIVED")
    peaks = [(state, end.peaks[state]) for end in group.ends for state in asked if state in end.peaks]
    return max(peaks, key=lambda one: one[1].count, default=None)


def _end_heading(page: Page, end: EndStates) -> None:
    """Whose sockets follow: ss, on a host, shows its own."""
    one = len(end.addresses) == 1
    whose = end.addresses[0] if one else plural(len(end.addresses), "address")
    page.blank()
    page.para(whose, label=f"{end.end.upper()} END: ", style="head")


def _occurring(end: EndStates, indices: range) -> list[str]:
    """States that are there at one of the moments."""
    return [state for state in STATES if state in end.counts and any(end.counts[state][index] for index in indices)]


def _count(end: EndStates, state: str, index: int) -> int:
    return end.counts[state][index] if state in end.counts else 0


def _head(state: str) -> str:
    return HEADS.get(state, state.replace("_", "_\n", 1))


def _name(group: StateGroup) -> str:
    server = "" if group.server is None else str(group.server)
    if group.pool is not None:
        return f"{group.pool} {group.client_ip} -> {server}"
    return server or group.client_ip or "all"


def _largest(peak: Peak) -> str:
    """Whose most of a peak are, and how many."""
    part = peak.largest
    return f"{part.server}, {share(part.count, peak.count)}"


def _time(report: StateReport, at: int) -> str:
    """The time of day; the date too where the capture spans several."""
    text = rfc3339(at)
    day = text[:10] != rfc3339(report.first_at)[:10]
    return (text[5:10] + " " if day else "") + text[11:23]


def _after(report: StateReport, at: int) -> str:
    """Seconds since the capture's start, as the options take them."""
    return f"+{(at - report.first_at) / NS:.3f}".rstrip("0").rstrip(".") + " s"


def _step(ns: int) -> str:
    return f"{ns / NS:g} s" if ns >= NS else f"{ns / 1_000_000:g} ms"
