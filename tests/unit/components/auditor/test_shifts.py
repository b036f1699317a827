"""Changes of a film against OpenCV; the audit against what a mean grey level must do."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from components.auditor import shifts
from components.auditor.scoring import score_examples
from components.auditor.shifts import SHIFTS, audit_shifts, choose_films
from tests.support import draw_film, encode
from tests.unit.components.auditor.films import example_of, film_of


@pytest.fixture(name="film")
def make_film() -> np.ndarray:
    return draw_film(5, 224)


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


class TestChanges:
    @pytest.mark.parametrize("exponent", [0.7, 1.4])
    def test_gamma_is_a_table(self, film: np.ndarray, exponent: float) -> None:
        table = np.array([round(255 * (level / 255) ** exponent) for level in range(256)], np.uint8)
        assert np.array_equal(shifts.gamma(film, exponent), cv2.LUT(film, table))

    @pytest.mark.parametrize("factor", [0.7, 1.3])
    def test_contrast_scales_about_the_mean(self, film: np.ndarray, factor: float) -> None:
        expected = cv2.convertScaleAbs(np.maximum(factor * film + (1 - factor) * film.mean(), 0))
        assert difference(shifts.contrast(film, factor), expected) <= 1

    def test_blur_is_gaussian(self, film: np.ndarray) -> None:
        sigma_px = 0.005 * 224
        expected = cv2.GaussianBlur(film, (9, 9), sigma_px, borderType=cv2.BORDER_REFLECT)
        assert difference(shifts.blur(film), expected) <= 1

    def test_noise_has_its_deviation_and_is_repeatable(self) -> None:
        flat = np.full((224, 224), 128, np.uint8)
        noisy = shifts.noise(flat)
        assert noisy.std() == pytest.approx(8.0, rel=0.02)
        assert noisy.mean() == pytest.approx(128, abs=0.2)
        assert np.array_equal(shifts.noise(flat), noisy)

    def test_jpeg_has_its_quality(self, film: np.ndarray) -> None:
        data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
        expected = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        assert difference(shifts.jpeg(film), expected) <= 2
        assert difference(shifts.jpeg(film), film) > 2

    def test_half_resolution_averages_areas(self, film: np.ndarray) -> None:
        expected = cv2.resize(film, (112, 112), interpolation=cv2.INTER_AREA)
        assert difference(shifts.half_resolution(film), expected) <= 1

    @pytest.mark.parametrize("degrees", [7, -7])
    def test_rotation_is_about_the_centre(self, film: np.ndarray, degrees: float) -> None:
        matrix = cv2.getRotationMatrix2D((111.5, 111.5), degrees, 1)
        expected = cv2.warpAffine(film, matrix, (224, 224))
        found = shifts.rotate(film, degrees)
        assert difference(found[20:-20, 20:-20], expected[20:-20, 20:-20]) <= 3
        assert found[0, 0] == 0

    @pytest.mark.parametrize(("rows", "columns"), [(0.08, 0), (0, 0.08), (0.25, 0.125)])
    def test_a_crop_keeps_the_middle(self, rows: float, columns: float) -> None:
        film = np.arange(100 * 200).reshape(100, 200) % 251
        top, left = int(100 * rows), int(200 * columns)
        cropped = shifts.crop(film.astype(np.uint8), rows, columns)
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
        assert (shifts.remove_markers(film) == 40).all()

    @pytest.mark.parametrize(
        ("box", "level"),
        [
            pytest.param((slice(105, 120), slice(105, 109)), 255, id="in the middle"),
            pytest.param((slice(20, 35), slice(20, 35)), 255, id="too wide for a stroke"),
            pytest.param((slice(20, 60), slice(20, 24)), 255, id="too long"),
            pytest.param((slice(20, 23), slice(20, 23)), 255, id="too small"),
            pytest.param((slice(20, 35), slice(20, 24)), 150, id="not bright enough"),
        ],
    )
    def test_what_is_no_marker_stays(self, box: tuple[slice, slice], level: int) -> None:
        film = np.full((224, 224), 90, np.uint8)
        film[box] = level
        assert np.array_equal(shifts.remove_markers(film), film)

    def test_the_rest_of_the_film_stays(self) -> None:
        film = np.minimum(draw_film(5, 224), 180)
        marked = film.copy()
        marked[20:35, 20:24] = 255
        changed = shifts.remove_markers(marked) != marked
        assert changed[20:35, 20:24].all()
        assert not changed[:16].any() and not changed[39:].any()
        assert (
            np.abs(
                shifts.remove_markers(marked)[20:35, 20:24].astype(int) - film[20:35, 20:24]
            ).mean()
            < 30
        )


class TestAudit:
    @pytest.fixture(name="rows", scope="class")
    def audit(self, mean_model: Any) -> dict[str, shifts.Shift]:
        """Twelve films whose means surround a half; a film's grey level is its score."""
        means = np.linspace(70, 180, 12)
        films = [film_of(seed, mean) for seed, mean in enumerate(means)]
        examples = [
            example_of(film, "PNEUMONIA" if mean > 125 else "NORMAL", patient_id=f"p{mean}")
            for film, mean in zip(films, means, strict=True)
        ]
        scored = score_examples(mean_model, examples)
        found = audit_shifts(mean_model, scored, [encode(film) for film in films], samples=100)
        return {shift.name: shift for shift in found}

    def test_each_change_has_a_row(self, rows: dict[str, shifts.Shift]) -> None:
        assert list(rows) == ["unchanged", *SHIFTS]
        assert {shift.estimate.films for shift in rows.values()} == {12}

    def test_the_unchanged_films_are_the_reference(self, rows: dict[str, shifts.Shift]) -> None:
        unchanged = rows["unchanged"]
        assert unchanged.estimate.metrics["auc"] == unchanged.estimate.metrics["recall"] == 1
        assert unchanged.differences == {"auc": 0, "recall": 0, "specificity": 0}

    def test_a_darker_film_falls_below_the_operating_point(
        self, rows: dict[str, shifts.Shift]
    ) -> None:
        # 0.5 is what 0.5 ** (1 / 1.4) = 0.61 becomes, or 155 of 255: three films are above.
        darker = rows["gamma 1.4"]
        assert darker.estimate.metrics["recall"] == pytest.approx(3 / 6)
        assert darker.differences["recall"] == pytest.approx(-3 / 6)
        assert darker.differences["auc"] == pytest.approx(0)
        brighter = rows["gamma 0.7"]
        assert brighter.estimate.metrics["specificity"] < 1
        assert brighter.differences["specificity"] == brighter.estimate.metrics["specificity"] - 1


