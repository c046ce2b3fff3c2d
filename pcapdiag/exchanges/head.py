"""Parse an HTTP/1 message head (RFC 9112 sections 3 to 6) into the few facts that framing and diagnosis need."""

from __future__ import annotations

_METHODS = {
    b"GET": 1,
    b"HEAD": 2,
    b"POST": 3,
    b"PUT": 4,
    b"DELETE": 5,
    b"CONNECT": 6,
    b"OPTIONS": 7,
    b"TRACE": 8,
    b"PATCH": 9,
}

# A first line is taken for a request only with one of these in front: opaque bytes may start with any word.  WebDAV,
# UPnP and cache methods are in real captures too.
REQUEST_WORDS = frozenset(
    [
        *_METHODS,
        *b"PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH MERGE CHECKOUT MKACTIVITY VERSION-CONTROL".split(),
        *b"SUBSCRIBE UNSUBSCRIBE NOTIFY M-SEARCH PURGE BAN LINK UNLINK ACL MKCALENDAR BIND REBIND UNBIND".split(),
        *b"CCM_POST RPC_IN_DATA RPC_OUT_DATA BITS_POST SOURCE QUERY".split(),
    ]
)

# The first four bytes of targets like sip:x, sips:x, rtsp://x, icap://x
_FOREIGN_TARGETS = frozenset([b"sip:", b"sips", b"rtsp", b"icap"])

# Headers whose values programs write each in their own way, and users seldom change.
TELLING = frozenset(
    b"accept accept-encoding accept-language connection keep-alive sec-fetch-mode te upgrade via x-powered-by".split()
)
# Values are kept for comparison with known ones, of which the longest has 60 bytes.
_MAX_VALUE = 80
# Of a text that is kept for each connection; a head may be one header of 64 KiB, and different each time.
_MAX_TEXT = 1_024

MAX_NUMBER = 2**62


class Head:
    """The facts of one head.

    Attributes:
        request: a request, else a response.  method: number in ``model.flags.METHODS``.  status: 0 for a request.
        http10: the message says HTTP/1.0.  close, keep_alive: tokens of ``Connection``.
        length: Content-Length, -1 when absent, -2 when it cannot be trusted.  chunked: the last transfer coding.
        h2c: ``Upgrade: h2c``.  expect: ``Expect: 100-continue``.
        host, user_agent, server: values as bytes, None when absent.  order: header names in order, for fingerprints.
            Those of a cut head end in ``...``.
        values: a line "name: value" for each of :data:`TELLING`, names in lower case; None for none.
        keepalive_timeout, keepalive_max: parameters of ``Keep-Alive``, -1 when absent.
        text: the head itself, where it is remembered (:mod:`pcapdiag.exchanges.heads`).
    """

    def __init__(self) -> None:
        self.text = b""
        self.request = False
        self.method = 0
        self.status = 0
        self.http10 = False
        self.close = False
        self.keep_alive = False
        self.length = -1
        self.chunked = False
        self.h2c = False
        self.expect = False
        self.host: bytes | None = None
        self.user_agent: bytes | None = None
        self.server: bytes | None = None
        self.order = b""
        self.values: bytes | None = None
        self.keepalive_timeout = -1
        self.keepalive_max = -1


def starts_request(data: bytes, start: int, end: int) -> bool:
    """Whether ``data[start:end]`` begins with a request's method and a space, and no other protocol's version ends the line.

    SIP, RTSP and ICAP share methods with HTTP.  A line that goes on beyond ``end`` is judged by its target.
    """
    # By far the commonest first; no other protocol's target begins with a slash.
    if end - start >= 6 and data[start + 4] == 47 and data.startswith(b"GET /", start, end):
        return True
    if end - start >= 6 and data[start + 5] == 47 and data.startswith(b"POST /", start, end):
        return True
    space = data.find(b" ", start, min(end, start + 24))
    if space <= start or data[start:space] not in REQUEST_WORDS:
        return False
    newline = data.find(b"\n", space, end)
    if newline < 0:
        return data[space + 1 : min(end, space + 5)].lower() not in _FOREIGN_TARGETS
    return http_version(data[data.rfind(b" ", start, newline) + 1 : newline].strip(), data[start:space])


