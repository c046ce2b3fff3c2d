"""From what is wanted to a capture that runs, with root given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from pcapdiag.live import opening, process
from pcapdiag.live.history import Limits
from pcapdiag.live.owners import owners
from pcapdiag.live.privileges import User, drop, give_up_capabilities, is_root, user_to_become
from pcapdiag.live.rehearsal import rehearse
from pcapdiag.live.saving import Saver
from pcapdiag.live.ssh import own_session
from pcapdiag.live.stream import Stream
from pcapdiag.live.warden import Warden
from pcapdiag.live.watching import Watcher
from pcapdiag.model.report import Report


@dataclass(frozen=True)
class Wanted:
    """What to capture, keep and remember.

    Attributes:
        interface, filter, snaplen, buffer_mib, program: see :class:`pcapdiag.live.process.Asked`.
        write, rotate_bytes, rotate_ns, keep_files: see :class:`pcapdiag.live.saving.Saver`; None keeps nothing.
        user: whom root becomes; None for who called sudo, or nobody.
        with_ssh: capture this terminal's own ssh session, too.
    """

    interface: str
    filter: str = ""
    snaplen: int = 262_144
    buffer_mib: int = 64
    program: str | None = None
    write: str | None = None
    rotate_bytes: int | None = None
    rotate_ns: int | None = None
    keep_files: int | None = None
    limits: Limits = field(default_factory=Limits)
    user: str | None = None
    with_ssh: bool = False


@dataclass
class Session:
    """A capture under way.

    Attributes:
        watcher: reads it.
        said: what the user should know of it, a sentence each.
    """

    watcher: Watcher
    said: list[str]
    warden: Warden | None

    def close(self) -> None:
        """Let go of what is left."""
        self.watcher.close()
        if self.warden is not None:
            self.warden.close()


def begin(wanted: Wanted, *shown: Callable[[Report], object]) -> Session:
    """Start to capture.

    Args:
        wanted: what.
        shown: what will be done with reports; where root is given up it is tried ahead of that.

    Raises:
        UsageError: it cannot be done as wanted; nothing runs then.
    """
    user = user_to_become(wanted.user)
    ssh = None if wanted.with_ssh or process.is_loopback(wanted.interface) else own_session()
    filter_ = wanted.filter if ssh is None else ssh.left_out(wanted.filter)
    if wanted.write is not None:
        opening.check_path(wanted.write)
    asked = process.Asked(
        wanted.interface,
        filter_,
        wanted.snaplen,
        wanted.buffer_mib,
        wanted.program,
        pcapng=wanted.write is not None and wanted.write.endswith(".pcapng"),
    )
    capturing = process.start(asked)
    warden = None
    try:
        if user is not None:
            warden = Warden(wanted.write, user, capturing.pid)
            capturing.signaller = warden.signal
        saver = None if wanted.write is None else saver_for(wanted, filter_, capturing, user, warden)
        if user is not None:
            rehearse(*shown)
        drop(user)
        held = not is_root() and give_up_capabilities()
    except BaseException:
        capturing.close()
        if warden is not None:
            warden.close()
        raise
    stream = Stream(wanted.interface, wanted.limits)
    look_up = owners if warden is None else warden.owners
    watcher = Watcher(capturing, stream, wanted.interface, wanted.filter, saver, look_up)
    what = f"what matches {wanted.filter!r}" if wanted.filter else "everything"
    said = [f"Capturing {what} on {wanted.interface} with {capturing.program}."]
    if ssh is not None:
        said.append(f"This terminal's own ssh session ({ssh}) is left out; --with-ssh takes it in.")
    if user is not None:
        said.append(f"Root was given up for {user.name}.")
    elif held:
        said.append("Capabilities were given up.")
    elif is_root():
        said.append("Packets are parsed as root.")
    return Session(watcher, said, warden)


def saver_for(
    wanted: Wanted, filter_: str, capturing: process.CaptureProcess, user: User | None, warden: Warden | None
) -> Saver:
    """Where the packets go; files that are opened later are opened by the warden, where there is one."""
    assert wanted.write is not None
    rotates = wanted.rotate_bytes is not None or wanted.rotate_ns is not None
    here = partial(opening.create, owner=user)
    return Saver(
        wanted.write,
        wanted.rotate_bytes,
        wanted.rotate_ns,
        wanted.keep_files,
        warden.open if warden is not None and rotates else here,
        warden.remove if warden is not None and rotates else opening.remove,
        interface=wanted.interface,
        expression=filter_,
        counts=capturing.counts,
    )
