"""Read a packet capture, say what every TCP connection did, and name the client or server setting to change.

``pcapdiag.analyze([path, ...])`` returns a :class:`pcapdiag.model.report.Report`; the command line prints it.
``pcapdiag.whatif([path, ...], {"MaxIdleConnsPerHost": 50})`` returns a :class:`pcapdiag.model.whatif.WhatIf`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcapdiag._version import __version__

if TYPE_CHECKING:
    from pcapdiag.pipeline import analyze, whatif

__all__ = ["__version__", "analyze", "whatif"]


def __getattr__(name: str) -> Any:
    """``analyze`` and its kin, imported when first asked for: they bring NumPy, and ``pcapdiag --help`` must not wait."""
    if name in ("analyze", "whatif"):
        from pcapdiag import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
