"""Standard input, which can be read once only, kept in a temporary file for a second walk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pcapdiag.errors import CaptureError
from pcapdiag.packets.source import in_time_order, open_source

STANDARD_INPUT = "standard input"


@contextmanager
def rereadable(paths: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Paths that can be read twice, each with the name that the user knows it by.

    Raises:
        CaptureError: standard input cannot be read, or there is no room for it.
    """
    if "-" not in paths:
        yield {path: path for path in paths}
        return
    in_time_order(paths)  # which says why it goes with no other file
    with tempfile.NamedTemporaryFile(prefix="pcapdiag-", suffix=".pcap") as kept:
        try:
            with open_source("-") as raw:
                shutil.copyfileobj(raw, kept, 1 << 20)
            kept.flush()
        except OSError as error:
            raise CaptureError(
                "-",
                f"cannot be kept in {tempfile.gettempdir()} to be read again: {error.strerror}",
                try_this="save it to a file first, or set TMPDIR to a folder with more room",
            ) from None
        try:
            yield {kept.name: STANDARD_INPUT}
        except CaptureError as error:
            if error.path != kept.name:
                raise
            raise CaptureError(
                "-", error.problem, offset=error.offset, expected=error.expected, try_this=error.try_this
            ) from None
