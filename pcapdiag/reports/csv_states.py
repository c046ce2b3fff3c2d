"""Connections by state for a spreadsheet: :data:`COLUMNS` is the contract, in this order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from pcapdiag.model.report import Endpoint
from pcapdiag.model.states import StateReport
from pcapdiag.reports.escape import csv_cell
from pcapdiag.reports.json_states import STATES, lines
from pcapdiag.reports.units import rfc3339

# Column -> meaning.  Unknown is an empty cell.
COLUMNS = {
    "at": "the moment, RFC 3339 UTC",
    "end": "client or server: whose sockets are counted",
    "client_ip": "of the connections counted; empty where they are those of all clients",
    "server_ip": "of the connections counted; empty where they are those to all services",
    "server_port": "",
    "pool": "id of the pool counted",
    **{state: f"sockets in {state}" for state in STATES},
}


def states(report: StateReport) -> Iterator[str]:
    """The header line, then a line per group, end and moment (RFC 4180, CRLF)."""
    yield _line(list(COLUMNS))
    for at, end, group, counts in lines(report):
        server = group.server or Endpoint("")
        keys = (group.client_ip or "", server.ip, str(server.port or ""), group.pool or "")
        yield _line([rfc3339(at), end, *map(csv_cell, keys), *map(str, counts)])


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
