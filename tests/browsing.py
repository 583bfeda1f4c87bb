"""The HTML report in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
RAN = "window.pwned = () => console.log('a text was run')"


class Watched:
    """A tab that remembers what a page must not do: say something, ask for anything, open a dialogue."""

    def __init__(self, tab: Page) -> None:
        self.tab = tab
        self.said: list[str] = []
        self.asked: list[str] = []
        tab.add_init_script(RAN)
        tab.on("console", lambda message: self.said.append(message.text))
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("dialog", self._dismiss)
        tab.on("request", lambda request: self.asked.append(request.url))

    def _dismiss(self, dialog: Dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path: Path, place: str = "") -> Page:
        """Open a page from its file and wait until its samples can be used."""
        self.tab.goto(path.as_uri() + place)
        self.tab.wait_for_selector("html[data-ready]", state="attached")
        return self.tab


@pytest.fixture(scope="module")
def browser() -> Iterator[Watched]:
    """A real browser; of a module, because its event loop is in the way of tests that start their own."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    # Chromium's sandbox does not work for root, which CI containers run as.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=arguments)
        yield Watched(running.new_page(reduced_motion="reduce"))
        running.close()


@pytest.fixture
def watched(browser: Watched) -> Iterator[Watched]:
    """The tab as it is at first; the test fails when its page says or asks for anything."""
    browser.tab.set_viewport_size({"width": 1280, "height": 900})
    browser.tab.emulate_media(media="screen", color_scheme="light")
    browser.said.clear()
    browser.asked.clear()
    yield browser
    assert not browser.said
    assert all(url.startswith("file://") and ".html" in url for url in browser.asked), browser.asked
