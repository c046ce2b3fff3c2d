"""Connections for a spreadsheet: :data:`COLUMNS` is the contract, in this order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import lru_cache

from pcapdiag.model.report import ConnectionRow, FrameRef, Report
from pcapdiag.reports.escape import csv_cell
from pcapdiag.reports.units import rfc3339, seconds

# Column -> meaning.  Unknown is an empty cell; booleans are true and false.
COLUMNS = {
    "number": "connection number, in order of the first packet, from 1",
    "client_ip": "the end that sent the SYN (inferred where roles_inferred)",
    "client_port": "",
    "server_ip": "",
    "server_port": "",
    "pool": "id of the pool it belongs to",
    "opening": "handshake, refused, unanswered or midstream",
    "opened_at": "time of the first packet, RFC 3339 UTC",
    "last_at": "time of the last packet",
    "handshake_rtt_s": "round trip of the handshake in seconds",
    "requests": "requests seen",
    "responses": "responses seen",
    "requests_basis": "exact, lower_bound (at least so many) or turns (an estimate from opaque bytes)",
    "closer": "who sent the first FIN or RST: client, server or none",
    "initiator": "who began the close: client, server, undecidable or none",
    "close_kind": "fin, rst or none",
    "close_class": "open, signalled, open_request, immediate, silent or unused",
    "linger_s": "silence before the close in seconds",
    "open_request_at_close": "true where a request had no complete response",
    "client_state": "implied TCP state of the client at the end of the capture",
    "server_state": "implied TCP state of the server at the end of the capture",
    "protocol": "http1, http2, tls, redis, postgres, opaque or unknown",
    "alpn": "protocol agreed in TLS",
    "sni": "server name asked for in TLS",
    "host": "Host of the first request",
    "user_agent": "User-Agent of the first request",
    "server_software": "Server header of the first response",
    "conn_state": "as Zeek",
    "history": "as Zeek",
    "completeness": "as Wireshark's tcp.completeness",
    "roles_inferred": "true where no SYN was captured",
    "client_packets": "packets the client sent",
    "server_packets": "",
    "client_bytes": "payload bytes the client sent",
    "server_bytes": "",
    "client_retransmitted": "segments the client sent again",
    "server_retransmitted": "",
    "client_out_of_order": "segments out of order",
    "server_out_of_order": "",
    "client_zero_window": "segments with a zero window",
    "server_zero_window": "",
    "client_keepalive_probes": "TCP keepalive probes",
    "server_keepalive_probes": "",
    "client_gap_bytes": "bytes never captured",
    "server_gap_bytes": "",
    "truncated_bytes": "bytes cut off by the snaplen",
    "duplicates": "packets captured twice and left out",
    "alias_of": "number of the same connection seen under other addresses",
    "first_frame": "frame number as in Wireshark (file:number with several files)",
    "last_frame": "",
    "closing_frame": "the first FIN or RST",
}


def connections(report: Report) -> Iterator[str]:
    """The header line, then a line per connection (RFC 4180, CRLF)."""
    yield _line(list(COLUMNS))
    for row in report.connections:
        yield _line([_cell(cell) for cell in _cells(row)])


def _cells(row: ConnectionRow) -> list[object]:
    return [
        row.number,
        row.client.ip,
        row.client.port,
        row.server.ip,
        row.server.port,
        row.pool,
        row.opening,
        rfc3339(row.opened_at),
        rfc3339(row.last_at),
        _seconds(row.handshake_rtt_ns),
        row.requests,
        row.responses,
        row.requests_basis,
        row.closer,
        row.initiator,
        row.close_kind,
        row.close_class,
        _seconds(row.linger_ns),
        row.open_request_at_close,
        row.client_state,
        row.server_state,
        row.protocol,
        row.alpn,
        row.sni,
        row.host,
        row.user_agent,
        row.server_software,
        row.conn_state,
        row.history,
        row.completeness,
        row.roles_inferred,
        row.client_packets,
        row.server_packets,
        row.client_bytes,
        row.server_bytes,
        row.client_retransmitted,
        row.server_retransmitted,
        row.client_out_of_order,
        row.server_out_of_order,
        row.client_zero_window,
        row.server_zero_window,
        row.client_keepalive_probes,
        row.server_keepalive_probes,
        row.client_gap_bytes,
        row.server_gap_bytes,
        row.truncated_bytes,
        row.duplicates,
        row.alias_of,
        _frame(row.first_frame),
        _frame(row.last_frame),
        None if row.closing_frame is None else _frame(row.closing_frame),
    ]


def _cell(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@lru_cache(maxsize=1_024)
def _text(value: str) -> str:
    """A text's cell: all but times repeat in row after row."""
    return csv_cell(value)


def _frame(frame: FrameRef) -> int | str:
    return frame.number if frame.file is None else f"{frame.file}:{frame.number}"


def _seconds(ns: int | None) -> str | None:
    return None if ns is None else f"{seconds(ns):.9f}"


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
