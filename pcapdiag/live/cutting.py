"""Where captured bytes can be cut: at the ends of records, so that each file can be read whatever ends it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PACKETS = frozenset({2, 3, 6})  # blocks of pcapng with a packet each; 2 is the obsolete one
_LENGTHS = {order: struct.Struct(order + "8xII") for order in "<>"}
_BLOCKS = {order: struct.Struct(order + "II") for order in "<>"}


@dataclass(frozen=True)
class Records:
    """The format of whole records: pcap's or pcapng's, "<" or ">" for the order of their bytes."""

    pcapng: bool
    order: str

    def within(self, data: bytes, room: int) -> tuple[int, int]:
        """Bytes of the whole records that fit into ``room`` bytes, and how many packets these are."""
        at = packets = 0
        end = min(room, len(data))
        if self.pcapng:
            block = _BLOCKS[self.order].unpack_from
            while at + 12 <= end:
                kind, length = block(data, at)
                if length < 12 or at + length > end:
                    break
                at += length
                packets += kind in PACKETS
        else:
            lengths = _LENGTHS[self.order].unpack_from
            while at + 16 <= end:
                captured, _ = lengths(data, at)
                if at + 16 + captured > end:
                    break
                at += 16 + captured
                packets += 1
        return at, packets

    def first(self, data: bytes) -> int:
        """Bytes of the first record, all of ``data`` where it is none."""
        if self.pcapng:
            return (
                min(max(int(_BLOCKS[self.order].unpack_from(data)[1]), 12), len(data)) if len(data) >= 12 else len(data)
            )
        return min(16 + int(_LENGTHS[self.order].unpack_from(data)[0]), len(data)) if len(data) >= 16 else len(data)
