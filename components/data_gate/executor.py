"""The work of DataGate: schema anomalies, shared patients, shared images."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from models import features
from radiographs.errors import DataError

_LOG = logging.getLogger(__name__)

EXAMPLES = "examples"
STATISTICS = "statistics"
SCHEMA = "schema"
REPORT = "report"

ANOMALIES_FILE = "anomalies.json"
TRAINING_ENVIRONMENT = "TRAINING"

_SHOWN = 5  # names in a sentence; the report has all


@dataclass(frozen=True)
class Anomaly:
    """One breach of the data contract.

    Attributes:
        where: Split or pair of splits.
        what: Feature that is concerned.
        why: A sentence for the user.
    """

    where: str
    what: str
    why: str

    def __str__(self) -> str:
        """Returns the anomaly as a line of a list."""
        return f"{self.where}, {self.what}: {self.why}"


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
            listed = "\n".join(f"  - {anomaly}" for anomaly in anomalies)
            raise DataGateError(
                f"the data breaks its contract:\n{listed}", {ANOMALIES_FILE: report}
            )
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
            yield Anomaly(split, "films", "there are none; check data.split and the folders")
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
        for label in features.LABELS:
            if label not in present:
                why = f"there is no {label} film; look into the quarantine list and data.split"
                yield Anomaly(split, features.LABEL, why)


def leaks(identities: Mapping[str, Iterable[tuple[str, str]]]) -> Iterator[Anomaly]:
    """Finds patients and byte-identical images that two splits share.

    Args:
        identities: `(patient_id, sha256)` of each film, by split.

    Yields:
        One anomaly for each pair of splits and kind of leak.
    """
    patients = {split: {patient for patient, _ in films} for split, films in identities.items()}
    images = {split: {digest for _, digest in films} for split, films in identities.items()}
    remedy = "set data.split=by_patient, or move them to one side"
    for kind, feature, members in (
        ("patients", features.PATIENT_ID, patients),
        ("byte-identical images", features.SHA256, images),
    ):
        for one, other in combinations(members, 2):
            shared = sorted(members[one] & members[other])
            if shared:
                names = ", ".join(name[:40] for name in shared[:_SHOWN])
                more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
                why = f"{len(shared)} {kind} are in both splits ({names}{more}); {remedy}"
                yield Anomaly(f"{one} and {other}", feature, why)


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
