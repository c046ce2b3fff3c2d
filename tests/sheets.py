"""Sheets made by hand, and those of this repository's captures, made once."""

from __future__ import annotations

from functools import cache
from typing import Any

import mock_reports as mock
from analyses import path_of

from pcapdiag.capture import Capture, read
from pcapdiag.interchange.columns import Kind, Layout
from pcapdiag.interchange.connections import CONNECTIONS
from pcapdiag.interchange.sheet import Sheet, listed
from pcapdiag.model.report import ConnectionRow

# A value of each kind that is nobody's default.
PLAIN: dict[Kind, Any] = {
    Kind.NUMBER: 7,
    Kind.SECONDS: 310_000,
    Kind.TIME: mock.FIRST_AT,
    Kind.FLAG: True,
    Kind.OBJECT: '{"a": 1}',
    Kind.NUMBERS: [3, 1],
    Kind.TEXTS: ["a", "b"],
    Kind.TEXT: "text",
}


def sheet(layout: Layout, *rows: dict[str, Any]) -> Sheet:
    """Rows by column; a column that a row does not name has a plain value of its kind."""
    plain = {column.name: column.words[0] if column.words else PLAIN[column.kind] for column in layout.columns}
    assert all(name in plain for row in rows for name in row)
    return Sheet(
        layout,
        {column.name: listed(column, [(plain | row)[column.name] for row in rows]) for column in layout.columns},
    )


def cells_of(row: ConnectionRow) -> dict[str, Any]:
    """A row of the Report as a row of the table."""
    own = {name: getattr(row, name) for name in CONNECTIONS.names if hasattr(row, name)}
    for side in ("client", "server"):
        end = getattr(row, side)
        own |= {f"{side}_ip": end.ip, f"{side}_port": end.port}
    for name in ("handshake_rtt", "linger"):
        own[f"{name}_s"] = getattr(row, f"{name}_ns")
    for name in ("first", "last", "closing"):
        frame = getattr(row, f"{name}_frame")
        own[f"{name}_frame"] = None if frame is None else frame.number
        own[f"{name}_file"] = None if frame is None else frame.file
    assert set(own) == set(CONNECTIONS.names)
    return own


def connections(*rows: dict[str, Any]) -> Sheet:
    """The connections of :func:`mock_reports.connection` with these changes, as a table."""
    return sheet(CONNECTIONS, *(cells_of(mock.connection(**changes)) for changes in rows))


@cache
def capture_of(name: str) -> Capture:
    """A capture of this repository."""
    return read(path_of(name))
