"""A rule as a user names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pcapdiag.rules.rule import Rule


def rule_named(text: str) -> Rule:
    """The rule of a code or a name, however it is spelled.

    Raises:
        UsageError: there is none; the message names those that are near.
    """
    from pcapdiag.rules import all_rules

    wanted = text.strip().lower().replace("_", "-")
    for rule in all_rules():
        if wanted in (rule.code.lower(), rule.name):
            return rule

    import difflib

    names = [name for rule in all_rules() for name in (rule.code.lower(), rule.name)]
    close = difflib.get_close_matches(wanted, names, n=3)
    near = [name.upper() if name.startswith("pd") and name[2:].isdigit() else name for name in close]
    hint = f"did you mean {' or '.join(near)}" if near else "pcapdiag rules lists them"
    raise UsageError(f"no rule {text!r}; {hint}")
