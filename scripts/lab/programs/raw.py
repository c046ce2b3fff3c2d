"""Clients that hold their sockets in their own hands.  HTTP/1.1 over plain TCP, standard library only.

    raw.py BEHAVIOUR HOST PORT LOG

Each function below is a behaviour.  The log has "seconds port" for each request sent.  It prints "done" when it is
through and stays alive and quiet, its sockets with it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable

BEHAVIOUR, HOST, PORT, LOG = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
SENT = open(LOG, "a", buffering=1)  # noqa: SIM115 open as long as the program runs
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nUser-Agent: raw/1.0\r\nAccept: */*\r\n\r\n".encode()
KEPT: list[socket.socket] = []  # never closed, never collected


def dial(timeout: float = 10.0) -> socket.socket:
    return socket.create_connection((HOST, PORT), timeout=timeout)


def send(connection: socket.socket, data: bytes = REQUEST) -> None:
    connection.sendall(data)
    SENT.write(f"{time.time():.6f} {connection.getsockname()[1]}\n")


def receive(connection: socket.socket) -> bytes:
    """One response; what came before the end where the server ended first."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body


def get(connection: socket.socket) -> bytes:
    send(connection)
    return receive(connection)


def ignores_fin() -> None:
    """Some requests, a rest in which the server closes, then another on the connection that it has closed."""
    for round_ in range(6):
        connection = dial()
        for _ in range(2 + 3 * round_ % 7):
            get(connection)
            time.sleep(0.1)
        time.sleep(1.5)
        with contextlib.suppress(OSError):
            send(connection)
            receive(connection)
        connection.close()


def half_close() -> None:
    """Some calls, and with the last one the client says that it has no more to ask: its FIN comes before the answer."""

    def work(number: int) -> None:
        for round_ in range(4):
            connection = dial()
            for _ in range(2 + (number + round_) % 3):
                get(connection)
                time.sleep(0.3)
            send(connection)
            connection.shutdown(socket.SHUT_WR)
            receive(connection)
            connection.close()
            time.sleep(0.4)

    both = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()


def spares() -> None:
    """One connection for the calls, and a pool that keeps four spares and replaces them when 1.5 s old and unused."""
    busy = dial()
    rest: list[socket.socket] = []
    for i in range(40):
        if i % 5 == 0:
            for connection in rest:
                connection.close()
            rest = [dial() for _ in range(4)]
            time.sleep(0.05)
        get(busy)
        time.sleep(0.28)
    KEPT.extend([busy, *rest])


def health_checks() -> None:
    """A balancer: two connections with requests, and a connect and close each second to see whether the port is open."""
    done = threading.Event()

    def check() -> None:
        while not done.is_set():
            dial().close()
            time.sleep(1.0)

    checker = threading.Thread(target=check)
    checker.start()
    pool = [dial(), dial()]
    for _ in range(60):
        for connection in pool:
            get(connection)
        time.sleep(0.2)
    done.set()
    checker.join()
    KEPT.extend(pool)


def leaks() -> None:
    """A pool of ten that was used in turns and then forgotten, never closed; the program goes on with other connections."""
    pool = [dial() for _ in range(10)]
    for _ in range(4):
        for connection in pool:
            get(connection)
            time.sleep(0.02)
    KEPT.extend(pool)
    for _ in range(4):
        busy = dial()
        for _ in range(10):
            get(busy)
            time.sleep(0.15)
        KEPT.append(busy)
        time.sleep(0.2)


def uploads() -> None:
    """A body of 600 kB each time, sent in pieces, whatever the server says meanwhile."""
    size = 600_000
    head = (
        f"PUT /file HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nUser-Agent: raw/1.0\r\nContent-Length: {size}\r\n\r\n"
    ).encode()
    for _ in range(4):
        connection = dial()
        with contextlib.suppress(OSError):
            send(connection, head)
            for _ in range(size // 4000):
                connection.sendall(b"u" * 4000)
                time.sleep(0.004)
        connection.close()
        time.sleep(0.5)


BEHAVIOURS: dict[str, Callable[[], None]] = {
    f.__name__: f for f in (ignores_fin, half_close, spares, health_checks, leaks, uploads)
}

if __name__ == "__main__":
    BEHAVIOURS[BEHAVIOUR]()
    print("done", flush=True)
    threading.Event().wait()
