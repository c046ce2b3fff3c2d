"""The commands: what they pass on, print and exit with.  The pipeline is a stub."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mock_reports as mock
import pytest

from pcapdiag.cli import main
from pcapdiag.cli import pcapdiag as command_line
from pcapdiag.errors import CaptureError
from pcapdiag.model.report import Report
from pcapdiag.model.words import Severity


@dataclasses.dataclass(frozen=True)
class Options:
    client: str | None = None
    server: str | None = None
    port: int | None = None
    since: int | None = None
    until: int | None = None
    since_relative: int | None = None
    until_relative: int | None = None
    max_memory: int | None = None
    with_connections: bool = False
    client_product: str | None = None
    server_product: str | None = None
    redact: bool = False


class Pipeline:
    """Stands in for the real one; keeps what it was asked."""

    def __init__(self, answer: Report | BaseException) -> None:
        self.answer = answer
        self.paths: tuple[str, ...] = ()
        self.options = Options()
        self.progress: Callable[[int, int | None], None] | None = None

    def analyze(
        self,
        paths: Sequence[str],
        options: Options | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Report:
        self.paths, self.options, self.progress = tuple(paths), options or Options(), progress
        if isinstance(self.answer, BaseException):
            raise self.answer
        if self.options.with_connections:
            return dataclasses.replace(self.answer, connections=(mock.connection(),))
        return self.answer


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    stub = Pipeline(mock.report())
    module: Any = types.ModuleType("pcapdiag.pipeline")
    module.Options, module.analyze = Options, stub.analyze
    monkeypatch.setitem(sys.modules, "pcapdiag.pipeline", module)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return stub


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        types.SimpleNamespace(
            code="PD203",
            name="idle-pool-too-small",
            title="The client's idle pool is smaller than the number of requests it runs at once.",
            text="What it looks at\n----------------\nThe closes that follow a response at once.\n",
            severity=Severity.HIGH,
        ),
        types.SimpleNamespace(
            code="PD201", name="never-reuse", title="No reuse.", text="Text.", severity=Severity.HIGH
        ),
    ]
    module: Any = types.ModuleType("pcapdiag.rules")
    module.all_rules = lambda: found
    monkeypatch.setitem(sys.modules, "pcapdiag.rules", module)


def test_diagnose_prints_the_text_report(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "buy.pcapng"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("PROBLEM: The client keeps only 2 idle connections")
    assert "\x1b" not in printed.out
    assert printed.err == ""
    assert pipeline.paths == ("buy.pcapng",)
    assert pipeline.options == Options()
    assert pipeline.progress is None  # stderr is no terminal


def test_diagnose_prints_json(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--format", "json", "a", "b"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["schema"] == "pcapdiag/1"
    assert "connections" not in whole
    assert pipeline.paths == ("a", "b")


@pytest.mark.parametrize("format_", ["text", "json"])
def test_diagnose_adds_the_connections_when_asked(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    assert main(["diagnose", "--with-connections", "--format", format_, "a"]) == 0
    assert pipeline.options.with_connections
    printed = capsys.readouterr().out
    if format_ == "json":
        assert [row["number"] for row in json.loads(printed)["connections"]] == [1]
    else:
        assert "\nCONNECTIONS\n" in printed


@pytest.mark.parametrize("command", ["diagnose", "connections", "findings"])
def test_filters_reach_the_pipeline(pipeline: Pipeline, command: str) -> None:
    filters = ["--client", "10.0.0.0/8", "--server", "[fd00::1]:8081", "--port", "8081"]
    assert main([command, *filters, "--since", "2026-11-20T13:28:30.5Z", "--until", "+3.25", "a"]) == 0
    assert dataclasses.replace(pipeline.options, with_connections=False) == Options(
        client="10.0.0.0/8",
        server="[fd00::1]:8081",
        port=8081,
        since=1_795_181_310_500_000_000,
        until_relative=3_250_000_000,
    )


@pytest.mark.parametrize("command", ["diagnose", "connections"])
def test_a_product_says_what_is_at_an_end_beside_an_address_or_alone(pipeline: Pipeline, command: str) -> None:
    assert main([command, "--client", "10.0.0.1", "--client", "Go net/http", "--server", "NGINX", "a"]) == 0
    assert dataclasses.replace(pipeline.options, with_connections=False) == Options(
        client="10.0.0.1", client_product="go-net-http", server_product="nginx"
    )


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--client", "go-nethttp"], "did you mean go-net-http"),
        (["--server", "example.com"], "is no address, network"),
        (["--client", "10.0.0.1", "--client", "10.0.0.2"], "more than one address"),
        (["--server", "nginx", "--server", "apache"], "more than one product"),
        (["--client", "10.0.0.1:99999"], "is no port"),
    ],
)
def test_an_end_that_makes_no_sense_is_one_line_that_says_why(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    assert main(["diagnose", *args, "a"]) == 2
    printed = capsys.readouterr().err
    assert says in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(("level", "code"), [("never", 0), ("info", 1), ("low", 1), ("medium", 1), ("high", 0)])
def test_fail_on_exits_with_1_at_or_above_the_level(pipeline: Pipeline, level: str, code: int) -> None:
    pipeline.answer = mock.report(findings=(mock.finding(severity=Severity.MEDIUM),))
    assert main(["diagnose", "--fail-on", level, "a"]) == code


def test_fail_on_info_passes_where_nothing_was_found(pipeline: Pipeline) -> None:
    pipeline.answer = mock.undecided()
    assert main(["diagnose", "--fail-on", "info", "a"]) == 0


def test_a_capture_that_cannot_be_read_is_one_line_and_2(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.answer = CaptureError(
        "buy\x1b[2J.pcap", "not a capture", offset=0, expected="pcap or pcapng", try_this="tcpdump -w"
    )
    assert main(["diagnose", "buy.pcap"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "pcapdiag: buy\\x1b[2J.pcap at byte 0: not a capture; expected pcap or pcapng; try: tcpdump -w\n"
    )


@pytest.mark.parametrize(
    "args",
    [
        ["diagnose"],
        ["diagnose", "--bogus", "a"],
        ["nonsense"],
        ["diagnose", "--since", "3.5", "a"],
        ["diagnose", "--since", "2026-11-20T13:28:30", "a"],
        ["diagnose", "--since", "2026-13-40T13:28:30Z", "a"],
        ["diagnose", "--client", "example.com", "a"],
        ["diagnose", "--client", "10.0.0.1:99999", "a"],
        ["diagnose", "--port", "0", "a"],
        ["diagnose", "--width", "20", "a"],
        ["diagnose", "--fail-on", "worse", "a"],
        ["diagnose", "-", "-"],
        ["diagnose", "-o", "/nonexistent/folder/x", "a"],
        ["connections", "--format", "xml", "a"],
        ["exchanges", "--connection", "0", "a"],
        ["columns", "packets"],
    ],
)
def test_a_wrong_command_is_one_line_and_2(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert main(args) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("pcapdiag: ")
    assert printed.err.count("\n") == 1


def test_the_output_goes_to_a_file(pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.txt"
    assert main(["diagnose", "-o", str(target), "a"]) == 0
    assert capsys.readouterr().out == ""
    assert target.read_text(encoding="utf-8").startswith("PROBLEM")


def test_the_output_never_overwrites_the_capture(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "buy.pcap"
    capture.write_bytes(b"precious")
    assert main(["diagnose", "-o", str(capture), str(capture)]) == 2
    assert capture.read_bytes() == b"precious"
    assert "would overwrite the capture" in capsys.readouterr().err


def test_connections_are_listed_for_a_person(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connections", "a"]) == 0
    assert pipeline.options.with_connections
    assert "client FIN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "colored"),
    [
        ("auto", {}, False, False),
        ("auto", {}, True, True),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_color_goes_to_terminals_unless_told_otherwise(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    environment: dict[str, str],
    terminal: bool,
    colored: bool,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert main(["diagnose", "--color", choice, "a"]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is colored


@pytest.mark.parametrize(("columns", "widest"), [("40", 60), ("80", 80), ("300", 100)])
def test_the_report_takes_the_width_of_the_terminal_within_reason(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    widest: int,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["diagnose", "a"]) == 0
    rule = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("==="))
    assert len(rule) == widest


def test_the_width_can_be_set(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--width", "120", "a"]) == 0
    assert "=" * 120 in capsys.readouterr().out


def test_a_rule_is_explained_by_code_or_name(rules: None, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("PD203", "pd203", "idle-pool-too-small", "idle_pool_too_small"):
        assert main(["explain", name]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith("PD203 idle-pool-too-small (severity high)\n====")
        assert "The closes that follow a response at once." in printed


def test_an_unknown_rule_gets_a_suggestion(rules: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "idle-pool-to-small"]) == 2
    assert capsys.readouterr().err == "pcapdiag: no rule 'idle-pool-to-small'; did you mean idle-pool-too-small\n"
    assert main(["explain", "zzz"]) == 2
    assert "pcapdiag rules lists them" in capsys.readouterr().err


def test_the_rules_are_listed_by_code(rules: None, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("PD201  never-reuse")
    assert lines[3].startswith("PD203  idle-pool-too-small  high")
    assert max(map(len, lines)) <= 80


def test_a_bug_shows_its_traceback_and_is_never_taken_for_findings(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.answer = ZeroDivisionError("ours")
    assert main(["diagnose", "a"]) == 70
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "This is a bug in pcapdiag" in printed


def test_ctrl_c_is_130_without_a_traceback(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.answer = KeyboardInterrupt()
    assert main(["diagnose", "a"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_memory_that_runs_out_is_one_line(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.answer = MemoryError()
    assert main(["diagnose", "a"]) == 2
    assert "out of memory" in capsys.readouterr().err


STUBBED = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_cli, mock_reports, types
stub = test_cli.Pipeline(mock_reports.report(connections=(mock_reports.connection(),) * 20000))
module = types.ModuleType("pcapdiag.pipeline")
module.Options, module.analyze = test_cli.Options, stub.analyze
sys.modules["pcapdiag.pipeline"] = module
from pcapdiag.cli import main
"""


