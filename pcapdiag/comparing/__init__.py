"""Two Reports in, a Comparison out: what changed, and whether the second capture could have shown it."""

from __future__ import annotations

from pcapdiag.comparing.comparison import compare

__all__ = ["compare"]
