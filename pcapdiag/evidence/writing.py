"""A pcapng file of chosen packets: their link types, times and lengths kept, comments where there is something to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from pcapdiag.evidence.walking import Raw
from pcapdiag.packets import pcapng_blocks

MOST_TEXT = 16_000  # characters of a comment; an option holds 65,535 bytes, of which a character may take four
# Before 1970, or beyond what 64 bits hold, no packet is.
LATEST = (1 << 64) - 1


class CaptureWriter:
    """Write packets as they come; an interface is described when its first packet comes.

    Args:
        file: open for writing bytes; need not be seekable.
        comment: of the whole file.
        file_of: which of the files read a packet is from; what is called the same is one.
    """

    def __init__(self, file: BinaryIO, comment: str, file_of: Callable[[Raw], str]) -> None:
        self.file = file
        self.file_of = file_of
        # An interface is one of its file: two files' first ones differ.
        self.interfaces: dict[tuple[str, int, int], int] = {}
        self.packets = 0
        file.write(pcapng_blocks.section(comment=_text(comment)))

    def write(self, raw: Raw, comment: str = "") -> None:
        """Write a packet."""
        number = self._interface(raw)
        at = min(max(raw.at, 0), LATEST)
        data = raw.data[raw.start : raw.start + raw.captured]
        self.file.write(pcapng_blocks.packet(number, at, data, raw.original, _text(comment)))
        self.packets += 1

    def _interface(self, raw: Raw) -> int:
        name = self.file_of(raw)
        key = (name, raw.interface, raw.linktype)
        if key not in self.interfaces:
            self.interfaces[key] = len(self.interfaces)
            description = _text(f"interface {raw.interface} of {name}")
            resolution = pcapng_blocks.NANOSECONDS
            self.file.write(pcapng_blocks.interface(raw.linktype, 0, resolution, description=description))
        return self.interfaces[key]


def _text(text: str) -> bytes:
    """UTF-8 of a text that is visible already."""
    return text[:MOST_TEXT].encode("utf-8", "backslashreplace")
