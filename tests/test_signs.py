"""What the packet path keeps to tell programs by: header values, answers' headers, JA4, SYN options, probes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from notation import play, scenario

from pcapdiag.exchanges.ja4 import fingerprint

HANDSHAKE = """
    > S
    +0.010 < S.
    +0.001 > .
"""

test_values_that_programs_write_in_their_own_way_are_kept = scenario(
    HANDSHAKE
    + """
    > P. GET / [Accept-Encoding: gzip, deflate] [Authorization: secret] [Connection: keep-alive]
    < P. 200 (0) [Connection: close] [X-Powered-By: Express] [Set-Cookie: secret]
    expect header_order Host,Accept-Encoding,Authorization,Connection
    expect response_order Content-Length,Connection,X-Powered-By,Set-Cookie
"""
)


def test_no_other_value_is_kept() -> None:
    row = play(
        HANDSHAKE
        + """
        > P. GET / [Accept-Encoding: gzip, deflate] [Authorization: secret] [Connection: keep-alive]
        < P. 200 (0) [Connection: close] [X-Powered-By: Express] [Set-Cookie: secret]
        """
    ).connections[0]
    assert row["request_values"] == "accept-encoding: gzip, deflate\nconnection: keep-alive"
    assert row["response_values"] == "connection: close\nx-powered-by: Express"


test_a_refusal_of_what_cannot_be_parsed_does_not_stand_for_the_servers_heads = scenario(
    HANDSHAKE
    + """
    > P. GET /
    < P. 400 (0) [X-Odd: 1]
    > P. GET /
    < P. 404 (0) [Date: now]
    expect response_order Content-Length,Date
"""
)

test_a_head_that_the_snaplen_cut_says_so = scenario(
    HANDSHAKE
    + """
    > P. GET / [User-Agent: Go-http-client/1.1] [Accept-Encoding: gzip] cut 40
    expect header_order Host,User-Agent,...
"""
)


def test_the_silence_ahead_of_probes_is_measured_from_the_last_data_or_the_probe_before() -> None:
    row = play(
        HANDSHAKE
        + """
        > P. GET /
        +0.1 < P. 200 (0)
        +0.04 > .
        +14.96 < . 0:0(0)
        +0.001 > .
        +15 < . 0:0(0)
        +0.001 > .
        +15 < . 0:0(0)
        """.replace("0:0(0)", "38:38(0)")
    ).connections[0]
    assert row["server_keepalive_probes"] == 3
    assert row["server_probe_ns"] == pytest.approx(15e9, rel=0.001)
    assert row["client_probe_ns"] == 0


def test_the_kinds_of_a_syns_options_are_kept_in_order() -> None:
    row = play("> S wscale 7\n< S.\n> .").connections[0]
    assert row["client_options"] == 0x13
    assert row["server_options"] == 0


# -- JA4


def listed(values: Sequence[int]) -> bytes:
    return b"".join(struct.pack(">H", value) for value in values)


def hello(
    suites: Sequence[int],
    kinds: Sequence[int],
    algorithms: Sequence[int] = (),
    alpn: Sequence[bytes] = (),
    versions: Sequence[int] = (),
) -> bytes:
    """The body of a ClientHello with these lists; extensions that are not told have no content."""
    names = b"".join(bytes((len(name),)) + name for name in alpn)
    contents = {
        13: struct.pack(">H", 2 * len(algorithms)) + listed(algorithms),
        16: struct.pack(">H", len(names)) + names,
        43: bytes((2 * len(versions),)) + listed(versions),
    }
    extensions = b"".join(
        struct.pack(">HH", kind, len(contents.get(kind, b""))) + contents.get(kind, b"") for kind in kinds
    )
    return (
        b"\x03\x03"
        + bytes(32)
        + b"\x00"
        + struct.pack(">H", 2 * len(suites))
        + listed(suites)
        + b"\x01\x00"
        + struct.pack(">H", len(extensions))
        + extensions
    )


# The worked example of FoxIO's definition of JA4 (technical_details/JA4.md).
SUITES = (
    0x1301,
    0x1302,
    0x1303,
    0xC02B,
    0xC02F,
    0xC02C,
    0xC030,
    0xCCA9,
    0xCCA8,
    0xC013,
    0xC014,
    0x9C,
    0x9D,
    0x2F,
    0x35,
)
KINDS = (0x1B, 0, 0x33, 0x10, 0x4469, 0x17, 0x2D, 0x0D, 5, 0x23, 0x12, 0x2B, 0xFF01, 0x0B, 0x0A, 0x15)
ALGORITHMS = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)
EXAMPLE = b"t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_the_fingerprint_is_that_of_the_definitions_example() -> None:
    assert fingerprint(hello(SUITES, KINDS, ALGORITHMS, (b"h2", b"http/1.1"), (0x0304, 0x0303))) == EXAMPLE


def test_grease_changes_nothing() -> None:
    body = hello((0x1A1A, *SUITES), (0x2A2A, *KINDS, 0x3A3A), ALGORITHMS, (b"h2",), (0x4A4A, 0x0304))
    assert fingerprint(body) == EXAMPLE


def test_the_order_of_suites_and_extensions_changes_nothing_that_of_algorithms_does() -> None:
    shuffled = hello(SUITES[::-1], KINDS[::-1], ALGORITHMS, (b"h2",), (0x0304,))
    assert fingerprint(shuffled) == EXAMPLE
    assert fingerprint(hello(SUITES, KINDS, ALGORITHMS[::-1], (b"h2",), (0x0304,))) != EXAMPLE


def test_a_hello_without_extensions_has_zeros_and_the_legacy_version() -> None:
    body = hello((0x2F,), ())
    assert fingerprint(body[:-2]) == b"t12i010000_" + (fingerprint(body) or b"").split(b"_")[1] + b"_000000000000"


@pytest.mark.parametrize("name", [b"", b"\xab", b"\xab\xcd"])
def test_an_alpn_name_that_is_no_text_is_given_by_its_digits(name: bytes) -> None:
    found = fingerprint(hello(SUITES, KINDS, ALGORITHMS, (name,), (0x0304,))) or b""
    assert found[8:10] == {b"": b"00", b"\xab": b"ab", b"\xab\xcd": b"ad"}[name]


def test_no_cut_hello_has_a_fingerprint_of_its_own() -> None:
    body = hello(SUITES, KINDS, ALGORITHMS, (b"h2",), (0x0304,))
    whole_without_extensions = body.index(b"\x01\x00", 60) + 2
    for size in range(len(body)):
        assert (fingerprint(body[:size]) is not None) == (size == whole_without_extensions)
