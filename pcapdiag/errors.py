"""The few errors a caller meets: the capture cannot be read, or the command was wrong.

Damaged records inside a readable capture are data, counted in :class:`pcapdiag.model.report.Quality`, never errors.
"""

from __future__ import annotations


class PcapdiagError(Exception):
    """Anything that ends a command with one line on stderr and exit code 2."""


class CaptureError(PcapdiagError):
    """A capture that cannot be read: where, what was expected there, what to try.

    Args:
        path: the file as the user named it (``-`` for standard input).
        problem: what is there, in a few words.
        offset: byte offset of the problem, when one byte can be blamed.
        expected: what a readable capture has at that place.
        try_this: the next step for the user.
    """

    def __init__(
        self, path: str, problem: str, *, offset: int | None = None, expected: str = "", try_this: str = ""
    ) -> None:
        self.path = path
        self.problem = problem
        self.offset = offset
        self.expected = expected
        self.try_this = try_this
        where = path if offset is None else f"{path} at byte {offset}"
        parts = [f"{where}: {problem}"]
        if expected:
            parts.append(f"expected {expected}")
        if try_this:
            parts.append(f"try: {try_this}")
        super().__init__("; ".join(parts))


class UsageError(PcapdiagError):
    """An option or argument that makes no sense."""
