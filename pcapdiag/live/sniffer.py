"""Capture with scapy's sockets, for where neither tcpdump nor dumpcap is installed.

    python -m pcapdiag.live.sniffer INTERFACE FILTER SNAPLEN [BUFFER_MIB]

Writes pcap to standard output and answers SIGUSR1 with tcpdump's line of counts; SIGINT ends it.  Scapy opens the socket
and has libpcap compile the filter; on Linux packets are then taken from the socket with the kernel's own time, elsewhere
through scapy and libpcap.  Once the socket is open, root is given up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

from pcapdiag.errors import UsageError
from pcapdiag.live import privileges

ETHERNET, RAW, SLL2 = 1, 101, 276  # link types of a pcap file
ARPHRD = {1: ETHERNET, 772: ETHERNET, 65534: RAW, 512: RAW, 768: RAW, 776: RAW, 778: RAW}  # of <linux/if_arp.h>
TICK = 0.1  # s; packets wait no longer than this in here
BATCH = 256 * 1024  # bytes

SOL_PACKET = 263
PACKET_STATISTICS, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 6, 8, 23
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
VLAN_VALID, VLAN_TPID_VALID = 0x10, 0x40
_AUXDATA = struct.Struct("=IIIHHHH")  # status, length, captured, mac, net, tag, tag's protocol
_RECORD = struct.Struct("=IIII")


class Sniffer:
    """A socket, where its packets go, and what the kernel counts."""

    def __init__(self, interface: str, expression: str, snaplen: int, buffer_mib: int) -> None:
        self.interface = interface
        self.snaplen = snaplen
        self.captured = 0
        self.received = 0
        self.dropped = 0
        self.ending = False
        self.questions = 0
        self.any = interface == "any"
        self.linux = sys.platform == "linux"
        self.socket: Any = any_socket(expression) if self.any else listening(interface, expression)
        self.raw: socket.socket = getattr(self.socket, "ins", self.socket)  # scapy's keeps the system's in it
        self.linktype = self._prepare(buffer_mib) if self.linux else ETHERNET
        self.outgoing = True  # whether packets that go out are wanted
        if self.linux and not self.any and self.raw.getsockname()[3] == 772:
            self.outgoing = False  # loopback shows what goes out once more as it comes in
            with contextlib.suppress(OSError):  # before Linux 4.20: left out below
                self.raw.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)

    def _prepare(self, buffer_mib: int) -> int:
        """Room, time and length of each packet from the kernel; returns the link type."""
        size = buffer_mib << 20
        try:
            self.raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
        except OSError:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.raw.setblocking(False)
        return SLL2 if self.any else ARPHRD.get(self.raw.getsockname()[3], ETHERNET)

    def run(self, out: int) -> None:
        """Until SIGINT, or until nobody reads."""
        write_all(out, struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, self.snaplen, self.linktype))
        print(
            f"scapy: listening on {self.interface}, snapshot length {self.snaplen} bytes", file=sys.stderr, flush=True
        )
        take = self.take_linux if self.linux else self.take_scapy
        while not self.ending:
            if self.questions:
                self.questions = 0
                self.count()
                print(f"scapy: {', '.join(self.lines())}", file=sys.stderr, flush=True)
            try:
                select.select([self.socket], [], [], TICK)
                data = take()
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno == errno.ENETDOWN and exists(self.interface):
                    time.sleep(TICK)  # the socket goes on when the interface is up again
                    continue
                if not self.ending:
                    print(f"scapy: {why(self.interface, error)}", file=sys.stderr, flush=True)
                    raise SystemExit(1) from None
                break
            if data:
                write_all(out, data)
        until = time.monotonic() + 1.0  # of a busy interface there is always more
        while self.linux and time.monotonic() < until and (data := take()):
            write_all(out, data)
        self.count()
        print("\n".join(self.lines()), file=sys.stderr, flush=True)

    def take_linux(self) -> bytes:
        """What is in the socket, as records, some 256 KiB at most."""
        records: list[bytes] = []
        size = 0
        snaplen = self.snaplen
        receive = self.raw.recvmsg
        room = max(snaplen, 64)
        while size < BATCH:
            try:
                data, ancillary, _, (_, protocol, kind, arphrd, address) = receive(room, 256)
            except BlockingIOError:
                break
            if kind == 4 and not self.outgoing:  # PACKET_OUTGOING
                continue
            seconds = nanoseconds = 0
            original = len(data)
            for _, what, value in ancillary:
                if what == SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("@ll", value)
                elif what == PACKET_AUXDATA:
                    status, original, _, _, _, tag, tpid = _AUXDATA.unpack_from(value)
                    if (tag or status & VLAN_VALID) and not self.any:
                        # The kernel has taken the tag out of the frame; it goes back.
                        data = (
                            data[:12]
                            + struct.pack(">HH", tpid if status & VLAN_TPID_VALID else 0x8100, tag)
                            + data[12:]
                        )
                        original += 4
            if self.any:
                data = self.cooked(data, protocol, kind, arphrd, address)
                original += 20
            if len(data) > snaplen:
                data = data[:snaplen]
            records.append(_RECORD.pack(seconds & 0xFFFFFFFF, nanoseconds // 1000, len(data), original))
            records.append(data)
            size += 16 + len(data)
        self.captured += len(records) // 2
        return b"".join(records)

    def cooked(self, data: bytes, protocol: int, kind: int, arphrd: int, address: bytes) -> bytes:
        """A packet of "any" with the header of link type SLL2.  Python gives the name of the interface, not its number."""
        return struct.pack(">HHIHBB8s", protocol, 0, 0, arphrd, kind, len(address), address[:8]) + data

    def take_scapy(self) -> bytes:
        """A packet, through scapy and libpcap: systems other than Linux."""
        _, data, at = self.socket.recv_raw(max(self.snaplen, 64))
        if data is None:
            return b""
        self.captured += 1
        kept: bytes = data[: self.snaplen]
        ticks = round(float(at) * 1_000_000)
        return _RECORD.pack(ticks // 1_000_000, ticks % 1_000_000, len(kept), len(data)) + kept

    def count(self) -> None:
        """Add what the kernel has counted since it was last asked."""
        if self.linux:
            received, dropped = struct.unpack("=II", self.raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            self.received += received
            self.dropped += dropped
        else:
            self.received = self.captured

    def lines(self) -> list[str]:
        return [
            f"{self.captured} packets captured",
            f"{self.received} packets received by filter",
            f"{self.dropped} packets dropped by kernel",
        ]


def listening(interface: str, expression: str) -> Any:
    """Scapy's socket on an interface, with the filter in the kernel.

    Raises:
        UsageError: the filter does not compile.
    """
    import scapy.arch  # chooses this system's kind of socket
    import scapy.layers.l2  # noqa: F401  else scapy complains of link layers that it does not know
    from scapy.config import conf
    from scapy.error import Scapy_Exception

    conf.except_filter = ""
    if expression:
        check_filter(expression)
    try:
        return conf.L2listen(iface=interface, filter=expression or None)
    except Scapy_Exception as error:
        raise UsageError(str(error)) from None


def any_socket(expression: str) -> socket.socket:
    """A socket for all interfaces; packets begin with their network header, so the filter is one for raw IP."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    if expression:
        import ctypes

        from scapy.arch.common import compile_filter

        check_filter(expression)
        program = compile_filter(expression, linktype=12)  # DLT_RAW
        address = ctypes.addressof(program.bf_insns.contents)
        opened.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", program.bf_len, address))  # SO_ATTACH_FILTER
    return opened


