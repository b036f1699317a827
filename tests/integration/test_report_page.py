"""The page of a run, in a real browser: what it shows, in which colour, and that it fits."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.auditor.frame_swaps import CELL_PX
from components.radiograph_example_gen import styles
from components.radiograph_example_gen.styles import TYPICAL
from tests.support import LocalRun

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESKTOP_PX, NARROW_PX = 1280, 500  # a headless Chromium has no narrower window
GREEN, RED = "rgb(27, 110, 60)", "rgb(176, 0, 32)"

# Runs in the page, and leaves what it found where `--dump-dom` prints it.
LOOK = """
<script>
addEventListener("load", () => {
  const shown = selector => [...document.querySelectorAll(selector)].map(
    element => [element.innerText, getComputedStyle(element).color]);
  const look = {
    width: innerWidth,
    needed: document.documentElement.scrollWidth,
    loaded: [  // the browser keeps no account of what comes from files
      ...performance.getEntriesByType("resource").map(one => one.name),
      ...[...document.querySelectorAll("[src], link")].map(one => one.src || one.href)
    ].filter(address => !address.startsWith("data:")),
    pictures: [...document.querySelectorAll("img")].map(one => one.naturalWidth),
    headings: shown("h2"),
    rows: [...document.querySelectorAll("tr")].map(
      row => [...row.cells].map(cell => cell.firstChild ? cell.firstChild.nodeValue : "")),
    passed: shown("li.passed"),
    failed: shown("li.failed"),
  };
  const found = document.createElement("pre");
  found.id = "look";
  found.innerText = JSON.stringify(look);
  document.body.replaceChildren(found);
});
</script>
"""


@pytest.fixture(scope="session", name="browser")
def find_browser() -> str:
    """A Chromium of the machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed; one of {', '.join(BROWSERS)} is needed")
    return found


def look_at(browser: str, run: LocalRun, folder: Path, width_px: int = DESKTOP_PX) -> Any:
    """What a browser makes of the report of a run."""
    page = folder / "page.html"
    report = (run.folder / "report" / "index.html").read_text(encoding="utf-8")
    page.write_text(report.replace("</html>", f"{LOOK}</html>"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]
    profile = f"--user-data-dir={folder / 'profile'}"
    window = f"--window-size={width_px},900"
    printed = subprocess.run(
        [browser, *flags, profile, window, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    found = re.search(r'<pre id="look">(.*?)</pre>', printed, re.DOTALL)
    assert found, printed
    return json.loads(html.unescape(found[1]))


def test_the_page_shows_what_the_summary_says(
    browser: str, pushed: LocalRun, tmp_path: Path
) -> None:
    look = look_at(browser, pushed, tmp_path)
    rows = {row[0]: row for row in look["rows"]}
    overall = pushed.summary["metrics"]["overall"]
    titles = rows["slice"]
    assert float(rows["overall"][titles.index("AUC")]) == pytest.approx(overall["auc"], abs=5e-4)
    assert float(rows["overall"][titles.index("recall")]) == pytest.approx(
        overall["recall"], abs=5e-4
    )
    assert set(pushed.summary["metrics"]["slices"]) <= set(rows)
    for one in (*pushed.summary["audit"]["shifts"], *pushed.summary["audit"]["controls"]):
        assert one["name"] in rows
    assert int(rows["train"][1]) == pushed.summary["data"]["images"]["train"]


def test_a_gate_that_failed_stands_out(
    browser: str, pushed: LocalRun, refused: LocalRun, tmp_path: Path
) -> None:
    assert {colour for _, colour in look_at(browser, pushed, tmp_path)["passed"]} == {GREEN}
    look = look_at(browser, refused, tmp_path)
    assert [colour for _, colour in look["failed"]] == [RED]
    assert "0.999" in look["failed"][0][0]


@pytest.mark.parametrize("width_px", [DESKTOP_PX, NARROW_PX])
def test_the_page_fits_its_window_and_loads_nothing(
    browser: str, pushed: LocalRun, tmp_path: Path, width_px: int
) -> None:
    look = look_at(browser, pushed, tmp_path, width_px)
    assert look["width"] == pytest.approx(width_px, abs=30)  # a scroll bar
    assert look["needed"] <= look["width"]
    assert look["loaded"] == []
    # Typical films of each style, and the swapped frames in five kinds.
    assert look["pictures"] == [TYPICAL * styles.CELL_PX, 5 * CELL_PX]
    assert "Slices" in [text for text, _ in look["headings"]]
