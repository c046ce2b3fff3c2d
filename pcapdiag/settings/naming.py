"""Settings as a person types them: ``MaxIdleConnsPerHost=50``, ``keepalive_timeout=75s``, ``server.idle_timeout=2m``.

A name is the catalogue's in full, or the last word of it, in any case; or a knob's own word, with ``client.`` or
``server.`` ahead of it where both ends have that knob.  Values are in the unit that the product takes, unless they name
one.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pcapdiag.errors import UsageError
from pcapdiag.model.words import Knob
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Product, Setting

# What can be simulated: pools that are replayed have these.
SIMULATED = (
    (Knob.IDLE_POOL_LIMIT, "client"),
    (Knob.TOTAL_POOL_LIMIT, "client"),
    (Knob.IDLE_TIMEOUT, "client"),
    (Knob.MAX_LIFETIME, "client"),
    (Knob.MAX_REQUESTS, "client"),
    (Knob.KEEPALIVE_SWITCH, "client"),
    (Knob.INSTANCE_PER_REQUEST, "client"),
    (Knob.BODY_CONSUMPTION, "client"),
    (Knob.IDLE_TIMEOUT, "server"),
    (Knob.MAX_LIFETIME, "server"),
    (Knob.MAX_REQUESTS, "server"),
    (Knob.KEEPALIVE_SWITCH, "server"),
)
TIMES = frozenset({Knob.IDLE_TIMEOUT, Knob.MAX_LIFETIME})
SWITCHES = frozenset({Knob.KEEPALIVE_SWITCH, Knob.INSTANCE_PER_REQUEST, Knob.BODY_CONSUMPTION})

# Seconds in a unit; those of the catalogue's ``unit`` are in which a bare number is meant.
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
# Settings that only add to another one of the same knob: which is to be set instead.
ADDENDA = {"server.keepAliveTimeoutBuffer": "server.keepAliveTimeout"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|min|s|m|h|d)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
NONE = frozenset({"none", "unlimited", "never", "infinity", "inf", "null"})
ON = frozenset({"on", "yes", "true", "1", "shared"})
OFF = frozenset({"off", "no", "false", "0"})
# Switches that say what is not to be: DisableKeepAlives, force_close, CURLOPT_FORBID_REUSE.
_NEGATIVE = re.compile(r"disable|close|forbid", re.IGNORECASE)
# What zero means, where it means something else than "keep none" or "at once"; of the others it is not said.
ZERO: dict[str, float | None] = {
    "http.Transport.MaxIdleConnsPerHost": 2,
    "http.Transport.MaxIdleConns": None,
    "http.Transport.MaxConnsPerHost": None,
    "http.Transport.IdleConnTimeout": None,
    "jdk.httpclient.connectionPoolSize": None,
    "server.maxRequestsPerSocket": None,
    "http.Server.IdleTimeout": None,
    "TCPConnector(limit=)": None,
    "TCPConnector(limit_per_host=)": None,
    "MaxKeepAliveRequests": None,
    "timeout": None,
}


@dataclass(frozen=True)
class Named:
    """A knob, and whose: of one product's setting, or of any product where the knob's own word was given."""

    name: str
    knob: Knob
    role: str  # "client" or "server"
    product: Product | None = None
    setting: Setting | None = None

    @property
    def simulated(self) -> bool:
        return (self.knob, self.role) in SIMULATED


@dataclass(frozen=True)
class Assignment:
    """``NAME=VALUE``, read; ``meant`` are the settings that the name may mean, one or more."""

    text: str
    name: str
    value: str
    meant: tuple[Named, ...]


def assignment(text: str) -> Assignment:
    """Read one ``NAME=VALUE``.

    Raises:
        UsageError: no such setting (with close names), or one that cannot be simulated (with those that can).
    """
    name, equals, value = text.rpartition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name or not value:
        raise UsageError(f"--set {text!r} is no NAME=VALUE; as in --set MaxIdleConnsPerHost=50")
    found = meant_by(name)
    if not found:
        raise UsageError(f"--set: no setting {name!r}; {_hint(name)}")
    if found[0].name in ADDENDA and found[0].name.lower().endswith(name.lower()):
        raise UsageError(f"--set: {found[0].name} cannot be simulated by itself; set {ADDENDA[found[0].name]} instead")
    able = tuple(one for one in found if one.simulated)
    if not able:
        raise UsageError(
            f"--set: {found[0].name} ({found[0].knob}) cannot be simulated; what can: {', '.join(simulated_words())}, and "
            "the products' own names for these"
        )
    value_of(able[0], value)  # a value that makes no sense is an error now, not at the first pool that it fits
    return Assignment(text, name, value, able)


def simulated_words() -> list[str]:
    """The knobs' own words that ``--set`` takes."""
    both = {knob for knob, role in SIMULATED if (knob, "server" if role == "client" else "client") in SIMULATED}
    return [f"{role}.{knob}" if knob in both else str(knob) for knob, role in SIMULATED]


