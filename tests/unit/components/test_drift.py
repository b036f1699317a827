"""How far films have moved, against distances worked out otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from scipy.spatial.distance import jensenshannon
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.data_gate.drift import (
    DRIFT,
    JENSEN_SHANNON,
    L_INFINITY,
    SKEW,
    Distance,
    Kind,
    chance_of_histogram,
    chance_of_share,
    distances,
)
from tests.support import ROOT

SCHEMA = tfdv.load_schema_text(str(ROOT / "schema" / "schema.pbtxt"))
MANY = 20_000  # patients, of whom chance moves nothing


def statistics(films: int = MANY, **columns: Any) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics of films whose columns repeat the values given; a patient each, if not said."""
    frame = {name: np.resize(np.array(values), films) for name, values in columns.items()}
    frame = {"patient_id": np.array([f"p{number}" for number in range(films)]), **frame}
    return tfdv.generate_statistics_from_dataframe(pd.DataFrame(frame), n_jobs=1)


def measured(now: Any, before: Any, kind: Kind = DRIFT) -> dict[str, Distance]:
    found = list(distances(kind, {"train": now}, {"train": before}, SCHEMA))
    assert {(one.kind, one.split) for one in found} <= {(kind, "train")}
    return {one.feature: one for one in found}


def test_a_share_is_held_against_the_threshold_of_the_schema() -> None:
    now = statistics(label=["NORMAL"] + ["PNEUMONIA"] * 4)
    before = statistics(label=["NORMAL", "PNEUMONIA"])
    one = measured(now, before)["label"]
    assert (one.measure, one.threshold, one.is_exceeded) == (L_INFINITY, 0.1, True)
    assert one.value == pytest.approx(0.8 - 0.5)
    assert str(one) == (
        "the L-infinity distance from the data accepted before is 0.300, allowed is 0.100 "
        "(PNEUMONIA 80.0%, was 50.0%; 20,000 films and 20,000)"
    )


def test_the_value_that_moved_most_is_shown() -> None:
    now = statistics(site=["a"] * 2 + ["b"] * 4 + ["c"] * 4)
    before = statistics(site=["a"] * 4 + ["b"] * 3 + ["c"] * 3)
    one = measured(now, before)["site"]
    assert one.value == pytest.approx(0.2)
    assert one.shown == "a 20.0%, was 40.0%"


def test_a_number_is_compared_by_its_histogram() -> None:
    now, before = statistics(width_px=[100, 400]), statistics(width_px=[100])
    one = measured(now, before)["width_px"]
    assert (one.measure, one.threshold, one.is_exceeded) == (JENSEN_SHANNON, 0.12, True)
    assert one.value == pytest.approx(jensenshannon([0.5, 0.5], [1, 0], base=2) ** 2, abs=0.03)
    assert one.shown == "mean 250, was 100"


@pytest.mark.parametrize(("factor", "exceeded"), [(1.0, False), (0.95, False), (0.6, True)])
def test_darker_films_are_told_from_the_same(factor: float, exceeded: bool) -> None:
    grey = np.random.default_rng(0).normal(0.48, 0.07, MANY)
    one = measured(statistics(mean_intensity=grey * factor), statistics(mean_intensity=grey))
    assert one["mean_intensity"].is_exceeded is exceeded


@pytest.mark.parametrize("odd", [225, 5000])
def test_an_odd_film_is_no_drift(odd: int) -> None:
    """By TFDV's own equal-width histograms each of these is 0.19 to 1."""
    fixed, varied = [224] * 999, list(np.random.default_rng(0).normal(900, 100, 999).astype(int))
    for sizes in (fixed, varied):
        films = statistics(1000, width_px=[*sizes, sizes[0]])
        pair = (films, statistics(1000, width_px=[*sizes, odd]))
        assert measured(*pair)["width_px"].value < 0.02
        assert measured(*reversed(pair))["width_px"].value < 0.02


def test_a_size_that_all_films_have_is_compared_too() -> None:
    fixed, other = statistics(height_px=[224]), statistics(height_px=[256])
    assert measured(fixed, other)["height_px"].value == 1
    assert measured(fixed, fixed)["height_px"].value == 0


@pytest.mark.parametrize("seed", range(5))
def test_halves_of_one_hospital_do_not_drift(seed: int) -> None:
    random = np.random.default_rng(seed)
    halves = [
        statistics(
            150,
            patient_id=[f"p{number // 3}" for number in range(150)],
            label=np.repeat(random.choice(["NORMAL", "PNEUMONIA"], 50, p=[0.3, 0.7]), 3),
            mean_intensity=random.normal(0.48, 0.07, 150),
        )
        for _ in range(2)
    ]
    assert [one for one in measured(*halves).values() if one.is_exceeded] == []


def test_chance_is_exceeded_as_seldom_as_it_says() -> None:
    random = np.random.default_rng(0)
    shares = random.binomial(80, 0.5, (2, 200_000)) / 80
    exceeded = np.mean(np.abs(shares[0] - shares[1]) > chance_of_share(80, 80))
    assert exceeded == pytest.approx(1e-4, abs=1e-4)
    counts = random.multinomial(300, [1 / 20] * 20, (2, 50_000)) / 300
    divergences = jensenshannon(counts[0], counts[1], axis=1, base=2) ** 2
    assert np.mean(divergences > chance_of_histogram(300, 300)) < 1e-3
    assert divergences.max() > 0.8 * chance_of_histogram(300, 300)  # and it is not far off


def test_films_of_one_patient_are_one_sample() -> None:
    label = ["NORMAL", "PNEUMONIA"]
    alone = measured(statistics(200, label=label), statistics(label=label))["label"]
    patients = [f"p{number % 10}" for number in range(200)]
    shared = statistics(200, label=label, patient_id=patients)
    ten = measured(shared, statistics(label=label))["label"]
    assert alone.threshold == pytest.approx(chance_of_share(200, MANY), rel=0.05)
    assert ten.threshold == pytest.approx(chance_of_share(10, MANY), rel=0.01)
    assert ten.films == alone.films == 200


def test_what_one_side_lacks_is_not_compared() -> None:
    now = statistics(label=["NORMAL"], view=["PA"])
    assert set(measured(now, statistics(label=["NORMAL"], sex=["F"]))) == {"label"}
    empty = statistics_pb2.DatasetFeatureStatisticsList()
    empty.datasets.add(num_examples=0)
    assert list(distances(DRIFT, {"train": now}, {"train": empty}, SCHEMA)) == []
    assert list(distances(DRIFT, {"train": empty}, {"train": now}, SCHEMA)) == []
    assert list(distances(DRIFT, {"train": now}, {"test": now}, SCHEMA)) == []


def test_what_is_served_has_no_label_and_is_called_so() -> None:
    now = statistics(label=["NORMAL"], site=["a"])
    found = measured(now, statistics(label=["PNEUMONIA"], site=["b"]), SKEW)
    assert set(found) == {"site"}
    assert str(found["site"]).startswith("the L-infinity distance from what was served is 1.000")


def test_identities_and_styles_are_not_compared() -> None:
    drifting = {one.name for one in SCHEMA.feature if one.HasField("drift_comparator")}
    assert drifting == {
        "label", "site", "view", "sex", "age_years", "width_px", "height_px", "mean_intensity",
        "source_format",
    }  # fmt: skip
    served = {one.name for one in SCHEMA.feature if one.HasField("skew_comparator")}
    assert served == drifting - {"label"}
