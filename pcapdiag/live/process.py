"""The capture process: tcpdump, dumpcap or the package's own sniffer, all alike.

Packets come as pcap (or pcapng) bytes on a pipe, the kernel's counts on standard error.  A process of its own has the
privileges, and a program written for it keeps up: on two cores at 100,000 packets of 242 bytes each second on loopback,
with a ring of 64 MiB, none is lost by tcpdump -U (11% of a core, and no wait for a buffer to fill), by dumpcap (18%), or
by the sniffer (45%).  dumpcap says only at its end how many packets the kernel has dropped, so tcpdump comes first.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from pcapdiag.errors import UsageError
from pcapdiag.live import complaints

PIPE = 1 << 20  # bytes; what the kernel lets anyone have, and a tenth of a second of a busy interface
START = 10.0  # s; a process that has not begun by then will not
# s; the kernel hands a block of packets on when it is full or so old, and a program that is told to end does not wait for
# the last one.  Whoever ends a capture just after a test wants to see how its connections ended.
RETIRE = {"tcpdump": 1.1, "dumpcap": 0.4, "scapy": 0.0}
ASK = 0.5  # s between two questions for counts
PROGRAMS = ("tcpdump", "dumpcap", "scapy")
GET_FLAGS = 0x8913  # SIOCGIFFLAGS of <linux/sockios.h>
UP, LOOPBACK = 0x1, 0x8  # IFF_UP, IFF_LOOPBACK of <net/if.h>


@dataclass(frozen=True)
class Asked:
    """What to capture.

    ``program`` is one of :data:`PROGRAMS`; None takes the first that is installed and permitted.  ``pcapng`` asks for
    that format where the program writes it (dumpcap); else the bytes are pcap.
    """

    interface: str
    filter: str = ""
    snaplen: int = 262144
    buffer_mib: int = 64
    program: str | None = None
    pcapng: bool = False


@dataclass(frozen=True)
class Counts:
    """The kernel's: packets that passed the filter, and those of them that were lost for want of room."""

    received: int | None = None
    dropped: int | None = None


