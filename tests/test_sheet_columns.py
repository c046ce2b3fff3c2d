"""The tables for other programs: what their cells say of a conversation, and null where it says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analyses import NAMES, path_of, pools_of, report_of
from notation import Variant, capture, packets_of
from sheets import capture_of

from pcapdiag import CaptureError, Options, UsageError, analyze, read
from pcapdiag.capture import Capture
from pcapdiag.interchange.exchanges import EXCHANGES
from pcapdiag.sheet_columns import immediate_limits

OPEN = """
    > S
    < S.
    > .
"""


@pytest.fixture
def told(tmp_path: Path) -> Any:
    """Reads a scenario as a capture."""

    def tell(text: str, options: Options | None = None) -> Capture:
        path = tmp_path / "told.pcap"
        path.write_bytes(capture(packets_of(text)))
        return read(path, options)

    return tell


def column(of: Capture, name: str) -> list[Any]:
    """One column of the exchanges; nanoseconds, None for null."""
    return [value for (value,) in of.exchanges.rows(name)]


def rows(of: Capture, *names: str) -> list[tuple[Any, ...]]:
    return list(of.exchanges.rows(*names))


@pytest.mark.parametrize("name", NAMES)
def test_the_limits_of_all_pools_at_once_are_those_of_each(name: str) -> None:
    pools = pools_of(name)
    rtt = np.concatenate([pool.connections.rtt_ns for pool in pools])
    group = np.repeat(np.arange(len(pools)), [pool.size for pool in pools])
    limits = [pool.immediate_limit for pool in pools for _ in range(pool.size)]
    assert immediate_limits(rtt, group).tolist() == limits


def test_a_pool_without_a_round_trip_has_the_least_limit() -> None:
    rtt = np.array([-1, 100_000_000, 30_000_000, -1, 40_000_001])
    group = np.array([0, 2, 2, 2, 2])
    assert immediate_limits(rtt, group).tolist() == [50_000_000, *[160_000_004] * 4]


# Exchanges


def test_an_exchange_has_its_times_and_what_lies_between_them(told: Any) -> None:
    one = told(
        OPEN
        + """
        @1.0 > P. POST /a (3/10)
        +0.1 > P. "x"*7
        +0.25 < P. 200 (5/50) [Keep-Alive: timeout=7, max=9]
        +0.5 < P. "y"*45
        +2 > P. GET / [Connection: close]
        +0.125 < P. 404 (0) [Connection: close]
        """
    )
    start = one.info.first_at
    assert [(at - start) / 1e9 for at in column(one, "request_at")] == [1.0, 3.85]
    assert [(at - start) / 1e9 for at in column(one, "request_end_at")] == [1.1, 3.85]
    assert [(at - start) / 1e9 for at in column(one, "response_at")] == [1.35, 3.975]
    assert [(at - start) / 1e9 for at in column(one, "response_end_at")] == [1.85, 3.975]
    assert one.exchanges["first_byte_s"].tolist() == [0.25, 0.125]
    assert one.exchanges["duration_s"].tolist() == [0.85, 0.125]
    assert column(one, "idle_gap_s") == [None, 2_000_000_000]
    assert rows(one, "connection", "request_number", "method", "status") == [(1, 1, "POST", 200), (1, 2, "GET", 404)]
    assert column(one, "reused") == [False, True]
    assert rows(one, "request_close", "response_close") == [(False, False), (True, True)]
    assert rows(one, "keepalive_timeout_s", "keepalive_max") == [(7, 9), (None, None)]
    assert rows(one, "request_frame", "request_end_frame", "response_frame", "response_end_frame") == [
        (4, 5, 6, 7),
        (8, 8, 9, 9),
    ]
    assert column(one, "outcome") == ["complete", "complete"]
    assert column(one, "host") == ["a", "a"]


@pytest.mark.parametrize(
    ("text", "outcome", "closer"),
    [
        ("> P. POST / (5/50)\n> F.", "request_cut", "client"),
        ("> P. GET /\n< F.\n> F.", "unanswered", "server"),
        ("> P. GET /\n< P. 200 (5/900)\n< R", "response_cut", "server"),
        ("> P. GET /\n< P. 200 (5/900)", "open", "none"),
        ("> P. GET /", "open", "none"),
        ('> P. GET /\n< P. "HTTP/1.1 200 OK\\r\\n\\r\\nhello"\n< F.', "complete", "server"),
        ('> P. GET /\n< P. "HTTP/1.1 200 OK\\r\\n\\r\\nhello"\n< R', "response_cut", "server"),
        ("> P. POST / (5/50)\n< P. 413 (0)\n< F.", "complete", "server"),
        ("> P. GET /\n< P. 200 (5)\n> F.", "complete", "client"),
    ],
)
def test_the_outcome_says_how_far_it_came_and_who_closed(told: Any, text: str, outcome: str, closer: str) -> None:
    assert rows(told(OPEN + text), "outcome", "closer") == [(outcome, closer)]


def test_an_exchange_that_is_not_complete_has_no_duration(told: Any) -> None:
    one = told(OPEN + "> P. GET /\n< P. 200 (5/900)\n+3 < R")
    assert rows(one, "duration_s", "first_byte_s") == [(None, 1_000_000)]


def test_what_has_no_answer_has_no_time_status_or_frame_of_one(told: Any) -> None:
    one = told(OPEN + "> P. GET /\n+1 > F.")
    names = [column.name for column in EXCHANGES.columns if column.name.startswith("response")]
    names += ["status", "first_byte_s", "duration_s", "keepalive_timeout_s", "keepalive_max"]
    assert rows(one, *names) == [(None,) * len(names)]


def test_of_a_request_that_was_not_captured_nothing_is_made_up(told: Any) -> None:
    one = told(OPEN + "> P. GET / lost\n< P. 200 (5)\n+0.5 > P. GET /b\n< P. 200 (5)")
    names = [column.name for column in EXCHANGES.columns if column.name.startswith("request") and column.nullable]
    names += ["method", "first_byte_s", "duration_s", "idle_gap_s"]
    assert rows(one, *names)[0] == (None,) * len(names)
    assert column(one, "outcome") == ["complete", "complete"]
    assert column(one, "idle_gap_s")[1] == 500_000_000  # the response ahead was captured


def test_with_the_servers_side_missing_nobody_is_said_to_have_had_no_answer(told: Any) -> None:
    one = told(
        """
        > S
        < S. lost
        > .
        > P. GET /
        < P. 200 (5) lost
        +1 > P. GET /
        < P. 200 (5) lost
        > F.
        """
    )
    assert rows(one, "outcome", "response_at", "first_byte_s", "idle_gap_s") == [("unknown", None, None, None)] * 2


def test_of_a_connection_that_was_open_already_the_first_request_may_be_on_a_used_one(told: Any) -> None:
    one = told("> P. GET /\n< P. 200 (5)\n+2 > P. GET /b\n< P. 200 (5)")
    assert rows(one, "reused", "idle_gap_s") == [(None, None), (True, 2_000_000_000)]


def test_an_early_answer_has_a_negative_time_to_its_first_byte(told: Any) -> None:
    one = told(OPEN + '> P. POST / (5/50)\n+0.1 < P. 413 (5/50)\n+0.2 > P. "x"*45\n+0.1 < P. "y"*45')
    assert column(one, "first_byte_s") == [-200_000_000]
    assert column(one, "duration_s") == [400_000_000]


def test_pipelined_requests_have_no_idle_gap_ahead(told: Any) -> None:
    one = told(OPEN + "> P. GET /\n> P. GET /b\n+0.1 < P. 200 (5)\n< P. 200 (5)")
    assert rows(one, "pipelined", "idle_gap_s") == [(False, None), (True, None)]


def test_a_method_beyond_the_list_is_null_and_the_exchange_is_there(told: Any) -> None:
    assert rows(told(OPEN + "> P. PROPFIND /\n< P. 200 (5)"), "method", "status", "outcome") == [
        (None, 200, "complete")
    ]


def test_turns_are_named_as_estimates_and_have_no_heads() -> None:
    of = capture_of("requests-tls-session")
    assert set(column(of, "basis")) == {"turns"}
    for name in ("method", "status", "request_version", "response_close"):
        assert set(column(of, name)) == {None}
    assert None not in column(of, "first_byte_s")


@pytest.mark.parametrize("name", NAMES)
def test_the_exchanges_are_the_requests_of_the_connections(name: str) -> None:
    """Rows are distinct, join to their connection, and are as many as it counted where the count is exact."""
    of = capture_of(name)
    key = list(of.exchanges.rows("connection", "request_number"))
    assert len(set(key)) == len(key)
    assert key == sorted(key)
    counted = dict(zip(*np.unique(of.exchanges["connection"], return_counts=True), strict=True))
    names = ("number", "requests", "requests_basis", "alias_of", "closer", "pool", "client_port")
    known = {row[0]: row for row in of.connections.rows(*names)}
    for number, requests, basis, alias, *_ in known.values():
        if basis == "exact":
            assert counted.get(number, 0) == (requests if alias is None else 0), number
    for number, closer, pool, port in of.exchanges.rows("connection", "closer", "pool", "client_port"):
        assert known[number][4:] == (closer, pool, port)


@pytest.mark.parametrize("name", NAMES)
def test_times_and_frames_of_an_exchange_are_in_order(name: str) -> None:
    x = capture_of(name).exchanges
    c = capture_of(name).connections
    in_order = (
        sum(c[f"{side}_{what}"] for side in ("client", "server") for what in ("retransmitted", "out_of_order")) == 0
    )
    calm = in_order[x["connection"] - 1]
    for early, late in (("request_at", "request_end_at"), ("response_at", "response_end_at")):
        assert (np.isnat(x[early]) == np.isnat(x[late])).all()
        assert not (x[early] > x[late])[calm].any()
    for seconds in ("duration_s", "idle_gap_s"):
        known = x[seconds][~np.isnan(x[seconds])]
        assert (known >= 0).all()
    incomplete = np.array([outcome != "complete" for outcome in x["outcome"]], dtype=bool)
    assert np.isnan(x["duration_s"][incomplete]).all()


# Connections and filters


SEEN_TWICE = """
    options isn 70000 80000
    > S
    < S.
    > .
    > P. GET /
    < P. 200 (5)
    > F.
    < F.
