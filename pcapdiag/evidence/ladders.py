"""Ladders of chosen connections, all of them in one walk over the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pcapdiag.evidence.choosing import Wanted, wanted
from pcapdiag.evidence.citing import Citation, cited_frames
from pcapdiag.evidence.ladder import Drawing
from pcapdiag.evidence.walking import Raw, walk
from pcapdiag.model.figures import Ladder
from pcapdiag.model.report import Endpoint, FrameRef
from pcapdiag.model.tables import ConnectionTable
from pcapdiag.packets.source import Progress
from pcapdiag.segments.segment import Segment


def ladders_of(
    paths: Sequence[str],
    connections: ConnectionTable,
    numbers: Sequence[int],
    cited: Mapping[int, Sequence[Citation]],
    frame_of: Callable[[int], FrameRef],
    *,
    pools: Mapping[int, str] | None = None,
    ends_at: int = 0,
    progress: Progress | None = None,
) -> tuple[Ladder, ...]:
    """Draw connections.

    Args:
        paths: those that the table was made of; they are read again, so not standard input.
        connections: the whole capture's.
        numbers: which of them to draw, in this order.
        cited: what findings say of them, by number: :func:`pcapdiag.evidence.citing.citations`.
        frame_of: a frame of the whole capture as its file counts it: ``Desk(counters.file_starts).frame``.
        pools: connection number to the id of its pool.
        ends_at: when the capture ended, nanoseconds; 0 where silences up to it are not to be told.

    Raises:
        CaptureError: a file cannot be read any more.
    """
    chosen = wanted(connections, numbers)
    if not chosen:
        return ()
    drawings = {one.number: drawing(one, connections, cited.get(one.number, ()), frame_of) for one in chosen}

    def take(one: Wanted, segment: Segment, raw: Raw) -> None:
        drawings[one.number].take(segment)

    walk(paths, chosen, take, progress)
    pools = pools or {}
    return tuple(
        drawings[number].finish([str(one) for one in cited.get(number, ())], pools.get(number), ends_at)
        for number in dict.fromkeys(numbers)
    )


def drawing(one: Wanted, c: ConnectionTable, cited: Sequence[Citation], frame_of: Callable[[int], FrameRef]) -> Drawing:
    """The beginning of a connection's ladder."""
    row = one.number - 1
    client = Endpoint(c.address(int(c.client_ip[row])), int(c.client_port[row]))
    server = Endpoint(c.address(int(c.server_ip[row])), int(c.server_port[row]))
    return Drawing(one, client, server, cited_frames(cited), frame_of)
