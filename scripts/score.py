"""Score the diagnosis against labelled captures and print the table.

    python scripts/score.py                        # captures/*.json of this repository
    python scripts/score.py --labels DIR           # DIR/labels.jsonl: right_causes, must_not_causes, healthy per file
    python scripts/score.py --only server-max      # cases whose name holds the text
    python scripts/score.py --confusion            # which cause leads where which is right, and each miss
    python scripts/score.py --figures              # how good each inference is, over the same captures

A case passes when a right cause leads (or, for a healthy one, when no finding is above info), no forbidden cause leads a
finding above info, and, where a capture of this repository gives values, idle capacities and caps are exact and timers
lie inside their bracket, the bracket within 5% of the value.  Where a label gives causes by port, each port is judged
by the findings on its pools.  Exit code 1 when one of this repository's own captures fails.

Brackets are counted apart: of the timers that the truth or a label names, how many were inferred, and in how many of
these the true value lies in the bracket.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pcapdiag.errors import CaptureError
from pcapdiag.model.report import Finding, Inferred, Report
from pcapdiag.model.words import Cause, Knob, Severity
from pcapdiag.pipeline import Options, analyze

OWN = Path(__file__).parents[1] / "captures"
HEALTHY = str(Cause.HEALTHY)
# Part of the cases with a fault that must pass.
BAR = 0.97

# Causes whose setting is a timer, and whose timer it is.
TIMERS = {
    "idle-timeout-too-short": (Knob.IDLE_TIMEOUT, "client"),
    "server-idle-timeout": (Knob.IDLE_TIMEOUT, "server"),
    "keepalive-race": (Knob.IDLE_TIMEOUT, "server"),
    "connection-lifetime": (Knob.MAX_LIFETIME, "client"),
    "client-request-timeout": (Knob.REQUEST_TIMEOUT, "client"),
}
# How a truth file's timers end.
VALUES = {
    "idle_timeout_s": Knob.IDLE_TIMEOUT,
    "request_timeout_s": Knob.REQUEST_TIMEOUT,
    "lifetime_s": Knob.MAX_LIFETIME,
}
# How findings call the two ends of a timer's bracket: idle_timeout_low_s, idle_timeout_high_s.
MEASURED = {Knob.IDLE_TIMEOUT: "idle_timeout", Knob.REQUEST_TIMEOUT: "timeout", Knob.MAX_LIFETIME: "age"}
# Seconds in a label's prose: "3s", "5 s", "500 ms", "keepalive_timeout=2", "--keep-alive 2".
NUMBER = re.compile(r"(?<![\w.:-])(\d+(?:\.\d+)?)\s?(ms|s)?(?![\w.%])")


@dataclass(frozen=True)
class Timer:
    """A timer that was really there."""

    knob: Knob
    owner: str
    seconds: float


@dataclass(frozen=True)
class Case:
    name: str
    path: Path
    right: frozenset[str]  # any of these may lead
    forbidden: frozenset[str]
    healthy: bool  # right without a finding above info
    own: bool
    values: dict[str, object] = field(default_factory=dict)
    port: int | None = None
    settings: tuple[str, ...] = ()
    words: str = ""  # everything that the label says of settings, in prose
    primary: str = ""  # of several right causes the one that the label is named for
    by_port: Mapping[int, str] = field(default_factory=dict)  # server port -> its right cause, where there are several
    timers: tuple[Timer, ...] = ()


def own_cases() -> Iterator[Case]:
    for path in sorted(OWN.glob("*.json")):
        yield own_case(path.stem, json.loads(path.read_text()))


def own_case(name: str, truth: Mapping[str, Any]) -> Case:
    """A capture of this repository; docs/CAPTURES.md says what its truth file holds."""
    expect = truth["expect"]
    right = frozenset([expect["cause"], *expect.get("also", [])])
    return Case(
        name,
        OWN / truth["file"],
        right,
        frozenset(expect.get("not", [])),
        bool(expect.get("healthy", HEALTHY in right)),
        True,
        expect["values"],
        None if "ports" in expect else truth.get("service_port"),
        tuple(expect["settings"]),
        " ".join(f"{name} {value}" + " s" * name.endswith("_s") for name, value in expect["values"].items()),
        expect["cause"],
        by_port={int(port): cause for port, cause in expect.get("ports", {}).items()},
        timers=tuple(timers(expect["values"])),
    )


def labelled_cases(folder: Path) -> Iterator[Case]:
    for line in (folder / "labels.jsonl").read_text().splitlines():
        yield labelled_case(folder, json.loads(line))


def labelled_case(folder: Path, label: Mapping[str, Any]) -> Case:
    right = frozenset(label["right_causes"])
    primary = label["cause"] if label["cause"] in right else next(iter(label["right_causes"]), HEALTHY)
    return Case(
        label["scenario"],
        folder / label["file"],
        right,
        frozenset(label["must_not_causes"]),
        bool(label["healthy"]) or HEALTHY in right,
        False,
        settings=tuple(label["expected_settings"]) + tuple(label["acceptable"]),
        words=" ".join([label["description"], label["notes"], *label["expected_settings"], *label["acceptable"]]),
        primary=primary,
        by_port={int(port): one["cause"] for port, one in (label.get("per_endpoint") or {}).items()},
        timers=tuple(filter(None, [named_timer(primary, label["expected_settings"])])),
    )


def timers(values: Mapping[str, object]) -> Iterator[Timer]:
    """The timers among the values of a truth file."""
    for name, wanted in values.items():
        for ending, knob in VALUES.items():
            if name.endswith(ending) and isinstance(wanted, (int, float)):
                yield Timer(knob, owner_of(name, values), float(wanted))


def owner_of(name: str, values: Mapping[str, object]) -> str:
    """Whose setting a value of a truth file is: its name says it, or the key ``owner`` does."""
    if name.startswith(("server_", "client_")):
        return name[:6]
    return str(values.get("owner", "client"))


def named_timer(cause: str, settings: Sequence[str]) -> Timer | None:
    """The timer that a label names: the one number in its settings, or the one with a unit."""
    if cause not in TIMERS:
        return None
    numbers = [match.groups() for one in settings for match in NUMBER.finditer(one.replace("=", " "))]
    with_unit = [one for one in numbers if one[1]]
    chosen = with_unit or numbers
    if len(chosen) != 1:
        return None
    number, unit = chosen[0]
    return Timer(*TIMERS[cause], float(number) / (1000 if unit == "ms" else 1))


def leading(findings: Sequence[Finding]) -> str:
    """The cause of the worst finding above info, "healthy" when there is none."""
    for finding in findings:
        if finding.severity != Severity.INFO:
            return str(finding.causes[0].cause)
    return HEALTHY


def on_port(report: Report, port: int) -> list[Finding]:
    """The findings on pools of a server's port."""
    pools = {pool.id for pool in report.pools if pool.server.port == port}
    return [finding for finding in report.findings if pools & set(finding.pools)]


