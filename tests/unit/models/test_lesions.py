"""Masks on prepared films, films and masks that move together, the decoder, its loss."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.augmentation import augment, augment_with_masks
from models.hyperparameters import Augmentation, Network, Preprocessing
from models.lesion_masks import cut_masks, unpack_masks
from models.lesions import LesionFinder, lesion_loss
from models.members import Member
from models.network import build_network, fold
from models.preprocessing import prepare_pixels
from radiographs.options import IngestOptions
from radiographs.phantoms import draw_phantom
from tests.support import encode

PHANTOMS = [draw_phantom((7, number), 192) for number in range(4)]


def cut(film: np.ndarray, mask: np.ndarray, **settings: object) -> np.ndarray:
    """Returns the mask of a film as the Transform graph lays it, [size, size] in [0, 1]."""
    preparation = Preprocessing.model_validate({"image_size_px": 64, **settings})
    films, masks = ([encode(one)] for one in (film, mask.astype(np.uint8) * 255))
    places, drawn = cut_masks(tf.constant(films), tf.constant(masks), preparation)
    assert places.numpy().tolist() == [0]
    return drawn[0].numpy() / 255


@pytest.mark.parametrize(
    "settings",
    [
        {"lungs": "none", "border_crop": 0.15}, {"lungs": "crop", "lung_margin": 0.2},
        {"lungs": "crop", "border_crop": 0.05, "lung_ratio": "keep"},
    ],
    ids=str,
)  # fmt: skip
def test_a_mask_lies_where_the_prepared_film_shows_it(settings: dict[str, object]) -> None:
    """A mask of what is bright in a film is bright where the prepared film is."""
    for phantom, narrower_px in zip(PHANTOMS, (0, 50, 0, 30), strict=True):
        film = cv2.resize(phantom.pixels, (192 - narrower_px, 192))
        bright = film > np.median(film)
        preparation = Preprocessing.model_validate({"image_size_px": 64, **settings})
        prepared = prepare_pixels(tf.constant([encode(film)]), preparation, IngestOptions())
        assert prepared.qualities.numpy().tolist() == [b"ok"]
        expected = prepared.pixels[0].numpy() > np.median(film)
        laid = cut(film, bright, **settings) > 0.5
        assert (laid == expected).mean() > 0.97


def test_the_whole_film_is_resized_by_areas() -> None:
    mask = PHANTOMS[0].lung_mask
    expected = cv2.resize(mask.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(cut(PHANTOMS[0].pixels, mask), expected, atol=1 / 255)


def test_films_without_a_mask_have_none_and_the_others_their_own() -> None:
    films = [encode(phantom.pixels) for phantom in PHANTOMS]
    own = [encode(phantom.lung_mask.astype(np.uint8) * 255) for phantom in PHANTOMS]
    masks = ["", own[1], "", own[3]]
    settings = Preprocessing(image_size_px=64)
    places, drawn = cut_masks(tf.constant(films), tf.constant(masks), settings)
    assert places.numpy().tolist() == [1, 3]
    for row, place in enumerate((1, 3)):
        alone = cut(PHANTOMS[place].pixels, PHANTOMS[place].lung_mask)
        np.testing.assert_array_equal(drawn[row].numpy() / 255, alone)
    places, drawn = cut_masks(tf.constant(films), tf.constant([""] * 4), settings)
    assert places.shape == (0,) and drawn.shape == (0, 64, 64)


def test_what_is_not_drawn_is_read_as_nothing() -> None:
    shares = np.arange(16, dtype=np.uint8)
    packed = {features.LESION_MASK_XF: tf.constant([[shares.tobytes()], [b""]])}
    unpacked = unpack_masks(packed, 4).numpy()
    np.testing.assert_allclose(unpacked[0, ..., 0].ravel(), shares / 255, rtol=1e-6)
    assert not unpacked[1].any()


class TestAugmentation:
    SEED = tf.constant([3, 4], tf.int64)

    def blobs(self) -> tf.Tensor:
        noise = np.random.default_rng(0).normal(size=(6, 48, 48))
        return tf.constant(
            np.stack([cv2.GaussianBlur(one, (0, 0), 4) > 0 for one in noise])[..., np.newaxis],
            tf.float32,
        )

    def test_a_mask_moves_as_its_film(self) -> None:
        """What is drawn is the film itself, so both have to end up the same."""
        still = {"sharpness": 0, "noise_stddev": 0, "gamma": 0, "erase": 0.3}
        settings = Augmentation.model_validate({"shift": 0.1, **still})
        blobs = self.blobs()
        films, masks = augment_with_masks(blobs, blobs, self.SEED, settings)
        np.testing.assert_allclose(films, masks, atol=1e-6)
        assert np.abs(masks - blobs).mean() > 0.1

    def test_films_change_as_in_any_training_and_masks_in_place_alone(self) -> None:
        settings = Augmentation(gamma=0.5, noise_stddev=0.1, erase=0)
        films = tf.random.stateless_uniform([6, 48, 48, 1], [1, 2])
        changed, masks = augment_with_masks(films, self.blobs(), self.SEED, settings)
        np.testing.assert_array_equal(changed, augment(films, self.SEED, settings))
        assert masks.numpy().min() >= 0 and masks.numpy().max() <= 1
        assert set(np.unique(np.round(masks, 3))) >= {0.0, 1.0}

    def test_without_augmentation_both_stay(self) -> None:
        settings = Augmentation(strength=0)
        blobs = self.blobs()
        for one in augment_with_masks(blobs, blobs, self.SEED, settings):
            np.testing.assert_array_equal(one, blobs)


class TestLoss:
    def test_is_that_of_the_formulas(self) -> None:
        random = np.random.default_rng(1)
        masks, found = random.random((2, 3, 4, 4, 1)).astype(np.float32)
        entropy = -np.mean(masks * np.log(found) + (1 - masks) * np.log(1 - found))
        soft_dice = 2 * (masks * found).sum() / (masks.sum() + found.sum())
        expected = entropy + 1 - soft_dice
        assert float(lesion_loss(masks, found)) == pytest.approx(expected, rel=1e-5)

    def test_is_least_for_the_mask_itself(self) -> None:
        masks = tf.cast(tf.random.stateless_uniform([4, 8, 8, 1], [1, 2]) > 0.7, tf.float32)
        assert float(lesion_loss(masks, masks)) < 1e-5
        assert float(lesion_loss(masks, 1 - masks)) > 1
        assert float(lesion_loss(masks, 0 * masks)) > float(lesion_loss(masks, 0 * masks + 0.3))


SHAPES = [
    ("cnn of one member", 64, {}, 1, 16),
    ("cnn of an odd size", 100, {"depth": 5}, 1, 25),
    ("two members", 64, {}, 2, 16),
    ("told age, sex and view", 64, {"clinical": True}, 2, 16),
    ("two blocks alone", 32, {"depth": 2}, 1, 8),
    ("a backbone", 64, {"backbone": "efficientnet_lite0"}, 1, 16),
]


class TestFinder:
    def finder(
        self, size_px: int, network: dict[str, object], members: int, flip: bool = True
    ) -> LesionFinder:
        keras.utils.set_random_seed(0)
        settings = Network.model_validate({"width": 4, "depth": 4, "dense_units": 4, **network})
        built = [
            build_network(size_px, settings, "binary", Member(number, members))
            for number in range(1, members + 1)
        ]
        return LesionFinder.untrained(fold(built), flip)

    @pytest.mark.parametrize(
        ("size_px", "network", "members", "rows"),
        [of for _, *of in SHAPES],
        ids=[name for name, *_ in SHAPES],
    )
    def test_is_built_over_any_network_at_a_fourth_of_its_side(
        self, size_px: int, network: dict[str, object], members: int, rows: int
    ) -> None:
        finder = self.finder(size_px, network, members)
        images = tf.random.stateless_normal([2, size_px, size_px, 1], [1, 2])
        found = finder.find(images).numpy()
        assert found.shape == (2, rows, rows)
        assert found.min() >= 0 and found.max() <= 1 and found.std() > 0
        of_one = self.finder(size_px, network, 1).maps(images)
        channels = [one.shape[-1] for one in finder.maps(images)]
        assert channels == [members * one.shape[-1] for one in of_one]

    def test_of_a_mirror_image_is_the_mirror_image(self) -> None:
        images = tf.random.stateless_normal([2, 64, 64, 1], [1, 2])
        for flip in (True, False):
            finder = self.finder(64, {}, 1, flip)
            turned = tf.reverse(finder.find(tf.reverse(images, [2])), [2])
            difference = float(tf.reduce_max(tf.abs(turned - finder.find(images))))
            assert (difference < 1e-5) == flip
