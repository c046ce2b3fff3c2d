"""Records that have a length: what each is called, and where the next one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Protocol as Shape

from pcapdiag.model.words import Protocol

if TYPE_CHECKING:
    from pcapdiag.evidence.dissecting import Speech

# RFC 8446 B.3, RFC 5246 7.4
_HANDSHAKES = {
    0: "HelloRequest",
    1: "ClientHello",
    2: "ServerHello",
    4: "NewSessionTicket",
    11: "Certificate",
    12: "ServerKeyExchange",
    13: "CertificateRequest",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    20: "Finished",
    22: "CertificateStatus",
}
# RFC 8446 B.2
_ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}
_TLS13_ALERT = 19  # level, description, the true type and the tag: RFC 8446 5.2
_MAX_RECORD = 18_432
# RFC 9113 section 6
_FRAMES = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
]
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# PostgreSQL's documentation, Message Formats
_FROM_CLIENT = {
    "B": "Bind",
    "C": "Close",
    "D": "Describe",
    "E": "Execute",
    "H": "Flush",
    "P": "Parse",
    "Q": "Query",
    "S": "Sync",
    "X": "Terminate",
    "p": "password or SASL response",
    "d": "CopyData",
    "c": "CopyDone",
    "f": "CopyFail",
}
_FROM_SERVER = {
    "R": "Authentication",
    "S": "ParameterStatus",
    "K": "BackendKeyData",
    "Z": "ReadyForQuery",
    "T": "RowDescription",
    "D": "DataRow",
    "C": "CommandComplete",
    "E": "ErrorResponse",
    "N": "NoticeResponse",
    "1": "ParseComplete",
    "2": "BindComplete",
    "3": "CloseComplete",
    "n": "NoData",
    "t": "ParameterDescription",
    "I": "EmptyQueryResponse",
    "A": "NotificationResponse",
    "G": "CopyInResponse",
    "H": "CopyOutResponse",
    "d": "CopyData",
    "c": "CopyDone",
}
_STARTUPS = {196608: "StartupMessage", 80877103: "SSLRequest", 80877102: "CancelRequest", 80877104: "GSSENCRequest"}
# MySQL's documentation, Command Phase
_COMMANDS = {
    1: "Quit",
    2: "Init DB",
    3: "Query",
    14: "Ping",
    17: "Change User",
    22: "Prepare",
    23: "Execute",
    25: "Close",
}
_COMMANDS |= {26: "Reset", 28: "Fetch", 31: "Reset Connection"}
_MAX_MESSAGE = 1 << 30
# First words of SQL: nothing else of a statement is shown.
_VERBS = frozenset(
    b"SELECT INSERT UPDATE DELETE BEGIN START COMMIT ROLLBACK SET SHOW CREATE ALTER DROP WITH CALL COPY VACUUM".split()
)


class Records(Shape):
    """How a protocol's records are read."""

    def begins(self, payload: bytes, speech: Speech) -> bool:
        """Whether a record may begin at the front of a segment."""
        ...

    def read(self, payload: bytes, at: int, speech: Speech) -> tuple[str, int] | None:
        """What begins at ``at`` is called, "" for nothing worth a word, and its size; None where that is not here."""
        ...


class Tls:
    def begins(self, payload: bytes, speech: Speech) -> bool:
        if len(payload) < 5 or not 20 <= payload[0] <= 24 or payload[1] != 3 or payload[2] > 4:
            return False
        return 0 < int.from_bytes(payload[3:5], "big") <= _MAX_RECORD

    def read(self, payload: bytes, at: int, speech: Speech) -> tuple[str, int] | None:
        record = payload[at : at + 8]
        if len(record) < 6 or not self.begins(record, speech):
            return None
        kind, length = record[0], int.from_bytes(record[3:5], "big")
        size = 5 + length
        if kind == 20:
            speech.encrypted = True
            return "ChangeCipherSpec", size
        if kind == 21:
            if length != 2 or speech.encrypted or len(record) < 7:
                return "TLS alert (encrypted)", size
            return f"TLS alert: {_ALERTS.get(record[6], record[6])}", size
        if kind == 22:
            if speech.encrypted or record[5] not in _HANDSHAKES:
                return "TLS handshake (encrypted)", size
            name = _HANDSHAKES[record[5]]
            return (f"{name} {speech.sni}" if name == "ClientHello" and speech.sni else name), size
        if kind == 23:
            # In TLS 1.3 handshakes and alerts are of this type too; an alert shows by its size.
            return ("TLS data, an alert by its size" if length == _TLS13_ALERT else "TLS data"), size
        return "TLS heartbeat", size


