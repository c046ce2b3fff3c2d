"""What the pools of one service add up to in one capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pcapdiag.model.report import CaptureInfo, Inferred, PoolRow
from pcapdiag.model.words import Knob

# From the strongest to the weakest that a count of requests can be.
WORTH = ("exact", "lower_bound", "turns")


@dataclass(frozen=True)
class Use:
    """Sums over pools; what limits a single pool, such as its peak, is that of the largest."""

    pools: tuple[PoolRow, ...]
    name: str = ""  # what sentences call the capture: BEFORE or AFTER
    length_ns: int = 0  # of the capture

    def total(self, name: str) -> int:
        return sum(getattr(pool, name) for pool in self.pools)

    def most(self, name: str) -> int:
        return max((getattr(pool, name) for pool in self.pools), default=0)

    @cached_property
    def requests(self) -> int:
        return self.total("requests")

    @cached_property
    def connections(self) -> int:
        return self.total("connections")

    @cached_property
    def opens(self) -> int:
        """Handshakes that the capture shows."""
        return self.total("opens")

    @cached_property
    def used(self) -> int:
        """Connections that carried a request."""
        return sum(count for pool in self.pools for requests, count in pool.requests_per_connection.items() if requests)

    @cached_property
    def avoidable(self) -> int:
        """Handshakes beyond those that the requests in flight at once need: a pool without limits pays none of them."""
        return sum(max(0, pool.opens - max(pool.peak_busy, 1)) for pool in self.pools)

    @cached_property
    def used_once(self) -> int:
        """Connections that carried a single request."""
        return sum(pool.requests_per_connection.get(1, 0) for pool in self.pools)

    @cached_property
    def dials(self) -> int:
        """Attempts to connect, whatever came of them."""
        return sum(pool.connections - pool.openings.get("midstream", 0) for pool in self.pools)

    @cached_property
    def failed_dials(self) -> int:
        return sum(pool.openings.get("refused", 0) + pool.openings.get("unanswered", 0) for pool in self.pools)

    @cached_property
    def midstream(self) -> int:
        return sum(pool.openings.get("midstream", 0) for pool in self.pools)

    @cached_property
    def lost_requests(self) -> int:
        """Connections that closed with a request open."""
        return sum(pool.close_classes.get("open_request", 0) for pool in self.pools)

    @cached_property
    def left_open(self) -> int:
        """Connections open at the end, beyond those that the requests in flight need."""
        return sum(max(0, pool.closers.get("none", 0) - pool.peak_busy) for pool in self.pools)

    @cached_property
    def peak_busy(self) -> int:
        return self.most("peak_busy")

    @property
    def all_busy(self) -> int:
        """The peaks of all pools together: the most that may have been in flight at once."""
        return self.total("peak_busy")

    @property
    def burst(self) -> float:
        """How many connections a lull ends, or a rush opens, at a time: half of the most in flight."""
        return max(1.0, self.peak_busy / 2)

    @cached_property
    def requests_per_second(self) -> float | None:
        rates = [pool.requests_per_second for pool in self.pools if pool.requests_per_second is not None]
        return sum(rates) if rates else None

    @cached_property
    def opens_per_second(self) -> float:
        return sum(pool.opens_per_second or 0.0 for pool in self.pools)

    @cached_property
    def worth(self) -> str:
        return weakest([pool.requests_basis for pool in self.pools])

    def time_wait(self, side: str) -> int:
        return sum(pool.time_wait_closes.get(side, 0) for pool in self.pools)

    def inferred(self, knob: Knob, owner: str) -> Inferred | None:
        """The reading that rests on most connections."""
        found = [item for pool in self.pools for item in pool.inferred if item.knob == knob and item.owner == owner]
        return max(found, key=lambda item: item.count, default=None)

    def names(self, attribute: str) -> tuple[str, ...]:
        """What the pools say of themselves, the commonest first; what is not known is left out."""
        weights: dict[str, int] = {}
        for pool in self.pools:
            value = getattr(pool, attribute)
            if value is not None:
                weights[value] = weights.get(value, 0) + pool.connections
        return tuple(sorted(weights, key=lambda name: (-weights[name], name)))

    def first_byte(self, which: str) -> tuple[float | None, int]:
        """Median or 95th percentile of the wait in nanoseconds, and the requests it rests on.

        Of several pools it is the mean by requests: the percentile of all lies among those of the pools.
        """
        waits = [pool.first_byte for pool in self.pools if pool.first_byte is not None]
        count = sum(wait.count for wait in waits)
        if not count:
            return None, 0
        return sum(float(getattr(wait, which)) * wait.count for wait in waits) / count, count


def weakest(bases: Sequence[str]) -> str:
    return max(bases, key=WORTH.index, default="exact")


def span(capture: CaptureInfo) -> int:
    """Nanoseconds from a capture's first packet to its last."""
    return 0 if capture.first_at is None or capture.last_at is None else capture.last_at - capture.first_at
