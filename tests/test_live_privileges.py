"""Root is given up for good, what is needed later was loaded before, and the warden does four things and no others."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from live_capture import LINUX, SOURCE, as_root, can_capture, run

from pcapdiag.errors import UsageError
from pcapdiag.live import names, opening, privileges, rehearsal
from pcapdiag.live.privileges import User
from pcapdiag.live.warden import Warden, receive, send

WHEN = "20261127211500"


def test_the_user_behind_sudo_goes_on_else_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "is_root", lambda: True)
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "1001")
    monkeypatch.setenv("SUDO_USER", "ada")
    assert privileges.user_to_become() == User(1000, 1001, "ada")
    monkeypatch.setenv("SUDO_UID", "0")  # root calls sudo
    user = privileges.user_to_become()
    assert user is not None
    assert user.name == "nobody"
    assert user.uid > 0
    assert privileges.user_to_become("root") is None
    with pytest.raises(UsageError, match="--user no-such-user: there is no such user"):
        privileges.user_to_become("no-such-user")


def test_without_root_there_is_nothing_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "is_root", lambda: False)
    assert privileges.user_to_become() is None
    privileges.drop(None)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(UsageError, match="only root can become another user"):
        privileges.user_to_become("root")


@as_root
def test_root_that_was_given_up_does_not_come_back() -> None:
    out = run(
        """
import os
from pcapdiag.live import privileges
user = privileges.user_to_become("nobody")
privileges.drop(user)
print(os.getresuid() == (user.uid,) * 3, os.getresgid() == (user.gid,) * 3, os.getgroups(), privileges.capabilities())
for call in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try:
        call()
        print("back")
    except PermissionError:
        print("no")
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")])
"""
    )
    assert out.splitlines() == ["True True [] 0", "no", "no", "no", "no", "['1']"]


@as_root
def test_a_user_who_could_come_back_is_noticed() -> None:
    out = run(
        """
import os
from pcapdiag.live import privileges
user = privileges.user_to_become("nobody")
os.setegid(user.gid)
os.seteuid(user.uid)
print(privileges.for_good(user))
"""
    )
    assert out == "False\n"


def test_after_the_rehearsal_nothing_of_the_package_or_of_python_is_read() -> None:
    """On each capture that is here, so that what a rule or a table loads late is found."""
    out = run(
        """
import glob, sys
from pcapdiag.live import rehearsal
from pcapdiag.reports import json, text
rehearsal.rehearse()
from pcapdiag.pipeline import Options, analyze
late = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and not arguments[0].startswith(sys.argv[1]):
        late.add(arguments[0])
    elif event == "import":
        late.add(arguments[0])
sys.addaudithook(hook)
done = 0
for path in sorted(glob.glob(sys.argv[1] + "/**/*.pcap*", recursive=True)):
    text.diagnosis(analyze(path, Options(with_connections=True)))
    done += 1
print(done > 50, sorted(late))
""",
        str(Path(__file__).parents[1] / "captures"),
    )
    assert out == "True []\n"


@as_root
def test_a_package_that_only_root_can_read_serves_after_root_was_given_up(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    shutil.copytree(SOURCE / "pcapdiag", hidden / "pcapdiag", ignore=shutil.ignore_patterns("__pycache__"))
    hidden.chmod(0o700)
    with open(next((Path(__file__).parents[1] / "captures").glob("**/*.pcap")), "rb") as capture:
        out = run(
            """
import sys
sys.path.insert(0, sys.argv[1])
import pcapdiag
assert pcapdiag.__file__.startswith(sys.argv[1])
from pcapdiag.live import privileges, rehearsal
from pcapdiag.reports import text
rehearsal.rehearse(text.diagnosis)
privileges.drop(privileges.user_to_become("nobody"))
try:
    open(pcapdiag.__file__)
except PermissionError:
    print("hidden")
