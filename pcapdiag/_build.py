"""Whether the packet path runs compiled."""

from __future__ import annotations


def compiled() -> bool:
    """True when the packet path was compiled at installation, False when it runs as plain Python."""
    from pcapdiag.connections import tracker

    return not (tracker.__file__ or "").endswith(".py")
