"""Who is at the two ends of a pool: from its columns to what the catalogue recognises programs by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pcapdiag.model.flags import REQUEST_HTTP10
from pcapdiag.model.tables import Column
from pcapdiag.model.words import CloseKind, Confidence, Protocol, Side
from pcapdiag.pools.pool import SECOND, Pool, once_per_pool
from pcapdiag.settings import catalog
from pcapdiag.settings.drivers import recognise_driver
from pcapdiag.settings.entries import Recognised

# Different heads of one pool that are looked at, the commonest first: a POST has other headers than a GET.
HEADS = 5
# What the framer puts behind the names of a head that the snaplen cut.
CUT = "..."
# A host name of one label; an address has dots or colons.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# Closes that look alike: two do by chance.
AGREEING = 3


# Servers told by their protocol alone; what stands in front of them speaks it too.
SPEAKERS = {
    Protocol.POSTGRES: Recognised(
        "postgresql",
        "PostgreSQL",
        Confidence.MEDIUM,
        "speaks PostgreSQL's protocol, as PgBouncer and databases that are compatible do too",
    ),
    Protocol.MYSQL: Recognised(
        "mysql", "MySQL", Confidence.MEDIUM, "speaks MySQL's protocol, as MariaDB, ProxySQL and others do too"
    ),
    Protocol.REDIS: Recognised(
        "redis-server", "Redis", Confidence.MEDIUM, "speaks Redis's protocol, as Valkey and others do too"
    ),
}


# Protocols of which no heads are read.
NAMELESS = {
    Protocol.POSTGRES: "nothing in its protocol names it",
    Protocol.REDIS: "nothing in its protocol names it",
    Protocol.MYSQL: "nothing in its protocol names it",
    Protocol.OPAQUE: "nothing that is read of its protocol names it",
    Protocol.HTTP2: "HTTP/2 compresses headers: they are not read",
}


# What speaks HTTP/2 without TLS, the likeliest first: browsers and most libraries offer it under TLS alone.
H2C = ("grpc-go", "grpc-java", "grpc-python", "go-net-http", "jdk-httpclient", "libcurl")
MOSTLY_GRPC = "HTTP/2 without TLS is mostly gRPC's; HTTP/2 compresses headers: they are not read"


HIDDEN = {
    Protocol.TLS: "TLS hides what it says of itself",
    Protocol.HTTP2: "HTTP/2 compresses headers: they are not read",
    Protocol.OPAQUE: "nothing that is read of its protocol names it",
}


@dataclass(frozen=True)
class Head:
    """Headers of a connection's first request or response."""

    order: tuple[str, ...]
    values: dict[str, str]
    whole: bool


@once_per_pool
def client_at(pool: Pool) -> Recognised:
    """The program that opens the pool's connections."""
    if pool.protocol in SPEAKERS or pool.protocol is Protocol.HTTP2:
        known = driver_at(pool)
        if known is not None:
            return known
    if pool.protocol is Protocol.HTTP2:
        return Recognised(None, "gRPC", Confidence.LOW, MOSTLY_GRPC, candidates=H2C)
    if pool.protocol in NAMELESS:
        return Recognised(None, "unknown client", Confidence.LOW, NAMELESS[pool.protocol], known=False)
    c = pool.connections
    name = pool.text("user_agent")
    http10 = bool((pool.exchanges.flags & REQUEST_HTTP10).any())
    hello = {"ja4": pool.text("ja4") or "", "alpn": pool.text("alpn") or ""}
    probed = probe_s(c.client_probe_ns)
    return most_telling(
        catalog.recognise_client(
            name,
            head.order,
            values=head.values,
            whole=head.whole,
            http10=http10,
            probe_s=probed,
            resets=resets(pool),
            block=block(pool),
            **hello,
        )
        for head in heads(pool, "header_order", "request_values")
    )


def driver_at(pool: Pool) -> Recognised | None:
    """The driver of a database's client by how it introduces itself; None where that names none."""
    best = None
    for head in heads(pool, "header_order", "request_values"):
        seen = recognise_driver(pool.protocol.word, head.order, head.values, whole=head.whole)
        if seen is not None and (best is None or seen.product_id in best.candidates):
            best = seen
    return best


