"""The only module that knows every stage: capture files in, a Report out."""

from __future__ import annotations

import gc
import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pcapdiag import report_figures, report_rows
from pcapdiag._build import compiled
from pcapdiag._version import __version__
from pcapdiag.connections import rows as connection_rows
from pcapdiag.connections.tracker import Tracker
from pcapdiag.errors import CaptureError, UsageError
from pcapdiag.exchanges import rows as exchange_rows
from pcapdiag.model.report import CaptureInfo, Quality, Report
from pcapdiag.model.tables import Column, ConnectionTable, ExchangeTable, Taken, from_matrix
from pcapdiag.model.words import Opening, Side
from pcapdiag.packets.source import Counters, Progress, read_captures
from pcapdiag.pools.partition import aliases, partition
from pcapdiag.pools.pool import Pool
from pcapdiag.pools.state_timeline import SELF_ENDING, steps_of
from pcapdiag.redacting import Names
from pcapdiag.rules import all_rules
from pcapdiag.rules.judging import judge
from pcapdiag.rules.rule import Desk, many
from pcapdiag.segments.decoder import LINKTYPE_NAMES, REASONS, Decoder
from pcapdiag.settings import catalog

Paths: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"


@dataclass(frozen=True)
class Options:
    """What of a capture to look at.

    ``client`` and ``server`` are an address, a network (CIDR) or an address and port; ``client_product`` and
    ``server_product`` say which program is there, by its id in the catalogue of settings; ``since`` and ``until`` are
    nanoseconds since the epoch, or since the first packet for the ``_relative`` ones.  Connections that were alive in
    the time are kept whole.  ``with_figures`` adds what charts are drawn from;
    ``redact`` gives addresses, hosts and files names that say nothing (:mod:`pcapdiag.redacting`);
    ``most_pools`` bounds the time that judging takes, None for all: see :func:`pcapdiag.pools.partition.partition`.
    """

    client: str | None = None
    server: str | None = None
    port: int | None = None
    since: int | None = None
    until: int | None = None
    since_relative: int | None = None
    until_relative: int | None = None
    with_connections: bool = False
    client_product: str | None = None
    server_product: str | None = None
    with_figures: bool = False
    redact: bool = False
    most_pools: int | None = None


@dataclass(frozen=True)
class Tables:
    """What the packet path made of a capture."""

    connections: ConnectionTable
    exchanges: ExchangeTable
    counters: Counters
    segments: int
    undecoded: dict[str, int]
    duplicates: int


@dataclass(frozen=True)
class Selection:
    """Which of a capture's connections are looked at.

    Attributes:
        alias: for each connection the number of the one that it repeats, 0 for none.
        chosen: those that pass the filters.
        start, end: of the capture, nanoseconds since the epoch.
    """

    alias: Column
    chosen: NDArray[np.bool_]
    start: int
    end: int

    @property
    def keep(self) -> NDArray[np.bool_]:
        """Those that pass the filters, each once."""
        return np.asarray(self.chosen & (self.alias == 0))


def analyze(paths: Paths, options: Options | None = None, progress: Progress | None = None) -> Report:
    """Diagnose captures, taken as one.

    Args:
        paths: a path, or several; ``-`` is standard input.
        options: which connections; all by default.
        progress: called with the bytes read and the bytes in all (None where unknown).

    Raises:
        CaptureError: a file cannot be read, or holds nothing that can be analysed.
        UsageError: an option makes no sense.
    """
    options = options or Options()
    checked(options)
    names = named(paths)
    return judged(names, read_tables(names, progress), options)


def checked(options: Options) -> None:
    """Raise a UsageError for a product that nobody knows, ahead of the work."""
    for product in (options.client_product, options.server_product):
        if product is not None:
            catalog.product(product)


def judged(
    paths: Sequence[str],
    tables: Tables,
    options: Options,
    look: Callable[[Sequence[Pool], ConnectionTable], None] | None = None,
) -> Report:
    """The Report on tables that were read from these paths; ``look`` sees the pools before they are let go of."""
    selection = select(paths, tables, options)
    if options.redact:
        tables = redacted(tables, names_of(tables))
    connections, keep = tables.connections, selection.keep
    capture = capture_info(tables, selection.alias)
    desk = Desk(
        tables.counters.file_starts, options.client_product, options.server_product, tables.counters.dropped_share
    )
    pools = partition(connections, tables.exchanges, keep, selection.start, selection.end, options.most_pools)
    left_out = int(keep.sum()) - sum(len(pool.rows) for pool in pools)
    if left_out:
        note = f"only the {len(pools):,} pools with the most packets were looked at, {left_out:,} connections were not"
        capture = replace(capture, quality=replace(capture.quality, notes=(*capture.quality.notes, note)))
    del tables  # the exchanges are the pools' now
    if look is not None:
        look(pools, connections)
    judgement = judge(pools, all_rules(), desk)
    repeated = np.where(selection.chosen, selection.alias, 0)
    rows = report_rows.connection_rows(connections, pools, repeated, desk) if options.with_connections else ()
    figures = None
    if options.with_figures:
        figures = report_figures.figures(
            pools, connections.take(np.flatnonzero(keep)), judgement.findings, desk, selection.start, selection.end
        )
    return Report(
        capture=capture,
        verdict=judgement.verdict,
        findings=judgement.findings,
        pools=tuple(report_rows.pool_row(pool, desk) for pool in taken_out(pools)),
        connections=rows,
        connection_count=int(keep.sum()),
        not_evaluated=judgement.not_evaluated,
        version=__version__,
        figures=figures,
    )


