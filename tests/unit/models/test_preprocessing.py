"""The Transform graph, run through Beam, against OpenCV and NumPy."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

from models import features, images, preprocessing
from models.hyperparameters import Preprocessing
from radiographs.options import IngestOptions

SIZE_PX = 48
GROUPS = {"site": "hill", "view": "PA", "sex": "F", "style": "2"}
BOUNDS = IngestOptions(min_side_px=SIZE_PX)
RAW_SPEC = {
    features.IMAGE: tf.io.FixedLenFeature([1], tf.string),
    features.LABEL: tf.io.FixedLenFeature([1], tf.string),
    features.SUBTYPE: tf.io.FixedLenFeature([1], tf.string),
    features.AGE_YEARS: tf.io.FixedLenFeature([1], tf.int64),
    features.SHA256: tf.io.FixedLenFeature([1], tf.string),
    features.PATIENT_ID: tf.io.FixedLenFeature([1], tf.string),
    **{name: tf.io.FixedLenFeature([1], tf.string) for name in GROUPS},
}
LABELS = ["NORMAL", "PNEUMONIA", "", "PNEUMONIA", "unknown"]
SUBTYPES = ["none", "bacteria", "", "virus", "unknown"]
AGES_YEARS = [-1, 0, 17, 18, 90]
DIGESTS = ["0a", "1b", "2c", "3d", "4e"]
PATIENTS = ["one", "one", "two", "three", "0a"]


def settings(**changes: Any) -> Preprocessing:
    return Preprocessing(image_size_px=SIZE_PX, clahe_tiles=4, **changes)


def custom_config(chosen: Preprocessing) -> dict[str, str]:
    return {
        preprocessing.PREPROCESSING_KEY: chosen.model_dump_json(),
        preprocessing.INGEST_KEY: BOUNDS.model_dump_json(),
    }


def prepare(encoded: Sequence[bytes], chosen: Preprocessing) -> tuple[np.ndarray, list[str]]:
    pixels, quality, *_ = preprocessing.prepare_pixels(tf.constant(encoded), chosen, BOUNDS)
    return pixels.numpy(), [word.decode() for word in quality.numpy()]


@functools.cache
def films() -> tuple[np.ndarray, ...]:
    """Draws five grey films of the network's own size, so that no resampling is involved."""
    rng = np.random.default_rng(3)
    slope = np.linspace(0, 120, SIZE_PX)
    return tuple(
        np.clip(30 * number + slope + rng.normal(0, 9, (SIZE_PX, SIZE_PX)), 0, 255).astype(np.uint8)
        for number in range(5)
    )


@functools.cache
def encoded_films() -> tuple[bytes, ...]:
    return tuple(cv2.imencode(".png", film)[1].tobytes() for film in films())


def enhanced_films(chosen: Preprocessing) -> np.ndarray:
    """Does with OpenCV what the graph should do: [5, size, size] uint8."""
    clahe = cv2.createCLAHE(chosen.clahe_clip_limit, (chosen.clahe_tiles,) * 2)
    enhance: dict[str, Any] = {"none": np.copy, "equalize": cv2.equalizeHist, "clahe": clahe.apply}
    return np.stack([enhance[chosen.contrast](film) for film in films()])


def raw_examples(encoded: Sequence[bytes]) -> list[dict[str, list[Any]]]:
    return [
        {
            features.IMAGE: [image],
            features.LABEL: [label.encode()],
            features.SUBTYPE: [subtype.encode()],
            features.AGE_YEARS: [age],
            features.SHA256: [digest.encode()],
            features.PATIENT_ID: [patient.encode()],
            **{name: [word.encode()] for name, word in GROUPS.items()},
        }
        for image, label, subtype, age, digest, patient in zip(
            encoded, LABELS, SUBTYPES, AGES_YEARS, DIGESTS, PATIENTS, strict=True
        )
    ]


def raw_batch() -> dict[str, tf.Tensor]:
    return {
        features.IMAGE: tf.constant(encoded_films())[:, None],
        features.LABEL: tf.constant(LABELS)[:, None],
        features.SUBTYPE: tf.constant(SUBTYPES)[:, None],
        features.AGE_YEARS: tf.constant(AGES_YEARS, tf.int64)[:, None],
        features.SHA256: tf.constant(DIGESTS)[:, None],
        features.PATIENT_ID: tf.constant(PATIENTS)[:, None],
        **{name: tf.fill([len(PATIENTS), 1], word) for name, word in GROUPS.items()},
    }