@once_per_pool
def server_at(pool: Pool) -> Recognised:
    """The program that answers."""
    speaks = SPEAKERS.get(pool.protocol)
    if speaks is not None:
        return speaks
    name = pool.text("server_software")
    probed = probe_s(pool.connections.server_probe_ns)
    found = most_telling(
        catalog.recognise_server(name, header_order=head.order, values=head.values, whole=head.whole, probe_s=probed)
        for head in heads(pool, "response_order", "response_values")
    )
    if not found.known and name is None and pool.protocol in HIDDEN:
        return replace(found, reason=HIDDEN[pool.protocol])
    return found


def most_telling(results: Iterator[Recognised]) -> Recognised:
    """What the commonest head tells; a later one where that one is unknown, or narrows its candidates."""
    best = next(results)
    for seen in results:
        if (seen.known and not best.known) or (best.candidates and seen.product_id in best.candidates):
            best = seen
    return best


def heads(pool: Pool, order: str, values: str) -> Iterator[Head]:
    """The pool's different heads, the commonest first; one without headers where none was seen."""
    c = pool.connections
    orders, lines = c.columns[order], c.columns[values]
    rows = np.flatnonzero(orders > 0)
    if not len(rows):
        yield Head((), {}, True)
        return
    strings = len(c.strings)
    pairs, counts = np.unique(orders[rows].astype(np.int64) * strings + lines[rows], return_counts=True)
    for at in np.argsort(-counts, kind="stable")[:HEADS].tolist():
        first, second = divmod(int(pairs[at]), strings)
        names = (c.text(first) or "").split(",")
        whole = names[-1] != CUT
        pieces = (line.partition(": ") for line in (c.text(second) or "").split("\n"))
        yield Head(
            tuple(name for name in (names if whole else names[:-1]) if name),
            {name: value for name, _, value in pieces if name},
            whole,
        )


def block(pool: Pool) -> str:
    """The Host header where it is one label without a port, though the connection's port is no default one; else ""."""
    host = pool.text("host") or ""
    plain = int(pool.connections.server_port[0]) != 80 and pool.protocol is Protocol.HTTP1
    return host if plain and NAME.fullmatch(host) else ""


def resets(pool: Pool) -> bool:
    """Whether the client's closes are RSTs with nothing open: at least three, of one way."""
    c = pool.connections
    own = (c.closer == Side.CLIENT) & (c.open_request == 0) & (c.requests > 0)
    return int(own.sum()) >= AGREEING and bool((c.close_kind[own] == CloseKind.RST).all())


def probe_s(gaps: Column) -> float | None:
    """Seconds of silence ahead of the keepalive probes, the median of the connections that show some."""
    seen = gaps[gaps > 0]
    return float(np.median(seen)) / SECOND if len(seen) else None


def said(product_id: str, role: str) -> Recognised:
    """The user names the program."""
    return Recognised(product_id, catalog.product(product_id).name, Confidence.HIGH, f"said with --{role}")


# The kinds of a SYN's options in the order that a kernel writes them, four bits each: 2 MSS, 4 SACK permitted, 8
# timestamps, 3 window scale, 1 filler, 0 end (p0f's database; Linux: tcp_options_write).  And the hop limit it starts from.
SYSTEMS = {
    0x24813: ("Linux", 64),
    0x2114: ("Linux", 64),
    0x211413: ("Linux", 64),
    0x213114: ("Windows", 128),
    0x213118: ("Windows", 128),
    0x21311840: ("macOS", 64),
    0x2131184: ("macOS", 64),
}


@once_per_pool
def system_at(pool: Pool, role: str) -> str | None:
    """The operating system at one end; None where its SYNs were not captured, differ, or are like no known system's.

    A SYN-ACK leaves out what the SYN did not offer, so a server is told only by a full set.
    """
    c = pool.connections
    options, hops = c.columns[f"{role}_options"], c.columns[f"{role}_hops"]
    seen = options > 0
    if not seen.any():
        return None
    kinds = int(options.max())
    name, start = SYSTEMS.get(kinds, (None, 0))
    if name is None or (options[seen] != kinds).any():
        return None
    # More than 30 hops are not met: a hop limit below the start by more is another system's.
    likely = bool((hops[seen] <= start).all() and (hops[seen] > start - 32).all())
    return name if likely else None
