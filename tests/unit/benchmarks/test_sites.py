"""Measurements over sites: which films are drawn, how sites are joined, what tables say."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from benchmarks import site_curve, site_prevalence, sites
from benchmarks.joined_sites import Training, join_sites
from benchmarks.quality_runs import Record
from benchmarks.site_calibration import calibrations
from benchmarks.site_curve import Point
from benchmarks.site_films import PreparedSite, draw_few, half_of
from benchmarks.site_prevalence import (
    ESTIMATED,
    STATED,
    UNCHANGED,
    Moved,
    draw_share,
    estimated_share,
    prevalences,
)
from benchmarks.site_tables import curve_table, prevalence_table, sites_table
from benchmarks.sites import main
from components.radiograph_example_gen.listing import read_layout
from metrics.prevalence import LEAST, MOST
from models.calibration import Calibration, OperatingPoint, moved_to
from models.hyperparameters import Train
from pipeline.config import load_config
from radiographs.options import IngestOptions
from tests.support import write_films

PATIENTS = np.repeat(np.arange(200), 2)
CLASSES = np.tile([0, 1, 1, 0], 100)
COUNTS = [25, 50, 100, 200]


class TestFew:
    def test_no_patient_is_in_two_parts(self) -> None:
        for few in draw_few(PATIENTS, CLASSES, COUNTS, seed=0).values():
            parts = [set(PATIENTS[places]) for places in (few.train, few.evaluation, few.rest)]
            assert sum(map(len, parts)) == len(set.union(*parts))

    def test_as_many_films_as_asked_for_and_two_fifths_of_them_for_eval(self) -> None:
        for count, few in draw_few(PATIENTS, CLASSES, COUNTS, seed=1).items():
            labelled = len(few.train) + len(few.evaluation)
            assert count <= labelled <= count + 1
            assert len(few.evaluation) / labelled == pytest.approx(0.4, abs=0.1)

    def test_fewer_are_part_of_more_and_the_rest_is_the_same(self) -> None:
        drawn = list(draw_few(PATIENTS, CLASSES, COUNTS, seed=2).values())
        for fewer, more in pairwise(drawn):
            assert set(fewer.train) < set(more.train)
            assert set(fewer.evaluation) < set(more.evaluation)
            assert np.array_equal(fewer.rest, more.rest)

    def test_a_seed_draws_other_films(self) -> None:
        one, other = (draw_few(PATIENTS, CLASSES, COUNTS, seed)[25] for seed in (0, 1))
        assert set(one.train) != set(other.train)

    def test_too_few_films_are_refused(self) -> None:
        with pytest.raises(ValueError, match="leave too few to score beside 300"):
            draw_few(PATIENTS, CLASSES, [300], seed=0)
        with pytest.raises(ValueError, match="a part of one class"):
            draw_few(PATIENTS, np.zeros(400, int), COUNTS, seed=0)


def test_joined_sites_keep_films_apart_and_tell_them_by_site(tmp_path: Path) -> None:
    sites = {}
    for name, count in (("here", 3), ("there", 2)):
        sites[name] = tmp_path / name
        for number, label in enumerate(("NORMAL", "PNEUMONIA")):
            write_films(sites[name], label, count, first_seed=10 * number + 100 * count)
    join_sites(sites, tmp_path / "joined")
    films = read_layout(str(tmp_path / "joined"), IngestOptions()).films
    assert len(films) == 10
    assert {film.site for film in films} == set(sites)
    for film in films:
        site, _, path = film.path.partition("/")
        assert film.site == site
        assert film.patient_id.startswith(f"{site}-")
        assert (tmp_path / "joined" / film.path).read_bytes() == (sites[site] / path).read_bytes()
        assert film.label == path.partition("/")[0]
        assert film.given_split == ""


def test_joined_sites_keep_what_a_manifest_says(tmp_path: Path) -> None:
    row = {
        "path": "", "label": "", "patient_id": "p", "age_years": "41", "sex": "F", "view": "AP",
        "site": "ward 7", "split": "test",
    }  # fmt: skip
    for label in ("NORMAL", "PNEUMONIA"):
        write_films(tmp_path / "here", label, 1)
    with (tmp_path / "here" / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        for label in ("NORMAL", "PNEUMONIA"):
            writer.writerow({**row, "path": f"{label}/{label.lower()}0.png", "label": label})
    join_sites({"here": tmp_path / "here"}, tmp_path / "joined")
    for film in read_layout(str(tmp_path / "joined"), IngestOptions()).films:
        assert (film.site, film.patient_id, film.given_split) == ("here", "here-p", "")
        assert (film.age_years, film.sex, film.view) == (41, "F", "AP")


def test_the_worst_site_gains_from_a_calibration_for_it() -> None:
    random = np.random.default_rng(0)
    sites = {}
    for name, films, shift in (("large", 4_000, 0.0), ("small", 400, 2.5)):
        labels = random.integers(0, 2, films)
        logits = random.normal(3.0 * labels - 1.5, 1.0) + shift
        site = PreparedSite(np.empty(films, object), {}, labels, np.arange(films))
        sites[name] = (site, logits)
    reached = {(one.site, one.way): one.metrics for one in calibrations(sites, Train(), seed=0)}
    for metric in ("brier_score", "expected_calibration_error"):
        plain, fair = (
            max(reached[site, way][metric] for site in sites) for way in ("all", "worst_group")
        )
        assert fair < plain - 0.01
    recalls = [reached[site, "worst_group"]["recall"] for site in sites]
    assert min(recalls) > Train().target_sensitivity - 0.04
    # With the larger site alone in view, a probability is what the larger site makes of it.
    labels, logits = sites["large"][0].classes, sites["large"][1]
    assert np.mean(expit(logits)[labels == 1]) > 0.5


class TestPrevalence:
    """Logits of the classes are normal about 2 and -2 with a variance of 4, so that those of equal
    shares are calibrated as they are: their difference of log-densities is the logit itself."""

    POINT = OperatingPoint(0.5, 0.9, 0.9, 0.9)

    @pytest.fixture(scope="class")
    def drawn(self) -> tuple[PreparedSite, np.ndarray]:
        random = np.random.default_rng(0)
        labels = np.repeat([0, 1], 20_000)
        logits = random.normal(4.0 * labels - 2.0, 2.0)
        return PreparedSite(np.empty(40_000, object), {}, labels, np.arange(40_000)), logits

    @pytest.fixture(scope="class")
    def reached(self, drawn: tuple[PreparedSite, np.ndarray]) -> dict[str, Moved]:
        calibration = Calibration(1, 1, 0, prevalence=0.5)
        found = prevalences(*drawn, calibration, self.POINT, [0.1], seed=0)
        return {one.way: one for one in found}

    def test_what_is_not_corrected_says_pneumonia_too_often(
        self, reached: dict[str, Moved]
    ) -> None:
        random = np.random.default_rng(1)
        mean = 0.1 * expit(random.normal(2, 2, 100_000)).mean()
        mean += 0.9 * expit(random.normal(-2, 2, 100_000)).mean()
        error = reached[UNCHANGED].metrics["expected_calibration_error"]
        assert error == pytest.approx(mean - 0.1, abs=0.01)

    @pytest.mark.parametrize("way", [STATED, ESTIMATED])
    def test_a_correction_leaves_chance(self, reached: dict[str, Moved], way: str) -> None:
        assert reached[way].assumed == pytest.approx(0.1, abs=0.01)
        assert reached[way].metrics["expected_calibration_error"] < 0.01
        for name in ("auc", "recall", "specificity"):  # every film keeps place and label
            assert reached[way].metrics[name] == pytest.approx(reached[UNCHANGED].metrics[name])

    def test_no_patient_is_scored_by_whom_the_share_is_estimated(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked_at, scored = [], []
        site = PreparedSite(np.empty(400, object), {}, CLASSES, PATIENTS)

        def note_estimate(_: Calibration, logits: np.ndarray) -> float:
            looked_at.extend(PATIENTS[logits.astype(int)])
            return 0.5

        def note_score(_: PreparedSite, places: np.ndarray, *given: Any) -> dict[str, float]:
            assert np.array_equal(given[0], places)  # the logits of these films
            scored.extend(PATIENTS[places])
            return {}

        monkeypatch.setattr(site_prevalence, "estimated_share", note_estimate)
        monkeypatch.setattr(site_prevalence, "score", note_score)
        calibration = Calibration(1, 1, 0, prevalence=0.5)
        found = list(prevalences(site, np.arange(400.0), calibration, self.POINT, [0.3], seed=0))
        assert set(looked_at).isdisjoint(scored)
        assert [one.films for one in found] == [len(scored) // 3] * 3

    def test_films_are_counted_by_the_calibration_of_all(self) -> None:
        alike = Calibration(1, 1, 0, prevalence=0.5)
        fair = Calibration(2, 2, 1, prevalence=0.6, fitted_to_all=alike)
        logits = np.random.default_rng(0).normal(0.5, 2, 500)
        assert estimated_share(fair, logits) == estimated_share(alike, logits)
        assert estimated_share(replace(fair, fitted_to_all=None), logits) != pytest.approx(
            estimated_share(alike, logits), abs=0.01
        )

    def test_films_that_look_all_alike_end_where_a_correction_does(self) -> None:
        calibration = Calibration(1, 1, 0, prevalence=0.5)
        assert estimated_share(calibration, np.full(9, -9.0)) == LEAST
        assert estimated_share(calibration, np.full(9, 9.0)) == MOST

    def test_half_of_the_patients_with_all_of_their_films(self) -> None:
        half = half_of(PATIENTS, seed=0)
        assert len(set(PATIENTS[half])) == 100
        assert set(PATIENTS[half]).isdisjoint(PATIENTS[~half])

    def test_films_are_of_the_share_and_of_those_to_draw_from(self) -> None:
        among = half_of(PATIENTS, seed=0)
        for share in (0.2, 0.05, 0.9):
            places = draw_share(CLASSES, among, share, np.random.default_rng(0))
            assert among[places].all()
            assert len(np.unique(places)) == len(places)
            assert CLASSES[places].mean() == pytest.approx(share, abs=0.5 / len(places))
            rarer = int(share < 0.5)  # of the other class all there are
            assert (CLASSES[places] != rarer).sum() == (among & (rarer != CLASSES)).sum()

    def test_a_share_that_the_films_do_not_hold_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"prevalence of 0\.001"):
            draw_share(CLASSES, CLASSES >= 0, 0.001, np.random.default_rng(0))

    def test_a_model_that_does_not_say_what_it_assumes(self) -> None:
        unknown = Calibration(1, 1, 0)
        with pytest.raises(ValueError, match="train it anew"):
            estimated_share(unknown, np.zeros(4))

    def test_the_point_moves_along(self) -> None:
        calibration, point = moved_to(0.1, Calibration(1, 1, 0, prevalence=0.5), self.POINT)
        assert calibration.probabilities(np.zeros(1)) == pytest.approx(0.1)  # odds of 1 to 9
        assert point.threshold == pytest.approx(0.1)

    def test_a_table_has_a_row_for_each_share_and_way(self) -> None:
        metrics = {
            "expected_calibration_error": 0.1, "recall": 0.9, "specificity": 0.8, "auc": 0.95,
            "brier_score": 0.05, "binary_accuracy": 0.85,
        }  # fmt: skip
        rows = prevalence_table([Moved(0.1, 40, STATED, 0.1, metrics)]).splitlines()
        assert rows[2:] == [
            "| 0.1 | stated | 40 | 0.100 | 0.050 | 0.850 | 0.950 | 0.100 | 0.900 | 0.800 |"
        ]


def test_a_curve_has_a_row_for_each_way_and_count() -> None:
    metrics = {"expected_calibration_error": 0.1, "recall": 0.9, "specificity": 0.8}
    points = [
        Point(way, films, seed, {"auc": auc, **metrics})
        for seed, (first, second) in enumerate([(0.6, 0.7), (0.8, 0.7)])
        for way, films, auc in (("as it is", 0, first), ("trained", 25, second))
    ]
    rows = curve_table(points).splitlines()[2:]
    assert rows == [
        "| 0 | as it is | 0.700 ± 0.141 | 0.100 ± 0.000 | 0.900 ± 0.000 | 0.800 ± 0.000 |",
        "| 25 | trained | 0.700 ± 0.000 | 0.100 ± 0.000 | 0.900 ± 0.000 | 0.800 ± 0.000 |",
    ]


def test_sites_have_a_row_for_each_that_was_scored() -> None:
    metrics = {"auc": 0.9, "expected_calibration_error": None, "recall": 0.8, "specificity": 0.7}
    summary = {"metrics": {"slices": {"site=here": metrics}}}
    record = Record("here", 0, 1.0, summary, {"there": {"metrics": {**metrics, "auc": 0.5}}})
    rows = sites_table([Training(("here",), False, "there", [record])]).splitlines()[2:]
    assert rows == [
        "| here | here, test split | 0.900 | n/a | 0.800 | 0.700 |",
        "| here | there, not seen | 0.500 | n/a | 0.800 | 0.700 |",
    ]


def test_what_is_asked_for_has_to_be_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--data-root", str(tmp_path)]) == 2
    assert "give --start-from" in capsys.readouterr().err
    assert main(["--leave-one-out", str(tmp_path)]) == 2
    assert "two folders or more" in capsys.readouterr().err


def test_the_films_of_a_model_are_drawn_by_prevalence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = np.tile([0, 1], 200)
    logits = np.random.default_rng(0).normal(4.0 * labels - 2.0, 2.0)

    class Stub:
        """Stands in for the films of a site and the model that judges them."""

        site = PreparedSite(np.empty(400, object), {}, labels, np.arange(400))
        answers = Calibration(1, 1, 0, prevalence=0.5), TestPrevalence.POINT

        def __init__(self, *_: Any) -> None:
            """Is given a model, settings and a folder."""

        def logits(self) -> np.ndarray:
            return logits

    monkeypatch.setattr(site_curve, "Curve", Stub)
    monkeypatch.setattr(sites, "_config", lambda _: load_config("demo"))
    flags = ["--start-from", "a", "--data-root", "b", "--prevalences", "0.5", "0.2", "--seeds", "2"]
    assert main(flags) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 2 * 3
    assert sum(row.startswith("| 0.2 | stated | 1") for row in rows) == 1


def test_one_measurement_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--start-from", "a", "--prevalences", "0.1", "--calibrate-on", "b", "c"])
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["0", "1", "10", "nan"])
def test_a_prevalence_is_a_share(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--start-from", "a", "--data-root", "b", "--prevalences", wrong])
    assert f"{wrong} is not between 0 and 1" in capsys.readouterr().err
