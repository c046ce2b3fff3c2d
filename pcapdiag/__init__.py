"""Read a packet capture, say what every TCP connection did, and name the client or server setting to change.

``pcapdiag.analyze([path, ...])`` returns a :class:`pcapdiag.model.report.Report`; the command line prints it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcapdiag._version import __version__

if TYPE_CHECKING:
    from pcapdiag.pipeline import analyze

__all__ = ["__version__", "analyze"]


def __getattr__(name: str) -> Any:
    """``analyze``, imported when it is first asked for: it brings NumPy, and ``pcapdiag --help`` must not wait."""
    if name == "analyze":
        from pcapdiag.pipeline import analyze

        return analyze
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
