"""The terminal's own ssh session is left out of what it captures."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pcapdiag.live.ssh import Session, own_session, session_of


def test_the_session_is_read_from_what_sshd_says() -> None:
    assert session_of("203.0.113.9 51234 192.0.2.1 22") == Session("203.0.113.9", 51234, "192.0.2.1", 22)
    assert session_of("fe80::1%eth0 51234 fe80::2%eth0 22") == Session("fe80::1", 51234, "fe80::2", 22)


@pytest.mark.parametrize("said", ["", "UNKNOWN", "a b c d", "1.2.3.4 x 5.6.7.8 22", "1.2.3.4 5 not(ip) 22"])
def test_anything_else_is_no_session_and_never_gets_into_a_filter(said: str) -> None:
    assert session_of(said) is None


def test_the_filter_keeps_what_was_asked_for() -> None:
    session = Session("203.0.113.9", 51234, "192.0.2.1", 22)
    own = "tcp and host 203.0.113.9 and port 51234 and host 192.0.2.1 and port 22"
    assert session.left_out("port 80 or port 81") == f"(port 80 or port 81) and not ({own})"
    assert session.left_out("") == f"not ({own})"


def test_an_environment_that_sudo_has_cleared_is_looked_for_at_the_parents() -> None:
    code = "from pcapdiag.live.ssh import own_session; print(own_session())"
    inner = f"import os, subprocess, sys; os.environ.pop('SSH_CONNECTION'); subprocess.run([sys.executable, '-c', {code!r}])"
    environment = os.environ | {"SSH_CONNECTION": "203.0.113.9 51234 192.0.2.1 22"}
    run = subprocess.run([sys.executable, "-c", inner], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "203.0.113.9 port 51234"


def test_no_session_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "UNKNOWN")
    assert own_session() is None
