"""The audit against what a mean grey level must do, and which changes reach a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from components.auditor.changes import SHIFTS, contrast, gamma
from components.auditor.findings import NO_CHANGE_LEVELS, Shift
from components.auditor.scoring import score_examples
from components.auditor.served_pixels import ServedPixels
from components.auditor.shifts import audit_shifts, choose_films, input_change
from metrics.estimates import Estimate
from models.hyperparameters import Preprocessing
from tests.support import draw_film, encode
from tests.unit.components.auditor.conftest import RELUCTANT_BELOW, SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of


def prepared(mean_model: Any, normalisation: str) -> ServedPixels:
    settings = Preprocessing.model_validate(
        {"image_size_px": SIDE_PX, "normalisation": normalisation}
    )
    return ServedPixels(mean_model, settings)


class TestAudit:
    @pytest.fixture(name="rows", scope="class")
    def audit(self, mean_model: Any) -> dict[str, Shift]:
        """Twelve films whose means surround a half; a film's grey level is its score."""
        means = np.linspace(70, 180, 12)
        films = [film_of(seed, mean) for seed, mean in enumerate(means)]
        examples = [
            example_of(film, "PNEUMONIA" if mean > 125 else "NORMAL", patient_id=f"p{mean}")
            for film, mean in zip(films, means, strict=True)
        ]
        scored = score_examples(mean_model, examples)
        found = audit_shifts(
            mean_model,
            scored,
            [encode(film) for film in films],
            prepared(mean_model, "per_image"),
            samples=100,
        )
        return {shift.name: shift for shift in found}

    def test_each_change_has_a_row(self, rows: dict[str, Shift]) -> None:
        assert list(rows) == ["unchanged", *SHIFTS]
        assert {shift.estimate.films for shift in rows.values()} == {12}

    def test_the_unchanged_films_are_the_reference(self, rows: dict[str, Shift]) -> None:
        unchanged = rows["unchanged"]
        assert unchanged.estimate.metrics["auc"] == unchanged.estimate.metrics["recall"] == 1
        assert unchanged.differences == {"auc": 0, "recall": 0, "specificity": 0}

    def test_a_darker_film_falls_below_the_operating_point(self, rows: dict[str, Shift]) -> None:
        # 0.5 is what 0.5 ** (1 / 1.4) = 0.61 becomes, or 155 of 255: three films are above.
        darker = rows["gamma 1.4"]
        assert darker.estimate.metrics["recall"] == pytest.approx(3 / 6)
        assert darker.differences["recall"] == pytest.approx(-3 / 6)
        assert darker.differences["auc"] == pytest.approx(0)
        brighter = rows["gamma 0.7"]
        assert brighter.estimate.metrics["specificity"] < 1
        assert brighter.differences["specificity"] == brighter.estimate.metrics["specificity"] - 1