def test_a_reader_that_leaves_is_no_error_and_the_exit_code_stays(tmp_path: Path) -> None:
    script = STUBBED + "sys.exit(main(['diagnose', '--format', 'json', '--fail-on', 'high', 'a']))"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        run = subprocess.run([sys.executable, "-c", script], stdout=closed, stderr=subprocess.PIPE, timeout=60)
    assert run.stderr == b""
    assert run.returncode == 1


def test_a_signal_while_reading_ends_quietly() -> None:
    script = STUBBED + (
        "import time\n"
        "def wait(*args):\n    print('reading', flush=True)\n    time.sleep(60)\n"
        "module.analyze = wait\n"
        "sys.exit(main(['diagnose', 'a']))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"reading\n"
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert b"Traceback" not in errors


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "pcapdiag diagnose buy.pcap" in capsys.readouterr().out


@pytest.mark.parametrize("command", command_line.commands)
def test_each_help_has_an_example_and_fits_eighty_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in ([command, "--help"], ["--help"]):
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert "Example" in printed
        assert f"pcapdiag {command} " in printed or arguments == ["--help"]
        assert [line for line in printed.splitlines() if len(line) > 80] == []


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from pcapdiag._version import __version__ as package_version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pcapdiag {package_version}\n"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom pcapdiag.cli import main\nmain(['--help'])\n"
        "heavy = {'numpy', 'tabulate', 'dpkt', 'scapy', 'pyshark', 'jinja2', 'tomllib', 'pcapdiag.pipeline',"
        " 'pcapdiag.rules', 'pcapdiag.settings', 'pcapdiag.model.report'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_help_is_instant() -> None:
    """In CPU time, which a busy machine does not stretch as it does the clock's."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "pcapdiag", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(times) < 0.2
