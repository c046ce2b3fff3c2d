"""The capture process, for real: on loopback, and in a network namespace whose interfaces go down and away."""

from __future__ import annotations

import os
import signal
import time

import pytest
from live_capture import Datagrams, begin, can_capture, come, in_namespace, packets_in, programs, rest, run

from pcapdiag.errors import UsageError
from pcapdiag.live import complaints
from pcapdiag.live.process import Asked, Counts, start


@can_capture
@pytest.mark.parametrize("program", programs())
def test_loopback_shows_each_packet_once_with_its_time(program: str) -> None:
    with Datagrams() as traffic:
        process = begin("lo", traffic.filter, program)
        try:
            before = time.time_ns()
            traffic.send(200)
            after = time.time_ns()
            process.stop()  # at once: what the kernel still holds is wanted, too
            packets = packets_in(rest(process))
        finally:
            process.close()
    assert [data[-8:] for _, data, _ in packets] == [b"%08d" % number for number in range(200)]
    assert all(before - 1_000_000 <= at <= after + 1_000_000 for at, _, _ in packets)
    assert process.counts() == Counts(200, 0)
    assert process.failure() is None


@can_capture
@pytest.mark.parametrize("program", ["tcpdump", "scapy"])
def test_counts_come_while_it_runs(program: str) -> None:
    with Datagrams() as traffic:
        process = begin("lo", traffic.filter, program)
        try:
            traffic.send(50)
            until = time.monotonic() + 20
            while process.counts() != Counts(50, 0) and time.monotonic() < until:
                time.sleep(0.1)
                process.read()
            assert process.counts() == Counts(50, 0)
        finally:
            process.close()


@can_capture
@pytest.mark.parametrize("program", programs())
def test_packets_are_cut_at_the_snaplen_and_their_length_is_kept(program: str) -> None:
    with Datagrams() as traffic:
        process = begin("lo", traffic.filter, program, snaplen=44)
        try:
            traffic.send(1)
            process.stop()
            ((_, data, original),) = packets_in(rest(process))
        finally:
            process.close()
    assert (len(data), original) == (44, 50)


@can_capture
@pytest.mark.parametrize("program", programs())
def test_any_captures_the_packets_of_loopback(program: str) -> None:
    with Datagrams() as traffic:
        process = begin("any", traffic.filter, program)
        try:
            traffic.send(5)
            process.stop()
            data = rest(process)
        finally:
            process.close()
    assert {packet[-8:] for _, packet, _ in packets_in(data)} == {b"%08d" % number for number in range(5)}


@can_capture
@pytest.mark.parametrize("program", programs())
def test_a_bad_filter_is_one_line_in_the_compilers_words(program: str) -> None:
    with pytest.raises(UsageError, match="capture filter 'tcp prt 80': syntax error; expected libpcap's syntax"):
        begin("lo", "tcp prt 80", program)


def test_an_interface_that_is_missing_is_named_with_those_near_it() -> None:
    with pytest.raises(UsageError, match="interface 'lo0': there is none of this name; did you mean lo"):
        start(Asked("lo0"))
    with pytest.raises(UsageError, match=r"there is none of this name; there are .*lo"):
        start(Asked("qqqqqqqq"))
    with pytest.raises(UsageError, match="there is none of this name"):
        start(Asked("--help"))


def test_a_program_that_is_unknown_or_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="capture program 'wireshark': expected one of tcpdump, dumpcap, scapy"):
        start(Asked("lo", program="wireshark"))
    monkeypatch.setattr("pcapdiag.live.process.installed", lambda _: None)
    with pytest.raises(UsageError, match="tcpdump is not installed; try: apt install tcpdump"):
        start(Asked("lo", program="tcpdump"))


@can_capture
@pytest.mark.parametrize("program", programs())
def test_a_capture_process_that_is_killed_leaves_what_it_had(program: str) -> None:
    with Datagrams() as traffic:
        process = begin("lo", traffic.filter, program)
        try:
            traffic.send(20)
            data = come(process, 20)
            os.kill(process.pid, signal.SIGKILL)
            packets = packets_in(data + rest(process))
            assert process.failure() == f"lo: {program} was killed (SIGKILL)"
        finally:
            process.close()
    assert len(packets) == 20


@can_capture
def test_the_terminals_interrupt_does_not_reach_it() -> None:
    process = begin("lo", "tcp port 1", None)
    try:
        assert os.getpgid(process.pid) != os.getpgid(0)
    finally:
        process.close()


@can_capture
def test_closing_ends_a_capture_that_nobody_stopped() -> None:
    process = begin("lo", "tcp port 1", None)
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