from pcapdiag import analyze
print(len(text.diagnosis(analyze("-"))) > 500)
""",
            str(hidden),
            stdin=capture,
        )
    assert out.splitlines() == ["hidden", "True"]


def test_the_rehearsals_report_is_on_a_client_that_never_reuses_a_connection() -> None:
    seen = []
    report = rehearsal.rehearse(seen.append)
    assert seen == [report]
    assert report.capture.packets == 800
    assert report.findings[0].name.startswith("never-reuse")


@pytest.fixture
def process() -> int:
    """Some process, in place of the one that captures."""
    child = subprocess.Popen(["sleep", "60"])
    yield child.pid  # type: ignore[misc]
    child.kill()
    child.wait()


@pytest.fixture
def warden(tmp_path: Path, process: int) -> Warden:
    made = Warden(str(tmp_path / "kept.pcapng"), User(os.getuid() or 65534, os.getgid() or 65534, "me"), process)
    yield made  # type: ignore[misc]
    made.close()


@pytest.mark.skipif(not LINUX, reason="Linux only")
class TestWarden:
    def test_it_opens_the_next_file_for_the_user(self, warden: Warden, tmp_path: Path) -> None:
        name = names.rotated(str(tmp_path / "kept.pcapng"), 2, WHEN)
        opened = warden.open(name)
        os.write(opened, b"packets")
        os.close(opened)
        status = os.stat(name)
        assert Path(name).read_bytes() == b"packets"
        assert status.st_mode & 0o777 == 0o600
        assert status.st_uid == (os.getuid() or 65534)

    def test_it_removes_what_it_made_and_nothing_else(self, warden: Warden, tmp_path: Path) -> None:
        mine = names.rotated(str(tmp_path / "kept.pcapng"), 3, WHEN)
        Path(mine).write_bytes(b"mine")
        with pytest.raises(OSError, match="not a file of this capture"):
            warden.remove(mine)
        assert Path(mine).exists()
        made = names.rotated(str(tmp_path / "kept.pcapng"), 4, WHEN)
        os.close(warden.open(made))
        warden.remove(made)
        assert not Path(made).exists()

    def test_no_other_name_comes_through(self, warden: Warden, tmp_path: Path) -> None:
        for other in ("/etc/passwd", str(tmp_path / "other.pcapng"), str(tmp_path / "kept_00001_x.pcapng")):
            with pytest.raises(OSError, match="not a file of this capture"):
                warden.open(other)

    @pytest.mark.parametrize(
        "message",
        [
            {"do": "open", "number": 1, "when": "../../../../tmp/x"},
            {"do": "open", "number": -1, "when": WHEN},
            {"do": "open", "number": "1; rm", "when": WHEN},
            {"do": "open"},
            {"do": "exec", "command": "id"},
            {"do": "signal", "number": 15},
            {"do": "open", "number": float("inf"), "when": WHEN},
            {"do": "owners", "endpoints": 7},
            {"do": "owners", "endpoints": [["not an address", 1]]},
            {},
        ],
    )
    def test_a_message_of_another_kind_does_nothing_and_it_goes_on(
        self, warden: Warden, message: dict[str, object], tmp_path: Path
    ) -> None:
        send(warden._socket, message)
        reply, files = receive(warden._socket)
        assert files == []
        assert "owners" not in reply or reply["owners"] == []
        assert list(tmp_path.iterdir()) == []
        os.close(warden.open(names.rotated(str(tmp_path / "kept.pcapng"), 1, WHEN)))

    def test_garbage_ends_it_and_is_an_error_of_the_next_question(self, warden: Warden, tmp_path: Path) -> None:
        warden._socket.sendall(b"\xff" * 64)
        with pytest.raises(OSError, match="the warden has ended"):
            warden.open(names.rotated(str(tmp_path / "kept.pcapng"), 1, WHEN))
        assert warden.owners([("127.0.0.1", 1)]) == {}
        warden.signal(10)

    def test_it_ends_when_the_other_process_does(self, tmp_path: Path, process: int) -> None:
        made = Warden(str(tmp_path / "kept.pcapng"), User(65534, 65534, "nobody"), process)
        made.close()
        with pytest.raises(ProcessLookupError):
            os.kill(made.pid, 0)

    def test_it_holds_no_file_but_its_socket(self, tmp_path: Path, process: int) -> None:
        read, write = os.pipe()
        made = Warden(str(tmp_path / "kept.pcapng"), User(65534, 65534, "nobody"), process)
        made.owners([])  # it has begun
        os.close(write)
        try:
            assert os.read(read, 1) == b""  # nobody else has the other end
            held = {os.readlink(f"/proc/{made.pid}/fd/{one}") for one in os.listdir(f"/proc/{made.pid}/fd")}
            assert {one.partition(":")[0] for one in held} <= {"/dev/null", "socket", "anon_inode", str(tmp_path)}
        finally:
            os.close(read)
            made.close()

    def test_files_that_are_sent_to_it_are_not_kept(self, warden: Warden) -> None:
        for _ in range(3):
            with open(os.devnull, "rb") as file:
                send(warden._socket, {"do": "owners", "endpoints": []}, [file.fileno()])
            receive(warden._socket)
        held = [os.readlink(f"/proc/{warden.pid}/fd/{one}") for one in os.listdir(f"/proc/{warden.pid}/fd")]
        assert held.count("/dev/null") <= 3  # its own standard files

    def test_it_tells_owners(self, warden: Warden) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            end = listening.getsockname()
            assert warden.owners([end])[end].pid == os.getpid()


@as_root
@can_capture
def test_a_capture_ends_when_the_process_that_reads_it_is_killed() -> None:
    out = run(
        """
