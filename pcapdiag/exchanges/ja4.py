"""JA4: the fingerprint of a TLS ClientHello, as FoxIO defines it (BSD 3-Clause, github.com/FoxIO-LLC/ja4).

``t13d1911h2_9dc949149365_e7c285222651``: TCP, TLS 1.3, a server name (d) or none (i), 19 cipher suites, 11 extensions, first
and last character of the first ALPN name; then 12 hexadecimal digits of SHA-256 over the sorted suites, and over the
sorted extensions (server name and ALPN left out) with the signature algorithms as they came.  GREASE (RFC 8701) is left
out everywhere.
"""

from __future__ import annotations

_VERSIONS = {0x0304: b"13", 0x0303: b"12", 0x0302: b"11", 0x0301: b"10", 0x0300: b"s3"}
_NOTHING = b"000000000000"
_SERVER_NAME = 0
_SIGNATURES = 13
_ALPN = 16
_SUPPORTED_VERSIONS = 43

# A client sends the same lists on each connection; browsers, which shuffle them, would fill the memo.
_KNOWN: dict[bytes, bytes] = {}
_MAX_KNOWN = 1_024


def fingerprint(body: bytes) -> bytes | None:
    """The JA4 of a ClientHello's body (RFC 8446 4.1.2), None where it is cut or its lengths do not fit."""
    size = len(body)
    if size < 35:
        return None
    at = 35 + body[34]
    if at + 2 > size:
        return None
    end = at + 2 + number(body, at)
    if end >= size:
        return None
    suites = body[at + 2 : end]
    at = end + 1 + body[end]
    kinds = b""
    signatures = b""
    versions = body[:2]
    name = b""
    if at != size:
        if at + 2 > size:
            return None
        end = at + 2 + number(body, at)
        if end > size:
            return None
        at += 2
        while at + 4 <= end:
            kind = number(body, at)
            length = number(body, at + 2)
            if at + 4 + length > end:
                return None
            kinds = kinds + body[at : at + 2]
            if kind == _SIGNATURES:
                signatures = body[at + 6 : at + 4 + length]
            elif kind == _ALPN and length > 3:
                name = body[at + 7 : at + 7 + body[at + 6]]
            elif kind == _SUPPORTED_VERSIONS:
                versions = body[at + 5 : at + 4 + length]
            at += 4 + length
    # The fields' lengths keep their borders apart.
    key = b"%d %d %d %d " % (len(suites), len(kinds), len(signatures), len(versions))
    key = key + suites + kinds + signatures + versions + name
    known = _KNOWN.get(key)
    if known is None:
        known = written(suites, kinds, signatures, versions, name)
        if len(_KNOWN) < _MAX_KNOWN:
            _KNOWN[key] = known
    return known


def number(data: bytes, at: int) -> int:
    """16 bits in network order."""
    return data[at] << 8 | data[at + 1]


def pairs(data: bytes) -> list[int]:
    """A list of 16-bit values without GREASE."""
    values = [number(data, at) for at in range(0, len(data) - 1, 2)]
    return [value for value in values if value & 0x0F0F != 0x0A0A or value >> 8 != value & 0xFF]


def written(suites: bytes, kinds: bytes, signatures: bytes, versions: bytes, name: bytes) -> bytes:
    """The fingerprint of what a hello lists."""
    ciphers = pairs(suites)
    extensions = pairs(kinds)
    highest = max(pairs(versions), default=0)
    first = b"t%s%s%02d%02d%s" % (
        _VERSIONS.get(highest, b"00"),
        b"d" if _SERVER_NAME in extensions else b"i",
        min(len(ciphers), 99),
        min(len(extensions), 99),
        ends(name),
    )
    listed = sorted(b"%04x" % value for value in extensions if value not in (_SERVER_NAME, _ALPN))
    third = b",".join(listed)
    algorithms = pairs(signatures)
    if algorithms:
        third = third + b"_" + b",".join([b"%04x" % value for value in algorithms])
    second = b",".join(sorted([b"%04x" % value for value in ciphers]))
    return b"_".join([first, digest(second), digest(third) if extensions else _NOTHING])


def ends(name: bytes) -> bytes:
    """First and last character of an ALPN name, of its hexadecimal digits where one is neither letter nor digit."""
    if not name:
        return b"00"
    if not (name[:1].isalnum() and name[len(name) - 1 :].isalnum()):
        name = name.hex().encode()
    return name[:1] + name[len(name) - 1 :]


def digest(text: bytes) -> bytes:
    """12 hexadecimal digits of SHA-256; zeros for nothing."""
    from hashlib import sha256  # loads OpenSSL: few captures have a ClientHello, and few different ones

    return sha256(text).hexdigest()[:12].encode() if text else _NOTHING
