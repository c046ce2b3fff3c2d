"""Judgement: one file per pattern, pool facts in, findings out.

A module of this package that holds a :class:`~pcapdiag.rules.rule.Rule` with a code is a rule; there is no other list.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence

from pcapdiag.rules.rule import Rule


def _found() -> Iterator[Rule]:
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        for member in vars(module).values():
            # An abstract class asks all that it knows of what is no subclass: the others are left out ahead of that.
            own = isinstance(member, type) and member.__module__ == module.__name__
            if own and issubclass(member, Rule) and hasattr(member, "code"):
                yield member()


RULES: tuple[Rule, ...] = tuple(sorted(_found(), key=lambda rule: rule.code))


def all_rules() -> Sequence[Rule]:
    """Every rule, in order of code."""
    return RULES
