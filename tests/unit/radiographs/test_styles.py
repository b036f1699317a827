"""Styles are found again where films were drawn in some, and in nothing else of the films."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from models.features import STYLES
from radiographs import styles as styles_module
from radiographs.styles import (
    CELL_PX,
    DESCRIPTION_LENGTH,
    SIDE_PX,
    Description,
    describe_surroundings,
    find_styles,
    rank,
)
from radiographs.usual_lungs import usual_lungs

PER_STYLE = 60
NOISE = (1.0, 6.0, 20.0)  # grey levels outside the lungs, a style each


def drawn(rng: np.random.Generator, noise: float, size_px: int = SIDE_PX) -> np.ndarray:
    """A smooth film with noise of a style outside the usual lungs, and any noise in them."""
    smooth = cv2.resize(rng.uniform(60, 190, (4, 4)), (size_px, size_px))
    lungs = cv2.erode(usual_lungs(SIDE_PX).astype(np.uint8), np.ones((13, 13), np.uint8))
    inside = cv2.resize(lungs, (size_px, size_px)) > 0
    spread = np.where(inside, rng.uniform(0, 40), noise)
    film = smooth + spread * rng.standard_normal((size_px, size_px))
    return film.round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module", name="planted")
def plant_styles() -> tuple[dict[str, Description], list[int]]:
    """Descriptions of films in three styles, by path, and the style of each."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat(np.arange(len(NOISE)), PER_STYLE)).tolist()
    films = {
        f"film{number:03d}.png": describe_surroundings(drawn(rng, NOISE[style]))
        for number, style in enumerate(truth)
    }
    return films, truth


