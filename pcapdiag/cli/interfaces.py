"""``pcapdiag interfaces``: what can be captured."""

from __future__ import annotations

import click


@click.command(short_help="What pcapdiag live can capture.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def interfaces(form: str) -> None:
    """List the network interfaces: what each is, whether it can be captured, and if not, why and what to do.

    \b
    Example:
      pcapdiag interfaces
    """
    from pcapdiag.cli import running
    from pcapdiag.live.interfaces import interfaces as found

    listed = found()
    if form == "json":
        import dataclasses
        import json

        document = {
            "schema": "pcapdiag-interfaces/1",
            "interfaces": [{**dataclasses.asdict(one), "can_capture": not one.problem} for one in listed],
        }
        running.write([json.dumps(document, indent=2) + "\n"], None)
        return
    from pcapdiag.reports.layout import Page

    page = Page(running.columns(None))
    page.table(
        ["interface", "kind", "is", "addresses", "captured by"],
        [
            [
                one.name,
                one.kind,
                {True: "up", False: "down", None: ""}[one.up],
                ", ".join(one.addresses),
                "no" if one.problem else str(one.program),
            ]
            for one in listed
        ],
        indent=0,
        wrap=True,
    )
    page.blank()
    for problem in dict.fromkeys(one.problem for one in listed if one.problem):
        names = [one.name for one in listed if one.problem == problem]
        who = "None of them" if len(names) == len(listed) else ", ".join(names)
        page.para(f"{who} can{'' if len(names) == len(listed) else 'not'} be captured: {problem}.")
    for one in listed:
        if one.note:
            page.para(f"{one.name}: {one.note}.")
    running.write([page.text()], None)
