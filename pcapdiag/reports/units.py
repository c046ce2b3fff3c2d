"""Numbers with their units, in the few ways that reports write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at: int) -> str:
    """Nanoseconds since the epoch (an int64) as ``2026-11-20T13:28:30.123456789Z``."""
    second, rest = divmod(at, NS)
    return f"{_second(second)}.{rest:09d}Z"


@lru_cache(maxsize=1_024)
def _second(second: int) -> str:
    """The part that all times of one second share: a table has thousands of them."""
    return f"{_EPOCH + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}"


def clock(at: int) -> str:
    """Nanoseconds since the epoch for a person: ``2026-11-20 13:28:30.123 UTC``."""
    return rfc3339(at)[:-7].replace("T", " ") + " UTC"


def seconds(ns: int) -> float:
    """Nanoseconds as the seconds of the JSON report."""
    return ns / NS


def duration(value: float) -> str:
    """Seconds for a person: ``0.31 ms``, ``25.3 ms``, ``2.000 s``, ``130.2 s``, ``2 h 05 min``."""
    size = abs(value)
    if size == 0:
        return "0 s"
    if size < 0.0000995:
        return f"{value * 1e3:.3f} ms"
    if size < 0.00995:
        return f"{value * 1e3:.2f} ms"
    if size < 0.0995:
        return f"{value * 1e3:.1f} ms"
    if size < 0.9995:
        return f"{value * 1e3:.0f} ms"
    if size < 99.9995:
        return f"{value:.3f} s"
    if size < 3600:
        return f"{value:,.1f} s"
    minutes = round(size / 60)
    return f"{'-' if value < 0 else ''}{minutes // 60:,} h {minutes % 60:02d} min"


def duration_ns(ns: int) -> str:
    return duration(ns / NS)


def number(value: float) -> str:
    """A count or a ratio: ``8,400``, ``1.19``, ``0.004``."""
    if isinstance(value, int) or value.is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def plural(count: int, noun: str) -> str:
    """``1 connection``, ``8,400 connections``."""
    return f"{count:,} {noun if count == 1 else noun_plural(noun)}"


def noun_plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def quantity(value: float, unit: str) -> str:
    """A value of a setting: seconds as a duration, anything else counted (``2 connections``)."""
    if unit == "s":
        return duration(value)
    if not unit:
        return number(value)
    if value == 1 and unit.endswith("s"):
        return f"1 {unit[:-1]}"
    return f"{number(value)} {unit}"


def counted(requests: int, basis: str) -> str:
    """A number of requests that says what it is worth: ``40``, ``>= 40``, ``~ 40``."""
    return {"lower_bound": ">= ", "turns": "~ "}.get(basis, "") + f"{requests:,}"


def share(part: int, whole: int) -> str:
    """``part`` of ``whole`` in percent; what is not all is never shown as 100%, nor what is some as 0%."""
    if whole <= 0:
        return "-"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.0f}%" if percent in (0.0, 100.0) else f"{percent:.1f}%"
