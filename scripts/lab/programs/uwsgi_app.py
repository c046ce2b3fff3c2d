"""A WSGI application for uWSGI; logs "seconds port" to the file that LAB_LOG names."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import uwsgi  # there only inside of uWSGI

LOG = open(os.environ["LAB_LOG"], "a", buffering=1)  # noqa: SIM115 open as long as the program runs
BODY = b"x" * 199 + b"\n"


def application(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    with socket.socket(fileno=os.dup(uwsgi.connection_fd())) as connection:  # its environ has no REMOTE_PORT
        LOG.write(f"{time.time():.6f} {connection.getpeername()[1]}\n")
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
