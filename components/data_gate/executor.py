"""The work of DataGate: schema anomalies, shared patients, shared images."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from models import features
from radiographs.errors import DataError
from radiographs.leaks import Anomaly, absent_classes, breach_sentence, leaks, without_films

_LOG = logging.getLogger(__name__)

EXAMPLES = "examples"
STATISTICS = "statistics"
SCHEMA = "schema"
REPORT = "report"

ANOMALIES_FILE = "anomalies.json"
TRAINING_ENVIRONMENT = "TRAINING"


class DataGateError(DataError):
    """The data breaks its contract; the message lists how."""


class DataGateExecutor(base_executor.BaseExecutor):
    """Validates, writes the report, then stops the run if there is an anomaly."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Checks every split.

        Args:
            input_dict: `examples`, `statistics`, `schema`.
            output_dict: `report`.
            exec_properties: Only the source fingerprint.

        Raises:
            DataGateError: With the list of anomalies.
        """
        schema_uri = artifact_utils.get_single_uri(input_dict[SCHEMA])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        statistics = _load_statistics(input_dict[STATISTICS])
        identities = {
            split: _read_identities(artifact_utils.get_split_uris(input_dict[EXAMPLES], split))
            for split in statistics
        }
        anomalies = [
            *schema_anomalies(statistics, schema),
            *missing_classes(statistics),
            *leaks(identities),
        ]
        report = json.dumps([asdict(anomaly) for anomaly in anomalies], indent=2)
        report_uri = artifact_utils.get_single_uri(output_dict[REPORT])
        io_utils.write_string_file(f"{report_uri}/{ANOMALIES_FILE}", report)
        if anomalies:
            raise DataGateError(breach_sentence(anomalies), {ANOMALIES_FILE: report})
        _LOG.info("%d splits keep the data contract", len(statistics))


def schema_anomalies(
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList],
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
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList],
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


def _load_statistics(
    artifacts: list[Artifact],
) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    artifact = artifact_utils.get_single_instance(artifacts)
    splits = artifact_utils.decode_split_names(artifact.split_names)
    return {
        split: tfdv.load_stats_binary(
            io_utils.get_only_uri_in_dir(artifact_utils.get_split_uri(artifacts, split))
        )
        for split in splits
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
