"""Files of a rotation are no larger than asked for, however many packets come at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from analyses import path_of

from pcapdiag import pipeline
from pcapdiag.live.saving import FILE_HEADER, LEAST, Saver
from pcapdiag.model.report import Report

DATA = path_of("go-ab-per-host-50").read_bytes()
FIRST = FILE_HEADER + 16 + int.from_bytes(DATA[FILE_HEADER + 8 : FILE_HEADER + 12], "little")  # where its record ends


def ends(data: bytes) -> list[int]:
    """Where each record of a pcap ends."""
    at, out = FILE_HEADER, []
    while at < len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        out.append(at)
    return out


def analyzed(*files: str | Path) -> Report:
    return pipeline.analyze([str(file) for file in files])


@pytest.mark.parametrize("step", [len(DATA), 5_000])
@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_no_file_of_a_rotation_is_larger_than_asked_for_and_frames_are_counted(
    suffix: str, step: int, tmp_path: Path
) -> None:
    saver = Saver(str(tmp_path / f"kept.{suffix}"), LEAST, None, None)
    at = 0
    for frames, end in enumerate(ends(DATA), 1):
        if end - at >= step or end == len(DATA):
            saver.write(DATA[at:end], frames, frames)
            at = end
    saver.close()
    assert not saver.failed
    assert len(saver.files) > len(DATA) // LEAST
    assert all(os.path.getsize(path) <= LEAST for path, _ in saver.files)
    counted = 0
    for path, ahead_of_it in saver.files:
        assert ahead_of_it == counted
        counted += analyzed(path).capture.packets
    whole, again = analyzed(path_of("go-ab-per-host-50")), analyzed(*(path for path, _ in saver.files))
    assert (again.capture.packets, again.capture.quality.damage) == (
        whole.capture.packets,
        whole.capture.quality.damage,
    )
    assert [one.title for one in again.findings] == [one.title for one in whole.findings]


def test_a_record_too_large_for_any_file_has_one_of_its_own(tmp_path: Path) -> None:
    size = LEAST + 10
    small = DATA[FILE_HEADER:FIRST]
    large = small[:8] + size.to_bytes(4, "little") * 2 + bytes(size)
    saver = Saver(str(tmp_path / "kept.pcap"), LEAST, None, None)
    saver.write(DATA[:FILE_HEADER] + small + large + small, 3, 1)
    saver.close()
    assert [ahead for _, ahead in saver.files] == [0, 1, 2]
    assert [os.path.getsize(path) - FILE_HEADER for path, _ in saver.files] == [len(small), len(large), len(small)]
