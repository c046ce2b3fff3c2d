"""Captured bytes are cut at the ends of records: files of a rotation, and what fitted on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from analyses import path_of

from pcapdiag import pipeline
from pcapdiag.live import pcapng
from pcapdiag.live.cutting import Records
from pcapdiag.live.saving import FILE_HEADER, LEAST, Saver
from pcapdiag.model.report import Report

DATA = path_of("go-ab-per-host-50").read_bytes()
PCAP = DATA[FILE_HEADER:]
PCAPNG = pcapng.packets(PCAP, "<", False)
KINDS = [(Records(False, "<"), PCAP), (Records(True, pcapng.ORDER), PCAPNG)]


def analyzed(*files: str | Path) -> Report:
    return pipeline.analyze([str(file) for file in files])


@pytest.mark.parametrize(("records", "data"), KINDS, ids=["pcap", "pcapng"])
def test_what_fits_is_whole_records_and_the_next_one_does_not_fit(records: Records, data: bytes) -> None:
    everything, packets = records.within(data, len(data))
    assert (everything, packets) == (len(data), analyzed(path_of("go-ab-per-host-50")).capture.packets)
    first = records.first(data)
    assert records.within(data, first - 1) == (0, 0)
    assert records.within(data, first) == (first, 1)
    for room in range(0, 20_000, 97):
        fits, count = records.within(data, room)
        assert fits <= room < fits + records.first(data[fits:])
        assert records.within(data[:fits], fits) == (fits, count)


@pytest.mark.parametrize("step", [len(DATA), 5_000])
@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_no_file_of_a_rotation_is_larger_than_asked_for_and_frames_are_counted(
    suffix: str, step: int, tmp_path: Path
) -> None:
    saver = Saver(str(tmp_path / f"kept.{suffix}"), LEAST, None, None)
    records, at, frames = KINDS[0][0], FILE_HEADER, 0
    while at < len(DATA):
        fits, count = records.within(DATA[at:], step)
        frames += count
        ahead = b"" if at > FILE_HEADER else DATA[:FILE_HEADER]
        saver.write(ahead + DATA[at : at + fits], frames, frames)
        at += fits
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


@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_of_what_the_disk_has_no_room_for_the_whole_records_that_fitted_stay(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, room = tmp_path / f"kept.{suffix}", 50_001
    saver = Saver(str(path), None, None, None)
    write, left = os.write, [room]

    def cramped(file: int, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "full")
        written = write(file, data[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr(os, "write", cramped)
    saver.write(DATA, 9_999, 1)
    monkeypatch.undo()
    saver.close()
    kept = analyzed(path)
    assert saver.failed == f"{path}: the disk is full; the first {kept.capture.packets:,} packets are kept"
    assert kept.capture.packets > 100
    assert not kept.capture.quality.damage
    assert room - 2_000 < path.stat().st_size == saver.bytes <= room


def test_a_record_too_large_for_any_file_has_one_of_its_own(tmp_path: Path) -> None:
    size = LEAST + 10
    large = PCAP[:8] + size.to_bytes(4, "little") * 2 + bytes(size)
    small = PCAP[: KINDS[0][0].first(PCAP)]
    saver = Saver(str(tmp_path / "kept.pcap"), LEAST, None, None)
    saver.write(DATA[:FILE_HEADER] + small + large + small, 3, 1)
    saver.close()
    assert [ahead for _, ahead in saver.files] == [0, 1, 2]
    assert [os.path.getsize(path) - FILE_HEADER for path, _ in saver.files] == [len(small), len(large), len(small)]


@pytest.mark.parametrize("asked", [True, False])
def test_counts_that_were_asked_for_do_not_hide_a_complaint(asked: bool) -> None:
    from pcapdiag.live import complaints

    said = "tcpdump: listening on wire, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n"
    if asked:
        said += "tcpdump: 2 packets captured, 4 packets received by filter, 0 packets dropped by kernel\n"
    said += "tcpdump: pcap_loop: The interface disappeared\n2 packets captured\n"
    assert complaints.ended("wire", "tcpdump", 1, said) == "wire: the interface was removed"
