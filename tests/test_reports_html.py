"""The HTML report as a text: what is in it, what is escaped, what its charts are made of."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from mock_figures import figured, ladder
from mock_reports import connection, healthy, new_transport_or_body, poisoned, pool, report, several, undecided

from pcapdiag.model.cover import Cover
from pcapdiag.model.figures import Level, Silence
from pcapdiag.model.report import Endpoint, FrameRef, Inferred
from pcapdiag.model.words import Knob, Severity
from pcapdiag.reports import html
from pcapdiag.reports.html import distributions, frames, ladders, packing, pool_charts

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "{{7*7}}{% raw %}",
    "<!--<script>",
    "' onmouseover='alert(1)",
]


class Read(HTMLParser):
    """Elements by name with their attributes, and the text of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._inside: tuple[str, dict[str, str | None]] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = (tag, dict(attrs)) if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.text.append(data)
        elif self._inside[0] == "script":
            self.scripts.append((self._inside[1], data))

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    @property
    def data(self) -> dict[str, Any]:
        held = [text for attributes, text in self.scripts if attributes.get("type") == "application/json"]
        assert len(held) == 1
        return json.loads(held[0])


def unpacked(column: Any) -> list[int]:
    if isinstance(column, list):
        return column
    out, value, shift, last = [], 0, 0, 0
    for byte in zlib.decompress(base64.b64decode(column["z"])):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            last += -(value + 1) // 2 if value % 2 else value // 2
            out.append(last)
            value = shift = 0
    return out


@pytest.mark.parametrize(
    "made", [report, healthy, undecided, several, new_transport_or_body], ids=lambda made: made.__name__
)
def test_every_kind_of_report_becomes_a_page_with_its_answer_and_its_advice(made: Any) -> None:
    whole = made()
    read = Read(html.diagnosis(whole))
    assert whole.verdict.summary in read.words
    for finding in whole.findings:
        assert finding.title in read.words
        for claim in finding.causes:
            for advice in claim.settings:
                assert advice.name in read.words


def test_the_first_things_on_the_page_are_the_verdict_what_to_change_and_the_expected_effect() -> None:
    words = Read(html.diagnosis(report())).words
    assert words.index(report().verdict.summary) < 400
    words = words[words.index("Capture") :]  # behind the links to the parts
    order = ["What to change", "MaxIdleConnsPerHost", "100 or more", "Expected", "The proof"]
    assert sorted(order, key=words.index) == order


def test_a_setting_has_its_value_now_the_new_one_the_reason_and_a_snippet_to_copy() -> None:
    page = html.diagnosis(report())
    words = Read(page).words
    assert "Now 2, read from the packets; the default" in words
    assert "Set to 100 or more" in words
    assert "Why Up to 100 requests ran at once" in words
    assert re.search(r"<pre[^>]*><code>[^<]*tr\.MaxIdleConnsPerHost = 100", page)


def test_the_expected_effect_is_a_table_of_now_and_then() -> None:
    words = Read(html.diagnosis(report())).words
    assert "connections opened 8,400 103" in words
    assert "TIME_WAIT at the client 8,398 0" in words


def test_several_findings_are_a_table_of_settings_ahead_of_the_first() -> None:
    whole = several()
    read = Read(html.diagnosis(whole))
    titles = [one.title for one in whole.findings if one.severity is not Severity.INFO]
    assert len(titles) > 1
    links = [attributes.get("href") for tag, attributes in read.elements if tag == "a"]
    for at in range(1, len(titles) + 1):
        assert f"#change-finding-{at}" in links
    table = read.words[read.words.index("Finding Setting Now Set to") :]
    assert table.index(titles[0]) < table.index(titles[1]) < table.index("proof")
    assert "Finding Setting Now Set to" not in Read(html.diagnosis(report())).words


def test_every_piece_of_evidence_has_a_filter_and_leads_to_its_bar_and_its_packets() -> None:
    whole = figured(50)
    read = Read(html.diagnosis(whole))
    for proof in whole.findings[0].evidence:
        assert f"frame.number in {{{proof.frames[0].number}, {proof.frames[1].number}}}" in read.words
        assert any(
            name == "a" and attributes.get("data-connection") == str(proof.connection)
            for name, attributes in read.elements
        )
        assert any(
            name == "a" and attributes.get("href") == f"#ladder-{proof.connection}"
            for name, attributes in read.elements
        )
        assert any(attributes.get("id") == f"ladder-{proof.connection}" for _, attributes in read.elements)
    assert "ip.addr == 10.9.0.1 && ip.addr == 10.9.0.2 && tcp.port == 40001 && tcp.port == 8081" in read.words


def test_no_script_runs_but_those_whose_hash_the_policy_names() -> None:
    for page in (html.diagnosis(figured(3)), html.diagnosis(report())):
        read = Read(page)
        policy = next(
            attributes["content"]
            for name, attributes in read.elements
            if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy is not None
        assert policy.startswith("default-src 'none';")
        ours = [text for attributes, text in read.scripts if attributes.get("type") != "application/json"]
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in ours]
        assert set(hashes) == set(re.findall(r"'sha256-([^']+)'", policy))
        scripts = policy.split("script-src")[1].split(";")[0]
        assert "unsafe" not in scripts


