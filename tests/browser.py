"""The system's Chromium for tests, and what every page must keep to in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

PROGRAMS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
)  # fmt: skip
ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]  # its sandbox does not start for root, as in a container
NAMED = {
    "button", "checkbox", "combobox", "DisclosureTriangle", "image", "link", "listbox", "navigation", "progressbar",
    "radio", "region", "searchbox", "slider", "spinbutton", "SvgRoot", "switch", "tab", "textbox",
}  # fmt: skip
"""Roles of Chromium's accessibility tree that say nothing to anybody without a name."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Without one, a test is skipped on a laptop and fails in CI."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        message = f"no browser: put one of {', '.join(PROGRAMS[:3])} on PATH"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Witness:
    """Everything that a browser complains of while pages are visited: errors, violations of the policy, requests elsewhere."""

    address: str
    complaints: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._notice)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def _notice(self, request: Request) -> None:
        if not request.url.startswith((f"{self.address}/", "data:", "blob:")):
            self.complaints.append(f"asked elsewhere: {request.url}")


def audit(page: Page) -> list[str]:
    """What a screen reader would stumble over, by the browser's own accessibility tree."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    heard = [node for node in nodes if not node["ignored"]]
    faults = [
        f"{node['role']['value']} without a name (node {node.get('backendDOMNodeId')})"
        for node in heard
        if node["role"]["value"] in NAMED and not node.get("name", {}).get("value", "").strip()
    ]
    levels = [
        next(about["value"]["value"] for about in node["properties"] if about["name"] == "level")
        for node in heard
        if node["role"]["value"] == "heading"
    ]
    if levels.count(1) != 1 or levels[0] != 1:
        faults.append(f"headings {levels}: a page begins with its one h1")
    faults += [f"h{after} follows h{before}" for before, after in pairwise(levels) if after > before + 1]
    if page.locator("html").get_attribute("lang") not in ("en", "pt"):
        faults.append("the page does not say its language")
    if not page.title().strip():
        faults.append("the page has no title")
    return faults
