"""The commands that print tables, on real captures."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from analyses import path_of, report_of
from sheets import capture_of

from pcapdiag.cli import main
from pcapdiag.cli.columns import TABLES
from pcapdiag.interchange.layouts import LAYOUTS

NAME = "go-ab-shared-default"
CAPTURE = str(path_of(NAME))
RUN = "import sys; from pcapdiag.cli import main; sys.exit(main())"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    out = capsys.readouterr()
    assert out.err == ""
    return out.out


@pytest.mark.parametrize("command", ["connections", "exchanges", "findings"])
def test_csv_and_ndjson_have_a_row_per_row(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    sheet_rows = {"connections": 144, "exchanges": 300}
    lines = printed(capsys, command, "--format", "ndjson", CAPTURE).splitlines()
    table = list(csv.DictReader(io.StringIO(printed(capsys, command, "--format", "csv", CAPTURE), newline="")))
    assert len(lines) == len(table) == sheet_rows.get(command, len(table))
    assert list(table[0]) == LAYOUTS[command].names
    first = json.loads(lines[0])
    for key in {"number", "method", "closer", "code", "setting", "pool"} & set(first) & set(table[0]):
        assert str(first[key]) == table[0][key]


@pytest.mark.parametrize("command", ["connections", "exchanges"])
def test_json_is_one_document_with_the_capture(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(printed(capsys, command, "--format", "json", CAPTURE))
    assert list(whole) == ["schema", "capture", command]
    assert whole["capture"]["files"] == [CAPTURE]
    assert len(whole[command]) == len(getattr(capture_of(NAME), command))


@pytest.mark.parametrize("command", ["connections", "exchanges", "findings"])
@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_binary_tables_go_to_a_file_or_down_a_pipe(command: str, format_: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    read: Any = parquet.read_table if format_ == "parquet" else lambda path: pa.ipc.open_file(path).read_all()
    file, piped = tmp_path / f"named.{format_}", tmp_path / f"piped.{format_}"
    assert main([command, "--format", format_, "-o", str(file), CAPTURE]) == 0
    with piped.open("wb") as out:
        subprocess.run([sys.executable, "-P", "-c", RUN, command, "--format", format_, CAPTURE], stdout=out, check=True)
    table = read(str(file))
    assert table.column_names == LAYOUTS[command].names
    assert table.num_rows > 0
    assert read(str(piped)).equals(table)


def test_a_binary_table_is_not_written_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["exchanges", "--format", "parquet", "no-such-file.pcap"]) == 2
    assert "standard output is a terminal; try: -o FILE.parquet" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["connections", "exchanges", "findings"])
def test_without_pyarrow_one_line_says_how_to_get_it_before_anything_is_read(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    target = tmp_path / "x.parquet"
    assert main([command, "--format", "parquet", "-o", str(target), "no-such-file.pcap"]) == 2
    assert capsys.readouterr().err == ("pcapdiag: Arrow and Parquet need pyarrow; try: pip install 'pcapdiag[arrow]'\n")
    assert not target.exists()


@pytest.mark.parametrize("format_", ["csv", "ndjson", "json", "text"])
def test_no_other_format_imports_pyarrow(format_: str) -> None:
    code = (
        "import sys\nfrom pcapdiag.cli import main\n"
        f"code = main(['exchanges', '--format', {format_!r}, {CAPTURE!r}])\n"
        "sys.exit(code or 'pyarrow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], stdout=subprocess.DEVNULL, check=True)


def test_exchanges_of_chosen_connections(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "exchanges", "--connection", "2", "--connection", "1", "--format", "ndjson", CAPTURE)
    rows = [json.loads(line) for line in out.splitlines()]
    counted = report_of(NAME).connections
    assert [row["connection"] for row in rows] == [1] * counted[0].requests + [2] * counted[1].requests
    assert {row["pool"] for row in rows} == {"p1"}


def test_a_connection_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exchanges", "--connection", "9999", CAPTURE]) == 2
    assert "there is no connection 9999 among these; pcapdiag connections lists them" in capsys.readouterr().err


def test_exchanges_for_a_person_fit_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "exchanges", "--width", "80", str(path_of("go-keepalive-race-get")))
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "10.71.63.1 -> 10.71.63.2:8081"
    assert lines[1].split("  ")[0] == "conn."
    assert sum("GET no answer" in line for line in lines) == 7
    assert lines[-1] == "23 exchanges on 8 connections."


def test_a_capture_without_requests_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "exchanges", str(path_of("requests-connect-refused")))
    listed = report_of("requests-connect-refused").connection_count
    assert out == f"No request was seen on {listed} connections; pcapdiag connections lists what was.\n"


def test_findings_for_a_person_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "findings", "--width", "80", CAPTURE)
    report = report_of(NAME)
    assert [line.split()[0] for line in out.splitlines() if line.startswith("PD")] == [
        finding.code for finding in report.findings
    ]
    assert out.endswith(f"{len(report.findings)} findings. What to change, and the proof: pcapdiag diagnose.\n")


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_described_one_by_one(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "columns", table)
    header = out.splitlines().index(next(line for line in out.splitlines() if line.startswith("column ")))
    rows = out.splitlines()[header + 2 :]
    assert [line.split()[0] for line in rows if not line.startswith(" ")] == LAYOUTS[table].names


def test_every_table_has_a_command_and_its_columns_are_described() -> None:
    from pcapdiag.cli import pcapdiag as command_line

    assert set(LAYOUTS) == set(TABLES)
    assert set(LAYOUTS) <= set(command_line.commands)


def test_a_reader_that_leaves_is_no_error() -> None:
    script = f"{sys.executable} -P -c '{RUN}' exchanges --format csv {CAPTURE} | head -n 1; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert run.stderr == ""
    assert run.stdout.startswith("connection,request_number,")