def http_version(last: bytes, method: bytes) -> bool:
    """Whether the last word of a request line is HTTP's; HTTP/0.9 has none, but only GET."""
    if last[:5].upper() == b"HTTP/":
        return True
    return method == b"GET" and last[:1] == b"/"


def starts_response(data: bytes, start: int, end: int) -> bool:
    """Whether ``data[start:end]`` begins like an HTTP/1 status line, as far as it was captured."""
    return end - start >= 7 and data.startswith(b"HTTP/1.", start, end)


def parse_head(head: bytes) -> Head | None:
    """Parse a whole head, or the front of a cut one; None when its first line is neither kind's."""
    out = Head()
    lines = head.split(b"\n")
    first = lines[0].rstrip(b"\r")
    if first.startswith(b"HTTP/1."):
        words = first.split(b" ", 2)
        out.http10 = words[0] == b"HTTP/1.0"
        if len(words) > 1 and words[1][:3].isdigit():
            out.status = int(words[1][:3])
    else:
        words = first.split(b" ")
        if words[0] not in REQUEST_WORDS:
            return None
        if len(lines) > 1 and not http_version(words[len(words) - 1], words[0]):
            return None
        out.request = True
        out.method = _METHODS.get(words[0], 0)
        # A cut first line has no version; without one in a whole line it is HTTP/0.9, which closes like 1.0.
        out.http10 = words[len(words) - 1] == b"HTTP/1.0"
    names = []
    values = []
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t", b"\r", b""):
            continue  # folded continuation, or the end
        colon = line.find(b":")
        if colon <= 0:
            continue
        name = line[:colon].rstrip()
        names.append(name)
        lower = name.lower()
        if lower in TELLING:
            values.append(lower + b": " + line[colon + 1 :].strip()[:_MAX_VALUE])
        if lower == b"content-length":
            read_length(out, line[colon + 1 :].strip())
        elif lower == b"connection" or lower == b"proxy-connection":
            for token in line[colon + 1 :].lower().split(b","):
                word = token.strip()
                if word == b"close":
                    out.close = True
                elif word == b"keep-alive":
                    out.keep_alive = True
        elif lower == b"transfer-encoding":
            out.chunked = line[colon + 1 :].lower().rpartition(b",")[2].strip() == b"chunked"
        elif lower == b"host":
            out.host = line[colon + 1 :].strip()[:_MAX_TEXT]
        elif lower == b"user-agent":
            out.user_agent = line[colon + 1 :].strip()[:_MAX_TEXT]
        elif lower == b"server":
            out.server = line[colon + 1 :].strip()[:_MAX_TEXT]
        elif lower == b"keep-alive":
            read_keepalive(out, line[colon + 1 :])
        elif lower == b"upgrade":
            out.h2c = line[colon + 1 :].strip().lower() == b"h2c"
        elif lower == b"expect":
            out.expect = line[colon + 1 :].strip().lower() == b"100-continue"
    out.order = b",".join(names)[: 4 * _MAX_TEXT]
    if values:
        out.values = b"\n".join(values)[: 4 * _MAX_TEXT]
    return out


def read_length(out: Head, value: bytes) -> None:
    """Content-Length: a list of equal values counts once (RFC 9110 8.6), anything else cannot be trusted."""
    parts = {part.strip() for part in value.split(b",")}
    text = parts.pop()
    if parts or not text.isdigit() or len(text) > 19 or (out.length >= 0 and out.length != int(text)):
        out.length = -2
    elif out.length != -2:
        out.length = min(int(text), MAX_NUMBER)


def read_keepalive(out: Head, value: bytes) -> None:
    """``Keep-Alive: timeout=5, max=100``; seconds and requests."""
    for part in value.split(b","):
        name, _, text = part.strip().partition(b"=")
        text = text.strip()
        if text.isdigit() and len(text) < 9:
            if name.lower() == b"timeout":
                out.keepalive_timeout = int(text)
            elif name.lower() == b"max":
                out.keepalive_max = int(text)
