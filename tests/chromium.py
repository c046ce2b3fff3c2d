"""A real headless Chromium for tests of the HTML report, and what happened in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BINARIES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def binary() -> str | None:
    return next((found for name in BINARIES if (found := shutil.which(name))), None)


@dataclass
class Opened:
    """A page, and what it said and asked for while it was open."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def settled(self) -> None:
        self.page.wait_for_selector("body[data-ready]", state="attached", timeout=20_000)


@contextmanager
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    path = binary()
    if path is None:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@contextmanager
def opened(chromium: Any, path: Path, **context: Any) -> Iterator[Opened]:
    """The file in a fresh context, loaded; ``context``: as playwright's ``new_context`` takes it."""
    options = {"viewport": {"width": 1280, "height": 800}} | context
    held = chromium.new_context(**options)
    page = held.new_page()
    seen = Opened(page)
    page.on("console", lambda message: seen.console.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.console.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.console.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    held.on("request", lambda request: seen.requests.append(request.url))
    page.goto(path.as_uri())
    yield seen
    held.close()
