"""Every capture of the repository against its truth: server logs, kernel socket events, the program that made it."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from analyses import FOLDER, NAMES, failures, path_of, report_of, truth_of

from pcapdiag import pipeline
from pcapdiag.model.report import ConnectionRow
from pcapdiag.reports import json as report_json
from pcapdiag.reports import text
from pcapdiag.reports.schema import pcapdiag_1

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import score

CASES = {case.name: case for case in score.own_cases()}
VALIDATOR = jsonschema.Draft202012Validator(json.loads(pcapdiag_1()))


def service_rows(name: str) -> list[ConnectionRow]:
    """The connections to the service that the truth speaks of."""
    port = truth_of(name)["service_port"]
    return [row for row in report_of(name).connections if row.server.port == port]


def test_no_capture_is_without_its_truth_and_no_truth_without_its_capture() -> None:
    assert len(NAMES) > 30
    assert {path.stem for path in FOLDER.glob("*.json")} == set(NAMES)
    assert all(truth_of(name)["file"] == f"{name}.pcap" for name in NAMES)
    assert set(CASES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_right_cause_leads_and_values_are_right(name: str) -> None:
    _, problems = score.check(CASES[name])
    assert problems == []


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_fails(name: str) -> None:
    assert failures(report_of(name).not_evaluated) == []


@pytest.mark.parametrize("name", NAMES)
def test_connections_are_those_that_the_kernel_opened(name: str) -> None:
    known = truth_of(name)["truth"]
    rows = service_rows(name)
    assert len(rows) == known["connections"]
    # "40001#2" is a port's second connection.
    assert {str(row.client.port) for row in rows} >= {key.partition("#")[0] for key in known["by_port"]}


@pytest.mark.parametrize("name", NAMES)
def test_requests_of_each_connection_are_those_in_the_servers_log(name: str) -> None:
    known = truth_of(name)["truth"]
    for row in service_rows(name):
        served = known["by_port"].get(str(row.client.port), 0)
        if row.requests_basis == "exact":
            assert row.requests == served, f"connection {row.number}"
        elif row.requests_basis == "lower_bound":
            assert row.requests <= served, f"connection {row.number}"
    total = sum(row.requests for row in service_rows(name))
    assert total == known["requests"] or any(row.requests_basis != "exact" for row in service_rows(name))


@pytest.mark.parametrize("name", NAMES)
def test_whole_packets_without_tls_give_exact_counts(name: str) -> None:
    if truth_of(name)["captured"]["snaplen"] < 1500 or "tls" in name:
        pytest.skip("cut packets or TLS: bounds and turns are allowed")
    assert {row.requests_basis for row in service_rows(name)} == {"exact"}


@pytest.mark.parametrize("name", NAMES)
def test_the_initiator_is_the_kernels_or_undecidable(name: str) -> None:
    known = truth_of(name)["truth"]
    # A FIN that nobody acknowledged may never have left.
    excused = set(known["both_closed"]) | set(known["aborted"]) | set(known.get("unheard", ()))
    for row in service_rows(name):
        port = str(row.client.port)
        by_kernel = known["initiator_by_port"].get(port, "none")
        if row.initiator == "undecidable" or port in excused:
            continue
        if row.protocol == "tls" and row.initiator == "client" and by_kernel == "server":
            continue  # the client's close_notify came first, and nginx answered it with its FIN
        assert row.initiator == by_kernel, f"connection {row.number}"


@pytest.mark.parametrize("name", NAMES)
def test_sockets_in_time_wait_are_those_that_ss_counted(name: str) -> None:
    known = truth_of(name)["truth"]
    if known["both_closed"]:
        pytest.skip("closed by both at once: the kernel's timing decides who waits")
    shown = known["ss"]
    for side in ("client", "server"):
        ours = sum(getattr(row, f"{side}_state") == "TIME_WAIT" for row in service_rows(name))
        theirs = shown[side].get("TIME-WAIT", 0)
        # Sockets that the client opened and ss saw; aborted ones leave nothing behind.
        assert ours == theirs or known["aborted"], (side, ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_the_report_as_json_keeps_the_contract(name: str) -> None:
    VALIDATOR.validate(json.loads(report_json.diagnosis(report_of(name), with_connections=True)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [80, 100])
def test_the_report_as_text_fits_its_width(name: str, width: int) -> None:
    report = report_of(name)
    # Code is not broken; it fits the wider page.
    code = {
        line.strip()
        for finding in report.findings
        for claim in finding.causes
        for advice in claim.settings
        for line in advice.snippet.splitlines()
    }
    for verbose in (False, True):
        for line in text.diagnosis(report, width=width, verbose=verbose).splitlines():
            assert len(line) <= width or (width < 100 and line.strip() in code), line


# -- other ways in


def told(paths: list[str]) -> dict[str, Any]:
    """The diagnosis as JSON without the names of files."""
    report = json.loads(report_json.diagnosis(pipeline.analyze(paths), with_connections=True))
    report["capture"].pop("files")
    return report  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["go-ab-per-host-10", "nginx-max-requests-6", "go-nginx-healthy-any"])
def test_a_pipe_and_gzip_give_the_same_diagnosis_as_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = told([str(path_of(name))])
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(path_of(name).read_bytes()))
    assert told([str(packed)]) == whole
    for data in (path_of(name).read_bytes(), packed.read_bytes()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert told(["-"]) == whole
