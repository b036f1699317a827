"""Moves a pushed model to a place where another share of films is pneumonia."""

from __future__ import annotations

import datetime
import itertools
import logging
import math
import posixpath
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from tfx.dsl.io import fileio

from components.auditor.scoring import judged, score_images
from components.radiograph_example_gen.listing import list_files, read_bytes
from metrics.prevalence import LEAST, MOST, Prevalence, estimate_prevalence
from models import features
from models.calibration import Calibration, moved_to
from models.recalibration import write_recalibrated
from models.served_facts import ServedFacts, read_facts
from pipeline.config import ConfigError
from pipeline.versions import find_version, publish
from radiographs.decoding import read_film
from radiographs.dicom_headers import may_be_dicom
from radiographs.errors import DataError, UnusableImage
from radiographs.file_names import FileNameRules
from radiographs.not_films import Bystanders
from radiographs.options import IngestOptions
from radiographs.patient_ids import identify_patients

# Of four other sites at most 7 % of the films are out of distribution (README.md). A site of which
# more than this share is differs in more than its prevalence.
MOST_UNLIKE = 0.2

BOOTSTRAP_SAMPLES = 200

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unlabelled:
    """What a folder of films without labels says of its prevalence.

    Attributes:
        films: That the estimate rests on: judged, and not out of distribution.
        out_of_distribution: Films that were judged, but are unlike those the model learned from.
        left_out: Files that are no usable film, or that the model did not judge.
        prevalence: Estimated.
    """

    films: int
    out_of_distribution: int
    left_out: int
    prevalence: Prevalence

    @property
    def is_unknown_site(self) -> bool:
        """Whether more than `MOST_UNLIKE` of the judged films are out of distribution."""
        judged_films = self.films + self.out_of_distribution
        return self.out_of_distribution > MOST_UNLIKE * judged_films


@dataclass(frozen=True)
class Corrected:
    """A model that was moved to another prevalence.

    Attributes:
        folder: Of the new version.
        correction: What was done, as its facts record it.
    """

    folder: str
    correction: dict[str, Any]


def correct_by_share(model: str, prevalence: float, to: str) -> Corrected:
    """Moves a model to a prevalence that is known.

    Args:
        model: Folder of a version, or of versions.
        prevalence: Share of films that are pneumonia.
        to: Folder of versions that gets the new one.

    Returns:
        The new version.

    Raises:
        ConfigError: If the share is none that can be corrected for, or there is no such model.
    """
    _check_prevalence(prevalence)
    version = find_version(model)
    return _correct(version, _facts(version), prevalence, {"method": "stated"}, to)


def correct_by_films(model: str, root: str, to: str, warn: Callable[[str], None]) -> Corrected:
    """Moves a model to the prevalence of films that nobody has labelled.

    Args:
        model: Folder of a version, or of versions.
        root: Local or remote folder of films; what it says of labels is not read.
        to: Folder of versions that gets the new one.
        warn: Is given a sentence, before the version is written, where the model does not know
            films of this kind.

    Returns:
        The new version.

    Raises:
        ConfigError: If there is no such model.
        DataError: If the films tell of no prevalence.
    """
    version = find_version(model)
    facts = _facts(version)
    found = look_at_films(version, facts, root)
    if found.is_unknown_site:
        warn(_unknown_site(found, root))
    share = found.prevalence.share
    if not LEAST <= share <= MOST:
        which = "none" if share < LEAST else "each"
        raise DataError(
            f"the {found.films} films of {root} that count look as if {which} were pneumonia, "
            "which is no share to correct for; give more films, or state it with --prevalence"
        )
    how = {
        "method": "expectation maximisation",
        "films": found.films,
        "out_of_distribution": found.out_of_distribution,
        "left_out": found.left_out,
        "interval": list(found.prevalence.interval),
    }
    return _correct(version, facts, share, how, to)


