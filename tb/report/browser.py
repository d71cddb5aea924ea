# SPDX-License-Identifier: Apache-2.0
"""Opens pages in headless Chromium as a laptop and as a phone, and says what is wrong with them.

Playwright drives the Chromium of the system; it downloads nothing, and the pages may not either.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Error, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # root, as in containers, cannot use it; only our own page is opened
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LIMIT_MS = 30_000


class BrowserError(RuntimeError):
    """There is no Chromium, or it does not start."""


@dataclass(frozen=True)
class View:
    """A screen: size in CSS pixels, colours, and whether it is touched."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]
    touch: bool = False


VIEWS = (
    View("laptop", 1280, 800, "light"),
    View("laptop-dark", 1280, 800, "dark"),
    View("phone", 390, 844, "light", touch=True),
    View("phone-dark", 390, 844, "dark", touch=True),
    View("small-phone", 360, 640, "light", touch=True),
)

OVERFLOW = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (e.getBoundingClientRect().right <= width + 1) continue;
    if (e.closest(".scroll, pre, nav > div, .rerun code")) continue;
    found.push(e.tagName.toLowerCase() + (e.className ? "." + e.className : ""));
  }
  return [`${document.documentElement.scrollWidth} px`, ...found.slice(0, 5)];
}"""
"""What makes the page scroll sideways: its width, then elements that reach beyond the screen."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium. Raises BrowserError if there is none or it does not start."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise BrowserError("found no chromium, expected one on PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        except Error as error:
            raise BrowserError(f"{path} does not start: {error.message.splitlines()[0]}") from None
        try:
            yield browser
        finally:
            browser.close()


def complaints(browser: Browser, page: Path, view: View, picture: Path | None = None) -> list[str]:
    """What is wrong with a page on a screen, one line each; its picture is left in a PNG file.

    Wrong are messages of the console, requests other than for the page itself, a page wider than
    the screen, a missing verdict, and controls that do nothing.
    """
    context = browser.new_context(
        viewport={"width": view.width, "height": view.height},
        color_scheme=view.scheme,
        has_touch=view.touch,
        is_mobile=view.touch,
    )
    context.set_default_timeout(LIMIT_MS)
    said: list[str] = []
    try:
        tab = context.new_page()
        url = page.resolve().as_uri()
        tab.on("console", lambda message: said.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: said.append(f"script: {error}"))
        tab.on("request", lambda request: said.extend(_foreign(request.url, url)))
        tab.goto(url)
        said += _overflow(tab, "as it opens")
        if picture is not None:
            tab.screenshot(path=picture, full_page=True)
        if not tab.locator("#verdict[data-state]").is_visible():
            said.append("found no verdict")
        said += _controls(tab)
        tab.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
        said += _overflow(tab, "unfolded")
    except Error as error:
        said.append(error.message.splitlines()[0])
    finally:
        context.close()
    return [f"{page.parent.name}, {view.name}: {text}" for text in said]


def _foreign(asked: str, own: str) -> list[str]:
    """A complaint about a request, unless it is for the page itself or needs no network."""
    same = asked.split("#")[0] == own or asked.startswith("data:")
    return [] if same else [f"asks for {asked}"]


def _overflow(tab: Page, when: str) -> list[str]:
    wide = tab.evaluate(OVERFLOW)
    return [f"{when} it scrolls sideways: {', '.join(wide)}"] if wide else []


def _controls(tab: Page) -> list[str]:
    """Use what the page offers: a bin says what it is, the plan is filtered and unfolded."""
    said = []
    cell = tab.locator("details[open] > .heat td, details[open] > .heat .strip li").first
    if cell.count():
        cell.click()
        line = tab.locator(".told").filter(has_text="×").first
        if not line.count():
            said.append("a bin that is clicked does not say what it is")
    only = tab.locator("[data-only]")
    if only.count():
        only.check()
        if tab.locator(".intent[data-status=holds]").filter(visible=True).count():
            said.append("the plan shows intents that hold although they are filtered out")
        only.uncheck()
        tab.locator("[data-unfold]").click()
        if tab.locator(".intent:not([open])").count():
            said.append("the plan does not unfold")
    return said
