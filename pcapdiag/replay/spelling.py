"""What a setting is called where its product is known, and what a value is in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pcapdiag.model.whatif import SettingValue
from pcapdiag.model.words import Knob, Side
from pcapdiag.pools.pool import Pool
from pcapdiag.replay.changing import BEHIND, value_in
from pcapdiag.replay.policy import Policy
from pcapdiag.replay.present import at_most
from pcapdiag.settings import catalog
from pcapdiag.settings.entries import Recognised, Setting
from pcapdiag.settings.naming import TIMES, Named, negative

NEUTRAL = {
    (Knob.IDLE_POOL_LIMIT, "client"): "idle connections kept",
    (Knob.TOTAL_POOL_LIMIT, "client"): "connections at most",
    (Knob.IDLE_TIMEOUT, "client"): "client's idle timeout",
    (Knob.MAX_LIFETIME, "client"): "client's connection lifetime",
    (Knob.MAX_REQUESTS, "client"): "client's requests per connection",
    (Knob.KEEPALIVE_SWITCH, "client"): "client's keep-alive",
    (Knob.INSTANCE_PER_REQUEST, "client"): "one shared client",
    (Knob.BODY_CONSUMPTION, "client"): "bodies read and closed",
    (Knob.IDLE_TIMEOUT, "server"): "server's idle timeout",
    (Knob.MAX_LIFETIME, "server"): "server's connection lifetime",
    (Knob.MAX_REQUESTS, "server"): "server's requests per connection",
    (Knob.KEEPALIVE_SWITCH, "server"): "server's keep-alive",
}


@dataclass(frozen=True)
class Parties:
    """Which programs are at the ends of a pool."""

    client: Recognised
    server: Recognised

    def id_of(self, role: str) -> str | None:
        return self.client.product_id if role == "client" else self.server.product_id


def setting_of(knob: Knob, role: str, parties: Parties) -> Setting | None:
    """The setting of the pool's own program for a knob, the one to change first."""
    product = parties.id_of(role)
    if product is None:
        return None
    return next((one for one in catalog.settings_for(knob, product) if one.role == role), None)


def setting_value(
    knob: Knob, role: str, value: float | bool | None, parties: Parties, named: Named | None = None
) -> SettingValue:
    setting = named.setting if named is not None else setting_of(knob, role, parties)
    product = None
    if named is not None and named.product is not None:
        product = named.product.name
    elif setting is not None:
        product = (parties.client if role == "client" else parties.server).name
    name = named.name if named is not None else setting.name if setting is not None else NEUTRAL[knob, role]
    return SettingValue(name, product, knob, role, value, in_words(knob, value, name))


def in_words(knob: Knob, value: float | bool | None, name: str = "") -> str:
    """The value as the setting of that name is written; ``DisableKeepAlives`` is off where connections are used again."""
    if isinstance(value, bool):
        return "on" if value != negative(name) else "off"
    if value is None:
        return "no limit"
    if knob in TIMES:
        return f"{value:.3g} s" if value < 1_000 else f"{value:,.0f} s"
    return f"{value:,.0f}"


def as_read(pool: Pool, knob: Knob, role: str, value: float | None, none: str = "no limit") -> str:
    """A present value in words: "2", "75 s", "at most 6 s"."""
    if value is None:
        return none
    side = Side.CLIENT if role == "client" else Side.SERVER
    bounded = knob == Knob.IDLE_TIMEOUT and at_most(pool, side)
    return ("at most " if bounded else "") + in_words(knob, value)


def present_settings(pool: Pool, policy: Policy, parties: Parties) -> tuple[SettingValue, ...]:
    """The limits that the packets show, as their products call them."""
    found = []
    if not policy.reuse:
        found.append(SettingValue("reuse of connections", None, Knob.KEEPALIVE_SWITCH, "client", False, "none"))
    for knob, role in BEHIND.values():
        value = value_in(policy, knob, role)
        if value is not None:
            found.append(replace(setting_value(knob, role, value, parties), text=as_read(pool, knob, role, value)))
    return tuple(found)
