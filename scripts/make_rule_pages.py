#!/usr/bin/env python3
"""Write docs/rules/: a page for each rule, from the rule's own text and from a real capture that shows its pattern.

    scripts/make_rule_pages.py                write the pages that changed
    scripts/make_rule_pages.py --check        write nothing; fail when a page is stale, missing or of no rule

Rules come from the registry, captures from ``captures/*.json`` (``expect`` says what a capture is of).  Both may grow:
nothing is listed here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import ladder

from pcapdiag.model.report import ConnectionRow, Endpoint, Evidence, Finding, Report
from pcapdiag.model.words import Cause, Severity
from pcapdiag.pipeline import Options, analyze
from pcapdiag.reports.escape import visible
from pcapdiag.rules import all_rules
from pcapdiag.rules.rule import Rule

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "rules"
CAPTURES = ROOT / "captures"

# What the hundreds of the codes stand for.
FAMILIES = {
    0: "The capture itself",
    1: "Opening connections",
    2: "Using them again",
    3: "Closing them",
    4: "Delay and loss",
    5: "Capacity over time",
}
# Bytes of a packet from which on nothing is cut off on Ethernet.
WHOLE = 1514
WRITTEN = "<!-- written by scripts/make_rule_pages.py: change the rule's docstring, not this page -->"


@dataclass(frozen=True)
class Sample:
    """A capture of this repository with what is known of it and what the program says."""

    path: Path
    truth: dict[str, Any]
    report: Report

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def right(self) -> set[str]:
        """Causes that may lead."""
        return {self.truth["expect"]["cause"], *self.truth["expect"].get("also", [])}

    @property
    def forbidden(self) -> set[str]:
        """Causes that must not lead: it looks like them."""
        return set(self.truth["expect"].get("not", []))


def diagnosed(path: Path) -> Report:
    return analyze([str(path)], Options(with_connections=True))


def samples(report_of: Callable[[Path], Report] = diagnosed) -> list[Sample]:
    """Every capture, the smallest first: of several that show a pattern it is the easiest to open."""
    found = []
    for known in CAPTURES.glob("*.json"):
        truth = json.loads(known.read_text(encoding="utf-8"))
        path = CAPTURES / truth["file"]
        found.append((path.stat().st_size, path.name, Sample(path, truth, report_of(path))))
    return [sample for _, _, sample in sorted(found, key=lambda one: one[:2])]


def shown_by(rule: Rule, known: Sequence[Sample]) -> tuple[Sample, Finding] | None:
    """The capture that shows the rule's pattern, and what the rule says of it.

    One whose truth names the cause, where the finding leads; else one where it comes second.  Of rules that only ever
    inform, which truth does not speak of, any.
    """
    found = [
        (unfit(rule, sample, place, finding), sample, finding)
        for sample in known
        for place, finding in enumerate(sample.report.findings)
        if finding.code == rule.code
        and drawable(sample, finding)
        and (str(finding.causes[0].cause) in sample.right or rule.severity == Severity.INFO)
    ]
    return min(found, key=lambda one: one[0])[1:] if found else None


def unfit(rule: Rule, sample: Sample, place: int, finding: Finding) -> tuple[bool, ...]:
    """What keeps a finding from being a good example, the worst first."""
    expect = sample.truth["expect"]
    return (
        str(finding.causes[0].cause) not in sample.right,
        place > 0,
        finding.severity == Severity.INFO != rule.severity,  # the cause is there and does no harm
        str(finding.causes[0].cause) != expect["cause"] or bool(expect.get("also")),  # another may lead as rightly
        sample.truth["captured"]["snaplen"] < WHOLE,
        # Variants of another capture: their description says little without it.
        sample.truth["description"].startswith("The same") or sample.truth["delay_ms_each_way"] > 0,
    )


def drawable(sample: Sample, finding: Finding) -> tuple[Evidence, ConnectionRow] | None:
    """The first evidence that names frames of a connection, and the connection."""
    rows = {row.number: row for row in sample.report.connections}
    return next(
        ((one, rows[one.connection]) for one in finding.evidence if one.frames and one.connection in rows), None
    )


# -- text


def link(rule: Rule) -> str:
    return f"{rule.code}-{rule.name}.md"


def escaped(text: str) -> str:
    """Plain text as Markdown that shows it as it stands."""
    shown = "\n".join(visible(line).replace("\\\\", "\\") for line in text.split("\n"))
    return re.sub(r"([\\`*<\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", shown)


def linked(text: str, rules: Sequence[Rule], own: Rule) -> str:
    """Escaped text in which the names and codes of other rules, and addresses, are links."""
    by_word = {word: rule for rule in rules if rule is not own for word in (rule.name, rule.code)}
    words = "|".join(re.escape(word) for word in sorted(by_word, key=len, reverse=True))
    # "healthy" is a word of the language as well: as a name of a rule it has a hyphen, or is a code.
    parts = re.split(
        rf"(https?://[^\s;,)]+|(?<![\w-])(?:{words})(?![\w-]))" if words else r"(https?://[^\s;,)]+)", text
    )
    out = []
    for part in parts:
        if part.startswith(("http://", "https://")):
            out.append(f"<{part}>")
        elif part in by_word and not (part.isalpha() and part.islower()):
            out.append(f"[{part}]({link(by_word[part])})")
        else:
            out.append(escaped(part))
    return "".join(out)


def sections(text: str) -> list[tuple[str, str]]:
    """A rule's docstring as (heading, body) pairs; the first, without a heading, is the pattern in a sentence."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if line and not line[0].isspace() and found[-1][1][-1:] == [""]:
            found.append((line.strip(), []))
        else:
            found[-1][1].append(line)
    return [(heading, "\n".join(body).strip("\n")) for heading, body in found]


