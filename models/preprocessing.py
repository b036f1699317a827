"""The Transform graph: what becomes of a raw example before the network sees it.

Pixels are prepared here and nowhere else. `preprocessing_fn` runs in TFX Transform and
travels inside the served model; `unpack_images` and `standardise` are its counterpart,
called by the training input and by every signature.

Pixels leave Transform as bytes, one for each: a fourth of what they take in float32, and
cheap to read back. They are standardised after that: by two numbers that each transformed
example carries, or by the film's own, which are those of the pixels as augmented.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from models import contrast, features, images
from models.clinical import clinical_vector
from models.film_keys import key_of
from models.hyperparameters import Preprocessing
from models.lesion_masks import cut_masks
from models.lung_fields.framing import make_frame
from radiographs.options import IngestOptions

# Keys of custom_config.
PREPROCESSING_KEY = "preprocessing"  # Preprocessing as JSON
INGEST_KEY = "ingest"  # IngestOptions as JSON: which films the ingest lets through
CLINICAL_KEY = "clinical"  # there, and true, with network.clinical alone
SEGMENTATION_KEY = "segmentation"  # the same with network.segmentation

_Settings = TypeVar("_Settings", Preprocessing, IngestOptions)

_ANY_SETTINGS = Preprocessing()

_MIN_STDDEV = 1 / 255  # one grey level, should a film, or all of them, be blank


def preprocessing_fn(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Transforms a batch of raw examples; called by TFX Transform.

    A label or subtype outside its vocabulary is no error but -1: films to be served have
    none, and of some pneumonias nobody knows the subtype.

    Args:
        inputs: raw features, each [batch, 1].
        custom_config: holds `Preprocessing` under `PREPROCESSING_KEY` and `IngestOptions` under
            `INGEST_KEY`, as JSON; `CLINICAL_KEY` where the network takes more than the film,
            `SEGMENTATION_KEY` where it learns from masks.

    Returns:
        Features, each [batch, 1]: IMAGE_XF string, size * size bytes, row by row; LUNGS_XF
        string, of `models.images.Framed.lungs`; QUALITY_XF string; LABEL_XF and SUBTYPE_XF
        int64; PIXEL_MEAN_XF and PIXEL_STDDEV_XF float32, of pixels in [0, 1]; AGE_BAND, SITE_XF,
        VIEW_XF, SEX_XF and STYLE_XF string, by which training may group films; SHA256_XF and
        PATIENT_ID_XF int64, by which training records the films it has seen. With `CLINICAL_KEY`
        also CLINICAL_XF, `[batch, models.clinical.LENGTH]` float32; with `SEGMENTATION_KEY`
        LESION_MASK_XF string, bytes as in IMAGE_XF, of `models.lesion_masks`, or none.

    Raises:
        ValueError: custom_config does not hold the settings.
    """
    settings = _settings(custom_config, PREPROCESSING_KEY, Preprocessing)
    bounds = _settings(custom_config, INGEST_KEY, IngestOptions)
    films = tf.reshape(inputs[features.IMAGE], [-1])
    pixels, quality, lungs, _ = prepare_pixels(films, settings, bounds)
    mean, stddev = _pixel_moments(pixels, settings)
    column = tf.shape(pixels[:, :1, 0])
    return {
        features.IMAGE_XF: _pack(pixels)[:, None],
        features.QUALITY_XF: quality[:, None],
        features.LUNGS_XF: _pack(lungs)[:, None],
        features.LABEL_XF: _index_in(features.LABELS, inputs[features.LABEL]),
        features.SUBTYPE_XF: _index_in(features.SUBTYPES, inputs[features.SUBTYPE]),
        features.PIXEL_MEAN_XF: tf.fill(column, mean),
        features.PIXEL_STDDEV_XF: tf.fill(column, stddev),
        features.AGE_BAND: _age_band(inputs[features.AGE_YEARS]),
        **{
            features.transformed_name(name): inputs[name]
            for name in (features.SITE, features.VIEW, features.SEX, features.STYLE)
        },
        features.SHA256_XF: key_of(features.SHA256, inputs[features.SHA256]),
        features.PATIENT_ID_XF: key_of(features.PATIENT_ID, inputs[features.PATIENT_ID]),
        **_clinical(inputs, custom_config),
        **_lesion_masks(inputs, custom_config, settings),
    }


