"""The audit of a model from beginning to end, without TFX: what `Auditor` runs and writes."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from tfx.dsl.io import fileio

from components.auditor.external import ExternalSite, audit_external_site
from components.auditor.gates import judge
from components.auditor.scoring import (
    DECISION,
    class_columns,
    image_of,
    read_examples,
    score_examples,
    scores_of,
)
from components.auditor.shifts import SHOWN, Shift, audit_shifts, choose_films
from components.auditor.shortcuts import (
    FILE_STATISTICS,
    Control,
    compare,
    network_controls,
    served_pixels,
    statistics_control,
)
from components.verdicts import Verdict
from metrics.estimates import Estimate, estimate, estimate_auc
from metrics.score_intervals import Interval
from metrics.slices import OVERALL, slices_of
from models import features
from models.audit_settings import AuditSettings
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms
from radiographs.options import IngestOptions

_LOG = logging.getLogger(__name__)

AUDIT_FILE = "audit.json"
PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True)
class Subject:
    """The model and the films it is audited with.

    Attributes:
        served: A loaded SavedModel.
        hyperparameters: What it was trained with.
        train_uris: Folders of the raw train split.
        test_uris: Folders of the raw test split.
        transformed_train: The train split as Transform wrote it.
    """

    served: Any
    hyperparameters: Hyperparameters
    train_uris: Sequence[str]
    test_uris: Sequence[str]
    transformed_train: TransformedFilms


@dataclass(frozen=True)
class Audit:
    """What came of it.

    Attributes:
        films: Scored test films, of `score_examples`.
        slices: Estimate by slice, the overall one first.
        subtype_auc: Bacterial against viral and its interval, or None for another task.
        shifts: The unchanged films first; empty where the audit is off.
        external: The other site, or None.
        controls: Empty where the audit is off.
        verdicts: Of its gates, failures first.
    """

    films: pd.DataFrame
    slices: dict[str, Estimate]
    subtype_auc: tuple[float, Interval] | None
    shifts: list[Shift]
    external: ExternalSite | None
    controls: list[Control]
    verdicts: list[Verdict]

    @property
    def passed(self) -> bool:
        """Whether every gate has passed."""
        return all(verdict.passed for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """Returns the content of `AUDIT_FILE`; what is undefined is null."""
        overall = self.slices[OVERALL]
        auc, interval = self.subtype_auc or (None, None)
        model = {**_counts(overall), "subtype_auc": auc, "subtype_auc_interval": interval}
        content = {
            "model": model,
            "intervals": {name: one.intervals for name, one in self.slices.items()},
            "shifts": [_shift_json(shift) for shift in self.shifts],
            "external": _external_json(self.external),
            "controls": [asdict(control) for control in self.controls],
            "gates": [asdict(verdict) for verdict in self.verdicts],
        }
        return _without_nan(content)


def audit_model(subject: Subject, settings: AuditSettings, options: IngestOptions) -> Audit:
    """Runs every audit that is switched on.

    Args:
        subject: Model and films.
        settings: Which audits, and what the model has to reach.
        options: How the films of another site are read.

    Returns:
        Metrics, intervals, gates.

    Raises:
        DataError: If the folder of the other site cannot be used.
    """
    samples = settings.bootstrap_samples
    with _timed("scoring the test films"):
        films = score_examples(subject.served, read_examples(subject.test_uris))
    with _timed("the intervals"):
        slices = {
            name: estimate(scores_of(films[chosen]), samples) for name, chosen in slices_of(films)
        }
    external, shifts, controls = None, [], []
    if settings.external_data_root:
        with _timed("the external site"):
            root = settings.external_data_root
            external = audit_external_site(subject.served, root, options, samples)
    if settings.shift_audit:
        with _timed("the shift audit"):
            shifts = _audit_shifts(subject, films, settings)
    if settings.shortcut_audit:
        with _timed("the shortcut audit"):
            controls = list(_audit_shortcuts(subject, films, settings))
    return Audit(
        films=films,
        slices=slices,
        subtype_auc=subtype_auc(films, samples),
        shifts=shifts,
        external=external,
        controls=controls,
        verdicts=judge(settings, slices, shifts, external, controls),
    )


def write_audit(audit: Audit, uri: str) -> None:
    """Writes `AUDIT_FILE` and `PREDICTIONS_FILE`, each whole or not at all.

    Args:
        audit: What came of it.
        uri: Folder of the artifact.
    """
    classes = [name for name in audit.films if name.startswith(f"{features.PROBABILITY}_")]
    columns = [
        features.SHA256, features.PATIENT_ID, features.LABEL, features.SUBTYPE,
        features.PROBABILITY, DECISION, *classes,
    ]  # fmt: skip
    table = audit.films.to_csv(columns=columns, index=False, lineterminator="\n")
    _write_text(f"{uri}/{PREDICTIONS_FILE}", table)
    _write_text(f"{uri}/{AUDIT_FILE}", json.dumps(audit.to_json(), indent=2, allow_nan=False))


def subtype_auc(films: pd.DataFrame, samples: int) -> tuple[float, Interval] | None:
    """Measures how well bacterial pneumonia is told from viral, given that it is one.

    Args:
        films: Scored test films.
        samples: Draws of patients.

    Returns:
        AUC of P(bacteria) / (P(bacteria) + P(virus)) over pneumonia films of these subtypes
        and its interval; None if the model does not tell them apart or one has no film.
    """
    _, bacteria, virus = class_columns(3)
    known = films[films[features.SUBTYPE].isin([features.BACTERIA, features.VIRUS])]
    if virus not in films or known[features.SUBTYPE].nunique() < 2:
        return None
    share = (known[bacteria] / (known[bacteria] + known[virus]).clip(lower=1e-12)).to_numpy()
    labels = (known[features.SUBTYPE] == features.BACTERIA).to_numpy(float)
    patients = known[features.PATIENT_ID].to_numpy()
    return estimate_auc(labels, share, patients, samples)


def _audit_shifts(subject: Subject, films: pd.DataFrame, settings: AuditSettings) -> list[Shift]:
    chosen = choose_films(films, settings.audit_films)
    wanted = set(chosen.tolist())
    images = [
        image_of(example)
        for position, example in enumerate(read_examples(subject.test_uris))
        if position in wanted
    ]
    rows = films.iloc[chosen]
    return audit_shifts(subject.served, rows, images, settings.bootstrap_samples)


def _audit_shortcuts(
    subject: Subject, films: pd.DataFrame, settings: AuditSettings
) -> Iterator[Control]:
    model = scores_of(films)
    samples = settings.bootstrap_samples
    train, test = read_examples(subject.train_uris), read_examples(subject.test_uris)
    yield compare(FILE_STATISTICS, statistics_control(train, test), model, samples)
    size_px = subject.hyperparameters.preprocessing.image_size_px
    pixels = served_pixels(subject.served, read_examples(subject.test_uris), size_px)
    for name, scores in network_controls(
        subject.transformed_train, pixels, subject.hyperparameters, settings.control_epochs
    ):
        yield compare(name, scores, model, samples)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    _LOG.info("%s took %.0f s", what, time.monotonic() - start)


def _counts(one: Estimate) -> dict[str, Any]:
    return {"films": one.films, "patients": one.patients, "metrics": one.metrics}


def _shift_json(shift: Shift) -> dict[str, Any]:
    metrics, intervals = shift.estimate.metrics, shift.estimate.intervals
    return {
        "name": shift.name,
        "films": shift.estimate.films,
        **{name: metrics[name] for name in SHOWN},
        **{f"{name}_interval": intervals.get(name) for name in SHOWN},
        **{f"{name}_change": shift.differences[name] for name in SHOWN},
    }


def _external_json(site: ExternalSite | None) -> dict[str, Any] | None:
    if site is None:
        return None
    reached = site.estimate
    return {
        "root": site.root,
        "rejected": site.rejected,
        **_counts(reached),
        "intervals": reached.intervals,
    }


def _without_nan(value: Any) -> Any:
    """Returns JSON content with null for NaN, at any depth."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _write_text(file_name: str, text: str) -> None:
    beside = f"{file_name}.part"
    with fileio.open(beside, "w") as file:
        file.write(text)
    fileio.rename(beside, file_name, overwrite=True)
