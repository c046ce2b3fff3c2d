"""Heads that were read before: clients and servers send the same ones again and again."""

from __future__ import annotations

from pcapdiag.exchanges.head import Head, parse_head

_MOST = 2_048  # heads that are kept
_LONGEST = 4_096  # bytes of one that is
# A power of two.
_SLOTS = 1_024
_SLOT_MASK = 1_023


class Heads:
    """A memo of parsed heads, shared by all connections.

    A head that repeats is found without being copied or looked through: it stands at the beginning of a stretch of bytes,
    and stretches that begin with the same head are mostly of the same length.
    """

    def __init__(self) -> None:
        self.known: dict[bytes, Head | None] = {}
        self.lately: list[Head | None] = [None] * _SLOTS

    def again(self, data: bytes, start: int, end: int) -> Head | None:
        """The head that ``data[start:end]`` begins with, where it is the last one of a stretch of that length."""
        head = self.lately[(end - start) & _SLOT_MASK]
        if head is not None and data.startswith(head.text, start, end):
            return head
        return None

    def parse(self, text: bytes, stretch: int) -> Head | None:
        """The facts of a whole head, the first thing in a stretch of so many bytes; None when it is none."""
        head = self.known.get(text)
        if head is None:
            if len(self.known) > _MOST:
                self.known.clear()
            head = parse_head(text)
            if len(text) <= _LONGEST:
                self.known[text] = head
        if head is not None and len(text) <= _LONGEST:
            head.text = text
            self.lately[stretch & _SLOT_MASK] = head
        return head
