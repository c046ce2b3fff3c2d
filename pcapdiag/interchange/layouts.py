"""The tables that there are."""

from __future__ import annotations

from pcapdiag.interchange.connections import CONNECTIONS
from pcapdiag.interchange.exchanges import EXCHANGES
from pcapdiag.interchange.findings import FINDINGS

LAYOUTS = {layout.name: layout for layout in (CONNECTIONS, EXCHANGES, FINDINGS)}
