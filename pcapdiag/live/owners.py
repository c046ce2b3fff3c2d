"""Which process a socket belongs to, where the operating system tells: name, and container or service.

Linux lists its sockets in /proc/net/tcp and tcp6, which are read once; then the open files of processes are gone through
until each socket wanted has its process.  With 30,000 sockets in TIME_WAIT that costs some 50 ms, where psutil, which
describes them all, takes 200 ms; on other systems psutil does it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import sys
from collections.abc import Iterable, Iterator

from pcapdiag.model.live import Owner

Endpoint = tuple[str, int]

MOST = 2_000  # endpoints asked for at once
MOST_NAMESPACES = 64  # network namespaces looked into: those of containers
LISTEN = b"0A"
# Programs that run others: the script says more than they do.
_INTERPRETERS = re.compile(r"(python|pypy|ruby|perl|php|node|nodejs|java|deno|bun)[0-9.]*$")
_HEX = re.compile(r"(?:docker|cri-containerd|crio|libpod|containerd)[-/:]([0-9a-f]{64})|/([0-9a-f]{64})(?:$|[./])")
_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f-_]{27})")
_UNIT = re.compile(r"/([^/]+\.(?:service|socket))(?:/|$)")
_MACHINE = re.compile(r"(?:lxc\.payload[./]|machine-|/lxc/)([A-Za-z0-9_.-]+?)(?:\.scope)?(?:/|$)")


def owners(endpoints: Iterable[Endpoint]) -> dict[Endpoint, Owner]:
    """The processes of these local (address, port) ends; one that nobody here has is left out.

    A port that is listened at belongs to the process that listens, whoever accepts from it.  What a user may not see
    of others' processes is left out too.
    """
    wanted = [one for one in dict.fromkeys(endpoints) if _is_one(one)][:MOST]
    if not wanted:
        return {}
    if not sys.platform.startswith("linux"):
        return _by_psutil(wanted)
    inodes = _inodes(wanted, "/proc/self/net")
    found = _processes(inodes)
    missing = [one for one in wanted if one not in inodes and not ipaddress.ip_address(one[0]).is_loopback]
    if missing:
        for directory in _namespaces():
            inside = _inodes(missing, directory)
            found |= _processes(inside)
            missing = [one for one in missing if one not in inside]
            if not missing:
                break
    return found


def _is_one(endpoint: Endpoint) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(endpoint[0])) and 0 < endpoint[1] < 65536
    return False


def _spelled(ip: str) -> tuple[bytes, bytes | None]:
    """An address as /proc/net/tcp6 spells it, and as tcp does: words of 32 bits, each as the machine keeps it."""
    address = ipaddress.ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    four = address if isinstance(address, ipaddress.IPv4Address) else mapped
    packed = address.packed if four is None else b"\0" * 10 + b"\xff\xff" + four.packed
    words = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, 16, 4)]
    spelled = b"".join(b"%08X" % word for word in words)
    return spelled, spelled[24:] if four is not None else None


def _inodes(wanted: list[Endpoint], directory: str) -> dict[Endpoint, int]:
    """The sockets of these ends; those that listen come first, on the very address before any address."""
    exact: dict[bytes, Endpoint] = {}
    anywhere: dict[bytes, list[Endpoint]] = {}
    for endpoint in wanted:
        six, four = _spelled(endpoint[0])
        port = b":%04X" % endpoint[1]
        exact[six + port] = endpoint
        anywhere.setdefault(b"0" * 32 + port, []).append(endpoint)
        if four is not None:
            exact[four + port] = endpoint
            anywhere.setdefault(b"0" * 8 + port, []).append(endpoint)
    best: dict[Endpoint, tuple[int, int]] = {}
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{directory}/{name}", "rb") as file:
                for line in file:
                    local = line.split(None, 2)[1]
                    if local not in exact and local not in anywhere:
                        continue
                    fields = line.split()
                    if len(fields) < 10 or fields[9] == b"0":
                        continue
                    listens = fields[3] == LISTEN
                    inode = int(fields[9])
                    if local in exact:
                        rank, ends = (0 if listens else 2), [exact[local]]
                    elif listens:
                        rank, ends = 1, anywhere[local]
                    else:
                        continue
                    for end in ends:
                        best[end] = min(best.get(end, (rank, inode)), (rank, inode))
        except (OSError, ValueError, IndexError):
            continue
    return {end: inode for end, (_, inode) in best.items()}


def _processes(inodes: dict[Endpoint, int]) -> dict[Endpoint, Owner]:
    """Who has these sockets open: of several that share one, the first, which is their parent."""
    left: dict[str, list[Endpoint]] = {}
    for endpoint, inode in inodes.items():
        left.setdefault(f"socket:[{inode}]", []).append(endpoint)
    found: dict[Endpoint, Owner] = {}
    for pid in _pids():
        if not left:
            break
        held = []
        with contextlib.suppress(OSError):
            directory = f"/proc/{pid}/fd"
            for entry in os.listdir(directory):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"{directory}/{entry}")
                    if target in left:
                        held.append(target)
        if held:
            owner = describe(pid)
            for target in held:
                for endpoint in left.pop(target, ()):
                    found[endpoint] = owner
    return found


def _pids() -> list[int]:
    try:
        return sorted(int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
    except OSError:  # not mounted, or hidden: nobody is known
        return []


def _namespaces() -> Iterator[str]:
    """/proc/PID/net of one process of each other network namespace."""
    seen = set()
    with contextlib.suppress(OSError):
        seen.add(os.readlink("/proc/self/ns/net"))
    for pid in _pids():
        with contextlib.suppress(OSError):
            namespace = os.readlink(f"/proc/{pid}/ns/net")
            if namespace not in seen:
                seen.add(namespace)
                yield f"/proc/{pid}/net"
        if len(seen) > MOST_NAMESPACES:
            return


def describe(pid: int) -> Owner:
    """A process's name and where it runs."""
    name, group = "", ""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", errors="replace") as file:
        name = file.read().rstrip("\n")
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as raw:
        name = program_name(name, raw.read(65536).decode(errors="replace").split("\0"))
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup", errors="replace") as file:
        group = file.read(65536)
    return Owner(pid, name or str(pid), container_of(group))


