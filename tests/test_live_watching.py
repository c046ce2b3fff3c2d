"""A capture that runs for days: bounded work for each look, and nothing that a look does ends it."""

from __future__ import annotations

import os
import select
import signal
import struct
import time
from dataclasses import dataclass, field

import pytest
from analyses import path_of
from notation import capture, packets_of

from pcapdiag.cli.watching import tell, whose
from pcapdiag.connections.tracker import Tracker
from pcapdiag.live import looking, process
from pcapdiag.live.history import Limits
from pcapdiag.live.looking import Look, Sight
from pcapdiag.live.process import Counts
from pcapdiag.live.rehearsal import SYN, segment
from pcapdiag.live.stream import Stream
from pcapdiag.live.watching import Watcher
from pcapdiag.model.live import LiveView, Owner
from pcapdiag.packets.pcap import PcapReader
from pcapdiag.segments.decoder import Decoder

SECOND = 1_000_000_000
BEGAN = 1_700_000_000
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
ETHERNET = bytes(12) + b"\x08\x00"
REUSED = "> S\n< S.\n> .\n" + "> P. GET /\n< P. 200 (5)\n" * 5


def record(packet: bytes, number: int) -> bytes:
    return struct.pack("<IIII", BEGAN, number, len(packet), len(packet)) + packet


def flood(count: int) -> bytes:
    """SYNs from as many forged addresses."""
    out = []
    for number in range(count):
        packet = segment(True, 40_000, number, 0, SYN, b"")
        source = struct.pack(">I", 0x0B000000 + number)
        out.append(record(ETHERNET + packet[:12] + source + packet[16:], number))
    return b"".join(out)


@dataclass
class Capturing:
    """In place of a capture process: bytes on a pipe."""

    program: str = "tcpdump"
    ends: tuple[int, int] = field(default_factory=os.pipe)

    def __post_init__(self) -> None:
        os.set_blocking(self.ends[0], False)

    def fileno(self) -> int:
        return self.ends[0]

    def read(self) -> bytes | None:
        try:
            return os.read(self.ends[0], 1 << 20)
        except BlockingIOError:
            return None

    def counts(self) -> Counts:
        return Counts(0, 0)

    def trouble(self) -> str | None:
        return None

    def close(self) -> None:
        for end in self.ends:
            os.close(end)

    def write(self, data: bytes) -> None:
        os.write(self.ends[1], data)


@pytest.fixture
def capturing() -> Capturing:
    return Capturing()


@pytest.fixture
def watcher(capturing: Capturing) -> Watcher:
    made = Watcher(capturing, Stream("lo", Limits()), "lo", "")  # type: ignore[arg-type]
    yield made  # type: ignore[misc]
    made.close()


