"""How connections end when a program does, when a client looks only at its next use, or when a server hints."""

from __future__ import annotations

import pytest
from analyses import judged, judgement
from tables import Life, Use, pool

from pcapdiag.model.report import Finding
from pcapdiag.model.words import Cause, Protocol
from pcapdiag.pools.pool import Pool

HTTPX = "python-httpx/0.28.1"


def kept(
    closed: float | None,
    *,
    by: str = "client",
    kind: str = "fin",
    answer: float | str | None = None,
    agent: str = "Go-http-client/1.1",
    timer: float | None = None,
    prompt: bool = False,
    count: int = 20,
) -> list[Life]:
    """A connection for each request, all closed at one moment, or each by a timer."""
    lives = []
    for n in range(count):
        at = 0.1 * n
        end = closed if timer is None else at + 0.01 + timer
        reply = end + 0.001 if prompt and end is not None else answer
        lives.append(Life(at, [Use(at + 0.003, at + 0.01)], end, by, kind, reply, columns={"user_agent": agent}))
    return lives


def lead(one: Pool) -> Finding:
    """The worst finding."""
    return judgement([one]).findings[0]


def causes(finding: Finding) -> list[Cause]:
    return [claim.cause for claim in finding.causes]


NEW, UNREAD = Cause.NEVER_REUSE_NEW_TRANSPORT, Cause.BODY_NOT_CLOSED


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        (kept(None, timer=2.0), [NEW]),  # each two seconds after its use: a timer, so it was in a pool
        (kept(5.0), [NEW, UNREAD]),  # all at one moment: the program ended, which proves neither
        (kept(5.0, kind="rst"), [UNREAD]),  # it ended, and bytes were left
        (kept(None, timer=2.0, by="server", prompt=True), [NEW]),
        (kept(None, timer=2.0, by="server", answer=6.0), [UNREAD]),  # answered when the program ended
        (kept(None, timer=2.0, by="server", answer="never"), [UNREAD]),
        (kept(None, timer=2.0, by="server", answer="never", agent=HTTPX), [NEW, UNREAD]),  # it does so when healthy too
        (kept(None, timer=2.0, by="server", answer="never", agent="python-requests/2.32"), [UNREAD, NEW]),
    ],
)
def test_what_the_end_of_connections_that_were_used_once_proves(lives: list[Life], expected: list[Cause]) -> None:
    assert causes(lead(pool(lives, end=10))) == expected


def test_a_reset_at_the_end_of_a_program_proves_nothing_under_tls() -> None:
    assert causes(lead(pool(kept(5.0, kind="rst"), end=10, protocol=Protocol.TLS))) == [NEW, UNREAD]


def at_once(hint: int, agent: str = "") -> list[Life]:
    return [
        Life(0.1 * n, [Use(0.1 * n + 0.003, 0.1 * n + 0.01, hint=hint)], 0.1 * n + 0.011, columns={"user_agent": agent})
        for n in range(20)
    ]


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        (at_once(1), Cause.SERVER_IDLE_TIMEOUT),
        (at_once(5), Cause.NEVER_REUSE_KEEPALIVE_DISABLED),
        (at_once(-1), Cause.NEVER_REUSE_KEEPALIVE_DISABLED),
        (at_once(1, "curl/8.5.0"), Cause.NEVER_REUSE_KEEPALIVE_DISABLED),  # it obeys no hint
    ],
)
def test_a_hint_of_one_second_makes_a_client_that_obeys_it_close_at_once(lives: list[Life], expected: Cause) -> None:
    assert causes(lead(pool(lives, end=10)))[0] == expected


def counting_busy(agent: str) -> list[Life]:
    """Bursts of twelve over a pool of four that counts busy connections: all but the last four to come back are closed."""
    stay = [Life(0.0, columns={"user_agent": agent}) for _ in range(4)]
    lives = list(stay)
    for n in range(10):
        at = 1.0 * n
        for k, one in enumerate(stay):
            one.uses = [*one.uses, (at + 0.01, at + 0.03 + 0.001 * k)]
        for k in range(8):
            end = at + 0.02 + 0.001 * k
            lives.append(Life(at + 0.005, [(at + 0.011, end)], end + 0.0003, columns={"user_agent": agent}))
    return lives


def test_httpx_overflows_while_its_other_connections_are_busy() -> None:
    finding = judged("idle-pool-too-small", pool(counting_busy(HTTPX), end=12))
    assert isinstance(finding, Finding)
    assert finding.measured["idle_capacity"] == 4
    assert judged("idle-pool-too-small", pool(counting_busy("Go-http-client/1.1"), end=12)) is None


@pytest.mark.parametrize(("size", "fires"), [(900, False), (60_000, True)])
def test_over_tls_a_reset_behind_a_small_response_is_no_unread_body(size: int, fires: bool) -> None:
    lives = [
        Life(0.1 * n, [Use(0.1 * n + 0.003, 0.1 * n + 0.01, size=size)], 0.1 * n + 0.0101, kind="rst")
        for n in range(20)
    ]
    finding = judged("body-not-drained", pool(lives, end=10, protocol=Protocol.TLS))
    assert (finding is not None) == fires


@pytest.mark.parametrize(("size", "fires"), [(1_448, False), (1_449, True)])
def test_a_reset_behind_one_segment_that_the_snaplen_cut_is_no_unread_body(size: int, fires: bool) -> None:
    """The heads are gone: the response may be whole and the close asked for, which some proxies do by RST."""
    columns: dict[str, int | str] = {"truncated_bytes": 5_000, "server_largest": 1_448}
    lives = [
        Life(0.1 * n, [Use(0.1 * n + 0.003, 0.1 * n + 0.01, size=size)], 0.1 * n + 0.0101, kind="rst", columns=columns)
        for n in range(20)
    ]
    finding = judged("body-not-drained", pool(lives, end=10, protocol=Protocol.OPAQUE))
    assert (finding is not None) == fires


def reset_behind_whole(agent: str) -> list[Life]:
    return [
        Life(
            0.1 * n, [Use(0.1 * n + 0.003, 0.1 * n + 0.01)], 0.1 * n + 0.018, kind="rst", columns={"user_agent": agent}
        )
        for n in range(20)
    ]


def test_a_reset_behind_a_whole_response_is_a_body_unread_whoever_the_client() -> None:
    finding = judged("body-not-drained", pool(reset_behind_whole("Go-http-client/1.1"), end=10))
    assert isinstance(finding, Finding)
    assert [str(claim.cause) for claim in finding.causes] == ["body-not-drained"]
    assert "reset 20 with the whole response there" in finding.claim
    unknown = judged("body-not-drained", pool(reset_behind_whole("shop/3"), end=10))
    assert isinstance(unknown, Finding)
    assert [str(claim.cause) for claim in unknown.causes] == ["body-not-drained", "never-reuse-keepalive-disabled"]


def test_a_client_that_closes_by_reset_on_purpose_may_have_read_it_all() -> None:
    one = pool(reset_behind_whole("Apache-HttpClient/5.2.1 (Java/17.0.15)"), end=10)
    assert judged("body-not-drained", one) is None
    finding = judged("never-reuse-keepalive-disabled", one)
    assert isinstance(finding, Finding)
    assert [str(claim.cause) for claim in finding.causes] == ["never-reuse-keepalive-disabled", "body-not-drained"]
    assert "20 connections ended by RST" in finding.claim
