"""With TLS a connection is not there for use before its handshake is over, which the table does not time."""

from __future__ import annotations

from tables import SECOND, pool

from pcapdiag.model.words import Protocol
from pcapdiag.pools.pool import Fate


def test_a_connection_in_its_tls_handshake_is_not_idle() -> None:
    # Two dials of a burst, 40 ms apart, each with a request that waits for 150 ms of handshake.
    lines = "\n".join(f"{at} {at + 0.15}-{at + 0.2} 5-5.1" for at in (0, 0.04, 1, 1.04, 2, 2.04))
    plain, encrypted = (pool(lines, end=10, protocol=what) for what in (Protocol.HTTP1, Protocol.TLS))
    alone = [one.idle_nearby((one.idle.fate == Fate.REUSED) & one.idle.fresh) for one in (plain, encrypted)]
    assert alone[0].tolist() == [False, True] * 3
    assert not alone[1].any()


def test_a_tls_connection_dialled_ahead_of_need_is_idle_once_its_handshake_is_over() -> None:
    lines = "0 0.02-0.1 \n 1 1.02-1.1 \n 2 2.02-2.1 \n 3 7-7.1 \n 4 8-8.1"
    one = pool(lines, end=10, protocol=Protocol.TLS)
    early = one.idle.fresh & (one.idle.end - one.idle.start > SECOND)
    assert one.idle.connection[early].tolist() == [3, 4]
    assert one.idle_nearby(early).tolist() == [False, False, False, False, True]


def test_no_handshake_is_taken_to_last_for_seconds_because_connections_wait_for_their_first_request() -> None:
    one = pool("0 6-6.1 \n 1 7-7.1 \n 2 8-8.1", end=10, protocol=Protocol.TLS)
    assert (one.usable_from - one.ready_at).max() < SECOND // 2