def named(paths: Paths) -> tuple[str, ...]:
    """One path or several, as strings."""
    if isinstance(paths, str | os.PathLike):
        return (os.fspath(paths),)
    return tuple(os.fspath(path) for path in paths)


def select(paths: Sequence[str], tables: Tables, options: Options) -> Selection:
    """Apply the filters.

    Raises:
        CaptureError: there is no connection at all.
        UsageError: none passes.
    """
    connections, counters = tables.connections, tables.counters
    if not len(connections):
        raise nothing_to_analyse(paths, tables)
    start = counters.first_at or 0
    end = max(counters.last_at or 0, int(connections.last_at.max()))  # a clock may step back
    selection = Selection(aliases(connections), chosen(connections, options, start), start, end)
    if not selection.keep.any():
        raise UsageError(
            f"none of the {len(connections):,} connections passes the filters; pcapdiag connections lists them"
        )
    return selection


def names_of(tables: Tables) -> Names:
    """The names that a redacted report has for what these tables name."""
    return Names(tables.connections, [path for _, path in tables.counters.file_starts])


def redacted(tables: Tables, names: Names) -> Tables:
    """The tables with the new names, filters having been applied to the old ones."""
    return replace(files_called(tables, names.files), connections=names.connections())


def files_called(tables: Tables, names: Mapping[str, str]) -> Tables:
    """The tables with other names for the files that they were read from."""
    longest_first = sorted(names, key=len, reverse=True)

    def line(text: str) -> str:
        """What is said of a file begins with its path."""
        path = next((path for path in longest_first if text.startswith(path)), "")
        return names[path] + text[len(path) :] if path else text

    counters = replace(
        tables.counters,
        file_starts=[(ahead, names[path]) for ahead, path in tables.counters.file_starts],
        damage=[line(text) for text in tables.counters.damage],
        notes=[line(text) for text in tables.counters.notes],
    )
    return replace(tables, counters=counters)


def taken_out(pools: list[Pool]) -> Iterator[Pool]:
    """Each pool in order, and let go of with what was computed for it: a scan's thousands would stay in memory."""
    pools.reverse()
    while pools:
        yield pools.pop()


def nothing_to_analyse(paths: Sequence[str], tables: Tables) -> CaptureError:
    """Why a readable capture gave no connection."""
    name = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    packets = tables.counters.packets
    if not packets:
        damage = f" ({tables.counters.damage[0]})" if tables.counters.damage else ""
        return CaptureError(
            name, f"no packets in it{damage}", expected="TCP packets", try_this="capture while there is traffic"
        )
    why = ", ".join(f"{reason}: {count:,}" for reason, count in tables.undecoded.items())
    linktypes = ", ".join(LINKTYPE_NAMES.get(kind, f"linktype {kind}") for kind in tables.counters.linktypes)
    return CaptureError(
        name,
        f"no TCP in its {many(packets, 'packet')} ({why})",
        expected="TCP over IPv4 or IPv6 on Ethernet, Linux SLL, NULL/LOOP, raw IP, PPP, Cisco HDLC or 802.11 "
        f"(this is {linktypes})",
        try_this="check the capture filter: tcpdump -i any -w FILE tcp",
    )


def chosen(connections: ConnectionTable, options: Options, start: int) -> NDArray[np.bool_]:
    """Connections that pass the filters."""
    keep = np.ones(len(connections), dtype=bool)
    for end, wanted in (("client", options.client), ("server", options.server)):
        if wanted:
            keep &= at_address(connections, end, wanted)
    if options.port is not None:
        keep &= connections.server_port == options.port
    since = options.since if options.since_relative is None else start + options.since_relative
    until = options.until if options.until_relative is None else start + options.until_relative
    if since is not None:
        keep &= connections.last_at >= since
    if until is not None:
        keep &= connections.first_at <= until
    return keep


