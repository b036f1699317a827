"""TFX's Evaluator with our module: candidate and baseline are compared on films new to both."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx import v1 as tfx

from components.evaluation import decisions
from components.evaluation.gates import read_verdicts
from components.evaluation.slices import load_slices
from models import features
from models.film_keys import key_of
from models.training_films import RECORD
from pipeline.config import Evaluation
from pipeline.evaluation import make_eval_config
from tests.support import ROOT, run_components
from tests.threshold_model import write_model

FILMS = 80  # every second one of pneumonia
MISTAKEN = 10  # normal films that the candidate takes for pneumonia and the baseline does not
GATES = Evaluation(
    min_auc=0.9, min_recall=0.9, min_specificity=0.7, max_specificity_drop=0.1,
    min_slice_positives=20, min_slice_negatives=20,
)  # fmt: skip
# What the baseline knew before: nobody's films, those it does well on, or nobody can tell.
RECORDS: dict[str, Iterable[int] | None] = {
    "nothing": [],
    "the mistaken": range(0, 2 * MISTAKEN, 2),
    "unknown": None,
}


def example(number: int) -> bytes:
    """Normal films have a brightness of 0.2 or, the mistaken, 0.4; pneumonias of 0.8."""
    is_pneumonia = number % 2 == 1
    texts = {
        features.IMAGE: "pixels",
        features.LABEL: features.LABELS[is_pneumonia],
        features.SUBTYPE: features.BACTERIA if is_pneumonia else features.SUBTYPE_NONE,
        features.PATIENT_ID: f"patient {number}", features.SHA256: f"{number:02x}",
        features.SITE: "here", features.VIEW: "PA", features.SEX: "F",
        features.STYLE: "1", features.LESION_MASK: "",
        features.SOURCE_FORMAT: "PNG",
        **dict.fromkeys(
            (
                features.LATERALITY, features.MODALITY, features.BODY_PART, features.MANUFACTURER,
                features.DEVICE_MODEL,
            ),
            features.UNKNOWN,
        ),
    }  # fmt: skip
    brightness = 0.8 if is_pneumonia else 0.4 if number < 2 * MISTAKEN else 0.2
    film = tf.train.Example()
    for name, text in texts.items():
        film.features.feature[name].bytes_list.value.append(text.encode())
    for name, value in {
        features.AGE_YEARS: 3, features.WIDTH_PX: 9, features.HEIGHT_PX: 9,
        features.STUDY_DAY: features.STUDY_DAY_UNKNOWN,
    }.items():  # fmt: skip
        film.features.feature[name].int64_list.value.append(value)
    for name, measured in (
        (features.MEAN_INTENSITY, brightness), (features.PIXEL_SPACING_MM, 0.0),
    ):  # fmt: skip
        film.features.feature[name].float_list.value.append(measured)
    return film.SerializeToString()


def write_examples(folder: Path) -> None:
    split = folder / f"Split-{features.TEST}"
    split.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(split / "data_tfrecord-00000-of-00001.gz"), options) as file:
        for number in range(FILMS):
            file.write(example(number))


def write_record(folder: Path, patients: Iterable[int]) -> None:
    names = tf.constant([f"patient {number}" for number in patients], tf.string)
    keys = np.sort(key_of(features.PATIENT_ID, names).numpy())
    (folder / RECORD).write_bytes(keys.astype("<i8").tobytes())


@pytest.fixture(scope="module", name="outputs")
def run_evaluators(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """One Evaluator for each record of the baseline, over the same films and models."""
    folder = tmp_path_factory.mktemp("evaluator")
    write_examples(folder / "examples")
    kinds = tfx.types.standard_artifacts
    nodes = {
        "examples": tfx.dsl.Importer(
            source_uri=str(folder / "examples"),
            artifact_type=kinds.Examples,
            properties={"split_names": json.dumps([features.TEST])},
        ),
        "candidate": tfx.dsl.Importer(
            source_uri=str(write_model(folder / "candidate", 0.3)), artifact_type=kinds.Model
        ),
        "schema": tfx.components.ImportSchemaGen(str(ROOT / "schema" / "schema.pbtxt")),
    }
    for name, patients in RECORDS.items():
        uri = write_model(folder / name, 0.6)
        if patients is not None:
            write_record(uri, patients)
        nodes[name] = tfx.dsl.Importer(source_uri=str(uri), artifact_type=kinds.Model)
    for name, node in nodes.items():
        node.with_id(f"import {name}")
    found = {
        name: nodes[name].outputs["schema" if name == "schema" else "result"] for name in nodes
    }
    evaluators = [
        tfx.components.Evaluator(
            examples=found["examples"],
            example_splits=[features.TEST],
            model=found["candidate"],
            baseline_model=found[name],
            schema=found["schema"],
            eval_config=make_eval_config(GATES),
            module_path=decisions.__name__,
        ).with_id(name)
        for name in RECORDS
    ]
    return run_components(folder, *nodes.values(), *evaluators)


@pytest.mark.parametrize(
    ("record", "blessed", "normal_films", "change"),
    [
        ("nothing", 0, FILMS // 2, -MISTAKEN / (FILMS / 2)),
        ("the mistaken", 1, FILMS // 2 - MISTAKEN, 0),
        ("unknown", 1, 0, None),
    ],
)
def test_only_films_that_are_new_to_the_baseline_decide(
    outputs: dict[tuple[str, str], Any],
    record: str,
    blessed: int,
    normal_films: int,
    change: float | None,
) -> None:
    blessing = outputs[record, "blessing"]
    assert blessing.custom_properties["blessed"].int_value == blessed
    uri = outputs[record, "evaluation"].uri
    slices = load_slices(uri, {})
    assert slices[0].comparable_negatives == normal_films
    assert slices[0].metrics["specificity"] == pytest.approx(1 - MISTAKEN / (FILMS / 2))
    verdicts = {(one.slice, one.metric): one for one in read_verdicts(uri, slices, GATES, {})}
    found = verdicts["overall", "specificity change"]
    assert found.passed == bool(blessed)
    if change is None:
        assert np.isnan(found.value)
    else:
        assert found.value == pytest.approx(change)
