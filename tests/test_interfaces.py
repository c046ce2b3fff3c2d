"""``pcapdiag interfaces``: what is there, and what can be captured."""

from __future__ import annotations

import json

import pytest
from live_capture import LINUX, can_capture, in_namespace, run

from pcapdiag import cli
from pcapdiag.live import interfaces as looking


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert cli.main(["interfaces", *options]) == 0
    return capsys.readouterr().out


def test_loopback_comes_first_with_its_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(listed(capsys, "--format", "json"))
    assert document["schema"] == "pcapdiag-interfaces/1"
    first = document["interfaces"][0]
    assert first["kind"] == "loopback"
    assert first["up"] is True
    assert "127.0.0.1" in first["addresses"]


@can_capture
def test_who_may_capture_is_told_with_which_program(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(listed(capsys, "--format", "json"))["interfaces"]
    up = [one for one in found if one["up"] is not False]
    assert {one["can_capture"] for one in up} == {True}
    assert {one["program"] for one in up} <= {"tcpdump", "dumpcap", "scapy"}


@pytest.mark.skipif(not LINUX, reason="Linux only")
def test_any_is_there_with_what_to_know_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    page = " ".join(listed(capsys).split())
    assert "any: link type SLL2; what passes bridges, veths and VLANs is there once for each of them." in page


def test_without_privileges_the_way_to_them_is_told_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "may_capture", lambda: False)
    monkeypatch.setattr(looking, "_has_privileges", lambda _: False)
    monkeypatch.setattr("pcapdiag.live.privileges.is_root", lambda: False)
    page = " ".join(listed(capsys).split())
    assert page.count("None of them can be captured: no privileges: sudo, or sudo setcap") == 1
    assert "tcpdump" not in page.partition("None of them")[0]


def test_a_program_with_capabilities_of_its_own_captures_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "may_capture", lambda: False)
    monkeypatch.setattr(looking, "installed", lambda program: f"/bin/{program}")
    monkeypatch.setattr(looking, "_has_privileges", lambda path: path == "/bin/dumpcap")
    assert looking.capturer() == ("dumpcap", "")


@in_namespace
def test_each_kind_is_told_apart() -> None:
    out = run(
        """
import json, subprocess
commands = ["link set lo up", "link add v0 type veth peer name v1", "link set v0 up", "link add b0 type bridge",
    "tuntap add t0 mode tun", "addr add 10.77.0.1/24 dev v0"]
made = [command for command in commands if subprocess.run(["ip", *command.split()], capture_output=True).returncode == 0]
subprocess.run("mount -t sysfs sysfs /sys", shell=True, capture_output=True)
from pcapdiag.live.interfaces import interfaces
print(json.dumps({one.name: [one.kind, one.up, one.addresses, one.problem] for one in interfaces()}))
print(len(made))
""",
        namespace=True,
        mounts=True,
    )
    first, made = out.splitlines()
    found = json.loads(first)
    if int(made) < 6:
        pytest.skip("not every kind of interface can be made here")
    assert found["lo"][:2] == ["loopback", True]
    assert found["v0"] == ["veth", True, ["10.77.0.1"], ""]
    assert found["v1"] == ["veth", False, [], "down; try: ip link set NAME up"]
    assert found["b0"][0] == "bridge"
    assert found["t0"][0] == "tun"
    assert found["any"][:2] == ["any", None]


def test_an_interface_without_a_driver_to_ask_is_of_no_kind_known() -> None:
    assert looking.kind_of("no-such-interface", None) == "other"