def at_address(connections: ConnectionTable, end: str, wanted: str) -> NDArray[np.bool_]:
    """Connections whose client or server has an address, is in a network, or has an address and port."""
    text, port = wanted, None
    if wanted.startswith("["):
        text, _, rest = wanted[1:].partition("]")
        port = rest.removeprefix(":") or None
    elif wanted.count(":") == 1:
        text, _, port = wanted.partition(":")
    try:
        network = ipaddress.ip_network(text, strict=False)
        number = None if port is None else int(port)
    except ValueError:
        raise UsageError(
            f"--{end} {wanted!r} is no address, network (10.0.0.0/8) or address and port (10.0.0.7:8081)"
        ) from None
    column = connections.columns[f"{end}_ip"]
    inside = [
        index for index in np.unique(column).tolist() if ipaddress.ip_address(connections.strings[index]) in network
    ]
    keep = np.isin(column, inside)
    if number is not None:
        keep &= connections.columns[f"{end}_port"] == number
    return np.asarray(keep)


def capture_info(tables: Tables, alias: Column) -> CaptureInfo:
    """What was read, and what was wrong with it."""
    counters, c = tables.counters, tables.connections
    one_sided = (c.client_packets == 0) | ((c.server_packets == 0) & (c.opening == Opening.HANDSHAKE))
    return CaptureInfo(
        files=tuple(path for _, path in counters.file_starts),
        packets=counters.packets,
        tcp_segments=tables.segments,
        first_at=counters.first_at,
        last_at=counters.last_at,
        linktypes=tuple(dict.fromkeys(LINKTYPE_NAMES.get(kind, f"linktype {kind}") for kind in counters.linktypes)),
        quality=Quality(
            undecoded=tables.undecoded,
            truncated_packets=counters.cut_packets,
            duplicate_packets=tables.duplicates,
            dropped_packets=counters.dropped,
            gap_bytes=int(c.client_gap_bytes.sum() + c.server_gap_bytes.sum()),
            midstream_connections=int((c.opening == Opening.MIDSTREAM).sum()),
            one_sided_connections=int(one_sided.sum()),
            aliased_connections=int((alias > 0).sum()),
            time_steps_back=counters.steps_back,
            damage=tuple(counters.damage),
            notes=tuple(counters.notes),
        ),
        compiled=compiled(),
    )


def read_tables(paths: Sequence[str], progress: Progress | None = None) -> Tables:
    """Run the packet path over files, taken as one capture."""
    tracker = Tracker()
    decoder = Decoder(tracker)
    collecting = gc.isenabled()
    gc.disable()  # the tracker breaks its own cycles; walking its live objects again and again costs a third
    try:
        counters = read_captures(paths, decoder, progress)
        tracker.finish()
    finally:
        if collecting:
            gc.enable()
    return tables_of(tracker, decoder, counters)


def tables_of(tracker: Tracker, decoder: Decoder, counters: Counters) -> Tables:
    """The finished tables, connections in order of first packet, exchanges by connection; empties the tracker."""
    exchanges = tracker.exchanges
    connections = from_matrix(tracker.rows.wide_buffer, connection_rows.WIDE, tracker.rows.count)
    connections |= from_matrix(tracker.rows.narrow_buffer, connection_rows.NARROW, tracker.rows.count)
    table = ConnectionTable(connections, tracker.rows.strings.values)
    age(table, max(counters.last_at or 0, tracker.last_at))
    tracker.rows = connection_rows.ConnectionRows()  # frees the matrices before the other table is turned
    columns = from_matrix(exchanges.wide_buffer, exchange_rows.WIDE, exchanges.count)
    columns |= from_matrix(exchanges.narrow_buffer, exchange_rows.NARROW, exchanges.count)
    columns["connection"] -= 1
    del exchanges
    tracker.exchanges = exchange_rows.ExchangeRows()
    # Exchanges of one connection were stored in their order; sorting by connection keeps it.
    order = np.argsort(columns["connection"], kind="stable")
    return Tables(
        table,
        ExchangeTable(Taken(columns, order)),
        counters,
        decoder.segments,
        {reason: count for reason, count in zip(REASONS, decoder.undecoded, strict=True) if count},
        tracker.duplicates,
    )


def age(connections: ConnectionTable, end: int) -> None:
    """States that go on without a packet have done so when the capture goes on for long enough."""
    quiet = connections.last_at + QUIET <= end
    for side in (Side.CLIENT, Side.SERVER):
        column = connections.columns[f"{side.word}_state"]
        rows = np.flatnonzero(quiet & np.isin(column, SELF_ENDING))
        if len(rows):  # else it may be a column of zeros, which cannot be written to
            column[rows] = steps_of(connections.take(rows), side, end).at(end)


QUIET = 1_000_000_000  # ns; nothing is on its way any more, and none of these states ends sooner
