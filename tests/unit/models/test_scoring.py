"""What an epoch is judged by, and the calibration of what is served."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from models import features
from models.input_pipeline import TransformedFilms
from models.network import LOGITS, build_network
from models.scoring import Scorer, calibrate, evaluate, films_to_calibrate_on
from models.served_facts import read_facts, write_facts
from tests.unit.models.drawn_films import SIZE_PX, make_settings, open_split


class TestEvaluate:
    def test_log_loss_of_subtypes_is_that_of_pneumonia_and_that_of_its_kind(
        self, split_files: dict[str, str]
    ) -> None:
        settings = make_settings()
        keras.utils.set_random_seed(0)
        network = build_network(SIZE_PX, settings.network, "subtype")
        subtypes = open_split(split_files[features.EVAL], "subtype")
        logits, classes = Scorer(network, subtypes, settings)()
        assert np.bincount(classes).tolist() == list(subtypes.counts)
        calibration, _ = calibrate(logits, classes, settings)
        ill = classes > 0
        of_pneumonia = np.logaddexp(logits[:, 1], logits[:, 2]) - logits[:, 0]
        first = metrics.log_loss(ill, calibration.probabilities(of_pneumonia))
        kind = metrics.log_loss(classes[ill] == 1, expit(logits[ill, 1] - logits[ill, 2]))
        upright = np.sign(calibration.slope_above) * of_pneumonia  # what it makes of chance
        reached = evaluate(logits, classes, settings)
        assert reached["calibrated_log_loss"] == pytest.approx(first + ill.mean() * kind, rel=1e-5)
        assert reached["auc"] == pytest.approx(metrics.roc_auc_score(ill, upright))

    def test_a_diverged_network_is_named(self) -> None:
        logits = np.array([[1.0], [np.nan], [0.0]])
        with pytest.raises(ValueError, match=r"diverged.* train\.learning_rate below 0\.5$"):
            evaluate(logits, np.array([1, 0, 1]), make_settings(learning_rate=0.5))


class TestCalibrate:
    def test_calibration_undoes_a_shift_of_the_logit(
        self, drawn: tuple[TransformedFilms, TransformedFilms]
    ) -> None:
        settings = make_settings()
        keras.utils.set_random_seed(1)
        network = build_network(SIZE_PX, settings.network)
        score = Scorer(network, drawn[1], settings)
        before, _ = calibrate(*score(), settings)
        output = network.get_layer(LOGITS)
        kernel, bias = output.get_weights()
        output.set_weights([2 * kernel, 2 * (bias + 3)])
        after, _ = calibrate(*score(), settings)
        slope = before.slope_above
        assert after.slope_above == after.slope_below
        # sigmoid(a x + b) = sigmoid(a / 2 * 2 (x + 3) + b - 3 a)
        assert after.slope_above == pytest.approx(slope / 2, rel=0.02, abs=0.02)
        assert after.intercept == pytest.approx(before.intercept - 3 * slope, abs=0.1)

    def test_of_the_worst_group_goes_with_that_of_all_into_the_facts(self, tmp_path: Path) -> None:
        random = np.random.default_rng(0)
        groups = np.repeat(["clear", "blurred"], 200)
        classes = random.integers(0, 2, 400)
        logits = np.where(groups == "clear", 4, 1) * (2 * classes - 1) + random.normal(size=400)
        settings = make_settings()
        fair, point = calibrate(logits[:, np.newaxis], classes, settings, groups)
        alike, _ = calibrate(logits[:, np.newaxis], classes, settings)
        content = {
            "calibration": asdict(fair),
            "operating_point": asdict(point),
            "hyperparameters": settings.model_dump(mode="json"),
        }
        (tmp_path / "assets.extra").mkdir()  # as a SavedModel has it
        write_facts(str(tmp_path), content)
        read = read_facts(str(tmp_path)).calibration
        assert (read, read.for_counting) == (fair, alike)
        # Platt's targets leave one film of each class open.
        assert read.for_counting.prevalence == pytest.approx(classes.mean(), abs=1 / 400)


class TestFilmsToCalibrateOn:
    @pytest.mark.parametrize(("learns", "parts"), [("all", 1), ("last_layer", 1), ("nothing", 2)])
    def test_are_those_that_the_weights_have_not_seen(
        self, drawn: tuple[TransformedFilms, TransformedFilms], learns: str, parts: int
    ) -> None:
        settings = make_settings()
        network = settings.network.model_copy(update={"learns": learns})
        films = films_to_calibrate_on(*drawn, settings.model_copy(update={"network": network}))
        expected = [*drawn[0].files, *drawn[1].files][-parts:]
        assert list(films.files) == expected
        assert len(films.classes) == sum(len(split.classes) for split in drawn[-parts:])