def prepare_pixels(
    encoded: tf.Tensor, settings: Preprocessing, bounds: IngestOptions
) -> images.Prepared:
    """Decodes films, frames their lungs, brings them to one size and enhances their contrast.

    Args:
        encoded: [batch] string, files.
        settings: border, lungs, size and contrast.
        bounds: of the sides of a film.

    Returns:
        As `models.images.prepare_films` gives them.
    """
    return _preparation(settings, bounds)(encoded)


@functools.lru_cache(maxsize=4)
def _preparation(
    settings: Preprocessing, bounds: IngestOptions
) -> Callable[[tf.Tensor], images.Prepared]:
    """Returns the function of a graph that prepares films, traced once for all that call it."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def prepare(encoded: tf.Tensor) -> images.Prepared:
        return images.prepare_films(
            encoded,
            settings.image_size_px,
            settings.border_crop,
            bounds,
            lambda film: _enhance(film[None], settings)[0],
            make_frame(settings),
        )

    return prepare


def quality_of(
    encoded: bytes,
    bounds: IngestOptions = images.ANY_FILM,
    settings: Preprocessing = _ANY_SETTINGS,
) -> str:
    """Tells whether training and serving can use a film, by the ops that they use.

    Args:
        encoded: a file.
        bounds: of the sides of a film.
        settings: `Preprocessing.judging` of the run.

    Returns:
        One of `features.QUALITIES`.
    """
    ((quality, _),) = qualities_and_lungs([encoded], bounds, settings)
    return quality


def qualities_and_lungs(
    encoded: Sequence[bytes], bounds: IngestOptions, settings: Preprocessing
) -> list[tuple[str, npt.NDArray[np.bool_] | None]]:
    """Tells whether films can be used, and where the lungs are that they were judged by.

    Args:
        encoded: files.
        bounds: of the sides of a film.
        settings: `Preprocessing.judging` of the run.

    Returns:
        For each one of `features.QUALITIES`; and [side, side] bool, true in the lungs of the film
        without its border, squashed to a square of `lung_fields.network.SIDE_PX`. None where
        nobody looks for lungs.
    """
    films = prepare_pixels(tf.constant(encoded, tf.string), settings, bounds)
    qualities = [quality.decode() for quality in films.qualities.numpy()]
    if settings.lungs == "none":
        return [(quality, None) for quality in qualities]
    return list(zip(qualities, films.outlines.numpy(), strict=True))


def unpack_images(transformed: Mapping[str, tf.Tensor], size_px: int) -> tf.Tensor:
    """Reads the pixels of transformed examples.

    Args:
        transformed: holds IMAGE_XF, [batch, 1] or [batch] string.
        size_px: height and width that Transform resized to.

    Returns:
        [batch, size_px, size_px, 1] float32 in [0, 1].

    Raises:
        tf.errors.InvalidArgumentError: the films have another size.
    """
    packed = tf.reshape(transformed[features.IMAGE_XF], [-1])
    pixels = tf.io.decode_raw(packed, tf.uint8)
    # By the number of films: bytes of another size do not fit, and no film needs no bytes.
    shape = [tf.shape(packed)[0], size_px, size_px, 1]
    return tf.cast(tf.reshape(pixels, shape), tf.float32) / 255.0


def unpack_lungs(transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Reads the lung fields of transformed examples.

    Args:
        transformed: holds LUNGS_XF, [batch, 1] or [batch] string.

    Returns:
        [batch, LUNGS_SIDE_PX, LUNGS_SIDE_PX, 2] float32 in [0, 1]; 0 where Transform did not look
        for lungs.
    """
    packed = tf.reshape(transformed[features.LUNGS_XF], [-1])
    side = features.LUNGS_SIDE_PX
    fields = tf.reshape(tf.io.decode_raw(packed, tf.uint8), [tf.shape(packed)[0], side, side, 2])
    return tf.cast(fields, tf.float32) / 255.0


def standardise(
    pixels: tf.Tensor, transformed: Mapping[str, tf.Tensor], normalisation: str
) -> tf.Tensor:
    """Shifts and scales pixels to what the network expects.

    Args:
        pixels: [batch, height, width, 1] float32 in [0, 1], augmented or not.
        transformed: holds PIXEL_MEAN_XF and PIXEL_STDDEV_XF, each [batch, 1] or [batch].
        normalisation: as in `Preprocessing`, and the one that Transform ran with.

    Returns:
        Same shape, float32: unchanged under "unit"; standardised by moments of the train
        split under "zscore"; of mean 0 and standard deviation 1 each under "per_image",
        where a blank film becomes 0.
    """
    if normalisation == "per_image":
        mean, variance = tf.nn.moments(pixels, axes=[1, 2, 3], keepdims=True)
        stddev = tf.maximum(tf.sqrt(variance), _MIN_STDDEV)
    else:
        mean, stddev = (
            tf.reshape(transformed[name], [-1])[:, tf.newaxis, tf.newaxis, tf.newaxis]
            for name in (features.PIXEL_MEAN_XF, features.PIXEL_STDDEV_XF)
        )
    return (pixels - mean) / stddev


