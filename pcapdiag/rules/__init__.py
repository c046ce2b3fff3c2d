"""Judgement: one file per pattern, pool facts in, findings out.

The list below is the registry.  A rule that is not in it does not exist; a test compares it with the folder.
"""

from __future__ import annotations

from collections.abc import Sequence

from pcapdiag.rules.body_not_closed import BodyNotClosed
from pcapdiag.rules.body_not_drained import BodyNotDrained
from pcapdiag.rules.healthy import Healthy
from pcapdiag.rules.idle_pool_too_small import IdlePoolTooSmall
from pcapdiag.rules.idle_timeout_none import IdleTimeoutNone
from pcapdiag.rules.idle_timeout_too_short import IdleTimeoutTooShort
from pcapdiag.rules.never_reuse_keepalive_disabled import NeverReuseKeepaliveDisabled
from pcapdiag.rules.never_reuse_new_transport import NeverReuseNewTransport
from pcapdiag.rules.rule import Rule
from pcapdiag.rules.server_connection_close import ServerConnectionClose
from pcapdiag.rules.server_idle_timeout import ServerIdleTimeout
from pcapdiag.rules.server_max_requests import ServerMaxRequests

RULES: tuple[Rule, ...] = (
    Healthy(),
    NeverReuseNewTransport(),
    BodyNotClosed(),
    NeverReuseKeepaliveDisabled(),
    BodyNotDrained(),
    IdlePoolTooSmall(),
    IdleTimeoutTooShort(),
    ServerIdleTimeout(),
    ServerMaxRequests(),
    ServerConnectionClose(),
    IdleTimeoutNone(),
)


def all_rules() -> Sequence[Rule]:
    """Every rule, in order of code."""
    return RULES
