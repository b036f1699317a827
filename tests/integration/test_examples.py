"""The examples that a run wrote, against the manifest of the films they were made from."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from models import features
from tests.support import LocalRun, read_examples

SIZE_PX = 64

Example = dict[str, Any]  # bytes, int or float by feature


@pytest.fixture(scope="module", name="examples")
def read_raw_examples(pushed: LocalRun) -> dict[str, list[Example]]:
    """Each feature's only value, by split."""
    uri = pushed.uri("RadiographExampleGen", "examples")
    return {split: [parse(one) for one in read_examples(uri, split)] for split in features.SPLITS}


@pytest.fixture(scope="module", name="manifest")
def read_manifest(pushed: LocalRun) -> dict[str, dict[str, str]]:
    """Rows of the manifest by digest of the film."""
    folder = pushed.work.phantoms
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {hashlib.sha256((folder / row["path"]).read_bytes()).hexdigest(): row for row in rows}


def parse(serialised: bytes) -> Example:
    example = tf.train.Example.FromString(serialised)
    values = {}
    for name, feature in example.features.feature.items():
        (values[name],) = getattr(feature, feature.WhichOneof("kind")).value
    return values


def test_every_film_of_the_manifest_is_there_once(
    examples: dict[str, list[Example]], manifest: dict[str, dict[str, str]]
) -> None:
    digests = [str(one[features.SHA256], "ascii") for films in examples.values() for one in films]
    assert sorted(digests) == sorted(manifest)


def test_every_feature_of_the_contract_has_one_value(examples: dict[str, list[Example]]) -> None:
    kinds = {
        bytes: features.RAW_STRING_FEATURES,
        int: features.RAW_INT_FEATURES,
        float: features.RAW_FLOAT_FEATURES,
    }
    expected = {name: kind for kind, names in kinds.items() for name in names}
    for one in (film for films in examples.values() for film in films):
        assert {name: type(value) for name, value in one.items()} == expected


def test_features_say_what_the_manifest_and_the_file_say(
    examples: dict[str, list[Example]], manifest: dict[str, dict[str, str]], pushed: LocalRun
) -> None:
    for one in (film for films in examples.values() for film in films):
        row = manifest[str(one[features.SHA256], "ascii")]
        for name in ("label", "subtype", "patient_id", "site", "view", "sex"):
            assert one[name] == row[name].encode()
        assert one[features.AGE_YEARS] == int(row["age_years"])
        content = (pushed.work.phantoms / row["path"]).read_bytes()
        grey = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert one[features.IMAGE] == content
        assert (one[features.HEIGHT_PX], one[features.WIDTH_PX]) == grey.shape
        assert one[features.MEAN_INTENSITY] == pytest.approx(grey.mean() / 255, abs=0.005)
        assert one[features.SOURCE_FORMAT] == (b"PNG" if row["path"].endswith("png") else b"JPEG")


def test_no_patient_is_in_two_splits(examples: dict[str, list[Example]], pushed: LocalRun) -> None:
    patients = {
        split: {film[features.PATIENT_ID] for film in films} for split, films in examples.items()
    }
    for one, other in combinations(features.SPLITS, 2):
        assert patients[one].isdisjoint(patients[other])
    counted = {split: len(names) for split, names in patients.items()}
    assert counted == pushed.summary["data"]["patients"]
    images = {split: len(films) for split, films in examples.items()}
    assert images == pushed.summary["data"]["images"]


def test_every_split_has_both_classes(examples: dict[str, list[Example]]) -> None:
    for films in examples.values():
        assert {film[features.LABEL] for film in films} == {b"NORMAL", b"PNEUMONIA"}


@pytest.mark.parametrize("split", [features.TRAIN, features.EVAL])
def test_transformed_examples_hold_label_age_band_and_pixels(
    pushed: LocalRun, examples: dict[str, list[Example]], split: str
) -> None:
    transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
    serialised = read_examples(pushed.uri("Transform", "transformed_examples"), split)
    parsed = tf.io.parse_example(serialised, transform.transformed_feature_spec())
    starts = np.array(features.AGE_BAND_STARTS_YEARS)
    expected = Counter(
        (
            features.LABELS.index(film[features.LABEL].decode()),
            features.AGE_BANDS[np.searchsorted(starts, film[features.AGE_YEARS], "right")].encode(),
        )
        for film in examples[split]
    )
    labels, bands, pixels = (
        parsed[name].numpy().ravel()
        for name in (features.LABEL_XF, features.AGE_BAND, features.IMAGE_XF)
    )
    assert Counter(zip(labels.tolist(), bands.tolist(), strict=True)) == expected
    assert {len(film) for film in pixels} == {SIZE_PX**2}


def test_test_split_is_not_transformed_ahead(pushed: LocalRun) -> None:
    splits = {path.name for path in Path(pushed.uri("Transform", "transformed_examples")).iterdir()}
    assert splits == {"Split-train", "Split-eval"}
