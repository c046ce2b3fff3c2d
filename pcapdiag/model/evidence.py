"""One connection as ``pcapdiag connection`` tells it."""

from __future__ import annotations

from dataclasses import dataclass

from pcapdiag.model.figures import Ladder
from pcapdiag.model.report import CaptureInfo, ConnectionRow, Finding, PoolRow


@dataclass(frozen=True)
class ConnectionReport:
    """A connection, packet by packet, and what findings say of it."""

    capture: CaptureInfo
    row: ConnectionRow
    pool: PoolRow | None
    ladder: Ladder
    cited: tuple[Finding, ...]  # findings that show something by this connection
    pool_findings: tuple[Finding, ...]  # the others of its pool
    version: str
