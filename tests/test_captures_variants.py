"""The same traffic as another recorder would have caught it: no new claim, and the facts that survive are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import variants
from analyses import HEALTHY, NAMES, above_info, failures, path_of, report_of, truth_of

from pcapdiag import pipeline
from pcapdiag.errors import CaptureError
from pcapdiag.model.report import Report

MILD = {
    "the first second is missing": variants.late(1),
    "the first tenth of a second is missing": variants.late(0.1),
    "the last half is missing": variants.early_end(0.5),
    "the last tenth is missing": variants.early_end(0.9),
    "96 bytes of each packet": variants.snapped(96),
    "68 bytes of each packet": variants.snapped(68),
    "one packet in a hundred is missing": variants.lossy(0.01),
    "one packet in twenty is missing": variants.lossy(0.05),
    "every packet twice": variants.doubled(),
    "other addresses": variants.readdressed,
    "another year": variants.later(40_000_000),
    "three times slower": variants.slower(3),
}
# The recorder may lose what a claim rests on, so a quieter answer is right; and these are the same claim seen less well:
# without headers nobody can see which side asked for the close, without the end nobody sees the FIN unanswered.  The
# dials that a restarting server refused are a fact; what ended the connections before them may not be readable.
# SYNs that a full queue drops look like any other in vain until one of them is answered.
LESS_WELL = {
    "server-connection-close": {"never-reuse-keepalive-disabled"},
    "body-not-closed": {"never-reuse-new-transport", "zero-window"},
    "never-reuse-new-transport": {"body-not-closed"},
    "server-restart": {"connect-refused"},
    "backlog-overflow": {"connect-timeout"},
}
# Where six connections of sixty carry the claim, a recording without them shows closes that the server asked for.
OF_FEW = {"go-new-transport-few-kept": {"server-connection-close", "never-reuse-keepalive-disabled"}}
# The largest captures repeat what a smaller one of the same kind shows.
LARGE = {"go-ab-per-host-50", "go-ab-new-client", "go-ab-new-transport", "go-both-legs", "go-req-close-hot"}
SICK = [name for name in NAMES if name not in LARGE and name not in HEALTHY]


def variant_of(name: str, how: str, folder: Path) -> Report | None:
    """The variant's report; None when nothing is left of it."""
    changed = MILD[how](variants.read(path_of(name)))
    path = changed.write(folder / "variant.pcap")
    try:
        return pipeline.analyze([str(path)], pipeline.Options(port=truth_of(name)["service_port"]))
    except CaptureError:
        return None


@pytest.mark.parametrize("how", MILD)
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_traffic_stays_without_a_finding(name: str, how: str, tmp_path: Path) -> None:
    report = variant_of(name, how, tmp_path)
    assert report is None or above_info(report.findings) == []


@pytest.mark.parametrize("how", MILD)
@pytest.mark.parametrize("name", SICK)
def test_a_worse_recording_may_hide_a_cause_but_brings_no_other(name: str, how: str, tmp_path: Path) -> None:
    report = variant_of(name, how, tmp_path)
    if report is None:
        return
    assert failures(report.not_evaluated) == []
    expect = truth_of(name)["expect"]
    right = {expect["cause"], *expect["also"]}
    allowed = right | {other for cause in right for other in LESS_WELL.get(cause, ())}
    allowed |= OF_FEW.get(name, set())
    assert set(above_info(report.findings)[:1]) <= allowed


@pytest.mark.parametrize("name", NAMES)
def test_addresses_and_the_time_of_day_change_nothing_of_the_verdict(name: str, tmp_path: Path) -> None:
    for how in ("other addresses", "another year"):
        changed = MILD[how](variants.read(path_of(name)))
        report = pipeline.analyze([str(changed.write(tmp_path / "variant.pcap"))])
        whole = report_of(name)
        assert report.verdict == whole.verdict
        assert [one.measured for one in report.findings] == [one.measured for one in whole.findings]
        assert [one.evidence for one in report.findings] == [one.evidence for one in whole.findings]


@pytest.mark.parametrize("name", NAMES)
def test_packets_recorded_twice_change_no_count(name: str, tmp_path: Path) -> None:
    once = report_of(name)
    doubled = MILD["every packet twice"](variants.read(path_of(name)))
    twice = pipeline.analyze([str(doubled.write(tmp_path / "variant.pcap"))])
    assert twice.connection_count == once.connection_count
    assert [pool.requests_per_connection for pool in twice.pools] == [
        pool.requests_per_connection for pool in once.pools
    ]
    assert above_info(twice.findings) == above_info(once.findings)
