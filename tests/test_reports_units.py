"""Numbers carry their unit, and never more or less certainty than they have."""

from __future__ import annotations

import pytest

from pcapdiag.reports.units import (
    clock,
    counted,
    duration,
    number,
    plural,
    quantity,
    rfc3339,
    share,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 s"),
        (0.000004, "0.004 ms"),
        (0.00031, "0.31 ms"),
        (0.0253, "25.3 ms"),
        (0.250, "250 ms"),
        (0.9996, "1.000 s"),
        (2.0, "2.000 s"),
        (75.0021, "75.002 s"),
        (130.24, "130.2 s"),
        (7500, "2 h 05 min"),
        (-0.002, "-2.00 ms"),
    ],
)
def test_a_duration_has_the_unit_a_person_would_choose(value: float, shown: str) -> None:
    assert duration(value) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (1_795_181_310_123_456_789, "2026-11-20T13:28:30.123456789Z"),
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_every_int64_time_keeps_its_nanoseconds(at: int, shown: str) -> None:
    assert rfc3339(at) == shown


def test_a_clock_time_for_a_person_has_milliseconds() -> None:
    assert clock(1_795_181_310_123_456_789) == "2026-11-20 13:28:30.123 UTC"


def test_one_is_singular() -> None:
    assert plural(1, "connection") == "1 connection"
    assert plural(8400, "connection") == "8,400 connections"
    assert plural(2, "retry") == "2 retries"
    assert quantity(1.0, "connections") == "1 connection"
    assert quantity(2.0, "connections") == "2 connections"
    assert quantity(2.0, "s") == "2.000 s"
    assert quantity(3.0, "") == "3"


def test_a_number_keeps_what_matters() -> None:
    assert [number(value) for value in (8400, 1.1904, 2.0, 0.0042)] == ["8,400", "1.19", "2", "0.0042"]


def test_a_share_says_all_or_none_only_where_it_is() -> None:
    assert share(0, 10) == "0%"
    assert share(10, 10) == "100%"
    assert share(1, 100_000) == "<0.1%"
    assert share(99_999, 100_000) == ">99.9%"
    assert share(1, 3) == "33.3%"
    assert share(0, 0) == "-"


def test_a_bound_and_an_estimate_are_marked() -> None:
    assert [counted(1234, basis) for basis in ("exact", "lower_bound", "turns")] == [
        "1,234",
        ">= 1,234",
        "~ 1,234",
    ]
