"""Two runs side by side, and all runs, in a real browser."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from components.report_gen.all_runs import RunRow
from components.report_gen.collect import collect
from components.report_gen.performance import performance_of
from components.report_gen.render import all_runs_page, compare_page
from components.report_gen.report import RunFacts
from components.report_gen.two_runs import compare
from tests.integration.look import NARROW_PX, WIDE_PX, Look
from tests.unit.components.report_gen.small_run import (
    GATES,
    HOSTILE,
    draw_predictions,
    write_run,
)

AUCS = {"20260101": 0.91, "20260102": math.nan, "20260103": 0.952, "20260104": 0.88}


def two_runs(folder: Path) -> str:
    films = draw_predictions()
    films["predicted_label"] = films["probability"].map(
        lambda one: "PNEUMONIA" if one >= 0.7 else "NORMAL"
    )
    drawn = collect(write_run(folder / "run"), GATES, band_samples=10)
    before = replace(drawn, run=RunFacts("first", configuration={"a": "1"}))
    after = RunFacts("second", configuration={"a": HOSTILE})
    return compare_page(
        compare(before, replace(drawn, run=after, performance=performance_of(films, 10)), 50)
    )


def all_runs(_: Path) -> str:
    rows = [
        RunRow(
            run_id=name,
            status="failed" if math.isnan(auc) else "pushed",
            sentence=f"the data breaks its contract: {HOSTILE}" if math.isnan(auc) else "",
            blessed=auc > 0.9,
            pushed_version="1" if auc > 0.9 else "",
            films=100 if auc > 0.9 else 9,
            metrics={"auc": auc, "recall": 1 - auc},
            seconds=auc * 100,
            root=f"/films/{HOSTILE}",
            link=f"{name}/report/index.html",
        )
        for name, auc in AUCS.items()
    ]
    return all_runs_page(rows, f"/work/{HOSTILE}")


@pytest.fixture(scope="module", name="pages")
def write_pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both pages."""
    folder = tmp_path_factory.mktemp("pages")
    writers: dict[str, Callable[[Path], str]] = {"two_runs": two_runs, "all_runs": all_runs}
    for name, write in writers.items():
        (folder / f"{name}.html").write_text(write(folder), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in writers}


@pytest.mark.parametrize("name", ["two_runs", "all_runs"])
@pytest.mark.parametrize(("width_px", "scheme"), [(NARROW_PX, "dark"), (WIDE_PX, "light")])
def test_everybody_can_read_it(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, name: str, width_px: int, scheme: str
) -> None:
    look = Look(browser, pages[name], width_px, scheme)
    look.check_for_everybody(width_px, HOSTILE)
    broken = "() => [...document.images].filter(one => !one.naturalWidth).map(one => one.alt)"
    assert look.page.evaluate(broken) == []
    look.page.screenshot(path=tmp_path / f"{name}-{width_px}-{scheme}.png", full_page=True)
    look.page.close()
    assert look.complaints == []


def test_changed_films_are_side_by_side(browser: Browser, pages: dict[str, Path]) -> None:
    look = Look(browser, pages["two_runs"])
    films = draw_predictions()
    changed = films[films["probability"].between(0.45, 0.7, inclusive="left")]
    shown = look.page.locator("#changed > li")
    assert shown.count() == len(changed)
    right = (changed["label"] == "NORMAL").sum()
    assert look.page.locator("#changed .passed").count() == right
    first = shown.filter(has=look.page.locator("img")).first
    left_side, right_side = (one.bounding_box() for one in first.locator("figure").all())
    assert left_side is not None and right_side is not None
    assert left_side["y"] == right_side["y"] and left_side["x"] < right_side["x"]
    assert first.locator("img").count() == 2
    look.page.close()


def test_runs_are_sorted_by_any_column(browser: Browser, pages: dict[str, Path]) -> None:
    look = Look(browser, pages["all_runs"])

    def order() -> list[str]:
        return look.page.evaluate(
            "() => [...document.querySelectorAll('#runs tbody tr')].map(one => one.dataset.run)"
        )

    assert order() == sorted(AUCS, reverse=True)  # the newest first
    measured = sorted((auc, name) for name, auc in AUCS.items() if not math.isnan(auc))
    by_auc = [name for _, name in measured]
    (missing,) = AUCS.keys() - by_auc
    title = look.page.get_by_role("columnheader", name="AUC", exact=False).first
    title.locator("button").click()
    assert order() == [*by_auc, missing]
    assert title.get_attribute("aria-sort") == "ascending"
    title.locator("button").press("Enter")
    assert order() == [*by_auc[::-1], missing]
    assert title.get_attribute("aria-sort") == "descending"
    look.page.get_by_role("button", name="run", exact=True).click()
    assert order() == sorted(AUCS)
    assert title.get_attribute("aria-sort") == "none"
    look.page.get_by_role("button", name="test films").click()
    assert order()[-2:] == ["20260101", "20260103"]  # 100 is more than 9
    look.page.close()


def test_the_best_and_the_blessed_are_marked(browser: Browser, pages: dict[str, Path]) -> None:
    look = Look(browser, pages["all_runs"])
    assert look.page.locator("tr.best").get_attribute("data-run") == "20260103"
    assert look.page.get_by_text("blessed", exact=True).count() == 2
    failed = look.page.locator("tr[data-run='20260102']").inner_text()
    assert "failed" in failed and f"the data breaks its contract: {HOSTILE}" in failed
    assert look.page.locator("svg.figure").count() == 1
    link = look.page.locator("tr.best a").get_attribute("href")
    assert link == "20260103/report/index.html"
    look.page.close()
