"""TFMA's slices and plots and TFDV's statistics as pages, in a real browser."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from playwright.sync_api import Browser

from components.evaluation.decisions import DECISION
from components.evaluation.slices import load_slices
from components.report_gen import sources as of
from components.report_gen import tfma_plots
from components.report_gen.distributions import read_statistics
from components.report_gen.render import slices_page
from components.report_gen.tfma_plots import read_plots
from components.report_gen.views import plots_page, statistics_page
from models import features
from pipeline import report
from tests.integration.look import NARROW_PX, WIDE_PX, Look
from tests.support import LocalRun, auc_bounds, predictions_of
from tests.unit.components.evaluation.tfma_result import evaluate
from tests.unit.components.report_gen.small_run import GATES, HOSTILE, write_run

FILMS = 200
ROWS = "selector => [...document.querySelectorAll(selector + ' tr')]"
ROWS += ".map(row => [...row.cells].map(cell => cell.textContent))"
BIN_WIDTH = 1 / 200  # of the thresholds that films are counted at
ROUNDED = 5e-4  # an area as it is shown
BUCKETS = 10
NAMES = ("slices", "plots", "statistics")


def draw_films() -> pd.DataFrame:
    """Scores with one of 1 and one of 0; one site has a hostile name, one style is of one class."""
    random = np.random.default_rng(5)
    ill = random.random(FILMS) < 0.6
    probability = 1 / (1 + np.exp(-random.normal(np.where(ill, 1.5, -1), 1.5)))
    probability[:2] = 0, 1
    films = pd.DataFrame(
        {features.LABEL_XF: ill.astype(float), features.PROBABILITY: probability.round(6)}
    )
    films[DECISION] = (films[features.PROBABILITY] >= 0.5).astype(float)
    for name in features.SLICES:
        films[name] = random.choice(["a", "b"], FILMS)
    films[features.SITE] = np.where(random.random(FILMS) < 0.5, HOSTILE, "near")
    films[features.STYLE] = np.where(ill, "1", "2")
    return films


@pytest.fixture(scope="module", name="films")
def make_films() -> pd.DataFrame:
    """The films that TFMA has evaluated."""
    return draw_films()


@pytest.fixture(scope="module", name="evaluation")
def run_tfma(films: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its result."""
    return evaluate(films, GATES, tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="module", name="pages")
