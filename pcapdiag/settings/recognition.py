"""Which program is at the other end, from what it says of itself (``data/recognition.toml``).

An application may set any User-Agent, and many servers name nothing; so "unknown" is an ordinary answer,
and a guess from the order of headers is never better than medium.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pcapdiag.model.words import Confidence
from pcapdiag.settings.entries import Recognised


@dataclass(frozen=True)
class Sign:
    """One way to recognise a program; every pattern given must match."""

    product_id: str | None
    name: str
    confidence: Confidence
    reason: str
    header: str | None  # a regular expression, in any case: of the User-Agent or Server header
    order: str | None  # of the header names joined by commas
    keep_alive: str | None  # of the Keep-Alive response header


def recognise_client(user_agent: str | None, header_order: Sequence[str] = ()) -> Recognised:
    """The client library.

    Args:
        user_agent: the User-Agent of its requests; None or "" when they have none.
        header_order: the names of a request's headers as they came, in any case.
    """
    order = ",".join(header_order)
    for sign in _signs("client"):
        if _matches(sign.header, user_agent or "") and _matches(sign.order, order):
            return Recognised(sign.product_id, sign.name, sign.confidence, sign.reason)
    if user_agent:
        return Recognised(None, "unknown client", Confidence.LOW, "the User-Agent names no library of the catalogue")
    return Recognised(None, "unknown client", Confidence.LOW, "no User-Agent seen")


def recognise_server(server_header: str | None, *, keep_alive: str | None = None) -> Recognised:
    """The server software.

    Args:
        server_header: the Server header of its responses; None or "" when they have none.
        keep_alive: the Keep-Alive header of its responses, a weak hint when there is no Server header.
    """
    for sign in _signs("server"):
        if sign.keep_alive is not None and server_header:
            continue
        if _matches(sign.header, server_header or "") and _matches(sign.keep_alive, keep_alive or ""):
            return Recognised(sign.product_id, sign.name, sign.confidence, sign.reason)
    if server_header:
        return Recognised(None, "unknown server", Confidence.LOW, "the Server header names no product of the catalogue")
    return Recognised(
        None,
        "unknown server",
        Confidence.LOW,
        "no Server header: Go, Node.js, Tomcat, HAProxy and others send none",
    )


def _matches(pattern: str | None, text: str) -> bool:
    return pattern is None or _compiled(pattern).search(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when first tried: most captures are recognised by the first few signs."""
    return re.compile(pattern, re.IGNORECASE)


@cache
def _signs(role: str) -> tuple[Sign, ...]:
    return tuple(sign for kind, sign in _all_signs() if kind == role)


@cache
def _all_signs() -> tuple[tuple[str, Sign], ...]:
    from pcapdiag.settings.reading import CatalogError, read_file

    file = read_file("recognition.toml")
    signs = []
    for role, header_key in (("client", "user_agent"), ("server", "server")):
        for table in file.tables(role):
            patterns = {}
            for key in (header_key, "header_order", "keep_alive"):
                patterns[key] = table.text(key, "") or None
            if not any(patterns.values()):
                raise CatalogError(f"{table.where}: no pattern")
            sign = Sign(
                product_id=table.text("product", "") or None,
                name=table.text("name"),
                confidence=Confidence(table.text("confidence", "high")),
                reason=table.text("reason"),
                header=patterns[header_key],
                order=patterns["header_order"],
                keep_alive=patterns["keep_alive"],
            )
            signs.append((role, sign))
            table.done()
    file.done()
    return tuple(signs)
