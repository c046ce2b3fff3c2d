"""How a client's pool, and the server behind it, treat connections: what a replay is run under."""

from __future__ import annotations

from dataclasses import dataclass

from pcapdiag.model.words import Side


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and habits; times in nanoseconds, None for no limit.

    Attributes:
        reuse: whether a connection that served a request is ever used again.
        idle_limit: how many idle connections are kept.
        evicts_oldest: a connection that comes back to a full pool takes the place of the one idle longest, instead of
            being closed itself.
        counts_busy: the idle limit is compared with all open connections.
        newest_first: the connection that came back last is taken first.
        shares_dials: a request that waits for its dial takes a connection that comes back meanwhile, the oldest request
            first; a dialled one that its request needs no more goes to whoever waits longest, or into the pool (Go's
            ``http.Transport``).  Else the request that dialled takes what it dialled.
        idle_timeout, lifetime, requests: of the client, and likewise of the server; a lifetime is looked at when a
            connection comes back and when it is taken.
        max_connections: open and dialling ones together; a request beyond it waits for its turn.
        heeds_requests, heeds_responses: a request that asked for the close, or a response that announced it, ends its
            connection.
    """

    reuse: bool = True
    idle_limit: int | None = None
    evicts_oldest: bool = False
    counts_busy: bool = False
    newest_first: bool = True
    shares_dials: bool = False
    idle_timeout: int | None = None
    lifetime: int | None = None
    requests: int | None = None
    max_connections: int | None = None
    server_idle_timeout: int | None = None
    server_lifetime: int | None = None
    server_requests: int | None = None
    heeds_requests: bool = True
    heeds_responses: bool = True

    @property
    def timer(self) -> tuple[int | None, Side]:
        """The idle timer that fires first, and whose it is."""
        mine, theirs = self.idle_timeout, self.server_idle_timeout
        if theirs is None or (mine is not None and mine <= theirs):
            return mine, Side.CLIENT
        return theirs, Side.SERVER

    @property
    def age_limit(self) -> tuple[int | None, Side]:
        """Likewise the lifetime."""
        mine, theirs = self.lifetime, self.server_lifetime
        if theirs is None or (mine is not None and mine <= theirs):
            return mine, Side.CLIENT
        return theirs, Side.SERVER

    @property
    def use_limit(self) -> tuple[int | None, Side]:
        """Likewise the limit on requests."""
        mine, theirs = self.requests, self.server_requests
        if theirs is None or (mine is not None and mine <= theirs):
            return mine, Side.CLIENT
        return theirs, Side.SERVER
