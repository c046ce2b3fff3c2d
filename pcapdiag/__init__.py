"""Read a packet capture, say what every TCP connection did, and name the client or server setting to change.

``pcapdiag.analyze([path, ...])`` returns a :class:`pcapdiag.model.report.Report`; the command line prints it.
``pcapdiag.compare(before, after)`` returns a :class:`pcapdiag.model.comparison.Comparison` of two of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcapdiag._version import __version__

if TYPE_CHECKING:
    from pcapdiag.comparing import compare
    from pcapdiag.pipeline import analyze

__all__ = ["__version__", "analyze", "compare"]


def __getattr__(name: str) -> Any:
    """``analyze`` and ``compare``, imported when first asked for: they bring NumPy, and ``--help`` must not wait."""
    if name == "analyze":
        from pcapdiag.pipeline import analyze

        return analyze
    if name == "compare":
        from pcapdiag.comparing import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
