"""From phantoms with lesion masks to `lesions` of a served model, and what stays as it was."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

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
from models.lesion_masks import unpack_masks
from models.lesion_training import KnownLesions, _batches, fit_lesions
from models.preprocessing import standardise, unpack_images
from models.records import read_network
from pipeline.start import settings_to_start_from
from radiographs.films import Film
from radiographs.lesion_masks import read_mask
from radiographs.local_roots import LocalRoot
from radiographs.options import IngestOptions
from radiographs.phantoms import write_phantoms
from tests.unit.models.test_clinical_run import SPEC, as_example, as_row

SIZE_PX = 64
FILMS, TRAIN_FILMS = 120, 90
UNKNOWN_EACH = 4  # of so many train films, of one no mask is there
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
        answer = ask(image_bytes=tf.constant(images, tf.string))
        return {name: one.numpy() for name, one in answer.items()}


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
    """Reads films as the ingest does, and takes the masks of some train films away.

    The order of their names tells no class.
    """
    films = sorted(read_layout(str(root), IngestOptions()).films, key=lambda film: film.path[-20:])

    def example(number: int, film: Film) -> tf.train.Example:
        image = read_image(str(root), film.path, IngestOptions())
        mask = read_mask(LocalRoot(str(root)).content, film, image)
        forgotten = number < TRAIN_FILMS and number % UNKNOWN_EACH == 0
        return to_example(film, image, b"" if forgotten else mask)

    return [example(number, film) for number, film in enumerate(films)]


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
    reached, of_others, everywhere = (
        np.mean([dice_of(one > 0.5, mask) for one, mask in zip(maps, masks, strict=True)])
        for maps, masks in ((found, drawn), (found, drawn[::-1]), (np.ones_like(found), drawn))
    )
    assert reached > max(0.5, of_others + 0.15, everywhere + 0.3)


def test_a_film_that_is_not_judged_has_no_lesions(run: Run) -> None:
    film = bytes_of(run.examples[0], features.IMAGE)
    lesions = run.explain([b"no film", film])[features.LESIONS]
    assert np.isnan(lesions[0]).all() and np.isfinite(lesions[1]).all()
    assert run.explain([])[features.LESIONS].shape == (0, SIZE_PX, SIZE_PX)


def test_an_answer_does_not_hang_on_what_is_drawn(run: Run) -> None:
    """Of a mask that no decoder reads."""
    example = next(one for one in run.examples if bytes_of(one, features.LESION_MASK))
    other = tf.train.Example.FromString(example.SerializeToString())
    other.features.feature[features.LESION_MASK].bytes_list.value[:] = [b"no mask"]
    ask = run.served.signatures[features.SERVING_DEFAULT]
    batch = [one.SerializeToString() for one in (example, other)]
    probability = ask(examples=tf.constant(batch))[features.PROBABILITY].numpy()
    assert np.isfinite(probability).all() and probability[0] == probability[1]


def test_a_mask_leaves_transform_as_large_as_its_film_and_no_other_does(run: Run) -> None:
    films = run.split("train")
    has_mask = [bool(bytes_of(one, features.LESION_MASK)) for one in run.examples[:TRAIN_FILMS]]
    expected = np.where(has_mask, SIZE_PX**2, 0)
    np.testing.assert_array_equal(films.sizes_of(features.LESION_MASK_XF), expected)


def test_the_decoder_learns_from_films_whose_lesions_are_known(run: Run) -> None:
    """Not from those of pneumonia without a mask; half of a batch has masks."""
    films = run.split("train")
    ill = [bytes_of(one, features.LABEL) == b"PNEUMONIA" for one in run.examples[:TRAIN_FILMS]]
    has_mask = [bool(bytes_of(one, features.LESION_MASK)) for one in run.examples[:TRAIN_FILMS]]
    known = KnownLesions.of(films)
    assert (
        sorted([*known.drawn, *known.normal])
        == np.flatnonzero(np.logical_or(has_mask, np.logical_not(ill))).tolist()
    )
    assert known.drawn.tolist() == np.flatnonzero(has_mask).tolist()
    assert sum(ill) > len(known.drawn) + 5

    still = {"augmentation": {"strength": 0}, "train": {"segmentation_steps": 12, "batch_size": 9}}
    settings = Hyperparameters.model_validate(
        {**SETTINGS.model_dump(), **still, "network": {"segmentation": True}}
    )
    parsed = films.take(tf.range(TRAIN_FILMS, dtype=tf.int64))
    all_masks = unpack_masks(parsed, SIZE_PX).numpy()
    images = standardise(unpack_images(parsed, SIZE_PX), parsed, "per_image").numpy()
    place_of = {image.tobytes(): place for place, image in enumerate(images)}
    seen: list[int] = []
    for given, masks in _batches(films, known, settings):
        places = [place_of[image.tobytes()] for image in given.numpy()]
        np.testing.assert_array_equal(masks, all_masks[places])
        assert [place in known.drawn for place in places] == [True] * 5 + [False] * 4
        assert {place for place in places[5:]} <= set(known.normal.tolist())
        seen += places
    assert len(set(seen[:9])) == 9
    assert len(seen) == 12 * 9


def test_the_network_stays_as_it_is(run: Run) -> None:
    network = read_network(SETTINGS, str(run.folder / "model_run"))
    before = network.get_weights()
    steps = {**SETTINGS.model_dump()["train"], "segmentation_steps": 3}
    settings = Hyperparameters.model_validate({**SETTINGS.model_dump(), "train": steps})
    films = run.split("train")
    finder = fit_lesions(network, films, KnownLesions.of(films), settings)
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    again = fit_lesions(network, films, KnownLesions.of(films), settings)
    for one, other in zip(finder.weights, again.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_films_without_a_single_mask_are_refused(run: Run) -> None:
    films = SimpleNamespace(sizes_of=lambda key: np.zeros(4, np.int64), classes=np.arange(4) % 2)
    with pytest.raises(ValueError, match="no film of train has one; name them in the column"):
        KnownLesions.of(cast(Any, films))


def test_a_run_that_starts_from_the_model_asks_for_no_masks(run: Run) -> None:
    assert settings_to_start_from(str(run.folder / "model"))["network"]["segmentation"] is False