@dataclass(frozen=True)
class Answer:
    """What the program says of a case, held against the truth."""

    lead: str
    problems: list[str]
    confusion: list[tuple[str, str]]  # (right, leading): one, or one for each port
    brackets: tuple[tuple[str, str], ...] = ()  # for each timer "right", "wrong" or "none", and how


def check(case: Case) -> tuple[str, list[str]]:
    """The leading cause, and what is wrong with the answer."""
    answer = judge(case)
    return answer.lead, answer.problems


def judge(case: Case) -> Answer:
    """Analyze a case's capture and compare."""
    try:
        report = analyze([str(case.path)], Options(port=case.port))
    except CaptureError as error:
        return Answer("unreadable", [str(error)], [(case.primary or HEALTHY, "unreadable")])
    return compare(case, report)


def compare(case: Case, report: Report) -> Answer:
    """A report against a case's truth."""
    lead = leading(report.findings)
    above = [finding for finding in report.findings if finding.severity != Severity.INFO]
    informed = {str(finding.causes[0].cause) for finding in report.findings}
    problems = []
    if case.by_port:
        confusion = []
        for port, right in sorted(case.by_port.items()):
            there = leading(on_port(report, port))
            confusion.append((right, there))
            if there != right:
                problems.append(f"port {port}: {there} leads, right is {right}")
    else:
        right_row = lead if lead in case.right else HEALTHY if case.healthy else case.primary
        confusion = [(right_row, lead)]
        if not (lead in case.right or (case.healthy and not above)):
            problems.append(f"{lead} leads, right is {' or '.join(sorted(case.right)) or HEALTHY}")
    for finding in above:
        if str(finding.causes[0].cause) in case.forbidden:
            problems.append(f"{finding.causes[0].cause} must not be claimed")
    for entry in report.not_evaluated:
        if entry.reason.startswith("failed"):
            problems.append(f"{entry.code} {entry.reason}")
    problems += values(case, report)
    if case.own and case.settings and above and lead != HEALTHY:
        named = {advice.name for finding in report.findings for claim in finding.causes for advice in claim.settings}
        missing = [wanted for wanted in case.settings if not any(wanted.split("(")[0] in name for name in named)]
        if missing and HEALTHY not in informed:
            problems.append(f"settings not named: {', '.join(missing)}")
    brackets = tuple(bracket(timer, report) for timer in case.timers)
    if case.own:
        # Idle timers must be there, above; of others a bracket may be missing, but none may be wrong.
        others = zip(case.timers, brackets, strict=True)
        problems += [how for timer, (said, how) in others if said == "wrong" and timer.knob != Knob.IDLE_TIMEOUT]
    return Answer(lead, problems, confusion, brackets)


def bracket(timer: Timer, report: Report) -> tuple[str, str]:
    """Whether the true value lies in a bracket that was inferred for this timer, and the brackets."""
    found = list(brackets_of(timer, report))
    if not found:
        return "none", f"{timer.owner} {timer.knob} {timer.seconds:g} s: nothing inferred"
    said = ", ".join(f"{'untested' if low is None else f'{low:.3f}'} to {high:.3f} s" for low, high in found)
    right = any((low or 0.0) <= timer.seconds <= high for low, high in found)
    return ("right" if right else "wrong"), f"{timer.owner} {timer.knob} {timer.seconds:g} s: {said}"


