"""The learning curve of a site: what a pushed model gains from a few labelled films of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.site_films import Few, PreparedSite, draw_few, prepare_site, score
from benchmarks.site_prevalence import estimated_share
from models.calibration import Calibration, OperatingPoint, moved_to
from models.fitting import fit
from models.hyperparameters import with_tuned
from models.members import each_member
from models.network import build_network, fold, pneumonia_logit
from models.scoring import Scorer, calibrate, films_to_calibrate_on, groups_to_calibrate_on
from models.served_facts import read_facts
from pipeline.config import PipelineConfig

UNCHANGED = "as it is"
PREVALENCE = "prevalence corrected, labels unused"
RECALIBRATED = "recalibrated"
LAST_LAYER = "last layer trained"
TRAINED = "all of it trained"
WAYS: Mapping[str, Mapping[str, Any]] = {
    RECALIBRATED: {"network.learns": "nothing"},
    LAST_LAYER: {"network.learns": "last_layer", "train.learning_rate": 1e-2},
    TRAINED: {},
}


@dataclass(frozen=True)
class Point:
    """What one way of adapting reached on the films of a site that it has not seen.

    Attributes:
        way: One of those above.
        films: Labelled films that it was given; of `UNCHANGED` none.
        seed: Of draw and training.
        metrics: By name, of `metrics.estimates`.
    """

    way: str
    films: int
    seed: int
    metrics: dict[str, float]


class Curve:
    """Adapts one model to one site again and again."""

    def __init__(self, version: str, config: PipelineConfig, root: str):
        """Loads the model and prepares the films.

        Args:
            version: Folder of the pushed model.
            config: Of a run that starts from it.
            root: Films of the site.
        """
        facts = read_facts(version)
        self._settings = config.hyperparameters
        self._calibration, self._point = facts.calibration, facts.operating_point
        served = tf.saved_model.load(version)
        self._site = prepare_site(served, root, config.preprocessing.judging)
        size_px = config.preprocessing.image_size_px
        self._members = [
            (member, build_network(size_px, config.network, config.task, member))
            for member in each_member(config.train.members)
        ]
        self._network = fold([network for _, network in self._members])
        self._weights = self._network.get_weights()

    @property
    def site(self) -> PreparedSite:
        """The films."""
        return self._site

    @property
    def answers(self) -> tuple[Calibration, OperatingPoint]:
        """From logits to probabilities and to decisions, as the model was pushed with them."""
        return self._calibration, self._point

    def logits(self) -> np.ndarray:
        """Returns the pneumonia logit that the model as it is gives each film, `[films]`."""
        return _of_pneumonia(self._logits(np.arange(len(self._site.classes))))

    def points(self, counts: Sequence[int], seed: int) -> Iterator[Point]:
        """Yields what each way reaches at each count, for one draw of films."""
        site = self._site
        drawn = draw_few(site.patients, site.classes, list(counts), seed)
        logits = self._logits(np.arange(len(site.classes)))
        rest = next(iter(drawn.values())).rest
        yield Point(UNCHANGED, 0, seed, self._scored(rest, logits[rest]))
        for count, few in drawn.items():
            labelled = np.union1d(few.train, few.evaluation)
            share = estimated_share(self._calibration, _of_pneumonia(logits[labelled]))
            moved = moved_to(share, self._calibration, self._point)
            yield Point(PREVALENCE, count, seed, self._scored(rest, logits[rest], *moved))
            for way in WAYS:
                yield Point(way, count, seed, self._adapted(way, few, seed))

    def _adapted(self, way: str, few: Few, seed: int) -> dict[str, float]:
        settings = with_tuned(self._settings, {**WAYS[way], "train.seed": seed})
        self._network.set_weights(self._weights)
        with tempfile.TemporaryDirectory() as folder:
            train, evaluation, rest = (
                self._site.part(places, Path(folder, f"{name}.gz"))
                for name, places in vars(few).items()
            )
            for member, network in self._members:
                own = member.settings(settings)
                keras.utils.set_random_seed(own.train.seed)
                fitted = fit(
                    network, network.get_weights(), train, evaluation, own,
                    str(Path(folder, "checkpoints")), folder, member,
                )  # fmt: skip
                network.set_weights(fitted.weights)
            unseen = films_to_calibrate_on(train, evaluation, settings)
            scored = Scorer(self._network, unseen, settings, films_alone=True)()
            groups = groups_to_calibrate_on(unseen, settings)
            calibrated = calibrate(*scored, settings, groups)
            logits = Scorer(self._network, rest, settings, films_alone=True)()[0]
        return self._scored(few.rest, logits, *calibrated)

    def _logits(self, places: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            films = self._site.part(places, Path(folder, "films.gz"))
            self._network.set_weights(self._weights)
            return Scorer(self._network, films, self._settings, films_alone=True)()[0]

    def _scored(
        self,
        places: np.ndarray,
        logits: np.ndarray,
        calibration: Calibration | None = None,
        point: OperatingPoint | None = None,
    ) -> dict[str, float]:
        calibration, point = calibration or self._calibration, point or self._point
        return score(self._site, places, _of_pneumonia(logits), calibration, point)


def _of_pneumonia(logits: np.ndarray) -> np.ndarray:
    return pneumonia_logit(tf.constant(logits)).numpy()[:, 0]
