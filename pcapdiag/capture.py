"""A capture that was read but not judged: its connections and exchanges as tables for other programs."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from pcapdiag import pipeline, sheet_columns
from pcapdiag.interchange.sheet import Sheet
from pcapdiag.model.report import CaptureInfo, Report
from pcapdiag.packets.source import Progress
from pcapdiag.pipeline import Options, Paths, Tables
from pcapdiag.pools.partition import partition
from pcapdiag.sheet_columns import Membership


def read(paths: Paths, options: Options | None = None, progress: Progress | None = None) -> Capture:
    """Read captures, taken as one, without judging them.

    Args:
        paths: a path, or several; ``-`` is standard input.
        options: which connections; all by default.
        progress: called with the bytes read and the bytes in all (None where unknown).

    Raises:
        CaptureError: a file cannot be read, or holds no TCP connection.
        UsageError: no connection passes the filters, or an option makes no sense.
    """
    names = pipeline.named(paths)
    return Capture(names, pipeline.read_tables(names, progress), options or Options())


class Capture:
    """Connections and exchanges of one capture; made by :func:`read`.

    Attributes:
        paths: the files, as they were named.
        info: packets, times, link types, and what was wrong with them.
        connections: a row per connection; see ``docs/TABLES.md``.
        exchanges: a row per request with its response.
    """

    def __init__(self, paths: tuple[str, ...], tables: Tables, options: Options) -> None:
        self.paths = paths
        self._tables = tables
        self._options = options
        self._selection = pipeline.select(paths, tables, options)
        self._shown = pipeline.redacted(tables, pipeline.names_of(tables)) if options.redact else tables

    def __repr__(self) -> str:
        return f"<capture {', '.join(self.paths)}: {int(self._selection.keep.sum()):,} connections>"

    @cached_property
    def info(self) -> CaptureInfo:
        return pipeline.capture_info(self._shown, self._selection.alias)

    @cached_property
    def connections(self) -> Sheet:
        """All connections that pass the filters, repeated ones (``alias_of``) too."""
        return sheet_columns.connection_sheet(
            self._shown.connections,
            np.flatnonzero(self._selection.chosen),
            self._selection.alias,
            self._membership,
            self._shown.counters.file_starts,
        )

    @cached_property
    def exchanges(self) -> Sheet:
        """The exchanges of these connections, without those of repeated ones."""
        return sheet_columns.exchange_sheet(
            self._shown.connections,
            self._shown.exchanges,
            self._selection.keep,
            self._membership,
            self._shown.counters.file_starts,
        )

    def analyze(self) -> Report:
        """The Report on it, as :func:`pcapdiag.analyze` makes it, without reading the files again."""
        return pipeline.judged(self.paths, self._tables, self._options)

    @cached_property
    def _membership(self) -> Membership:
        tables, selection = self._shown, self._selection
        pools = partition(tables.connections, tables.exchanges, selection.keep, selection.start, selection.end)
        repeated = np.flatnonzero(selection.chosen & (selection.alias > 0))
        return Membership(tables.connections, tables.exchanges, pools, repeated, selection.end)
