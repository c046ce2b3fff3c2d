"""Judgement: one file per pattern, pool facts in, findings out.

A module of this package that holds a :class:`~pcapdiag.rules.rule.Rule` with a code is a rule; there is no other list.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence

from pcapdiag.rules.rule import Rule


def _found() -> Iterator[Rule]:
    for module in pkgutil.iter_modules(__path__):
        for member in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if (
                isinstance(member, type)
                and issubclass(member, Rule)
                and member.__module__.endswith(f".{module.name}")
                and hasattr(member, "code")
            ):
                yield member()


RULES: tuple[Rule, ...] = tuple(sorted(_found(), key=lambda rule: rule.code))


def all_rules() -> Sequence[Rule]:
    """Every rule, in order of code."""
    return RULES