def until(watcher: Watcher, true: object, seconds: float = 20.0) -> LiveView:
    """The first view of which that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        view = watcher.step(0.1)
        if view is not None and true(view):  # type: ignore[operator]
            return view
    raise AssertionError("it did not come to that")


def test_of_a_flood_of_forged_addresses_the_pools_with_the_most_packets_are_judged_and_it_is_said() -> None:
    stream = Stream("lo", Limits())
    stream.take(capture(packets_of(REUSED)))
    stream.take(flood(2_000))
    sight = looking.look(stream, [], None, (BEGAN + 1) * SECOND, SECOND)
    assert sight.report is not None
    assert len(sight.report.pools) == looking.MOST_POOLS
    assert [pool.requests for pool in sight.report.pools if pool.requests] == [5]
    left = 2_001 - looking.MOST_POOLS
    assert sight.report.capture.quality.notes == (
        f"only the {looking.MOST_POOLS} pools with the most packets were looked at, {left:,} connections were not",
    )
    assert sum(sight.states["client"].values()) >= 2_000  # sockets are counted, all of them


def test_a_look_that_takes_too_long_is_given_up_less_is_remembered_and_the_capture_goes_on(
    watcher: Watcher, capturing: Capturing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LONGEST_S", 1)
    monkeypatch.setattr(looking, "look", lambda *_: time.sleep(60))
    capturing.write(capture(packets_of(REUSED)))
    view = until(watcher, lambda view: view.judging)
    assert "it took more than" in view.judging
    assert "100,000 ended connections are remembered" in view.judging
    monkeypatch.undo()
    watcher._next_look = 0.0
    view = until(watcher, lambda view: view.report is not None)
    assert view.judging == ""
    assert view.report is not None
    assert view.report.pools[0].requests == 5


@pytest.mark.parametrize("fate", ["raises", "killed", "no fork"])
def test_a_look_that_fails_is_said_and_the_capture_goes_on(
    watcher: Watcher, capturing: Capturing, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    def failing(*_: object) -> Sight:
        if fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("a bug")

    def no_fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(looking, "look", failing)
    if fate == "no fork":
        monkeypatch.setattr(os, "fork", no_fork)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    capturing.write(capture(packets_of(REUSED)))
    view = until(watcher, lambda view: view.judging)
    told = {"raises": "ValueError('a bug')", "killed": "killed (SIGKILL)", "no fork": "temporarily unavailable"}[fate]
    assert told in view.judging
    assert view.packets == 13
    after = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    assert after == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="Linux only")
def test_a_look_has_none_of_the_originals_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*_: object) -> Sight:
        fds = [os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd") if one != "0"]
        raise ValueError(len(fds), [one for one in fds if not one.startswith(("pipe:", "/proc"))])

    monkeypatch.setattr(looking, "look", held)
    look = Look(Stream("lo", Limits()), [], None, 0, SECOND)
    select.select([look], [], [], 10)
    os.set_blocking(look.fileno(), True)
    with pytest.raises(RuntimeError, match=r"ValueError\(1, \[\]\)"):
        look.read()


def test_memory_is_bounded_between_looks(watcher: Watcher, capturing: Capturing) -> None:
    watcher._next_look = time.monotonic() + 3_600
    watcher.stream.history.limits = Limits(open=100, ended=100)
    capturing.write(HEADER)
    for _ in range(5):
        capturing.write(flood(500))
        watcher._rest_until = 0.0
        watcher.step(0.0)
    assert len(watcher.stream.tracker.flows) // 2 <= 500
    assert watcher.stream.tracker.count <= 1_000


def test_of_owners_the_latest_are_shown_and_those_of_pools_that_are_gone_are_forgotten(watcher: Watcher) -> None:
    stream = Stream("lo", Limits())
    stream.take(capture(packets_of(REUSED)))
    sight = looking.look(stream, [], None, BEGAN * SECOND, SECOND)
    assert sight.report is not None
    for pid in range(1, 9):
        watcher._ask_owners(lambda ends, pid=pid: {end: Owner(pid, "me") for end in ends}, sight, sight.report)
    ((clients, servers),) = watcher.owners.values()
    assert list(clients) == list(servers) == [8, 7, 6]
    watcher._ask_owners(lambda ends: {}, Sight(), sight.report)
    assert watcher.owners == {}


def test_what_went_with_an_interface_that_was_removed_counts_as_dropped(watcher: Watcher, capturing: Capturing) -> None:
    capturing.write(capture(packets_of(REUSED)))
    until(watcher, lambda view: view.packets)
    packets = watcher.stream.packets
    capturing.counts = lambda: Counts(packets + 7, 2)  # type: ignore[method-assign]
    assert watcher._lost() == 2  # it may still come
    watcher.failure = "v0: the interface was removed"
    assert watcher._lost() == 7
    capturing.counts = lambda: Counts(packets - 1, 2)  # type: ignore[method-assign]
    assert watcher._lost() == 2  # the last count is from before the last packets


def test_the_processes_of_pools_with_findings_are_told_at_the_end(
    watcher: Watcher, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Stream("lo", Limits())
    stream.take(path_of("go-ab-new-client").read_bytes())
    sight = looking.look(stream, [], None, stream.last_at, SECOND)
    assert sight.report is not None
    assert list(whose(watcher, sight.report)) == []
    watcher._ask_owners(lambda ends: {end: Owner(7, "front\x1b[31m", "web-1") for end in ends}, sight, sight.report)
    owner = "front\x1b[31m[7] in web-1"
    assert list(whose(watcher, sight.report)) == [f"Pool p1, 10.71.13.1 -> 10.71.13.2:8081: {owner} -> {owner}."]
    tell(next(whose(watcher, sight.report)))  # makes it harmless
    assert "front\\x1b[31m[7] in web-1" in capsys.readouterr().err


def test_the_kernels_counts_go_on_where_libpcaps_begin_again() -> None:
    assert process.unwrapped(0, 7) == 7
    assert process.unwrapped(0xFFFFFFF0, 0x10) == 0x1_0000_0010
    assert process.unwrapped(0x1_0000_0010, 0x10) == 0x1_0000_0010
    assert process.unwrapped(0x1_0000_0010, 0x20) == 0x1_0000_0020


def test_packets_and_requests_of_a_connection_beyond_31_bits_stay_positive() -> None:
    tracker = Tracker()
    reader = PcapReader(Decoder(tracker), "lo", 1)
    data = capture(packets_of(REUSED))
    cut = len(data) - 200
    reader.feed(data[:cut])
    half = next(iter(tracker.flows.values()))
    connection = half.connection
    for one in (half, half.other):
        one.packets = one.data_packets = 2**31 - 1
    connection.framer.requests = connection.framer.responses = 2**31 - 1  # type: ignore[union-attr]
    reader.feed(data[cut:])
    tracker.finish()
    assert min(tracker.rows.narrow_buffer[16:20]) == 2**31 - 1
    assert min(tracker.rows.narrow_buffer[31:33]) == 2**31 - 1
    assert all(index >= 0 for index in tracker.exchanges.narrow_buffer[1 : 12 * tracker.exchanges.count : 12])


def test_a_long_text_of_a_head_is_kept_in_part() -> None:
    from pcapdiag.exchanges.head import parse_head

    head = parse_head(b"GET / HTTP/1.1\r\nHost: " + b"h" * 9_000 + b"\r\nUser-Agent: " + b"u" * 9_000 + b"\r\n\r\n")
    assert head is not None
    assert head.host == b"h" * 1_024
    assert head.user_agent == b"u" * 1_024
