"""A connection packet by packet, as lines of plain text."""

from __future__ import annotations

from pcapdiag.model.figures import Ladder, Rung
from pcapdiag.reports.escape import visible
from pcapdiag.reports.units import NS, plural


def ladder(one: Ladder) -> str:
    """Time, frame, direction, what it was; the proof marked with a star."""
    start = one.rungs[0].at if one.rungs else 0
    rows = [_row(rung, start) for rung in one.rungs]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
    lines = [f"client {one.client}, server {one.server}"]
    lines += [f"{row[0]:>{widths[0]}}  {row[1]:>{widths[1]}} {row[2]}" for row in rows]
    if one.left_out:
        lines.append(f"and {plural(one.left_out, 'more packet')}")
    return "\n".join(visible(line).replace("\\\\", "\\") for line in lines)


def _row(rung: Rung, start: int) -> tuple[str, str, str]:
    first, last = rung.frames[0].number, rung.frames[-1].number
    numbers = f"#{first}" if len(rung.frames) == 1 else f"#{first}..{last}"
    arrow = "-->" if rung.side == "client" else "<--"
    length = f" {rung.length:,} bytes" if rung.length else ""
    notes = f"  ({'; '.join(rung.notes)})" if rung.notes else ""
    return (
        f"{(rung.at - start) / NS:.6f} s",
        numbers,
        f"{'*' if rung.cited else ' '} {arrow} [{rung.flags}]{length} {rung.text}{notes}".rstrip(),
    )