def check_filter(expression: str) -> None:
    """
    Raises:
        UsageError: in the compiler's words, which scapy keeps to itself; or there is no libpcap to compile it.
    """
    import ctypes
    import importlib

    try:
        winpcapy = importlib.import_module("scapy.libs.winpcapy")
    except OSError:
        raise UsageError("a filter needs libpcap; try: apt install libpcap0.8, or tcpdump") from None
    handle = winpcapy.pcap_open_dead(1, 262144)
    program = winpcapy.bpf_program()
    try:
        if winpcapy.pcap_compile(handle, ctypes.byref(program), ctypes.c_char_p(expression.encode()), 1, 0xFFFFFFFF):
            raise UsageError(ctypes.string_at(winpcapy.pcap_geterr(handle)).decode(errors="replace"))
    finally:
        winpcapy.pcap_close(handle)


def exists(interface: str) -> bool:
    return interface in [name for _, name in socket.if_nameindex()]


def why(interface: str, error: OSError) -> str:
    """What a failed read means; the interface may be down, or gone."""
    if error.errno in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
        return "The interface went down" if exists(interface) else "The interface disappeared"
    return error.strerror or str(error)


def write_all(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def main(arguments: list[str]) -> int:
    interface, expression, snaplen = arguments[0], arguments[1], int(arguments[2])
    buffer_mib = int(arguments[3]) if len(arguments) > 3 else 64
    try:
        user = privileges.user_to_become()
        sniffer = Sniffer(interface, expression, snaplen, buffer_mib)
    except PermissionError as error:
        print(f"scapy: {interface}: {error.strerror}", file=sys.stderr)
        return 1
    except (UsageError, OSError) as error:
        print(f"scapy: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 1
    with contextlib.suppress(UsageError):  # a container where nobody may change users
        privileges.drop(user)

    def end(*_: object) -> None:
        sniffer.ending = True

    def question(*_: object) -> None:
        sniffer.questions += 1

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR1, question)
    try:
        sniffer.run(sys.stdout.fileno())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
