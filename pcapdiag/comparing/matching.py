"""Which service of one capture is which of the other, after a redeploy too."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from pcapdiag.errors import UsageError
from pcapdiag.model.comparison import Unmatched
from pcapdiag.model.report import Endpoint, PoolRow

SAME = "the same address and port"
ASKED = "--match"


@dataclass
class Group:
    """Services of both captures that are taken for one."""

    before: list[Endpoint] = field(default_factory=list)
    after: list[Endpoint] = field(default_factory=list)
    how: str = ""


@dataclass(frozen=True)
class Pair:
    """Pools that are compared: those of a service, or of one of its clients."""

    before: tuple[PoolRow, ...]
    after: tuple[PoolRow, ...]
    how: str
    user_agent: str | None = None


@dataclass(frozen=True)
class Matching:
    pairs: tuple[Pair, ...]
    only_before: tuple[Unmatched, ...]
    only_after: tuple[Unmatched, ...]


Services = dict[Endpoint, list[PoolRow]]


def match(before: Sequence[PoolRow], after: Sequence[PoolRow], asked: Sequence[tuple[str, str]] = ()) -> Matching:
    """Match services by what the user said, by address, by host name, by port; then their clients.

    Args:
        asked: pairs of ``ip:port``, of BEFORE and of AFTER.  One may be named several times: a service that has got
            instances, or lost some.

    Raises:
        UsageError: a capture has no such service.
    """
    old, new = services(before), services(after)
    groups = by_request(old, new, asked)
    taken_old = {one for group in groups for one in group.before}
    taken_new = {one for group in groups for one in group.after}
    for one in old:
        if one in new and one not in taken_old and one not in taken_new:
            groups.append(Group([one], [one], SAME))
            taken_old.add(one)
            taken_new.add(one)
    left_old = [one for one in old if one not in taken_old]
    left_new = [one for one in new if one not in taken_new]
    by_name(old, new, left_old, left_new, groups)
    by_port(old, new, left_old, left_new, groups)
    by_exclusion(old, new, left_old, left_new, groups)
    pairs = [pair for group in groups for pair in by_client(group, old, new)]
    pairs.sort(key=lambda pair: -sum(pool.connections + pool.requests for pool in pair.before + pair.after))
    return Matching(
        tuple(pairs),
        tuple(unmatched(one, old[one]) for one in left_old),
        tuple(unmatched(one, new[one]) for one in left_new),
    )


def services(pools: Sequence[PoolRow]) -> Services:
    found: Services = {}
    for pool in pools:
        found.setdefault(pool.server, []).append(pool)
    return found


def by_request(old: Services, new: Services, asked: Sequence[tuple[str, str]]) -> list[Group]:
    """What the user says belongs together; a service named twice joins the two."""
    groups: list[Group] = []
    for left, right in asked:
        one, other = named(old, left, "BEFORE"), named(new, right, "AFTER")
        joined = [group for group in groups if one in group.before or other in group.after]
        whole = Group(how=ASKED)
        for group in joined:
            groups.remove(group)
            whole.before += group.before
            whole.after += group.after
        if one not in whole.before:
            whole.before.append(one)
        if other not in whole.after:
            whole.after.append(other)
        groups.append(whole)
    return groups


def named(known: Services, text: str, which: str) -> Endpoint:
    for one in known:
        if str(one) == text:
            return one
    there = ", ".join(str(one) for one in list(known)[:5]) + (" and more" if len(known) > 5 else "")
    raise UsageError(f"--match {text}: {which} has no such service; it has {there or 'none'}")


def by_name(
    old: Services, new: Services, left_old: list[Endpoint], left_new: list[Endpoint], groups: list[Group]
) -> None:
    """Services with one Host, or server name of TLS, behind other addresses; a further instance joins the first."""
    mine_named, theirs_named = named_so(old, left_old), named_so(new, left_new)
    at_home: dict[str, list[Group]] = {}  # groups of which both captures use the name
    for group in groups:
        mine = {name for one in group.before for name in hosts(old[one])}
        theirs = {name for one in group.after for name in hosts(new[one])}
        for name in mine & theirs:
            at_home.setdefault(name, []).append(group)
    taken: set[tuple[bool, Endpoint]] = set()  # and whether it is BEFORE's
    for name in dict.fromkeys([*mine_named, *theirs_named]):
        before = [one for one in mine_named.get(name, ()) if (True, one) not in taken]
        after = [one for one in theirs_named.get(name, ()) if (False, one) not in taken]
        if before and after:
            groups.append(Group(before, after, f"the host {name}"))
        elif (before or after) and len(at_home.get(name, ())) == 1:
            (group,) = at_home[name]
            group.before += before
            group.after += after
            group.how += f", and the host {name}"
        else:
            continue
        taken.update((True, one) for one in before)
        taken.update((False, one) for one in after)
    left_old[:] = [one for one in left_old if (True, one) not in taken]
    left_new[:] = [one for one in left_new if (False, one) not in taken]


def named_so(known: Services, left: Sequence[Endpoint]) -> dict[str, list[Endpoint]]:
    """Name to the services that go by it."""
    found: dict[str, list[Endpoint]] = {}
    for one in left:
        for name in hosts(known[one]):
            found.setdefault(name, []).append(one)
    return found


def by_port(
    old: Services, new: Services, left_old: list[Endpoint], left_new: list[Endpoint], groups: list[Group]
) -> None:
    """Services on one port whose names do not contradict each other."""
    ports: dict[int | None, tuple[list[Endpoint], list[Endpoint]]] = {}
    for place, left in enumerate((left_old, left_new)):
        for one in left:
            ports.setdefault(one.port, ([], []))[place].append(one)
    taken: set[Endpoint] = set()
    for port, (mine, theirs) in ports.items():
        if not mine or not theirs:
            continue
        if not alike([pool for one in mine for pool in old[one]], [pool for one in theirs for pool in new[one]]):
            continue
        groups.append(Group(mine, theirs, f"port {port}"))
        taken.update(mine, theirs)
    left_old[:] = [one for one in left_old if one not in taken]
    left_new[:] = [one for one in left_new if one not in taken]


def by_exclusion(
    old: Services, new: Services, left_old: list[Endpoint], left_new: list[Endpoint], groups: list[Group]
) -> None:
    """The only service of each capture, on whatever port."""
    if len(old) == len(new) == len(left_old) == len(left_new) == 1 and alike(old[left_old[0]], new[left_new[0]]):
        groups.append(Group(left_old[:], left_new[:], "being the only service of each capture"))
        left_old.clear()
        left_new.clear()


def alike(mine: Sequence[PoolRow], theirs: Sequence[PoolRow]) -> bool:
    """One protocol, one client library and no two host names, as far as they are known."""
    both = [*mine, *theirs]
    for attribute in ("protocol", "client_library"):
        sets = [{getattr(pool, attribute) for pool in pools} - {None, "unknown"} for pools in (mine, theirs)]
        if all(sets) and not sets[0] & sets[1]:
            return False
    return len(set(hosts(both))) <= 1


def hosts(pools: Sequence[PoolRow]) -> list[str]:
    """Names that requests or TLS hellos give the service, without ports; an address is no name."""
    return list(
        dict.fromkeys(name for pool in pools if pool.host is not None for name in [host_name(pool.host)] if name)
    )


def host_name(host: str) -> str:
    """A Host header's name in lower case, without its port; empty for an address."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or not port.isdecimal() or (":" in name and not name.startswith("[")):
        name = host.lower()
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name
    return ""


