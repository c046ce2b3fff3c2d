"""What to change and why, as a page shows it: each finding with its causes, settings and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from pcapdiag.model.figures import Ladder
from pcapdiag.model.report import CauseClaim, Evidence, Finding, Measure, NoSetting, PoolRow, Report, SettingAdvice
from pcapdiag.model.words import Confidence, Severity
from pcapdiag.reports import text_whatif, without_setting
from pcapdiag.reports.html.frames import Filter, by_addresses, by_frames
from pcapdiag.reports.text import GUESSES_SHOWN, PRODUCTS_SHOWN, guess_heading
from pcapdiag.reports.units import number
from pcapdiag.reports.wording import in_words, letter, measure, measure_name, pools_named, setting_now


@dataclass(frozen=True)
class Setting:
    """One setting: whose, what it is now, what to set it to and how."""

    name: str
    product: str
    role: str
    now: str
    recommended: str
    why: str
    snippet: str
    language: str
    reference: str
    link: bool  # the reference is an address, not the name of a document


@dataclass(frozen=True)
class Guesses:
    """The same setting in the products that it may be, where the packets do not name the one in use."""

    head: str
    settings: tuple[Setting, ...]
    more: tuple[Setting, ...]  # behind a click: the commonest products come first


@dataclass(frozen=True)
class Cause:
    letter: str  # "a", "b" where causes compete; else ""
    words: str
    code: str
    confidence: str
    tell_apart: str
    settings: tuple[Setting, ...]
    also: tuple[Setting, ...]  # more of the same product that govern the same
    others: tuple[Setting, ...]  # the same in other products that fit as well
    guesses: tuple[Guesses, ...]
    no_setting: tuple[NoSetting, ...]
    way: str  # where to look, where no setting is known


@dataclass(frozen=True)
class Effect:
    """A number that the remedy is expected to move, with the lengths of its two bars."""

    name: str
    now: str
    then: str
    now_share: float  # percent of the larger
    then_share: float


@dataclass(frozen=True)
class Proof:
    connection: int
    shows: str
    filters: tuple[Filter, ...]
    ladder: bool
    bar: bool


@dataclass(frozen=True)
class FindingView:
    anchor: str
    finding: Finding
    pools: str
    restates: bool  # its title is the verdict's summary
    causes: tuple[Cause, ...]
    measured: tuple[tuple[str, str], ...]
    expected: str  # of the remedy; what that rests on, where there are effects
    effects: tuple[Effect, ...]
    effects_of: str  # requests that were replayed, where not all were
    evidence: tuple[Proof, ...]
    fallback: str  # what to say where nothing else is known
    unsure: bool

    @property
    def brief(self) -> Setting | None:
        """The setting to change, where it is one."""
        settings = [setting for cause in self.causes for setting in cause.settings]
        return settings[0] if settings and len(self.causes) == 1 else None

    @property
    def in_brief(self) -> str:
        """What to do, in a line, where it is not one setting."""
        if len(self.causes) > 1:
            return f"either {', or '.join(cause.words for cause in self.causes)}: see below"
        named = [
            f"{setting.name} ({setting.product})"
            for cause in self.causes
            for of in cause.guesses
            for setting in of.settings
        ]
        return self.finding.action or (f"by product: {', '.join(named[:2])}, ..." if named else self.fallback)


def views(report: Report, bars: Set[int]) -> list[FindingView]:
    """The findings above info, worst first; ``bars`` are the connections that the timeline has."""
    found = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    pools = {pool.id: pool for pool in report.pools}
    ladders = {ladder.connection: ladder for ladder in report.figures.ladders} if report.figures else {}
    return [_view(at, finding, report, pools, ladders, bars) for at, finding in enumerate(found, 1)]


def _view(
    at: int,
    finding: Finding,
    report: Report,
    pools: Mapping[str, PoolRow],
    ladders: Mapping[int, Ladder],
    bars: Set[int],
) -> FindingView:
    pool = next((pools[id_] for id_ in finding.pools if id_ in pools), None)
    causes = tuple(
        _cause(claim, letter(place) if len(finding.causes) > 1 else "", pool)
        for place, claim in enumerate(finding.causes)
    )
    told = bool(finding.action) or any(one.settings or one.guesses or one.no_setting or one.way for one in causes)
    moved = effects(finding.predicted)
    return FindingView(
        anchor=f"finding-{at}",
        finding=finding,
        pools=pools_named(finding.pools),
        restates=finding.title.rstrip(".") == report.verdict.summary.rstrip("."),
        causes=causes,
        measured=tuple((measure_name(key), measure(key, value)) for key, value in finding.measured.items()),
        expected=text_whatif.predicted(finding.predicted) if not moved else text_whatif.trust(finding.predicted),
        effects=moved,
        effects_of=text_whatif.replayed(finding.predicted) if moved else "",
        evidence=tuple(_proof(one, ladders, bars) for one in finding.evidence),
        fallback="" if told else without_setting.NONE_KNOWN,
        unsure=finding.confidence is not Confidence.HIGH and len(causes) == 1,
    )


def _cause(claim: CauseClaim, rival: str, pool: PoolRow | None) -> Cause:
    known = [advice for advice in claim.settings if advice.recognised]
    products = list(dict.fromkeys(advice.product for advice in known))
    whole = products if len(products) <= PRODUCTS_SHOWN else products[:1]
    programs = {"client": pool.client_program, "server": pool.server_program} if pool else {}
    guesses = []
    for role in ("client", "server", "kernel", "middlebox"):
        guessed = [advice for advice in claim.settings if not advice.recognised and advice.role == role]
        if guessed:
            head = guess_heading(guessed[0].inferred, role, programs)
            made = tuple(setting(advice) for advice in guessed)
            guesses.append(Guesses(head, made[:GUESSES_SHOWN], made[GUESSES_SHOWN:]))
    anything = claim.settings or claim.no_setting
    main = [advice for advice in known if advice.product in whole]
    firsts = {(advice.product, advice.knob): advice for advice in reversed(main)}
    return Cause(
        letter=rival,
        words=in_words(claim.cause, pool.protocol if pool else ""),
        code=str(claim.cause),
        confidence=str(claim.confidence),
        tell_apart=claim.tell_apart,
        settings=tuple(setting(advice) for advice in main if advice is firsts[advice.product, advice.knob]),
        also=tuple(setting(advice) for advice in main if advice is not firsts[advice.product, advice.knob]),
        others=tuple(setting(advice) for advice in known if advice.product not in whole),
        guesses=tuple(guesses),
        no_setting=claim.no_setting,
        way="" if anything else without_setting.way(claim.cause),
    )


def setting(advice: SettingAdvice) -> Setting:
    return Setting(
        name=advice.name,
        product=advice.product,
        role=advice.role,
        now=setting_now(advice),
        recommended=advice.recommended,
        why=advice.why,
        snippet=advice.snippet.strip("\n"),
        language=advice.language,
        reference=advice.reference,
        link=advice.reference.startswith("https://"),
    )


def effects(predicted: Mapping[str, Measure]) -> tuple[Effect, ...]:
    """What the remedy moves, from the replay: now and then."""
    names = (
        ("connections", "connections opened"),
        ("opens_per_second", "opens per second"),
        ("time_wait_client", "TIME_WAIT at the client"),
        ("time_wait_server", "TIME_WAIT at the server"),
    )
    rows = []
    for key, name in names:
        then, now = predicted.get(key), predicted.get(f"{key}_now")
        if isinstance(then, int | float) and isinstance(now, int | float) and then != now:
            rows.append(effect(name, number(_short(now)), number(_short(then)), now, then))
    return tuple(rows)


def effect(name: str, now: str, then: str, before: float, after: float) -> Effect:
    largest = max(before, after) or 1
    return Effect(name, now, then, round(100 * before / largest, 1), round(100 * after / largest, 1))


def _short(value: float) -> float:
    return round(value, 1) if value < 100 else round(value)


def _proof(evidence: Evidence, ladders: Mapping[int, Ladder], bars: Set[int]) -> Proof:
    ladder = ladders.get(evidence.connection)
    filters = by_frames(evidence.frames)
    if ladder is not None:
        filters.append(by_addresses(ladder.client, ladder.server))
    return Proof(evidence.connection, evidence.shows, tuple(filters), ladder is not None, evidence.connection in bars)


def cited(findings: Sequence[Finding]) -> dict[str, list[int]]:
    """Which connections each rule's findings name, for the timeline's filter."""
    named: dict[str, list[int]] = {}
    for finding in findings:
        numbers = named.setdefault(f"{finding.code} {finding.name}", [])
        numbers += [one.connection for one in finding.evidence if one.connection not in numbers]
    return {name: numbers for name, numbers in named.items() if numbers}
