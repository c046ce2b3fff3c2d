"""All proofs, in the order they are told."""

from __future__ import annotations

from fixes import clients, servers

PROOFS = (*clients.PROOFS, *servers.PROOFS)
