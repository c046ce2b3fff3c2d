"""Whether a client answers the server's FIN and reads what it is sent, and what that says about abandoned connections."""

from __future__ import annotations

import numpy as np
import pytest
from tables import Life, Use, pool

from pcapdiag.pools.abandoned import Abandoned, Lean, abandoned
from pcapdiag.pools.answers import fin_answers, stalled, unread
from pcapdiag.pools.pool import Pool


@pytest.mark.parametrize(
    ("line", "group"),
    [
        ("0 0.1-0.2 server 2.2 answer 2.201", "prompt"),
        ("0 0.1-0.2 server 2.2 answer 2.245", "prompt"),
        ("0 0.1-0.2 server 2.2 answer 2.5", "late"),
        ("0 0.1-0.2 server 2.2 answer never", "never"),
        ("0 0.1-0.2 server 9.5 answer never", None),  # the capture ends too soon to say never
        ("0 0.1-0.2 client 2.2 answer never", None),
        ("0 0.1- server 2.2 answer never", None),  # a request was open: another story
        ("0 0.1-0.2", None),
    ],
)
def test_the_answer_to_the_servers_fin_is_prompt_late_or_never(line: str, group: str | None) -> None:
    answers = fin_answers(pool(line, end=10))
    found = [name for name in ("prompt", "late", "never") if len(getattr(answers, name))]
    assert found == ([group] if group else [])


def test_on_a_long_path_the_answer_may_take_a_round_trip_more() -> None:
    line = "0 0.1-0.2 server 2.2 answer 2.43"
    assert len(fin_answers(pool(line, end=10, rtt=0.2)).prompt) == 1
    assert len(fin_answers(pool(line, end=10, rtt=0.1)).prompt) == 0


def test_a_window_that_closed_on_an_unfinished_response_is_stalled() -> None:
    shut = "client_zero_window=3 client_window=0 client_window_high=64000"
    p = pool(
        f"0 0.1- {shut}\n1 1.1-1.2 {shut}\n2 2.1- client_window=64000\n3 3.1- {shut} client 4",
        end=10,
    )
    assert stalled(p).tolist() == [0]


@pytest.mark.parametrize(
    ("size", "window", "short"),
    [(60_000, 4_000, True), (60_000, 60_000, False), (60_000, 33_000, True), (20_000, 4_000, False)],
)
def test_a_large_response_that_still_takes_most_of_the_window_is_unread(size: int, window: int, short: bool) -> None:
    life = Life(0.0, [Use(0.1, 0.2, size=size)], columns={"client_window": window, "client_window_high": 64_000})
    assert len(unread(pool([life], end=5))) == int(short)


def test_an_unknown_window_scale_says_nothing() -> None:
    life = Life(0.0, [Use(0.1, 0.2, size=60_000)], columns={"client_window": -1, "client_window_high": 64_000})
    assert len(unread(pool([life], end=5))) == 0


# -- abandoned connections


def piled(count: int = 12, **ending: object) -> list[Life]:
    """A connection every half second, one request each, left open."""
    return [Life(0.5 * n, [(0.5 * n + 0.01, 0.5 * n + 0.02)], **ending) for n in range(count)]  # type: ignore[arg-type]


def closed_after(silence: float, by: str, answer: float | str | None = None, count: int = 12) -> list[Life]:
    lives = piled(count)
    for one in lives:
        one.closed = one.opened + 0.02 + silence
        one.by = by
        one.answer = answer if not isinstance(answer, float) else one.closed + answer
    return lives


def of(lives: list[Life], end: float = 20.0) -> Abandoned | None:
    return abandoned(pool(lives, end=end))


def test_a_pile_of_connections_used_once_leaves_both_explanations() -> None:
    seen = of(piled())
    assert seen is not None
    assert (seen.lean, seen.missed_rate, len(seen.rows)) == (Lean.UNDECIDED, 1.0, 12)


