"""The page put together: templates, style and scripts in one file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from pcapdiag.reports.escape import code, visible
from pcapdiag.reports.units import number

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

CHARTS = "echarts.min.js"
# Parts of one script, in this order; each uses what those ahead of it define.
DRAWINGS = ("drawing.js", "leading.js", "bands.js", "timeline.js", "levels.js", "distributions.js")
SCRIPT = ("page.js", "data.js", *DRAWINGS, "report.js")


def rendered(template: str, **context: object) -> str:
    """A whole page from a template; all text in it is escaped, for HTML and for what acts by itself in a line."""
    return _environment().get_template(template).render(**context)


@cache
def asset(name: str) -> str:
    return (resources.files("pcapdiag.reports.html") / "assets" / name).read_text(encoding="utf-8")


@cache
def script() -> str:
    """Our own script, whole."""
    return "'use strict';\n(() => {\n" + "\n".join(map(asset, SCRIPT)) + "})();\n"


def policy(scripts: tuple[str, ...]) -> str:
    """A content security policy under which these scripts run, nothing else does, and nothing is fetched."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def shown(value: object) -> object:
        """Text in which no character acts; what is markup already is ours."""
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    def snippet(value: str) -> Markup:
        return escape(code(value))

    def cell(value: str | int | float | None) -> str:
        if value is None:
            return "-"
        return value if isinstance(value, str) else number(value)

    environment = Environment(
        loader=PackageLoader("pcapdiag.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"snippet": snippet, "cell": cell}
    # Our own files, word for word: their hashes are in the policy.
    environment.globals |= {
        "asset": lambda name: Markup(asset(name)),
        "script": lambda: Markup(script()),
        "trusted": Markup,
    }
    return environment
