"""Questions to the catalogue of settings.

Rules name a knob; this module answers how a product spells it, what its default is, and what to paste.
Nothing is read before the first question, each file once, and of it only the products that a question is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from pcapdiag.errors import UsageError
from pcapdiag.model.report import SettingAdvice
from pcapdiag.model.words import Cause, Knob
from pcapdiag.settings.entries import Absence, Catalog, Fact, Match, Product, Recognised, Setting
from pcapdiag.settings.filling import fill, with_derived
from pcapdiag.settings.recognition import recognise_client, recognise_server
from pcapdiag.settings.versions import applies, change_for, missing
from pcapdiag.settings.wrong_fixes import not_the_fix

if TYPE_CHECKING:
    from pcapdiag.settings import reading

__all__ = [
    "Absence",
    "Catalog",
    "Fact",
    "Match",
    "Product",
    "Recognised",
    "Setting",
    "absence",
    "advice",
    "default_below",
    "has",
    "load",
    "match_default",
    "not_the_fix",
    "product",
    "recognise_client",
    "recognise_server",
    "settings_for",
]


@cache
def load() -> Catalog:
    """The whole catalogue."""
    return Catalog({product_id: _entry(product_id) for product_id in _texts()})


@cache
def _texts() -> dict[str, tuple[str, str]]:
    """Product id to the file that it is in and its text there, in the order of the files."""
    from pcapdiag.settings import reading

    texts: dict[str, tuple[str, str]] = {}
    for name in reading.MAIN_FILES + reading.COMPACT_FILES:
        for product_id, text in reading.product_texts(name):
            if product_id in texts:
                raise reading.CatalogError(f"{name}: product {product_id} is there twice")
            texts[product_id] = (name, text)
    return texts


@cache
def _general() -> reading.General:
    from pcapdiag.settings import reading

    return reading.read_general_advice()


@cache
def _entry(product_id: str) -> Product:
    """One product, parsed when it is first asked for."""
    from pcapdiag.settings import reading

    return reading.read_product(*_texts()[product_id], _general())


def _naming(*words: str, who: Recognised | None = None) -> Iterator[Product]:
    """The products in whose text all of these words stand in quotes, and that may be ``who``; the others stay unparsed."""
    for product_id, (_, text) in _texts().items():
        if _may_be(product_id, who) and all(f'"{word}"' in text for word in words):
            yield _entry(product_id)


def has(product_id: str) -> bool:
    """Whether there is a product of that id; it is not parsed."""
    return product_id in _texts()


def product(product_id: str) -> Product:
    """The product of that id.

    Raises:
        UsageError: there is none; the message names those that are written alike.
    """
    if product_id not in _texts():
        from difflib import get_close_matches  # for this message alone

        alike = [known for known in _texts() if product_id and product_id.lower() in known]
        alike += [known for known in get_close_matches(product_id.lower(), _texts()) if known not in alike]
        hint = f"; did you mean {' or '.join(alike[:3])}?" if alike else ""
        raise UsageError(f"no product {product_id!r} in the settings catalogue{hint}; pcapdiag settings lists them")
    return _entry(product_id)


def settings_for(knob: Knob, product_id: str) -> tuple[Setting, ...]:
    """The product's settings for a knob, the one to change first coming first; () when it has none."""
    return product(product_id).settings_for(knob)


def absence(knob: Knob, product_id: str) -> Absence | None:
    """Why the product has no setting for the knob, where the catalogue says so."""
    return product(product_id).absence_of(knob)


def match_default(
    knob: Knob,
    role: str,
    low: float | None,
    high: float | None,
    *,
    protocol: str = "http",
    who: Recognised | None = None,
) -> list[Match]:
    """Defaults that lie inside a bracket read from the wire: of any product and version, or of those that may be there.

    Args:
        knob: what was inferred.
        role: whose setting it is: ``client``, ``server``, or ``middlebox`` for what forgets idle connections on the path.
        low: the largest value that survived (exclusive), in seconds, connections or requests; equal to
            ``high`` for a value known exactly.
        high: the smallest value that was closed (inclusive).  With an open end nothing can be matched: [].
        protocol: what the products must speak: ``http``, ``redis``, ``postgres`` or ``mysql``.
        who: the program whose setting it is, as far as it is recognised: then no other product's default is named, and
            where the version is known no other version's.

    Returns:
        current defaults before those of other versions, main products before the rest.
    """
    if low is None or high is None:
        return []
    current: list[Match] = []
    other_versions: list[Match] = []
    for entry in _naming(knob.value, role, who=who):
        if not entry.speaks(protocol):
            continue
        sure = who is not None and who.product_id is not None
        version = who.version if who is not None else ""
        for setting in entry.settings_for(knob):
            if setting.role != role:
                continue
            own = change_for(setting, version)
            if own is None and setting.wire is not None and setting.wire.meets(low, high):
                current.append(Match(entry, setting, "", _value(setting), setting.wire_note, sure))
                continue
            for change in setting.history if own is None else (own,):
                if applies(change.version, version) is False:
                    continue
                if change.wire is not None and change.wire.meets(low, high):
                    other_versions.append(Match(entry, setting, change.version, change.value, "", sure))
                    break
    return current + other_versions


