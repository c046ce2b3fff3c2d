"""``pcapdiag live`` from its start to its end, with real traffic: what it prints, keeps and leaves behind, and as whom."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from live_command import PORT, Ended, Live, Namespace, across, skipping, two_hosts, until, users

import pcapdiag
from pcapdiag import pipeline
from pcapdiag.cli import main
from pcapdiag.reports.schema import live_1

FILTER = ("-f", f"tcp port {PORT}")
NEVER_REUSED = "never-reuse-keepalive-disabled"
SAID = "The client uses each connection once"
NOBODY = 65534

needs_root = skipping()


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    with Namespace(f"pcapdiag-test-{os.getpid()}") as made:
        yield made


@pytest.fixture
def live(namespace: Namespace, tmp_path: Path) -> Iterator[type]:
    """Starts the command; what a failed test leaves is ended."""
    started: list[Live] = []

    def start(*options: str, **named: object) -> Live:
        started.append(Live(namespace, tmp_path, *FILTER, *options, **named))  # type: ignore[arg-type]
        return started[-1]

    yield start  # type: ignore[misc]
    for one in started:
        if one.popen.poll() is None:
            one.popen.kill()
            one.popen.wait()


def diagnosed(*files: Path | str) -> str:
    command = [sys.executable, "-m", "pcapdiag", "diagnose", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(files[0]).parent).stdout


def lines(text: str) -> list[dict]:
    validator = jsonschema.Draft202012Validator(json.loads(live_1()))
    out = [json.loads(line) for line in text.splitlines()]
    for one in out:
        validator.validate(one)
    return out


def quiet(ended: Ended) -> bool:
    """Nothing that looks like a failure."""
    return "Traceback" not in ended.err and "pcapdiag:" not in ended.err and "Exception" not in ended.err


@needs_root
def test_the_report_at_the_end_is_what_diagnose_prints_of_the_file(live, namespace, tmp_path) -> None:
    running = live("--format", "text", "-w", str(tmp_path / "kept.pcapng")).ready()
    namespace.traffic()
    ended = running.end()
    assert ended.code == 0
    assert quiet(ended)
    assert SAID in ended.out
    assert ended.out == diagnosed(tmp_path / "kept.pcapng")
    assert "kept.pcapng: pcapdiag diagnose reads it." in ended.err
    assert namespace.pids() == []


@needs_root
def test_a_finding_is_told_while_the_program_still_runs_and_each_line_keeps_the_schema(live, namespace) -> None:
    running = live("--format", "ndjson", "--status-every", "500ms").ready()
    namespace.traffic(40, pause=0.02)
    assert until(lambda: NEVER_REUSED in running.out.read_text(), 5)
    assert until(lambda: '"closers": {"client": 40, ' in running.out.read_text(), 5)
    ended = running.end()
    told = lines(ended.out)
    assert ended.code == 0
    assert {one["event"] for one in told[:-1]} == {"finding", "status"}
    assert (told[-1]["event"], told[-1]["reason"], told[-1]["dropped"]) == ("end", "interrupted", 0)


@needs_root
def test_once_found_ends_it_with_0_when_the_finding_forms(live, namespace) -> None:
    running = live("--once-found", NEVER_REUSED, "--duration", "8s").ready()
    namespace.traffic()
    ended = running.end(None)
    assert ended.code == 0
    assert lines(ended.out)[-1]["reason"] == "found"


@needs_root
def test_once_found_ends_with_1_when_it_does_not(live, namespace) -> None:
    running = live("--once-found", "PD301", "--duration", "1500ms").ready()
    namespace.traffic(3)
    ended = running.end(None)
    assert ended.code == 1
    assert lines(ended.out)[-1]["reason"] == "duration"


@needs_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_report(number: int, live, namespace) -> None:
    running = live("--format", "text").ready()
    namespace.traffic()
    ended = running.end(number)
    assert ended.code == 0
    assert SAID in ended.out
    assert namespace.pids() == []


@needs_root
def test_a_second_ctrl_c_does_not_wait_for_the_report(live, namespace) -> None:
    running = live("--format", "text").ready()
    os.kill(running.children()["tcpdump"], signal.SIGSTOP)  # which ends when it is told to; stopped, it does not
    running.popen.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert running.popen.poll() is None
    began = time.monotonic()
    ended = running.end()
    assert ended.code == 130
    assert time.monotonic() - began < 4
    assert "Traceback" not in ended.err
    assert until(lambda: namespace.pids() == [])


@needs_root
def test_a_reader_that_goes_away_ends_it_quietly(namespace, tmp_path) -> None:
    command = f"{sys.executable} -m pcapdiag live -i lo -f 'tcp port {PORT}' --status-every 200ms | head -1"
    with subprocess.Popen(
        namespace.command("bash", "-o", "pipefail", "-c", command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as shell:
        namespace_ready = until(lambda: len(namespace.pids()) >= 4)
        assert namespace_ready
        out, err = shell.communicate(timeout=60)
    assert shell.returncode == 0
    assert [one["event"] for one in lines(out)] == ["status"]
    assert "Traceback" not in err
    assert "pcapdiag:" not in err
    assert namespace.pids() == []


@needs_root
def test_rotation_keeps_so_many_files_and_each_can_be_read(live, namespace, tmp_path) -> None:
    path = tmp_path / "kept.pcapng"
    running = live("--format", "text", "-w", str(path), "--rotate-size", "64k", "--keep-files", "3").ready()
    namespace.traffic(24, 12_000)
    ended = running.end()
    files = sorted(tmp_path.glob("kept*"))
    assert ended.code == 0
    assert len(files) == 3
    assert files[0].name > "kept_00002"
    assert all(file.stat().st_size <= 64 * 1024 + 200 for file in files)
    assert f"in {files[-1]} (and 2 more): pcapdiag diagnose reads it." in ended.err
    for file in files:
        report = pipeline.analyze([str(file)])
        assert report.capture.packets > 0
        assert not report.capture.quality.damage


@needs_root
def test_of_files_that_are_all_kept_diagnose_says_the_same_as_the_report(live, namespace, tmp_path) -> None:
    path = tmp_path / "kept.pcap"
    running = live("--format", "text", "-w", str(path), "--rotate-size", "64k").ready()
    namespace.traffic(30, 6_000)
    ended = running.end()
    files = sorted(tmp_path.glob("kept*"))
    assert len(files) >= 3
    assert ended.out == diagnosed(*files)


@needs_root
def test_root_is_given_up_by_all_but_the_warden_and_the_file_is_the_users(live, namespace, tmp_path) -> None:
    running = live("--format", "text", "-w", str(tmp_path / "kept.pcapng"), "--user", "nobody").ready()
    assert users(running.popen.pid) == [NOBODY] * 4
    for name, pid in running.children().items():
        assert name == "tcpdump" or users(pid)[0] == 0
    assert (tmp_path / "kept.pcapng").stat().st_uid == NOBODY
    assert (tmp_path / "kept.pcapng").stat().st_mode & 0o777 == 0o600
    assert running.end().code == 0


@needs_root
@pytest.mark.parametrize("format_", ["text", "ndjson"])
def test_an_installation_that_only_root_can_read_is_enough(format_: str, live, namespace, tmp_path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(Path(pcapdiag.__file__).parent, private / "pcapdiag")
    running = live("--format", format_, environment={"PYTHONPATH": str(private)}).ready()
    assert users(running.popen.pid) == [NOBODY] * 4
    namespace.traffic()
    assert format_ == "text" or until(lambda: NEVER_REUSED in running.out.read_text())  # a look
    ended = running.end()
    assert ended.code == 0
    assert quiet(ended)
    assert (SAID if format_ == "text" else NEVER_REUSED) in ended.out


@needs_root
def test_killed_it_takes_its_helpers_with_it(live, namespace) -> None:
    running = live("--format", "text").ready()
    assert "tcpdump" in running.children()
    assert len(running.children()) >= 2
    running.end(signal.SIGKILL)
    namespace.traffic(2)  # tcpdump's next packet has no reader
    assert until(lambda: namespace.pids() == []), running.children()


@needs_root
@pytest.mark.parametrize("format_", ["text", "ndjson"])
def test_where_nothing_came_one_line_says_so(format_: str, live) -> None:
    ended = live("--format", format_, "--duration", "300ms").end(None)
    assert ended.code == 0
    (said,) = [line for line in ended.err.splitlines() if "no packet" in line]
    assert said == f"lo: no packet that matches 'tcp port {PORT}' came; pcapdiag interfaces lists the others"
    assert ended.out == "" or lines(ended.out)[-1]["packets"] == 0


@needs_root
def test_packets_without_tcp_are_told_from_no_packets(namespace, tmp_path) -> None:
    running = Live(namespace, tmp_path, "-f", "udp", "--format", "text").ready()
    namespace.run(sys.executable, "-c", "import socket; socket.socket(type=2).sendto(b'a', ('127.0.0.1', 9))")
    ended = running.end()
    assert ended.code == 0
    assert "no TCP" in ended.err


@needs_root
def test_an_interface_that_is_taken_away_ends_it_with_what_was_captured(tmp_path) -> None:
    kept = tmp_path / "kept.pcapng"
    with two_hosts() as (near, _):
        running = Live(near, tmp_path, *FILTER, "--format", "text", "-w", str(kept), interface="wire").ready()
        across(near)
        # The kernel hands packets over in blocks, and what waits in one is lost with the interface.
        assert until(lambda: kept.stat().st_size > 20_000)
        near.run("ip", "link", "delete", "wire")
        ended = running.end(None)
    assert ended.code == 2
    assert SAID in ended.out
    assert ended.out == diagnosed(kept)
    complaints = [line for line in ended.err.splitlines() if line.startswith("pcapdiag: ")]
    assert complaints == ["pcapdiag: wire: the interface was removed"]
    assert "Traceback" not in ended.err


@needs_root
def test_an_interface_that_is_down_is_told_once_and_what_was_captured_is_reported(tmp_path) -> None:
    with two_hosts() as (near, _):
        running = Live(near, tmp_path, *FILTER, "--format", "text", interface="wire").ready()
        across(near)
        near.run("ip", "link", "set", "wire", "down")
        assert until(lambda: "down" in running.err.read_text())
        time.sleep(0.5)
        ended = running.end()
    assert ended.code == 0
    assert SAID in ended.out
    assert ended.err.count("interface is down") == 1


@needs_root
def test_a_full_disk_ends_the_keeping_and_not_the_capture(live, namespace, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        kept = disk / "kept.pcapng"
        running = live("--format", "text", "-w", str(kept)).ready()
        namespace.traffic(40, 6_000)
        ended = running.end()
        assert ended.code == 0
        assert (
            "lo: 40 requests on 40" in ended.out
        )  # of all packets, and not named after a file that has a part of them
        assert str(kept) not in ended.out
        (said,) = [line for line in ended.err.splitlines() if "disk is full" in line]
        assert said.startswith(f"Not all was kept: {kept}: the disk is full; the first ")
        assert pipeline.analyze([str(kept)]).capture.packets > 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@needs_root
def test_the_ssh_session_that_it_is_started_from_is_left_out(tmp_path) -> None:
    session = {"SSH_CONNECTION": "192.0.2.7 50022 10.98.0.1 22"}
    with two_hosts() as (near, _):
        without = Live(near, tmp_path, "--format", "text", interface="wire", environment=session).ready()
        command = Path(f"/proc/{without.children()['tcpdump']}/cmdline").read_bytes().decode().split("\0")
        said = without.end().err
        whole = Live(near, tmp_path, "--format", "text", "--with-ssh", interface="wire", environment=session).ready()
        plain = Path(f"/proc/{whole.children()['tcpdump']}/cmdline").read_bytes().decode()
        whole.end()
    own = "tcp and host 192.0.2.7 and port 50022 and host 10.98.0.1 and port 22"
    assert command[-2] == f"not ({own})"
    assert "This terminal's own ssh session (192.0.2.7 port 50022) is left out; --with-ssh takes it in." in said
    assert "192.0.2.7" not in plain


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Missing option '-i' / '--interface'"),
        (["-i", "nosuch0"], "interface 'nosuch0': there is none of this name"),
        (["-i", "lo", "--once-found", "PD999"], "PD999"),
        (["-i", "lo", "--once-found", "never-reuse"], "never-reuse"),
        (["-i", "lo", "-w", "a.pcap", "--rotate-size", "5"], "'5' is no size of a file; expected 64k or more"),
        (["-i", "lo", "-w", "a.pcap", "--rotate-size", "lots"], "'lots' is no size of a file"),
        (["-i", "lo", "--duration", "soon"], "'soon' is no span of time"),
        (["-i", "lo", "--rotate-size", "1M"], "are about the files of -w FILE"),
        (["-i", "lo", "-w", "a.pcap", "--keep-files", "3"], "--keep-files needs --rotate-size or --rotate-time"),
        (["-i", "lo", "-w", "/nosuch/a.pcap"], "there is no directory /nosuch"),
        (["-i", "lo", "--format", "screen"], "--format screen needs a terminal"),
        (["-i", "lo", "--format", "text", "--status-every", "1s"], "--status-every goes with --format ndjson"),
        (["-i", "lo", "--user", "nosuchuser"], "--user nosuchuser: there is no such user"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_one_line(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("pcapdiag: ")
    assert shown.err.count("\n") == 1
    assert said in shown.err


@needs_root
def test_a_filter_that_is_none_is_said_in_one_line(namespace, tmp_path) -> None:
    ended = Live(namespace, tmp_path, "-f", "tcp prot 80").end(None)
    assert ended.code == 2
    assert ended.err.startswith("pcapdiag: capture filter 'tcp prot 80': ")
    assert ended.err.count("\n") == 1