import os, signal, time
from live_capture import begin
from pcapdiag.live.privileges import drop, user_to_become
from pcapdiag.live.warden import Warden
read, write = os.pipe()
child = os.fork()
if child == 0:
    process = begin("lo", "tcp port 1", None)
    user = user_to_become("nobody")
    Warden(None, user, process.pid)
    drop(user)
    os.write(write, str(process.pid).encode())
    time.sleep(60)
pid = int(os.read(read, 100))
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
for _ in range(50):
    time.sleep(0.1)
    try:
        state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        state = "gone"
    if state in ("gone", "Z"):
        break
print("runs" if state not in ("gone", "Z") else "ended")
"""
    )
    assert out == "ended\n"


@as_root
def test_root_writes_through_no_link_that_somebody_put_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "soft").symlink_to(secret)
    os.link(secret, tmp_path / "hard")
    for name in ("soft", "hard"):
        with pytest.raises(OSError) as caught:  # noqa: PT011  which one is said below
            opening.create(str(tmp_path / name), User(65534, 65534, "nobody"))
        assert (
            opening.problem(name, caught.value)
            == f"{name}: is a link; root writes through none: remove it, or name another file"
        )
    assert secret.read_bytes() == b"secret"


@as_root
def test_a_file_of_another_user_is_not_written_for_them_to_read(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    os.chown(theirs, 4321, 4321)
    with pytest.raises(OSError, match="another user's") as caught:
        opening.create(str(theirs), User(65534, 65534, "nobody"))
    assert "cannot be written: it is another user's" in opening.problem("theirs", caught.value)
    assert theirs.read_bytes() == b"theirs"


@as_root
def test_the_next_file_goes_where_the_first_went_though_the_directory_was_replaced(
    tmp_path: Path, process: int
) -> None:
    theirs, elsewhere = tmp_path / "theirs", tmp_path / "elsewhere"
    theirs.mkdir()
    elsewhere.mkdir()
    made = Warden(str(theirs / "kept.pcapng"), User(65534, 65534, "nobody"), process)
    try:
        os.close(made.open(names.rotated(str(theirs / "kept.pcapng"), 1, WHEN)))
        theirs.rename(tmp_path / "moved")
        theirs.symlink_to(elsewhere)
        os.close(made.open(names.rotated(str(theirs / "kept.pcapng"), 2, WHEN)))
    finally:
        made.close()
    assert list(elsewhere.iterdir()) == []
    assert len(list((tmp_path / "moved").iterdir())) == 2


@pytest.mark.parametrize(
    ("uid", "gid"), [("\u00b2", "\u00b2"), ("99999999999999", "5"), ("4294967295", "4294967295"), ("-1", "1"), ("", "")]
)
def test_a_forged_caller_of_sudo_is_nobody(uid: str, gid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "is_root", lambda: True)
    monkeypatch.setenv("SUDO_UID", uid)
    monkeypatch.setenv("SUDO_GID", gid)
    user = privileges.user_to_become()
    assert user is not None
    assert user.name == "nobody"


@as_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_capabilities_of_a_service_are_given_up_too() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(SOURCE)!r})
from pcapdiag.live import privileges
print(privileges.capabilities() != 0, privileges.give_up_capabilities(), privileges.capabilities())
print(privileges.give_up_capabilities())
"""
    unit = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]
    for python in (shutil.which("python3", path="/usr/bin"), os.path.realpath("/proc/self/exe")):
        done = subprocess.run(
            ["setpriv", *unit, str(python), "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode == 0:
            assert done.stdout.splitlines() == ["True True 0", "False"]
            return
    pytest.skip(f"no Python that everybody may run: {done.stderr[-200:]}")