def test_a_page_has_nothing_to_fetch_and_no_handler_in_an_attribute() -> None:
    read = Read(html.diagnosis(figured(20)))
    for name, attributes in read.elements:
        assert name not in ("img", "iframe", "object", "embed", "base", "form"), name
        assert "src" not in attributes
        assert not any(key.startswith("on") for key in attributes)
        if name == "link":
            assert attributes["href"] == "data:,"
        elif "href" in attributes and not (attributes["href"] or "").startswith("#"):
            assert name == "a"
            assert (attributes["href"] or "").startswith("https://")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_would_be_markup_is_text_wherever_it_comes_from(text: str) -> None:
    whole = figured(4)
    assert whole.figures is not None
    whole = replace(
        whole,
        capture=replace(whole.capture, files=(text,)),
        verdict=replace(whole.verdict, summary=text),
        findings=(replace(whole.findings[0], title=text, claim=text),),
        pools=(replace(whole.pools[0], host=text, user_agent=text),),
        figures=replace(whole.figures, ladders=(replace(ladder(1, text), shows=(text,)),)),
    )
    page = html.diagnosis(whole, Cover(title=text, note=text, command=text))
    read = Read(page)
    plain = Read(html.diagnosis(figured(4)))
    # No element more than without it, save those for the note and for the command.
    assert {name for name, _ in read.elements} <= {name for name, _ in plain.elements} | {"br"}
    assert len(read.scripts) == len(plain.scripts)
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)
    assert read.words.count(text) >= 7
    assert "49" not in read.words.split(text)[0].split()
    assert text in read.data["charts"]["timeline"]["pools"][0]["name"]


