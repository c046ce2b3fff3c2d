"""Placeholders in advice and snippets: ``{value}`` and its kin.

Snippets are full of braces of their own: only a lower-case word in braces, without spaces, is a placeholder.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

# What a caller may give.  ``value`` is the number to set, in seconds, connections or requests.
GIVEN = frozenset({"value", "inferred", "recommended", "peak", "period", "server_timeout"})
# What is worked out from ``value``.
DERIVED = frozenset({"value_s", "value_ms", "value_go", "total"})
PLACEHOLDERS = GIVEN | DERIVED

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_DEFAULT_TOTAL = 100  # http.DefaultTransport's MaxIdleConns: the total must not fall below it


def placeholders_in(text: str) -> set[str]:
    """Every word written like a placeholder, known or not."""
    return set(_PLACEHOLDER.findall(text))


def with_derived(values: Mapping[str, str]) -> dict[str, str]:
    """The values and what follows from ``value``, where it is a number.

    Whole seconds are rounded up (``value_s``), milliseconds to the nearest (``value_ms``); ``value_go`` is
    a Go duration expression.  A ``value`` that is no number derives nothing.
    """
    filled = dict(values)
    try:
        number = float(filled["value"])
    except (KeyError, ValueError):
        return filled
    if not math.isfinite(number):
        return filled
    milliseconds = round(number * 1000)
    filled.setdefault("value_s", str(math.ceil(number)))
    filled.setdefault("value_ms", str(milliseconds))
    if milliseconds % 1000 == 0:
        filled.setdefault("value_go", f"{milliseconds // 1000} * time.Second")
    else:
        filled.setdefault("value_go", f"{milliseconds} * time.Millisecond")
    filled.setdefault("total", str(max(_DEFAULT_TOTAL, math.ceil(number))))
    return filled


def fill(text: str, values: Mapping[str, str]) -> str | None:
    """The text with every placeholder replaced, or None when one has no value."""
    if not placeholders_in(text) <= values.keys():
        return None
    return _PLACEHOLDER.sub(lambda found: values[found.group(1)], text)