def markdown(body: str, rules: Sequence[Rule], own: Rule) -> str:
    """Paragraphs; what is indented more than its section is code, as it stands."""
    lines = body.splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    out: list[str] = []
    for code, group in groupby((line[margin:] for line in lines), key=lambda line: line.startswith((" ", "\t"))):
        text = "\n".join(group)
        if code:
            out.append(f"```text\n{text}\n```")
        else:
            out += [linked(paragraph, rules, own) for paragraph in re.split(r"\n\s*\n", text.strip("\n")) if paragraph]
    return "\n\n".join(out)


def summary(rule: Rule) -> str:
    return sections(rule.text)[0][1].replace("\n", " ")


# -- pages


def page(rule: Rule, rules: Sequence[Rule], known: Sequence[Sample]) -> str:
    """A rule's page."""
    shown = shown_by(rule, known)
    causes = {rule.name} & {str(cause) for cause in Cause}
    for sample in known:
        causes |= {str(one.causes[0].cause) for one in sample.report.findings if one.code == rule.code}
    out = [
        WRITTEN,
        f"# {rule.code} {rule.name}",
        f"{escaped(rule.title)}. Worst severity: {rule.severity}.",
        linked(summary(rule), rules, rule),
        *pattern(shown),
    ]
    for heading, body in sections(rule.text)[1:]:
        out += [f"## {escaped(heading)}", markdown(body, rules, rule)]
        if heading == "False alarms":
            out += lookalikes(rule, body, rules, known, causes)
            out += ["## What would refute it"]
            if shown is None:
                out += ["Each finding says so, of its own numbers."]
            else:
                out += [f"Each finding says so, of its own numbers. The one above: {escaped(shown[1].would_refute)}"]
    out += ["[All rules](README.md)"]
    return "\n\n".join(out) + "\n"


def pattern(shown: tuple[Sample, Finding] | None) -> list[str]:
    """The pattern on the wire: one connection of a real capture."""
    heading = "## What it looks like"
    if shown is None:
        return [heading, "No capture of this repository shows it yet."]
    sample, finding = shown
    picked = drawable(sample, finding)
    assert picked is not None, "shown_by gives no other"
    evidence, row = picked
    client, server = address(row.client), address(row.server)
    drawn = ladder.ladder(
        sample.path,
        client,
        server,
        (row.first_frame.number, row.last_frame.number),
        {frame.number for frame in evidence.frames},
    )
    return [
        heading,
        f"Connection {row.number} of [`captures/{sample.name}`](../../captures/{sample.name}): "
        f"{escaped(sample.truth['description'])}",
        f"```text\n{ladder.header(client, server)}\n{drawn}\n```",
        "`*` marks the frames that the finding names. Bare ACKs are left out where they tell nothing.",
        f"pcapdiag says of it: {escaped(finding.title)}. The whole report:",
        f"```sh\npcapdiag diagnose captures/{sample.name}\n```",
    ]


