"""From artifacts to a report: reads what there is and says in words what there is not."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import tensorflow as tf
from google.protobuf.message import DecodeError

from components.audit_gate.executor import ACCEPTED_BLIND_TEST, VERDICTS_FILE
from components.auditor.findings import AUDIT_FILE, FRAME_SWAPS_FILE, PREDICTIONS_FILE
from components.data_gate.account import ANOMALIES_FILE, DRIFT_FILE
from components.data_gate.executor import ACCEPTED_DRIFT
from components.evaluation.comparison import comparison_of
from components.evaluation.gates import read_verdicts
from components.evaluation.slices import SliceMetrics, load_slices
from components.explanation_gen.index import ExplainedFilm, read_index
from components.label_auditor.files import read_label_audit, read_pictures
from components.radiograph_example_gen.report import IGNORED_FILE, INGEST_FILE, QUARANTINE_FILE
from components.radiograph_example_gen.styles import STYLES_PICTURE
from components.report_gen import sources as of
from components.report_gen.distributions import read_distributions
from components.report_gen.performance import BAND_SAMPLES, performance_of, read_predictions
from components.report_gen.report import DataFacts, LabelFacts, Outcome, Report, Training
from components.report_gen.sources import Sources
from components.verdicts import Verdict
from models.audit_settings import Evaluation
from models.records import TRAINING_RECORD

_LOG = logging.getLogger(__name__)


TRIALS_FILE = "tuner_results.json"  # TFX's name

# Properties that TFX's components set.
BLESSED, PUSHED, PUSHED_VERSION = "blessed", "pushed", "pushed_version"

# TFMA asserts that its files are there.
_UNREADABLE = (
    tf.errors.OpError, DecodeError, AssertionError, AttributeError, LookupError, OSError,
    TypeError, ValueError,
)  # fmt: skip

Content = TypeVar("Content")


class _Reader:
    """Reads parts of a run, and keeps account of those that are not to be had."""

    def __init__(self, sources: Sources, not_missed: Collection[str]):
        self._sources = sources
        self._not_missed = not_missed
        self.absent: list[str] = []

    def read(self, name: str, read: Callable[[str], Content], default: Content) -> Content:
        """Returns what a function makes of an artifact's folder, or the default."""
        if name not in self._sources:
            if name not in self._not_missed and not any(
                of.NAMES[name] in one for one in self.absent
            ):
                self.absent.append(f"There is no trace of {of.NAMES[name]}.")
            return default
        try:
            return read(self._sources[name].uri)
        except _UNREADABLE as error:
            _LOG.warning("%s cannot be read", of.NAMES[name], exc_info=True)
            why = " ".join(str(error).split()) or type(error).__name__
            self.absent.append(f"A part of {of.NAMES[name]} cannot be read: {why[:200]}.")
            return default


def collect(
    sources: Sources,
    gates: Evaluation,
    band_samples: int = BAND_SAMPLES,
    not_missed: Collection[str] = of.OPTIONAL,
) -> Report:
    """Reads a run.

    Args:
        sources: Its artifacts; any of them may be missing or of an earlier version.
        gates: What the model had to reach.
        band_samples: Draws of patients behind the bands of curves.
        not_missed: Sources of which nothing is said where they are not there.

    Returns:
        The report, with a sentence for each part that is missing.
    """
    reader = _Reader(sources, not_missed)
    data, training = _data(reader, sources), _training(reader)
    audit: dict[str, Any] = reader.read(of.AUDIT, read_audit, {})
    judged: list[dict[str, Any]] | None = reader.read(
        of.VERDICTS, lambda uri: _rows(f"{uri}/{VERDICTS_FILE}"), None
    )
    slices: list[SliceMetrics] = reader.read(of.EVALUATION, lambda uri: _slices(uri, audit), [])
    films: list[ExplainedFilm] = reader.read(of.EXPLANATIONS, read_index, [])
    return Report(
        outcome=outcome_of(sources),
        data=data,
        training=training,
        performance=reader.read(
            of.AUDIT,
            lambda uri: performance_of(
                read_predictions(_text(f"{uri}/{PREDICTIONS_FILE}")), band_samples
            ),
            None,
        ),
        slices=tuple(slices),
        verdicts=tuple(_verdicts(reader, slices, gates, judged or [])),
        comparison=comparison_of(slices[0], gates) if slices else None,
        audit=audit if judged is None else {**audit, "gates": judged},
        films=tuple(films),
        pictures=reader.read(of.EXPLANATIONS, lambda uri: _pictures(uri, films, reader), {}),
        labels=_labels(reader),
        swaps_picture=reader.read(of.AUDIT, lambda uri: _bytes(f"{uri}/{FRAME_SWAPS_FILE}"), b""),
        artifacts=tuple((name, source.uri) for name, source in sources.items()),
        absent=tuple(dict.fromkeys(reader.absent)),
    )


