"""Read a packet capture, say what every TCP connection did, and name the client or server setting to change.

``pcapdiag.analyze([path, ...])`` returns a :class:`pcapdiag.model.report.Report`; the command line prints it.
``pcapdiag.compare(before, after)`` returns a :class:`pcapdiag.model.comparison.Comparison` of two of them.
``pcapdiag.states([path, ...])`` returns a :class:`pcapdiag.model.states.StateReport`: sockets by TCP state over time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pcapdiag._version import __version__

if TYPE_CHECKING:
    from pcapdiag.comparing import compare
    from pcapdiag.counting import states
    from pcapdiag.pipeline import analyze

__all__ = ["__version__", "analyze", "compare", "states"]

# Public name -> its module, imported when the name is first asked for: most bring NumPy, and --help must not wait.
_MODULES = {
    "analyze": "pcapdiag.pipeline",
    "compare": "pcapdiag.comparing",
    "states": "pcapdiag.counting",
}


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