def address(end: Endpoint) -> ladder.Address:
    return end.ip, end.port or 0


def lookalikes(rule: Rule, body: str, rules: Sequence[Rule], known: Sequence[Sample], causes: set[str]) -> list[str]:
    """The rules that the false alarms name, and the captures that must not be taken for this pattern."""
    words = set(re.findall(r"[\w-]+", body))
    lines = [
        f"- [{other.code} {other.name}]({link(other)}): {escaped(summary(other))}"
        for other in rules
        if other is not rule and "-" in other.name and {other.name, other.code} & words
    ]
    lines += [
        f"- [`captures/{sample.name}`](../../captures/{sample.name}), which is "
        f"{sample.truth['expect']['cause']}: {escaped(sample.truth['description'])}"
        for sample in sorted(known, key=lambda one: one.name)
        if sample.forbidden & causes
    ]
    out = ["Look-alikes:", "\n".join(lines)] if lines else []
    explained = [other for other in rules if other.name in rule.explains]
    if explained:
        out.append(f"On the same pool this one leads, and these are information: {names(explained)}.")
    leaders = [other for other in rules if causes & set(map(str, other.explains))]
    if leaders:
        out.append(f"On the same pool these lead, and this one is information: {names(leaders)}.")
    return out


def names(rules: Sequence[Rule]) -> str:
    return ", ".join(f"[{rule.name}]({link(rule)})" for rule in rules)


def index(rules: Sequence[Rule]) -> str:
    """docs/rules/README.md."""
    out = [
        WRITTEN,
        "# The rules",
        "One page for each pattern that pcapdiag looks for: what it looks at, what it claims and never claims, a real "
        "capture of it as a packet ladder, and what looks like it and is not. "
        "`pcapdiag explain CODE` prints the same text.",
        "The severity is the worst that a rule gives; a finding's own depends on what it costs in that capture.",
    ]
    for hundred, family in groupby(
        sorted(rules, key=lambda rule: rule.code), key=lambda rule: int(rule.code[2:]) // 100
    ):
        lines = ["| code | pattern | what it says | at worst | in a sentence |", "|---|---|---|---|---|"]
        for rule in family:
            cells = (escaped(rule.title), str(rule.severity), escaped(summary(rule)))
            cells = tuple(cell.replace("|", "\\|") for cell in cells)
            lines.append(f"| [{rule.code}]({link(rule)}) | [{rule.name}]({link(rule)}) | {' | '.join(cells)} |")
        out += [f"## PD{hundred}xx: {FAMILIES.get(hundred, 'Others')}", "\n".join(lines)]
    return "\n\n".join(out) + "\n"


def pages(known: Sequence[Sample]) -> dict[str, str]:
    """Every page by its file's name."""
    rules = all_rules()
    return {"README.md": index(rules), **{link(rule): page(rule, rules, known) for rule in rules}}


def without_capture(known: Sequence[Sample]) -> list[str]:
    """Names of the rules that no capture of this repository shows."""
    return [rule.name for rule in all_rules() if shown_by(rule, known) is None]


def stale(wanted: dict[str, str]) -> list[str]:
    """What is wrong with the folder: a line for each page that differs, is missing, or belongs to no rule."""
    there = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    return [
        f"{name}: {'of no rule' if name not in wanted else 'missing' if name not in there else 'stale'}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a difference")
    options = parser.parse_args(arguments)
    known = samples()
    wanted = pages(known)
    lonely = without_capture(known)
    if lonely:
        print(
            f"warning: no capture shows {len(lonely)} of {len(all_rules())} rules: {', '.join(lonely)}", file=sys.stderr
        )
    problems = stale(wanted)
    if options.check:
        for problem in problems:
            print(f"docs/rules/{problem}; scripts/make_rule_pages.py writes it again")
        return int(bool(problems))
    PAGES.mkdir(exist_ok=True)
    for problem in problems:
        name = problem.split(":")[0]
        if name in wanted:
            (PAGES / name).write_text(wanted[name], encoding="utf-8")
        else:
            (PAGES / name).unlink()
        print(f"docs/rules/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
