"""Open and remove the files that a live capture is kept in.

They hold what strangers sent and users typed: nobody but their owner may read them, as dumpcap's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from pcapdiag.errors import UsageError
from pcapdiag.live.privileges import User

MODE = 0o600
_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


def check_path(path: str) -> None:
    """Whether a capture could be kept there; nothing is made or emptied yet.

    Raises:
        UsageError: no directory, no permission, or something there that is no file.
    """
    directory = os.path.dirname(path) or "."
    if not os.path.exists(directory):
        raise UsageError(f"-w {path}: there is no directory {directory}; try: mkdir -p {directory}")
    if not os.path.isdir(directory):
        raise UsageError(f"-w {path}: {directory} is no directory")
    if os.path.isdir(path):
        raise UsageError(f"-w {path}: is a directory; name a file in it: {os.path.join(path, 'saved.pcapng')}")
    if path == "-":
        raise UsageError(
            "-w -: standard output is for what is found; name a file (tcpdump -w - gives packets to a pipe)"
        )
    there = os.path.exists(path)
    if not os.access(path if there else directory, os.W_OK):
        raise UsageError(f"-w {path}: no permission to write {'it' if there else f'in {directory}'}")


def create(path: str, owner: User | None = None, directory: int | None = None) -> int:
    """A file to write, empty; one that is there is overwritten, as tcpdump does.  A new one is ``owner``'s.

    Args:
        directory: opened; ``path`` is looked for there.  Its own path may lead elsewhere by now.

    Raises:
        OSError: it cannot be opened.  Where root opens it for another, it is no symbolic link and has no other name:
            either could have been put there to have something of root's overwritten; and it is nobody else's, who would
            read what strangers' connections carry.
    """
    try:
        opened = os.open(path, _FLAGS | os.O_EXCL, MODE, dir_fd=directory)
    except FileExistsError:
        follow = 0 if owner is None else getattr(os, "O_NOFOLLOW", 0)
        # A pipe that nobody reads is no place to wait.
        opened = os.open(path, _FLAGS | follow | os.O_NONBLOCK, MODE, dir_fd=directory)
        status = os.fstat(opened)
        if stat.S_ISREG(status.st_mode):
            error = None
            if owner is not None and status.st_nlink != 1:
                error = OSError(errno.EMLINK, os.strerror(errno.EMLINK), path)
            elif owner is not None and status.st_uid not in (0, owner.uid):
                error = OSError(errno.EPERM, "it is another user's: remove it, or name another file", path)
            if error is not None:
                os.close(opened)
                raise error from None
            with contextlib.suppress(PermissionError):  # of another user who lets us write
                os.fchmod(opened, MODE)
            os.ftruncate(opened, 0)
        os.set_blocking(opened, True)
        return opened
    if owner is not None:
        os.fchown(opened, owner.uid, owner.gid)
    return opened


def remove(path: str, directory: int | None = None) -> None:
    """Delete a file that was made here; one that is gone already is no error."""
    try:
        os.unlink(path, dir_fd=directory)
    except FileNotFoundError:
        return


def problem(path: str, error: OSError) -> str:
    """Why a file cannot be written, in a few clear words."""
    if error.errno == errno.ENOSPC:
        return f"{path}: the disk is full"
    if error.errno == getattr(errno, "EDQUOT", -1):
        return f"{path}: the disk quota is used up"
    if error.errno == errno.EFBIG:
        return f"{path}: the file is as large as it may be"
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return f"{path}: is a link; root writes through none: remove it, or name another file"
    return f"{path}: cannot be written: {error.strerror or error}"