def test_text_that_acts_in_a_line_is_made_visible_everywhere() -> None:
    page = html.diagnosis(poisoned(replace(figured(3), connections=(connection(),))), Cover(title="a\u202eb"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028\u2029\udc80-\udfff]", page)
    assert "\\u202e" in page


def test_an_address_that_is_no_plain_link_is_not_made_one() -> None:
    whole = report()
    claim = whole.findings[0].causes[0]
    bad = replace(claim, settings=(replace(claim.settings[0], reference="javascript:alert(1)"),))
    page = html.diagnosis(replace(whole, findings=(replace(whole.findings[0], causes=(bad,)),)))
    assert "javascript:alert(1)" in Read(page).words
    assert 'href="javascript' not in page


def test_the_authors_note_keeps_its_paragraphs_and_lines() -> None:
    page = html.diagnosis(report(), Cover(title="Checkout, Friday", note="One\ntwo\r\n\r\nThree\n"))
    assert "<h1>Checkout, Friday</h1>" in page
    assert re.search(r'<p class="authors">One<br>two</p>\s*<p class="authors">Three</p>', page)


def test_a_report_without_figures_has_no_chart_and_carries_no_chart_library() -> None:
    page = html.diagnosis(report())
    assert "Apache" not in page
    assert len(page) < 100_000


def test_the_numbers_of_the_timeline_are_those_of_the_bars() -> None:
    whole = figured(300)
    assert whole.figures is not None
    bars = whole.figures.bars
    columns = Read(html.diagnosis(whole)).data["charts"]["timeline"]["columns"]
    assert unpacked(columns["number"]) == [bar.number for bar in bars]
    start = bars[0].opened_at
    assert unpacked(columns["opened"]) == [(bar.opened_at - start) // 1_000 for bar in bars]
    assert unpacked(columns["lasted"]) == [(bar.ended_at - bar.opened_at) // 1_000 for bar in bars]
    assert unpacked(columns["busy_count"]) == [len(bar.busy) for bar in bars]
    assert len(unpacked(columns["busy"])) == sum(len(bar.busy) for bar in bars)
    assert unpacked(columns["first"]) == [bar.first_frame.number for bar in bars]


@pytest.mark.parametrize("values", [[], [0], [5, -7, 3], [*range(-200, 200, 3)], [0, 2**62, -(2**62), 1] * 20])
def test_packed_columns_come_back_as_they_were(values: list[int]) -> None:
    assert unpacked(packing.packed(values)) == values


def test_a_report_of_fifty_thousand_connections_is_a_file_for_an_e_mail() -> None:
    assert len(html.diagnosis(figured(50_000))) < 2_000_000


def test_charts_that_would_show_one_bar_are_sentences() -> None:
    whole = figured(40)
    assert whole.figures is not None
    bars = tuple(replace(bar, closer="client", close_class="immediate", requests=1) for bar in whole.figures.bars)
    row = replace(whole.pools[0], connections=40, requests_per_connection={1: 40}, max_requests=1)
    read = Read(html.diagnosis(replace(whole, pools=(row,), figures=replace(whole.figures, bars=bars))))
    assert "Each of the 40 connections carried 1 request." in read.words
    assert "All 40 connections: client closed first, at once after a response." in read.words
    assert "requests-p1" not in read.data["charts"]
    assert "closes-p1" not in read.data["charts"]


def test_one_connection_has_a_timeline_and_none_of_the_charts_of_many() -> None:
    charts = Read(html.diagnosis(figured(1))).data["charts"]
    assert set(charts) == {"timeline"}


def test_limits_caps_and_timers_read_from_the_packets_are_marks_in_the_charts_and_words_under_them() -> None:
    def read_setting(knob: Knob, value: float, unit: str, low: float | None, high: float | None) -> Inferred:
        return Inferred(knob, "server", value, low, high, unit, 20, 0.001, "closes by the server")

    row = pool(
        inferred=(
            read_setting(Knob.IDLE_POOL_LIMIT, 2, "connections", None, None),
            read_setting(Knob.MAX_REQUESTS, 6, "requests", None, None),
            read_setting(Knob.IDLE_TIMEOUT, 2.0, "s", 1.99, 2.01),
        ),
        requests_per_connection={1: 3, 6: 40},
    )
    whole = figured(60)
    assert whole.figures is not None
    figure = replace(whole.figures.pools[0], silences=tuple(Silence(n, 2_000_000_000, "server") for n in range(5)))
    made, _ = pool_charts.charts(figure, row, whole.figures.bars, 0, 10)
    by_id: dict[str, Any] = {chart.id: chart for chart in made}
    assert by_id["levels-p1"].data["limits"] == [{"name": "server idle capacity 2", "value": 2}]
    assert by_id["requests-p1"].data["marks"] == [{"name": "server cap 6", "value": 6}]
    mark = by_id["silences-p1"].data["marks"][0]
    assert (mark["low"], mark["value"], mark["high"]) == (1.99, 2.0, 2.01)
    assert (
        "The server's idle timeout is 2.000 s, between 1.99 and 2.01 s, read from the packets."
        in by_id["silences-p1"].says
    )


def test_a_pool_that_was_never_busy_has_its_page() -> None:
    whole = figured(30)
    assert whole.figures is not None
    dials = replace(whole.figures.pools[0], busy=Level((), ()), idle=Level((), ()))
    read = Read(html.diagnosis(replace(whole, figures=replace(whole.figures, pools=(dials,)))))
    assert "levels-p1" in read.data["charts"]


def test_the_charts_of_a_pool_with_a_finding_come_first() -> None:
    whole = figured(30)
    assert whole.figures is not None
    other = replace(whole.figures.pools[0], pool="p2")
    rows = (replace(whole.pools[0], id="p2"), whole.pools[0])
    read = Read(
        html.diagnosis(replace(whole, pools=rows, figures=replace(whole.figures, pools=(other, *whole.figures.pools))))
    )
    panes = [attributes["data-pool"] for _, attributes in read.elements if "data-pool" in attributes]
    assert panes == ["p1", "p2"]


def test_a_ladder_draws_a_silence_once() -> None:
    drawn = ladder(1)
    late = replace(
        drawn.rungs[-1], at=drawn.rungs[-1].at + 2_000_000_000, notes=("after 2.002 s of silence", "a keepalive")
    )
    step = ladders.view(replace(drawn, rungs=(*drawn.rungs[:-1], late))).steps[-1]
    assert (step.silence, step.notes) == ("after 2.002 s of silence", ("a keepalive",))


def test_bins_of_counts_hold_every_connection_once() -> None:
    counts = {1: 5, 2: 3, 400: 2, 999: 1}
    bins = distributions.whole_numbers(counts)
    assert sum(one.count for one in bins) == 11
    assert all(a.high == b.low for a, b in pairwise(bins))


def test_bins_of_times_hold_every_time_within_their_edges() -> None:
    times = [1_000, 999_999, 1_000_000, 2_000_000_000, 3_600_000_000_000]
    bins = distributions.decades(times)
    assert sum(one.count for one in bins) == len(times)
    for ns in times:
        assert any(one.count and one.low <= ns / 1e9 * (1 + 1e-6) and ns / 1e9 < one.high for one in bins)


def test_filters_name_each_file_that_frames_are_in() -> None:
    made = frames.by_frames([FrameRef(3, "b.pcap"), FrameRef(1, "a.pcap"), FrameRef(2, "a.pcap")])
    assert {(one.text, one.shows) for one in made} == {
        ("frame.number == 3", "in b.pcap"),
        ("frame.number in {1, 2}", "in a.pcap"),
    }


def test_a_filter_by_addresses_fits_both_address_families_and_connections_of_one_host_to_itself() -> None:
    assert frames.by_addresses(Endpoint("::1", 5), Endpoint("::1", 80)).text == (
        "ipv6.addr == ::1 && tcp.port == 5 && tcp.port == 80"
    )
