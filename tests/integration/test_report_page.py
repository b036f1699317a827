"""The page of a run in a real browser: what it shows, that it works, that everybody can read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from sklearn import metrics

from components.report_gen.collect import collect
from components.report_gen.render import render
from pipeline import report
from tests.integration.look import NARROW_PX, WIDE_PX, Look
from tests.support import LocalRun, digests
from tests.unit.components.report_gen.small_run import (
    EXPLAINED,
    FILMS,
    GATES,
    WRONG,
    draw_predictions,
    explained_rows,
    write_run,
)

MIDDLE_PX = 800
GREEN, RED = "rgb(27, 110, 60)", "rgb(176, 0, 32)"
THRESHOLDS = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)


@pytest.fixture(scope="module", name="drawn")
def write_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of which everything is known, with hostile names in it."""
    folder = tmp_path_factory.mktemp("drawn")
    file = folder / "index.html"
    file.write_text(render(collect(write_run(folder / "run"), GATES)), encoding="utf-8")
    return file


class ReportLook(Look):
    """The page of a run, with what its explorer and gallery say."""

    def number(self, name: str) -> float:
        """Returns what the explorer says."""
        return float(self.page.locator(f"#explored-{name}").get_attribute("data-value") or "nan")

    def slide(self, name: str, value: float) -> None:
        """Moves a slider."""
        self.page.locator(f"#{name}").evaluate(
            "(one, value) => { one.value = value; one.dispatchEvent(new Event('input')) }", value
        )

    def shown_films(self) -> list[dict[str, str]]:
        """Returns what is written on each film of the gallery that is shown."""
        return self.page.evaluate(
            "() => [...document.querySelectorAll('#films > li:not([hidden])')]"
            ".map(one => ({...one.dataset}))"
        )


@pytest.fixture(name="look")
def look_at_drawn(browser: Browser, drawn: Path) -> Iterator[ReportLook]:
    look = ReportLook(browser, drawn)
    yield look
    assert look.complaints == []
    look.page.close()


def test_nothing_is_loaded_and_no_name_runs_as_code(look: ReportLook) -> None:
    dialogs: list[str] = []
    look.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    look.page.wait_for_timeout(100)
    assert dialogs == []
    assert [url for url in look.loaded if not url.startswith(("file:", "data:"))] == []
    assert look.page.locator("img[src='x']").count() == 0


def test_every_figure_is_drawn(look: ReportLook) -> None:
    look.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    figures = look.page.locator("svg.figure")
    assert figures.count() >= 14
    for figure in figures.all():
        box = figure.bounding_box()
        assert box is not None and min(box["width"], box["height"]) > 80
        assert figure.locator("path").count() > 3
    broken = "() => [...document.images].filter(one => !one.naturalWidth).map(one => one.alt)"
    assert look.page.evaluate(broken) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [NARROW_PX, MIDDLE_PX, WIDE_PX])
def test_it_fits_its_window(
    browser: Browser, drawn: Path, tmp_path: Path, width_px: int, scheme: str
) -> None:
    look = Look(browser, drawn, width_px, scheme)
    needed = look.page.evaluate("document.documentElement.scrollWidth")
    picture = tmp_path / f"report-{width_px}-{scheme}.png"
    look.page.screenshot(path=picture, full_page=True)
    look.page.close()
    assert needed <= width_px
    assert picture.stat().st_size > 50_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser: Browser, drawn: Path, scheme: str) -> None:
    look = Look(browser, drawn, scheme=scheme)
    look.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    serious = look.serious_faults()
    look.page.locator("#films button").first.click()
    serious += look.serious_faults()
    look.page.close()
    assert serious == []


def test_the_explorer_says_what_scikit_learn_says(look: ReportLook) -> None:
    films = draw_predictions().dropna(subset="probability")
    label = (films["label"] == "PNEUMONIA").to_numpy(int)
    score = films["probability"].to_numpy()
    prevalence = 0.2
    look.slide("prevalence", prevalence)
    # Films that count so that pneumonia is as frequent as the slider says.
    weights = np.where(label == 1, prevalence / label.mean(), (1 - prevalence) / (1 - label.mean()))
    for threshold in THRESHOLDS:
        look.slide("threshold", threshold)
        called = (score >= threshold).astype(int)
        counts = [look.number(name) for name in ("tn", "fp", "fn", "tp")]
        assert counts == metrics.confusion_matrix(label, called).ravel().tolist()
        expected = {
            "sensitivity": metrics.recall_score(label, called),
            "specificity": metrics.recall_score(1 - label, 1 - called),
            "ppv": metrics.precision_score(label, called, sample_weight=weights),
            "npv": metrics.precision_score(
                1 - label, 1 - called, sample_weight=weights, zero_division=np.nan
            ),
        }
        assert {name: look.number(name) for name in expected} == pytest.approx(
            expected, abs=1e-9, nan_ok=True
        )


