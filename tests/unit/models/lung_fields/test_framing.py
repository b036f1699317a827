"""Films cut to their lungs or greyed out beyond them, and the same on every path."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

from models import features, preprocessing
from models.calibration import Calibration, OperatingPoint
from models.hyperparameters import Hyperparameters, Network, Preprocessing
from models.lung_fields.fields import lungs_of_pixels
from models.lung_fields.framing import dilate, made_square, with_margin
from models.lung_fields.network import SIDE_PX
from models.network import build_network
from models.preprocessing import prepare_pixels, quality_of, unpack_images
from models.signatures import ServedModel, save_served_model
from models.warmup import _drawn_film, _requests
from radiographs.options import IngestOptions
from tests.unit.models.lung_fields.drawn_chests import SIZE_PX, chests, encode, no_chests

BOUNDS = IngestOptions()
OUT_PX = 96
JUDGED = ("ok", "no lungs found")


def settings(lungs: str, **changes: Any) -> Preprocessing:
    values = {"lungs": lungs, "image_size_px": OUT_PX, "normalisation": "unit", **changes}
    return Preprocessing.model_validate(values)


@functools.cache
def graph_of(chosen: Preprocessing) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    return tf.function(
        lambda encoded: prepare_pixels(encoded, chosen, BOUNDS)[:2],
        input_signature=[tf.TensorSpec([None], tf.string)],
    )


def prepare(films: list[np.ndarray], chosen: Preprocessing) -> tuple[np.ndarray, list[str]]:
    encoded = tf.constant([encode(film) for film in films])
    pixels, quality = graph_of(chosen)(encoded)
    return pixels.numpy(), [word.decode() for word in quality.numpy()]


def found_lungs(film: np.ndarray) -> np.ndarray:
    """Both fields of a film of SIZE_PX at the size of the network, [128, 128, 2]."""
    fields = lungs_of_pixels(tf.constant(film[np.newaxis]))[0].numpy()
    return cv2.resize(fields, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


class TestBoxAlgebra:
    def test_a_margin_is_a_share_of_the_sides_of_the_box(self) -> None:
        box = with_margin(tf.constant([0.2, 0.3, 0.6, 0.9]), 0.1)
        np.testing.assert_allclose(box, [0.16, 0.24, 0.64, 0.96], atol=1e-6)

    def test_a_margin_ends_with_the_film(self) -> None:
        box = with_margin(tf.constant([0.01, 0.3, 0.99, 0.9]), 0.1)
        np.testing.assert_allclose(box, [0, 0.24, 1, 0.96], atol=1e-6)

    @pytest.mark.parametrize(
        ("box", "sides", "expected"),
        [
            # 40 x 60 px in the middle of 100 x 100: ten more above and below.
            ([0.3, 0.2, 0.7, 0.8], [100, 100], [0.2, 0.2, 0.8, 0.8]),
            # 80 x 120 px on 200 x 150 near the top: moved down.
            ([0.0, 0.1, 0.4, 0.9], [200, 150], [0.0, 0.1, 0.6, 0.9]),
            # The same near the bottom: moved up.
            ([0.6, 0.1, 1.0, 0.9], [200, 150], [0.4, 0.1, 1.0, 0.9]),
            # 90 x 180 px on 100 x 300: no more than the film's 100 rows.
            ([0.05, 0.2, 0.95, 0.8], [100, 300], [0.0, 0.2, 1.0, 0.8]),
        ],
    )
    def test_a_square_is_as_long_as_the_longer_side(
        self, box: list[float], sides: list[float], expected: list[float]
    ) -> None:
        square = made_square(tf.constant(box), tf.constant(sides, tf.float32))
        np.testing.assert_allclose(square, expected, atol=1e-6)

    def test_dilation_is_opencvs(self) -> None:
        field = np.random.default_rng(0).random((SIDE_PX, SIDE_PX)).astype(np.float32)
        reach = round(0.05 * SIDE_PX)
        expected = cv2.dilate(field, np.ones((2 * reach + 1, 2 * reach + 1)))
        np.testing.assert_array_equal(dilate(tf.constant(field[np.newaxis]), 0.05)[0], expected)


class TestCrop:
    @pytest.mark.parametrize("number", range(3))
    def test_holds_the_lungs_and_their_margin_alone(self, number: int) -> None:
        chest = chests()[number]
        inside = found_lungs(chest.pixels) > 0.5
        rows, columns = (
            np.nonzero((inside.sum(axis=axis) >= 2).any(axis=-1))[0] for axis in (1, 0)
        )
        edges = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) / SIDE_PX
        added = 0.05 * (edges[2:] - edges[:2])
        top, left = np.floor(SIZE_PX * np.maximum(edges[:2] - added, 0)).astype(int)
        bottom, right = np.ceil(SIZE_PX * np.minimum(edges[2:] + added, 1)).astype(int)
        box = chest.pixels[top:bottom, left:right]
        expected = cv2.resize(box, (OUT_PX, OUT_PX), interpolation=cv2.INTER_AREA)
        (pixels,), quality = prepare([chest.pixels], settings("crop"))
        assert quality == ["ok"]
        # The fields here are interpolated twice, which may move an edge by a pixel of theirs.
        assert np.abs(pixels.astype(int) - expected).mean() < 3
        whole = prepare([chest.pixels], settings("none"))[0][0]
        assert np.abs(pixels.astype(int) - whole).mean() > 10

    def test_keeps_the_ratio_of_sides_where_asked(self) -> None:
        film = chests()[0].pixels
        wide = cv2.resize(film, (2 * SIZE_PX, SIZE_PX))  # a square as long as the box does not fit
        drawn_rows = np.count_nonzero((found_lungs(film) > 0.5).any(axis=(1, 2))) / SIDE_PX
        for ratio, expected in (("keep", drawn_rows), ("stretch", 1 / 1.1)):
            pixels, _ = prepare([wide], settings("crop", lung_ratio=ratio))
            lungs = (lungs_of_pixels(tf.constant(pixels)).numpy()[0] > 0.5).any(axis=(1, 2))
            assert np.count_nonzero(lungs) / OUT_PX == pytest.approx(expected, abs=0.03)
        assert drawn_rows < 0.8


class TestMask:
    def test_is_one_grey_beyond_the_lungs_and_the_film_in_them(self) -> None:
        chest = chests()[1]
        (pixels,), _ = prepare([chest.pixels], settings("mask"))
        (whole,), _ = prepare([chest.pixels], settings("none"))
        drawn = cv2.resize(chest.lung_mask.astype(np.uint8), (OUT_PX, OUT_PX)) > 0
        middle = cv2.erode(drawn.astype(np.uint8), np.ones((5, 5))) > 0
        far = cv2.dilate(drawn.astype(np.uint8), np.ones((27, 27))) == 0
        np.testing.assert_array_equal(pixels[middle], whole[middle])
        (grey,) = set(pixels[far])
        assert abs(int(grey) - whole[pixels != grey].mean()) < 3

    def test_a_wider_margin_shows_more(self) -> None:
        shown = [
            (
                prepare([chests()[1].pixels], settings("mask", lung_margin=margin))[0]
                == prepare([chests()[1].pixels], settings("none"))[0]
            ).mean()
            for margin in (0.0, 0.05)
        ]
        assert shown[0] + 0.05 < shown[1]


class TestQuality:
    @pytest.mark.parametrize("lungs", ["crop", "mask"])
    def test_pictures_without_lungs_are_not_judged_and_the_others_are(self, lungs: str) -> None:
        others = list(no_chests().values())
        films = [chests()[0].pixels, *others, chests()[1].pixels]
        pixels, quality = prepare(films, settings(lungs))
        assert quality == ["ok", *["no lungs found"] * len(others), "ok"]
        assert not pixels[1:-1].any()
        alone, _ = prepare([chests()[1].pixels], settings(lungs))
        np.testing.assert_array_equal(pixels[-1], alone[0])

    def test_a_blank_film_stays_a_blank_one(self) -> None:
        blank = np.full((SIZE_PX, SIZE_PX), 90, np.uint8)
        assert prepare([blank], settings("crop"))[1] == [features.BLANK]

    def test_whole_films_are_not_searched(self) -> None:
        noise = no_chests()["noise"]
        assert prepare([noise], settings("none"))[1] == ["ok"]

    def test_the_ingest_judges_as_the_graph_does(self) -> None:
        chosen = settings("crop", contrast="clahe")
        films = [chests()[2].pixels, *no_chests().values()]
        words = [quality_of(encode(film), BOUNDS, chosen.judging) for film in films]
        assert words == prepare(films, chosen)[1]
        assert set(words) == set(JUDGED)

    def test_what_comes_after_lungs_does_not_judge(self) -> None:
        assert settings("none").judging == Preprocessing()
        later = {
            "contrast": "clahe",
            "clahe_tiles": 4,
            "clahe_clip_limit": 3,
            "normalisation": "zscore",
        }
        assert settings("crop", **later).judging == settings("crop").judging
        for name, value in (("lungs", "mask"), ("lung_margin", 0.1), ("border_crop", 0.1)):
            changed = settings("crop").model_copy(update={name: value})
            assert changed.judging != settings("crop").judging


RAW = {
    **{name: tf.io.FixedLenFeature([1], tf.string) for name in features.RAW_STRING_FEATURES},
    **{name: tf.io.FixedLenFeature([1], tf.int64) for name in features.RAW_INT_FEATURES},
    **{name: tf.io.FixedLenFeature([1], tf.float32) for name in features.RAW_FLOAT_FEATURES},
}
_OF_TYPE = {tf.string: b"", tf.int64: 0, tf.float32: 0.0}
NOTHING_KNOWN = {name: [_OF_TYPE[spec.dtype]] for name, spec in RAW.items()}
FILMS = (chests()[0].pixels, no_chests()["noise"], chests()[1].pixels)


@pytest.fixture(scope="module", params=["crop", "mask"], name="lungs")
def choose_lungs(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", name="graph")
def transform_by_beam(
    lungs: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[dict[str, np.ndarray]], tft.TFTransformOutput]:
    """Chests and noise through Transform, with an analyzer behind the lungs: rows and graph."""
    rows = [{**NOTHING_KNOWN, features.IMAGE: [encode(film)]} for film in FILMS]
    config = {
        preprocessing.PREPROCESSING_KEY: settings(lungs, normalisation="zscore").model_dump_json(),
        preprocessing.INGEST_KEY: BOUNDS.model_dump_json(),
    }
    folder = tmp_path_factory.mktemp("transform")
    prepare_rows = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        analysis = tft_beam.AnalyzeAndTransformDataset(prepare_rows)
        metadata = tft.DatasetMetadata.from_feature_spec(RAW)
        (transformed, _), function = (rows, metadata) | analysis
        function | tft_beam.WriteTransformFn(str(folder / "graph"))
    return transformed, tft.TFTransformOutput(str(folder / "graph"))


class TestOneGraph:
    def test_the_warm_up_film_has_lungs(self) -> None:
        film = next(iter(_requests(_drawn_film(256)))).inputs[features.IMAGE_BYTES].string_val[0]
        assert quality_of(film, BOUNDS, settings("crop").judging) == features.QUALITY_OK

    def test_training_and_serving_see_the_same_lungs(
        self,
        lungs: str,
        graph: tuple[list[dict[str, np.ndarray]], tft.TFTransformOutput],
        tmp_path: Path,
    ) -> None:
        rows, transform = graph
        chosen = settings(lungs, normalisation="zscore")
        trained_on = unpack_images(
            {features.IMAGE_XF: tf.constant([row[features.IMAGE_XF] for row in rows])}, OUT_PX
        )
        hyperparameters = Hyperparameters(preprocessing=chosen, network=Network(depth=2, width=4))
        model = ServedModel(
            build_network(OUT_PX, hyperparameters.network),
            transform,
            hyperparameters,
            Calibration(slope_above=1.0, slope_below=1.0, intercept=0.0),
            OperatingPoint(0.5, sensitivity=1.0, specificity=0.0, target_sensitivity=0.95),
        )
        save_served_model(model, str(tmp_path / "served"))
        served = tf.saved_model.load(str(tmp_path / "served"))
        answer = served.signatures[features.PREDICT_IMAGES](
            image_bytes=tf.constant([encode(film) for film in FILMS])
        )
        assert [word.decode() for word in answer["quality"].numpy()] == [
            "ok", "no lungs found", "ok",
        ]  # fmt: skip
        assert np.isnan(answer["probability"].numpy()).tolist() == [False, True, False]
        assert answer["label"].numpy()[1] == b""
        examples = [
            tf.train.Example(
                features=tf.train.Features(
                    feature={
                        features.IMAGE: tf.train.Feature(
                            bytes_list=tf.train.BytesList(value=[encode(film)])
                        )
                    }
                )
            ).SerializeToString()
            for film in FILMS
        ]
        seen = served.signatures[features.TRANSFORM_FEATURES](examples=tf.constant(examples))
        np.testing.assert_array_equal(unpack_images(seen, OUT_PX), trained_on)
        pixels, _ = prepare(list(FILMS), chosen)
        np.testing.assert_array_equal(np.round(255 * trained_on[..., 0]), pixels)
