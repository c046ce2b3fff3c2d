"""What a post-mortem report draws: connections over time, levels, distributions, ladders.

Made on request only, by :mod:`pcapdiag.report_figures` and, where packets are needed, :mod:`pcapdiag.evidence`.  Times are
nanoseconds since the epoch, durations nanoseconds.  Text of packets is not yet escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pcapdiag.model.report import Endpoint, FrameRef


@dataclass(frozen=True, slots=True)
class Bar:
    """One connection on the timeline: dialled, busy and idle, closed by whom."""

    number: int
    pool: str | None
    opened_at: int
    ready_at: int  # end of the handshake; ``opened_at`` where it was not seen
    ended_at: int  # its close, the capture's end where it stayed open, the last SYN of a dial without an answer
    closer: str  # whose FIN or RST came first: "client", "server", "none" (open)
    close_class: str  # a word of ``CloseClass``
    requests: int
    opening: str  # a word of ``Opening``
    busy: tuple[int, ...]  # start, end, start, end, ...; intervals nearer than ``Figures.resolution_ns`` are one
    first_frame: FrameRef
    last_frame: FrameRef
    client_port: int  # the other three of its addresses and ports are those of its pool


@dataclass(frozen=True)
class Level:
    """A step function: ``values[i]`` from ``at[i]`` on.

    Where it has too many steps, the highest and the lowest value of each stretch stay.
    """

    at: tuple[int, ...]
    values: tuple[int, ...]


@dataclass(frozen=True)
class Silence:
    """A silence of a connection, and what ended it."""

    connection: int
    ns: int
    end: str  # "request" (used again), "client", "server" (closed it), "open" (the capture ended)


@dataclass(frozen=True)
class PoolFigure:
    """The charts of one pool; its numbers are in the PoolRow of the same id."""

    pool: str
    open: Level
    busy: Level
    idle: Level
    silences: tuple[Silence, ...]  # where there are too many an even sample with the longest of each end in it
    first_byte_ns: tuple[int, ...]  # of each request, in order of time; a sample likewise
    first_byte_connections: tuple[int, ...]  # on which connection each of them was
    silence_count: int = 0  # in all: more than ``silences`` where those are a sample
    first_byte_count: int = 0  # likewise of ``first_byte_ns``


@dataclass(frozen=True)
class StatesFigure:
    """Sockets in each TCP state over time at one end, as netstat there would count them."""

    end: str  # "client" or "server"
    moments: tuple[int, ...]  # of both ends; all at which a count changes, or even steps where those are too many
    counts: Mapping[str, tuple[int, ...]]  # states that never occur are left out
    peaks: Mapping[str, int]  # the most at once, between the moments too


@dataclass(frozen=True, slots=True)
class Rung:
    """One packet of a ladder, or a run of packets alike."""

    at: int
    side: str  # who sent it: "client" or "server"
    frames: tuple[FrameRef, ...]  # one, or those of a run
    flags: str  # as tcpdump writes them: "S", "S.", "P.", "F.", "R"
    sequence: int | None  # relative to the initial sequence number; None where that was not seen
    acknowledgment: int | None
    length: int  # payload bytes, of all packets of a run together
    text: str  # "SYN", "GET /orders HTTP/1.1", "ClientHello api.example.com", "200 OK, Connection: close", "FIN", ...
    notes: tuple[str, ...] = ()  # an analyst's: "retransmission", "closes first, 0.4 ms after the response"
    cited: bool = False  # a finding names this frame as its proof


@dataclass(frozen=True)
class Ladder:
    """One connection, packet by packet."""

    connection: int
    client: Endpoint
    server: Endpoint
    pool: str | None
    rungs: tuple[Rung, ...]
    left_out: int  # packets in none of the rungs: of very long connections the middle is not drawn
    shows: tuple[str, ...]  # what findings cite it for: "PD205: 4 requests, then closed by the client after 0.72 ms"


@dataclass(frozen=True)
class Figures:
    """All charts of a report."""

    bars: tuple[Bar, ...]  # in order of opening
    resolution_ns: int
    pools: tuple[PoolFigure, ...]  # of the largest pools and those of findings, in the order of the Report's
    states: tuple[StatesFigure, ...]
    ladders: tuple[Ladder, ...] = ()  # of the connections that findings cite
    bars_left_out: int = 0  # connections without a bar, where there are too many; those that findings cite have one
    ladders_left_out: str = ""  # why there are none, where that is so: the capture came from standard input, ...