def by_client(group: Group, old: Services, new: Services) -> list[Pair]:
    """A service's pools, client by client where both captures have the same clients; else all together.

    After a rollout every client may have another address: then the service as a whole is what can be compared.
    """
    before = tuple(pool for one in group.before for pool in old[one])
    after = tuple(pool for one in group.after for pool in new[one])
    programs = split(before, after, lambda pool: (pool.client_ip, pool.user_agent))
    if programs is not None:
        several = len({pool.client_ip for pool in before}) < len(programs)
        return [Pair(*both, group.how, both[0][0].user_agent if several else None) for both in programs]
    clients = split(before, after, lambda pool: pool.client_ip)
    if clients is not None:
        return [Pair(*both, group.how) for both in clients]
    return [Pair(before, after, group.how)]


def split(
    before: tuple[PoolRow, ...], after: tuple[PoolRow, ...], key: Callable[[PoolRow], Hashable]
) -> list[tuple[tuple[PoolRow, ...], tuple[PoolRow, ...]]] | None:
    """The pools of each key of its own, where both captures have the same keys."""
    keys = dict.fromkeys(key(pool) for pool in before)
    if keys.keys() != {key(pool) for pool in after}:
        return None
    return [
        (tuple(pool for pool in before if key(pool) == one), tuple(pool for pool in after if key(pool) == one))
        for one in keys
    ]


def unmatched(server: Endpoint, pools: Sequence[PoolRow]) -> Unmatched:
    return Unmatched(
        server,
        next(iter(hosts(pools)), None),
        tuple(dict.fromkeys(pool.client_ip for pool in pools)),
        sum(pool.connections for pool in pools),
        sum(pool.requests for pool in pools),
    )
