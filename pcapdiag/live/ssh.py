"""The ssh session that a capture is started from: its packets are nobody's question, and each screen makes more of them."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Session:
    """Addresses and ports of an ssh connection to this machine."""

    client_ip: str
    client_port: int
    server_ip: str
    server_port: int

    def __str__(self) -> str:
        return f"{self.client_ip} port {self.client_port}"

    def left_out(self, filter_: str) -> str:
        """A capture filter without it."""
        own = (
            f"tcp and host {self.client_ip} and port {self.client_port} "
            f"and host {self.server_ip} and port {self.server_port}"
        )
        return f"({filter_}) and not ({own})" if filter_ else f"not ({own})"


def own_session() -> Session | None:
    """The ssh session that this process belongs to, None where there is none.

    ``sudo`` clears the environment, so the parents' are looked at, too, as far as they may be read.
    """
    said = os.environ.get("SSH_CONNECTION")
    if not said:
        import psutil

        try:
            for parent in psutil.Process().parents():
                said = parent.environ().get("SSH_CONNECTION")
                if said:
                    break
        except psutil.Error:
            return None
    return session_of(said or "")


def session_of(said: str) -> Session | None:
    """From the value of SSH_CONNECTION: client address, port, server address, port."""
    words = said.split()
    if len(words) != 4 or not (words[1].isdigit() and words[3].isdigit()):
        return None
    try:
        client, server = (str(ipaddress.ip_address(word.partition("%")[0])) for word in (words[0], words[2]))
    except ValueError:
        return None
    return Session(client, int(words[1]), server, int(words[3]))
