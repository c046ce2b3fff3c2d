"""Heads of a hundred real clients and servers: each is recognised, narrowed to a few or unknown, none taken for another."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from pcapdiag.model.words import Confidence
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Recognised

HEADS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "heads.toml").read_text(encoding="utf-8"))["head"]


# Of these a cut head shows the name of another program alone.
PASSED_ON = {
    "nginx 1.22.1 proxy_pass",
    "ReverseProxy of Go 1.27",
    "haproxy 2.6.12 before nginx",
    "varnish 7.1 before nginx",
}


def recognised(head: dict[str, Any], *, whole: bool = True) -> Recognised:
    order = head["order"].split(",")
    values = dict(line.split(": ", 1) for line in head.get("values", ()))
    if head["role"] == "client":
        http10 = head.get("http10", False)
        return catalog.recognise_client(head.get("name"), order, values=values, http10=http10, whole=whole)
    return catalog.recognise_server(head.get("name"), header_order=order, values=values, whole=whole)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["program"])
def test_a_head_of_a_real_program_tells_who_sent_it(head: dict[str, Any]) -> None:
    found = recognised(head)
    assert found.product_id == head.get("is")
    if "is" not in head:
        assert list(found.candidates) == head.get("may_be", [])
    assert found.reason


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["program"])
def test_a_name_of_ones_own_on_another_programs_head_is_never_recognised_for_sure(head: dict[str, Any]) -> None:
    """What a program writes under a name that says nothing is at most a guess of medium confidence."""
    found = recognised({**head, "name": "billing/3"})
    assert not (found.product_id is not None and found.confidence.value == "high" and "Via" not in head["order"])


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["program"])
def test_a_cut_head_is_never_sure_of_a_program_that_may_not_have_sent_it(head: dict[str, Any]) -> None:
    names = head["order"].split(",")
    for size in range(len(names)):
        front = {**head, "order": ",".join(names[:size])}
        if not {"user-agent", "server"} & {name.lower() for name in names[:size]}:
            front.pop("name", None)
        found = recognised(front, whole=False)
        assert found.product_id in (None, head.get("is")) or found.confidence is not Confidence.HIGH
        assert found.product_id in (None, head.get("is")) or head["program"] in PASSED_ON