def test_the_explorer_begins_at_the_models_own_point_and_goes_back_to_it(look: ReportLook) -> None:
    films = draw_predictions().dropna(subset="probability")
    expected = metrics.confusion_matrix(
        films["label"] == "PNEUMONIA", films["predicted_label"] == "PNEUMONIA"
    ).ravel()
    for _ in range(2):
        assert [look.number(name) for name in ("tn", "fp", "fn", "tp")] == expected.tolist()
        assert "No film changes sides" in look.page.inner_text("#explored-changes")
        look.slide("threshold", 0.9)
        assert "films change sides" in look.page.inner_text("#explored-changes")
        look.page.click("#explorer-reset")


def test_films_that_change_sides_are_shown(look: ReportLook) -> None:
    look.slide("threshold", 0.9)
    films = explained_rows(draw_predictions()).head(EXPLAINED - 1)  # the last was not judged
    changed = int(films["probability"].between(0.45, 0.9, inclusive="left").sum())
    assert changed > 0
    assert look.page.locator("#changed-films > li").count() == changed
    assert look.page.locator("#films .changed").count() == changed


def test_filters_choose_and_order_films(look: ReportLook) -> None:
    assert len(look.shown_films()) == EXPLAINED
    look.page.check("#only-wrong")
    wrong = look.shown_films()
    assert len(wrong) == WRONG
    assert all(one["label"] != one["called"] for one in wrong)
    assert f"{len(wrong)} of {EXPLAINED} films" in look.page.inner_text("#gallery-count")
    look.page.uncheck("#only-wrong")
    look.page.select_option("#by-slice", "view=PA")
    assert {json.loads(one["slices"])[0] for one in look.shown_films()} == {"view=PA"}
    look.page.select_option("#by-slice", "")
    for order, sign in (("most", -1), ("least", 1)):
        look.page.select_option("#by-certainty", order)
        certainty = [sign * float(one["certainty"]) for one in look.shown_films()]
        assert certainty == sorted(certainty) and len(set(certainty)) > 5


@pytest.mark.parametrize("width_px", [NARROW_PX, WIDE_PX])
def test_no_word_of_the_checklist_breaks(browser: Browser, drawn: Path, width_px: int) -> None:
    look = ReportLook(browser, drawn, width_px)
    words = look.page.evaluate(
        """() => {
          const table = [...document.querySelectorAll("#card table")].at(-1), range = new Range();
          return [...table.querySelectorAll("th, td:nth-child(3)")].flatMap(cell => {
            const text = cell.firstChild;
            return [...text.data.matchAll(/[\\w+]+/g)].map(word => {
              range.setStart(text, word.index);
              range.setEnd(text, word.index + word[0].length);
              return [word[0], range.getClientRects().length];
            });
          });
        }"""
    )
    assert ["CLAIM", 1] in words
    assert [word for word, lines in words if lines > 1] == []
    assert look.page.evaluate("document.documentElement.scrollWidth") <= width_px
    look.page.close()


def test_cards_show_the_heat_on_demand(look: ReportLook) -> None:
    first = look.page.locator("#films .film-picture img").first
    film = first.get_attribute("src")
    look.page.select_option("#shown-side", "heat")
    assert first.get_attribute("src") != film
    look.page.select_option("#shown-side", "film")
    assert first.get_attribute("src") == film


def test_a_film_is_seen_by_keyboard(look: ReportLook) -> None:
    page = look.page
    page.locator("#films button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#film-dialog").is_visible()
    place = page.locator("#film-place")
    assert place.inner_text() == f"film 1 of {EXPLAINED}"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert place.inner_text() == f"film 2 of {EXPLAINED}"
    sides = page.locator("#film-shown .picture")
    assert sides.count() == 3
    film, box = sides.nth(2).bounding_box(), page.locator("#film-shown rect").bounding_box()
    assert film is not None and box is not None  # of a box on the right half, in the middle
    assert box["x"] - film["x"] == pytest.approx(film["width"] / 2, abs=3)
    assert box["height"] == pytest.approx(film["height"] / 2, abs=4)
    page.keyboard.press("Escape")
    assert not page.locator("#film-dialog").is_visible()
    assert page.evaluate("document.activeElement.closest('li').dataset.place") == "1"


def test_a_film_that_cannot_be_drawn_or_was_not_judged_says_so(look: ReportLook) -> None:
    cards = look.page.locator("#films > li")
    assert "This film cannot be drawn." in cards.nth(EXPLAINED - 2).inner_text()
    assert "not judged" in cards.nth(EXPLAINED - 1).inner_text()
    cards.nth(EXPLAINED - 1).locator("button").click()
    assert "not judged, as it is blank" in look.page.inner_text("#film-shown")


def test_it_prints_to_paper(look: ReportLook, tmp_path: Path) -> None:
    look.page.emulate_media(media="print")
    assert not look.page.locator("#gallery-controls").is_visible()
    paper = look.page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert paper.startswith(b"%PDF")


