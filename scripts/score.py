"""Score the diagnosis against labelled captures and print the table.

    python scripts/score.py                        # captures/*.json of this repository
    python scripts/score.py --labels DIR           # DIR/labels.jsonl: right_causes, must_not_causes, healthy per file
    python scripts/score.py --only server-max      # cases whose name holds the text
    python scripts/score.py --figures              # how good each inference is, over the same captures

A case passes when a right cause leads (or, for a healthy one, when no finding is above info), no forbidden cause leads a
finding above info, and, where the truth gives values, idle capacities and caps are exact and timers lie inside their
bracket, the bracket within 5% of the value.  Exit code 1 when one of this repository's own captures fails.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tabulate import tabulate

from pcapdiag.errors import CaptureError
from pcapdiag.model.report import Report
from pcapdiag.model.words import Cause, Knob, Severity
from pcapdiag.pipeline import Options, analyze

OWN = Path(__file__).parents[1] / "captures"
CAUSES = {str(cause) for cause in Cause}


@dataclass(frozen=True)
class Case:
    name: str
    path: Path
    right: frozenset[str]
    forbidden: frozenset[str]
    healthy: bool
    own: bool
    values: dict[str, object] = field(default_factory=dict)
    port: int | None = None
    settings: tuple[str, ...] = ()
    words: str = ""  # everything that the label says of settings, in prose


def own_cases() -> Iterator[Case]:
    for path in sorted(OWN.glob("*.json")):
        truth = json.loads(path.read_text())
        expect = truth["expect"]
        right = frozenset([expect["cause"], *expect.get("also", [])])
        yield Case(
            path.stem,
            OWN / truth["file"],
            right,
            frozenset(),
            "healthy" in right,
            True,
            expect["values"],
            truth.get("service_port"),
            tuple(expect["settings"]),
            " ".join(f"{name} {value}" + " s" * name.endswith("_s") for name, value in expect["values"].items()),
        )


def labelled_cases(folder: Path) -> Iterator[Case]:
    for line in (folder / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        right = frozenset(label["right_causes"])
        yield Case(
            label["scenario"],
            folder / label["file"],
            right,
            frozenset(label["must_not_causes"]),
            bool(label["healthy"]) or "healthy" in right,
            False,
            settings=tuple(label["expected_settings"]) + tuple(label["acceptable"]),
            words=" ".join([label["description"], label["notes"], *label["expected_settings"], *label["acceptable"]]),
        )


def leading(report: Report) -> str:
    """The cause of the worst finding above info, "healthy" when there is none."""
    for finding in report.findings:
        if finding.severity != Severity.INFO:
            return str(finding.causes[0].cause)
    return "healthy"


def check(case: Case) -> tuple[str, list[str]]:
    """The leading cause, and what is wrong with the answer."""
    try:
        report = analyze([str(case.path)], Options(port=case.port))
    except CaptureError as error:
        return "unreadable", [str(error)]
    lead = leading(report)
    problems = []
    above = [finding for finding in report.findings if finding.severity != Severity.INFO]
    informed = {str(finding.causes[0].cause) for finding in report.findings}
    right = lead in case.right or (case.healthy and not above)
    if not right:
        problems.append(f"{lead} leads, right is {' or '.join(sorted(case.right)) or 'healthy'}")
    for finding in above:
        if str(finding.causes[0].cause) in case.forbidden:
            problems.append(f"{finding.causes[0].cause} must not be claimed")
    for entry in report.not_evaluated:
        if entry.reason.startswith("failed"):
            problems.append(f"{entry.code} {entry.reason}")
    problems += values(case, report)
    if case.own and case.settings and above and lead != "healthy":
        named = {advice.name for finding in report.findings for claim in finding.causes for advice in claim.settings}
        missing = [wanted for wanted in case.settings if not any(wanted.split("(")[0] in name for name in named)]
        if missing and not informed & {"healthy"}:
            problems.append(f"settings not named: {', '.join(missing)}")
    return lead, problems


def values(case: Case, report: Report) -> list[str]:
    """Capacities and caps exact, timers inside their brackets."""
    problems = []
    inferred = [one for pool in report.pools for one in pool.inferred]
    for name, wanted in case.values.items():
        if not isinstance(wanted, (int, float)):
            continue
        owner = "server" if name.startswith("server_") else "client" if name.startswith("client_") else None
        if owner is None:
            owner = str(case.values.get("owner", "client"))
        if name == "idle_capacity":
            found = [one for one in inferred if one.knob == Knob.IDLE_POOL_LIMIT]
            if [one.value for one in found] != [wanted]:
                problems.append(f"idle capacity {[one.value for one in found]}, truth {wanted}")
        elif name == "max_requests":
            found = [one for one in inferred if one.knob == Knob.MAX_REQUESTS]
            if [one.value for one in found] != [wanted]:
                problems.append(f"cap {[one.value for one in found]}, truth {wanted}")
        elif name.endswith("idle_timeout_s"):
            found = [one for one in inferred if one.knob == Knob.IDLE_TIMEOUT and one.owner == owner]
            inside = [one for one in found if (one.low or 0) <= wanted <= (one.high or 0)]
            if not inside:
                problems.append(f"timer {[(one.low, one.value, one.high) for one in found]}, truth {wanted} s")
            elif inside[0].low is not None and (inside[0].high or 0) - inside[0].low > 0.05 * wanted:
                problems.append(f"bracket {inside[0].low} to {inside[0].high} is wider than 5%")
    return problems


@dataclass
class Figure:
    """How often an inference was made and was right, and how good its answers were."""

    given: int = 0
    right: int = 0
    sizes: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, right: bool, size: float | None, case: str) -> None:
        self.given += 1
        self.right += right
        if size is not None:
            self.sizes.append(size)
        if not right:
            self.wrong.append(case)


# Where a client throws away what it could have kept, and where nobody asks for what is kept.
NEVER_ASKED = {"never-reuse-new-transport", "body-not-closed"}
OVERFLOW = {"idle-pool-too-small"}


def figures(cases: list[Case]) -> list[tuple[str, int, int, str, str]]:
    """One row for each inference: what it was, how often given, how often right, its answers' quality, the wrong ones.

    A timer is right when a number of seconds that the label names lies in its bracket, a cap or a capacity when it is a
    number that the label names.
    """
    timers, caps, capacities, missed, others, at_once = (Figure() for _ in range(6))
    for case in cases:
        report = analyze([str(case.path)], Options(port=case.port))
        named = [float(number) for number in re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)", case.words.replace("=", " "))]
        for pool in report.pools:
            for one in pool.inferred:
                if one.knob in (Knob.IDLE_TIMEOUT, Knob.MAX_LIFETIME):
                    low, high = one.low or 0.0, one.high or 0.0
                    width = (high - low) / high if one.low is not None and one.value is not None else None
                    timers.add(any(low < number <= high for number in named), width, case.name)
                elif one.knob == Knob.MAX_REQUESTS:
                    caps.add(one.value in named, None, case.name)
                elif one.knob == Knob.IDLE_POOL_LIMIT and one.value is not None:
                    capacities.add(one.value in named, None, case.name)
            if pool.missed_reuse_rate is not None and pool.opens >= 5:
                if case.right & NEVER_ASKED and pool.requests <= pool.connections:
                    missed.add(pool.missed_reuse_rate >= 0.6, pool.missed_reuse_rate, case.name)
                else:
                    others.add(pool.missed_reuse_rate < 0.6, pool.missed_reuse_rate, case.name)
            closed = {kind: count for kind, count in pool.close_classes.items() if kind not in ("open", "unused")}
            if case.right & OVERFLOW and closed and pool.closers.get("client", 0) > 10:
                part = closed.get("immediate", 0) / sum(closed.values())
                at_once.add(part > 0.95, part, case.name)
    rows = []
    for name, one in (
        ("timers: the truth is in the bracket", timers),
        ("request caps: exact", caps),
        ("idle capacities: exact", capacities),
        ("missed reuse of 0.6 or more, nobody asks", missed),
        ("missed reuse below 0.6, other pools", others),
        ("overflow closes that are immediate", at_once),
    ):
        sizes = sorted(one.sizes)
        spread = f"{sizes[0]:.3f} / {sizes[len(sizes) // 2]:.3f} / {sizes[-1]:.3f}" if sizes else ""
        rows.append((name, one.given, one.right, spread, ", ".join(one.wrong)))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="folder with labels.jsonl")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--figures", action="store_true", help="how good each inference is")
    parser.add_argument("--all", action="store_true", help="list the cases that pass, too")
    options = parser.parse_args()
    cases = [case for case in (labelled_cases(options.labels) if options.labels else own_cases())
             if options.only in case.name]  # fmt: skip
    if options.figures:
        print(
            tabulate(
                figures(cases),
                headers=("inference", "given", "right", "smallest / median / largest", "wrong on"),
                maxcolwidths=[42, 6, 6, 28, 50],
            )
        )
        return 0
    rows, failed = [], 0
    groups: dict[str, list[bool]] = {}
    for case in cases:
        lead, problems = check(case)
        failed += bool(problems)
        judged = case.healthy or bool(case.right & CAUSES)
        group = "healthy" if case.healthy else "this issue's causes" if judged else "other causes"
        groups.setdefault(group, []).append(not problems)
        if problems or options.all:
            rows.append((case.name, group, lead, "; ".join(problems)))
    print(tabulate(rows, headers=("case", "group", "leads", "problems"), maxcolwidths=[42, 12, 30, 60]))
    for group, passed in sorted(groups.items()):
        print(f"{group}: {sum(passed)} of {len(passed)} right ({sum(passed) / len(passed):.1%})")
    return int(failed > 0 and options.labels is None)


if __name__ == "__main__":
    sys.exit(main())