def look_at_films(version: str, facts: ServedFacts, root: str) -> Unlabelled:
    """Estimates the prevalence of the films of a folder that are not out of distribution.

    Args:
        version: Folder of a model.
        facts: Of that model.
        root: Local or remote folder of films.

    Returns:
        The estimate and what it rests on.

    Raises:
        DataError: If there is no film that the model judges, or all are out of distribution.
    """
    if not fileio.isdir(root):
        raise DataError(f"{root} is no folder; check --films")
    files = list_files(root)
    bystanders = Bystanders(files)
    paths = [path for path in files if not bystanders.reason(path)]
    usable: list[str] = []
    served = tf.saved_model.load(version)
    counting = facts.calibration.for_counting
    served.calibration_weights.assign(counting.weights)  # of this copy in memory alone
    images = _images(root, paths, usable)
    first = next(images, None)
    if first is None:
        raise DataError(f"{root} has no file that can be read as a film; check --films")
    answers = judged(score_images(served, itertools.chain([first], images)))
    if answers.empty:
        raise DataError(
            f"the model judges none of the {len(usable)} films of {root}; check --films"
        )
    known = _in_distribution(answers, root)
    patients = identify_patients(usable, {}, FileNameRules(IngestOptions())).of
    prevalence = estimate_prevalence(
        known[features.PROBABILITY].to_numpy(np.float64),
        _assumed(version, counting),
        np.array([patients[usable[place]] for place in known.index]),
        BOOTSTRAP_SAMPLES,
    )
    return Unlabelled(len(known), len(answers) - len(known), len(paths) - len(answers), prevalence)


def _in_distribution(answers: pd.DataFrame, root: str) -> pd.DataFrame:
    """Returns the judged films that are like those the model learned from, under the same index."""
    # Asked so that NaN, the distance of a model that measures none, is like them.
    known = answers[~(answers[features.OUT_OF_DISTRIBUTION] > 1)]
    if known.empty:
        raise DataError(
            f"the model marks all {len(answers)} films of {root} that it judges as out of "
            "distribution, so they tell of no prevalence; check --films, or label some and train "
            "on them with local_runner.py --start-from"
        )
    return known


def _unknown_site(found: Unlabelled, root: str) -> str:
    return (
        f"the model does not know the films of {root}: it marks {found.out_of_distribution} of "
        f"{found.films + found.out_of_distribution} as out of distribution, so the share that the "
        "others tell may be wrong; label some and train on them with local_runner.py --start-from"
    )


def _images(root: str, paths: list[str], usable: list[str]) -> Iterator[bytes]:
    """Yields the films that can be read, and notes their paths."""
    for path in paths:
        try:
            film = read_film(read_bytes(root, path), IngestOptions())
        except UnusableImage as error:
            named = "a file" if may_be_dicom(path) else path  # it may be named for a patient
            _LOG.warning("%s is left out: %s", named, error)
        else:
            usable.append(path)
            yield film.encoded


def _check_prevalence(prevalence: float) -> None:
    if not LEAST <= prevalence <= MOST:  # nor where it is no number
        percent = " (10 % is 0.1)" if prevalence > 1 else ""
        raise ConfigError(
            f"a prevalence of {prevalence:g} cannot be corrected for; state a share of films "
            f"between {LEAST:g} and {MOST:g}{percent}"
        )


def _facts(version: str) -> ServedFacts:
    try:
        facts = read_facts(version)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for calibration in (facts.calibration, facts.calibration.for_counting):
        _assumed(version, calibration)
    return facts


def _assumed(version: str, calibration: Calibration) -> float:
    assumed = calibration.prevalence
    if assumed is None or not 0 < assumed < 1 or math.isnan(assumed):
        raise ConfigError(
            f"the calibration of {version} does not say which prevalence it assumes; train and "
            "push the model anew"
        )
    return assumed


def _correct(
    version: str, facts: ServedFacts, prevalence: float, how: dict[str, Any], to: str
) -> Corrected:
    calibration, point = moved_to(prevalence, facts.calibration, facts.operating_point)
    correction = {
        **how,
        "model_version": posixpath.basename(version),
        "prevalence_before": facts.calibration.prevalence,
        "prevalence": prevalence,
        "threshold_before": facts.operating_point.threshold,
        "threshold": point.threshold,
        "written": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    with tempfile.TemporaryDirectory() as folder:
        write_recalibrated(version, calibration, point, correction, folder)
        return Corrected(publish(folder, to), correction)
