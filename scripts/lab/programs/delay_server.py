"""An HTTP/1.1 server whose way of writing, reading and waiting is an option; connections are kept for ever.

    delay_server.py --port 8081 --log requests.log [--think S] [--slow /report=1.5] [--size N] ...

The log has a line for each request to --port: seconds since the epoch, the client's port.  Nagle's algorithm is on, as the
kernel has it; a thread serves each connection.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import threading
import time
from typing import BinaryIO, TextIO

LINE = b"0123456789abcde\n"
CHUNK = b"data: tick\n\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--ports", type=int, default=1, help="listen on so many, from --port on")
    parser.add_argument("--log", required=True)
    parser.add_argument("--size", type=int, default=200, help="bytes of body")
    parser.add_argument("--think", type=float, default=0.0, metavar="S", help="time taken for each answer")
    parser.add_argument("--slow", action="append", default=[], metavar="PATH=S", help="time taken for one path")
    parser.add_argument("--sized", action="append", default=[], metavar="PATH=N", help="bytes of body of one path")
    parser.add_argument("--two-writes", action="store_true", help="write the head and then the body")
    parser.add_argument("--stream", metavar="N@S", help="send the body in N chunks, S seconds apart")
    parser.add_argument(
        "--expect", choices=("send", "ignore", "refuse"), default="send", help="the 100 that is asked for"
    )
    parser.add_argument("--read-rate", type=int, default=0, metavar="BYTES/S", help="read bodies no faster")
    parser.add_argument("--receive-buffer", type=int, default=0, metavar="BYTES")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    return parser.parse_args()


class Server:
    def __init__(self, options: argparse.Namespace, log: TextIO) -> None:
        self.options = options
        self.log = log
        self.lock = threading.Lock()
        self.slow = {path: float(seconds) for path, seconds in (item.split("=") for item in options.slow)}
        self.sizes = {path: int(size) for path, size in (item.split("=") for item in options.sized)}
        self.tls: ssl.SSLContext | None = None
        if options.certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(options.certificate, options.key)

    def listen(self, port: int) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.options.receive_buffer:  # before the handshake, for the window scale
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.options.receive_buffer)
        listener.bind(("", port))
        listener.listen(512)
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        while True:
            connection, address = listener.accept()
            logged = listener.getsockname()[1] == self.options.port
            threading.Thread(target=self.serve, args=(connection, address[1] * logged), daemon=True).start()

    def serve(self, connection: socket.socket, port: int) -> None:
        try:
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as stream:
                reader = stream.makefile("rb")
                while self.answer(stream, reader, port):
                    pass
        except OSError:  # the client has gone, or has sent no TLS
            connection.close()

    def answer(self, stream: socket.socket, reader: BinaryIO, port: int) -> bool:
        """Read a request and answer it; False when the client sends no more."""
        request = reader.readline().split()
        if not request:
            return False
        headers = {}
        while line := reader.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip().lower()
        if port:
            with self.lock:
                self.log.write(f"{time.time():.6f} {port}\n")
                self.log.flush()
        if headers.get("expect") == "100-continue":
            if self.options.expect == "refuse":
                stream.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
                return True
            if self.options.expect == "send":
                stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.read_body(reader, headers)
        path = request[1].decode()
        time.sleep(self.slow.get(path, self.options.think))
        self.write(stream, self.sizes.get(path, self.options.size))
        return headers.get("connection") != "close"

    def read_body(self, reader: BinaryIO, headers: dict[str, str]) -> None:
        if headers.get("transfer-encoding") == "chunked":
            while size := int(reader.readline(), 16):
                reader.read(size + 2)
            reader.readline()
        left = int(headers.get("content-length", 0))
        while left:
            piece = len(reader.read(min(left, 8192)))
            if not piece:
                raise ConnectionError("the body ended early")
            left -= piece
            if self.options.read_rate:
                time.sleep(piece / self.options.read_rate)

    def write(self, stream: socket.socket, size: int) -> None:
        head = b"HTTP/1.1 200 OK\r\nServer: lab\r\nContent-Type: text/plain\r\n"
        if self.options.stream:
            count, period = self.options.stream.split("@")
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(int(count)):
                time.sleep(float(period))
                stream.sendall(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))
            stream.sendall(b"0\r\n\r\n")
            return
        body = (LINE * (size // len(LINE) + 1))[:size]
        head += b"Content-Length: %d\r\n\r\n" % size
        if self.options.two_writes:
            stream.sendall(head)
            stream.sendall(body)
        else:
            stream.sendall(head + body)


def main() -> None:
    options = arguments()
    with open(options.log, "a") as log:
        server = Server(options, log)
        for port in reversed(range(options.port, options.port + options.ports)):
            server.listen(port)  # the first port last: who waits for it finds all of them
        threading.Event().wait()


if __name__ == "__main__":
    main()