@pytest.mark.parametrize(
    ("lives", "lean"),
    [
        (closed_after(3.0, "server", 0.001), Lean.POOLED),
        (closed_after(3.0, "server", "never"), Lean.UNREAD),
        (closed_after(3.0, "server", 0.4), Lean.UNDECIDED),  # a client that looks only now and then
        (closed_after(2.0, "client"), Lean.POOLED),
    ],
    ids=["answers at once", "never answers", "answers late", "its own timer"],
)
def test_what_happens_later_tells_a_pool_that_nobody_asks_from_an_unread_body(lives: list[Life], lean: Lean) -> None:
    seen = of(lives)
    assert seen is not None
    assert seen.lean is lean


def test_a_few_fins_that_the_capture_lost_do_not_outvote_the_clients_own_timer() -> None:
    lives = closed_after(2.0, "client", count=60)
    for one in lives[:4]:  # the client's FIN is missing: the server's looks like the first and unanswered
        one.by, one.answer = "server", "never"
    seen = of(lives, end=60)
    assert seen is not None
    assert seen.lean is Lean.POOLED


@pytest.mark.parametrize(
    ("lives", "why"),
    [
        (piled(4), "four dials show no pattern"),
        ([Life(0.5 * n, [(0.5 * n + 0.01 + k, 0.5 * n + 0.02 + k) for k in range(3)]) for n in range(12)], "reused"),
        (closed_after(0.001, "client"), "closed at once, so nothing was idle"),
        (closed_after(0.3, "server"), "the server closed them before the next dial"),
        ([Life(0.0, [(0.01, 0.5 + 0.01 * n)]) for n in range(12)], "a burst in which nothing was idle"),
    ],
)
def test_nothing_is_abandoned_where(lives: list[Life], why: str) -> None:
    assert of(lives) is None, why


def test_one_connection_left_over_is_charged_to_one_dial_only() -> None:
    # The server's timer empties the pool ahead of each dial; one FIN was lost, and that connection seems idle for good.
    lives = [Life(3.0 * n, [(3.0 * n + 0.01, 3.0 * n + 0.02)], 3.0 * n + 2.02, "server") for n in range(12)]
    lives[2].closed = None
    p = pool(lives, end=40)
    assert p.missed_rate == pytest.approx(9 / 11)
    assert abandoned(p) is None


def only_syn_and_fin(lives: list[Life], end: float) -> Pool:
    """The same through a filter on SYN, FIN and RST: no payload, but the sequence numbers say that bytes passed."""
    for one in lives:
        one.uses = []
        if one.closed is not None:
            one.columns |= {"client_gap_bytes": 100, "server_gap_bytes": 300}
    return pool(lives, end=end)


def test_without_payload_a_constant_age_at_the_servers_close_shows_the_pattern() -> None:
    seen = abandoned(only_syn_and_fin(closed_after(2.0, "server", 0.001, count=20), end=20))
    assert seen is not None
    assert seen.blind
    assert seen.lean is Lean.POOLED


def test_without_payload_the_last_connections_may_still_be_open() -> None:
    lives = closed_after(2.0, "server", 0.001, count=20)
    for one in lives[-4:]:
        one.closed = None
    assert abandoned(only_syn_and_fin(lives, end=10.0)) is not None


def test_without_payload_scattered_ages_show_nothing() -> None:
    lives = closed_after(2.0, "server", 0.001, count=20)
    for n, one in enumerate(lives):
        one.closed = one.opened + 0.5 + 0.37 * (n % 7)
        one.answer = None
    assert abandoned(only_syn_and_fin(lives, end=20)) is None


def test_rows_that_show_it_are_rows_of_the_pool() -> None:
    lives = closed_after(3.0, "server", "never")
    p = pool(lives, end=20)
    seen = abandoned(p)
    assert seen is not None
    assert np.all((seen.shown_by >= 0) & (seen.shown_by < p.size))
    assert set(seen.shown_by.tolist()) <= set(seen.rows.tolist())