def run_transform(
    chosen: Preprocessing, encoded: Sequence[bytes], directory: pathlib.Path
) -> tuple[dict[str, np.ndarray], tft.TFTransformOutput]:
    """Analyses and transforms the examples as TFX does; returns columns and the graph."""
    metadata = tft.DatasetMetadata.from_feature_spec(RAW_SPEC)
    transform = functools.partial(
        preprocessing.preprocessing_fn, custom_config=custom_config(chosen)
    )
    with tft_beam.Context(temp_dir=str(directory / "temporary")):
        analysis = tft_beam.AnalyzeAndTransformDataset(transform)
        (rows, _), graph = (raw_examples(encoded), metadata) | analysis
        graph | tft_beam.WriteTransformFn(str(directory / "transform"))
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return columns, tft.TFTransformOutput(str(directory / "transform"))


@pytest.fixture(scope="module", params=["unit", "zscore", "per_image"])
def transformed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Preprocessing, dict[str, np.ndarray], tft.TFTransformOutput]:
    chosen = settings(normalisation=request.param)
    directory = tmp_path_factory.mktemp(request.param)
    return chosen, *run_transform(chosen, encoded_films(), directory)


def test_transform_writes_the_bytes_of_the_pixels(transformed: Any) -> None:
    chosen, columns, _ = transformed
    expected = [[pixels.tobytes()] for pixels in enhanced_films(chosen)]
    assert columns[features.IMAGE_XF].tolist() == expected


def test_transform_writes_labels_subtypes_and_age_bands(transformed: Any) -> None:
    _, columns, _ = transformed
    assert columns[features.LABEL_XF].tolist() == [[0], [1], [-1], [1], [-1]]
    assert columns[features.SUBTYPE_XF].tolist() == [[0], [1], [-1], [2], [-1]]
    bands = [[b"unknown"], [b"0-4"], [b"5-17"], [b"18-39"], [b"65+"]]
    assert columns[features.AGE_BAND].tolist() == bands


def test_transform_writes_what_films_and_patients_are_recognised_by(transformed: Any) -> None:
    _, columns, _ = transformed
    films, patients = columns[features.SHA256_XF], columns[features.PATIENT_ID_XF]
    assert len(np.unique(films)) == 5
    assert patients[0] == patients[1]
    assert len(np.unique(patients)) == 4
    assert np.intersect1d(films, patients).size == 0  # although one patient is called as a film
    assert (films >= 0).all() and (patients >= 0).all()


def test_transform_writes_the_moments_of_all_pixels(transformed: Any) -> None:
    chosen, columns, _ = transformed
    mean, stddev = 0.0, 1.0
    if chosen.normalisation == "zscore":
        pixels = enhanced_films(chosen) / 255
        mean, stddev = pixels.mean(), pixels.std()
    for name, value in ((features.PIXEL_MEAN_XF, mean), (features.PIXEL_STDDEV_XF, stddev)):
        assert columns[name].shape == (len(LABELS), 1)
        np.testing.assert_allclose(columns[name], value, rtol=1e-5)