def meant_by(name: str) -> list[Named]:
    """What a name may mean: the knob of that word, else settings of that name, then those whose last word it is."""
    wanted = name.strip().lower()
    role, _, rest = wanted.partition(".")
    knobs = [(knob, side) for knob, side in SIMULATED if (rest == knob and role == side) or wanted == knob]
    if knobs:
        if len(knobs) > 1:
            raise UsageError(f"--set: {name} is known of both ends; say {' or '.join(f'{s}.{k}' for k, s in knobs)}")
        return [Named(wanted, knobs[0][0], knobs[0][1])]
    whole, part = [], []
    for product in catalog.load().products.values():
        for setting in product.settings:
            named = Named(setting.name, setting.knob, setting.role, product, setting)
            if setting.name.lower() == wanted:
                whole.append(named)
            elif wanted.lstrip("-") in _words(setting.name):
                part.append(named)
    return whole + part


def value_of(named: Named, text: str) -> float | bool | None:
    """The value as the replay takes it: seconds, a count, True for connections that are used again, None for no limit.

    Raises:
        UsageError: it is none for this setting.
    """
    word = text.strip().lower()
    unit = named.setting.unit if named.setting is not None else ""
    if named.knob in SWITCHES or unit == "switch":
        if word not in ON | OFF:
            raise UsageError(f"--set {named.name}={text}: expected on or off")
        return (word in ON) != (named.knob in SWITCHES and negative(named.name))
    if word in NONE or word == "off":
        return None
    value = _seconds(word, unit) if named.knob in TIMES else _count(word)
    if value is None:
        expected = "a time, as 75, 75s, 500ms, 2m" if named.knob in TIMES else "a whole number"
        raise UsageError(f"--set {named.name}={text}: expected {expected}, or none for no limit")
    if value == 0:
        if named.name not in ZERO:
            raise UsageError(
                f"--set {named.name}={text}: 0 means different things to different products; say 1 or more, "
                "none for no limit, or keepalive_switch=off"
            )
        return ZERO[named.name]
    return value + extra(named.setting)


def first_of_knob(named: Named) -> Setting | None:
    """The product's setting that is to be changed first for this knob, where that is another one; else None."""
    if named.product is None:
        return None
    first = next((one for one in named.product.settings_for(named.knob) if one.role == named.role), None)
    return first if first is not None and first.name != named.name else None


def negative(name: str) -> bool:
    """Whether a switch of that name says what is not to be."""
    return _NEGATIVE.search(name) is not None


def extra(setting: Setting | None) -> float:
    """What the wire shows beyond the setting: Apache serves one request more, Node.js waits a second longer."""
    if setting is None or setting.wire is None or setting.default_value is None:
        return 0.0
    return max(0.0, setting.wire.low - setting.default_value)


def _seconds(word: str, unit: str) -> float | None:
    if _NUMBER.fullmatch(word):
        return float(word) * UNITS.get(unit, 1.0)
    parts = _DURATION.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        return None
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def _count(word: str) -> float | None:
    return float(int(word)) if re.fullmatch(r"\d{1,9}", word) else None


def _words(name: str) -> set[str]:
    """The identifiers in a setting's name, whole and by their last part: ``http.Transport.MaxIdleConns`` is both."""
    found = set()
    for word in _WORD.findall(name.lower()):
        word = word.strip(".-")
        found.add(word)
        found.add(word.rpartition(".")[2])
    return found


def _hint(name: str) -> str:
    known: dict[str, str] = {}
    for product in catalog.load().products.values():
        for setting in product.settings:
            if (setting.knob, setting.role) in SIMULATED:
                for word in _WORD.findall(setting.name):
                    known.setdefault(word.rpartition(".")[2].lower(), word.rpartition(".")[2])
    for word in simulated_words():
        known.setdefault(word, word)
    close = difflib.get_close_matches(name.lower().rpartition(".")[2], known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(known[word] for word in close)}"
    return "pcapdiag settings lists the products, pcapdiag settings PRODUCT their settings"