class TestOfARun:
    """The page that the local runner leaves, and the artifact of the component."""

    def test_shows_what_the_summary_says(self, browser: Browser, pushed: LocalRun) -> None:
        look = Look(browser, pushed.folder / "report" / "index.html")
        rows = look.page.evaluate(
            "() => [...document.querySelectorAll('section:not(#card) tr')]"
            ".map(row => [...row.cells]"
            ".map(cell => cell.firstChild ? cell.firstChild.nodeValue : ''))"
        )
        by_name = {row[0]: row for row in rows if row}
        overall, titles = pushed.summary["metrics"]["overall"], by_name["slice"]
        for title, metric in (("AUC", "auc"), ("recall", "recall")):
            shown = float(by_name["overall"][titles.index(title)])
            assert shown == pytest.approx(overall[metric], abs=5e-4)
        assert set(pushed.summary["metrics"]["slices"]) <= set(by_name)
        for one in (*pushed.summary["audit"]["shifts"], *pushed.summary["audit"]["controls"]):
            assert one["name"] in by_name
        assert int(by_name["train"][1]) == pushed.summary["data"]["images"]["train"]
        assert look.complaints == []
        text = look.page.inner_text("body")
        assert f"Run {pushed.latest}" in text
        assert f"Pushed as version {pushed.summary['pushed_version']}" in text
        look.page.close()

    def test_a_gate_that_failed_stands_out(
        self, browser: Browser, pushed: LocalRun, refused: LocalRun
    ) -> None:
        colours = "selector => [...document.querySelectorAll(selector)]"
        colours += ".map(one => getComputedStyle(one).color)"
        look = Look(browser, pushed.folder / "report" / "index.html")
        assert set(look.page.evaluate(colours, "li.passed")) == {GREEN}
        look = Look(browser, refused.folder / "report" / "index.html")
        assert look.page.evaluate(colours, "li.failed") == [RED]
        assert "0.999" in look.page.inner_text("li.failed")
        assert "0.999" in look.page.inner_text("#verdict")

    def test_the_artifact_has_the_same_page_but_for_the_store(
        self, browser: Browser, pushed: LocalRun
    ) -> None:
        folder = pushed.uri("ReportGen", "report")
        look = Look(browser, folder / "index.html", NARROW_PX)
        assert look.page.evaluate("document.documentElement.scrollWidth") <= NARROW_PX
        assert look.complaints == []
        version = pushed.summary["pushed_version"]
        assert f"Pushed as version {version}" in look.page.inner_text("#verdict")
        told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        assert told["outcome"]["pushed_version"] == version
        confusion = told["performance"]["confusion"]
        for name, films in confusion.items():
            assert pushed.summary["metrics"]["overall"][name] == films

    def test_the_pushed_version_has_its_card(self, pushed: LocalRun) -> None:
        card = (pushed.model / "assets.extra" / "MODEL_CARD.md").read_text(encoding="utf-8")
        overall = pushed.summary["metrics"]["overall"]
        for title, metric in (("AUC", "auc"), ("sensitivity", "recall")):
            assert f"| {title} | {overall[metric]:.3f} |" in card
        assert "There is no trace" not in card
        own = (pushed.uri("ReportGen", "report") / "model_card.md").read_text(encoding="utf-8")
        assert f"- Version: {pushed.summary['pushed_version']}" in own
        assert "Limits" in card and "see limits above" in card

    def test_the_version_is_what_was_trained_but_for_the_card(self, pushed: LocalRun) -> None:
        trained = digests(pushed.uri("Trainer", "model") / "Format-Serving")
        version = digests(pushed.model)
        assert set(version) - set(trained) == {"assets.extra/MODEL_CARD.md"}
        assert trained.items() <= version.items()
        assert digests(pushed.uri("Pusher", "pushed_model")) == version

    def test_it_compares_with_itself(
        self, pushed: LocalRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        numbers = tmp_path / "both.json"
        runs = [pushed.latest, pushed.latest, f"--json={numbers}"]
        assert report.main(["compare", *runs, f"--workdir={pushed.work.path}"]) == 0
        told = json.loads(numbers.read_text(encoding="utf-8"))
        assert told["films"]["common"] == pushed.summary["metrics"]["overall"]["films"]
        recall = told["metrics"]["recall"]
        assert recall["before"] == pytest.approx(pushed.summary["metrics"]["overall"]["recall"])
        assert (told["changed"], told["settings"], recall["change"]) == ([], [], 0)
        assert "0 are called otherwise" in " ".join(capsys.readouterr().out.split())

    def test_it_is_in_the_index(self, pushed: LocalRun) -> None:
        assert report.main(["index", f"--workdir={pushed.work.path}"]) == 0
        text = (pushed.work.runs / "index.html").read_text(encoding="utf-8")
        assert f'href="{pushed.latest}/report/index.html"' in text
        assert f"{pushed.summary['metrics']['overall']['auc']:.3f}" in text


def test_the_small_run_is_large_enough() -> None:
    assert FILMS > 100  # so that ten thresholds differ
