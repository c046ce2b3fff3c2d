"""Popular fixes that do not help, by cause (``data/not_the_fix.toml``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pcapdiag.model.words import Cause


@dataclass(frozen=True)
class WrongFix:
    text: str  # what people do, and why it does not help here
    causes: tuple[Cause, ...]
    products: tuple[str, ...]  # clients it is about; () for all
    not_for: tuple[str, ...]  # clients that have an entry of their own saying the same
    protocols: tuple[str, ...]  # what the connections speak where it is said; () for all
    source: str
    status: str


def not_the_fix(cause: Cause, client_product: str | None, protocol: str = "http") -> list[str]:
    """What not to do about a cause, likeliest mistake first.

    Args:
        cause: the cause that is claimed.
        client_product: the client's product id; None when unknown, which leaves out what is about one
            product.
        protocol: what the connections speak, as products name it (``http``, ``redis``, ``mysql``, ``postgres``).
    """
    return [
        fix.text
        for fix in wrong_fixes()
        if cause in fix.causes
        and (not fix.products or client_product in fix.products)
        and client_product not in fix.not_for
        and (not fix.protocols or protocol in fix.protocols)
    ]


@cache
def wrong_fixes() -> tuple[WrongFix, ...]:
    from pcapdiag.settings.reading import cause_of, read_file, status_of

    file = read_file("not_the_fix.toml")
    fixes = []
    for table in file.tables("wrong_fix"):
        fixes.append(
            WrongFix(
                text=table.text("text"),
                causes=tuple(cause_of(word, table.where) for word in table.texts("causes")),
                products=table.texts("products"),
                not_for=table.texts("not_for"),
                protocols=table.texts("protocols"),
                source=table.text("source"),
                status=status_of(table),
            )
        )
        table.done()
    file.done()
    return tuple(fixes)
