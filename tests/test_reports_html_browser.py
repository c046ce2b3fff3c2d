"""The HTML report in a real browser: charts drawn, nothing fetched, nothing run that came from packets."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromium
import pytest
from mock_figures import figured, ladder

from pcapdiag.model.cover import Cover
from pcapdiag.reports import html

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)></script>{{7*7}}'
READY_S = 3.0
# The machine may be busy with other tests meanwhile; the fastest of so many counts.
TRIES = 3


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for count in (1, 1_000, 50_000):
        made[count] = folder / f"{count}.html"
        made[count].write_text(html.diagnosis(figured(count)), encoding="utf-8")
    return made


def quiet(opened: chromium.Opened) -> None:
    """Nothing on the console, and nothing asked for but the file itself."""
    assert opened.console == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1


def until(page: Any, script: str, argument: Any = None) -> None:
    """Wait for it to be true; the page's policy forbids playwright's own way, which evaluates strings in the page."""
    for _ in range(1_200):  # half a minute: the machine may be busy
        if page.evaluate(script, argument):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never true: {script}")


COUNT = "document.querySelector('.tools .count').textContent"


def marks(page: Any, plot: str) -> int:
    return int(page.evaluate("id => document.getElementById(id).querySelectorAll('svg path, svg text').length", plot))


@pytest.mark.parametrize(("count", "bars"), [(1, 3), (1_000, 250), (50_000, 250)])
def test_charts_are_drawn_with_no_word_on_the_console_and_no_request(
    browser: Any, pages: dict[int, Path], count: int, bars: int
) -> None:
    with chromium.opened(browser, pages[count]) as opened:
        opened.settled()
        page = opened.page
        assert page.locator("[data-failed]").count() == 0
        assert marks(page, "timeline") > bars
        for plot in page.locator(".plot").all():
            assert plot.locator("svg").count() == 1
            assert marks(page, plot.get_attribute("id")) > 5
        if count > 1:
            assert page.locator(".plot").count() == 7
        quiet(opened)


def test_fifty_thousand_connections_are_ready_in_under_three_seconds_and_say_that_a_sample_is_drawn(
    browser: Any, pages: dict[int, Path]
) -> None:
    took = []
    for _ in range(TRIES):
        began = time.monotonic()
        with chromium.opened(browser, pages[50_000]) as opened:
            opened.settled()
            took.append(time.monotonic() - began)
            assert "of 50,000 connections; zoom in for all" in opened.page.locator(".tools .count").inner_text()
        if took[-1] < READY_S:
            break
    assert min(took) < READY_S


def test_zooming_in_draws_all_connections_of_a_moment_and_the_levels_follow(
    browser: Any, pages: dict[int, Path]
) -> None:
    with chromium.opened(browser, pages[50_000]) as opened:
        opened.settled()
        page = opened.page
        before = page.locator("#levels-p1 svg").inner_html()
        for _ in range(10):
            page.get_by_role("button", name="Zoom in").click()
        until(page, f"() => !{COUNT}.includes('every')")
        assert " of 60 s: " in page.locator(".tools .count").inner_text()
        assert page.locator("#levels-p1 svg").inner_html() != before
        page.get_by_role("button", name="Show the whole capture").click()
        until(page, f"() => {COUNT}.includes('every')")
        quiet(opened)


def test_pointing_at_a_moment_tells_all_levels_of_it(browser: Any, pages: dict[int, Path]) -> None:
    with chromium.opened(browser, pages[1_000]) as opened:
        opened.settled()
        page = opened.page
        page.locator("#levels-p1").scroll_into_view_if_needed()
        page.locator("#levels-p1").hover(position={"x": 500, "y": 100})
        page.locator("#levels-p1 .tip").wait_for()
        said = dict(re.findall(r"(open|busy|idle)\s+(\d+)", page.locator("#levels-p1 .tip").inner_text()))
        assert int(said["open"]) == int(said["busy"]) + int(said["idle"])
        page.locator("#states").hover(position={"x": 500, "y": 100})
        assert "client: TIME_WAIT" in page.locator("#states .tip").inner_text()
        quiet(opened)


def test_the_wheel_zooms_once_the_timeline_has_been_clicked_and_scrolls_the_page_before(
    browser: Any, pages: dict[int, Path]
) -> None:
    with chromium.opened(browser, pages[1_000]) as opened:
        opened.settled()
        page = opened.page
        page.locator("#timeline").scroll_into_view_if_needed()
        page.locator("#timeline").hover(position={"x": 500, "y": 200})
        said = page.locator(".tools .count").inner_text()
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(150)
        assert page.locator(".tools .count").inner_text() == said
        page.locator("#timeline").click(position={"x": 500, "y": 200})
        page.mouse.wheel(0, -400)
        until(page, f"said => {COUNT} !== said", said)
        quiet(opened)


def test_evidence_leads_to_its_bar_and_to_its_packets(browser: Any, pages: dict[int, Path]) -> None:
    with chromium.opened(browser, pages[1_000]) as opened:
        opened.settled()
        page = opened.page
        page.locator("a.to-bar[data-connection='2']").click()
        panel = page.locator("#picked")
        panel.get_by_text("Connection 2").wait_for()
        assert "ip.addr == 10.9.0.1" in panel.inner_text()
        assert "tcp.port == 32770" in panel.inner_text()
        panel.get_by_role("link", name="Packet by packet").click()
        until(page, "() => document.getElementById('ladder-2').open")
        assert page.locator("#ladder-2 .rung.cited").count() == 2
        assert page.locator("#ladder-2").get_by_text("GET /orders HTTP/1.1").is_visible()
        quiet(opened)


def test_a_bar_of_a_distribution_leads_to_its_connections_in_the_timeline(browser: Any, pages: dict[int, Path]) -> None:
    whole = figured(1_000)
    assert whole.figures is not None
    seven = [bar for bar in whole.figures.bars if bar.requests == 7]
    with chromium.opened(browser, pages[1_000]) as opened:
        opened.settled()
        page = opened.page
        page.locator("#requests-p1").scroll_into_view_if_needed()
        box = page.locator("#requests-p1").bounding_box()
        page.locator("#requests-p1").click(position={"x": box["width"] - 40, "y": box["height"] - 44})
        panel = page.locator("#picked")
        panel.get_by_text(f"{len(seven)} connections").wait_for()
        assert "p1: requests on a connection 7" in panel.inner_text()
        until(page, f"wanted => {COUNT}.includes(wanted)", f"{len(seven)} of 1,000 connections")
        assert f"tcp.port in {{{seven[0].client_port}, " in panel.inner_text()
        assert f"pcapdiag extract FILE --connection {seven[0].number}," in panel.inner_text()
        panel.get_by_role("link", name="Back to the chart").click()
        until(page, "() => location.hash === '#chart-requests-p1'")
        page.locator("#chart-silences-p1 summary").click()
        page.locator("#chart-silences-p1 button.lead").last.click()
        panel.get_by_text("silent, then closed by the server").wait_for()
        page.locator("#levels-p1").click(position={"x": 500, "y": 100})
        panel.get_by_text("open at").wait_for()
        quiet(opened)


def test_where_a_row_stands_for_many_connections_their_openings_and_levels_are_drawn_above(
    browser: Any, pages: dict[int, Path]
) -> None:
    with chromium.opened(browser, pages[50_000]) as opened:
        opened.settled()
        page = opened.page
        assert "open at once" in page.locator("#timeline svg").inner_html()
        page.locator("#timeline").hover(position={"x": 500, "y": 120})
        assert re.search(r"\d+ opened", page.locator("#timeline .tip").inner_text())
        page.locator("#timeline").click(position={"x": 500, "y": 120})
        page.locator("#picked").get_by_text("Lived").wait_for()
        quiet(opened)


def test_a_filter_is_copied_by_its_button(browser: Any, pages: dict[int, Path]) -> None:
    with chromium.opened(browser, pages[1], permissions=["clipboard-read", "clipboard-write"]) as opened:
        opened.settled()
        opened.page.get_by_role("button", name="Copy the Wireshark filter for these frames").first.click()
        opened.page.locator("button.done").wait_for()
        assert opened.page.evaluate("navigator.clipboard.readText()") == "frame.number in {10, 13}"


def test_a_filtered_timeline_shows_the_connections_that_a_finding_cites(browser: Any, pages: dict[int, Path]) -> None:
    with chromium.opened(browser, pages[1_000]) as opened:
        opened.settled()
        opened.page.get_by_label("Which connections").select_option(index=1)
        until(opened.page, f"() => {COUNT}.includes('3 of 1,000')")
        quiet(opened)


def test_text_from_packets_is_shown_and_never_runs(browser: Any, tmp_path: Path) -> None:
    whole = figured(5)
    assert whole.figures is not None
    whole = replace(
        whole,
        capture=replace(whole.capture, files=(HOSTILE,)),
        findings=(replace(whole.findings[0], title=HOSTILE),),
        pools=(replace(whole.pools[0], host=HOSTILE, user_agent=HOSTILE),),
        figures=replace(whole.figures, ladders=(ladder(1, HOSTILE),)),
    )
    path = tmp_path / "hostile.html"
    path.write_text(html.diagnosis(whole, Cover(title=HOSTILE, note=HOSTILE)), encoding="utf-8")
    with chromium.opened(browser, path) as opened:
        opened.settled()
        page = opened.page
        assert page.locator("h1").inner_text() == HOSTILE
        assert page.title().startswith(HOSTILE)
        assert page.locator("img").count() == 0
        page.locator("#timeline").hover(position={"x": 60, "y": 15})
        page.wait_for_timeout(150)
        page.locator("a.to-bar").first.click()
        page.locator("#picked").get_by_text(HOSTILE).wait_for()
        page.locator("#ladder-1").evaluate("ladder => { ladder.open = true }")
        assert HOSTILE in page.locator("#ladder-1").inner_text()
        quiet(opened)


def test_a_script_in_the_page_that_is_not_ours_would_not_run(
    browser: Any, tmp_path: Path, pages: dict[int, Path]
) -> None:
    page = pages[1].read_text(encoding="utf-8")
    path = tmp_path / "broken.html"
    path.write_text(page.replace("</h1>", "<script>document.title = 'ran'</script></h1>", 1), encoding="utf-8")
    with chromium.opened(browser, path) as opened:
        opened.settled()
        assert opened.page.title() != "ran"
        assert any("Content Security Policy" in line for line in opened.console)


def test_without_javascript_all_text_and_tables_are_there(browser: Any, pages: dict[int, Path]) -> None:
    with chromium.opened(browser, pages[1_000], java_script_enabled=False) as opened:
        page = opened.page
        assert page.locator("noscript p").is_visible()
        assert page.locator("figure .numbers tbody tr").count() > 100
        page.locator("#chart-requests-p1 summary").click()
        assert page.locator("#chart-requests-p1 td").first.is_visible()
        page.locator("#ladder-1 > summary").click()
        assert page.locator("#ladder-1 .rung").first.is_visible()
        assert page.locator("button").first.is_hidden()
        quiet(opened)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext reads the printed page")
def test_on_paper_everything_is_unfolded_the_charts_are_there_and_the_ground_is_white(
    browser: Any, pages: dict[int, Path], tmp_path: Path
) -> None:
    with chromium.opened(browser, pages[1_000], color_scheme="dark") as opened:
        opened.settled()
        paper = tmp_path / "report.pdf"
        opened.page.pdf(path=str(paper), format="A4")
        quiet(opened)
        assert not opened.page.evaluate("document.documentElement.classList.contains('printing')")
    text = " ".join(
        subprocess.run(["pdftotext", paper, "-"], capture_output=True, check=True, text=True).stdout.split()
    )
    for words in (
        "What to change",
        "tr.MaxIdleConnsPerHost = 100",
        "GET /orders HTTP/1.1",
        "client idle capacity 2",
        "TIME_WAIT",
    ):
        assert words in text
    assert "Zoom" not in text


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_and_its_charts_follow_the_systems_colors(
    browser: Any, pages: dict[int, Path], scheme: str, dark: bool
) -> None:
    with chromium.opened(browser, pages[1], color_scheme=scheme) as opened:
        opened.settled()
        ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) > 3 * 128
        assert light is not dark
        before = opened.page.locator("#timeline svg").inner_html()
        opened.page.emulate_media(color_scheme="light" if dark else "dark")
        until(opened.page, "before => document.querySelector('#timeline svg').innerHTML !== before", before)
        quiet(opened)


def test_the_keyboard_reaches_the_report_its_copies_and_the_timeline_in_order(
    browser: Any, pages: dict[int, Path]
) -> None:
    focused = """() => { const at = document.activeElement;
        return (at.id && '#' + at.id) || at.getAttribute('aria-label') || at.textContent.trim().slice(0, 40) }"""
    with chromium.opened(browser, pages[1_000]) as opened:
        opened.settled()
        page = opened.page
        order = []
        for _ in range(45):
            page.keyboard.press("Tab")
            order.append(page.evaluate(focused))
            if order[-1] == "#timeline":
                break
        assert order[0] == "To the report"
        wanted = ["What to change", "Copy the snippet for http.Transport.MaxIdleConnsPerHost", "Zoom in", "#timeline"]
        places = [order.index(one) for one in wanted]
        assert places == sorted(places)
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring == "solid"
        said = page.locator(".tools .count").inner_text()
        page.keyboard.press("+")
        until(page, f"said => {COUNT} !== said", said)
        page.keyboard.press("ArrowDown")
        page.locator("#picked b").get_by_text("Connection").wait_for()
        quiet(opened)


def test_charts_say_in_words_what_they_show(browser: Any, pages: dict[int, Path]) -> None:
    with chromium.opened(browser, pages[1_000]) as opened:
        opened.settled()
        for plot in opened.page.locator(".plot").all():
            assert len(plot.get_attribute("aria-label") or "") > 40


def test_the_charts_of_another_pool_are_drawn_when_it_is_chosen(browser: Any, tmp_path: Path) -> None:
    whole = figured(30)
    assert whole.figures is not None
    other = replace(whole.pools[0], id="p2", host="other.internal")
    figures = replace(whole.figures, pools=(*whole.figures.pools, replace(whole.figures.pools[0], pool="p2")))
    path = tmp_path / "pools.html"
    path.write_text(html.diagnosis(replace(whole, pools=(*whole.pools, other), figures=figures)), encoding="utf-8")
    with chromium.opened(browser, path) as opened:
        opened.settled()
        page = opened.page
        assert page.locator("#levels-p2 svg").count() == 0
        page.locator("#pool-choice").select_option("p2")
        page.locator("#levels-p2 svg").wait_for()
        assert page.locator("#levels-p1").is_hidden()
        quiet(opened)


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, pages: dict[int, Path]) -> None:
    with chromium.opened(browser, pages[1_000], viewport={"width": 390, "height": 844}) as opened:
        opened.settled()
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
        quiet(opened)
