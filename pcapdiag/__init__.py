"""Read a packet capture, say what every TCP connection did, and name the client or server setting to change.

``pcapdiag.analyze(path)`` returns a :class:`pcapdiag.model.report.Report`; the command line prints it.
``pcapdiag.read(path)`` returns the connections and exchanges as tables, without judging them.
``pcapdiag.compare(before, after)`` returns a :class:`pcapdiag.model.comparison.Comparison` of two of them.
``pcapdiag.states([path, ...])`` returns a :class:`pcapdiag.model.states.StateReport`: sockets by TCP state over time.
``pcapdiag.post_mortem(path)`` returns a Report with charts and packet ladders, for :mod:`pcapdiag.reports.html` to draw.
``pcapdiag.whatif(path, {"MaxIdleConnsPerHost": 50})`` returns a :class:`pcapdiag.model.whatif.WhatIf`.
``docs/PYTHON.md`` shows both at work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pcapdiag._version import __version__

if TYPE_CHECKING:
    from pcapdiag.capture import Capture, read
    from pcapdiag.comparing import compare
    from pcapdiag.counting import states
    from pcapdiag.errors import CaptureError, PcapdiagError, UsageError
    from pcapdiag.interchange.findings import findings
    from pcapdiag.interchange.sheet import Sheet
    from pcapdiag.model.report import Report
    from pcapdiag.pipeline import Options, analyze
    from pcapdiag.proving import post_mortem
    from pcapdiag.replaying import whatif

__all__ = [
    "Capture",
    "CaptureError",
    "Options",
    "PcapdiagError",
    "Report",
    "Sheet",
    "UsageError",
    "__version__",
    "analyze",
    "compare",
    "findings",
    "post_mortem",
    "read",
    "states",
    "whatif",
]

# Public name -> its module, imported when the name is first asked for: most bring NumPy, and --help must not wait.
_MODULES = {
    "Capture": "pcapdiag.capture",
    "CaptureError": "pcapdiag.errors",
    "Options": "pcapdiag.pipeline",
    "PcapdiagError": "pcapdiag.errors",
    "Report": "pcapdiag.model.report",
    "Sheet": "pcapdiag.interchange.sheet",
    "UsageError": "pcapdiag.errors",
    "analyze": "pcapdiag.pipeline",
    "compare": "pcapdiag.comparing",
    "findings": "pcapdiag.interchange.findings",
    "post_mortem": "pcapdiag.proving",
    "read": "pcapdiag.capture",
    "states": "pcapdiag.counting",
    "whatif": "pcapdiag.replaying",
}


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