def program_name(name: str, arguments: list[str]) -> str:
    """The program, and for an interpreter its script, module or class.  Arguments may be secrets and are not shown."""
    program = os.path.basename(arguments[0]) if arguments else ""
    if not _INTERPRETERS.match(program):
        # A process that writes a title of its own ("nginx: master process ...") is best told by its first word.
        return name or program
    script = ""
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "-jar":
            script = os.path.basename(next(rest, ""))
            break
        if argument == "-m":
            script = "-m " + next(rest, "").split("=")[0]
            break
        if argument in ("-c", "-e", "--eval", "-p"):
            break  # the program itself, which may hold anything
        if argument in ("-cp", "-classpath", "--class-path", "-p", "-W", "-X", "-r", "--require", "-I"):
            next(rest, "")
        elif argument and not argument.startswith("-"):
            script = argument.rpartition(".")[2] if program.startswith("java") else os.path.basename(argument)
            break
    return f"{program} {script}".strip()


def container_of(group: str) -> str | None:
    """What /proc/PID/cgroup names: a container's short id, else a pod, a machine or a service."""
    found = _HEX.search(group)
    if found:
        return (found[1] or found[2])[:12]
    for pattern in (_POD, _MACHINE, _UNIT):
        last = None
        for last in pattern.finditer(group):  # noqa: B007  the innermost
            pass
        if last:
            return last[1]
    return None


def _by_psutil(wanted: list[Endpoint]) -> dict[Endpoint, Owner]:
    """Systems other than Linux."""
    import psutil

    listens: dict[Endpoint, int] = {}
    others: dict[Endpoint, int] = {}
    with contextlib.suppress(psutil.Error):
        for one in psutil.net_connections(kind="tcp"):
            if one.pid and one.laddr:
                table = listens if one.status == psutil.CONN_LISTEN else others
                table.setdefault((one.laddr.ip, one.laddr.port), one.pid)
    found = {}
    for endpoint in wanted:
        port = endpoint[1]
        pid = (
            listens.get(endpoint) or listens.get(("0.0.0.0", port)) or listens.get(("::", port)) or others.get(endpoint)
        )
        if pid:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                with contextlib.suppress(psutil.Error):
                    found[endpoint] = Owner(pid, program_name(process.name(), process.cmdline()))
                found.setdefault(endpoint, Owner(pid, process.name()))
    return found
