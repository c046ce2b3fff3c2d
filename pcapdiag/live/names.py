"""The names of the files that a live capture is kept in.

The warden, which trusts nobody, makes them itself from a number and a time.
"""

from __future__ import annotations

import os
import re
import time

_STAMP = re.compile(r"[0-9]{14}")
LAST = 10**9  # files


def stamp(at: int) -> str:
    """A time in nanoseconds since the epoch as dumpcap writes it in names: local, to the second."""
    return time.strftime("%Y%m%d%H%M%S", time.localtime(at // 1_000_000_000))


def rotated(path: str, number: int, when: str) -> str:
    """saved.pcapng, 1, 20261127211500 -> saved_00001_20261127211500.pcapng, as dumpcap names them.

    Number 0 is the path itself, of a capture that is not rotated.

    Raises:
        ValueError: ``number`` or ``when`` is none.
    """
    if number == 0 and when == "":
        return path
    if not 0 < number < LAST or _STAMP.fullmatch(when) is None:
        raise ValueError(f"file {number} of {when}")
    stem, extension = os.path.splitext(path)
    return f"{stem}_{number:05d}_{when}{extension}"


def parts(path: str, name: str) -> tuple[int, str] | None:
    """The number and time that ``rotated`` would make ``name`` of; None where it would not."""
    if name == path:
        return 0, ""
    stem, extension = os.path.splitext(path)
    if not (name.startswith(stem + "_") and name.endswith(extension)):
        return None
    number, _, when = name[len(stem) + 1 : len(name) - len(extension)].partition("_")
    if not number.isdecimal() or len(number) > 9:
        return None
    try:
        return (int(number), when) if rotated(path, int(number), when) == name else None
    except ValueError:
        return None
