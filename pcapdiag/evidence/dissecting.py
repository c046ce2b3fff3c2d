"""What a segment's payload is, in a few words: never values, credentials, cookies or query strings.

HTTP/1 is told by its first lines, record by record and frame by frame what has lengths: TLS, HTTP/2, PostgreSQL, MySQL.
A :class:`Speech` is one direction's; it knows where the next record begins, so that the middle of one is not taken for
another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pcapdiag.evidence import protocols
from pcapdiag.model.words import Protocol

_M = 0xFFFFFFFF
_HALF_SPACE = 0x80000000

MOST_RECORDS = 64  # of a segment that are looked at; a segment of offload holds 64 KiB
MOST_NAMED = 3
# Headers that say what becomes of the connection.
TOLD = (b"connection", b"keep-alive", b"expect", b"upgrade")
MOST_HEAD = 16_384  # bytes of a segment that are searched for them

REQUEST = re.compile(rb"[A-Z][A-Z_-]{2,19} [^\s\x00-\x1f]+ HTTP/1\.[01]\r?\n")
# A request line that the snaplen, or the segment's end, cut.
CUT_REQUEST = re.compile(
    rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) [^\s\x00-\x1f]*(?: HTTP/1\.[01])?\Z"
)
STATUS = re.compile(rb"HTTP/1\.[01] \d{3}[^\r\n]*")
NEXT_REQUEST = re.compile(rb"(?<=\n\r\n)" + REQUEST.pattern)
NEXT_STATUS = re.compile(rb"(?<=\n\r\n)" + STATUS.pattern)
USER = re.compile(r"^([a-z][a-z0-9+.-]*://)?[^/@]*@", re.IGNORECASE)
MOST_TARGET = 120  # characters


class Speech:
    """One direction of a connection, segment by segment.

    Args:
        protocol: what the whole connection was found to be.
        by_client: whose direction it is.
        sni: the name that the client asked for.
    """

    def __init__(self, protocol: Protocol, by_client: bool, sni: str | None) -> None:
        self.by_client = by_client
        self.sni = sni
        self.records = protocols.RECORDS.get(protocol)
        self.protocol = protocol
        self.next = -1  # sequence number at which a record begins; -1 while unknown
        self.encrypted = False

    def text(self, payload: bytes, sequence: int, length: int) -> str:
        """The payload in words; empty where it is plain data.

        Args:
            payload: as much of it as was captured, of ``length`` bytes.
            sequence: of its first byte.
        """
        if self.protocol is Protocol.REDIS:
            return protocols.redis(payload, self.by_client)
        if self.records is not None:
            told = self._records(payload, sequence, length)
            if told:
                return told
            if self.protocol in (Protocol.POSTGRES, Protocol.MYSQL):
                return ""
        # HTTP/2 may begin as an upgrade, and what was taken for TLS be a plain request to a TLS port.
        return http1(payload, self.by_client)

    def again(self, payload: bytes, sequence: int, length: int) -> str:
        """The same of bytes that are sent again or late: what is next stays what it is."""
        kept = self.next, self.encrypted
        self.next = -1 if kept[0] >= 0 and (kept[0] - sequence) & _M >= _HALF_SPACE else kept[0]
        said = self.text(payload, sequence, length)
        self.next, self.encrypted = kept
        return said

    def _records(self, payload: bytes, sequence: int, length: int) -> str:
        names = list(self._walk(payload, sequence, length))
        runs: list[tuple[str, int]] = []
        for name in names:
            if runs and runs[-1][0] == name:
                runs[-1] = (name, runs[-1][1] + 1)
            else:
                runs.append((name, 1))
        shown = [name if count == 1 else f"{count} x {name}" for name, count in runs]
        if len(shown) > MOST_NAMED:
            shown = [*shown[:MOST_NAMED], f"{len(shown) - MOST_NAMED} more"]
        return ", ".join(shown)

    def _walk(self, payload: bytes, sequence: int, length: int) -> Iterator[str]:
        """The names of the records that begin in a segment."""
        assert self.records is not None
        at = 0
        if self.next >= 0:
            at = (self.next - sequence) & _M
            if at >= _HALF_SPACE:
                # Behind what was expected: an old segment, or a record's beginning was not captured.
                at = 0
                if not self.records.begins(payload, self):
                    return
        elif not self.records.begins(payload, self):
            return
        for _ in range(MOST_RECORDS):
            if at >= length:
                self.next = (sequence + at) & _M
                return
            told = self.records.read(payload, at, self)
            if told is None:  # its header goes on in the next segment, or was not captured
                self.next = -1
                return
            name, size = told
            if name:
                yield name
            at += size
        self.next = -1


def http1(payload: bytes, by_client: bool) -> str:
    """First line and telling headers of an HTTP/1 message that begins here; empty for anything else."""
    front = payload[:MOST_HEAD]
    if by_client and (REQUEST.match(front) or CUT_REQUEST.match(front)):
        more = len(NEXT_REQUEST.findall(payload))
        said = request_line(re.split(rb"\r?\n", front, maxsplit=1)[0]) + headers(front)
        return said + (f", and {more} more request{'' if more == 1 else 's'}" if more else "")
    if not by_client and STATUS.match(front):
        more = len(NEXT_STATUS.findall(payload))
        line = re.split(rb"\r?\n", front, maxsplit=1)[0]
        said = line.partition(b" ")[2].decode("latin-1").strip()[:MOST_TARGET] + headers(front)
        return said + (f", and {more} more response{'' if more == 1 else 's'}" if more else "")
    return ""


def request_line(line: bytes) -> str:
    """Method, target without query, fragment and user name, and version."""
    words = line.decode("latin-1").strip().split(" ", 2)
    if len(words) > 1:
        target = USER.sub(r"\1", re.split(r"[?#]", words[1], maxsplit=1)[0])
        words[1] = target if len(target) <= MOST_TARGET else target[: MOST_TARGET - 3] + "..."
    return " ".join(words)


def headers(front: bytes) -> str:
    """The headers in ``TOLD``, as they stand, but for those that only repeat HTTP/1.1's default."""
    text, end, _ = front.partition(b"\r\n\r\n")
    head = text.split(b"\r\n")
    if not end:
        head = head[:-1]  # the snaplen, or the segment's end, may have cut it
    told = []
    for line in head[1:]:
        name, colon, value = line.partition(b":")
        if not colon or name.lower() not in TOLD:
            continue
        value = value.strip()
        if name.lower() == b"connection" and value.lower() == b"keep-alive" and b"HTTP/1.1" in head[0]:
            continue
        told.append(f", {name.decode('latin-1')}: {value[:60].decode('latin-1')}")
    return "".join(told[:4])
