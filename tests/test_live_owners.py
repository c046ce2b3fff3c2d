"""Which process a socket belongs to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from live_capture import LINUX, in_namespace, run

from pcapdiag.live import owners as looking
from pcapdiag.live.owners import container_of, owners, program_name

SLEEPER = """
import socket, time
listening = socket.socket({family})
listening.bind(({address!r}, 0))
listening.listen()
print(listening.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> tuple[int, int]:
    family, address = request.param
    code = SLEEPER.format(family=family, address=address)
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    yield child.pid, int(child.stdout.readline())  # type: ignore[misc]
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.parametrize(
    ("listener", "asked"),
    [
        (("socket.AF_INET", "127.0.0.1"), "127.0.0.1"),
        (("socket.AF_INET", "0.0.0.0"), "127.0.0.1"),
        (("socket.AF_INET", "0.0.0.0"), "10.99.99.99"),  # an address of this machine, for all it knows
        (("socket.AF_INET6", "::1"), "::1"),
        (("socket.AF_INET6", "::"), "127.0.0.1"),
        (("socket.AF_INET6", "::"), "::1"),
    ],
    indirect=["listener"],
)
def test_who_listens_answers_for_a_servers_end(listener: tuple[int, int], asked: str) -> None:
    pid, port = listener
    found = owners([(asked, port), (asked, 1)])
    assert set(found) == {(asked, port)}
    owner = found[asked, port]
    assert owner.pid == pid
    assert owner.name.startswith("python")
    assert "socket" not in owner.name  # the program given with -c, which may hold anything


@pytest.mark.parametrize("listener", [("socket.AF_INET6", "::")], indirect=True)
def test_a_clients_end_is_found_though_both_ends_are_here(listener: tuple[int, int]) -> None:
    pid, port = listener
    with socket.create_connection(("127.0.0.1", port)) as client:
        here = client.getsockname()
        found = owners([here, ("127.0.0.1", port)])
    assert found[here].pid == os.getpid()
    assert found["127.0.0.1", port].pid == pid


def test_nothing_that_is_asked_for_is_an_error() -> None:
    assert owners([]) == {}
    assert owners([("not an address", 1), ("127.0.0.1", 70000), ("127.0.0.1", -1)]) == {}


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("nginx", ["nginx: worker process"], "nginx"),
        ("python3", ["/usr/bin/python3.11", "/srv/app/server.py", "--password=hunter2"], "python3.11 server.py"),
        ("python3", ["python3", "-m", "uvicorn", "app:main", "--token", "x"], "python3 -m uvicorn"),
        ("python3", ["python3", "-W", "ignore", "-c", "secret = 1"], "python3"),
        ("python3", ["python3", "-c", "secret = 1"], "python3"),
        ("java", ["java", "-Xmx1g", "-cp", "a.jar:b.jar", "com.example.Main", "secret"], "java Main"),
        ("java", ["/opt/java/bin/java", "-Dkey=secret", "-jar", "/opt/app.jar"], "java app.jar"),
        ("node", ["node", "--require", "./hook.js", "/srv/index.js"], "node index.js"),
        ("MainThread", ["node", "/srv/index.js", "key"], "node index.js"),
        ("curl", ["curl", "-u", "me:secret", "http://x"], "curl"),
        ("kworker", [], "kworker"),
        ("kworker", [""], "kworker"),
    ],
)
def test_a_name_tells_the_script_and_never_an_argument(name: str, arguments: list[str], told: str) -> None:
    assert program_name(name, arguments) == told


ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("group", "told"),
    [
        (f"0::/system.slice/docker-{ID}.scope\n", ID[:12]),
        (f"12:cpu:/docker/{ID}\n0::/\n", ID[:12]),
        (f"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n", ID[:12]),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", ID[:12]),
        (f"0::/kubepods/burstable/pod01234567-89ab-cdef-0123-456789abcdef/{ID}\n", ID[:12]),
        (
            "0::/kubepods/burstable/pod01234567-89ab-cdef-0123-456789abcdef\n",
            "01234567-89ab-cdef-0123-456789abcdef",
        ),
        ("0::/system.slice/nginx.service\n", "nginx.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service\n", "app.service"),
        ("0::/lxc.payload.web1/system.slice\n", "web1"),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_a_control_group_names_the_container_or_the_service(group: str, told: str | None) -> None:
    assert container_of(group) == told


@in_namespace
def test_a_socket_in_a_containers_network_is_found_from_outside() -> None:
    code = SLEEPER.format(family="socket.AF_INET", address="0.0.0.0")
    child = subprocess.Popen(["unshare", "-n", sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        port = int(child.stdout.readline())
        found = owners([("172.31.99.2", port)])
        assert found["172.31.99.2", port].pid == child.pid  # unshare has become it
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@in_namespace
def test_thirty_thousand_sockets_in_time_wait_cost_little() -> None:
    out = run(
        """
import socket, subprocess, time
subprocess.run("ip link set lo up; sysctl -qw net.ipv4.tcp_tw_reuse=0", shell=True, check=True)
server = socket.socket()
server.bind(("127.0.0.1", 80))
server.listen(1000)
for number in range(30000):
    # From several addresses, none of which runs out of ports: the kernel would search long, or use one again.
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    client.bind((f"127.0.0.{2 + number % 5}", 0))
    client.connect(("127.0.0.1", 80))
    accepted, _ = server.accept()
    client.close()
    accepted.close()
lines = sum(1 for _ in open("/proc/net/tcp"))
from pcapdiag.live.owners import owners
began = time.process_time()
found = owners([("127.0.0.1", 80), ("127.0.0.1", 12345)])
took = time.process_time() - began
import psutil
began = time.process_time()
psutil.net_connections(kind="tcp")
print(lines > 20000, len(found), took, time.process_time() - began)
""",
        namespace=True,
    )
    many, found, seconds, psutils = out.split()
    assert (many, found) == ("True", "1")
    assert float(seconds) < float(psutils)  # some 0.05 s and 0.2 s


@pytest.mark.skipif(not LINUX, reason="Linux has another way")
def test_psutil_tells_the_same_as_proc() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        end = listening.getsockname()
        assert looking._by_psutil([end])[end].pid == owners([end])[end].pid


def test_without_proc_nobody_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refused)
    assert owners([("192.0.2.1", 80)]) == {}
