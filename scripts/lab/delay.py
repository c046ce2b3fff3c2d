"""A cable with a delay: carry packets between TUN devices in two namespaces, each some milliseconds late.

    delay.py DEVICE MILLISECONDS NAMESPACE ADDRESS/BITS NAMESPACE ADDRESS/BITS [SHARE MILLISECONDS]

It prints "ready" when both devices are there and runs until it is ended.  It drops nothing.  It reorders nothing,
unless a share of the packets (0.1: each tenth, by chance) is to be some milliseconds later than the others.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
NAMESPACES = "/run/netns"
PACKET = 65536
WAIT_S = 1.0


def tun(device: str, namespace: str, address: str) -> int:
    """A TUN device in a namespace; packets are read from and written to the descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"{NAMESPACES}/{namespace}") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    for command in (["address", "add", address, "dev"], ["link", "set"]):
        subprocess.run(["ip", *command, device, *(["up"] if command[0] == "link" else [])], check=True)
    return descriptor


def carry(ends: tuple[int, int], delay_s: float, share: float, late_s: float) -> None:
    """Forever: what is read from one end is written to the other ``delay_s`` later, a share of it ``late_s`` after."""
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    waiting: list[tuple[float, int, int, bytes]] = []  # due, number, to, packet; a heap
    number = 0
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else WAIT_S
        readable, _, _ = select.select(ends, [], [], timeout)
        for end in readable:
            number += 1
            due = time.monotonic() + delay_s + late_s * (random.random() < share)
            heapq.heappush(waiting, (due, number, other[end], os.read(end, PACKET)))
        while waiting and waiting[0][0] <= time.monotonic():
            *_, end, packet = heapq.heappop(waiting)
            os.write(end, packet)


def main() -> None:
    device, milliseconds, *places = sys.argv[1:]
    share, late = (float(word) for word in places[4:] or ("0", "0"))
    ends = tun(device, places[0], places[1]), tun(device, places[2], places[3])
    print("ready", flush=True)
    carry(ends, float(milliseconds) / 1000, share, late / 1000)


if __name__ == "__main__":
    main()
