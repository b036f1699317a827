"""From phantoms with lesion masks to `lesions` of a served model, and what stays as it was."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

from components.radiograph_example_gen.executor import to_example
from components.radiograph_example_gen.listing import read_layout
from components.radiograph_example_gen.reading import read_image
from models import features, preprocessing, training
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms
from radiographs.films import Film
from radiographs.lesion_masks import read_mask
from radiographs.local_roots import LocalRoot
from radiographs.options import IngestOptions
from radiographs.phantoms import write_phantoms
from tests.unit.models.test_clinical_run import SPEC, as_example, as_row

SIZE_PX = 64
FILMS, TRAIN_FILMS = 150, 110
SETTINGS = Hyperparameters.model_validate(
    {
        "preprocessing": {"image_size_px": SIZE_PX, "lungs": "crop", "contrast": "clahe"},
        "network": {"width": 8, "depth": 4, "dense_units": 16, "segmentation": True},
        "augmentation": {"frame_swap": 0.5, "erase": 0},
        "train": {
            "epochs": 6, "batch_size": 16, "learning_rate": 3e-3, "segmentation_steps": 150,
        },
    }
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What Transform and Trainer left."""

    folder: Path
    examples: list[tf.train.Example]

    @functools.cached_property
    def served(self) -> Any:
        return tf.saved_model.load(str(self.folder / "model"))

    def split(self, name: str) -> TransformedFilms:
        graph = tft.TFTransformOutput(str(self.folder / "transform"))
        return TransformedFilms.open([str(self.folder / f"{name}.gz")], graph)

    def explain(self, images: Sequence[bytes]) -> dict[str, np.ndarray]:
        ask = self.served.signatures[features.EXPLAIN_IMAGES]
        return {name: one.numpy() for name, one in ask(image_bytes=tf.constant(images)).items()}


def bytes_of(example: tf.train.Example, name: str) -> bytes:
    return example.features.feature[name].bytes_list.value[0]


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def dice_of(found: np.ndarray, drawn: np.ndarray) -> float:
    return 2 * float((found & drawn).sum()) / float(found.sum() + drawn.sum())


def squashed(mask: bytes) -> np.ndarray:
    whole = decoded(mask).astype(np.float32)
    return cv2.resize(whole, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA) > 127


def read_examples(root: Path) -> list[tf.train.Example]:
    """Reads films as the ingest does; the order of their names tells no class."""
    films = sorted(read_layout(str(root), IngestOptions()).films, key=lambda film: film.path[-20:])

    def example(film: Film) -> tf.train.Example:
        image = read_image(str(root), film.path, IngestOptions())
        return to_example(film, image, read_mask(LocalRoot(str(root)).content, film, image))

    return [example(film) for film in films]


def transform(
    folder: Path, examples: Sequence[tf.train.Example], settings: Hyperparameters
) -> None:
    """Runs Transform as TFX does."""
    config = {
        preprocessing.PREPROCESSING_KEY: settings.preprocessing.model_dump_json(),
        preprocessing.INGEST_KEY: IngestOptions().model_dump_json(),
        **({preprocessing.SEGMENTATION_KEY: True} if settings.network.segmentation else {}),
    }
    prepare = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    metadata = tft.DatasetMetadata.from_feature_spec(SPEC)
    raw = [as_row(example) for example in examples]
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        analysis = tft_beam.AnalyzeAndTransformDataset(prepare)
        (rows, _), graph = (raw, metadata) | analysis
        graph | tft_beam.WriteTransformFn(str(folder / "transform"))
    described = folder / "transform" / "metadata" / "schema.pbtxt"
    described.parent.mkdir(exist_ok=True)
    described.write_text(str(metadata.schema))
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for split, part in {"train": rows[:TRAIN_FILMS], "eval": rows[TRAIN_FILMS:]}.items():
        with tf.io.TFRecordWriter(str(folder / f"{split}.gz"), options) as writer:
            for row in part:
                writer.write(as_example(row))


def train(folder: Path, settings: Hyperparameters) -> None:
    training.run_fn(
        SimpleNamespace(
            hyperparameters=None,
            transform_output=str(folder / "transform"),
            train_files=[str(folder / "train.gz")],
            eval_files=[str(folder / "eval.gz")],
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "model_run"),
            custom_config={
                training.HYPERPARAMETERS: settings.model_dump_json(),
                training.CHECKPOINT_ROOT: str(folder / "checkpoints"),
                training.SOURCE_FINGERPRINT: "code",
                training.IMPORTED: "nothing",
                training.KEEP: [],
            },
        )
    )


@pytest.fixture(scope="module", name="run")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("lesions")
    root = write_phantoms(folder / "phantoms", films=FILMS, size_px=128, workers=1)
    examples = read_examples(root)
    transform(folder, examples, SETTINGS)
    train(folder, SETTINGS)
    return Run(folder, examples)


def test_lesions_lie_where_they_were_drawn(run: Run) -> None:
    ill = [one for one in run.examples[TRAIN_FILMS:] if bytes_of(one, features.LESION_MASK)]
    found = run.explain([bytes_of(one, features.IMAGE) for one in ill])[features.LESIONS]
    drawn = np.stack([squashed(bytes_of(one, features.LESION_MASK)) for one in ill])
    assert found.shape == (len(ill), SIZE_PX, SIZE_PX)
    assert found.min() >= 0 and found.max() <= 1
    reached = [dice_of(one > 0.5, mask) for one, mask in zip(found, drawn, strict=True)]
    assert np.mean(reached) > 0.5
