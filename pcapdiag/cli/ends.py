"""``--client`` and ``--server``: which connections, and which program is at their end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import click

from pcapdiag.errors import UsageError

# A value, or several: at most one address and one product.
Ends: TypeAlias = str | Sequence[str] | None

# What can only be meant for an address, be it a wrong one.
_ADDRESS = re.compile(r"[\[\d].*|[\da-fA-F]*:[\da-fA-F:.]*(/\d*)?")


def address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An IP, a network or an IP with a port; passed on as text once it is known to make sense."""
    import ipaddress

    if value is None:
        return None
    text = value.strip()
    host, port = text, None
    if match := re.fullmatch(r"\[(.+)\]:(\d+)|([^:]+):(\d+)", text):
        host, port = match[1] or match[3], int(match[2] or match[4])
    try:
        if port is None and "/" in host:
            ipaddress.ip_network(host, strict=False)
        else:
            ipaddress.ip_address(host)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no address; expected an IP (10.0.0.1), a network (10.0.0.0/8) "
            "or an IP with its port (10.0.0.1:8080, [fd00::1]:8080)",
            ctx,
            param,
        ) from None
    if port is not None and not 0 < port < 65536:
        raise click.BadParameter(f"{port} is no port; expected 1 to 65535", ctx, param)
    return text


def checked(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    """The values of one option, checked: each an address, or a product by its id; None for none."""
    role = param.name or "client"
    found: list[str] = []
    for value in values:
        text = value.strip()
        if _ADDRESS.fullmatch(text) or not text:
            found.append(address(ctx, param, text) or "")
            continue
        from pcapdiag.settings.finding import find

        try:
            found.append(find(text, role).id)
        except UsageError as error:
            raise click.BadParameter(str(error), ctx, param) from None
    for kind, count in (
        ("address", sum(map(is_address, found))),
        ("product", sum(not is_address(one) for one in found)),
    ):
        if count > 1:
            hint = "a network takes in several" if kind == "address" else "one program is at an end"
            raise click.BadParameter(f"given with more than one {kind}: {hint}", ctx, param)
    return tuple(found) or None


def is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None


def parted(values: Ends) -> tuple[str | None, str | None]:
    """The address to filter by and the program that is there, of values that were checked."""
    given = (values,) if isinstance(values, str) else tuple(values or ())
    where = next((text for text in given if is_address(text)), None)
    what = next((text for text in given if not is_address(text)), None)
    return where, what
