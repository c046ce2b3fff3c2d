"""What a record reader hands each packet to."""

from __future__ import annotations


class PacketSink:
    """The next stage, as the packets stage sees it."""

    def packet(
        self,
        data: bytes,
        start: int,
        captured: int,
        original: int,
        at: int,
        frame: int,
        linktype: int,
        interface: int,
    ) -> int:
        """Take one packet, ``data[start:start + captured]``, of ``original`` bytes on the wire.

        ``at`` is in nanoseconds since the epoch; ``frame`` counts from 1 within the whole capture;
        ``interface`` tells apart the interfaces of a pcapng file.  ``data`` is only valid during the call.
        """
        raise NotImplementedError
