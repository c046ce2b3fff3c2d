"""Clients that write their own bytes, for what no library does; prints "done" and stays alive and quiet.

    delay_raw.py pipeline HOST PORT        rounds of five requests in one segment, five answers awaited
    delay_raw.py split HOST PORT           POSTs whose head and body are two writes, with Nagle's algorithm on
    delay_raw.py websocket HOST PORT       six connections: an Upgrade, an echo each 200 ms, then silence
    delay_raw.py many HOST PORT PORTS      two requests to each of so many ports; each twentieth, one on each connection
    delay_raw.py garbage HOST PORT         some good requests and one whose Host is missing on each connection

Requests are GET / unless they are said to be others.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import BinaryIO

AGENT = b"User-Agent: lab-raw/1\r\n"
kept: list[socket.socket] = []  # what is to stay open


def read_response(reader: BinaryIO) -> None:
    size = 0
    if not reader.readline():
        raise ConnectionError("closed")
    while line := reader.readline().strip():
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    reader.read(size)


def get(host: str, path: str = "/") -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path.encode(), host.encode(), AGENT)


def connect(host: str, port: int) -> tuple[socket.socket, BinaryIO]:
    connection = socket.create_connection((host, port))
    kept.append(connection)
    return connection, connection.makefile("rb")


def pipeline(host: str, port: int) -> None:
    connection, reader = connect(host, port)
    for _ in range(12):
        connection.sendall(get(host) * 5)
        for _ in range(5):
            read_response(reader)
        time.sleep(0.1)


def split(host: str, port: int) -> None:
    connection, reader = connect(host, port)
    for _ in range(30):
        connection.sendall(
            b"POST /order HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 120\r\n\r\n" % (host.encode(), AGENT)
        )
        connection.sendall(b"x" * 120)
        read_response(reader)
        time.sleep(0.06)


def websocket(host: str, port: int) -> None:
    connection, reader = connect(host, port)
    connection.sendall(
        b"GET /chat HTTP/1.1\r\nHost: %s\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" % (host.encode(), AGENT)
    )
    read_response(reader)
    for number in range(20):
        text = b"message %d" % number
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
        connection.sendall(bytes([0x81, 0x80 | len(text)]) + mask + masked)
        reader.read(reader.read(2)[1])  # the echo comes unmasked
        time.sleep(0.2)


def websockets(host: str, port: int) -> None:
    threads = [threading.Thread(target=websocket, args=(host, port)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def many(host: str, port: int, ports: int) -> None:
    for number in range(port, port + ports):
        if (number - port) % 20:
            connection, reader = connect(host, number)
            for _ in range(2):
                connection.sendall(get(host))
                read_response(reader)
            time.sleep(0.008)
        else:
            one_each(host, number, 4)
    for number in range(port, port + ports, 20):
        one_each(host, number, 4)
        time.sleep(0.02)


def one_each(host: str, port: int, calls: int) -> None:
    for _ in range(calls):
        connection, reader = connect(host, port)
        connection.sendall(get(host))
        read_response(reader)
        reader.close()
        kept.pop().close()


def garbage(host: str, port: int) -> None:
    for number in range(12):
        connection, reader = connect(host, port)
        for _ in range(3 + 5 * number % 8):
            connection.sendall(get(host))
            read_response(reader)
            time.sleep(0.03)
        connection.sendall(b"GET / HTTP/1.1\r\n%s\r\n" % AGENT)
        while reader.read(65536):
            pass
        reader.close()
        kept.pop().close()


def main() -> None:
    name, host, port, *more = sys.argv[1:]
    act = {"pipeline": pipeline, "split": split, "websocket": websockets, "many": many, "garbage": garbage}[name]
    act(host, int(port), *(int(number) for number in more))
    print("done", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
