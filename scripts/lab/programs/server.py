"""An HTTP/1.1 server that does one thing wrong, or right, on purpose.  A thread for each connection, standard library.

    server.py --port N --log FILE [--certificate FILE --key FILE] [options]

It adds "seconds port" to the log for each request whose head it has read.  SIGTERM ends it the graceful way: the
listener goes first, then every connection that waits for a request is closed, then the program ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import socket
import ssl
import struct
import sys
import threading
import time


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--size", type=int, default=200, help="bytes of body")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds taken for each answer")
    parser.add_argument("--slow", default="", help="N,S: each Nth request of the server takes S seconds")
    parser.add_argument("--slow-after", default="", help="T,S: after T seconds without any request one takes S seconds")
    parser.add_argument("--drip", default="", help="N,S: the body in N pieces, S seconds apart")
    parser.add_argument("--idle", type=float, help="close after so many seconds without a request")
    parser.add_argument("--sweep", type=float, help="look for idle connections only so often, in seconds")
    parser.add_argument("--backlog", type=int, default=128)
    parser.add_argument("--accept-every", type=float, default=0.0, help="seconds between two accepts")
    parser.add_argument("--reset-share", type=float, default=0.0, help="share of requests that get RST and no answer")
    parser.add_argument("--reset-accepted", action="store_true", help="reset each connection as it comes")
    parser.add_argument("--refuse-body", type=int, default=0, help="answer 413 and close when the body is larger")
    parser.add_argument("--hint", default="", help="the Keep-Alive header of each response")
    parser.add_argument("--keep", type=int, help="keep no more connections than this; others are told Connection: close")
    return parser.parse_args()


OPTIONS = arguments()
LOCK = threading.Lock()
CHANCE = random.Random(7)
COUNT = 0  # requests of the server
LAST = time.monotonic()  # when one was answered last
WAITING: dict[socket.socket, float] = {}  # connections that wait for a request, since when
ENDING = threading.Event()
LOG = open(OPTIONS.log, "a", buffering=1)  # noqa: SIM115 open as long as the program runs


def served(port: int) -> tuple[int, float]:
    """Log a request; its number among all, and the seconds since the answer before."""
    global COUNT
    with LOCK:
        COUNT += 1
        LOG.write(f"{time.time():.6f} {port}\n")
        return COUNT, time.monotonic() - LAST


def read_head(connection: socket.socket, data: bytes) -> tuple[bytes, bytes] | None:
    """A request's head and what came behind it; None where the client sends no more."""
    while b"\r\n\r\n" not in data:
        with LOCK:
            if not data:
                WAITING[connection] = time.monotonic()
        try:
            more = connection.recv(65536)
        finally:
            with LOCK:
                WAITING.pop(connection, None)
        if not more:
            return None
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def say(connection: socket.socket, status: str, body: bytes, *headers: str) -> None:
    hint = [f"Keep-Alive: {OPTIONS.hint}"] if OPTIONS.hint else []
    lines = [f"HTTP/1.1 {status}", "Server: lab", f"Content-Length: {len(body)}", *hint, *headers, "", ""]
    head = "\r\n".join(lines).encode()
    if OPTIONS.drip and status.startswith("200"):
        count, pause = OPTIONS.drip.split(",")
        pieces = [body[len(body) * i // int(count) : len(body) * (i + 1) // int(count)] for i in range(int(count))]
        connection.sendall(head + pieces[0])
        for piece in pieces[1:]:
            time.sleep(float(pause))
            connection.sendall(piece)
        return
    connection.sendall(head + body)


def linger_not(connection: socket.socket) -> None:
    """Have close() reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve(connection: socket.socket, port: int) -> None:
    global LAST
    connection.settimeout(OPTIONS.idle if not OPTIONS.sweep else None)
    data = b""
    while not ENDING.is_set():
        got = read_head(connection, data)
        if got is None:
            return
        head, data = got
        number, silence = served(port)
        length = length_of(head)
        if OPTIONS.refuse_body and length > OPTIONS.refuse_body:
            say(connection, "413 Content Too Large", b"too large\n", "Connection: close")
            return
        while len(data) < length:
            more = connection.recv(65536)
            if not more:
                break
            data += more
        data = data[length:]
        if CHANCE.random() < OPTIONS.reset_share:
            time.sleep(OPTIONS.delay)
            linger_not(connection)
            return
        time.sleep(OPTIONS.delay)
        if OPTIONS.slow:
            each, seconds = OPTIONS.slow.split(",")
            if number % int(each) == 0:
                time.sleep(float(seconds))
        if OPTIONS.slow_after:
            rest, seconds = map(float, OPTIONS.slow_after.split(","))
            time.sleep(seconds if silence > rest else 0.0)
        keep = OPTIONS.keep is None or len(WAITING) < OPTIONS.keep
        say(connection, "200 OK", b"x" * (OPTIONS.size - 1) + b"\n", *([] if keep else ["Connection: close"]))
        LAST = time.monotonic()
        if not keep:
            return


def talk(connection: socket.socket, port: int, context: ssl.SSLContext | None) -> None:
    try:
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serve(connection, port)
    except (OSError, ValueError):
        pass  # the client is gone, or the idle timer has run out: the connection ends
    finally:
        with contextlib.suppress(OSError):
            connection.close()


def close_waiting(older_than: float) -> None:
    """Close connections that have waited so long; their threads' recv ends with it."""
    with LOCK:
        for connection, since in list(WAITING.items()):
            if time.monotonic() - since >= older_than:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def sweep() -> None:
    while True:
        time.sleep(OPTIONS.sweep)
        close_waiting(OPTIONS.idle)


def main() -> None:
    context = None
    if OPTIONS.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(OPTIONS.certificate, OPTIONS.key)
    listener = socket.create_server(("", OPTIONS.port), backlog=OPTIONS.backlog)

    def end(*_: object) -> None:
        listener.close()
        ENDING.set()
        close_waiting(0.0)
        time.sleep(0.2)  # answers under way
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    if OPTIONS.sweep:
        threading.Thread(target=sweep, daemon=True).start()
    while True:
        if OPTIONS.accept_every:
            time.sleep(OPTIONS.accept_every)
        try:
            connection, (_, port) = listener.accept()
        except OSError:
            return
        if OPTIONS.reset_accepted:
            linger_not(connection)
            connection.close()
            continue
        threading.Thread(target=talk, args=(connection, port, context), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