class TestChoice:
    @pytest.fixture(name="films")
    def make_films(self) -> pd.DataFrame:
        random = np.random.default_rng(1)
        labels = ["NORMAL"] * 10 + ["PNEUMONIA"] * 50
        digests = [f"{random.integers(2**60):016x}" for _ in labels]
        return pd.DataFrame({"label": labels, "sha256": digests})

    @pytest.mark.parametrize(
        ("at_most", "normal"), [(2, 1), (20, 10), (30, 10), (60, 10), (99, 10)]
    )
    def test_classes_are_even_while_they_last(
        self, films: pd.DataFrame, at_most: int, normal: int
    ) -> None:
        chosen = films.iloc[choose_films(films, at_most)]
        assert len(chosen) == min(at_most, 60)
        assert (chosen["label"] == "NORMAL").sum() == normal

    def test_the_order_of_the_films_does_not_matter(self, films: pd.DataFrame) -> None:
        mixed = films.sample(frac=1, random_state=2)
        chosen, again = (one.iloc[choose_films(one, 20)] for one in (films, mixed))
        assert set(chosen["sha256"]) == set(again["sha256"])

    def test_positions_ascend(self, films: pd.DataFrame) -> None:
        positions = choose_films(films, 20)
        assert (np.diff(positions) > 0).all()
