"""A small process that keeps root when the one that parses packets has given it up.

It never sees a packet.  Over a socketpair it does four things for the other and nothing else: open the next file of a
rotation, whose name it makes itself from the path it was started with; remove a file that it has made; look up which
processes own sockets; and send the capture process one of three signals.  When the socket closes it ends,
and so does the capture process, which on a quiet interface would not notice that nobody reads.
Without root there is no warden: the same functions are called where they are needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
from collections.abc import Iterable
from typing import Any

from pcapdiag.live import names, opening
from pcapdiag.live.owners import Endpoint
from pcapdiag.live.owners import owners as look_up
from pcapdiag.live.privileges import User
from pcapdiag.model.live import Owner

MOST_BYTES = 1 << 20  # of a message
SIGNALS = (signal.SIGINT, signal.SIGUSR1, signal.SIGKILL)
_LENGTH = struct.Struct("=I")


class Warden:
    """The unprivileged end: what it asks for happens with root's rights."""

    def __init__(self, path: str | None, user: User, pid: int) -> None:
        """Start the warden.

        Args:
            path: of ``-w``, None without.
            user: whose new files are to be.
            pid: the capture process.
        """
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._path = os.path.abspath(path) if path is not None else None
        self._named = path
        child = os.fork()
        if child == 0:
            code = 1
            try:
                ours.close()
                _only(theirs.fileno())
                serve(theirs, self._path, user, pid)
                code = 0
            finally:
                os._exit(code)
        theirs.close()
        self.pid = child

    def open(self, path: str) -> int:
        """The file that ``-w`` names, or one of its rotation, empty, to write.

        Raises:
            OSError: it cannot be opened.
        """
        number, when = self._parts(path)
        reply, files = self._ask({"do": "open", "number": number, "when": when})
        if not files:
            raise OSError(reply.get("errno", 0), reply.get("error", "the warden has ended"), path)
        return files[0]

    def remove(self, path: str) -> None:
        """Delete a file that it has opened.

        Raises:
            OSError: it cannot be deleted.
        """
        number, when = self._parts(path)
        reply, _ = self._ask({"do": "remove", "number": number, "when": when})
        if "error" in reply:
            raise OSError(reply.get("errno", 0), reply["error"], path)

    def owners(self, endpoints: Iterable[Endpoint]) -> dict[Endpoint, Owner]:
        """As :func:`pcapdiag.live.owners.owners`."""
        reply, _ = self._ask({"do": "owners", "endpoints": list(endpoints)[:2000]})
        return {(ip, port): Owner(pid, name, container) for ip, port, pid, name, container in reply.get("owners", ())}

    def signal(self, number: int) -> None:
        """Send the capture process SIGINT, SIGUSR1 or SIGKILL."""
        self._ask({"do": "signal", "number": int(number)})

    def close(self) -> None:
        """End it."""
        self._socket.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _parts(self, path: str) -> tuple[int, str]:
        found = names.parts(self._named or "", path)
        if found is None:
            raise OSError(0, "not a file of this capture", path)
        return found

    def _ask(self, message: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        try:
            send(self._socket, message)
            return receive(self._socket)
        except (OSError, EOFError, ValueError):
            return {"error": "the warden has ended"}, []


def serve(channel: socket.socket, path: str | None, user: User, pid: int) -> None:
    """Do what is asked for until the other end closes."""
    process = _handle(pid)
    obey(channel, path, user, pid, process)
    if process >= 0:
        _send_signal(process, pid, signal.SIGINT)


def obey(channel: socket.socket, path: str | None, user: User, pid: int, process: int) -> None:
    """Answer each message, until there are no more."""
    made: set[str] = set()
    # Held open: whoever may write beside it could have another directory of that name by the next rotation.
    directory = None
    if path is not None:
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    while True:
        try:
            message, sent = receive(channel)
        except (EOFError, OSError, ValueError, RecursionError):
            return
        for file in sent:  # nobody has asked for any
            os.close(file)
        files: list[int] = []
        reply: dict[str, Any] = {}
        try:
            if message["do"] in ("open", "remove"):
                if path is None:
                    raise ValueError("nothing is kept")
                name = names.rotated(os.path.basename(path), int(message["number"]), str(message["when"]))
                if message["do"] == "open":
                    files.append(opening.create(name, user, directory))
                    made.add(name)
                elif name in made:
                    opening.remove(name, directory)
                    made.discard(name)
                else:
                    raise ValueError("not a file of this capture")
            elif message["do"] == "owners":
                found = look_up((str(ip), int(port)) for ip, port in message["endpoints"])
                reply["owners"] = [[*end, one.pid, one.name, one.container] for end, one in found.items()]
            elif message["do"] == "signal" and message["number"] in SIGNALS:
                _send_signal(process, pid, message["number"])
        except OSError as error:
            reply = {"errno": error.errno or 0, "error": error.strerror or str(error)}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            reply = {"error": str(error)}
        try:
            send(channel, reply, files)
        except OSError:
            return
        finally:
            for file in files:
                os.close(file)


def send(channel: socket.socket, message: dict[str, Any], files: Iterable[int] = ()) -> None:
    """A message, with open files."""
    data = json.dumps(message).encode()
    socket.send_fds(channel, [_LENGTH.pack(len(data))], list(files))
    channel.sendall(data)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A message, and the files that came with it.

    Raises:
        EOFError: the other end is closed.
        ValueError: it is none.
    """
    front, files, _, _ = socket.recv_fds(channel, _LENGTH.size, 1)
    while 0 < len(front) < _LENGTH.size:
        more = channel.recv(_LENGTH.size - len(front))
        front = front + more if more else b""
    if not front:
        raise EOFError
    (length,) = _LENGTH.unpack(front)
    if length > MOST_BYTES:
        raise ValueError("a message too long")
    data = b""
    while len(data) < length:
        more = channel.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("a message of another kind")
    return message, files


def _only(kept: int) -> None:
    """Let go of all that the other process has open, the packets above all, and of its terminal's signals."""
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        if standard != kept:
            os.dup2(nothing, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, 65536)


def _handle(pid: int) -> int:
    """What stands for the process whatever its number comes to mean; -1 where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _send_signal(process: int, pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process >= 0:
            signal.pidfd_send_signal(process, number)
        else:
            os.kill(pid, number)
