"""Everything that a report needs, imported and read ahead of time."""

from __future__ import annotations


def rehearse() -> None:
    from pcapdiag import settings  # noqa: F401