def outcome_of(sources: Sources) -> Outcome:
    """Tells where the model went from what the components said of their artifacts."""

    def said(name: str) -> bool | None:
        return sources[name].flag(BLESSED) if name in sources else None

    pushed = sources.get(of.PUSHED_MODEL)
    blessing = sources.get(of.BLESSING)
    return Outcome(
        evaluator_blessed=said(of.EVALUATOR_BLESSING),
        blessed=said(of.BLESSING),
        servable=said(of.INFRA_BLESSING),
        pushed_version=pushed.text(PUSHED_VERSION) if pushed and pushed.flag(PUSHED) else "",
        accepted_blind_test=blessing.text(ACCEPTED_BLIND_TEST) if blessing else "",
    )


def read_audit(uri: str) -> dict[str, Any]:
    """Returns the content of the Auditor's file.

    Args:
        uri: Folder of the artifact, which may be remote.
    """
    return _object(f"{uri}/{AUDIT_FILE}")


def audited_intervals(audit: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the intervals of an audit by slice and metric.

    Args:
        audit: Content of the Auditor's file; may be empty.
    """
    return {name: one["intervals"] for name, one in audit.get("slices", {}).items()}


def _data(reader: _Reader, sources: Sources) -> DataFacts:
    drift: dict[str, Any] = reader.read(
        of.DATA_GATE, lambda uri: _object(f"{uri}/{DRIFT_FILE}"), {}
    )
    if drift:  # where the cache answers, the reason is that of the run that asked
        drift = {**drift, "accepted": sources[of.DATA_GATE].text(ACCEPTED_DRIFT)}
    return DataFacts(
        drift=drift,
        ingest=reader.read(of.INGEST, lambda uri: _object(f"{uri}/{INGEST_FILE}"), {}),
        quarantined=reader.read(of.INGEST, lambda uri: _reasons(f"{uri}/{QUARANTINE_FILE}"), ()),
        ignored=reader.read(of.INGEST, lambda uri: _reasons(f"{uri}/{IGNORED_FILE}"), ()),
        anomalies=reader.read(
            of.DATA_GATE, lambda uri: tuple(_rows(f"{uri}/{ANOMALIES_FILE}")), ()
        ),
        distributions=reader.read(of.STATISTICS, lambda uri: tuple(read_distributions(uri)), ()),
        styles_picture=reader.read(of.INGEST, lambda uri: _bytes(f"{uri}/{STYLES_PICTURE}"), b""),
    )


def _training(reader: _Reader) -> Training:
    return Training(
        record=reader.read(of.MODEL_RUN, lambda uri: _object(f"{uri}/{TRAINING_RECORD}"), {}),
        trials=reader.read(of.TUNER_RESULTS, lambda uri: tuple(_rows(f"{uri}/{TRIALS_FILE}")), ()),
    )


def _labels(reader: _Reader) -> LabelFacts:
    audit: dict[str, Any] = reader.read(of.LABEL_AUDIT, read_label_audit, {})
    if not audit:
        return LabelFacts()
    pictures: dict[str, bytes] = reader.read(
        of.LABEL_AUDIT, lambda uri: read_pictures(uri, audit), {}
    )
    return LabelFacts(audit, pictures)


def _judged(uri: str) -> list[dict[str, Any]]:
    return _rows(f"{uri}/{VERDICTS_FILE}")


def _slices(uri: str, audit: Mapping[str, Any]) -> list[SliceMetrics]:
    slices = load_slices(uri, audited_intervals(audit))
    if not slices:  # TFMA reads a file that is cut off as far as it goes
        raise ValueError("it holds no metric")
    return slices


def _verdicts(
    reader: _Reader, slices: list[SliceMetrics], gates: Evaluation, judged: list[dict[str, Any]]
) -> list[Verdict]:
    if not slices:
        return []
    return reader.read(
        of.EVALUATION, lambda uri: read_verdicts(uri, slices, gates, {"gates": judged}), []
    )


def _pictures(uri: str, films: list[ExplainedFilm], reader: _Reader) -> dict[str, bytes]:
    names = [name for film in films for name in (film.film, film.heat, film.feature_maps) if name]
    pictures = {}
    for name in names:
        try:
            with tf.io.gfile.GFile(f"{uri}/{name}", "rb") as file:
                pictures[name] = file.read()
        except tf.errors.OpError:
            reader.absent.append(f"The picture {name} of an explained film cannot be read.")
    return pictures


def _text(uri: str) -> str:
    with tf.io.gfile.GFile(uri) as file:
        return file.read()


def _object(uri: str) -> dict[str, Any]:
    content = json.loads(_text(uri))
    if not isinstance(content, dict):
        raise ValueError(f"{uri} holds no object")
    return content


def _rows(uri: str) -> list[dict[str, Any]]:
    content = json.loads(_text(uri))
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ValueError(f"{uri} holds no list of objects")
    return content


def _bytes(uri: str) -> bytes:
    """Returns the content of a file that not every run has, or nothing."""
    if not tf.io.gfile.exists(uri):
        return b""
    with tf.io.gfile.GFile(uri, "rb") as file:
        return file.read()


def _reasons(uri: str) -> tuple[tuple[str, str], ...]:
    header, *rows = csv.reader(io.StringIO(_text(uri)))
    if header != ["path", "reason"]:
        raise ValueError(f"{uri} is not a list of paths and reasons")
    return tuple((path, reason) for path, reason in rows)
