"""An HTTP proxy that answers CONNECT, a TLS server behind it, and a WebSocket server.

    delay_tunnel.py --port 8081 --log requests.log --certificate FILE --key FILE

CONNECT to any name ends at the TLS server, on this host's loopback.  GET with Upgrade: websocket is answered with 101,
and each message with itself.  The log has a line for each CONNECT and each Upgrade: seconds since the epoch, the
client's port.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time
from typing import TextIO

ORIGIN = 8443
THINK_S = 0.08  # long enough for callers to meet
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455's example: the client here always sends its key


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: TextIO) -> None:
    head = await read_head(reader)
    log.write(f"{time.time():.6f} {writer.get_extra_info('peername')[1]}\n")
    log.flush()
    if head.startswith(b"CONNECT "):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", ORIGIN)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)
        return
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\n\r\n" % ACCEPT
    )
    try:
        while True:
            _, length = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            masked = await reader.readexactly(length & 0x7F)
            writer.write(bytes([0x81, len(masked)]) + bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked)))
    except asyncio.IncompleteReadError:
        writer.close()


async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = b"x" * 300
    while await read_head(reader):
        await asyncio.sleep(THINK_S)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    writer.close()


async def serve(options: argparse.Namespace) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    with open(options.log, "a") as log:
        await asyncio.start_server(origin, "127.0.0.1", ORIGIN, ssl=context)
        server = await asyncio.start_server(lambda r, w: proxy(r, w, log), "", options.port)
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--log", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
