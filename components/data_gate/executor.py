"""The work of DataGate: schema anomalies, missing classes and masks, leaks, drift."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from components.data_gate.account import Comparison, account_files, stop_sentence
from components.data_gate.drift import DRIFT, SKEW, Distance, Statistics, distances
from models import features
from models.data_gate_settings import DataGateSettings
from models.lesion_masks import NO_LESION_MASKS
from models.remote_files import write_text
from radiographs.errors import DataError
from radiographs.leaks import Anomaly, absent_classes, leaks, without_films

_LOG = logging.getLogger(__name__)

EXAMPLES = "examples"
STATISTICS = "statistics"
SCHEMA = "schema"
REPORT = "report"

PREVIOUS = "previous_statistics"
ACCEPTED = "accepted"

SETTINGS = "settings"  # execution property, JSON of DataGateSettings
LEARNS_LESIONS = "learns_lesions"  # execution property, 1 where lesion masks are to be learnt from
ACCEPTED_DRIFT = "accepted_drift"  # property of the report: a person's reason, where one overruled

TRAINING_ENVIRONMENT = "TRAINING"

_NO_RESOLVER = "this runner does not find the data accepted before"
_NO_OTHER = "no other data has been accepted before"


class DataGateError(DataError):
    """The data breaks its contract or has drifted; the message lists how."""


class DataGateExecutor(base_executor.BaseExecutor):
    """Validates, compares, writes the reports, then stops the run if there is an anomaly."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Checks every split.

        Args:
            input_dict: `examples`, `statistics`, `schema`; `previous_statistics` and `accepted`
                of at most one artifact, or absent where the runner cannot resolve them.
            output_dict: `report`.
            exec_properties: `SETTINGS`, `LEARNS_LESIONS`; the fingerprint only speaks to the
                cache.

        Raises:
            DataGateError: With the list of anomalies.
        """
        settings = DataGateSettings.model_validate_json(exec_properties[SETTINGS])
        schema_uri = artifact_utils.get_single_uri(input_dict[SCHEMA])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        statistics = _load_statistics(input_dict[STATISTICS])
        breaches = [
            *schema_anomalies(statistics, schema),
            *missing_classes(statistics),
            *(missing_masks(statistics) if exec_properties.get(LEARNS_LESIONS) else ()),
            *leaks(_identities(input_dict[EXAMPLES], statistics)),
        ]
        comparison = compare(statistics, input_dict.get(PREVIOUS), schema, settings)
        reason = settings.accept_drift.strip() or _earlier_reason(input_dict.get(ACCEPTED))
        report = artifact_utils.get_single_instance(output_dict[REPORT])
        files = account_files(breaches, comparison, reason)
        for name, text in files.items():
            write_text(f"{report.uri}/{name}", text)
        moved = comparison.anomalies
        if breaches or (moved and not reason):
            raise DataGateError(stop_sentence(breaches, [] if reason else moved), files)
        if moved:
            report.set_string_custom_property(ACCEPTED_DRIFT, reason)
        for line in comparison.lines(reason):
            _LOG.info("%s", line)
        _LOG.info("%d splits keep the data contract", len(statistics))


def compare(
    statistics: Mapping[str, Statistics],
    previous: list[Artifact] | None,
    schema: schema_pb2.Schema,
    settings: DataGateSettings,
) -> Comparison:
    """Compares the films with those accepted before, and those to learn from with those served.

    Args:
        statistics: By split.
        previous: Statistics of the data accepted before, at most one; None where the runner
            cannot resolve them.
        schema: With its comparators.
        settings: What was served.

    Returns:
        Distances, and why something was not compared.
    """
    notes: list[str] = []
    found: list[Distance] = []
    serving = settings.serving_statistics
    if previous:
        found += distances(DRIFT, statistics, _load_statistics(previous), schema)
    else:
        notes.append(_NO_RESOLVER if previous is None else _NO_OTHER)
    if serving:
        served = {features.TRAIN: _read_statistics(serving)}
        skew = list(distances(SKEW, statistics, served, schema))
        if not skew:
            notes.append(f"{serving} holds no feature that can be compared")
        found += skew
    return Comparison(
        previous=previous[0].uri if previous else "",
        serving=serving,
        notes=tuple(notes),
        distances=tuple(found),
    )


def schema_anomalies(
    statistics: Mapping[str, Statistics],
    schema: schema_pb2.Schema,
    environment: str = TRAINING_ENVIRONMENT,
) -> Iterator[Anomaly]:
    """Validates the statistics of each split against the schema.

    Args:
        statistics: By split.
        schema: With its environments.
        environment: Which features have to be present.

    Yields:
        What TFDV finds.
    """
    for split, of_split in statistics.items():
        if of_split.datasets[0].num_examples == 0:
            yield without_films(split)
            continue
        found = tfdv.validate_statistics(of_split, schema, environment=environment)
        for feature, anomaly in sorted(found.anomaly_info.items()):
            yield Anomaly(split, feature or "dataset", anomaly.description)


def missing_classes(
    statistics: Mapping[str, Statistics],
) -> Iterator[Anomaly]:
    """Finds splits without a film of some class, as quarantine can leave them.

    Args:
        statistics: By split.

    Yields:
        One anomaly for each split and class.
    """
    for split, of_split in statistics.items():
        if of_split.datasets[0].num_examples == 0:
            continue
        present = {
            value.value
            for feature in of_split.datasets[0].features
            if list(feature.path.step) == [features.LABEL]
            for value in feature.string_stats.top_values
        }
        yield from absent_classes(split, present)


def missing_masks(statistics: Mapping[str, Statistics]) -> Iterator[Anomaly]:
    """Finds that there is no lesion mask to learn from.

    Args:
        statistics: By split.

    Yields:
        One anomaly if train has films and none of them a mask.
    """
    train = statistics.get(features.TRAIN)
    if train is None or train.datasets[0].num_examples == 0:
        return
    of_masks = [
        feature
        for feature in train.datasets[0].features
        if list(feature.path.step) == [features.LESION_MASK]
    ]
    # TFDV has one kind of statistics with a schema and the other without.
    if not any(one.bytes_stats.avg_num_bytes or one.string_stats.avg_length for one in of_masks):
        yield Anomaly(features.TRAIN, features.LESION_MASK, NO_LESION_MASKS)


def _load_statistics(artifacts: list[Artifact]) -> dict[str, Statistics]:
    artifact = artifact_utils.get_single_instance(artifacts)
    splits = artifact_utils.decode_split_names(artifact.split_names)
    return {
        split: tfdv.load_stats_binary(
            io_utils.get_only_uri_in_dir(artifact_utils.get_split_uri(artifacts, split))
        )
        for split in splits
    }


def _read_statistics(uri: str) -> Statistics:
    try:
        statistics = tfdv.load_stats_binary(uri)
    except (DecodeError, tf.errors.OpError) as error:
        raise DataError(
            f"{uri} cannot be read as statistics ({type(error).__name__}); check "
            "data_gate.serving_statistics, which is a file that `python -m pipeline.schema "
            "statistics` writes"
        ) from None
    if len(statistics.datasets) != 1:
        raise DataError(
            f"{uri} holds statistics of {len(statistics.datasets)} sets of films instead of one; "
            "check data_gate.serving_statistics"
        )
    return statistics


def _earlier_reason(accepted: list[Artifact] | None) -> str:
    """Returns why a person has let the same films pass before, or nothing."""
    return accepted[0].get_string_custom_property(ACCEPTED_DRIFT) if accepted else ""


def _identities(
    examples: list[Artifact], splits: Iterable[str]
) -> dict[str, list[tuple[str, str]]]:
    return {
        split: _read_identities(artifact_utils.get_split_uris(examples, split)) for split in splits
    }


def _read_identities(uris: list[str]) -> list[tuple[str, str]]:
    files = [file for uri in uris for file in tf.io.gfile.glob(f"{uri}/*")]
    names = (features.PATIENT_ID, features.SHA256)
    spec = {name: tf.io.FixedLenFeature([], tf.string, default_value="") for name in names}
    films = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(64)
    parsed = films.map(lambda batch: tf.io.parse_example(batch, spec))
    return [
        (patient.decode(), digest.decode())
        for batch in parsed.as_numpy_iterator()
        for patient, digest in zip(*(batch[name] for name in names), strict=True)
    ]
