"""What the catalogue holds, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pcapdiag.model.words import Confidence, Knob


@dataclass(frozen=True)
class Span:
    """The range in which a value shows on the wire; mostly a single number."""

    low: float
    high: float

    def meets(self, low: float, high: float) -> bool:
        """Whether it reaches into (low, high], or touches the point low == high."""
        if low == high:
            return self.low <= low <= self.high
        return self.low <= high and self.high > low


@dataclass(frozen=True)
class Change:
    """A default that other versions have."""

    version: str  # "before 1.19.10"
    value: str  # as a person writes it
    wire: Span | None  # where that default shows on the wire; None when it cannot be matched


@dataclass(frozen=True)
class Advice:
    """What to do, as sentences; one that needs a number the capture does not give is left out."""

    recommend: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One product's spelling of one knob."""

    name: str  # as written in code or configuration
    knob: Knob
    role: str  # "client", "server", "kernel" or "middlebox"
    unit: str  # the unit the product takes: "s", "ms", "connections", "requests", "switch", "rule"
    default: str  # as a person writes it
    default_value: float | None  # seconds, connections or requests
    wire: Span | None  # where the default shows on the wire; None when it cannot be matched
    wire_note: str  # why the wire shows something other than the setting
    history: tuple[Change, ...]
    scope: str
    alternative: bool  # not the first setting for its knob, but could be what the wire shows instead of it
    advice: Advice
    advice_for: Mapping[str, Advice]  # by cause word, where the general advice would mislead
    sample: str  # a sensible value for the snippet when the capture gives none
    snippet: str  # "" when there is nothing to paste
    language: str
    source: str  # URL or document
    status: str  # "verified: ...", "measured: ..." or "from memory"
    since: str = ""  # the version that first had it; "" when all supported ones do
    checked: str = ""  # the version whose sources, documentation or behavior the status speaks of

    @property
    def from_memory(self) -> bool:
        return "from memory" in self.status


@dataclass(frozen=True)
class Absence:
    """A knob that the product does not have."""

    knob: Knob
    why: str
    source: str
    checked: str = ""  # as of a setting


@dataclass(frozen=True)
class Fact:
    """Something worth knowing about a product that is not one of our knobs."""

    name: str
    default: str
    text: str
    source: str
    status: str

    @property
    def from_memory(self) -> bool:
        return "from memory" in self.status


@dataclass(frozen=True)
class Product:
    id: str
    name: str  # as reports print it
    role: str
    main: bool  # has its own file: named first where several products share a default
    settings: tuple[Setting, ...]
    absences: tuple[Absence, ...] = ()
    facts: tuple[Fact, ...] = ()
    protocols: tuple[str, ...] = ("http",)  # what it speaks; () for what works below the protocol
    kind: str = ""  # a word of data/kinds.toml: which knobs a product of its kind must answer for
    checked: str = ""  # the version that its entries speak of, unless they name another
    common: bool = False  # named where the program is unknown

    def speaks(self, protocol: str) -> bool:
        return not self.protocols or protocol in self.protocols

    def settings_for(self, knob: Knob) -> tuple[Setting, ...]:
        return tuple(setting for setting in self.settings if setting.knob is knob)

    def absence_of(self, knob: Knob) -> Absence | None:
        return next((absence for absence in self.absences if absence.knob is knob), None)


@dataclass(frozen=True)
class Catalog:
    products: Mapping[str, Product] = field(default_factory=dict)  # main products first


@dataclass(frozen=True)
class Match:
    """A default that lies where the wire puts a setting; of the product that is there where ``recognised``."""

    product: Product
    setting: Setting
    version: str  # "" for the default of current versions
    value: str  # "75 s"
    note: str  # why the wire shows something other than the setting; mostly ""
    recognised: bool = False

    @property
    def text(self) -> str:
        """A clause for a report: ``matches nginx's default keepalive_timeout, 75 s``; ``is`` where it is nginx."""
        remarks = "; ".join(filter(None, (self.version, self.note)))
        return (
            f"{'is' if self.recognised else 'matches'} {self.product.name}'s default {self.setting.name}, {self.value}"
            f"{f' ({remarks})' if remarks else ''}"
        )


@dataclass(frozen=True)
class Recognised:
    """Which program is at one end; ``product_id`` is None when it is unknown or has no entry here.

    Attributes:
        reason: all that speaks for it, and what speaks against it; clauses joined by semicolons.
        version: as the program writes it; "" where nothing tells.
        candidates: where it is one of a few, their ids; then there is no ``product_id``.
        known: a program is named, be it one that has no entry here: advice for others would be wrong.
    """

    product_id: str | None
    name: str
    confidence: Confidence
    reason: str
    version: str = ""
    candidates: tuple[str, ...] = ()
    known: bool = True
