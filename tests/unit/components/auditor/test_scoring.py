"""Scores against the means that the fake answers with; facts against the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.auditor.scoring import (
    BATCH_FILMS,
    class_columns,
    judged,
    read_examples,
    score_examples,
    score_images,
    scores_of,
    unscored_by_reason,
)
from tests.support import encode
from tests.unit.components.auditor.films import example_of, film_of, write_split


def test_scores_follow_the_order_of_the_films(mean_model: Any) -> None:
    films = [film_of(seed, mean=20 + 4 * seed) for seed in range(BATCH_FILMS + 3)]
    scored = score_images(mean_model, map(encode, films))
    expected = np.array([film.mean() / 255 for film in films])
    assert scored["probability"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert scored["probability_pneumonia"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert scored["probability_normal"].to_numpy() == pytest.approx(1 - expected, abs=1e-6)
    assert list(scored["predicted_label"] == "PNEUMONIA") == list(expected >= 0.5)


def test_subtypes_have_columns_of_their_own(subtype_model: Any) -> None:
    scored = score_images(subtype_model, [encode(film_of(1, 100))])
    assert class_columns(3) == ["probability_normal", "probability_bacteria", "probability_virus"]
    assert scored[class_columns(3)].sum(axis=1).to_numpy() == pytest.approx([1.0])


def test_facts_of_a_film_stand_beside_its_score(mean_model: Any) -> None:
    known: dict[str, Any] = {"patient_id": "p7", "view": "PA", "sex": "F", "site": "here"}
    film = film_of(1, 200)
    example = example_of(film, "PNEUMONIA", subtype="bacteria", age_years=17, **known)
    row = score_examples(mean_model, [example]).iloc[0]
    digest = example.features.feature["sha256"].bytes_list.value[0].decode()
    expected = {**known, "sha256": digest, "label": "PNEUMONIA", "subtype": "bacteria"}
    assert {name: row[name] for name in expected} == expected
    assert row["age_band"] == "5-17"


def test_no_films_give_no_rows(mean_model: Any) -> None:
    films = score_examples(mean_model, [])
    assert films.empty
    assert scores_of(films).labels.shape == (0,)


def test_numbers_of_scored_films(mean_model: Any) -> None:
    examples = [
        example_of(film_of(1, 200), "PNEUMONIA", patient_id="a"),
        example_of(film_of(2, 90), "PNEUMONIA", patient_id="b"),
        example_of(film_of(3, 60), patient_id="b"),
    ]
    scores = scores_of(score_examples(mean_model, examples))
    assert scores.patients.tolist() == ["a", "b", "b"]
    assert scores.labels.tolist() == [1, 1, 0]
    assert scores.decisions.tolist() == [1, 0, 0]


def test_a_film_that_was_not_judged_is_no_number(reluctant_model: Any) -> None:
    examples = [example_of(film_of(seed, mean)) for seed, mean in enumerate((200, 60, 120, 50))]
    films = score_examples(reluctant_model, examples)
    assert unscored_by_reason(films) == {"too dark": 2}
    with pytest.raises(ValueError, match=r"2 of 4 films have no probability \(too dark\); leave"):
        scores_of(films)
    assert judged(films).index.tolist() == [0, 2]
    assert len(scores_of(judged(films)).labels) == 2


def test_a_model_that_gives_no_reason_is_scored_like_before(mean_model: Any) -> None:
    films = score_examples(mean_model, [example_of(film_of(1, 200))])
    assert unscored_by_reason(films) == {}
    assert len(judged(films)) == 1


def test_examples_are_read_as_written(tmp_path: Path) -> None:
    examples = [example_of(film_of(seed, 99)) for seed in range(3)]
    uri = write_split(tmp_path / "split", examples)
    assert list(read_examples([uri])) == examples
