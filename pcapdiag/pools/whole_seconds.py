"""What Redis's ``timeout`` may be, from the silences that it ended.

Redis (and Valkey) compares whole seconds of a clock that it reads ten times a second, and looks at each client once a
second, at the latest (``clientsCronHandleTimeout`` and ``clientsCron`` in its source).  So a client is closed when more
whole seconds have passed than ``timeout`` says, and the round reaches it.  Measured with Redis 7.0: 1.02 to 2.01 s for 1.
"""

from __future__ import annotations

from pcapdiag.pools.pool import MILLISECOND, SECOND

# server.hz is 10: that old is the clock that stamps a client's last command.
TICK = 100 * MILLISECOND
# A second to the next whole one, a second until the round has come to every client, and a tick of the clock.
LATEST = 2 * SECOND + TICK


def timeout_bracket(shortest: int, longest: int) -> tuple[int, int] | None:
    """The settings, in nanoseconds, that explain silences from the shortest to the longest; None where none does."""
    low, high = max(longest - LATEST, 0), shortest + TICK
    return (low, high) if whole(low, high) else None


def whole(low: int, high: int) -> list[int]:
    """The whole seconds in a bracket; 0 would be no timeout at all."""
    return list(range(max(-(-low // SECOND), 1), high // SECOND + 1))
