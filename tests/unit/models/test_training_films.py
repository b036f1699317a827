"""The record of what a model has seen: which films it names, and where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.film_keys import key_of
from models.input_pipeline import TransformedFilms
from models.training_films import RECORD, are_new, read_seen, write_seen


def split(folder: Path, *films: tuple[str, str]) -> TransformedFilms:
    """Transformed examples of (digest, patient)."""
    file = str(folder / f"{len(list(folder.iterdir()))}.gz")
    with tf.io.TFRecordWriter(file, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for digest, patient in films:
            example = tf.train.Example()
            for name, word, key in (
                (features.SHA256, digest, features.SHA256_XF),
                (features.PATIENT_ID, patient, features.PATIENT_ID_XF),
            ):
                value = int(key_of(name, tf.constant(word)).numpy())
                example.features.feature[key].int64_list.value.append(value)
            writer.write(example.SerializeToString())
    return TransformedFilms((file,), {}, np.array([0, 1]))


@pytest.fixture(name="saved_model")
def record_two_splits(tmp_path: Path) -> str:
    films = tmp_path / "films"
    films.mkdir()
    train = split(films, ("aa", "one"), ("bb", "one"), ("cc", "two"))
    evaluation = split(films, ("dd", "three"))
    saved_model = str(tmp_path / "model" / "Format-Serving")
    Path(saved_model).mkdir(parents=True)
    write_seen((train, evaluation), saved_model)
    return saved_model


@pytest.mark.parametrize(
    ("digest", "patient", "is_new"),
    [
        ("ee", "four", True),
        ("aa", "four", False),  # the same file under another name
        ("ee", "two", False),  # another film of a patient in train
        ("dd", "four", False),  # eval chose the epoch and the threshold
        ("ee", "three", False),
        ("one", "aa", True),  # a patient's name is no film
        ("aa", "one", False),
    ],
)
def test_a_film_is_new_if_neither_it_nor_its_patient_was_seen(
    saved_model: str, digest: str, patient: str, is_new: bool
) -> None:
    seen = read_seen(saved_model)
    assert seen is not None
    digests, patients = (np.array([word.encode(), b"zz"]) for word in (digest, patient))
    assert are_new(digests, patients, seen).tolist() == [is_new, True]


def test_the_record_lies_beside_what_is_pushed_and_holds_each_key_once(saved_model: str) -> None:
    assert list(Path(saved_model).iterdir()) == []
    assert [path.name for path in Path(saved_model).parent.iterdir() if path.is_file()] == [RECORD]
    stored = np.fromfile(Path(saved_model).parent / RECORD, "<i8")
    assert len(stored) == 4 + 3
    assert (np.diff(stored) > 0).all()
    seen = read_seen(f"{saved_model}/")
    assert seen is not None
    assert seen.tolist() == stored.tolist()


def test_a_model_without_a_record_says_so(tmp_path: Path) -> None:
    assert read_seen(str(tmp_path / "Format-Serving")) is None


def test_an_empty_record_is_one(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_bytes(b"")
    seen = read_seen(str(tmp_path / "Format-Serving"))
    assert seen is not None
    assert are_new(np.array([b"aa"]), np.array([b"one"]), seen).tolist() == [True]


def test_keys_are_the_same_in_every_version() -> None:
    # Records are read by later versions; both numbers were computed with TensorFlow 2.16.
    keys = {
        feature: int(key_of(feature, tf.constant("0a")).numpy())
        for feature in (features.SHA256, features.PATIENT_ID)
    }
    assert keys == {
        features.SHA256: 3020873125390845175,
        features.PATIENT_ID: 2397849488730546852,
    }
