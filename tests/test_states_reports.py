"""``pcapdiag states``: what it prints in each format, what its options do, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import mock_reports as mock
import pytest
from analyses import NAMES, path_of
from notation import capture, packets_of

import pcapdiag
from pcapdiag.cli import main
from pcapdiag.counting import Sampling, states
from pcapdiag.model.report import Endpoint
from pcapdiag.model.states import EndStates, Found, Peak, Share, StateGroup, StateReport
from pcapdiag.model.words import TcpState
from pcapdiag.pipeline import Options
from pcapdiag.reports import csv_states, json_states, text_states
from pcapdiag.reports.plot import HEIGHT, stacked
from pcapdiag.reports.schema import pcapdiag_1, states_1
from pcapdiag.state_rows import ROWS, step_for

SECOND = 1_000_000_000
SCHEMA = json.loads(states_1())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CAPTURE = str(path_of("go-ab-new-client"))
SERVICES = str(path_of("requests-four-services"))
LEAK = str(path_of("close-wait-leak"))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["states", *arguments]) == code
    shown = capsys.readouterr()
    return shown.err if code else shown.out


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


# What is counted


def test_one_moment_is_counted_by_service(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--at", "+2", SERVICES)
    report = states([SERVICES], sampling=Sampling(at_relative=2 * SECOND, by="service"))
    client = report.total.ends[0]
    assert client.counts["ESTABLISHED"] == (3,)
    for group in report.groups:
        assert str(group.server) in text
    assert len(report.moments) == 1


def test_a_moment_may_be_named_by_the_clock(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--at", "2026-11-20T14:18:19.883903Z", CAPTURE) == printed(capsys, "--at", "+1", CAPTURE)


def test_every_second_is_a_row_and_the_end_is_the_last() -> None:
    report = states([CAPTURE], sampling=Sampling(every=SECOND))
    after = [at - report.first_at for at in report.moments]
    assert after[:-1] == [0, SECOND, 2 * SECOND, 3 * SECOND]
    assert report.moments[-1] == report.last_at


def test_time_wait_drains_behind_the_capture() -> None:
    report = states([CAPTURE], Options(until_relative=90 * SECOND), Sampling(every=10 * SECOND))
    waiting = report.total.ends[0].counts["TIME_WAIT"]
    assert waiting[1:6] == (179,) * 5
    assert waiting[7:] == (0,) * 3
    assert report.total.ends[0].counts["ESTABLISHED"][-1] == 2


def test_connections_that_ended_before_a_window_still_wait_in_it() -> None:
    report = states([CAPTURE], Options(since_relative=2 * SECOND))
    assert report.total.ends[0].counts["TIME_WAIT"][0] == 179
    assert "SYN_SENT" not in report.total.ends[0].counts


def test_filters_leave_the_other_services_out() -> None:
    only = states([SERVICES], Options(port=8082)).total
    whole = states([SERVICES], sampling=Sampling(by="service"))
    assert [group.ends for group in whole.groups if group.server and group.server.port == 8082] == [only.ends]


def test_states_can_be_had_from_a_program() -> None:
    assert pcapdiag.states([CAPTURE]).total.connections == 181


@pytest.mark.parametrize("span", [1, 999_999, SECOND, 59 * SECOND, 3_600 * SECOND, 400 * 86_400 * SECOND])
@pytest.mark.parametrize("rows", [ROWS, 80])
def test_a_span_of_any_length_fits_its_rows(span: int, rows: int) -> None:
    assert span // step_for(span, rows) < rows


def test_where_the_clock_stepped_back_the_time_begins_with_the_earliest_connection(tmp_path: Path) -> None:
    script = """
        > S
        < S.
        connection b port 40001
        -3600 >b S
        <b S.
        +2 >b .
    """
    file = tmp_path / "stepped.pcap"
    packets = packets_of(script)
    file.write_bytes(capture(packets))
    back = states([str(file)], Options(client="0.0.0.0/0:40001"), Sampling(ends=("client",)))
    assert (back.last_at - back.first_at, back.moments[0]) == (2_001_000_000, packets[2].at)
    assert back.total.ends[0].counts["ESTABLISHED"][-1] == 1
    whole = states([str(file)], sampling=Sampling(ends=("client",)))
    assert whole.moments[-1] - whole.moments[0] >= 3600 * SECOND


def test_a_connection_of_before_the_capture_is_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = """
        > S
        < S.
        > .
        connection b
        @5 >b P. "hello"
        @5.001 <b .
    """
    file = tmp_path / "midstream.pcap"
    file.write_bytes(capture(packets_of(script)))
    assert states([str(file)]).total.ends[0].counts["ESTABLISHED"][0] == 1
    assert "1 connection open before the capture began: ESTABLISHED" in printed(capsys, str(file))


def test_hosts_may_keep_time_wait_for_less_than_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--time-wait", "30s", CAPTURE)
    assert "is over at 14:18:49.034 (+30.151 s)" in " ".join(text.split())


def test_hosts_may_keep_fin_wait_2_for_less_than_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--format", "ndjson", "--by", "total", "--end", "server", "--at", "+30", LEAK)
    minute, shorter = (json.loads(printed(capsys, *more, *arguments)) for more in ((), ("--fin-timeout", "15")))
    assert (minute["states"]["FIN_WAIT_2"], shorter["states"]["FIN_WAIT_2"]) == (14, 0)


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "+1", "--every", "1s"], "--at is one moment"),
        (["--at", "+1", "--plot"], "--plot draws"),
        (["--plot", "--format", "csv"], "--plot draws"),
        (["--every", "0"], "is no span of time"),
        (["--every", "10 parsecs"], "is no span of time"),
        (["--at", "2001-01-01T00:00:00Z"], "is before the capture, which goes from 2026-11-20T14:18:18.883903000Z"),
        (["--since", "+3", "--until", "+2"], "before it begins"),
        (["--every", "1ms", "--until", "+86400"], "take a longer step"),
        (["--port", "1"], "none of the 181 connections passes"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = printed(capsys, *arguments, CAPTURE, code=2)
    assert error.count("\n") == 1
    assert said in error


# Text


def test_the_largest_pile_is_explained_by_what_is_found_on_its_service(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, CAPTURE)
    assert "The largest pile: 179 in TIME_WAIT, to 10.71.13.2:8081. Found there:" in text
    assert "(PD205, high severity)" in text
    assert f"pcapdiag diagnose --server 10.71.13.2:8081 {CAPTURE}" in text


def test_a_pile_of_many_services_accuses_none(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, str(path_of("raw-200-services")))
    assert "of several services, none with half of them" in " ".join(text.split())
    assert "Found there" not in text


def test_of_very_many_services_the_smallest_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--at", "+3", "--end", "client", str(path_of("raw-200-services")))
    lines = [line.split() for line in text.split("\n")]
    services = [line for line in lines if line and line[0].startswith("10.71.52.")]
    (rest,) = [line for line in lines if line[1:2] == ["more"]]
    (whole,) = [line for line in lines if line[:1] == ["all"]]
    assert len(services) == 40
    assert sum(int(line[-1]) for line in services) + int(rest[-1]) == int(whole[-1]) == 270


def test_rows_that_say_the_same_are_shown_by_the_first_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line for line in printed(capsys, "--end", "client", CAPTURE).split("\n") if line.startswith("  14:18")]
    assert [row.split()[1] for row in rows] == ["+0", "+0.2", "+3.412"]


@pytest.mark.parametrize(
    "arguments", [[], ["--plot"], ["--at", "+0.5"], ["--by", "service"], ["--by", "pool"]], ids=str
)
@pytest.mark.parametrize("name", NAMES[::4])
def test_no_line_but_a_command_is_wider_than_the_page(
    name: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, *arguments, str(path_of(name)))
    assert [line for line in text.split("\n") if len(line) > 80 and "pcapdiag diagnose" not in line] == []
    assert text.isascii()
    assert "\x1b" not in text


def test_a_hostile_name_never_acts() -> None:
    found = (Found(Endpoint("10.0.0.2", 80), "PD999", "x", "high", "bad \x1b[2J \u202e"),)
    text = text_states.states(report(found=found), width=80)
    assert "\x1b" not in text
    assert "\u202e" not in text
    json.loads(json_states.document(report(found=found)))


# Plot


def test_a_plot_stacks_letters_to_the_height_of_their_counts() -> None:
    plot = stacked({"ESTABLISHED": [6, 6, 0, 0], "TIME_WAIT": [0, 6, 12, 0]}, ("a", "b", "c"), 80)
    columns = ["".join(row[1].ljust(80)[at] for row in reversed(plot.rows)) for at in (0, 20, 40, 60)]
    assert columns == ["E" * 6 + " " * 6, "E" * 6 + "T" * 6, "T" * 12, " " * 12]
    assert plot.rows[0][0].strip() == "12 |"
    assert plot.rows[HEIGHT // 2][0].strip() == "6 |"


def test_a_few_sockets_in_a_state_that_matters_are_seen_beside_thousands() -> None:
    plot = stacked({"ESTABLISHED": [5], "CLOSE_WAIT": [3], "TIME_WAIT": [7000]}, ("a", "b", "c"), 80)
    column = "".join(row[1][0] for row in reversed(plot.rows))
    assert column == "EC" + "T" * (HEIGHT - 2)


def test_more_moments_than_columns_show_the_fullest_of_each() -> None:
    counts = [0] * 10_000
    counts[5_000] = 3
    plot = stacked({"ESTABLISHED": counts}, ("a", "b", "c"), 80)
    assert sum(row[1].count("E") for row in plot.rows) == HEIGHT


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("moments", [1, 2, 59, 60, 500])
def test_a_plot_fits_its_width(width: int, moments: int) -> None:
    plot = stacked({"SYN_SENT": [1_234_567] * moments}, ("14:18:18.883", "14:18:19.883", "14:18:20.883"), width)
    lines = [axis + letters for axis, letters in plot.rows] + list(plot.below)
    assert max(map(len, lines)) <= width
    assert len(plot.rows) == HEIGHT


def test_color_repeats_what_the_letters_say() -> None:
    counted = states([CAPTURE])
    plain = text_states.states(counted, width=80, plotted=True)
    colored = text_states.states(counted, width=80, plotted=True, color=True)
    assert "\x1b[" in colored
    stripped = colored
    for code in {part.split("m")[0] for part in colored.split("\x1b[")[1:]}:
        stripped = stripped.replace(f"\x1b[{code}m", "")
    assert stripped == plain


# For programs


@pytest.mark.parametrize("by", ["total", "service", "client", "pool"])
@pytest.mark.parametrize("name", NAMES[::7])
def test_json_keeps_the_contract(name: str, by: str) -> None:
    for sampling in (Sampling(by=by, with_findings=True), Sampling(by=by, at_relative=SECOND // 10)):
        VALIDATOR.validate(json.loads(json_states.document(states([str(path_of(name))], sampling=sampling))))


def test_a_line_of_ndjson_keeps_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    line = VALIDATOR.evolve(schema={"$ref": "#/$defs/line", "$defs": SCHEMA["$defs"]})
    lines = [json.loads(text) for text in printed(capsys, "--format", "ndjson", "--by", "pool", CAPTURE).splitlines()]
    for one in lines:
        line.validate(one)
    assert len(lines) == 2 * len(states([CAPTURE]).moments)
    assert lines[5]["states"]["TIME_WAIT"] == 179


def test_the_schema_is_a_schema_and_shares_its_words_with_the_report() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    whole = json.loads(pcapdiag_1())
    for name in ("capture", "quality", "endpoint", "time"):
        assert SCHEMA["$defs"][name] == whole["$defs"][name]
    shown = [state.word for state in TcpState if state not in (TcpState.UNKNOWN, TcpState.CLOSED)]
    assert list(SCHEMA["$defs"]["line"]["properties"]["states"]["properties"]) == shown == list(json_states.STATES)


def test_csv_has_a_row_for_each_moment_end_and_group(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "--format", "csv", "--every", "1s", LEAK), newline="")))
    report = states([LEAK], sampling=Sampling(every=SECOND))
    assert list(rows[0]) == list(csv_states.COLUMNS)
    assert len(rows) == 2 * len(report.moments)
    last = [row for row in rows if row["at"] == rows[-1]["at"]]
    assert [(row["end"], row["CLOSE_WAIT"], row["FIN_WAIT_2"]) for row in last] == [
        ("client", "14", "0"),
        ("server", "0", "14"),
    ]


def test_output_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "states.csv"
    assert printed(capsys, "--format", "csv", "-o", str(target), CAPTURE) == ""
    assert target.read_text(encoding="utf-8").startswith("at,end,client_ip")


def report(**changes: Any) -> StateReport:
    server = Endpoint("10.0.0.2", 80)
    end = EndStates(
        "client", ("10.0.0.1",), {"TIME_WAIT": (3,)}, {"TIME_WAIT": Peak(3, 5, Share("10.0.0.1", server, 3))}
    )
    total = StateGroup(None, None, None, 3, (end,))
    values: dict[str, Any] = {
        "capture": mock.report().capture,
        "first_at": 0,
        "last_at": 9,
        "moments": (5,),
        "step_ns": None,
        "by": "service",
        "total": total,
        "groups": (total,),
        "open_before": 0,
        "waits_over_at": None,
        "time_wait_ns": 60 * SECOND,
        "fin_timeout_ns": 60 * SECOND,
        "found": (),
        "version": "1",
    }
    return StateReport(**(values | changes))
