"""Changes of a film against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from components.auditor import changes
from components.auditor.changes import SHIFTS
from tests.support import draw_film


@pytest.fixture(name="film")
def make_film() -> np.ndarray:
    return draw_film(5, 224)


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


class TestChanges:
    @pytest.mark.parametrize("exponent", [0.7, 1.4])
    def test_gamma_is_a_table(self, film: np.ndarray, exponent: float) -> None:
        table = np.array([round(255 * (level / 255) ** exponent) for level in range(256)], np.uint8)
        assert np.array_equal(changes.gamma(film, exponent), cv2.LUT(film, table))

    @pytest.mark.parametrize("factor", [0.7, 1.3])
    def test_contrast_scales_about_the_mean(self, film: np.ndarray, factor: float) -> None:
        expected = cv2.convertScaleAbs(np.maximum(factor * film + (1 - factor) * film.mean(), 0))
        assert difference(changes.contrast(film, factor), expected) <= 1

    def test_blur_is_gaussian(self, film: np.ndarray) -> None:
        sigma_px = 0.005 * 224
        expected = cv2.GaussianBlur(film, (9, 9), sigma_px, borderType=cv2.BORDER_REFLECT)
        assert difference(changes.blur(film), expected) <= 1

    def test_noise_has_its_deviation_and_is_repeatable(self) -> None:
        flat = np.full((224, 224), 128, np.uint8)
        noisy = changes.noise(flat)
        assert noisy.std() == pytest.approx(8.0, rel=0.02)
        assert noisy.mean() == pytest.approx(128, abs=0.2)
        assert np.array_equal(changes.noise(flat), noisy)

    def test_jpeg_has_its_quality(self, film: np.ndarray) -> None:
        data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
        expected = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        assert difference(changes.jpeg(film), expected) <= 2
        assert difference(changes.jpeg(film), film) > 2

    def test_half_resolution_averages_areas(self, film: np.ndarray) -> None:
        expected = cv2.resize(film, (112, 112), interpolation=cv2.INTER_AREA)
        assert difference(changes.half_resolution(film), expected) <= 1

    @pytest.mark.parametrize("degrees", [7, -7])
    def test_rotation_is_about_the_centre(self, film: np.ndarray, degrees: float) -> None:
        matrix = cv2.getRotationMatrix2D((111.5, 111.5), degrees, 1)
        expected = cv2.warpAffine(film, matrix, (224, 224))
        found = changes.rotate(film, degrees)
        assert difference(found[20:-20, 20:-20], expected[20:-20, 20:-20]) <= 3
        assert found[0, 0] == 0

    @pytest.mark.parametrize(("rows", "columns"), [(0.08, 0), (0, 0.08), (0.25, 0.125)])
    def test_a_crop_keeps_the_middle(self, rows: float, columns: float) -> None:
        film = np.arange(100 * 200).reshape(100, 200) % 251
        top, left = int(100 * rows), int(200 * columns)
        cropped = changes.crop(film.astype(np.uint8), rows, columns)
        assert cropped.shape == (100 - 2 * top, 200 - 2 * left)
        assert (cropped[0, 0], cropped[-1, -1]) == (film[top, left], film[-1 - top, -1 - left])

    @pytest.mark.parametrize(
        ("name", "shape"),
        [("cropped above and below", (84, 200)), ("cropped at the sides", (100, 168))],
    )
    def test_eight_in_a_hundred_are_cropped(self, name: str, shape: tuple[int, int]) -> None:
        assert SHIFTS[name](np.zeros((100, 200), np.uint8)).shape == shape

    def test_every_change_gives_another_film_of_the_same_kind(self, film: np.ndarray) -> None:
        marked = np.maximum(film // 2, 1)
        marked[10:25, 10:14] = 255
        for name, change in SHIFTS.items():
            before = marked.copy()
            changed = change(marked)
            assert changed.dtype == np.uint8, name
            assert not np.array_equal(changed, before), name
            assert np.array_equal(marked, before), name


class TestMarkers:
    @pytest.mark.parametrize("place", [(185, 35), (8, 120), (100, 215)])
    def test_a_marker_takes_the_level_around_it(self, place: tuple[int, int]) -> None:
        film = np.full((224, 224), 40, np.uint8)
        cv2.putText(film, "R", place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 200, 2, cv2.LINE_AA)
        assert film.max() == 200
        assert (changes.remove_markers(film) == 40).all()

    def test_the_blurred_rim_of_a_marker_goes_with_it(self) -> None:
        film = np.full((224, 224), 40, np.uint8)
        for rim_px, level in ((2, 60), (1, 100), (0, 200)):
            film[20 - rim_px : 40 + rim_px, 20 - rim_px : 23 + rim_px] = level
        assert (changes.remove_markers(film)[20:40] == 40).all()

    def test_a_slanted_stroke_is_one_marker(self) -> None:
        film = np.full((224, 224), 40, np.uint8)
        places = np.arange(20, 40)
        film[places, places] = 255  # pixels that touch at their corners alone
        assert (changes.remove_markers(film) == 40).all()

    @pytest.mark.parametrize(
        ("box", "level"),
        [
            pytest.param((slice(105, 120), slice(105, 109)), 255, id="in the middle"),
            pytest.param((slice(20, 35), slice(20, 35)), 255, id="too wide for a stroke"),
            pytest.param((slice(20, 60), slice(20, 24)), 255, id="too long"),
            pytest.param((slice(20, 50), slice(20, 24)), 255, id="a little too long"),
            pytest.param((slice(20, 23), slice(20, 23)), 255, id="too small"),
            pytest.param((slice(20, 35), slice(20, 24)), 150, id="not bright enough"),
        ],
    )
    def test_what_is_no_marker_stays(self, box: tuple[slice, slice], level: int) -> None:
        film = np.full((224, 224), 90, np.uint8)
        film[box] = level
        assert np.array_equal(changes.remove_markers(film), film)

    def test_a_rib_stays_where_it_is_brightest(self) -> None:
        film = np.full((224, 224), 60, np.float32)
        film[20:120, 20:24] = 110  # seen all along, and end-on at the wall of the chest
        film[60:75, 20:24] = 180
        rib = ndimage.gaussian_filter(film, (4, 0)).astype(np.uint8)
        assert (ndimage.white_tophat(rib, size=(8, 8)) >= changes.MARKER_CONTRAST).sum() > 40
        assert np.array_equal(changes.remove_markers(rib), rib)

    def test_letters_beside_each_other_do_not_hide_each_other(self) -> None:
        film = np.full((224, 224), 40, np.uint8)
        cv2.putText(film, "AP", (180, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 230, 2)
        assert (changes.remove_markers(film) == 40).all()

    def test_letters_on_a_chest_go_and_its_bones_stay(self) -> None:
        film = draw_film(5, 224)
        marked = film.copy()
        level = int(np.median(film[10:40, 10:40])) + 110
        cv2.putText(marked, "R", (14, 36), cv2.FONT_HERSHEY_SIMPLEX, 0.6, level, 2)
        changed = changes.remove_markers(marked) != marked
        assert changed[marked != film].mean() > 0.9
        assert not changed[50:].any()

    def test_the_rest_of_the_film_stays(self) -> None:
        film = np.minimum(draw_film(5, 224), 180)
        marked = film.copy()
        marked[20:35, 20:24] = 255
        changed = changes.remove_markers(marked) != marked
        assert changed[20:35, 20:24].all()
        assert not changed[:16].any() and not changed[39:].any()
        assert (
            np.abs(
                changes.remove_markers(marked)[20:35, 20:24].astype(int) - film[20:35, 20:24]
            ).mean()
            < 30
        )