class Http2:
    def begins(self, payload: bytes, speech: Speech) -> bool:
        return payload.startswith(_PREFACE) or (len(payload) >= 9 and payload[3] < len(_FRAMES) and payload[0] == 0)

    def read(self, payload: bytes, at: int, speech: Speech) -> tuple[str, int] | None:
        if payload.startswith(_PREFACE, at):
            return "HTTP/2 preface", len(_PREFACE)
        header = payload[at : at + 9]
        if len(header) < 9 or header[3] >= len(_FRAMES):
            return None
        acknowledges = header[3] in (4, 6) and header[4] & 1
        return _FRAMES[header[3]] + (" (ACK)" if acknowledges else ""), 9 + int.from_bytes(header[:3], "big")


class Postgres:
    def begins(self, payload: bytes, speech: Speech) -> bool:
        return len(payload) > 0

    def read(self, payload: bytes, at: int, speech: Speech) -> tuple[str, int] | None:
        head = payload[at : at + 16]
        if len(head) == 1 and not speech.by_client and head in b"SN":  # the answer to SSLRequest
            return ("TLS accepted" if head == b"S" else "TLS refused"), 1
        if speech.by_client and len(head) >= 8 and head[0] == 0 and int.from_bytes(head[4:8], "big") in _STARTUPS:
            return _STARTUPS[int.from_bytes(head[4:8], "big")], int.from_bytes(head[:4], "big")
        if len(head) < 5:
            return None
        name = (_FROM_CLIENT if speech.by_client else _FROM_SERVER).get(chr(head[0]))
        length = int.from_bytes(head[1:5], "big")
        if name is None or not 4 <= length < _MAX_MESSAGE:
            return None
        return name + (verb(payload[at + 5 : at + 24]) if name == "Query" else ""), 1 + length


class Mysql:
    def begins(self, payload: bytes, speech: Speech) -> bool:
        return len(payload) >= 4

    def read(self, payload: bytes, at: int, speech: Speech) -> tuple[str, int] | None:
        head = payload[at : at + 5]
        if len(head) < 5:
            return None
        size = 4 + int.from_bytes(head[:3], "little")
        number, first = head[3], head[4]
        if speech.by_client:
            if number:
                return ("login or authentication" if number < 8 else ""), size
            name = _COMMANDS.get(first, f"command {first}")
            return name + (verb(payload[at + 5 : at + 24]) if name == "Query" else ""), size
        if number == 0 and first == 10:
            return "server greeting", size
        return {0: "OK", 255: "error", 254: "end of rows"}.get(first, "result"), size


def verb(sql: bytes) -> str:
    """The first word of a statement, where it is one that SQL knows."""
    word = sql.split(None, 1)[0].strip(b";\0(").upper() if sql.split() else b""
    return f" ({word.decode('ascii')})" if word in _VERBS else ""


def redis(payload: bytes, by_client: bool) -> str:
    """The commands of a client, by name, or the kind of a reply (RESP)."""
    if not by_client:
        kinds = {
            b"+": "status",
            b"-": "error",
            b":": "number",
            b"$": "string",
            b"*": "array",
            b"%": "map",
            b"_": "null",
        }
        kind = kinds.get(payload[:1])
        return f"Redis reply ({kind})" if kind else ""
    names: list[str] = []
    at = 0
    while len(names) < 64 and payload[at : at + 1] == b"*":
        lines = payload[at : at + 80].split(b"\r\n", 3)
        if len(lines) < 3 or not lines[1].startswith(b"$"):
            break
        name = lines[2][:20]
        names.append(name.decode("ascii").upper() if name.isalpha() and name.isascii() else "command")
        following = payload.find(b"\r\n*", at + 1)
        if following < 0:
            break
        at = following + 2
    if not names:
        return ""
    more = f", and {len(names) - 1} more" if len(names) > 1 else ""
    return f"Redis {names[0]}{more}"


RECORDS: dict[Protocol, Records] = {
    Protocol.TLS: Tls(),
    Protocol.HTTP2: Http2(),
    Protocol.POSTGRES: Postgres(),
    Protocol.MYSQL: Mysql(),
}
