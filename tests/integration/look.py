"""A page in a real browser: what it shows, what it complains of, whether everybody can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NARROW_PX, WIDE_PX, HEIGHT_PX = 400, 1600, 900


class Look:
    """A page in a window, with all that the browser complained of."""

    def __init__(self, browser: Browser, file: Path, width_px: int = WIDE_PX, scheme: Any = None):
        viewport: Any = {"width": width_px, "height": HEIGHT_PX}
        self.page: Page = browser.new_page(viewport=viewport, color_scheme=scheme or "light")
        self.complaints: list[str] = []
        self.loaded: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.loaded.append(request.url))
        self.page.goto(file.as_uri())

    def check_for_everybody(self, width_px: int, hostile: str) -> None:
        """Asserts what holds of every page: readable, whole, nothing loaded, no name run as code.

        Args:
            width_px: Of the window.
            hostile: A name that the page shows and that would run as code, were it not escaped.
        """
        assert self.serious_faults() == []
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width_px
        assert self.page.locator("img[src='x']").count() == 0
        assert [url for url in self.loaded if not url.startswith(("file:", "data:"))] == []
        assert hostile in self.page.inner_text("body")

    def serious_faults(self) -> list[tuple[str, str, str]]:
        """Returns what axe finds: rule, element and what to do."""
        self.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        return [
            (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0].get("failureSummary", ""))
            for one in Axe().run(self.page).response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