class TestFilmsNoLongerJudged:
    """A model that judges no dark film, and a change that makes films dark."""

    MEANS = (80, 92, 96, 100, 130, 140, 150, 160, 170, 180)
    # The ill films among the darkest are called normal; a gamma of 1.4 leaves them unjudged.
    LABELS = np.array([1, 1, 1, 0, 1, 0, 1, 1, 0, 1])

    @pytest.fixture(name="films", scope="class")
    def make_films(self) -> list[np.ndarray]:
        return [film_of(seed, mean) for seed, mean in enumerate(self.MEANS)]

    @pytest.fixture(name="audit", scope="class")
    def make_audit(
        self, films: list[np.ndarray], mean_model: Any, reluctant_model: Any
    ) -> Callable[[list[int]], dict[str, Shift]]:
        """Audits some of the films, by their places."""

        def audit(places: list[int]) -> dict[str, Shift]:
            examples = [
                example_of(films[at], ("NORMAL", "PNEUMONIA")[self.LABELS[at]], patient_id=f"p{at}")
                for at in places
            ]
            found = audit_shifts(
                reluctant_model,
                score_examples(reluctant_model, examples),
                [encode(films[at]) for at in places],
                prepared(mean_model, "per_image"),
                samples=100,
            )
            return {shift.name: shift for shift in found}

        return audit

    @pytest.fixture(name="rows", scope="class")
    def audit_every_film(self, audit: Callable[[list[int]], dict[str, Shift]]) -> dict[str, Shift]:
        return audit(list(range(len(self.MEANS))))

    def expected(self, films: list[np.ndarray], chosen: np.ndarray) -> dict[str, float]:
        """Metrics of some films by scikit-learn."""
        means = np.array([film.mean() for film in films])[chosen]
        truth, called = self.LABELS[chosen], means / 255 >= 0.5
        return {
            "auc": roc_auc_score(truth, means),
            "recall": recall_score(truth, called),
            "specificity": recall_score(truth, called, pos_label=0),
        }

    def test_a_change_is_held_against_the_same_films_unchanged(
        self, films: list[np.ndarray], rows: dict[str, Shift]
    ) -> None:
        darker = [gamma(film, 1.4) for film in films]
        before, after = (
            np.array([film.mean() >= RELUCTANT_BELOW for film in some]) for some in (films, darker)
        )
        assert (before.sum(), after.sum()) == (9, 6)
        shift = rows["gamma 1.4"]
        assert (shift.estimate.films, shift.left_out) == (6, 3)
        reached, unchanged = self.expected(darker, after), self.expected(films, after)
        for metric, value in reached.items():
            assert shift.estimate.metrics[metric] == pytest.approx(value), metric
            assert shift.differences[metric] == pytest.approx(value - unchanged[metric]), metric
        # Against all unchanged films, a third of which is gone, the change would be a gain.
        every = self.expected(films, before)
        assert reached["auc"] > every["auc"]
        assert shift.differences["auc"] == pytest.approx(0)

    def test_a_film_that_is_judged_only_once_changed_does_not_count(
        self, films: list[np.ndarray], rows: dict[str, Shift]
    ) -> None:
        brighter = gamma(films[0], 0.7)
        assert films[0].mean() < RELUCTANT_BELOW < brighter.mean()
        assert rows["unchanged"].estimate.films == rows["gamma 0.7"].estimate.films == 9
        assert rows["unchanged"].left_out == rows["gamma 0.7"].left_out == 0

    def test_the_log_says_how_many_are_left_out(
        self,
        audit: Callable[[list[int]], dict[str, Shift]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level("INFO"):
            rows = audit([1, 3, 4])  # the first two are judged, and not where they are darkened
        said = dict(zip(rows, caplog.messages, strict=True))
        assert " on 1 films, 2 others are not judged any more" in said["gamma 1.4"]
        assert "not judged" not in said["unchanged"] + said["gamma 0.7"]

    def test_where_nothing_is_judged_any_more_nothing_is_defined(
        self, audit: Callable[[list[int]], dict[str, Shift]]
    ) -> None:
        shift = audit([1, 3])["gamma 1.4"]
        assert (shift.estimate.films, shift.left_out) == (0, 2)
        assert np.isnan(list(shift.differences.values())).all()


class TestInputChange:
    """Whether a change of the film reaches the network, by what standardises it."""

    @pytest.fixture(name="films", scope="class")
    def make_films(self) -> list[np.ndarray]:
        # No level is clipped by a contrast of 1.3.
        return [np.clip(draw_film(seed, 128) // 2 + 60, 0, 200) for seed in range(3)]

    def test_contrast_is_undone_where_each_film_is_standardised(
        self, mean_model: Any, films: list[np.ndarray]
    ) -> None:
        changed = [contrast(film, 0.7) for film in films]
        undone = input_change(prepared(mean_model, "per_image"), films, changed)
        assert 0 < undone < NO_CHANGE_LEVELS
        kept = input_change(prepared(mean_model, "unit"), films, changed)
        # Each level moves by 0.3 of its distance to the mean.
        expected = max(0.3 * film.std() for film in films)
        assert kept == pytest.approx(expected, rel=0.05)
        assert kept > 5 * NO_CHANGE_LEVELS

    @pytest.mark.parametrize(("moved", "seen"), [(0.999, False), (1.0, True), (9.0, True)])
    def test_a_grey_level_is_a_change(self, moved: float, seen: bool) -> None:
        nothing = Estimate(0, 0, 0, {}, {})
        assert Shift("blur", nothing, {}, moved).changes_input == seen

    def test_a_gamma_reaches_the_network_in_any_case(
        self, mean_model: Any, films: list[np.ndarray]
    ) -> None:
        changed = [gamma(film, 1.4) for film in films]
        for normalisation in ("per_image", "unit"):
            moved = input_change(prepared(mean_model, normalisation), films, changed)
            assert moved > NO_CHANGE_LEVELS, normalisation

    def test_one_film_that_changes_among_many_is_found(
        self, mean_model: Any, films: list[np.ndarray]
    ) -> None:
        many = [films[0]] * 20 + [films[1]]
        changed = [films[0]] * 20 + [gamma(films[1], 1.4)]
        found = input_change(prepared(mean_model, "per_image"), many, changed)
        alone = input_change(prepared(mean_model, "per_image"), many[-1:], changed[-1:])
        assert found == alone > NO_CHANGE_LEVELS

    def test_the_film_that_moves_most_counts(
        self, mean_model: Any, films: list[np.ndarray]
    ) -> None:
        both = [gamma(films[0], 0.95), gamma(films[1], 1.4)]
        found = input_change(prepared(mean_model, "per_image"), films[:2], both)
        alone = input_change(prepared(mean_model, "per_image"), films[1:2], both[1:])
        assert found == pytest.approx(alone)

    def test_a_change_of_the_size_alone_is_compared_after_resizing(
        self, mean_model: Any, films: list[np.ndarray]
    ) -> None:
        doubled = [film.repeat(2, axis=0).repeat(2, axis=1) for film in films]
        assert input_change(prepared(mean_model, "per_image"), films, doubled) < 0.01

    def test_what_changes_no_film_changes_no_input(
        self, mean_model: Any, films: list[np.ndarray]
    ) -> None:
        assert input_change(prepared(mean_model, "per_image"), films, films) == 0

    def test_rows_say_what_the_network_sees(
        self, mean_model: Any, films: list[np.ndarray], caplog: pytest.LogCaptureFixture
    ) -> None:
        examples = [
            example_of(film, label)
            for film, label in zip(films, ("NORMAL", "PNEUMONIA", "NORMAL"), strict=True)
        ]
        scored = score_examples(mean_model, examples)
        images = [encode(film) for film in films]
        seen = {}
        with caplog.at_level("INFO"):
            for normalisation in ("per_image", "unit"):
                way = prepared(mean_model, normalisation)
                rows = audit_shifts(mean_model, scored, images, way, samples=100)
                seen[normalisation] = {row.name for row in rows if row.changes_input}
        assert {"contrast 0.7", "contrast 1.3"} == seen["unit"] - seen["per_image"]
        assert {"gamma 0.7", "gamma 1.4", "noise", "rotated +7 degrees"} <= seen["per_image"]
        assert "unchanged" not in seen["unit"]
        said = [line for line in caplog.messages if line.endswith("the network sees the same")]
        assert any(line.startswith("contrast 0.7: ") for line in said)
        assert not any(line.startswith(("gamma", "unchanged")) for line in said)


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