def test_the_served_graph_gives_what_training_read(transformed: Any) -> None:
    _, columns, output = transformed
    served = output.transform_features_layer()(raw_batch())
    assert set(served) == set(columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(served[name].numpy(), column)


def test_the_served_graph_needs_nothing_but_the_image_for_the_pixels(transformed: Any) -> None:
    _, columns, output = transformed
    served = output.transform_features_layer()({features.IMAGE: raw_batch()[features.IMAGE]})
    for name in (features.IMAGE_XF, features.PIXEL_MEAN_XF, features.PIXEL_STDDEV_XF):
        np.testing.assert_array_equal(served[name].numpy(), columns[name])


def test_every_transformed_feature_has_one_value(transformed: Any) -> None:
    _, _, output = transformed
    shapes = {name: spec.shape for name, spec in output.transformed_feature_spec().items()}
    assert shapes == {
        features.IMAGE_XF: [1],
        features.QUALITY_XF: [1],
        features.LUNGS_XF: [1],
        features.LABEL_XF: [1],
        features.SUBTYPE_XF: [1],
        features.PIXEL_MEAN_XF: [1],
        features.PIXEL_STDDEV_XF: [1],
        features.AGE_BAND: [1],
        features.SHA256_XF: [1],
        features.PATIENT_ID_XF: [1],
        **{features.transformed_name(name): [1] for name in GROUPS},
    }


def test_what_films_are_grouped_by_stays_as_it_is(transformed: Any) -> None:
    _, columns, _ = transformed
    for name, word in GROUPS.items():
        assert set(columns[features.transformed_name(name)].ravel()) == {word.encode()}


def test_unpacked_and_standardised_pixels_are_numpys(transformed: Any) -> None:
    chosen, columns, _ = transformed
    pixels = preprocessing.unpack_images(columns, SIZE_PX)
    expected = enhanced_films(chosen)[..., None] / 255
    np.testing.assert_allclose(pixels, expected, atol=1e-6)
    if chosen.normalisation == "zscore":
        expected = (expected - expected.mean()) / expected.std()
    if chosen.normalisation == "per_image":
        expected = np.stack([(film - film.mean()) / film.std() for film in expected])
    result = preprocessing.standardise(pixels, columns, chosen.normalisation)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_per_image_undoes_whatever_augmentation_did_to_the_exposure() -> None:
    film = tf.constant(np.stack(films())[..., None] / 255, tf.float32)
    moments = {features.PIXEL_MEAN_XF: tf.zeros([5, 1]), features.PIXEL_STDDEV_XF: tf.ones([5, 1])}
    plain, exposed = (
        preprocessing.standardise(pixels, moments, "per_image")
        for pixels in (film, 0.1 + 0.5 * film)
    )
    np.testing.assert_allclose(exposed, plain, atol=1e-4)


@pytest.mark.parametrize("normalisation", ["zscore", "per_image"])
def test_blank_films_are_standardised_without_dividing_by_zero(
    normalisation: str, tmp_path: pathlib.Path
) -> None:
    blank = cv2.imencode(".png", np.full((SIZE_PX, SIZE_PX), 51, np.uint8))[1].tobytes()
    chosen = settings(normalisation=normalisation, contrast="none")
    columns, _ = run_transform(chosen, [blank] * len(LABELS), tmp_path)
    pixels = preprocessing.unpack_images(columns, SIZE_PX)
    result = preprocessing.standardise(pixels, columns, normalisation)
    np.testing.assert_allclose(result, 0, atol=1e-3)


@pytest.mark.parametrize("contrast", ["none", "equalize", "clahe"])
def test_prepared_pixels_have_the_contrast_asked_for(contrast: str) -> None:
    chosen = settings(contrast=contrast)
    pixels, quality = prepare(encoded_films(), chosen)
    np.testing.assert_array_equal(pixels, enhanced_films(chosen))
    assert quality == [features.QUALITY_OK] * len(pixels)


def test_the_border_is_cut_off_before_contrast_is_enhanced() -> None:
    # Enhancing the whole film first would let the bright frame into the histogram.
    framed = cv2.copyMakeBorder(films()[1], 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=255)
    encoded = cv2.imencode(".png", framed)[1].tobytes()
    chosen = settings(contrast="equalize", border_crop=8 / framed.shape[0])
    pixels, _ = prepare([encoded], chosen)
    np.testing.assert_array_equal(pixels[0], cv2.equalizeHist(films()[1]))


def test_films_of_any_size_and_kind_share_a_batch() -> None:
    large = cv2.resize(films()[4], (400, 300), interpolation=cv2.INTER_LINEAR)
    colour = cv2.cvtColor(films()[2], cv2.COLOR_GRAY2BGR)
    encoded = [cv2.imencode(".jpg", large), cv2.imencode(".png", colour)]
    pixels, _ = prepare([file.tobytes() for _, file in encoded], settings(contrast="none"))
    np.testing.assert_array_equal(pixels[1], films()[2])
    expected = cv2.resize(large, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    assert np.abs(pixels[0].astype(float) - expected).mean() < 2


def test_an_image_that_cannot_be_read_leaves_the_others_as_they_are() -> None:
    encoded = [encoded_films()[0], b"not an image", encoded_films()[1]]
    pixels, quality = prepare(encoded, settings(contrast="none"))
    np.testing.assert_array_equal(pixels[[0, 2]], films()[:2])
    assert quality == [features.QUALITY_OK, features.UNDECODABLE, features.QUALITY_OK]
    assert not pixels[1].any()


def test_films_of_another_size_are_not_unpacked() -> None:
    # Four films of half the side hold as many bytes as one film of the whole side.
    packed = tf.constant([[bytes((SIZE_PX // 2) ** 2)]] * 4)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        preprocessing.unpack_images({features.IMAGE_XF: packed}, SIZE_PX)


def test_missing_settings_are_named() -> None:
    with pytest.raises(ValueError, match="custom_config has no 'preprocessing'"):
        preprocessing.preprocessing_fn(raw_batch(), custom_config={})


def test_the_graph_of_a_film_is_built_once_for_all_that_call_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen, built, prepare_films = settings(border_crop=0.03), [], images.prepare_films

    def building(*arguments: Any) -> images.Prepared:
        built.append(arguments)
        return prepare_films(*arguments)

    monkeypatch.setattr(images, "prepare_films", building)
    alone, _ = prepare(encoded_films(), chosen)
    for _ in range(2):
        graph = tf.function(lambda films: preprocessing.prepare_pixels(films, chosen, BOUNDS)[0])
        np.testing.assert_array_equal(graph(tf.constant(encoded_films())), alone)
    assert len(built) == 1
