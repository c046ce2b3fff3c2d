"""Judgement: one file per pattern, pool facts in, findings out.

A module of this package that holds a :class:`~pcapdiag.rules.rule.Rule` with a code is a rule; there is no other list.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence

from pcapdiag.errors import UsageError
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


def rule_named(text: str) -> Rule:
    """The rule of a code or a name, however it is spelled.

    Raises:
        UsageError: there is none; the message names those that are near.
    """
    wanted = text.strip().lower().replace("_", "-")
    for rule in RULES:
        if wanted in (rule.code.lower(), rule.name):
            return rule

    import difflib

    names = [name for rule in RULES for name in (rule.code.lower(), rule.name)]
    close = difflib.get_close_matches(wanted, names, n=3)
    near = [name.upper() if name.startswith("pd") and name[2:].isdigit() else name for name in close]
    hint = f"did you mean {' or '.join(near)}" if near else "pcapdiag rules lists them"
    raise UsageError(f"no rule {text!r}; {hint}")
