"""The top of the live screen: what is captured, how well, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.model.live import LiveView
from pcapdiag.reports.live_lines import ALWAYS, Line, words
from pcapdiag.reports.units import NS, clock, plural, share

OLD = 5 * NS  # what is shown is of the moment, or it is said that it is not


def header(view: LiveView, *, paused: bool) -> Iterator[Line]:
    """Two lines, and one for each thing that is wrong."""
    where = f"  {view.filter}" if view.filter else "  no filter"
    yield Line(
        ALWAYS,
        words(
            ("pcapdiag live", "strong"),
            "  ",
            ("PAUSED  ", "unsure") if paused else "",
            (elapsed(view.now - view.started_at), "strong"),
            "  ",
            (view.interface, "strong"),
            where,
            (f"  by {view.program}", "dim"),
        ),
    )
    yield Line(
        ALWAYS,
        words(
            (f"{plural(view.packets, 'packet')}, {rate(view.packets_per_second)}/s, ", ""),
            _drops(view),
            (f"  {_saved(view)}", ""),
        ),
    )
    if view.trouble:
        yield Line(ALWAYS, words(("NO PACKETS COME: ", "loud"), (view.trouble, "bad")))
    if view.saving is not None and view.saving.failed:
        yield Line(ALWAYS, words(("NOTHING MORE IS SAVED: ", "loud"), (view.saving.failed, "bad")))
    if view.judging:
        yield Line(2, words(("NOTHING NEW IS JUDGED: ", "loud"), (view.judging, "bad")))
    elif view.report is not None and view.looked_at and view.now - view.looked_at > OLD:
        ago = elapsed(view.now - view.looked_at)
        yield Line(3, words((f"Findings and pools are as of {ago} ago: there is much to judge.", "unsure")))
    for note in () if view.report is None else view.report.capture.quality.notes[:1]:
        yield Line(3, words((f"Not judged in full: {note}.", "unsure")))
    if view.dropped:
        yield Line(
            3, words(("Lost packets look like loss on the path: findings are worth less. Narrow the filter.", "bad"))
        )
    if view.history_from is not None:
        told = f"{plural(view.forgotten, 'connection')} that ended before {clock(view.history_from)[11:19]} UTC"
        yield Line(4, words((f"All below is of what came later: {told} are forgotten (--history).", "dim")))


def _drops(view: LiveView) -> tuple[str, str]:
    if view.dropped is None:
        return "drops are told at the end", "dim"
    if not view.dropped:
        return "none dropped", ""
    seen = max(view.received or 0, view.packets + view.dropped)
    return f"{view.dropped:,} DROPPED ({share(view.dropped, seen)})", "loud"


def _saved(view: LiveView) -> str:
    saving = view.saving
    if saving is None:
        return "not saved (-w FILE)"
    name = saving.files[-1] if saving.files else "nothing yet"
    several = f", file {len(saving.files)}" if len(saving.files) > 1 else ""
    removed = f", {saving.removed:,} removed" if saving.removed else ""
    return f"saved {size(saving.bytes)} to {name}{several}{removed}"


def elapsed(ns: int) -> str:
    """``0:07``, ``12:40``, ``1:02:40``, ``3 d 01:02:40``."""
    total = max(ns, 0) // NS
    days, rest = divmod(total, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, second = divmod(rest, 60)
    if days:
        return f"{days} d {hours:02d}:{minutes:02d}:{second:02d}"
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def rate(value: float) -> str:
    """A number per second in five characters or fewer: ``0``, ``0.4``, ``81``, ``9,120``, ``123k``."""
    if value <= 0:
        return "0"
    if value < 9.95:
        return f"{max(value, 0.1):.1f}"
    if value < 99_999.5:
        return f"{value:,.0f}" if value < 9_999.5 else f"{value / 1e3:.1f}k"
    return f"{value / 1e3:.0f}k" if value < 999_500 else f"{value / 1e6:.1f}M"


def size(count: int) -> str:
    """Bytes for a person: ``812 B``, ``1.2 MB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"