"""


@pytest.fixture
def seen_twice(tmp_path: Path) -> Path:
    """One connection on both sides of a NAT, and one that is nobody's repetition, to another port."""
    other = SEEN_TWICE.replace("isn 70000", "isn 90000").replace("options", "options ports 40001 8080 ")
    packets = [*packets_of(SEEN_TWICE), *packets_of(SEEN_TWICE, Variant(network=7)), *packets_of(other)]
    path = tmp_path / "twice.pcap"
    path.write_bytes(capture(packets))
    return path


def test_a_repeated_connection_is_listed_and_its_exchanges_are_not_counted_twice(seen_twice: Path) -> None:
    of = read(seen_twice)
    assert list(of.connections.rows("number", "alias_of", "pool", "requests", "close_class")) == [
        (1, None, "p1", 1, "immediate"),
        (2, 1, None, 1, "immediate"),
        (3, None, "p2", 1, "immediate"),
    ]
    assert of.exchanges["connection"].tolist() == [1, 3]


def test_filters_hold_for_repeated_connections_too(seen_twice: Path) -> None:
    some = read(seen_twice, Options(port=8080))
    assert some.connections["number"].tolist() == [3]
    report = analyze(seen_twice, Options(port=8080, with_connections=True))
    assert [row.number for row in report.connections] == [3]


