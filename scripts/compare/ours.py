"""What pcapdiag says of a capture, as one :class:`Row` per connection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compare.streams import Endpoint
from pcapdiag.model.words import CloseKind, Count, Opening, Protocol, Side
from pcapdiag.pipeline import Tables, read_tables


@dataclass
class Row:
    """A connection; ``first_fin`` and ``first_rst`` name the endpoint that sent it."""

    number: int
    client: Endpoint
    server: Endpoint
    first_frame: int
    last_frame: int
    packets: int
    opening: Opening
    roles_inferred: bool
    syn_count: int
    synack_count: int
    retransmissions: int
    completeness: int
    first_fin: Endpoint | None
    first_rst: Endpoint | None
    closer: Side
    initiator: Side
    close_kind: CloseKind
    requests: int
    responses: int
    duplicates: int
    basis: Count
    protocol: Protocol


def read(path: Path) -> tuple[list[Row], Tables]:
    """Run the packet path over one capture."""
    tables = read_tables([str(path)])
    c = tables.connections
    rows = []
    for i in range(len(c)):
        client = (c.address(c.client_ip[i]), int(c.client_port[i]))
        server = (c.address(c.server_ip[i]), int(c.server_port[i]))
        rows.append(
            Row(
                number=i + 1,
                client=client,
                server=server,
                first_frame=int(c.first_frame[i]),
                last_frame=int(c.last_frame[i]),
                packets=int(c.client_packets[i] + c.server_packets[i] + c.duplicates[i]),
                opening=Opening(c.opening[i]),
                roles_inferred=bool(c.roles_inferred[i]),
                syn_count=int(c.syn_count[i]),
                synack_count=int(c.synack_count[i]),
                retransmissions=int(c.client_retransmitted[i] + c.server_retransmitted[i]),
                completeness=int(c.completeness[i]),
                first_fin=earlier(client, int(c.client_fin_frame[i]), server, int(c.server_fin_frame[i])),
                first_rst=earlier(client, int(c.client_rst_frame[i]), server, int(c.server_rst_frame[i])),
                closer=Side(c.closer[i]),
                initiator=Side(c.initiator[i]),
                close_kind=CloseKind(c.close_kind[i]),
                requests=int(c.requests[i]),
                responses=int(c.responses[i]),
                duplicates=int(c.duplicates[i]),
                basis=Count(c.basis[i]),
                protocol=Protocol(c.protocol[i]),
            )
        )
    return rows, tables


def earlier(one: Endpoint, at: int, other: Endpoint, other_at: int) -> Endpoint | None:
    """Whose frame came first; 0 is none."""
    if at and (not other_at or at < other_at):
        return one
    return other if other_at else None
