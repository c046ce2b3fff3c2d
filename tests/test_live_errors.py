"""``pcapdiag live`` when something goes wrong, as its user sees it: one clear line, and what was captured is judged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live_capture import SOURCE, as_root, can_capture, in_namespace

from pcapdiag import cli

LOAD = """
import socket, threading, time
server = socket.create_server(("127.0.0.1", 8123), backlog=64)
def serve():
    while True:
        client, _ = server.accept()
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        client.recv(4096)
        client.close()
threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
while True:
    with socket.create_connection(("127.0.0.1", 8123)) as client:
        client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nUser-Agent: Go-http-client/1.1\\r\\n\\r\\n")
        client.recv(4096)
    time.sleep(0.01)
"""


def shell(script: str, *unshare: str) -> subprocess.CompletedProcess[str]:
    """What a script does in namespaces of its own; $LIVE is the command and traffic comes on port 8123 of lo."""
    live = f"{sys.executable} -m pcapdiag live --format text --duration 4s -f 'tcp port 8123'"
    whole = f"""
ip link set lo up
{sys.executable} -c "$LOAD" & load=$!
begun() {{ until grep -q "Root was given up" "$1" 2>/dev/null; do sleep 0.1; done; sleep 1.5; }}
{script.replace("$LIVE", live)}
code=$?
kill $load
exit $code
"""
    return subprocess.run(
        ["unshare", "-n", *unshare, "sh", "-c", whole],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ, PYTHONPATH=str(SOURCE), LOAD=LOAD),
    )


def error(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of error."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("pcapdiag: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-i", "lo0"], "interface 'lo0': there is none of this name; did you mean lo?"),
        (
            ["-i", "lo", "-w", "/no/such/place/a.pcapng"],
            "-w /no/such/place/a.pcapng: there is no directory /no/such/place",
        ),
        (["-i", "lo", "--user", "no-such-user"], "--user no-such-user: there is no such user"),
    ],
)
def test_what_cannot_begin_is_one_line(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["live", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1


@can_capture
def test_a_bad_filter_leaves_a_file_that_is_there_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.pcap").write_bytes(b"old")
    assert cli.main(["live", "-i", "lo", "-f", "tcp prt 80", "-w", str(tmp_path / "old.pcap")]) == 2
    assert "capture filter 'tcp prt 80': syntax error" in capsys.readouterr().err
    assert (tmp_path / "old.pcap").read_bytes() == b"old"


@in_namespace
def test_a_capture_process_that_is_killed_ends_with_the_report_of_what_came(tmp_path: Path) -> None:
    done = shell(
        f"$LIVE -i lo -w {tmp_path}/kept.pcapng --program tcpdump 2> {tmp_path}/err & live=$!; begun {tmp_path}/err; "
        f"kill -9 $(pgrep -P $live -x tcpdump); wait $live; code=$?; cat {tmp_path}/err >&2; (exit $code)"
    )
    assert done.returncode == 2, done.stderr
    assert error(done) == "pcapdiag: lo: tcpdump was killed (SIGKILL)"
    assert "each connection once" in " ".join(done.stdout.split())
    assert cli.main(["diagnose", str(tmp_path / "kept.pcapng")]) == 0


@in_namespace
@pytest.mark.parametrize("program", ["tcpdump", "dumpcap"])
def test_an_interface_that_is_removed_ends_with_one_line(program: str, tmp_path: Path) -> None:
    done = shell(
        "ip link add cap0 type veth peer name cap1; ip link set cap0 up; ip link set cap1 up; "
        f"(begun {tmp_path}/err; ip link del cap0) & "
        f"$LIVE -i cap0 --program {program} 2> {tmp_path}/err; code=$?; cat {tmp_path}/err >&2; (exit $code)"
    )
    assert done.returncode == 2
    assert "cap0: the interface was removed" in error(done)


@in_namespace
def test_an_interface_that_goes_down_is_said_once_and_the_capture_goes_on(tmp_path: Path) -> None:
    done = shell(
        "ip link add cap0 type veth peer name cap1; ip link set cap0 up; ip link set cap1 up; "
        f"(begun {tmp_path}/err; ip link set cap0 down) & "
        f"$LIVE -i cap0 2> {tmp_path}/err; code=$?; cat {tmp_path}/err >&2; (exit $code)"
    )
    told = "cap0: the interface is down; ip link set cap0 up brings it back, and capturing goes on"
    assert done.stderr.count(told) == 1, done.stderr
    assert "capture ended" not in done.stderr


@as_root
@in_namespace
def test_on_a_full_disk_the_capture_goes_on_and_all_of_it_is_judged(tmp_path: Path) -> None:
    done = shell(
        f"mount -t tmpfs -o size=64k tmpfs {tmp_path} && $LIVE -i lo -w {tmp_path}/kept.pcapng; code=$?; "
        f"{sys.executable} -m pcapdiag diagnose {tmp_path}/kept.pcapng > /dev/null || echo unreadable; (exit $code)",
        "-m",
    )
    assert done.returncode == 0, done.stderr
    assert "the disk is full; the first" in done.stderr
    assert "unreadable" not in done.stdout
    assert "each connection once" in " ".join(done.stdout.split())
