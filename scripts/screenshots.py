"""Take the pictures of the HTML report that the pages show, from captures in captures/.

    pip install playwright pillow
    python scripts/screenshots.py

Needs a Chromium (Debian: apt-get install chromium).  Writes docs/images/report-*.png with few colors, since that is
what a page of text and charts has.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcapdiag.model.cover import Cover
from pcapdiag.pipeline import Options
from pcapdiag.proving import post_mortem
from pcapdiag.reports import html

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
COLORS = 192
LARGEST = 150_000  # bytes


@dataclass(frozen=True)
class Picture:
    name: str
    capture: str
    title: str
    at: str  # the element at the top of the picture; "" for the page's head
    height: int
    dark: bool = False
    unfold: str = ""  # the element to open
    lead: str = ""  # a button under a chart: the last of these shows its connections in the timeline


PICTURES = (
    Picture("report-answer", "go-ab-new-client", "Checkout is slow at noon", "", 800),
    Picture("report-timeline", "go-ab-new-client", "", "#chart-timeline", 660),
    Picture("report-chosen", "go-ab-new-client", "", "#chart-timeline", 350, lead="#chart-requests-p1 button.lead"),
    Picture("report-pool", "nginx-max-requests-6", "", "#by-pool", 880, dark=True),
    Picture("report-ladder", "go-keepalive-race-get", "", "#ladder-1", 620, unfold="#ladder-1"),
)


def main() -> None:
    from playwright.sync_api import sync_playwright

    binary = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
    )
    if not binary:
        sys.exit("there is no Chromium here; Debian: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        for picture in PICTURES:
            path = Path(folder) / f"{picture.name}.html"
            report = post_mortem({str(ROOT / f"captures/{picture.capture}.pcap"): f"{picture.capture}.pcap"}, Options())
            path.write_text(html.diagnosis(report, Cover(title=picture.title)), encoding="utf-8")
            save(picture, shot(browser, path, picture))
        browser.close()


def shot(browser: Any, path: Path, picture: Picture) -> bytes:
    page = browser.new_page(
        viewport={"width": 1280, "height": picture.height}, color_scheme="dark" if picture.dark else "light"
    )
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]", state="attached")
    if picture.unfold:
        page.locator(picture.unfold).evaluate("element => { element.open = true }")
    if picture.lead:
        page.locator(picture.lead).last.evaluate("button => button.click()")
        page.wait_for_timeout(200)
    if picture.at:
        page.evaluate("document.querySelector('nav').style.position = 'static'")
        page.locator(picture.at).evaluate("element => scrollTo(0, element.getBoundingClientRect().top + scrollY - 8)")
    page.wait_for_timeout(200)
    taken: bytes = page.screenshot()
    page.close()
    return taken


def save(picture: Picture, png: bytes) -> None:
    from PIL import Image

    path = IMAGES / f"{picture.name}.png"
    shown = Image.open(io.BytesIO(png)).convert("RGB")
    # By coverage: the few dots of a color that means something count as much as the many of the ground.
    few = shown.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    size = path.stat().st_size
    if size > LARGEST:
        sys.exit(f"{path}: {size:,} bytes, more than {LARGEST:,}")
    print(f"{path.relative_to(ROOT)}: {size:,} bytes")


if __name__ == "__main__":
    main()
