"""How clients of databases and of gRPC introduce themselves: what they set, and the few values that are a library's.

PostgreSQL's startup message lists parameters, MySQL's login attributes of the connection, Redis has CLIENT SETINFO, and gRPC
a content type and a User-Agent, of which the beginnings are looked for as they stand in a header block.  Of a user, a
password, a key, a command's arguments or SQL nothing is kept.  Results are what the framer of HTTP calls the order of
headers and their values: names joined by commas, ``...`` at the end of cut ones, and lines "name: value".
"""

from __future__ import annotations

# The value of no other parameter is kept; those of a program's own choice tell it, or say what it calls itself.
TOLD = frozenset([b"application_name", b"client_encoding", b"datestyle", b"extra_float_digits"])
# Attributes of a MySQL login that a library sets by itself.
ATTRIBUTES = frozenset([b"_client_name", b"_client_version", b"program_name"])

# PostgreSQL cuts names at 63 bytes (NAMEDATALEN).
_LONGEST = 63
# libpq knows some twenty parameters.
_MOST = 32

# What a client sends in place of a user's name in SCRAM, where PostgreSQL takes the one of the startup message
# (RFC 5802 section 7; PostgreSQL's documentation, SASL authentication).
_SCRAM = b"SCRAM-SHA-256\0"

# CLIENT SETINFO LIB-NAME value, as an array of strings (RESP).
_SETINFO = b"SETINFO\r\n"
_LIB_NAME = b"\r\nLIB-NAME\r\n$"
_LIB_VER = b"\r\nLIB-VER\r\n$"
# ioredis asks for INFO before anything else, in lower case as it writes all commands.
_INFO = b"*1\r\n$4\r\ninfo\r\n"

# Texts of header fields as HPACK writes them, plain and in its Huffman code (RFC 7541 5.2, appendix B), whole bytes of it.
_GRPC = (b"application/grpc", bytes.fromhex("1d75d0620d263d4c4d6564"))
_GRPC_AGENTS = tuple(
    (name, (name, bytes.fromhex(code)))
    for name, code in (
        (b"grpc-go", "9acac8b4c7"),
        (b"grpc-java", "9acac8b741f7"),
        (b"grpc-python", "9acac8b57e9339ea"),
        (b"grpc-node-js", "9acac8b54790ab74"),
        (b"grpc-dotnet", "9acac8b4874d45"),
        (b"grpc-c++", "9acac8b13fdffb"),
    )
)


def startup(text: bytes, whole: bool) -> tuple[bytes, bytes]:
    """Names and told values of a PostgreSQL StartupMessage, its length and version ahead."""
    fields = text[8:].split(b"\0")
    names = []
    values = []
    for at in range(0, min(len(fields) - 1, 2 * _MOST), 2):
        name = fields[at]
        if not name:
            break
        if not plain(name):
            return b"", b""
        names.append(name)
        # The last field of a cut message is cut itself.
        if name.lower() in TOLD and at + 1 < len(fields) - (not whole) and plain(fields[at + 1]):
            values.append(name.lower() + b": " + fields[at + 1])
    if not whole:
        names.append(b"...")
    return b",".join(names), b"\n".join(values)


def scram(text: bytes) -> bytes:
    """What stands for the user's name in a PostgreSQL client's first SCRAM message: "*", "none" or "given".

    Empty for other messages.
    """
    if text[5 : 5 + len(_SCRAM)] != _SCRAM:
        return b""
    first = text[5 + len(_SCRAM) + 4 :]
    at = first.find(b",n=")
    if not 0 < at < 8:
        return b""
    name = first[at + 3 :].partition(b",")[0]
    return b"scram: " + (b"none" if not name else b"*" if name == b"*" else b"given")


def redis(text: bytes) -> bytes:
    """Lines "lib-name: ..." and "lib-ver: ..." of commands that say them."""
    if text[:14] == _INFO:
        return b"first: info"
    upper = text.upper()
    if _SETINFO not in upper:
        return b""
    lines = []
    for marker, name in ((_LIB_NAME, b"lib-name: "), (_LIB_VER, b"lib-ver: ")):
        at = upper.find(marker)
        if at < 0:
            continue
        size, _, rest = text[at + len(marker) :].partition(b"\r\n")
        value = rest.partition(b"\r\n")[0]
        if size.isdigit() and int(size) == len(value) and plain(value):
            lines.append(name + value)
    return b"\n".join(lines)


def grpc(text: bytes) -> bytes:
    """Lines "content: grpc" and "agent: ..." where a header block is a gRPC call's; empty for others."""
    if not any(code in text for code in _GRPC):
        return b""
    agent = next((name for name, codes in _GRPC_AGENTS if any(code in text for code in codes)), b"")
    return b"content: grpc" + (b"\nagent: " + agent if agent else b"")


def mysql(text: bytes) -> tuple[bytes, bytes]:
    """Names and told values of a MySQL HandshakeResponse41's connection attributes; both empty without any."""
    # Length-encoded strings in pairs, at the packet's end: whatever comes first, the library's name is among them.
    at = text.find(b"\x0c_client_name")
    if at < 36:
        return b"", b""
    known: list[bytes] = []
    values = []
    while at < len(text) and len(known) < _MOST:
        name, at = counted(text, at)
        value, at = counted(text, at)
        if not name or not plain(name):
            break
        known.append(name)
        if name in ATTRIBUTES and plain(value):
            values.append(name + b": " + value)
    return b",".join(known), b"\n".join(values)


def counted(text: bytes, at: int) -> tuple[bytes, int]:
    """A string of at most 250 bytes ahead of which its length stands, and what is behind it; empty where it is cut."""
    size = text[at] if at < len(text) else 0
    end = at + 1 + size
    return (text[at + 1 : end], end) if size <= 250 and end <= len(text) else (b"", len(text))


def plain(value: bytes) -> bool:
    """Whether it is a short printable text."""
    return 0 < len(value) <= _LONGEST and value.isascii() and value.decode("ascii").isprintable()
