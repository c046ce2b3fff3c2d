"""A pcapng file of chosen packets: their link types, times and lengths kept, comments where there is something to say.

https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from pcapdiag._version import __version__
from pcapdiag.evidence.walking import Raw

MOST_TEXT = 16_000  # characters of a comment; an option holds 65,535 bytes, of which a character may take four
NANOSECONDS = b"\x09"  # if_tsresol: ten to the minus ninth
# Before 1970, or beyond what 64 bits hold, no packet is.
LATEST = (1 << 64) - 1

_ENHANCED = struct.Struct("<IIIIIII")
_LENGTH = struct.Struct("<I")


class CaptureWriter:
    """Write packets as they come; an interface is described when its first packet comes.

    Args:
        file: open for writing bytes; need not be seekable.
        comment: of the whole file.
        file_of: which of the files read a packet is from; what is called the same is one.
    """

    def __init__(self, file: BinaryIO, comment: str, file_of: Callable[[Raw], str]) -> None:
        from dpkt import pcapng

        self.file = file
        self.file_of = file_of
        self.format = pcapng
        # An interface is one of its file: two files' first ones differ.
        self.interfaces: dict[tuple[str, int, int], int] = {}
        self.packets = 0
        header = pcapng.SectionHeaderBlockLE()
        header.opts = [self._option(pcapng.PCAPNG_OPT_COMMENT, _text(comment))]
        header.opts.append(self._option(pcapng.PCAPNG_OPT_SHB_USERAPPL, f"pcapdiag {__version__}".encode()))
        header.opts.append(self._option(pcapng.PCAPNG_OPT_ENDOFOPT, b""))
        file.write(bytes(header))

    def write(self, raw: Raw, comment: str = "") -> None:
        """Write a packet."""
        number = self._interface(raw)
        options = b""
        if comment:
            options = bytes(self._option(self.format.PCAPNG_OPT_COMMENT, _text(comment)))
            options += bytes(self._option(self.format.PCAPNG_OPT_ENDOFOPT, b""))
        # dpkt's block of a packet has no length but the captured one.
        length = 32 + raw.captured + -raw.captured % 4 + len(options)
        at = min(max(raw.at, 0), LATEST)
        kind = self.format.PCAPNG_BT_EPB
        self.file.write(
            _ENHANCED.pack(kind, length, number, at >> 32, at & 0xFFFFFFFF, raw.captured, raw.original)
            + raw.data[raw.start : raw.start + raw.captured]
            + bytes(-raw.captured % 4)
            + options
            + _LENGTH.pack(length)
        )
        self.packets += 1

    def _interface(self, raw: Raw) -> int:
        name = self.file_of(raw)
        key = (name, raw.interface, raw.linktype)
        if key not in self.interfaces:
            pcapng = self.format
            self.interfaces[key] = len(self.interfaces)
            block = pcapng.InterfaceDescriptionBlockLE(linktype=raw.linktype, snaplen=0)
            block.opts = [
                self._option(pcapng.PCAPNG_OPT_IF_DESCRIPTION, _text(f"interface {raw.interface} of {name}")),
                self._option(pcapng.PCAPNG_OPT_IF_TSRESOL, NANOSECONDS),
                self._option(pcapng.PCAPNG_OPT_ENDOFOPT, b""),
            ]
            self.file.write(bytes(block))
        return self.interfaces[key]

    def _option(self, code: int, value: bytes) -> Any:
        return self.format.PcapngOptionLE(code=code, data=value, text=value)


def _text(text: str) -> bytes:
    """UTF-8 of a text that is visible already."""
    return text[:MOST_TEXT].encode("utf-8", "backslashreplace")