def test_filtered_exchanges_keep_their_cells() -> None:
    whole = capture_of("requests-four-services")
    port = int(whole.connections["server_port"][0])
    some = read(path_of("requests-four-services"), Options(port=port))
    rows_ = np.flatnonzero(whole.exchanges["server_port"] == port)
    assert 0 < len(rows_) < len(whole.exchanges)
    own = [name for name in whole.exchanges.columns if name != "pool"]  # pools are numbered among those that are kept
    assert list(some.exchanges.rows(*own)) == list(whole.exchanges.take(rows_).rows(*own))


def test_frames_of_several_files_count_within_their_file(tmp_path: Path) -> None:
    path = path_of("go-idle-timeout-short")
    later = path_of("go-keepalive-race-get")
    both = read([str(path), later])
    alone = [read(path), read(later)]
    for table, frame, file in (
        ("connections", "first_frame", "first_file"),
        ("connections", "closing_frame", "closing_file"),
        ("exchanges", "request_frame", "request_file"),
        ("exchanges", "response_end_frame", "response_end_file"),
    ):
        got = list(getattr(both, table).rows(frame, file))
        expected = [
            (number, None if number is None else str(name))
            for one, name in zip(alone, (path, later), strict=True)
            for (number,) in getattr(one, table).rows(frame)
        ]
        assert got == expected, frame
        assert all(value is None for (value,) in getattr(alone[0], table).rows(file))


def test_a_capture_gives_the_report_without_being_read_again() -> None:
    assert capture_of("go-ab-shared-default").analyze().verdict == report_of("go-ab-shared-default").verdict


def test_filters_that_leave_nothing_and_files_without_connections_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none of the .* connections passes"):
        read(path_of("go-ab-shared-default"), Options(port=9))
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(capture([]))
    with pytest.raises(CaptureError, match="no packets in it"):
        read(empty)