def default_below(knob: Knob, role: str, high: float, who: Recognised) -> str:
    """A clause where only an upper bound is known and the recognised program's default lies below it; "" elsewhere.

    A default far below says nothing: more than half of the bound is asked for.
    """
    if who.product_id is None:
        return ""
    for setting in product(who.product_id).settings_for(knob):
        value = setting.default_value
        if (
            setting.role == role
            and value is not None
            and high / 2 < value <= high
            and not change_for(setting, who.version)
        ):
            return f"{product(who.product_id).name}'s default {setting.name}, {_value(setting)}, fits"
    return ""


def advice(
    knob: Knob,
    product_id: str | None,
    *,
    inferred: str | None,
    recommended: str | None,
    values: Mapping[str, str],
    cause: Cause | None = None,
    role: str = "client",
    protocol: str = "http",
    version: str = "",
) -> list[SettingAdvice]:
    """The product's settings for a knob, filled in.

    Args:
        knob: what to change.
        product_id: None when the program is unknown: then each common product of ``role`` gives its first
            setting.
        inferred: what the wire says it is now, as text; for the first setting and its alternatives.
        recommended: what to set, as text; None takes the catalogue's general recommendation.  For the first
            setting only: the others keep their own.
        values: for the placeholders of advice and snippet; ``value`` is the number to set (seconds,
            connections, requests).  Without it the snippet shows the catalogue's sample value.
        cause: picks advice written for that cause, where there is some.
        role: ``client``, ``server``, ``kernel`` or ``middlebox``; used only when ``product_id`` is None.
        protocol: what the products must speak (``http``, ``redis``, ``postgres``, ``mysql``); likewise.
        version: of the product, "" when it is unknown: what that version does not have is left out, and the default is
            that version's.

    Returns:
        the setting to change first comes first; [] when the product has none (see :func:`absence`).
    """
    if product_id is None:
        return [
            _filled(entry, setting, inferred, recommended, values, cause)
            for entry, setting in _first_settings(knob, role, protocol)
            if (entry.common or protocol == "http2") and setting.snippet  # few speak it without TLS: all are named
        ]
    entry = product(product_id)
    found: list[SettingAdvice] = []
    for setting in entry.settings_for(knob):
        if missing(setting, version):
            continue
        first = not found
        shown = inferred if first or setting.alternative else None
        found.append(_filled(entry, setting, shown, recommended if first else None, values, cause, version))
    return found


def from_memory() -> list[tuple[str, str]]:
    """Product and name of every entry that no source was checked for."""
    found = []
    for entry in load().products.values():
        entries: tuple[Setting | Fact, ...] = (*entry.settings, *entry.facts)
        found += [(entry.id, item.name) for item in entries if item.from_memory]
    return found


def _may_be(product_id: str, who: Recognised | None) -> bool:
    """Whether a product may be the one that was recognised."""
    if who is None or not who.known:
        return True
    return product_id == who.product_id or product_id in who.candidates


def _value(setting: Setting) -> str:
    """The default in the unit of the inference, short enough for the middle of a sentence."""
    unit = " s" if setting.knob in (Knob.IDLE_TIMEOUT, Knob.MAX_LIFETIME) else ""
    return f"{setting.default_value:g}{unit}" if setting.default_value is not None else setting.default


def _first_settings(knob: Knob, role: str, protocol: str) -> Iterator[tuple[Product, Setting]]:
    for entry in _naming(knob.value, role):
        if not entry.speaks(protocol):
            continue
        settings = [setting for setting in entry.settings_for(knob) if setting.role == role]
        if settings:
            yield entry, settings[0]


def _filled(
    entry: Product,
    setting: Setting,
    inferred: str | None,
    recommended: str | None,
    values: Mapping[str, str],
    cause: Cause | None,
    version: str = "",
) -> SettingAdvice:
    change = change_for(setting, version)
    given = dict(values)
    if inferred is not None:
        given.setdefault("inferred", inferred)
    if recommended is not None:
        given.setdefault("recommended", recommended)
    text = setting.advice
    if cause is not None:
        text = setting.advice_for.get(cause.value, text)
    facts = with_derived(given)
    # What a cause calls for in general ("a few tries with pauses") is no position of a switch: that is its own.
    recommend = setting.advice.recommend if setting.unit == "switch" else text.recommend
    sentences = [filled for sentence in text.sentences if (filled := fill(sentence, facts)) is not None]
    if setting.sample:
        given.setdefault("value", setting.sample)
    snippet = fill(setting.snippet, with_derived(given))
    return SettingAdvice(
        name=setting.name,
        product=entry.name,
        knob=setting.knob,
        default=setting.default if change is None else change.value,
        inferred=inferred,
        recommended=recommended if recommended is not None else fill(recommend, facts) or "",
        why=" ".join(sentences),
        snippet=snippet if snippet is not None else "",
        language=setting.language,
        reference=setting.source,
    )
