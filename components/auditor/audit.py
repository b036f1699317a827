"""The audit of a model from beginning to end, without TFX: what `Auditor` runs and writes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from components.auditor.abstention import abstention_of
from components.auditor.chests import find_chests
from components.auditor.controls import (
    FILE_STATISTICS,
    NetworkControls,
    compare,
    network_controls,
)
from components.auditor.external import audit_external_site
from components.auditor.facts_control import FactsControl, facts_control, read_facts
from components.auditor.file_statistics import statistics_control
from components.auditor.findings import (
    AUDIT_FILE,
    FACTS,
    FRAME_SWAPS_FILE,
    PREDICTIONS_FILE,
    Control,
    ExternalSite,
    Findings,
    FrameSwaps,
    Shift,
)
from components.auditor.frame_swaps import audit_frame_swaps
from components.auditor.lesions import Lesions, audit_lesions
from components.auditor.overlap import identities_of_examples
from components.auditor.scoring import (
    ANSWER,
    DECISION,
    class_columns,
    image_of,
    judged,
    read_examples,
    score_examples,
    scores_of,
    unscored_by_reason,
)
from components.auditor.served_pixels import ServedPixels
from components.auditor.shifts import MAX_SIDE_PX, audit_shifts, choose_films
from metrics.estimates import estimate, estimate_auc
from metrics.score_intervals import Interval
from metrics.slices import slices_of
from models import features
from models.audit_settings import AuditMeasures
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms
from models.remote_files import write_text, written_beside
from radiographs.options import IngestOptions

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """The model and the films it is audited with.

    Attributes:
        served: A loaded SavedModel.
        hyperparameters: What it was trained with.
        train_uris: Folders of the raw train split.
        eval_uris: Folders of the raw eval split.
        test_uris: Folders of the raw test split.
        transformed_train: The train split as Transform wrote it.
    """

    served: Any
    hyperparameters: Hyperparameters
    train_uris: Sequence[str]
    eval_uris: Sequence[str]
    test_uris: Sequence[str]
    transformed_train: TransformedFilms

    @property
    def prepared(self) -> ServedPixels:
        """How the model prepares a film."""
        return ServedPixels(self.served, self.hyperparameters.preprocessing)


def audit_model(
    subject: Subject, measures: AuditMeasures, options: IngestOptions
) -> tuple[pd.DataFrame, Findings]:
    """Runs every audit that is switched on.

    Args:
        subject: Model and films.
        measures: Which audits, and how thorough.
        options: How the films of another site are read.

    Returns:
        The scored test films, of `score_examples`, and what was found. With `network.clinical`
        slices are of what the Evaluator counts, answers that know age, sex and view; audits that
        change a film's pixels, and other sites, are of files alone.

    Raises:
        DataError: If the folder of the other site cannot be used.
    """
    samples = measures.bootstrap_samples
    external = _audit_external(subject, measures, options)  # what may be refused comes first
    with _timed("scoring the test films"):
        told = subject.hyperparameters.network.clinical
        every = score_examples(subject.served, read_examples(subject.test_uris), told)
        films = by_file = judged(every)
        if told:
            by_file = judged(score_examples(subject.served, read_examples(subject.test_uris)))
    with _timed("the intervals"):
        slices = {
            name: estimate(scores_of(films[chosen]), samples) for name, chosen in slices_of(films)
        }
    controls = _network_controls(subject, measures)
    by_facts = _facts_control(subject, measures)
    findings = Findings(
        slices=slices,
        subtype_auc=subtype_auc(films, samples),
        shifts=_audit_shifts(subject, by_file, measures),
        external=external,
        controls=_audit_shortcuts(subject, by_file, measures, controls, by_facts),
        unscored=unscored_by_reason(every),
        frame_swaps=_audit_frame_swaps(subject, by_file, measures, options, controls, by_facts),
        abstention=abstention_of(films),
        missing_controls={FACTS: by_facts.missing} if by_facts.missing else {},
        lesions=_audit_lesions(subject, measures),
    )
    return every, findings


def write_audit(films: pd.DataFrame, findings: Findings, uri: str) -> None:
    """Writes `PREDICTIONS_FILE`, `AUDIT_FILE` and `FRAME_SWAPS_FILE`, each whole or not at all.

    Args:
        films: Scored test films.
        findings: What was found.
        uri: Folder of the artifact.
    """
    classes = [name for name in films if name.startswith(f"{features.PROBABILITY}_")]
    columns = [
        features.SHA256, features.PATIENT_ID, features.LABEL, features.SUBTYPE,
        features.PROBABILITY, DECISION, ANSWER, features.OUT_OF_DISTRIBUTION, *classes,
    ]  # fmt: skip
    table = films.to_csv(columns=columns, index=False, lineterminator="\n")
    write_text(f"{uri}/{PREDICTIONS_FILE}", table)
    if findings.frame_swaps is not None:
        with written_beside(f"{uri}/{FRAME_SWAPS_FILE}") as path, open(path, "wb") as file:
            file.write(findings.frame_swaps.montage)
    write_text(f"{uri}/{AUDIT_FILE}", json.dumps(findings.to_json(), indent=2, allow_nan=False))


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
    return estimate_auc(labels, share, known[features.PATIENT_ID].to_numpy(), samples)


def _audit_external(
    subject: Subject, measures: AuditMeasures, options: IngestOptions
) -> ExternalSite | None:
    root = measures.external_data_root
    if not root:
        return None
    with _timed("the external site"):
        own = identities_of_examples([*subject.train_uris, *subject.eval_uris, *subject.test_uris])
        return audit_external_site(subject.served, root, options, measures.bootstrap_samples, own)


def _audit_shifts(subject: Subject, films: pd.DataFrame, measures: AuditMeasures) -> list[Shift]:
    if not measures.shift_audit:
        return []
    with _timed("the shift audit"):
        rows, images = _some_films(subject, films, measures.audit_films)
        return audit_shifts(
            subject.served, rows, list(images), subject.prepared, measures.bootstrap_samples
        )


def _audit_frame_swaps(
    subject: Subject,
    films: pd.DataFrame,
    measures: AuditMeasures,
    options: IngestOptions,
    controls: NetworkControls | None,
    by_facts: FactsControl,
) -> FrameSwaps | None:
    if not measures.swap_audit:
        return None
    preprocessing = subject.hyperparameters.preprocessing
    side_px = min(2 * preprocessing.image_size_px, MAX_SIDE_PX)
    weights = preprocessing.lung_fields_weights
    with _timed("the frame-swap audit"):
        rows, images = _some_films(subject, films, measures.audit_films)
        chests = list(find_chests(images, side_px, weights, options))
        blind = {name: one[rows.index] for name, one in by_facts.named.items()}
        return audit_frame_swaps(
            subject.served, rows, chests, measures.bootstrap_samples, controls, blind
        )


def _audit_lesions(subject: Subject, measures: AuditMeasures) -> Lesions | None:
    if not subject.hyperparameters.network.segmentation:
        return None
    with _timed("the lesion audit"):
        examples = read_examples(subject.test_uris)
        samples = measures.bootstrap_samples
        return audit_lesions(subject.served, examples, measures.audit_films, samples)


def _some_films(
    subject: Subject, films: pd.DataFrame, at_most: int
) -> tuple[pd.DataFrame, Iterator[bytes]]:
    """Chooses scored test films, the same ones for every audit, with their encoded images."""
    rows = films.iloc[choose_films(films, at_most)]
    wanted = set(rows.index.tolist())  # positions in the split
    images = (
        image_of(example)
        for position, example in enumerate(read_examples(subject.test_uris))
        if position in wanted
    )
    return rows, images


def _network_controls(subject: Subject, measures: AuditMeasures) -> NetworkControls | None:
    if not measures.shortcut_audit:
        return None
    with _timed("the training of controls"):
        return network_controls(
            subject.transformed_train,
            subject.prepared,
            subject.hyperparameters,
            measures.control_epochs,
            measures.control_films,
        )


def _facts_control(subject: Subject, measures: AuditMeasures) -> FactsControl:
    if not measures.shortcut_audit:
        return FactsControl()
    with _timed("the control of age, sex and view"):
        control = facts_control(read_facts(subject.train_uris), read_facts(subject.test_uris))
    if control.missing:
        _LOG.info("no control of %s: %s", FACTS, control.missing)
    return control


def _audit_shortcuts(
    subject: Subject,
    films: pd.DataFrame,
    measures: AuditMeasures,
    controls: NetworkControls | None,
    by_facts: FactsControl,
) -> list[Control]:
    if controls is None:
        return []
    with _timed("the shortcut audit"):
        scores = {
            FILE_STATISTICS: statistics_control(
                read_examples(subject.train_uris), read_examples(subject.test_uris)
            ),
            **by_facts.named,
            **controls.score(read_examples(subject.test_uris)),
        }
        model, scored = scores_of(films), films.index.to_numpy()
        return [
            compare(name, of_control[scored], model, measures.bootstrap_samples)
            for name, of_control in scores.items()
        ]


@contextmanager
def _timed(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    _LOG.info("%s took %.0f s", what, time.monotonic() - start)