IN_NAMESPACE = """
import subprocess, sys, time
from live_capture import begin, come, packets_in, rest
def sh(command): subprocess.run(command, shell=True, check=True)
sh("ip link add cap0 type veth peer name cap1; ip addr add 10.77.0.1/24 dev cap0")
sh("ip link set cap0 up; ip link set cap1 up; ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:01 dev cap0")
import socket
def send():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(5):
        one.sendto(b"x", ("10.77.0.2", 7777))
"""


@in_namespace
@pytest.mark.parametrize("program", programs())
def test_an_interface_that_goes_down_is_said_and_ends_nothing(program: str) -> None:
    out = run(
        IN_NAMESPACE
        + """
process = begin("cap0", "udp port 7777", sys.argv[1])
send()
data = come(process, 5)
print(process.trouble())
sh("ip link set cap0 down")
print(process.trouble())
sh("ip link set cap0 up; ip link set cap1 up; ip neigh replace 10.77.0.2 lladdr 02:00:00:00:00:01 dev cap0")
send()
data = come(process, 10, data)
print(process.trouble())
process.stop()
data += rest(process)
print(process.failure())
print(len(packets_in(data)))
process.close()
""",
        program,
        namespace=True,
    )
    down = "cap0: the interface is down; ip link set cap0 up brings it back, and capturing goes on"
    assert out.splitlines() == ["None", down, "None", "None", "10"]


@in_namespace
@pytest.mark.parametrize("program", programs())
def test_an_interface_that_is_removed_ends_the_capture_and_what_was_captured_is_there(program: str) -> None:
    out = run(
        IN_NAMESPACE
        + """
process = begin("cap0", "udp port 7777", sys.argv[1])
send()
data = come(process, 5)
sh("ip link del cap0")
data += rest(process)
print(process.failure())
print(len(packets_in(data)))
process.close()
""",
        program,
        namespace=True,
    )
    assert out.splitlines() == ["cap0: the interface was removed", "5"]


@in_namespace
def test_an_interface_that_is_down_from_the_start_is_one_line() -> None:
    out = run(
        IN_NAMESPACE
        + """
sh("ip link set cap0 down")
from pcapdiag.errors import UsageError
try:
    begin("cap0", "tcp", "tcpdump")
except UsageError as error:
    print(error)
""",
        namespace=True,
    )
    assert out == "cap0: the interface is down; try: ip link set cap0 up\n"


@in_namespace
@pytest.mark.parametrize("program", [None, "tcpdump", "dumpcap"])
def test_without_privileges_one_line_says_how_to_get_them(program: str | None) -> None:
    out = run(
        """
import sys
from live_capture import begin
from pcapdiag.errors import UsageError
from pcapdiag.live import privileges
import pcapdiag.live.complaints, difflib, ctypes, fcntl
privileges.drop(privileges.user_to_become("nobody"))
try:
    begin("lo", "tcp", sys.argv[1] or None)
except UsageError as error:
    print(error)
""",
        program or "",
    )
    assert out.startswith("lo: no privileges to capture (")
    assert "sudo pcapdiag live" in out
    assert "setcap cap_net_raw,cap_net_admin=ep /" in out
    assert out.count("\n") == 1


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("tcpdump: 5 packets captured, 12 packets received by filter, 3 packets dropped by kernel\n", (12, 3)),
        ("5 packets captured\n12 packets received by filter\n3 packets dropped by kernel\n", (12, 3)),
        ("1 packet captured\n1 packet received by filter\n1 packet dropped by kernel\n", (1, 1)),
        (
            "Packets received/dropped on interface 'eth0': 90/10 (pcap:10/dumpcap:0/flushed:0/ps_ifdrop:0) (90%)\n",
            (100, 10),
        ),
        ("tcpdump: listening on lo, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n", None),
    ],
)
def test_counts_are_read_as_each_program_words_them(said: str, counted: tuple[int, int] | None) -> None:
    assert complaints.counts(said) == counted


def test_a_right_that_dumpcap_lacks_and_does_without_is_no_complaint() -> None:
    said = (
        "dumpcap: cap_set_proc() fail return: Operation not permitted\nCapturing on 'Loopback: lo'\n"
        "dumpcap: Invalid capture filter \"tcp prt 80\" for interface 'lo'.\n\n"
        "That string isn't a valid capture filter (can't parse filter expression: syntax error).\n"
    )
    assert not complaints.lacks_privileges(said)
    assert complaints.refused("lo", "tcp prt 80", "dumpcap", said).startswith(
        "capture filter 'tcp prt 80': syntax error"
    )
    assert complaints.lacks_privileges(
        "dumpcap: The capture session could not be initiated (Operation not permitted).\n"
    )
