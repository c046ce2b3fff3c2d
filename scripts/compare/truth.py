"""Hold our rows against what programs, server logs and kernels said while a capture was made.

Every fact of ours is equal to the truth, or marked: a count as a bound or an estimate, an initiator as undecidable.
What is neither is a violation.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compare import ours
from compare.ours import Row
from pcapdiag.model.words import CloseKind, Count, Opening

QUESTIONS = ("connections", "requests", "first closer", "initiator")


@dataclass
class Verdict:
    """One capture: how each question came out, and what is wrong."""

    name: str
    outcome: dict[str, str] = field(default_factory=dict)  # equal, bound, estimate, violation, not asked
    violations: list[str] = field(default_factory=list)

    def tell(self, question: str, outcome: str, text: str) -> None:
        self.outcome[question] = outcome
        if outcome == "violation":
            self.violations.append(f"{self.name}: {question}: {text}")


def of_captures(folder: Path) -> Iterator[Verdict]:
    """Our own captures: truth by client port."""
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text())
        yield judge_capture(folder / document["file"], document)


def judge_capture(path: Path, document: dict[str, Any]) -> Verdict:
    verdict = Verdict(path.stem)
    truth = document["truth"]
    rows = [row for row in ours.read(path)[0] if row.server[1] == document["service_port"]]
    verdict.tell(
        "connections", same(len(rows), truth["connections"]), f"{len(rows)}, truth {truth['connections']}"
    )
    found = Counter((str(row.client[1]), row.requests, row.basis) for row in rows)
    verdict.tell(
        "requests",
        *judge_requests([(truth["by_port"].get(port), n, basis) for port, n, basis in found.elements()]),
    )
    began = truth["initiator_by_port"]
    pairs = [(began.get(str(row.client[1]), "none"), row.initiator.word) for row in rows]
    # A FIN that waits behind unacknowledged bytes is the kernel's, and on no wire.
    unheard = {str(row.client[1]) for row in rows if row.initiator.word == "none"} & set(truth.get("unheard", ()))
    wrong = [
        pair
        for row, pair in zip(rows, pairs, strict=True)
        if pair[1] not in (pair[0], "undecidable") and str(row.client[1]) not in unheard
    ]
    undecided = bool(unheard) or any(word == "undecidable" for _, word in pairs)
    outcome = "violation" if wrong else "bound" if undecided else "equal"
    verdict.tell("initiator", outcome, f"(truth, ours): {Counter(wrong)}")
    return verdict


def judge_requests(counts: list[tuple[int | None, int, Count]]) -> tuple[str, str]:
    """(truth, ours, what ours is worth) for each connection."""
    wrong = [
        count
        for count in counts
        if count[0] is None
        or (count[2] == Count.EXACT and count[1] != count[0])
        or (count[2] == Count.LOWER_BOUND and count[1] > count[0])
    ]
    off = sum(count[1] != count[0] for count in counts)
    worth = max((count[2] for count in counts), default=Count.EXACT)
    text = f"(truth, ours, worth): {wrong[:5]}"
    if wrong:
        return "violation", text
    return (("equal", "bound", "estimate")[worth] if off else "equal"), text


def of_practice(folder: Path) -> Iterator[Verdict]:
    """Labelled captures: totals and distributions, no ports."""
    for line in (folder / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        yield judge_label(folder / label["file"], label)


def judge_label(path: Path, label: dict[str, Any]) -> Verdict:
    verdict = Verdict(label["scenario"])
    rows = ours.read(path)[0]
    kernel, wire = label["facts"]["kernel"], label["wire_view_tshark"]
    truth = kernel["connections_opened_during_capture"] + kernel["connections_open_before_capture"]
    whole = wire["conns_agree"] is not False  # else the file shows a part of what was counted
    text = f"{len(rows)}, kernel {truth}, tshark {wire['streams']}"
    verdict.tell("connections", same(len(rows), truth if whole else wire["streams"]), text)
    log = label["facts"]["server_log"]
    outcome, text = judge_distribution(
        rows, log["requests_per_conn_list"], log["connections_with_requests"], whole
    )
    if outcome == "violation" and not wire["rpc_agree"] and total(rows) == wire["http_requests_tshark"]:
        outcome = "equal"  # on the wire; the log lacks requests that met a closed or dead server
    verdict.tell("requests", outcome, text)
    on_wire = {key: n for key, n in wire["first_closer_tshark"].items() if key != "open_at_end"}
    seen = Counter(f"{row.closer.word}:{row.close_kind.name}" for row in rows if counts_as_closed(row))
    verdict.tell("first closer", same(dict(seen), on_wire), f"{dict(seen)}, tshark {on_wire}")
    verdict.tell("initiator", *judge_initiators(rows, kernel["first_closer"], whole))
    return verdict


def total(rows: list[Row]) -> int:
    return sum(row.requests for row in rows)


def counts_as_closed(row: Row) -> bool:
    """The labels leave out connections that were refused or never answered."""
    return row.close_kind != CloseKind.NONE and row.opening in (Opening.HANDSHAKE, Opening.MIDSTREAM)


def judge_distribution(rows: list[Row], truth: list[int], carried: int, whole: bool) -> tuple[str, str]:
    """Match our counts with the log's, largest first: a bound may stay below its partner, an exact count may not.

    The log's list holds its 200 largest numbers of the ``carried`` connections, and no zeros.  Its counts begin with
    the capture: on a connection from before, the request whose response alone was captured is one more to us.
    """
    mine = sorted(((row.requests, row.basis) for row in rows), key=lambda pair: (-pair[0], pair[1]))
    ahead = any(row.opening == Opening.MIDSTREAM and row.basis == Count.LOWER_BOUND for row in rows)
    theirs = sorted(truth, reverse=True)
    if len(theirs) == 200 < carried:
        theirs += [theirs[-1]] * (carried - 200)
    theirs += [0] * (len(mine) - len(theirs))
    numbers = [number for number, _ in mine]
    text = f"ours {compact(numbers)} {Counter(basis.word for _, basis in mine)}, log {compact(theirs)}"
    if numbers == theirs[: len(numbers)] and sum(numbers) == sum(theirs):
        return "equal", text
    if any(basis == Count.TURNS for _, basis in mine):
        return "estimate", text
    exact = Counter(number for number, basis in mine if basis == Count.EXACT and number)
    left = Counter(theirs)
    if whole and exact - left:
        return "violation", f"exact but not in the log: {dict(exact - left)}; {text}"
    if any(number > partner + ahead for number, partner in zip(numbers, theirs, strict=False)):
        return "violation", text
    if all(basis == Count.EXACT for _, basis in mine) and whole:
        return "violation", text
    return "bound", text


def judge_initiators(rows: list[Row], truth: dict[str, int], whole: bool) -> tuple[str, str]:
    began = Counter({"client": 0, "server": 0})
    for key, number in truth.items():
        if ":" in key:
            began[key.split(":")[0]] += number
    seen = Counter(row.initiator.word for row in rows if counts_as_closed(row))
    text = f"ours {dict(seen)}, kernel {truth}"
    open_question = seen.pop("undecidable", 0)
    over = {side: n for side, n in seen.items() if n > began[side]}
    if over:
        return "violation", text
    if open_question or not whole or sum(seen.values()) < sum(began.values()):
        return "bound", text  # closes that crossed, or that never passed the capture point
    return same(dict(seen), {side: n for side, n in began.items() if n}), text


def same(one: object, other: object) -> str:
    return "equal" if one == other else "violation"


def compact(numbers: list[int]) -> str:
    return " ".join(f"{n}x{number}" for number, n in sorted(Counter(numbers).items(), reverse=True))
