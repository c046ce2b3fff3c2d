"""Numbers made small for a page: varints of differences, deflated, in base64.

Fifty thousand connections are half a million numbers; as JSON they would be ten times the page.
``assets/data.js`` unpacks them.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import TypeAlias

from pcapdiag.reports.escape import json_dumps, visible

FEW = 64  # numbers; so many are as small when written out, and can be read by eye

Column: TypeAlias = "list[int] | dict[str, int | str]"

# What could end the element that holds the JSON; json_dumps has seen to U+2028 and U+2029.
_MARKUP = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def packed(values: Sequence[int]) -> Column:
    """A column of integers for the page's JSON: a list where they are few, else ``{"n": count, "z": base64}``.

    Each number is the difference from the one before, zigzag (0, -1, 1, -2 become 0, 1, 2, 3), as a varint of seven
    bits to the byte, lowest first.
    """
    if len(values) <= FEW:
        return list(values)
    out = bytearray()
    last = 0
    for value in values:
        rest = value - last
        last = value
        rest = rest << 1 if rest >= 0 else (-rest << 1) - 1
        while rest > 127:
            out.append(rest & 127 | 128)
            rest >>= 7
        out.append(rest)
    return {"n": len(values), "z": base64.b64encode(zlib.compress(bytes(out), 9)).decode("ascii")}


def embedded(value: object) -> str:
    """JSON for a ``<script type="application/json">``: no text in it can end the element or open another."""
    return json_dumps(_shown(value)).translate(_MARKUP)


def _shown(value: object) -> object:
    """The same value, its texts such that no character acts in a line."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(key): _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) is int else _shown(item) for item in value]
    return value
