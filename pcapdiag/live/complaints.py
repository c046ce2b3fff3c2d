"""What capture programs say on standard error, and what a user is told of it: what, where, what to try."""

from __future__ import annotations

import difflib
import os
import re
import signal
import socket
import sys

from pcapdiag.errors import UsageError

# What Debian and its kin call what the program is in; others mostly call it the same.
PACKAGES = {"tcpdump": "tcpdump", "dumpcap": "wireshark-common", "scapy": "python3-scapy"}

_TCPDUMP = re.compile(r"(\d+) packets? received by filter[\s,]+(\d+) packets? dropped by kernel")
_DUMPCAP = re.compile(r"Packets received/dropped on interface .*?: (\d+)/(\d+) ")
# tcpdump and the sniffer say the first once they capture, dumpcap the second once it has also opened its output.
_BEGAN = re.compile(r"listening on |^File: ", re.MULTILINE)
_NO_PRIVILEGES = re.compile(r"permission|not permitted", re.IGNORECASE)
# Lines that are no complaint: in a container that lacks some of the rights dumpcap says so, and goes on.
_CHATTER = re.compile(
    r"Capturing on |File: |Packets captured|Packets received|See the User's Guide|dumpcap: cap_set_proc|"
    r".*listening on |.*packets? (captured|received|dropped)"
)


def counts(said: str) -> tuple[int, int] | None:
    """The last counts in it: received, dropped."""
    for pattern in (_TCPDUMP, _DUMPCAP):
        found = pattern.findall(said)
        if found:
            received, dropped = found[-1]
            # dumpcap's first number leaves out what was dropped; tcpdump's has it.
            return int(received) + (int(dropped) if pattern is _DUMPCAP else 0), int(dropped)
    return None


def began(said: str) -> bool:
    return _BEGAN.search(said) is not None


def lacks_privileges(said: str) -> bool:
    return any(_NO_PRIVILEGES.search(line) for line in _complaints(said))


def check_interface(interface: str) -> None:
    """
    Raises:
        UsageError: there is none of this name; names near it are suggested.
    """
    names = [name for _, name in socket.if_nameindex()]
    if interface in names or (interface == "any" and sys.platform.startswith("linux")):
        return
    near = difflib.get_close_matches(interface, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names[:12]) or 'none'}"
    raise UsageError(f"interface {interface!r}: there is none of this name; {hint} (pcapdiag interfaces lists them)")


def refused(interface: str, expression: str, program: str, said: str) -> str:
    """Why a program did not begin, in one line."""
    message = complaint(program, said)
    low = message.lower()
    if "not up" in low or "went down" in low or "network is down" in low:
        return f"{interface}: the interface is down; try: ip link set {interface} up"
    if "no such device" in low or "no device named" in low:
        return f"{interface}: the interface is gone"
    if "rx ring" in low or "allocate" in low or "did not begin" in low:
        return f"{interface}: {program} cannot capture: {message}"
    if expression:
        message = message.removeprefix("can't parse filter expression: ")
        return (
            f"capture filter {expression!r}: {message}; "
            "expected libpcap's syntax (man pcap-filter), such as: tcp port 8081"
        )
    return f"{interface}: {program} cannot capture: {message or 'it ended and gave no reason'}"


def complaint(program: str, said: str) -> str:
    """The line of a program's standard error that says what is wrong, without the program's name."""
    lines = _complaints(said)
    for line in lines:  # dumpcap wraps the compiler's words in three lines of its own
        inner = re.search(r"isn't a valid capture filter \((.*)\)", line)
        if inner:
            return inner[1]
    for line in lines:
        if line.startswith(f"{program}: "):
            return line.removeprefix(f"{program}: ")
    return lines[0] if lines else ""


def _complaints(said: str) -> list[str]:
    lines = [line.strip() for line in said.splitlines()]
    return [line for line in lines if line and not _CHATTER.match(line)]


def no_privileges(interface: str, programs: list[str]) -> str:
    """What to do where capturing is forbidden."""
    tried = ", ".join(programs)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return (
            f"{interface}: root here may not capture ({tried} tried): the container lacks CAP_NET_RAW; "
            "try: docker run --cap-add NET_RAW --net host ..."
        )
    return (
        f"{interface}: no privileges to capture ({tried} tried); try: sudo pcapdiag live ..., or once "
        f"{remedy()} (docs/LIVE.md)"
    )


def remedy() -> str:
    """The command that lets users of a group, or everyone, capture without root."""
    from pcapdiag.live.process import installed

    for program in ("dumpcap", "tcpdump"):
        path = installed(program)
        if path is not None:
            return f"sudo setcap cap_net_raw,cap_net_admin=ep {path}"
    return "sudo apt install tcpdump; sudo setcap cap_net_raw,cap_net_admin=ep /usr/bin/tcpdump"


def down(interface: str) -> str:
    return f"{interface}: the interface is down; ip link set {interface} up brings it back, and capturing goes on"


def ended(interface: str, program: str, code: int | None, said: str) -> str:
    """Why a capture that ran has ended by itself."""
    message = complaint(program, said)
    low = message.lower()
    if "disappeared" in low or "no such device" in low or "no longer attached" in low:
        return f"{interface}: the interface was removed"
    if "went down" in low or "network is down" in low or "not up" in low:
        return f"{interface}: the interface went down"
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"{interface}: {program} was killed ({name})"
    return f"{interface}: {program} ended" + (f": {message}" if message else ", though not asked to")
