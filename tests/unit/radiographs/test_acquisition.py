"""Films measured by hand; the strangest patients are those of a kind that every class shares."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.stats import zscore

from radiographs.acquisition import (
    STATISTICS,
    acquisition_statistics,
    largest_differences,
    strangeness,
)
from radiographs.decoding import read_film
from radiographs.options import IngestOptions
from tests.support import draw_film, encode


def measured(data: bytes) -> dict[str, float]:
    values = acquisition_statistics(read_film(data, IngestOptions()), len(data))
    assert values.shape == (len(STATISTICS),)
    return dict(zip(STATISTICS, values, strict=True))


class TestStatistics:
    def test_by_hand(self) -> None:
        film = np.random.default_rng(0).integers(0, 256, (128, 384), dtype=np.uint8)
        data = encode(film)
        # A copy of 128 x 128 holds the means of three neighbours in a row.
        copy = film.reshape(128, 128, 3).mean(axis=2) / 255
        ordered = np.sort(copy, axis=None)
        assert measured(data) == pytest.approx(
            {
                "aspect ratio": 3,
                "megapixels": 0.049152,
                "bytes per pixel": len(data) / 49152,
                "sharpness": sum(abs(copy[i + 1] - copy[i]).sum() for i in range(127)) / 127 / 128,
                "mean intensity": film.mean() / 255,
                "contrast": np.sqrt((copy**2).mean() - copy.mean() ** 2),
                "5th percentile": ordered[round(0.05 * 128**2)],
                "median": ordered[128**2 // 2],
                "95th percentile": ordered[round(0.95 * 128**2)],
                "top border": film[:8].mean() / 255,
                "bottom border": film[120:].mean() / 255,
                "left border": film[:, :24].mean() / 255,
                "right border": film[:, 360:].mean() / 255,
            },
            abs=1e-4,
        )

    def test_bit_depth_and_colour_do_not_matter(self) -> None:
        film = draw_film(0, 128)
        grey = measured(encode(film))
        deep = measured(encode(film.astype(np.uint16) * 257))
        colour = measured(encode(cv2.cvtColor(film, cv2.COLOR_GRAY2BGR)))
        for other in (deep, colour):
            assert other | {"bytes per pixel": 0} == pytest.approx(
                grey | {"bytes per pixel": 0}, abs=1e-6
            )

    def test_size_changes_only_what_measures_it(self) -> None:
        film = draw_film(0, 128)
        small, large = (measured(encode(np.kron(film, np.ones((n, n), np.uint8)))) for n in (1, 8))
        assert large.pop("megapixels") == 64 * small.pop("megapixels")
        assert large.pop("bytes per pixel") < small.pop("bytes per pixel")
        assert large == pytest.approx(small, abs=1e-6)

    @pytest.mark.parametrize(
        ("save", "name"), [({"quality": 30}, "bytes per pixel"), ({"quality": 95}, "sharpness")]
    )
    def test_compression_and_blur_lower_what_is_named_after_them(
        self, save: dict[str, Any], name: str
    ) -> None:
        film = Image.fromarray(draw_film(0, 256))
        blurred = Image.fromarray(cv2.GaussianBlur(np.asarray(film), (0, 0), 20))
        before, after = io.BytesIO(), io.BytesIO()
        film.save(before, "JPEG", quality=95)
        (blurred if name == "sharpness" else film).save(after, "JPEG", **save)
        assert measured(after.getvalue())[name] < 0.8 * measured(before.getvalue())[name]


def patients(count: int, **changed: np.ndarray | float) -> np.ndarray:
    """Returns statistics that are alike but for those named, underscores for spaces."""
    values = np.full((count, len(STATISTICS)), 0.5)
    for name, column in changed.items():
        values[:, STATISTICS.index(name.replace("_", " "))] = column
    return values


class TestStrangeness:
    def test_of_a_single_statistic_is_its_standard_score_towards_the_far_kind(self) -> None:
        intensity = np.random.default_rng(0).normal(0.6, 0.02, 100)
        intensity[:15] -= 0.4
        films = np.ones((100, 2), int)
        expected = -zscore(intensity, ddof=1)  # PCA whitens by the unbiased variance
        np.testing.assert_allclose(
            strangeness(patients(100, mean_intensity=intensity), films), expected, atol=1e-9
        )

    def test_sizes_are_compared_as_ratios(self) -> None:
        megapixels = np.repeat([1.0, 2.0, 4.0], [40, 40, 20])
        found = strangeness(patients(100, megapixels=megapixels), np.ones((100, 2), int))
        assert found[-1] - found[40] == pytest.approx(found[40] - found[0])
        assert found[-1] > 0

    def test_what_several_statistics_say_counts_once(self) -> None:
        rng = np.random.default_rng(0)
        dark = np.arange(200) < 30
        bright, sharp = rng.normal(size=200) - 3 * dark, rng.normal(size=200)
        films = np.ones((200, 2), int)
        once = patients(200, mean_intensity=bright, bottom_border=sharp)
        thrice = patients(
            200, mean_intensity=bright, median=bright, top_border=bright, bottom_border=sharp
        )
        correlation = np.corrcoef(strangeness(once, films), strangeness(thrice, films))[0, 1]
        assert correlation > 0.999

    def test_a_kind_of_one_class_does_not_count(self) -> None:
        rng = np.random.default_rng(0)
        number = np.arange(300)
        one_class, shared = number < 25, (number >= 25) & (number < 85)  # the rarer is further away
        films = np.stack([number % 2, 1 - number % 2], axis=1)
        films[one_class] = (0, 1)
        values = patients(
            300,
            contrast=rng.normal(size=300) * 0.1 + 9 * one_class,
            mean_intensity=rng.normal(size=300) * 0.1 - 3 * shared,
        )
        assert strangeness(values, films)[shared].min() > strangeness(values, films)[~shared].max()
        films[one_class] = (1, 1)
        found = strangeness(values, films)
        assert found[one_class].min() > found[~one_class].max()

    def test_a_few_oddities_do_not_count(self) -> None:
        rng = np.random.default_rng(0)
        number = np.arange(300)
        odd, shared = number < 4, number >= 260
        values = patients(
            300,
            contrast=rng.normal(size=300) * 0.1 + 9 * odd,
            mean_intensity=rng.normal(size=300) * 0.1 - 3 * shared,
        )
        found = strangeness(values, np.ones((300, 2), int))
        assert found[shared].min() > found[~shared].max()

    @pytest.mark.parametrize("count", [1, 2, 50])
    def test_patients_who_do_not_differ_are_not_strange(self, count: int) -> None:
        found = strangeness(patients(count), np.ones((count, 2), int))
        np.testing.assert_array_equal(found, np.zeros(count))


class TestDifferences:
    def test_names_the_largest_by_their_spread(self) -> None:
        inside = patients(4, median=np.array([0.1, 0.2, 0.3, 0.4]), megapixels=2.0)
        outside = patients(4, median=np.array([0.2, 0.3, 0.4, 0.5]), megapixels=0.5)
        assert largest_differences(inside, outside) == (
            "megapixels 2 against 0.5, median 0.25 against 0.35"
        )
        assert largest_differences(inside, outside, count=1) == "megapixels 2 against 0.5"

    def test_is_empty_where_nothing_differs(self) -> None:
        assert largest_differences(patients(3), patients(2)) == ""
