"""The learning curve of a site, drawn from the pushed model and films it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import recall_score, roc_auc_score

from benchmarks.site_curve import PREVALENCE, UNCHANGED, WAYS, Curve, Point
from benchmarks.site_films import draw_few
from components.auditor.scoring import DECISION, score_images
from components.radiograph_example_gen.listing import read_layout
from metrics.scores import AUC, CALIBRATION_ERROR, RECALL
from models import features
from pipeline.config import load_config
from pipeline.start import settings_to_start_from
from radiographs.options import IngestOptions
from tests.support import LocalRun, write_films

FILMS, COUNT, SEED = 20, 16, 0


@pytest.fixture(scope="module", name="site")
def write_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films that the run has not drawn."""
    site = tmp_path_factory.mktemp("site")
    for number, label in enumerate(features.LABELS):
        write_films(site, label, FILMS, first_seed=70_000 + 1_000 * number)
    return site


@pytest.fixture(scope="module", name="curve")
def open_curve(pushed: LocalRun, site: Path) -> Curve:
    """Settings as of a run that starts from the model, and few steps."""
    start = settings_to_start_from(str(pushed.model))
    few_steps = ["train.epochs=2", "train.batch_size=8"]
    return Curve(str(pushed.model), load_config("demo", None, few_steps, start), str(site))


@pytest.fixture(scope="module", name="points")
def draw_points(curve: Curve) -> dict[str, Point]:
    """What each way reaches with so many films."""
    return {point.way: point for point in curve.points([COUNT], SEED)}


def test_the_model_as_it_is_answers_as_served(
    curve: Curve, points: dict[str, Point], pushed: LocalRun, site: Path
) -> None:
    patients, ill = curve.site.patients, curve.site.classes
    rest = draw_few(patients, ill, [COUNT], SEED)[COUNT].rest
    films = [film.path for film in read_layout(str(site), IngestOptions()).films]
    assert len(films) == len(ill)
    served = tf.saved_model.load(str(pushed.model))
    answers = score_images(served, [(site / films[place]).read_bytes() for place in rest])
    called = answers[DECISION] == features.PNEUMONIA
    metrics = points[UNCHANGED].metrics
    assert metrics[AUC] == pytest.approx(roc_auc_score(ill[rest], answers[features.PROBABILITY]))
    assert metrics[RECALL] == pytest.approx(recall_score(ill[rest], called))


def test_ways_that_move_probabilities_alone_keep_the_order(points: dict[str, Point]) -> None:
    assert set(points) == {UNCHANGED, PREVALENCE, *WAYS}
    assert points[PREVALENCE].metrics[AUC] == pytest.approx(points[UNCHANGED].metrics[AUC])
    errors = {name: point.metrics[CALIBRATION_ERROR] for name, point in points.items()}
    assert len(set(errors.values())) == len(points)
    assert all(np.isfinite(error) for error in errors.values())
