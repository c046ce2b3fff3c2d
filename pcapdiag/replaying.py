"""Capture files and other settings in, what the same requests would come to out: what ``pcapdiag whatif`` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcapdiag import pipeline
from pcapdiag.model.whatif import WhatIf
from pcapdiag.packets.source import Progress
from pcapdiag.pipeline import Options, Paths
from pcapdiag.pools.partition import partition
from pcapdiag.rules.predicting import whatif_of
from pcapdiag.rules.rule import Desk
from pcapdiag.settings.naming import assignment


def whatif(
    paths: Paths,
    settings: Sequence[str] | Mapping[str, object] = (),
    options: Options | None = None,
    progress: Progress | None = None,
) -> WhatIf:
    """What the pools of a capture would come to under other settings.

    Args:
        paths: a path, or several; ``-`` is standard input.
        settings: ``{"MaxIdleConnsPerHost": 50}``, or "NAME=VALUE" each; none for those that the pools' own churn calls
            for.
        options: which connections; all by default.
        progress: called with the bytes read and the bytes in all (None where unknown).

    Raises:
        CaptureError: a file cannot be read, or holds nothing that can be analysed.
        UsageError: an option makes no sense, or a setting fits no pool.
    """
    texts = [f"{name}={value}" for name, value in settings.items()] if isinstance(settings, Mapping) else settings
    asked = [assignment(text) for text in texts]
    options = options or Options()
    names = pipeline.named(paths)
    tables = pipeline.read_tables(names, progress)
    selection = pipeline.select(names, tables, options)
    if options.redact:
        tables = pipeline.redacted(tables, pipeline.names_of(tables))
    pools = partition(tables.connections, tables.exchanges, selection.keep, selection.start, selection.end)
    starts = tables.counters.file_starts
    desk = Desk(starts, options.client_product, options.server_product)
    return whatif_of(pools, asked, desk, tuple(path for _, path in starts))
