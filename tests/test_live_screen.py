"""The live screen: all of a moment in exactly the cells of a terminal, whatever is in the packets."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import replace
from types import SimpleNamespace

import live_views
import mock_reports
import pytest
from rich.cells import cell_len
from rich.console import Console

from pcapdiag.cli import watching
from pcapdiag.model.live import LivePool, LiveView, Owner, Saving
from pcapdiag.model.report import Endpoint
from pcapdiag.reports.live_findings import formed
from pcapdiag.reports.live_header import elapsed, rate, size
from pcapdiag.reports.live_screen import Chosen, screen

SIZES = [(60, 15), (70, 20), (80, 24), (100, 30), (132, 43), (200, 60), (250, 80), (1, 1), (20, 5)]
PAGES = ["overview", "finding", "pools", "help"]
NAMES = ["go-ab-shared-default", "go-both-legs", "raw-200-services", "go-new-transport", "go-nginx-healthy"]
WIDE = "\u6f22\u5b57\u30c6\u30b9\u30c8" * 6 + "e\u0301\u0301" * 9 + "\U0001f600\u200d\ufe0f" * 5


def drawn(view: LiveView, width: int, height: int, chosen: Chosen | None = None, *, color: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, height=height, color_system="standard" if color else None, force_terminal=color
    )
    with console.capture() as captured:
        console.print(screen(view, width, height, chosen=chosen), end="", no_wrap=True, overflow="crop", crop=True)
    return captured.get()


def fits(text: str, width: int, height: int) -> bool:
    lines = text.split("\n")
    return len(lines) == height and all(cell_len(line) <= width for line in lines)


def hostile(view: LiveView, evil: str) -> LiveView:
    """Every text that packets, processes and files can bring."""
    assert view.report is not None
    rows = tuple(
        replace(row, host=evil, user_agent=evil, server_software=evil, server=Endpoint("fe80::1", 65_535))
        for row in view.report.pools
    )
    findings = tuple(replace(one, title=one.title + evil) for one in view.report.findings)
    return replace(
        view,
        interface=evil,
        filter=evil,
        saving=Saving((evil,), 5, 1, evil),
        report=replace(view.report, pools=rows, findings=findings),
        pools=tuple(replace(pool, client_owners=(Owner(1, evil, evil),), server_owners=()) for pool in view.pools),
    )


def three() -> LiveView:
    report = mock_reports.several()
    other = replace(report.findings[0], code="PD999", title="A third thing is wrong, which nobody would have expected.")
    return live_views.view(
        "go-both-legs", 100, report=replace(report, findings=(*report.findings[:2], other)), pools=()
    )


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_screen_has_exactly_its_lines_and_none_is_wider(name: str, page: str) -> None:
    for percent in (1, 10, 60, 100):
        view = live_views.view(name, percent)
        for width, height in SIZES:
            assert fits(drawn(view, width, height, Chosen(page)), width, height)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("evil", [mock_reports.HOSTILE * 9, WIDE, "[bold]x[/bold][/]" * 9, "\n\n\t\x00"], ids=ascii)
def test_hostile_text_neither_acts_nor_shifts_anything(evil: str, page: str) -> None:
    view = hostile(live_views.view("go-both-legs", 60), evil)
    for width, height in SIZES:
        text = drawn(view, width, height, Chosen(page))
        assert fits(text, width, height)
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in text.replace("\n", ""))


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    view = hostile(live_views.view("go-both-legs", 60), "[red]x[/red]")
    assert "[red]x[/red]" in drawn(view, 200, 60)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 15), (200, 60)])
def test_three_findings_have_their_titles_on_the_screen(width: int, height: int) -> None:
    view = three()
    assert view.report is not None
    text = drawn(view, width, height)
    for finding in formed(view.report):
        assert finding.title[: width - 30] in text


@pytest.mark.parametrize("name", NAMES[:-1])
def test_the_answer_is_on_the_first_screen(name: str) -> None:
    view = live_views.view(name, 100)
    assert view.report is not None
    flat = " ".join(drawn(view, 80, 24).split())
    for finding in formed(view.report):
        assert finding.title in flat
        assert f"{finding.severity}/{finding.confidence} {finding.pools[0]}" in flat
        assert finding.causes[0].settings[0].name in flat
        assert f"-> {finding.causes[0].settings[0].recommended}" in flat


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 15), (200, 60)])
def test_drops_are_loud(width: int, height: int) -> None:
    view = live_views.view("go-both-legs", 100, dropped=1_203, received=4_505)
    assert "1,203 DROPPED (26.7%)" in drawn(view, width, height)
    assert "DROPPED" not in drawn(live_views.view("go-both-legs", 100), width, height)
    assert "drops are told at the end" in drawn(live_views.view("go-both-legs", 100, dropped=None), width, height)


def test_what_is_no_longer_saved_or_remembered_is_said() -> None:
    saving = Saving(("a.pcapng", "b.pcapng"), 12_400_000, 3, "b.pcapng: no space left on device")
    text = drawn(live_views.view("go-both-legs", 100, saving=saving, history_from=0, forgotten=1_204), 100, 24)
    assert "saved 12.4 MB to b.pcapng, file 2, 3 removed" in text
    assert "NOTHING MORE IS SAVED: b.pcapng: no space left on device" in text
    assert "1,204 connections that ended before 00:00:00 UTC are forgotten" in text
    assert "not saved (-w FILE)" in drawn(live_views.view("go-both-legs", 100, saving=None), 80, 24)


def test_ahead_of_the_first_connection_it_says_what_it_waits_for() -> None:
    nothing = live_views.view("go-both-legs", 100, report=None, pools=(), states={}, packets=0, interface="eth9")
    assert "No packet on eth9 matches the filter yet" in drawn(nothing, 80, 24)
    assert "none of them TCP" in drawn(replace(nothing, packets=5), 80, 24)


def test_a_finding_that_is_not_sure_says_what_is_missing() -> None:
    flat = " ".join(drawn(live_views.view("go-ab-shared-default", 40), 80, 24).split())
    assert "still forming" in flat
    assert "to be sure: let the load pause" in flat
    assert "to be sure" not in drawn(live_views.view("go-ab-shared-default", 100), 80, 24)
    assert "to tell: give the server a short idle timeout" in drawn(live_views.view("go-new-transport", 60), 80, 24)


def test_pools_with_findings_come_first_then_those_with_the_most_going_on() -> None:
    rows = tuple(replace(mock_reports.pool(), id=f"p{at}", client_ip=f"10.0.0.{at}") for at in range(1, 5))
    report = replace(mock_reports.report(), pools=rows, findings=(replace(mock_reports.finding(), pools=("p3",)),))
    pools = tuple(LivePool(f"p{at}", 1, 0, 1, 0.0, 0.0, float(at)) for at in range(1, 5))
    text = drawn(live_views.view("go-both-legs", 100, report=report, pools=pools), 80, 30)
    shown = [line.split()[0] for line in text.split("\n") if "10.0.0." in line]
    assert shown == ["p3", "p4", "p2", "p1"]


@pytest.mark.parametrize("width", [60, 70, 80, 100, 132, 200])
def test_the_servers_port_is_never_what_is_cut(width: int) -> None:
    view = live_views.view("go-ab-shared-default", 100)
    assert view.report is not None
    (row, *_) = view.report.pools
    owner = Owner(1_234_567, "a-program-with-a-long-name", "container-1")
    view = replace(view, pools=tuple(replace(pool, client_owners=(owner,)) for pool in view.pools))
    for page in ("overview", "pools"):
        assert f"-> {row.server} " in drawn(view, width, 24, Chosen(page))


def test_scrolling_reaches_the_last_pool_and_stops_there() -> None:
    view, size_ = live_views.view("raw-200-services", 100), (80, 24)
    text = drawn(view, *size_)
    assert "200 POOLS" in text
    assert "more below" in text
    end = Chosen().after("end", view, *size_)
    assert "to 200 of 200" in drawn(view, *size_, end)
    assert end.after("down", view, *size_) == end
    assert end.after("home", view, *size_).scroll == 0
    assert Chosen().after("down", view, *size_).after("pgdn", view, *size_).scroll > 10
    few = live_views.view("go-both-legs", 100)
    assert Chosen().after("down", few, *size_).scroll == 0


def test_keys_lead_to_each_page_and_back() -> None:
    view, size_ = live_views.view("go-both-legs", 100), (80, 24)
    finding = Chosen().after("f", view, *size_)
    assert "FINDING 1 OF 2" in drawn(view, *size_, finding)
    assert "FINDING 2 OF 2" in drawn(view, *size_, finding.after("right", view, *size_))
    assert "FINDING 2 OF 2" in drawn(view, *size_, Chosen().after("2", view, *size_))
    assert Chosen().after("9", view, *size_) == Chosen()
    assert "connections of one client host" in drawn(view, *size_, Chosen().after("?", view, *size_))
    assert finding.after("esc", view, *size_) == Chosen()
    assert finding.after("f", view, *size_) == Chosen()
    assert [Chosen().after("tab", view, *size_).page, finding.after("tab", view, *size_).page] == ["finding", "pools"]
    assert "PAUSED" in drawn(view, *size_, Chosen().after("space", view, *size_))
    assert Chosen().after("z", view, *size_) == Chosen()


def test_a_finding_in_full_ends_with_its_proof() -> None:
    view, size_ = live_views.view("go-both-legs", 100), (80, 24)
    chosen = Chosen("finding").after("end", view, *size_)
    assert "Would refute it:" in drawn(view, *size_, chosen)


def test_color_only_repeats_words() -> None:
    view = live_views.view("go-both-legs", 40, dropped=7)
    colored = drawn(view, 80, 24, color=True)
    assert "\x1b[" in colored
    for part in colored.split("\x1b[")[1:]:
        colored = colored.replace(f"\x1b[{part.split('m')[0]}m", "")
    assert colored == drawn(view, 80, 24)


def test_a_table_has_the_processes_where_there_is_room() -> None:
    view = live_views.view("go-both-legs", 100)
    assert "go[4121] -> nginx[812] in a1b2c3d4e5f6" in drawn(view, 200, 60)
    assert "go[4121] -> 10.71.20.2:8081" in drawn(view, 80, 24)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.04, "0.1"), (3.14, "3.1"), (81.2, "81"), (9_120.0, "9,120"), (12_345.0, "12.3k"), (2.5e6, "2.5M")],
)
def test_a_rate_takes_five_characters_at_most(value: float, text: str) -> None:
    assert rate(value) == text
    assert len(text) <= 5


def test_times_and_sizes_are_for_people() -> None:
    ns = 1_000_000_000
    assert [elapsed(at * ns) for at in (7, 760, 3_760, 270_760)] == ["0:07", "12:40", "1:02:40", "3 d 03:12:40"]
    assert [size(at) for at in (812, 1_249, 12_400_000, 999_600)] == ["812 B", "1.2 kB", "12.4 MB", "1.0 MB"]


@pytest.mark.parametrize(("width", "height"), [(60, 15), (80, 24), (200, 60)])
def test_an_interface_that_is_down_is_told_at_the_top_at_any_size(width: int, height: int) -> None:
    view = replace(
        live_views.view("go-new-transport", 50),
        trouble="eth7: the interface is down; ip link set eth7 up brings it back",
    )
    lines = drawn(view, width, height).splitlines()
    assert any(line.startswith("NO PACKETS COME: eth7: the interface is down") for line in lines[:4])
    assert "NO PACKETS COME" not in drawn(replace(view, trouble=""), width, height)


def test_that_judging_came_to_nothing_or_is_old_or_left_pools_out_is_said_on_the_screen() -> None:
    view = live_views.view("go-both-legs", 50)
    assert view.report is not None
    assert "NOTHING NEW IS JUDGED: it took more than 60 s" in drawn(
        replace(view, judging="it took more than 60 s"), 100, 30
    )
    now = view.now
    assert "as of 0:34 ago: there is much to judge" in drawn(replace(view, looked_at=now - 34_000_000_000), 100, 30)
    assert "there is much to judge" not in drawn(replace(view, looked_at=now - 1_000_000_000), 100, 30)
    quality = replace(view.report.capture.quality, notes=("only the 300 pools ... were looked at",))
    report = replace(view.report, capture=replace(view.report.capture, quality=quality))
    assert "Not judged in full: only the 300 pools" in drawn(replace(view, report=report), 100, 30)


def test_what_is_all_forgotten_is_not_called_no_tcp() -> None:
    stream = SimpleNamespace(history=SimpleNamespace(forgotten=1_234, horizon=1_700_000_000 * 10**9))
    told = watching.all_forgotten(SimpleNamespace(interface="lo", stream=stream))  # type: ignore[arg-type]
    assert told == "lo: all 1,234 connections ended before 22:13:20 UTC and are forgotten (--history)"
    stream.history.forgotten = 0
    assert watching.all_forgotten(SimpleNamespace(interface="lo", stream=stream)) == ""  # type: ignore[arg-type]