def write_pages(evaluation: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three pages."""
    folder = tmp_path_factory.mktemp("pages")
    statistics = write_run(folder / "run")[of.STATISTICS].uri
    writers: dict[str, Callable[[], str]] = {
        "slices": lambda: slices_page(load_slices(evaluation, {"overall": {"auc": (0.7, 0.9)}})),
        "plots": lambda: plots_page(read_plots(evaluation), HOSTILE),
        "statistics": lambda: statistics_page(read_statistics(statistics), HOSTILE),
    }
    for name, write in writers.items():
        (folder / f"{name}.html").write_text(write(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in writers}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width_px", "scheme"), [(NARROW_PX, "dark"), (WIDE_PX, "light")])
def test_everybody_can_read_it_and_nothing_is_loaded(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, name: str, width_px: int, scheme: str
) -> None:
    look = Look(browser, pages[name], width_px, scheme)
    look.check_for_everybody(width_px, HOSTILE)
    drawn = look.page.locator("svg.figure")
    assert drawn.count() > 0
    assert all((one.bounding_box() or {"height": 0})["height"] > 50 for one in drawn.all())
    look.page.screenshot(path=tmp_path / f"{name}-{width_px}-{scheme}.png", full_page=True)
    look.page.close()
    assert look.complaints == []


def shown_number(text: str) -> float:
    return math.nan if text == "-" else float(text.replace(",", ""))


def test_slices_are_those_of_the_result(
    browser: Browser, pages: dict[str, Path], evaluation: str
) -> None:
    look = Look(browser, pages["slices"])
    titles, *rows = look.page.evaluate(ROWS, "#tfma")
    by_name = {row[0]: dict(zip(titles, row, strict=True)) for row in rows}
    found = tfma.load_eval_result(evaluation).slicing_metrics
    assert len(found) == len(rows) == len(load_slices(evaluation, {}))
    of_one_class = {"auc", "auc_precision_recall"}  # for which TFMA answers 0 or 1
    for key, by_output in found:
        name = "=".join(map(str, key[0])) if key else "overall"
        values = {one: value for of in by_output.values() for one, value in of[""].items()}
        one_class = by_output[features.PROBABILITY][""]["mean_label"]["doubleValue"] in (0, 1)
        assert values.keys() <= by_name[name].keys()
        for metric, value in values.items():
            if not (one_class and metric in of_one_class):
                expected = float(value["doubleValue"])
                shown = shown_number(by_name[name][metric])
                assert shown == pytest.approx(expected, abs=5.1e-4, nan_ok=True), (name, metric)
    look.page.get_by_role("button", name="brier_score").click()
    scores = [
        float(row[titles.index("brier_score")]) for row in look.page.evaluate(ROWS, "#tfma")[1:]
    ]
    assert scores == sorted(scores)
    look.page.close()


def opened(look: Look, name: str) -> str:
    """Returns the selector of a slice on the page of plots."""
    place = look.page.evaluate(
        "name => [...document.querySelectorAll('details')]"
        ".findIndex(one => one.dataset.slice === name)",
        name,
    )
    return f"main > details:nth-of-type({place + 1})"


def test_calibration_is_that_of_the_films(
    browser: Browser, pages: dict[str, Path], films: pd.DataFrame
) -> None:
    look = Look(browser, pages["plots"])
    for name, mask in (
        ("overall", films[features.SITE] != ""), (f"site={HOSTILE}", films.site == HOSTILE),
    ):  # fmt: skip
        of_slice = films[mask]
        label, score = of_slice[features.LABEL_XF], of_slice[features.PROBABILITY]
        bucket = np.minimum((score * BUCKETS).astype(int), BUCKETS - 1)  # 1 is in the last one
        _, *rows = look.page.evaluate(ROWS, f"{opened(look, name)} .calibration")
        assert len(rows) == BUCKETS
        for number, (below, count, ill, predicted, observed) in enumerate(rows):
            inside = bucket == number
            assert float(below) == pytest.approx((number + 1) / BUCKETS)
            assert (int(count), int(ill)) == (inside.sum(), label[inside].sum())
            if inside.any():
                assert float(predicted) == pytest.approx(score[inside].mean(), abs=6e-4)
                assert float(observed) == pytest.approx(label[inside].mean(), abs=6e-4)
    look.page.close()


def test_confusion_and_curves_are_those_of_the_result(
    browser: Browser, pages: dict[str, Path], films: pd.DataFrame, evaluation: str
) -> None:
    look = Look(browser, pages["plots"])
    plots = {key: found for key, found in tfma.load_eval_result(evaluation).plots}
    matrices = plots[()][features.PROBABILITY][""]["confusionMatrixAtThresholds"]["matrices"]
    names = ("truePositives", "falsePositives", "trueNegatives", "falseNegatives")
    by_threshold = {
        round(one.get("threshold", 0), 3): [one.get(name, 0) for name in names] for one in matrices
    }
    _, *rows = look.page.evaluate(ROWS, f"{opened(look, 'overall')} .at-thresholds")
    assert len(rows) == 21
    label, score = films[features.LABEL_XF], films[features.PROBABILITY]
    for threshold, *counts in rows:
        shown = [float(one) for one in counts]
        assert shown == pytest.approx(by_threshold[float(threshold)], abs=0.5)
        for ill, count in ((1, shown[0]), (0, shown[1])):
            above = score[label == ill] - float(threshold)
            assert (above > BIN_WIDTH).sum() - 0.5 <= count <= (above > -BIN_WIDTH).sum() + 0.5
    roc = look.page.get_by_role("img", name="ROC curve, area").first.get_attribute("aria-label")
    area = float((roc or "").split()[3].rstrip(","))
    low, high = auc_bounds(label, score, BIN_WIDTH)
    assert low - ROUNDED <= area <= high + ROUNDED
    look.page.close()


def test_a_slice_of_one_class_has_no_curve_and_says_so(
    browser: Browser, pages: dict[str, Path]
) -> None:
    look = Look(browser, pages["plots"])
    slice_of_one = look.page.locator(opened(look, "style=2"))
    assert "All films are of one class" in (slice_of_one.text_content() or "")
    assert slice_of_one.locator("svg.figure").count() == 3
    assert look.page.locator(f"{opened(look, 'overall')} svg.figure").count() == 5
    look.page.close()


def test_an_evaluation_of_an_earlier_version_is_drawn_as_far_as_it_goes(
    evaluation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots = list(tfma.load_plots(evaluation))
    for of_slice in plots:
        for one in of_slice.plot_keys_and_values:
            one.value.ClearField("confusion_matrix_at_thresholds")
    monkeypatch.setattr(tfma, "load_plots", lambda _: plots)
    monkeypatch.setattr(tfma_plots, "SLICES", ())  # as it had others
    page = plots_page(read_plots(evaluation), "20260101")
    assert page.count("is of an earlier version") == len(plots)
    assert "Calibration" in page and "ROC curve" not in page


class TestOfTheRun:
    @pytest.fixture(scope="class", name="folder")
    def write(self, pushed: LocalRun) -> Path:
        flags = [f"--workdir={pushed.work.path}", f"--run={pushed.latest}"]
        for name in NAMES:
            assert report.main([name, *flags]) == 0
        return pushed.folder / "report"

    def test_statistics_are_those_of_the_artifact(
        self, browser: Browser, pushed: LocalRun, folder: Path
    ) -> None:
        look = Look(browser, folder / "statistics.html")
        rows = look.page.evaluate(ROWS, ".features")
        shown = {(row[0], row[1]): [*row[2:]] for row in rows}
        for split, films in pushed.summary["data"]["images"].items():
            uri = pushed.uri("StatisticsGen", "statistics")
            statistics = tfdv.load_stats_binary(str(uri / f"Split-{split}" / "FeatureStats.pb"))
            for feature in statistics.datasets[0].features:
                cells = shown.pop((feature.path.step[0], split))
                kind = feature.WhichOneof("stats")
                found: Any = getattr(feature, kind)
                assert [int(one.replace(",", "")) for one in cells[:2]] == [films, 0]
                if kind == "num_stats":
                    expected = [found.mean, found.std_dev, found.num_zeros, found.min, found.median,
                                found.max]  # fmt: skip
                    numbers = [shown_number(one) for one in cells[2:]]
                    assert numbers == pytest.approx(expected, rel=1e-5, abs=1e-9)
                elif kind == "string_stats":
                    assert int(cells[2].replace(",", "")) == found.unique
        assert [names for names in shown if names[0] != "feature"] == []
        look.page.close()
        assert look.complaints == []

    def test_no_identifier_is_on_a_page(self, pushed: LocalRun, folder: Path) -> None:
        audited = predictions_of(pushed)
        text = "".join((folder / f"{name}.html").read_text(encoding="utf-8") for name in NAMES)
        assert not [one for one in {*audited["patient_id"], *audited["sha256"]} if one in text]

    def test_every_figure_is_drawn_without_a_complaint(
        self, browser: Browser, pushed: LocalRun, folder: Path
    ) -> None:
        for name in NAMES:
            look = Look(browser, folder / f"{name}.html", NARROW_PX)
            assert look.page.evaluate("document.documentElement.scrollWidth") <= NARROW_PX
            assert look.page.locator("svg.figure").count() > 0
            assert len(look.loaded) == 1
            look.page.close()
            assert look.complaints == []


@pytest.mark.parametrize("command", NAMES)
def test_a_work_directory_without_a_run_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([command, "--workdir", str(tmp_path)]) == 1
    kind = "run with statistics" if command == "statistics" else "evaluated run"
    assert capsys.readouterr().err == (
        f"{tmp_path} has no {kind} 'latest'; look into {tmp_path / 'runs'}\n"
    )
    assert list(tmp_path.iterdir()) == []
