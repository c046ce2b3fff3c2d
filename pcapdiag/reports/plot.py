"""Stacked columns of letters over time: sockets by state as a picture that any terminal, mail or ticket shows.

Letters, not blocks or colors: E on T reads the same without color, without Unicode and to those who see red and green
alike.  (The plotting libraries for terminals tell stacked series apart by color alone.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

HEIGHT = 12  # rows
# From the bottom up: what is in use, what somebody forgot, what waits for the other end, what ends by itself.
LETTERS = {
    "ESTABLISHED": "E",
    "CLOSE_WAIT": "C",
    "FIN_WAIT_2": "F",
    "TIME_WAIT": "T",
}
OTHER = "o"
STYLES = {"E": "good", "C": "bad", "F": "unsure", "T": "head", OTHER: "dim"}


@dataclass(frozen=True)
class Plot:
    """The rows from the top down: what is left of the axis, and the letters right of it; then the lines below."""

    rows: tuple[tuple[str, str], ...]
    below: tuple[str, ...]


def stacked(counts: Mapping[str, Sequence[int]], times: tuple[str, str, str], width: int) -> Plot:
    """Draw sockets by state over moments.

    Args:
        counts: state to its sockets at each moment; all of one length, at least one.
        times: what to write below the first, the middle and the last moment.
        width: columns to fill.
    """
    series = letters(counts)
    totals = [sum(column) for column in zip(*series.values(), strict=True)]
    top = max(max(totals), 1)
    labels = {0: f"{top:,}", HEIGHT // 2: f"{top / 2:,.0f}" if top > 1 else "", HEIGHT - 1: ""}
    margin = max(len(label) for label in labels.values()) + 2
    columns = list(placed(totals, width - margin - 1))
    heights = [stack({letter: values[index] for letter, values in series.items()}, top) for index in columns]
    rows = []
    for row in range(HEIGHT):
        level = HEIGHT - 1 - row
        letters_of_row = "".join(column[level] if level < len(column) else " " for column in heights)
        rows.append((f"{labels.get(row, ''):>{margin - 1}} |", letters_of_row.rstrip()))
    room = len(columns)
    axis = f"{'0':>{margin - 1}} +{'-' * room}"
    first, middle, last = times
    left = max(room - len(last), 0)
    ticks = f"{first:<{left}}{last}"
    at = (room - len(middle)) // 2
    if len(first) + 2 <= at and at + len(middle) + 2 <= left:
        ticks = ticks[:at] + middle + ticks[at + len(middle) :]
    legend = [f"{letter} {state}" for state, letter in LETTERS.items() if letter in series]
    legend += [f"{OTHER} other"] if OTHER in series else []
    indent = " " * (margin + 1)
    return Plot(tuple(rows), (axis, indent + ticks, indent + ", ".join(legend)))


def letters(counts: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Counts by letter, from the bottom of the stack up; states without a letter of their own together on top."""
    out = {letter: list(counts[state]) for state, letter in LETTERS.items() if any(counts.get(state, ()))}
    others = [values for state, values in counts.items() if state not in LETTERS and any(values)]
    if others:
        out[OTHER] = [sum(column) for column in zip(*others, strict=True)]
    return out or {OTHER: [0] * max((len(values) for values in counts.values()), default=1)}


def placed(totals: Sequence[int], room: int) -> Iterator[int]:
    """Which moment each column shows: the fullest of those that share it, or one moment over several columns."""
    count = len(totals)
    for column in range(room):
        first = column * count // room
        last = max((column + 1) * count // room, first + 1)
        yield max(range(first, last), key=lambda index: totals[index])


def stack(counts: Mapping[str, int], top: int) -> str:
    """One column from the bottom up.  A state with a letter takes one row at least: 3 CLOSE_WAIT of 7,000 matter too."""
    heights, below, reached = {}, 0, 0
    for letter, count in counts.items():
        below += count
        to = round(below * HEIGHT / top)
        heights[letter] = max(to - reached, 1 if count and letter != OTHER else 0)
        reached = max(to, reached)
    while sum(heights.values()) > HEIGHT:
        heights[max(heights, key=lambda letter: heights[letter])] -= 1
    return "".join(letter * height for letter, height in heights.items())
