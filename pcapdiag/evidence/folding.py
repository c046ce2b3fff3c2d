"""Rungs in order: runs of plain data and ACKs become one, and of very many the middle is left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from pcapdiag.model.figures import Rung
from pcapdiag.reports.units import duration_ns, plural

DATA = "data"  # the text of a payload that says no more

MOST_RUNGS = 300
FRONT = 160  # of them at the beginning, and as many as that leaves at the end
NOTED = 60  # between the two those that a finding cites or an analyst would look at
RUN = 3  # a shorter run is drawn whole: folded it would take a line as well
WORTH_NS = 1_000_000  # what a run took is said from here on
LONGEST = 5_000  # frames of a run; then another one begins


class Folded:
    """Take rungs one by one, in memory that has a limit."""

    def __init__(self) -> None:
        self.front: list[Rung] = []
        self.noted: list[tuple[int, Rung]] = []  # with its place among all
        self.back: deque[tuple[int, Rung]] = deque()
        self.count = 0
        self.left_out = 0
        self.run: list[Rung] = []

    def add(self, rung: Rung, plain: bool) -> None:
        """Take the next packet; ``plain`` where nothing but its size tells it from others."""
        if plain and not rung.notes and not rung.cited:
            if self.run and not self._goes_on(rung):
                self._end_run()
            self.run.append(rung)
            return
        self._end_run()
        self._put(rung)

    def _goes_on(self, rung: Rung) -> bool:
        """Whether it is more of the same: data of one side, and the other side's ACKs of it."""
        if len(self.run) >= LONGEST:
            return False
        first = next((one for one in self.run if one.length), None)
        if first is None:
            return rung.length == 0 and rung.side == self.run[0].side
        return rung.side == first.side if rung.length else rung.side != first.side

    def _end_run(self) -> None:
        run, self.run = self.run, []
        data = [one for one in run if one.length]
        if len(data) < RUN and len(run) - len(data) < RUN:
            for one in run:
                self._put(one)
            return
        first = data[0] if data else run[0]
        last = data[-1] if data else run[-1]
        acks = len(run) - len(data)
        text = f"{len(data):,} segments of {kind_of(data)}" if data else f"{len(run):,} ACKs"
        if data and acks:
            text += f", {plural(acks, 'ACK')}"
        if run[-1].at - run[0].at >= WORTH_NS:
            text += f", in {duration_ns(run[-1].at - run[0].at)}"
        self._put(
            replace(
                first,
                at=run[0].at if not data else first.at,
                frames=tuple(frame for one in run for frame in one.frames),
                acknowledgment=last.acknowledgment,
                length=sum(one.length for one in data),
                text=text,
            )
        )

    def _put(self, rung: Rung) -> None:
        place = self.count
        self.count += 1
        if len(self.front) < FRONT:
            self.front.append(rung)
            return
        self.back.append((place, rung))
        if len(self.back) > MOST_RUNGS - FRONT:
            place, rung = self.back.popleft()
            if rung.cited or (rung.notes and len(self.noted) < NOTED):
                self.noted.append((place, rung))
            else:
                self.left_out += len(rung.frames)

    def finish(self) -> tuple[tuple[Rung, ...], int]:
        """All rungs, and how many packets are in none of them."""
        self._end_run()
        return tuple(self._rungs()), self.left_out

    def _rungs(self) -> Iterator[Rung]:
        before = -1
        for place, rung in [*enumerate(self.front), *self.noted, *self.back]:
            missing = place - before - 1
            before = place
            yield rung if not missing else replace(rung, notes=(f"{missing:,} rungs left out above", *rung.notes))


def kind_of(data: list[Rung]) -> str:
    """What a run is made of: the middle of a record is plain data, its beginning says of what."""
    kinds = dict.fromkeys(one.text.rpartition(" x ")[2] for one in data if one.text != DATA)
    return next(iter(kinds), DATA)
