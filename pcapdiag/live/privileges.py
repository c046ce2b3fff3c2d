"""Give up root for good: what parses packets needs no rights, and packets are written by strangers."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass

from pcapdiag.errors import UsageError

MOST = 0xFFFFFFFF  # as a user's number it means: leave it as it is
NOBODY = 65534  # where no user of that name is known
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS of <linux/prctl.h>
_AMBIENT, _CLEAR_ALL = 47, 4  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL
_CAPABILITIES_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of <linux/capability.h>


@dataclass(frozen=True)
class User:
    uid: int
    gid: int
    name: str


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def user_to_become(name: str | None = None) -> User | None:
    """Who goes on once packets arrive; None where there is no root to give up, or ``name`` says to keep it.

    Args:
        name: what ``--user`` says; None takes the user behind sudo, else nobody.

    Raises:
        UsageError: there is no such user, or only root could become that one.
    """
    import pwd

    if name is not None:
        try:
            numbered = name.isascii() and name.isdecimal()
            entry = pwd.getpwuid(int(name)) if numbered else pwd.getpwnam(name)
        except (KeyError, OverflowError):
            raise UsageError(f"--user {name}: there is no such user") from None
        if not is_root():
            if entry.pw_uid == os.geteuid():
                return None
            raise UsageError(f"--user {name}: only root can become another user; leave it out, or use sudo")
        return None if entry.pw_uid == 0 else User(entry.pw_uid, entry.pw_gid, entry.pw_name)
    if not is_root():
        return None
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if all(one.isascii() and one.isdecimal() and 0 < int(one) < MOST for one in (uid, gid)):
        return User(int(uid), int(gid), os.environ.get("SUDO_USER") or uid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return User(NOBODY, NOBODY, "nobody")
    return User(nobody.pw_uid, nobody.pw_gid, "nobody")


def drop(user: User | None) -> None:
    """Become ``user``, for good; None leaves everything as it is.

    Raises:
        UsageError: it cannot be done, or could be undone.
    """
    if user is None:
        return
    _no_new_privileges()  # first: Python's own modules may be out of that user's reach
    try:
        os.setgroups([])
        if hasattr(os, "setresgid"):
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
        else:
            os.setgid(user.gid)
            os.setuid(user.uid)
    except OSError as error:
        raise UsageError(
            f"cannot give up root for {user.name}: {error.strerror}; try: --cap-add SETUID --cap-add SETGID for the "
            "container, or --user root to keep it"
        ) from None
    if not for_good(user):
        raise UsageError(f"root could be had again after becoming {user.name}; try: --user root to go on nevertheless")


def give_up_capabilities() -> bool:
    """Without root: let go of what a service's unit gave for the capture process alone; whether there was any.

    Raises:
        UsageError: some is left.
    """
    if not capabilities():
        return False
    import ctypes

    _no_new_privileges()
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(_AMBIENT, _CLEAR_ALL, 0, 0, 0)
        libc.capset((ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)())
    if capabilities():
        raise UsageError("cannot give up the capabilities that this process was started with")
    return True


def for_good(user: User) -> bool:
    """Whether this process is that user and nothing else, and cannot become root."""
    if (os.getuid(), os.geteuid(), os.getgid(), os.getegid()) != (user.uid, user.uid, user.gid, user.gid):
        return False
    if os.getgroups() not in ([], [user.gid]):
        return False
    for become, number in ((os.setuid, 0), (os.seteuid, 0), (os.setgid, 0)):
        with contextlib.suppress(OSError):
            become(number)
            return False
    return not capabilities()


def capabilities() -> int:
    """Those that are in effect or could be put in effect, as Linux numbers them; 0 elsewhere."""
    held = 0
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith(("CapEff:", "CapPrm:", "CapAmb:")):
                held |= int(line.split()[1], 16)
    return held


def _no_new_privileges() -> None:
    """No program that is run from here on can gain any: not by its owner's bit, not by capabilities on its file."""
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
