"""The browser that tests of pages share; two of playwright's loops do not run in one process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.integration.look import BROWSERS


@pytest.fixture(scope="session", name="browser")
def open_browser() -> Iterator[Browser]:
    """The Chromium of the machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed; one of {', '.join(BROWSERS)} is needed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