class TestFindStyles:
    def test_planted_styles_are_found_whatever_the_seed(
        self, planted: tuple[dict[str, Description], list[int]]
    ) -> None:
        films, truth = planted
        for seed in range(3):
            found = find_styles(films, seed)
            names, _ = found.nearest(list(films.values()))
            assert adjusted_rand_score(truth, names) == 1
            assert found.names == ("1", "2", "3")
            assert found.agreement == 1  # halves that each find what was planted agree on all

    def test_the_first_style_has_most_detail(
        self, planted: tuple[dict[str, Description], list[int]]
    ) -> None:
        films, truth = planted
        names, _ = find_styles(films, 0).nearest(list(films.values()))
        assert {(NOISE[style], name) for style, name in zip(truth, names, strict=True)} == {
            (20.0, "1"), (6.0, "2"), (1.0, "3"),
        }  # fmt: skip

    def test_the_order_of_the_films_does_not_matter(
        self, planted: tuple[dict[str, Description], list[int]]
    ) -> None:
        films, _ = planted
        turned = dict(reversed(films.items()))
        np.testing.assert_array_equal(find_styles(films, 1).centres, find_styles(turned, 1).centres)

    def test_films_that_differ_by_chance_are_of_one_style(self) -> None:
        rng = np.random.default_rng(2)
        films = {str(n): describe_surroundings(drawn(rng, 6.0)) for n in range(150)}
        found = find_styles(films, 0)
        assert found.names == ("1",) and np.isnan(found.agreement)
        assert set(found.nearest(list(films.values()))[0]) == {"1"}

    @pytest.mark.filterwarnings("error")  # where nothing differs, libraries divide by nothing
    @pytest.mark.parametrize("count", [1, 2, 40, 100])
    def test_few_films_or_equal_ones_are_of_one_style(self, count: int) -> None:
        film = describe_surroundings(drawn(np.random.default_rng(3), 6.0))
        found = find_styles({str(number): film for number in range(count)}, 0)
        assert found.names == ("1",) and np.isnan(found.agreement)
        assert found.nearest([film]) == (["1"], pytest.approx([0]))

    def test_an_oddity_is_no_style(self, planted: tuple[dict[str, Description], list[int]]) -> None:
        films, _ = planted
        odd = {f"odd{n}.png": np.full(DESCRIPTION_LENGTH, 9 + n / 9, np.float32) for n in range(3)}
        found = find_styles({**films, **odd}, 0)
        names, _ = found.nearest(list(films.values()))
        counts = [names.count(name) for name in found.names]
        assert min(counts) >= PER_STYLE - 3

    def test_no_more_films_are_fitted_than_are_allowed(
        self, planted: tuple[dict[str, Description], list[int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        films, _ = planted
        monkeypatch.setattr(styles_module, "FITTED_FILMS", 120)
        some = sorted(films, key=lambda path: rank(path, 5))[:120]
        expected = np.mean([films[path] for path in some], axis=0)
        np.testing.assert_allclose(find_styles(films, 5).mean, expected, rtol=1e-5)

    def test_there_are_names_enough(self) -> None:
        assert tuple(str(number) for number in range(1, 9)) == STYLES


class TestDescription:
    def test_lungs_do_not_change_it(self) -> None:
        rng = np.random.default_rng(4)
        film = rng.integers(0, 256, (SIDE_PX, SIDE_PX), dtype=np.uint8)
        lungs = np.zeros((SIDE_PX, SIDE_PX), bool)
        lungs[40:100, 30:60] = lungs[40:100, 70:100] = True
        # The blur reaches into the rim that is left out around the lungs, hardly beyond.
        other = film.copy()
        other[40:100, 30:60] = 255 - film[40:100, 30:60] // 4
        np.testing.assert_allclose(
            describe_surroundings(film, lungs), describe_surroundings(other, lungs), atol=0.02
        )
        lungs[:] = False
        changed = np.abs(describe_surroundings(film, lungs) - describe_surroundings(other, lungs))
        assert changed.max() > 0.02

    def test_it_is_a_map_of_the_detail_outside(self) -> None:
        film = np.full((SIDE_PX, SIDE_PX), 100, np.uint8)
        film[:CELL_PX:2, -CELL_PX:] = 140  # stripes in the corner at the top on the right
        cells = describe_surroundings(film, np.zeros((SIDE_PX, SIDE_PX), bool))
        cells = cells.reshape(SIDE_PX // CELL_PX, -1)
        assert np.unravel_index(cells.argmax(), cells.shape) == (0, SIDE_PX // CELL_PX - 1)
        # Stripes of 100 and 140 lie 20 levels from their mean; at the rim the blur knows less.
        assert np.expm1(cells[0, -1]) == pytest.approx(20, abs=6)
        assert cells[4:, :-4].max() < 1e-4

    def test_a_cell_in_a_lung_says_what_the_others_say(self) -> None:
        rng = np.random.default_rng(6)
        film = rng.integers(80, 120, (SIDE_PX, SIDE_PX), dtype=np.uint8)
        lungs = np.zeros((SIDE_PX, SIDE_PX), bool)
        lungs[32:96, 32:96] = True
        cells = np.expm1(describe_surroundings(film, lungs)).reshape(16, 16)
        outside = np.ones((16, 16), bool)
        outside[4:12, 4:12] = False
        hidden = cells[5:11, 5:11]
        assert np.ptp(hidden) == 0
        assert hidden[0, 0] == pytest.approx(cells[outside].mean(), rel=0.05)

    def test_the_size_of_a_film_hardly_matters(self) -> None:
        film = cv2.GaussianBlur(drawn(np.random.default_rng(7), 30, 512), (0, 0), 8)
        twice = cv2.resize(film, (1024, 1024), interpolation=cv2.INTER_CUBIC)
        np.testing.assert_allclose(
            describe_surroundings(film), describe_surroundings(twice), atol=0.1
        )

    def test_a_film_that_is_all_lung_has_no_surroundings(self) -> None:
        film = np.random.default_rng(8).integers(0, 256, (SIDE_PX, SIDE_PX), dtype=np.uint8)
        assert not describe_surroundings(film, np.ones((SIDE_PX, SIDE_PX), bool)).any()


def test_each_seed_has_an_order_of_its_own() -> None:
    names = [str(number) for number in range(20)]
    one, other = (sorted(names, key=lambda name: rank(name, seed)) for seed in (0, 1))
    assert one != other and sorted(one) == sorted(other)
