"""What is said of connections that do not speak HTTP: no words of HTTP, which mean nothing to who runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from analyses import judgement, report_of
from tables import Pool
from test_rules_lookalikes import FIRES, of, one_each

from pcapdiag.model.report import Finding
from pcapdiag.model.words import Cause, Protocol
from pcapdiag.reports import html, markdown, text
from pcapdiag.settings import catalog

OF_HTTP = re.compile(
    r"HTTP|http\.|[Kk]eep-[Aa]live|KeepAlive|(?<!tcp_)keepalive_|Connection: close|\b(GET|POST)\b|nginx|\bbod(y|ies)\b"
)
# What is seen in heads of HTTP only.
HEADS = {
    "server-connection-close", "protocol-mismatch", "expect-100-continue", "server-rejects-upload", "connect-tunnel",
    "body-not-drained", "pipelining", "half-closed", "keepalive-race", "client-ignores-fin", "server-max-requests",
}  # fmt: skip


def speaking(one: Pool, protocol: Protocol) -> Pool:
    """The same connections with another protocol on them, and no word of HTTP in their heads."""
    columns = one.connections.columns
    columns["protocol"] = np.full(len(columns["protocol"]), int(protocol), dtype=np.asarray(columns["protocol"]).dtype)
    fresh = Pool(one.name, one.rows, one.connections, one.exchanges, one.start, one.end)
    fresh.neighbours = [fresh]
    return fresh


def said(finding: Finding) -> Iterator[str]:
    yield finding.title
    yield finding.claim
    yield finding.would_refute
    yield from finding.not_the_fix
    for claim in finding.causes:
        yield claim.tell_apart


@pytest.mark.parametrize("protocol", [Protocol.REDIS, Protocol.POSTGRES, Protocol.MYSQL, Protocol.OPAQUE])
@pytest.mark.parametrize("rule", [name for name in FIRES if name not in HEADS])
def test_no_word_of_http_is_said_of_other_protocols(rule: str, protocol: Protocol) -> None:
    for label, one in FIRES[rule]:
        if one.protocol is not Protocol.HTTP1 or label.startswith("the request asks"):
            continue
        was = one.connections.columns["protocol"]
        try:
            for finding in judgement([speaking(one, protocol)]).findings:
                if finding.name in HEADS:
                    continue
                for sentence in said(finding):
                    assert not OF_HTTP.search(sentence), (finding.name, sentence)
        finally:
            one.connections.columns["protocol"] = was  # the timelines are shared with other tests


def test_what_reads_like_an_unread_body_is_an_unread_result_elsewhere() -> None:
    lead = judgement([speaking(of(one_each()), Protocol.REDIS)]).findings[0]
    assert "b) results are not read to their end and closed" in lead.claim
    assert "b) response bodies are not closed" in judgement([of(one_each())]).findings[0].claim


def test_wrong_fixes_of_http_are_told_to_http_alone() -> None:
    assert any("POST" in one for one in catalog.not_the_fix(Cause.KEEPALIVE_RACE, None))
    for protocol in ("redis", "mysql", "postgres", "opaque"):
        left = catalog.not_the_fix(Cause.KEEPALIVE_RACE, None, protocol)
        assert left
        assert not any("POST" in one for one in left)


@pytest.mark.parametrize("render", [text.diagnosis, markdown.diagnosis, html.diagnosis])
def test_every_form_of_the_report_words_causes_for_the_protocol(render: Callable[..., str]) -> None:
    report = report_of("go-new-transport")
    spoken = {"redis": "results are not read to their end and closed", "http1": "response bodies are not closed"}
    for protocol, words in spoken.items():
        (finding,) = [one for one in report.findings if len(one.causes) > 1][:1]
        said = replace(finding, claim="")
        pools = tuple(replace(pool, protocol=protocol) for pool in report.pools)
        page = " ".join(render(replace(report, pools=pools, findings=(said,))).split())
        assert words in page
