"""Connections that end in every way, for scripts/compare_states.py.

    states_traffic.py server          listen on PORTS until it is ended
    states_traffic.py client HOST     the schedule below, some 90 s long; holds what is open until it is ended

A connection's first line says what its ends do with it; the port says what it is called in the result.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time

(CLIENT_CLOSES, SERVER_CLOSES, HALF_CLOSED, FORGOTTEN, RESET, REFUSED, DROPPED, IDLE, TOGETHER, REUSED, UNFINISHED,
 BUSY) = PORTS = range(8001, 8013)  # fmt: skip
LISTENING = tuple(port for port in PORTS if port not in (REFUSED, DROPPED))
HELD_S = 70.0  # a half-closed connection: longer than tcp_fin_timeout
held: list[socket.socket] = []


def abort(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def close_at(end: socket.socket, moment: float) -> None:
    """Both ends run on one machine's clock."""
    time.sleep(max(moment - time.monotonic() - 0.002, 0))
    while time.monotonic() < moment:
        pass
    end.close()


def serve(end: socket.socket) -> None:
    words = end.recv(100).split()
    if not words:
        end.close()
        return
    end.sendall(b"yes\n")
    if words[0] == b"close":
        end.close()
    elif words[0] == b"abort":
        time.sleep(0.3)
        abort(end)
    elif words[0] == b"forget":
        end.recv(100)
        held.append(end)
    elif words[0] == b"stream":
        over = time.monotonic() + HELD_S
        while time.monotonic() < over:
            end.sendall(b"more\n")
            time.sleep(1)
        end.close()
    elif words[0] == b"together":
        close_at(end, float(words[1]))
    else:
        while end.recv(100):
            pass
        if words[0] == b"wait":
            time.sleep(0.25)  # CLOSE_WAIT long enough to be sampled
        end.close()


def server() -> None:
    for port in LISTENING:
        listener = socket.create_server(("", port), backlog=500)
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def accept(listener: socket.socket) -> None:
    while True:
        end, _ = listener.accept()
        threading.Thread(target=serve, args=(end,), daemon=True).start()


def call(host: str, port: int, word: str, source: int = 0) -> socket.socket:
    end = socket.socket()
    if source:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind(("", source))
    end.connect((host, port))
    end.sendall(word.encode() + b"\n")
    end.recv(4)
    return end


def until_end(end: socket.socket) -> None:
    while end.recv(1000):
        pass
    end.close()


def many(host: str, port: int, word: str, count: int, pause: float, then: str) -> None:
    """``count`` connections one after the other."""
    for _ in range(count):
        end = call(host, port, word)
        if then == "close":
            end.close()
        elif then == "abort":
            abort(end)
        elif then == "hold":
            held.append(end)
        elif then == "shut":
            end.shutdown(socket.SHUT_WR)
            threading.Thread(target=until_end, args=(end,), daemon=True).start()
        else:
            until_end(end)
        time.sleep(pause)


def refused(host: str) -> None:
    for _ in range(5):
        with contextlib.suppress(ConnectionRefusedError):
            call(host, REFUSED, "never")


def dropped(host: str, patience: float | None) -> None:
    end = socket.socket()
    end.settimeout(patience)
    with contextlib.suppress(OSError):
        end.connect((host, DROPPED))
    end.close()


def together(host: str) -> None:
    moment = time.monotonic() + 1.0
    ends = []
    for number in range(20):
        at = moment + number * 0.02
        ends.append((call(host, TOGETHER, f"together {at:.6f}"), at))
    for end, at in ends:
        close_at(end, at)


def reused(host: str, source: int, word: str, pause: float) -> None:
    """The same addresses and ports again and again: ``pause`` seconds behind the last life."""
    for _ in range(5):
        end = call(host, REUSED, word, source)
        if word == "close":
            until_end(end)
        else:
            end.close()
        time.sleep(pause)


def busy(host: str) -> None:
    """More connections than the client has ports: with tcp_tw_reuse each is used again a second after its close."""
    for _ in range(500):
        try:
            call(host, BUSY, "quick").close()
        except OSError:  # all ports in use
            time.sleep(0.05)


def client(host: str) -> None:
    schedule = [
        (0.5, many, (host, CLIENT_CLOSES, "wait", 200, 0.01, "close")),
        (0.5, many, (host, SERVER_CLOSES, "close", 150, 0.01, "read")),
        (1.0, many, (host, HALF_CLOSED, "stream", 10, 0.05, "shut")),
        (2.0, many, (host, FORGOTTEN, "forget", 20, 0.05, "close")),
        (3.0, many, (host, RESET, "abort", 10, 0.05, "hold")),
        (3.5, many, (host, RESET, "wait", 5, 0.05, "abort")),
        (3.0, refused, (host,)),
        *((4.0, dropped, (host, 4.9)) for _ in range(3)),
        *((4.0, dropped, (host, None)) for _ in range(3)),
        (5.0, many, (host, IDLE, "wait", 8, 0.1, "hold")),
        (6.0, together, (host,)),
        *((9.0, reused, (host, 20_000 + number, "wait", 1.6)) for number in range(5)),
        *((9.0, reused, (host, 20_100 + number, "close", 0.7)) for number in range(5)),
        *((11.0, unfinished, (host,)) for _ in range(3)),
        *((20.0, busy, (host,)) for _ in range(8)),
        (40.0, many, (host, CLIENT_CLOSES, "wait", 100, 0.02, "close")),
    ]
    begin = time.monotonic()
    for at, what, with_ in sorted(schedule, key=lambda entry: entry[0]):
        time.sleep(max(begin + at - time.monotonic(), 0))
        threading.Thread(target=what, args=with_, daemon=True).start()
    print("scheduled", flush=True)
    threading.Event().wait()


def unfinished(host: str) -> None:
    """A handshake whose last ACK the server's firewall keeps back."""
    end = socket.create_connection((host, UNFINISHED))
    held.append(end)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        server()
    else:
        client(sys.argv[2])
