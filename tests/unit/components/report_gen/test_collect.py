"""What a report holds, against scikit-learn, and what it says where something is missing."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn import metrics

from components.report_gen import sources as of
from components.report_gen.collect import collect
from components.report_gen.render import render
from components.report_gen.report import Report
from components.report_gen.sources import Source
from pipeline.summary import summarise
from tests.unit.components.report_gen.small_run import (
    DOUBTFUL_FILM,
    EXPLAINED,
    FILMS,
    GATES,
    NOT_JUDGED,
    draw_predictions,
    explained_rows,
)

DRAWS = 20  # enough to see whether a page is written
FIRST_FILM = f"{explained_rows(draw_predictions()).index[0]}_film.png"
TFMA_AUC, TFMA_PR_AUC = 0.005, 0.03  # it bins the scores


@pytest.fixture(autouse=True)
def draw_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """How figures look is tested in a browser; drawing them takes most of the time of a page."""

    def save(_: Figure, buffer: io.StringIO, **__: object) -> None:
        buffer.write('<svg width="1pt" height="1pt"></svg>')

    monkeypatch.setattr(Figure, "savefig", save)


class TestNumbers:
    def test_equal_scikit_learns(self, report: Report) -> None:
        films = draw_predictions().dropna(subset="probability")
        label, score = films["label"] == "PNEUMONIA", films["probability"]
        called = films["predicted_label"] == "PNEUMONIA"
        told = report.to_json()["performance"]
        assert told["roc"]["area"] == pytest.approx(metrics.roc_auc_score(label, score), abs=1e-6)
        assert told["precision_recall"]["area"] == pytest.approx(
            metrics.average_precision_score(label, score), abs=1e-6
        )
        assert told["brier"] == pytest.approx(metrics.brier_score_loss(label, score), abs=1e-6)
        tn, fp, fn, tp = metrics.confusion_matrix(label, called).ravel().tolist()
        assert told["confusion"] == {
            "true_positives": tp, "false_positives": fp, "true_negatives": tn,
            "false_negatives": fn,
        }  # fmt: skip
        x, y, _ = metrics.roc_curve(label, score)
        np.testing.assert_allclose(told["roc"]["x"], x, atol=1e-6)
        np.testing.assert_allclose(told["roc"]["y"], y, atol=1e-6)
        precision, recall, _ = metrics.precision_recall_curve(label, score)
        np.testing.assert_allclose(told["precision_recall"]["y"], precision, atol=1e-6)
        np.testing.assert_allclose(told["precision_recall"]["x"], recall, atol=1e-6)

    def test_equal_tfmas_within_its_bins(self, report: Report) -> None:
        told = report.to_json()
        overall = told["slices"]["overall"]["metrics"]
        assert told["performance"]["roc"]["area"] == pytest.approx(overall["auc"], abs=TFMA_AUC)
        assert told["performance"]["precision_recall"]["area"] == pytest.approx(
            overall["auc_precision_recall"], abs=TFMA_PR_AUC
        )
        assert told["performance"]["brier"] == pytest.approx(overall["brier_score"], abs=1e-6)
        for name, films in told["performance"]["confusion"].items():
            assert films == overall[name]

    def test_films_that_were_not_judged_are_counted_apart(self, report: Report) -> None:
        assert report.performance is not None
        assert report.performance.not_judged == NOT_JUDGED
        assert report.performance.films == FILMS - NOT_JUDGED

    def test_are_json_without_nan(self, report: Report) -> None:
        text = json.dumps(report.to_json(), allow_nan=False)
        assert json.loads(text)["films"][-1]["probability"] is None

    def test_how_far_halves_agree_on_styles_comes_along(self, report: Report) -> None:
        for content in (report.to_json(), summarise(report, Path("/films")).to_json()):
            assert content["data"]["style_agreement"] == 0.8125

    def test_nothing_is_missing(self, report: Report) -> None:
        assert report.absent == ()
        assert len(report.films) == EXPLAINED
        assert report.outcome.status == "pushed"


@pytest.mark.parametrize("name", [name for name in of.NAMES if name not in of.OPTIONAL])
def test_an_artifact_that_is_not_there_is_said(sources: dict[str, Source], name: str) -> None:
    report = collect({key: one for key, one in sources.items() if key != name}, GATES, DRAWS)
    page = render(report)
    said = f"There is no trace of {of.NAMES[name]}."
    blessings = (of.EVALUATOR_BLESSING, of.BLESSING, of.INFRA_BLESSING, of.PUSHED_MODEL)
    assert (said in report.absent) == (name not in blessings)
    assert (said in page) == (name not in blessings)


def test_a_run_that_left_nothing_has_a_page() -> None:
    page = render(collect({}, GATES, DRAWS))
    assert "Not pushed: the run stopped early" in page
    assert "No test film was evaluated." in page


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (of.INGEST, "ingest.json"),
        (of.INGEST, "quarantine.csv"),
        (of.DATA_GATE, "anomalies.json"),
        (of.DATA_GATE, "drift.json"),
        (of.STATISTICS, "Split-test/FeatureStats.pb"),
        (of.MODEL_RUN, "training.json"),
        (of.TUNER_RESULTS, "tuner_results.json"),
        (of.AUDIT, "audit.json"),
        (of.AUDIT, "predictions.csv"),
        (of.AUDIT, "frame_swaps.png"),
        (of.VERDICTS, "verdicts.json"),
        (of.EVALUATION, "metrics-00000-of-00001.tfrecord"),
        (of.EVALUATION, "validations.tfrecord"),
        (of.EXPLANATIONS, "index.json"),
        (of.EXPLANATIONS, FIRST_FILM),
        (of.LABEL_AUDIT, "label_audit.json"),
        (of.LABEL_AUDIT, DOUBTFUL_FILM),
    ],
)
@pytest.mark.parametrize(
    "content", [None, b"{", b"{}", b"[1]"], ids=["gone", "cut off", "older", "other"]
)
def test_a_file_that_is_gone_cut_off_or_older_leaves_a_page(
    sources: dict[str, Source], tmp_path: Path, name: str, file: str, content: bytes | None
) -> None:
    folder = tmp_path / name
    shutil.copytree(sources[name].uri, folder)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    report = collect({**sources, name: Source(str(folder), sources[name].properties)}, GATES, DRAWS)
    page = render(report)
    json.dumps(report.to_json(), allow_nan=False)
    assert page.rstrip().endswith("</html>")
    assert 'id="run-title"' in page
    # A picture may be missing.
    tells_by_itself = file in ("frame_swaps.png", FIRST_FILM, DOUBTFUL_FILM)
    if content == b"{" and not tells_by_itself:
        assert f"A part of {of.NAMES[name]} cannot be read" in page


def test_an_audit_of_an_earlier_version_has_its_sections(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    folder = tmp_path / "audit"
    shutil.copytree(sources[of.AUDIT].uri, folder)
    audit = json.loads((folder / "audit.json").read_text())
    for key in ("frame_swaps", "external"):
        del audit[key]
    del audit["model"]["abstention"]
    del audit["shifts"][0]["auc_interval"]
    (folder / "audit.json").write_text(json.dumps(audit))
    page = render(collect({**sources, of.AUDIT: Source(str(folder))}, GATES, DRAWS))
    assert "Acquisition changes</h3>" in page
    assert "Frames swapped</h3>" not in page
    assert "cannot be shown" not in page


@pytest.mark.parametrize("label", ["NORMAL", "PNEUMONIA"])
def test_films_of_one_class_have_no_curve_and_a_sentence(
    sources: dict[str, Source], tmp_path: Path, label: str
) -> None:
    folder = tmp_path / "audit"
    shutil.copytree(sources[of.AUDIT].uri, folder)
    films = draw_predictions()
    films[films["label"] == label].to_csv(folder / "predictions.csv", index=False)
    report = collect({**sources, of.AUDIT: Source(str(folder))}, GATES, DRAWS)
    assert report.performance is not None
    assert report.performance.roc is None
    assert "The test films are all of one class" in render(report)
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize("rows", [0, FILMS - 1], ids=["no film", "none judged"])
def test_without_a_judged_film_the_page_says_so(
    sources: dict[str, Source], tmp_path: Path, rows: int
) -> None:
    folder = tmp_path / "audit"
    shutil.copytree(sources[of.AUDIT].uri, folder)
    films = draw_predictions().tail(NOT_JUDGED).head(rows)
    films.to_csv(folder / "predictions.csv", index=False)
    report = collect({**sources, of.AUDIT: Source(str(folder))}, GATES, DRAWS)
    assert report.performance is not None and report.performance.films == 0
    assert f"The model judged none of the {len(films)} test films." in render(report)