def brackets_of(timer: Timer, report: Report) -> Iterator[tuple[float | None, float]]:
    """What pools and findings say of a timer: (low, high) in seconds, low None where it was not tested."""
    for pool in report.pools:
        for one in pool.inferred:
            if one.knob == timer.knob and one.owner == timer.owner and one.unit == "s":
                yield one.low, one.high or 0.0
    for finding in report.findings:
        low, high = (finding.measured.get(f"{MEASURED[timer.knob]}_{end}_s") for end in ("low", "high"))
        if TIMERS.get(str(finding.causes[0].cause)) == (timer.knob, timer.owner) and isinstance(high, (int, float)):
            yield (float(low) if isinstance(low, (int, float)) else None), float(high)


def holds(one: Inferred, seconds: float) -> bool:
    """Whether a value lies in a bracket; an end that was not tested is open below."""
    return (one.low or 0.0) <= seconds <= (one.high or 0.0)


def values(case: Case, report: Report) -> list[str]:
    """Capacities and caps exact, timers inside their brackets."""
    problems = []
    inferred = [one for pool in report.pools for one in pool.inferred]
    for name, wanted in case.values.items():
        if not isinstance(wanted, (int, float)):
            continue
        owner = owner_of(name, case.values)
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
            inside = [one for one in found if holds(one, wanted)]
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


def confusion_table(pairs: Sequence[tuple[str, str]]) -> str:
    """Counts of (right, leading) pairs: right causes down, leading ones across, healthy first; "." is none.

    A column has the number of its cause's row; causes that never lead have no column.
    """
    counts = Counter(pairs)
    causes = sorted({cause for pair in pairs for cause in pair}, key=lambda cause: (cause != HEALTHY, cause))
    number = {cause: place for place, cause in enumerate(causes, 1)}
    leads = [cause for cause in causes if any(lead == cause for _, lead in pairs)]
    corner = "right (down), leads"
    width = max(len(corner), *(len(f"{number[cause]} {cause}") for cause in causes))
    lines = [f"{corner:{width}}" + "".join(f"{number[lead]:4}" for lead in leads)]
    for right in causes:
        cells = "".join(f"{counts[right, lead] or '.':>4}" for lead in leads)
        lines.append(f"{f'{number[right]} {right}':{width}}{cells}")
    return "\n".join(lines)


def why(case: Case) -> str:
    """What the program said where it missed: right causes that did not lead, or its verdict."""
    try:
        report = analyze([str(case.path)], Options(port=case.port))
    except CaptureError:
        return ""
    wanted = case.right | set(case.by_port.values())
    there = [f"{one.code} is there as {one.severity}" for one in report.findings if str(one.causes[0].cause) in wanted]
    skipped = [f"{one.code} not evaluated: {one.reason}" for one in report.not_evaluated if one.name in wanted]
    return "; ".join(there + skipped) or f"verdict: {report.verdict.summary}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="folder with labels.jsonl")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--confusion", action="store_true", help="which cause leads where which is right")
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
    answers = [(case, judge(case)) for case in cases]
    if options.confusion:
        if answers:
            print(confusion_table([pair for _, answer in answers for pair in answer.confusion]))
        missed = [
            (case.name, "; ".join(answer.problems), why(case))
            for case, answer in answers
            if any(right != lead for right, lead in answer.confusion)
        ]
        print()
        print(tabulate(missed, headers=("missed", "problems", "why"), maxcolwidths=[36, 50, 60]))
    else:
        rows = [
            (case.name, group(case), answer.lead, "; ".join(answer.problems))
            for case, answer in answers
            if answer.problems or options.all
        ]
        print(tabulate(rows, headers=("case", "group", "leads", "problems"), maxcolwidths=[42, 8, 30, 60]))
    print("\n".join(summary(answers)))
    return int(any(case.own and answer.problems for case, answer in answers))


def group(case: Case) -> str:
    return HEALTHY if case.healthy else "faults"


def summary(answers: Sequence[tuple[Case, Answer]]) -> Iterator[str]:
    """How many pass, by group, and how many brackets hold what is true."""
    for name in ("faults", HEALTHY):
        passed = [not answer.problems for case, answer in answers if group(case) == name]
        if passed:
            rate = sum(passed) / len(passed)
            bar = f", the bar is {BAR:.0%}{'' if rate >= BAR else ': below it'}" if name == "faults" else ""
            yield f"{name}: {sum(passed)} of {len(passed)} right ({rate:.1%}{bar})"
    told = Counter(verdict for _, answer in answers for verdict, _ in answer.brackets)
    if told:
        inferred = told["right"] + told["wrong"]
        yield (
            f"timers that the truth names: {told.total()}; inferred: {inferred}; "
            f"with the value in the bracket: {told['right']}"
        )
        for case, answer in answers:
            yield from (f"  {case.name}: {how}" for verdict, how in answer.brackets if verdict != "right")


if __name__ == "__main__":
    sys.exit(main())
