"""Draw the pictures of the live screen in docs/images: ``python scripts/draw_live.py``.

The views are those that the tests have, of captures in this repository at a moment in their middle.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from live_views import view  # noqa: E402

from pcapdiag.reports.live_screen import Chosen, screen  # noqa: E402

PICTURES = (
    ("live-forming", "go-both-legs", 40, 100, 24, Chosen()),
    ("live-finding", "go-ab-shared-default", 100, 100, 30, Chosen("finding")),
)


def main() -> None:
    for name, capture, percent, width, height, look in PICTURES:
        console = Console(
            file=io.StringIO(), record=True, width=width, height=height, force_terminal=True, color_system="standard"
        )
        console.print(screen(view(capture, percent), width, height, chosen=look))
        path = ROOT / "docs" / "images" / f"{name}.svg"
        # The font is the reader's own: nothing is fetched when the picture is opened.
        svg = console.export_svg(title="pcapdiag live -i lo -f 'tcp port 8081'", theme=DIMMED_MONOKAI, unique_id=name)
        svg = re.sub(r",\s+url\(.*?\) format\(.*?\)", "", svg)
        lines = [line.rstrip() for line in svg.splitlines()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
