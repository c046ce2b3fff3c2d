"""The network interfaces of this machine: what each is, and whether packets can be captured from it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from dataclasses import dataclass

from pcapdiag.live import complaints, privileges
from pcapdiag.live.process import LOOPBACK, UP, flags_of, installed

NET_RAW = 1 << 13  # CAP_NET_RAW of <linux/capability.h>
ANY = "any"


@dataclass(frozen=True)
class Interface:
    """An interface.

    Attributes:
        kind: loopback, ethernet, wireless, bridge, veth, tun, vlan, bond, any, or other.
        up: None for "any".
        addresses: IPv4 and IPv6.
        program: that would capture; None where nothing can.
        problem: why it cannot be captured now, and what to do; "" where it can.
        note: what to know of a capture of it.
    """

    name: str
    kind: str
    up: bool | None
    addresses: tuple[str, ...]
    program: str | None
    problem: str
    note: str = ""


def interfaces() -> list[Interface]:
    """All of them: loopback first, then those that are up."""
    program, problem = capturer()
    found = [one(name, addresses, program, problem) for name, addresses in addresses_by_name().items()]
    if sys.platform.startswith("linux"):
        note = "link type SLL2; what passes bridges, veths and VLANs is there once for each of them"
        found.append(Interface(ANY, ANY, None, (), program, problem, note))
    order = {"loopback": 0, ANY: 2}
    return sorted(found, key=lambda each: (order.get(each.kind, 1), not each.up, each.name))


def one(name: str, addresses: tuple[str, ...], program: str | None, problem: str) -> Interface:
    flags = flags_of(name)
    up = bool(flags & UP) if flags is not None else _is_up(name)
    if not problem and not up:
        problem = "down; try: ip link set NAME up"
    return Interface(name, kind_of(name, flags), up, addresses, program, problem)


def addresses_by_name() -> dict[str, tuple[str, ...]]:
    """Every interface, also one without an address, and its addresses of IPv4 and IPv6."""
    import psutil

    found: dict[str, tuple[str, ...]] = {name: () for _, name in socket.if_nameindex()}
    for name, addresses in psutil.net_if_addrs().items():
        kept = [one.address.partition("%")[0] for one in addresses if one.family in (socket.AF_INET, socket.AF_INET6)]
        found[name] = tuple(kept)
    return found


def kind_of(name: str, flags: int | None) -> str:
    """What kind of interface it is, as the kernel describes it."""
    if flags is not None and flags & LOOPBACK:
        return "loopback"
    directory = f"/sys/class/net/{name}"
    for entry, kind in (
        ("bridge", "bridge"),
        ("wireless", "wireless"),
        ("phy80211", "wireless"),
        ("tun_flags", "tun"),
        ("bonding", "bond"),
    ):
        if os.path.exists(f"{directory}/{entry}"):
            return kind
    event = ""
    with contextlib.suppress(OSError), open(f"{directory}/uevent", errors="replace") as file:
        event = file.read()
    if "DEVTYPE=vlan" in event:
        return "vlan"
    if _is_veth(name):
        return "veth"
    with contextlib.suppress(OSError, ValueError), open(f"{directory}/type") as file:
        return {1: "ethernet", 772: "loopback", 65534: "tun"}.get(int(file.read()), "other")
    return "loopback" if name.startswith("lo") else "other"


def _is_veth(name: str) -> bool:
    """A pair of virtual interfaces: the driver says so when it is asked as ethtool asks."""
    if not sys.platform.startswith("linux"):
        return False
    import array
    import fcntl
    import struct

    told = array.array("B", struct.pack("I", 3) + bytes(192))  # ETHTOOL_GDRVINFO
    request = struct.pack("16sP16x", os.fsencode(name), told.buffer_info()[0])
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, 0x8946, request)  # SIOCETHTOOL
        return told.tobytes()[4:36].rstrip(b"\0") == b"veth"
    return False


def _is_up(name: str) -> bool:
    import psutil

    statistics = psutil.net_if_stats().get(name)
    return statistics is not None and statistics.isup


def capturer() -> tuple[str | None, str]:
    """The program that would capture, and why none can."""
    present = [program for program in ("tcpdump", "dumpcap") if installed(program)]
    if may_capture():
        return (present[0] if present else "scapy"), ""
    for program in present:
        if _has_privileges(installed(program) or ""):
            return program, ""
    if privileges.is_root():
        return None, "the container lacks CAP_NET_RAW: docker run --cap-add NET_RAW"
    return None, f"no privileges: sudo, or {complaints.remedy()}"


def may_capture() -> bool:
    """Whether this process itself may open a socket that sees packets."""
    if not sys.platform.startswith("linux"):
        return privileges.is_root() or os.access("/dev/bpf0", os.R_OK)
    return bool(privileges.capabilities() & NET_RAW)


def _has_privileges(path: str) -> bool:
    """Whether a program has them though its user does not: by capabilities on its file, or by its owner's bit."""
    if not os.access(path, os.X_OK):
        return False
    with contextlib.suppress(OSError, AttributeError):
        if os.getxattr(path, "security.capability"):
            return True
    with contextlib.suppress(OSError):
        status = os.stat(path)
        return bool(status.st_mode & 0o4000) and status.st_uid == 0
    return False
