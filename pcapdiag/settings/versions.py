"""Which versions a default is of: the few phrases that ``history`` uses, against a version seen on the wire."""

from __future__ import annotations

import re

from pcapdiag.settings.entries import Change, Setting

Number = tuple[int, ...]

_NUMBER = r"v?(\d+(?:\.\d+)*)"
_BEFORE = re.compile(rf"before (?:JDK |\.NET )?{_NUMBER}")
_UP_TO = re.compile(rf"(?:up to {_NUMBER}|{_NUMBER} and before)")
_SINCE = re.compile(rf"(?:{_NUMBER} and later|since {_NUMBER})")
_RANGE = re.compile(rf"{_NUMBER} to {_NUMBER}")
_SERIES = re.compile(rf"{_NUMBER}(?:\.x)?")


def number(text: str) -> Number | None:
    """``1.22.1`` as numbers that compare; None for what does not begin with one."""
    match = re.match(_NUMBER, text)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def applies(phrase: str, version: str) -> bool | None:
    """Whether a phrase like "before 1.19.10" or "7.80 to 8.16" takes in a version; None where that cannot be told."""
    seen = number(version)
    if seen is None:
        return None
    if match := _BEFORE.fullmatch(phrase):
        return _compared(seen, match[1]) < 0
    if match := _UP_TO.fullmatch(phrase):
        return _compared(seen, match[1] or match[2]) <= 0
    if match := _SINCE.fullmatch(phrase):
        return _compared(seen, match[1] or match[2]) >= 0
    if match := _RANGE.fullmatch(phrase):
        return _compared(seen, match[1]) >= 0 and _compared(seen, match[2]) <= 0
    if match := _SERIES.fullmatch(phrase):
        return _compared(seen, match[1]) == 0
    return None


def change_for(setting: Setting, version: str) -> Change | None:
    """The entry of a setting's history that a version falls under; None where the default is today's, or may be."""
    return next((change for change in setting.history if applies(change.version, version)), None)


def missing(setting: Setting, version: str) -> bool:
    """Whether a version does not have the setting at all."""
    change = change_for(setting, version)
    return change is not None and change.value.startswith("no such ")


def _compared(seen: Number, text: str) -> int:
    """Below, equal or above, to as many places as both have: 17.0.15 is no less than 17."""
    other = number(text) or ()
    places = min(len(seen), len(other))
    left, right = seen[:places], other[:places]
    return (left > right) - (left < right)