class CaptureProcess:
    """A capture that runs.

    Attributes:
        program: "tcpdump", "dumpcap" or "scapy".
        pid: of the process.
        signaller: sends it a signal; replaced by the warden's once this process has lost the right to.
    """

    def __init__(self, asked: Asked, program: str, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        assert child.stderr is not None
        self.asked = asked
        self.program = program
        self.pid = child.pid
        self.signaller: Callable[[int], None] = child.send_signal
        self._child = child
        self._out = child.stdout.fileno()
        self._err = child.stderr.fileno()
        os.set_blocking(self._out, False)
        os.set_blocking(self._err, False)
        self._said = ""  # on standard error, the last 64 KiB
        self._stopped = False
        self._stop_at = 0.0  # when to tell it to; 0 while there is nothing to tell
        self._ended = False
        self._asked_at = 0.0
        self._counts = Counts()
        self._raw = (0, 0)  # as it was said last, but with the turns of libpcap's 32-bit counters
        # libpcap leaves out one of the two copies that loopback has of each packet; the kernel has counted both.
        self._copies = 2 if program == "tcpdump" and is_loopback(asked.interface) else 1

    def fileno(self) -> int:
        """Of its output, non-blocking."""
        return self._out

    def read(self) -> bytes | None:
        """At most 1 MiB of the capture; None: nothing there now; b"": it has ended."""
        if self._stop_at and time.monotonic() >= self._stop_at:
            self._stop_at = 0.0
            self._signal(signal.SIGINT)
        try:
            data = os.read(self._out, PIPE)
        except BlockingIOError:
            return None
        if not data:
            self._ended = True
        return data

    def counts(self) -> Counts:
        """The latest counts that are known; asks for newer ones and does not wait for them."""
        self._listen()
        now = time.monotonic()
        if self.program != "dumpcap" and not self._ended and not self._stopped and now - self._asked_at > ASK:
            self._asked_at = now
            self._signal(signal.SIGUSR1)
        return self._counts

    def stop(self) -> None:
        """Have it end, with all that the kernel holds now; that is read until b"", which makes it happen."""
        if self._stopped:
            return
        self._stopped = True
        self._stop_at = time.monotonic() + RETIRE[self.program]

    def failure(self) -> str | None:
        """Once it has ended without being asked to: why, in one clear line; else None."""
        if self._stopped or not self._ended:
            return None
        code = self._reap(2.0)
        self._listen()
        return complaints.ended(self.asked.interface, self.program, code, self._said)

    def trouble(self) -> str | None:
        """What keeps packets from coming though the capture goes on: the interface is down; else None.

        It ends no capture: one that runs for days goes on when the interface is up again.
        """
        flags = flags_of(self.asked.interface)
        return complaints.down(self.asked.interface) if flags is not None and not flags & UP else None

    def close(self) -> None:
        """Let go of it; kill it if it does not end.  The counts stay."""
        if self._child.stdout is not None:
            self._child.stdout.close()  # from here on its next write ends it, whoever it belongs to
        self._ended = True
        if self._stop_at:
            self._signal(signal.SIGINT)
        if self._reap(0.0 if self._stopped else 0.5) is None and self._reap(1.0) is None:
            self._signal(signal.SIGKILL)
            self._reap(1.0)
        if self._child.stderr is not None and not self._child.stderr.closed:
            self._listen()
            self._child.stderr.close()

    def _reap(self, seconds: float) -> int | None:
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            self.signaller(number)

    def _listen(self) -> None:
        """Take in what it has said since."""
        if self._child.stderr is None or self._child.stderr.closed:
            return
        heard = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._err, 65536):
                heard += piece
        if heard:
            self._said = (self._said + heard.decode(errors="replace"))[-65536:]
            found = complaints.counts(self._said)
            if found is not None:
                self._raw = received, dropped = unwrapped(self._raw[0], found[0]), unwrapped(self._raw[1], found[1])
                self._counts = Counts((received + self._copies - 1) // self._copies, dropped)

    def begun(self) -> bool:
        """Wait until packets are being captured; False where it ended instead."""
        until = time.monotonic() + START
        while time.monotonic() < until:
            select.select([self._err], [], [], 0.1)
            self._listen()
            if complaints.began(self._said):
                return True
            if self._child.poll() is not None:
                self._listen()
                return False
        self._said += f"{self.program}: did not begin within {START:.0f} s\n"
        return False


def unwrapped(before: int, said: int) -> int:
    """A count that began again at 2^32: at 20,000 packets/s libpcap's does so every two and a half days.

    Between two answers there are never so many.
    """
    return before + ((said - before) & 0xFFFFFFFF)


def start(asked: Asked) -> CaptureProcess:
    """Begin to capture; returns once packets are being captured.

    Raises:
        UsageError: no privileges, no such interface, a filter that does not compile, a program that is not installed.
    """
    if asked.program is not None and asked.program not in PROGRAMS:
        raise UsageError(f"capture program {asked.program!r}: expected one of {', '.join(PROGRAMS)}")
    complaints.check_interface(asked.interface)
    programs = PROGRAMS if asked.program is None else (asked.program,)
    forbidden: list[str] = []
    for program in programs:
        command = command_of(asked, program)
        if command is None:
            if asked.program is not None:
                raise UsageError(f"{program} is not installed; try: apt install {complaints.PACKAGES[program]}")
            continue
        try:
            child = spawn(command)
        except PermissionError:  # of a program that the administrator lets only a group run
            forbidden.append(program)
            continue
        process = CaptureProcess(asked, program, child)
        if process.begun():
            return process
        process.close()
        if not complaints.lacks_privileges(process._said):
            raise UsageError(complaints.refused(asked.interface, asked.filter, program, process._said))
        forbidden.append(program)
    raise UsageError(complaints.no_privileges(asked.interface, forbidden))


def spawn(command: list[str]) -> subprocess.Popen[bytes]:
    """In a process group of its own: Ctrl-C at the terminal is for us, who then end it in order."""
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
            env=environment(),
        )
    except PermissionError:
        raise
    except OSError as error:
        raise UsageError(f"{command[0]}: cannot be run: {error.strerror}") from None
    if sys.platform == "linux" and child.stdout is not None:
        import fcntl

        with contextlib.suppress(OSError):  # beyond what one user may have in pipes: it works as it is
            fcntl.fcntl(child.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE)
    return child


def environment() -> dict[str, str]:
    """Messages in English, and this package where this process has found it."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = [package, *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return dict(os.environ, LC_ALL="C", PYTHONPATH=os.pathsep.join(path))


def command_of(asked: Asked, program: str) -> list[str] | None:
    """The command line; None where the program is not installed."""
    if program == "scapy":
        # -P: root looks for no modules in the directory it was started in.
        options = [asked.interface, asked.filter, str(asked.snaplen), str(asked.buffer_mib)]
        return [sys.executable, "-P", "-m", "pcapdiag.live.sniffer", *options]
    path = installed(program)
    if path is None:
        return None
    if program == "tcpdump":
        command = [path, "-i", asked.interface, "-n", "-U", "-s", str(asked.snaplen)]
        command += ["-B", str(asked.buffer_mib * 1024), "-w", "-"]
        return [*command, "--", asked.filter] if asked.filter else command
    command = [path, "-q", "-i", asked.interface, "-s", str(asked.snaplen), "-B", str(asked.buffer_mib), "-w", "-"]
    if not asked.pcapng:
        command.append("-P")
    return [*command, "-f", asked.filter] if asked.filter else command


def installed(program: str) -> str | None:
    """Where it is; the directories of the administrator's programs are looked through too."""
    return shutil.which(program) or shutil.which(
        program, path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
    )


def is_loopback(interface: str) -> bool:
    return bool((flags_of(interface) or 0) & LOOPBACK)


def flags_of(interface: str) -> int | None:
    """An interface's flags as <net/if.h> has them; None for "any", where it is gone, and on systems other than Linux."""
    if not sys.platform.startswith("linux") or len(os.fsencode(interface)) > 15:
        return None
    import fcntl

    # Asked for, not read from /sys: that may be another network namespace's.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, GET_FLAGS, struct.pack("16sH14x", os.fsencode(interface), 0))
        except OSError:
            return None
    flags: int = struct.unpack("16sH14x", answer)[1]
    return flags
