"""Read a packet capture, say what every TCP connection did, and name the client or server setting to change.

``pcapdiag.analyze([path, ...])`` returns a :class:`pcapdiag.model.report.Report`; the command line prints it.
``pcapdiag.states([path, ...])`` returns a :class:`pcapdiag.model.states.StateReport`: sockets by TCP state over time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcapdiag._version import __version__

if TYPE_CHECKING:
    from pcapdiag.pipeline import analyze, states

__all__ = ["__version__", "analyze", "states"]


def __getattr__(name: str) -> Any:
    """The pipeline's, imported when first asked for: it brings NumPy, and ``pcapdiag --help`` must not wait."""
    if name in ("analyze", "states"):
        from pcapdiag import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
