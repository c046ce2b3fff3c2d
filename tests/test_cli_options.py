"""Times and addresses as people write them."""

from __future__ import annotations

import click
import pytest

from pcapdiag.cli.ends import address
from pcapdiag.cli.options import moment

CONTEXT = click.Context(click.Command("x"))
PARAM = click.Option(["--x"])
AT = 1_795_181_310_000_000_000  # 2026-11-20T13:28:30Z


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20T13:28:30Z", AT),
        ("2026-11-20t13:28:30z", AT),
        ("2026-11-20 13:28:30Z", AT),
        ("2026-11-20T13:28:30.123456789Z", AT + 123_456_789),
        ("2026-11-20T13:28:30.5+00:00", AT + 500_000_000),
        ("2026-11-20T15:28:30+02:00", AT),
        ("2026-11-20T13:28Z", AT - 30_000_000_000),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
    ],
)
def test_a_time_is_nanoseconds_since_the_epoch(text: str, at: int) -> None:
    when = moment(CONTEXT, PARAM, text)
    assert when is not None
    assert (when.at, when.after_start) == (at, None)


@pytest.mark.parametrize(
    ("text", "after_start"),
    [("+3.5", 3_500_000_000), ("+0", 0), ("+10s", 10_000_000_000), ("+0.000000001", 1)],
)
def test_a_plus_counts_from_the_start_of_the_capture(text: str, after_start: int) -> None:
    when = moment(CONTEXT, PARAM, text)
    assert when is not None
    assert (when.at, when.after_start) == (None, after_start)


@pytest.mark.parametrize("text", ["", "3.5", "-3", "+", "+x", "yesterday", "2026-11-20T13:28:30", "2026-02-30T00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        moment(CONTEXT, PARAM, text)


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "10.0.0.0/8", "10.0.0.1/8", "10.0.0.1:80", "fd00::1", "fd00::/8", "[fd00::1]:80"]
)
def test_an_address_is_an_ip_a_network_or_an_ip_with_its_port(text: str) -> None:
    assert address(CONTEXT, PARAM, text) == text


@pytest.mark.parametrize(
    "text", ["", "example.com", "10.0.0", "10.0.0.1:", "10.0.0.0/8:80", "[fd00::1]", "1.2.3.4:70000"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        address(CONTEXT, PARAM, text)


def test_no_filter_is_no_filter() -> None:
    assert moment(CONTEXT, PARAM, None) is None
    assert address(CONTEXT, PARAM, None) is None
