"""The page of an inspection in a real browser: narrow and wide, light and dark, hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from radiographs.inspect import __main__ as command
from tests.unit.radiographs import test_inspect
from tests.unit.radiographs.test_inspect import HOSTILE

write_bad = test_inspect.write_bad  # the fixture


@pytest.fixture(name="page_file", scope="module")
def write_page(bad: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the folder in which much is wrong."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    assert command.main([str(bad), "--set", "data.split=given", "--html", str(file)]) == 3
    return file


@pytest.fixture(name="page", params=[(400, "light"), (400, "dark"), (1600, "light")])
def open_page(
    request: pytest.FixtureRequest, browser: Browser, page_file: Path
) -> Iterator[tuple[Page, list[str], list[str]]]:
    """The page, what its console says and what it loads."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    loaded: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: loaded.append(asked.url))
    page.goto(page_file.as_uri())
    yield page, said, loaded
    page.close()


def test_it_fits_says_nothing_and_loads_nothing(page: tuple[Page, list[str], list[str]]) -> None:
    opened, said, loaded = page
    assert said == []
    assert [url for url in loaded if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in loaded if url.startswith("file:")]) == 1
    width = opened.viewport_size["width"] if opened.viewport_size else 0
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_every_picture_is_drawn(page: tuple[Page, list[str], list[str]]) -> None:
    opened, _, _ = page
    opened.evaluate("document.querySelectorAll('img').forEach(one => { one.loading = 'eager' })")
    opened.wait_for_function("[...document.images].every(one => one.complete)")
    widths = opened.evaluate("[...document.images].map(one => one.naturalWidth)")
    assert len(widths) > 20
    assert min(widths) > 0


def test_names_are_text_and_nothing_else(page: tuple[Page, list[str], list[str]]) -> None:
    opened, _, _ = page
    assert "hacked" not in opened.title()
    assert opened.locator("svg, script").count() == 0
    sources = opened.evaluate("[...document.images].map(one => one.src)")
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    text = opened.evaluate("document.body.innerText")
    assert HOSTILE[1] in text
    assert f"train/NORMAL/cut{HOSTILE[0]}" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_what_is_wrong_stands_first(page: tuple[Page, list[str], list[str]]) -> None:
    opened, _, _ = page
    verdict = opened.locator(".verdict")
    assert "a run would stop, for 2 reasons" in verdict.inner_text()
    assert "stop" in str(verdict.get_attribute("class"))
    reasons = opened.locator("p.why").all_inner_texts()
    assert "files are unusable" in reasons[0] and "are in both splits" in reasons[1]
    assert "N pixels is too small for a film" in opened.locator("h3").all_inner_texts()


def test_nobody_is_shut_out(page: tuple[Page, list[str], list[str]]) -> None:
    opened, _, _ = page
    found: Any = Axe().run(opened).response
    serious = [one["id"] for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert serious == []
