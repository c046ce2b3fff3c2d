"""A TCP segment as the connections stage takes it, and what takes it."""

from __future__ import annotations


class Segment:
    """One decoded TCP segment.  One object is reused for all packets: copy what must last.

    Attributes:
        options, options_end: the TCP options in ``data``, as far as they were captured.
        data, start, captured, length: the payload is ``data[start:start + captured]`` of ``length`` bytes on the wire.
        addresses_at, address_size, ports_at: where the source and destination address and the ports stand in ``data``.
        addresses, ports: the same as two numbers where they fit (IPv4); ``ports`` is -1 for IPv6.
        at: nanoseconds since the epoch.  frame: 1-based in the capture.
        sequence, acknowledgment: 32 bits each.  flags: the low byte of the flags field.  window: unscaled.
        ip_id: IPv4 identification, 0 for IPv6.  hops: TTL or hop limit.  checksum: TCP's, as captured.
    """

    def __init__(self) -> None:
        self.data = b""
        self.options = 0
        self.options_end = 0
        self.start = 0
        self.captured = 0
        self.length = 0
        self.addresses_at = 0
        self.address_size = 0
        self.ports_at = 0
        self.addresses = 0
        self.ports = -1
        self.at = 0
        self.frame = 0
        self.sequence = 0
        self.acknowledgment = 0
        self.flags = 0
        self.window = 0
        self.ip_id = 0
        self.hops = 0
        self.checksum = 0
        self.interface = 0


def key_of(s: Segment) -> bytes:
    """Source address, destination address, source port, destination port: 12 bytes for IPv4, 36 for IPv6."""
    at = s.addresses_at
    end = at + 2 * s.address_size
    if end == s.ports_at:
        return s.data[at : end + 4]
    return s.data[at:end] + s.data[s.ports_at : s.ports_at + 4]


class SegmentSink:
    """The next stage, as the segments stage sees it."""

    def segment(self, segment: Segment) -> int:
        raise NotImplementedError
