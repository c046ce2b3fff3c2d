"""``pcapdiag explain``: a rule's own text."""

from __future__ import annotations

import click


@click.command(short_help="What a rule looks at, claims and never claims.")
@click.argument("rule", metavar="CODE|NAME")
def explain(rule: str) -> None:
    """Say what a rule looks at, what it claims and never claims, and what to change.

    \b
    Examples:
      pcapdiag explain PD201
      pcapdiag explain idle-pool-too-small
    """
    from pcapdiag.cli import running
    from pcapdiag.cli.rule_names import rule_named

    found = rule_named(rule)
    header = f"{found.code} {found.name} (severity {found.severity})"
    page = wrapped(found.text, running.columns(None))
    running.write([f"{header}\n{'=' * len(header)}\n\n{page}\n"], None)


def wrapped(text: str, width: int) -> str:
    """A docstring's paragraphs filled to a width; a line that is indented otherwise begins another paragraph."""
    import textwrap

    lines: list[str] = []
    paragraph: list[str] = []
    indent = ""

    def end() -> None:
        if paragraph:
            lines.extend(textwrap.wrap(" ".join(paragraph), width, initial_indent=indent, subsequent_indent=indent))
            paragraph.clear()

    for line in text.strip().splitlines():
        own = line[: len(line) - len(line.lstrip())]
        if not line.strip():
            end()
            lines.append("")
            continue
        if own != indent:
            end()
            indent = own
        paragraph.append(line.strip())
    end()
    return "\n".join(lines)
