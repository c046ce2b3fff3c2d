"""The truth beside a capture, from the log of requests and the kernel's events, never from the packets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lab.errors import LabError
from lab.kernel import Change
from lab.servers import Request

LEAVES = {"FIN_WAIT1": True, "CLOSE": True, "CLOSE_WAIT": False, "RESET": False}  # state -> of its own will
SLACK_S = 0.01  # between the kernel's clock and a log's, some of which keep milliseconds


@dataclass
class TrueConnection:
    """One connection, as the kernel and the server had it."""

    port: int  # the client's
    opened_at: float
    opening: str = "handshake"  # or refused, or unanswered: the client gave up, or was still waiting at the end
    requests: int = 0
    closed_at: float | None = None
    initiator: str = "none"  # who left ESTABLISHED first: client, server, none
    both_closed: bool = False  # the other end closed of its own will too, before it heard of it
    aborted: bool = False  # the first to leave did it with RST


@dataclass
class Truth:
    connections: list[TrueConnection] = field(default_factory=list)
    ss: dict[str, object] = field(default_factory=dict)
    unheard: tuple[int, ...] = ()  # client ports in FIN_WAIT_1 at the end: nobody has acknowledged the FIN
    front: dict[str, object] = field(default_factory=dict)  # the other leg, where the capture has both

    @property
    def requests(self) -> int:
        return sum(connection.requests for connection in self.connections)

    @property
    def per_connection(self) -> Counter[int]:
        return Counter(connection.requests for connection in self.connections)

    @property
    def initiators(self) -> Counter[str]:
        counts = Counter(connection.initiator for connection in self.connections)
        return Counter({side: counts[side] for side in ("client", "server", "none")})

    def keyed(self) -> dict[str, TrueConnection]:
        """By client port; where a port was used again, "40001#2" is its second connection."""
        seen: Counter[int] = Counter()
        keyed = {}
        for connection in self.connections:
            seen[connection.port] += 1
            ordinal = seen[connection.port]
            keyed[f"{connection.port}#{ordinal}" if ordinal > 1 else f"{connection.port}"] = connection
        return keyed

    def states(self, side: str) -> dict[str, int]:
        states = self.ss[side]
        assert isinstance(states, dict)
        return states

    def as_json(self) -> dict[str, object]:
        keyed = self.keyed()
        openings = Counter(c.opening for c in self.connections)
        return {
            "connections": len(self.connections),
            **({"opening": dict(openings)} if set(openings) - {"handshake"} else {}),
            "requests": self.requests,
            "requests_per_connection": {str(n): count for n, count in sorted(self.per_connection.items())},
            "by_port": {key: c.requests for key, c in keyed.items()},
            "initiator": dict(self.initiators),
            "initiator_by_port": {key: c.initiator for key, c in keyed.items()},
            "both_closed": [key for key, c in keyed.items() if c.both_closed],
            "aborted": [key for key, c in keyed.items() if c.aborted],
            **({"unheard": [f"{port}" for port in self.unheard]} if self.unheard else {}),
            "ss": self.ss,
        }


def build(
    changes: list[Change], requests: list[Request], client: str, port: int, waiting: tuple[int, ...] = ()
) -> list[TrueConnection]:
    """Join the kernel's events for a service with the log of its requests, in the order of opening.

    ``waiting`` are the client's ports that were still in SYN_SENT at the end.
    """
    connections: list[TrueConnection] = []
    by_port: dict[int, list[TrueConnection]] = {}
    for change in sorted(changes, key=lambda change: change.at):
        at_client = change.address == client and change.peer_port == port
        if not at_client and change.port != port:
            continue
        client_port = change.port if at_client else change.peer_port
        if at_client and change.old == "SYN_SENT" and change.new == "ESTABLISHED":
            connection = TrueConnection(client_port, change.at)
            connections.append(connection)
            by_port.setdefault(client_port, []).append(connection)
        elif at_client and change.old == "SYN_SENT" and client_port:  # without a port no SYN was ever sent
            connections.append(never_established(client_port, change))
        elif change.old == "ESTABLISHED" and change.new in LEAVES:
            left(by_port[client_port][-1], "client" if at_client else "server", change)
    for request in requests:
        candidates = [c for c in by_port.get(request.port, ()) if c.opened_at <= request.at + SLACK_S]
        if not candidates:
            raise LabError(f"the log has a request from port {request.port}, on which nothing was open")
        candidates[-1].requests += 1
    connections += [TrueConnection(client_port, 0.0, "unanswered") for client_port in waiting]
    return connections


def never_established(client_port: int, change: Change) -> TrueConnection:
    """A SYN that an RST answered, or that the client gave up."""
    if change.new == "RESET":
        return TrueConnection(client_port, change.at, "refused", closed_at=change.at, initiator="server", aborted=True)
    return TrueConnection(client_port, change.at, "unanswered")


def left(connection: TrueConnection, side: str, change: Change) -> None:
    """An end of the connection left ESTABLISHED: of its own will, or told to by a FIN or RST."""
    other = "client" if side == "server" else "server"
    begins = side if LEAVES[change.new] else other
    if connection.initiator == "none":
        connection.initiator = begins
        connection.closed_at = change.at
        connection.aborted = change.new in ("CLOSE", "RESET")
    elif begins != connection.initiator:
        connection.both_closed = True