def _settings(custom_config: Mapping[str, Any], key: str, kind: type[_Settings]) -> _Settings:
    if key not in custom_config:
        raise ValueError(
            f"Transform's custom_config has no {key!r}; pass the settings of {kind.__module__}."
            f"{kind.__name__} there as JSON."
        )
    return kind.model_validate_json(custom_config[key])


def _enhance(pixels: tf.Tensor, settings: Preprocessing) -> tf.Tensor:
    if settings.contrast == "clahe":
        return contrast.clahe(pixels, settings.clahe_clip_limit, settings.clahe_tiles)
    if settings.contrast == "equalize":
        return contrast.equalize(pixels)
    return pixels


def _pack(pixels: tf.Tensor) -> tf.Tensor:
    """Turns uint8 of a batch into [batch] strings of their bytes.

    TensorFlow has no inverse of decode_raw. A serialised tensor ends in its raw bytes, so
    cutting off what comes before them is one, and is read back without parsing.
    """
    size = math.prod(pixels.shape[1:])
    return tf.map_fn(
        lambda film: tf.strings.substr(tf.io.serialize_tensor(film), -size, size),
        pixels,
        fn_output_signature=tf.string,
    )


def _pixel_moments(pixels: tf.Tensor, settings: Preprocessing) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and standard deviation that pixels in [0, 1] are standardised by.

    "zscore" takes both over all pixels of the analysed split. Films are of one size, so
    averaging one mean and one mean square a film gives the same, at a fraction of the cost;
    film by film, as a whole batch in float32 would take four times the memory.
    """
    if settings.normalisation != "zscore":
        return tf.constant(0.0), tf.constant(1.0)

    def film_moments(film: tf.Tensor) -> tf.Tensor:
        values = tf.cast(film, tf.float32) / 255.0
        return tf.stack([tf.reduce_mean(values), tf.reduce_mean(tf.square(values))])

    of_films = tf.map_fn(film_moments, pixels, fn_output_signature=tf.TensorSpec([2], tf.float32))
    mean, mean_square = tf.unstack(tft.mean(of_films, reduce_instance_dims=False), num=2)
    stddev = tf.sqrt(tf.maximum(mean_square - tf.square(mean), 0.0))
    return mean, tf.maximum(stddev, _MIN_STDDEV)


def _clinical(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    if not custom_config.get(CLINICAL_KEY):
        return {}
    known = (inputs[name] for name in (features.AGE_YEARS, features.SEX, features.VIEW))
    return {features.CLINICAL_XF: clinical_vector(*known)}


def _lesion_masks(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any], settings: Preprocessing
) -> dict[str, tf.Tensor]:
    if not custom_config.get(SEGMENTATION_KEY):
        return {}
    films, masks = (
        tf.reshape(inputs[name], [-1]) for name in (features.IMAGE, features.LESION_MASK)
    )
    places, drawn = cut_masks(films, masks, settings)
    packed = tf.tensor_scatter_nd_update(
        tf.fill(tf.shape(masks), ""), places[:, None], _pack(drawn)
    )
    return {features.LESION_MASK_XF: packed[:, None]}


def _index_in(vocabulary: Sequence[str], words: tf.Tensor) -> tf.Tensor:
    """Returns the index into the vocabulary, int64, or -1 for any other word."""
    # One past the index where a word matches and 0 elsewhere; the sum picks the match.
    ranks = tf.range(1, len(vocabulary) + 1, dtype=tf.int64)
    matches = tf.cast(words[..., None] == tf.constant(vocabulary), tf.int64)
    return tf.reduce_sum(matches * ranks, axis=-1) - 1


def _age_band(ages_years: tf.Tensor) -> tf.Tensor:
    """Returns one of `features.AGE_BANDS`; any negative age is an unknown one."""
    starts = tf.constant(features.AGE_BAND_STARTS_YEARS, tf.int64)
    index = tf.reduce_sum(tf.cast(ages_years[..., None] >= starts, tf.int32), axis=-1)
    bands = tf.gather(tf.constant(features.AGE_BANDS), index)
    return tf.where(ages_years < 0, features.UNKNOWN, bands)
